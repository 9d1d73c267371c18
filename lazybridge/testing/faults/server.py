"""The loopback server: plain sockets and threads, because an HTTP library would not be so rude."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import Self

from lazybridge.testing.faults.exchange import Exchange, Gone, Request
from lazybridge.testing.faults.mode import Mode
from lazybridge.testing.faults.modes import MODES


class FaultServer:
    """A vendor on loopback that fails in one way: `with FaultServer("hang") as server: Agent(..., base_url=server.url + "/v1")`.

    It speaks Chat Completions, Responses, Messages and generateContent, whole and streamed, by the path that it is asked at.
    `mode` is a name in `MODES`, a Mode, or None for a healthy one. `requests` are those that came; `elsewhere` is a second,
    healthy server, where redirects lead. Raises KeyError for an unknown name.
    """

    def __init__(self, mode: str | Mode | None = None) -> None:
        self.mode = MODES[mode] if isinstance(mode, str) else mode
        self.requests: list[Request] = []
        self.received = bytearray()  # all that clients sent
        self._exchanges: set[Exchange] = set()
        self._faulty = True
        self._count = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._elsewhere: FaultServer | None = None
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._connections: set[socket.socket] = set()
        self.port: int = self._listener.getsockname()[1]
        if self.mode is None or not self.mode.refused:
            self._listen()

    @property
    def url(self) -> str:
        """The address, without a path."""
        secure = self.mode is not None and self.mode.secure
        return f"http{'s' if secure else ''}://127.0.0.1:{self.port}"

    @property
    def elsewhere(self) -> FaultServer:
        """Another server."""
        if self._elsewhere is None:
            self._elsewhere = FaultServer()
        return self._elsewhere

    @property
    def visited(self) -> FaultServer | None:
        """The other server, where a redirect was sent to it."""
        return self._elsewhere

    @property
    def busy(self) -> int:
        """How many requests are being answered: a client that is done with one that hangs has not hung up yet."""
        with self._lock:
            return sum(exchange.busy for exchange in self._exchanges)

    def heal(self) -> None:
        """From now on every request is answered as it should be; `requests` begins anew."""
        self._faulty = False
        self.requests = []
        if self.mode is not None and self.mode.refused:
            self._listen()

    def settled(self, seconds: float = 2.0) -> bool:
        """Whether no request is open, or none is within this time."""
        until = time.monotonic() + seconds
        while self.busy and time.monotonic() < until:
            time.sleep(0.005)
        return not self.busy

    def close(self) -> None:
        """Stop listening, and hang up."""
        self._stop.set()
        with contextlib.suppress(OSError):  # nobody listened
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._listener.close()
        with self._lock:
            open_now = list(self._connections)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._elsewhere is not None:
            self._elsewhere.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # --- connections --------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._listener.listen(128)
        threading.Thread(target=self._accept, name="fault-server", daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._connections.add(connection)
                threading.Thread(target=self._serve, args=(connection,), name="fault-connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, Gone):
            if self.mode is not None and self.mode.before_request and self._faulty:
                self._play(connection, Request("", {}, None), self.mode)
            else:
                while self._answer(connection):
                    pass
        with self._lock:
            self._connections.discard(connection)

    def _answer(self, connection: socket.socket) -> bool:
        """Answer one request; whether the connection may be used again."""
        request = self._read(connection)
        if request is None:
            return False
        return self._play(connection, request, self._next_mode())

    def _next_mode(self) -> Mode | None:
        if self.mode is None or not self._faulty:
            return None
        with self._lock:
            self._count += 1
            return self.mode if self.mode.times is None or self._count <= self.mode.times else None

    def _play(self, connection: socket.socket, request: Request, mode: Mode | None) -> bool:
        exchange = Exchange(self, connection, request, self._stop)
        with self._lock:
            self.requests.append(request)
            self._exchanges.add(exchange)
        try:
            if mode is None:
                exchange.good()
            else:
                mode.play(exchange)
        finally:
            with self._lock:
                self._exchanges.discard(exchange)
        return exchange.open

    def _read(self, connection: socket.socket) -> Request | None:
        """The next request, None where the client hangs up."""
        sent = b""
        while b"\r\n\r\n" not in sent:
            part = connection.recv(65536)
            if not part:
                return None
            sent += part
        head, _, body = sent.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length") or 0):
            part = connection.recv(65536)
            if not part:
                return None
            body += part
        self.received += head + body
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = None
        return Request(first.split(" ")[1], headers, parsed)
