"""Which local models are in memory, on their way in or out, and in use: the books of a ModelManager.

The lock is held for a few lines at a time, never while a model is loaded, unloaded or waited for.
"""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import AbstractContextManager
from types import TracebackType

from lazybridge.core.errors import ConfigurationError, UnknownModelError
from lazybridge.manager.pools import Pools, shown
from lazybridge.manager.resident import Over, Resident, State, Step, fresh, occupied


class Residents:
    """Who is in memory. Each method may be called by any thread, from any event loop."""

    def __init__(self, pools: Pools) -> None:
        self.pools = pools
        self._lock = threading.Lock()
        self._all: list[Resident] = []
        self._changed: Over | None = None  # there is one while somebody waits for it
        self._turns = itertools.count(1)

    # --- who there is -----------------------------------------------------------------------------------------------

    def enter(self, resident: Resident) -> Resident:
        """Give it, or the same model that is here already, one more owner.

        Raises ConfigurationError for one that its pool can never hold, and for several that are in part here already.
        """
        with self._lock:
            known = next((one for one in self._all if one.models & resident.models), None)
            if known is not None and known.models != resident.models:
                raise ConfigurationError(
                    f"{resident.name!r} and {known.name!r} have some of their local models in common, but not all\n"
                    "register each local model by itself, or build another one for the second"
                )
            if known is None:
                self.check_size(resident)
                self._all.append(resident)
                known = resident
            elif known.state is State.UNLOADED:
                self.check_size(resident)
                known.pool, known.memory_bytes, known.said = resident.pool, resident.memory_bytes, resident.said
            known.owners += 1
            return known

    def leave(self, resident: Resident) -> None:
        """Take an owner away; the last one's model is to be unloaded."""
        with self._lock:
            resident.owners -= 1
            self._forget(resident)
        self._wake()

    def used(self, pool: str) -> int:
        """The bytes of a pool that are taken or reserved."""
        with self._lock:
            return self._used(pool)

    def check_size(self, resident: Resident) -> None:
        """Raises ConfigurationError for a model that its pool can never hold."""
        budget = self.pools.budget(resident.pool)
        if budget is not None and resident.size > budget:
            raise ConfigurationError(
                f"{resident.name!r} takes {shown(resident.size)}, and the pool {resident.pool} holds at most {shown(budget)}\n"
                f"write ModelManager({self.pools.to_write(resident.pool, resident.size)})"
            )

    # --- who wants it -----------------------------------------------------------------------------------------------

    def want(self, resident: Resident, by: int = 1) -> None:
        """A call wants it, or (-1) no longer: what is wanted is not evicted."""
        with self._lock:
            resident.wanted += by
        if not resident.wanted:
            self._wake()

    def used_up(self, resident: Resident, uses: int) -> None:
        """A call that used it has ended; a first use may have grown it."""
        grown = None
        try:
            grown = resident.measured() if uses else None
        finally:
            with self._lock:
                resident.uses -= uses
                self._touch(resident)
                if grown is not None and resident.state is State.LOADED:
                    resident.memory_bytes = grown

    # --- in and out -------------------------------------------------------------------------------------------------

    def next_in(self, resident: Resident, uses: int = 0) -> Step | None:
        """What to do before it is in memory; None when it is, and then a call may use it. Raises ConfigurationError where
        it can never be."""
        if resident.memory_bytes is None and resident.lifecycle is not None:
            resident.memory_bytes = resident.said = resident.lifecycle.memory_bytes()
        with self._lock:
            if resident.moving is not None:
                return Step(resident.moving, resident if resident.state is State.LOADING else None)
            budget = self.pools.budget(resident.pool)
            room = None if budget is None else budget - self._used(resident.pool)
            if resident.state is State.LOADED:
                return self._settled(resident, budget, room, uses)
            if not resident.owners:
                raise UnknownModelError(f"{resident.name!r} was unregistered while it was waited for")
            if room is None:
                return self._move(resident)
            self._check_known(resident)
            self.check_size(resident)
            if resident.size <= room:
                return self._move(resident)
            return self._make_room(resident, resident.size - room) or Step(self._change())

    def next_out(self, resident: Resident) -> Step | None:
        """What to do before its memory is free; None when it is."""
        with self._lock:
            if resident.moving is not None:
                return Step(resident.moving)
            if resident.state is State.UNLOADED or resident.lifecycle is None:
                return None
            return Step(self._change()) if resident.wanted else self._move(resident)

    def landed(self, resident: Resident, error: BaseException | None) -> None:
        """A model is loaded or unloaded; after a failure it is where it says it is, else where it was."""
        assert resident.lifecycle is not None
        loads = resident.state is State.LOADING
        is_in, measured = loads == (error is None), None
        try:
            if error is not None:
                said = resident.lifecycle.is_loaded()
                is_in = is_in if said is None else said
            if is_in:
                measured = resident.measured()
        finally:
            with self._lock:
                resident.state = State.LOADED if is_in else State.UNLOADED
                resident.memory_bytes = resident.memory_bytes if measured is None else measured
                if error is not None and is_in:
                    self._touch(resident)  # so that another one is the next victim
                over, resident.moving = resident.moving, None
                self._forget(resident)
            assert over is not None
            over.set_result(error)
            self._wake()

    def holders(self, resident: Resident) -> str:
        """Who has the memory that it waits for."""
        with self._lock:
            budget = self.pools.budget(resident.pool)
            if resident.state is not State.UNLOADED or budget is None:
                return "it is being loaded" if resident.state is State.LOADING else f"it is {occupied(resident)}"
            others = [one for one in self._all if one.pool == resident.pool and one.state is not State.UNLOADED]
        held = "; ".join(f"{one.name!r} holds {shown(one.size)}, {occupied(one)}" for one in others)
        return f"it takes {shown(resident.size)} of the {shown(budget)} in pool {resident.pool}: {held or 'nobody else is there'}"

    # --- under the lock ---------------------------------------------------------------------------------------------

    def _used(self, pool: str) -> int:
        return sum(one.size for one in self._all if one.pool == pool and one.state is not State.UNLOADED)

    def _idle(self, beside: Resident) -> list[Resident]:
        return [
            one
            for one in self._all
            if one.pool == beside.pool and one.state is State.LOADED and not one.wanted and one is not beside
        ]

    def _settled(self, resident: Resident, budget: int | None, room: int | None, uses: int) -> Step | None:
        """It is in memory; where it was measured to be larger than was thought, somebody goes: it, where it can never
        stay, else those who are idle."""
        if budget is not None and room is not None and room < 0:
            if resident.size > budget and not resident.uses:
                return self._move(resident)
            step = self._make_room(resident, -room, even_some=True)
            if step is not None:
                return step
        resident.uses += uses
        self._touch(resident)
        return None

    def _make_room(self, resident: Resident, wanted: int, even_some: bool = False) -> Step | None:
        """Unload the idle one that was used longest ago, unless what is on its way out is enough; or, where not
        `even_some` of the bytes help, all who are idle are not."""
        going = sum(one.size for one in self._all if one.pool == resident.pool and one.state is State.UNLOADING)
        idle = self._idle(resident)
        enough = even_some or wanted <= going + sum(one.size for one in idle)
        if idle and enough and going < wanted:
            return self._move(min(idle, key=lambda one: one.turn))
        return None

    def _move(self, resident: Resident) -> Step:
        """Begin to load or to unload; the memory is reserved until it has landed."""
        assert resident.lifecycle is not None
        loads = resident.state is State.UNLOADED
        work = resident.lifecycle.load if loads else resident.lifecycle.unload
        resident.state = State.LOADING if loads else State.UNLOADING
        resident.moving = fresh()
        return Step(resident.moving, resident, work, _Landing(self, resident), loads)

    def _check_known(self, resident: Resident) -> None:
        if resident.memory_bytes is None:
            raise ConfigurationError(
                f"nobody says how much memory {resident.name!r} takes, and the pool {resident.pool} has a budget\n"
                f"write register({resident.name!r}, ..., memory_estimate_bytes=...)"
            )

    def _touch(self, resident: Resident) -> None:
        resident.turn, resident.last_used = next(self._turns), time.time()

    def _forget(self, resident: Resident) -> None:
        if (
            not resident.owners
            and resident in self._all
            and (resident.lifecycle is None or resident.state is State.UNLOADED)
        ):
            self._all.remove(resident)

    def _change(self) -> Over:
        """What ends when anything has changed."""
        self._changed = self._changed or fresh()
        return self._changed

    def _wake(self) -> None:
        """Tell who waits that something has changed; outside of the lock, for it calls them."""
        with self._lock:
            woken, self._changed = self._changed, None
        if woken is not None:
            woken.set_result(None)


class _Landing(AbstractContextManager[None]):
    """Writes down how a load or an unload ended. An error is in the books then, and raised by those who wait for it."""

    def __init__(self, residents: Residents, resident: Resident) -> None:
        self._residents, self._resident = residents, resident

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._residents.landed(self._resident, error)
        return isinstance(error, Exception)
