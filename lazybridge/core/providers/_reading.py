"""Reading an HTTP answer: until a time, to its end, and as JSON."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from functools import cache
from importlib import import_module
from typing import Any, cast

from lazybridge.core.errors import ServerError

_DRAIN_SECONDS = 0.5


@cache
def answer_class(library: str) -> Any:
    """The class of an HTTP answer, by which the SDKs' methods hand it out as it is."""
    return import_module(library).Response


def read_whole(response: Any) -> None:
    """Read a body to its end."""
    with closing(response):
        response.read()


@cache
def _broken(library: str) -> tuple[type[Exception], ...]:
    """What reading the rest of an answer may raise."""
    http = import_module(library)
    return (http.HTTPError, http.StreamError, OSError)  # TimeoutError is an OSError


def drain(response: Any, library: str) -> None:
    """Read what follows the terminal event of a stream, so that its connection can be used again."""
    if response.is_closed:  # read to its end: the connection may serve another request by now
        return
    until = time.monotonic() + _DRAIN_SECONDS
    limits = response.request.extensions.get("timeout")
    if isinstance(limits, dict):
        limits["read"] = _DRAIN_SECONDS
    with suppress(*_broken(library)):
        for _ in cast("Iterator[bytes]", response.stream):
            if time.monotonic() > until:
                break


async def adrain(response: Any, library: str) -> None:
    """`drain`, for as long as is worth waiting."""
    if response.is_closed:
        return
    with suppress(*_broken(library)):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in cast("AsyncIterator[bytes]", response.stream):
                pass


async def read_refusal(response: Any) -> None:
    """A hook for an asynchronous client of httpx: read the body of an error before the SDK does. Where that is broken off
    httpx 0.28.1 closes the connection for a hook, but not for the SDK."""
    if response.status_code >= 400:
        await response.aread()


@cache
def _reader() -> Callable[[bytes], Any]:
    from pydantic_core import from_json

    return from_json


def parsed(http: Any, provider: str, request_id_header: str) -> Any:
    """The JSON of an answer. Raises ServerError where it is none."""
    content = http.content
    with suppress(ValueError):  # it knows no byte order mark, no UTF-16, and no half of a surrogate pair
        return _reader()(content)
    try:
        return json.loads(content)
    except ValueError as exc:
        raise ServerError(
            "the answer is not JSON",
            provider=provider,
            status_code=None,
            request_id=http.headers.get(request_id_header),
        ) from exc
