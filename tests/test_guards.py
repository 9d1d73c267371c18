"""Guards before and after a call, over real SDKs and a loopback vendor."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from lazybridge import Agent, ConfigurationError, GuardError, ModelManager
from lazybridge.core.types import CompletionResponse, Message
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_astream, by_stream


@pytest.fixture(params=["responses", "chat", "messages"])
def wire(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def no_secret(text: str) -> str | None:
    if "secret" in text:
        raise ValueError("it names a secret")
    return text.replace("fake", "kind") if "fake" in text else None


async def anoyance(text: str) -> str | None:
    await asyncio.sleep(0)
    return no_secret(text)


@pytest.mark.parametrize("guard", [no_secret, anoyance])
def test_a_guard_may_change_both_sides(vendor: FakeVendor, wire: Kind, mode: Mode, guard: Any) -> None:
    envelope = mode(wire.agent(vendor.url, guard=guard), "a fake question")
    assert envelope.text() == envelope.payload == TEXT.replace("fake", "kind")
    assert "a kind question" in str(vendor.bodies()[0])
    assert "fake question" not in str(vendor.bodies()[0])
    assert envelope.metadata.cost_usd


@pytest.mark.parametrize("guard", [no_secret, anoyance, [str.upper, no_secret, lambda text: "SECRET" not in text]])
def test_a_blocked_input_sends_nothing(vendor: FakeVendor, mode: Mode, guard: Any) -> None:
    envelope = mode(KINDS["chat"].agent(vendor.url, guard=guard), "the secret")
    assert isinstance(envelope.error, GuardError)
    assert "input was blocked" in str(envelope.error)
    assert vendor.requests == []
    assert envelope.metadata.cost_usd == 0


def test_the_reason_of_a_guard_is_told(vendor: FakeVendor) -> None:
    error = KINDS["chat"].agent(vendor.url, guard=no_secret)("the secret").error
    assert "no_secret" in str(error)
    assert "it names a secret" in str(error)
    assert error is not None
    assert isinstance(error.__cause__, ValueError)


def test_a_blocked_output_is_withheld_and_paid(vendor: FakeVendor, wire: Kind, mode: Mode) -> None:
    vendor.pieces = ("the ", "secret ", "is 42")
    envelope = mode(wire.agent(vendor.url, guard=no_secret), "hi")
    assert isinstance(envelope.error, GuardError)
    assert "output was blocked" in str(envelope.error)
    assert "42" not in repr(envelope) + repr(envelope.error) + envelope.error.partial_text
    assert envelope.response is None
    assert envelope.metadata.cost_usd
    assert len(envelope.error.attempts) == len(envelope.metadata.attempts) == 1


def test_a_guarded_stream_hands_out_only_what_passed(vendor: FakeVendor) -> None:
    agent = KINDS["messages"].agent(vendor.url, guard=no_secret)
    chunks = list(agent.stream("hi"))
    assert "".join(chunk.delta for chunk in chunks) == TEXT.replace("fake", "kind")
    assert [chunk.is_final for chunk in chunks].count(True) == 1
    vendor.pieces = ("the ", "secret")
    got: list[str] = []
    with pytest.raises(GuardError):
        got.extend(chunk.delta for chunk in agent.stream("hi"))
    assert got == []
    assert vendor.bodies()[-1]["stream"] is True


class Sides:
    """A guard of messages and responses."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def input(self, messages: tuple[Message, ...]) -> list[Message]:
        self.seen.append(messages)
        return [*messages, Message.user("Be polite.")]

    async def output(self, response: CompletionResponse) -> str:
        self.seen.append(response)
        return response.content.upper()


def test_an_object_guards_messages_and_responses(vendor: FakeVendor, wire: Kind, mode: Mode) -> None:
    guard = Sides()
    envelope = mode(wire.agent(vendor.url, guard=guard), "hi")
    assert envelope.text() == TEXT.upper()
    assert "Be polite." in str(vendor.bodies()[0])
    assert guard.seen[0][0].text == "hi"
    assert guard.seen[1].model == wire.model


def test_a_guard_of_the_input_alone_lets_a_stream_flow(vendor: FakeVendor) -> None:
    class Polite:
        def input(self, messages: Any) -> None:
            return None

    chunks = list(KINDS["chat"].agent(vendor.url, guard=Polite()).stream("hi"))
    assert len([chunk for chunk in chunks if chunk.delta]) == 4


