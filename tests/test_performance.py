"""What must not grow or be paid twice; benchmarks/speed.py measures how much it costs."""

from __future__ import annotations

import gc
import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator

import pytest

from lazybridge import Agent, Message
from lazybridge.core.growing import GrowingText
from lazybridge.core.providers._clients import http_client
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk
from lazybridge.core.wire import Accumulator
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.messages import MessagesWire
from lazybridge.core.wire.responses import ResponsesWire
from lazybridge.testing import ScriptedProvider

# Events as openai 3.54.0 `types/chat/chat_completion_chunk.py`, `types/responses/response_text_delta_event.py` and anthropic
# 2.12.0 `types/raw_content_block_delta_event.py` have them.
PIECES = {
    "chat": (ChatWire(), {"choices": [{"index": 0, "delta": {"content": "piece"}}]}),
    "responses": (ResponsesWire(), {"type": "response.output_text.delta", "delta": "piece", "output_index": 0}),
    "messages": (
        MessagesWire(),
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "piece"}},
    ),
}


class Endless(ScriptedProvider):
    """A stream of events as JSON, through a wire; no HTTP, since what is measured is what stays."""

    def __init__(self, accumulator: Accumulator, event: str) -> None:
        super().__init__(["unused"])
        self.accumulator, self.event = accumulator, event

    def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
        while True:
            chunk = self.accumulator.feed(json.loads(self.event))
            assert chunk is not None
            yield chunk


@pytest.mark.parametrize("api", PIECES)
def test_a_long_stream_keeps_its_text_and_no_object_for_each_chunk(api: str) -> None:
    wire, event = PIECES[api]
    stream = Agent(Endless(wire.accumulator(), json.dumps(event))).stream("hi")
    chunks = iter(stream)
    for _ in range(2000):
        next(chunks)
    gc.collect()
    tracemalloc.start()
    for _ in range(20_000):
        next(chunks)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    stream.close()
    assert kept < 20_000 * 16  # the text is 5 bytes of each chunk, kept by the wire and for what a failure keeps


def test_a_text_that_grows_is_the_pieces_in_order() -> None:
    pieces = [f"{number} \r\né" for number in range(2500)] + [""]
    text = GrowingText()
    for number, piece in enumerate(pieces):
        text.write(piece)
        if number % 999 == 0:
            assert str(text) == "".join(pieces[: number + 1])
    assert str(text) == "".join(pieces)


def test_a_long_conversation_is_not_built_anew_by_the_engine() -> None:
    """Each message of a conversation reaches the provider as the very object that was given."""
    seen: list[CompletionRequest] = []

    class Looks(ScriptedProvider):
        def complete(self, request: CompletionRequest) -> CompletionResponse:
            seen.append(request)
            return super().complete(request)

    said = [Message.user("hi"), Message.assistant("hello")] * 500 + [Message.user("hi")]
    Agent(Looks(["done"]))(said).text()
    assert all(sent is given for sent, given in zip(seen[0].messages, said, strict=True))


class OneAnswer:
    """A server of one connection: what its first `recv` brought, and all that it was sent."""

    def __init__(self, status: str = "200 OK", *, reads: int | None = None) -> None:
        self.status, self.reads = status, reads
        self.first, self.total = b"", 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            self.first = connection.recv(1 << 20)
            self.total = len(self.first)
            head, _, body = self.first.partition(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            left = 0 if self.reads else length - len(body)
            while left > 0:
                left -= (got := len(connection.recv(1 << 20)))
                self.total += got
            connection.sendall(f"HTTP/1.1 {self.status}\r\ncontent-length: 2\r\n\r\nok".encode())

    def close(self) -> None:
        self.thread.join(5)
        self.listener.close()


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_requests_head_and_body_leave_in_one_write(library: str) -> None:
    server = OneAnswer()
    with http_client(library) as client:
        assert client.post(server.url, content=b"x" * 500).text == "ok"
    server.close()
    assert server.first.endswith(b"\r\n\r\n" + b"x" * 500)


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("size", [70_000, 3_000_000])
def test_a_large_body_arrives_whole(library: str, size: int) -> None:
    server = OneAnswer()
    with http_client(library) as client:
        assert client.post(server.url, content=b"x" * size).text == "ok"
    server.close()
    assert server.total > size


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_server_that_answers_before_it_has_read_the_body_is_heard(library: str) -> None:
    server = OneAnswer("413 Content Too Large", reads=1)
    with http_client(library) as client:
        assert client.post(server.url, content=b"x" * 1000).status_code == 413
    server.close()
