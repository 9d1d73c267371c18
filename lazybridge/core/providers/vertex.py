"""Anthropic's models on Google's Vertex AI, through the anthropic SDK's own client for it."""

from __future__ import annotations

import os
from typing import Any

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.errors.secrets import Secret
from lazybridge.core.providers._anthropic_sdk import AnthropicSDK
from lazybridge.core.providers._clients import async_http_client, http_client, installed
from lazybridge.core.types import CompletionRequest
from lazybridge.core.wire import Wire
from lazybridge.core.wire.messages import MessagesWire

# https://docs.claude.com/en/docs/build-with-claude/claude-on-vertex-ai, "Global vs regional endpoints", read 2026-11-22.
_DEARER = (
    "regional and multi-region endpoints of Vertex AI cost more than the global one, and no table here says how much"
)


class VertexProvider(AnthropicSDK):
    """Claude on Vertex AI, in `project` and `region`, with the credentials that google-auth finds, `credentials=` (of
    google-auth) or `access_token=`. Gemini on Vertex AI is GoogleProvider's."""

    name = "vertex"
    key_variable = ""
    url_variable = "ANTHROPIC_VERTEX_BASE_URL"
    request_id_header = "request-id"

    def _init_client(
        self,
        *,
        project: str | None = None,
        region: str | None = None,
        access_token: str | None = None,
        credentials: Any = None,
        **kwargs: Any,
    ) -> None:
        self.project = project or os.environ.get("ANTHROPIC_VERTEX_PROJECT_ID")
        self.region = region or os.environ.get("CLOUD_ML_REGION")
        if access_token is not None:
            self.api_key = Secret(access_token)
        self.credentials = credentials
        for value, variable, option in (
            (self.project, "ANTHROPIC_VERTEX_PROJECT_ID", 'project="my-project"'),
            (self.region, "CLOUD_ML_REGION", 'region="global"'),
        ):
            if not value:
                raise ConfigurationError(
                    f"VertexProvider has no {option.partition('=')[0]}: {variable} is not set\n"
                    f"set {variable} in the environment, or pass {option}"
                )
        if self.region != "global":
            self._unpriced = _DEARER
        super()._init_client(**kwargs)

    @classmethod
    def _options(cls) -> tuple[str, ...]:
        return ("project", "region", "access_token", "credentials")

    def _has_credentials(self) -> bool:
        if not (self.api_key or self.credentials or (installed("google.auth") and installed("requests"))):
            raise ConfigurationError('the package google-auth is not installed\npip install "lazybridge[vertex]"')
        return True  # google-auth finds the credentials when the first call needs them

    def _wire(self, request: CompletionRequest) -> Wire:
        return MessagesWire(vendor=self.name, automatic_cache=False)

    def _make_client(self, asynchronous: bool) -> Any:
        import anthropic

        options: dict[str, Any] = {
            "project_id": self.project, "region": self.region, "access_token": self.api_key,
            "credentials": self.credentials, "base_url": self.base_url, "max_retries": 0,
        }  # fmt: skip
        if asynchronous:
            http: Any = async_http_client(anthropic.DefaultAioHttpClient)
            return anthropic.AsyncAnthropicVertex(http_client=http, **options)
        return anthropic.AnthropicVertex(http_client=http_client(), **options)
