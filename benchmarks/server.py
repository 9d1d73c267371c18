"""A loopback HTTP/1.1 server with canned answers of four APIs, whole and streamed: cheap, so that a client is what is measured.

`python benchmarks/server.py` takes a free port, prints its base URL and ends after `--seconds`, or when it is terminated.
A streamed answer leaves in one write, one HTTP chunk for each event. `GET /last` returns the last JSON body that came in,
`GET /connections` how many connections were opened. A body that names the field `capital_city` gets an answer of that
schema, one that names the tool `weather_in` a call of it, until the tool's result is in the body.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

PIECES = 500
TEXT = " ".join(f"word{number:03}" for number in range(40))
STREAMED = [
    " word" if number % 2 else " and" for number in range(PIECES)
]  # litellm refuses a model that repeats itself
OPENAI_MODEL, ANTHROPIC_MODEL = "gpt-6-luna", "claude-haiku-5-5"
GOOGLE_MODEL = "gemini-3.8-flash"
GROQ_MODEL, MISTRAL_MODEL = "openai/gpt-oss-120b", "mistral-small-2603"
OBJECT = '{"capital_city": "Paris", "inhabitants": 2100000}'
WEATHER = "18 degrees"
_ARGUMENTS = {"city": "Paris"}

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)


def _chat_usage() -> dict[str, Any]:
    return {
        "prompt_tokens": 120,
        "completion_tokens": 80,
        "total_tokens": 200,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def chat_whole(text: str | None = TEXT) -> dict[str, Any]:
    """The answer; without a text a tool call."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if text is None:
        function = {"name": "weather_in", "arguments": json.dumps(_ARGUMENTS)}
        message["tool_calls"] = [{"id": "call12345", "type": "function", "function": function}]
    return {
        "id": "chatcmpl-benchmark",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": OPENAI_MODEL,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop" if text else "tool_calls"}
        ],
        "usage": _chat_usage(),
        "service_tier": "default",
        "system_fingerprint": "fp_benchmark",
    }


def chat_events() -> Iterator[dict[str, Any]]:
    def chunk(delta: dict[str, Any] | None, finish: str | None = None, usage: Any = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {
            "id": "chatcmpl-benchmark",
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": OPENAI_MODEL,
            "service_tier": "default",
            "system_fingerprint": "fp_benchmark",
            "choices": [] if delta is None else [choice],
            "usage": usage,
            "obfuscation": "aBcDeFgHiJ",
        }

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for piece in STREAMED:
        yield chunk({"content": piece})
    yield chunk({}, "stop")
    yield chunk(None, usage=_chat_usage())


def responses_whole(text: str = TEXT, status: str = "completed") -> dict[str, Any]:
    done = status == "completed"
    return {
        "id": "resp_benchmark",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": status,
        "background": False,
        "completed_at": 1_790_000_001 if done else None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": 1024,
        "max_tool_calls": None,
        "model": OPENAI_MODEL,
        "output": [_responses_item(text)] if done else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": "low", "summary": None},
        "safety_identifier": None,
        "service_tier": "default" if done else "auto",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 120,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 80,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 200,
        }
        if done
        else None,
        "user": None,
        "metadata": {},
    }


def responses_call() -> dict[str, Any]:
    call = {
        "id": "fc_benchmark",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "weather_in",
    }
    return {**responses_whole(), "output": [{**call, "arguments": json.dumps(_ARGUMENTS)}]}


def _responses_item(text: str | None) -> dict[str, Any]:
    content = [] if text is None else [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}]
    status = "in_progress" if text is None else "completed"
    return {"id": "msg_benchmark", "type": "message", "status": status, "content": content, "role": "assistant"}


def responses_events() -> Iterator[dict[str, Any]]:
    text = "".join(STREAMED)
    place = {"item_id": "msg_benchmark", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": responses_whole(status="in_progress")},
        {"type": "response.in_progress", "response": responses_whole(status="in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": _responses_item(None)},
        {"type": "response.content_part.added", **place, "part": part},
        *(
            {
                "type": "response.output_text.delta",
                **place,
                "delta": piece,
                "logprobs": [],
                "obfuscation": "aBcDeFgHiJ",
            }
            for piece in STREAMED
        ),
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": {**part, "text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": _responses_item(text)},
        {"type": "response.completed", "response": responses_whole(text)},
    ]
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def messages_whole(text: str | None = TEXT) -> dict[str, Any]:
    return {
        "id": "msg_benchmark",
        "type": "message",
        "role": "assistant",
        "model": ANTHROPIC_MODEL,
        "content": [] if text is None else [{"type": "text", "text": text}],
        "stop_reason": None if text is None else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 120,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 80,
            "service_tier": "standard",
        },
    }


def messages_call() -> dict[str, Any]:
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather_in", "input": _ARGUMENTS}
    return {**messages_whole(), "content": [call], "stop_reason": "tool_use"}


def messages_events() -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": messages_whole(None)}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for piece in STREAMED:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    yield {"type": "content_block_stop", "index": 0}
    stopped = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 80}}
    yield {"type": "message_stop"}


