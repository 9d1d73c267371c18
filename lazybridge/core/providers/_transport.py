"""The transport of synchronous requests, for httpx and httpx2: connections that are kept, and end at a request's `TimeLeft`.

Their own transport costs a call twice the CPU, and a chunk of a stream five times as much (`python benchmarks/speed.py`).
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, Self

from lazybridge.core.providers._http1 import Answer, Broken, Unsendable, body_of, read_answer, sent
from lazybridge.core.providers._sockets import WRITTEN_AT_ONCE, Cuttable, addresses, close_at_exit, seconds_of

_BUFFER = 64 * 1024
_PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int]
Context = Callable[[], ssl.SSLContext]


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
        self._idle: list[_Connection] = []  # the one that was used last is the last
        self._used: set[_Connection] = set()  # so that a forgotten one is closed by its body, and not by the collector
        self._closed = False
        self._body = _body_class(library)
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
        try:
            connection = self._waiting(origin) or _Connection(origin, self._context, timeouts, self._library)
            self._used.add(connection)
        except BaseException:
            self._slots.put(None)
            raise
        body = self._body(self, connection, self._library)
        try:
            answer = body.asked(request, timeouts)
            return self._library.Response(
                answer.status,
                headers=answer.headers,
                stream=body,
                extensions={"http_version": answer.version, "reason_phrase": answer.reason},
            )
        except BaseException:
            body.close()
            raise

    def _origin(self, url: Any) -> Origin:
        if url.scheme not in _PORTS or not url.host:
            raise self._library.UnsupportedProtocol(f"{url.scheme}://{url.host} is no http:// or https:// address")
        return url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme]

    def _waiting(self, origin: Origin) -> _Connection | None:
        """A connection that is open still, the one that was used last."""
        while True:
            with self._lock:
                at = next((at for at in reversed(range(len(self._idle))) if self._idle[at].origin == origin), None)
                found = None if at is None else self._idle.pop(at)
            if found is None or found.usable(self._seconds):
                return found
            found.close()

    def done(self, connection: _Connection, again: bool) -> None:
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
            except (
                IndexError
            ):  # another thread was faster; the collector, who may be the one who closes, waits for no lock
                return
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Connection(Cuttable):
    """One socket, and what is read from it."""

    def __init__(self, origin: Origin, context: Context, timeouts: Mapping[str, Any], library: Any) -> None:
        super().__init__()
        self.origin, self._library = origin, library
        self._timeouts = timeouts
        self.idle_since = 0.0
        self._socket = _connected(origin, context, timeouts.get("connect"), library)
        self._raw = _Raw(self)
        self.reader = io.BufferedReader(self._raw, _BUFFER)

    def ask(self, request: Any, timeouts: Mapping[str, Any]) -> Answer:
        """Send a request, and read the head of its answer."""
        self._timeouts = timeouts
        whole = True
        try:
            for piece in sent(request):
                self._send(piece)
        except self._library.WriteError:  # a server may refuse a long body, and say why, before it has come whole
            whole = False
        answer = read_answer(self.reader, request.method)
        answer.closes |= not whole
        return answer

    def usable(self, seconds: float) -> bool:
        """Whether it has been idle for no longer than this, and the server has neither closed it nor said anything."""
        if time.monotonic() - self.idle_since > seconds:
            return False
        self._raw.waits = False
        try:
            return not self.reader.peek(1) and not self._raw.ended
        except self._library.ReadError:
            return False
        finally:
            self._raw.waits = True

    def close(self) -> None:
        self._socket.close()

    def socket(self) -> Any:
        return self._socket

    def _send(self, data: bytes) -> None:
        timeout = self._timeouts.get("write")
        self.take(timeout)
        for start in range(0, len(data), WRITTEN_AT_ONCE):
            part = data[start : start + WRITTEN_AT_ONCE] if len(data) > WRITTEN_AT_ONCE else data
            try:
                self._socket.settimeout(seconds_of(timeout, self._library.WriteTimeout))
                self._socket.sendall(part)
            except TimeoutError as exc:
                raise self._library.WriteTimeout(str(exc)) from exc
            except OSError as exc:
                raise self._library.WriteError(str(exc)) from exc

    def read_into(self, buffer: Any, waits: bool) -> int | None:
        """How many bytes came, 0 at the end; None where none are there and nobody `waits`."""
        timeout = self._timeouts.get("read")
        self.take(timeout)
        late = self._library.ReadTimeout
        try:
            self._socket.settimeout(seconds_of(timeout, late) if waits else 0)
            count = self._socket.recv_into(buffer)
        except TimeoutError as exc:
            raise late(str(exc)) from exc
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError as exc:
            raise self._library.ReadError(str(exc)) from exc
        if not count and waits:
            seconds_of(timeout, late)  # where another thread ended it, this is not the server's end
        return count


class _Raw(io.RawIOBase):
    """What a connection reads, for a buffer to stand on."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = weakref.proxy(connection)
        self.waits = True
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count: int | None = self._connection.read_into(buffer, self.waits)
        self.ended = count == 0
        return count


class _Body:
    """The body of an answer, as it comes; closing it lets go of its connection."""

    def __init__(self, transport: Transport, connection: _Connection, library: Any) -> None:
        self._transport, self._connection, self._library = transport, connection, library
        self._whole = self._over = False

    def asked(self, request: Any, timeouts: Mapping[str, Any]) -> Answer:
        """The head of the answer to a request."""
        try:
            self._answer = self._connection.ask(request, timeouts)
        except Unsendable as exc:
            raise self._library.LocalProtocolError(str(exc)) from exc
        except Broken as exc:
            raise self._library.RemoteProtocolError(str(exc)) from exc
        return self._answer

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from body_of(self._answer, self._connection.reader)
            self._whole = True
        except Broken as exc:
            self.close()
            raise self._library.RemoteProtocolError(str(exc)) from exc
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Keep the connection for the next request, where the body was read to its end."""
        self._end(self._whole and not self._answer.closes)

    def __del__(self) -> None:
        self._end(again=False)

    def _end(self, again: bool) -> None:
        if not self._over:
            self._over = True
            self._transport.done(self._connection, again)


@cache
def _body_class(library: Any) -> type[Any]:
    return type("Body", (_Body, library.SyncByteStream), {})


def _connected(origin: Origin, context: Context, timeout: float | None, library: Any) -> socket.socket:
    """A socket to the first address of a server that answers."""
    scheme, host, port = origin
    late = library.ConnectTimeout
    failure: Exception = library.ConnectError(f"{host} has no address")
    for address in addresses(host, port, timeout, library):
        try:
            made = socket.create_connection((address, port), seconds_of(timeout, late))
            try:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if scheme == "http":
                    return made
                trusted = context()
                made.settimeout(seconds_of(timeout, late))
                return trusted.wrap_socket(made, server_hostname=host)
            except BaseException:
                made.close()
                raise
        except TimeoutError as exc:
            failure = late(str(exc))
            failure.__cause__ = exc
        except (OSError, UnicodeError) as exc:
            failure = library.ConnectError(str(exc))
            failure.__cause__ = exc
    raise failure
