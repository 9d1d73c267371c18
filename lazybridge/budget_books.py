"""Where a budget keeps its sums: what every book does, and the book of one process."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import NamedTuple, Protocol

from lazybridge.core.errors import LazyBridgeError
from lazybridge.core.receipt import MONEY

_ZERO = Decimal(0)
# Seconds that a fork waits for the threads that are inside a book.
_FORK_SECONDS = 5.0


class State(NamedTuple):
    """What a budget has spent and reserved, in USD, and the calls of which nobody knows what they cost."""

    spent: Decimal = _ZERO
    reserved: Decimal = _ZERO
    unknown_calls: int = 0


class Book(Protocol):
    """Where a budget's sums are kept."""

    @property
    def key(self) -> object:
        """What tells two books apart."""
        ...

    def state(self) -> State:
        """The sums now."""
        ...

    def reserve(self, cap: Decimal, amount: Decimal) -> int | None:
        """Set an amount aside if the cap allows it: a number to settle it by, or None."""
        ...

    def settle(self, reservation: int, cost: Decimal | None) -> None:
        """Put the cost (None is unknown) in the place of what was reserved."""
        ...


def known(cost: Decimal | None) -> Decimal | None:
    """A cost that is an amount of USD; None for what is NaN, infinite or below 0."""
    return cost if cost is not None and cost.is_finite() and cost >= 0 else None


class _Here(threading.local):
    """Whether this thread is inside a book, and the books that it has to look after when it leaves."""

    def __init__(self) -> None:
        self.inside = False
        self.later: deque[SettlingBook] = deque()


_here = _Here()


class SettlingBook:
    """A book that may be settled at any moment: the garbage collector closes an abandoned stream wherever this thread
    is, inside a book too. So `settle` queues, and waits for no lock; who leaves the lock books what is queued."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, Decimal | None]] = deque()
        with _FORKING:
            _books.add(self)

    def settle(self, reservation: int, cost: Decimal | None) -> None:
        """Put the cost in the place of what was reserved; what is no amount counts as unknown. A reservation that is not
        of this process, or was settled before, is left alone."""
        self._waiting.append((reservation, known(cost)))
        _here.later.append(self)
        _leave()

    def _book_waiting(self) -> bool:
        """Book what is queued, with the lock held; False where that cannot be done now."""
        raise NotImplementedError

    def _forget_others(self) -> None:
        """Let go of what belongs to the parent of this process."""
        raise NotImplementedError

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The only one in this book, with nothing queued left over when it is left."""
        if _here.inside:
            raise LazyBridgeError("a signal handler or finalizer cannot use a budget while its thread is inside one")
        if _forking:  # a lock is not fair: who comes later would be served first
            with _FORKING:
                pass
        try:
            with _inside(), self._lock:
                yield
        finally:
            _here.later.append(self)
            _leave()

    def _flush(self) -> None:
        """Book what is queued, unless somebody is in the book: that one looks again when leaving."""
        booked = True
        while booked and self._waiting and not _forking:
            with _inside():
                if not self._lock.acquire(blocking=False):
                    return
                try:
                    booked = self._book_waiting()
                finally:
                    self._lock.release()


@contextmanager
def _inside() -> Iterator[None]:
    _here.inside = True
    try:
        yield
    finally:
        _here.inside = False


def _leave() -> None:
    while not _here.inside and _here.later:
        _here.later.popleft()._flush()


class MemoryBook(SettlingBook):
    """The sums of one process."""

    @property
    def key(self) -> object:
        """What tells two books apart."""
        return id(self)

    def __init__(self) -> None:
        self._spent, self._reserved, self._unknown = _ZERO, _ZERO, 0
        self._open: dict[int, Decimal] = {}
        self._next = 0
        super().__init__()

    def state(self) -> State:
        """The sums now."""
        with self._alone():
            self._book_waiting()
            return State(self._spent, self._reserved, self._unknown)

    def reserve(self, cap: Decimal, amount: Decimal) -> int | None:
        """Set an amount aside, or None where the cap does not allow it."""
        with self._alone():
            self._book_waiting()
            after = MONEY.add(self._reserved, amount)
            if MONEY.add(self._spent, after) > cap:
                return None
            self._reserved, self._next = after, self._next + 1
            self._open[self._next] = amount
            return self._next

    def _book_waiting(self) -> bool:
        while self._waiting:
            reservation, cost = self._waiting.popleft()
            amount = self._open.pop(reservation, None)
            if amount is not None:
                self._reserved = MONEY.subtract(self._reserved, amount)
                self._spent = MONEY.add(self._spent, cost or _ZERO)
                self._unknown += cost is None
        return True

    def _forget_others(self) -> None:
        self._reserved, self._open = _ZERO, {}


_books: weakref.WeakSet[SettlingBook] = weakref.WeakSet()
_FORKING = threading.RLock()
_forking = False
_held: list[threading.Lock] = []


def _before_fork() -> None:
    """SQLite's own locks are copied as they are: so nobody is inside a book meanwhile, if that can be had soon."""
    global _forking
    _FORKING.acquire()
    _forking = True
    if not _here.inside:
        _held.extend(book._lock for book in list(_books) if book._lock.acquire(timeout=_FORK_SECONDS))


def _after_fork_in_parent() -> None:
    global _forking
    while _held:
        _held.pop().release()
    _forking = False
    with suppress(RuntimeError):  # a server that forks in C may not have called what comes before
        _FORKING.release()
    for book in list(_books):
        _here.later.append(book)
    _leave()


def _after_fork_in_child() -> None:
    global _FORKING, _forking
    _FORKING, _forking = threading.RLock(), False
    _held.clear()
    _here.inside = False
    _here.later.clear()
    for book in list(_books):
        book._lock = threading.Lock()
        book._waiting.clear()
        book._forget_others()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
