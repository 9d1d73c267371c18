"""A model in this process: one engine for each model file and settings, shared by all who use it."""

from __future__ import annotations

import logging
import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lazybridge.core.errors import ConfigurationError, ProviderConnectionError, error_in_body
from lazybridge.core.providers.local import memory
from lazybridge.core.providers.local.backend import Backend
from lazybridge.core.providers.local.options import LocalOptions
from lazybridge.core.providers.local.run import Run
from lazybridge.core.providers.local.turn import Turn

UNLOAD_SECONDS = 10.0

_log = logging.getLogger("lazybridge.local")


class Key(NamedTuple):
    """What two providers must have in common to share an engine."""

    path: Path
    options: LocalOptions


class Engine(Backend):
    """One loaded model. It is opened, and closed, in a thread of its own, where a stuck destructor harms nobody.

    A backend says as `Backend` what it is and what it cannot do, and defines `_open`, `_answer` and `_shut`.
    """

    def __init__(self, key: Key) -> None:
        self.key = key
        self.leases = 0
        self.memory_bytes: int | None = None
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._runs: set[Run] = set()
        self._uses: set[object] = set()
        self._change = threading.Condition()
        self._turn = Turn(self.one_at_a_time)
        self._warm = False
        self._keeper = threading.Thread(target=self._keep, name="lazybridge-local-engine", daemon=True)
        _alive.add(self)
        self._keeper.start()

    def __init_subclass__(cls) -> None:
        _backends[cls.backend] = cls

    @abstractmethod
    def _open(self) -> None:
        """Load the model."""

    @abstractmethod
    def _answer(self, body: dict[str, Any], run: Run) -> None:
        """Write Chat Completions' chunks to `run.on_event` until it ends or that says True."""

    @abstractmethod
    def _shut(self) -> None:
        """Let go of the model."""

    def embed(self, body: dict[str, Any], late: Callable[[], bool]) -> dict[str, Any]:
        """Vectors in the shape of OpenAI's answer, or its error. Raises ProviderConnectionError where the model is being
        unloaded, TimeoutError where it is `late` before there is a turn."""
        with self._using(), self._turn.taken(late) as mine:
            if not mine:
                raise TimeoutError
            return self._embed(body)

    def _embed(self, body: dict[str, Any]) -> dict[str, Any]:
        """What `embed` gives; an engine that makes no vectors is never asked."""
        raise NotImplementedError

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Keep the model loaded meanwhile. Raises ProviderConnectionError where it is being unloaded."""
        use = object()
        with self._change:
            if self._stop.is_set():
                raise ProviderConnectionError("the model is being unloaded", provider="local", retryable=False)
            self._uses.add(use)
        try:
            yield
        finally:
            with self._change:
                self._uses.discard(use)
                self._change.notify_all()

    def wait(self) -> None:
        """Until the model is loaded. Raises ConfigurationError where it cannot be loaded."""
        self._ready.wait()
        if self._failure is not None:
            raise ConfigurationError(
                f"{self.title} cannot load {str(self.key.path)!r}: {_without_backtrace(self._failure)}\nLAZYBRIDGE_MODEL=/path/to/another-model.gguf"
            ) from self._failure

    def generate(self, body: dict[str, Any], run: Run) -> None:
        """Answer one request through `run.on_event`, until it ends or is cancelled. Raises ProviderError."""
        with self._change:
            if self._stop.is_set():
                return  # without a finish reason: the reader sees a cut stream
            self._runs.add(run)
        try:
            with self._turn.taken(run.stopped) as mine:
                if mine:
                    self._answer_measured(body, run)
        except (ValueError, RuntimeError, TypeError) as exc:  # what engines raise for a request that they cannot read
            refused = {"message": _without_backtrace(exc), "type": "invalid_request_error"}
            raise error_in_body(refused, provider="local", model=self.key.path.stem) from exc
        finally:
            with self._change:
                self._runs.discard(run)
                self._change.notify_all()

    def _answer_measured(self, body: dict[str, Any], run: Run) -> None:
        """Some of a model comes into memory when it is first used."""
        before, first, self._warm = memory.resident(), not self._warm, True
        self._answer(body, run)
        if first and self.memory_bytes is not None:
            self.memory_bytes += memory.growth(before) or 0

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
            while self._runs or self._uses:
                self._change.wait()
        self._shut()
        memory.give_back()
        _alive.discard(self)

    def _load(self) -> None:
        global _loaded_in
        _loaded_in = os.getpid()
        before = memory.resident()
        self._open()
        self.memory_bytes = memory.growth(before)


def _without_backtrace(exc: BaseException) -> str:
    """What an engine says went wrong; Rust's backtrace follows it where one is switched on."""
    return str(exc).partition("\n   0: ")[0] or type(exc).__name__


_backends: dict[str, type[Engine]] = {}
_loaded_in: int | None = None
_alive: set[Engine] = set()  # also those that are unloading


def kind_of(options: LocalOptions) -> type[Engine]:
    """The class of engine that the options name; where they name none, the first of llama.cpp's that is installed."""
    if options.backend is not None:
        return _backends[options.backend]
    first, second = _backends["llamacpp"], _backends["llama-cpp-python"]
    return second if not first.is_installed() and second.is_installed() else first


def alive() -> list[Engine]:
    """The engines of this process that are loaded, loading or unloading."""
    return list(_alive)


def forked() -> bool:
    """Whether this process was forked from one that had loaded a model."""
    return _loaded_in not in (None, os.getpid())
