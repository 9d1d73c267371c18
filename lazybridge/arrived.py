"""What has arrived of one attempt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Self

from lazybridge.core import tokens
from lazybridge.core.content import Media
from lazybridge.core.errors import StreamTruncated
from lazybridge.core.growing import GrowingText
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk, ToolCall, UsageStats
from lazybridge.core.usage import counters

# With these the vendor may leave out parts of what it was sent.
_MAY_DROP = frozenset({"truncation", "context_management"})


class Arrived:
    """The chunks of the attempt that is running: what a failure keeps, and the whole answer where the final chunk of a
    user's provider does not carry it."""

    def __init__(self) -> None:
        self._first = 0.0
        self._text, self._thinking = GrowingText(), GrowingText()
        self.begun = False  # whether anything arrived
        self._calls: list[ToolCall] = []
        self._media: list[Media] = []
        self._final: StreamChunk | None = None
        self._counters: list[Callable[[], UsageStats]] = []

    @classmethod
    def listening(cls) -> Self:
        """What arrives from here on, and what the vendor counts of it: the one thing here that sets a context variable."""
        arrived = cls()
        counters.set(arrived._counters)
        return arrived

    @property
    def text(self) -> str:
        """The text so far."""
        return str(self._text)

    def add(self, chunk: StreamChunk) -> None:
        """Take one more chunk."""
        if not self.begun:
            self._first, self.begun = time.time(), True
        self._text.write(chunk.delta)
        if chunk.thinking_delta:
            self._thinking.write(chunk.thinking_delta)
        if chunk.tool_calls:
            self._calls += chunk.tool_calls
        if chunk.media:
            self._media += chunk.media
        if chunk.is_final:
            self._final = chunk

    def first_chunk_ms(self, started: float) -> float | None:
        """How long the first chunk took; None where there was none. `started` is seconds since the epoch."""
        return (self._first - started) * 1000 if self.begun else None

    def usage(self, request: CompletionRequest) -> UsageStats | None:
        """The least that can have been used: what the vendor has counted so far, else what the texts come to. None
        where nothing has arrived."""
        usage = self._counters[-1]() if self._counters else UsageStats()
        if usage.input_tokens is None:
            if not self.begun:
                return None
            read = "" if _MAY_DROP & set(request.extra_body or ()) else " ".join(_texts(request))
            usage.input_tokens = usage.cached_input_tokens = tokens.at_least(read)
        # Thinking is not counted: what is shown of it may be a summary.
        usage.output_tokens = max(usage.output_tokens or 0, tokens.at_least(self.text))
        return usage

    def whole(self, provider: str) -> CompletionResponse:
        """The whole answer. Raises StreamTruncated where no final chunk came."""
        final = self._final
        if final is None:
            raise StreamTruncated("the stream ended without a final chunk", provider=provider)
        return final.response or CompletionResponse(
            self.text,
            str(self._thinking),
            self._calls,
            final.stop_reason,
            final.model,
            final.usage or UsageStats(),
            media=tuple(self._media),
        )


def _texts(request: CompletionRequest) -> Iterable[str]:
    return (request.system or "", *(message.text for message in request.messages))
