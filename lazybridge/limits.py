"""Rate limits: so many requests and tokens in a minute, so many requests at once."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from lazybridge.core.errors import ConfigurationError, LazyBridgeError
from lazybridge.core.retry import checked_count
from lazybridge.waiting import Sleep, Slots, Steps, Stopped, Waiter, Work

if TYPE_CHECKING:
    from limits.storage import Storage

_log = logging.getLogger("lazybridge")
_MINUTE_S = 60
_NO_LIMIT = 2**53
# What a clock that is read in another process, or rounded by Redis to milliseconds, may be off by.
_LATER_S = 0.005
_numbers = itertools.count()


class RateLimit:
    """`Agent("gpt-6-luna", rate_limit=RateLimit(rpm=500, tpm=200_000, concurrency=20))`.

    At most `rpm` requests and `tpm` tokens (of input and output) in a minute, and `concurrency` requests at once; an attempt
    waits for them, in the order in which attempts came, and the wait is part of the call's `timeout`. One limit may be shared by
    many agents; `provider.rate_limit = limit` holds for all agents of a provider. Of the tokens an estimate of the
    input is set aside before, and what the vendor counted is booked after. `rpm` and `tpm` are kept in this process, or with
    `storage="redis://..."` in a Redis server for every process with the same `name`; `concurrency` is this process's.
    Raises ConfigurationError for what is no count, a missing package (`pip install "lazybridge[limits]"`) or a storage of an unknown
    kind; a storage that does not answer makes calls fail with LazyBridgeError.
    """

    def __init__(
        self,
        rpm: int | None = None,
        tpm: int | None = None,
        concurrency: int | None = None,
        storage: str | None = None,
        *,
        name: str = "default",
    ) -> None:
        for word, count in (("rpm", rpm), ("tpm", tpm), ("concurrency", concurrency)):
            if count is not None:
                checked_count(word, count, least=1)
        if rpm is None and tpm is None and concurrency is None:
            raise ConfigurationError("a RateLimit without a limit\nwrite RateLimit(rpm=60), tpm=... or concurrency=...")
        self.rpm, self.tpm, self.concurrency, self.name = rpm, tpm, concurrency, name
        self._number = next(_numbers)
        self._remote = storage is not None
        self._storage: Any = None if rpm is None and tpm is None else _storage(storage or "memory://")
        self._turn = Slots(1)  # whoever has it is the next to be let in
        self._slots = None if concurrency is None else Slots(concurrency)

    def __repr__(self) -> str:
        given = ", ".join(f"{word}={value}" for word in ("rpm", "tpm", "concurrency") if (value := getattr(self, word)))
        return f"RateLimit({given})"

    def enter(self, tokens: Callable[[], int], waiter: Waiter, left: Callable[[], float | None]) -> Steps[Entry]:
        """Wait until one more request of so many `tokens` may be sent. `left` says how many seconds there are, and raises
        where there are none. What it returns is to be left."""
        entry = Entry(self, 0)
        windows = self._storage is not None
        if windows:
            yield from self._turn.enter(waiter, left)
        try:
            if self._slots is not None:
                yield from self._slots.enter(waiter, left)
                entry.slots = self._slots
            if self.tpm is not None:
                entry.tokens = min(tokens(), self.tpm)
                yield from self._until(partial(self._take_tokens, entry.tokens), waiter, left)
            if self.rpm is not None:
                yield from self._until(self._take_request, waiter, left)
            entry.entered = True
        finally:
            if windows:
                self._turn.leave()
            if not entry.entered:
                entry.leave(None)
        return entry

    def _until(self, take: Callable[[], float | None], waiter: Waiter, left: Callable[[], float | None]) -> Steps[None]:
        """Wait until there is room, which `take` takes; else it says in how many seconds there may be some."""
        while True:
            seconds = left()
            wait = yield Work(partial(self._asked, take), self._remote)
            if wait is None:
                return
            if waiter.stopped:
                raise Stopped
            yield Sleep(wait if seconds is None else min(wait, seconds))
            if waiter.stopped:
                raise Stopped

    def _asked(self, take: Callable[[], float | None]) -> float | None:
        from limits.errors import StorageError

        try:
            return take()
        except StorageError as exc:
            raise LazyBridgeError(f"the storage of {self!r} does not answer, and nothing was sent") from exc

    def _take_request(self) -> float | None:
        key = f"lazybridge/{self.name}/rpm"
        if self._storage.acquire_entry(key, self.rpm, _MINUTE_S):
            return None
        oldest, _ = self._storage.get_moving_window(key, self.rpm, _MINUTE_S)
        return max(0.0, float(oldest) + _MINUTE_S - time.time()) + _LATER_S

    def _take_tokens(self, tokens: int) -> float | None:
        assert self.tpm is not None
        key = f"lazybridge/{self.name}/tpm"
        if self._storage.acquire_sliding_window_entry(key, self.tpm, _MINUTE_S, tokens):
            return None
        # What was counted in the window before counts for less and less; what is counted in this one, from its end on.
        before, before_left, current, current_left = self._storage.get_sliding_window(key, _MINUTE_S)
        room = self.tpm - tokens
        if before and current <= room:
            wait = before_left - (room - current) * _MINUTE_S / before
        else:
            wait = current_left - _MINUTE_S + (max(0.0, _MINUTE_S * (1 - room / current)) if current else 0.0)
        return max(0.0, float(wait)) + _LATER_S

    def book(self, tokens: int) -> None:
        """Count tokens that are used already, whether there is room for them or not; below 0, that were not used."""
        book = partial(self._booked, tokens)
        try:
            loop = asyncio.get_running_loop() if self._remote else None
        except RuntimeError:
            loop = None
        if loop is None:
            book()
        else:
            loop.run_in_executor(None, book)

    def _booked(self, tokens: int) -> None:
        from limits.errors import StorageError

        try:
            self._storage.acquire_sliding_window_entry(f"lazybridge/{self.name}/tpm", _NO_LIMIT, _MINUTE_S, tokens)
        except StorageError:
            _log.warning("%r: %d tokens could not be booked, since its storage does not answer", self, tokens)


class Entry:
    """One request that was let in; `tokens` were set aside for it."""

    def __init__(self, limit: RateLimit, tokens: int) -> None:
        self.tokens, self.entered = tokens, False
        self.slots: Slots | None = None
        self._limit = limit

    def leave(self, used: int | None) -> None:
        """Let the next one in; `used` are the tokens that the vendor counted, None where it did not."""
        if self.slots is not None:
            self.slots.leave()
            self.slots = None
        if self._limit.tpm is not None and used is not None and used != self.tokens:
            self._limit.book(used - self.tokens)


def in_order(*limits: RateLimit | None) -> list[RateLimit]:
    """Limits, each once, in the one order in which all calls enter them: none waits for another for ever."""
    return sorted({limit for limit in limits if limit is not None}, key=lambda limit: limit._number)


def checked_limit(value: object) -> RateLimit | None:
    """What `rate_limit=` was given. Raises ConfigurationError where that is neither a RateLimit nor None."""
    if value is None or isinstance(value, RateLimit):
        return value
    raise ConfigurationError(f"rate_limit={value!r} is no RateLimit\nwrite rate_limit=RateLimit(rpm=60)")


def _storage(url: str) -> Storage:
    try:
        from limits.errors import ConfigurationError as Refused
        from limits.storage import MovingWindowSupport, SlidingWindowCounterSupport, storage_from_string
    except ImportError:
        raise ConfigurationError(
            'rpm= and tpm= need the package limits, which is not installed\npip install "lazybridge[limits]"'
        ) from None
    kind = url.partition(":")[0]  # the rest may hold a password
    try:
        storage = storage_from_string(url, wrap_exceptions=True)
    except Refused as exc:
        missing = "prerequisite" in str(exc)
        raise ConfigurationError(
            f"the package for a storage {kind!r} is not installed\npip install {kind.partition('+')[0]}"
            if missing
            else f'{kind!r} is no kind of storage that is known\nwrite storage="redis://127.0.0.1:6379"'
        ) from None
    if not isinstance(storage, MovingWindowSupport) or not isinstance(storage, SlidingWindowCounterSupport):
        raise ConfigurationError(f'a storage {kind!r} has no sliding windows\nwrite storage="redis://127.0.0.1:6379"')
    return storage  # type: ignore[return-value]
