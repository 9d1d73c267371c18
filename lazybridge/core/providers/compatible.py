"""The vendors and servers that speak Chat Completions, one class of data each. The bare dialect is in `core/wire/chat.py`.

What a dialect says comes from recorded requests and answers of that vendor, and from the pages named beside it; ids and
prices of the tiers are the catalogue's. A vendor has the `endpoints` whose answers it has published, or that were recorded
of it. All read 2026-11-22.
"""

from __future__ import annotations

from lazybridge.core import structured
from lazybridge.core.providers.openai_compatible import OpenAICompatibleProvider
from lazybridge.core.types import NativeTool
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.endpoints.embeddings import OpenAIEmbeddings
from lazybridge.core.wire.endpoints.models import ModelListEndpoint
from lazybridge.core.wire.responses import ResponsesWire

# Parameters that are OpenAI's own: the other vendors' pages do not have them.
_OPENAIS = ("metadata", "service_tier")
_MODELS = {"models": ModelListEndpoint()}


class OpenRouterProvider(OpenAICompatibleProvider):
    """OpenRouter's models, by the ids `maker/model`; `extra_body={"provider": {...}}` chooses who serves them."""

    # https://openrouter.ai/docs/use-cases/reasoning-tokens; https://openrouter.ai/docs/use-cases/usage-accounting;
    # https://github.com/OpenRouterTeam/docs openapi/openapi.yaml
    name, key_variable, url_variable = "openrouter", "OPENROUTER_API_KEY", "OPENROUTER_BASE_URL"
    url, apis, needs_key = "https://openrouter.ai/api/v1", ("chat",), True
    default_model = "anthropic/claude-sonnet-5.5"
    dialect = ChatWire(max_tokens_field="max_tokens", thinking_switch="reasoning", reasoning_fields=("reasoning_details", "reasoning"), always={"usage": {"include": True}})  # fmt: skip
    endpoints = {"embeddings": OpenAIEmbeddings(), "models": ModelListEndpoint(after_field="offset")}
    _TIER_ALIASES = {
        "top": "anthropic/claude-fable-5.1", "expensive": "anthropic/claude-opus-5.5", "medium": "anthropic/claude-sonnet-5.5",
        "cheap": "google/gemini-3.8-flash", "super_cheap": "openai/gpt-6-luna",
    }  # fmt: skip


class DeepSeekProvider(OpenAICompatibleProvider):
    """DeepSeek's own API. Its models think unless `thinking=False` or `effort="none"` says otherwise."""

    # https://api-docs.deepseek.com/guides/thinking_mode; https://api-docs.deepseek.com/guides/json_mode;
    # https://api-docs.deepseek.com/api/list-models
    name, key_variable, url_variable = "deepseek", "DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL"
    url, apis, needs_key, default_model = "https://api.deepseek.com", ("chat",), True, "deepseek-flash"
    dialect = ChatWire(max_tokens_field="max_tokens", thinking_switch="thinking", forced_choice="unless_thinking", reasoning_fields=("reasoning_content",), thinks_beside_calls=True, schema_mode="prompt", left_out=_OPENAIS, refused_media=("audio", "document"))  # fmt: skip
    endpoints = _MODELS
    _TIER_ALIASES = {"top": "deepseek-v4-pro", "expensive": "deepseek-v4-pro", "medium": "deepseek-flash", "cheap": "deepseek-flash", "super_cheap": "deepseek-flash"}  # fmt: skip
    _FALLBACKS = {"deepseek-v4-pro": ["deepseek-flash"]}


class XAIProvider(OpenAICompatibleProvider):
    """xAI's Grok; `api="responses"` speaks its Responses API, which searches the web as well."""

    # xAI's OpenAPI, in https://github.com/api-evangelist/xai openapi/xai-models-api-openapi.yml
    name, key_variable, url_variable = "xai", "XAI_API_KEY", "XAI_BASE_URL"
    url, needs_key, default_model = "https://api.x.ai/v1", True, "grok-4.3"
    supported_native_tools = frozenset({NativeTool.WEB_SEARCH})
    dialect = ChatWire(reasoning_fields=("reasoning_content",), left_out=_OPENAIS, refused_media=("audio",))
    responses = ResponsesWire(stateless=True)
    endpoints = _MODELS
    _TIER_ALIASES = {"top": "grok-4.7", "expensive": "grok-4.7", "medium": "grok-4.3", "cheap": "grok-4.3", "super_cheap": "grok-4.3"}  # fmt: skip
    _FALLBACKS = {"grok-4.7": ["grok-4.6", "grok-4.5"], "grok-4.3": ["grok-4.20"]}


