"""ModelManager: many models, local and remote, by names of one's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from lazybridge.core.closing import AsyncClosed, Closing, closed
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk
from lazybridge.manager.moves import Patience, ainside, aout, inside, out
from lazybridge.manager.pools import REMOTE, Pools, label_of
from lazybridge.manager.registered import Entry, Registered
from lazybridge.manager.resident import State
from lazybridge.model_stream import Asked, ModelStream, OnChunk, hand_over
from lazybridge.settings import Settings, Task


@dataclass(frozen=True)
class ModelStatus:
    """One registered model. A remote one is always loaded, in the pool `remote`, and takes no memory here.

    `memory_bytes` was measured or, before the first load, given or estimated; None where nobody knows. `in_use` is the
    number of calls that use it now, `last_used` when it was last asked or loaded, in seconds since 1970.
    """

    id: str
    loaded: bool
    memory_bytes: int | None
    pool: str
    in_use: int
    last_used: float | None


class ModelManager(Registered, Closing):
    """Name models once, and ask them by name: `await mgr.register("fast", model)`, `await mgr.complete("fast", "hi")`.

    Whatever has `load`, `unload` and `complete`, and every Model in this process, is local: it is loaded when it is
    asked, and where its pool's budget leaves no room, the idle model that was used longest ago is unloaded first. What is
    in use is never unloaded. `cpu_ram_gb` and `gpu_vram_gb` (of each GPU) are in GiB, `pool_budgets` in bytes by pool
    (`cpu`, `gpu`, `gpu:1`); None is no limit. Remote models take nothing of a budget.

    Any thread and any event loop may use it; what is asynchronous has a twin for code without a loop, whose name ends in
    `_sync`. An id of None means `default`. Raises UnknownModelError for an id that is not registered. A `timeout` in
    seconds, the call's or the request's or the model's own, is for the whole call, waiting and loading included;
    ProviderTimeoutError says who holds the memory.
    """

    def __init__(
        self,
        *,
        cpu_ram_gb: float | None = None,
        gpu_vram_gb: float | None = None,
        pool_budgets: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(Pools(cpu_ram_gb, gpu_vram_gb, pool_budgets))

    # --- asking -----------------------------------------------------------------------------------------------------

    async def complete(
        self, id: str | None, task: Task | CompletionRequest, **settings: Unpack[Settings]
    ) -> CompletionResponse:
        """What the model answers, as `Model.complete` gives it; it is in use meanwhile."""
        entry = self._entry(id)
        patience = _patience(entry, task, settings)
        async with ainside(self._residents, entry.resident, patience, uses=1):
            return await entry.model.complete(task, **_left(settings, patience, entry))

    def complete_sync(
        self, id: str | None, task: Task | CompletionRequest, **settings: Unpack[Settings]
    ) -> CompletionResponse:
        """`complete`, for code without an event loop; also inside a running one, which it blocks."""
        entry = self._entry(id)
        patience = _patience(entry, task, settings)
        with inside(self._residents, entry.resident, patience, uses=1):
            return entry.model.complete_sync(task, **_left(settings, patience, entry))

    def stream(
        self,
        id: str | None,
        task: Task | CompletionRequest,
        on_chunk: OnChunk | None = None,
        **settings: Unpack[Settings],
    ) -> ModelStream:
        """The answer in pieces, as `Model.stream` gives it; the model is in use until the stream has ended or is closed."""
        return ModelStream(_Streams(self, self._entry(id)), Asked(task, settings), on_chunk)

    def stream_sync(
        self,
        id: str | None,
        task: Task | CompletionRequest,
        on_chunk: Callable[[StreamChunk], None],
        **settings: Unpack[Settings],
    ) -> CompletionResponse:
        """Hand every chunk to a function and return the whole answer, without an event loop."""
        return hand_over(_Streams(self, self._entry(id)), Asked(task, settings), on_chunk)

    # --- memory -----------------------------------------------------------------------------------------------------

    async def load(self, id: str | None = None, *, timeout: float | None = None) -> None:
        """Bring a local model into memory; where it is there, it counts as just used. What is remote is always there.

        Raises what its `load` raised, a ServerError from it where that is no LazyBridgeError; other models stay.
        """
        async with ainside(self._residents, self._entry(id).resident, Patience(timeout)):
            pass

    def load_sync(self, id: str | None = None, *, timeout: float | None = None) -> None:
        """`load`, for code without an event loop."""
        with inside(self._residents, self._entry(id).resident, Patience(timeout)):
            pass

    ensure_loaded, ensure_loaded_sync = load, load_sync

    async def unload(self, id: str | None = None, *, timeout: float | None = None) -> None:
        """Free a local model's memory, once nobody uses it; it is loaded again when it is asked."""
        await aout(self._residents, self._entry(id).resident, Patience(timeout))

    def unload_sync(self, id: str | None = None, *, timeout: float | None = None) -> None:
        """`unload`, for code without an event loop."""
        out(self._residents, self._entry(id).resident, Patience(timeout))

    def is_loaded_sync(self, id: str | None = None) -> bool:
        """Whether a model is in memory; what is remote always is."""
        return self._entry(id).resident.state is State.LOADED

    def used_bytes_sync(self, pool: str = "cpu") -> int:
        """How many bytes of a pool are taken, or reserved by what is being loaded. Raises ConfigurationError for a word
        that is no pool."""
        return self._residents.used(pool if pool == REMOTE else label_of(pool))

    def available_bytes_sync(self, pool: str = "cpu") -> int | None:
        """How many bytes of a pool's budget are free; None where it has none."""
        label = pool if pool == REMOTE else label_of(pool)
        budget = self._residents.pools.budget(label)
        return None if budget is None else max(0, budget - self._residents.used(label))

    def status_sync(self) -> list[ModelStatus]:
        """Every registered model, in the order of `ids`."""
        with self._lock:
            places = [(id, entry.resident) for id, entry in self._entries.items()]
        return [
            ModelStatus(id, at.state is State.LOADED, at.memory_bytes, at.pool, at.uses, at.last_used)
            for id, at in places
        ]

    async def is_loaded(self, id: str | None = None) -> bool:
        """`is_loaded_sync`; neither waits for anything."""
        return self.is_loaded_sync(id)

    async def used_bytes(self, pool: str = "cpu") -> int:
        """`used_bytes_sync`; neither waits for anything."""
        return self.used_bytes_sync(pool)

    async def available_bytes(self, pool: str = "cpu") -> int | None:
        """`available_bytes_sync`; neither waits for anything."""
        return self.available_bytes_sync(pool)

    async def status(self) -> list[ModelStatus]:
        """`status_sync`; neither waits for anything."""
        return self.status_sync()

    # --- lifecycle --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Unload every local model, once nobody uses it, and close the synchronous connections of models registered by
        their id; others are their makers' to close. The manager may be used again."""
        for entry in self._all():
            out(self._residents, entry.resident, Patience(None))
            if entry.own:
                entry.model.close()

    async def aclose(self) -> None:
        """`close`, and the connections of the running event loop."""
        for entry in self._all():
            await aout(self._residents, entry.resident, Patience(None))
            if entry.own:
                await entry.model.aclose()

    def __repr__(self) -> str:
        return f"ModelManager({', '.join(map(repr, self.ids))})"


