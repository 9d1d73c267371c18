"""SDK clients that live long: one for synchronous calls, one for each event loop."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from lazybridge.core.clock import TimeLeft
from lazybridge.core.loops import asyncio_loop
from lazybridge.core.providers._guard import guarded
from lazybridge.core.providers._lean import LeanClient, before
from lazybridge.core.providers._making import one_at_a_time
from lazybridge.core.providers._sockets import forget_pools, heed_time
from lazybridge.core.providers._transport import Transport, proxied

if TYPE_CHECKING:
    import ssl

# The SDKs' own limits (openai 3.54.0 and anthropic 2.12.0 `_constants.py`) with a longer keep-alive than httpx's 5 s,
# after which every call of a quiet program would pay for TCP and TLS again.
_MAX_CONNECTIONS, _MAX_KEEPALIVE, _KEEPALIVE_SECONDS = 1000, 100, 60.0
_CONNECT_SECONDS, _TOTAL_SECONDS = 5.0, 600.0


def installed(package: str) -> bool:
    """Whether the SDK is there to be imported."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of a package that it would stand in
        return False


@cache
def ssl_context(library: str) -> ssl.SSLContext:
    """One for the process and the HTTP library: loading the certificates costs about 24 ms of CPU."""
    context: ssl.SSLContext = one_at_a_time(import_module(library).create_ssl_context)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _settings(library: str, **more: Any) -> dict[str, Any]:
    return {"timeout": http_timeout(library), "follow_redirects": True, **more}


def _pooled(library: str) -> dict[str, Any]:
    limits = import_module(library).Limits(
        max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_KEEPALIVE, keepalive_expiry=_KEEPALIVE_SECONDS
    )
    return _settings(library, verify=ssl_context(library), limits=limits)


def http_timeout(library: str = "httpx2") -> Any:
    """The limits of a request that names none."""
    return import_module(library).Timeout(_TOTAL_SECONDS, connect=_CONNECT_SECONDS)


def time_left(timeout: float | None) -> TimeLeft | None:
    """What a request is given for its timeout; None leaves the SDK's own."""
    return None if timeout is None else TimeLeft.of(timeout, _TOTAL_SECONDS)


def http_client(library: str = "httpx2") -> Any:
    """The HTTP client under a synchronous SDK client; `library` is the SDK's own, "httpx2" or "httpx".

    It follows no redirect to another host, and its connections end at the `TimeLeft` of a request.
    """
    http = import_module(library)
    if installed("anyio"):
        # openai 3.54.0 (`_httpx2.py`) looks for it where a stream ends: in a process that ends, that is too late to import it.
        hasattr(import_module("anyio"), "EndOfStream")
    client = before(LeanClient, http.Client, http)
    if proxied():
        return heed_time(guarded(client(**_pooled(library))))
    trusted = partial(ssl_context, library)
    transport = Transport(http, trusted, _MAX_CONNECTIONS, _MAX_KEEPALIVE, _KEEPALIVE_SECONDS)
    return guarded(client(**_settings(library, transport=transport)))


def async_http_client(aiohttp_client: Any = None, library: str = "httpx2") -> Any:
    """The HTTP client under an asynchronous SDK client: on aiohttp where it is installed, which costs a quarter of the CPU.

    aiohttp's transport does not read the proxy variables of the environment, so with a proxy the library does the work.
    """
    http = import_module(library)
    if aiohttp_client and not proxied():
        try:
            return guarded(before(LeanClient, aiohttp_client, http)(**_pooled(library)))
        except RuntimeError:  # the SDK's stand-in for a missing aiohttp
            pass
    return guarded(before(LeanClient, http.AsyncClient, http)(**_pooled(library)))


def on_aiohttp() -> Any:
    """httpx2's client on aiohttp, for the SDKs that bring none; None where httpx-aiohttp is not installed.

    httpx2's own pool looks at each of its connections for every request (httpcore2 2.16 `connection_pool.py`): a thousand
    calls at once keep it so busy that its connections miss their time (`python -m tests.integrity overload`).
    """
    try:
        from httpx_aiohttp.httpx2 import Httpx2AiohttpClient
    except ImportError:
        return None
    return Httpx2AiohttpClient


def closed_with(owner: object, client: Any) -> weakref.finalize[..., Any]:
    """Close a synchronous client when its owner is forgotten; at the end of the process its idle connections alone are closed
    (`_sockets`)."""
    finalizer = weakref.finalize(owner, client.close)
    finalizer.atexit = False
    return finalizer


class LoopClients:
    """One asynchronous client for each event loop, because a connection belongs to the loop that opened it.

    A loop that is shut down properly (`asyncio.run` does) closes its client: the loop's own hook for unfinished
    asynchronous generators runs `_hold`.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._held: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, AsyncGenerator[None, None]]] = (
            weakref.WeakKeyDictionary()
        )

    async def get(self) -> Any:
        """The client of the running loop. Raises ConfigurationError where it is not asyncio's."""
        loop = asyncio_loop()
        held = self._held.get(loop)
        if held is None:
            client = one_at_a_time(self._make)
            keeper = self._hold(client, weakref.ref(loop))
            await anext(keeper)
            with self._lock:
                for other in [other for other in self._held if other.is_closed()]:
                    del self._held[other]  # a loop that was closed without being shut down
                held = self._held[loop] = (client, keeper)
        return held[0]

    async def _hold(self, client: Any, loop: weakref.ref[asyncio.AbstractEventLoop]) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            ended = loop()
            if ended is not None:
                self._held.pop(ended, None)  # the client refers to its loop: the entry would keep both for ever
            await client.close()
            await asyncio.sleep(0)  # the transports end in the loop's next turn, which may be its last

    async def aclose(self) -> None:
        """Close the running loop's client; others close with their loops."""
        held = self._held.get(asyncio.get_running_loop())
        if held is not None:
            await held[1].aclose()


class _HoldsClients(Protocol):
    def _forget_clients(self) -> None: ...


_holders: weakref.WeakSet[_HoldsClients] = weakref.WeakSet()
# What a child got from its parent is never let go of: closing a transport would take its socket out of the event loop
# (epoll) that the two share.
_inherited: list[dict[str, Any]] = []


def forget_after_fork(holder: _HoldsClients) -> None:
    """Make a forked child begin with clients of its own: it must not speak on its parent's connections."""
    _holders.add(holder)


def _after_fork() -> None:
    forget_pools()
    for holder in list(_holders):
        _inherited.append(dict(vars(holder)))
        holder._forget_clients()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
