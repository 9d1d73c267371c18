"""Engines of one's own, in all four modes; and that the built-in one is an engine as well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from lazybridge import (
    Agent,
    ConfigurationError,
    Engine,
    Envelope,
    EnvelopeMetadata,
    GuardError,
    LazyBridgeError,
    LLMEngine,
    Memory,
    StructuredOutputError,
    UnsupportedFeatureError,
    VerificationError,
)
from lazybridge.core.errors import AuthenticationError, ProviderTimeoutError
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk, UsageStats
from tests.conftest import KINDS
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode


class Hours:
    """Knows one thing."""

    def run(self, request: CompletionRequest) -> str:
        return f"We open at 9. You asked: {request.messages[-1].text}"


class Later:
    async def run(self, request: CompletionRequest) -> CompletionResponse:
        await asyncio.sleep(0)
        return CompletionResponse("Soon.", model="oracle", usage=UsageStats(3, 2, cost_usd=0.25))


class Twins:
    def run(self, request: CompletionRequest) -> str:
        return "plain"

    async def arun(self, request: CompletionRequest) -> str:
        return "plain"


class Whole:
    def run(self, request: CompletionRequest) -> Envelope[Any]:
        meta = EnvelopeMetadata(model="m", provider="p", usage=UsageStats(1, 1))
        return Envelope(meta, CompletionResponse("whole"), None, {"an": "object"})


def test_a_text_is_an_answer(mode: Mode) -> None:
    envelope = mode(Agent(engine=Hours()), "When?")
    assert envelope.text() == envelope.payload == "We open at 9. You asked: When?"
    assert (envelope.metadata.provider, envelope.metadata.cost_usd) == ("Hours", 0)


def test_a_response_has_its_cost(mode: Mode) -> None:
    envelope = mode(Agent(engine=Later()), "When?")
    assert envelope.text() == "Soon."
    assert (envelope.metadata.cost_usd, envelope.metadata.input_tokens, envelope.metadata.model) == (0.25, 3, "oracle")
    chained = mode(Agent.chain(Agent(engine=Later()), Agent(engine=Later())), "When?")  # type: ignore[arg-type]
    assert chained.metadata.cost_usd == 0.5


def test_both_twins_answer(mode: Mode) -> None:
    assert mode(Agent(engine=Twins()), "hi").text() == "plain"


def test_an_envelope_is_an_answer(mode: Mode) -> None:
    assert mode(Agent(engine=Whole()), "hi").payload == {"an": "object"}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_engine_may_stream(mode: Mode, asynchronous: bool) -> None:
    pieces = ["We ", "open ", "at 9."]

    class Plain(Hours):
        def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
            yield from map(StreamChunk, pieces)
            yield CompletionResponse("".join(pieces), stop_reason="end_turn").final_chunk()

    class Asynchronous(Hours):
        async def stream(self, request: CompletionRequest) -> AsyncIterator[StreamChunk]:
            for piece in pieces:
                await asyncio.sleep(0)
                yield StreamChunk(piece)
            yield CompletionResponse("".join(pieces), stop_reason="end_turn").final_chunk()

    agent = Agent(engine=Asynchronous() if asynchronous else Plain())
    assert mode(agent, "x").text().startswith("We open at 9.")
    assert [chunk.delta for chunk in agent.stream("x")] == [*pieces, ""]


def test_a_stream_without_an_end_is_truncated() -> None:
    class Endless(Hours):
        def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
            yield StreamChunk("We")

    with pytest.raises(LazyBridgeError, match="final chunk"):
        list(Agent(engine=Endless()).stream("x"))


def test_an_engine_may_ask_others_and_their_cost_counts(vendor: FakeVendor, mode: Mode) -> None:
    inner = KINDS["messages"].agent(vendor.url, name="inner")

    class Twice:
        async def run(self, request: CompletionRequest) -> Envelope[Any]:
            await inner.run("first")
            return await inner.run(list(request.messages))

    envelope = mode(Agent(engine=Twice()), "hi")
    assert envelope.text() == TEXT
    assert [attempt.agent for attempt in envelope.metadata.attempts] == ["inner", "inner"]
    assert envelope.metadata.input_tokens == 40


def test_its_errors_are_the_envelopes_and_others_are_its_bugs(vendor: FakeVendor, mode: Mode) -> None:
    vendor.fail(Fault(status=401))
    inner = KINDS["chat"].agent(vendor.url)

    class Fails:
        async def run(self, request: CompletionRequest) -> str:
            return (await inner.run("hi")).text()

    envelope = mode(Agent(engine=Fails()), "hi")
    assert isinstance(envelope.error, AuthenticationError)
    assert len(envelope.metadata.attempts) == 1

    class Wrong:
        def run(self, request: CompletionRequest) -> int:
            return 5

    with pytest.raises(TypeError, match=r"Wrong\.run"):
        Agent(engine=Wrong())("hi")  # type: ignore[arg-type]


def test_settings_attachments_and_conversations_reach_it() -> None:
    seen: list[CompletionRequest] = []

    class Keeps:
        def run(self, request: CompletionRequest) -> str:
            seen.append(request)
            return "ok"

    agent = Agent(engine=Keeps())
    agent([{"role": "user", "content": "a"}], attachments=[b"\x89PNG\r\n\x1a\n" + bytes(9)], temperature=0)
    assert (seen[0].temperature, len(seen[0].messages)) == (0, 2)
    with pytest.raises(ConfigurationError, match="temperature"):
        agent("hi", temprature=0)  # type: ignore[call-arg]
    with agent:
        pass


def test_guards_and_judges_hold_for_it(mode: Mode) -> None:
    def no(text: str) -> bool:
        return "9" not in text

    assert isinstance(mode(Agent(engine=Hours(), guard=no), "When?").error, GuardError)
    asked: list[str] = []
    envelope = mode(Agent(engine=Hours(), verify=lambda answer: asked.append(answer) or (len(asked) > 1)), "When?")
    assert "does not stand" in envelope.text()


def test_an_asynchronous_engine_is_bound_by_the_time() -> None:
    class Slow:
        async def run(self, request: CompletionRequest) -> str:
            await asyncio.sleep(20)
            return ""

    envelope = asyncio.run(Agent(engine=Slow()).run("x", timeout=0.2))
    assert isinstance(envelope.error, ProviderTimeoutError)


def test_it_is_a_tool(vendor: FakeVendor, mode: Mode) -> None:
    vendor.tool_call = {"name": "hours", "arguments": {"task": "When?"}}
    tool = Agent(engine=Hours()).as_tool(name="hours", description="When the shop is open.")
    assert mode(KINDS["chat"].agent(vendor.url, tools=[tool]), "go").ok
    assert "We open at 9." in str(vendor.bodies()[1])


def test_what_is_the_built_in_engines_alone_is_said() -> None:
    for method in ("estimate", "dry_run", "count_tokens"):
        with pytest.raises(UnsupportedFeatureError, match="Hours"):
            getattr(Agent(engine=Hours()), method)("hi")


def test_the_built_in_engine_is_one() -> None:
    assert isinstance(LLMEngine("gpt-4.1-mini", api_key="k"), Engine)
    assert isinstance(Hours(), Engine)
    for wrong in (object(), Hours, "engine", Agent(engine=Hours())):
        with pytest.raises(ConfigurationError, match="no engine"):
            Agent(engine=wrong)  # type: ignore[arg-type]
    assert repr(Agent(engine=Hours())) == "Agent(engine=Hours)"


class Bare:
    """Gives an envelope with a payload and nothing else."""

    def __init__(self, payload: Any) -> None:
        self.payload = payload

    def run(self, request: CompletionRequest) -> Envelope[Any]:
        return Envelope(EnvelopeMetadata(), None, None, self.payload)


def test_an_answer_of_a_payload_alone_is_guarded_judged_and_streamed(mode: Mode) -> None:
    assert mode(Agent(engine=Bare("a word")), "x").text() == "a word"
    assert isinstance(
        mode(Agent(engine=Bare("a secret"), guard=lambda text: "secret" not in text), "x").error, GuardError
    )
    assert isinstance(mode(Agent(engine=Bare("a word"), verify=lambda answer: False), "x").error, VerificationError)
    judge = Agent(engine=Bare({"stands": False, "reason": "too short"}))
    error = mode(Agent(engine=Hours(), verify=judge, max_verify=1), "x").error
    assert isinstance(error, VerificationError)
    assert error.reason == "too short"
    assert mode(Agent(engine=Bare({"an": "object"}), guard=lambda text: None), "x").payload == {"an": "object"}
    assert "".join(chunk.delta for chunk in Agent(engine=Bare("a word")).stream("x")) == "a word"


def test_one_call_may_have_a_type_of_its_own(mode: Mode) -> None:
    class Counts:
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def run(self, request: CompletionRequest) -> Any:
            assert request.output_schema is not None
            return self.answer

    def typed(agent: Agent[Any], task: str) -> Envelope[Any]:
        class Typed:
            def __call__(self, task: str) -> Envelope[Any]:
                return agent(task, output=int)

            async def run(self, task: str) -> Envelope[Any]:
                return await agent.run(task, output=int)

            def stream(self, task: str) -> Any:
                return agent.stream(task, output=int)

        return mode(Typed(), task)  # type: ignore[arg-type]

    assert typed(Agent(engine=Counts('{"value": 5}')), "x").payload == 5
    assert typed(Agent(engine=Counts(CompletionResponse("5", parsed=7))), "x").payload == 7
    assert typed(Agent(engine=Bare(8)), "x").payload == 8
    assert isinstance(typed(Agent(engine=Counts("five")), "x").error, StructuredOutputError)


def test_a_chat_with_it_remembers(vendor: FakeVendor) -> None:
    class Counts:
        def run(self, request: CompletionRequest) -> str:
            return f"{len(request.messages)} messages"

    chat = Agent(engine=Counts()).chat(memory=Memory(tokens=1000))
    assert chat("a").text() == "1 messages"
    assert "".join(chunk.delta for chunk in chat.stream("b")) == "3 messages"
    assert [message.text for message in chat.messages] == ["a", "1 messages", "b", "3 messages"]
    chat.move_to(KINDS["chat"].agent(vendor.url))
    assert chat("c").text() == TEXT
    assert len(vendor.bodies()[0]["messages"]) == 5
    chat.move_to(Agent(engine=Counts()))
    assert chat("d").text() == "7 messages"


def test_the_messages_of_an_agent_that_it_asks_are_its_own_business(vendor: FakeVendor, mode: Mode) -> None:
    inner = KINDS["chat"].agent(vendor.url)

    class Asks:
        async def run(self, request: CompletionRequest) -> Envelope[Any]:
            return await inner.run("something else")

    envelope = mode(Agent(engine=Asks()), "hi")
    assert [message.text for message in envelope.messages] == ["hi", TEXT]


def test_an_answer_that_comes_too_late_is_none(mode: Mode) -> None:
    class Slow:
        def run(self, request: CompletionRequest) -> str:
            time.sleep(0.3)
            return "late"

    class Asks:
        """The inner call has the time of the outer one."""

        def run(self, request: CompletionRequest) -> str:
            return Agent(engine=Slow())(list(request.messages), timeout=0.1).text()

    assert isinstance(mode(Agent(engine=Asks()), "x").error, ProviderTimeoutError)
