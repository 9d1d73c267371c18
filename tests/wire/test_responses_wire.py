"""The Responses API: the rules of a request, and what an answer or a stream says.

Answers are built with the SDK's own models (openai 3.54), so their shape is the vendor's, not ours.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response

from lazybridge.core import catalogue
from lazybridge.core.content import AudioContent, ImageContent
from lazybridge.core.errors import InvalidRequestError, ProviderError, RateLimitError, ServerError, StreamTruncated
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, OutputSchema, ToolCall
from lazybridge.core.wire import SDKCall
from lazybridge.core.wire.responses import ResponsesWire
from tests.wire.requests import PNG, STRICT, WAV, WEATHER

WIRE = ResponsesWire()


def sent(model: str = "gpt-6-luna", *messages: Message, **settings: Any) -> SDKCall:
    request = CompletionRequest(messages or (Message.user("Hi"),), **settings)
    return WIRE.to_sdk_kwargs(request, catalogue.profile("openai", model), stream=False)


def adjusted(call: SDKCall) -> list[str]:
    return [adjustment.parameter for adjustment in call.adjustments]


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"stop": "END"}, {"seed": 0}], ids=["stop", "seed"])
def test_what_this_api_lacks_is_adjusted_and_says_where_it_is(settings: dict[str, Any]) -> None:
    call = sent(**settings)
    assert adjusted(call) == list(settings)
    assert "api='chat'" in call.adjustments[0].reason
    assert call.body.keys() == {"model", "input", "store", "include"}


def test_audio_is_left_out_and_says_where_it_is_taken() -> None:
    call = sent("gpt-6-luna", Message.user(["Listen", AudioContent(data=WAV)]))
    assert call.body["input"] == [{"role": "user", "content": [{"type": "input_text", "text": "Listen"}]}]
    assert adjusted(call) == ["audio"]
    assert "api='chat'" in call.adjustments[0].reason


def test_an_unknown_model_is_left_to_the_defaults_of_the_api_and_loses_nothing() -> None:
    call = sent("gpt-99", temperature=0, top_p=0.5, effort="max", thinking=True, max_tokens=9)
    assert call.adjustments == ()
    assert call.body == {
        "model": "gpt-99", "input": [{"role": "user", "content": "Hi"}], "max_output_tokens": 9, "temperature": 0,
        "top_p": 0.5, "reasoning": {"effort": "max", "summary": "auto"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "include"), [("gpt-6-luna", ["reasoning.encrypted_content"]), ("gpt-4.1-mini", None)]
)
def test_nothing_is_stored_and_a_reasoning_model_hands_out_what_can_be_replayed(model: str, include: Any) -> None:
    body = sent(model).body
    assert (body["store"], body.get("include")) == (False, include)


def test_gpt_6_is_sent_no_temperature_unless_it_does_not_reason() -> None:
    assert adjusted(sent("gpt-6-luna", temperature=0.5)) == ["temperature"]
    allowed = sent("gpt-6-luna", temperature=0, effort="none")
    assert (allowed.body["temperature"], allowed.adjustments) == (0, ())


def test_o3_is_sent_no_temperature() -> None:
    call = sent("o3", temperature=1)
    assert adjusted(call) == ["temperature"]
    assert "temperature" not in call.body


def test_thinking_asks_for_a_summary_and_a_budget_is_adjusted() -> None:
    assert sent(thinking=True).body["reasoning"] == {"summary": "auto"}
    budget = sent(thinking=2000)
    assert budget.body["reasoning"] == {"summary": "auto"}
    assert adjusted(budget) == ["thinking"]


@pytest.mark.parametrize(
    ("model", "adjustments"),
    [("gpt-6-luna", []), ("gpt-4.1-mini", []), ("o3", ["thinking"]), ("gpt-99", ["thinking"])],
)
def test_thinking_off_is_effort_none_or_said_to_be_impossible(model: str, adjustments: list[str]) -> None:
    assert adjusted(sent(model, thinking=False)) == adjustments


def test_effort_goes_to_the_nearest_level() -> None:
    call = sent("o3", effort="max")
    assert call.body["reasoning"] == {"effort": "high"}
    assert call.adjustments[0].reason == "o3 has no 'max'; sent 'high'"


@pytest.mark.parametrize("settings", [{"tool_choice": "required"}, {"parallel_tool_calls": False}])
def test_tool_settings_are_never_sent_without_tools(settings: dict[str, Any]) -> None:
    assert sent(**settings).body.keys() == {"model", "input", "store", "include"}


def test_strict_is_always_said_because_this_api_would_take_it_for_granted() -> None:
    assert [tool["strict"] for tool in sent(tools=(WEATHER, STRICT)).body["tools"]] == [False, True]


def test_a_failed_result_with_media_still_says_that_it_failed() -> None:
    call = sent(
        "gpt-6-luna",
        Message.user("?"),
        Message.assistant(tool_calls=[ToolCall("call_1", "look")]),
        Message.tool([ImageContent(data=PNG)], tool_call_id="call_1", is_error=True),
    )
    output = call.body["input"][2]["output"]
    assert output[0] == {"type": "input_text", "text": "Error:"}
    assert output[1]["type"] == "input_image"


def test_a_schema_that_strict_mode_cannot_say_is_sent_as_a_guide() -> None:
    call = sent(output_schema=OutputSchema({"type": "object"}))
    assert call.body["text"]["format"]["strict"] is False
    assert adjusted(call) == ["output_schema"]


# --- whole answers ----------------------------------------------------------------------------------------------------


def message(*texts: str, id: str = "msg_1", phase: str | None = None) -> dict[str, Any]:
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    item = {"id": id, "type": "message", "role": "assistant", "status": "completed", "content": parts}
    return item if phase is None else {**item, "phase": phase}


def refusal(text: str) -> dict[str, Any]:
    return {**message(), "content": [{"type": "refusal", "refusal": text}]}


def function_call(arguments: str, call_id: str = "call_1", name: str = "look") -> dict[str, Any]:
    return {
        "id": "fc_1",
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Hm."}],
    "encrypted_content": "gAAAAB==",
}


def answer(*output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A `response` as the SDK's model writes it."""
    raw = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-6-luna", "status": "completed",
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "output": list(output), **fields,
    }  # fmt: skip
    whole: dict[str, Any] = json.loads(Response.model_validate(raw).model_dump_json(exclude_unset=True))
    return whole