@pytest.mark.parametrize("says", [5, object(), b"x", []])
def test_a_guard_that_says_nonsense_blocks(vendor: FakeVendor, mode: Mode, says: Any) -> None:
    class Odd:
        def input(self, messages: Any) -> Any:
            return says

    class OddAfter:
        def output(self, response: Any) -> Any:
            return says

    for guard in (lambda text: says, Odd(), OddAfter()):
        assert isinstance(mode(KINDS["chat"].agent(vendor.url, guard=guard), "hi").error, GuardError)


def test_every_text_of_a_conversation_is_seen(vendor: FakeVendor) -> None:
    seen: list[str] = []
    history = [
        Message.user("a"),
        Message.assistant("b"),
        Message.user(["c"], attachments=[b"\x89PNG\r\n\x1a\n" + bytes(9)]),
    ]
    KINDS["chat"].agent(vendor.url, guard=lambda text: seen.append(text))(history)
    assert seen == ["a", "b", "c", TEXT]
    assert "image_url" in str(vendor.bodies()[0])


def test_an_object_that_a_guard_changed_is_read_again(vendor: FakeVendor, mode: Mode) -> None:
    class City(BaseModel):
        name: str

    vendor.pieces = ('{"name": "Paris"}',)
    agent = KINDS["chat"].agent(vendor.url, output=City, guard=lambda text: text.replace("Paris", "Rome"))
    assert mode(agent, "Where?").payload == City(name="Rome")


def test_what_does_not_fit_is_guarded_as_well(vendor: FakeVendor, mode: Mode) -> None:
    class City(BaseModel):
        name: str

    vendor.pieces = ("the secret is 42",)
    envelope = mode(KINDS["chat"].agent(vendor.url, output=City, guard=no_secret), "Where?")
    assert isinstance(envelope.error, GuardError)
    assert "42" not in str(envelope.error)
    assert envelope.metadata.cost_usd


@pytest.mark.parametrize("mode", [by_stream, by_astream])
def test_a_stream_that_breaks_off_keeps_its_words_to_itself(vendor: FakeVendor, mode: Mode) -> None:
    vendor.fail(*[Fault(end_after=3)] * 3)
    envelope = mode(KINDS["chat"].agent(vendor.url, guard=no_secret, max_retries=0), "hi")
    assert envelope.error is not None
    assert envelope.error.partial_text == ""


def test_what_an_agent_costs_that_guards_is_counted(vendor: FakeVendor, mode: Mode) -> None:
    judge = KINDS["messages"].agent(vendor.url, name="moderator")

    async def moderated(text: str) -> bool:
        return (await judge.run(f"Is this harmless? {text}")).ok

    envelope = mode(KINDS["chat"].agent(vendor.url, name="answerer", guard=moderated), "hi")
    assert [attempt.agent for attempt in envelope.metadata.attempts] == ["moderator", "answerer", "moderator"]
    assert envelope.metadata.input_tokens == 60


def test_a_guard_is_bound_by_the_time_of_the_call(vendor: FakeVendor) -> None:
    async def slow(text: str) -> None:
        await asyncio.sleep(20)

    envelope = asyncio.run(KINDS["chat"].agent(vendor.url, guard=slow, timeout=0.3).run("hi"))
    assert "timeout=0.3" in str(envelope.error)
    assert vendor.requests == []


def test_an_answer_is_guarded_before_it_is_judged(vendor: FakeVendor, mode: Mode) -> None:
    seen: list[str] = []
    agent = KINDS["chat"].agent(vendor.url, guard=no_secret, verify=lambda answer: seen.append(answer))
    assert mode(agent, "hi").ok
    assert seen == [TEXT.replace("fake", "kind")]


@pytest.mark.parametrize("guard", ["text", 5, [no_secret, None], Sides])
def test_what_is_no_guard_is_said_when_the_agent_is_built(vendor: FakeVendor, guard: Any) -> None:
    with pytest.raises(ConfigurationError, match="no guard"):
        Agent("gpt-4.1-mini", api_key="k", guard=guard)


# --- together with conversations ------------------------------------------------------------------------------------------


