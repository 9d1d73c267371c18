"""A model in the books of a ModelManager, and what is done to it next."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lazybridge.manager.lifecycle import Lifecycle

State = Enum("State", ["UNLOADED", "LOADING", "LOADED", "UNLOADING"])


class Over(Future[Any]):
    """The end of a load or an unload; `loop` is the event loop that does it, where one does."""

    loop: AbstractEventLoop | None = None


@dataclass(eq=False)
class Resident:
    """What may be in memory: one local model, however many ids it has; or a remote one, which is always there.

    `wanted` counts the calls that use it or wait for it, `uses` those that use it. `memory_bytes` was given, estimated or
    measured; `said` is what the model said before it was loaded. Without an owner it has no id any more.
    """

    name: str
    lifecycle: Lifecycle | None
    pool: str
    memory_bytes: int | None
    said: int | None = None
    state: State = State.UNLOADED
    wanted: int = 0
    uses: int = 0
    owners: int = 0
    turn: int = 0
    last_used: float | None = None
    moving: Over | None = None

    @property
    def models(self) -> frozenset[int]:
        """Residents of the same local models are one."""
        return self.lifecycle.models if self.lifecycle is not None else frozenset([id(self)])

    def measured(self) -> int | None:
        """What it says now, where that is news."""
        said = self.lifecycle.memory_bytes() if self.lifecycle is not None else None
        return None if said == self.said else said

    @property
    def size(self) -> int:
        """Its bytes, as far as anybody knows them."""
        return self.memory_bytes or 0


@dataclass(frozen=True)
class Step:
    """What comes next: do `work`, where there is some, inside `landing`; wait for `over`; its failure is raised where it
    is `of` somebody."""

    over: Over
    of: Resident | None = None
    work: Callable[[], Any] | None = None
    landing: AbstractContextManager[None] | None = None
    loads: bool = True


def occupied(resident: Resident) -> str:
    """What it does, for a message."""
    calls = f"{resident.uses} call" + "s" * (resident.uses != 1)
    return f"in use by {calls}" if resident.uses else resident.state.name.lower()


def fresh() -> Over:
    """One that who waits for it cannot cancel."""
    made = Over()
    made.set_running_or_notify_cancel()
    return made
