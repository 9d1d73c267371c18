"""HTTP/1.1 as bytes (RFC 9112), for `_transport`: what a request sends, and what an answer is, to its end.

An answer is read strictly: where it is cut off, or is no HTTP, it is Broken, so that a part is never taken for the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST = re.compile(rb"%b [^\x00-\x20\x7f]+ HTTP/1\.1\r\n(?:%b: [^\x00\r\n]*\r\n)+\r\n" % (_TOKEN, _TOKEN))
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: ([^\x00\r]*))?")
_HEADER = re.compile(rb"(%b):[ \t]*([^\x00\r]*?)[ \t]*" % _TOKEN)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LONGEST_LINE, _MOST_LINES = 64 * 1024, 512
_PART = 64 * 1024


class Reader(Protocol):
    """What an answer is read from: `read1` gives what is there already, `b""` is the end."""

    def readline(self, size: int, /) -> bytes: ...

    def read(self, size: int, /) -> bytes: ...

    def read1(self, size: int, /) -> bytes: ...


class Broken(Exception):
    """What came is no HTTP, or only a part of it."""


class Unsendable(Exception):
    """What was asked for is no HTTP."""


def sent(request: Any) -> Iterator[bytes]:
    """A request of httpx or httpx2 in pieces; its head comes with the beginning of its body. Raises Unsendable."""
    raw = request.headers.raw
    start = b"%b %b HTTP/1.1" % (request.method.encode("ascii", "replace"), request.url.raw_path)
    head = b"\r\n".join((start, *map(b": ".join, raw), b"", b""))
    chunked, length = False, 0
    for name, value in raw:
        lower = name.lower()
        if lower == b"transfer-encoding":
            chunked = True
        elif lower == b"content-length":
            if not value.isdigit():
                raise Unsendable(f"content-length: {value!r:.80}")
            length = int(value)
    if not _REQUEST.fullmatch(head) or head.count(b"\n") != len(raw) + 2:
        raise Unsendable("the method, the path or a header has characters that HTTP does not allow")
    for part in request.stream:
        if not part:
            continue
        if chunked:
            part = b"%x\r\n%b\r\n" % (len(part), part)
        else:
            length -= len(part)
            if length < 0:
                raise Unsendable("Too much data for declared Content-Length")
        yield head + part
        head = b""
    if length > 0 and not chunked:
        raise Unsendable("Too little data for declared Content-Length")
    if chunked or head:
        yield head + (b"0\r\n\r\n" if chunked else b"")


@dataclass
class Answer:
    """The head of an answer. `length` is how many bytes its body has, None where it is `chunked` or ends with the connection;
    `closes` says that the connection serves no further request."""

    version: bytes
    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    chunked: bool = False
    length: int | None = None
    closes: bool = False


def read_answer(reader: Reader, method: str) -> Answer:
    """The head of the answer to a request; interim ones (100, 103) are passed over. Raises Broken."""
    while True:
        answer = _head(reader)
        if answer.status == 101 or answer.status >= 200:
            break
    named: dict[bytes, list[bytes]] = {}
    for name, value in answer.headers:
        named.setdefault(name.lower(), []).append(value.lower())
    codings, lengths = named.get(b"transfer-encoding"), named.get(b"content-length")
    if method == "HEAD" or answer.status in (204, 304):
        answer.length = 0
        answer.closes = codings is not None  # a body may follow all the same
    elif codings is not None:
        if codings != [b"chunked"]:
            raise Broken(f"transfer-encoding: {codings!r:.80}")
        answer.chunked, answer.closes = True, lengths is not None
    elif lengths is not None:
        said = {part.strip() for value in lengths for part in value.split(b",")}
        length = said.pop()
        if said or not length.isdigit() or len(length) > 18:
            raise Broken(f"content-length: {lengths!r:.80}")
        answer.length = int(length)
    else:
        answer.closes = True
    connection = b",".join(named.get(b"connection", ()))
    answer.closes |= b"close" in connection or (answer.version == b"HTTP/1.0" and b"keep-alive" not in connection)
    return answer


def _head(reader: Reader) -> Answer:
    line = _line(reader, "Server disconnected without sending a response.")
    found = _STATUS.fullmatch(line)
    if found is None:
        raise Broken(f"no status line: {line[:80]!r}")
    headers: list[tuple[bytes, bytes]] = []
    while line := _line(reader, "the head of the answer was cut off"):
        header = _HEADER.fullmatch(line)
        if header is not None:
            headers.append((header[1], header[2]))
        elif line[0] in b" \t" and headers and b"\r" not in line:  # a value that goes on
            headers[-1] = headers[-1][0], headers[-1][1] + b" " + line.strip()
        else:
            raise Broken(f"no header: {line[:40]!r}")
        if len(headers) > _MOST_LINES:
            raise Broken("too many headers")
    return Answer(b"HTTP/1." + found[1], int(found[2]), found[3] or b"", headers)


def _line(reader: Reader, otherwise: str) -> bytes:
    """A line without its end."""
    line = reader.readline(_LONGEST_LINE)
    if line.endswith(b"\r\n"):
        return line[:-2]
    if line.endswith(b"\n"):
        return line[:-1]
    raise Broken("a line is too long" if len(line) == _LONGEST_LINE else otherwise)


def body_of(answer: Answer, reader: Reader) -> Iterator[bytes]:
    """The body, as it comes. Raises Broken where it is not whole."""
    if answer.chunked:
        return _chunks(reader)
    return iter(lambda: reader.read1(_PART), b"") if answer.length is None else _counted(reader, answer.length)


def _counted(reader: Reader, length: int) -> Iterator[bytes]:
    while length:
        part = reader.read1(min(length, _PART))
        if not part:
            raise Broken(f"peer closed connection without sending complete message body ({length} bytes are missing)")
        length -= len(part)
        yield part


def _chunks(reader: Reader) -> Iterator[bytes]:
    cut = "peer closed connection without sending complete message body (incomplete chunked read)"
    while True:
        line = reader.readline(_LONGEST_LINE)
        size = _CHUNK.fullmatch(line)
        if size is None:
            raise Broken(f"no size of a chunk: {line[:40]!r}" if line.endswith(b"\n") else cut)
        left = int(size[1], 16)
        if not left:
            break
        while left:
            part = reader.read1(min(left, _PART))
            if not part:
                raise Broken(cut)
            left -= len(part)
            yield part
        end = reader.read(2)
        if end != b"\r\n":
            raise Broken(cut if len(end) < 2 else "a chunk is longer than its size")
    for _ in range(_MOST_LINES):
        if not _line(reader, cut):
            return
    raise Broken("too many trailers")
