"""The events of a stream of Mistral, by httpx2's decoder."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any, cast

import httpx2


class Events:
    """The JSON of each event of a stream, up to `[DONE]`."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._events = iter(_source(response))

    def __iter__(self) -> Events:
        return self

    def __next__(self) -> Any:
        data = ""
        while not data:  # a block without data (`retry:`, `id:`) is no event
            data = next(self._events).data
        if data == "[DONE]":
            raise StopIteration
        return json.loads(data)

    def close(self) -> None:
        """Let go of the connection."""
        self.response.close()


class AsyncEvents:
    """`Events`, on the running event loop."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._events = cast("AsyncGenerator[httpx2.ServerSentEvent, None]", aiter(_source(response)))

    def __aiter__(self) -> AsyncEvents:
        return self

    async def __anext__(self) -> Any:
        data = ""
        while not data:
            data = (await anext(self._events)).data
        if data == "[DONE]":
            raise StopAsyncIteration
        return json.loads(data)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._events.aclose()
        await self.response.aclose()


def _source(response: httpx2.Response) -> httpx2.EventSource:
    response.encoding = "utf-8-sig"  # a stream is UTF-8 whatever its headers say, and may begin with a byte order mark
    return httpx2.EventSource(response, max_event_size=None)
