"""The two shells that bring a model into memory, or out of it, step by step: synchronous and asynchronous."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from lazybridge.awaiting import call, is_async, running_loop, uncut
from lazybridge.core.errors import ConfigurationError, LazyBridgeError, ProviderTimeoutError, ServerError
from lazybridge.manager.resident import Resident, Step
from lazybridge.manager.residents import Residents

Steps = Callable[[], Step | None]


class Patience:
    """The seconds that a call may take, in all; None is no limit. Raises ConfigurationError for what is no time."""

    def __init__(self, timeout: float | None) -> None:
        if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0):
            raise ConfigurationError(
                f"timeout={timeout!r} is no time\ntimeout is in seconds, above 0; None is no limit"
            )
        self.timeout = timeout
        self._until = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """How many seconds are left, 0.0 where none are."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())


def move(steps: Steps, patience: Patience, told: Callable[[], str], resident: Resident) -> None:
    """Go on until there is no step left. Raises ProviderTimeoutError, which says by `told` what it waited for, what a load
    or an unload raised (a LazyBridgeError as it is, anything else as the cause of a ServerError), and ConfigurationError
    where it would block the event loop that it waits for."""
    while (step := steps()) is not None:
        if step.work is not None:
            _in_a_thread(step)
        if step.over.loop is not None and step.over.loop is running_loop() and not step.over.done():
            raise ConfigurationError(
                f"{resident.name!r} waits for the event loop that this synchronous call blocks\n"
                f"write await mgr.complete({resident.name!r}, ...), or call it in a thread"
            )
        with _impatient(patience, told, resident):
            step.over.result(patience.left())
        _check(step, resident)


async def amove(steps: Steps, patience: Patience, told: Callable[[], str], resident: Resident) -> None:
    """`move`, on the running event loop. A coroutine function is awaited here, and a load is cancelled with the task that
    awaits it, an unload is not; a plain function runs in a thread, to its end."""
    while (step := steps()) is not None:
        with _impatient(patience, told, resident):
            if step.work is None or not is_async(step.work):
                if step.work is not None:
                    _in_a_thread(step)
                async with asyncio.timeout(patience.left()):
                    await asyncio.wrap_future(step.over)
            else:
                step.over.loop = asyncio.get_running_loop()
                async with asyncio.timeout(patience.left()):
                    await (_landed(step) if step.loads else uncut(_landed(step)))
        _check(step, resident)


async def _landed(step: Step) -> None:
    assert step.work is not None
    assert step.landing is not None
    with step.landing:
        await step.work()


def _in_a_thread(step: Step) -> None:
    def work() -> None:
        assert step.work is not None
        assert step.landing is not None
        with step.landing:
            call(step.work)

    threading.Thread(target=contextvars.copy_context().run, args=(work,), name="lazybridge-manager").start()


@contextmanager
def _impatient(patience: Patience, told: Callable[[], str], resident: Resident) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise ProviderTimeoutError(
            f"{resident.name!r} got no turn within {patience.timeout:g} s: {told()}", model=resident.name
        ) from None


def _check(step: Step, resident: Resident) -> None:
    error: Any = step.over.result()
    if step.of is None or not isinstance(error, Exception):
        return
    if isinstance(error, LazyBridgeError):
        raise error
    verb = "loaded" if step.loads else "unloaded"
    purpose = f" to make room for {resident.name!r}" if step.of is not resident else ""
    raise ServerError(
        f"{step.of.name!r} could not be {verb}{purpose}: {type(error).__name__}: {error}",
        model=step.of.name,
        retryable=False,
    ) from error


@contextmanager
def inside(residents: Residents, resident: Resident, patience: Patience, uses: int = 0) -> Iterator[None]:
    """A block before which a model is brought into memory, and in which it stays there; `uses` is 1 for a call to it."""
    with _wanted(residents, resident) as told:
        move(partial(residents.next_in, resident, uses), patience, told, resident)
        try:
            yield
        finally:
            residents.used_up(resident, uses)


@asynccontextmanager
async def ainside(
    residents: Residents, resident: Resident, patience: Patience, uses: int = 0
) -> AsyncGenerator[None, None]:
    """`inside`, on the running event loop."""
    with _wanted(residents, resident) as told:
        await amove(partial(residents.next_in, resident, uses), patience, told, resident)
        try:
            yield
        finally:
            residents.used_up(resident, uses)


@contextmanager
def _wanted(residents: Residents, resident: Resident) -> Iterator[Callable[[], str]]:
    residents.want(resident)
    try:
        yield partial(residents.holders, resident)
    finally:
        residents.want(resident, -1)


def out(residents: Residents, resident: Resident, patience: Patience) -> None:
    """Free a model's memory, once nobody uses it."""
    move(partial(residents.next_out, resident), patience, partial(residents.holders, resident), resident)


async def aout(residents: Residents, resident: Resident, patience: Patience) -> None:
    """`out`, on the running event loop."""
    await amove(partial(residents.next_out, resident), patience, partial(residents.holders, resident), resident)
