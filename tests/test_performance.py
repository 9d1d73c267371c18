"""What must not grow or be paid twice; benchmarks/speed.py measures how much it costs."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator

import pytest

from lazybridge import Agent, Message
from lazybridge.core.growing import GrowingText
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
