"""Models that run in this process, on llama.cpp through xllamacpp: no key, no server, no network after the first use."""

from __future__ import annotations

import asyncio
import importlib.util
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
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import receipt_for
from lazybridge.core.providers.local import weights
from lazybridge.core.providers.local.answer import Answer
from lazybridge.core.providers.local.constrained import plan
from lazybridge.core.providers.local.engine import UNLOAD_SECONDS, Engine, check_process, lease, release
from lazybridge.core.providers.local.options import LocalOptions
from lazybridge.core.providers.local.run import Item
from lazybridge.core.receipt import Receipt
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk, UsageStats

_PREFIX = "local:"


class LocalProvider(Closing, BaseProvider):
    """A GGUF model in this process: the built-in SmolLM2-135M-Instruct, or `LocalProvider(model="local:/path.gguf")`.

    The model is downloaded and loaded at the first call; providers with equal options share it, and the last one to be
    closed or forgotten unloads it. Every call costs 0.0 USD. While a model is loaded (0.3 s for the built-in one), the
    engine holds the interpreter lock, and the whole process waits.

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

    def _init_client(self, *, options: LocalOptions | None = None, **unknown: Any) -> None:
        """Raises ConfigurationError for a missing engine, a path without a model and a misspelt option."""
        if unknown:
            raise ConfigurationError(
                f"LocalProvider has no option {', '.join(map(repr, unknown))}\nits options: model, options=LocalOptions(...)"
            )
        if importlib.util.find_spec("xllamacpp") is None:
            raise ConfigurationError('the package xllamacpp is not installed\npip install "lazybridge[local]"')
        self.options = options or LocalOptions()
        self._engines: dict[Path, Engine] = {}
        self._lock = threading.Lock()
        self._path_of(self.resolve_tier(self.model or self.default_model))
        weakref.finalize(self, _release_all, self._engines).atexit = False

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
        (loading included), ContextLengthError, and StructuredOutputError for an answer that does not fit its schema.
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
        found = weights.find(path)
        file_name = found.name if found is not None else weights.FILE_NAME
        supported = tuple(self._check_native_tools(request.native_tools))
        if supported != request.native_tools:
            request = replace(request, native_tools=supported)
        planned = plan(request, builtin=file_name == weights.FILE_NAME)
        return Answer(planned, Path(file_name).stem, lambda: self._engine(path), self._priced)

    @classmethod
    def resolve_tier(cls, model: str) -> str:
        """The model id behind a tier word; any other string is the built-in model's id or a file's path already.

        Raises ConfigurationError for any other id, and for a path that is not a GGUF file.
        """
        resolved = super().resolve_tier(model)
        given = resolved.removeprefix(_PREFIX)
        if given in ("", cls.default_model):
            return cls.default_model
        if given == resolved and not given.endswith(".gguf"):
            raise ConfigurationError(
                f"no model in this process is called {model!r}; there are {cls.default_model!r} and GGUF files\n"
                'name a file: Agent("local:/path/to/model.gguf")'
            )
        weights.find(given)
        return given

    def _path_of(self, model: str) -> str | os.PathLike[str] | None:
        """The file of a resolved model id, by the options where it is the default one; None for the built-in model."""
        if model != self.default_model:
            return model
        if self.options.path is not None:
            weights.find(self.options.path)
        return self.options.path

    def _engine(self, path: str | os.PathLike[str] | None) -> Engine:
        """The loaded model; called in a thread of a run, for it may download and load."""
        check_process()
        place = weights.locate(path)
        with self._lock:
            if place not in self._engines:
                self._engines[place] = lease(place, self.options)
            return self._engines[place]

    def _priced(self, model: str, usage: UsageStats) -> Receipt:
        return receipt_for(self, model, usage, time.time())

    def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """0.0 USD: a model of one's own is free, which is known."""
        return 0.0

    # --- lifecycle --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Unload the model, unless another provider uses it; the next call loads it again."""
        with self._lock:
            _release_all(self._engines, UNLOAD_SECONDS)

    async def aclose(self) -> None:
        """`close`, without blocking the event loop."""
        await asyncio.to_thread(self.close)


def _whole(last: StreamChunk) -> CompletionResponse:
    if last.response is None:
        raise RuntimeError("the final chunk carries the whole answer")
    return last.response


def _release_all(engines: dict[Path, Engine], seconds: float = 0.0) -> None:
    while engines:
        release(engines.popitem()[1], seconds)
