"""Models that run in this process, on llama.cpp, mistral.rs or candle: no key, no server, no network after the first use."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from lazybridge.core.closing import Closing
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers.adjusting import offered
from lazybridge.core.providers.costing import receipt_for
from lazybridge.core.providers.local import weights
from lazybridge.core.providers.local.answer import Answer
from lazybridge.core.providers.local.constrained import plan
from lazybridge.core.providers.local.embedding import LocalEndpoints, embedding
from lazybridge.core.providers.local.engine import UNLOAD_SECONDS, Engine, kind_of
from lazybridge.core.providers.local.leases import leased, release_all
from lazybridge.core.providers.local.options import BackendName, LocalOptions
from lazybridge.core.providers.local.run import Item
from lazybridge.core.receipt import Receipt
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk, UsageStats


class LocalProvider(Closing, LocalEndpoints):
    """A GGUF model in this process: the built-in SmolLM2-135M-Instruct, or `LocalProvider(model="local:/path.gguf")`.

    The model is downloaded and loaded at the first call; providers with equal options share it, and the last one to be
    closed or forgotten unloads it. Every call costs 0.0 USD. While a model is loaded (0.3 s for the built-in one), the
    engine holds the interpreter lock, and the whole process waits. `backend` is one of LocalOptions.

    An output schema is enforced while the model writes; number ranges are not, so the answer is checked as well. A
    named or "required" tool is enforced too. With `tool_choice="auto"` the model decides, and the built-in one is too
    small to be relied on there. An answer that could have been a tool call arrives in one piece, when it is whole.
    Where the request does not say otherwise, the built-in model writes at temperature 0 and at most 1024 tokens.
    """

    name = "local"
    sdk = "xllamacpp"
    _adjusts_itself = True
    _free = True
    default_model = weights.MODEL
    _TIER_ALIASES = dict.fromkeys(("top", "expensive", "medium", "cheap", "super_cheap"), weights.MODEL)

    def _init_client(
        self, *, options: LocalOptions | None = None, backend: BackendName | None = None, **unknown: Any
    ) -> None:
        """Raises ConfigurationError for a missing engine, a path without a model and a misspelt option."""
        if unknown:
            raise ConfigurationError(
                f"LocalProvider has no option {', '.join(map(repr, unknown))}\n"
                "its options: model, backend, options=LocalOptions(...)"
            )
        options = options or LocalOptions()
        self._kind = kind_of(replace(options, backend=backend or options.backend))
        self.options = replace(options, backend=self._kind.backend)
        self._kind.check(self.options)
        self._engines: dict[Path, Engine] = {}
        self._embedders: dict[Path, Engine] = {}
        self._lock = threading.Lock()
        self._own_path()
        for held in (self._engines, self._embedders):
            weakref.finalize(self, release_all, held).atexit = False

    # --- one call ---------------------------------------------------------------------------------------------------

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        """One whole answer. Raises what `stream` raises."""
        with closing(self.stream(request)) as chunks:
            return _whole(list(chunks)[-1])

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        """`complete`, without blocking the event loop."""
        async with aclosing(self.astream(request)) as chunks:
            return _whole([chunk async for chunk in chunks][-1])

    def stream(self, request: CompletionRequest) -> Generator[StreamChunk, None, None]:
        """The answer in pieces; closing the generator stops the model at its next token.

        Raises ConfigurationError where there is no model to load, ProviderTimeoutError past `request.timeout` seconds
        (loading included), and ContextLengthError.
        """
        answer = self._answer(request)
        box: queue.SimpleQueue[Item] = queue.SimpleQueue()
        run = answer.start(box.put)
        try:
            while (item := answer.next(box)) is not None:
                if (chunk := answer.feed(item)) is not None:
                    yield chunk
            yield from answer.finish()
        finally:
            run.cancel()

    async def astream(self, request: CompletionRequest) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, without blocking the event loop; cancelling the task stops the model too."""
        answer = self._answer(request)
        box: asyncio.Queue[Item] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        run = answer.start(lambda item: loop.call_soon_threadsafe(box.put_nowait, item))
        try:
            while (item := await answer.anext(box)) is not None:
                if (chunk := answer.feed(item)) is not None:
                    yield chunk
            for chunk in answer.finish():
                yield chunk
        finally:
            run.cancel()

    def _answer(self, request: CompletionRequest) -> Answer:
        path = self._path_of(self._resolve_model(request))
        file_name = found.name if (found := weights.find(path)) is not None else weights.FILE_NAME
        request, without = offered(self, request)
        planned = plan(request, builtin=file_name == weights.FILE_NAME)
        answer = Answer(planned, Path(file_name).stem, self._kind, lambda: self._engine(path), self._priced)
        answer.adjustments = (*without, *answer.adjustments)
        return answer

    @classmethod
    def resolve_tier(cls, model: str) -> str:
        """The model id behind a tier word; any other string is the built-in model's id or a file's path already.

        Raises ConfigurationError for any other id, and for a path that is not a GGUF file.
        """
        return weights.named(super().resolve_tier(model))

    def _path_of(self, model: str) -> str | os.PathLike[str] | None:
        """The file of a resolved model id, by the options where it is the default one; None for the built-in model."""
        if model != self.default_model:
            return model
        if self.options.path is not None:
            weights.find(self.options.path)
        return self.options.path

    def _own_path(self) -> str | os.PathLike[str] | None:
        return self._path_of(self.resolve_tier(self.model or self.default_model))

    def _engine(self, path: str | os.PathLike[str] | None) -> Engine:
        """The loaded model; called in a thread of a run, for it may download and load."""
        return leased(self._engines, self._lock, path, self.options)

    def _embedder(self, model: str) -> Engine:
        return leased(self._embedders, self._lock, self._path_of(model), embedding(self.options))

    def _priced(self, model: str, usage: UsageStats) -> Receipt:
        return receipt_for(self, model, usage, time.time())

    def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """0.0 USD: a model of one's own is free, which is known."""
        return 0.0

    # --- lifecycle --------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Load the model now, and not at the first call; the built-in one is downloaded where it is not there.

        Raises ConfigurationError where it cannot be loaded. Any thread may call it, and more than once.
        """
        self._engine(self._own_path())

    def unload(self) -> None:
        """Free the model's memory, unless another provider uses it, and end what it is writing; the next call loads it
        again. Any thread may call it, and more than once."""
        with self._lock:
            release_all(self._engines, UNLOAD_SECONDS)
            release_all(self._embedders, UNLOAD_SECONDS)

    @property
    def is_loaded(self) -> bool:
        """Whether this provider holds a model in memory."""
        return bool(self._engines or self._embedders)

    @property
    def memory_bytes(self) -> int | None:
        """By how much the process grew when the model was loaded and first used; before that an estimate by its file and
        context, and None where the file is not there yet."""
        loaded = [engine.memory_bytes for engine in (*self._engines.values(), *self._embedders.values())]
        if loaded and None not in loaded:
            return sum(filter(None, loaded))
        place = weights.find(self._own_path())
        return None if place is None else self._kind.estimated_bytes(place, self.options)

    close = unload

    async def aclose(self) -> None:
        """`close`, without blocking the event loop."""
        await asyncio.to_thread(self.close)


def _whole(last: StreamChunk) -> CompletionResponse:
    if last.response is None:
        raise RuntimeError("the final chunk carries the whole answer")
    return last.response
