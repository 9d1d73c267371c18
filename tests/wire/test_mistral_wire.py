"""Mistral's dialect: ids of tool calls, thinking that goes back, roles, and what its answers and errors look like.

Shapes are Mistral's own: recorded answers, made short, and the models of mistralai 3.7.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazybridge.core import catalogue
from lazybridge.core.errors import ProviderError, RateLimitError, StreamTruncated
from lazybridge.core.providers.mistral import WIRE
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, ToolCall
from lazybridge.core.wire import SDKCall
from lazybridge.core.wire import tool_ids as tool_ids_module
from lazybridge.core.wire.tool_ids import short_ids
from tests.wire.requests import QUESTION, WEATHER
from tests.wire.sdk_types import body_errors
from tests.wire.test_replay import RECORDS, folded, records, sse_events

NINE = re.compile(r"[a-zA-Z0-9]{9}")
THOUGHTS = [
    {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "Rome, then. "}, {"type": "reference", "reference_ids": [1]}],
        "signature": "c2ln",
        "closed": True,
    },
    {"type": "text", "text": "I will look."},
]


def sent(*messages: Message, **settings: Any) -> SDKCall:
    request = CompletionRequest(messages or (Message.user("Hi"),), **settings)
    return WIRE.to_sdk_kwargs(request, catalogue.profile("mistral", "mistral-small-2603"), stream=False)


def answer(message: dict[str, Any], finish: str = "stop", **more: Any) -> CompletionResponse:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "tool_calls": None, **message}}
    return WIRE.from_sdk_response({"id": "1", "model": "mistral-small-latest", "choices": [choice], **more})


def streamed(*deltas: dict[str, Any], finish: str = "stop") -> CompletionResponse:
    events = [{"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    last = {"model": "m", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": finish}]}
    return folded(WIRE, [*events, last])


# --- ids of tool calls ------------------------------------------------------------------------------------------------

any_id = st.one_of(
    st.text(max_size=40),
    st.from_regex(NINE, fullmatch=True),
    st.integers(0, 9).map(lambda n: f"call_{n}"),
    st.uuids().map(lambda value: f"toolu_{value.hex}"),
)


@given(st.lists(any_id, max_size=30))
def test_every_id_becomes_one_that_mistral_takes_and_no_two_become_one(ids: list[str]) -> None:
    calls = Message.assistant(tool_calls=[ToolCall(id, "f") for id in ids])
    found = short_ids([calls, *(Message.tool("x", tool_call_id=id) for id in reversed(ids))])
    assert found.keys() == set(ids)
    assert all(NINE.fullmatch(short) for short in found.values())
    assert len(set(found.values())) == len(found)  # so each can be traced back
    assert all(found[id] == id for id in ids if NINE.fullmatch(id))
    assert found == short_ids([calls])


@given(st.lists(any_id, min_size=1, max_size=8, unique=True))
def test_a_result_names_its_call(ids: list[str]) -> None:
    turn = Message.assistant(tool_calls=[ToolCall(id, "f") for id in ids])
    body = sent(QUESTION, turn, *(Message.tool(id, tool_call_id=id) for id in ids)).body
    called = [call["id"] for call in body["messages"][1]["tool_calls"]]
    assert [message["tool_call_id"] for message in body["messages"][2:]] == called


def test_a_hash_that_is_taken_is_not_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_ids_module, "_hashed", lambda id, attempt: f"aaaaaaaa{attempt}")
    ids = ["call_1", "aaaaaaaa0", "call_2"]
    found = short_ids([Message.assistant(tool_calls=[ToolCall(id, "f") for id in ids])])
    assert found == {"aaaaaaaa0": "aaaaaaaa0", "call_1": "aaaaaaaa1", "call_2": "aaaaaaaa2"}


def test_an_id_is_the_same_in_every_request_of_a_conversation() -> None:
    call = Message.assistant(tool_calls=[ToolCall("toolu_01A", "f")])
    first = sent(QUESTION, call, Message.tool("x", tool_call_id="toolu_01A")).body["messages"]
    other = Message.assistant(tool_calls=[ToolCall("toolu_01B", "f")])
    second = sent(
        QUESTION, call, Message.tool("x", tool_call_id="toolu_01A"), other, Message.tool("y", tool_call_id="toolu_01B")
    ).body["messages"]
    assert second[: len(first)] == first


def test_an_id_that_is_the_word_null_is_none() -> None:
    calls = [{"id": "null", "function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    for response in (answer({"content": "", "tool_calls": calls}, "tool_calls"), streamed({"tool_calls": calls})):
        assert [(call.id, call.name) for call in response.tool_calls] == [("call_0", "a"), ("call_1", "b")]


# --- thinking ---------------------------------------------------------------------------------------------------------

CALLS = [{"id": "D681PevKs", "function": {"name": "get_weather", "arguments": '{ "city":"Rome" }'}, "index": 0}]


def next_body(response: CompletionResponse) -> dict[str, Any]:
    results = [Message.tool("Sunny", tool_call_id=call.id) for call in response.tool_calls]
    follow_up = results or [Message.user("Go on")]
    return sent(QUESTION, response.to_message(), *follow_up, tools=(WEATHER,)).body


def test_thinking_goes_back_as_it_came() -> None:
    response = answer({"content": THOUGHTS, "tool_calls": CALLS}, "tool_calls")
    assert (response.content, response.thinking) == ("I will look.", "Rome, then. ")
    body = next_body(response)
    turn = body["messages"][1]
    assert json.dumps(turn["content"]) == json.dumps(THOUGHTS)
    assert turn["tool_calls"][0]["id"] == "D681PevKs"
    assert turn["tool_calls"][0]["function"]["arguments"] == '{ "city":"Rome" }'
    assert body_errors("mistral", body) == []


def test_streamed_thinking_goes_back_whole() -> None:
    def thinking(text: str, **more: Any) -> dict[str, Any]:
        return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}], **more}]}

    response = streamed(
        {"role": "assistant", "content": ""},
        thinking("Rome, "),
        thinking("then. "),
        {"content": [{"type": "thinking", "thinking": THOUGHTS[0]["thinking"][1:]}]},  # type: ignore[index]
        {"content": [{"type": "thinking", "thinking": [], "signature": "c2ln", "closed": True}]},
        {"content": [{"type": "text", "text": "I "}]},
        {"content": "will look."},
        {"tool_calls": CALLS},
        finish="tool_calls",
    )
    assert (response.content, response.thinking) == ("I will look.", "Rome, then. ")
    assert next_body(response)["messages"][1]["content"] == THOUGHTS


def test_a_thought_ends_where_something_else_begins() -> None:
    def thought(text: str, **more: Any) -> dict[str, Any]:
        return {"type": "thinking", "thinking": [{"type": "text", "text": text}], **more}

    response = streamed(
        {"content": [thought("a")]},
        {"content": [thought("b", closed=True)]},  # as recorded: most pieces of one thought are marked
        {"content": [thought("c", closed=True)]},
        {"content": "d"},
        {"content": [thought("e")]},
    )
    assert next_body(response)["messages"][1]["content"] == [
        thought("abc", closed=True),
        {"type": "text", "text": "d"},
        thought("e"),
    ]


def test_a_turn_without_thinking_is_plain_text() -> None:
    for response in (answer({"content": "Hello."}), streamed({"content": "Hel"}, {"content": "lo."})):
        assert response.provider_state is None
        assert next_body(response)["messages"][1] == {"role": "assistant", "content": "Hello."}


def test_an_edited_turn_is_written_anew() -> None:
    message = answer({"content": THOUGHTS}).to_message()
    edited = Message(message.role, "Something else.", provider_state=message.provider_state)
    assert sent(QUESTION, edited, QUESTION).body["messages"][1]["content"] == "Something else."


@pytest.mark.skipif(not RECORDS.is_dir(), reason="recorded traffic is not in this checkout")
def test_recorded_thinking_goes_back_as_it_came() -> None:
    seen = 0
    for record in records("openai_chat", files="mistral"):
        if record["expected"].get("error") or not record["expected"].get("thinking"):
            continue
        seen += 1
        if record["streaming"]:
            response = folded(WIRE, sse_events(record["response_body"]))
            body = next_body(response)
            parts = body["messages"][1]["content"]
            assert [part["type"] for part in parts] == ["thinking", "text"]
            assert parts[0]["thinking"] == [{"type": "text", "text": record["expected"]["thinking"]}]
            assert parts[1]["text"] == record["expected"]["text"]
        else:
            raw = json.loads(record["response_body"])
            body = next_body(WIRE.from_sdk_response(raw))
            assert json.dumps(body["messages"][1]["content"]) == json.dumps(raw["choices"][0]["message"]["content"])
        assert body_errors("mistral", body) == []
    assert seen >= 7


# --- requests ---------------------------------------------------------------------------------------------------------


def test_an_assistants_message_at_the_end_begins_the_answer() -> None:
    body = sent(QUESTION, Message.assistant("It is ")).body
    assert body["messages"][-1] == {"role": "assistant", "content": "It is ", "prefix": True}
    assert body_errors("mistral", body) == []
    body = sent(QUESTION, Message.assistant("It is "), Message.user("?")).body
    assert "prefix" not in body["messages"][1]


def test_the_system_message_comes_first_whereever_it_stood() -> None:
    messages = sent(QUESTION, Message.assistant("?"), Message.system("Be brief."), QUESTION).body["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]


def test_the_turns_of_a_conversation_share_a_cache_key() -> None:
    def key(*messages: Message, **more: Any) -> str:
        key: str = sent(*messages, cache=True, **more).body["prompt_cache_key"]
        return key

    first = key(Message.user("a"), system="Be brief.")
    assert first == key(Message.user("a"), Message.assistant("b"), Message.user("c"), system="Be brief.")
    assert first != key(Message.user("a"), system="Be long.")
    assert "brief" not in first
    assert "prompt_cache_key" not in sent().body
    assert sent(cache=True, extra_body={"prompt_cache_key": "mine"}).body["prompt_cache_key"] == "mine"


def test_the_tier_words_of_mistral_are_sent() -> None:
    assert sent(service_tier="standard_only").body["service_tier"] == "standard_only"


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "expected"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("model_length", "max_tokens"), ("error", "error")],
)
def test_why_it_stopped(word: str, expected: str) -> None:
    assert answer({"content": "Hi"}, word).stop_reason == expected
    assert streamed({"content": "Hi"}, finish=word).stop_reason == expected


def test_calls_that_were_cut_off_say_so() -> None:
    calls = [{"id": "D681PevKs", "function": {"name": "write", "arguments": '{"text": "Once up'}}]
    for response in (
        answer({"content": "", "tool_calls": calls}, "length"),
        streamed({"tool_calls": calls}, finish="length"),
    ):
        assert response.stop_reason == "max_tokens"
        assert response.tool_calls[0].error


def test_arguments_may_be_an_object() -> None:
    calls = [{"id": "D681PevKs", "function": {"name": "f", "arguments": {"a": 1}}}]
    assert answer({"content": "", "tool_calls": calls}, "tool_calls").tool_calls[0].arguments == {"a": 1}


def test_parallel_calls_without_an_index_are_kept_apart_by_their_ids() -> None:
    def piece(id: str | None, name: str, arguments: str) -> dict[str, Any]:
        call: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
        return {"tool_calls": [{"id": id, **call} if id else call]}

    response = streamed(
        piece("aaaaaaaa1", "f", '{"a'),
        piece(None, "", '": 1}'),
        piece("aaaaaaaa2", "f", '{"a": 2}'),
        finish="tool_calls",
    )
    assert [(call.id, call.arguments) for call in response.tool_calls] == [
        ("aaaaaaaa1", {"a": 1}),
        ("aaaaaaaa2", {"a": 2}),
    ]


def test_cached_tokens_by_either_name_and_the_tier_that_served() -> None:
    now = {"prompt_tokens": 64, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 32}}
    usage = answer({"content": "Hi"}, usage={**now, "service_tier": "standard"}).usage
    assert (usage.input_tokens, usage.cached_input_tokens, usage.service_tier) == (64, 32, "standard")
    before = {"prompt_tokens": 64, "completion_tokens": 6, "num_cached_tokens": 32}
    assert answer({"content": "Hi"}, usage=before).usage.cached_input_tokens == 32


def test_an_error_inside_a_200_is_an_error() -> None:
    body = {"object": "error", "message": "Too many requests", "type": "rate_limited", "param": None, "code": "1300"}
    with pytest.raises(RateLimitError, match="Too many"):
        WIRE.from_sdk_response(body)
    state = WIRE.accumulator()
    with pytest.raises(ProviderError):
        state.feed(body)
    with pytest.raises(StreamTruncated):
        state.finish()
