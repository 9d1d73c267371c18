"""httpx's and httpx2's client and answer, without the work that a plain request of bytes and a plain answer do not need.

Both pass through what makes, merges and decodes any request: what that costs beside the rest is in
`python benchmarks/speed.py`. Whatever is not plain goes the library's own way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from httpx2 import Client, Response
else:
    Client = Response = object  # which of the two libraries' they are is said in `before`

# What a library would add, were it not there.
_ADDED = frozenset({b"host", b"content-length", b"transfer-encoding"})


class LeanClient(Client):
    """A client, synchronous or not, whose requests, where they are bytes for an absolute URL, are made at once from their parts:
    as anthropic's and groq's SDKs ask for them, with objects of the library, and openai's, with a text and a list."""

    _library: Any

    def build_request(self, method: str, url: Any, **given: Any) -> Any:
        """The request, with the client's own headers where it names none of the kind."""
        http = self._library
        content, headers, timeout = given.get("content"), given.get("headers"), given.get("timeout")
        if (
            not (content and isinstance(content, bytes) and isinstance(timeout, (float, http.Timeout)) and headers)
            or sum(value is not None for value in given.values()) != 3
            or self.params
        ):
            return super().build_request(method, url, **given)
        url, named = http.URL(url), http.Headers(headers).raw
        names = {name.lower() for name, _ in named}
        if not (url.is_absolute_url and names.isdisjoint(_ADDED)):
            return super().build_request(method, url, **given)
        own = (header for header in self.headers.raw if header[0].lower() not in names)
        whole = [(b"Host", url.netloc), *own, *named, (b"Content-Length", b"%d" % len(content))]
        times = timeout if isinstance(timeout, http.Timeout) else http.Timeout(timeout)
        extensions = {"timeout": times.as_dict()}
        stream = http.ByteStream(content)
        request = http.Request(method, url, headers=whole, cookies=self.cookies, stream=stream, extensions=extensions)
        request.read()
        return request


class LeanResponse(Response):
    """An answer that hands out the parts of an unencoded body as they come."""

    _library: Any
    body: Any = None  # what its transport hands out

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The parts of the body, decoded."""
        read_or_closed = self.is_stream_consumed or self.is_closed
        if chunk_size is not None or read_or_closed or "content-encoding" in self.headers:
            yield from super().iter_bytes(chunk_size)
            return
        self.is_stream_consumed = True
        stream: Any = self.stream
        try:
            for part in stream:
                self._num_bytes_downloaded += len(part)
                yield part
        except self._library.RequestError as exc:
            exc.request = self.request
            raise
        finally:
            self.close()

    def close(self, ends: Callable[[], bool] = sys.is_finalizing) -> None:
        """Let go of the connection. At the end of the process it is told so directly: the library notes the time that the answer
        took, and what CPython 3.13.0 needs for that is gone by then."""
        if ends() and self.body is not None:
            self.is_closed = True
            self.body.close()
        else:
            super().close()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """As an answer of the library: pickle finds no class that was made in a function."""
        state = {name: value for name, value in self.__getstate__().items() if name != "body"}
        return object.__new__, (self._library.Response,), state


@cache
def before(part: type, base: type, library: Any) -> Any:
    """A class `base` of httpx or httpx2, or of what stands on it, with `part` before it, which finds the module as its
    `_library`."""
    return type(base.__name__, (part, base), {"_library": library})
