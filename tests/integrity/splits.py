"""Recorded streams in pieces of any size and in other spellings of the same events, read in process.

What stands above HTTP is real: the provider, the SDK, its decoder, its HTTP client. Only the transport is replaced by one
that hands out a recorded body in pieces.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
import pytest

from tests.integrity.recordings import Reading, Record, aread, body_of, events_of, provider_for, read, request_for

MARK = b"\xef\xbb\xbf"
COMMENT = b': keep-alive\n\n: "quoted" {braced}\n\n'


def lines_end_in_crlf(body: bytes) -> bytes:
    return re.sub(rb"\r?\n", b"\r\n", body)


def lines_end_in_lf(body: bytes) -> bytes:
    return body.replace(b"\r\n", b"\n")


def comments_between(body: bytes) -> bytes:
    return COMMENT + COMMENT.join(events_of(body))


def ids_and_retries(body: bytes) -> bytes:
    return b"retry: 3000\n\n" + b"".join(b"id: %d\n" % place + event for place, event in enumerate(events_of(body)))


def mark_first(body: bytes) -> bytes:
    return MARK + body


# The same events, written in other ways that the format allows: https://html.spec.whatwg.org/multipage/server-sent-events.html.
SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "CRLF": lines_end_in_crlf,
    "LF": lines_end_in_lf,
    "comments": comments_between,
    "ids": ids_and_retries,
    "BOM": mark_first,
}
SIZES = tuple(range(1, 65))


@dataclass
class Tape:
    """What the next request is answered with."""

    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    size: int = 0

    def pieces(self) -> Iterator[bytes]:
        size = self.size or len(self.body) or 1
        return (self.body[start : start + size] for start in range(0, len(self.body), size))


@contextmanager
def taped() -> Iterator[Tape]:
    """Every client of httpx and httpx2 is answered from a tape."""
    tape = Tape()
    with pytest.MonkeyPatch.context() as patch:
        for library in (httpx, httpx2):
            transport = _transport(library, tape)
            for client in (library.Client, library.AsyncClient):
                patch.setattr(client, "_transport_for_url", lambda self, url, found=transport: found)
        yield tape


def _transport(library: Any, tape: Tape) -> Any:
    class Pieces(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            return tape.pieces()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in tape.pieces():
                yield piece

    def answer(request: Any) -> Any:
        return library.Response(200, headers=list(tape.headers), stream=Pieces(), request=request)

    return library.MockTransport(answer)


_LEFT_OUT = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection", "date", "server"})


@dataclass
class Split:
    """One recorded stream and its provider."""

    record: Record
    tape: Tape

    def __post_init__(self) -> None:
        self.provider = provider_for(self.record, "http://127.0.0.1:9")
        self.request = request_for(self.record)
        self.body = body_of(self.record)
        headers = {**{"content-type": "text/event-stream"}, **self.record["response_headers"]}
        self.headers = tuple((name, value) for name, value in headers.items() if name not in _LEFT_OUT)

    def read(self, body: bytes, size: int = 0) -> Reading:
        self.tape.body, self.tape.headers, self.tape.size = body, self.headers, size
        return read(self.provider, self.request)

    async def aread(self, body: bytes, size: int = 0) -> Reading:
        self.tape.body, self.tape.headers, self.tape.size = body, self.headers, size
        return await aread(self.provider, self.request)

    def differences(self, sizes: Iterator[int] | tuple[int, ...]) -> tuple[int, list[str]]:
        """How many readings were compared with that of the whole body, and which of them differ."""
        whole = self.read(self.body).facts
        compared, wrong = 0, []
        ways: list[tuple[str, bytes, tuple[int, ...]]] = [("as recorded", self.body, tuple(sizes))]
        ways += [(name, spell(self.body), (0, 1, 2, 3, 7)) for name, spell in SPELLINGS.items()]
        for name, body, each in ways:
            for size in each:
                compared += 1
                if self.read(body, size).facts != whole:
                    wrong.append(f"{self.record['id']} {name} in pieces of {size or 'any size'}")
        return compared, wrong

    def close(self) -> None:
        self.provider.close()  # type: ignore[attr-defined]
