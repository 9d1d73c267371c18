"""Functions that may be plain or asynchronous, called from code that is either."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it runs nothing yet: a coroutine function, or an object whose `__call__` is one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread, which a synchronous call blocks; None where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def wait(value: Awaitable[T]) -> T:
    """The result of an awaitable in synchronous code, also where an event loop is running in this thread."""

    async def awaited() -> T:
        return await value

    if running_loop() is None:
        return asyncio.run(awaited())
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, asyncio.run, awaited()).result()


def call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """The result of a function, in synchronous code."""
    result = function(*arguments, **named)
    return wait(result) if inspect.isawaitable(result) else result


async def acall(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """The result of a function: one that is plain runs in a thread. It cannot be stopped there, so a task that is
    cancelled meanwhile ends when it does."""
    if is_async(function):
        return await function(*arguments, **named)
    result = await uncut(asyncio.to_thread(function, *arguments, **named))
    return await result if inspect.isawaitable(result) else result


async def uncut(work: Awaitable[T]) -> T:
    """The result of what is not to be cut off: a task that is cancelled meanwhile ends when it does."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that nobody warns of it
        raise


class Loop:
    """An event loop of one's own, in a thread of its own, for several awaits in synchronous code."""

    def __enter__(self) -> Loop:
        self._thread, self._runner = ThreadPoolExecutor(1), asyncio.Runner()
        return self

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine."""
        return self._thread.submit(self._runner.run, work).result()

    def __exit__(self, *exc_info: object) -> None:
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()
