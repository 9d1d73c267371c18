"""fal-client's HTTP, one request at a time.

fal-client makes the addresses, the headers and the HTTP client, but has neither a base URL nor a switch for its retries:
a request that is refused or breaks off is sent again up to nine times, also where that is billed twice. So each call gets
a client of its own, whose HTTP client is `Once` or `AsyncOnce`: it sends a request once, to where it is told, until a time,
and raises what fal-client does not catch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from math import inf
from typing import Any
from urllib.parse import urlsplit

import fal_client
import httpx
from fal_client.client import _raise_for_status

from lazybridge.core.clock import TimeLeft
from lazybridge.core.errors import ServerError
from lazybridge.core.providers._fal_attempts import GaveUp, Sent
from lazybridge.core.providers._reading import read_whole
from lazybridge.core.wire.endpoints.fal import REQUEST_ID

# fal-client's own for everything but `run`, which may take as long as it takes.
_SECONDS = 120.0


class OneRequest:
    """One request of one call; `answer` is what came."""

    def __init__(self, http: Any, addresses: Mapping[str, str], sent: Sent) -> None:
        self._http = http
        self._addresses = addresses
        self._sent = sent
        self.answer: httpx.Response | None = None

    def _address(self, url: str) -> str:
        """Where a request goes that fal-client, or the queue's own answer, addresses so: to fal or what stands in for it."""
        for own, other in self._addresses.items():
            if url.startswith(own):
                return other.rstrip("/") + "/" + url[len(own) :]
        if any(urlsplit(url)[:2] == urlsplit(known)[:2] for known in self._addresses.values()):
            return url
        raise ServerError(f"fal named {urlsplit(url).netloc!r} for a job, which is not fal's: it was not asked", retryable=False)  # fmt: skip

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        limit = options.get("timeout", _SECONDS)
        if self._sent.at is not None:
            own = inf if limit is None else time.monotonic() + limit
            limit = TimeLeft.until(min(self._sent.at, own), _SECONDS)
        return {**options, "timeout": limit, "headers": {**(options.get("headers") or {}), **self._sent.headers}}

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        self.answer = answer
        try:
            _raise_for_status(answer)
        except fal_client.FalClientHTTPError as exc:
            vars(exc)["body"] = answer.text  # where the other SDKs' exceptions have it
            raise
        return answer


class Once(OneRequest):
    """What a synchronous call of fal-client has for an HTTP client."""

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            request = self._http.build_request(method, self._address(url), **self._options(options))
            answer = self._http.send(request, stream=True)
            read_whole(answer)
            return self._checked(answer)
        except (httpx.HTTPError, fal_client.FalClientHTTPError) as exc:
            raise GaveUp from exc

    @contextmanager
    def stream(self, method: str, url: str, **options: Any) -> Iterator[httpx.Response]:
        """fal-client itself does not look at the status of a stream."""
        try:
            with self._http.stream(method, self._address(url), **self._options(options)) as answer:
                if not answer.is_success:
                    answer.read()
                yield self._checked(answer)
        except (httpx.HTTPError, fal_client.FalClientHTTPError) as exc:
            raise GaveUp from exc


class AsyncOnce(OneRequest):
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

    @asynccontextmanager
    async def stream(self, method: str, url: str, **options: Any) -> AsyncIterator[httpx.Response]:
        """Its time is kept by who reads."""
        try:
            async with self._http.stream(method, self._address(url), **self._options(options)) as answer:
                if not answer.is_success:
                    await answer.aread()
                yield self._checked(answer)
        except (httpx.HTTPError, fal_client.FalClientHTTPError) as exc:
            raise GaveUp from exc


@contextmanager
def read_by_fal(once: OneRequest) -> Iterator[None]:
    """Raises ServerError for an answer that fal-client cannot read; what cannot be written as JSON raises as it does."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as exc:
        if once.answer is None:
            raise
        request_id = once.answer.headers.get(REQUEST_ID)
        raise ServerError("the answer is not what fal-client expects", request_id=request_id) from exc
