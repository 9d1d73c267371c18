"""A handle for each vendor: a Model that knows whom to ask. `Model.anthropic(...)` is `AnthropicProvider(...)`."""

from __future__ import annotations

from lazybridge.models import Model


class OpenAiProvider(Model):
    """OpenAI, over its Responses API, or Chat Completions with `OpenAiOptions(api="chat")`."""

    provider_name = "openai"


class AnthropicProvider(Model):
    """Anthropic's Claude."""

    provider_name = "anthropic"


class GeminiProvider(Model):
    """Google's Gemini and Gemma; Vertex AI with `GeminiOptions(vertexai=True)`."""

    provider_name = "google"


class FalProvider(Model):
    """Language models that fal sells, under OpenRouter's ids."""

    provider_name = "fal"


class GroqProvider(Model):
    """Models that Groq serves."""

    provider_name = "groq"


class MistralProvider(Model):
    """Mistral's models."""

    provider_name = "mistral"


class OpenRouterProvider(Model):
    """OpenRouter's models, by the ids `maker/model`."""

    provider_name = "openrouter"


class TogetherProvider(Model):
    """Together's open models."""

    provider_name = "together"


class DeepSeekProvider(Model):
    """DeepSeek's own API."""

    provider_name = "deepseek"


class FireworksProvider(Model):
    """Fireworks' models, by the ids `accounts/fireworks/models/…`."""

    provider_name = "fireworks"


class CohereProvider(Model):
    """Cohere, over its Compatibility API."""

    provider_name = "cohere"


class PerplexityProvider(Model):
    """Perplexity's Sonar."""

    provider_name = "perplexity"


class XaiProvider(Model):
    """xAI's Grok."""

    provider_name = "xai"


class CerebrasProvider(Model):
    """Models that Cerebras serves."""

    provider_name = "cerebras"


class HuggingFaceProvider(Model):
    """The router of Hugging Face."""

    provider_name = "huggingface"


class MoonshotProvider(Model):
    """Moonshot's Kimi."""

    provider_name = "moonshot"


class ZaiProvider(Model):
    """Z.ai's GLM."""

    provider_name = "zai"


class AzureOpenAiProvider(Model):
    """Deployments of Azure OpenAI; `AzureOptions(model=...)` is the deployment."""

    provider_name = "azure"


class BedrockProvider(Model):
    """Models on Amazon Bedrock."""

    provider_name = "bedrock"


class OllamaProvider(Model):
    """Ollama on this machine."""

    provider_name = "ollama"


class LmStudioProvider(Model):
    """LM Studio on this machine."""

    provider_name = "lmstudio"


class VllmProvider(Model):
    """A server of vLLM."""

    provider_name = "vllm"


class OpenAiCompatProvider(Model):
    """Any server that speaks Chat Completions, at `ProviderOptions(base_url=...)`."""

    provider_name = "compatible"
