"""Where Google's API keeps a model, and pictures and sound by its generateContent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from lazybridge.core.endpoints import EndpointRequest
from lazybridge.core.errors import ContentPolicyError, ServerError
from lazybridge.core.types import Adjustment, CompletionResponse
from lazybridge.core.wire.endpoints import HTTPCall, decoded
from lazybridge.core.wire.gemini_answers import answer_of


def resource(model: str, vertex: bool) -> str:
    """Where a model stands in the URL, as the typed methods of google-genai 3.4.0 say it."""
    model = quote(model, safe="/@:")
    if vertex:
        if model.startswith(("projects/", "models/", "publishers/")):
            return model
        publisher, slash, name = model.partition("/")
        return f"publishers/{publisher}/models/{name}" if slash else f"publishers/google/models/{model}"
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def generation(
    where: str, parts: list[dict[str, Any]], config: dict[str, Any], request: EndpointRequest, lost: list[Adjustment]
) -> HTTPCall:
    """A call of generateContent with one turn; `extra_body` goes into its settings as it does in a conversation."""
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    return HTTPCall(f"{where}:generateContent", with_settings(body, request), adjustments=tuple(lost))


def with_settings(body: dict[str, Any], request: EndpointRequest) -> dict[str, Any]:
    """The body, and over it what the caller adds: into its objects, such as `generationConfig`, not in their place."""
    for name, value in (request.extra_body or {}).items():
        ours = body.get(name)
        body[name] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, Mapping) else value
    return body


def answer(raw: Any) -> CompletionResponse:
    """What generateContent answered. Raises ContentPolicyError where the vendor refused and nothing was made."""
    if not isinstance(raw, Mapping):
        raise ServerError("the answer is no object")
    found = answer_of(raw, "google")
    if found.stop_reason == "content_filter" and not any(media(raw, "")):
        raise ContentPolicyError(f"the vendor refused this{': ' + found.content if found.content else ''}")
    return found


def media(raw: Mapping[str, Any], kind: str) -> Iterator[tuple[bytes, str | None]]:
    """Bytes and media type of each part of a kind ("image/", "audio/"); drafts among a model's thoughts do not count."""
    for candidate in raw.get("candidates") or ():
        for part in (candidate.get("content") or {}).get("parts") or ():
            found = part.get("inlineData")
            if found and not part.get("thought") and (found.get("mimeType") or "").startswith(kind):
                yield decoded(found.get("data")), found.get("mimeType")
