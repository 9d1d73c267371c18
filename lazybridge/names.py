"""Where each public name of `lazybridge` lives, below the package."""

from __future__ import annotations

# fmt: off
HOMES = {
    "agent": "Agent",
    "agent_stream": "AgentStream",
    "batch_jobs": "Batch abatch batch",
    "breaker": "BreakerState breakers reset_breakers",
    "budget": "Budget",
    "cached": "CachedModel",
    "chat": "Chat",
    "core.catalogue.live": "update_prices",
    "core.catalogue.registered": "register_model_alias register_price",
    "core.content": "AudioContent DocumentContent ImageContent TextContent TokenLogprob VideoContent",
    "core.endpoints.embeddings": "Embeddings",
    "core.endpoints.files": "UploadedFile",
    "core.endpoints.images": "GeneratedImages",
    "core.endpoints.media": "EditedImage GeneratedMusic GeneratedShape GeneratedVideo",
    "core.endpoints.speech": "Speech",
    "core.endpoints.transcription": "Transcription",
    "core.errors":
        "AuthenticationError BudgetExceeded CircuitOpenError ConfigurationError ContentPolicyError ContextLengthError GuardError "
        "InvalidRequestError LazyBridgeError NotFoundError OverloadedError PermissionDeniedError ProviderConnectionError ProviderError "
        "ProviderTimeoutError QuotaExceededError RateLimitError ServerError StreamTruncated StructuredOutputError ToolError ToolLoopError "
        "ToolServerError UnknownModelError UnsupportedFeatureError UnsupportedNativeToolError VerificationError",
    "core.hints": "CacheConfig ThinkingConfig",
    "core.messages_json": "messages_from_json messages_to_json",
    "core.native_tools": "ConfiguredTool",
    "core.pricing": "price",
    "core.providers.local.options": "LocalOptions",
    "core.receipt": "Line Receipt",
    "core.tiers": "register_tier",
    "core.types": "ChatMessage CompletionRequest CompletionResponse Message ModelResponse NativeTool StreamChunk ToolCall ToolDefinition UsageStats",
    "embeddings": "aembed embed",
    "engine": "LLMEngine",
    "engines": "Engine",
    "envelope": "Attempt Envelope EnvelopeMetadata ErrorInfo",
    "estimate": "Estimate",
    "fallback": "FallbackModel",
    "handles":
        "AnthropicProvider AzureOpenAiProvider BedrockProvider CerebrasProvider CohereProvider DeepSeekProvider FalProvider FireworksProvider "
        "GeminiProvider GroqProvider HuggingFaceProvider LmStudioProvider MistralProvider MoonshotProvider OllamaProvider OpenAiCompatProvider "
        "OpenAiProvider OpenRouterProvider PerplexityProvider TogetherProvider VllmProvider XaiProvider ZaiProvider",
    "ledger": "Ledger",
    "limits": "RateLimit",
    "manager": "ModelManager ModelStatus",
    "mcp": "MCPServer",
    "media": "agenerate_image aspeak atranscribe generate_image speak transcribe",
    "memory": "Memory",
    "model_stream": "ModelStream",
    "models": "Model",
    "music": "agenerate_music generate_music",
    "options": "AnthropicOptions AzureOptions BedrockOptions FalOptions GeminiOptions OpenAiOptions ProviderOptions",
    "pictures": "aremove_background aupscale_image remove_background upscale_image",
    "progress": "Progress",
    "session": "JsonLines Session",
    "shapes": "agenerate_3d generate_3d",
    "tools": "Tool",
    "video": "agenerate_video generate_video",
    "warming": "Warming warm",
}
# fmt: on
HOME_OF = {name: home for home, names in HOMES.items() for name in names.split()}
