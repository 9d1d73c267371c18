"""The file of a ledger: one connection to SQLite, made when it is needed."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from lazybridge.core.errors import ConfigurationError

T = TypeVar("T")

PATIENCE = 1.0  # seconds to wait for another process to let go of the file
_APPLICATION = 0x6C627267  # "lbrg"
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL})
# One step for each version of the file; a new version appends a step that changes what the one before it made.
_STEPS = (
    """CREATE TABLE attempts (
        id INTEGER PRIMARY KEY, at TEXT NOT NULL, epoch REAL NOT NULL, agent TEXT, provider TEXT NOT NULL,
        asked TEXT, served TEXT, input_tokens INTEGER, cached_input_tokens INTEGER, cache_write_tokens INTEGER,
        cache_write_1h_tokens INTEGER, output_tokens INTEGER, thinking_tokens INTEGER, audio_input_tokens INTEGER,
        audio_output_tokens INTEGER, web_searches INTEGER, cost_usd TEXT, cost_status TEXT NOT NULL,
        status TEXT NOT NULL, status_code INTEGER, request_id TEXT, latency_ms REAL NOT NULL, run_id TEXT NOT NULL
    )""",
)

# One for all files, so that a fork can wait for every writer. Re-entrant: a generator that the garbage collector
# closes enters its attempt while another one is being entered.
LOCK = threading.RLock()


class LedgerFile:
    """A file of SQLite with a ledger in it, closed before a fork and opened again on either side of it.

    Raises ConfigurationError where it cannot be opened, is no ledger, or is one of a newer lazybridge.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._connections: list[sqlite3.Connection] = []  # at most one
        weakref.finalize(self, _disconnect, self._connections)
        _opened(path).close()
        with LOCK:
            _files.add(self)

    def execute(self, sql: str, values: tuple[object, ...], patience: float) -> list[tuple[Any, ...]]:
        """Run one statement that is a transaction of its own; `patience` is how many seconds it may wait for others.
        Raises sqlite3.Error."""
        with LOCK:
            if not self._connections:
                self._connections.append(_opened(self.path))
            return _patiently(partial(self._connections[0].execute, sql, values), patience).fetchall()

    def close(self) -> None:
        """Close the connection; the next statement opens another one."""
        _disconnect(self._connections)


_files: weakref.WeakSet[LedgerFile] = weakref.WeakSet()


def _patiently(run: Callable[[], T], patience: float) -> T:
    """SQLite's own waiting sleeps for milliseconds at a time; a row is written in some ten microseconds."""
    pause, until = 20e-6, time.monotonic() + patience
    while True:
        try:
            return run()
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() >= until:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 0.01)


def _opened(path: str) -> sqlite3.Connection:
    try:
        with ExitStack() as undo:
            connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            undo.callback(connection.close)
            _patiently(partial(_prepare, connection, path), PATIENCE)
            undo.pop_all()
    except sqlite3.Error as exc:
        raise wrong(path, f"cannot be opened: {exc}") from exc
    return connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    if _version(connection, path) < len(_STEPS):
        connection.execute("PRAGMA journal_mode=WAL")
        with _transaction(connection):
            for step in _STEPS[_version(connection, path) :]:
                connection.execute(step)
            connection.execute(f"PRAGMA application_id={_APPLICATION}")
            connection.execute(f"PRAGMA user_version={len(_STEPS)}")
    connection.execute("PRAGMA synchronous=NORMAL")


def _version(connection: sqlite3.Connection, path: str) -> int:
    """The version of the file, 0 for a new one. Raises ConfigurationError for a database of something else."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != _APPLICATION and (version or connection.execute("SELECT 1 FROM sqlite_master").fetchone()):
        raise wrong(path, "is a database of something else")
    if version > len(_STEPS):
        raise ConfigurationError(f"the ledger {path} was written by a newer lazybridge\npip install -U lazybridge")
    return version


def wrong(path: str, why: str) -> ConfigurationError:
    """What is wrong with a file, and what to write instead."""
    return ConfigurationError(
        f"the ledger {path} {why}\nname another file, in a directory that exists: "
        'Ledger("spend.db"), or LAZYBRIDGE_LEDGER=spend.db'
    )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _disconnect(connections: list[sqlite3.Connection]) -> None:
    with LOCK:
        while connections:
            connections.pop().close()


def _before_fork() -> None:
    """A connection that two processes have inherited lets each believe that it holds the locks of the other."""
    LOCK.acquire()
    for file in list(_files):
        file.close()


def _after_fork() -> None:
    with suppress(RuntimeError):  # a server that forks in C may not have called what comes before
        LOCK.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
