"""HTTP/1.1 for synchronous requests, on the standard library's `http.client`: a transport of httpx and httpx2.

Their own transport parses in Python what `http.client` reads with the help of C, and takes twice the CPU for a call and five
times as much for a chunk of a stream (`python benchmarks/speed.py`). A request ends at its `TimeLeft`.
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
from http.client import HTTPConnection, HTTPException, HTTPResponse, InvalidURL, RemoteDisconnected
from typing import Any, Self

from lazybridge.core.providers._sockets import WRITTEN_AT_ONCE, Cuttable, addresses, closed_at_exit, seconds_of

_BUFFER = 64 * 1024
_PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int]
Context = Callable[[], ssl.SSLContext]


class Transport:
    """Connections to any number of servers, which are kept open between requests.

    `library` is the module httpx or httpx2, whose exceptions are raised; `context` is asked for the certificates when a server
    speaks TLS. At most `connections` are in use at once, a further
    request waits for as long as its pool timeout says; at most `kept` are open and idle, for `seconds` each.
    """

    def __init__(self, library: Any, context: Context, connections: int, kept: int, seconds: float) -> None:
        self._library, self._context = library, context
        self._most, self._seconds = kept, seconds
        self._slots = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []  # the one that was used last is the last
        self._closed = False
        self._body = _body_class(library)
        closed_at_exit(self)

    @property
    def connections(self) -> list[_Connection]:
        """Those that wait for a request."""
        return list(self._idle)

    def handle_request(self, request: Any) -> Any:
        """The answer, its body still to be read. Raises the library's own exceptions."""
        timeouts: Mapping[str, Any] = request.extensions.get("timeout") or {}
        origin = self._origin(request.url)
        if not self._slots.acquire(timeout=seconds_of(timeouts.get("pool"), self._library.PoolTimeout)):
            raise self._library.PoolTimeout("all connections are in use")
        connection = None
        try:
            connection = self._waiting(origin) or _Connection(origin, self._context, timeouts, self._library)
            answer = connection.ask(request, timeouts)
            return self._library.Response(
                answer.status,
                headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()],
                stream=self._body(self, connection, answer),
                extensions={
                    "http_version": b"HTTP/1.1" if answer.version == 11 else b"HTTP/1.0",
                    "reason_phrase": answer.reason.encode("latin-1"),
                },
            )
        except BaseException:
            self.done(connection, again=False)
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

    def done(self, connection: _Connection | None, again: bool) -> None:
        """A request is over; `again` keeps its connection for the next one."""
        gone = [] if again or connection is None else [connection]
        if again and connection is not None:
            oldest = time.monotonic() - self._seconds
            with self._lock:
                self._idle.append(connection)
                connection.idle_since = time.monotonic()
                while self._idle and (
                    self._closed or len(self._idle) > self._most or self._idle[0].idle_since < oldest
                ):
                    gone.append(self._idle.pop(0))
        for one in gone:
            one.close()
        self._slots.release()

    def close(self) -> None:
        """Close what is idle; what is in use closes with its answer."""
        with self._lock:
            self._closed = True
            gone, self._idle = self._idle, []
        for connection in gone:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Connection(Cuttable):
    """One socket, and `http.client`'s two sides of it."""

    def __init__(self, origin: Origin, context: Context, timeouts: Mapping[str, Any], library: Any) -> None:
        super().__init__()
        self.origin, self._library = origin, library
        self._timeouts = timeouts
        self.idle_since = 0.0
        self._socket = _connected(origin, context, timeouts.get("connect"), library)
        self._raw = _Raw(self)
        self.reader = _Reader(self._raw, _BUFFER)
        self._http: Any = HTTPConnection(origin[1], origin[2])
        self._http.response_class = _Answer
        self._http.sock = self._side = _Side(self)

    def ask(self, request: Any, timeouts: Mapping[str, Any]) -> HTTPResponse:
        """Send a request, and read the head of its answer."""
        self._timeouts = timeouts
        http = self._http
        chunked = False
        try:
            http.putrequest(request.method, request.url.raw_path.decode("ascii"), True, True)
            for name, value in request.headers.raw:
                http.putheader(name, value)
                chunked = chunked or name.lower() == b"transfer-encoding"
        except (ValueError, InvalidURL) as exc:
            raise self._library.LocalProtocolError(str(exc)) from exc
        sent = True
        try:
            http.endheaders(request.stream, encode_chunked=chunked)
            self._side.flush()
        except OSError:  # a server may refuse a long body, and say why, before it has come whole
            sent = False
        try:
            answer: HTTPResponse = http.getresponse()
        except HTTPException as exc:
            raise self.broken(exc) from exc
        answer.will_close |= not sent
        return answer

    def broken(self, exc: HTTPException) -> Exception:
        """What the library says of an answer that is no HTTP."""
        if isinstance(exc, RemoteDisconnected):
            return self._library.RemoteProtocolError("Server disconnected without sending a response.")  # type: ignore[no-any-return]
        return self._library.RemoteProtocolError(f"the answer is no HTTP: {exc!r}"[:200])  # type: ignore[no-any-return]

    def cut_short(self, missing: int) -> Exception:
        """What the library says of a body that ends before its length."""
        return self._library.RemoteProtocolError(  # type: ignore[no-any-return]
            f"peer closed connection without sending complete message body ({missing} bytes are missing)"
        )

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

    def is_idle(self) -> bool:
        return True

    def send(self, data: bytes) -> None:
        """Send all of it."""
        timeout = self._timeouts.get("write")
        self.take(timeout)
        for start in range(0, len(data), WRITTEN_AT_ONCE):
            self._socket.settimeout(seconds_of(timeout, self._library.WriteTimeout))
            try:
                self._socket.sendall(data[start : start + WRITTEN_AT_ONCE] if len(data) > WRITTEN_AT_ONCE else data)
            except TimeoutError as exc:
                raise self._library.WriteTimeout(str(exc)) from exc

    def read_into(self, buffer: Any, waits: bool) -> int | None:
        """How many bytes came, 0 at the end; None where none are there and nobody `waits`."""
        timeout = self._timeouts.get("read")
        self.take(timeout)
        self._socket.settimeout(seconds_of(timeout, self._library.ReadTimeout) if waits else 0)
        try:
            return self._socket.recv_into(buffer)
        except TimeoutError as exc:
            raise self._library.ReadTimeout(str(exc)) from exc
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError as exc:
            raise self._library.ReadError(str(exc)) from exc


