"""Anthropic's Messages API: the rules of a request, and what an answer or a stream says.

Answers and events are built with the SDK's own models (anthropic 2.12), so their shape is the vendor's, not ours.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message as AnthropicMessage
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

from lazybridge.core import catalogue
from lazybridge.core.content import AudioContent, ImageContent, TextContent
from lazybridge.core.errors import InvalidRequestError, OverloadedError, StreamTruncated
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, ProviderState, Role, ToolCall
from lazybridge.core.wire import SDKCall
from lazybridge.core.wire.messages import MessagesWire
from lazybridge.core.wire.messages_answers import MessagesAccumulator
from tests.wire.requests import PNG, QUESTION, TWO_CALLS, WAV, WEATHER

WIRE = MessagesWire()


def sent(model: str = "claude-haiku-5-5", *messages: Message, **settings: Any) -> SDKCall:
    request = CompletionRequest(messages or (Message.user("Hi"),), **settings)
    return WIRE.to_sdk_kwargs(request, catalogue.profile("anthropic", model), stream=False)


def adjusted(call: SDKCall) -> list[str]:
    return [adjustment.parameter for adjustment in call.adjustments]


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-haiku-4-5", "claude-99"])
def test_sampling_and_seed_are_adjusted_also_where_they_are_zero(model: str) -> None:
    call = sent(model, temperature=0, top_p=0, seed=0)
    assert sorted(adjusted(call)) == ["seed", "temperature", "top_p"]
    assert call.body.keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize("choice", ["required", "get_weather"])
def test_a_model_that_cannot_be_made_to_call_a_tool_is_sent_auto(choice: str) -> None:
    call = sent("claude-opus-5-5", tools=(WEATHER,), tool_choice=choice)
    assert call.body["tool_choice"] == {"type": "auto"}
    assert adjusted(call) == ["tool_choice"]


@pytest.mark.parametrize(
    ("choice", "word"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ("get_weather", {"type": "tool", "name": "get_weather"}),
    ],
)
def test_tool_choice_in_the_vendors_words(choice: str, word: dict[str, Any]) -> None:
    call = sent(tools=(WEATHER,), tool_choice=choice)
    assert (call.body["tool_choice"], call.adjustments) == (word, ())


@pytest.mark.parametrize("settings", [{"tool_choice": "required"}, {"parallel_tool_calls": False}])
def test_tool_settings_are_never_sent_without_tools(settings: dict[str, Any]) -> None:
    assert sent(**settings).body.keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize("settings", [{"thinking": False}, {"effort": "none"}])
def test_a_model_that_always_thinks_is_not_told_to_stop(settings: dict[str, Any]) -> None:
    call = sent("claude-opus-5-5", **settings)
    assert "thinking" not in call.body
    assert adjusted(call) == ["thinking"]


@pytest.mark.parametrize(
    ("thinking", "max_tokens", "budget", "adjustments"),
    [
        (2000, 4000, 2000, []),
        (1, 4000, 1024, ["thinking"]),
        (9000, 4000, 3999, ["thinking"]),
        (4000, 4000, 3999, ["thinking"]),
        (1024, 1025, 1024, []),
        (True, 4000, 3999, []),
        (True, None, 8000, []),
        (True, 1024, None, ["thinking"]),
        (5000, 500, None, ["thinking"]),
    ],
)
def test_a_budget_stays_at_least_1024_and_below_max_tokens(
    thinking: bool | int, max_tokens: int | None, budget: int | None, adjustments: list[str]
) -> None:
    call = sent("claude-haiku-4-5", thinking=thinking, max_tokens=max_tokens)
    assert call.body.get("thinking", {}).get("budget_tokens") == budget
    assert adjusted(call) == adjustments


def test_a_model_that_decides_itself_takes_no_budget() -> None:
    call = sent("claude-haiku-5-5", thinking=2000)
    assert call.body["thinking"]["type"] == "adaptive"
    assert adjusted(call) == ["thinking"]


@pytest.mark.parametrize(
    ("model", "expected"), [("claude-haiku-5-5", 128_000), ("claude-haiku-4-5", 64_000), ("claude-99", 64_000)]
)
def test_max_tokens_is_what_the_model_can_write_unless_said(model: str, expected: int) -> None:
    assert sent(model).body["max_tokens"] == expected
    assert sent(model, max_tokens=7).body["max_tokens"] == 7


@pytest.mark.parametrize(
    ("model", "asked", "level"),
    [
        ("claude-haiku-5-5", "xhigh", "xhigh"),
        ("claude-haiku-5-5", "minimal", "low"),
        ("claude-opus-4-6", "xhigh", "high"),
        ("claude-haiku-4-5", "high", None),
        ("claude-99", "minimal", "low"),
        ("claude-99", "max", "max"),
    ],
)
def test_effort_goes_to_the_nearest_level(model: str, asked: Any, level: str | None) -> None:
    call = sent(model, effort=asked)
    assert call.body.get("output_config", {}).get("effort") == level
    assert bool(call.adjustments) is (asked != level)


def test_all_results_of_one_turn_stand_in_one_user_message() -> None:
    call = sent(
        "claude-haiku-5-5",
        QUESTION,
        TWO_CALLS,
        Message.tool("Sunny", tool_call_id="call_1"),
        Message.tool([ImageContent(data=PNG)], tool_call_id="call_2"),
    )
    assert [message["role"] for message in call.body["messages"]] == ["user", "assistant", "user"]
    assert [block["tool_use_id"] for block in call.body["messages"][2]["content"]] == ["call_1", "call_2"]


@pytest.mark.parametrize("content", ["", [TextContent("")]])
def test_a_failure_without_a_word_is_given_some(content: Any) -> None:
    call = sent("claude-haiku-5-5", QUESTION, TWO_CALLS, Message.tool(content, tool_call_id="call_1", is_error=True))
    result, _ = call.body["messages"][2]["content"]
    assert result["is_error"] is True
    assert result["content"] == "the tool failed without a message"


def test_empty_text_blocks_are_not_sent() -> None:
    calling = Message.assistant("", tool_calls=TWO_CALLS.tool_calls[:1])
    call = sent(
        "claude-haiku-5-5",
        Message.user([TextContent("", cache=True), "Look"]),
        calling,
        Message.tool("x", tool_call_id="call_1"),
    )
    assert call.body["messages"][0]["content"] == [{"type": "text", "text": "Look"}]
    assert [block["type"] for block in call.body["messages"][1]["content"]] == ["tool_use"]


def test_an_empty_turn_of_the_model_is_not_sent() -> None:
    call = sent("claude-haiku-5-5", Message.user("Hi"), Message.assistant(""), Message.user("Hello?"))
    texts = [{"type": "text", "text": text} for text in ("Hi", "Hello?")]
    assert call.body["messages"] == [{"role": "user", "content": texts}]


def test_the_vendors_own_empty_text_blocks_are_not_replayed() -> None:
    items = ({"type": "text", "text": ""}, {"type": "thinking", "thinking": "", "signature": "Eq=="})
    turn = Message(Role.ASSISTANT, "", provider_state=ProviderState("anthropic", "messages", items))
    call = sent("claude-haiku-5-5", Message.user("Hi"), turn, Message.user("Go on"))
    assert call.body["messages"][1]["content"] == [items[1]]


def test_audio_is_left_out_and_said() -> None:
    call = sent("claude-haiku-5-5", Message.user(["Listen", AudioContent(data=WAV)]))
    assert call.body["messages"][0]["content"] == [{"type": "text", "text": "Listen"}]
    assert adjusted(call) == ["audio"]


@pytest.mark.parametrize(
    ("cache", "control"), [(True, {"type": "ephemeral"}), ("1h", {"type": "ephemeral", "ttl": "1h"}), (False, None)]
)
def test_caching_is_asked_for_on_the_request_or_on_a_block(cache: Any, control: dict[str, str] | None) -> None:
    assert sent(cache=cache).body.get("cache_control") == control
    block = sent("claude-haiku-5-5", Message.user([TextContent("Long", cache=cache)])).body["messages"][0]["content"][0]
    assert block.get("cache_control") == control


def test_metadata_beyond_the_user_and_other_vendors_tiers_are_adjusted() -> None:
    call = sent(metadata={"user_id": "u", "run": "7"}, service_tier="flex")
    assert call.body["metadata"] == {"user_id": "u"}
    assert adjusted(call) == ["metadata", "service_tier"]


# --- whole answers ----------------------------------------------------------------------------------------------------

USAGE = {"input_tokens": 5, "output_tokens": 7}


def answer(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A `message` as the SDK's model writes it."""
    raw = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "content": list(content),
        "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE, **fields,
    }  # fmt: skip
    whole: dict[str, Any] = json.loads(AnthropicMessage.model_validate(raw).model_dump_json(exclude_unset=True))
    return whole


