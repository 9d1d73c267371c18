"""Azure OpenAI, through the openai SDK."""

from __future__ import annotations

import os
from typing import Any

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers._clients import async_http_client, http_client
from lazybridge.core.providers.openai_compatible import OpenAICompatibleProvider, nobodys, openais_headers_left_out
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.endpoints.embeddings import OpenAIEmbeddings


class AzureProvider(OpenAICompatibleProvider):
    """Azure OpenAI; a model id is the name of a deployment.

    AZURE_OPENAI_ENDPOINT is the resource (`https://name.openai.azure.com`), whose API `v1` is spoken. With
    `api_version=` or OPENAI_API_VERSION it is the older API by deployment, through the SDK's AzureOpenAI.
    """

    name = "azure"
    key_variable = "AZURE_OPENAI_API_KEY"
    url_variable = "AZURE_OPENAI_BASE_URL"
    endpoint_variable = "AZURE_OPENAI_ENDPOINT"
    token_variable = "AZURE_OPENAI_AD_TOKEN"
    secret_variables = ("AZURE_OPENAI_AD_TOKEN",)
    apis = ("responses", "chat")
    needs_key = True
    dialect = ChatWire(ids_up_to_40=True)
    endpoints = {"embeddings": OpenAIEmbeddings()}

    def _init_client(self, *, endpoint: str | None = None, api_version: str | None = None, **kwargs: Any) -> None:
        self.endpoint = (endpoint or os.environ.get(self.endpoint_variable) or "").rstrip("/")
        self.api_version = api_version or os.environ.get("OPENAI_API_VERSION")
        if not (kwargs.get("base_url") or os.environ.get(self.url_variable) or self.endpoint):
            raise ConfigurationError(
                f"AzureProvider has no endpoint: {self.endpoint_variable} is not set\n"
                f'set {self.endpoint_variable} in the environment, or pass endpoint="https://name.openai.azure.com"'
            )
        super()._init_client(**kwargs)

    @classmethod
    def _options(cls) -> tuple[str, ...]:
        return (*super()._options(), "endpoint", "api_version")

    def _address(self) -> str:
        return self._own_url() or (f"{self.endpoint}/openai" if self.api_version else f"{self.endpoint}/openai/v1")

    def _has_credentials(self) -> bool:
        return super()._has_credentials() or bool(os.environ.get(self.token_variable))

    def _make_client(self, asynchronous: bool) -> Any:
        if not self.api_version:
            return super()._make_client(asynchronous)
        import openai

        key, token = self.api_key or self._environment_key(), None
        if not key:
            key, token = None, os.environ.get(self.token_variable)
        options: dict[str, Any] = {
            "base_url": self._address(), "api_version": self.api_version, "azure_ad_token": token, "max_retries": 0,
            "api_key": key if key or token else "no-key", "default_headers": openais_headers_left_out(token),
        }  # fmt: skip
        if asynchronous:
            http: Any = async_http_client(openai.DefaultAioHttpClient)
            return nobodys(openai.AsyncAzureOpenAI(http_client=http, **options))
        return nobodys(openai.AzureOpenAI(http_client=http_client(), **options))

    def _environment_key(self) -> str | None:
        key = super()._environment_key()
        return key if key or self.api_version else os.environ.get(self.token_variable)
