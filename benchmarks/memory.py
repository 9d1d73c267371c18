"""What lazybridge keeps and does as things grow, as a line of JSON: idle agents, a long stream, a long conversation."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Iterator
from statistics import median
from typing import Any

from report import ENGINE, IDLE, KEPT

from lazybridge import Agent, CompletionRequest, Message
from lazybridge.core import catalogue
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionResponse, StreamChunk, UsageStats
from lazybridge.core.wire.chat import ChatWire

AGENTS, CHUNKS, PIECE = 1000, 50_000, "word "


def idle_agent() -> float:
    """kB that each of many agents keeps."""
    agents = [Agent("claude-haiku-5-5", api_key="k", system="Be brief.") for _ in range(10)]
    gc.collect()
    tracemalloc.start()
    agents += [Agent("claude-haiku-5-5", api_key="k", system="Be brief.") for _ in range(AGENTS)]
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / AGENTS / 1000


class Streams(BaseProvider):
    """The events of a long stream through the wire; nothing is on a network."""

    name = "streams"
    default_model = "m"

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        return CompletionResponse("hi", stop_reason="end_turn", model="m", usage=UsageStats(1, 1))

    def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
        state = ChatWire().accumulator()
        for number in range(CHUNKS):
            delta = {"content": json.loads(f'"{PIECE}{number % 10}"')}  # a string of its own each time
            chunk = state.feed({"model": "m", "choices": [{"index": 0, "delta": delta}]})
            assert chunk is not None
            yield chunk
        state.feed({"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        yield state.finish().final_chunk()

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        raise NotImplementedError("its memory is measured in synchronous calls")

    def astream(self, request: CompletionRequest) -> Any:
        raise NotImplementedError("its memory is measured in synchronous calls")


def stream() -> float:
    """Bytes that are kept of each chunk while the stream runs, beyond its text once."""
    agent = Agent(Streams(), fallback=False)
    chunks = iter(agent.stream("hi"))
    for _ in range(1000):
        next(chunks)
    gc.collect()
    tracemalloc.start()
    for _ in range(CHUNKS - 2000):
        next(chunks)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / (CHUNKS - 2000) - len(PIECE) - 1


def turn(turns: int) -> float:
    """CPU seconds of a call with so many turns before it, in which nothing is translated or sent."""
    agent = Agent(Streams(), fallback=False)
    said = [Message.user("hi"), Message.assistant("hello")] * turns + [Message.user("hi")]
    times = []
    for _ in range(30):
        began = time.process_time()
        for _ in range(20):
            agent(said)
        times.append((time.process_time() - began) / 20)
    return median(times)


def translated(turns: int) -> float:
    """CPU seconds of the translation of such a conversation and of its JSON; what must be sent costs as much as it is."""
    row = catalogue.profile("openai", "gpt-6-luna")
    said = [Message.user("hi"), Message.assistant("hello")] * turns + [Message.user("hi")]
    request = CompletionRequest(tuple(said), "gpt-6-luna")
    began = time.process_time()
    for _ in range(20):
        ChatWire().to_sdk_kwargs(request, row, False)
    return (time.process_time() - began) / 20


def main() -> None:
    found = {IDLE: idle_agent(), KEPT: stream(), ENGINE: (turn(1000) - turn(1)) / translated(1000)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
