"""Two requests at once, the second after a while: on threads and on an event loop. Who is first is the run's attempt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, cast

from lazybridge.core.closing import AsyncClosed, closed
from lazybridge.core.errors import LazyBridgeError
from lazybridge.core.types import CompletionRequest, StreamChunk
from lazybridge.gate import aadmit, admit
from lazybridge.run import Run
from lazybridge.waiting import Stopped

T = TypeVar("T")
Work = Callable[[Run, CompletionRequest], T]
# How long the one that is not needed any more may take to notice.
_ENDS_WITHIN_S = 1.0


@dataclass
class Opened:
    """A stream and its first chunk, None where it has none."""

    stream: Any
    chunks: Any
    first: StreamChunk | None


def _lost(run: Run, error: BaseException | None, request: CompletionRequest) -> None:
    """Close the attempt of the one that failed, while the other is under way."""
    assert error is not None
    with suppress(LazyBridgeError):
        run.lost(error, request)


# --- on threads ---------------------------------------------------------------------------------------------------------


class _Racer(Generic[T]):
    """One of the two requests, on a thread of its own. `sent` is what it sends, None until it is an attempt."""

    def __init__(self, run: Run, work: Work[T], sent: CompletionRequest | None = None) -> None:
        self.run, self.sent = run, sent
        self.error: BaseException | None = None
        self._work = work
        self._lock = threading.Lock()
        self._over = self._told = False
        self._answer: T | None = None

    def start(self, request: CompletionRequest, done: SimpleQueue[_Racer[T]]) -> _Racer[T]:
        """Begin; `done` gets it once it is answered or has failed, unless it was ended before."""
        arguments = (self._raced, request, done)
        threading.Thread(target=copy_context().run, args=arguments, name="lazybridge-hedge", daemon=True).start()
        return self

    def _raced(self, request: CompletionRequest, done: SimpleQueue[_Racer[T]]) -> None:
        try:
            self._answer = self._work(self.run, self.sent or self._begun(request))
        except BaseException as exc:  # whoever waits raises it
            self.error = exc
        with self._lock:
            self._told = not self._over
            if self._told:
                return done.put(self)
        self._discard()

    def _discard(self) -> None:
        if isinstance(self._answer, Opened):
            with suppress(Exception), closed(self._answer.stream):  # nobody reads it
                pass

    def _begun(self, request: CompletionRequest) -> CompletionRequest:
        try:
            admit(self.run, request)
            with self._lock:
                if self._over:
                    raise Stopped
                self.sent = self.run.begin(request)
                return self.sent
        finally:
            if self.sent is None:
                self.run.abandon()

    def stays_out(self) -> bool:
        """Keep it from beginning; whether it had not."""
        with self._lock:
            if self.sent is not None:
                return False
            self._over = True
        self.run.gate.waiter().stop()
        return True

    def end(self) -> None:
        """Wait for it no more, and close its attempt."""
        if self.stays_out():
            return
        with self._lock:
            self._over = True
        if self._told:  # in the same moment
            self._discard()
        if self.run.patience.attempt is not None:
            self.run.patience.attempt.cut()
        self.run.abandon()

    def result(self) -> T:
        """The answer. Raises what went wrong."""
        if self.error is not None:
            raise self.error
        return cast(T, self._answer)


def raced(run: Run, request: CompletionRequest, attempt: CompletionRequest, work: Work[T]) -> T:
    """What `work` gives for a run's attempt, or for the one beside it; the run goes on with that one's. Raises what it raised."""
    done: SimpleQueue[_Racer[T]] = SimpleQueue()
    racers = [_Racer(run, work, attempt).start(request, done)]
    try:
        winner = _winner(run, request, work, done, racers)
    except BaseException:  # interrupted
        for racer in racers:
            racer.end()
        raise
    if winner.run is not run:
        run.adopt(winner.run)
    return winner.result()


def _winner(
    run: Run, request: CompletionRequest, work: Work[T], done: SimpleQueue[_Racer[T]], racers: list[_Racer[T]]
) -> _Racer[T]:
    with suppress(Empty):
        return done.get(timeout=run.policy.hedge_after)
    racers.append(_Racer(run.twin(), work).start(request, done))
    winner = done.get()
    if winner.sent is None:  # refused by a budget, a limit or the breaker
        return done.get()
    (loser,) = (racer for racer in racers if racer is not winner)
    if winner.error is None:
        loser.end()
        return winner
    if loser.stays_out():
        return winner
    _lost(winner.run, winner.error, request)
    return done.get()


# --- on an event loop ---------------------------------------------------------------------------------------------------


class _Task(Generic[T]):
    """One of the two requests, in a task of its own. `sent` is what it sends, None until it is an attempt."""

    def __init__(self, run: Run, work: Work[Awaitable[T]], sent: CompletionRequest | None = None) -> None:
        self.run, self.sent = run, sent
        self._work = work

    def start(self, request: CompletionRequest) -> _Task[T]:
        """Begin."""
        self.task = asyncio.create_task(self._raced(request))
        return self

    async def _raced(self, request: CompletionRequest) -> T:
        return await self._work(self.run, self.sent or await self._begun(request))

    async def _begun(self, request: CompletionRequest) -> CompletionRequest:
        try:
            await aadmit(self.run, request)
            self.sent = self.run.begin(request)
            return self.sent
        finally:
            if self.sent is None:
                self.run.abandon()

    @property
    def error(self) -> BaseException | None:
        """What went wrong, of one that is done."""
        return self.task.exception()

    async def end(self) -> None:
        """Wait for it no more, and close its attempt."""
        self.task.cancel()
        if self.sent is not None:
            self.run.abandon()
        await asyncio.wait({self.task}, timeout=_ENDS_WITHIN_S)
        if self.task.done() and not self.task.cancelled() and self.error is None:
            answer = self.task.result()
            if isinstance(answer, Opened):
                async with AsyncClosed(answer.stream):  # nobody reads it
                    pass


async def araced(run: Run, request: CompletionRequest, attempt: CompletionRequest, work: Work[Awaitable[T]]) -> T:
    """`raced`, on the running event loop."""
    tasks = [_Task(run, work, attempt).start(request)]
    try:
        winner = await _awinner(run, request, work, tasks)
    except BaseException:  # cancelled
        for task in tasks:
            await task.end()
        raise
    if winner.run is not run:
        run.adopt(winner.run)
    return winner.task.result()


async def _awinner(run: Run, request: CompletionRequest, work: Work[Awaitable[T]], tasks: list[_Task[T]]) -> _Task[T]:
    (first,) = tasks
    if (await asyncio.wait({first.task}, timeout=run.policy.hedge_after))[0]:
        return first
    second = _Task(run.twin(), work).start(request)
    tasks.append(second)
    done, _ = await asyncio.wait({first.task, second.task}, return_when=asyncio.FIRST_COMPLETED)
    answered = [task for task in tasks if task.task in done and task.error is None]
    winner = answered[0] if answered else first if first.task in done else second
    loser = second if winner is first else first
    if answered:
        await loser.end()
        return winner
    if winner.sent is None or loser.sent is None:  # there is one alone, since a budget, a limit or the breaker refused
        if loser.sent is None:
            await loser.end()
            return winner
        await asyncio.wait({loser.task})
        return loser
    _lost(winner.run, winner.error, request)
    await asyncio.wait({loser.task})
    return loser
