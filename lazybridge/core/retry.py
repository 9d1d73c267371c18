"""When a failed attempt is tried again, and how long to wait first."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from math import inf

from lazybridge.core.errors import ConfigurationError, ProviderError, ProviderTimeoutError

# A vendor that asks for more patience than this gets its error handed on.
LONGEST_RETRY_AFTER_S = 60.0


@dataclass(frozen=True)
class RetryPolicy:
    """`max_retries` more attempts after the first; waits grow from `base_s` to at most `cap_s`, with full jitter."""

    max_retries: int = 2
    base_s: float = 0.5
    cap_s: float = 8.0

    def delay(self, error: ProviderError, retries_done: int) -> float | None:
        """Seconds to wait before the next attempt, or None where there is none."""
        if retries_done >= self.max_retries or not error.retryable:
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= LONGEST_RETRY_AFTER_S else None
        return random.uniform(0, min(self.cap_s, self.base_s * 2**retries_done))


@dataclass
class Deadline:
    """A point in time that a whole call must meet; `timeout` is in seconds from now, None for no limit."""

    timeout: float | None

    def __post_init__(self) -> None:
        self.at = None if self.timeout is None else time.monotonic() + self.timeout

    def left(self) -> float | None:
        """Seconds left, at least 0; None where there is no limit."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())

    def check(self) -> None:
        """Raise ProviderTimeoutError once the time is up."""
        if self.at is not None and time.monotonic() >= self.at:
            raise self.error()

    def error(self) -> ProviderTimeoutError:
        """The error that says which limit was met."""
        return ProviderTimeoutError(f"the call took longer than timeout={self.timeout:g} s", retryable=False)


def checked_timeout(timeout: float | None, name: str = "timeout") -> float | None:
    """A time in seconds, or no limit. Raises ConfigurationError, by the setting's name, for anything else."""
    if timeout is not None and not (isinstance(timeout, (int, float)) and 0 < timeout < inf):
        raise ConfigurationError(f"{name}={timeout!r} is no time\n{name} is in seconds, above 0; None is no limit")
    return timeout


def checked_count(name: str, count: int, least: int = 0) -> int:
    """A setting that counts. Raises ConfigurationError, by its name, for what is no whole number from `least` on."""
    if type(count) is not int or count < least:
        raise ConfigurationError(f"{name}={count!r} is no count\n{name} is a whole number from {least} on, such as 2")
    return count
