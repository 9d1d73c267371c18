"""The objects of a streamed answer while they grow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from lazybridge.core.structured import PartialReader
from lazybridge.core.types import StreamChunk

if TYPE_CHECKING:
    from lazybridge.agent_stream import AgentStream


class Partials:
    """`for part in stream.partials()`, or `async for`: what has arrived so far, each time it has grown, and at last the
    payload itself.

    A part is an object of the asked type where what has arrived is one, else a dict or a list. Raises what the stream
    raises, StructuredOutputError among it.
    """

    def __init__(self, stream: AgentStream[Any], output: Any) -> None:
        self._stream, self._reader = stream, PartialReader(output)

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._stream:
            if self._heard(chunk):
                yield self._reader.value
        yield self._payload()

    async def __aiter__(self) -> AsyncIterator[Any]:
        async with aclosing(self._stream):
            async for chunk in self._stream:
                if self._heard(chunk):
                    yield self._reader.value
        yield self._payload()

    def _heard(self, chunk: StreamChunk) -> bool:
        if chunk.resumed == "restart" or (
            chunk.tool_calls and not chunk.is_final
        ):  # what was said before a tool's call is no answer
            self._reader.restart()
        return self._reader.add(chunk.delta)

    def _payload(self) -> Any:
        assert self._stream.envelope is not None
        return self._stream.envelope.payload
