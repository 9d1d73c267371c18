"""Ledger: a row for every attempt, in a file of SQLite."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from lazybridge.core.closing import Closing
from lazybridge.core.errors import ConfigurationError
from lazybridge.envelope import Attempt
from lazybridge.ledger.file import LOCK, PATIENCE, LedgerFile, wrong
from lazybridge.ledger.row import INSERT, SELECT, LedgerRow, row_of, values_of

__all__ = ["VARIABLE", "Ledger", "LedgerRow", "ledger_in_use"]

VARIABLE = "LAZYBRIDGE_LEDGER"
_of_variable: dict[str, Ledger] = {}


class Ledger(Closing):
    """A row for every attempt of the agents that carry it, in the SQLite file `path`, which is made where there is none.

    A row is in the file when its call returns: a process that is killed loses none. Threads, event loops, forked
    children and other processes may write to the same file. Where it cannot be written the call goes on: one
    UserWarning says why, and the rows wait in memory for the next one that can be written.
    Raises ConfigurationError where the file cannot be opened, is no ledger, or is one of a newer lazybridge.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.path.expanduser(os.fspath(path)))
        self._file = LedgerFile(self.path)
        self._waiting: deque[tuple[object, ...]] = deque(maxlen=10_000)
        self._process = os.getpid()
        self._warned = False

    def add(self, attempt: Attempt, *, agent: str | None, asked: str | None, run_id: str) -> None:
        """Enter one attempt; `agent` is the agent's name, `asked` the model id that was asked for. Never raises for
        a file that cannot be written."""
        row = values_of(attempt, agent, asked, run_id)
        with LOCK:
            if self._waiting and self._process != os.getpid():
                self._waiting.clear()  # the parent of this process will write them
            self._process = os.getpid()
            patience = 0.0 if self._waiting else PATIENCE  # who waited in vain once does not wait again
            self._waiting.append(row)
            self._write(patience)

    def rows(self, since: date | None = None, until: date | None = None) -> Iterator[LedgerRow]:
        """The rows in the order they were entered, from `since` up to, but without, `until`: dates or datetimes, in UTC
        where they name no time zone. Raises ConfigurationError where the file cannot be read."""
        first, end, last = _epoch(since, float("-inf")), _epoch(until, float("inf")), 0
        while page := self._page(last, first, end):
            last = page[-1][0]
            for values in page:
                yield row_of(values)

    def close(self) -> None:
        """Close the file; it is opened again when the ledger is used again."""
        with LOCK:
            if self._process == os.getpid():
                self._write(PATIENCE)
            self._file.close()

    async def aclose(self) -> None:
        """Close the file; it is opened again when the ledger is used again."""
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self.path!r})"

    def __reduce__(self) -> tuple[type[Ledger], tuple[str]]:
        return Ledger, (self.path,)

    def _write(self, patience: float) -> None:
        while self._waiting:
            row = self._waiting.popleft()
            try:
                self._file.execute(INSERT, row, patience)
            except (sqlite3.OperationalError, ConfigurationError) as exc:
                self._waiting.appendleft(row)
                return self._warn(exc)
            except (sqlite3.Error, OverflowError, UnicodeError) as exc:  # this row can never be written
                self._warn(exc)

    def _warn(self, exc: Exception) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(f"the ledger {self.path} cannot be written: {exc}", UserWarning, stacklevel=2)

    def _page(self, last: int, first: float, end: float) -> list[tuple[Any, ...]]:
        try:
            return self._file.execute(SELECT, (last, first, end), PATIENCE)
        except sqlite3.Error as exc:
            raise wrong(self.path, f"cannot be read: {exc}") from exc


def ledger_in_use(own: Ledger | None) -> Ledger | None:
    """The agent's ledger, else the one that LAZYBRIDGE_LEDGER names; None where there is none.

    Raises ConfigurationError where `own` is no Ledger, or the file that the variable names cannot be opened.
    """
    if own is not None:
        if not isinstance(own, Ledger):
            raise ConfigurationError(f'ledger={own!r} is no Ledger\nwrite ledger=Ledger("spend.db")')
        return own
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    with LOCK:
        if path not in _of_variable:
            _of_variable[path] = Ledger(path)
        return _of_variable[path]


def _epoch(moment: date | None, default: float) -> float:
    if moment is None:
        return default
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
