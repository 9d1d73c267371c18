"""Connections are let go of however a stream is left, and clients outlive loops, threads and forks without a trace.

The other side is a loopback server; what it sees, and what the system counts, is what is asserted.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lazybridge import Agent, Budget, ConfigurationError
from lazybridge.core import registry
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.integrity.overload import descriptors, memory

ROOT = Path(__file__).resolve().parents[2]
linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts what Linux shows in /proc")
Build = Callable[..., Agent]


# --- leaving a stream -------------------------------------------------------------------------------------------------


def by_break(stream: Any) -> None:
    for _ in stream:
        break


def by_close(stream: Any) -> None:
    next(iter(stream))
    stream.close()


def by_letting_go(stream: Any) -> None:
    chunks = iter(stream)
    next(chunks)
    del chunks
    gc.collect()


def by_ctrl_c(stream: Any) -> None:
    timer = threading.Timer(0.05, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(stream)
    timer.join()


def by_an_error(stream: Any) -> None:
    def read() -> None:
        for _ in stream:
            1 / 0

    with pytest.raises(ZeroDivisionError):
        read()


async def aby_break(stream: Any) -> None:
    async for _ in stream:
        break


async def aby_aclose(stream: Any) -> None:
    await anext(aiter(stream))
    await stream.aclose()


async def aby_cancelling(stream: Any) -> None:
    async def read() -> None:
        async for _ in stream:
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def aby_timeout(stream: Any) -> None:
    async def read() -> None:
        async for _ in stream:
            pass

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 0.05)


def in_time(vendor: FakeVendor, leave: Callable[[], Any]) -> None:
    """The server sees within 200 ms that a stream was left; on a busy machine one of three times is enough."""
    waited: list[float] = []
    for _ in range(3):
        vendor.hung_up.clear()
        vendor.pieces = ("word ",) * 500
        vendor.fail(Fault(pause=0.01))
        leave()
        left = time.monotonic()
        assert vendor.hung_up.wait(5)
        waited.append(time.monotonic() - left)
        if waited[-1] < 0.2:
            return
    pytest.fail(f"the server saw it after {waited} s")


def books_are_kept(budget: Budget, envelope: Any) -> None:
    """Nothing stays reserved, and what had arrived is booked once, as the least that it can have cost."""
    assert budget.reserved == 0
    if envelope is not None:
        (attempt,) = envelope.metadata.attempts
        assert attempt.error == "cancelled"
        assert attempt.receipt.total == budget.spent or (attempt.receipt.total is None and budget.spent == 0)
        assert envelope.metadata.cost_usd is None


SYNC = (by_break, by_close, by_letting_go, by_ctrl_c, by_an_error)
ASYNC = (aby_break, aby_aclose, aby_cancelling, aby_timeout)


def name_of(function: Callable[..., Any]) -> str:
    return function.__name__.removeprefix("a").removeprefix("by_")


@pytest.mark.parametrize("leave", SYNC, ids=name_of)
def test_a_stream_that_is_left_hangs_up_at_once(agent: Build, vendor: FakeVendor, leave: Callable[[Any], None]) -> None:
    def once() -> None:
        budget = Budget(1, unknown="allow")
        stream = agent(max_tokens=2_000, budget=budget).stream("hi")
        leave(stream)
        books_are_kept(budget, stream.envelope)

    in_time(vendor, once)


@pytest.mark.parametrize("leave", ASYNC, ids=name_of)
async def test_an_async_stream_that_is_left_hangs_up_at_once(
    agent: Build, vendor: FakeVendor, leave: Callable[[Any], Awaitable[None]]
) -> None:
    waited: list[float] = []
    for _ in range(3):
        budget = Budget(1, unknown="allow")
        subject = agent(max_tokens=2_000, budget=budget)
        vendor.hung_up.clear()
        vendor.pieces = ("word ",) * 500
        vendor.fail(Fault(pause=0.01))
        stream = subject.stream("hi")
        await leave(stream)
        left = time.monotonic()
        assert await asyncio.to_thread(vendor.hung_up.wait, 5)
        waited.append(time.monotonic() - left)
        books_are_kept(budget, stream.envelope)
        vendor.pieces = ("word ",)
        assert (await subject.run("hi")).ok
        await subject.aclose()
        if waited[-1] < 0.2:
            return
    pytest.fail(f"the server saw it after {waited} s")


def test_ctrl_c_in_an_event_loop_hangs_up(agent: Build, vendor: FakeVendor) -> None:
    budget = Budget(1, unknown="allow")
    subject = agent(max_tokens=2_000, budget=budget)

    async def read() -> None:
        async for _ in subject.stream("hi"):
            pass

    def once() -> None:
        timer = threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(read())
        timer.join()
        assert budget.reserved == 0

    in_time(vendor, once)


@pytest.mark.parametrize("how", ["cancel", "ctrl_c"])
def test_a_whole_answer_that_is_not_waited_for_hangs_up(agent: Build, vendor: FakeVendor, how: str) -> None:
    """While the answer drips: the server writes on, and sees that nobody reads."""
    budget = Budget(1, unknown="allow")
    subject = agent(max_tokens=2_000, budget=budget)

    async def cancelled() -> None:
        task = asyncio.create_task(subject.run("hi"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    def once() -> None:
        vendor._faults.clear()
        vendor.fail(Fault(drip=0.01))
        if how == "cancel":
            asyncio.run(cancelled())
        else:
            timer = threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,))
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                subject("hi")
            timer.join()
        assert budget.reserved == 0

    in_time(vendor, once)


# --- loops, threads, forks --------------------------------------------------------------------------------------------


def settled(count: Callable[[], int], before: int) -> int:
    """How many more there are than before, once the server has seen what was closed."""
    until = time.monotonic() + 5
    while (more := count() - before) > 0 and time.monotonic() < until:
        gc.collect()
        time.sleep(0.02)
    return more


@linux
@pytest.mark.parametrize("name", ["messages", "gemini"])
def test_a_thousand_event_loops_in_a_row_leave_nothing_behind(name: str, vendor: FakeVendor) -> None:
    """One on the SDK's own aiohttp transport, one on httpx-aiohttp's."""
    with KINDS[name].agent(vendor.url) as agent:

        async def ask() -> None:
            assert (await agent.run("hi")).ok

        def ask_often(times: int) -> None:
            for _ in range(times):
                asyncio.run(ask())

        ask_often(50)
        vendor.requests.clear()
        gc.collect()
        open_before, threads_before, memory_before = descriptors(), threading.active_count(), memory()
        ask_often(1_000)
        vendor.requests.clear()
        assert settled(descriptors, open_before) <= 0
        assert settled(threading.active_count, threads_before) <= 0
        assert memory() - memory_before < 20


@linux
def test_sixty_four_threads_share_one_agent(kind: Kind, vendor: FakeVendor) -> None:
    open_before, threads_before = descriptors(), threading.active_count()
    with kind.agent(vendor.url) as agent, ThreadPoolExecutor(64) as threads:
        ready = threading.Barrier(64)

        def work(number: int) -> list[str]:
            ready.wait(30)
            texts = [agent("hi").text(), "".join(chunk.delta for chunk in agent.stream("hi"))]
            return [*texts, asyncio.run(agent.run("hi")).text()] if number % 8 == 0 else texts

        found = [text for texts in threads.map(work, range(64)) for text in texts]
    assert found == [TEXT] * (64 * 2 + 8)
    assert len(vendor.requests) == len(found)
    assert settled(descriptors, open_before) <= 0
    assert settled(threading.active_count, threads_before) <= 0


def test_clients_of_several_vendors_are_made_one_after_the_other(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two SDKs that two threads import at once each find the other's HTTP library half imported."""
    making: list[Any] = []
    most: list[int] = []

    def watched(make: Callable[..., Any]) -> Callable[..., Any]:
        def made(provider: Any, asynchronous: bool) -> Any:
            making.append(provider)
            most.append(len(making))
            time.sleep(0.05)
            making.remove(provider)
            return make(provider, asynchronous)

        return made

    chats = [kind for kind in KINDS.values() if kind.chat]
    for maker in {registry.provider_class(kind.provider) for kind in chats}:
        monkeypatch.setattr(maker, "_make_client", watched(maker._make_client))
    agents = [kind.agent(vendor.url) for kind in chats]
    asked = [*agents, *(lambda task, agent=agent: asyncio.run(agent.run(task)) for agent in agents)]
    with ThreadPoolExecutor(len(asked)) as pool:
        assert all(envelope.ok for envelope in pool.map(lambda ask: ask("hi"), asked))
    assert len(most) == len(asked)
    assert max(most) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_eight_forked_workers_speak_on_connections_of_their_own(kind: Kind, vendor: FakeVendor) -> None:
    with kind.agent(vendor.url, timeout=20) as agent:
        assert agent("hi").ok
        asyncio.run(agent.run("hi"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forking with threads
            children = [_forked(lambda: _three_ways(agent)) for _ in range(8)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert codes == [0] * 8
        connections = vendor.connections
        assert agent("hi").text() == TEXT
        assert vendor.connections == connections  # the parent's own is as it was
    assert len(vendor.requests) == 2 + 8 * 3 + 1


def _forked(work: Callable[[], bool]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return child


def _three_ways(agent: Agent) -> bool:
    streamed = "".join(chunk.delta for chunk in agent.stream("hi"))
    return [agent("hi").text(), streamed, asyncio.run(agent.run("hi")).text()] == [TEXT] * 3


async def test_a_synchronous_call_in_a_running_loop(agent: Build) -> None:
    subject = agent()
    assert (await subject.run("hi")).text() == TEXT
    assert subject("hi").text() == TEXT
    assert "".join(chunk.delta for chunk in subject.stream("hi")) == TEXT
    assert (await subject.run("hi")).text() == TEXT
    await subject.aclose()


def test_uvloop(agent: Build, vendor: FakeVendor) -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop has no wheel for this system")
    subject = agent()
    vendor.pieces = ("word ",) * 100

    async def both() -> None:
        assert (await subject.run("hi")).ok
        vendor.fail(Fault(pause=0.01))
        async for _ in subject.stream("hi"):
            break
        assert await asyncio.to_thread(vendor.hung_up.wait, 5)
        whole = [chunk async for chunk in subject.stream("hi")]
        assert whole[-1].is_final

    for _ in range(3):
        vendor.hung_up.clear()
        uvloop.run(both())


@pytest.mark.parametrize("how", ["run", "stream", "provider", "provider stream"])
def test_trio_is_told_what_to_write_instead(kind: Kind, vendor: FakeVendor, how: str) -> None:
    anyio, trio = pytest.importorskip("anyio"), pytest.importorskip("trio")
    with kind.agent(vendor.url) as agent:
        request = agent.engine.request("hi")

        async def ask() -> Any:
            if how == "run":
                return await agent.run("hi")
            if how == "provider":
                return await agent.engine.provider.acomplete(request)
            stream = agent.stream("hi") if how == "stream" else agent.engine.provider.astream(request)
            return [chunk async for chunk in stream]

        async def in_a_thread() -> Any:
            return await anyio.to_thread.run_sync(agent, "hi")

        with pytest.raises(ConfigurationError, match=r"(?s)asyncio.*to_thread\.run_sync"):
            trio.run(ask)
        assert vendor.requests == []
        assert anyio.run(in_a_thread, backend="trio").ok


# --- the end of the process -------------------------------------------------------------------------------------------

ENDING = """
import asyncio, sys, threading, time, warnings
warnings.filterwarnings("ignore", ".* retires on")
from tests.conftest import KINDS
url, how, names = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
agents = [KINDS[name].agent(url) for name in names]
held = []

async def astream(agent):
    stream = agent.stream("hi")
    held.append(stream)
    async for chunk in stream:
        break

def stream(agent):
    chunks = iter(agent.stream("hi"))
    next(chunks)
    held.append(chunks)

def read(agent):
    for chunk in agent.stream("hi"):
        pass

async def left_running(agent):
    task = asyncio.create_task(agent.run("hi"))
    held.append(task)
    await asyncio.sleep(0.1)

for agent in agents:
    if how == "open clients":
        assert agent("hi").ok and asyncio.run(agent.run("hi")).ok
    elif how == "streams":
        stream(agent)
    elif how == "async streams":
        asyncio.run(astream(agent))
    elif how == "open loop":
        loop = asyncio.new_event_loop()
        held.append(loop)
        loop.run_until_complete(astream(agent))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    elif how == "tasks":
        asyncio.run(left_running(agent))
    elif how == "daemon threads":
        threading.Thread(target=read, args=(agent,), daemon=True).start()
if how == "daemon threads":
    time.sleep(0.3)
if how == "streams":
    sys.exit(0)
"""


def end(url: str, how: str, names: list[str]) -> subprocess.CompletedProcess[str]:
    """A process of its own in which every warning is an error, and that ends in the middle of something."""
    command = [sys.executable, "-W", "error", "-c", ENDING, url, how, ",".join(names)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)


HOWS = ("open clients", "streams", "async streams", "open loop", "tasks", "daemon threads")


@pytest.mark.parametrize("how", HOWS)
def test_a_process_that_ends_in_the_middle_is_quiet(how: str, vendor: FakeVendor) -> None:
    vendor.pieces = ("word ",) * 200
    vendor.fail(*[Fault(pause=0.02)] * (0 if how == "open clients" else len(KINDS)))
    done = end(vendor.url, how, list(KINDS))
    assert (done.returncode, done.stderr) == (0, "")
