"""RateLimit: requests and tokens in a minute, requests at once; over real SDKs, loopback vendors and, where it is installed, a Redis server."""

from __future__ import annotations

import asyncio
import gc
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lazybridge import Agent, ConfigurationError, LazyBridgeError, Model, RateLimit, limits, warm
from lazybridge.core.errors import ProviderTimeoutError
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_call, by_run

Make = Callable[..., RateLimit]


@pytest.fixture(params=["responses", "chat", "messages"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """A Redis server; None where none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder: Path = tmp_path_factory.mktemp("redis")
    child = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(10)


@pytest.fixture(params=["memory", "server"])
def make(request: pytest.FixtureRequest, redis_url: str | None, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Build limits whose minute has one second; "server" is in memory, too, where there is none."""
    monkeypatch.setattr(limits, "_MINUTE_S", 1)
    gc.collect()  # what other tests left would be collected within that second
    storage = redis_url if request.param == "server" else None
    return lambda **given: RateLimit(**given, storage=storage, name=f"{request.node.name}")


def most_within(moments: list[float], seconds: float) -> int:
    return max(sum(begin <= moment < begin + seconds for moment in moments) for begin in moments)


def arrivals(vendor: FakeVendor) -> list[float]:
    return [request["at"] for request in vendor.requests]


def test_requests_in_a_minute(vendor: FakeVendor, make: Make, kind: Kind) -> None:
    """Of threads and event loops together, over two agents."""
    limit = make(rpm=4)
    agents = [kind.agent(vendor.url, rate_limit=limit) for _ in range(2)]
    asyncio.run(kind.agent(vendor.url).run("hi"))  # what the first of a process imports takes its time
    vendor.requests.clear()
    agents[0]("hi")

    async def several() -> list[Any]:
        return await asyncio.gather(*(agents[0].run("hi") for _ in range(5)))

    with ThreadPoolExecutor(5) as pool:
        loop = pool.submit(asyncio.run, several())
        threads = [pool.submit(agents[1], "hi") for _ in range(4)]
        envelopes = [*loop.result(), *(thread.result() for thread in threads)]
    assert all(envelope.ok for envelope in envelopes)
    moments = arrivals(vendor)
    assert len(moments) == 10
    assert most_within(moments[1:], 0.7) <= 4  # a first request takes its time to leave
    assert 1.9 < moments[-1] - moments[0] < 3.5


@pytest.mark.parametrize("ask", [by_run, by_call])
def test_tokens_in_a_minute_are_estimated_before_and_booked_after(vendor: FakeVendor, make: Make, ask: Mode) -> None:
    """The vendor counts 25 for each; 60 are two and a bit."""
    agent = KINDS["messages"].agent(vendor.url, rate_limit=make(tpm=60))
    asyncio.run(KINDS["messages"].agent(vendor.url).run("hi"))  # else the first request takes its time to leave
    warm(agent).join(10)
    vendor.requests.clear()
    # In memory the windows are the clock's seconds: the fourth waits for the next one, and until 52 of the 75 are left of this.
    time.sleep(1 - time.time() % 1)
    for _ in range(4):
        assert ask(agent, "hi").ok
    moments = arrivals(vendor)
    if ask is by_call:  # on an event loop a server is told in the background
        assert most_within(moments, 0.9) <= 3
    assert 0.9 < moments[-1] - moments[0] < 3


def test_a_prompt_above_the_limit_goes_out_alone(vendor: FakeVendor, make: Make) -> None:
    agent = KINDS["chat"].agent(vendor.url, rate_limit=make(tpm=20))
    assert agent("word " * 500).ok
    started = time.monotonic()
    assert agent("word " * 500, timeout=8).ok
    assert time.monotonic() - started > 0.45


@pytest.mark.parametrize("given", [{"rpm": 1}, {"concurrency": 1}, {"tpm": 25}], ids=["rpm", "concurrency", "tpm"])
def test_the_wait_is_part_of_the_calls_time(vendor: FakeVendor, make: Make, mode: Mode, given: dict[str, int]) -> None:
    kind = KINDS["messages"]
    limit = make(**given)
    agent = kind.agent(vendor.url, rate_limit=limit)
    stream = agent.stream("hi")
    reading = iter(stream)
    next(reading)
    if "tpm" in given:
        list(reading)
    started = time.monotonic()
    envelope = mode(kind.agent(vendor.url, rate_limit=limit, timeout=0.2), "hi")
    assert 0.15 < time.monotonic() - started < 0.7
    error = envelope.error
    assert isinstance(error, ProviderTimeoutError)
    assert "waiting for its rate limit when timeout=0.2 s was over, and nothing was sent" in str(error)
    assert (error.never_sent, error.retryable, envelope.metadata.attempts) == (True, False, ())
    assert len(vendor.requests) == 1
    stream.close()
    assert mode(agent, "hi").text() == TEXT  # who gave up holds nothing


def test_requests_at_once_first_in_first_out(vendor: FakeVendor, kind: Kind) -> None:
    """Threads and tasks stand in one queue."""
    limit = RateLimit(concurrency=2)
    agent = kind.agent(vendor.url, rate_limit=limit)
    vendor.fail(*[Fault(hang=0.1)] * 12)

    def ask(number: int) -> None:
        agent(f"question {number}")

    async def aask(number: int) -> None:
        await agent.run(f"question {number}")

    with ThreadPoolExecutor(12) as pool:
        for number in range(12):
            pool.submit(ask, number) if number % 2 else pool.submit(asyncio.run, aask(number))
            time.sleep(0.02)
    order = [int(str(body).split("question ")[1].split("'")[0].split('"')[0]) for body in vendor.bodies()]
    assert [sorted(order[at : at + 2]) for at in range(0, 12, 2)] == [[at, at + 1] for at in range(0, 12, 2)]
    assert most_within(arrivals(vendor), 0.09) <= 2


@pytest.mark.parametrize("how", ["error", "left", "cancelled", "cancelled in the queue", "late"])
def test_a_slot_is_given_back_however_the_attempt_ends(vendor: FakeVendor, how: str, kind: Kind) -> None:
    agent = kind.agent(vendor.url, rate_limit=RateLimit(concurrency=1), max_retries=0)
    if how == "error":
        vendor.fail(Fault(status=500))
        assert not agent("hi").ok
    elif how == "late":
        vendor.fail(Fault(hang=3))
        assert not agent("hi", timeout=0.1).ok
    elif how == "left":
        stream = agent.stream("hi")
        next(iter(stream))
        stream.close()
    else:

        async def leave() -> None:
            vendor.fail(Fault(hang=3))
            first = asyncio.create_task(agent.run("hi"))
            await asyncio.sleep(0.1)
            second = asyncio.create_task(agent.run("hi"))
            await asyncio.sleep(0.1)
            for task in (second, first) if "queue" in how else (first, second):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(leave())
    assert agent("hi", timeout=2).ok


def test_a_retry_waits_as_well(vendor: FakeVendor, make: Make, mode: Mode) -> None:
    vendor.fail(*[Fault(status=503, headers={"retry-after": "0"})] * 2)
    envelope = mode(KINDS["messages"].agent(vendor.url, rate_limit=make(rpm=2)), "hi")
    assert envelope.ok
    assert len(envelope.metadata.attempts) == 3
    assert arrivals(vendor)[2] - arrivals(vendor)[0] > 0.95


def test_a_slot_is_not_held_between_attempts(vendor: FakeVendor) -> None:
    agent = KINDS["chat"].agent(vendor.url, rate_limit=RateLimit(concurrency=1))
    vendor.fail(Fault(status=503, headers={"retry-after": "1"}))
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(agent, "hi")
        time.sleep(0.2)
        started = time.monotonic()
        assert agent("hi").ok
        assert time.monotonic() - started < 0.5
        assert slow.result().ok


def test_a_provider_has_a_limit_for_all_its_agents(vendor: FakeVendor, make: Make) -> None:
    provider = KINDS["responses"].build(vendor.url)
    provider.rate_limit = make(rpm=2)
    own = make(concurrency=1)
    with ThreadPoolExecutor(4) as pool:
        envelopes = list(pool.map(lambda _: Agent(provider, rate_limit=own)("hi"), range(4)))
    assert all(envelope.ok for envelope in envelopes)
    assert most_within(arrivals(vendor), 0.95) == 2
    provider.rate_limit = 5
    with pytest.raises(ConfigurationError, match=r"rate_limit=5 is no RateLimit\nwrite rate_limit=RateLimit"):
        Agent(provider)("hi")


def test_two_limits_in_either_order_do_not_wait_for_each_other(vendor: FakeVendor) -> None:
    one, two = RateLimit(concurrency=1), RateLimit(concurrency=1)
    agents = []
    for first, second in ((one, two), (two, one)):
        provider = KINDS["chat"].build(vendor.url)
        provider.rate_limit = second
        agents.append(Agent(provider, rate_limit=first, timeout=5))
    with ThreadPoolExecutor(8) as pool:
        assert all(envelope.ok for envelope in pool.map(lambda at: agents[at % 2]("hi"), range(40)))


def test_models_have_limits(vendor: FakeVendor, make: Make) -> None:
    kind = KINDS["messages"]
    model = Model(kind.model, api_key="k", base_url=kind.url(vendor.url), rate_limit=make(rpm=1))
    model.complete_sync("hi")
    with pytest.raises(ProviderTimeoutError, match="rate limit"):
        asyncio.run(model.complete("hi", timeout=0.2))


def test_the_event_loop_runs_while_the_server_is_slow(
    vendor: FakeVendor, redis_url: str | None, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage is asked in a thread: what it takes, nobody else waits for."""
    limit = make(rpm=100)
    limit._remote = True
    take = limit._take_request

    def slowly() -> float | None:
        time.sleep(0.5)
        return take()

    monkeypatch.setattr(limit, "_take_request", slowly)
    agent = KINDS["chat"].agent(vendor.url, rate_limit=limit)

    async def go() -> float:
        call = asyncio.create_task(agent.run("hi"))
        longest, last = 0.0, time.monotonic()
        while not call.done():
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        assert call.result().ok
        return longest

    assert asyncio.run(go()) < 0.3


def test_processes_share_a_server(redis_url: str | None, vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two limits of one name are one, as they are in two processes; in memory they are two."""
    monkeypatch.setattr(limits, "_MINUTE_S", 1)
    agents = [
        KINDS["chat"].agent(vendor.url, rate_limit=RateLimit(rpm=2, storage=redis_url, name="shared")) for _ in range(2)
    ]
    for agent in (*agents, *agents):
        assert agent("hi").ok
    assert most_within(arrivals(vendor), 0.95) == (4 if redis_url is None else 2)


def test_a_server_that_is_not_there(vendor: FakeVendor, mode: Mode) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    limit = RateLimit(rpm=5, storage=f"redis://:CANARY@127.0.0.1:{port}")
    envelope = mode(KINDS["chat"].agent(vendor.url, rate_limit=limit), "hi")
    assert type(envelope.error) is LazyBridgeError
    assert "RateLimit(rpm=5) does not answer, and nothing was sent" in str(envelope.error)
    assert "CANARY" not in repr(envelope.error) + repr(limit)
    assert vendor.requests == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "a RateLimit without a limit"),
        ({"rpm": 0}, "rpm=0 is no count"),
        ({"tpm": 1.5}, "tpm=1.5 is no count"),
        ({"concurrency": True}, "concurrency=True is no count"),
        ({"rpm": 5, "storage": "carrier-pigeon://x"}, "'carrier-pigeon' is no kind of storage"),
    ],
)
def test_what_is_no_limit_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        RateLimit(**given)


def test_an_agent_takes_nothing_else() -> None:
    with pytest.raises(
        ConfigurationError, match=r"rate_limit=60 is no RateLimit\nwrite rate_limit=RateLimit\(rpm=60\)"
    ):
        Agent("gpt-6-luna", api_key="k", rate_limit=60)  # type: ignore[typeddict-item]


def test_without_the_package_there_is_concurrency_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "limits.errors", None)
    monkeypatch.setitem(sys.modules, "limits.storage", None)
    assert RateLimit(concurrency=2).concurrency == 2
    with pytest.raises(ConfigurationError, match=r'pip install "lazybridge\[limits\]"'):
        RateLimit(rpm=2)
