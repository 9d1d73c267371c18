"""A piece of a streamed answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lazybridge.core.content import ImageContent, Media
from lazybridge.core.receipt import Receipt
from lazybridge.core.usage import UsageStats

if TYPE_CHECKING:
    from lazybridge.core.types import CompletionResponse, StopReason, ToolCall

Resumed = Literal["restart", "continue"]


@dataclass
class StreamChunk:
    """A piece of a streamed answer. The last one alone has `is_final`, `stop_reason`, `usage` and `tool_calls`.

    `media` are images and audio that are now whole; each comes once. `preview` is an image that is not finished, where a
    vendor was asked for such. `response` is set on the final chunk: the whole answer, as `complete` would have returned it.
    `resumed` marks where a stream broke off and was taken up again, or an answer that does not fit its type is written anew:
    "restart" means that what came before this chunk is void, "continue" that the next text follows it.
    """

    delta: str = ""
    thinking_delta: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    stop_reason: StopReason | None = None
    usage: UsageStats | None = None
    is_final: bool = False
    model: str | None = None
    media: tuple[Media, ...] = ()
    preview: ImageContent | None = None
    resumed: Resumed | None = None
    response: CompletionResponse | None = field(default=None, repr=False)

    def __getitem__(self, name: str) -> Any:
        """A field by its name."""
        return field_named(self, name)

    @property
    def receipt(self) -> Receipt | None:
        """What the answer cost, on the final chunk."""
        return self.response.receipt if self.response is not None else None

    @property
    def cost_usd(self) -> float | None:
        """USD, on the final chunk; None where it is not exactly known."""
        return self.response.cost_usd if self.response is not None else self.usage.cost_usd if self.usage else None


def field_named(holder: Any, name: str) -> Any:
    """A field of an answer or a chunk by its name."""
    if name not in holder.__dataclass_fields__:
        raise KeyError(f"{type(holder).__name__} has no {name!r}; it has {', '.join(holder.__dataclass_fields__)}")
    return getattr(holder, name)