TEXT = {"type": "text", "text": "Rome", "citations": None}
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "Eq=="}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"cities": ["Rome"]}}


def test_text_thinking_calls_and_model_are_read() -> None:
    response = WIRE.from_sdk_response(answer(THINKING, TEXT, CALL, stop_reason="tool_use"))
    assert (response.content, response.thinking, response.stop_reason) == ("Rome", "Hm.", "tool_use")
    assert response.tool_calls == [ToolCall("toolu_1", "look", {"cities": ["Rome"]})]
    assert response.model == "claude-haiku-5-5"


def test_cached_input_is_part_of_the_input() -> None:
    raw = answer(
        TEXT,
        usage={
            "input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 30, "output_tokens": 9,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "output_tokens_details": {"thinking_tokens": 4},
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}, "service_tier": "standard",
        },
    )  # fmt: skip
    usage = WIRE.from_sdk_response(raw).usage
    assert (usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens) == (135, 100, 30)
    assert (usage.cache_write_1h_tokens, usage.output_tokens, usage.thinking_tokens) == (20, 9, 4)
    assert (usage.web_searches, usage.service_tier) == (2, "standard")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "end_turn"), ("max_tokens", "max_tokens"), ("stop_sequence", "stop_sequence"), ("tool_use", "tool_use"),
        ("pause_turn", "pause_turn"), ("refusal", "refusal"), ("model_context_window_exceeded", "max_tokens"),
    ],
)  # fmt: skip
def test_stop_reasons(word: str, reason: str) -> None:
    assert WIRE.from_sdk_response(answer(TEXT, stop_reason=word)).stop_reason == reason


