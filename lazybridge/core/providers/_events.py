"""What the SDKs' readers of a stream do not see to: a byte order mark, events without data, and an end before its time.

A stream may begin with a byte order mark, and a block without `data:` (a server's `retry:`, an `id:`) is no event:
https://html.spec.whatwg.org/multipage/server-sent-events.html, read 2026-11-22. The SDKs lose the first event to the one
and fail at the other. `tolerant` is the one place that reaches their decoder, by its private attribute (openai 3.54.0,
anthropic 2.12.0, groq 1.7.0 `_streaming.py`); a test holds it there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import Any

from lazybridge.core.errors import ProviderError, StreamTruncated, from_exception
from lazybridge.core.wire import Accumulator

_MARK = b"\xef\xbb\xbf"


def tolerant(events: Any) -> Any:
    """A stream of an SDK that reads every event which the format allows."""
    decoder = getattr(events, "_decoder", None)
    if decoder is not None:
        events._decoder = _Decoder(decoder)
    return events


class _Decoder:
    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    def iter_bytes(self, chunks: Iterator[bytes]) -> Iterator[Any]:
        return (event for event in self._decoder.iter_bytes(_unmarked(chunks)) if event.data)

    def aiter_bytes(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        return _WithData(self._decoder.aiter_bytes(_Unmarked(chunks)))


def _unmarked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = iter(chunks)
    head = b""
    for chunk in rest:
        head += chunk
        if len(head) >= len(_MARK) or not _MARK.startswith(head):
            break
    yield head.removeprefix(_MARK)
    yield from rest


class _Unmarked:
    """A class, like the next one: an asynchronous generator that is left would have to be closed by somebody."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = aiter(chunks)
        self._head: bytes | None = b""

    def __aiter__(self) -> _Unmarked:
        return self

    async def __anext__(self) -> bytes:
        if self._head is None:
            return await anext(self._chunks)
        head, self._head = self._head, None
        async for chunk in self._chunks:
            head += chunk
            if len(head) >= len(_MARK) or not _MARK.startswith(head):
                break
        return head.removeprefix(_MARK)


class _WithData:
    def __init__(self, events: AsyncIterator[Any]) -> None:
        self._events = events

    def __aiter__(self) -> _WithData:
        return self

    async def __anext__(self) -> Any:
        while True:
            event = await anext(self._events)
            if event.data:
                return event


class Unbroken:
    """`with` it, what takes a stream's connection away once the answer has begun is StreamTruncated, from the SDK's own
    exception: the vendor has worked, and may charge. A limit of time that was met stays one."""

    def __init__(self, state: Accumulator, provider: str, secrets: Iterable[str] = ()) -> None:
        self._state, self._provider, self._secrets = state, provider, secrets

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, where: TracebackType | None
    ) -> None:
        if not isinstance(exc, Exception) or isinstance(exc, ProviderError):
            return
        found = from_exception(exc, provider=self._provider, secrets=self._secrets)
        if found.kind not in ("connection", "truncated"):
            return
        error = self._truncated(f"the stream broke off: {found.message}")
        error.request_id = found.request_id
        raise error from exc

    def _truncated(self, message: str) -> StreamTruncated:
        error = StreamTruncated(message, provider=self._provider)
        try:  # what had arrived is known to who folds it
            answer = self._state.finish()
            error.partial_text, error.model = answer.content, answer.model
        except ProviderError as missing:
            error.partial_text, error.model = missing.partial_text, missing.model
        return error
