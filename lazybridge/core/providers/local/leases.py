"""Who uses which loaded model: the last to let go of one unloads it."""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import replace
from pathlib import Path

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers.local import weights
from lazybridge.core.providers.local.engine import UNLOAD_SECONDS, Engine, Key, alive, forked, kind_of
from lazybridge.core.providers.local.options import LocalOptions

_engines: dict[Key, Engine] = {}
_lock = threading.RLock()  # a finalizer may run inside the locked lines


def check_process() -> None:
    """Raises ConfigurationError in a process that was forked off after a model was loaded."""
    if forked():
        raise ConfigurationError(
            "this process was forked from one that had loaded a local model, which does not work in it\n"
            'multiprocessing.set_start_method("spawn")'
        )


def lease(path: Path, options: LocalOptions) -> Engine:
    """The process's engine for a model file, loaded; to be given back by `release`. Raises ConfigurationError."""
    kind = kind_of(options)
    key = Key(path.absolute(), replace(options, path=None, backend=kind.backend, threads=kind.threads(options)))
    with _lock:
        engine = _engines.get(key) or _engines.setdefault(key, kind(key))
        engine.leases += 1
    try:
        engine.wait()
    except ConfigurationError:
        release(engine, 0)
        raise
    return engine


def leased(
    held: dict[Path, Engine], lock: threading.Lock, path: str | os.PathLike[str] | None, options: LocalOptions
) -> Engine:
    """The engine that a provider holds for a file, leased where it holds none yet."""
    check_process()
    place = weights.locate(path)
    with lock:
        if place not in held:
            held[place] = lease(place, options)
        return held[place]


def release(engine: Engine, seconds: float = UNLOAD_SECONDS) -> None:
    """Give an engine back; the last one to do so unloads it, and waits for that no longer than `seconds`."""
    if forked():
        return
    with _lock:
        engine.leases -= 1
        if engine.leases:
            return
        if _engines.get(engine.key) is engine:
            del _engines[engine.key]
    engine.unload(seconds)


def release_all(engines: dict[Path, Engine], seconds: float = 0.0) -> None:
    """Give back what a provider holds, and empty its table."""
    while engines:
        release(engines.popitem()[1], seconds)


def _unload_all() -> None:
    # A thread that still generates while the interpreter shuts down would crash the process.
    if forked():
        return
    for engine in alive():
        engine.unload(UNLOAD_SECONDS)


atexit.register(_unload_all)