def test_an_unknown_stop_reason_is_loud_and_unknown() -> None:
    with pytest.warns(UserWarning, match="boredom"):
        assert WIRE.from_sdk_response({**answer(TEXT), "stop_reason": "boredom"}).stop_reason is None


def test_an_error_in_a_whole_answer_is_raised() -> None:
    with pytest.raises(OverloadedError, match="Overloaded"):
        WIRE.from_sdk_response({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


def test_a_tool_that_changes_its_arguments_does_not_change_what_is_replayed() -> None:
    response = WIRE.from_sdk_response(answer(CALL, stop_reason="tool_use"))
    response.tool_calls[0].arguments["cities"].append("Oslo")
    call = sent("claude-haiku-5-5", QUESTION, response.to_message(), Message.tool("x", tool_call_id="toolu_1"))
    assert call.body["messages"][1]["content"] == [CALL]


def test_the_raw_json_is_left_as_it_came() -> None:
    raw = answer(THINKING, TEXT, CALL)
    before = json.dumps(raw)
    WIRE.from_sdk_response(raw).tool_calls[0].arguments["cities"].append("Oslo")
    assert json.dumps(raw) == before


# --- streams ----------------------------------------------------------------------------------------------------------

EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def event(type: str, **fields: Any) -> dict[str, Any]:
    """A stream event as the SDK's models write it."""
    whole: dict[str, Any] = json.loads(
        EVENTS.dump_json(EVENTS.validate_python({"type": type, **fields}), exclude_unset=True)
    )
    return whole


def start(**usage: Any) -> dict[str, Any]:
    message = {**answer(), "stop_reason": None, "usage": {"input_tokens": 5, "output_tokens": 1, **usage}}
    return event("message_start", message=message)


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        event("content_block_start", index=index, content_block=content),
        *(event("content_block_delta", index=index, delta=delta) for delta in deltas),
        event("content_block_stop", index=index),
    ]


def end(stop_reason: str = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return [event("message_delta", delta=delta, usage={"output_tokens": 7, **usage}), event("message_stop")]


def text_deltas(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "text_delta", "text": text} for text in texts]


def input_deltas(*pieces: str) -> list[dict[str, Any]]:
    return [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


EMPTY_TEXT = {"type": "text", "text": "", "citations": None}
EMPTY_CALL = {**CALL, "input": {}}


def folded(*events: dict[str, Any]) -> CompletionResponse:
    state = WIRE.accumulator()
    for item in events:
        state.feed(item)
    return state.finish()


def test_pieces_are_handed_out_as_they_come() -> None:
    state = WIRE.accumulator()
    thinking = block(
        0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "Hm."}
    )
    events = [start(), {"type": "ping"}, *thinking, *block(1, EMPTY_TEXT, *text_deltas("Ro", "me")), *end()]
    pieces = [piece for item in events if (piece := state.feed(item))]
    assert [(piece.thinking_delta, piece.delta, piece.model) for piece in pieces] == [
        ("Hm.", "", "claude-haiku-5-5"),
        ("", "Ro", "claude-haiku-5-5"),
        ("", "me", "claude-haiku-5-5"),
    ]
    assert state.done is True
    assert (state.finish().content, state.finish().thinking) == ("Rome", "Hm.")


def test_the_usage_of_message_delta_overrides_that_of_message_start() -> None:
    response = folded(
        start(cache_read_input_tokens=10, service_tier="standard"),
        *block(0, EMPTY_TEXT, *text_deltas("x")),
        *end(input_tokens=50, output_tokens=9, cache_read_input_tokens=None),
    )
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens) == (60, 9, 10)
    assert usage.service_tier == "standard"


