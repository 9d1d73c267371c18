"""What a healthy vendor says, whole and streamed: Chat Completions, Mistral's dialect, Responses, Messages, generateContent."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lazybridge.testing.faults.mode import WireName

PIECES = ("Grüße, 世界 ", "🌍: ", "the answer ", "is 42.")
TEXT = "".join(PIECES)
MODEL = "model-of-the-fault-bench"
Stage = Literal["start", "text", "stop", "end", "usage", "done"]


@dataclass(frozen=True)
class Event:
    """One event of a stream: where in it, its name if it has one, and its data."""

    stage: Stage
    data: Any
    name: str | None = None

    def encoded(self, end: str = "\n") -> bytes:
        """As it goes over the wire."""
        data = self.data if isinstance(self.data, str) else json.dumps(self.data, ensure_ascii=False)
        head = f"event: {self.name}{end}" if self.name else ""
        return f"{head}data: {data}{end}{end}".encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Call:
    """A call of a tool; `arguments` are the JSON text that the model wrote."""

    id: str
    name: str
    arguments: str

    def parsed(self) -> Any:
        """The arguments, for the vendors that send an object; the text where it is none."""
        try:
            return json.loads(self.arguments)
        except ValueError:
            return self.arguments


@dataclass(frozen=True)
class Said:
    """What the model says."""

    model: str = MODEL
    pieces: Sequence[str] = PIECES
    calls: Sequence[Call] = ()
    usage: bool = True

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)


def _chat_usage() -> dict[str, Any]:
    details = {"prompt_tokens_details": {"cached_tokens": 8}}
    return {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25, **details}


def _chat_calls(said: Said) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in said.calls
    ]


def chat(said: Said) -> dict[str, Any]:
    """A `chat.completion`."""
    message: dict[str, Any] = {"role": "assistant", "content": None if said.calls else said.text}
    if said.calls:
        message["tool_calls"] = _chat_calls(said)
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if said.calls else "stop"}
    base = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": said.model, "choices": [choice]}
    return {**base, "usage": _chat_usage()} if said.usage else base


def _chat_events(said: Said, usage_apart: bool) -> list[Event]:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": said.model}

    def chunk(stage: Stage, delta: dict[str, Any], finish: str | None = None, **more: Any) -> Event:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return Event(stage, {**base, "choices": [choice], **more})

    usage = {"usage": _chat_usage()} if said.usage else {}
    events = [chunk("start", {"role": "assistant", "content": ""})]
    if said.calls:
        calls = [{"index": index, **call} for index, call in enumerate(_chat_calls(said))]
        events += [chunk("text", {"tool_calls": [call]}) for call in calls]
    else:
        events += [chunk("text", {"content": piece}) for piece in said.pieces]
    finish = "tool_calls" if said.calls else "stop"
    events.append(chunk("end", {}, finish, **({} if usage_apart else usage)))
    if usage_apart and usage:
        events.append(Event("usage", {**base, "choices": [], **usage}))
    return [*events, Event("done", "[DONE]")]


def _chat_stream(said: Said) -> list[Event]:
    return _chat_events(said, usage_apart=True)


def _mistral_stream(said: Said) -> list[Event]:
    return _chat_events(said, usage_apart=False)


def responses(said: Said) -> dict[str, Any]:
    """A `response`."""
    text = {"type": "output_text", "text": said.text, "annotations": []}
    output: list[dict[str, Any]] = [
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    ]
    if said.calls:
        output = [
            {"id": f"fc_{index}", "type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments, "status": "completed"}
            for index, call in enumerate(said.calls)
        ]  # fmt: skip
    read = {"input_tokens": 20, "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0}}
    wrote = {"output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": said.model, "output": output,
        "usage": {**read, **wrote, "total_tokens": 25} if said.usage else None, "error": None, "incomplete_details": None,
        "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": None, "tool_choice": "auto",
        "tools": [], "top_p": None, "service_tier": "default",
    }  # fmt: skip


def _responses_stream(said: Said) -> list[Event]:
    whole = responses(said)
    number = iter(range(100_000))

    def event(stage: Stage, kind: str, **fields: Any) -> Event:
        return Event(stage, {"type": kind, "sequence_number": next(number), **fields}, kind)

    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events = [event("start", "response.created", response=begun)]
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    if not said.calls:
        opened = {**whole["output"][0], "content": [], "status": "in_progress"}
        empty = {"type": "output_text", "text": "", "annotations": []}
        events.append(event("start", "response.output_item.added", output_index=0, item=opened))
        events.append(event("start", "response.content_part.added", **place, part=empty))
        events += [
            event("text", "response.output_text.delta", **place, delta=piece, logprobs=[]) for piece in said.pieces
        ]
        events.append(event("stop", "response.output_text.done", **place, text=said.text, logprobs=[]))
    for index, item in enumerate(whole["output"]):
        if said.calls:
            events.append(
                event("text", "response.output_item.added", output_index=index, item={**item, "arguments": ""})
            )
        events.append(event("stop", "response.output_item.done", output_index=index, item=item))
    return [*events, event("end", "response.completed", response=whole)]


def messages(said: Said) -> dict[str, Any]:
    """A `message`."""
    content: list[dict[str, Any]] = [{"type": "text", "text": said.text}]
    if said.calls:
        content = [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": call.parsed()} for call in said.calls
        ]
    base = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": said.model, "content": content,
        "stop_reason": "tool_use" if said.calls else "end_turn", "stop_sequence": None,
    }  # fmt: skip
    return {**base, "usage": _messages_usage()} if said.usage else base


def _messages_usage() -> dict[str, Any]:
    cache = {"cache_read_input_tokens": 8, "cache_creation_input_tokens": 0}
    return {"input_tokens": 12, **cache, "output_tokens": 5, "service_tier": "standard"}


def _messages_stream(said: Said) -> list[Event]:
    whole = messages(said)
    begun = {**whole, "content": [], "stop_reason": None}
    if said.usage:
        begun["usage"] = {**whole["usage"], "output_tokens": 1}

    def event(stage: Stage, kind: str, **fields: Any) -> Event:
        return Event(stage, {"type": kind, **fields}, kind)

    events = [event("start", "message_start", message=begun)]
    for index, block in enumerate(whole["content"]):
        empty = {**block, "input": {}} if said.calls else {"type": "text", "text": ""}
        deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": piece} for piece in said.pieces]
        if said.calls:
            deltas = [{"type": "input_json_delta", "partial_json": said.calls[index].arguments}]
        events.append(event("start", "content_block_start", index=index, content_block=empty))
        events += [event("text", "content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(event("stop", "content_block_stop", index=index))
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {"usage": {"output_tokens": 5}} if said.usage else {}
    return [*events, event("end", "message_delta", delta=delta, **usage), event("done", "message_stop")]


def gemini(said: Said) -> dict[str, Any]:
    """A GenerateContentResponse."""
    parts: list[dict[str, Any]] = [{"text": said.text}]
    if said.calls:
        parts = [{"functionCall": {"id": call.id, "name": call.name, "args": call.parsed()}} for call in said.calls]
    return _gemini(said, parts, finishReason="STOP")


def _gemini(said: Said, parts: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0, **fields}
    counts = {"promptTokenCount": 20, "cachedContentTokenCount": 8, "candidatesTokenCount": 5, "totalTokenCount": 25}
    base = {"candidates": [candidate], "modelVersion": said.model, "responseId": "resp-1"}
    return {**base, "usageMetadata": counts} if said.usage else base


def _gemini_stream(said: Said) -> list[Event]:
    parts: list[dict[str, Any]] = [{"text": piece} for piece in said.pieces]
    if said.calls:
        parts = gemini(said)["candidates"][0]["content"]["parts"]
    return [
        Event("start", _gemini(said, [])),
        *(Event("text", _gemini(said, [part])) for part in parts),
        Event("end", _gemini(said, [{"text": ""}], finishReason="STOP")),
    ]


WHOLE: dict[WireName, Callable[[Said], dict[str, Any]]] = {
    "chat": chat, "mistral": chat, "responses": responses, "messages": messages, "gemini": gemini,
}  # fmt: skip
STREAM: dict[WireName, Callable[[Said], list[Event]]] = {
    "chat": _chat_stream, "mistral": _mistral_stream, "responses": _responses_stream, "messages": _messages_stream,
    "gemini": _gemini_stream,
}  # fmt: skip
