"""One connection to an MCP server, on an event loop in a thread of its own, for callers of any kind."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

if TYPE_CHECKING:
    import mcp

T = TypeVar("T")
# How long ending may take: the package gives a process 2 s to go by itself, 2 s after SIGTERM, 2 s after SIGKILL.
_ENDING_S = 8.0

Connect = Callable[[AsyncExitStack, Any], Coroutine[Any, Any, "mcp.Client"]]


class Session:
    """Open from its first moment until `stop`; one task opens and closes it, as the package wants it.

    `listed` are the tools as they were listed last, None once the server has said that they changed.
    """

    def __init__(self, connect: Connect, seconds: float | None) -> None:
        self.listed: Any = None
        self._connect, self._seconds = connect, seconds
        self._stopped = False
        self._opened: Future[mcp.Client] = Future()
        self._thread = threading.Thread(target=self._target, name="lazybridge-mcp", daemon=True)
        self._thread.start()

    def _target(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as exc:  # whatever the package, a process or a network raises belongs to who opened it
            if not self._opened.done():
                self._opened.set_exception(exc)

    async def _live(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._seconds):
                client = await self._connect(stack, self._heard)
            self._opened.set_result(client)
            if not self._stopped:
                await self._end.wait()

    async def _heard(self, message: Any) -> None:
        if getattr(message, "method", None) == "notifications/tools/list_changed":
            self.listed = None

    def client(self) -> mcp.Client:
        """The connection; waits until it is open. Raises what kept it from opening."""
        return self._opened.result(self._seconds)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine where the connection lives. Raises ConnectionError where it has been closed."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise ConnectionError("it was closed meanwhile") from None

    def stop(self, wait_s: float = _ENDING_S) -> None:
        """Close the connection, and end the process where there is one; waits so long for it."""
        self._stopped = True  # before it is open it ends by itself
        if self._thread.is_alive() and self._opened.done():
            try:
                self._loop.call_soon_threadsafe(self._end.set)
            except RuntimeError:
                return  # its loop has ended
            self._thread.join(wait_s)


def stderr_of(stack: AsyncExitStack) -> TextIO:
    """Where a program's complaints go: what notebooks and tests put in the place of stderr is often no file."""
    for stream in (sys.stderr, sys.__stderr__):
        try:
            if stream is not None and stream.fileno() >= 0:
                return stream
        except (AttributeError, OSError):  # io.UnsupportedOperation is an OSError
            continue
    return stack.enter_context(open(os.devnull, "w"))
