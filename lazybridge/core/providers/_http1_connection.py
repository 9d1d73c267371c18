"""One connection of a synchronous transport: a socket that heeds the time of the request that has it."""

from __future__ import annotations

import io
import select
import socket
import ssl
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from lazybridge.core.providers._http1 import Answer, read_answer, sent
from lazybridge.core.providers._sockets import Cuttable, addresses, seconds_of, written_at_once

_BUFFER = 64 * 1024
Origin = tuple[str, str, int]
Context = Callable[[], ssl.SSLContext]


class Connection(Cuttable):
    """One socket, and what is read from it; who asks sees the exceptions of `library`, httpx or httpx2."""

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
        except self._library.TransportError:  # a time that is up is the request's before
            return False
        finally:
            self._raw.waits = True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def socket(self) -> Any:
        """The socket."""
        return self._socket

    def _send(self, data: bytes) -> None:
        timeout = self._timeouts.get("write")
        self.take(timeout)
        for part in written_at_once(data):
            try:
                self._socket.settimeout(seconds_of(timeout, self._library.WriteTimeout))
                self._socket.sendall(part)
            except TimeoutError as exc:
                raise self._library.WriteTimeout(str(exc)) from exc
            except OSError as exc:
                seconds_of(timeout, self._library.WriteTimeout)
                raise self._library.WriteError(str(exc)) from exc

    def read_into(self, buffer: Any, waits: bool) -> int | None:
        """How many bytes came, 0 at the end; None where none are there and nobody `waits`."""
        if not waits and not self._speaks():
            return None
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
            seconds_of(timeout, late)  # where another thread ended it, this is not the server's doing
            raise self._library.ReadError(str(exc)) from exc
        if not count and waits:
            seconds_of(timeout, late)
        return count

    def _speaks(self) -> bool:
        """Whether there may be something to read; asking costs less than trying, where the system can be asked."""
        if not hasattr(select, "poll") or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            return True
        asked = select.poll()
        asked.register(self._socket, select.POLLIN)
        return bool(asked.poll(0))


class _Raw(io.RawIOBase):
    """What a connection reads, for a buffer to stand on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = weakref.proxy(connection)
        self.waits = True
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count: int | None = self._connection.read_into(buffer, self.waits)
        self.ended = count == 0
        return count


def _connected(origin: Origin, context: Context, timeout: float | None, library: Any) -> socket.socket:
    """A socket to the first address of a server that answers."""
    scheme, host, port = origin
    late = library.ConnectTimeout
    failure: Exception = library.ConnectError(f"{host} has no address")
    for address in addresses(host, port, timeout, library):
        try:
            made = socket.create_connection((address, port), seconds_of(timeout, late))
            with ExitStack() as failed:
                failed.callback(made.close)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if scheme == "https":
                    trusted = context()
                    made.settimeout(seconds_of(timeout, late))
                    made = trusted.wrap_socket(made, server_hostname=host)
                failed.pop_all()
            return made
        except TimeoutError as exc:
            failure = late(str(exc))
            failure.__cause__ = exc
        except (OSError, UnicodeError) as exc:
            failure = library.ConnectError(str(exc))
            failure.__cause__ = exc
    raise failure
