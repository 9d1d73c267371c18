"""Reading an HTTP answer: until a time, and to its end."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

from lazybridge.core.errors import ProviderTimeoutError

if TYPE_CHECKING:
    import httpx2

_DRAIN_SECONDS = 0.5


@contextmanager
def cut_off(response: httpx2.Response, at: float | None) -> Iterator[None]:
    """Close the connection under a synchronous read at a time of `time.monotonic`; None is never.

    A socket's own timeout begins anew with every byte, so a server that drips would never meet it. Raises
    ProviderTimeoutError where the time came.
    """
    connection = response.extensions.get("network_stream")
    if at is None or connection is None:
        yield
        return
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):  # closed already
            connection.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, at - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        exc = sys.exception()
        if late.is_set() and isinstance(exc, Exception):
            raise ProviderTimeoutError("the answer took longer than it was given") from exc


def drain(response: httpx2.Response) -> None:
    """Read what follows the terminal event of a stream, so that its connection can be used again."""
    import httpx2

    if response.is_closed:  # read to its end: the connection may serve another request by now
        return
    until = time.monotonic() + _DRAIN_SECONDS
    limits = response.request.extensions.get("timeout")
    if isinstance(limits, dict):
        limits["read"] = _DRAIN_SECONDS
    with suppress(httpx2.HTTPError, httpx2.StreamError, OSError):
        for _ in cast("Iterator[bytes]", response.stream):
            if time.monotonic() > until:
                break


async def adrain(response: httpx2.Response) -> None:
    """`drain`, for as long as is worth waiting."""
    import httpx2

    if response.is_closed:
        return
    with suppress(httpx2.HTTPError, httpx2.StreamError, OSError):  # TimeoutError is an OSError
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in cast("AsyncIterator[bytes]", response.stream):
                pass
