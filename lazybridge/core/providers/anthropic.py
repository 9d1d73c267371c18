"""Anthropic, through the anthropic SDK."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lazybridge.core.providers._anthropic_sdk import AnthropicSDK
from lazybridge.core.providers._clients import async_http_client, http_client
from lazybridge.core.providers.asking import deferred
from lazybridge.core.types import CompletionRequest, NativeTool
from lazybridge.core.wire import Wire
from lazybridge.core.wire.messages import NATIVE_TOOLS, MessagesWire

if TYPE_CHECKING:
    from lazybridge.core.wire.endpoints import Endpoint

# Credentials that the SDK finds by itself, besides the key: anthropic 2.12.0 `_client.py` and
# `lib/credentials/_constants.py`, read 2026-11-22.
_OTHER_CREDENTIALS = (
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_PROFILE",
    "ANTHROPIC_IDENTITY_TOKEN",
    "ANTHROPIC_IDENTITY_TOKEN_FILE",
)


def _endpoints() -> dict[str, Endpoint[Any, Any]]:
    from lazybridge.core.wire.endpoints.batch_dialects import AnthropicBatches
    from lazybridge.core.wire.endpoints.batches import batch_endpoints
    from lazybridge.core.wire.endpoints.files import file_endpoints
    from lazybridge.core.wire.endpoints.models import ModelListEndpoint
    from lazybridge.core.wire.endpoints.tokens import TokenCountEndpoint

    # anthropic 2.12.0 `types/message_count_tokens_params.py`, read 2026-11-22.
    counted = frozenset({"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed"})  # fmt: skip
    return {
        "models": ModelListEndpoint(path="/v1/models", page=(("limit", 1000),)),
        "token_count": TokenCountEndpoint(path="/v1/messages/count_tokens", wire=MessagesWire(), sent=counted),
        **file_endpoints("/v1/files"),
        **batch_endpoints(AnthropicBatches()),
    }


class AnthropicProvider(AnthropicSDK):
    """Anthropic's models, over the Messages API."""

    name = "anthropic"
    calls_for_key = False
    key_variable = "ANTHROPIC_API_KEY"
    url_variable = "ANTHROPIC_BASE_URL"
    secret_variables = ("ANTHROPIC_AUTH_TOKEN",)
    request_id_header = "request-id"
    default_model = "claude-sonnet-5-5"
    supported_native_tools: frozenset[NativeTool] = frozenset(NATIVE_TOOLS)
    # Ids: anthropic 2.12.0 `types/model.py`; prices: genai-prices 0.2.3; both read 2026-11-22.
    _TIER_ALIASES = {
        "top": "claude-fable-5-2",
        "expensive": "claude-opus-5-5",
        "medium": "claude-sonnet-5-5",
        "cheap": "claude-haiku-5-5",
        "super_cheap": "claude-haiku-5-5",
    }
    _FALLBACKS = {
        "claude-fable-5-2": ["claude-fable-5-1", "claude-opus-5-5"],
        "claude-opus-5-5": ["claude-opus-5", "claude-sonnet-5-5"],
        "claude-sonnet-5-5": ["claude-sonnet-5"],
        "claude-haiku-5-5": ["claude-haiku-4-5"],
    }

    endpoints = deferred(_endpoints)

    def _has_credentials(self) -> bool:
        return super()._has_credentials() or _finds_credentials()

    def _wire(self, request: CompletionRequest) -> Wire:
        return MessagesWire()

    def _make_client(self, asynchronous: bool) -> Any:
        import anthropic

        options: dict[str, Any] = {"api_key": self.api_key, "base_url": self.base_url, "max_retries": 0}
        if not (self.api_key or self._environment_key() or _finds_credentials()):
            options["api_key"] = "no-key"  # the SDK refuses to call without one
        if asynchronous:
            return anthropic.AsyncAnthropic(http_client=async_http_client(anthropic.DefaultAioHttpClient), **options)
        return anthropic.Anthropic(http_client=http_client(), **options)


def _finds_credentials() -> bool:
    """Whether a variable or a profile on disk gives the SDK credentials without a key."""
    if any(map(os.environ.get, _OTHER_CREDENTIALS)):
        return True
    home = (
        Path(os.environ["APPDATA"], "Anthropic") if "APPDATA" in os.environ else Path.home() / ".config" / "anthropic"
    )
    profiles = Path(os.environ.get("ANTHROPIC_CONFIG_DIR") or home) / "configs"
    return profiles.is_dir() and any(profiles.glob("*.json"))
