"""Agent(hedge_after=...): a second request beside a slow one; over real SDKs and loopback vendors."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from lazybridge import Agent, Budget, ConfigurationError, Model, RateLimit, Session, breaker
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk
from tests.conftest import KINDS, Kind
from tests.fake_vendor import PIECES, TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_astream, by_call, by_run, by_stream
from tests.slow_server import SlowServer

AFTER = 0.25
SLOW = Fault(hang=5)


@pytest.fixture(params=["responses", "chat", "messages"])
def three(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(autouse=True, scope="module")
def warm() -> None:
    """What is loaded with a first call would else be in the way of the clock."""
    vendor = FakeVendor()
    for kind in KINDS.values():
        for ask in (by_call, by_run, by_stream, by_astream):
            assert ask(kind.agent(vendor.url), "hi").ok
    vendor.close()


@pytest.fixture
def other() -> Iterator[FakeVendor]:
    server = FakeVendor()
    yield server
    server.close()


def told(envelope: Any) -> list[tuple[str, str | None]]:
    return [(attempt.reason, attempt.error) for attempt in envelope.metadata.attempts]


def test_the_second_request_answers_where_the_first_hangs(kind: Kind, vendor: FakeVendor, mode: Mode) -> None:
    vendor.fail(SLOW if mode in (by_call, by_run) else Fault(hang_after=0))
    envelope = mode(kind.agent(vendor.url, hedge_after=AFTER), "hi")
    assert envelope.text() == TEXT
    assert AFTER * 1000 < envelope.metadata.latency_ms < 1500
    assert told(envelope) == [("turn", "cancelled"), ("hedge", None)]
    assert len(vendor.requests) == 2
    assert vendor.bodies()[0] == vendor.bodies()[1]
    first, second = envelope.metadata.attempts
    assert first.receipt.status == "unknown"  # nothing had arrived of it
    assert second.receipt.total is not None
    assert second.receipt.total > 0
    assert envelope.metadata.cost_usd is None
    assert (envelope.metadata.turns, envelope.metadata.model) == (1, kind.model)


def test_the_loser_is_hung_up_on(kind: Kind, vendor: FakeVendor, mode: Mode) -> None:
    """Whichever of the two is slow: the fallback's other server answers."""
    with closing(SlowServer("accept")) as slow:
        agent = kind.agent(slow.url, hedge_after=AFTER, max_retries=0, timeout=1)
        started = time.monotonic()
        envelope = mode(agent, "hi")
        assert time.monotonic() - started < 1.35
        assert slow.requests == len(envelope.metadata.attempts) == 2
        assert slow.hung_up.wait(1)
        assert "timeout=1 s" in str(envelope.error)


def test_the_first_may_still_be_the_one(three: Kind, vendor: FakeVendor, mode: Mode) -> None:
    vendor.fail(Fault(hang=0.5), SLOW)
    envelope = mode(three.agent(vendor.url, hedge_after=AFTER), "hi")
    assert envelope.text() == TEXT
    assert told(envelope) == [("turn", None), ("hedge", "cancelled")]
    assert len(vendor.requests) == 2
    assert envelope.metadata.latency_ms < 1500


def test_what_answers_in_time_is_asked_once(three: Kind, vendor: FakeVendor, mode: Mode) -> None:
    envelope = mode(three.agent(vendor.url, hedge_after=2), "hi")
    assert told(envelope) == [("turn", None)]
    assert envelope.metadata.cost_usd
    vendor.fail(Fault(status=400))
    envelope = mode(three.agent(vendor.url, hedge_after=2), "hi")
    assert told(envelope) == [("turn", "invalid_request")]


@pytest.mark.parametrize("ask", [by_stream, by_astream])
def test_a_stream_whose_first_chunk_came_goes_on_alone(three: Kind, vendor: FakeVendor, ask: Mode) -> None:
    vendor.fail(Fault(pause=0.2))
    envelope = ask(three.agent(vendor.url, hedge_after=0.7), "hi")
    assert envelope.text() == TEXT
    assert told(envelope) == [("turn", None)]


