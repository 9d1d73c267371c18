"""Google's Gemini and Gemma, through the google-genai SDK: the Gemini API, or Vertex AI."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lazybridge.core import catalogue
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers._genai import AsyncEvents, AsyncGenaiClient, Events, GenaiClient
from lazybridge.core.providers._sdk import SDKProvider
from lazybridge.core.providers.asking import deferred
from lazybridge.core.types import CompletionRequest, CompletionResponse, NativeTool
from lazybridge.core.wire import SDKCall, Wire
from lazybridge.core.wire.gemini import NATIVE_TOOLS, GeminiWire

if TYPE_CHECKING:
    from lazybridge.core.wire.endpoints import Endpoint

# The SDK's own default is v1. Preview models (a rung below is one) and the `gemini-…-latest` names are served by v1beta
# alone: "Major version 3 changes" of the README of google-genai 3.4.0 and
# https://ai.google.dev/gemini-api/docs/api-versions, read 2026-11-22. Vertex AI keeps the SDK's v1beta1.
_API_VERSION = "v1beta"
_ON = ("true", "1")


def _endpoints(vertex: bool = False) -> dict[str, Endpoint[Any, Any]]:
    from lazybridge.core.wire.endpoints.batch_dialects import GeminiBatches
    from lazybridge.core.wire.endpoints.batches import batch_endpoints
    from lazybridge.core.wire.endpoints.embeddings import GeminiEmbeddings
    from lazybridge.core.wire.endpoints.images import GeminiImages
    from lazybridge.core.wire.endpoints.models import GeminiModelList
    from lazybridge.core.wire.endpoints.speech import GeminiSpeech
    from lazybridge.core.wire.endpoints.tokens import GeminiTokenCount

    # google-genai 3.4.0 `types.py` (CountTokensConfig) and https://ai.google.dev/api/tokens, read 2026-11-22.
    counted = {"contents", "systemInstruction", "tools", "generationConfig"}
    counted |= set() if vertex else {"toolConfig", "cachedContent"}
    # What draws and speaks, with a price and without an end: genai-prices 0.2.3,
    # https://ai.google.dev/gemini-api/docs/deprecations (as of 2026-10-15), read 2026-11-22.
    found: dict[str, Endpoint[Any, Any]] = {
        "embeddings": GeminiEmbeddings(vertex=vertex, default_model="gemini-embedding-001"),
        "images": GeminiImages(vertex=vertex, default_model="gemini-3.1-flash-lite-image"),
        "speech": GeminiSpeech(vertex=vertex, default_model="gemini-3.8-flash-tts"),
        "token_count": GeminiTokenCount(wire=GeminiWire(vertex=vertex), sent=frozenset(counted), vertex=vertex),
    }
    return found if vertex else {**found, "models": GeminiModelList(), **batch_endpoints(GeminiBatches())}


class GoogleProvider(SDKProvider):
    """Google's models. With `vertexai=True` they are asked on Vertex AI, in `project` and `location`, with Google Cloud's
    credentials."""

    name = "google"
    calls_for_key = False
    sdk = "google.genai"
    key_variable = "GOOGLE_API_KEY"
    other_key_variables = ("GEMINI_API_KEY",)
    url_variable = "GOOGLE_GEMINI_BASE_URL"
    default_model = "gemini-3.8-flash"
    supported_native_tools: frozenset[NativeTool] = frozenset(NATIVE_TOOLS)
    endpoints = deferred(_endpoints)
    # Ids: google-genai 3.4.0 `_gaos/types/interactions/model.py`; prices: genai-prices 0.2.3; both read 2026-11-22.
    # gemini-4-carbon and -hydrogen are newer, but their prices are unverified. gemini-2.5-flash-lite is cheaper than
    # gemini-3.1-flash-lite, but the last of its family: 2.5-pro and -flash retire on 2026-12-01.
    _TIER_ALIASES = {
        "top": "gemini-4-argon",
        "expensive": "gemini-3.1-pro-preview",
        "medium": "gemini-3.8-flash",
        "cheap": "gemini-3.5-flash-lite",
        "super_cheap": "gemini-3.1-flash-lite",
    }
    _FALLBACKS = {
        "gemini-4-argon": ["gemini-3.1-pro-preview", "gemini-3.8-flash"],
        "gemini-3.1-pro-preview": ["gemini-3.8-flash"],
        "gemini-3.8-flash": ["gemini-3.7-flash", "gemini-3.6-flash"],
        "gemini-3.5-flash-lite": ["gemini-3.1-flash-lite"],
        "gemini-3.1-flash-lite": ["gemini-3.5-flash-lite"],
    }

    def _init_client(
        self,
        *,
        vertexai: bool | None = None,
        project: str | None = None,
        location: str | None = None,
        credentials: Any = None,
        api_version: str | None = None,
        **kwargs: Any,
    ) -> None:
        if vertexai is None:
            vertexai = any(os.environ.get(f"GOOGLE_GENAI_USE_{name}", "").lower() in _ON for name in ("ENTERPRISE", "VERTEXAI"))  # fmt: skip
        self.vertexai = vertexai
        if not vertexai and (project or location or credentials):
            raise ConfigurationError("project, location and credentials belong to Vertex AI\npass vertexai=True")
        self.project, self.location, self.credentials = project, location, credentials
        if vertexai:
            self.endpoints = _endpoints(vertex=True)
        self.api_version = api_version or os.environ.get("GOOGLE_GENAI_API_VERSION")
        super()._init_client(**kwargs)

    @classmethod
    def _options(cls) -> tuple[str, ...]:
        return ("vertexai", "project", "location", "credentials", "api_version")

    def _own_url(self) -> str | None:
        return self.base_url or os.environ.get("GOOGLE_VERTEX_BASE_URL" if self.vertexai else self.url_variable)

    def _has_credentials(self) -> bool:
        if self.vertexai and not (self.api_key or self._environment_key() or self._own_url()):
            if not (self.project or os.environ.get("GOOGLE_CLOUD_PROJECT")):
                raise ConfigurationError(
                    "GoogleProvider has no project for Vertex AI: GOOGLE_CLOUD_PROJECT is not set\n"
                    'set it in the environment, or pass project="...", location="..."'
                )
            return True  # google-auth finds the credentials when the first call needs them
        return super()._has_credentials()

    def _wire(self, request: CompletionRequest) -> Wire:
        model = self._resolve_model(request)
        return GeminiWire(vertex=self.vertexai, searches_billed=catalogue.profile(self.name, model).searches_billed)

    def _make_client(self, asynchronous: bool) -> Any:
        options: dict[str, Any] = {"vertexai": self.vertexai, "api_key": self.api_key}
        settings: dict[str, Any] = {"base_url": self._own_url()}
        if self.vertexai:
            options |= {"project": self.project, "location": self.location, "credentials": self.credentials}
        else:
            options["api_key"] = self.api_key or self._environment_key() or "no-key"  # the SDK wants one
        version = self.api_version or (None if self.vertexai else _API_VERSION)
        if version is not None and version != "beta":
            settings["api_version"] = version
        return AsyncGenaiClient(options, settings) if asynchronous else GenaiClient(options, settings)

    def _stream_class(self, asynchronous: bool) -> Any:
        return AsyncEvents if asynchronous else Events

    def _finished(
        self, request: CompletionRequest, call: SDKCall, response: CompletionResponse, headers: Mapping[str, str]
    ) -> CompletionResponse:
        if response.usage.service_tier is None:
            response.usage.service_tier = headers.get("x-gemini-service-tier")
        return super()._finished(request, call, response, headers)

    @classmethod
    def _build_raw(cls, raw: Mapping[str, Any], wire: Wire) -> Any:
        from google.genai.types import GenerateContentResponse

        return GenerateContentResponse.model_validate(raw, extra="allow")  # a newer API sends more than its types know