def _whole(answer: dict[str, Any]) -> bytes:
    body = json.dumps(answer).encode()
    return _head("application/json", f"content-length: {len(body)}") + body


def _streamed(events: Iterable[dict[str, Any]], *, named: bool, done: bool = False) -> bytes:
    texts = [(f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n" for event in events]
    if done:
        texts.append("data: [DONE]\n\n")
    pieces = [text.encode() for text in texts]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return _head("text/event-stream; charset=utf-8", "transfer-encoding: chunked") + body + b"0\r\n\r\n"


def _head(content_type: str, framing: str) -> bytes:
    ids = "x-request-id: req_benchmark\r\nrequest-id: req_benchmark"
    return f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n{ids}\r\n{framing}\r\n\r\n".encode()


def gemini_whole(part: dict[str, Any] | None = None, **candidate: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": [part or {"text": TEXT}]}
    return {
        "candidates": [{"content": content, "index": 0, "finishReason": "STOP", **candidate}],
        "usageMetadata": {"promptTokenCount": 120, "candidatesTokenCount": 80, "totalTokenCount": 200},
        "modelVersion": GOOGLE_MODEL,
        "responseId": "benchmark",
    }


def gemini_events() -> Iterator[dict[str, Any]]:
    for piece in STREAMED[:-1]:
        event = gemini_whole({"text": piece})
        del event["candidates"][0]["finishReason"]
        yield event
    yield gemini_whole({"text": STREAMED[-1]})


class Answers:
    """What one path answers."""

    def __init__(self, text: bytes, structured: bytes, call: bytes, streamed: bytes) -> None:
        self.text, self.structured, self.call, self.streamed = text, structured, call, streamed

    def to(self, path: bytes, body: bytes) -> bytes:
        """The answer to a body, looked through and not parsed: that would cost more than the rest."""
        if _STREAM.search(body) or b"streamGenerateContent" in path:
            return self.streamed
        if b"capital_city" in body:
            return self.structured
        return self.call if b"weather_in" in body and WEATHER.encode() not in body else self.text


_STREAM = re.compile(rb'"stream":\s*true')


def _chat(model: str) -> Answers:
    whole = (chat_whole(), chat_whole(OBJECT), chat_whole(None))
    streamed = [{**event, "model": model} for event in chat_events()]
    return Answers(
        *(_whole({**answer, "model": model}) for answer in whole), _streamed(streamed, named=False, done=True)
    )


_GEMINI = Answers(
    _whole(gemini_whole()), _whole(gemini_whole({"text": OBJECT})),
    _whole(gemini_whole({"functionCall": {"name": "weather_in", "args": _ARGUMENTS}})),
    _streamed(gemini_events(), named=False),
)  # fmt: skip
# By how the path begins.
ANSWERS = {
    b"/v1/chat/completions": _chat(OPENAI_MODEL),
    b"/openai/v1/chat/completions": _chat(GROQ_MODEL),
    b"/mistral/v1/chat/completions": _chat(MISTRAL_MODEL),
    b"/v1/responses": Answers(
        _whole(responses_whole()), _whole(responses_whole(OBJECT)), _whole(responses_call()),
        _streamed(responses_events(), named=True),
    ),
    b"/v1/messages": Answers(
        _whole(messages_whole()), _whole(messages_whole(OBJECT)), _whole(messages_call()),
        _streamed(messages_events(), named=True),
    ),
    b"/v1beta/models/": _GEMINI,
}  # fmt: skip


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    last = b"{}"  # of all connections
    opened = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        Connection.opened += 1
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (request := self._take()) is not None:
            self.transport.write(self._answer(*request))

    def _take(self) -> tuple[bytes, bytes, bytes] | None:
        """The method, path and body of the first request in the buffer, once it has arrived whole."""
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        if _CHUNKED.search(head):
            whole = _unchunked(rest)
        else:
            length = int(match[1]) if (match := _LENGTH.search(head)) else 0
            whole = (rest[:length], rest[length:]) if len(rest) >= length else None
        if whole is None:
            return None
        body, self.buffer = whole
        method, path, _ = head.split(b" ", 2)
        return method, path, body

    def _answer(self, method: bytes, path: bytes, body: bytes) -> bytes:
        if method == b"GET":
            said = Connection.last if path == b"/last" else str(Connection.opened).encode()
            return _head("application/json", f"content-length: {len(said)}") + said
        Connection.last = body
        for begin, answers in ANSWERS.items():
            if path.startswith(begin):
                return answers.to(path, body)
        return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


def _unchunked(data: bytes) -> tuple[bytes, bytes] | None:
    """A chunked body and what follows it; None where it has not arrived whole."""
    body = b""
    while True:
        size, found, data = data.partition(b"\r\n")
        length = int(size, 16) if found else 0
        if not found or len(data) < length + 2:
            return None
        if not length:
            return body, data[2:]
        body, data = body + data[:length], data[length + 2 :]


async def _serve(seconds: float) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.sleep(seconds)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to live (default 600)")
    asyncio.run(_serve(parser.parse_args().seconds))
