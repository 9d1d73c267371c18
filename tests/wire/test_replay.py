"""Thinking blocks, signatures, reasoning items and phase survive a tool turn byte for byte; a cut stream is noticed.

Expectations are the vendors' own bytes: made by hand here, and recorded ones where the shared recordings are at hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event

from lazybridge.core import catalogue
from lazybridge.core.errors import ProviderError, StreamTruncated
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, ProviderState
from lazybridge.core.wire import Wire
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.messages import MessagesWire
from lazybridge.core.wire.responses import ResponsesWire
from tests.wire.requests import QUESTION, VENDORS, WEATHER, WIRES
from tests.wire.sdk_types import body_errors

RECORDS = Path(__file__).parents[2].parent / "shared" / "conformance" / "open"
WIRE_OF_API = {"openai_chat": "chat", "openai_responses": "responses", "anthropic_messages": "messages"}

recorded = pytest.mark.skipif(not RECORDS.is_dir(), reason="recorded traffic is not in this checkout")

# Recorded answers whose replay the SDK's input types refuse, and why. None of them is a thing that the wire writes.
GAPS = {
    # The types of the beta API alone know these blocks: anthropic 2.12.0 `types/beta/beta_server_tool_use_block_param.py`.
    "anthropic-cc14a69d40f4": "advisor",
    "anthropic-1cc87292c19f": "advisor",
    "anthropic-e0fa3f70e533": "advisor",
    "anthropic-997cb051b016": "advisor",
    "anthropic-5e74c80aca1d": "mcp_tool_result",
    # The API sends `abort_reason`, which anthropic 2.12.0 does not have in any type.
    "anthropic-93c7092eeb80": "abort_reason",
    "anthropic-81a2b829cbfe": "abort_reason",
    # A fixture: its author wrote a field into the block that the API does not send.
    "anthropic-e226482ecd4d": "snippet",
    # openai 3.54.0 has it in `types/responses/response_custom_tool_call_item.py`, not in `..._param.py`.
    "openai-c3bca2d3d985": "status",
    # The API sends it; openai 3.54.0 `types/responses/response_file_search_tool_call_param.py` lacks it.
    "openai-2c7a13c73a7b": "vector_store_id",
    # A fixture with `refusal: null` inside an output_text.
    "openai-cf72f7000a15": "refusal",
    # The API sends sources of type "api"; openai 3.54.0 `types/responses/response_function_web_search_param.py` has "url".
    "openai-061d4c6dfb34": "sources",
    "openai-54598e8695e2": "sources",
    # OpenRouter's own field, replayed to OpenRouter.
    "openrouter-0384608cec48": "format",
    "openrouter-548831639fde": "format",
}


# The author of this fixture cut pieces out of its image's base64 and wrote "..." there.
CUT_IMAGE = "openai-bb53d963cab3"


def _mended(text: str) -> str:
    return text.replace("...", "AAA", 1).replace("...", "")


# --- reading records --------------------------------------------------------------------------------------------------


def records(*apis: str, files: str = "*") -> Iterator[dict[str, Any]]:
    """The recorded generations of these APIs."""
    for path in sorted(RECORDS.glob(f"{files}.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if record["id"] == CUT_IMAGE:  # whole groups of four again
                    body = record["response_body"]
                    record["response_body"] = re.sub(r'"UklG[^"]*"', lambda found: _mended(found[0]), body)
                if record["api"] in apis and record["expected"].get("kind") == "generation":
                    yield record


def wire_of(record: Mapping[str, Any]) -> Wire:
    """The wire that reads a record."""
    return WIRES["groq" if record["provider"] == "groq" else WIRE_OF_API[record["api"]]]


def sse_events(body: str) -> list[dict[str, Any]]:
    """The JSON events of a recorded stream; its last one may lack the blank line."""
    events, data = [], []
    for line in [*body.splitlines(), ""]:
        if line.startswith("data:"):
            data.append(line[5:])
        elif not line and data:
            text, data = "\n".join(data).strip(), []
            if text != "[DONE]":
                events.append(json.loads(text))
    return events


def folded(wire: Wire, events: list[dict[str, Any]]) -> CompletionResponse:
    state = wire.accumulator()
    for event in events:
        state.feed(event)
        if state.done:
            break
    return state.finish()


def read(record: Mapping[str, Any]) -> tuple[CompletionResponse, list[Any]] | None:
    """The answer of a record as the wire reads it, and the vendor's own items in it; None for a record of an error."""
    if record["expected"].get("error"):
        return None
    wire = WIRES[WIRE_OF_API[record["api"]]]
    if not record["streaming"]:
        raw = json.loads(record["response_body"])
        return wire.from_sdk_response(raw), json.loads(record["response_body"])[
            "output" if "output" in raw else "content"
        ]
    events = sse_events(record["response_body"])
    return folded(wire, events), items_of_stream(record["api"], sse_events(record["response_body"]))


