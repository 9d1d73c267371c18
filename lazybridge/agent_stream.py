"""What `agent.stream(...)` gives: the answer in pieces."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Generic

from lazybridge.composed import AnyCall
from lazybridge.core.closing import Closing
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.loops import Left
from lazybridge.core.showing import Shown
from lazybridge.core.types import StreamChunk
from lazybridge.envelope import Envelope
from lazybridge.partials import Partials

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    X = TypeVar("X", default=Any)
else:
    from typing import TypeVar

    X = TypeVar("X")


class AgentStream(Shown, Closing, Generic[X]):
    """Iterate once, either way, or the `partials()`; `envelope` is there when it has ended, also where it was closed early or failed.

    Leaving a `for` loop closes the connection; so does leaving an `async for`, a turn of the event loop later: for the
    envelope at once use `async with`, or `await stream.aclose()`.
    """

    def __init__(self, make_call: Callable[[], AnyCall], output: Any = None) -> None:
        self._make_call: Callable[[], AnyCall] | None = make_call
        self._output = output
        self._chunks: weakref.ref[Generator[StreamChunk, None, None]] | None = None
        self._left = Left()
        self.envelope: Envelope[X] | None = None

    def __iter__(self) -> Iterator[StreamChunk]:
        chunks = _kept(self._call(), weakref.ref(self))
        self._chunks = weakref.ref(chunks)  # not held, so that whoever leaves the loop lets go of it
        return chunks

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        return self._left.watch(_akept(self._call(), weakref.ref(self), self._left))

    def partials(self) -> Partials:
        """The answer as an object that grows: `for part in stream.partials()`, or `async for`. Needs `output=`."""
        if self._output is None:
            raise ConfigurationError("there are no partial objects of a text\nagent.stream(..., output=MyModel)")
        return Partials(self, self._output)

    def _call(self) -> AnyCall:
        make_call, self._make_call = self._make_call, None
        if make_call is None:
            raise RuntimeError("this stream was iterated already; call agent.stream(...) again for a new one")
        return make_call()

    def close(self) -> None:
        """Stop early and free the connection."""
        chunks = self._chunks() if self._chunks is not None else None
        if chunks is not None:
            chunks.close()

    async def aclose(self) -> None:
        """Stop early and free the connection."""
        await self._left.aclose()


def _kept(call: AnyCall, stream: weakref.ref[AgentStream[Any]]) -> Generator[StreamChunk, None, None]:
    try:
        with closing(call.stream()) as chunks:
            yield from chunks
    finally:
        _hand_over(call, stream)


async def _akept(call: AnyCall, stream: weakref.ref[AgentStream[Any]], left: Left) -> AsyncGenerator[StreamChunk, None]:
    with left:
        try:
            async with aclosing(call.astream()) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            _hand_over(call, stream)


def _hand_over(call: AnyCall, stream: weakref.ref[AgentStream[Any]]) -> None:
    held = stream()
    if held is not None:
        held.envelope = call.envelope()
