"""One line for any model, the vendor's own SDK underneath, and what it cost on the result."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lazybridge.agent import Agent, AgentStream
    from lazybridge.core.content import AudioContent, DocumentContent, ImageContent, TextContent
    from lazybridge.core.errors import ConfigurationError, LazyBridgeError, ProviderError, StreamTruncated
    from lazybridge.core.errors import StructuredOutputError, ToolLoopError, UnknownModelError
    from lazybridge.core.errors import UnsupportedFeatureError, UnsupportedNativeToolError
    from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, NativeTool, StreamChunk
    from lazybridge.core.types import ToolCall, ToolDefinition, UsageStats
    from lazybridge.engine import LLMEngine
    from lazybridge.envelope import Attempt, Envelope, EnvelopeMetadata, ErrorInfo
    from lazybridge.tools import Tool

__version__ = "0.1.0"

# fmt: off
__all__ = [
    "Agent", "AgentStream", "Attempt", "AudioContent", "CompletionRequest", "CompletionResponse", "ConfigurationError",
    "DocumentContent", "Envelope", "EnvelopeMetadata", "ErrorInfo", "ImageContent", "LLMEngine", "LazyBridgeError",
    "Message", "NativeTool", "ProviderError", "StreamChunk", "StreamTruncated", "StructuredOutputError", "TextContent",
    "Tool", "ToolCall", "ToolDefinition", "ToolLoopError", "UnknownModelError", "UnsupportedFeatureError",
    "UnsupportedNativeToolError", "UsageStats",
]
# fmt: on

_HOME_OF = {
    "Agent": "agent",
    "AgentStream": "agent",
    "LLMEngine": "engine",
    "Tool": "tools",
    **dict.fromkeys(("Attempt", "Envelope", "EnvelopeMetadata", "ErrorInfo"), "envelope"),
    **dict.fromkeys((name for name in __all__ if name.endswith("Content")), "core.content"),
    **dict.fromkeys((name for name in __all__ if name.endswith("Error") or name == "StreamTruncated"), "core.errors"),
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