def test_text_thinking_usage_and_model_are_read() -> None:
    raw = answer(
        REASONING,
        message("Rome", " it is"),
        usage={
            "input_tokens": 10, "output_tokens": 7, "total_tokens": 17,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "output_tokens_details": {"reasoning_tokens": 5},
        },
        service_tier="priority",
    )  # fmt: skip
    response = WIRE.from_sdk_response(raw)
    usage = response.usage
    assert (response.content, response.thinking, response.stop_reason) == ("Rome it is", "Hm.", "end_turn")
    assert (usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens) == (10, 4, 2)
    assert (usage.output_tokens, usage.thinking_tokens, usage.service_tier) == (7, 5, "priority")
    assert (response.model, response.last_text) == ("gpt-6-luna", None)


def test_the_last_of_several_messages_is_the_answer() -> None:
    raw = answer(message('{"a": 1}', phase="commentary"), function_call("{}"), message('{"a": 1}', id="msg_2"))
    response = WIRE.from_sdk_response(raw)
    assert response.content == '{"a": 1}{"a": 1}'
    assert response.last_text == '{"a": 1}'


@pytest.mark.parametrize(
    ("arguments", "parsed", "broken"),
    [('{"a": 1}', {"a": 1}, False), ("", {}, False), ("null", {}, False), ('{"a', {}, True), ("[1]", {}, True)],
)
def test_arguments_of_a_call(arguments: str, parsed: dict[str, Any], broken: bool) -> None:
    response = WIRE.from_sdk_response(answer(function_call(arguments)))
    (call,) = response.tool_calls
    assert (call.id, call.name, call.arguments, call.raw_arguments) == ("call_1", "look", parsed, arguments)
    assert (call.error is not None) is broken
    assert response.stop_reason == "tool_use"


def test_a_custom_tools_input_is_text() -> None:
    item = {"id": "ct_1", "type": "custom_tool_call", "call_id": "call_1", "name": "sql", "input": "SELECT 1"}
    (call,) = WIRE.from_sdk_response(answer(item)).tool_calls
    assert (call.id, call.arguments) == ("call_1", {"input": "SELECT 1"})


def test_a_refusal_is_the_text_and_the_reason() -> None:
    response = WIRE.from_sdk_response(answer(refusal("I cannot.")))
    assert (response.content, response.stop_reason) == ("I cannot.", "refusal")


@pytest.mark.parametrize(
    ("reason", "neutral"), [("max_output_tokens", "max_tokens"), ("content_filter", "content_filter")]
)
def test_an_incomplete_answer_keeps_its_reason(reason: str, neutral: str) -> None:
    raw = answer(message("Ro"), status="incomplete", incomplete_details={"reason": reason})
    assert WIRE.from_sdk_response(raw).stop_reason == neutral


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_an_answer_that_is_still_being_written_has_no_reason_yet(status: str) -> None:
    assert WIRE.from_sdk_response(answer(status=status)).stop_reason is None


