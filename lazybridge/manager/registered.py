"""The names of a ModelManager, and what stands under each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lazybridge.core.errors import ConfigurationError, UnknownModelError
from lazybridge.core.registry import near
from lazybridge.manager.duck_model import model_of
from lazybridge.manager.lifecycle import lifecycle_of
from lazybridge.manager.moves import Patience, ainside, aout, inside, out
from lazybridge.manager.pools import REMOTE, Pools, label_of
from lazybridge.manager.resident import Resident, State
from lazybridge.manager.residents import Residents
from lazybridge.models import Model


@dataclass(frozen=True, eq=False)
class Entry:
    """What a name stands for: what was registered, the Model that asks it (its `own` where it was made here), and its place
    in the books."""

    thing: Any
    model: Model
    resident: Resident
    own: bool


class Registered:
    """Models by name."""

    def __init__(self, pools: Pools) -> None:
        self._residents = Residents(pools)
        self._entries: dict[str, Entry] = {}
        self._default: str | None = None
        self._lock = threading.Lock()

    async def register(
        self, id: str, model: Any, *, memory_estimate_bytes: int | None = None, pool: str | None = None
    ) -> None:
        """Give a model a name: a Model, a provider, an Agent, a model id, or any object with `complete`.

        What had the name before is unloaded when nobody uses it any more. An estimate that is not given is what the model
        says of itself, by its file and context; once it is loaded, what was measured counts. `pool` is that of its
        `device` unless it is given. Raises ConfigurationError for what cannot be asked, and for a model that is larger
        than its pool.
        """
        resident, old = self._enter(id, model, memory_estimate_bytes, pool)
        if old is not None:
            await aout(self._residents, old, Patience(None))
        if _is_in_already(resident):
            async with ainside(self._residents, resident, Patience(None)):
                pass

    def register_sync(
        self, id: str, model: Any, *, memory_estimate_bytes: int | None = None, pool: str | None = None
    ) -> None:
        """`register`, for code without an event loop."""
        resident, old = self._enter(id, model, memory_estimate_bytes, pool)
        if old is not None:
            out(self._residents, old, Patience(None))
        if _is_in_already(resident):
            with inside(self._residents, resident, Patience(None)):
                pass

    async def unregister(self, id: str, *, timeout: float | None = None) -> None:
        """Forget a name; its model is unloaded when nobody uses it any more."""
        patience, old = Patience(timeout), self._leave(id)
        if old is not None:
            await aout(self._residents, old, patience)

    def unregister_sync(self, id: str, *, timeout: float | None = None) -> None:
        """`unregister`, for code without an event loop."""
        patience, old = Patience(timeout), self._leave(id)
        if old is not None:
            out(self._residents, old, patience)

    async def get(self, id: str | None = None) -> Any:
        """The very object that was registered; for a model id the Model that was made of it."""
        return self._entry(id).thing

    def get_sync(self, id: str | None = None) -> Any:
        """`get`, for code without an event loop."""
        return self._entry(id).thing

    @property
    def ids(self) -> list[str]:
        """The names, in the order in which they were first registered."""
        with self._lock:
            return list(self._entries)

    @property
    def default(self) -> str | None:
        """The name that an id of None means: the one that was set, else the first."""
        with self._lock:
            return self._default if self._default is not None else next(iter(self._entries), None)

    @default.setter
    def default(self, id: str | None) -> None:
        if id is not None:
            self._entry(id)
        self._default = id

    def __contains__(self, id: object) -> bool:
        return id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def _entry(self, id: str | None) -> Entry:
        """Raises UnknownModelError, with the names that are near."""
        wanted = self.default if id is None else id
        with self._lock:
            entry = self._entries.get(wanted) if wanted is not None else None
            known = list(self._entries)
        if entry is not None:
            return entry
        if not known:
            raise UnknownModelError(f"no model is registered\nwrite await mgr.register({id or 'fast'!r}, model)")
        raise UnknownModelError(
            f"no model is registered as {id!r}{near(str(id), known)}\nregistered: {', '.join(map(repr, known))}"
        )

    def _enter(self, id: str, thing: Any, estimate: int | None, pool: str | None) -> tuple[Resident, Resident | None]:
        """Its place in the books, and the one that nobody owns any more."""
        if not isinstance(id, str) or not id:
            raise ConfigurationError(f"{id!r} is no name for a model\nwrite await mgr.register('fast', model)")
        if estimate is not None and (type(estimate) is not int or estimate < 0):
            raise ConfigurationError(
                f"memory_estimate_bytes={estimate!r} is no size\nit is a whole number of bytes, such as {4 * 1024**3}"
            )
        model = model_of(thing)
        lifecycle = lifecycle_of(thing, model)
        if lifecycle is None:
            if estimate or pool is not None:
                raise ConfigurationError(
                    f"{id!r} has no load() and unload(), so it takes no memory here\nregister it without memory_estimate_bytes and pool"
                )
            made = Resident(id, None, REMOTE, 0, state=State.LOADED)
        else:
            label = lifecycle.pool() if pool is None else label_of(pool)
            said = lifecycle.memory_bytes()
            made = Resident(id, lifecycle, label, said if estimate is None else estimate, said)
        resident = self._residents.enter(made)
        with self._lock:
            old = self._entries.get(id)
            named = isinstance(thing, str)
            self._entries[id] = Entry(model if named else thing, model, resident, named)
        return resident, self._disowned(old)

    def _all(self) -> list[Entry]:
        with self._lock:
            return list(self._entries.values())

    def _leave(self, id: str) -> Resident | None:
        self._entry(str(id))
        with self._lock:
            old = self._entries.pop(id, None)
            if self._default == id:
                self._default = None
        return self._disowned(old)

    def _disowned(self, old: Entry | None) -> Resident | None:
        if old is None:
            return None
        self._residents.leave(old.resident)
        return None if old.resident.owners else old.resident


def _is_in_already(resident: Resident) -> bool:
    """Whether somebody loaded it before, so that its memory is to be counted."""
    loaded = resident.lifecycle.is_loaded() if resident.lifecycle is not None else None
    return loaded is True and resident.state is State.UNLOADED
