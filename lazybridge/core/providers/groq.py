"""Groq, through the groq SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lazybridge.core import structured
from lazybridge.core.providers._clients import async_http_client, http_client
from lazybridge.core.providers._reading import read_refusal
from lazybridge.core.providers._sdk import SDKProvider
from lazybridge.core.providers.asking import deferred
from lazybridge.core.types import CompletionRequest
from lazybridge.core.wire import Wire
from lazybridge.core.wire.chat import ChatWire

if TYPE_CHECKING:
    from lazybridge.core.wire.endpoints import Endpoint

# Read 2026-11-22: groq 1.7.0 `types/chat/completion_create_params.py` (what it takes, what "is not yet supported by any
# of our models", media), https://console.groq.com/docs/openai (what is a 400), https://github.com/vercel/ai/pull/16540
# (no output schema beside tools), recorded exchanges (`reasoning_format` of gpt-oss, `stream_options`).
WIRE = ChatWire(
    vendor="groq",
    path="/openai/v1/chat/completions",
    schema_dialect=structured.GROQ,
    schema_beside_tools=False,
    efforts=("none", "low", "medium", "high"),
    reasoning_format="parsed",
    reasoning_fields=("reasoning",),
    service_tiers=("auto", "on_demand", "flex", "performance"),
    refused_media=("audio", "document"),
    refused=(
        ("frequency_penalty", 0),
        ("logit_bias", {}),
        ("logprobs", False),
        ("metadata", {}),
        ("n", 1),
        ("presence_penalty", 0),
        ("store", False),
        ("top_logprobs", None),
    ),
)


def _endpoints() -> dict[str, Endpoint[Any, Any]]:
    from lazybridge.core.wire.endpoints.batches import OpenAIBatches, batch_endpoints
    from lazybridge.core.wire.endpoints.files import file_endpoints
    from lazybridge.core.wire.endpoints.models import ModelListEndpoint
    from lazybridge.core.wire.endpoints.speech import OpenAISpeech
    from lazybridge.core.wire.endpoints.transcription import TranscriptionEndpoint

    # groq 1.7.0 `types/audio/` (the default is its own) and `types/batch_create_params.py`, read 2026-11-22.
    return {
        "models": ModelListEndpoint(path="/openai/v1/models"),
        "speech": OpenAISpeech(path="/openai/v1/audio/speech", accept="audio/wav", instructions=False),
        "transcription": TranscriptionEndpoint(
            path="/openai/v1/audio/transcriptions", default_model="whisper-large-v3-turbo"
        ),
        **file_endpoints("/openai/v1/files", "batch", "application/octet-stream"),
        **batch_endpoints(
            OpenAIBatches(vendor="groq", path="/openai/v1/batches", wires=(("/v1/chat/completions", WIRE),))
        ),
    }


class GroqProvider(SDKProvider):
    """Models that Groq serves, over Chat Completions."""

    name = "groq"
    sdk = "groq"
    http_library = "httpx"
    calls_for_key = False
    key_variable = "GROQ_API_KEY"
    url_variable = "GROQ_BASE_URL"
    default_model = "openai/gpt-oss-120b"
    # Ids: https://console.groq.com/docs/models and groq 1.7.0; prices: genai-prices 0.2.3; both read 2026-11-22.
    _TIER_ALIASES = {
        "top": "qwen/qwen3.8-27b",
        "expensive": "openai/gpt-oss-120b",
        "medium": "openai/gpt-oss-120b",
        "cheap": "openai/gpt-oss-20b",
        "super_cheap": "openai/gpt-oss-20b",
    }
    _FALLBACKS = {
        "qwen/qwen3.8-27b": ["openai/gpt-oss-120b"],
        "openai/gpt-oss-120b": ["openai/gpt-oss-20b"],
        "openai/gpt-oss-20b": ["openai/gpt-oss-120b"],
    }

    endpoints = deferred(_endpoints)

    def _wire(self, request: CompletionRequest) -> Wire:
        return WIRE

    def _make_client(self, asynchronous: bool) -> Any:
        import groq

        options: dict[str, Any] = {"api_key": self.api_key, "base_url": self.base_url, "max_retries": 0}
        if not (self.api_key or self._environment_key()):
            options["api_key"] = "no-key"  # the SDK refuses to be built without one
        if asynchronous:
            client = async_http_client(groq.DefaultAioHttpClient, "httpx")
            client.event_hooks["response"].append(read_refusal)
            return groq.AsyncGroq(http_client=client, **options)
        return groq.Groq(http_client=http_client("httpx"), **options)

    def _stream_class(self, asynchronous: bool) -> Any:
        import groq

        return groq.AsyncStream[object] if asynchronous else groq.Stream[object]

    @classmethod
    def _build_raw(cls, raw: Mapping[str, Any], wire: Wire) -> Any:
        from groq.types.chat import ChatCompletion

        return ChatCompletion.construct(**raw)
