"""The public names for type checkers; `__init__.py` imports each on first use."""

from lazybridge.agent import Agent as Agent
from lazybridge.agent import AgentStream as AgentStream
from lazybridge.budget import Budget as Budget
from lazybridge.core.catalogue.live import update_prices as update_prices
from lazybridge.core.catalogue.registered import register_model_alias as register_model_alias
from lazybridge.core.catalogue.registered import register_price as register_price
from lazybridge.core.content import AudioContent as AudioContent
from lazybridge.core.content import DocumentContent as DocumentContent
from lazybridge.core.content import ImageContent as ImageContent
from lazybridge.core.content import TextContent as TextContent
from lazybridge.core.content import TokenLogprob as TokenLogprob
from lazybridge.core.content import VideoContent as VideoContent
from lazybridge.core.endpoints.embeddings import Embeddings as Embeddings
from lazybridge.core.errors import BudgetExceeded as BudgetExceeded
from lazybridge.core.errors import ConfigurationError as ConfigurationError
from lazybridge.core.errors import LazyBridgeError as LazyBridgeError
from lazybridge.core.errors import ProviderError as ProviderError
from lazybridge.core.errors import StreamTruncated as StreamTruncated
from lazybridge.core.errors import StructuredOutputError as StructuredOutputError
from lazybridge.core.errors import ToolLoopError as ToolLoopError
from lazybridge.core.errors import UnknownModelError as UnknownModelError
from lazybridge.core.errors import UnsupportedFeatureError as UnsupportedFeatureError
from lazybridge.core.errors import UnsupportedNativeToolError as UnsupportedNativeToolError
from lazybridge.core.pricing import price as price
from lazybridge.core.receipt import Line as Line
from lazybridge.core.receipt import Receipt as Receipt
from lazybridge.core.tiers import register_tier as register_tier
from lazybridge.core.types import CompletionRequest as CompletionRequest
from lazybridge.core.types import CompletionResponse as CompletionResponse
from lazybridge.core.types import Message as Message
from lazybridge.core.types import NativeTool as NativeTool
from lazybridge.core.types import StreamChunk as StreamChunk
from lazybridge.core.types import ToolCall as ToolCall
from lazybridge.core.types import ToolDefinition as ToolDefinition
from lazybridge.core.types import UsageStats as UsageStats
from lazybridge.embeddings import aembed as aembed
from lazybridge.embeddings import embed as embed
from lazybridge.engine import LLMEngine as LLMEngine
from lazybridge.envelope import Attempt as Attempt
from lazybridge.envelope import Envelope as Envelope
from lazybridge.envelope import EnvelopeMetadata as EnvelopeMetadata
from lazybridge.envelope import ErrorInfo as ErrorInfo
from lazybridge.estimate import Estimate as Estimate
from lazybridge.ledger import Ledger as Ledger
from lazybridge.tools import Tool as Tool

__version__: str
__all__: list[str]
