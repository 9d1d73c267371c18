"""Waiting for one's turn: one queue, first in first out, for threads and event loops together; nobody polls."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class Waiter:
    """Somebody who waits, on a thread or an event loop; `wake` and `stop` may be called from any thread."""

    def __init__(self) -> None:
        self.stopped = False
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._future: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Let it look again."""
        with self._lock:
            self._woken.set()
            if self._future is not None and self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_done, self._future)

    def stop(self) -> None:
        """Make it give up: what it waits for raises Stopped."""
        self.stopped = True
        self.wake()

    def sleep(self, seconds: float | None) -> None:
        """Wait until somebody wakes it, or for so many seconds."""
        self._woken.wait(seconds)
        self._woken.clear()

    async def asleep(self, seconds: float | None) -> None:
        """`sleep`, on the running event loop."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._future = future = self._loop.create_future()
            if self._woken.is_set():
                future.set_result(None)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._future = None
                self._woken.clear()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Stopped(BaseException):
    """Nobody wants any more what was waited for; it never leaves the package."""


@dataclass(frozen=True)
class Sleep:
    """Wait until woken, for so many seconds at most."""

    seconds: float | None


@dataclass(frozen=True)
class Work:
    """Call this function and send its result; `blocks` says that it speaks to a server."""

    function: Callable[[], Any]
    blocks: bool


Steps = Generator[Sleep | Work, Any, T]


def go(steps: Steps[T], waiter: Waiter) -> T:
    """Do the steps on this thread."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Sleep):
                waiter.sleep(step.seconds)
                step = next(steps)
            else:
                step = steps.send(step.function())
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        steps.close()


async def ago(steps: Steps[T], waiter: Waiter) -> T:
    """`go`, on the running event loop."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Sleep):
                await waiter.asleep(step.seconds)
                step = next(steps)
            else:
                step = steps.send(await asyncio.to_thread(step.function) if step.blocks else step.function())
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        steps.close()


class Slots:
    """So many at a time; who comes first is let in first."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[Waiter] = deque()
        self._let_in: set[Waiter] = set()

    def enter(self, waiter: Waiter, left: Callable[[], float | None]) -> Steps[None]:
        """Wait for a slot. `left` says how many seconds there are, and raises where there are none."""
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return
            self._waiting.append(waiter)
        entered = False
        try:
            while not entered:
                with self._lock:
                    entered = waiter in self._let_in
                if not entered:
                    if waiter.stopped:
                        raise Stopped
                    yield Sleep(left())
        finally:
            self._wait_no_more(waiter, entered)

    def _wait_no_more(self, waiter: Waiter, entered: bool) -> None:
        with self._lock:
            let_in = waiter in self._let_in
            if let_in:
                self._let_in.remove(waiter)
            else:
                self._waiting.remove(waiter)
        if let_in and not entered:
            self.leave()

    def leave(self) -> None:
        """Let the next one in."""
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            following = self._waiting.popleft()
            self._let_in.add(following)
        following.wake()
