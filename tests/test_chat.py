"""Chats, over real SDKs and a loopback vendor."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lazybridge import (
    Agent,
    Chat,
    ImageContent,
    Memory,
    Message,
    StreamTruncated,
    ToolCall,
    ToolDefinition,
    ToolLoopError,
    messages_to_json,
)
from lazybridge.core.content import DocumentContent
from lazybridge.core.types import ProviderState, Role
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_astream, by_call, by_stream
from tests.strict_vendors import BUILT, StrictVendors


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"


def roles(messages: Any) -> list[str]:
    return [str(message.role) for message in messages]


def texts(messages: Any) -> list[str]:
    return [message.text for message in messages]


# --- remembering ------------------------------------------------------------------------------------------------------


def test_a_chat_remembers_its_turns_and_sums_up_what_they_cost(
    agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor, kind: Kind
) -> None:
    chat = agent(system="Be brief.").chat()
    first, second = mode(chat, "hi"), mode(chat, "and then?")
    assert texts(chat.messages) == ["hi", TEXT, "and then?", TEXT]
    assert roles(chat.messages) == ["user", "assistant", "user", "assistant"]
    assert first.messages == chat.messages[:2]
    assert second.messages == chat.messages
    assert TEXT in str(vendor.bodies()[1])
    assert "and then?" not in str(vendor.bodies()[0])
    assert chat.receipt == first.metadata.receipt + second.metadata.receipt
    assert chat.cost_usd == chat.receipt.cost_usd


def test_tool_turns_are_kept_with_their_calls_and_results(
    agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor
) -> None:
    vendor.tool_call = {"name": "get_weather", "arguments": {"city": "Rome"}}
    chat = agent(tools=[get_weather]).chat()
    envelope = mode(chat, "Weather in Rome?")
    assert envelope.ok
    assert roles(envelope.messages) == ["user", "assistant", "tool", "assistant"]
    assert envelope.messages[1].tool_calls[0].arguments == {"city": "Rome"}
    assert envelope.messages[2].text == "rain in Rome"
    assert chat.messages == envelope.messages
    assert mode(chat, "Thanks").ok
    assert "rain in Rome" in str(vendor.bodies()[-1])


def test_a_history_may_be_kept_by_hand(agent: Callable[..., Agent]) -> None:
    one = agent()
    first = one("hi")
    second = one([*first.messages, Message.user("and then?")])
    assert texts(second.messages) == ["hi", TEXT, "and then?", TEXT]


def test_a_call_that_nobody_here_runs_is_answered_in_the_chat(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "ask_the_user", "arguments": {"what": "name"}}
    with KINDS["messages"].agent(vendor.url, tools=[ToolDefinition("ask_the_user")]) as agent:
        chat = agent.chat()
        (call,) = chat("Who am I?").tool_calls
        assert chat([Message.tool("Ann", tool_call_id=call.id)]).text() == TEXT
        assert roles(chat.messages) == ["user", "assistant", "tool", "assistant"]


def test_a_chat_costs_nothing_per_turn_for_what_was_said_before(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No message of the history is built or checked again: only the new question and the answer are."""
    made = 0
    check = Message.__post_init__

    def counted(message: Message) -> None:
        nonlocal made
        made += 1
        check(message)

    with KINDS["chat"].agent(vendor.url) as agent:
        chat = agent.chat([Message.user("a"), Message.assistant("b")] * 100)
        monkeypatch.setattr(Message, "__post_init__", counted)
        chat("hi")
        assert made == 2
        assert len(chat.messages) == 202


# --- what fails -------------------------------------------------------------------------------------------------------


