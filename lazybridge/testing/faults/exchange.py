"""One request and what is done with it, byte by byte."""

from __future__ import annotations

import json
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from lazybridge.testing.faults.answers import STREAM, WHOLE, Event, Said
from lazybridge.testing.faults.mode import WireName

if TYPE_CHECKING:
    from lazybridge.testing.faults.server import FaultServer

_JSON = "application/json"


class Gone(Exception):
    """The client hung up, or the server is closing."""


@dataclass
class Request:
    """What a client sent; `at` is by `time.monotonic`."""

    path: str
    headers: dict[str, str]
    body: Any
    at: float = field(default_factory=time.monotonic)

    @property
    def wire(self) -> WireName:
        """The API family that the path belongs to."""
        path = self.path.partition("?")[0]
        if "enerateContent" in path:
            return "gemini"
        if path.endswith("/messages"):
            return "messages"
        if path.endswith("/responses"):
            return "responses"
        return "mistral" if path.startswith("/mistral/") else "chat"

    @property
    def streamed(self) -> bool:
        """Whether a stream is asked for."""
        return "streamGenerateContent" in self.path or bool(isinstance(self.body, dict) and self.body.get("stream"))

    @property
    def model(self) -> str:
        """The model that is asked."""
        if self.wire == "gemini":
            return self.path.rpartition("/")[2].partition(":")[0]
        return str(self.body.get("model")) if isinstance(self.body, dict) else ""

    @property
    def key(self) -> str:
        """The key that came with it; "" where none did."""
        found = self.headers.get("x-api-key") or self.headers.get("x-goog-api-key") or self.headers.get("authorization")
        return (found or "").removeprefix("Bearer ")


class Exchange:
    """What a mode plays on: the request, and a connection to answer on."""

    def __init__(self, server: FaultServer, connection: socket.socket, request: Request, stop: threading.Event) -> None:
        self.server, self.request = server, request
        self.open = True
        self.busy = True
        self._connection, self._stop = connection, stop

    @property
    def wire(self) -> WireName:
        """The API family that is spoken."""
        return self.request.wire

    @property
    def key(self) -> str:
        """The key that the client sent."""
        return self.request.key

    def said(self, **changes: Any) -> Said:
        """What the model says."""
        return replace(Said(self.request.model), **changes)

    # --- bytes --------------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        try:
            self._connection.sendall(data)
        except OSError as exc:
            self.open = False
            raise Gone from exc

    def wait(self, seconds: float) -> None:
        """Let time go by. Raises Gone as soon as the client hangs up."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stop.is_set():
                raise Gone
            try:
                gone = self._readable(min(left, 0.05)) and not self._connection.recv(1, socket.MSG_PEEK)
            except OSError:
                gone = True
            if gone:
                self.open = False
                raise Gone

    def _readable(self, seconds: float) -> bool:
        """Whether something comes within this time."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def wait_for_more(self) -> None:
        """Wait for the client's next request on this connection; this one is answered."""
        self.busy = False
        while not self._stop.is_set():
            if self._readable(0.05):
                if not self._connection.recv(1, socket.MSG_PEEK):
                    raise Gone
                return
        raise Gone

    def hang(self) -> None:
        """Say nothing more until the client hangs up."""
        self.wait(60)

    def hang_up(self) -> None:
        """Close the connection in an orderly way."""
        self.open = False

    def reset(self) -> None:
        """Close the connection with a reset."""
        self.open = False
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    def head(
        self, status: int = 200, content_type: str = _JSON, *more: str, reason: str | None = None, then: bytes = b""
    ) -> None:
        """The status line and the headers; `more` are further lines, `then` is what comes in the same packet."""
        ids = ("x-request-id: req_1", "request-id: req_1", "mistral-correlation-id: req_1")
        phrase = HTTPStatus(status).phrase if reason is None and status in _KNOWN else reason or "Status"
        lines = (f"HTTP/1.1 {status} {phrase}", f"content-type: {content_type}", *ids, *more)
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + then)

    def answer(
        self, status: int, body: Any, *more: str, content_type: str = _JSON, length: int | None = None, reason: str | None = None
    ) -> None:  # fmt: skip
        """A whole answer: bytes, or what is sent as JSON; `length` is what the header claims instead of the truth."""
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        claimed = f"content-length: {len(data) if length is None else length}"
        self.head(status, content_type, claimed, *more, reason=reason)
        self.send(data)

    def chunk(self, data: bytes) -> None:
        """A piece of a chunked body."""
        if data:
            self.send(b"%x\r\n%s\r\n" % (len(data), data))

    # --- answers ------------------------------------------------------------------------------------------------------

    def whole(self, **changes: Any) -> dict[str, Any]:
        """The right whole answer, as JSON."""
        return WHOLE[self.wire](self.said(**changes))

    def events(self, **changes: Any) -> list[Event]:
        """The events of the right stream."""
        return STREAM[self.wire](self.said(**changes))

    def begin_stream(self, *more: str) -> None:
        """The head of a stream."""
        self.head(200, "text/event-stream", "transfer-encoding: chunked", *more)

    def stream(self, pieces: Iterable[bytes], end: bool = True) -> None:
        """A stream in these pieces; `end` is the orderly end of the body."""
        self.begin_stream()
        for piece in pieces:
            self.chunk(piece)
        if end:
            self.send(b"0\r\n\r\n")

    def good(self, **changes: Any) -> None:
        """The right answer, in the way it was asked for."""
        if self.request.streamed:
            self.stream(encoded(self.events(**changes)))
        else:
            self.answer(200, self.whole(**changes))


_KNOWN = {status.value for status in HTTPStatus}


def encoded(events: Sequence[Event], end: str = "\n") -> list[bytes]:
    """Events as bytes, one piece each."""
    return [event.encoded(end) for event in events]


def up_to(events: Sequence[Event], *stages: str) -> list[Event]:
    """The events of these stages alone."""
    return [event for event in events if event.stage in stages]
