"""fal: language models through its OpenAI-compatible router and the openai SDK, everything else through fal-client."""

from __future__ import annotations

import os
from typing import Any

from lazybridge.core.errors import ConfigurationError, UnsupportedFeatureError
from lazybridge.core.providers._clients import async_http_client, http_client
from lazybridge.core.providers._fal_media import FalMedia
from lazybridge.core.providers._openai_sdk import OpenAISDK, custom_header_names
from lazybridge.core.types import CompletionRequest
from lazybridge.core.wire import Wire
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.endpoints.fal import FalImages
from lazybridge.core.wire.endpoints.fal_media import (
    FalBackground,
    FalMusic,
    FalShapes,
    FalSpeech,
    FalTranscription,
    FalUpscale,
    FalVideo,
)
from lazybridge.core.wire.responses import ResponsesWire

# https://fal.ai/models/openrouter/router/openai/v1/chat/completions/api, as quoted by third parties, read 2026-11-22.
_PATH = "openrouter/router/openai/v1"
# `max_tokens` is the word of OpenRouter, which answers behind the router (recorded requests).
WIRE = ChatWire(vendor="fal", max_tokens_field="max_tokens")
# The same router's other address (https://fal.ai/models/openrouter/router/openai/v1/responses/api, as quoted by third parties,
# read 2026-11-22); OpenRouter, which answers behind it, keeps nothing of any model's (recorded requests).
_WIRES: dict[str, Wire] = {"openai_chat": WIRE, "openai_responses": ResponsesWire(vendor="fal", stateless=True)}
# The applications that take one prompt, and no conversation: https://fal.ai/models/openrouter/router/llms.txt and
# https://fal.ai/models/fal-ai/any-llm/enterprise/api, read 2026-11-22.
_OF_ONE_PROMPT = {"openrouter": "openrouter/router", "any_llm": "fal-ai/any-llm"}
# What the openai SDK takes from the environment is meant for OpenAI.
_OPENAI_HEADERS = ("OpenAI-Organization", "OpenAI-Project")


class FalProvider(FalMedia, OpenAISDK):
    """Language models that fal sells through its router, under OpenRouter's ids, and reports the cost of; and its
    applications, by `run` and `submit`.

    `base_url` is the router's; `run_url`, `queue_url` and `api_url` stand in for https://fal.run, https://queue.fal.run
    and https://api.fal.ai, where the prices are. `endpoint` is which of the router's two APIs is asked: "openai_chat", the
    default, or "openai_responses".
    """

    name = "fal"
    calls_for_key = False
    key_variable = "FAL_KEY"
    url_variable = "FAL_RUN_HOST"
    default_model = "openai/gpt-6.1-terra"
    # Ids: OpenRouter's, in the order of its prices (genai-prices 0.2.3, read 2026-11-22).
    _TIER_ALIASES = {
        "top": "anthropic/claude-fable-5.1",
        "expensive": "anthropic/claude-opus-5.5",
        "medium": "openai/gpt-6.1-terra",
        "cheap": "google/gemini-3.8-flash",
        "super_cheap": "openai/gpt-6-luna",
    }
    _FALLBACKS = {
        "anthropic/claude-fable-5.1": ["anthropic/claude-opus-5.5"],
        "anthropic/claude-opus-5.5": ["anthropic/claude-sonnet-5.5"],
        "google/gemini-3.8-flash": ["openai/gpt-6-luna"],
        "openai/gpt-6-luna": ["google/gemini-3.8-flash"],
    }

    # What is asked where nobody names a model: https://fal.ai/models/<application>/llms.txt, read 2026-11-22.
    endpoints = {
        "images": FalImages(default_model="fal-ai/flux/dev"),
        "upscaling": FalUpscale(),
        "background_removal": FalBackground(),
        "video": FalVideo(),
        "video_from_image": FalVideo(default_model="fal-ai/kling-video/v2.5-turbo/pro/image-to-video"),
        "music": FalMusic(),
        "3d": FalShapes(),
        "speech": FalSpeech(),
        "transcription": FalTranscription(),
    }

    def _init_client(self, *, endpoint: str | None = None, enterprise: bool = False, **kwargs: Any) -> None:
        """Raises UnsupportedFeatureError for what fal offers for a single prompt only."""
        super()._init_client(**kwargs)
        self.endpoint = "openai_chat" if endpoint is None else endpoint
        if enterprise or self.endpoint in _OF_ONE_PROMPT:
            application = _OF_ONE_PROMPT.get(self.endpoint, "openrouter/router") + "/enterprise" * bool(enterprise)
            named = "enterprise=True" if enterprise else f"endpoint={endpoint!r}"
            raise UnsupportedFeatureError(
                f"{named}: fal has this for one prompt, without messages and tools\n"
                f'write FalProvider().run("{application}", {{"model": "...", "prompt": "..."}}), of lazybridge.core.providers.fal'
            )
        if self.endpoint not in _WIRES:
            raise ConfigurationError(
                f"FalProvider has no endpoint {endpoint!r}\nwrite {' or '.join(f'endpoint={name!r}' for name in _WIRES)}"
            )

    @classmethod
    def _options(cls) -> tuple[str, ...]:
        return (*super()._options(), "endpoint", "enterprise")

    def _environment_key(self) -> str | None:
        id, secret = os.environ.get("FAL_KEY_ID"), os.environ.get("FAL_KEY_SECRET")
        return super()._environment_key() or (f"{id}:{secret}" if id and secret else None)

    def _own_url(self) -> str | None:
        # FAL_RUN_HOST names another host of fal's, which wants the key all the same
        return self.base_url or self.run_url or self.queue_url or self.api_url

    def _addresses(self) -> tuple[str | None, str | None, str | None]:
        base = self.base_url.rstrip("/") if self.base_url else ""
        run_url = self.run_url or (base.removesuffix(f"/{_PATH}") if base.endswith(f"/{_PATH}") else None)
        return run_url, self.queue_url, self.api_url

    def _check_address(self, queue: bool) -> None:
        if self.base_url and not self._addresses()[queue]:
            option = 'queue_url="https://queue.fal.run"' if queue else 'run_url="https://fal.run"'
            raise ConfigurationError(
                f"base_url is a server for language models; it does not say where fal's {'queue is' if queue else 'applications are'}"
                f"\nname that too: FalProvider(base_url=..., {option})"
            )

    def _wire(self, request: CompletionRequest) -> Wire:
        return _WIRES[self.endpoint]

    def _make_client(self, asynchronous: bool) -> Any:
        import openai

        names = [*_OPENAI_HEADERS, *custom_header_names()]
        options: dict[str, Any] = {
            "api_key": "not-used",  # the SDK would send it as a bearer token; fal wants a header of its own
            "base_url": self.base_url or f"https://{os.environ.get(self.url_variable) or 'fal.run'}/{_PATH}",
            "default_headers": {
                **{name: openai.omit for name in names if name.lower() != "authorization"},
                "Authorization": f"Key {self._key()}",
            },
            "max_retries": 0,
        }
        if asynchronous:
            return openai.AsyncOpenAI(http_client=async_http_client(openai.DefaultAioHttpClient), **options)
        return openai.OpenAI(http_client=http_client(), **options)
