"""fal-client, which makes the addresses, the headers and the HTTP client, but has neither a base URL nor a switch for its
retries: a request that is refused or breaks off is sent again up to nine times, also where that is billed twice.

So each call gets a client of its own, whose HTTP client is `Once` or `AsyncOnce`: it sends a request once, to where it
is told, until a time, and raises what fal-client does not catch. This module, and no other, uses what fal-client keeps to
itself: `PRIVATE`, which a test holds to its shape.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import fal_client
import httpx
from fal_client.client import QUEUE_URL_FORMAT, RUN_URL_FORMAT, _raise_for_status

from lazybridge.core.errors import ServerError
from lazybridge.core.providers._fal_attempts import Answer, GaveUp, Place, Sent
from lazybridge.core.providers._reading import cut_off
from lazybridge.core.wire.endpoints.fal import REQUEST_ID

PRIVATE = ("SyncClient._client", "AsyncClient._client", "client._raise_for_status")
# fal-client's own for everything but `run`, which may take as long as it takes.
_SECONDS = 120.0


class _Once:
    """One request of one call; `answer` is what came."""

    def __init__(self, http: Any, addresses: Mapping[str, str], sent: Sent) -> None:
        self._http = http
        self._addresses = addresses
        self._sent = sent
        self.answer: httpx.Response | None = None

    def _address(self, url: str) -> str:
        for own, other in self._addresses.items():
            if url.startswith(own):
                return other.rstrip("/") + "/" + url[len(own) :]
        return url

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        limit = options.get("timeout", _SECONDS)
        if self._sent.at is not None:
            left = max(self._sent.at - time.monotonic(), 0.001)
            limit = left if limit is None else min(left, limit)
        return {**options, "timeout": limit, "headers": {**(options.get("headers") or {}), **self._sent.headers}}

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        self.answer = answer
        try:
            _raise_for_status(answer)
        except fal_client.FalClientHTTPError as exc:
            vars(exc)["body"] = answer.text  # where the other SDKs' exceptions have it
            raise
        return answer


class Once(_Once):
    """What a synchronous call of fal-client has for an HTTP client."""

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            request = self._http.build_request(method, self._address(url), **self._options(options))
            with closing(self._http.send(request, stream=True)) as answer, cut_off(answer, self._sent.at):
                answer.read()
            return self._checked(answer)
        except (httpx.HTTPError, fal_client.FalClientHTTPError) as exc:
            raise GaveUp from exc


class AsyncOnce(_Once):
    """What an asynchronous call of fal-client has for an HTTP client."""

    def __await__(self) -> Generator[None, None, AsyncOnce]:
        """fal-client awaits the attribute."""
        yield from ()
        return self

    async def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        left = None if self._sent.at is None else self._sent.at - time.monotonic()
        try:
            async with asyncio.timeout(left):
                return self._checked(await self._http.request(method, self._address(url), **self._options(options)))
        except (httpx.HTTPError, fal_client.FalClientHTTPError) as exc:
            raise GaveUp from exc


@contextmanager
def _read_by_fal(once: _Once) -> Iterator[None]:
    """Raises ServerError for an answer that fal-client cannot read; what cannot be written as JSON raises as it does."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as exc:
        if once.answer is None:
            raise
        request_id = once.answer.headers.get(REQUEST_ID)
        raise ServerError("the answer is not what fal-client expects", request_id=request_id) from exc


class _Client:
    def __init__(self, key: str, run_url: str | None, queue_url: str | None) -> None:
        self._key = key
        self._addresses = {
            own: other for own, other in ((RUN_URL_FORMAT, run_url), (QUEUE_URL_FORMAT, queue_url)) if other
        }


class FalClient(_Client):
    """fal-client's synchronous client, one attempt a call."""

    def __init__(self, key: str, run_url: str | None, queue_url: str | None) -> None:
        super().__init__(key, run_url, queue_url)
        self._http: Any = fal_client.SyncClient(key=key)._client

    def _call(self, sent: Sent) -> tuple[fal_client.SyncClient, Once]:
        client, once = fal_client.SyncClient(key=self._key), Once(self._http, self._addresses, sent)
        vars(client)["_client"] = once
        return client, once

    def run(self, sent: Sent, application: str, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Answer:
        """The answer of an application that is asked directly."""
        client, once = self._call(sent)
        with _read_by_fal(once):
            return _answer(client.run(application, dict(arguments), **options), once)

    def submit(self, sent: Sent, application: str, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Place:
        """Put a job into the queue."""
        client, once = self._call(sent)
        with _read_by_fal(once):
            return place_of(client.submit(application, dict(arguments), **options))

    def ask(self, sent: Sent, method: str, url: str, query: Mapping[str, Any]) -> Answer:
        """What the queue says at one of a job's addresses."""
        once = self._call(sent)[1]
        with _read_by_fal(once):
            return _answer(once.request(method, url, params=query).json(), once)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


class AsyncFalClient(_Client):
    """fal-client's asynchronous client, one attempt a call."""

    def __init__(self, key: str, run_url: str | None, queue_url: str | None) -> None:
        super().__init__(key, run_url, queue_url)
        self._own = fal_client.AsyncClient(key=key)

    async def _call(self, sent: Sent) -> tuple[fal_client.AsyncClient, AsyncOnce]:
        client, once = fal_client.AsyncClient(key=self._key), AsyncOnce(await self._own._client, self._addresses, sent)
        vars(client)["_client"] = once
        return client, once

    async def run(
        self, sent: Sent, application: str, arguments: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Answer:
        """`FalClient.run`, on the running event loop."""
        client, once = await self._call(sent)
        with _read_by_fal(once):
            return _answer(await client.run(application, dict(arguments), **options), once)

    async def submit(
        self, sent: Sent, application: str, arguments: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Place:
        """`FalClient.submit`, on the running event loop."""
        client, once = await self._call(sent)
        with _read_by_fal(once):
            return place_of(await client.submit(application, dict(arguments), **options))

    async def ask(self, sent: Sent, method: str, url: str, query: Mapping[str, Any]) -> Answer:
        """`FalClient.ask`, on the running event loop."""
        once = (await self._call(sent))[1]
        with _read_by_fal(once):
            return _answer((await once.request(method, url, params=query)).json(), once)

    async def close(self) -> None:
        """Close its connections."""
        await (await self._own._client).aclose()


def place_of(handle: Any) -> Place:
    """A job's addresses, as fal-client has them."""
    return Place(handle.request_id, handle.status_url, handle.response_url, handle.cancel_url)


def place_by_id(application: str, request_id: str) -> Place:
    """A job's addresses, as fal-client makes them of its id."""
    return place_of(fal_client.SyncRequestHandle.from_request_id(None, application, request_id))  # type: ignore[arg-type]


def _answer(raw: Any, once: _Once) -> Answer:
    assert once.answer is not None
    return Answer(raw, once.answer.headers, once.answer.status_code)