class _Streams:
    """What a ModelStream iterates: the model's own stream, while the model is in use."""

    def __init__(self, manager: ModelManager, entry: Entry) -> None:
        self._residents, self._entry = manager._residents, entry

    def _stream(self, asked: Asked) -> Generator[StreamChunk, None, None]:
        patience = _patience(self._entry, asked.task, asked.settings)
        with inside(self._residents, self._entry.resident, patience, uses=1):
            stream = self._entry.model.stream(asked.task, **_left(asked.settings, patience, self._entry))
            with closed(stream):
                yield from stream

    async def _astream(self, asked: Asked) -> AsyncGenerator[StreamChunk, None]:
        patience = _patience(self._entry, asked.task, asked.settings)
        async with ainside(self._residents, self._entry.resident, patience, uses=1):
            stream = self._entry.model.stream(asked.task, **_left(asked.settings, patience, self._entry))
            async with AsyncClosed(stream):
                async for chunk in stream:
                    yield chunk


def _patience(entry: Entry, task: Task | CompletionRequest, settings: Mapping[str, Any]) -> Patience:
    """The call's time: its own, else the request's, else that of a local model."""
    if "timeout" in settings:
        return Patience(settings["timeout"])
    if isinstance(task, CompletionRequest) and task.timeout is not None:
        return Patience(task.timeout)
    return Patience(None if entry.resident.lifecycle is None else entry.model._patience(Asked("whatever is asked")))


def _left(settings: Mapping[str, Any], patience: Patience, entry: Entry) -> Any:
    """The settings, with what the wait for a local model left of the call's time; of several models each has its own."""
    several = len(entry.model._providers()) > 1 and "timeout" not in settings
    if patience.timeout is None or entry.resident.lifecycle is None or several:
        return settings
    return {**settings, "timeout": max(patience.left() or 0.0, 0.001)}
