"""The circuit breaker, over real SDKs and loopback vendors."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lazybridge import Agent, CircuitOpenError, Model, OverloadedError, ServerError, breaker, breakers, reset_breakers
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse
from tests.conftest import COMPATIBLE, KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode

DOWN = Fault(status=500)


@pytest.fixture(params=["responses", "chat", "messages"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def other() -> Iterator[FakeVendor]:
    server = FakeVendor()
    yield server
    server.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Opens without the second, and closes after so many."""

    def set_to(cooldown: float) -> None:
        monkeypatch.setattr(breaker, "SECONDS", 0.0)
        monkeypatch.setattr(breaker, "COOLDOWN_S", cooldown)

    return set_to


def fail(vendor: FakeVendor, agent: Agent, times: int = 5, fault: Fault = DOWN) -> None:
    for _ in range(times):
        vendor.fail(fault)
        assert not agent("hi").ok


def test_a_model_that_fails_again_and_again_is_left_alone(
    kind: Kind, vendor: FakeVendor, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = kind.agent(vendor.url, max_retries=0)
    fail(vendor, agent, 4)
    time.sleep(1.05)
    fail(vendor, agent, 1)
    assert len(vendor.requests) == 5

    envelope = mode(agent, "hi")
    error = envelope.error
    assert isinstance(error, CircuitOpenError)
    assert isinstance(error, OverloadedError)
    assert len(vendor.requests) == 5
    assert (envelope.metadata.attempts, envelope.metadata.cost_usd) == ((), 0.0)
    assert (error.kind, error.retryable, error.never_sent) == ("overloaded", False, True)
    assert error.retry_after == pytest.approx(15, abs=1)
    for said in ("5 requests in a row failed", "server (HTTP 500)", "it is asked again in 1", "breaker=False"):
        assert said in str(error)

    (state,) = breakers()
    assert (state.provider, state.model, state.base_url) == (kind.provider, kind.model, kind.url(vendor.url))
    assert (state.state, state.failures) == ("open", 5)
    assert state.retry_in_s == pytest.approx(15, abs=1)
    reset_breakers()
    assert breakers() == []
    assert mode(agent, "hi").text() == TEXT


def test_it_is_this_model_at_this_address_alone(vendor: FakeVendor, other: FakeVendor, quick: Any) -> None:
    quick(15)
    kind = KINDS["chat"]
    fail(vendor, kind.agent(vendor.url, max_retries=0))
    assert isinstance(kind.agent(vendor.url, fallback=False)("hi").error, CircuitOpenError)
    assert kind.agent(other.url)("hi").ok
    assert Agent("gpt-6-luna", provider="openai", api="chat", api_key="k", base_url=kind.url(vendor.url))("hi").ok
    assert KINDS["messages"].agent(vendor.url)("hi").ok


def test_many_calls_at_once_at_a_server_that_fails_at_random_never_open_it(vendor: FakeVendor) -> None:
    """30 % of all requests fail, at any time a success is near."""
    dice = random.Random(7)
    vendor.next_fault = lambda: Fault(status=500) if dice.random() < 0.3 else Fault()  # type: ignore[method-assign]
    agent = KINDS["chat"].agent(vendor.url, max_retries=0)
    until = time.monotonic() + 2

    def keep_asking(_: int) -> list[Any]:
        errors = []
        while time.monotonic() < until:
            errors.append(agent("hi").error)
        return errors

    with ThreadPoolExecutor(12) as pool:
        errors = [error for found in pool.map(keep_asking, range(12)) for error in found]
    assert len(errors) == len(vendor.requests) > 100
    assert {type(error) for error in errors} == {ServerError, type(None)}


def test_a_burst_of_failures_alone_does_not_open_it(vendor: FakeVendor) -> None:
    agent = KINDS["chat"].agent(vendor.url, max_retries=0)
    vendor.fail(*[DOWN] * 20)
    with ThreadPoolExecutor(20) as pool:
        errors = [envelope.error for envelope in pool.map(agent, ["hi"] * 20)]
    assert {type(error) for error in errors} == {ServerError}
    assert agent("hi").ok
    assert breakers() == []  # a success: nothing is kept


def test_one_request_finds_out_whether_it_works_again(kind: Kind, vendor: FakeVendor, quick: Any) -> None:
    quick(0.3)
    agent = kind.agent(vendor.url, max_retries=0)
    fail(vendor, agent)
    time.sleep(0.35)
    assert [state.state for state in breakers()] == ["half_open"]
    vendor.fail(Fault(hang=0.5))
    with ThreadPoolExecutor(8) as pool:
        errors = [envelope.error for envelope in pool.map(agent, ["hi"] * 8)]
    assert sorted(type(error).__name__ for error in errors) == ["CircuitOpenError"] * 7 + ["NoneType"]
    refused = next(error for error in errors if isinstance(error, CircuitOpenError))
    assert refused.retry_after is None
    assert "one request is finding out" in str(refused)
    assert len(vendor.requests) == 6
    assert breakers() == []


def test_while_it_fails_it_stays_open(vendor: FakeVendor, quick: Any, mode: Mode) -> None:
    quick(0.2)
    agent = KINDS["chat"].agent(vendor.url, max_retries=3)
    fail(vendor, KINDS["chat"].agent(vendor.url, max_retries=0))
    time.sleep(0.25)
    vendor.fail(DOWN)
    assert isinstance(mode(agent, "hi").error, ServerError)  # it was the probe; nobody waits for the breaker
    assert isinstance(mode(agent, "hi").error, CircuitOpenError)
    assert len(vendor.requests) == 6
    assert [state.failures for state in breakers()] == [6]


@pytest.mark.parametrize("how", ["sync", "async", "cancelled", "refused"])
def test_a_probe_that_is_abandoned_lets_another_one_through(vendor: FakeVendor, quick: Any, how: str) -> None:
    quick(0.1)
    agent = KINDS["messages"].agent(vendor.url, max_retries=0)
    fail(vendor, agent)
    time.sleep(0.15)
    if how == "sync":
        stream = agent.stream("hi")
        next(iter(stream))
        stream.close()
    elif how == "refused":
        vendor.fail(Fault(status=400))
        assert not agent("hi").ok
    else:

        async def leave() -> None:
            if how == "cancelled":
                vendor.fail(Fault(hang=5))
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await agent.run("hi")
                return
            stream = agent.stream("hi")
            await anext(aiter(stream))
            await stream.aclose()

        asyncio.run(leave())
    assert [state.state for state in breakers()] == ["half_open"]
    assert agent("hi").ok


@pytest.mark.parametrize(("said", "kept"), [("3", 15), ("30", 30), ("600", 60)])
def test_the_vendor_says_for_how_long(vendor: FakeVendor, quick: Any, said: str, kept: float) -> None:
    quick(15)
    fail(
        vendor, KINDS["messages"].agent(vendor.url, max_retries=0), 5, Fault(status=529, headers={"retry-after": said})
    )
    (state,) = breakers()
    assert state.retry_in_s == pytest.approx(kept, abs=1)


def test_a_call_does_not_wait_for_the_breaker_that_it_opens(
    kind: Kind, vendor: FakeVendor, mode: Mode, quick: Any
) -> None:
    quick(15)
    vendor.fail(*[Fault(status=503, headers={"retry-after": "0"})] * 9)
    envelope = mode(kind.agent(vendor.url, max_retries=8), "hi")
    assert isinstance(envelope.error, OverloadedError)
    assert not isinstance(envelope.error, CircuitOpenError)  # its own last error
    assert len(envelope.metadata.attempts) == len(vendor.requests) == 5
    assert envelope.metadata.latency_ms < 5000


def test_a_call_does_not_wait_for_the_breaker_that_others_open(vendor: FakeVendor, mode: Mode, quick: Any) -> None:
    quick(15)
    kind = KINDS["chat"]
    vendor.fail(Fault(status=503, headers={"retry-after": "0.6"}))
    loud = kind.agent(vendor.url, max_retries=0)

    def others() -> None:
        while not vendor.requests:
            time.sleep(0.01)
        time.sleep(0.1)
        fail(vendor, loud, 4)

    thread = threading.Thread(target=others)
    thread.start()
    envelope = mode(kind.agent(vendor.url), "hi")
    thread.join()
    assert type(envelope.error) is OverloadedError
    assert envelope.error.__cause__ is not None  # the SDK's own
    assert len(envelope.metadata.attempts) == 1
    assert len(vendor.requests) == 5


def test_a_refusal_moves_on_to_the_fallback(vendor: FakeVendor, other: FakeVendor, mode: Mode, quick: Any) -> None:
    quick(15)
    kind = KINDS["responses"]
    fail(vendor, kind.agent(vendor.url, max_retries=0))
    envelope = mode(kind.agent(vendor.url, fallback=[KINDS["messages"].agent(other.url)]), "hi")
    assert envelope.text() == TEXT
    assert [(a.provider, a.reason, a.error) for a in envelope.metadata.attempts] == [("anthropic", "fallback", None)]
    assert len(vendor.requests) == 5
    other.fail(DOWN)
    second = KINDS["messages"].agent(other.url, max_retries=0)
    error = mode(kind.agent(vendor.url, max_retries=0, fallback=[second]), "hi").error
    assert error is not None
    assert [type(cause) for cause in error.causes] == [CircuitOpenError]


def test_the_one_that_opens_it_moves_on_to_the_fallback(vendor: FakeVendor, other: FakeVendor, quick: Any) -> None:
    quick(15)
    vendor.fail(*[Fault(status=503, headers={"retry-after": "0"})] * 9)
    agent = KINDS["chat"].agent(vendor.url, max_retries=8, fallback=[KINDS["messages"].agent(other.url)])
    envelope = agent("hi")
    assert envelope.text() == TEXT
    assert [a.reason for a in envelope.metadata.attempts] == ["turn", "retry", "retry", "retry", "retry", "fallback"]


@pytest.mark.parametrize("fault", [Fault(status=400), Fault(status=401), Fault(status=429), Fault(hang=3)], ids=repr)
def test_what_is_the_callers_does_not_count(kind: Kind, vendor: FakeVendor, quick: Any, fault: Fault) -> None:
    quick(15)
    fail(vendor, kind.agent(vendor.url, max_retries=0, timeout=0.2), 6, fault)
    assert breakers() == []
    assert kind.agent(vendor.url)("hi").ok


def test_no_first_token_in_time_counts(kind: Kind, vendor: FakeVendor, quick: Any) -> None:
    quick(15)
    fail(vendor, kind.agent(vendor.url, max_retries=0, ttft=0.1), 5, Fault(hang=3))
    assert isinstance(kind.agent(vendor.url)("hi").error, CircuitOpenError)


def test_local_models_and_those_who_say_so_have_none(vendor: FakeVendor, quick: Any) -> None:
    quick(15)
    for agent in (
        COMPATIBLE["ollama"].agent(vendor.url, max_retries=0),
        KINDS["chat"].agent(vendor.url, max_retries=0, breaker=False),
    ):
        fail(vendor, agent, 6)
        assert breakers() == []
        assert agent("hi").ok


def test_models_have_one_as_well(vendor: FakeVendor, quick: Any) -> None:
    quick(15)
    kind = KINDS["messages"]
    given: Any = {"api_key": "k", "base_url": kind.url(vendor.url), "max_retries": 0}
    fail(vendor, kind.agent(vendor.url, max_retries=0))
    with pytest.raises(CircuitOpenError):
        asyncio.run(Model(kind.model, **given).complete("hi"))
    with pytest.raises(CircuitOpenError):
        Model.anthropic(model=kind.model, **given).complete_sync("hi")
    assert Model(kind.model, **given, breaker=False).complete_sync("hi").content == TEXT
    assert asyncio.run(Model(kind.model, **given, breaker=False).complete("hi")).content == TEXT


class OfMine(BaseProvider):
    """A class of a user's, which says nothing of whom it asks."""

    default_model = "mine"
    broken = True

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        if self.broken:
            raise ConnectionError("gone")
        return CompletionResponse("hello")

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        return self.complete(request)

    def stream(self, request: CompletionRequest) -> Any:
        yield self.complete(request).final_chunk()

    async def astream(self, request: CompletionRequest) -> Any:
        yield self.complete(request).final_chunk()


def test_a_class_of_ones_own_is_known_by_itself(mode: Mode, quick: Any) -> None:
    quick(15)
    one, two = OfMine(), OfMine()
    for _ in range(5):
        assert not Agent(one, max_retries=0)("hi").ok
    one.broken = two.broken = False
    assert isinstance(mode(Agent(one), "hi").error, CircuitOpenError)
    assert mode(Agent(two), "hi").text() == "hello"
    assert [state.base_url for state in breakers()] == [None]
    del one
    gc.collect()
    assert breakers() == []


def test_what_is_secret_in_an_address_is_not_shown(vendor: FakeVendor) -> None:
    url = vendor.url.replace("//", "//me:CANARY@") + "/v1?key=CANARY"
    vendor.fail(DOWN)
    Agent("gpt-6-luna", provider="openai", api="chat", api_key="k", base_url=url, max_retries=0)("hi")
    assert [state.base_url for state in breakers()] == [f"{vendor.url}/v1"]