def items_of_stream(api: str, events: list[dict[str, Any]]) -> list[Any]:
    if api == "openai_responses":
        terminal = next(event["response"] for event in reversed(events) if "status" in event.get("response", {}))
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        return terminal["output"] or done
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in events:
        if event["type"] != "ping":
            snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)  # type: ignore[arg-type]
    blocks: list[Any] = snapshot.to_dict(mode="json", warnings=False)["content"]
    for index, text in buffers.items():
        if not _is_json(text):  # cut off by max_tokens: the SDK guesses an object from the half of one
            blocks[index]["input"] = {}
    return blocks


def _is_json(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


# --- the next request -------------------------------------------------------------------------------------------------


def next_body(wire_name: str, response: CompletionResponse) -> dict[str, Any]:
    """The request that follows an answer: every call gets a result."""
    results = [Message.tool("Sunny", tool_call_id=call.id) for call in response.tool_calls]
    follow_up = [] if results else [Message.user("Go on")]
    request = CompletionRequest((QUESTION, response.to_message(), *results, *follow_up), tools=(WEATHER,))
    return (
        WIRES[wire_name]
        .to_sdk_kwargs(request, catalogue.profile(VENDORS[wire_name], response.model or "x"), False)
        .body
    )


def replayed(wire_name: str, body: Mapping[str, Any]) -> list[Any]:
    """What stands between the question and what follows the answer."""
    if wire_name == "responses":
        return [
            item
            for item in body["input"][1:]
            if item.get("type") != "function_call_output" and item.get("role") != "user"
        ]
    return [block for message in body["messages"] if message["role"] == "assistant" for block in message["content"]]


def sendable(items: list[Any]) -> list[Any]:
    """All of a vendor's items but the text blocks without a word that Anthropic writes and refuses to read."""
    return [item for item in items if item.get("type") != "text" or (item.get("text") or "").strip()]


# --- made by hand -----------------------------------------------------------------------------------------------------

REASONING = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAAABo+/=="}
COMMENTARY = {
    "id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "phase": "commentary",
    "content": [{"type": "output_text", "text": "I will löök. ", "annotations": [], "logprobs": []}],
}  # fmt: skip
FUNCTION_CALL = {
    "id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "get_weather",
    "arguments": '{ "city":"Rome" }',
}  # fmt: skip
RESPONSES_ITEMS = [REASONING, COMMENTARY, {**REASONING, "id": "rs_2"}, FUNCTION_CALL]
MESSAGES_BLOCKS = [
    {"type": "thinking", "thinking": "", "signature": "EqQBCkgI+/=="},
    {"type": "redacted_thinking", "data": "EmwKAhgB+/=="},
    {"type": "thinking", "thinking": " Hm.\n", "signature": "EqQ2=="},
    {"type": "text", "text": "I will löök. ", "citations": None},
    {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Rome", "days": [1, 2]}},
]


def whole(wire_name: str) -> tuple[CompletionResponse, list[Any]]:
    if wire_name == "responses":
        return ResponsesWire().from_sdk_response({"status": "completed", "output": RESPONSES_ITEMS}), RESPONSES_ITEMS
    return MessagesWire().from_sdk_response({"stop_reason": "tool_use", "content": MESSAGES_BLOCKS}), MESSAGES_BLOCKS


def messages_stream() -> list[dict[str, Any]]:
    """The same blocks in pieces."""
    start = {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "content": [], "stop_reason": None,
             "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(MESSAGES_BLOCKS):
        opened, deltas = dict(block), []
        if block["type"] == "thinking":
            opened |= {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": letter} for letter in str(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        elif block["type"] == "text":
            opened |= {"text": ""}
            deltas = [{"type": "text_delta", "text": letter} for letter in str(block["text"])]
        elif block["type"] == "tool_use":
            opened |= {"input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": letter} for letter in json.dumps(block["input"])]
        events.append({"type": "content_block_start", "index": index, "content_block": opened})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": "tool_use", "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}}, {"type": "message_stop"}]


