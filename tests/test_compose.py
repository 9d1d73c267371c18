"""Agents together: tasks from answers, agents as tools, chains, parallels and judges, over real SDKs and loopback vendors."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from lazybridge import Agent, Budget, BudgetExceeded, ConfigurationError, Envelope, VerificationError
from lazybridge.core.content import ImageContent
from lazybridge.core.errors import AuthenticationError, ProviderTimeoutError
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode

WIRES = ("responses", "chat", "messages")


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def second() -> Iterator[FakeVendor]:
    server = FakeVendor()
    yield server
    server.close()


def words_of(body: dict[str, Any]) -> str:
    return str(body.get("messages") or body.get("input"))


# --- tasks ---------------------------------------------------------------------------------------------------------------


def test_an_answer_is_the_next_task(vendor: FakeVendor, second: FakeVendor, wire: Kind, mode: Mode) -> None:
    second.pieces = ("And ", "the second.")
    answer = wire.agent(second.url)(wire.agent(vendor.url)("hi"))
    assert answer.text() == "And the second."
    assert TEXT in words_of(second.bodies()[0])
    assert mode(wire.agent(second.url), answer).ok  # type: ignore[arg-type]
    assert "And the second." in words_of(second.bodies()[1])


def test_a_failed_answer_is_the_result_of_the_next_call(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    vendor.fail(Fault(status=401))
    failed = KINDS["chat"].agent(vendor.url)("hi")
    envelope = mode(KINDS["chat"].agent(second.url), failed)  # type: ignore[arg-type]
    assert isinstance(envelope.error, AuthenticationError)
    assert envelope.error is failed.error
    assert envelope.metadata.cost_usd == 0
    assert envelope.metadata.attempts == ()
    assert second.requests == []


def test_pictures_ride_along_with_an_answer(vendor: FakeVendor, wire: Kind) -> None:
    from lazybridge.core.types import CompletionResponse
    from lazybridge.envelope import EnvelopeMetadata

    png = b"\x89PNG\r\n\x1a\n" + bytes(24)
    drawn = Envelope[str](
        EnvelopeMetadata(), CompletionResponse("Here.", media=(ImageContent(data=png),)), None, "Here."
    )
    assert wire.agent(vendor.url)(drawn).ok
    assert "Here." in words_of(vendor.bodies()[0])
    assert "image" in words_of(vendor.bodies()[0])


def test_an_object_is_handed_on_as_json(vendor: FakeVendor, second: FakeVendor) -> None:
    class City(BaseModel):
        name: str

    vendor.pieces = ('{"name": ', '"Paris"}')
    KINDS["chat"].agent(second.url)(KINDS["chat"].agent(vendor.url, output=City)("Where?"))
    assert second.bodies()[0]["messages"][0]["content"] == '{"name": "Paris"}'


# --- agents as tools -------------------------------------------------------------------------------------------------------


def outer_and_inner(vendor: FakeVendor, second: FakeVendor, wire: Kind, **options: Any) -> Agent:
    vendor.tool_call = {"name": "researcher", "arguments": {"task": "What is the capital?"}}
    second.pieces = ("Paris.",)
    inner = wire.agent(
        second.url, name="researcher", system="You look things up.\n\nBe brief.", **options.pop("inner", {})
    )
    return wire.agent(vendor.url, name="writer", tools=[inner], **options)


def test_an_agent_is_a_tool_and_its_cost_is_the_askers(
    vendor: FakeVendor, second: FakeVendor, wire: Kind, mode: Mode
) -> None:
    alone = wire.agent(second.url)("hi").metadata.receipt.total
    second.requests.clear()
    envelope = mode(outer_and_inner(vendor, second, wire), "Write about the capital.")
    assert envelope.text() == TEXT
    assert "What is the capital?" in words_of(second.bodies()[0])
    assert "Paris." in words_of(vendor.bodies()[1])
    assert "You look things up." in str(vendor.bodies()[0]["tools"])
    assert "Be brief" not in str(vendor.bodies()[0]["tools"])
    meta = envelope.metadata
    assert [attempt.agent for attempt in meta.attempts] == ["writer", "researcher", "writer"]
    assert alone is not None
    assert meta.receipt.total == 3 * alone
    assert meta.receipt.total == sum((line.amount for line in meta.receipt.lines), Decimal(0))
    assert meta.cost_usd == float(3 * alone)
    assert (meta.turns, meta.input_tokens, meta.output_tokens) == (2, 60, 15)


def test_an_agent_asked_by_a_function_counts_as_well(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    vendor.tool_call = {"name": "look", "arguments": {"word": "x"}}
    inner = KINDS["chat"].agent(second.url)

    def look(word: str) -> str:
        return str(inner(word).text())

    envelope = mode(KINDS["chat"].agent(vendor.url, tools=[look]), "go")
    assert len(envelope.metadata.attempts) == 3
    assert envelope.metadata.input_tokens == 60


def test_a_named_tool_and_an_agent_that_nobody_named(vendor: FakeVendor, second: FakeVendor) -> None:
    inner = KINDS["chat"].agent(second.url)
    with pytest.raises(ConfigurationError, match='name="researcher"'):
        KINDS["chat"].agent(vendor.url, tools=[inner])
    vendor.tool_call = {"name": "finder", "arguments": {"task": "x"}}
    outer = KINDS["chat"].agent(vendor.url, tools=[inner.as_tool(name="finder", description="Finds things.")])
    envelope = outer("go")
    assert vendor.bodies()[0]["tools"][0]["function"]["description"] == "Finds things."
    assert [attempt.agent for attempt in envelope.metadata.attempts] == [None, "finder", None]


def test_a_failing_agent_is_an_error_that_the_model_reads_and_what_it_cost_is_kept(
    vendor: FakeVendor, second: FakeVendor, mode: Mode
) -> None:
    second.pieces = ("no JSON",)
    outer = outer_and_inner(vendor, second, KINDS["messages"], inner={"output": list[int], "max_repairs": 0})
    envelope = mode(outer, "go")
    assert envelope.ok
    result = vendor.bodies()[1]["messages"][-1]["content"][0]
    assert result["is_error"] is True
    assert "StructuredOutputError" in str(result["content"])
    assert len(envelope.metadata.attempts) == 3
    assert envelope.metadata.input_tokens == 60


def test_an_inner_agent_has_at_most_the_time_that_is_left(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    second.fail(Fault(hang=20))
    outer = outer_and_inner(vendor, second, KINDS["chat"], timeout=0.7, inner={"timeout": 15})
    started = time.monotonic()
    envelope = mode(outer, "go")
    assert time.monotonic() - started < 3
    assert isinstance(envelope.error, ProviderTimeoutError)
    assert "timeout=0.7" in str(envelope.error)
    assert [attempt.agent for attempt in envelope.error.attempts] == ["writer", "researcher"]


def test_the_outer_budget_holds_for_the_inner_agent(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    budget = Budget("0.01")  # pays for the writer, not for 30,000 tokens
    outer = outer_and_inner(
        vendor, second, KINDS["chat"], budget=budget, max_tokens=50, inner={"max_tokens": 30_000, "fallback": False}
    )
    envelope = mode(outer, "go")
    assert second.requests == []
    assert "BudgetExceeded" in words_of(vendor.bodies()[1])
    assert envelope.ok
    assert envelope.metadata.receipt.total == budget.spent


def test_a_budget_counts_an_inner_agents_cost_once(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    budget = Budget(5)
    envelope = mode(outer_and_inner(vendor, second, KINDS["chat"], budget=budget, inner={"budget": budget}), "go")
    assert envelope.metadata.receipt.total == budget.spent


def test_cancelling_the_outer_cancels_the_inner(vendor: FakeVendor, second: FakeVendor) -> None:
    second.fail(Fault(drip=0.05))
    outer = outer_and_inner(vendor, second, KINDS["chat"])

    async def go() -> None:
        task = asyncio.create_task(outer.run("go"))
        while not second.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())
    assert second.hung_up.wait(5)


# --- chains and parallels --------------------------------------------------------------------------------------------------


def test_a_chain_hands_each_answer_on(vendor: FakeVendor, second: FakeVendor, wire: Kind, mode: Mode) -> None:
    second.pieces = ("One ", "two.")
    chain = Agent.chain(wire.agent(vendor.url, name="a"), wire.agent(second.url, name="b"))
    envelope = mode(chain, "hi")  # type: ignore[arg-type]
    assert envelope.text() == "One two."
    assert TEXT in words_of(second.bodies()[0])
    assert [attempt.agent for attempt in envelope.metadata.attempts] == ["a", "b"]
    assert envelope.metadata.input_tokens == 40
    assert envelope.metadata.receipt.total == sum(attempt.receipt.total or 0 for attempt in envelope.metadata.attempts)


def test_only_the_last_answer_of_a_chain_streams(vendor: FakeVendor, second: FakeVendor) -> None:
    second.pieces = ("One ", "two.")
    stream = Agent.chain(KINDS["chat"].agent(vendor.url), KINDS["chat"].agent(second.url)).stream("hi")
    chunks = list(stream)
    assert [chunk.delta for chunk in chunks if chunk.delta] == ["One ", "two."]
    assert [chunk.is_final for chunk in chunks].count(True) == 1


def test_a_chain_ends_at_the_first_failure(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    second.fail(Fault(status=401))
    third = KINDS["chat"].agent(vendor.url)
    envelope = mode(Agent.chain(KINDS["chat"].agent(vendor.url), KINDS["chat"].agent(second.url), third), "hi")  # type: ignore[arg-type]
    assert isinstance(envelope.error, AuthenticationError)
    assert len(envelope.metadata.attempts) == len(envelope.error.attempts) == 2
    assert len(vendor.requests) == 1


def test_a_chain_left_early_says_so(vendor: FakeVendor, second: FakeVendor) -> None:
    chain = Agent.chain(KINDS["chat"].agent(vendor.url), KINDS["chat"].agent(second.url))
    with chain.stream("hi") as stream:
        for _ in stream:
            break
    assert stream.envelope is not None
    assert not stream.envelope.ok
    assert len(stream.envelope.metadata.attempts) == 2


def test_an_answer_that_cannot_be_handed_on_ends_a_chain(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    vendor.tool_call = {"name": "unknown", "arguments": {}}
    envelope = mode(Agent.chain(KINDS["chat"].agent(vendor.url), KINDS["chat"].agent(second.url)), "hi")  # type: ignore[arg-type]
    assert "step 1" in str(envelope.error)
    assert envelope.metadata.cost_usd
    assert second.requests == []


def test_a_chains_time_holds_for_all_its_steps(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    second.fail(Fault(hang=20))
    chain = Agent.chain(KINDS["chat"].agent(vendor.url), KINDS["chat"].agent(second.url), timeout=0.7)
    started = time.monotonic()
    envelope = mode(chain, "hi")  # type: ignore[arg-type]
    assert time.monotonic() - started < 3
    assert isinstance(envelope.error, ProviderTimeoutError)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_parallel_asks_all_at_once_and_keeps_the_order(
    vendor: FakeVendor, second: FakeVendor, wire: Kind, asynchronous: bool
) -> None:
    together = threading.Barrier(2, timeout=5)
    for server, pieces in ((vendor, ("first",)), (second, ("second",))):
        server.pieces = pieces
        answer = server.next_fault
        server.next_fault = lambda answer=answer: (together.wait(), answer())[1]  # type: ignore[method-assign,misc]
    parallel = Agent.parallel(wire.agent(vendor.url), wire.agent(second.url))
    envelopes = asyncio.run(parallel.run("hi")) if asynchronous else parallel("hi")
    assert [envelope.text() for envelope in envelopes] == ["first", "second"]


def test_answers_side_by_side_are_one_task(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    first, other = KINDS["chat"].agent(vendor.url), KINDS["messages"].agent(vendor.url)
    chain = Agent.chain(Agent.parallel(first, other), KINDS["chat"].agent(second.url))
    assert mode(chain, "hi").metadata.input_tokens == 60  # type: ignore[arg-type]
    assert second.bodies()[0]["messages"][0]["content"] == f"{TEXT}\n\n{TEXT}"
    with pytest.raises(ConfigurationError, match="one answer"):
        Agent.chain(first, Agent.parallel(first, other))


def test_chains_and_parallels_are_tools(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    inner = KINDS["chat"].agent(second.url, name="inner")
    for tool in (Agent.chain(inner, inner, name="both"), Agent.parallel(inner, inner, name="both")):
        vendor.tool_call = {"name": "both", "arguments": {"task": "x"}}
        envelope = mode(KINDS["chat"].agent(vendor.url, tools=[tool]), "go")
        assert [attempt.agent for attempt in envelope.metadata.attempts] == [None, "inner", "inner", None]
        assert TEXT in words_of(vendor.bodies()[-1])


def test_a_cancelled_parallel_cancels_all(vendor: FakeVendor, second: FakeVendor) -> None:
    vendor.fail(Fault(drip=0.05))
    second.fail(Fault(drip=0.05))
    parallel = Agent.parallel(KINDS["chat"].agent(vendor.url), KINDS["chat"].agent(second.url))

    async def go() -> None:
        task = asyncio.create_task(parallel.run("go"))
        while not (vendor.requests and second.requests):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())
    assert vendor.hung_up.wait(5)
    assert second.hung_up.wait(5)


# --- judges --------------------------------------------------------------------------------------------------------------


def test_a_judges_reason_goes_back_until_the_answer_stands(vendor: FakeVendor, wire: Kind, mode: Mode) -> None:
    seen: list[Any] = []

    def judge(answer: str) -> str | None:
        seen.append(answer)
        return None if len(seen) > 1 else "Name the city as well."

    envelope = mode(wire.agent(vendor.url, verify=judge), "hi")
    assert envelope.text() == TEXT
    assert seen == [TEXT, TEXT]
    assert "Name the city as well." in words_of(vendor.bodies()[1])
    assert TEXT in words_of(vendor.bodies()[1])
    assert len(envelope.metadata.attempts) == 2
    assert envelope.metadata.input_tokens == 40


@pytest.mark.parametrize("said", [False, "No."])
def test_an_answer_that_never_stands_is_an_error_that_carries_it(vendor: FakeVendor, mode: Mode, said: Any) -> None:
    async def judge(answer: str) -> Any:
        return said

    envelope = mode(KINDS["chat"].agent(vendor.url, verify=judge, max_verify=2), "hi")
    assert isinstance(envelope.error, VerificationError)
    assert envelope.error.answer == envelope.error.partial_text == TEXT
    assert envelope.error.reason
    assert len(envelope.error.attempts) == len(vendor.requests) == 2
    assert envelope.metadata.cost_usd
    assert envelope.metadata.receipt == envelope.error.receipt


def test_an_agent_judges_and_its_cost_counts(vendor: FakeVendor, second: FakeVendor, wire: Kind, mode: Mode) -> None:
    second.pieces = ('{"stands": true, ', '"reason": ""}')
    judge = wire.agent(second.url, name="judge")
    envelope = mode(wire.agent(vendor.url, name="writer", verify=judge), "hi")
    assert envelope.text() == TEXT
    assert [attempt.agent for attempt in envelope.metadata.attempts] == ["writer", "judge"]
    assert TEXT in words_of(second.bodies()[0])
    second.pieces = ('{"stands": false, "reason": "Too short."}',)
    envelope = mode(wire.agent(vendor.url, verify=judge, max_verify=2), "hi")
    assert isinstance(envelope.error, VerificationError)
    assert envelope.error.reason == "Too short."
    assert "Too short." in words_of(vendor.bodies()[2])


def test_a_judge_that_fails_lets_nothing_pass(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    def judge(answer: str) -> bool:
        raise KeyError("oops")

    envelope = mode(KINDS["chat"].agent(vendor.url, verify=judge), "hi")
    assert isinstance(envelope.error, VerificationError)
    assert isinstance(envelope.error.__cause__, KeyError)
    assert envelope.metadata.cost_usd
    second.fail(Fault(status=401))
    envelope = mode(KINDS["chat"].agent(vendor.url, verify=KINDS["chat"].agent(second.url)), "hi")
    assert isinstance(envelope.error, AuthenticationError)
    assert envelope.error.partial_text == TEXT
    assert len(envelope.error.attempts) == 2


def test_a_judge_sees_the_object(vendor: FakeVendor) -> None:
    class City(BaseModel):
        name: str

    seen: list[Any] = []
    vendor.pieces = ('{"name": "Paris"}',)
    envelope = KINDS["chat"].agent(vendor.url, output=City, verify=lambda city: seen.append(city))("Where?")
    assert seen == [City(name="Paris")] == [envelope.payload]


def test_a_verified_stream_yields_only_the_answer_that_stands(vendor: FakeVendor) -> None:
    verdicts = iter(["No.", None])
    stream = KINDS["chat"].agent(vendor.url, verify=lambda answer: next(verdicts)).stream("hi")
    assert "".join(chunk.delta for chunk in stream) == TEXT


@pytest.mark.parametrize(
    ("options", "names"),
    [({"verify": "me"}, "no judge"), ({"verify": print, "max_verify": 0}, "max_verify"), ({"gaurd": print}, "guard")],
)
def test_what_cannot_be_is_said_when_the_agent_is_built(
    vendor: FakeVendor, options: dict[str, Any], names: str
) -> None:
    with pytest.raises(ConfigurationError, match=names):
        KINDS["chat"].agent(vendor.url, **options)


def make(vendor: FakeVendor) -> Callable[[], Agent]:
    return lambda: KINDS["chat"].agent(vendor.url)


def test_nobody_to_ask_is_said(vendor: FakeVendor) -> None:
    for build in (lambda: Agent.chain(), lambda: Agent.parallel(), lambda: Agent.chain(make(vendor), "x")):
        with pytest.raises(ConfigurationError):
            build()


def test_a_budget_that_is_exceeded_by_an_inner_agent_is_an_error_of_its_own(vendor: FakeVendor) -> None:
    with Budget("0"):
        assert isinstance(Agent.chain(KINDS["chat"].agent(vendor.url))("hi").error, BudgetExceeded)


def test_a_chain_left_after_its_last_chunk_has_its_answer(vendor: FakeVendor, second: FakeVendor) -> None:
    def chain() -> Any:
        return Agent.chain(KINDS["chat"].agent(vendor.url), KINDS["chat"].agent(second.url))

    with chain().stream("hi") as stream:
        for chunk in stream:
            if chunk.is_final:
                break
    assert stream.envelope is not None
    assert stream.envelope.text() == TEXT
    assert len(stream.envelope.metadata.attempts) == 2

    async def go() -> Any:
        async with chain().stream("hi") as stream:
            async for chunk in stream:
                if chunk.is_final:
                    break
        return stream.envelope

    assert asyncio.run(go()).text() == TEXT


@pytest.mark.parametrize("way", ["call", "run"])
def test_attachments_that_come_one_by_one_reach_every_agent(vendor: FakeVendor, second: FakeVendor, way: str) -> None:
    both = Agent.parallel(KINDS["chat"].agent(vendor.url), KINDS["chat"].agent(second.url))
    images = (picture for picture in [b"\x89PNG\r\n\x1a\n" + bytes(24)])
    both("look", attachments=images) if way == "call" else asyncio.run(both.run("look", attachments=images))
    assert all("image_url" in str(server.bodies()[0]) for server in (vendor, second))


def test_an_envelope_that_a_tool_returns_is_its_answer(vendor: FakeVendor, second: FakeVendor, mode: Mode) -> None:
    second.pieces = ("Paris.",)
    inner = KINDS["chat"].agent(second.url, max_retries=0)

    def look(word: str) -> Any:
        return Agent.parallel(inner, inner)(word) if word == "both" else inner(word)

    for word, said in (("one", "Paris."), ("both", '["Paris.","Paris."]')):
        vendor.tool_call = {"name": "look", "arguments": {"word": word}}
        assert mode(KINDS["chat"].agent(vendor.url, tools=[look]), "go").ok
        assert vendor.bodies()[-1]["messages"][-1]["content"] == said
    second.fail(Fault(status=401))
    vendor.tool_call = {"name": "look", "arguments": {"word": "one"}}
    assert mode(KINDS["chat"].agent(vendor.url, tools=[look]), "go").ok
    assert "AuthenticationError" in vendor.bodies()[-1]["messages"][-1]["content"]


def test_pictures_of_agents_side_by_side_reach_who_asked_them(vendor: FakeVendor) -> None:
    from lazybridge.core.types import CompletionRequest, CompletionResponse

    class Draws:
        def run(self, request: CompletionRequest) -> CompletionResponse:
            return CompletionResponse("Here.", media=(ImageContent(data=b"\x89PNG\r\n\x1a\n" + bytes(24)),))

    vendor.tool_call = {"name": "artists", "arguments": {"task": "a dot"}}
    artists = Agent.parallel(Agent(engine=Draws()), Agent(engine=Draws()), name="artists")
    assert KINDS["messages"].agent(vendor.url, tools=[artists])("go").ok
    assert str(vendor.bodies()[1]).count("'type': 'image'") == 2
