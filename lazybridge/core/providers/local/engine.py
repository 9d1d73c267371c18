"""llama.cpp in this process: one engine for each model file and settings, shared by all who use it."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import secrets
import threading
from pathlib import Path
from typing import Any, NamedTuple

from lazybridge.core.errors import ConfigurationError, error_in_body
from lazybridge.core.providers.local.options import LocalOptions
from lazybridge.core.providers.local.run import Run

UNLOAD_SECONDS = 10.0
# A cancelled request stops between two batches of its prompt; 256 tokens keep that short on one slow core.
_BATCH_TOKENS = 256

_log = logging.getLogger("lazybridge.local")


class _Key(NamedTuple):
    path: Path
    context_tokens: int
    threads: int
    parallel: int


class Engine:
    """One loaded model. Its server is made, and destroyed, in a thread of its own, where a stuck destructor harms nobody."""

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.leases = 0
        self._server: Any = None
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._runs: set[Run] = set()
        self._change = threading.Condition()
        self._keeper = threading.Thread(target=self._keep, name="lazybridge-local-engine", daemon=True)
        _alive.add(self)
        self._keeper.start()

    def wait(self) -> None:
        """Until the model is loaded. Raises ConfigurationError where llama.cpp cannot load it."""
        self._ready.wait()
        if self._failure is not None:
            raise ConfigurationError(
                f"llama.cpp cannot load {str(self.key.path)!r}: {self._failure}\nLAZYBRIDGE_MODEL=/path/to/another-model.gguf"
            ) from self._failure

    def generate(self, body: dict[str, Any], run: Run) -> None:
        """Answer one request through `run.on_event`, until it ends or is cancelled. Raises ProviderError."""
        with self._change:
            if self._stop.is_set():
                return  # without a finish reason: the reader sees a cut stream
            self._runs.add(run)
        try:
            self._server.handle_chat_completions(body, run.on_event)
        except (ValueError, RuntimeError) as exc:  # what xllamacpp raises for a request that it cannot read
            refused = {"message": str(exc), "type": "invalid_request_error"}
            raise error_in_body(refused, provider="local", model=self.key.path.stem) from exc
        finally:
            with self._change:
                self._runs.discard(run)
                self._change.notify_all()

    def unload(self, seconds: float) -> None:
        """Cancel what runs and free the memory; wait for it no longer than `seconds`."""
        with self._change:
            self._stop.set()
            for run in self._runs:
                run.cancel()
        if not seconds:
            return  # a finalizer may run in any thread, also in the keeper's
        self._keeper.join(seconds)
        if self._keeper.is_alive():
            _log.warning("%s is not unloaded after %s s", self.key.path.name, seconds)

    def _keep(self) -> None:
        try:
            self._load()
        except BaseException as exc:  # noqa: BLE001  # the end of this thread: those who wait raise it
            self._failure = exc
            _alive.discard(self)
            return
        finally:
            self._ready.set()
        self._stop.wait()
        with self._change:
            while self._runs:
                self._change.wait()
        self._server = None
        _alive.discard(self)

    def _load(self) -> None:
        global _loaded_in
        _loaded_in = os.getpid()
        xllamacpp = importlib.import_module("xllamacpp")
        params = xllamacpp.CommonParams()
        params.model.path = str(self.key.path)
        params.model_alias = [self.key.path.stem]
        params.n_parallel = self.key.parallel
        params.n_ctx = self.key.context_tokens * self.key.parallel  # llama.cpp divides it among the parallel requests
        params.n_batch = params.n_ubatch = _BATCH_TOKENS
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self.key.threads
        params.use_jinja = True
        params.warmup = False
        params.verbosity = 0
        # It always listens on a loopback port; without a key, every user of the machine could talk to it.
        params.api_keys = [secrets.token_hex(32)]
        params.endpoint_slots = False
        params.endpoint_metrics = True
        self._server = xllamacpp.Server(params)
        # Destroying a server whose main loop has not begun can hang; metrics are answered by that loop.
        self._server.handle_metrics()


_engines: dict[_Key, Engine] = {}
_loaded_in: int | None = None
_alive: set[Engine] = set()  # also those that are unloading
_lock = threading.RLock()  # a finalizer may run inside the locked lines


def check_process() -> None:
    """Raises ConfigurationError in a process that was forked off after a model was loaded."""
    if _forked():
        raise ConfigurationError(
            "this process was forked from one that had loaded a local model, and llama.cpp does not work in it\n"
            'multiprocessing.set_start_method("spawn")'
        )


def _forked() -> bool:
    return _loaded_in not in (None, os.getpid())


def lease(path: Path, options: LocalOptions) -> Engine:
    """The process's engine for a model file, loaded; to be given back by `release`. Raises ConfigurationError."""
    key = _Key(path.absolute(), options.context_tokens, options.cpu_threads, options.parallel)
    with _lock:
        engine = _engines.get(key) or _engines.setdefault(key, Engine(key))
        engine.leases += 1
    try:
        engine.wait()
    except ConfigurationError:
        release(engine, 0)
        raise
    return engine


def release(engine: Engine, seconds: float = UNLOAD_SECONDS) -> None:
    """Give an engine back; the last one to do so unloads it, and waits for that no longer than `seconds`."""
    if _forked():
        return
    with _lock:
        engine.leases -= 1
        if engine.leases:
            return
        if _engines.get(engine.key) is engine:
            del _engines[engine.key]
    engine.unload(seconds)


def _unload_all() -> None:
    # A thread that still generates while the interpreter shuts down would crash the process.
    if _forked():
        return
    for engine in list(_alive):
        engine.unload(UNLOAD_SECONDS)


atexit.register(_unload_all)
