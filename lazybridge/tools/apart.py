"""Work in threads that nobody has to wait for: one that hangs delays neither the call nor the end of the program."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

# How long the end of an event loop, and of tools that are told to stop, may take beyond a call's time.
_GRACE_S = 0.25


async def in_thread(function: Callable[[], T], name: str) -> T:
    """The result of a function in a daemon thread, in the caller's context. Where this is cancelled, the thread goes on
    and what comes of it is dropped."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: Any, exc: BaseException | None) -> None:
        if not done.cancelled():
            done.set_result((value, exc))

    def work() -> None:
        value, raised = None, None
        try:
            value = context.run(function)
        except BaseException as exc:  # also an interrupt: it is raised where the result is awaited
            raised = exc
        try:
            loop.call_soon_threadsafe(settle, value, raised)
        except RuntimeError:  # nobody waits any more: the loop is closed
            return

    threading.Thread(target=work, name=f"lazybridge-tool-{name}", daemon=True).start()
    value, raised = await done
    if raised is not None:
        raise raised
    result: T = value
    return result


def finished(work: Callable[[], Coroutine[Any, Any, T]], seconds: float | None) -> T:
    """The result of a coroutine, in synchronous code, on an event loop in a daemon thread.

    Raises TimeoutError once it is late: `seconds` and a little, whatever the coroutine does.
    """
    result: Future[T] = Future()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        try:
            result.set_result(await work())  # now: closing a loop waits for what its own threads do
        except Exception as exc:  # raised in the thread that waits
            result.set_exception(exc)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as exc:  # an interrupt that a tool raised
            if not result.done():
                result.set_exception(exc)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="lazybridge-tools", daemon=True)
    thread.start()
    try:
        value = result.result(None if seconds is None else seconds + _GRACE_S)
    except BaseException:
        _cancel(running)
        raise
    thread.join(_GRACE_S)
    return value


def _cancel(running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]]) -> None:
    for loop, task in running:
        try:
            loop.call_soon_threadsafe(task.cancel)
        except RuntimeError:  # it has ended
            continue
