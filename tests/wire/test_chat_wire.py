"""Chat Completions: the rules of a request, and what an answer or a stream says.

Answers are built with the SDK's own models (openai 3.54), so their shape is the vendor's, not ours.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from lazybridge.core import catalogue
from lazybridge.core.content import DocumentContent, ImageContent, TextContent
from lazybridge.core.errors import ProviderError, RateLimitError, StreamTruncated
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, OutputSchema, ToolCall
from lazybridge.core.wire import SDKCall
from lazybridge.core.wire.chat import ChatWire
from tests.wire.requests import LOOSE, PNG, WEATHER

WIRE = ChatWire()


def sent(model: str = "gpt-4.1-mini", *messages: Message, wire: ChatWire = WIRE, **settings: Any) -> SDKCall:
    request = CompletionRequest(messages or (Message.user("Hi"),), **settings)
    return wire.to_sdk_kwargs(request, catalogue.profile("openai", model), stream=False)


def adjusted(call: SDKCall) -> list[str]:
    return [adjustment.parameter for adjustment in call.adjustments]


# --- requests ---------------------------------------------------------------------------------------------------------


def test_gpt_6_is_sent_no_temperature_unless_it_does_not_reason() -> None:
    refused = sent("gpt-6-luna", temperature=0.5)
    assert "temperature" not in refused.body
    assert adjusted(refused) == ["temperature"]
    assert "effort='none' allows it" in refused.adjustments[0].reason
    allowed = sent("gpt-6-luna", temperature=0.5, effort="none")
    assert (allowed.body["temperature"], allowed.adjustments) == (0.5, ())


def test_switching_thinking_off_allows_gpt_6_a_temperature() -> None:
    call = sent("gpt-6-luna", temperature=0.5, thinking=False)
    assert (call.body["temperature"], call.body["reasoning_effort"], call.adjustments) == (0.5, "none", ())


def test_o3_is_sent_no_sampling_at_any_effort() -> None:
    assert adjusted(sent("o3", temperature=0.5, top_p=0.5)) == ["temperature", "top_p"]


def test_a_temperature_of_zero_is_a_value() -> None:
    assert sent(temperature=0).body["temperature"] == 0


def test_a_seed_of_zero_is_a_value() -> None:
    assert sent(seed=0).body["seed"] == 0


def test_an_unknown_model_is_sent_everything() -> None:
    call = sent("gpt-99", temperature=1, top_p=1, seed=1, stop="x", effort="max", max_tokens=5)
    assert call.adjustments == ()
    assert call.body.keys() == {
        "model", "messages", "max_completion_tokens", "temperature", "top_p", "reasoning_effort", "stop", "seed",
    }  # fmt: skip


def test_a_dated_model_id_follows_the_rules_of_its_row_and_is_sent_as_written() -> None:
    call = sent("o3-2025-04-16", temperature=0.5)
    assert adjusted(call) == ["temperature"]


def test_little_thinking_is_not_taken_for_none() -> None:
    assert sent("gpt-6-luna", effort="minimal").body["reasoning_effort"] == "low"


def test_a_model_that_never_thinks_is_not_told_so_when_nobody_asked_it_to() -> None:
    assert sent("gpt-4.1-mini", thinking=False).adjustments == ()
    assert sent("gpt-4.1-mini", effort="none").adjustments == ()
    assert adjusted(sent("gpt-4.1-mini", thinking=True, effort="low")) == ["effort", "thinking"]


@pytest.mark.parametrize("model", ["o3", "gpt-99"])
def test_thinking_that_cannot_be_switched_off_is_said(model: str) -> None:
    assert adjusted(sent(model, thinking=False)) == ["thinking"]


@pytest.mark.parametrize("settings", [{"tool_choice": "required"}, {"parallel_tool_calls": False}])
def test_tool_settings_are_never_sent_without_tools(settings: dict[str, Any]) -> None:
    assert sent(**settings).body.keys() == {"model", "messages"}


def test_the_media_of_parallel_results_follows_after_the_last_result() -> None:
    calls = [ToolCall(f"call_{number}", "look") for number in (1, 2, 3)]
    call = sent(
        "gpt-4.1-mini",
        Message.user("Look"),
        Message.assistant(tool_calls=calls),
        Message.tool([TextContent("one"), ImageContent(data=PNG)], tool_call_id="call_1"),
        Message.tool("two", tool_call_id="call_2"),
        Message.tool([ImageContent(data=PNG)], tool_call_id="call_3"),
        Message.user("Well?"),
        tools=(WEATHER,),
    )
    assert [message["role"] for message in call.body["messages"]] == [
        "user", "assistant", "tool", "tool", "tool", "user", "user",
    ]  # fmt: skip
    assert [part["type"] for part in call.body["messages"][5]["content"]] == ["image_url", "image_url"]
    assert adjusted(call) == ["tool result"]


def test_a_failed_tool_says_so_in_its_text() -> None:
    call = sent(
        "gpt-4.1-mini",
        Message.user("Look"),
        Message.assistant(tool_calls=[ToolCall("call_1", "look")]),
        Message.tool("no light", tool_call_id="call_1", is_error=True),
    )
    assert call.body["messages"][2] == {"role": "tool", "tool_call_id": "call_1", "content": "Error: no light"}


def test_the_arguments_of_a_call_are_replayed_as_the_model_wrote_them() -> None:
    written = '{ "city" : "K\\u00f6ln" }'
    call = sent(
        "gpt-4.1-mini", Message.user("?"), Message.assistant(tool_calls=[ToolCall.parse("call_1", "look", written)])
    )
    assert call.body["messages"][1]["tool_calls"][0]["function"]["arguments"] == written


def test_a_schema_that_strict_mode_cannot_say_is_sent_as_a_guide() -> None:
    call = sent(output_schema=OutputSchema({"type": "object"}))
    assert call.body["response_format"]["json_schema"] == {
        "name": "answer",
        "schema": {"type": "object"},
        "strict": False,
    }
    assert adjusted(call) == ["output_schema"]


def test_strict_of_a_tool_is_sent_only_where_it_was_said() -> None:
    functions = [tool["function"] for tool in sent(tools=(WEATHER, LOOSE)).body["tools"]]
    assert "strict" not in functions[0]
    assert functions[1]["strict"] is False


@pytest.mark.parametrize("name", ["a.pdf", None])
def test_a_document_by_data_url_is_sent_as_its_bytes(name: str | None) -> None:
    block = DocumentContent(url="data:application/pdf;base64,JVBERi0=", name=name)
    part = sent("gpt-4.1-mini", Message.user([block])).body["messages"][0]["content"][0]
    assert part["file"] == {"filename": name or "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}


def test_a_dialect_is_its_fields() -> None:
    wire = ChatWire(
        max_tokens_field="max_tokens", system_role="developer", reasoning_effort=False, schema_mode="json_object"
    )
    call = sent(
        "m", wire=wire, max_tokens=5, system="Be brief.", effort="low", output_schema=OutputSchema({"type": "object"})
    )
    assert call.body == {
        "model": "m",
        "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_tokens": 5,
        "response_format": {"type": "json_object"},
    }
    assert adjusted(call) == ["effort", "output_schema"]


def test_a_dialect_without_stream_usage_asks_for_none() -> None:
    request = CompletionRequest((Message.user("Hi"),))
    body = ChatWire(stream_usage=False).to_sdk_kwargs(request, catalogue.profile("x", "m"), stream=True).body
    assert body["stream"] is True
    assert "stream_options" not in body


# --- whole answers ----------------------------------------------------------------------------------------------------


def completion(message: dict[str, Any] | None = None, finish_reason: str = "stop", **fields: Any) -> dict[str, Any]:
    """A `chat.completion` as the SDK's model writes it; `message=None` leaves it out, as Azure's filter does."""
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "logprobs": None,
        "message": {"role": "assistant", **(message or {})},
    }
    raw = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4.1-mini", "choices": [choice], **fields}
    whole: dict[str, Any] = json.loads(ChatCompletion.model_validate(raw).model_dump_json(exclude_unset=True))
    if message is None and whole["choices"]:
        del whole["choices"][0]["message"]
    return whole


def function_call(id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_text_usage_and_model_are_read() -> None:
    raw = completion(
        {"content": "Hello"},
        usage={
            "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0, "cache_write_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 1},
        },
        service_tier="default",
    )  # fmt: skip
    response = WIRE.from_sdk_response(raw)
    usage = response.usage
    assert (response.content, response.stop_reason, response.model) == ("Hello", "end_turn", "gpt-4.1-mini")
    assert (usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens) == (10, 4, 3)
    assert (usage.output_tokens, usage.thinking_tokens) == (7, 5)
    assert (usage.audio_input_tokens, usage.audio_output_tokens, usage.service_tier) == (0, 1, "default")


def test_usage_that_was_not_sent_is_unknown() -> None:
    usage = WIRE.from_sdk_response(completion({"content": "x"})).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens) == (None, None, None)


@pytest.mark.parametrize(
    ("arguments", "parsed", "broken"),
    [
        ('{"city": "Rome"}', {"city": "Rome"}, False),
        ("", {}, False),
        ("null", {}, False),  # Groq, for a call without arguments
        ('{"city": "Ro', {}, True),
        ("[1]", {}, True),
        ('"Rome"', {}, True),
    ],
)
def test_arguments_of_a_call(arguments: str, parsed: dict[str, Any], broken: bool) -> None:
    raw = completion({"content": None, "tool_calls": [function_call("call_1", "look", arguments)]}, "tool_calls")
    (call,) = WIRE.from_sdk_response(raw).tool_calls
    assert (call.id, call.name, call.arguments, call.raw_arguments) == ("call_1", "look", parsed, arguments)
    assert (call.error is not None) is broken


def test_a_forced_call_that_ends_with_stop_is_tool_use() -> None:
    raw = completion({"content": None, "tool_calls": [function_call("call_1", "look", "{}")]}, "stop")
    assert WIRE.from_sdk_response(raw).stop_reason == "tool_use"


def test_calls_cut_off_by_the_limit_keep_that_reason() -> None:
    raw = completion({"content": None, "tool_calls": [function_call("call_1", "look", '{"a')]}, "length")
    response = WIRE.from_sdk_response(raw)
    assert response.stop_reason == "max_tokens"
    assert response.tool_calls[0].error


def test_a_custom_tools_input_is_text() -> None:
    raw = completion(
        {"tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]}, "tool_calls"
    )
    (call,) = WIRE.from_sdk_response(raw).tool_calls
    assert (call.name, call.arguments, call.raw_arguments) == ("sql", {"input": "SELECT 1"}, "SELECT 1")


def test_a_refusal_is_the_text_and_the_reason() -> None:
    response = WIRE.from_sdk_response(completion({"content": None, "refusal": "I cannot."}))
    assert (response.content, response.stop_reason) == ("I cannot.", "refusal")


def test_a_filtered_choice_without_a_message_is_an_empty_answer() -> None:
    response = WIRE.from_sdk_response(completion(None, "content_filter"))
    assert (response.content, response.stop_reason, response.tool_calls) == ("", "content_filter", [])


def test_an_answer_without_choices_has_no_reason() -> None:
    response = WIRE.from_sdk_response({**completion({"content": "x"}), "choices": []})
    assert (response.content, response.stop_reason) == ("", None)


def test_content_in_parts_is_split_into_text_and_thinking() -> None:
    raw = completion({"content": None})
    raw["choices"][0]["message"]["content"] = [  # Mistral's shape
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm. "}, {"type": "text", "text": "Yes."}]},
        {"type": "text", "text": "Rome"},
        {"type": "reference", "reference_ids": [1]},
    ]
    response = WIRE.from_sdk_response(raw)
    assert (response.content, response.thinking) == ("Rome", "Hm. Yes.")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_stands_in_a_field_of_its_own(field: str) -> None:
    raw = completion({"content": "Rome", field: "Hm."})
    assert WIRE.from_sdk_response(raw).thinking == "Hm."


def test_the_first_of_several_choices_is_the_answer() -> None:
    raw = completion({"content": "first"})
    raw["choices"] = [
        {**raw["choices"][0], "index": 1, "message": {"role": "assistant", "content": "second"}},
        *raw["choices"],
    ]
    assert WIRE.from_sdk_response(raw).content == "first"


def test_an_unknown_finish_reason_is_loud_and_unknown() -> None:
    raw = completion({"content": "x"})
    raw["choices"][0]["finish_reason"] = "boredom"
    with pytest.warns(UserWarning, match="boredom"):
        assert WIRE.from_sdk_response(raw).stop_reason is None


def test_an_error_in_a_whole_answer_is_raised() -> None:
    with pytest.raises(RateLimitError, match="slow down"):
        WIRE.from_sdk_response(
            {"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}
        )


# --- streams ----------------------------------------------------------------------------------------------------------


def chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """A `chat.completion.chunk` as the SDK's model writes it; without a delta and a reason it has no choices."""
    choices = (
        []
        if delta is None and finish_reason is None
        else [{"index": 0, "delta": delta or {}, "finish_reason": finish_reason}]
    )
    raw = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4.1-mini",
        "choices": choices,
        **fields,
    }
    whole: dict[str, Any] = json.loads(ChatCompletionChunk.model_validate(raw).model_dump_json(exclude_unset=True))
    return whole


