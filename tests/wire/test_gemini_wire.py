"""generateContent: what its answers and streams mean. Bodies are pinned in `golden/`.

The shapes are those of recorded answers of the Gemini API and Vertex AI, with other words in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.genai import types

from lazybridge.core import catalogue
from lazybridge.core.errors import ProviderError, StreamTruncated
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, NativeTool, ToolCall, ToolDefinition
from lazybridge.core.wire.gemini import GeminiWire
from lazybridge.core.wire.gemini_answers import _BLOCKED, _STOP_REASONS
from tests.wire.sdk_types import body_errors
from tests.wire.test_replay import recorded, records

WIRE = GeminiWire()
USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 13}


def answer(*parts: dict[str, Any], finish: str | None = "STOP", usage: Any = USAGE, **fields: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **fields}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3.8-flash", "responseId": "r1"}


def read(*parts: dict[str, Any], **fields: Any) -> CompletionResponse:
    return WIRE.from_sdk_response(answer(*parts, **fields))


def folded(*events: dict[str, Any]) -> CompletionResponse:
    state = WIRE.accumulator()
    for event in events:
        state.feed(event)
    return state.finish()


def body_of(*messages: Message, model: str = "gemini-3.8-flash", **fields: Any) -> dict[str, Any]:
    request = CompletionRequest(messages, **fields)
    call = WIRE.to_sdk_kwargs(request, catalogue.profile("google", model), stream=False)
    assert body_errors("gemini", call.body) == []
    return call.body


# --- how an answer ended ----------------------------------------------------------------------------------------------


def test_every_word_of_the_sdks_enums_is_mapped() -> None:
    assert {word.value for word in types.FinishReason} == set(_STOP_REASONS)
    assert {word.value for word in types.BlockedReason} == set(_BLOCKED)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "end_turn"),
        ("MAX_TOKENS", "max_tokens"),
        ("SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
    ],
)
def test_the_reason_says_how_it_ended(word: str, reason: str) -> None:
    assert read({"text": "Hi"}, finish=word).stop_reason == reason


def test_a_word_that_nobody_mapped_is_loud() -> None:
    with pytest.warns(UserWarning, match="SOMETHING_NEW"):
        assert read({"text": "Hi"}, finish="SOMETHING_NEW").stop_reason is None


def test_stop_with_a_call_is_tool_use_and_a_failed_call_is_not() -> None:
    call = {"functionCall": {"name": "now"}}
    assert read(call).stop_reason == "tool_use"
    assert read(call, finish="MAX_TOKENS").stop_reason == "max_tokens"


def test_thinking_may_use_up_all_tokens() -> None:
    raw = {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}]}
    found = WIRE.from_sdk_response(raw)
    assert (found.content, found.stop_reason, found.tool_calls, found.provider_state) == ("", "max_tokens", [], None)


def test_a_refused_prompt_and_an_answer_without_candidates() -> None:
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}}  # fmt: skip
    found = WIRE.from_sdk_response(blocked)
    assert (found.stop_reason, found.usage.input_tokens, found.usage.output_tokens) == ("content_filter", 4, 0)
    assert folded(blocked).stop_reason == "content_filter"
    assert WIRE.from_sdk_response({"usageMetadata": USAGE}).stop_reason == "error"


def test_an_error_inside_an_answer_or_stream_is_raised() -> None:
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    with pytest.raises(ProviderError, match="overloaded") as caught:
        WIRE.from_sdk_response(error)
    assert caught.value.kind == "overloaded"
    with pytest.raises(ProviderError, match="overloaded"):
        folded(answer({"text": "Hi"}), error)


# --- parts ------------------------------------------------------------------------------------------------------------


def test_thoughts_are_thinking_and_calls_need_no_arguments_and_no_id() -> None:
    found = read(
        {"text": "Let me see.", "thought": True},
        {"text": "I look."},
        {"functionCall": {"name": "now"}},
        {"functionCall": {"name": "now", "args": {"zone": "UTC"}, "id": "abc"}},
        {"executableCode": {"code": "1"}},
    )
    assert (found.thinking, found.content) == ("Let me see.", "I look.")
    assert [(call.name, dict(call.arguments)) for call in found.tool_calls] == [("now", {}), ("now", {"zone": "UTC"})]
    assert [call.id for call in found.tool_calls] == ["call_r1_0", "abc"]


def test_more_candidates_are_alternatives() -> None:
    raw = answer({"text": "A"})
    raw["candidates"].append({"content": {"parts": [{"text": "B"}]}, "index": 1, "finishReason": "STOP"})
    assert WIRE.from_sdk_response(raw).alternatives == ("B",)
    assert folded(raw).alternatives == ("B",)


def test_a_stream_adds_up_to_what_a_whole_answer_says() -> None:
    signed = {"text": "", "thoughtSignature": "c2ln"}
    found = folded(
        answer({"text": "Hm", "thought": True}, finish=None, usage={"trafficType": "ON_DEMAND"}),
        answer({"text": "m.", "thought": True}, finish=None),
        answer({"text": "Hel"}, finish=None),
        answer({"text": "lo"}, finish=None),
        answer(signed),
    )
    whole = read({"text": "Hmm.", "thought": True}, {"text": "Hello"}, signed)
    assert (found.content, found.thinking, found.usage) == (whole.content, whole.thinking, whole.usage)
    assert found.provider_state == whole.provider_state


def test_text_after_the_first_finish_reason_is_read() -> None:
    assert folded(answer({"text": "One "}), answer({"text": "two"})).content == "One two"


def test_a_call_that_comes_in_pieces() -> None:
    def piece(**call: Any) -> dict[str, Any]:
        return answer({"functionCall": call}, finish=None)

    def argument(path: str, **value: Any) -> dict[str, Any]:
        return piece(partialArgs=[{"jsonPath": path, **value}], willContinue=True)

    first = answer({"functionCall": {"name": "go", "willContinue": True}, "thoughtSignature": "c2ln"}, finish=None)
    found = folded(
        first,
        argument("$.to", stringValue="Ro", willContinue=True),
        argument("$.to", stringValue="me"),
        argument("$.stops[0].day", numberValue=2),
        argument("$.stops[1]['full name']", nullValue="NULL_VALUE"),
        piece(),
        piece(name="stay", args={"nights": 1}),
        answer({"functionCall": {"name": "cut", "willContinue": True}}, finish="MAX_TOKENS"),
    )
    arguments = {"to": "Rome", "stops": [{"day": 2}, {"full name": None}]}
    assert [(call.name, dict(call.arguments)) for call in found.tool_calls] == [("go", arguments), ("stay", {"nights": 1}), ("cut", {})]  # fmt: skip
    assert [bool(call.error) for call in found.tool_calls] == [False, False, True]
    assert found.provider_state is not None
    assert found.provider_state.items[0] == {"functionCall": {"name": "go", "args": arguments}, "thoughtSignature": "c2ln"}  # fmt: skip


def test_a_stream_without_a_finish_reason_was_cut() -> None:
    state = WIRE.accumulator()
    state.feed(answer({"text": "Half"}, finish=None))
    assert state.counted().input_tokens == 10
    with pytest.raises(StreamTruncated) as caught:
        state.finish()
    assert caught.value.partial_text == "Half"


# --- what goes back ---------------------------------------------------------------------------------------------------


def test_parts_go_back_as_they_came_and_results_without_an_id_that_google_did_not_send() -> None:
    parts = [
        {"text": "Hm.", "thought": True},
        {"functionCall": {"name": "now", "args": {}}, "thoughtSignature": "c2lnMQ=="},
        {"functionCall": {"name": "then", "args": {}, "id": "abc"}},
    ]
    said = read(*parts)
    first, second = (call.id for call in said.tool_calls)
    results = (Message.tool("noon", tool_call_id=first), Message.tool("[1, 2]", tool_call_id=second))
    contents = body_of(Message.user("?"), said.to_message(), *results, Message.user("And?"))["contents"]
    assert json.dumps(contents[1]) == json.dumps({"role": "model", "parts": parts})
    assert contents[2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"name": "now", "response": {"output": "noon"}}},
            {"functionResponse": {"id": "abc", "name": "then", "response": {"output": [1, 2]}}},
        ],
    }
    assert contents[3]["parts"] == [{"text": "And?"}]


def test_a_call_of_another_model_says_that_it_has_no_signature() -> None:
    turn = Message.assistant(tool_calls=[ToolCall("x", "now", {}), ToolCall("y", "now", {})])
    for model, signed in (("gemini-3.8-flash", True), ("gemini-2.5-flash-lite", False)):
        parts = body_of(Message.user("?"), turn, Message.tool("1", tool_call_id="x"), model=model)["contents"][1]["parts"]  # fmt: skip
        assert ["thoughtSignature" in part for part in parts] == [signed, False]


def test_edited_parts_are_written_anew() -> None:
    from dataclasses import replace

    said = replace(read({"text": "Yes", "thoughtSignature": "c2ln"}).to_message(), content="No")
    assert body_of(Message.user("?"), said)["contents"][1]["parts"] == [{"text": "No"}]


def test_extra_body_is_merged_into_what_is_there() -> None:
    body = body_of(Message.user("?"), max_tokens=5, extra_body={"generationConfig": {"candidateCount": 2}, "cachedContent": "cachedContents/1"})  # fmt: skip
    assert body["generationConfig"] == {"maxOutputTokens": 5, "candidateCount": 2}
    assert body["cachedContent"] == "cachedContents/1"


def test_vertex_has_no_field_for_combined_tools() -> None:
    request = CompletionRequest(
        (Message.user("?"),), tools=(ToolDefinition("now"),), native_tools=(NativeTool.WEB_SEARCH,)
    )
    profile = catalogue.profile("google", "gemini-3.8-flash")
    assert WIRE.to_sdk_kwargs(request, profile, False).body["toolConfig"] == {
        "functionCallingConfig": {"mode": "VALIDATED"}, "includeServerSideToolInvocations": True,
    }  # fmt: skip
    assert "toolConfig" not in GeminiWire(vertex=True).to_sdk_kwargs(request, profile, False).body


# --- usage ------------------------------------------------------------------------------------------------------------


def test_usage_counts_tools_and_thoughts() -> None:
    found = read({"text": "Hi"}, usage={
        "promptTokenCount": 100, "toolUsePromptTokenCount": 30, "cachedContentTokenCount": 40, "candidatesTokenCount": 7,
        "thoughtsTokenCount": 5, "totalTokenCount": 142, "serviceTier": "flex",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 60}, {"modality": "AUDIO", "tokenCount": 40}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}, {"modality": "TEXT", "tokenCount": 30}],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 6}],
    }).usage  # fmt: skip
    assert (found.input_tokens, found.output_tokens, found.thinking_tokens) == (130, 12, 5)
    assert (found.cached_input_tokens, found.audio_input_tokens, found.cached_audio_tokens) == (40, 40, 10)
    assert (found.image_output_tokens, found.service_tier) == (6, "flex")


@pytest.mark.parametrize(
    ("traffic", "tier"),
    [("ON_DEMAND", "standard"), ("ON_DEMAND_FLEX", "flex"), ("PROVISIONED_THROUGHPUT", "provisioned_throughput")],
)
def test_vertex_says_the_tier_in_its_own_words(traffic: str, tier: str) -> None:
    assert read({"text": "Hi"}, usage={**USAGE, "trafficType": traffic}).usage.service_tier == tier


@pytest.mark.parametrize(("billed", "searches"), [("query", 2), ("prompt", 1), (None, 2)])
def test_searches_are_counted_as_google_bills_them(billed: Any, searches: int) -> None:
    grounding = {"webSearchQueries": ["weather rome", "", "weather rome", "weather oslo"]}
    raw = answer({"text": "Hi"}, groundingMetadata=grounding)
    assert GeminiWire(searches_billed=billed).from_sdk_response(raw).usage.web_searches == searches
    profile = catalogue.profile("google", "gemini-2.5-flash-lite")
    assert (profile.searches_billed, catalogue.profile("google", "gemini-3.8-flash").searches_billed) == ("prompt", "query")  # fmt: skip


# --- recorded traffic -------------------------------------------------------------------------------------------------


def recorded_answers() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The events of each recorded answer that is one: a whole answer is a single event."""
    for record in records("google_generate"):
        if record["status"] >= 400 or record["expected"]["kind"] != "generation" or record["expected"].get("error"):
            continue
        if (record["expected"].get("stream") or {}).get("complete") is False:
            continue
        if not record["streaming"]:
            yield record["id"], [json.loads(record["response_body"])]
        elif not record["response_body"].lstrip().startswith("["):
            lines = record["response_body"].replace("\r\n", "\n").split("\n")
            yield record["id"], [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


@recorded
@pytest.mark.filterwarnings("ignore:google ended with")
def test_every_recorded_answer_goes_back_as_it_came_and_is_valid_by_the_sdks_types() -> None:
    seen = 0
    for id, events in recorded_answers():
        found = folded(*events) if len(events) > 1 else WIRE.from_sdk_response(events[0])
        if found.provider_state is None:
            continue
        contents = body_of(Message.user("?"), found.to_message(), Message.user("And?"))["contents"]
        sent = [part for content in contents if content["role"] == "model" for part in content["parts"]]
        signatures = [part["thoughtSignature"] for part in sent if "thoughtSignature" in part]
        came = [
            part["thoughtSignature"]
            for event in events
            for candidate in event.get("candidates", [])[:1]
            for part in (candidate.get("content") or {}).get("parts", [])
            if part.get("thoughtSignature")
        ]
        assert signatures == came, id
        if len(events) == 1:
            assert sent == [part for part in found.provider_state.items if part not in ({}, {"text": ""})], id
        seen += 1
    assert seen > 150


@recorded
@pytest.mark.filterwarnings("ignore:google ended with")
def test_a_recorded_stream_cut_before_its_finish_reason_is_noticed() -> None:
    seen = 0
    for _, events in recorded_answers():
        ended = [any(one.get("finishReason") for one in event.get("candidates", [])) for event in events]
        for count in range(1, ended.index(True) if True in ended else 0):
            with pytest.raises(StreamTruncated):
                folded(*events[:count])
            seen += 1
    assert seen > 100
