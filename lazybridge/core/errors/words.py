"""The vendors' own words for what went wrong, as kinds."""

from __future__ import annotations

from lazybridge.core.errors.tree import ErrorKind

BY_STATUS: dict[int, ErrorKind] = {
    400: "invalid_request",
    401: "authentication",
    402: "quota",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "invalid_request",
    413: "invalid_request",
    415: "invalid_request",
    422: "invalid_request",
    424: "server",  # Bedrock: the model failed
    429: "rate_limit",
    498: "overloaded",  # Groq has no capacity at the flex tier: https://console.groq.com/docs/flex-processing
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}

# The vendors' own words in `error.type` and `error.code`. Sources: the error classes of openai 3.54.0 and anthropic
# 2.12.0 and their API references, read 2026-11-22; recorded error bodies (`invalid_model` and `rate_limited`: Mistral).
BY_WORD: dict[str, ErrorKind] = {
    "authentication_error": "authentication",
    "invalid_api_key": "authentication",
    "incorrect_api_key_provided": "authentication",
    "billing_error": "quota",
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "credit_balance_exhausted": "quota",
    "contract_spend_limit_reached": "quota",
    "enforced_spend_limit_reached": "quota",
    "permission_error": "permission",
    "unsupported_country_region_territory": "permission",
    "not_found_error": "not_found",
    "model_not_found": "not_found",
    "deployment_not_found": "not_found",
    "invalid_model": "not_found",
    "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length",
    "string_above_max_length": "context_length",
    "content_policy_violation": "content_policy",
    "content_filter": "content_policy",
    "invalid_prompt": "content_policy",
    "cyber_policy": "content_policy",
    "rate_limit_error": "rate_limit",
    "rate_limit_exceeded": "rate_limit",
    "rate_limited": "rate_limit",
    "tokens": "rate_limit",
    "requests": "rate_limit",
    "overloaded_error": "overloaded",
    "server_is_overloaded": "overloaded",
    "slow_down": "overloaded",
    "capacity_exceeded": "overloaded",
    "timeout_error": "timeout",
    "request_too_large": "invalid_request",
    "invalid_request_error": "invalid_request",
    "api_error": "server",
    # Google's: `google.rpc.Code` in `status`, `ErrorInfo.reason` in `details`; recorded error bodies, and
    # https://ai.google.dev/gemini-api/docs/troubleshooting, read 2026-11-22.
    "api_key_invalid": "authentication",
    "unauthenticated": "authentication",
    "permission_denied": "permission",
    "not_found": "not_found",
    "quota_per_day": "quota",
    "resource_exhausted": "rate_limit",
    "unavailable": "overloaded",
    "deadline_exceeded": "timeout",
    "invalid_argument": "invalid_request",
    "failed_precondition": "invalid_request",
    "out_of_range": "invalid_request",
    "internal": "server",
    "server_error": "server",
    # AWS's, in the header `x-amzn-errortype` and in the frames of a stream: botocore 1.44.5 `data/bedrock-runtime`,
    # https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html and
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html, read 2026-11-22.
    "unrecognizedclientexception": "authentication",
    "invalidclienttokenid": "authentication",
    "invalidsignatureexception": "authentication",
    "incompletesignature": "authentication",
    "missingauthenticationtokenexception": "authentication",
    "expiredtokenexception": "authentication",
    "requestexpired": "authentication",
    "accessdeniedexception": "permission",
    "resourcenotfoundexception": "not_found",
    "throttlingexception": "rate_limit",
    "servicequotaexceededexception": "rate_limit",
    "modelnotreadyexception": "overloaded",
    "serviceunavailableexception": "overloaded",
    "modeltimeoutexception": "timeout",
    "validationexception": "invalid_request",
    "internalserverexception": "server",
    "modelerrorexception": "server",
    "modelstreamerrorexception": "server",
}

# Groq refuses what its model wrote, not what was asked (recorded 400 bodies, with `failed_generation`): another sample
# may do.
FAILED_GENERATIONS = frozenset({"tool_use_failed", "json_validate_failed"})

# Where a vendor sends no code. Anthropic's over-long prompt: https://docs.claude.com/en/docs/build-with-claude/context-windows
# and recorded 400 bodies ("prompt is too long: 208310 tokens > 200000 maximum"), read 2026-11-22.
BY_MESSAGE_PREFIX: tuple[tuple[str, ErrorKind], ...] = (
    ("prompt is too long", "context_length"),
    ("input length and `max_tokens` exceed context limit", "context_length"),
    # Google's: recorded 400 bodies ("The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).").
    ("The input token count", "context_length"),
    # Bedrock's, as its users quote it.
    ("Input is too long for requested model", "context_length"),
    ("Your credit balance is too low", "quota"),
    # fal's: 403 bodies as many public reports quote them, read 2026-11-22.
    ("User is locked. Reason: Exhausted balance", "quota"),
)