@pytest.mark.parametrize("wire_name", ["responses", "messages"])
def test_the_vendors_own_items_go_back_as_they_came(wire_name: str) -> None:
    response, items = whole(wire_name)
    body = next_body(wire_name, response)
    assert json.dumps(replayed(wire_name, body)) == json.dumps(items)
    assert body_errors(wire_name, body) == []


def test_streamed_blocks_go_back_as_they_came() -> None:
    body = next_body("messages", folded(MessagesWire(), messages_stream()))
    assert json.dumps(replayed("messages", body)) == json.dumps(MESSAGES_BLOCKS)


def test_streamed_items_go_back_as_they_came() -> None:
    events = [{"type": "response.completed", "response": {"status": "completed", "output": RESPONSES_ITEMS}}]
    body = next_body("responses", folded(ResponsesWire(), events))
    assert json.dumps(replayed("responses", body)) == json.dumps(RESPONSES_ITEMS)


@pytest.mark.parametrize(
    ("made_by", "sent_to"),
    [
        ("responses", "messages"),
        ("messages", "responses"),
        ("messages", "chat"),
        ("responses", "chat"),
        ("messages", "mistral"),
        ("responses", "mistral"),
    ],
)
def test_another_vendor_gets_the_text_and_the_calls_alone(made_by: str, sent_to: str) -> None:
    response, _ = whole(made_by)
    body = next_body(sent_to, response)
    text = json.dumps(body, ensure_ascii=False)
    assert body_errors(sent_to, body) == []
    assert "I will löök. " in text
    assert "get_weather" in text
    for secret in (
        "thinking",
        "redacted",
        "signature",
        "EqQ",
        "EmwK",
        "gAAAA",
        "rs_1",
        "encrypted",
        "commentary",
        "msg_1",
    ):
        assert secret not in text.replace("reasoning.encrypted_content", "")


@pytest.mark.parametrize("state", [("azure", "responses"), ("openai", "chat"), ("anthropic", "messages")])
def test_items_are_kept_from_another_vendor_or_wire_of_the_same_name(state: tuple[str, str]) -> None:
    message = Message.assistant("Hello.")
    message = Message(message.role, "Hello.", provider_state=ProviderState(*state, (REASONING,)))
    request = CompletionRequest((QUESTION, message, Message.user("?")))
    body = ResponsesWire().to_sdk_kwargs(request, catalogue.profile("openai", "gpt-6-luna"), False).body
    assert body["input"][1] == {"role": "assistant", "content": "Hello."}


@pytest.mark.parametrize("wire_name", ["responses", "messages"])
def test_several_tool_turns_in_a_row_are_all_replayed(wire_name: str) -> None:
    response, items = whole(wire_name)
    turn = (response.to_message(), Message.tool("Sunny", tool_call_id="call_1"))
    body = (
        WIRES[wire_name]
        .to_sdk_kwargs(
            CompletionRequest((QUESTION, *turn, *turn, *turn)), catalogue.profile(VENDORS[wire_name], "x"), False
        )
        .body
    )
    assert replayed(wire_name, body) == items * 3


# --- recorded ---------------------------------------------------------------------------------------------------------


@recorded
@pytest.mark.parametrize("api", ["openai_responses", "anthropic_messages"])
def test_every_recorded_answer_is_replayed_as_it_came(api: str) -> None:
    wire_name = WIRE_OF_API[api]
    differ, seen = [], 0
    for record in records(api):
        if (answer := read(record)) is None:
            continue
        response, items = answer
        sent = replayed(wire_name, next_body(wire_name, response))
        seen += bool(items)
        # Numbers of a stream may be typed anew by the SDK (1 and 1.0), so values are compared, and the text of strings.
        if sent != sendable(items):
            differ.append(record["id"])
    assert differ == []
    assert seen > 300


@recorded
@pytest.mark.parametrize("api", ["openai_responses", "anthropic_messages"])
def test_every_recorded_whole_answer_is_replayed_byte_for_byte(api: str) -> None:
    wire_name = WIRE_OF_API[api]
    for record in records(api):
        answer = None if record["streaming"] else read(record)
        if answer is not None:
            response, items = answer
            sent = replayed(wire_name, next_body(wire_name, response))
            assert json.dumps(sent) == json.dumps(sendable(items)), record["id"]


