"""A timeout that counts down while it is used."""

from __future__ import annotations

import time
from math import inf
from typing import Protocol, Self


class _Cuttable(Protocol):
    def cut(self, whose: TimeLeft) -> None: ...


class TimeLeft(float):
    """Seconds as every SDK takes a timeout, and the moment (`time.monotonic`) that they stand for.

    A number that an HTTP library hands to a socket begins anew with every byte; who knows this class asks `left()`
    instead. `at` may be moved while an answer is read.
    """

    at: float
    _cut = False
    _user: _Cuttable | None = None

    @classmethod
    def until(cls, at: float | None, otherwise: float) -> Self:
        """The time until a moment; where there is none, as a plain number `otherwise`."""
        made = cls(otherwise if at is None else max(0.001, at - time.monotonic()))
        made.at = inf if at is None else at
        return made

    @classmethod
    def of(cls, timeout: float | None, otherwise: float) -> Self:
        """A timeout that may be one of these already, as it is, or one that begins now."""
        if isinstance(timeout, cls):
            return timeout
        return cls.until(None if timeout is None else time.monotonic() + timeout, otherwise)

    def left(self) -> float:
        """Seconds left, below 0 once the moment has gone by; infinite where there is none."""
        return -inf if self._cut else self.at - time.monotonic()

    def used_by(self, connection: _Cuttable) -> None:
        """What waits for an answer with this time."""
        self._user = connection

    def cut(self) -> None:
        """End it now, from any thread, and what waits with it."""
        self._cut = True
        if self._user is not None:
            self._user.cut(self)

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)  # a moment of this process means nothing in another
