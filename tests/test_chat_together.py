"""Chats together with what else an agent has: types, guards, judges, engines, failed tasks, memory. The logic alone, by
ScriptedProvider; the vendors' side of chats is in test_chat.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from lazybridge import Agent, GuardError, Memory, Message, ServerError, ToolCall, ToolDefinition
from lazybridge.core.content import DocumentContent
from lazybridge.core.errors import ContextLengthError
from lazybridge.core.types import CompletionRequest
from lazybridge.testing import ScriptedProvider
from tests.four_ways import Mode


def said(messages: Sequence[Message]) -> list[str]:
    return [message.text for message in messages]


@dataclass
class Point:
    x: int


class Echo:
    """An engine of the user's own."""

    def run(self, request: CompletionRequest) -> str:
        return f"{len(request.messages)}: {request.messages[-1].text}"


# --- types ------------------------------------------------------------------------------------------------------------


def test_one_question_may_have_a_type_of_its_own(mode: Mode) -> None:
    chat = Agent(ScriptedProvider(["hello", {"x": 1}, "bye"])).chat()
    assert mode(chat, "hi").payload == "hello"
    assert mode(chat, "a point?", output=Point).payload == Point(1)
    assert mode(chat, "bye").payload == "bye"
    assert len(chat.messages) == 6


@pytest.mark.parametrize("given", [True, False], ids=["of the agent", "of the question"])
def test_a_chats_stream_has_partial_objects(given: bool) -> None:
    provider = ScriptedProvider([{"x": 1}])
    chat = Agent(provider, output=Point).chat() if given else Agent(provider).chat()
    stream = chat.stream("a point?") if given else chat.stream("a point?", output=Point)
    assert list(stream.partials())[-1] == Point(1)
    assert len(chat.messages) == 2


# --- a task that failed, an engine, a guard, a judge ---------------------------------------------------------------------


def test_the_envelope_of_a_failed_call_is_not_asked(mode: Mode) -> None:
    provider = ScriptedProvider(["never"])
    failed = Agent(ScriptedProvider([ServerError("gone", retryable=False)]))("x")
    chat = Agent(provider).chat()
    envelope = mode(chat, failed)
    assert envelope.error is failed.error
    assert provider.requests == []
    assert (chat.messages, chat.cost_usd) == ((), 0.0)


def test_a_chat_with_an_engine_of_ones_own_remembers(mode: Mode) -> None:
    chat = Agent(engine=Echo()).chat(memory=Memory(tokens=1000))
    assert mode(chat, "a").text() == "1: a"
    envelope = mode(chat, "b")
    assert envelope.text() == "3: b"
    assert said(envelope.messages) == ["a", "1: a", "b", "3: b"] == said(chat.messages)
    chat.move_to(Agent(ScriptedProvider(["c"])))
    assert mode(chat, "and you?").text() == "c"
    chat.move_to(Agent(engine=Echo()))
    assert mode(chat, "d").text() == "7: d"


def test_what_a_guard_has_changed_in_an_answer_is_what_was_said(mode: Mode) -> None:
    provider = ScriptedProvider(["the code is 4711", "fine"])
    chat = Agent(provider, guard=lambda text: text.replace("4711", "####")).chat()
    envelope = mode(chat, "the code?")
    assert envelope.text() == "the code is ####"
    assert said(envelope.messages) == ["the code?", "the code is ####"] == said(chat.messages)
    mode(chat, "thanks")
    assert said(provider.requests[1].messages) == ["the code?", "the code is ####", "thanks"]


def test_messages_that_a_guard_adds_or_leaves_out_are_not_the_conversations(mode: Mode) -> None:
    class Guard:
        def input(self, messages: tuple[Message, ...]) -> list[Message]:
            return [Message.system("Be polite."), messages[-1]]

    provider = ScriptedProvider(["a", "b", "c"])
    chat = Agent(provider, guard=Guard()).chat()
    for question in "123":
        envelope = mode(chat, question)
    assert said(chat.messages) == ["1", "a", "2", "b", "3", "c"] == said(envelope.messages)
    assert said(provider.requests[2].messages) == ["Be polite.", "3"]


