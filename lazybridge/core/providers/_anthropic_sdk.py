"""What every provider over the anthropic SDK shares: its streams, its typed answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lazybridge.core.providers._sdk import SDKProvider
from lazybridge.core.wire import Wire
from lazybridge.core.wire.messages import MessagesWire


class AnthropicSDK(SDKProvider):
    """The anthropic SDK's streams and typed answers."""

    sdk = "anthropic"

    def get_default_max_tokens(self, model: str | None = None) -> int:
        """The model's own output limit; the API wants a number, so a model the catalogue lacks gets a usual one."""
        return self._row(model).max_output_tokens or MessagesWire.default_max_tokens

    def _stream_class(self, asynchronous: bool) -> Any:
        import anthropic

        return anthropic.AsyncStream[object] if asynchronous else anthropic.Stream[object]

    @classmethod
    def _build_raw(cls, raw: Mapping[str, Any], wire: Wire) -> Any:
        from anthropic.types import Message

        return Message.construct(**raw)
