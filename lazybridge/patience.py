"""How long a call waits: for the whole, for the first token, and between chunks."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lazybridge.core.clock import TimeLeft
from lazybridge.core.errors import ProviderTimeoutError
from lazybridge.nesting import deadline_within

# What an SDK waits for each byte where nobody says otherwise (openai 3.54.0 and anthropic 2.12.0 `_constants.py`).
_SDK_SECONDS = 600.0


@dataclass(frozen=True)
class Limits:
    """Seconds, or None: `timeout` for the whole call, `ttft` until an attempt's first token, `idle` between its chunks."""

    timeout: float | None = None
    ttft: float | None = None
    idle: float | None = None


class Patience:
    """The clock of one call. `attempt` is what the open attempt's request is given for its timeout: the moment in it
    moves with what is waited for."""

    def __init__(self, limits: Limits, cut: bool = False) -> None:
        self._cut = cut  # whether another thread may end an attempt
        self.deadline = deadline_within(limits.timeout)
        self.needs_chunks = limits.ttft is not None or limits.idle is not None
        self._limits = limits
        self._first: float | None = None
        self.attempt: TimeLeft | None = None

    def begin(self) -> TimeLeft | None:
        """The time of one more attempt; None where there is no limit. Raises ProviderTimeoutError where none is left."""
        self.deadline.check()
        self._first = None if self._limits.ttft is None else time.monotonic() + self._limits.ttft
        self._waiting_for = "ttft"
        needed = self.deadline.at is not None or self.needs_chunks or self._cut
        self.attempt = TimeLeft.until(self.deadline.at, _SDK_SECONDS) if needed else None
        return self.attempt

    def wait(self, arrived: bool) -> float | None:
        """Seconds that the next chunk may take from now on; `arrived` says whether there was one before."""
        if self.attempt is None:
            return None
        limit = self._first
        if arrived:
            limit = None if self._limits.idle is None else time.monotonic() + self._limits.idle
        self._waiting_for = "idle" if arrived else "ttft"
        ends = [at for at in (limit, self.deadline.at) if at is not None]
        self.attempt.at = min(ends, default=float("inf"))
        return self.attempt.left() if ends else None

    def late(self) -> ProviderTimeoutError | None:
        """The error that says which limit was met; None where none was."""
        left = self.deadline.left()
        if left is not None and left <= 0.01:
            return self.deadline.error()
        if self.attempt is None or self.attempt.left() > 0.01:
            return None
        word = self._waiting_for
        what = "no first token came" if word == "ttft" else "no chunk came"
        return ProviderTimeoutError(f"{what} within {word}={getattr(self._limits, word):g} s")
