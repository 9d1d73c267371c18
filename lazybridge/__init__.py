"""One line for any model, the vendor's own SDK underneath, and what it cost on the result."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# fmt: off
__all__ = [
    "Agent", "AgentStream", "AnthropicOptions", "AnthropicProvider", "Attempt", "AudioContent", "AzureOpenAiProvider", "AzureOptions", "Batch",
    "BedrockOptions", "BedrockProvider", "Budget", "BudgetExceeded", "CachedModel", "CerebrasProvider", "ChatMessage", "CohereProvider",
    "CompletionRequest", "CompletionResponse", "ConfigurationError", "DeepSeekProvider", "DocumentContent", "EditedImage", "Embeddings", "Engine",
    "Envelope", "EnvelopeMetadata", "ErrorInfo", "Estimate", "FalOptions", "FalProvider", "FallbackModel", "FireworksProvider", "GeminiOptions",
    "GeminiProvider", "GeneratedImages", "GeneratedMusic", "GeneratedShape", "GeneratedVideo", "GroqProvider", "GuardError", "HuggingFaceProvider",
    "ImageContent", "LLMEngine", "LazyBridgeError", "Ledger", "Line", "LmStudioProvider", "LocalOptions", "MCPServer", "Message", "MistralProvider",
    "Model", "ModelManager", "ModelResponse", "ModelStatus", "ModelStream", "MoonshotProvider", "NativeTool", "OllamaProvider",
    "OpenAiCompatProvider", "OpenAiOptions", "OpenAiProvider", "OpenRouterProvider", "PerplexityProvider", "Progress", "ProviderError",
    "ProviderOptions", "Receipt", "Speech", "StreamChunk", "StreamTruncated", "StructuredOutputError", "TextContent", "TogetherProvider",
    "TokenLogprob", "Tool", "ToolCall", "ToolDefinition", "ToolLoopError", "ToolServerError", "Transcription", "UnknownModelError",
    "UnsupportedFeatureError", "UnsupportedNativeToolError", "UploadedFile", "UsageStats", "VerificationError", "VideoContent", "VllmProvider",
    "XaiProvider", "ZaiProvider", "abatch", "aembed", "agenerate_3d", "agenerate_image", "agenerate_music", "agenerate_video", "aremove_background",
    "aspeak", "atranscribe", "aupscale_image", "batch", "embed", "generate_3d", "generate_image", "generate_music", "generate_video", "price",
    "register_model_alias", "register_price", "register_tier", "remove_background", "speak", "transcribe", "update_prices", "upscale_image",
]
# fmt: on

_HOME_OF = {
    "Agent": "agent",
    "AgentStream": "agent",
    **{name: name.lower() for name in ("Budget", "Estimate", "Ledger")},
    "LLMEngine": "engine",
    "Engine": "engines",
    "Tool": "tools",
    "Embeddings": "core.endpoints.embeddings",
    "EditedImage": "core.endpoints.media",
    **{f"Generated{name}": "core.endpoints.media" for name in ("Music", "Shape", "Video")},
    "GeneratedImages": "core.endpoints.images",
    **{name: f"core.endpoints.{name.lower()}" for name in ("Speech", "Transcription")},
    **dict.fromkeys(("aembed", "embed"), "embeddings"),
    **dict.fromkeys(("agenerate_image", "aspeak", "atranscribe", "generate_image", "speak", "transcribe"), "media"),
    **dict.fromkeys(("aremove_background", "aupscale_image", "remove_background", "upscale_image"), "pictures"),
    **dict.fromkeys(("agenerate_video", "generate_video"), "video"),
    **dict.fromkeys(("agenerate_music", "generate_music"), "music"),
    **dict.fromkeys(("agenerate_3d", "generate_3d"), "shapes"),
    "Progress": "progress",
    **dict.fromkeys((name for name in __all__ if name.endswith("Provider")), "handles"),
    **dict.fromkeys((name for name in __all__ if name.endswith("Options")), "options"),
    "LocalOptions": "core.providers.local.options",
    "Model": "models",
    **dict.fromkeys(("ModelManager", "ModelStatus"), "manager"),
    "ModelStream": "model_stream",
    "CachedModel": "cached",
    "FallbackModel": "fallback",
    "UploadedFile": "core.endpoints.files",
    **dict.fromkeys(("Batch", "abatch", "batch"), "batch_jobs"),
    "MCPServer": "mcp",
    "price": "core.pricing",
    "register_tier": "core.tiers",
    "update_prices": "core.catalogue.live",
    **dict.fromkeys(("Line", "Receipt"), "core.receipt"),
    **dict.fromkeys(("register_model_alias", "register_price"), "core.catalogue.registered"),
    **dict.fromkeys(("Attempt", "Envelope", "EnvelopeMetadata", "ErrorInfo"), "envelope"),
    **dict.fromkeys((name for name in __all__ if name.endswith(("Content", "Logprob"))), "core.content"),
    **dict.fromkeys((name for name in __all__ if name.endswith(("Error", "Exceeded", "Truncated"))), "core.errors"),
}


def __getattr__(name: str) -> Any:
    """Public names are imported on first use, so `import lazybridge` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'lazybridge' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lazybridge.{_HOME_OF.get(name, 'core.types')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
