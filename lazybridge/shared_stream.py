"""One stream for several who asked the same at once: each gets what has arrived already, and then the rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Hashable
from contextlib import aclosing
from copy import copy
from typing import Any, TypeVar

from lazybridge.core.errors import LazyBridgeError, StreamTruncated
from lazybridge.core.receipt import FREE
from lazybridge.core.types import CompletionResponse, StreamChunk

Landed = Callable[[CompletionResponse | None], None]
"""Called once at the end: with the whole answer, before its last chunk is handed out, or with None."""


class SharedStream:
    """A stream for readers in any thread. Who needs a chunk that is not there yet fetches it, for all; so one who leaves, or
    does not read on, holds nobody up."""

    def __init__(self, source: Generator[StreamChunk, None, None], landed: Landed) -> None:
        self.readers = 0
        self.ended = False
        self._source, self._landed = source, landed
        self._chunks: list[StreamChunk] = []
        self._error: Exception | None = None
        self._turn = threading.Lock()

    def read(self, first: bool) -> Generator[StreamChunk, None, None]:
        """The chunks, from the first one. Raises what the stream raised, and StreamTruncated where another reader was
        interrupted while it fetched."""
        at = 0
        while self._has(at):
            yield self._chunks[at]
            at += 1
        if self._error is not None:
            raise self._error if first else of_another(self._error)

    def _has(self, at: int) -> bool:
        with self._turn:
            if at == len(self._chunks) and not self.ended:
                self._fetch()
        return at < len(self._chunks)

    def _fetch(self) -> None:
        try:
            for chunk in self._source:
                self._chunks.append(chunk)
                if not chunk.is_final:  # after the last one its end is fetched at once: the answer may not fit
                    return
        except Exception as error:
            self._end(error)
        except BaseException:
            self._end(_interrupted())
            raise
        else:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        self._error, self.ended = error, True
        self._landed(self._chunks[-1].response if self._chunks and error is None else None)

    def close(self) -> None:
        """Stop early; for the last reader."""
        self._source.close()


class AsyncSharedStream:
    """A stream for readers on one event loop. A task of its own fetches a chunk when any reader needs one; so one who is
    cancelled, or does not read on, holds nobody up."""

    def __init__(self, source: AsyncGenerator[StreamChunk, None], landed: Landed) -> None:
        self.readers = 0
        self._source, self._landed = source, landed
        self._chunks: list[StreamChunk] = []
        self._wanted, self._news = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._task is not None and self._task.done()

    async def read(self, first: bool) -> AsyncGenerator[StreamChunk, None]:
        """The chunks, from the first one. Raises what the stream raised, and StreamTruncated where its event loop ends."""
        if self._task is None:
            self._task = asyncio.create_task(self._fetch())
            self._task.add_done_callback(lambda task: self._tell())
        at = 0
        while at < len(self._chunks) or not self.ended:
            if at < len(self._chunks):
                yield self._chunks[at]
                at += 1
            else:
                self._wanted.set()
                await self._news.wait()
        error = _interrupted() if self._task.cancelled() else self._task.exception()
        if error is not None:
            raise error if first else of_another(error)

    async def _fetch(self) -> None:
        last: StreamChunk | None = None
        answer = None
        try:
            async with aclosing(self._source) as chunks:
                async for chunk in chunks:
                    if chunk.is_final:  # its end is fetched at once: the answer may not fit
                        last = chunk
                        continue
                    self._chunks.append(chunk)
                    self._wanted.clear()
                    self._tell()
                    await self._wanted.wait()
            answer = None if last is None else last.response
        finally:
            self._landed(answer)
            self._chunks += [last] if last is not None else []

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def aclose(self) -> None:
        """Stop early; for the last reader."""
        if self._task is None:
            await self._source.aclose()
            return
        self._task.cancel()
        await asyncio.wait([self._task])


Shared = TypeVar("Shared", SharedStream, AsyncSharedStream)


class SharedStreams:
    """The streams that are on their way. `kept` finds an answer that is there already, `keep` keeps one."""

    def __init__(self, kept: Callable[[str], bytes | None], keep: Callable[[str, CompletionResponse], None]) -> None:
        self._kept, self._keep = kept, keep
        self._all: dict[Hashable, SharedStream | AsyncSharedStream] = {}
        self._lock = threading.Lock()

    def join(self, key: str, who: Hashable, start: Callable[[Landed], Shared]) -> tuple[Shared | bytes, bool]:
        """The kept answer, or a stream to read and to `leave`; True where nobody else reads it yet. Those who differ in
        `who` they are do not read the same one."""
        place = key, who

        def landed(answer: CompletionResponse | None) -> None:
            try:
                if answer is not None:
                    self._keep(key, answer)
            finally:
                with self._lock:
                    self._forget(found)

        with self._lock:
            found: Any = self._all.get(place)
            first = found is None
            if first:
                kept = self._kept(key)
                if kept is not None:
                    return kept, False
                found = self._all[place] = start(landed)
            found.readers += 1
            return found, first

    def leave(self, shared: SharedStream | AsyncSharedStream) -> bool:
        """Read no more; True where nobody does and it has not ended, so that it is to be closed."""
        with self._lock:
            shared.readers -= 1
            if shared.readers or shared.ended:
                return False
            self._forget(shared)
            return True

    def _forget(self, shared: SharedStream | AsyncSharedStream) -> None:
        for place in [place for place, one in self._all.items() if one is shared]:
            del self._all[place]


def _interrupted() -> StreamTruncated:
    return StreamTruncated("the stream was interrupted while it was shared", retryable=False)


def of_another(landed: BaseException) -> BaseException:
    """The error of another call, as one that sent nothing itself."""
    if not isinstance(landed, LazyBridgeError):
        return landed
    error = copy(landed)
    error.attempts, error.receipt, error.__cause__ = (), FREE, landed.__cause__
    return error
