"""UsageStats: what a response took, in tokens and money."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, fields
from decimal import Decimal


@dataclass
class UsageStats:
    """Tokens and cost of a response, with one meaning for every vendor.

    `input_tokens` is all that the model read; `cached_input_tokens` and `cache_write_tokens` (of which
    `cache_write_1h_tokens`) are parts of it. `output_tokens` is all that it wrote; `thinking_tokens` is a part of it.
    `audio_input_tokens` (of which `cached_audio_tokens` came from the cache), `audio_output_tokens`,
    `image_input_tokens` and `image_output_tokens` are parts, too. `unpriced_tool_calls` counts vendor-run tools that
    are billed apart and have no price here (images, code). `service_tier` is the tier that served, "batch" included;
    `region` is where it ran, where that changes the price ("us").
    `reported_cost_usd` is what the vendor itself says the response cost. `cost_usd` is None where the price is not
    known, 0.0 where it is free.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    thinking_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    cached_audio_tokens: int | None = None
    image_input_tokens: int | None = None
    image_output_tokens: int | None = None
    web_searches: int | None = None
    file_searches: int | None = None
    unpriced_tool_calls: int | None = None
    service_tier: str | None = None
    region: str | None = None
    reported_cost_usd: Decimal | None = None
    cost_usd: float | None = None

    def __post_init__(self) -> None:
        if self.reported_cost_usd is not None:
            self.reported_cost_usd = Decimal(str(self.reported_cost_usd))

    @property
    def total_tokens(self) -> int | None:
        """Input and output together; None where either is not known."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens

    def __add__(self, other: UsageStats) -> UsageStats:
        """The sum of two turns. A cost or token count that is unknown in one keeps the sum unknown."""
        total = UsageStats()
        for item in fields(UsageStats):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            if item.name in _WORDS:
                summed = mine if mine == theirs else None
            elif item.name in _NEVER_PARTLY_KNOWN:
                summed = None if mine is None or theirs is None else mine + theirs
            else:
                summed = None if mine is None and theirs is None else (mine or 0) + (theirs or 0)
            setattr(total, item.name, summed)
        return total


_WORDS = frozenset({"service_tier", "region"})
_NEVER_PARTLY_KNOWN = frozenset({"input_tokens", "output_tokens", "reported_cost_usd", "cost_usd"})


# Who asks sets a list here; the provider's stream appends a function that tells what the vendor has counted so far, so
# that a stream which breaks off before its first chunk has still been counted.
counters: ContextVar[list[Callable[[], UsageStats]] | None] = ContextVar("lazybridge_counters", default=None)


def watch(counted: Callable[[], UsageStats]) -> None:
    """Let whoever asked see what the vendor has counted, should the stream break off."""
    asked = counters.get()
    if asked is not None:
        asked.append(counted)