def test_a_failed_call_leaves_the_chat_as_it_was_and_counts(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    chat = agent(max_retries=0).chat()
    chat("hi")
    before = chat.messages
    vendor.fail(Fault(status=500))
    failed = chat("What?")
    assert not failed.ok
    assert chat.messages == before
    assert texts(failed.messages) == ["hi", TEXT, "What?"]
    assert chat("Again").ok
    assert texts(chat.messages) == ["hi", TEXT, "Again", TEXT]
    assert len(chat.receipt.lines) >= 1


def test_a_call_that_ran_out_of_turns_is_told_in_its_envelope_and_not_kept(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "get_weather", "arguments": {"city": "Rome"}}
    with KINDS["messages"].agent(vendor.url, tools=[get_weather], max_turns=1) as agent:
        chat = agent.chat()
        failed = chat("Weather?")
        assert isinstance(failed.error, ToolLoopError)
        assert chat.messages == ()
        assert chat.cost_usd == failed.metadata.cost_usd
        assert chat.cost_usd


def test_an_answer_of_another_type_is_not_kept(vendor: FakeVendor) -> None:
    class City(BaseModel):
        name: str

    with KINDS["chat"].agent(vendor.url, output=City) as agent:
        chat = agent.chat()
        assert not chat("Which city?").ok
        assert chat.messages == ()


def test_a_stream_that_was_left_is_not_kept_and_counts(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.pieces = ("word ",) * 300
    chat = agent().chat()
    stream = chat.stream("Count")
    for _ in stream:
        break
    assert stream.envelope is not None
    assert isinstance(stream.envelope.error, StreamTruncated)
    assert chat.messages == ()
    assert chat.receipt.status != "exact"
    vendor.pieces = ("done",)
    assert chat("Again").ok
    assert texts(chat.messages) == ["Again", "done"]


async def test_an_async_stream_that_was_left_frees_the_chat(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.pieces = ("word ",) * 300
    one = agent()
    chat = one.chat()
    async with chat.stream("Count") as stream:
        async for _ in stream:
            break
    assert chat.messages == ()
    assert (await chat.run("Again")).ok
    await one.aclose()


def test_one_question_at_a_time(vendor: FakeVendor) -> None:
    with KINDS["chat"].agent(vendor.url) as agent:
        chat = agent.chat()
        stream = chat.stream("hi")
        unused = chat.stream("never asked")
        chunks = iter(stream)
        next(chunks)
        for another in (chat, lambda task: next(iter(chat.stream(task)))):
            with pytest.raises(RuntimeError, match="a question open"):
                another("Me too")
        with pytest.raises(RuntimeError, match="a question open"):
            asyncio.run(chat.run("Me too"))
        with pytest.raises(RuntimeError, match="a question open"):
            chat.move_to(agent)
        stream.close()
        assert chat("Now").ok
        assert unused.envelope is None


def test_a_cancelled_question_frees_the_chat_and_counts(vendor: FakeVendor) -> None:
    vendor.fail(Fault(hang=5))

    async def go() -> Chat:
        async with KINDS["messages"].agent(vendor.url) as agent:
            chat = agent.chat()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(chat.run("hi"), 0.3)
            assert chat.receipt.status == "unknown"
            assert (await chat.run("Again")).ok
            return chat

    assert texts(asyncio.run(go()).messages) == ["Again", TEXT]


def test_threads_do_not_mix_their_questions(vendor: FakeVendor) -> None:
    with KINDS["chat"].agent(vendor.url) as agent:
        chat = agent.chat()
        refused: list[RuntimeError] = []

        def talk() -> None:
            try:
                chat("hi")
            except RuntimeError as error:
                refused.append(error)

        threads = [threading.Thread(target=talk) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert roles(chat.messages) == ["user", "assistant"] * (8 - len(refused))


# --- forgetting -------------------------------------------------------------------------------------------------------


def test_the_last_turns_are_kept_with_their_tools(vendor: FakeVendor) -> None:
    start = [Message.system("Be brief.")]
    for number in range(4):
        call = ToolCall(f"call_{number}", "get_weather", {"city": "Rome"})
        start += [
            Message.user(f"Question {number}"),
            Message.assistant(tool_calls=[call]),
            Message.tool("rain", tool_call_id=call.id),
            Message.assistant("It rains."),
        ]
    with KINDS["chat"].agent(vendor.url, tools=[get_weather]) as agent:
        chat = agent.chat(start, memory=Memory(turns=2))
        assert chat("Question 4").ok
    kept = ["user", "assistant", "tool", "assistant"]
    assert roles(chat.messages) == ["system", *kept, *kept, "user", "assistant"]
    sent = vendor.bodies()[-1]["messages"]
    assert sent[0] == {"role": "system", "content": "Be brief."}
    assert sent[1] == {"role": "user", "content": "Question 2"}
    assert [message["role"] for message in sent] == ["system", *kept, *kept, "user"]


def test_what_does_not_fit_into_the_tokens_is_forgotten(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    chat = agent().chat(memory=Memory(tokens=400))
    for number in range(6):
        assert chat(f"{number} " + "many words " * 60).ok
    assert len(chat.messages) < 12
    assert chat.messages[0].role is Role.USER
    assert chat.messages[-2].text.startswith("5 ")
    assert chat("word " * 2000).ok  # more than all the room: what was before is forgotten
    assert len(chat.messages) == 2


@pytest.mark.parametrize("by", [by_call, by_astream], ids=["call", "astream"])
def test_what_is_forgotten_is_summed_up_and_paid_for(vendor: FakeVendor, by: Mode) -> None:
    with KINDS["messages"].agent(vendor.url) as agent, KINDS["chat"].agent(vendor.url) as cheap:
        chat = agent.chat(memory=Memory(turns=4, summary=cheap))
        cost = 0.0
        for number in range(4):
            cost += by(chat, f"Question {number}").metadata.cost_usd or 0
        assert [request["path"] for request in vendor.requests] == ["/v1/messages"] * 4
        cost += by(chat, "Question 4").metadata.cost_usd or 0
        assert [request["path"] for request in vendor.requests] == ["/v1/messages"] * 5
        cost += by(chat, "Question 5").metadata.cost_usd or 0
        (summary,) = [request for request in vendor.requests if request["path"] == "/v1/chat/completions"]
    assert "user: Question 0" in summary["json"]["messages"][0]["content"]
    assert texts(chat.messages)[0] == f"Summary of the conversation before this:\n{TEXT}"
    assert "Question 0" not in str(chat.messages)
    assert chat.cost_usd is not None
    assert chat.cost_usd > cost  # the summary's, too


def test_a_summary_that_fails_is_said_and_nothing_is_forgotten(vendor: FakeVendor) -> None:
    with KINDS["messages"].agent(vendor.url) as agent, KINDS["chat"].agent(vendor.url, max_retries=0) as cheap:
        chat = agent.chat([Message.user("a"), Message.assistant("b")] * 2, memory=Memory(turns=1, summary=cheap))
        vendor.fail(Fault(status=400))
        envelope = chat("hi")
    assert envelope.ok
    assert "the summary failed" in str(envelope.metadata.adjustments[0])
    assert len(chat.messages) == 6


@pytest.mark.parametrize("wrong", [{"turns": 0}, {"tokens": -1}, {"turns": True}, {"turns": 2.5}])
def test_a_memory_of_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a whole number above 0"):
        Memory(**wrong)


def test_a_summary_without_a_limit_is_refused(vendor: FakeVendor) -> None:
    with KINDS["chat"].agent(vendor.url) as agent, pytest.raises(ValueError, match="turns=20"):
        Memory(summary=agent)


# --- moving and saving ------------------------------------------------------------------------------------------------


def test_files_that_a_vendor_keeps_do_not_move(vendor: FakeVendor) -> None:
    with KINDS["messages"].agent(vendor.url) as claude, KINDS["chat"].agent(vendor.url) as gpt:
        chat = claude.chat()
        chat(Message.user(["Look", DocumentContent(file_id="file_011", media_type="application/pdf")]))
        chat.move_to(gpt)
        moved = chat("And?")
        assert "the file file_011 is kept by anthropic" in str(moved.metadata.adjustments[0])
        assert "file_011" not in str(vendor.bodies()[-1])
        assert "not at hand" in str(vendor.bodies()[-1])


def test_a_chat_is_saved_and_goes_on(vendor: FakeVendor, tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    vendor.tool_call = {"name": "get_weather", "arguments": {"city": "Rome"}}
    with KINDS["messages"].agent(vendor.url, tools=[get_weather]) as agent:
        chat = agent.chat()
        chat("Weather?", attachments=[ImageContent(data=b"\x89PNG\r\n\x1a\n" + bytes(24))])
        chat.save(path)
        again = agent.chat(path)
        assert again.messages == chat.messages
        assert again("And tomorrow?").ok
        chat("And tomorrow?")
        assert vendor.bodies()[-1] == vendor.bodies()[-2]
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_no_chat_is_named(vendor: FakeVendor, tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text("{")
    with KINDS["chat"].agent(vendor.url) as agent:
        with pytest.raises(ValueError, match=r"chat\.json: the conversation is not valid JSON"):
            agent.chat(path)
        with pytest.raises(FileNotFoundError):
            agent.chat(tmp_path / "none.json")
        with pytest.raises(TypeError, match="a message is a Message"):
            agent.chat([3])  # type: ignore[list-item]


# --- what an earlier package did wrong ---------------------------------------------------------------------------------


@pytest.fixture
def strict() -> Iterator[StrictVendors]:
    vendors = StrictVendors()
    yield vendors
    vendors.close()


def talk(strict: StrictVendors, name: str, *, saved: bool = False) -> list[Any]:
    """Two questions with a tool turn each; the bodies that the vendor took."""
    provider, model, path, more = BUILT[name]
    with Agent(
        model, provider=provider, api_key="key-0123456789", base_url=strict.url + path, tools=[get_weather_of], **more
    ) as agent:
        chat = agent.chat()
        assert chat("What is it?").ok, strict.refused
        assert chat("And this?").ok, strict.refused
    assert strict.refused == []
    return [body for _, body in strict.bodies]


def get_weather_of(word: str) -> str:
    """What a word means."""
    return word


get_weather_of.__name__ = "lookup"


def test_claudes_thinking_goes_back_with_its_signature(strict: StrictVendors) -> None:
    bodies = talk(strict, "anthropic")
    blocks = [
        block for message in bodies[-1]["messages"] if message["role"] == "assistant" for block in message["content"]
    ]
    assert [block["type"] for block in blocks].count("thinking") == 3
    assert all(block["signature"] in strict.given for block in blocks if block["type"] == "thinking")


def test_geminis_calls_go_back_with_their_signatures_and_without_a_warning(strict: StrictVendors) -> None:
    bodies = talk(strict, "google")
    signatures = [part.get("thoughtSignature") for content in bodies[-1]["contents"] for part in content["parts"]]
    assert {signature for signature in signatures if signature} == set(list(strict.given)[:3])


def test_deepseeks_thinking_goes_back_in_tool_turns(strict: StrictVendors) -> None:
    bodies = talk(strict, "deepseek")
    said = [message["reasoning_content"] for message in bodies[-1]["messages"] if message["role"] == "assistant"]
    assert said == list(strict.given)[:3]


def test_openais_reasoning_goes_back_and_an_assistants_parts_are_never_input_text(strict: StrictVendors) -> None:
    bodies = talk(strict, "openai")
    assert [item["type"] for item in bodies[-1]["input"] if "type" in item].count("reasoning") == 3
    assistant = Message.assistant(["one ", "two"])
    with Agent("gpt-6-luna", api_key="key-0123456789", base_url=f"{strict.url}/openai/v1") as agent:
        assert agent([Message.user("hi"), assistant, Message.user("go on")]).ok, strict.refused


def test_a_state_that_was_edited_is_not_replayed(vendor: FakeVendor) -> None:
    call = ToolCall("toolu_1", "lookup", {})
    state = ProviderState("anthropic", "messages", ({"type": "text", "text": "secret"},), ("secret", (call,)))
    edited = Message(Role.ASSISTANT, "public", provider_state=state)
    with KINDS["messages"].agent(vendor.url) as agent:
        agent([Message.user("hi"), edited, Message.user("go on")])
    assert "secret" not in messages_to_json([]) + str(vendor.bodies())


# --- real models ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [by_call, by_stream, by_astream], ids=["call", "stream", "astream"])
def test_the_local_model_is_told_what_was_said(model_file: Path, by: Mode) -> None:
    """The prompt's tokens are counted by llama.cpp itself: the second question has the first turn before it."""
    with Agent("local", temperature=0, seed=1, max_tokens=12) as agent:
        chat = agent.chat()
        first, second = by(chat, "My name is Ann."), by(chat, "What is my name?")
    assert first.ok
    assert second.ok
    assert roles(chat.messages) == ["user", "assistant", "user", "assistant"]
    one, two = first.metadata.input_tokens, second.metadata.input_tokens
    assert one is not None
    assert two is not None
    assert two > one + (first.metadata.output_tokens or 0)
    assert chat.cost_usd == 0.0


@pytest.mark.parametrize("wire", ["chat", "responses", "messages"])
def test_llama_cpps_server_takes_a_conversation_from_the_local_model(
    model_file: Path, llama_server: Any, wire: str
) -> None:
    provider = {"messages": "anthropic"}.get(wire, "llamacpp")
    url = llama_server.url if wire == "messages" else f"{llama_server.url}/v1"
    more = {} if wire == "messages" else {"api": wire}
    with (
        Agent("local", temperature=0, seed=1, max_tokens=12) as here,
        Agent("smollm", provider=provider, api_key=llama_server.key, base_url=url, max_tokens=8, **more) as there,
    ):
        call = ToolCall("call_1", "get_weather", {"city": "Rome"})
        turn = [Message.assistant("I look.", tool_calls=[call]), Message.tool("rain", tool_call_id=call.id)]
        chat = here.chat([Message.user("Weather?"), *turn, Message.assistant("It rains.")])
        assert chat("My name is Ann.").ok
        chat.move_to(there)
        moved = chat("What is my name?")
        assert moved.ok, moved.error
        assert (moved.metadata.input_tokens or 0) > 20
        chat.move_to(here)
        assert chat("Again?").ok
        assert len(chat.messages) == 10
