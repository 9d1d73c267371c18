"""A loopback server that is slow in one way: raw sockets, because an HTTP library would not be so rude.

It says what a vendor would, by the path, in the pieces of `tests/fake_vendor.py`; `slow` is where it takes its time.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Literal

Slow = Literal["handshake", "accept", "headers", "body", "error", "stall", "events", "comments", "endless"]


class SlowServer:
    """Takes one way to be slow; `hung_up` is set when its client has gone."""

    def __init__(self, slow: Slow, pause: float = 0.05, tls: ssl.SSLContext | None = None) -> None:
        self.hung_up = threading.Event()
        self.requests = 0
        self._slow, self._pause, self._tls = slow, pause, tls
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        accepting = threading.Thread(target=self._accept, daemon=True)
        accepting.start()

    @property
    def url(self) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stop.is_set():
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            held.callback(self.hung_up.set)
            held.enter_context(connection)
            if self._slow == "handshake":
                self._stop.wait(30)
            if self._tls is not None:
                connection = held.enter_context(self._tls.wrap_socket(connection, server_side=True))
            if self._read_request(connection):
                self.requests += 1
                for part in self._answer():
                    connection.sendall(part)
                    if self._stop.wait(0 if self._slow == "endless" else self._pause):
                        return
                while not self._stop.is_set() and connection.recv(65536):
                    pass

    def _read_request(self, connection: socket.socket) -> bool:
        sent = b""
        while b"\r\n\r\n" not in sent:
            part = connection.recv(65536)
            if not part:
                return False
            sent += part
        head, _, body = sent.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        return True

    def _answer(self) -> Iterator[bytes]:
        if self._slow == "accept":
            return
        if self._slow == "headers":
            yield b"HTTP/1.1 200 OK\r\n"
            for index in range(10_000):
                yield b"x-drip-%d: 1\r\n" % index if index % 2 else b"x"
            return
        if self._slow in ("body", "error"):
            status = b"200 OK" if self._slow == "body" else b"500 Internal Server Error"
            yield b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\ncontent-length: 10000\r\n\r\n"
            for _ in range(10_000):
                yield b" "
            return
        yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        if self._slow == "endless":
            while True:
                yield _chunk(b": " + b"x" * 60_000 + b"\n\n")
        if self._slow != "comments":
            for _ in range(2):
                yield _chunk(_DELTA)
        while self._slow == "comments" or self._slow == "events":
            yield _chunk(b": still here\n\n" if self._slow == "comments" else _DELTA)

    def close(self) -> None:
        self._stop.set()
        self._listener.close()


_DELTA = (
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"gpt-6-luna","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"Hello "},"finish_reason":null}]}\n\n'
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