class _Side:
    """The socket that `http.client` sees. It closes it where the server will; the answer is still to be read."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = weakref.proxy(connection)
        self._head: bytes | None = None

    def makefile(self, mode: str) -> _Reader:
        reader: _Reader = self._connection.reader
        return reader

    def sendall(self, data: bytes) -> None:
        if self._head is None:  # goes with the beginning of the body, in one packet
            self._head = data
        else:
            head, self._head = self._head, b""
            self._connection.send(head + data)

    def flush(self) -> None:
        head, self._head = self._head, None
        if head:
            self._connection.send(head)

    def close(self) -> None:
        pass


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


class _Reader(io.BufferedReader):
    """Stays open for the next answer: `http.client` closes what it has read an answer from."""

    def close(self) -> None:
        pass


class _Answer(HTTPResponse):
    def begin(self) -> None:
        """Read the head of an answer, and pass over interim ones (103 and its like), which `http.client` takes for it."""
        super().begin()
        while 100 < self.status < 200 and self.status != 101:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _Body:
    """The body of an answer, as it comes."""

    def __init__(self, transport: Transport, connection: _Connection, answer: HTTPResponse) -> None:
        self._transport, self._connection, self._answer = transport, connection, answer
        self._whole = self._over = False

    def __iter__(self) -> Iterator[bytes]:
        read = self._answer.read1
        try:
            while part := read(_BUFFER):
                yield part
            if self._answer.length:
                raise self._connection.cut_short(self._answer.length)
            self._whole = True
        except HTTPException as exc:
            self.close()
            raise self._connection.broken(exc) from exc
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the connection serve the next request, where the body was read to its end."""
        if not self._over:
            self._over = True
            self._answer.close()
            self._transport.done(self._connection, self._whole and not self._answer.will_close)

    def __del__(self) -> None:
        self.close()


@cache
def _body_class(library: Any) -> type[Any]:
    return type("Body", (_Body, library.SyncByteStream), {})


def _connected(origin: Origin, context: Context, timeout: float | None, library: Any) -> socket.socket:
    """A socket to the first address of a server that answers."""
    scheme, host, port = origin
    failure: Exception = library.ConnectError(f"{host} has no address")
    for address in addresses(host, port, timeout, library):
        late = library.ConnectTimeout
        try:
            made = socket.create_connection((address, port), seconds_of(timeout, late))
            try:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if scheme == "https":
                    made.settimeout(seconds_of(timeout, late))
                    tls = context()
                    tls.set_alpn_protocols(["http/1.1"])
                    return tls.wrap_socket(made, server_hostname=host)
                return made
            except BaseException:
                made.close()
                raise
        except TimeoutError as exc:
            failure = late(str(exc))
            failure.__cause__ = exc
        except OSError as exc:
            failure = library.ConnectError(str(exc))
            failure.__cause__ = exc
    raise failure
