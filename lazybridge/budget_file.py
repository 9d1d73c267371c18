"""The book of a budget in a SQLite file that many processes share."""

from __future__ import annotations

import os
import secrets
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lazybridge.budget_books import SettlingBook, State
from lazybridge.core.errors import ConfigurationError, LazyBridgeError
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


class FileBook(SettlingBook):
    """The sums of one budget of a SQLite file. Amounts are decimal texts, so that they stay exact.

    A reservation names its process by id and start time. One whose process is gone was never settled: it is given back,
    and counts as a call of unknown cost. `state` and `reserve` raise LazyBridgeError where the file cannot be used any
    more: it is no fault of the call's own settings, so that it belongs into the call's envelope, and no sum is known, as
    BudgetExceeded would say it.
    """

    def __init__(self, path: str | os.PathLike[str], name: str) -> None:
        # A link to a file and the file itself are the same book.
        self._path, self._name = os.path.realpath(os.path.expanduser(path)), name
        self._open: set[int] = set()
        super().__init__()
        try:
            self.state()
        except LazyBridgeError as exc:
            raise ConfigurationError(f"{exc}\nwrite path=... of a SQLite file") from exc.__cause__

    @property
    def key(self) -> object:
        """What tells two books apart."""
        return self._path, self._name

    def state(self) -> State:
        """The sums now."""
        with self._alone(), self._usable(), self._transaction() as connection:
            return self._state(connection)

    def reserve(self, cap: Decimal, amount: Decimal) -> int | None:
        """Set an amount aside, or None where the cap does not allow it."""
        # No count: in a file that was deleted and made again, it would begin anew and meet those of before.
        reservation = secrets.randbits(62)
        with self._alone(), self._usable():
            with self._transaction() as connection:
                state = self._state(connection)
                if MONEY.add(MONEY.add(state.spent, state.reserved), amount) > cap:
                    return None
                pid = os.getpid()
                row = (reservation, self._name, str(amount), _place(), pid, _born(pid), time.time())
                connection.execute("INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            self._open.add(reservation)
            return reservation

    def _book_waiting(self) -> bool:
        """Warns where the file cannot be written: an answer that is there is not lost for it. The amount stays reserved
        until the cost can be booked."""
        try:
            with self._transaction():
                return True
        except self._errors() as exc:
            warnings.warn(f"the cost is not yet booked in {self._path!r}: {exc}", UserWarning, stacklevel=2)
            return False

    def _forget_others(self) -> None:
        self._open = set()

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
        """A connection of its own for each: it survives forks and may be used in any thread. What is queued is booked
        first, and queued again where the transaction fails."""
        import sqlite3

        booked: list[tuple[int, Decimal | None]] = []
        done = False
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                # A file that is new, or was deleted meanwhile.
                if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'reservations'").fetchone() is None:
                    for statement in _TABLES.split(";"):
                        connection.execute(statement)
                while self._waiting:
                    reservation, cost = self._waiting.popleft()
                    if reservation in self._open:
                        self._open.remove(reservation)
                        booked.append((reservation, cost))
                        connection.execute("DELETE FROM reservations WHERE id = ?", (reservation,))
                        self._book(connection, cost or _ZERO, int(cost is None))
                yield connection
                connection.execute("COMMIT")
                done = True
        finally:
            if not done:
                self._open.update(reservation for reservation, _ in booked)
                self._waiting.extendleft(reversed(booked))

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except self._errors() as exc:
            raise LazyBridgeError(f"the budget file {self._path!r} cannot be used: {exc}") from exc

    @staticmethod
    def _errors() -> tuple[type[Exception], ...]:
        import sqlite3

        # The others are what somebody else wrote into the file, or a path with a NUL.
        return sqlite3.Error, InvalidOperation, TypeError, ValueError


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
