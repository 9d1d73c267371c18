"""A model that answers a question it has answered before from memory, or from disk."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pickle
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, contextmanager
from copy import copy
from dataclasses import fields, is_dataclass, replace
from typing import Any, Self

from lazybridge.cache_stores import Disk, Memory
from lazybridge.core import structured
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.receipt import FREE
from lazybridge.core.retry import Deadline
from lazybridge.core.types import CompletionResponse, StreamChunk, UsageStats
from lazybridge.engine import LLMEngine
from lazybridge.flight import Flight
from lazybridge.model_stream import Asked
from lazybridge.models import Model
from lazybridge.shared_stream import AsyncSharedStream, SharedStream, SharedStreams, of_another


class CachedModel(Model):
    """`model.with_cache(ttl_s=3600)`: the same request gets the same answer, which then costs nothing.

    Requests are the same where all that is sent is: messages, media, settings, tools, schema, model and address. Of equal
    questions that are asked at once one is sent, and the others wait for it; of equal streams with the same `timeout` (and on
    the same event loop) one, and the others get its chunks. Errors are not kept. An answer from the cache
    has `cached=True`, no attempts and no `raw`; tools are not run again for it. In memory the one of `max_entries` that was
    used longest ago goes first; `path` is a folder for a SQLite file, which is to be trusted like code, for it is unpickled.
    Raises ConfigurationError where the packages of `lazybridge[cache]` are missing.
    """

    def __init__(
        self,
        model: Model,
        *,
        ttl_s: float | None = None,
        max_entries: int = 1000,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        if ttl_s is not None and not ttl_s > 0:
            raise ConfigurationError(f"ttl_s={ttl_s!r} is no time\nttl_s is in seconds, above 0; None is for ever")
        if type(max_entries) is not int or max_entries < 1:
            raise ConfigurationError(f"max_entries={max_entries!r} is no count\nwrite max_entries=1000")
        self.model = model
        self._store = Memory(ttl_s, max_entries) if path is None else Disk(ttl_s, path)
        self._flights: dict[str, Flight] = {}
        self._streams = SharedStreams(self._store.get, lambda key, answer: self._store.put(key, _kept(answer)))
        self._lock = threading.Lock()

    @property
    def model_id(self) -> str:
        """The id of the model behind it."""
        return self.model.model_id

    def _complete(self, asked: Asked) -> CompletionResponse:
        key, deadline = self._digest(asked), Deadline(self.model._patience(asked))
        while True:
            flight, mine = self._flight(key, deadline.left())
            if mine:
                with self._landing(key, flight):
                    answer = self.model._complete(_in(deadline.left(), asked))
                    self._keep(key, answer, flight)
                    return answer
            if not flight.done() and flight.is_behind_me():
                return self.model._complete(asked)
            try:
                flight.result(deadline.left())
            except TimeoutError:
                raise deadline.error() from None
            if not flight.is_nothing_to(deadline.left()):
                return self._from_flight(flight, asked)

    async def _acomplete(self, asked: Asked) -> CompletionResponse:
        key, deadline = self._digest(asked), Deadline(self.model._patience(asked))
        while True:
            flight, mine = self._flight(key, deadline.left())
            if mine:
                with self._landing(key, flight):
                    answer = await self.model._acomplete(_in(deadline.left(), asked))
                    self._keep(key, answer, flight)
                    return answer
            try:
                async with asyncio.timeout(deadline.left()):
                    await asyncio.wrap_future(flight)
            except TimeoutError:
                raise deadline.error() from None
            if not flight.is_nothing_to(deadline.left()):
                return self._from_flight(flight, asked)

    def _stream(self, asked: Asked) -> Generator[StreamChunk, None, None]:
        key, who = self._digest(asked), (self.model._patience(asked), None)
        found, first = self._streams.join(key, who, lambda landed: SharedStream(self.model._stream(asked), landed))
        if isinstance(found, bytes):
            yield from _chunks(self._from_cache(found, asked))
            return
        try:
            for chunk in found.read(first):
                yield chunk if first else self._read_along(chunk, asked)
        finally:
            if self._streams.leave(found):
                found.close()

    async def _astream(self, asked: Asked) -> AsyncGenerator[StreamChunk, None]:
        key, who = self._digest(asked), (self.model._patience(asked), asyncio.get_running_loop())
        found, first = self._streams.join(
            key, who, lambda landed: AsyncSharedStream(self.model._astream(asked), landed)
        )
        if isinstance(found, bytes):
            for chunk in _chunks(self._from_cache(found, asked)):
                yield chunk
            return
        try:
            async with aclosing(found.read(first)) as chunks:
                async for chunk in chunks:
                    yield chunk if first else self._read_along(chunk, asked)
        finally:
            if self._streams.leave(found):
                await found.aclose()

    def _read_along(self, chunk: StreamChunk, asked: Asked) -> StreamChunk:
        """A chunk of another call."""
        if chunk.response is None:
            return copy(chunk)
        return self._from_cache(_kept(chunk.response), asked).final_chunk()

    def _flight(self, key: str, patience: float | None) -> tuple[Flight, bool]:
        """The answer that is kept or on its way; True where it is the caller's to fetch."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = Flight(patience)
            kept = self._store.get(key)
            if kept is not None:
                flight.set_result(kept)
                return flight, False
            self._flights[key] = flight
            return flight, True

    @contextmanager
    def _landing(self, key: str, flight: Flight) -> Generator[None, None, None]:
        """End the flight however it ends, so that nobody waits for ever."""
        try:
            yield
        except Exception as error:
            flight.set_result(error)
            raise
        except BaseException:
            flight.set_result(asyncio.CancelledError())
            raise
        finally:
            with self._lock:
                self._flights.pop(key, None)

    def _keep(self, key: str, answer: CompletionResponse, flight: Flight) -> None:
        kept = _kept(answer)
        self._store.put(key, kept)
        flight.set_result(kept)

    def _from_flight(self, flight: Flight, asked: Asked) -> CompletionResponse:
        """The answer of another call. Raises its error, as one that sent nothing itself."""
        landed = flight.result()
        if isinstance(landed, Exception):
            raise of_another(landed)
        return self._from_cache(landed, asked)

    def _from_cache(self, kept: bytes, asked: Asked) -> CompletionResponse:
        answer: CompletionResponse = pickle.loads(kept)
        output = self.model._output(asked)
        if output is not None and not answer.tool_calls:
            answer.parsed = structured.parse(output, answer)
        return replace(answer, receipt=FREE, usage=UsageStats(0, 0, cost_usd=0.0), cached=True)

    def _digest(self, asked: Asked) -> str:
        return hashlib.sha256(json.dumps(self._key(asked), sort_keys=True, default=_plain).encode()).hexdigest()

    def _key(self, asked: Asked) -> Any:
        return self.model._key(asked)

    def _patience(self, asked: Asked) -> float | None:
        return self.model._patience(asked)

    def _output(self, asked: Asked) -> Any:
        return self.model._output(asked)

    def _providers(self) -> list[BaseProvider]:
        return self.model._providers()

    def _mapped(self, change: Callable[[LLMEngine], LLMEngine]) -> Self:
        made = copy(self)
        made.model = self.model._mapped(change)
        return made

    def clear(self) -> None:
        """Forget every answer."""
        self._store.clear()

    def close(self) -> None:
        """Close the model's synchronous connections, and the file."""
        self.model.close()
        self._store.close()

    async def aclose(self) -> None:
        """Close the model's connections, and the file."""
        await self.model.aclose()
        self._store.close()

    def __repr__(self) -> str:
        return f"CachedModel({self.model!r})"


def _kept(answer: CompletionResponse) -> bytes:
    return pickle.dumps(replace(answer, raw=None, parsed=None, attempts=(), receipt=None))


def _chunks(answer: CompletionResponse) -> Generator[StreamChunk, None, None]:
    yield StreamChunk(answer.content, answer.thinking, model=answer.model, media=answer.media)
    yield answer.final_chunk()


def _in(seconds: float | None, asked: Asked) -> Asked:
    """The question, where it has a time with what waiting left of that."""
    if seconds is None or asked.settings.get("timeout") is None:
        return asked
    return replace(asked, settings={**asked.settings, "timeout": max(seconds, 0.001)})


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return [type(value).__name__, *(getattr(value, item.name) for item in fields(value))]
    return pickle.dumps(value).hex()