def test_an_unknown_reason_is_loud_and_unknown() -> None:
    raw = {**answer(message("Ro"), status="incomplete"), "incomplete_details": {"reason": "boredom"}}
    with pytest.warns(UserWarning, match="boredom"):
        assert WIRE.from_sdk_response(raw).stop_reason is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [("server_error", ServerError), ("rate_limit_exceeded", RateLimitError), ("invalid_prompt", ProviderError)],
)
def test_a_failed_answer_is_raised(code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="it broke"):
        WIRE.from_sdk_response(answer(status="failed", error={"code": code, "message": "it broke"}))


def test_a_failed_answer_without_an_error_is_raised() -> None:
    with pytest.raises(ProviderError):
        WIRE.from_sdk_response(answer(status="failed"))


def test_searches_are_counted_as_the_vendor_reports_them() -> None:
    search = {
        "id": "ws_1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    }
    opened = {**search, "action": {"type": "open_page", "url": "https://example.com"}}
    assert WIRE.from_sdk_response(answer(search, opened, message("x"))).usage.web_searches == 1
    reported = {**answer(search, message("x")), "tool_usage": {"web_search": {"num_requests": 3}}}
    assert WIRE.from_sdk_response(reported).usage.web_searches == 3
    assert WIRE.from_sdk_response(answer(message("x"))).usage.web_searches is None


# --- streams ----------------------------------------------------------------------------------------------------------


def folded(*events: dict[str, Any]) -> CompletionResponse:
    state = WIRE.accumulator()
    for event in events:
        state.feed(event)
    return state.finish()


def test_pieces_are_handed_out_as_they_come_and_the_last_event_is_the_answer() -> None:
    state = WIRE.accumulator()
    events = [
        {"type": "response.created", "response": answer(status="in_progress")},
        {"type": "response.reasoning_summary_text.delta", "delta": "Hm."},
        {"type": "response.output_text.delta", "delta": "Ro"},
        {"type": "response.some_future_event", "delta": "?"},
        {"type": "response.output_text.delta", "delta": "me"},
    ]
    pieces = [piece for event in events if (piece := state.feed(event))]
    assert [(piece.delta, piece.thinking_delta, piece.model) for piece in pieces] == [
        ("", "Hm.", "gpt-6-luna"),
        ("Ro", "", "gpt-6-luna"),
        ("me", "", "gpt-6-luna"),
    ]
    assert state.done is False
    state.feed({"type": "response.completed", "response": answer(REASONING, message("Rome"))})
    assert state.done is True
    assert state.finish() == WIRE.from_sdk_response(answer(REASONING, message("Rome")))


def test_a_last_event_without_output_is_filled_from_the_items_before_it() -> None:
    response = folded(
        {"type": "response.output_item.done", "output_index": 1, "item": message("Rome")},
        {"type": "response.output_item.done", "output_index": 0, "item": REASONING},
        {"type": "response.completed", "response": answer()},
    )
    assert (response.content, response.thinking) == ("Rome", "Hm.")
    assert response.provider_state is not None
    assert [item["type"] for item in response.provider_state.items] == ["reasoning", "message"]


def test_an_incomplete_stream_is_whole_with_its_reason() -> None:
    raw = answer(message("Ro"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert folded({"type": "response.incomplete", "response": raw}).stop_reason == "max_tokens"


def test_a_failed_stream_is_raised() -> None:
    raw = answer(status="failed", error={"code": "server_error", "message": "it broke"})
    with pytest.raises(ServerError, match="it broke"):
        folded({"type": "response.failed", "response": raw})


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None, "sequence_number": 1},
        {"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "slow down"}},
        {"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "slow down"}},
    ],
)
def test_an_error_event_is_raised(event: dict[str, Any]) -> None:
    with pytest.raises(RateLimitError, match="slow down"):
        WIRE.accumulator().feed(event)


def test_an_error_event_keeps_the_kind_of_its_type() -> None:
    with pytest.raises(InvalidRequestError):
        WIRE.accumulator().feed({"type": "error", "error": {"type": "invalid_request_error", "message": "no"}})


def test_a_stream_without_a_terminal_event_was_cut() -> None:
    state = WIRE.accumulator()
    state.feed({"type": "response.created", "response": answer(status="in_progress")})
    state.feed({"type": "response.output_text.delta", "delta": "Ro"})
    with pytest.raises(StreamTruncated) as caught:
        state.finish()
    assert (caught.value.partial_text, caught.value.model) == ("Ro", "gpt-6-luna")


def test_the_raw_json_is_left_as_it_came() -> None:
    raw = answer(REASONING, message("Rome"), function_call('{"a": [1]}'))
    before = json.dumps(raw)
    WIRE.from_sdk_response(raw)
    assert json.dumps(raw) == before
