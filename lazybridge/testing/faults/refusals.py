"""How a vendor says no: its error bodies."""

from __future__ import annotations

from typing import Any

from lazybridge.testing.faults.mode import WireName

# The words of openai 3.54.0, anthropic 2.12.0, google.rpc.Code and recorded bodies of Mistral's; read 2026-11-22.
_OPENAI = {
    401: "invalid_api_key", 403: "permission_denied", 404: "model_not_found", 429: "rate_limit_exceeded", 500: "server_error",
    503: "server_error", 529: "overloaded_error",
}  # fmt: skip
_ANTHROPIC = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    408: "timeout_error", 409: "conflict_error", 413: "request_too_large", 422: "invalid_request_error",
    429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
_MISTRAL = {404: "invalid_model", 429: "rate_limited"}
_GOOGLE = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
    429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def refusal(wire: WireName, status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """The vendor's error body for a status; `code` is the vendor's word where the usual one is not meant."""
    if wire == "messages":
        return {"type": "error", "error": {"type": code or _ANTHROPIC.get(status, "api_error"), "message": message}}
    if wire == "gemini":
        return {"error": {"code": status, "message": message, "status": code or _GOOGLE.get(status, "INTERNAL")}}
    if wire == "mistral":
        if status == 422:
            return {"detail": [{"type": "value_error", "loc": ["body", "messages"], "msg": message}]}
        kind = code or _MISTRAL.get(status)
        return {"object": "error", "message": message, "type": kind or "invalid_request", "param": None, "code": kind}
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code or _OPENAI.get(status)}}


def over_quota(wire: WireName) -> tuple[int, dict[str, Any]]:
    """An account without credit: the vendor's status and body."""
    if wire == "messages":  # a recorded body
        return 400, refusal(wire, 400, "Your credit balance is too low to access the Anthropic API.")
    if wire == "gemini":
        violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "250"}
        body = refusal(wire, 429, "You exceeded your current quota, please check your plan and billing details.")
        body["error"]["details"] = [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
        ]
        return 429, body
    if wire == "mistral":
        return 402, refusal(wire, 402, "You have no credit left.")
    body = refusal(wire, 429, "You exceeded your current quota.", "insufficient_quota")
    body["error"]["type"] = "insufficient_quota"
    return 429, body


def too_long(wire: WireName) -> dict[str, Any]:
    """A prompt longer than the model reads."""
    if wire == "messages":
        return refusal(wire, 400, "prompt is too long: 208310 tokens > 200000 maximum")
    if wire == "gemini":
        return refusal(
            wire, 400, "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)."
        )
    return refusal(wire, 400, "This model's maximum context length is exceeded.", "context_length_exceeded")


def in_a_stream(wire: WireName, message: str) -> tuple[str | None, dict[str, Any]]:
    """An error among the events of a 200: its name, if it has one, and its data."""
    if wire == "messages":
        return "error", refusal(wire, 529, message)
    if wire == "responses":
        failed = {"code": "server_error", "message": message}
        return "error", {"type": "error", "sequence_number": 1, "error": failed, **failed, "param": None}
    if wire == "gemini":
        return None, refusal(wire, 503, message)
    return None, {"error": {"message": message, "type": "server_error", "code": "overloaded_error", "param": None}}