class TogetherProvider(OpenAICompatibleProvider):
    """Together's open models, by the ids `maker/model`."""

    # https://docs.together.ai/reference/models; https://docs.together.ai/docs/embeddings-rest
    name, key_variable, url_variable = "together", "TOGETHER_API_KEY", "TOGETHER_BASE_URL"
    url, apis, needs_key = "https://api.together.xyz/v1", ("chat",), True
    default_model = "openai/gpt-oss-120b"
    dialect = ChatWire(max_tokens_field="max_tokens", left_out=_OPENAIS)
    endpoints = {"embeddings": OpenAIEmbeddings(dimensions_field=None), "models": ModelListEndpoint()}


class CerebrasProvider(OpenAICompatibleProvider):
    """Cerebras."""

    # https://inference-docs.cerebras.ai/resources/openai; https://inference-docs.cerebras.ai/capabilities/reasoning;
    # https://inference-docs.cerebras.ai/api-reference/models
    name, key_variable, url_variable = "cerebras", "CEREBRAS_API_KEY", "CEREBRAS_BASE_URL"
    url, apis, needs_key, default_model = "https://api.cerebras.ai/v1", ("chat",), True, "gpt-oss-120b"
    dialect = ChatWire(efforts=("none", "low", "medium", "high"), reasoning_fields=("reasoning",), left_out=_OPENAIS)
    endpoints = _MODELS
    _TIER_ALIASES = {"top": "qwen-3.8-27b", "expensive": "qwen-3.8-27b", "medium": "gpt-oss-120b", "cheap": "gpt-oss-120b", "super_cheap": "gpt-oss-120b"}  # fmt: skip


class PerplexityProvider(OpenAICompatibleProvider):
    """Perplexity's Sonar over Chat Completions, which Perplexity has said to end on 2026-09-27."""

    # https://docs.perplexity.ai/docs/sonar/openai-compatibility; the order of turns:
    # https://github.com/perplexityai/api-discussion/issues/265; its list of models
    # (https://docs.perplexity.ai/api-reference/models-get) is that of another API, and has no Sonar
    name, key_variable, url_variable = "perplexity", "PERPLEXITY_API_KEY", "PERPLEXITY_BASE_URL"
    url, apis, needs_key = "https://api.perplexity.ai", ("chat",), True
    dialect = ChatWire(max_tokens_field="max_tokens", stream_usage=False, efforts=("minimal", "low", "medium", "high"), order="alternating", left_out=(*_OPENAIS, "tools", "tool_choice", "parallel_tool_calls"))  # fmt: skip
    endpoints = {}


class HuggingFaceProvider(OpenAICompatibleProvider):
    """The router of Hugging Face; `maker/model:host` chooses who serves a model, and has a price."""

    # https://huggingface.co/docs/inference-providers/hub-api
    name, key_variable, url_variable = "huggingface", "HF_TOKEN", "HF_BASE_URL"
    url, apis, needs_key = "https://router.huggingface.co/v1", ("chat",), True
    default_model = "openai/gpt-oss-120b:together"
    dialect = ChatWire(max_tokens_field="max_tokens", left_out=_OPENAIS)
    endpoints = _MODELS


class ZAIProvider(OpenAICompatibleProvider):
    """Z.ai's GLM."""

    # https://docs.z.ai/guides/capabilities/thinking-mode; a tool cannot be required:
    # https://github.com/vectorize-io/hindsight/issues/4246
    name, key_variable, url_variable = "zai", "ZAI_API_KEY", "ZAI_BASE_URL"
    url, apis, needs_key, default_model = "https://api.z.ai/api/paas/v4", ("chat",), True, "glm-5.3"
    dialect = ChatWire(max_tokens_field="max_tokens", thinking_switch="thinking", forced_choice="no", reasoning_fields=("reasoning_content",), schema_mode="prompt", left_out=_OPENAIS)  # fmt: skip
    endpoints = {}
    _TIER_ALIASES = {"top": "glm-5.3", "expensive": "glm-5.3", "medium": "glm-5.3", "cheap": "glm-5.3-flashx", "super_cheap": "glm-5.3-flash"}  # fmt: skip


class FireworksProvider(OpenAICompatibleProvider):
    """Fireworks' open models, by the ids `accounts/fireworks/models/name`."""

    # https://docs.fireworks.ai/api-reference/post-chatcompletions (audio and documents are no parts of its messages);
    # https://docs.fireworks.ai/guides/reasoning;
    # https://docs.fireworks.ai/api-reference/creates-an-embedding-vector-representing-the-input-text (at most 2048 texts)
    name, key_variable, url_variable = "fireworks", "FIREWORKS_API_KEY", "FIREWORKS_BASE_URL"
    url, apis, needs_key = "https://api.fireworks.ai/inference/v1", ("chat",), True
    default_model = "accounts/fireworks/models/gpt-oss-120b"
    dialect = ChatWire(max_tokens_field="max_tokens", reasoning_fields=("reasoning_content",), left_out=_OPENAIS, refused_media=("audio", "document"))  # fmt: skip
    endpoints = {"embeddings": OpenAIEmbeddings()}


