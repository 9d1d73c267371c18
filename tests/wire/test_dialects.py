"""The dialects of Chat Completions: what each vendor is sent and what of its answers is kept.

The bodies are checked against openai's own types once the vendor's extensions, each with its source, are taken out.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from lazybridge.core import catalogue
from lazybridge.core.content import Citation
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message
from lazybridge.core.wire.chat import ChatWire
from tests.wire.dialects import (
    EXTENSIONS,
    PINNED,
    model_of,
    providers,
    requests,
    wire_of,
    without_extensions,
    written,
)
from tests.wire.sdk_types import body_errors
from tests.wire.test_replay import folded, recorded, records, sse_events

NAMES = list(providers())


@pytest.mark.parametrize("name", NAMES)
def test_the_bodies_and_their_adjustments_are_the_pinned_ones(name: str) -> None:
    assert json.loads(json.dumps(written(name))) == json.loads((PINNED / f"{name}.json").read_text(encoding="utf-8"))


def test_no_file_is_left_over() -> None:
    assert {path.stem for path in PINNED.iterdir()} == set(NAMES)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", NAMES)
def test_the_bodies_are_valid_by_openais_own_types_but_for_sourced_extensions(name: str, stream: bool) -> None:
    wire, profile = wire_of(name), catalogue.profile(name, model_of(name))
    for case, request in requests(wire):
        body = wire.to_sdk_kwargs(request, profile, stream).body
        assert body_errors("chat", without_extensions(body)) == [], case


def test_every_extension_has_a_source_and_is_used() -> None:
    used: set[str] = set()
    for name in NAMES:
        for case in written(name).values():
            used |= case["body"].keys() & EXTENSIONS.keys()
            used |= {f"response_format.{key}" for key in case["body"].get("response_format", ())} & EXTENSIONS.keys()
            used |= {f"messages[].{key}" for message in case["body"]["messages"] for key in message} & EXTENSIONS.keys()
    assert used == EXTENSIONS.keys()
    assert all(source.startswith("https://") for source in EXTENSIONS.values())


def test_only_some_vendors_are_asked_for_usage_in_a_stream() -> None:
    request = CompletionRequest((Message.user("Hi"),))
    for name in NAMES:
        body = wire_of(name).to_sdk_kwargs(request, catalogue.profile(name, model_of(name)), True).body
        assert body["stream"] is True
        assert ("stream_options" in body) == (name != "perplexity")


def test_what_the_user_writes_into_the_body_wins() -> None:
    more = {"provider": {"order": ["Anthropic"]}, "usage": {"include": False}, "metadata": {"a": "b"}}
    request = CompletionRequest((Message.user("Hi"),), extra_body=more)
    for name in ("openrouter", "deepseek"):
        body = wire_of(name).to_sdk_kwargs(request, catalogue.profile(name, model_of(name)), False).body
        assert more.items() <= body.items()


# --- what an answer thought goes back -----------------------------------------------------------------------------------

CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
# As Anthropic's thinking comes through OpenRouter: pieces of text, then the signature of the whole.
DETAILS = [
    {"type": "reasoning.text", "text": "The user ", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.text", "text": "wants f.", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.text", "signature": "EqQB==", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "gAAA", "index": 1},
]
WHOLE_DETAILS = [
    {"type": "reasoning.text", "text": "The user wants f.", "signature": "EqQB==", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "gAAA", "index": 1},
]  # fmt: skip


def whole(wire: ChatWire, message: dict[str, Any], **top: Any) -> CompletionResponse:
    choice = {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, **message}}
    return wire.from_sdk_response({"model": "m", "choices": [choice], **top})


def streamed(wire: ChatWire, *deltas: dict[str, Any], **top: Any) -> CompletionResponse:
    state = wire.accumulator()
    for delta in deltas:
        state.feed({"model": "m", "choices": [{"index": 0, "delta": delta}], **top})
    state.feed({"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return state.finish()


def replayed(name: str, answer: CompletionResponse) -> dict[str, Any]:
    turns = (Message.user("Hi"), answer.to_message(), Message.tool("1", tool_call_id="call_1"))
    body = wire_of(name).to_sdk_kwargs(CompletionRequest(turns), catalogue.profile(name, model_of(name)), False).body
    turn: dict[str, Any] = body["messages"][1]
    return turn


@pytest.mark.parametrize("name", ["deepseek", "zai", "xai"])
def test_reasoning_content_goes_back_with_its_turn(name: str) -> None:
    wire = wire_of(name)
    pieces = [{"reasoning_content": "The user "}, {"reasoning_content": "wants f."}, {"tool_calls": [CALL]}]
    for answer in (
        whole(wire, {"reasoning_content": "The user wants f.", "tool_calls": [CALL]}),
        streamed(wire, *pieces),
    ):
        assert answer.thinking == "The user wants f."
        assert replayed(name, answer)["reasoning_content"] == "The user wants f."


@pytest.mark.parametrize("name", ["ollama", "cerebras"])
def test_reasoning_goes_back_with_its_turn(name: str) -> None:
    answer = streamed(wire_of(name), {"reasoning": "Well, "}, {"reasoning": "f."}, {"tool_calls": [CALL]})
    assert replayed(name, answer)["reasoning"] == "Well, f."


def test_reasoning_details_go_back_as_they_came() -> None:
    wire = wire_of("openrouter")
    pieces = [{"reasoning": piece.get("text"), "reasoning_details": [piece]} for piece in DETAILS]
    for answer in (
        whole(wire, {"reasoning": "The user wants f.", "reasoning_details": WHOLE_DETAILS, "tool_calls": [CALL]}),
        streamed(wire, *pieces, {"tool_calls": [CALL]}),
    ):
        turn = replayed("openrouter", answer)
        assert turn["reasoning_details"] == WHOLE_DETAILS
        assert "reasoning" not in turn
        assert answer.thinking == "The user wants f."


def test_reasoning_alone_goes_back_where_there_are_no_details() -> None:
    answer = whole(wire_of("openrouter"), {"reasoning": "Hm.", "tool_calls": [CALL]})
    assert replayed("openrouter", answer)["reasoning"] == "Hm."


def test_another_vendor_does_not_get_it() -> None:
    answer = whole(wire_of("deepseek"), {"reasoning_content": "Hm.", "tool_calls": [CALL]})
    for name in NAMES:
        if name != "deepseek":
            assert "Hm." not in json.dumps(replayed(name, answer)), name


def test_openai_gets_back_what_it_always_did() -> None:
    assert whole(ChatWire(), {"reasoning_content": "Hm.", "tool_calls": [CALL]}).provider_state is None


@recorded
def test_every_recorded_answers_reasoning_goes_back_as_it_came() -> None:
    """Of a stream the pieces add up: texts joined, blocks by their index."""
    seen: set[str] = set()
    for record in records("openai_chat", files="compat"):
        name = record["provider"]
        if name not in NAMES or not wire_of(name).reasoning_fields or record["expected"].get("error"):
            continue
        wire = wire_of(name)
        if record["streaming"]:
            events = sse_events(record["response_body"])
            deltas = [choice.get("delta") or {} for event in events for choice in event.get("choices") or []]
            answer = folded(wire, events)
        else:
            raw = json.loads(record["response_body"])
            deltas = [choice["message"] for choice in raw["choices"][:1]]
            answer = wire.from_sdk_response(raw)
        field = next((field for field in wire.reasoning_fields if any(delta.get(field) for delta in deltas)), None)
        if field is None:
            assert answer.provider_state is None, record["id"]
            continue
        sent, pieces = replayed(name, answer)[field], [delta[field] for delta in deltas if delta.get(field)]
        seen.add(name)
        if isinstance(sent, str):
            assert sent == "".join(pieces), record["id"]
        elif not record["streaming"]:
            assert [sent] == pieces, record["id"]
        else:
            for key in ("text", "summary", "data", "signature"):
                assert "".join(block.get(key) or "" for block in sent) == "".join(
                    block.get(key) or "" for piece in pieces for block in piece
                ), record["id"]
    assert seen == {"deepseek", "openrouter", "ollama", "cerebras", "zai"}


# --- where an answer comes from -----------------------------------------------------------------------------------------

RESULTS = [{"title": "Ruby", "url": "https://ruby-lang.org", "snippet": "A language", "date": None}]


def test_what_a_search_found_is_on_the_answer() -> None:
    wire, found = wire_of("perplexity"), (Citation("https://ruby-lang.org", "Ruby", "A language"),)
    top = {"search_results": RESULTS, "citations": ["https://ruby-lang.org"]}
    assert whole(wire, {"content": "Ruby[1]"}, **top).citations == found
    assert streamed(wire, {"content": "Ru"}, {"content": "by[1]"}, **top).citations == found
    assert whole(wire, {"content": "Ruby"}, citations=["https://a.example"]).citations == (
        Citation("https://a.example"),
    )


def test_annotations_are_citations() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "start_index": 3, "end_index": 9}}  # fmt: skip
    other = {"type": "file", "file": {"name": "a.pdf"}}
    expected = (Citation("https://a.example", "A", None, 3, 9),)
    wire = wire_of("openrouter")
    assert whole(wire, {"content": "x", "annotations": [other, note]}).citations == expected
    assert streamed(wire, {"content": "x"}, {"annotations": [note]}).citations == expected