def test_what_a_guard_changed_is_what_the_conversation_says(vendor: FakeVendor, wire: Kind, mode: Mode) -> None:
    envelope = mode(wire.agent(vendor.url, guard=no_secret), "a fake")
    assert [message.text for message in envelope.messages] == ["a kind", TEXT.replace("fake", "kind")]
    chat = wire.agent(vendor.url, guard=lambda text: text.replace("vendor", "friend")).chat()
    chat("hi")
    chat("and then?")
    assert "vendor" not in str([message.text for message in chat.messages])
    assert "vendor" not in str(vendor.bodies()[-1])


@pytest.mark.parametrize("ask", ["call", "stream"])
def test_what_a_guard_adds_is_said_once_in_a_chat(vendor: FakeVendor, ask: str) -> None:
    class Polite:
        def input(self, messages: tuple[Message, ...]) -> list[Message]:
            return [Message.user("Be polite."), *messages]

    chat = KINDS["chat"].agent(vendor.url, guard=Polite()).chat()
    for question in ("one", "two"):
        chat(question) if ask == "call" else list(chat.stream(question))
    said = [message["content"] for message in vendor.bodies()[1]["messages"]]
    assert said == ["Be polite.", "one", TEXT, "two"]
    assert [message.text for message in chat.messages] == ["one", TEXT, "two", TEXT]


def test_words_that_no_guard_has_seen_stay_out_of_a_failures_messages(vendor: FakeVendor, mode: Mode) -> None:
    vendor.tool_call = {"name": "look", "arguments": {}}

    def look() -> str:
        return "a find"

    agent = KINDS["chat"].agent(vendor.url, tools=[look], guard=no_secret, max_turns=1)
    envelope = mode(agent, "hi")
    assert not envelope.ok
    assert [message.text for message in envelope.messages] == ["hi"]


def test_a_guarded_stream_that_is_left_after_its_last_chunk_has_its_answer(vendor: FakeVendor) -> None:
    class Polite:
        def input(self, messages: Any) -> None:
            return None

    with KINDS["chat"].agent(vendor.url, guard=Polite()).stream("hi") as stream:
        for chunk in stream:
            if chunk.is_final:
                break
    assert stream.envelope is not None
    assert stream.envelope.text() == TEXT

    async def go() -> str:
        async with KINDS["chat"].agent(vendor.url, guard=Polite()).stream("hi") as stream:
            async for chunk in stream:
                if chunk.is_final:
                    break
        assert stream.envelope is not None
        return stream.envelope.text()

    assert asyncio.run(go()) == TEXT


def test_an_agent_is_no_guard_but_a_function_may_ask_one(vendor: FakeVendor) -> None:
    agent = KINDS["chat"].agent(vendor.url)
    for guard in (agent, [agent], Agent.chain(agent)):
        with pytest.raises(ConfigurationError, match="may ask an agent"):
            KINDS["chat"].agent(vendor.url, guard=guard)
    with pytest.raises(ConfigurationError, match="no judge"):
        KINDS["chat"].agent(vendor.url, verify=Agent.chain(agent))


def test_what_is_counted_or_estimated_is_guarded_as_well(vendor: FakeVendor) -> None:
    agent = KINDS["messages"].agent(vendor.url, guard=no_secret)
    assert "a kind" in str(agent.dry_run("a fake"))
    for method in (agent.dry_run, agent.estimate, agent.count_tokens):
        with pytest.raises(GuardError, match="secret"):
            method("a secret")
    with pytest.raises(GuardError):
        asyncio.run(KINDS["messages"].agent(vendor.url, guard=anoyance).acount_tokens("a secret"))
    assert vendor.requests == []


async def test_where_guards_and_judges_would_be_lost_they_are_refused(vendor: FakeVendor) -> None:
    class Says:
        def run(self, request: Any) -> str:
            return "x"

    guarded = KINDS["chat"].agent(vendor.url, guard=no_secret)
    judged = KINDS["chat"].agent(vendor.url, verify=lambda answer: None)
    for agent in (guarded, judged):
        with pytest.raises(ConfigurationError, match="fallback"):
            KINDS["chat"].agent(vendor.url, fallback=[agent])
    for agent in (guarded, judged, Agent(engine=Says())):
        with pytest.raises(ConfigurationError, match="which a Model has not"):
            await ModelManager().register("safe", agent)