class MoonshotProvider(OpenAICompatibleProvider):
    """Moonshot's Kimi, which thinks on its own; `effort` sets how long from Kimi K3 on."""

    # https://platform.kimi.ai/docs/api/chat; what stands beside calls: https://github.com/mastra-ai/mastra/issues/12592; https://platform.kimi.ai/docs/guide/use-thinking-effort; requests and answers
    # that Vercel recorded, https://github.com/vercel/ai packages/moonshotai; models: Moonshot's OpenAPI, in
    # https://github.com/api-evangelist/kimi-moonshot openapi/kimi-moonshot-models-api-openapi.yml
    name, key_variable, url_variable = "moonshot", "MOONSHOT_API_KEY", "MOONSHOT_BASE_URL"
    url, apis, needs_key, default_model = "https://api.moonshot.ai/v1", ("chat",), True, "kimi-k3.1-pro"
    dialect = ChatWire(efforts=("low", "high", "max"), reasoning_fields=("reasoning_content",), thinks_beside_calls=True, left_out=_OPENAIS, refused_media=("audio", "document"))  # fmt: skip
    endpoints = _MODELS
    _TIER_ALIASES = {"top": "kimi-k3.1-pro", "expensive": "kimi-k3.1-pro", "medium": "kimi-k3.1-pro", "cheap": "kimi-k2.6", "super_cheap": "kimi-k2.6"}  # fmt: skip
    _FALLBACKS = {"kimi-k3.1-pro": ["kimi-k3"]}


class CohereProvider(OpenAICompatibleProvider):
    """Cohere's Command, over its Compatibility API."""

    # https://docs.cohere.com/docs/compatibility-api (what it takes, and what not; a schema stands beside `json_object`);
    # https://github.com/cohere-ai/cohere-developer-experience/pull/606 (usage in streams, probabilities without
    # alternatives); https://docs.cohere.com/reference/chat (no schema beside tools);
    # https://docs.cohere.com/reference/embed (at most 96 texts)
    name, key_variable, url_variable = "cohere", "COHERE_API_KEY", "COHERE_BASE_URL"
    url, apis, needs_key, default_model = "https://api.cohere.ai/compatibility/v1", ("chat",), True, "command-a-03-2025"
    dialect = ChatWire(max_tokens_field="max_tokens", system_role="developer", efforts=("none", "high"), thinking_effort="high", schema_mode="object_schema", schema_beside_tools=False, left_out=(*_OPENAIS, "tool_choice", "parallel_tool_calls", "top_logprobs"), refused_media=("audio", "document"))  # fmt: skip
    endpoints = {"embeddings": OpenAIEmbeddings(dimensions_field=None, most_inputs=96)}
    _TIER_ALIASES = {"top": "command-a-03-2025", "expensive": "command-a-03-2025", "medium": "command-a-03-2025", "cheap": "command-r-08-2024", "super_cheap": "command-r7b-12-2024"}  # fmt: skip


class OllamaProvider(OpenAICompatibleProvider):
    """Ollama on this machine."""

    # https://docs.ollama.com/api/openai-compatibility
    name, key_variable, url_variable = "ollama", "OLLAMA_API_KEY", "OLLAMA_BASE_URL"
    url, apis, _free, priced_hosts = "http://127.0.0.1:11434/v1", ("chat",), True, ("ollama.com",)
    dialect = ChatWire(
        max_tokens_field="max_tokens",
        schema_dialect=structured.SERVER,
        reasoning_fields=("reasoning",),
        left_out=_OPENAIS,
    )


class LMStudioProvider(OpenAICompatibleProvider):
    """LM Studio on this machine."""

    name, key_variable, url_variable = "lmstudio", "LMSTUDIO_API_KEY", "LMSTUDIO_BASE_URL"
    url, apis, _free = "http://127.0.0.1:1234/v1", ("chat",), True
    dialect = ChatWire(
        max_tokens_field="max_tokens", schema_dialect=structured.SERVER, reasoning_effort=False, left_out=_OPENAIS
    )


class VLLMProvider(OpenAICompatibleProvider):
    """A server of vLLM."""

    name, key_variable, url_variable = "vllm", "VLLM_API_KEY", "VLLM_BASE_URL"
    url, apis, _free = "http://127.0.0.1:8000/v1", ("chat",), True
    dialect = ChatWire(max_tokens_field="max_tokens", schema_dialect=structured.SERVER, left_out=_OPENAIS)


class LlamaCppProvider(OpenAICompatibleProvider):
    """llama.cpp's own server, `llama-server`."""

    name, key_variable, url_variable = "llamacpp", "LLAMACPP_API_KEY", "LLAMACPP_BASE_URL"
    url, _free = "http://127.0.0.1:8080/v1", True
    responses = ResponsesWire(whole_messages=True)  # "Cannot determine type of 'item'": xllamacpp 2026.10.11549
    dialect = ChatWire(
        max_tokens_field="max_tokens", schema_dialect=structured.SERVER, reasoning_effort=False, left_out=_OPENAIS
    )
