"""A model that answers a question it has answered before from memory, or from disk."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pickle
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future
from contextlib import aclosing, closing, contextmanager
from copy import copy
from dataclasses import replace
from importlib import import_module
from typing import Any, Self

from lazybridge.core import structured
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.receipt import FREE
from lazybridge.core.types import CompletionResponse, StreamChunk, UsageStats
from lazybridge.engine import LLMEngine
from lazybridge.model_stream import Asked, whole
from lazybridge.models import Model

_Flight = Future[bytes]


class CachedModel(Model):
    """`model.with_cache(ttl_s=3600)`: the same request gets the same answer, which then costs nothing.

    Requests are the same where all that is sent is: messages, media, settings, tools, schema, model and address. Of equal
    questions that are asked at once one is sent, and the others wait for it. Errors are not kept. An answer from the cache
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
        self._store = _Memory(ttl_s, max_entries) if path is None else _Disk(ttl_s, path)
        self._flights: dict[str, _Flight] = {}
        self._lock = threading.Lock()

    @property
    def model_id(self) -> str:
        """The id of the model behind it."""
        return self.model.model_id

    def _complete(self, asked: Asked) -> CompletionResponse:
        key = self._digest(asked)
        while True:
            flight, mine = self._flight(key)
            if mine:
                with self._landing(key, flight):
                    answer = self.model._complete(asked)
                    self._keep(key, answer, flight)
                    return answer
            if not isinstance(flight.exception(), asyncio.CancelledError):  # whoever asked for it gave up
                return self._from_cache(flight.result(), asked)

    async def _acomplete(self, asked: Asked) -> CompletionResponse:
        key = self._digest(asked)
        while True:
            flight, mine = self._flight(key)
            if mine:
                with self._landing(key, flight):
                    answer = await self.model._acomplete(asked)
                    self._keep(key, answer, flight)
                    return answer
            landed, loop = asyncio.Event(), asyncio.get_running_loop()
            flight.add_done_callback(lambda _, landed=landed, loop=loop: loop.call_soon_threadsafe(landed.set))  # type: ignore[misc]
            await landed.wait()
            if not isinstance(flight.exception(), asyncio.CancelledError):
                return self._from_cache(flight.result(), asked)

    def _stream(self, asked: Asked) -> Generator[StreamChunk, None, None]:
        key, last = self._digest(asked), StreamChunk()
        kept = self._store.get(key)
        if kept is not None:
            yield from _chunks(self._from_cache(kept, asked))
            return
        with closing(self.model._stream(asked)) as chunks:
            for last in chunks:
                yield last
        self._keep(key, whole(last))

    async def _astream(self, asked: Asked) -> AsyncGenerator[StreamChunk, None]:
        key, last = self._digest(asked), StreamChunk()
        kept = self._store.get(key)
        if kept is not None:
            for chunk in _chunks(self._from_cache(kept, asked)):
                yield chunk
            return
        async with aclosing(self.model._astream(asked)) as chunks:
            async for last in chunks:
                yield last
        self._keep(key, whole(last))

    def _flight(self, key: str) -> tuple[_Flight, bool]:
        """The answer that is kept or on its way; True where it is the caller's to fetch."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = Future()
            kept = self._store.get(key)
            if kept is not None:
                flight.set_result(kept)
                return flight, False
            self._flights[key] = flight
            return flight, True

    @contextmanager
    def _landing(self, key: str, flight: _Flight) -> Generator[None, None, None]:
        """End the flight however it ends, so that nobody waits for ever."""
        try:
            yield
        except Exception as error:
            flight.set_exception(error)
            raise
        except BaseException:
            flight.set_exception(asyncio.CancelledError())
            raise
        finally:
            with self._lock:
                self._flights.pop(key, None)

    def _keep(self, key: str, answer: CompletionResponse, flight: _Flight | None = None) -> None:
        kept = pickle.dumps(replace(answer, raw=None, parsed=None, attempts=(), receipt=None))
        self._store.put(key, kept)
        if flight is not None:
            flight.set_result(kept)

    def _from_cache(self, kept: bytes, asked: Asked) -> CompletionResponse:
        answer: CompletionResponse = pickle.loads(kept)
        output = self.model._output(asked)
        if output is not None and not answer.tool_calls:
            answer.parsed = structured.parse(output, answer)
        return replace(answer, receipt=FREE, usage=UsageStats(0, 0, cost_usd=0.0), cached=True)

    def _digest(self, asked: Asked) -> str:
        return hashlib.sha256(json.dumps(self._key(asked), sort_keys=True).encode()).hexdigest()

    def _key(self, asked: Asked) -> Any:
        return self.model._key(asked)

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


def _chunks(answer: CompletionResponse) -> Generator[StreamChunk, None, None]:
    yield StreamChunk(answer.content, answer.thinking, model=answer.model, media=answer.media)
    yield answer.final_chunk()


class _Memory:
    def __init__(self, ttl_s: float | None, max_entries: int) -> None:
        cachetools = _package("cachetools")
        self._kept = cachetools.LRUCache(max_entries) if ttl_s is None else cachetools.TTLCache(max_entries, ttl_s)
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        with self._lock:
            found: bytes | None = self._kept.get(key)
        return found

    def put(self, key: str, answer: bytes) -> None:
        with self._lock:
            self._kept[key] = answer

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def close(self) -> None:
        """Memory stays open."""


class _Disk:
    def __init__(self, ttl_s: float | None, path: str | os.PathLike[str]) -> None:
        self._kept = _package("diskcache").Cache(os.path.expanduser(os.fspath(path)))
        self._ttl_s = ttl_s

    def get(self, key: str) -> bytes | None:
        found: bytes | None = self._kept.get(key)
        return found

    def put(self, key: str, answer: bytes) -> None:
        self._kept.set(key, answer, expire=self._ttl_s)

    def clear(self) -> None:
        self._kept.clear()

    def close(self) -> None:
        """It opens again when it is used again."""
        self._kept.close()


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ConfigurationError(f'the package {name} is not installed\npip install "lazybridge[cache]"') from None
