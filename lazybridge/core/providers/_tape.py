"""Where a recording listens to the SDKs' clients, or answers in their place: nothing, unless `lazybridge.testing` says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lazybridge.core.errors import UnsupportedFeatureError

if TYPE_CHECKING:
    from lazybridge.core.providers._endpoints import Endpoints


class Tape(Protocol):
    """What stands in for the clients of every provider. With `replaying` no call leaves this process, and no key is
    needed."""

    replaying: bool

    def client(self, provider: Endpoints) -> Any:
        """What a synchronous call goes through."""
        ...

    def async_client(self, provider: Endpoints) -> Any:
        """What a call on an event loop goes through."""
        ...


current: Tape | None = None  # of this process: whatever thread or event loop asks
# The header of a replayed answer that says when it was asked for, in seconds since the epoch: prices depend on it.
ASKED_AT = "x-lazybridge-asked-at"


def replaying() -> bool:
    """Whether answers come from a recording."""
    return current is not None and current.replaying


def pause(seconds: float) -> float:
    """How long to wait before the next attempt: a recording has nobody to spare."""
    return 0.0 if replaying() else seconds


def asked_at(headers: Mapping[str, str], began: float) -> float:
    """When a call was made, by its answer's headers where that is a recorded one."""
    return began if current is None else float(headers.get(ASKED_AT, began))


def refuse(what: str) -> None:
    """Raise UnsupportedFeatureError for what cannot be recorded, where somebody wants that."""
    if current is not None:
        raise UnsupportedFeatureError(
            f"{what} cannot be recorded or replayed\ncall it outside of record() and replay()"
        )
