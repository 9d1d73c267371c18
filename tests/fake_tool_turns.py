"""Turns of several tool calls in OpenAI's two wires and Anthropic's: what is sent is checked against the SDKs' own types.

A turn is a list of `{"name": ..., "arguments": ...}`; the calls of a stream come in pieces, OpenAI's interleaved. Who asks
for thinking gets `THINKING` before the calls, or `REASONING`.
"""

from __future__ import annotations

import json
import re
from itertools import zip_longest
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

Events = list[Any]

THINKING: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Two calls.", "signature": "EqQBCkgI+/=="},
    {"type": "redacted_thinking", "data": "EmwKAhgB+/=="},
]
REASONING: list[dict[str, Any]] = [
    {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAAABm+/==", "status": "completed"}
]


def tool_turn(body: dict[str, Any], turns: list[list[dict[str, Any]]]) -> Events | None:
    """The events of the next turn, the whole answer last; None where all turns were had."""
    done = len(set(re.findall(r'"call_(\d+)_\d+"', json.dumps(body))))
    if done >= len(turns):
        return None
    calls = [{"id": f"call_{done}_{place}", **call} for place, call in enumerate(turns[done])]
    if "input" in body:
        return _responses(body["model"], calls, REASONING if "reasoning" in body else [])
    if "max_tokens" in body:
        return _messages(body["model"], calls, THINKING if "thinking" in body else [])
    return _chat(body["model"], calls)


def _text(call: dict[str, Any]) -> str:
    arguments = call["arguments"]
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _pieces(call: dict[str, Any]) -> list[str]:
    text = _text(call)
    step = max(3, len(text) // 50)
    return [text[start : start + step] for start in range(0, len(text), step)]


def _interleaved(calls: list[dict[str, Any]]) -> list[tuple[int, str]]:
    rows = zip_longest(*map(_pieces, calls))
    return [(place, piece) for row in rows for place, piece in enumerate(row) if piece is not None]


def _chat(model: str, calls: list[dict[str, Any]]) -> Events:
    usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
    base = {"id": "chatcmpl_1", "created": 1, "model": model}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> Any:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**base, "object": "chat.completion.chunk", "choices": [choice]}

    def called(call: dict[str, Any], arguments: str) -> dict[str, Any]:
        return {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": arguments}}

    chunks = [chunk({"tool_calls": [{"index": place, **called(call, "")}]}) for place, call in enumerate(calls)]
    chunks += [
        chunk({"tool_calls": [{"index": place, "function": {"arguments": piece}}]})
        for place, piece in _interleaved(calls)
    ]
    chunks += [chunk({}, "tool_calls"), {**base, "object": "chat.completion.chunk", "choices": [], "usage": usage}]
    message = {
        "role": "assistant", "content": None, "refusal": None, "tool_calls": [called(call, _text(call)) for call in calls],
    }  # fmt: skip
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": None}
    whole = {**base, "object": "chat.completion", "usage": usage, "choices": [choice]}
    ChatCompletion.model_validate(whole)
    for sent in chunks:
        ChatCompletionChunk.model_validate(sent)
    return [*((None, sent) for sent in chunks), (None, "[DONE]"), whole]


def _responses(model: str, calls: list[dict[str, Any]], thoughts: list[dict[str, Any]]) -> Events:
    usage = {
        "input_tokens": 20, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 25,
    }  # fmt: skip
    items = [*thoughts] + [
        {
            "id": f"fc_{call['id']}", "type": "function_call", "call_id": call["id"], "name": call["name"],
            "arguments": _text(call), "status": "completed",
        }
        for call in calls
    ]  # fmt: skip
    whole = {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": model, "output": items,
        "usage": usage, "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
        "parallel_tool_calls": True, "temperature": None, "tool_choice": "auto", "tools": [], "top_p": None,
        "service_tier": "default",
    }  # fmt: skip
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}}
    ]
    for place, item in enumerate(items):
        begun = {**item, **({"arguments": ""} if "call_id" in item else {}), "status": "in_progress"}
        events.append({"type": "response.output_item.added", "output_index": place, "item": begun})
    for number, piece in _interleaved(calls):
        place = number + len(thoughts)
        where = {"output_index": place, "item_id": items[place]["id"]}
        events.append({"type": "response.function_call_arguments.delta", "delta": piece, **where})
    for place, item in enumerate(items):
        events.append({"type": "response.output_item.done", "output_index": place, "item": item})
    events.append({"type": "response.completed", "response": whole})
    for number, event in enumerate(events):
        event["sequence_number"] = number
        TypeAdapter(ResponseStreamEvent).validate_python(event)
    Response.model_validate(whole)
    return [*((event["type"], event) for event in events), whole]


def _messages(model: str, calls: list[dict[str, Any]], thoughts: list[dict[str, Any]]) -> Events:
    usage = {"input_tokens": 20, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "output_tokens": 5}
    blocks = [*thoughts] + [
        {"type": "tool_use", "id": call["id"], "name": call["name"], "input": json.loads(_text(call))} for call in calls
    ]
    whole = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": blocks,
        "stop_reason": "tool_use", "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
    for place, block in enumerate(blocks):
        deltas: list[dict[str, Any]] = []
        if block["type"] == "thinking":
            deltas = [{"type": f"{name}_delta", name: block[name]} for name in ("thinking", "signature")]
            begun = {**block, "thinking": "", "signature": ""}
        elif block["type"] == "tool_use":
            pieces = _pieces(calls[place - len(thoughts)])
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            begun = {**block, "input": {}}
        else:
            begun = block
        events.append({"type": "content_block_start", "index": place, "content_block": begun})
        for delta in deltas:
            events.append({"type": "content_block_delta", "index": place, "delta": delta})
        events.append({"type": "content_block_stop", "index": place})
    ended = {"stop_reason": "tool_use", "stop_sequence": None}
    events += [{"type": "message_delta", "delta": ended, "usage": {"output_tokens": 5}}, {"type": "message_stop"}]
    Message.model_validate(whole)
    for event in events:
        TypeAdapter(RawMessageStreamEvent).validate_python(event)
    return [*((event["type"], event) for event in events), whole]
