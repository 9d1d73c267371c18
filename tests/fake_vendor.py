"""A loopback server that speaks Chat Completions, Mistral's dialect of it (under `/mistral`), Responses, Messages and
generateContent, keeps Anthropic's files and Message Batches, and fails on request.

It answers `Hello from the fake vendor.` in the wire of the path; OpenAI's image tool draws, and who is asked to speak does.
`fail(...)` queues faults for the next requests.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fake_endpoints import ANSWERS

PIECES = ("Hello ", "from ", "the fake ", "vendor.")
TEXT = "".join(PIECES)
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()
WAV = base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24)).decode()


@dataclass
class Fault:
    """What the next request gets instead of an answer; the numbers are seconds, `after` a count of events."""

    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0.0
    hang_after: int | None = None
    cut_after: int | None = None
    end_after: int | None = None
    pause: float = 0.0
    drip: float = 0.0
    linger: float = 0.0
    drop: bool = False
    before: bytes = b""  # what stands before the events of a stream


class FakeVendor:
    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.hung_up = threading.Event()
        self.connections = 0
        self.pieces: tuple[str, ...] = PIECES
        self.answers: deque[tuple[str, ...]] = deque()  # of the next requests, instead of `pieces`
        self.tool_call: dict[str, Any] | None = None
        self.tool_turns: list[list[dict[str, Any]]] = []
        self.batches: dict[str, list[dict[str, Any]]] = {}
        self._faults: deque[Fault] = deque()
        self._stopping = threading.Event()
        owner = self

        class Handler(_Handler):
            vendor = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(self, *faults: Fault) -> None:
        self._faults.extend(faults)

    def next_fault(self) -> Fault:
        return self._faults.popleft() if self._faults else Fault()

    def next_answer(self) -> tuple[str, ...]:
        return self.answers.popleft() if self.answers else self.pieces

    def next_tool_turn(self, body: dict[str, Any]) -> list[Any] | None:
        if not self.tool_turns:
            return None
        from tests.fake_tool_turns import tool_turn  # which checks itself against SDKs that need not be here

        return tool_turn(body, self.tool_turns)

    def wait(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def bodies(self) -> list[dict[str, Any]]:
        return [request["json"] for request in self.requests]

    def close(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up is what many tests are about


class _Handler(BaseHTTPRequestHandler):
    vendor: FakeVendor
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.vendor.connections += 1
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        """What vendors say to a HEAD of their base URL."""
        self._heard(None)
        self._send(404, b"", {})

    def do_GET(self) -> None:
        """A list; a file; or a batch, which has ended when it is looked at, and its results, the last first."""
        name = self.path.partition("?")[0].rsplit("/", 1)[-1]
        if name in ANSWERS:
            fault = self._heard(None)
            return self._send(fault.status or 200, fault.body if fault.status else ANSWERS[name]({}), fault.headers)
        _, _, _, kind, *rest = self.path.split("/") if "/batches/" in self.path else (None, None, None, "file")
        if kind == "file":
            return self._send(200, FILE, {})
        requests = self.vendor.batches[rest[0]]
        if len(rest) == 1:
            return self._send(200, batch_body(rest[0], len(requests), ended=True), {})
        found = []
        for request in reversed(requests):
            message = _messages(request["params"], self.vendor.pieces, None)[-1]
            message["usage"]["service_tier"] = "batch"
            found.append(
                json.dumps({"custom_id": request["custom_id"], "result": {"type": "succeeded", "message": message}})
            )
        self._send(200, "\n".join(found).encode(), {"content-type": "application/x-jsonl"})

    def do_DELETE(self) -> None:
        self._send(200, {"id": FILE["id"], "type": "file_deleted"}, {})

    def _heard(self, body: Any) -> Fault:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.vendor.requests.append({"path": self.path, "json": body, "headers": headers, "at": time.monotonic()})
        return self.vendor.next_fault()

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/v1/files":
            return self._send(200, FILE, {})
        if self.path == "/v1/messages/batches":
            requests = json.loads(sent)["requests"]
            id = f"msgbatch_{len(self.vendor.batches) + 1}"
            self.vendor.batches[id] = requests
            return self._send(200, batch_body(id, len(requests), ended=False), {})
        name, _, query = self.path.rsplit("/", 1)[-1].partition("?")
        if name in _MEDIA:
            return self._send(200, _MEDIA[name], {})
        body = json.loads(sent)
        if ":" in name:  # Google says in the URL what others say in the body
            model, _, name = name.partition(":")
            body["model"] = model
        fault = self._heard(body)
        if fault.hang:
            self.vendor.wait(fault.hang)
        if fault.drop:
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        if fault.status is not None:
            return self._send(fault.status, fault.body or error_body(self.path, fault.status), fault.headers)
        if name in ANSWERS:
            return self._send(200, ANSWERS[name](body), fault.headers)
        path = self.path.partition("?")[0]
        wire = _WIRES.get(path) or _WIRES[name]
        wrong = _mistral_refusal(body) if wire is _mistral else None
        if wrong:
            return self._send(422, {"detail": [{"type": "value_error", "loc": ["body"], "msg": wrong}]}, {})
        events = self.vendor.next_tool_turn(body) or wire(body, self.vendor.next_answer(), self.vendor.tool_call)
        if not body.get("stream") and query != "alt=sse":
            return self._drip(events[-1], fault.drip) if fault.drip else self._send(200, events[-1], fault.headers)
        self._stream(events[:-1], fault, query)

    def _send(self, status: int, body: Any, headers: dict[str, str]) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "content-type": "application/json",
            "x-request-id": "req_1",
            "request-id": "req_1",
            "mistral-correlation-id": "req_1",
            **headers,
        }.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _drip(self, body: Any, pause: float) -> None:
        """An answer whose bytes come one by one."""
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        try:
            for index in range(len(data)):
                self.wfile.write(data[index : index + 1])
                self.vendor.wait(pause)
        except OSError:
            self.close_connection = True
            self.vendor.hung_up.set()

    def _stream(self, events: list[tuple[str | None, Any]], fault: Fault, query: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        for name in ("x-request-id", "request-id", "mistral-correlation-id"):
            self.send_header(name, "req_1")
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            if fault.before:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(fault.before), fault.before))
            for index, (name, event) in enumerate(events):
                if fault.hang_after == index:
                    self.vendor.wait(30)
                if fault.cut_after == index:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if fault.end_after == index:
                    break
                head = f"event: {name}\n" if name else ""
                end = "\r\n" if query else "\n"  # Google's way
                data = f"{head}data: {event if isinstance(event, str) else json.dumps(event)}{end}{end}".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()
                if fault.pause:
                    self.vendor.wait(fault.pause)
            if fault.linger:
                self.vendor.wait(fault.linger)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
            self.vendor.hung_up.set()


FILE = {
    "id": "file_1", "type": "file", "filename": "report.pdf", "mime_type": "application/pdf", "size_bytes": 8,
    "created_at": "2026-11-22T00:00:00Z", "downloadable": False,
}  # fmt: skip


def batch_body(id: str, count: int, ended: bool) -> dict[str, Any]:
    """A Message Batch."""
    return {
        "id": id, "type": "message_batch", "processing_status": "ended" if ended else "in_progress",
        "request_counts": {"processing": 0 if ended else count, "succeeded": count if ended else 0, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": "2026-11-22T00:00:00Z", "expires_at": "2026-11-23T00:00:00Z", "ended_at": "2026-11-22T00:09:00Z" if ended else None,
    }  # fmt: skip


def error_body(path: str, status: int) -> dict[str, Any]:
    """The vendors' error shapes."""
    if path.endswith("/messages"):
        kind = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}
        return {"type": "error", "error": {"type": kind.get(status, "api_error"), "message": f"injected {status}"}}
    if path.startswith("/mistral"):
        if status == 401:
            return {"detail": f"injected {status}"}
        code = {404: ("1500", "invalid_model"), 429: ("1300", "rate_limited")}.get(status, (None, "server_error"))
        return {"object": "error", "message": f"injected {status}", "type": code[1], "param": None, "code": code[0]}
    if "generateContent" in path or "streamGenerateContent" in path:
        word = {401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
        return {"error": {"code": status, "message": f"injected {status}", "status": word.get(status, "INTERNAL")}}
    code = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status)
    return {"error": {"message": f"injected {status}", "type": "server_error", "param": None, "code": code}}


