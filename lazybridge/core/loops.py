"""The event loop that asynchronous calls run on, and asynchronous generators that end when their reader lets go of them."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

from lazybridge.core.errors import ConfigurationError

T = TypeVar("T")


def asyncio_loop() -> asyncio.AbstractEventLoop:
    """The running event loop. Raises ConfigurationError where it is not asyncio's, or one that stands in for it (uvloop)."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "asynchronous calls need a running asyncio event loop, and here is none (trio has its own)\n"
            "asyncio.run(agent.run(...)), or on trio: await trio.to_thread.run_sync(agent, task)"
        ) from None


class Left:
    """Closes an asynchronous generator, which it does not hold: who leaves its `async for` closes it by that alone, and
    `aclose` waits until it has ended. The generator runs in a `with` of this."""

    def __init__(self) -> None:
        self._chunks: weakref.ref[AsyncGenerator[Any, None]] | None = None
        self._ended: asyncio.Future[None] | None = None

    def watch(self, chunks: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """The generator to close."""
        self._chunks = weakref.ref(chunks)
        return chunks

    def __enter__(self) -> None:
        self._ended = asyncio_loop().create_future()

    def __exit__(self, *exc_info: object) -> None:
        if self._ended is not None and not self._ended.done() and not self._ended.get_loop().is_closed():
            self._ended.set_result(None)

    async def aclose(self) -> None:
        """Close it, or wait for the event loop that does so."""
        chunks = None if self._chunks is None else self._chunks()
        if chunks is not None:
            await chunks.aclose()
        elif self._ended is not None and self._ended.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([self._ended])
