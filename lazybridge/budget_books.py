"""Where a budget keeps its sums: in this process, or in a SQLite file that many processes share."""

from __future__ import annotations

import os
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.receipt import MONEY

if TYPE_CHECKING:
    import sqlite3

_ZERO = Decimal(0)
# Seconds to wait for another process's transaction, which takes milliseconds.
_BUSY_SECONDS = 30.0
# A reservation whose process cannot be looked at (another machine or container, or Windows) is given back after this time.
_STALE_SECONDS = 3600.0
_TABLES = """
CREATE TABLE IF NOT EXISTS budgets
    (name TEXT PRIMARY KEY, spent TEXT NOT NULL DEFAULT '0', unknown_calls INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS reservations
    (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, amount TEXT NOT NULL, place TEXT NOT NULL,
     pid INTEGER NOT NULL, born TEXT NOT NULL, at REAL NOT NULL);
"""


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


class MemoryBook:
    """The sums of one process."""

    @property
    def key(self) -> object:
        """What tells two books apart."""
        return id(self)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent, self._reserved, self._unknown = _ZERO, _ZERO, 0
        self._open: dict[int, Decimal] = {}
        self._next = 0

    def state(self) -> State:
        """The sums now."""
        with self._lock:
            return State(self._spent, self._reserved, self._unknown)

    def reserve(self, cap: Decimal, amount: Decimal) -> int | None:
        """Set an amount aside, or None where the cap does not allow it."""
        with self._lock:
            after = MONEY.add(self._reserved, amount)
            if MONEY.add(self._spent, after) > cap:
                return None
            self._reserved, self._next = after, self._next + 1
            self._open[self._next] = amount
            return self._next

    def settle(self, reservation: int, cost: Decimal | None) -> None:
        """Put the cost in the place of what was reserved."""
        with self._lock:
            self._reserved = MONEY.subtract(self._reserved, self._open.pop(reservation, _ZERO))
            self._spent = MONEY.add(self._spent, cost or _ZERO)
            self._unknown += cost is None


class FileBook:
    """The sums of one budget of a SQLite file. Amounts are decimal texts, so that they stay exact.

    A reservation names its process by id and start time. One whose process is gone was never settled: it is given back,
    and counts as a call of unknown cost.
    """

    def __init__(self, path: str | os.PathLike[str], name: str) -> None:
        self._path, self._name = Path(path).absolute(), name
        self._lock = threading.Lock()  # SQLite's own waiting is not fair among threads
        try:
            with self._transaction():
                pass
        except (OSError, self._error()) as exc:
            raise ConfigurationError(
                f"the budget file {str(path)!r} cannot be used: {exc}\nwrite path=... of a SQLite file"
            ) from exc

    @property
    def key(self) -> object:
        """What tells two books apart."""
        return self._path, self._name

    def state(self) -> State:
        """The sums now."""
        with self._transaction() as connection:
            return self._state(connection)

    def reserve(self, cap: Decimal, amount: Decimal) -> int | None:
        """Set an amount aside, or None where the cap does not allow it."""
        with self._transaction() as connection:
            state = self._state(connection)
            if MONEY.add(MONEY.add(state.spent, state.reserved), amount) > cap:
                return None
            row = (self._name, str(amount), _place(), os.getpid(), _born(os.getpid()), time.time())
            return connection.execute(
                "INSERT INTO reservations (name, amount, place, pid, born, at) VALUES (?, ?, ?, ?, ?, ?)", row
            ).lastrowid

    def settle(self, reservation: int, cost: Decimal | None) -> None:
        """Put the cost in the place of what was reserved. Warns where the file cannot be written: an answer that is
        there is not lost for it, and the amount stays reserved."""
        try:
            with self._transaction() as connection:
                connection.execute("DELETE FROM reservations WHERE id = ?", (reservation,))
                self._book(connection, cost or _ZERO, int(cost is None))
        except self._error() as exc:
            warnings.warn(f"the cost was not booked in {str(self._path)!r}: {exc}", UserWarning, stacklevel=2)

    def _state(self, connection: sqlite3.Connection) -> State:
        """The sums, without the reservations of processes that are gone."""
        reserved, lost = _ZERO, []
        rows = connection.execute(
            "SELECT id, amount, place, pid, born, at FROM reservations WHERE name = ?", (self._name,)
        )
        for id, amount, place, pid, born, at in rows.fetchall():
            if _is_alive(place, pid, born, at):
                reserved = MONEY.add(reserved, Decimal(amount))
            else:
                lost.append((id,))
        if lost:
            connection.executemany("DELETE FROM reservations WHERE id = ?", lost)
            self._book(connection, _ZERO, len(lost))
        spent, unknown = self._row(connection)
        return State(spent, reserved, unknown)

    def _book(self, connection: sqlite3.Connection, cost: Decimal, unknown: int) -> None:
        spent, before = self._row(connection)
        values = (self._name, str(MONEY.add(spent, cost)), before + unknown)
        connection.execute("INSERT OR REPLACE INTO budgets (name, spent, unknown_calls) VALUES (?, ?, ?)", values)

    def _row(self, connection: sqlite3.Connection) -> tuple[Decimal, int]:
        found = connection.execute("SELECT spent, unknown_calls FROM budgets WHERE name = ?", (self._name,)).fetchone()
        return (Decimal(found[0]), found[1]) if found else (_ZERO, 0)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each: it survives forks and may be used in any thread."""
        import sqlite3

        with self._lock, closing(sqlite3.connect(self._path, _BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            yield connection
            connection.execute("COMMIT")

    @staticmethod
    def _error() -> type[Exception]:
        import sqlite3

        return sqlite3.Error


@lru_cache(1)
def _place() -> str:
    """The machine, or the container on it, in which process ids mean the same."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _born(pid: int) -> str:
    """When a process started, as its system says it: a process id may be used again. "" where that is not to be had."""
    try:
        # Field 22 of /proc/PID/stat; the second field is a name in brackets and may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _is_alive(place: str, pid: int, born: str, at: float) -> bool:
    if place != _place() or os.name != "posix":  # on Windows os.kill would end the process
        return time.time() - at < _STALE_SECONDS
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and another user's
        pass
    return not born or _born(pid) in ("", born)
