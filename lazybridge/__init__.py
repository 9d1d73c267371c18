"""One line for any model, the vendor's own SDK underneath, and what it cost on the result."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lazybridge.agent import Agent, AgentStream
    from lazybridge.batch_jobs import Batch, abatch, batch
    from lazybridge.budget import Budget
    from lazybridge.core.catalogue.registered import register_model_alias, register_price
    from lazybridge.core.content import AudioContent, DocumentContent, ImageContent, TextContent
    from lazybridge.core.errors import BudgetExceeded, ConfigurationError, LazyBridgeError, ProviderError
    from lazybridge.core.errors import StreamTruncated, StructuredOutputError, ToolLoopError, UnknownModelError
    from lazybridge.core.errors import UnsupportedFeatureError, UnsupportedNativeToolError
    from lazybridge.core.catalogue.live import update_prices
    from lazybridge.core.pricing import price
    from lazybridge.core.receipt import Line, Receipt
    from lazybridge.core.tiers import register_tier
    from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, NativeTool, StreamChunk
    from lazybridge.core.types import ToolCall, ToolDefinition, UsageStats
    from lazybridge.embeddings import aembed, embed
    from lazybridge.core.endpoints.embeddings import Embeddings
    from lazybridge.core.endpoints.files import UploadedFile
    from lazybridge.engine import LLMEngine
    from lazybridge.envelope import Attempt, Envelope, EnvelopeMetadata, ErrorInfo
    from lazybridge.estimate import Estimate
    from lazybridge.ledger import Ledger
    from lazybridge.tools import Tool

__version__ = "0.1.0"

# fmt: off
__all__ = [
    "Agent", "AgentStream", "Attempt", "AudioContent", "Batch", "Budget", "BudgetExceeded", "CompletionRequest", "CompletionResponse", "ConfigurationError",
    "DocumentContent", "Embeddings", "Envelope", "EnvelopeMetadata", "ErrorInfo", "Estimate", "ImageContent", "LLMEngine", "LazyBridgeError", "Ledger",
    "Line", "Message", "NativeTool", "ProviderError", "Receipt", "StreamChunk", "StreamTruncated", "StructuredOutputError", "TextContent",
    "Tool", "ToolCall", "ToolDefinition", "ToolLoopError", "UnknownModelError", "UnsupportedFeatureError",
    "UnsupportedNativeToolError", "UploadedFile", "UsageStats", "abatch", "aembed", "batch", "embed", "price", "register_model_alias", "register_price",
    "register_tier", "update_prices",
]
# fmt: on

_HOME_OF = {
    "Agent": "agent",
    "AgentStream": "agent",
    "Budget": "budget",
    "Estimate": "estimate",
    "LLMEngine": "engine",
    "Ledger": "ledger",
    "Tool": "tools",
    "Embeddings": "core.endpoints.embeddings",
    "UploadedFile": "core.endpoints.files",
    **dict.fromkeys(("Batch", "abatch", "batch"), "batch_jobs"),
    **dict.fromkeys(("aembed", "embed"), "embeddings"),
    "price": "core.pricing",
    "register_tier": "core.tiers",
    "update_prices": "core.catalogue.live",
    **dict.fromkeys(("Line", "Receipt"), "core.receipt"),
    **dict.fromkeys(("register_model_alias", "register_price"), "core.catalogue.registered"),
    **dict.fromkeys(("Attempt", "Envelope", "EnvelopeMetadata", "ErrorInfo"), "envelope"),
    **dict.fromkeys((name for name in __all__ if name.endswith("Content")), "core.content"),
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
