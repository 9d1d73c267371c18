"""Model.openai(...), Model.anthropic(...) and so on: other ways to build the handles."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Unpack

from lazybridge.options import ProviderOptions, conceal
from lazybridge.settings import Options

if TYPE_CHECKING:
    from lazybridge.models import Model


def _factory(name: str) -> staticmethod[..., Model]:
    """Another way to build a vendor's handle, which is imported when it is asked for."""

    def build(
        model: str | None = None, *, options: ProviderOptions | None = None, **settings: Unpack[Options]
    ) -> Model:
        conceal(settings)
        cls: type[Model] = getattr(import_module("lazybridge.handles"), name)
        return cls(model, options=options, **settings)

    build.__name__, build.__doc__ = name, f"`{name}(...)`."
    return staticmethod(build)


class Factories:
    """One for each handle of `handles`, which is imported when it is asked for."""

    openai = _factory("OpenAiProvider")
    anthropic = _factory("AnthropicProvider")
    gemini = _factory("GeminiProvider")
    fal = _factory("FalProvider")
    groq = _factory("GroqProvider")
    mistral = _factory("MistralProvider")
    openrouter = _factory("OpenRouterProvider")
    together = _factory("TogetherProvider")
    deepseek = _factory("DeepSeekProvider")
    fireworks = _factory("FireworksProvider")
    cohere = _factory("CohereProvider")
    perplexity = _factory("PerplexityProvider")
    xai = _factory("XaiProvider")
    cerebras = _factory("CerebrasProvider")
    huggingface = _factory("HuggingFaceProvider")
    moonshot = _factory("MoonshotProvider")
    zai = _factory("ZaiProvider")
    azure = _factory("AzureOpenAiProvider")
    bedrock = _factory("BedrockProvider")
    ollama = _factory("OllamaProvider")
    lm_studio = _factory("LmStudioProvider")
    vllm = _factory("VllmProvider")
    openai_compat = _factory("OpenAiCompatProvider")

    @staticmethod
    def local(path: str | os.PathLike[str] | None = None, **options: Any) -> Model:
        """A GGUF file in this process; None is the built-in model. `options` are those of `LocalOptions`."""
        from lazybridge.core.providers.local import LocalOptions, LocalProvider
        from lazybridge.models import Model

        return Model(LocalProvider(options=LocalOptions(path=path, **options)))
