"""Token counts by the vendor: the conversation as its wire writes it, sent to another address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.endpoints.tokens import TokenCount, TokenCountRequest
from lazybridge.core.errors import ServerError
from lazybridge.core.wire import Wire, number
from lazybridge.core.wire.endpoints import Endpoint, HTTPCall, with_extra
from lazybridge.core.wire.endpoints.gemini import resource


@dataclass(frozen=True, kw_only=True)
class TokenCountEndpoint(Endpoint[TokenCountRequest, TokenCount]):
    """`sent` are the parts of a body that count and that the address takes."""

    free = True
    path: str
    wire: Wire
    sent: frozenset[str] = field(repr=False)

    def call(self, request: TokenCountRequest, model: ModelProfile) -> HTTPCall:
        """The call; what of the conversation cannot be sent is an adjustment, as it would be in the conversation."""
        body, adjustments, _ = self.wire.to_sdk_kwargs(request.request, model, False)
        kept = {name: value for name, value in body.items() if name in self.sent}
        return HTTPCall(self._path(model), with_extra(self._body(kept, model), request), adjustments=adjustments)

    def _path(self, model: ModelProfile) -> str:
        return self.path

    def _body(self, body: dict[str, Any], model: ModelProfile) -> dict[str, Any]:
        return body

    def response(self, request: TokenCountRequest, raw: Any) -> TokenCount:
        """The count."""
        tokens = number(raw, "input_tokens", "totalTokens")
        if tokens is None:
            raise ServerError(
                "the answer has no count of tokens",
            )
        return TokenCount(tokens=tokens)


@dataclass(frozen=True, kw_only=True)
class GeminiTokenCount(TokenCountEndpoint):
    """Google's `countTokens`: the Gemini API takes a whole request, Vertex AI its parts."""

    path: str = ""
    vertex: bool = False

    def _path(self, model: ModelProfile) -> str:
        return f"{resource(model.id, self.vertex)}:countTokens"

    def _body(self, body: dict[str, Any], model: ModelProfile) -> dict[str, Any]:
        # https://ai.google.dev/api/tokens: contents alone, or a whole request; read 2026-11-22.
        if self.vertex or set(body) == {"contents"}:
            return body
        return {"generateContentRequest": {"model": resource(model.id, False), **body}}
