"""The circuit breaker: a model that fails again and again is left alone for a while, by every call of this process."""

from __future__ import annotations

import threading
import time
import weakref
from dataclasses import dataclass, field
from typing import Any, Literal

from lazybridge.core.errors import CircuitOpenError, ProviderError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.destination import shown, whose

# It opens after so many failures in a row, no success among them for so many seconds.
FAILURES, SECONDS = 5, 1.0
# For how long: what the vendor says (`Retry-After`, up to the second number) where that is longer.
COOLDOWN_S, LONGEST_COOLDOWN_S = 15.0, 60.0


@dataclass(frozen=True)
class BreakerState:
    """A model that failed last time it was asked, `failures` times in a row. While it is "open" nobody asks it, for
    `retry_in_s` more seconds; "half_open" lets one request find out. `base_url` is None for the vendor's own address."""

    provider: str
    model: str | None
    base_url: str | None
    state: Literal["closed", "open", "half_open"]
    failures: int
    retry_in_s: float | None


@dataclass
class _Circuit:
    provider: str
    model: str | None
    base_url: str | None
    failures: int = 0
    since: float = 0.0  # of the first
    last: str = ""
    until: float | None = None  # when it is asked again; None while it is closed
    probe: object | None = None  # who finds out whether it works again
    lock: threading.Lock = field(default_factory=threading.Lock)

    def left(self) -> float | None:
        return None if self.until is None else self.until - time.monotonic()

    def state(self) -> BreakerState:
        left = self.left()
        word: Literal["closed", "open", "half_open"] = "closed" if left is None else "open" if left > 0 else "half_open"
        retry_in_s = None if left is None or self.probe is not None else max(0.0, left)
        return BreakerState(self.provider, self.model, self.base_url, word, self.failures, retry_in_s)

    def error(self) -> CircuitOpenError:
        left = self.left()
        waits = left is not None and left > 0
        when = f"it is asked again in {left:.1f} s" if waits else "one request is finding out whether it works again"
        return CircuitOpenError(
            f"nothing was sent: {self.failures} requests in a row failed, the last one with {self.last}; {when}\n"
            "wait, name a fallback=, or write breaker=False to ask all the same",
            provider=self.provider,
            model=self.model,
            retry_after=left if waits else None,
        )


_circuits: dict[tuple[Any, ...], _Circuit] = {}


def breakers() -> list[BreakerState]:
    """Every model that failed last time it was asked, of this process."""
    return [circuit.state() for circuit in list(_circuits.values())]


def reset_breakers() -> None:
    """Forget all failures."""
    _circuits.clear()


def any_failed() -> bool:
    """Whether there is any model that failed last time it was asked."""
    return bool(_circuits)


def ask(provider: BaseProvider, model: str | None, who: object | None = None) -> None:
    """Raise CircuitOpenError where the model is left alone. Where one request is to find out whether it works again,
    `who` is that one, until it succeeds, fails or is let go of; None just asks whether there may be one."""
    circuit = _found(provider, model)
    if circuit is None or circuit.until is None:
        return
    with circuit.lock:
        left = circuit.left()
        if left is None:
            return
        if left > 0 or circuit.probe is not None:
            raise circuit.error()
        circuit.probe = who


def is_open(provider: BaseProvider, model: str | None) -> bool:
    """Whether the model is left alone now."""
    circuit = _found(provider, model)
    return circuit is not None and (circuit.left() or 0) > 0


def succeeded(provider: BaseProvider, model: str | None) -> None:
    """The model answered."""
    if _circuits:
        _circuits.pop(whose(provider, model), None)


def failed(provider: BaseProvider, model: str | None, error: ProviderError, who: object) -> None:
    """The model failed; what is the caller's own fault does not count."""
    if not error.retryable or 400 <= (error.status_code or 0) < 500 or provider._free:
        return let_go(provider, model, who)
    circuit = _circuit(provider, model)
    now = time.monotonic()
    with circuit.lock:
        probed = circuit.probe is not None and circuit.probe is who
        if circuit.until is not None and not probed:
            return  # sent before it opened
        circuit.since = circuit.since or now
        circuit.failures += 1
        circuit.last = error.kind if error.status_code is None else f"{error.kind} (HTTP {error.status_code})"
        if probed or (circuit.failures >= FAILURES and now - circuit.since >= SECONDS):
            circuit.until = now + min(max(COOLDOWN_S, error.retry_after or 0.0), LONGEST_COOLDOWN_S)
            circuit.probe = None


def let_go(provider: BaseProvider, model: str | None, who: object) -> None:
    """Who was to find out whether a model works again will not."""
    circuit = _found(provider, model)
    if circuit is not None and circuit.probe is who:
        circuit.probe = None


def _found(provider: BaseProvider, model: str | None) -> _Circuit | None:
    return _circuits.get(whose(provider, model)) if _circuits else None


def _circuit(provider: BaseProvider, model: str | None) -> _Circuit:
    key = whose(provider, model)
    found = _circuits.get(key)
    if found is None:
        found = _circuits.setdefault(key, _Circuit(provider.registered_name(), model, shown(provider)))
        if key[-1] == id(provider):
            weakref.finalize(provider, _circuits.pop, key, None).atexit = False
    return found
