"""Mistral, through the mistralai SDK."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lazybridge.core import structured
from lazybridge.core.providers._sdk import SDKProvider
from lazybridge.core.providers.asking import deferred
from lazybridge.core.types import CompletionRequest
from lazybridge.core.wire import Wire
from lazybridge.core.wire.chat import ChatWire

if TYPE_CHECKING:
    from lazybridge.core.wire.endpoints import Endpoint

# mistralai 3.7.0 `models/chatcompletionrequest.py` and what it refers to; recorded requests; read 2026-11-22.
WIRE = ChatWire(
    vendor="mistral",
    path="/v1/chat/completions",
    schema_dialect=structured.MISTRAL,
    max_tokens_field="max_tokens",
    seed_field="random_seed",
    stream_usage=False,  # usage comes unasked, with the finish reason
    thinking_effort="high",
    replays_thinking=True,
    any_tool="any",
    short_ids=True,
    order="bridged",  # error 3230, https://github.com/avante-corp/avante.nvim/pull/2695
    prefixes=True,
    cache_key=True,
    media="mistral",
    service_tiers=("auto", "standard_only"),
)


def _endpoints() -> dict[str, Endpoint[Any, Any]]:
    from lazybridge.core.wire.endpoints.batch_dialects import MistralBatches
    from lazybridge.core.wire.endpoints.batches import batch_endpoints
    from lazybridge.core.wire.endpoints.embeddings import OpenAIEmbeddings
    from lazybridge.core.wire.endpoints.files import file_endpoints
    from lazybridge.core.wire.endpoints.models import ModelListEndpoint
    from lazybridge.core.wire.endpoints.speech import MistralSpeech
    from lazybridge.core.wire.endpoints.transcription import TranscriptionEndpoint

    # mistralai 3.7.0 `models/embeddingrequest.py`, `speechrequest.py`, `audiotranscriptionrequest.py`; the models that
    # speak and hear: https://docs.mistral.ai/studio/audio/migrate-from-voxtral-2; read 2026-11-22.
    # At most 512 texts: https://github.com/raphaelmansuy/edgequake-llm/issues/74, read 2026-11-22.
    return {
        "embeddings": OpenAIEmbeddings(path="/v1/embeddings", dimensions_field="output_dimension", most_inputs=512, default_model="mistral-embed"),
        "models": ModelListEndpoint(path="/v1/models"),
        "speech": MistralSpeech(path="/v1/audio/speech", accept=None, voice_field="voice_id", speed=False, instructions=False, default_model="voxtral-mini-tts-3-0"),
        "transcription": TranscriptionEndpoint(path="/v1/audio/transcriptions", formats=False, diarized=(("diarize", True),), prompt=False, default_model="voxtral-mini-transcribe-3-0"),
        **file_endpoints("/v1/files", "ocr", "application/octet-stream"),
        **batch_endpoints(MistralBatches()),
    }  # fmt: skip


class MistralProvider(SDKProvider):
    """Mistral's models, over its Chat Completions. `base_url=` is the SDK's `server_url`."""

    name = "mistral"
    sdk = "mistralai"
    key_variable = "MISTRAL_API_KEY"
    url_variable = ""  # the SDK reads none
    request_id_header = "mistral-correlation-id"
    default_model = "mistral-large-2512"
    # Ids: https://github.com/mistralai/platform-docs-public src/schema/models/models; prices: genai-prices 0.2.3; both
    # read 2026-11-22. mistral-medium-3-5 costs more than mistral-large-4, which is newer.
    _TIER_ALIASES = {
        "top": "mistral-large-4",
        "expensive": "mistral-medium-3-5",
        "medium": "mistral-large-2512",
        "cheap": "mistral-small-2603",
        "super_cheap": "ministral-3b-2512",
    }
    _FALLBACKS = {
        "mistral-large-4": ["mistral-large-2512"],
        "mistral-medium-3-5": ["mistral-large-4", "mistral-large-2512"],
        "mistral-large-2512": ["mistral-small-2603"],
        "mistral-small-2603": ["ministral-14b-2512"],
        "ministral-3b-2512": ["ministral-8b-2512"],
    }

    endpoints = deferred(_endpoints)

    def _has_credentials(self) -> bool:
        # A service account's token, which the SDK finds by itself: mistralai 3.7.0 `_hooks/service_account_auth.py`.
        return super()._has_credentials() or bool(os.environ.get("MISTRAL_SA_TOKEN_PATH"))

    def _wire(self, request: CompletionRequest) -> Wire:
        return WIRE

    def _make_client(self, asynchronous: bool) -> Any:
        from lazybridge.core.providers._mistral import AsyncSender, Sender

        return (AsyncSender if asynchronous else Sender)(_asked_for(self.api_key), self.base_url)

    def _stream_class(self, asynchronous: bool) -> Any:
        from lazybridge.core.providers._mistral_events import AsyncEvents, Events

        return AsyncEvents if asynchronous else Events

    @classmethod
    def _build_raw(cls, raw: Mapping[str, Any], wire: Wire) -> Any:
        from mistralai.client.models import ChatCompletionResponse

        try:
            return ChatCompletionResponse.model_validate(raw)
        except ValueError:  # the SDK is strict, and an answer through a gateway may lack a field
            return ChatCompletionResponse.model_construct(**raw)


def _asked_for(key: Any) -> Callable[[], Any] | None:
    """The key as a function: the SDK would keep a text in an object whose repr shows it."""
    return key if key is None or callable(key) else lambda: key
