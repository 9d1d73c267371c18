"""How many tokens a request has, by the vendor's own count."""

from __future__ import annotations

from dataclasses import dataclass

from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
from lazybridge.core.types import CompletionRequest


@dataclass(frozen=True, kw_only=True)
class TokenCountRequest(EndpointRequest):
    """A conversation that is not asked, but counted."""

    request: CompletionRequest

    @classmethod
    def of(cls, request: CompletionRequest) -> TokenCountRequest:
        """The count of a conversation as it would be asked."""
        return cls(request=request, timeout=request.timeout, extra_headers=request.extra_headers, strict=request.strict)


@dataclass(kw_only=True)
class TokenCount(EndpointResponse):
    """Input tokens of a conversation."""

    tokens: int
