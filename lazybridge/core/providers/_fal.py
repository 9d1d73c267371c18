"""fal-client's clients, one request at a time. `PRIVATE` is what here and in `_fal_once`, and nowhere else, is used of what
fal-client keeps to itself; a test holds it to its shape."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import closing
from typing import Any

import fal_client
from fal_client.client import QUEUE_URL_FORMAT, RUN_URL_FORMAT

from lazybridge.core.closing import AsyncClosed
from lazybridge.core.providers._fal_attempts import Answer, Place, Sent
from lazybridge.core.providers._fal_once import AsyncOnce, Once, OneRequest, read_by_fal
from lazybridge.core.providers._guard import guarded
from lazybridge.core.providers._sockets import heed_time

# https://api.fal.ai/v1/models/pricing, in recorded requests; fal-client has no call for it.
API_URL = "https://api.fal.ai/"
PRIVATE = ("SyncClient._client", "AsyncClient._client", "client._raise_for_status")


class _Client:
    def __init__(self, key: str, run_url: str | None, queue_url: str | None, api_url: str | None) -> None:
        self._key = key
        given = ((RUN_URL_FORMAT, run_url), (QUEUE_URL_FORMAT, queue_url), (API_URL, api_url))
        self._addresses = {own: other or own for own, other in given}


class FalClient(_Client):
    """fal-client's synchronous client, one attempt a call."""

    def __init__(self, key: str, run_url: str | None, queue_url: str | None, api_url: str | None) -> None:
        super().__init__(key, run_url, queue_url, api_url)
        self._http: Any = heed_time(guarded(fal_client.SyncClient(key=key)._client))

    def _call(self, sent: Sent) -> tuple[fal_client.SyncClient, Once]:
        client, once = fal_client.SyncClient(key=self._key), Once(self._http, self._addresses, sent)
        vars(client)["_client"] = once
        return client, once

    def run(self, sent: Sent, application: str, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Answer:
        """The answer of an application that is asked directly."""
        client, once = self._call(sent)
        with read_by_fal(once):
            return _answer(client.run(application, dict(arguments), **options), once)

    def submit(self, sent: Sent, application: str, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Place:
        """Put a job into the queue."""
        client, once = self._call(sent)
        with read_by_fal(once):
            return place_of(client.submit(application, dict(arguments), **options))

    def ask(self, sent: Sent, method: str, url: str, query: Mapping[str, Any]) -> Answer:
        """What the queue says at one of a job's addresses."""
        once = self._call(sent)[1]
        with read_by_fal(once):
            return _answer(once.request(method, url, params=query).json(), once)

    def events(self, sent: Sent, application: str, arguments: Mapping[str, Any]) -> Generator[Answer, None, None]:
        """The answers of an application that streams."""
        client, once = self._call(sent)
        with read_by_fal(once), closing(client.stream(application, dict(arguments))) as events:  # type: ignore[type-var]
            for event in events:
                yield _answer(event, once)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


class AsyncFalClient(_Client):
    """fal-client's asynchronous client, one attempt a call."""

    def __init__(self, key: str, run_url: str | None, queue_url: str | None, api_url: str | None) -> None:
        super().__init__(key, run_url, queue_url, api_url)
        self._own = fal_client.AsyncClient(key=key)

    async def _call(self, sent: Sent) -> tuple[fal_client.AsyncClient, AsyncOnce]:
        http = guarded(await self._own._client)
        client, once = fal_client.AsyncClient(key=self._key), AsyncOnce(http, self._addresses, sent)
        vars(client)["_client"] = once
        return client, once

    async def run(
        self, sent: Sent, application: str, arguments: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Answer:
        """`FalClient.run`, on the running event loop."""
        client, once = await self._call(sent)
        with read_by_fal(once):
            return _answer(await client.run(application, dict(arguments), **options), once)

    async def submit(
        self, sent: Sent, application: str, arguments: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Place:
        """`FalClient.submit`, on the running event loop."""
        client, once = await self._call(sent)
        with read_by_fal(once):
            return place_of(await client.submit(application, dict(arguments), **options))

    async def ask(self, sent: Sent, method: str, url: str, query: Mapping[str, Any]) -> Answer:
        """`FalClient.ask`, on the running event loop."""
        once = (await self._call(sent))[1]
        with read_by_fal(once):
            return _answer((await once.request(method, url, params=query)).json(), once)

    async def events(self, sent: Sent, application: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Answer, None]:
        """`FalClient.events`, on the running event loop."""
        client, once = await self._call(sent)
        with read_by_fal(once):
            async with AsyncClosed(client.stream(application, dict(arguments))) as events:
                async for event in events:
                    yield _answer(event, once)

    async def close(self) -> None:
        """Close its connections."""
        await (await self._own._client).aclose()


def place_of(handle: Any) -> Place:
    """A job's addresses, as fal-client has them."""
    return Place(handle.request_id, handle.status_url, handle.response_url, handle.cancel_url)


def place_by_id(application: str, request_id: str) -> Place:
    """A job's addresses, as fal-client makes them of its id."""
    return place_of(fal_client.SyncRequestHandle.from_request_id(None, application, request_id))  # type: ignore[arg-type]


def _answer(raw: Any, once: OneRequest) -> Answer:
    assert once.answer is not None
    return Answer(raw, once.answer.headers, once.answer.status_code)
