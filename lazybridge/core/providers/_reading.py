"""Reading an HTTP answer: until a time, and to its end."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from importlib import import_module
from typing import Any, cast

from lazybridge.core.errors import ProviderTimeoutError

_DRAIN_SECONDS = 0.5


def end_of(timeout: float | None) -> float | None:
    """When a request's time is up, as `time.monotonic` counts; None is never."""
    return None if timeout is None else time.monotonic() + timeout


@contextmanager
def cut_off(response: Any, at: float | None) -> Iterator[threading.Event]:
    """Close the connection under a synchronous read at a time of `time.monotonic`; None is never.

    A socket's own timeout begins anew with every byte, so a server that drips would never meet it. Raises
    ProviderTimeoutError where the time came and the reading failed. What it gives is set once the time came: a body that
    ends with its connection looks whole then.
    """
    connection = response.extensions.get("network_stream")
    late = threading.Event()
    if at is None or connection is None:
        yield late
        return

    def cut() -> None:
        late.set()
        with suppress(OSError):  # closed already
            connection.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, at - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        exc = sys.exception()
        if late.is_set() and isinstance(exc, Exception):
            raise ProviderTimeoutError("the answer took longer than it was given") from exc


def read_whole(response: Any, at: float | None) -> None:
    """Read a body to its end. Raises ProviderTimeoutError where that was not reached in time."""
    with closing(response), cut_off(response, at) as late:
        response.read()
        refuse_late(late)


def refuse_late(late: threading.Event) -> None:
    """Raise TimeoutError where the connection was cut."""
    if late.is_set():
        raise TimeoutError


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