Events = list[Any]


def _chat(body: dict[str, Any], pieces: tuple[str, ...], call: dict[str, Any] | None) -> Events:
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 5,
        "total_tokens": 25,
        "prompt_tokens_details": {"cached_tokens": 8},
    }
    base = {"id": "chatcmpl_1", "created": 1, "model": body["model"]}
    calls = None
    if call and not any(message["role"] == "tool" for message in body["messages"]):
        calls = [
            {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
            }
        ]
    reason = "tool_calls" if calls else "stop"

    def chunk(delta: dict[str, Any], finish: str | None = None) -> tuple[None, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return None, {**base, "object": "chat.completion.chunk", "choices": [choice]}

    texts = [chunk({"tool_calls": calls})] if calls else [chunk({"content": piece}) for piece in pieces]
    trailer = (None, {**base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    message = {"role": "assistant", "content": None if calls else "".join(pieces), "refusal": None}
    if body.get("audio") and not calls:  # as openai 3.54.0 `ChatCompletionAudio` has it
        spoken = {"id": "audio_1", "expires_at": 4102444800}
        message |= {"content": None, "audio": {**spoken, "data": WAV, "transcript": "".join(pieces)}}
        texts = [chunk({"audio": {"id": "audio_1", "transcript": piece}}) for piece in pieces]
        texts += [chunk({"audio": {"data": WAV}}), chunk({"audio": spoken})]
    if calls:
        message["tool_calls"] = [{k: v for k, v in calls[0].items() if k != "index"}]
    whole = {
        **base,
        "object": "chat.completion",
        "usage": usage,
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
    }
    return [*texts, chunk({}, reason), trailer, (None, "[DONE]"), whole]


def _mistral(body: dict[str, Any], pieces: tuple[str, ...], call: dict[str, Any] | None) -> Events:
    """As recorded: no index on tool calls, usage beside the finish reason, an empty text beside calls."""
    usage = {
        "prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25,
        "prompt_tokens_details": {"cached_tokens": 8}, "service_tier": "standard",
    }  # fmt: skip
    base = {"id": "0123456789abcdef", "created": 1, "model": body["model"]}
    calls = None
    if call and not any(message["role"] == "tool" for message in body["messages"]):
        calls = [{"id": "D681PevKs", "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])}}]
    reason = "tool_calls" if calls else "stop"

    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> tuple[None, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return None, {**base, "object": "chat.completion.chunk", "choices": [choice], **more}

    texts = [] if calls else [chunk({"content": piece}) for piece in pieces]
    last = chunk({"content": "", "tool_calls": calls} if calls else {"content": ""}, reason, usage=usage)
    message = {"role": "assistant", "tool_calls": calls, "content": "" if calls else "".join(pieces)}
    whole = {
        **base,
        "object": "chat.completion",
        "usage": usage,
        "choices": [{"index": 0, "finish_reason": reason, "message": message}],
    }
    return [*texts, last, (None, "[DONE]"), whole]


def _mistral_refusal(body: dict[str, Any]) -> str | None:
    """Why Mistral would not take a body: what its SDK's types and its known errors say."""
    from mistralai.client.models import ChatCompletionRequest

    unknown = set(body) - set(ChatCompletionRequest.model_fields)
    if unknown:
        return f"unknown fields: {sorted(unknown)}"
    for message in body["messages"]:
        ids = [call["id"] for call in message.get("tool_calls") or []] + [message.get("tool_call_id")]
        for id in ids:
            if id is not None and not (len(id) == 9 and id.isascii() and id.isalnum()):
                return f"Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."
    if body["messages"][-1]["role"] == "assistant" and not body["messages"][-1].get("prefix"):
        return "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant"
    return None


def _responses(body: dict[str, Any], pieces: tuple[str, ...], call: dict[str, Any] | None) -> Events:
    usage = {
        "input_tokens": 20, "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
        "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 25,
    }  # fmt: skip
    text = "".join(pieces)
    item: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }  # fmt: skip
    answered = any(entry.get("type") == "function_call_output" for entry in body["input"])
    if call and not answered:
        item = {
            "id": "fc_1",
            "type": "function_call",
            "call_id": "call_1",
            "name": call["name"],
            "arguments": json.dumps(call["arguments"]),
            "status": "completed",
        }
    output = [item]
    if any(tool["type"] == "image_generation" for tool in body.get("tools") or ()):  # as openai-fb8fcee62c0c has it
        output.insert(0, {
            "id": "ig_1", "type": "image_generation_call", "status": "completed", "output_format": "png", "result": PNG,
        })  # fmt: skip
    whole = {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": body["model"], "output": output,
        "usage": usage, "error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
        "temperature": None, "tool_choice": "auto", "tools": [], "top_p": None, "service_tier": "default",
    }  # fmt: skip
    number = iter(range(1000))

    def event(kind: str, **fields: Any) -> tuple[str, Any]:
        return kind, {"type": kind, "sequence_number": next(number), **fields}

    started = event("response.created", response={**whole, "status": "in_progress", "output": [], "usage": None})
    deltas = [] if item["type"] == "function_call" else [
        event("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=piece, logprobs=[]) for piece in pieces
    ]  # fmt: skip
    done = [event("response.output_item.done", output_index=place, item=found) for place, found in enumerate(output)]
    return [started, *deltas, *done, event("response.completed", response=whole), whole]


def _messages(body: dict[str, Any], pieces: tuple[str, ...], call: dict[str, Any] | None) -> Events:
    usage = {
        "input_tokens": 12,
        "cache_read_input_tokens": 8,
        "cache_creation_input_tokens": 0,
        "output_tokens": 5,
        "service_tier": "standard",
    }
    answered = any(
        block.get("type") == "tool_result" for message in body["messages"] if isinstance(message["content"], list) for block in message["content"]
    )  # fmt: skip
    calling = call is not None and not answered
    block: dict[str, Any] = {"type": "text", "text": "".join(pieces)}
    if calling:
        assert call is not None
        block = {"type": "tool_use", "id": "toolu_1", "name": call["name"], "input": call["arguments"]}
    reason = "tool_use" if calling else "end_turn"
    whole = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [block],
        "stop_reason": reason, "stop_sequence": None, "usage": usage,
    }  # fmt: skip

    def event(kind: str, **fields: Any) -> tuple[str, Any]:
        return kind, {"type": kind, **fields}

    if calling:
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    else:
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return [
        event(
            "message_start",
            message={**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}},
        ),
        event(
            "content_block_start",
            index=0,
            content_block={**block, "input": {}} if calling else {"type": "text", "text": ""},
        ),
        *(event("content_block_delta", index=0, delta=delta) for delta in deltas),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 5}),
        event("message_stop"),
        whole,
    ]


def _groq(body: dict[str, Any], pieces: tuple[str, ...], call: dict[str, Any] | None) -> Events:
    """As recorded: usage comes with the finish reason, under `x_groq` too, and once more with the tier where it is asked for."""
    events = _chat(body, pieces, call)
    whole, trailer, finish = events[-1], events[-3][1], events[-4][1]
    whole |= {"service_tier": "on_demand", "x_groq": {"id": "req_1"}}
    trailer["service_tier"] = "on_demand"
    finish |= {"usage": whole["usage"], "x_groq": {"id": "req_1", "usage": whole["usage"]}}
    if not body.get("stream_options", {}).get("include_usage"):
        del events[-3]
    return events


def _fal(body: dict[str, Any], pieces: tuple[str, ...], call: dict[str, Any] | None) -> Events:
    """As OpenRouter answers: with what it cost."""
    events = _chat(body, pieces, call)
    events[-1]["usage"]["cost"] = 0.00042
    return events


def _fal_responses(body: dict[str, Any], pieces: tuple[str, ...], call: dict[str, Any] | None) -> Events:
    """As openrouter-0384608cec48 has it: the cost among the usage."""
    events = _responses(body, pieces, call)
    events[-1]["usage"]["cost"] = 0.00042  # of the streamed answer, too, which is the same object
    return events


def _gemini(body: dict[str, Any], pieces: tuple[str, ...], call: dict[str, Any] | None) -> Events:
    usage = {
        "promptTokenCount": 20, "cachedContentTokenCount": 8, "candidatesTokenCount": 3, "thoughtsTokenCount": 2,
        "totalTokenCount": 25, "serviceTier": "standard",
    }  # fmt: skip
    base = {"modelVersion": body["model"], "responseId": "req_1"}
    answered = any("functionResponse" in part for content in body["contents"] for part in content["parts"])
    signed = {"thoughtSignature": "c2lnbmVk"}
    if call and not answered:
        parts = [{"functionCall": {"name": call["name"], "args": call["arguments"]}, **signed}]
    else:
        parts = [{"text": piece} for piece in pieces]

    def answer(parts: list[Any], **fields: Any) -> dict[str, Any]:
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0, **fields}
        return {"candidates": [candidate], "usageMetadata": usage, **base}

    whole = parts if call and not answered else [{"text": "".join(pieces), **signed}]
    first = {**answer([]), "usageMetadata": {"promptTokenCount": 20, "totalTokenCount": 20}}
    last = answer([{"text": "", **signed}], finishReason="STOP")
    return [
        (None, first),
        *((None, answer([part])) for part in parts),
        (None, last),
        answer(whole, finishReason="STOP"),
    ]


# What OpenAI answers besides conversations, in the shape of openai 3.54.0 `types/images_response.py` and
# `types/audio/transcription.py`.
_DRAWN = {
    "data": [{"b64_json": "iVBORw0KGgo="}],
    "output_format": "png",
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 10},
        "output_tokens": 200,
        "output_tokens_details": {"image_tokens": 200, "text_tokens": 0},
    },
}
_HEARD = {
    "text": "Hello.",
    "usage": {"input_token_details": {"audio_tokens": 20}, "input_tokens": 20, "output_tokens": 5, "total_tokens": 25},
}
_MEDIA: dict[str, Any] = {"generations": _DRAWN, "edits": _DRAWN, "speech": b"ID3\4", "transcriptions": _HEARD}
_WIRES = {
    "completions": _chat,
    "responses": _responses,
    "messages": _messages,
    "/openai/v1/chat/completions": _groq,
    "/mistral/v1/chat/completions": _mistral,
    "/openrouter/router/openai/v1/chat/completions": _fal,
    "/openrouter/router/openai/v1/responses": _fal_responses,
    "generateContent": _gemini,
    "streamGenerateContent": _gemini,
}