def test_a_guard_that_blocks_leaves_the_chat_as_it_was(mode: Mode) -> None:
    chat = Agent(ScriptedProvider(["fine", "secret", "fine"]), guard=lambda text: text != "secret").chat()
    assert mode(chat, "1").ok
    assert isinstance(mode(chat, "2").error, GuardError)
    assert mode(chat, "3").ok
    assert said(chat.messages) == ["1", "fine", "3", "fine"]


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [Memory(turns=1), Memory(tokens=60)], ids=["turns", "tokens"])
def test_a_call_that_failed_forgets_nothing(mode: Mode, memory: Memory) -> None:
    chat = Agent(ScriptedProvider(["a", "b", ServerError("gone", retryable=False), "c"])).chat(memory=memory)
    mode(chat, "1")
    mode(chat, "2")
    before = chat.messages
    assert not mode(chat, "x " * 500).ok
    assert chat.messages == before


def test_a_question_that_is_too_long_loses_no_conversation() -> None:
    provider = ScriptedProvider(["a", ContextLengthError("too long", retryable=False), "c"])
    chat = Agent(provider).chat(memory=Memory(tokens=60))
    chat("My name is Ann.")
    assert not chat("x " * 500).ok
    assert chat("Who am I?").ok
    assert said(chat.messages)[0] == "My name is Ann."


@pytest.mark.parametrize("memory", [Memory(tokens=5), Memory(turns=1)], ids=["tokens", "turns"])
def test_a_call_that_waits_for_its_result_is_not_forgotten(memory: Memory) -> None:
    provider = ScriptedProvider(["hello", ToolCall("1", "look", {}), "done"])
    chat = Agent(provider, tools=[ToolDefinition("look")]).chat(memory=memory)
    chat("Hello, who is there?")
    chat("Please look at what there is to be seen.")
    assert chat([Message.tool("a very long result " * 9, tool_call_id="1")]).ok
    assert [str(message.role) for message in provider.requests[2].messages] == ["user", "assistant", "tool"]


def test_an_empty_summary_forgets_nothing() -> None:
    provider = ScriptedProvider(["a", "b", "c"])
    chat = Agent(provider).chat(memory=Memory(turns=1, summary=Agent(ScriptedProvider(["  "]))))
    chat("1")
    chat("2")
    envelope = chat("3")
    assert said(provider.requests[2].messages) == ["1", "a", "2", "b", "3"]
    assert "summary" in str(envelope.metadata.adjustments[0])


def test_a_summary_has_the_words_of_documents() -> None:
    writer = ScriptedProvider(["it was about 42"])
    chat = Agent(ScriptedProvider(["a", "b", "c"])).chat(memory=Memory(turns=1, summary=Agent(writer)))
    document = DocumentContent(data=b"The plan is 42.", media_type="text/plain")
    chat("Read.", attachments=[document])
    chat("2")
    chat("3")
    assert "The plan is 42." in writer.requests[0].messages[0].text


@pytest.mark.parametrize("wrong", [20, {"turns": 20}, Memory], ids=["number", "dict", "class"])
def test_a_memory_is_a_memory(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"write Memory\(turns=20\)"):
        Agent(ScriptedProvider([])).chat(memory=wrong)


def test_a_summary_is_an_agents() -> None:
    with pytest.raises(TypeError, match="'cheap'"):
        Memory(turns=20, summary="cheap")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [5, Message.user("hi"), {"role": "user", "content": "hi"}], ids=repr)
def test_a_chat_begins_with_messages(wrong: Any) -> None:
    with pytest.raises(TypeError, match="a chat begins with a list of messages"):
        Agent(ScriptedProvider([])).chat(wrong)


def test_a_chat_may_begin_with_an_envelope() -> None:
    agent = Agent(ScriptedProvider(["Rome", "Tiber"]))
    with pytest.raises(TypeError, match=r"envelope\.messages"):
        agent.chat(agent("Name a city."))  # type: ignore[arg-type]
