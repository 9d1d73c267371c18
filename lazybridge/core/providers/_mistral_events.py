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
        self._events = iter(httpx2.EventSource(response, max_event_size=None))

    def __iter__(self) -> Events:
        return self

    def __next__(self) -> Any:
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
        source = httpx2.EventSource(response, max_event_size=None)
        self._events = cast("AsyncGenerator[httpx2.ServerSentEvent, None]", aiter(source))

    def __aiter__(self) -> AsyncEvents:
        return self

    async def __anext__(self) -> Any:
        data = (await anext(self._events)).data
        if data == "[DONE]":
            raise StopAsyncIteration
        return json.loads(data)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._events.aclose()
        await self.response.aclose()
