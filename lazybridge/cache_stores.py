"""Where a CachedModel keeps its answers."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from lazybridge.core.errors import ConfigurationError


class Memory:
    """Answers in memory; of `max_entries` the one that was used longest ago goes first."""

    def __init__(self, ttl_s: float | None, max_entries: int) -> None:
        cachetools = package_of("cachetools")
        self._kept = cachetools.LRUCache(max_entries) if ttl_s is None else cachetools.TTLCache(max_entries, ttl_s)
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """The kept answer, where there is one."""
        with self._lock:
            found: bytes | None = self._kept.get(key)
        return found

    def put(self, key: str, answer: bytes) -> None:
        """Keep an answer."""
        with self._lock:
            self._kept[key] = answer

    def clear(self) -> None:
        """Forget every answer."""
        with self._lock:
            self._kept.clear()

    def close(self) -> None:
        """Memory stays open."""


class Disk:
    """Answers in a folder with a SQLite file."""

    def __init__(self, ttl_s: float | None, path: str | os.PathLike[str]) -> None:
        self._kept = package_of("diskcache").Cache(os.path.expanduser(os.fspath(path)))
        self._ttl_s, self._home = ttl_s, threading.get_ident()

    def get(self, key: str) -> bytes | None:
        """The kept answer, where there is one."""
        with self._used() as kept:
            found: bytes | None = kept.get(key)
        return found

    def put(self, key: str, answer: bytes) -> None:
        """Keep an answer."""
        with self._used() as kept:
            kept.set(key, answer, expire=self._ttl_s)

    def clear(self) -> None:
        """Forget every answer."""
        with self._used() as kept:
            kept.clear()

    def close(self) -> None:
        """It opens again when it is used again."""
        self._kept.close()

    @contextmanager
    def _used(self) -> Iterator[Any]:
        """The folder. It has a connection for each thread, which nobody else can close when the thread has ended."""
        try:
            yield self._kept
        finally:
            if threading.get_ident() != self._home:
                self._kept.close()

    def __del__(self) -> None:
        if hasattr(self, "_home"):
            self._kept.close()


def package_of(name: str) -> Any:
    """A package of the extra `cache`. Raises ConfigurationError where it is missing."""
    try:
        return import_module(name)
    except ImportError:
        raise ConfigurationError(f'the package {name} is not installed\npip install "lazybridge[cache]"') from None
