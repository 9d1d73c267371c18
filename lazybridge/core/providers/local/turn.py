"""One request at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# A request that waits for its turn looks this often whether anybody still waits for it.
_LOOK_SECONDS = 0.1


class Turn:
    """The lock of an engine that takes one request at a time; where `needed` is False nobody waits."""

    def __init__(self, needed: bool) -> None:
        self._lock = threading.Lock() if needed else None

    @contextmanager
    def taken(self, stopped: Callable[[], bool]) -> Iterator[bool]:
        """Wait until nobody else has the engine, and have it meanwhile; False where `stopped` said so first."""
        if self._lock is None:
            yield True
            return
        while not self._lock.acquire(timeout=_LOOK_SECONDS):
            if stopped():
                yield False
                return
        try:
            yield not stopped()
        finally:
            self._lock.release()