@recorded
@pytest.mark.parametrize("api", ["openai_responses", "anthropic_messages"])
def test_every_replayed_body_is_valid_by_the_sdks_own_types(api: str) -> None:
    wire_name = WIRE_OF_API[api]
    wrong: dict[str, list[str]] = {}
    for record in records(api):
        answer = read(record)
        if answer is not None and (errors := body_errors(wire_name, next_body(wire_name, answer[0]))):
            body = json.dumps(next_body(wire_name, answer[0]))
            wrong[record["id"]] = [] if GAPS.get(record["id"], "no gap is known") in body else errors
    assert {id: errors for id, errors in wrong.items() if errors} == {}
    of_this_api = {record["id"] for record in records(api)}
    assert wrong.keys() == GAPS.keys() & of_this_api  # a gap that has closed leaves the list


@recorded
def test_groqs_reasoning_goes_back_to_groq_and_to_nobody_else() -> None:
    wire, seen = WIRES["groq"], 0
    for record in records("openai_chat", files="groq"):
        if record["expected"].get("error"):
            continue
        body = record["response_body"]
        events = sse_events(body) if record["streaming"] else []
        response = folded(wire, events) if events else wire.from_sdk_response(json.loads(body))
        thinks = (response.model or "") in ("openai/gpt-oss-120b", "openai/gpt-oss-20b")
        sent = next_body("groq", response)
        said = sent["messages"][1].get("reasoning")
        assert said == (record["expected"].get("thinking") or None if thinks else None), record["id"]
        assert body_errors("groq", sent) == [], record["id"]
        seen += said is not None
        if response.thinking:
            for other in ("chat", "responses", "messages"):
                assert response.thinking not in json.dumps(next_body(other, response), ensure_ascii=False)
    assert seen > 10


@recorded
@pytest.mark.parametrize("api", ["openai_responses", "anthropic_messages"])
def test_no_recorded_answer_leaks_its_blocks_to_another_vendor(api: str) -> None:
    other = {"openai_responses": "messages", "anthropic_messages": "responses"}[api]
    for record in records(api):
        answer = read(record)
        if answer is not None:
            body = next_body(other, answer[0])
            assert body_errors(other, body) == [], record["id"]
            for item in answer[1]:
                for secret in ("signature", "encrypted_content", "data"):
                    assert not item.get(secret) or item[secret] not in json.dumps(body), record["id"]


# --- cut streams ------------------------------------------------------------------------------------------------------


def is_terminal(event: Mapping[str, Any]) -> bool:
    if "choices" in event:
        return any(choice.get("finish_reason") for choice in event["choices"] if not choice.get("index"))
    return event.get("type") == "message_stop" or str(event.get("type")).removeprefix("response.") in (
        "completed", "incomplete", "failed", "cancelled", "done",
    )  # fmt: skip


@recorded
@pytest.mark.parametrize("vendor", ["openai", "azure_openai", "anthropic", "groq", "mistral"])
def test_a_recorded_stream_cut_anywhere_before_its_end_is_noticed(vendor: str) -> None:
    cuts = 0
    for record in records(*WIRE_OF_API, files=vendor):
        if not record["streaming"] or record["expected"].get("error"):
            continue
        state = wire_of(record).accumulator()
        for event in sse_events(record["response_body"]):
            with pytest.raises(StreamTruncated):  # before the first event, and after every one but the last
                state.finish()
            cuts += 1
            state.feed(event)
            if is_terminal(event):
                break
    assert cuts > 100


@recorded
@pytest.mark.parametrize("vendor", ["openai", "azure_openai", "anthropic", "groq", "mistral"])
def test_a_recorded_stream_that_was_not_cut_is_an_answer(vendor: str) -> None:
    for record in records(*WIRE_OF_API, files=vendor):
        if not record["streaming"]:
            continue
        wire = wire_of(record)
        events = sse_events(record["response_body"])
        if record["expected"].get("error"):
            with pytest.raises(ProviderError):
                folded(wire, events)
        elif not record["expected"]["stream"]["complete"]:
            with pytest.raises(StreamTruncated):
                folded(wire, events)
        else:
            folded(wire, events)


def test_the_text_that_had_arrived_is_on_the_error_of_a_cut_stream() -> None:
    events = messages_stream()[:-1]
    with pytest.raises(StreamTruncated) as caught:
        folded(MessagesWire(), events)
    assert caught.value.partial_text == "I will löök. "
    state = ChatWire().accumulator()
    state.feed({"choices": [{"index": 0, "delta": {"content": "Hel"}}]})
    with pytest.raises(StreamTruncated) as caught:
        state.finish()
    assert caught.value.partial_text == "Hel"
