"""The one classifier: what a vendor's SDK raised, as a ProviderError."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from lazybridge.core.errors.secrets import chain_of, scrub, scrub_exception, secrets_of
from lazybridge.core.errors.tree import ErrorKind, ProviderError

_CLASSES: dict[ErrorKind, type[ProviderError]] = {cls.kind: cls for cls in ProviderError.__subclasses__()}

_BY_STATUS: dict[int, ErrorKind] = {
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
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}

# The vendors' own words in `error.type` and `error.code`. Sources: the error classes of openai 3.54.0 and anthropic
# 2.12.0 and their API references, read 2026-11-22; recorded error bodies.
_BY_WORD: dict[str, ErrorKind] = {
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
    "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length",
    "string_above_max_length": "context_length",
    "content_policy_violation": "content_policy",
    "content_filter": "content_policy",
    "invalid_prompt": "content_policy",
    "cyber_policy": "content_policy",
    "rate_limit_error": "rate_limit",
    "rate_limit_exceeded": "rate_limit",
    "tokens": "rate_limit",
    "requests": "rate_limit",
    "overloaded_error": "overloaded",
    "server_is_overloaded": "overloaded",
    "slow_down": "overloaded",
    "timeout_error": "timeout",
    "request_too_large": "invalid_request",
    "invalid_request_error": "invalid_request",
    "api_error": "server",
    "server_error": "server",
}

# Where a vendor sends no code. Anthropic's over-long prompt: https://docs.claude.com/en/docs/build-with-claude/context-windows
# and recorded 400 bodies ("prompt is too long: 208310 tokens > 200000 maximum"), read 2026-11-22.
_BY_MESSAGE_PREFIX: tuple[tuple[str, ErrorKind], ...] = (
    ("prompt is too long", "context_length"),
    ("input length and `max_tokens` exceed context limit", "context_length"),
    ("Your credit balance is too low", "quota"),
)

_CONNECTION_CLASSES = frozenset({"gaierror", "herror", "SSLError"})
# Failures before a byte of the request was on the wire.
_UNSENT_CLASSES = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ConnectionRefusedError", "gaierror"}
)
_TRANSPORT_MODULES = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "aiohttp"})


def from_exception(
    exc: BaseException, *, provider: str, model: str | None = None, secrets: Iterable[str] = ()
) -> ProviderError:
    """The neutral error for whatever a vendor's SDK raised; a ProviderError is returned as it is.

    It reads the HTTP status, the class and the body's own `type` and `code`, never the prose of a message but for
    the few sourced prefixes of bodies that carry no code. The SDK's exception becomes `__cause__`, without its
    traceback and with every secret in its text, headers and body replaced: those of its request, and `secrets`.
    """
    known = tuple(secret for secret in secrets if len(secret) >= 4)
    if isinstance(exc, ProviderError):
        exc.provider = exc.provider or provider
        exc.model = exc.model or model
        exc.message = scrub(exc.message, known)
        exc.args = (exc.message,)
        exc.__traceback__ = None  # the frames that read the answer hold its body
        return exc
    status = _status(exc)
    headers = _headers(exc)
    body = _error_body(exc)
    words = [word for word in (body.get("code"), body.get("type"), getattr(exc, "code", None)) if isinstance(word, str)]
    message = _text(body.get("message")) or str(exc) or type(exc).__name__
    kind = _kind(exc, status, words, message)
    found = (*secrets_of(exc), *known)
    error = _CLASSES[kind](
        scrub(message, found),
        provider=provider,
        model=model,
        status_code=status if status is None or status >= 400 else None,
        request_id=getattr(exc, "request_id", None) or headers.get("x-request-id") or headers.get("request-id"),
        retry_after=retry_after_seconds(headers),
        retryable=_retryable(kind, status, headers, exc),
        code=words[0] if words else None,
    )
    scrub_exception(exc, found)
    error.never_sent = _never_sent(exc)
    error.__cause__ = exc
    return error


def error_in_body(error: object, *, provider: str, model: str | None = None) -> ProviderError:
    """The neutral error for an `error` object that a vendor sent inside a 200 answer or stream."""
    body: Mapping[str, Any] = error if isinstance(error, Mapping) else {"message": error}
    words = [word for word in (body.get("code"), body.get("type")) if isinstance(word, str)]
    message = _text(body.get("message")) or "the vendor sent an error without a message"
    kind = _kind(None, None, words, message)
    return _CLASSES[kind](scrub(message, ()), provider=provider, model=model, code=words[0] if words else None)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or an HTTP date); None where neither was sent."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(0.0, float(value) / scale)
        except ValueError:
            pass
        from email.utils import parsedate_to_datetime  # costs 2 ms, for a form that few vendors send

        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            continue
        return max(0.0, (when - datetime.now(when.tzinfo)).total_seconds())
    return None


def _kind(exc: BaseException | None, status: int | None, words: Iterable[str], message: str) -> ErrorKind:
    if exc is not None:
        by_class = _kind_of_class(exc)
        if by_class is not None:
            return by_class
    for prefix, kind in _BY_MESSAGE_PREFIX:
        if message.startswith(prefix):
            return kind
    # A generic word (`invalid_request_error` on a 404) must not hide what the status says.
    named: list[ErrorKind] = [_BY_WORD[word.lower()] for word in words if word.lower() in _BY_WORD]
    specific: list[ErrorKind] = [kind for kind in named if kind not in ("invalid_request", "server")]
    if specific:
        return specific[0]
    if status is not None and status >= 400:
        return _BY_STATUS.get(status, "server" if status >= 500 else "invalid_request")
    return named[0] if named else "server"


def _kind_of_class(exc: BaseException) -> ErrorKind | None:
    """Transport failures have no status; their class is what there is.

    The SDKs' aiohttp transport calls every lost connection a connect timeout, so aiohttp's own exception is asked first.
    """
    below = _aiohttp_names(exc)
    if "ClientConnectionError" in below:
        return "timeout" if "ServerTimeoutError" in below else "connection"
    names = [cls.__name__ for cls in type(exc).__mro__]
    if isinstance(exc, TimeoutError) or "TimeoutException" in names or "APITimeoutError" in names:
        return "timeout"
    if "APIConnectionError" in names or "TransportError" in names:
        return "connection"
    if isinstance(exc, ConnectionError) or _CONNECTION_CLASSES.intersection(names):
        return "connection"
    if type(exc).__module__.split(".")[0] in _TRANSPORT_MODULES and "HTTPStatusError" not in names:
        return "connection"
    return None


def _aiohttp_names(exc: BaseException) -> set[str]:
    """The class names of the aiohttp exception underneath, if there is one."""
    for link in chain_of(exc):
        if type(link).__module__.partition(".")[0] == "aiohttp":
            return {cls.__name__ for cls in type(link).__mro__}
    return set()


def _never_sent(exc: BaseException) -> bool:
    below = _aiohttp_names(exc)
    if below:
        return bool(below & {"ClientConnectorError", "ConnectionTimeoutError"})
    return any(_UNSENT_CLASSES.intersection(cls.__name__ for cls in type(link).__mro__) for link in chain_of(exc))


def _retryable(kind: ErrorKind, status: int | None, headers: Mapping[str, str], exc: BaseException) -> bool:
    asked = headers.get("x-should-retry")
    if asked in ("true", "false"):
        return asked == "true" and kind != "quota"
    if kind == "server" and status is None and not _from_sdk(exc):
        return False  # a bug in a provider's own code comes back unchanged however often it is called
    return _CLASSES[kind].retryable_by_default or status == 409


def _from_sdk(exc: BaseException) -> bool:
    return any(hasattr(exc, name) for name in ("status_code", "body", "response"))


def _status(exc: BaseException) -> int | None:
    for value in (getattr(exc, "status_code", None), getattr(getattr(exc, "response", None), "status_code", None)):
        if isinstance(value, int):
            return value
    return None


def _headers(exc: BaseException) -> Mapping[str, str]:
    for holder in (getattr(exc, "response", None), exc):
        headers = getattr(holder, "headers", None) or getattr(holder, "response_headers", None)
        if headers is not None:
            return {str(name).lower(): str(value) for name, value in dict(headers).items()}
    return {}


def _error_body(exc: BaseException) -> Mapping[str, Any]:
    body = getattr(exc, "body", None)
    if isinstance(body, Mapping):
        inner = body.get("error")
        if isinstance(inner, Mapping):
            return inner
        return {**body, "message": inner} if isinstance(inner, str) else body
    return {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