@pytest.mark.parametrize("first_fails", [True, False])
def test_where_one_fails_the_other_is_waited_for(
    three: Kind, vendor: FakeVendor, mode: Mode, first_fails: bool
) -> None:
    fails, answers = Fault(hang=0.5, status=500), Fault(hang=0.6)
    vendor.fail(*([fails, answers] if first_fails else [Fault(hang=0.9), Fault(hang=0.1, status=500)]))
    envelope = mode(three.agent(vendor.url, hedge_after=AFTER, max_retries=0), "hi")
    assert envelope.text() == TEXT
    wanted = [("turn", "server"), ("hedge", None)] if first_fails else [("turn", None), ("hedge", "server")]
    assert told(envelope) == wanted
    assert len(vendor.requests) == 2
    assert envelope.metadata.cost_usd  # a refusal costs nothing, and that is known


def test_where_both_fail_it_is_one_failure(three: Kind, vendor: FakeVendor, mode: Mode, other: FakeVendor) -> None:
    vendor.fail(Fault(hang=0.5, status=500), Fault(hang=0.5, status=503, headers={"retry-after": "0"}))
    envelope = mode(three.agent(vendor.url, hedge_after=AFTER), "hi")
    assert envelope.text() == TEXT
    assert told(envelope) == [("turn", "server"), ("hedge", "overloaded"), ("retry", None)]
    vendor.fail(Fault(hang=0.5, status=500), Fault(hang=0.5, status=503))
    agent = three.agent(vendor.url, hedge_after=AFTER, max_retries=0, fallback=[KINDS["mistral"].agent(other.url)])
    envelope = mode(agent, "hi")
    assert told(envelope) == [("turn", "server"), ("hedge", "overloaded"), ("fallback", None)]
    assert len(other.requests) == 1


def test_a_retry_and_a_fallback_are_hedged_too(vendor: FakeVendor, other: FakeVendor, mode: Mode) -> None:
    vendor.fail(Fault(status=503, headers={"retry-after": "0"}), Fault(status=503))
    other.fail(SLOW)
    second = KINDS["messages"].agent(other.url)
    envelope = mode(KINDS["chat"].agent(vendor.url, hedge_after=AFTER, max_retries=1, fallback=[second]), "hi")
    assert envelope.text() == TEXT
    assert told(envelope) == [
        ("turn", "overloaded"), ("retry", "overloaded"), ("fallback", "cancelled"), ("hedge", None),
    ]  # fmt: skip
    assert [attempt.provider for attempt in envelope.metadata.attempts] == [
        "openai",
        "openai",
        "anthropic",
        "anthropic",
    ]
    assert len(other.requests) == 2


def test_the_deadline_holds_for_both(three: Kind, vendor: FakeVendor, mode: Mode) -> None:
    vendor.fail(SLOW, SLOW)
    started = time.monotonic()
    envelope = mode(three.agent(vendor.url, hedge_after=AFTER, timeout=0.6), "hi")
    assert time.monotonic() - started < 1
    assert "timeout=0.6 s" in str(envelope.error)
    assert [attempt.reason for attempt in envelope.metadata.attempts] == ["turn", "hedge"]
    assert {attempt.error for attempt in envelope.metadata.attempts} <= {"timeout", "cancelled"}
    assert len(vendor.requests) == 2


def test_the_first_token_has_its_time_in_each(three: Kind, vendor: FakeVendor, mode: Mode) -> None:
    vendor.fail(SLOW, Fault(hang=0.4))
    envelope = mode(three.agent(vendor.url, hedge_after=AFTER, ttft=0.5, max_retries=0), "hi")
    assert envelope.text() == TEXT
    assert told(envelope) == [("turn", "timeout"), ("hedge", None)]


# --- what may stand in the way of a second request ----------------------------------------------------------------------


