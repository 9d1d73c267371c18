"""Sessions and their events, through the vendors' own SDKs against the loopback vendor."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lazybridge import (
    Agent,
    Budget,
    ConfigurationError,
    JsonLines,
    Ledger,
    Message,
    Model,
    Session,
    Tool,
    ToolCall,
    batch,
    embed,
)
from lazybridge.core.providers.anthropic import AnthropicProvider
from lazybridge.events import (
    AgentEnded,
    AgentStarted,
    AttemptFailed,
    Event,
    FellBack,
    RequestSent,
    ResponseReceived,
    Retried,
    ToolCalled,
    ToolReturned,
    TurnStarted,
)
from lazybridge.testing import ScriptedProvider
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_astream, by_call, by_run, by_stream
from tests.test_call_receipts import expected

MODES = {"call": by_call, "run": by_run, "stream": by_stream, "astream": by_astream}
KEY = "test-key-0123456789"  # what the agents of `Kind` send
SECOND = "another-word-that-nobody-is-told"  # what a fallback sends
CANARY = "canary-of-what-was-said"


@pytest.fixture(params=["responses", "chat", "messages"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    return MODES[request.param]


def quick(agent: Agent) -> Agent:
    """An agent that does not wait between its attempts."""
    policy = agent.engine.policy
    object.__setattr__(policy.retries, "base_s", 0.0)
    return agent


def look_up(word: str) -> str:
    """Looks a word up."""
    return f"found {word}"


def kinds_of(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def orderly(events: list[Event]) -> None:
    """The order that the documentation promises, for the events of one run."""
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[0], AgentStarted)
    assert isinstance(events[-1], AgentEnded)
    assert len({event.run_id for event in events}) == 1
    assert [event.at for event in events] == sorted(event.at for event in events)
    attempts, tools, turn = set[int](), set[int](), 0
    for event in events[1:-1]:
        match event:
            case TurnStarted():
                assert (attempts, tools, event.turn) == (set(), set(), turn + 1)
                turn = event.turn
            case RequestSent():
                assert event.turn == turn
                attempts.add(event.attempt)
            case ResponseReceived() | AttemptFailed():
                attempts.remove(event.attempt)
            case ToolCalled():
                assert not attempts
                tools.add(event.call)
            case ToolReturned():
                tools.remove(event.call)
            case Retried() | FellBack():
                assert not attempts
            case _:
                raise AssertionError(event)
    assert (attempts, tools) == (set(), set())


# --- what is told -----------------------------------------------------------------------------------------------------


def test_a_call_is_told_from_its_start_to_its_end(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    events: list[Event] = []
    session = Session(events.append)
    envelope = mode(kind.agent(vendor.url, name="triage", session=session, max_tokens=50), "hi")
    assert kinds_of(events) == ["agent_start", "turn", "request", "response", "agent_end"]
    orderly(events)
    start, _, request, response, end = events
    assert isinstance(start, AgentStarted)
    assert isinstance(request, RequestSent)
    assert isinstance(response, ResponseReceived)
    assert isinstance(end, AgentEnded)
    assert {(event.agent, event.session_id, event.provider) for event in events} == {
        ("triage", session.id, kind.provider)
    }
    assert end.run_id == envelope.metadata.run_id
    assert (start.model, request.model, request.settings) == (kind.model, kind.model, {"max_tokens": 50})
    assert request.server == vendor.url.removeprefix("http://")
    assert start.streamed == request.streamed == (response.first_chunk_ms is not None) == ("stream" in mode.__name__)
    assert response.cost_usd == end.cost_usd == envelope.metadata.cost_usd == float(expected(kind))
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.stop_reason) == (20, 5, "end_turn")
    assert response.request_id == envelope.metadata.request_id is not None
    assert (end.ok, end.turns, end.attempts, end.parent_run_id) == (True, 1, 1, None)
    assert (session.calls, session.receipt.total, session.usage.input_tokens) == (1, expected(kind), 20)


def test_a_tool_is_told_between_its_turns(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    events: list[Event] = []
    vendor.tool_call = {"name": "look_up", "arguments": {"word": "rain"}}
    assert mode(kind.agent(vendor.url, tools=[look_up], session=Session(events.append, payloads=True)), "hi").ok
    orderly(events)
    turn = ["turn", "request", "response"]
    assert kinds_of(events) == ["agent_start", *turn, "tool_call", "tool_result", *turn, "agent_end"]
    called, returned = events[4:6]
    assert isinstance(called, ToolCalled)
    assert isinstance(returned, ToolReturned)
    assert (called.tool, called.arguments) == ("look_up", {"word": "rain"})
    assert (returned.tool_call_id, returned.error, returned.result) == (called.tool_call_id, None, "found rain")


def test_a_tool_that_raises_has_returned_an_error(vendor: FakeVendor, mode: Mode) -> None:
    def broken() -> str:
        """Breaks."""
        raise ValueError("no")

    for name in ("broken", "unheard_of"):
        events: list[Event] = []
        vendor.tool_call = {"name": name, "arguments": {}}
        mode(KINDS["messages"].agent(vendor.url, tools=[broken], max_turns=1, session=Session(events.append)), "hi")
        orderly(events)
        (returned,) = [event for event in events if isinstance(event, ToolReturned)]
        assert (returned.tool, returned.error) == (name, "tool_error")


def test_a_retry_is_told_with_what_failed(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=500), Fault(status=529 if kind.provider == "anthropic" else 503))
    events: list[Event] = []
    assert mode(quick(kind.agent(vendor.url, session=Session(events.append))), "hi").ok
    orderly(events)
    attempt = ["request", "error", "retry"]
    assert kinds_of(events) == ["agent_start", "turn", *attempt, *attempt, "request", "response", "agent_end"]
    failed = [event for event in events if isinstance(event, AttemptFailed)]
    assert [(event.error, event.status_code is None) for event in failed] == [("server", False), ("overloaded", False)]
    assert [event.attempt for event in events if isinstance(event, RequestSent)] == [1, 2, 3]


def test_a_failed_call_ends_its_events(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=400))
    events: list[Event] = []
    mode(kind.agent(vendor.url, session=Session(events.append)), "hi")
    orderly(events)
    assert kinds_of(events) == ["agent_start", "turn", "request", "error", "agent_end"]
    assert isinstance(events[-1], AgentEnded)
    assert (events[-1].ok, events[-1].error, events[-1].turns) == (False, "invalid_request", 0)


def test_a_fallback_is_told(mode: Mode, vendor: FakeVendor) -> None:
    class WithNeighbour(AnthropicProvider):
        _FALLBACKS = {"claude-haiku-4-5": ["claude-haiku-5-5"]}

    vendor.fail(Fault(status=404))
    events: list[Event] = []
    with WithNeighbour(KEY, base_url=vendor.url) as provider:
        mode(Agent("claude-haiku-4-5", provider=provider, session=Session(events.append)), "hi")
    orderly(events)
    (fallback,) = [event for event in events if isinstance(event, FellBack)]
    assert (fallback.model, fallback.to, fallback.error) == ("claude-haiku-4-5", "claude-haiku-5-5", "not_found")
    assert [event.model for event in events if isinstance(event, RequestSent)] == ["claude-haiku-4-5", fallback.to]


def test_events_name_who_was_asked_after_a_fallback(mode: Mode, vendor: FakeVendor) -> None:
    events: list[Event] = []
    second = Agent("gpt-6-luna", api_key=SECOND, base_url=f"{vendor.url}/v1")
    agent = KINDS["messages"].agent(
        vendor.url, fallback=[second], session=Session(events.append, payloads=True), max_retries=0
    )
    vendor.fail(Fault(status=529))
    vendor.pieces = (f"Your key is {SECOND}.",)
    mode(agent, "hi")
    orderly(events)
    names = {RequestSent: ["anthropic", "openai"], AttemptFailed: ["anthropic"], FellBack: ["anthropic"]}
    for kind, providers in {**names, AgentStarted: ["anthropic"], AgentEnded: ["openai"]}.items():
        assert [event.provider for event in events if isinstance(event, kind)] == providers
    assert SECOND not in str(events)


def test_a_session_may_be_entered_by_several_tasks_at_once(vendor: FakeVendor) -> None:
    agent, session = KINDS["chat"].agent(vendor.url), Session()

    async def both() -> None:
        first, second, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def one() -> None:
            async with session:
                first.set()
                await second.wait()
            left.set()
            await agent.run("not in the block")

        async def other() -> None:
            await first.wait()
            async with session:
                second.set()
                await left.wait()
            await agent.run("not in the block")

        await asyncio.gather(one(), other())

    asyncio.run(both())
    assert session.calls == 0
    with session:
        agent("in the block")
    agent("not in the block")
    assert session.calls == 1


def test_a_session_within_itself_ends_with_the_outer_block(vendor: FakeVendor) -> None:
    agent, session = KINDS["chat"].agent(vendor.url), Session()
    with session:
        with session:
            agent("in both")
        agent("in one")
    agent("in none")
    assert session.calls == 2


@pytest.mark.parametrize("key", ["openai", "a"])
def test_a_key_that_is_a_plain_word_takes_no_name_apart(key: str, vendor: FakeVendor) -> None:
    events: list[Event] = []
    agent = Agent("gpt-6-luna", api_key=key, base_url=f"{vendor.url}/v1", session=Session(events.append))
    envelope = agent("hi")
    assert {event.provider for event in events} == {"openai"}
    assert {event.run_id for event in events} == {envelope.metadata.run_id}


def test_a_request_that_was_never_sent_ends_its_events(mode: Mode, vendor: FakeVendor) -> None:
    events: list[Event] = []
    agent = KINDS["messages"].agent(vendor.url, session=Session(events.append), strict=True, seed=1)
    with pytest.raises(ValueError, match="seed"):
        mode(agent, "hi").text()
    assert not vendor.requests
    orderly(events)
    assert isinstance(events[-1], AgentEnded)
    assert not events[-1].ok


def test_a_stream_that_is_left_ends_its_events(kind: Kind, vendor: FakeVendor) -> None:
    for leave in (_leave, lambda agent: asyncio.run(_aleave(agent))):
        events: list[Event] = []
        leave(kind.agent(vendor.url, session=Session(events.append)))
        orderly(events)
        assert kinds_of(events) == ["agent_start", "turn", "request", "error", "agent_end"]
        assert isinstance(events[-2], AttemptFailed)
        assert events[-2].error == "cancelled"
        assert events[-2].receipt.status == "lower_bound"


def _leave(agent: Agent) -> None:
    for _ in agent.stream("hi"):
        break


async def _aleave(agent: Agent) -> None:
    async with agent.stream("hi") as stream:
        async for _ in stream:
            break


def test_a_cancelled_call_ends_its_events(kind: Kind, vendor: FakeVendor) -> None:
    events: list[Event] = []
    heard: list[Event] = []

    async def slowly(event: Event) -> None:
        await asyncio.sleep(0.01)
        heard.append(event)

    async def main() -> None:
        vendor.fail(Fault(hang=30))
        task = asyncio.create_task(kind.agent(vendor.url, session=Session(events.append, slowly)).run("hi"))
        while not vendor.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    orderly(events)
    assert isinstance(events[-1], AgentEnded)
    assert events[-1].error == "cancelled"
    assert heard == events


def test_a_model_is_heard_like_an_agent(kind: Kind, vendor: FakeVendor) -> None:
    events: list[Event] = []
    options = {**kind.options, "provider": kind.provider, "base_url": kind.url(vendor.url), "api_key": KEY}
    with Session(events.append) as session, Model(kind.model, **options) as model:
        model.complete_sync("hi")
    orderly(events)
    assert session.cost_usd == float(expected(kind))


# --- which calls ------------------------------------------------------------------------------------------------------


def test_the_block_hears_every_call_in_it_and_none_after(vendor: FakeVendor) -> None:
    agents = [KINDS[name].agent(vendor.url) for name in ("responses", "messages")]
    with Session() as session:
        for agent in agents:
            agent("hi")
        asyncio.run(agents[0].run("hi"))
    agents[0]("hi")
    assert session.calls == 3
    assert session.receipt.total == 2 * expected(KINDS["responses"]) + expected(KINDS["messages"])


def test_an_agent_inside_a_tool_is_a_child_in_the_same_session(mode: Mode, vendor: FakeVendor) -> None:
    inner = KINDS["chat"].agent(vendor.url, name="inner")

    def ask() -> str:
        """Asks another agent."""
        vendor.tool_call = None
        return inner("what?").text()

    events: list[Event] = []
    session = Session(events.append)
    vendor.tool_call = {"name": "ask", "arguments": {}}
    envelope = mode(KINDS["messages"].agent(vendor.url, name="outer", tools=[ask], session=session), "hi")
    of_inner = [event for event in events if event.agent == "inner"]
    orderly(of_inner)
    orderly([event for event in events if event.agent == "outer"])
    assert {event.parent_run_id for event in of_inner} == {envelope.metadata.run_id}
    where = kinds_of(events)
    assert (
        where.index("tool_call") < events.index(of_inner[0]) < events.index(of_inner[-1]) < where.index("tool_result")
    )
    assert session.receipt.total == 2 * expected(KINDS["messages"]) + expected(KINDS["chat"])
    assert session.calls == 2


def test_threads_share_a_session(vendor: FakeVendor) -> None:
    events: list[Event] = []
    session = Session(events.append)
    agent = KINDS["messages"].agent(vendor.url, session=session)
    threads = [threading.Thread(target=agent, args=("hi",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in {event.run_id for event in events}:
        orderly([event for event in events if event.run_id == run])
    assert (session.calls, session.receipt.total) == (8, 8 * expected(KINDS["messages"]))


def test_functions_that_are_no_conversation_are_counted(vendor: FakeVendor, tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "spend.db")) as ledger, Session(ledger=ledger) as session:
        found = embed(["one"], model="text-embedding-3-small", api_key=KEY, base_url=f"{vendor.url}/v1")
        assert session.receipt == found.receipt
        assert [row.cost_usd for row in ledger.rows()] == [session.receipt.total]
    assert session.receipt.total
    assert session.calls == 0


def test_a_batch_is_counted_when_its_answers_are_read(vendor: FakeVendor, tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "spend.db")) as ledger, Session(ledger=ledger) as session:
        lot = batch(["one", "two"], "claude-haiku-4-5", api_key=KEY, base_url=vendor.url, max_tokens=50)
        assert session.receipt.total == 0
        lot.wait()
        lot.results()
        assert session.receipt == lot.receipt
        assert lot.receipt is not None
        assert lot.receipt.total == sum(row.cost_usd or 0 for row in ledger.rows()) > 0
    assert session.calls == 0


def test_an_unknown_cost_keeps_the_sum_from_being_exact(vendor: FakeVendor) -> None:
    with Session() as session:
        KINDS["messages"].agent(vendor.url)("hi")
        vendor.fail(Fault(drop=True))
        KINDS["messages"].agent(vendor.url, max_retries=0)("hi")
    assert (session.cost_usd, session.receipt.status) == (None, "lower_bound")
    assert session.receipt.total == expected(KINDS["messages"])
    assert Session().cost_usd == 0.0


# --- listeners --------------------------------------------------------------------------------------------------------


def test_a_listener_that_raises_does_not_break_the_call(
    mode: Mode, vendor: FakeVendor, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError(CANARY)

    async def abroken(event: Event) -> None:
        raise RuntimeError(CANARY)

    events: list[Event] = []
    with caplog.at_level(logging.WARNING, "lazybridge"):
        assert mode(KINDS["messages"].agent(vendor.url, session=Session(broken, abroken, events.append)), "hi").ok
    assert len(events) == 5
    assert [record.getMessage().count("raised RuntimeError") for record in caplog.records] == [1, 1]
    assert CANARY not in caplog.text


def test_a_listener_whose_own_work_was_cancelled_does_not_break_the_call(mode: Mode) -> None:
    async def cancelled(event: Event) -> None:
        raise asyncio.CancelledError

    events: list[Event] = []
    assert mode(Agent(ScriptedProvider(["a"]), session=Session(cancelled, events.append)), "hi").ok
    assert len(events) == 5


def test_asynchronous_listeners_hear_all_in_order_before_the_call_returns(mode: Mode, vendor: FakeVendor) -> None:
    heard: list[Event] = []

    async def listen(event: Event) -> None:
        await asyncio.sleep(0.002 if event.number % 2 else 0)
        heard.append(event)

    vendor.tool_call = {"name": "look_up", "arguments": {"word": "rain"}}
    mode(KINDS["messages"].agent(vendor.url, tools=[look_up], session=Session(listen)), "hi")
    orderly(heard)


def test_what_a_tool_tells_from_a_thread_comes_in_order(vendor: FakeVendor) -> None:
    class Threaded(Tool):
        async def arun(self, call: ToolCall) -> Message:
            return await asyncio.to_thread(self.run, call)

    heard: list[Event] = []
    loops: set[asyncio.AbstractEventLoop] = set()

    async def listen(event: Event) -> None:
        await asyncio.sleep(0.002 if event.number % 2 else 0)
        loops.add(asyncio.get_running_loop())
        heard.append(event)

    async def main() -> None:
        await KINDS["messages"].agent(vendor.url, tools=[Threaded(look_up)], session=Session(listen)).run("hi")

    vendor.tool_call = {"name": "look_up", "arguments": {"word": "rain"}}
    asyncio.run(main())
    orderly(heard)
    assert kinds_of(heard).count("tool_result") == len(loops) == 1


def test_a_budget_that_refuses_ends_the_run(mode: Mode, vendor: FakeVendor) -> None:
    events: list[Event] = []
    mode(KINDS["messages"].agent(vendor.url, budget=Budget("0.000001"), session=Session(events.append)), "hi")
    assert [event.to_dict().get("error") for event in events] == [None, "BudgetExceeded"]


def test_a_listener_may_ask_an_agent_of_the_same_session(vendor: FakeVendor) -> None:
    asked: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, AgentEnded) and session.calls == 1:
            asked.append(agent("and?").text())

    session = Session(listen)
    agent = KINDS["messages"].agent(vendor.url, session=session)
    agent("hi")
    assert (asked, session.calls) == ([TEXT], 2)


def test_what_cannot_listen_is_refused(tmp_path: Path) -> None:
    for wrong in (lambda: Session("events.jsonl"), lambda: JsonLines(tmp_path / "no" / "events.jsonl")):  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match=r"events\.jsonl"):
            wrong()
    with pytest.raises(ConfigurationError, match="session=Session"):
        Agent("claude-haiku-4-5", api_key=KEY, session="mine")  # type: ignore[arg-type]


def test_json_lines_hold_every_event(kind: Kind, mode: Mode, vendor: FakeVendor, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events: list[Event] = []
    with Session(events.append, JsonLines(path), id="work") as session:
        mode(kind.agent(vendor.url, session=session), "hi")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == kinds_of(events)
    assert {line["session_id"] for line in lines} == {"work"}
    assert Decimal(lines[-1]["cost_usd"]) == expected(kind)
    assert lines[-1]["usage"]["input_tokens"] == 20
    assert path.stat().st_mode & 0o777 == 0o600 or os.name == "nt"


def test_a_disk_that_is_full_does_not_break_the_call(vendor: FakeVendor, caplog: pytest.LogCaptureFixture) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Session(JsonLines("/dev/full")):
        assert KINDS["messages"].agent(vendor.url)("hi").ok
    assert caplog.text.count("raised OSError") == 1


def test_a_logger_gets_a_line_for_each_event(vendor: FakeVendor, caplog: pytest.LogCaptureFixture) -> None:
    vendor.fail(Fault(status=400))
    with caplog.at_level(logging.INFO, "work"):
        KINDS["messages"].agent(vendor.url, session=Session(logging.getLogger("work")))("hi")
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "INFO", "WARNING", "WARNING"]
    assert caplog.records[-1].getMessage().startswith("agent_end number=5 run_id=")
    assert isinstance(caplog.records[-1].event, AgentEnded)  # type: ignore[attr-defined]


def test_the_ledger_of_a_session_is_that_of_agents_without_one(vendor: FakeVendor, tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "session.db")) as shared, closing(Ledger(tmp_path / "own.db")) as own:
        with Session(ledger=shared):
            envelope = KINDS["messages"].agent(vendor.url)("hi")
            KINDS["messages"].agent(vendor.url, ledger=own)("hi")
        assert [row.run_id for row in shared.rows()] == [envelope.metadata.run_id]
        assert len(list(own.rows())) == 1


# --- secrets and payloads ---------------------------------------------------------------------------------------------


def everything(vendor: FakeVendor, kind: Kind, mode: Mode, session: Session) -> None:
    """A success, a failure whose body has the key and the prompt, and a tool call that has them; all with a canary."""
    said = f"{CANARY} and {KEY}"

    def look_up(word: str) -> str:
        """Looks a word up."""
        return f"{said} {word}"

    agent = kind.agent(vendor.url, tools=[look_up], session=session, system=said, max_retries=0)
    vendor.pieces = (said,)
    mode(agent, said)
    vendor.fail(Fault(status=401, body={"error": {"message": f"bad {said}", "type": "authentication_error"}}))
    mode(agent, said)
    vendor.tool_call = {"name": "look_up", "arguments": {"word": said}}
    mode(agent, said)
    vendor.tool_call = None


@pytest.fixture
def sinks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[tuple[Callable[..., Session], Callable[[], str]]]:
    """A session with every sink, and all that they hold."""
    events: list[Event] = []
    path, ledger = tmp_path / "events.jsonl", Ledger(tmp_path / "spend.db")
    caplog.set_level(logging.DEBUG, "lazybridge")
    caplog.set_level(logging.DEBUG, "work")

    def session(**options: Any) -> Session:
        return Session(events.append, JsonLines(path), logging.getLogger("work"), ledger=ledger, **options)

    def held() -> str:
        records = [f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name in ("work", "lazybridge")]  # fmt: skip
        return " ".join([repr(events), path.read_text(), *records, repr(list(ledger.rows()))])

    yield session, held
    ledger.close()


def test_no_sink_has_the_key_and_none_has_what_was_said(
    kind: Kind, mode: Mode, vendor: FakeVendor, sinks: tuple[Callable[..., Session], Callable[[], str]]
) -> None:
    session, held = sinks
    everything(vendor, kind, mode, session())
    told = held()
    assert "authentication" in told
    assert "tool_result" in told
    assert KEY not in told
    assert CANARY not in told


def test_payloads_are_told_where_asked_for_and_still_without_the_key(
    kind: Kind, mode: Mode, vendor: FakeVendor, sinks: tuple[Callable[..., Session], Callable[[], str]]
) -> None:
    session, held = sinks
    everything(vendor, kind, mode, session(payloads=True))
    told = held()
    assert KEY not in told
    assert f"{CANARY} and [redacted]" in told


def test_redact_gets_every_text_of_a_payload(
    kind: Kind, mode: Mode, vendor: FakeVendor, sinks: tuple[Callable[..., Session], Callable[[], str]]
) -> None:
    session, held = sinks
    everything(vendor, kind, mode, session(payloads=True, redact=lambda text: text.replace(CANARY, "<gone>")))
    told = held()
    assert KEY not in told
    assert CANARY not in told
    assert "<gone> and [redacted]" in told


def test_redact_takes_no_message_apart(mode: Mode) -> None:
    def look(where: str, type: str) -> str:
        """Look."""
        return "a secret"

    events: list[Event] = []
    call = ToolCall("call_1", "look", {"where": "a secret", "type": "a secret"})
    provider = ScriptedProvider([call, "a secret"])
    mode(Agent(provider, tools=[look], session=Session(events.append, payloads=True, redact=lambda text: "<x>")), "hi")
    assert "secret" not in str(events)
    sent = [event for event in events if isinstance(event, RequestSent)][-1].prompt
    arguments = {"<x>": "<x>"}
    assert sent == (
        {"role": "user", "parts": [{"type": "text", "content": "<x>"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_1", "name": "look", "arguments": arguments}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "result": "<x>"}]},
    )
    (called,) = [event for event in events if isinstance(event, ToolCalled)]
    assert called.arguments == arguments
    answer = [event for event in events if isinstance(event, ResponseReceived)][-1].answer
    assert answer == {"role": "assistant", "parts": [{"type": "text", "content": "<x>"}], "finish_reason": "end_turn"}


def test_what_redact_fails_on_is_not_told(vendor: FakeVendor, caplog: pytest.LogCaptureFixture) -> None:
    def redact(text: str) -> str:
        raise RuntimeError(text)

    events: list[Event] = []
    assert KINDS["messages"].agent(vendor.url, session=Session(events.append, payloads=True, redact=redact))(CANARY).ok
    assert CANARY not in repr(events) + caplog.text
    assert "[redacted]" in repr(events)