def test_a_signature_is_kept_also_where_the_thinking_is_empty() -> None:
    signature = {"type": "signature_delta", "signature": "Eq=="}
    response = folded(start(), *block(0, {"type": "thinking", "thinking": "", "signature": ""}, signature), *end())
    assert response.provider_state is not None
    assert response.provider_state.items == ({"type": "thinking", "thinking": "", "signature": "Eq=="},)


def test_the_pieces_of_a_tool_input_are_one_object() -> None:
    pieces = input_deltas("", '{"cit', 'ies": ["Rome"]}')
    response = folded(start(), *block(0, EMPTY_CALL, *pieces), *end("tool_use"))
    (call,) = response.tool_calls
    assert (call.id, call.name, call.arguments) == ("toolu_1", "look", {"cities": ["Rome"]})
    assert response.provider_state is not None
    assert response.provider_state.items == (CALL,)


def test_a_call_without_arguments_sends_no_pieces() -> None:
    (call,) = folded(start(), *block(0, EMPTY_CALL), *end("tool_use")).tool_calls
    assert (call.arguments, call.error) == ({}, None)


def test_a_tool_input_that_max_tokens_cut_is_an_error_of_the_call_not_half_an_object() -> None:
    response = folded(start(), *block(0, EMPTY_CALL, *input_deltas('{"cities": ["Rome"')), *end("max_tokens"))
    (call,) = response.tool_calls
    assert response.stop_reason == "max_tokens"
    assert (call.arguments, call.raw_arguments) == ({}, '{"cities": ["Rome"')
    assert call.error is not None
    assert response.provider_state is not None
    assert response.provider_state.items == (EMPTY_CALL,)


def test_citations_are_kept_in_their_block() -> None:
    citation = {
        "type": "char_location", "cited_text": "x", "document_index": 0, "document_title": None,
        "start_char_index": 0, "end_char_index": 1, "file_id": None,
    }  # fmt: skip
    delta = {"type": "citations_delta", "citation": citation}
    response = folded(start(), *block(0, EMPTY_TEXT, *text_deltas("x"), delta, delta), *end())
    assert response.provider_state is not None
    assert response.provider_state.items[0]["citations"] == [citation, citation]


def test_an_error_event_is_raised() -> None:
    state = WIRE.accumulator()
    state.feed(start())
    with pytest.raises(OverloadedError, match="Overloaded") as caught:
        state.feed({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert caught.value.model == "claude-haiku-5-5"


def test_an_error_event_keeps_the_kind_of_its_type() -> None:
    with pytest.raises(InvalidRequestError):
        MessagesAccumulator("anthropic").feed(
            {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
        )


def test_a_stream_without_message_stop_was_cut_also_where_the_reason_had_come() -> None:
    state = WIRE.accumulator()
    for item in (start(), *block(0, EMPTY_TEXT, *text_deltas("Ro", "me")), end()[0]):
        state.feed(item)
    with pytest.raises(StreamTruncated) as caught:
        state.finish()
    assert (caught.value.partial_text, caught.value.model) == ("Rome", "claude-haiku-5-5")


def test_a_streamed_answer_is_the_whole_one() -> None:
    pieces = input_deltas(json.dumps(CALL["input"]))
    signature = {"type": "signature_delta", "signature": "Eq=="}
    thought = {"type": "thinking_delta", "thinking": "Hm."}
    streamed = folded(
        start(),
        *block(0, {"type": "thinking", "thinking": "", "signature": ""}, thought, signature),
        *block(1, EMPTY_TEXT, *text_deltas("Ro", "me")),
        *block(2, EMPTY_CALL, *pieces),
        *end("tool_use"),
    )
    assert streamed == WIRE.from_sdk_response(answer(THINKING, TEXT, CALL, stop_reason="tool_use"))


def test_a_part_of_the_system_text_may_be_cached() -> None:
    rules = Message(Role.SYSTEM, (TextContent("long rules", cache="1h"), TextContent("a word more")))
    request = CompletionRequest((rules, Message.user("hi")), system="short")
    body = WIRE.to_sdk_kwargs(request, catalogue.profile("anthropic", "claude-haiku-5-5"), stream=False).body
    assert body["system"] == [
        {"type": "text", "text": "short"},
        {"type": "text", "text": "long rules", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "a word more"},
    ]
    assert [message["role"] for message in body["messages"]] == ["user"]