def test_a_budget_that_pays_for_one_pays_for_one(three: Kind, vendor: FakeVendor, mode: Mode) -> None:
    vendor.fail(Fault(hang=0.5))
    agent = three.agent(vendor.url, hedge_after=AFTER, max_tokens=100)
    high = agent.estimate("hi").high
    assert high is not None
    budget = Budget(high * Decimal("1.5"))
    with budget:
        envelope = mode(agent, "hi")
    assert envelope.text() == TEXT
    assert told(envelope) == [("turn", None)]
    assert len(vendor.requests) == 1
    assert (budget.reserved, budget.spent) == (0, envelope.metadata.receipt.total)


def test_a_budget_never_shortens_the_second_one(vendor: FakeVendor, mode: Mode) -> None:
    """What is left would pay for fewer tokens: that is no request of the same kind."""
    vendor.fail(Fault(hang=0.5))
    with Budget("0.03") as budget:
        envelope = mode(KINDS["messages"].agent(vendor.url, hedge_after=AFTER), "hi")
    assert told(envelope) == [("turn", None)]
    assert budget.reserved == 0


def test_a_budget_has_both_costs(three: Kind, vendor: FakeVendor, mode: Mode) -> None:
    vendor.fail(SLOW)
    with Budget("5") as budget:
        envelope = mode(three.agent(vendor.url, hedge_after=AFTER, max_tokens=100), "hi")
    assert told(envelope) == [("turn", "cancelled"), ("hedge", None)]
    assert budget.reserved == 0
    assert budget.unknown_calls == 1
    assert budget.spent > 0


def test_a_second_request_waits_for_its_turn(three: Kind, vendor: FakeVendor, mode: Mode) -> None:
    limit = RateLimit(concurrency=1)
    vendor.fail(Fault(hang=0.5))
    agent = three.agent(vendor.url, hedge_after=AFTER, rate_limit=limit)
    envelope = mode(agent, "hi")
    assert told(envelope) == [("turn", None)]
    assert len(vendor.requests) == 1
    assert mode(agent, "hi").ok  # and has given it back
    both = three.agent(vendor.url, hedge_after=AFTER, rate_limit=RateLimit(concurrency=2))
    vendor.fail(SLOW)
    assert told(mode(both, "hi")) == [("turn", "cancelled"), ("hedge", None)]
    vendor.fail(SLOW)
    assert told(mode(both, "hi")) == [("turn", "cancelled"), ("hedge", None)]


def test_a_probe_is_sent_once(vendor: FakeVendor, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "SECONDS", 0.0)
    monkeypatch.setattr(breaker, "COOLDOWN_S", 0.1)
    for _ in range(5):
        vendor.fail(Fault(status=500))
        KINDS["chat"].agent(vendor.url, max_retries=0)("hi")
    time.sleep(0.15)
    vendor.fail(Fault(hang=0.5))
    assert told(mode(KINDS["chat"].agent(vendor.url, hedge_after=AFTER), "hi")) == [("turn", None)]
    assert len(vendor.requests) == 6


# --- leaving, and what else a call has ----------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_a_cancelled_call_ends_both(three: Kind, vendor: FakeVendor, streamed: bool) -> None:
    vendor.fail(SLOW, SLOW)
    limit = RateLimit(concurrency=2)
    agent = three.agent(vendor.url, hedge_after=AFTER, rate_limit=limit)

    async def go() -> None:
        async def ask() -> None:
            if not streamed:
                await agent.run("hi")
            async for _ in agent.stream("hi"):
                pass

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(), 0.6)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(go())
    assert len(vendor.requests) == 2
    assert agent("hi", timeout=2).ok  # both places are free


