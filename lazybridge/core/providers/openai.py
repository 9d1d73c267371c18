"""OpenAI, through the openai SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lazybridge.core.providers._clients import async_http_client, http_client
from lazybridge.core.providers._openai_sdk import OverOpenAI
from lazybridge.core.providers.asking import deferred
from lazybridge.core.types import CompletionRequest, NativeTool
from lazybridge.core.wire import Wire
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.responses import NATIVE_TOOLS, ResponsesWire

if TYPE_CHECKING:
    from lazybridge.core.wire.endpoints import Endpoint

CHAT = ChatWire(takes_cache_key=True, ids_up_to_40=True)


def _endpoints() -> dict[str, Endpoint[Any, Any]]:
    from lazybridge.core.wire.endpoints.batches import OpenAIBatches, batch_endpoints
    from lazybridge.core.wire.endpoints.embeddings import OpenAIEmbeddings
    from lazybridge.core.wire.endpoints.files import file_endpoints
    from lazybridge.core.wire.endpoints.images import OpenAIImages
    from lazybridge.core.wire.endpoints.models import ModelListEndpoint
    from lazybridge.core.wire.endpoints.speech import OpenAISpeech
    from lazybridge.core.wire.endpoints.tokens import TokenCountEndpoint
    from lazybridge.core.wire.endpoints.transcription import TranscriptionEndpoint

    # openai 3.54.0 `types/responses/input_token_count_params.py`, read 2026-11-22.
    counted = frozenset({"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text", "truncation", "conversation", "previous_response_id"})  # fmt: skip
    # A recorded request; without a way to cut the recording it may not last longer than 30 seconds: openai 3.54.0
    # `types/audio/transcription_create_params.py`, read 2026-11-22.
    diarized = (("chunking_strategy", "auto"), ("response_format", "diarized_json"))
    # openai 3.54.0 `types/batch_create_params.py`: the conversations that a batch may hold, read 2026-11-22.
    batches = OpenAIBatches(vendor="openai", wires=(("/v1/responses", ResponsesWire()), ("/v1/chat/completions", CHAT)))
    # The defaults are those of openai 3.54.0 `types/image_model.py` and the pages beside it that have a price; what speaks
    # ends on 2027-01-06 and what hears on 2027-02-26, read 2026-11-22.
    return {
        "embeddings": OpenAIEmbeddings(default_model="text-embedding-3-small"),
        "images": OpenAIImages(default_model="gpt-image-2.5-flare"),
        "models": ModelListEndpoint(),
        "speech": OpenAISpeech(default_model="gpt-4o-mini-tts", default_voice="alloy"),
        "token_count": TokenCountEndpoint(path="/responses/input_tokens", wire=ResponsesWire(), sent=counted),
        "transcription": TranscriptionEndpoint(default_model="gpt-4o-transcribe", diarized=diarized),
        **file_endpoints(purpose="user_data"),
        **batch_endpoints(batches),
    }


class OpenAIProvider(OverOpenAI):
    """OpenAI's models. `api="responses"` is the default; `api="chat"` speaks Chat Completions, for other vendors'
    servers, audio, `seed` and `stop`."""

    name = "openai"
    key_variable = "OPENAI_API_KEY"
    url_variable = "OPENAI_BASE_URL"
    apis = ("responses", "chat")
    default_model = "gpt-6.1-terra"
    supported_native_tools: frozenset[NativeTool] = frozenset(NATIVE_TOOLS)
    # Ids and prices: genai-prices 0.2.3, read 2026-11-22. gpt-6.2-* are newer, but their price is not in it.
    _TIER_ALIASES = {
        "top": "gpt-6-astra",
        "expensive": "gpt-6.1-sol",
        "medium": "gpt-6.1-terra",
        "cheap": "gpt-5.6-luna",
        "super_cheap": "gpt-6-luna",
    }
    _FALLBACKS = {
        "gpt-6-astra": ["gpt-6.1-sol", "gpt-6-sol"],
        "gpt-6.1-sol": ["gpt-6-sol", "gpt-5.6-sol"],
        "gpt-6.1-terra": ["gpt-5.6-terra"],
        "gpt-6-luna": ["gpt-5.6-luna"],
        "gpt-5.6-luna": ["gpt-6-luna"],
    }

    endpoints = deferred(_endpoints)

    def _wire(self, request: CompletionRequest) -> Wire:
        return CHAT if self.api == "chat" else ResponsesWire()

    def _make_client(self, asynchronous: bool) -> Any:
        import openai

        options: dict[str, Any] = {"api_key": self.api_key, "base_url": self.base_url, "max_retries": 0}
        if not (self.api_key or self._environment_key()):
            options["api_key"] = "no-key"  # the SDK refuses to be built without one
        if asynchronous:
            return openai.AsyncOpenAI(http_client=async_http_client(openai.DefaultAioHttpClient), **options)
        return openai.OpenAI(http_client=http_client(), **options)
