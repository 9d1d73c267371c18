"""How a handle is built: a vendor's key, model, address and patience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from lazybridge.core.errors.secrets import Secret, concealed


@dataclass(frozen=True, kw_only=True)
class ProviderOptions:
    """What every vendor takes.

    A key that is left out is read from the vendor's variable. `timeout` is in seconds for a whole call, over its
    attempts and waits; `max_retries` more attempts follow a failed one. `headers` go with every request.
    """

    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    base_url: str | None = None
    timeout: float | None = None
    max_retries: int | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.api_key, str):
            object.__setattr__(self, "api_key", Secret(self.api_key))
        if isinstance(self.headers, Mapping):
            object.__setattr__(self, "headers", concealed(self.headers))

    def keywords(self) -> dict[str, Any]:
        """What is set, as the engine's keywords; the model is not among them."""
        given = {item.name: value for item in fields(self) if (value := getattr(self, item.name)) is not None}
        given.pop("model", None)
        if "headers" in given:
            given["extra_headers"] = given.pop("headers")
        return given


@dataclass(frozen=True, kw_only=True)
class OpenAiOptions(ProviderOptions):
    """OpenAI's: which of its two APIs is asked."""

    api: Literal["responses", "chat"] | None = None


@dataclass(frozen=True, kw_only=True)
class AnthropicOptions(ProviderOptions):
    """Anthropic's."""


@dataclass(frozen=True, kw_only=True)
class GeminiOptions(ProviderOptions):
    """Google's: the Gemini API, or Vertex AI with `vertexai=True` in a project and location."""

    vertexai: bool | None = None
    project: str | None = None
    location: str | None = None
    credentials: Any = field(default=None, repr=False)
    api_version: str | None = None


@dataclass(frozen=True, kw_only=True)
class FalOptions(ProviderOptions):
    """fal's: `base_url` is the router of its language models, `run_url` and `queue_url` are what stands in for
    `https://fal.run` and `https://queue.fal.run`. `endpoint` is which of the router's two APIs is asked; the applications of
    `enterprise`, and those of other endpoints, take one prompt and are refused here."""

    endpoint: Literal["openai_chat", "openai_responses"] | None = None
    enterprise: bool | None = None
    run_url: str | None = None
    queue_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class AzureOptions(ProviderOptions):
    """Azure OpenAI's: `endpoint` is the resource (`https://name.openai.azure.com`), `model` the deployment."""

    endpoint: str | None = None
    api_version: str | None = None
    api: Literal["responses", "chat"] | None = None


@dataclass(frozen=True, kw_only=True)
class BedrockOptions(ProviderOptions):
    """Amazon Bedrock's: the region, and the profile of AWS's own configuration."""

    region: str | None = None
    profile: str | None = None
    api: Literal["messages", "chat", "responses"] | None = None
    endpoint: Literal["mantle", "runtime"] | None = None


def conceal(settings: Any) -> None:
    """Hide the key and the credentials among the headers in a function's own keywords, which a traceback with locals shows."""
    if isinstance(settings.get("api_key"), str):
        settings["api_key"] = Secret(settings["api_key"])
    if isinstance(settings.get("extra_headers"), Mapping):
        settings["extra_headers"] = concealed(settings["extra_headers"])