def fragment(
    index: int | None, id: str | None = None, name: str | None = None, arguments: str | None = None
) -> dict[str, Any]:
    """A piece of a tool call; the SDK requires the index that other vendors leave out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    piece: dict[str, Any] = {"function": function} if index is None else {"index": index, "function": function}
    return piece if id is None else {**piece, "id": id, "type": "function"}


def calls_chunk(*fragments: dict[str, Any]) -> dict[str, Any]:
    return {**chunk({}), "choices": [{"index": 0, "delta": {"tool_calls": list(fragments)}, "finish_reason": None}]}


def folded(*events: dict[str, Any]) -> CompletionResponse:
    state = WIRE.accumulator()
    for event in events:
        state.feed(event)
    return state.finish()


def test_pieces_of_text_are_handed_out_as_they_come() -> None:
    state = WIRE.accumulator()
    events = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "He"}),
        chunk({"content": "llo"}),
        chunk({}, "stop"),
    ]
    pieces = [piece.delta for event in events if (piece := state.feed(event))]
    assert pieces == ["He", "llo"]
    assert state.finish().content == "Hello"


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_usage_comes_in_a_trailer_without_choices() -> None:
    response = folded(chunk({"content": "x"}), chunk({}, "stop"), chunk(usage=USAGE, service_tier="priority"))
    assert (response.usage.input_tokens, response.usage.output_tokens) == (3, 2)
    assert response.usage.service_tier == "priority"


def test_groq_nests_the_usage_of_a_stream() -> None:
    response = folded(chunk({"content": "x"}), {**chunk({}, "stop"), "x_groq": {"id": "r", "usage": USAGE}})
    assert response.usage.input_tokens == 3


def test_usage_that_repeats_counts_once_the_last_time() -> None:
    first = {**USAGE, "completion_tokens": 1}
    assert folded(chunk({"content": "x"}, usage=first), chunk({}, "stop", usage=USAGE)).usage.output_tokens == 2


def test_the_trailer_is_read_because_a_finish_reason_is_not_the_end() -> None:
    state = WIRE.accumulator()
    state.feed(chunk({}, "stop"))
    assert state.done is False


def test_the_first_chunk_of_azure_names_no_model() -> None:
    filtered = {**chunk(), "model": "", "prompt_filter_results": []}
    assert folded(filtered, chunk({"content": "x"}), chunk({}, "stop")).model == "gpt-4.1-mini"


ROME, OSLO = '{"city": "Rome"}', '{"city": "Oslo"}'


@pytest.mark.parametrize(
    "fragments",
    [
        pytest.param(
            [fragment(0, "a", "look", ""), fragment(0, arguments='{"city":'), fragment(0, arguments=' "Rome"}'),
             fragment(1, "b", "look", OSLO)],
            id="by index",
        ),
        pytest.param(
            [fragment(0, "a", "look", ""), fragment(1, "b", "look", ""), fragment(1, arguments=OSLO), fragment(0, arguments=ROME)],
            id="by index, interleaved",
        ),
        pytest.param([fragment(None, "a", "look", ROME), fragment(None, "b", "look", OSLO)], id="no index"),
        pytest.param(
            [fragment(None, "a", "look", '{"city":'), fragment(None, None, "", ' "Rome"}'), fragment(None, "b", "look", OSLO)],
            id="no index, continued without an id",
        ),
        pytest.param(
            [fragment(None, "a", "look", '{"city":'), fragment(None, "b", "look", OSLO), fragment(None, "a", None, ' "Rome"}')],
            id="no index, continued by id",
        ),
        pytest.param([fragment(0, "a", "look", ROME), fragment(0, "b", "look", OSLO)], id="two calls under one index"),
        pytest.param(
            [fragment(0, "a", "look", ""), fragment(0, "a", "look", ROME), fragment(1, "b", "look", OSLO)],
            id="the name repeats",
        ),
    ],
)  # fmt: skip
def test_parallel_calls_are_told_apart(fragments: list[dict[str, Any]]) -> None:
    response = folded(*(calls_chunk(piece) for piece in fragments), chunk({}, "tool_calls"))
    assert [(call.id, call.name, call.arguments) for call in response.tool_calls] == [
        ("a", "look", {"city": "Rome"}),
        ("b", "look", {"city": "Oslo"}),
    ]
    assert response.stop_reason == "tool_use"


def test_calls_without_ids_get_one_each() -> None:
    pieces = calls_chunk(fragment(None, "", "look", ROME), fragment(None, "", "look", OSLO))
    response = folded(pieces, chunk({}, "stop"))
    assert [call.arguments["city"] for call in response.tool_calls] == ["Rome", "Oslo"]
    assert len({call.id for call in response.tool_calls}) == 2


@pytest.mark.parametrize(("arguments", "error"), [("", False), ("null", False), ('{"city', True)])
def test_streamed_arguments(arguments: str, error: bool) -> None:
    (call,) = folded(calls_chunk(fragment(0, "a", "look", arguments)), chunk({}, "tool_calls")).tool_calls
    assert call.arguments == {}
    assert (call.error is not None) is error


def test_a_streamed_refusal() -> None:
    state = WIRE.accumulator()
    pieces = [state.feed(chunk({"refusal": text})) for text in ("I ", "cannot.")]
    state.feed(chunk({}, "stop"))
    response = state.finish()
    assert [piece.delta for piece in pieces if piece] == ["I ", "cannot."]
    assert (response.content, response.stop_reason) == ("I cannot.", "refusal")


def test_a_stream_without_a_finish_reason_was_cut() -> None:
    state = WIRE.accumulator()
    state.feed(chunk({"content": "Hel"}))
    with pytest.raises(StreamTruncated) as caught:
        state.finish()
    assert (caught.value.partial_text, caught.value.model) == ("Hel", "gpt-4.1-mini")


def test_an_error_inside_a_stream_is_raised() -> None:
    state = WIRE.accumulator()
    with pytest.raises(ProviderError, match="broke"):
        state.feed({"error": {"message": "it broke", "type": "server_error"}})


def test_the_raw_json_is_left_as_it_came() -> None:
    raw = completion({"content": None, "tool_calls": [function_call("call_1", "look", ROME)]}, "tool_calls")
    before = json.dumps(raw)
    WIRE.from_sdk_response(raw)
    assert json.dumps(raw) == before
