"""CPU time of MistralProvider beside the mistralai SDK's typed methods, against one loopback server with canned answers.

`python benchmarks/mistral.py [--rounds N]` prints microseconds for one call, or for one chunk of a stream.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Callable
from importlib import metadata
from statistics import median
from typing import Any

from overhead import conversation, running_server
from server import PIECES

MODEL = "mistral-small-2603"


class Typed:
    """The SDK's documented methods, asked with the very body that lazybridge sends."""

    def __init__(self, server: str) -> None:
        from mistralai.client import Mistral

        from lazybridge import CompletionRequest
        from lazybridge.core import catalogue
        from lazybridge.core.providers.mistral import WIRE

        self.sdk = Mistral(api_key="benchmark", server_url=server)
        self.bodies = []
        for long in (False, True):
            messages, tools = conversation(long)
            request = CompletionRequest(tuple(messages), max_tokens=1024, tools=tuple(tools))
            body = WIRE.to_sdk_kwargs(request, catalogue.profile("mistral", MODEL), stream=False).body
            self.bodies.append({**body, "model": MODEL})

    def complete(self, long: bool) -> None:
        self.sdk.chat.complete(**self.bodies[long])

    async def acomplete(self, long: bool) -> None:
        await self.sdk.chat.complete_async(**self.bodies[long])

    def stream(self, long: bool) -> None:
        for _ in self.sdk.chat.stream(**self.bodies[long]):
            pass

    async def astream(self, long: bool) -> None:
        async for _ in await self.sdk.chat.stream_async(**self.bodies[long]):
            pass


class Ours:
    """MistralProvider; the request is made anew for each call."""

    def __init__(self, server: str) -> None:
        from lazybridge import CompletionRequest
        from lazybridge.core.providers.mistral import MistralProvider

        self.provider = MistralProvider(api_key="benchmark", base_url=server)
        self.talks, self.request_class = [conversation(long) for long in (False, True)], CompletionRequest

    def request(self, long: bool) -> Any:
        messages, tools = self.talks[long]
        return self.request_class(tuple(messages), MODEL, max_tokens=1024, tools=tuple(tools))

    def complete(self, long: bool) -> None:
        assert self.provider.complete(self.request(long)).content

    async def acomplete(self, long: bool) -> None:
        assert (await self.provider.acomplete(self.request(long))).content

    def stream(self, long: bool) -> None:
        for _ in self.provider.stream(self.request(long)):
            pass

    async def astream(self, long: bool) -> None:
        async for _ in self.provider.astream(self.request(long)):
            pass


class Floor(Ours):
    """What the provider stands on: the SDK's `do_request`, JSON read and nothing done with it."""

    def __init__(self, server: str) -> None:
        super().__init__(server)
        from lazybridge.core.providers._mistral import AsyncEvents, AsyncSender, Events, Sender

        self.events, self.async_events = Events, AsyncEvents
        self.sender, self.async_sender = Sender(lambda: "benchmark", server), AsyncSender(lambda: "benchmark", server)
        self.bodies = Typed(server).bodies

    def arguments(self, long: bool, events: Any = None) -> dict[str, Any]:
        body = self.bodies[long] | ({"stream": True} if events else {})
        return {"body": body, "options": {}, "cast_to": object, "stream_cls": events}

    def complete(self, long: bool) -> None:
        answer = self.sender.post("/v1/chat/completions", **self.arguments(long))
        answer.read()
        answer.json()

    async def acomplete(self, long: bool) -> None:
        (await self.async_sender.post("/v1/chat/completions", **self.arguments(long))).json()

    def stream(self, long: bool) -> None:
        for _ in self.sender.post("/v1/chat/completions", **self.arguments(long, self.events)):
            pass

    async def astream(self, long: bool) -> None:
        async for _ in await self.async_sender.post("/v1/chat/completions", **self.arguments(long, self.async_events)):
            pass


def spent(method: Callable[[bool], Any], long: bool, calls: int, runner: asyncio.Runner) -> float:
    """Microseconds of CPU for one call."""

    async def all_of_them() -> float:
        await method(long)
        began = time.process_time()
        for _ in range(calls):
            await method(long)
        return time.process_time() - began

    gc.collect()
    if asyncio.iscoroutinefunction(method):
        return runner.run(all_of_them()) / calls * 1e6  # the SDK's clients belong to one event loop
    method(long)
    began = time.process_time()
    for _ in range(calls):
        method(long)
    return (time.process_time() - began) / calls * 1e6


CASES: tuple[tuple[str, str, bool, int, int], ...] = (
    ("sync, 2 messages", "complete", False, 40, 1),
    ("sync, 100 messages, 20 tools", "complete", True, 8, 1),
    ("async, 2 messages", "acomplete", False, 40, 1),
    ("sync stream, per chunk", "stream", False, 2, PIECES),
    ("async stream, per chunk", "astream", False, 2, PIECES),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("mistralai", "httpx2", "pydantic"))
    print(f"{versions}; medians of {rounds} rounds, microseconds of CPU\n")
    print(f"{'':32}{'SDK typed':>12}{'do_request':>12}{'provider':>12}{'typed / provider':>18}")
    with running_server(600) as server, asyncio.Runner() as runner:
        for name, method, long, calls, pieces in CASES:
            figures = []
            for make in (Typed, Floor, Ours):
                subject: Any = make(server)
                found = [spent(getattr(subject, method), long, calls, runner) / pieces for _ in range(rounds)]
                figures.append(median(found))
            print(f"{name:32}" + "".join(f"{figure:12.1f}" for figure in figures) + f"{figures[0] / figures[2]:17.1f}x")


if __name__ == "__main__":
    main()
