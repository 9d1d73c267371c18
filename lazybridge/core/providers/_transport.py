"""The transport of synchronous requests, for httpx and httpx2: connections that are kept, and end at a request's `TimeLeft`.

Their own, httpcore's, takes each part of an answer through a general state machine in Python, for which every chunk of a stream
pays; what that comes to is the distance of `SDK post` and `provider` in `python benchmarks/speed.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any, Self
from urllib.request import getproxies

from lazybridge.core.providers._http1 import Answer, Broken, Unsendable, body_of
from lazybridge.core.providers._http1_connection import Connection, Context, Origin
from lazybridge.core.providers._lean import LeanResponse, before
from lazybridge.core.providers._sockets import close_at_exit, seconds_of

_PORTS = {"http": 80, "https": 443}


class Transport:
    """Connections to any number of servers, which are kept open between requests.

    `library` is the module httpx or httpx2, whose exceptions are raised; `context` is asked for the certificates when a server
    speaks TLS. At most `connections` are in use at once, a further request waits for as long as its pool timeout says; at most
    `kept` are open and idle, for `seconds` each.
    """

    def __init__(self, library: Any, context: Context, connections: int, kept: int, seconds: float) -> None:
        self._library, self._context = library, context
        self._most, self._seconds = kept, seconds
        self._lock = threading.Lock()
        self._idle: list[Connection] = []  # the one that was used last is the last
        self._used: set[Connection] = set()  # so that a forgotten one is closed by its body, and not by the collector
        self._closed = False
        self._body = before(_Body, library.SyncByteStream, library)
        self._response = before(LeanResponse, library.Response, library)
        self._slots: SimpleQueue[None] = SimpleQueue()  # the one lock that the collector may meet in any thread
        for _ in range(connections):
            self._slots.put(None)
        close_at_exit(self, Transport.close)

    def handle_request(self, request: Any) -> Any:
        """The answer, its body still to be read. Raises the library's own exceptions."""
        timeouts: Mapping[str, Any] = request.extensions.get("timeout") or {}
        origin = self._origin(request.url)
        try:
            self._slots.get(timeout=seconds_of(timeouts.get("pool"), self._library.PoolTimeout))
        except Empty:
            raise self._library.PoolTimeout("all connections are in use") from None
        body: _Body | None = None
        made = None
        try:
            connection = self._waiting(origin) or Connection(origin, self._context, timeouts, self._library)
            self._used.add(connection)
            body = self._body(self, connection)
            answer = body.asked(request, timeouts)
            extensions = {"http_version": answer.version, "reason_phrase": answer.reason}
            made = self._response(answer.status, headers=answer.headers, stream=body, extensions=extensions)
            made.body = body
        finally:
            if made is None:
                if body is None:
                    self._slots.put(None)
                else:
                    body.close()
        return made

    def _origin(self, url: Any) -> Origin:
        if url.scheme not in _PORTS or not url.host:
            raise self._library.UnsupportedProtocol(f"{url.scheme}://{url.host} is no http:// or https:// address")
        return url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme]

    def _waiting(self, origin: Origin) -> Connection | None:
        """A connection that is open still, the one that was used last."""
        while True:
            with self._lock:
                at = next((at for at in reversed(range(len(self._idle))) if self._idle[at].origin == origin), None)
                found = None if at is None else self._idle.pop(at)
            if found is None or found.usable(self._seconds):
                return found
            found.close()

    def done(self, connection: Connection, again: bool) -> None:
        """A request is over; `again` keeps its connection for the next one."""
        try:
            self._used.discard(connection)
            if not again:
                return connection.close()
            connection.idle_since = time.monotonic()
            gone = []
            with self._lock:
                self._idle.append(connection)
                while self._idle and (
                    self._closed
                    or len(self._idle) > self._most
                    or connection.idle_since - self._idle[0].idle_since > self._seconds
                ):
                    gone.append(self._idle.pop(0))
            for one in gone:
                one.close()
        finally:
            self._slots.put(None)

    def close(self) -> None:
        """Close what is idle; what is in use closes with its answer."""
        self._closed = True
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster: the collector closes as well, and waits for no lock
                return
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Body:
    """The body of an answer, as it comes; closing it lets go of its connection."""

    _library: Any

    def __init__(self, transport: Transport, connection: Connection) -> None:
        self._transport, self._connection = transport, connection
        self._whole = self._over = False

    def asked(self, request: Any, timeouts: Mapping[str, Any]) -> Answer:
        """The head of the answer to a request."""
        try:
            self._answer = self._connection.ask(request, timeouts)
        except Unsendable as exc:
            raise self._library.LocalProtocolError(str(exc)) from exc
        except Broken as exc:
            raise self._library.RemoteProtocolError(str(exc)) from exc
        self._parts = body_of(self._answer, self._connection.reader)
        return self._answer

    def __iter__(self) -> Iterator[bytes]:
        """What is left of it: who reads on begins where another stopped."""
        try:
            yield from self._parts
            self._whole = True
        except Broken as exc:
            raise self._library.RemoteProtocolError(str(exc)) from exc
        finally:
            if not self._whole:
                self.close()

    def close(self) -> None:
        """Keep the connection for the next request, where the body was read to its end."""
        self._end(self._whole and not self._answer.closes)

    def __del__(self) -> None:
        self._end(again=False)

    def _end(self, again: bool) -> None:
        if not self._over:
            self._over = True
            self._transport.done(self._connection, again)


def unused_async_client() -> Any:
    """An asynchronous client of httpx2 that asks nobody: an SDK makes one of its own where none is given, and loads the
    certificates for it."""
    http = import_module("httpx2")
    return http.AsyncClient(transport=http.AsyncBaseTransport())


def proxied() -> bool:
    """Whether the environment names a proxy; NO_PROXY alone names none."""
    return any(name != "no" for name in getproxies())
