"""An answer of a Model on its way."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any, Protocol

from lazybridge.awaiting import call
from lazybridge.core.closing import Closing
from lazybridge.core.loops import Left
from lazybridge.core.showing import Shown
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk
from lazybridge.settings import Task

OnChunk = Callable[[StreamChunk], Awaitable[None] | None]


@dataclass(frozen=True)
class Asked:
    """One question to a model: a task or a whole request, the settings over it, and the type its answer must have."""

    task: Task | CompletionRequest
    settings: Mapping[str, Any] = field(default_factory=dict)
    output: Any = None


class Streams(Protocol):
    """What a stream needs of its model."""

    def _stream(self, asked: Asked) -> Generator[StreamChunk, None, None]: ...

    def _astream(self, asked: Asked) -> AsyncGenerator[StreamChunk, None]: ...


class ModelStream(Shown, Closing):
    """An answer on its way: iterate once, either way, or await it; the function that wants every chunk gets it each way.
    `response` is the whole answer once it has ended."""

    def __init__(self, model: Streams, asked: Asked, on_chunk: OnChunk | None) -> None:
        self._model, self._asked, self._on_chunk = model, asked, on_chunk
        self._started: Generator[StreamChunk, None, None] | None = None
        self._astarted, self._left = False, Left()
        self.response: CompletionResponse | None = None

    def __iter__(self) -> Iterator[StreamChunk]:
        self._once()
        self._started = self._model._stream(self._asked)
        with closing(self._started) as chunks:
            for chunk in chunks:
                self.response = chunk.response or self.response
                if self._on_chunk is not None:
                    call(self._on_chunk, chunk)
                yield chunk

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        self._once()
        self._astarted = True
        return self._left.watch(self._achunks())

    async def _achunks(self) -> AsyncGenerator[StreamChunk, None]:
        with self._left:
            async with aclosing(self._model._astream(self._asked)) as chunks:
                async for chunk in chunks:
                    self.response = chunk.response or self.response
                    pending = None if self._on_chunk is None else self._on_chunk(chunk)
                    if inspect.isawaitable(pending):
                        await pending
                    yield chunk

    def __await__(self) -> Generator[Any, None, CompletionResponse]:
        return self._driven().__await__()

    async def _driven(self) -> CompletionResponse:
        async with self:
            async for _ in self:
                pass
        assert self.response is not None
        return self.response

    def _once(self) -> None:
        if self._started is not None or self._astarted:
            raise RuntimeError("this stream was iterated already; call model.stream(...) again for a new one")

    def close(self) -> None:
        """Stop early and free the connection."""
        if self._started is not None:
            self._started.close()

    async def aclose(self) -> None:
        """Stop early and free the connection."""
        self.close()
        await self._left.aclose()


def whole(last: StreamChunk) -> CompletionResponse:
    """The answer that a stream's last chunk ends."""
    assert last.response is not None
    return last.response


def hand_over(model: Streams, asked: Asked, on_chunk: Callable[[StreamChunk], None]) -> CompletionResponse:
    """The whole answer, once a function has had every chunk of it."""
    last = StreamChunk()
    with closing(model._stream(asked)) as chunks:
        for last in chunks:
            on_chunk(last)
    return whole(last)
