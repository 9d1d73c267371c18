"""`with` and `async with` for what has `close` or `aclose`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Closing:
    """Closes at the end of its block."""

    @abstractmethod
    def close(self) -> None:
        """Free what synchronous calls hold."""

    @abstractmethod
    async def aclose(self) -> None:
        """Free what the running event loop's calls hold, and the synchronous ones'."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


@contextmanager
def closed(thing: T) -> Iterator[T]:
    """`contextlib.closing` for what need not have `close`: a user's provider may return any iterator."""
    try:
        yield thing
    finally:
        close = getattr(thing, "close", None)
        if close is not None:
            close()


class AsyncClosed:
    """`contextlib.aclosing` for what has `aclose`, `close` as a coroutine (the SDKs' streams), or neither.

    A class, not a generator: an asynchronous generator would be closed a second time when its event loop is shut down.
    """

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    async def __aenter__(self) -> Any:
        return self._thing

    async def __aexit__(self, *exc_info: object) -> None:
        close = getattr(self._thing, "aclose", None) or getattr(self._thing, "close", None)
        if close is not None:
            await close()