def test_threads_end(vendor: FakeVendor) -> None:
    vendor.fail(SLOW)
    agent = KINDS["chat"].agent(vendor.url, hedge_after=AFTER)
    assert agent("hi").ok
    until = time.monotonic() + 1
    while any(thread.name == "lazybridge-hedge" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert agent("hi").ok  # on a connection that is whole
    agent.close()


def test_a_stream_that_is_left_is_closed(three: Kind, vendor: FakeVendor) -> None:
    vendor.fail(SLOW, Fault(hang_after=5 if three.provider == "anthropic" else 3))
    agent = three.agent(vendor.url, hedge_after=AFTER)
    stream = agent.stream("hi")
    first = next(chunk for chunk in stream if chunk.delta)
    assert first.delta == PIECES[0]
    stream.close()
    assert stream.envelope is not None
    assert told(stream.envelope) == [("turn", "cancelled"), ("hedge", "cancelled")]


def test_a_tool_turn_is_hedged_like_any_other(vendor: FakeVendor, mode: Mode) -> None:
    ran: list[str] = []

    def weather(city: str) -> str:
        """The weather of a city."""
        ran.append(city)
        return "22 degrees"

    vendor.tool_call = {"name": "weather", "arguments": {"city": "Rome"}}
    vendor.fail(SLOW, Fault(), SLOW)
    envelope = mode(KINDS["messages"].agent(vendor.url, tools=[weather], hedge_after=AFTER), "hi")
    assert envelope.text() == TEXT
    assert told(envelope) == [("turn", "cancelled"), ("hedge", None), ("turn", "cancelled"), ("hedge", None)]
    assert (ran, envelope.metadata.turns) == (["Rome"], 2)


def test_a_broken_stream_begins_again(three: Kind, vendor: FakeVendor) -> None:
    vendor.fail(SLOW, Fault(cut_after=5 if three.provider == "anthropic" or not three.chat else 2))
    envelope = by_stream(three.agent(vendor.url, hedge_after=AFTER, on_break="restart"), "hi")
    assert envelope.text() == TEXT
    reasons = [attempt.reason for attempt in envelope.metadata.attempts]
    assert reasons == ["turn", "hedge", "restart"]


def test_sessions_hear_of_both(vendor: FakeVendor, mode: Mode) -> None:
    heard: list[Any] = []
    vendor.fail(SLOW)
    with Session(heard.append) as session:
        mode(KINDS["chat"].agent(vendor.url, hedge_after=AFTER), "hi")
    kinds = [(type(event).__name__, getattr(event, "attempt", None)) for event in heard]
    middle = kinds[2:-1]
    assert [name for name, _ in kinds[:2]] == ["AgentStarted", "TurnStarted"]
    assert middle == [("RequestSent", 1), ("RequestSent", 2), ("AttemptFailed", 1), ("ResponseReceived", 2)]
    assert kinds[-1][0] == "AgentEnded"
    del session


def test_models_hedge(vendor: FakeVendor) -> None:
    kind = KINDS["messages"]
    model = Model(kind.model, api_key="k", base_url=kind.url(vendor.url), hedge_after=AFTER)
    vendor.fail(SLOW, Fault(), SLOW)
    for response in (asyncio.run(model.complete("hi")), model.complete_sync("hi")):
        assert [attempt.reason for attempt in response.attempts] == ["turn", "hedge"]


class OfMine(BaseProvider):
    """A class of a user's: it heeds no clock, and reads a context variable."""

    default_model = "mine"

    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)
        self.read: list[str] = []
        self.cancelled = 0
        super().__init__("k")

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        self.read.append(_who.get())
        time.sleep(self.waits.pop(0))
        return CompletionResponse("hello")

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        self.read.append(_who.get())
        try:
            await asyncio.sleep(self.waits.pop(0))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return CompletionResponse("hello")

    def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
        yield self.complete(request).final_chunk()

    async def astream(self, request: CompletionRequest) -> Any:
        yield (await self.acomplete(request)).final_chunk()


_who = contextvars.ContextVar("_who", default="nobody")


def test_any_provider_with_its_context(mode: Mode) -> None:
    provider = OfMine(1.0, 0.0)
    token = _who.set("me")
    try:
        envelope = mode(Agent(provider, hedge_after=AFTER), "hi")
    finally:
        _who.reset(token)
    assert envelope.text() == "hello"
    assert envelope.metadata.latency_ms < 800
    assert provider.read == ["me", "me"]
    assert told(envelope) == [("turn", "cancelled"), ("hedge", None)]
    assert provider.cancelled == (1 if mode in (by_run, by_astream) else 0)


@pytest.mark.parametrize("wrong", [0, -1, "1"])
def test_what_is_no_time_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="hedge_after"):
        Agent("gpt-6-luna", api_key="k", hedge_after=wrong)
