"""What has `load` and `unload`: any object, or the local provider behind a Model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from lazybridge.awaiting import call, is_async
from lazybridge.core.errors import ConfigurationError
from lazybridge.manager.pools import label_of
from lazybridge.models import Model


class Lifecycle:
    """How a local model is loaded and unloaded, by functions that may be plain or asynchronous, and what it says of
    itself: `is_loaded`, `memory_bytes` and `device`, as attributes or plain methods, each of which may be missing."""

    def __init__(self, holder: Any) -> None:
        self.holder = holder
        self.models = frozenset([id(holder)])

    @property
    def load(self) -> Callable[[], Any]:
        """Bring it into memory."""
        work: Callable[[], Any] = self.holder.load
        return work

    @property
    def unload(self) -> Callable[[], Any]:
        """Free its memory."""
        work: Callable[[], Any] = self.holder.unload
        return work

    def is_loaded(self) -> bool | None:
        """Whether it says that it is in memory; None where it does not say."""
        said = self._said("is_loaded")
        return None if said is None else bool(said)

    def memory_bytes(self) -> int | None:
        """How many bytes it says that it takes, measured or estimated; None where it does not say."""
        said = self._said("memory_bytes")
        return said if isinstance(said, int) and said > 0 else None

    def pool(self) -> str:
        """The pool of its device; `cpu` where it names none. Raises ConfigurationError for a device without a pool."""
        device = self._said("device")
        try:
            return "cpu" if device is None else label_of(device)
        except ConfigurationError:
            raise ConfigurationError(
                f'no pool is known for the device {str(device)!r}\nwrite register(..., pool="cpu")'
            ) from None

    def _said(self, name: str) -> Any:
        said = getattr(self.holder, name, None)
        if not callable(said):
            return said
        if is_async(said):
            return None
        result = said()
        if inspect.iscoroutine(result):
            result.close()  # a plain question has a plain answer
        return None if inspect.isawaitable(result) else result


class _Several(Lifecycle):
    """The local models of one composed model, loaded and unloaded together."""

    def __init__(self, parts: list[Lifecycle]) -> None:
        super().__init__(parts)
        self._parts = parts
        self.models = frozenset[int]().union(*(part.models for part in parts))

    @property
    def load(self) -> Callable[[], Any]:
        """Bring all into memory, or none."""
        return self._load

    def _load(self) -> None:
        with ExitStack() as loaded:
            for part in self._parts:
                call(part.load)
                loaded.callback(call, part.unload)
            loaded.pop_all()

    @property
    def unload(self) -> Callable[[], Any]:
        """Free the memory of all."""
        return self._unload

    def _unload(self) -> None:
        with ExitStack() as unloading:
            for part in self._parts:
                unloading.callback(call, part.unload)

    def is_loaded(self) -> bool | None:
        """Whether one of them is in memory."""
        said = [part.is_loaded() for part in self._parts]
        return True if True in said else None if None in said else False

    def memory_bytes(self) -> int | None:
        """What they take together."""
        said = [part.memory_bytes() for part in self._parts]
        return None if None in said else sum(filter(None, said))

    def pool(self) -> str:
        """Their pool. Raises ConfigurationError where they are in several."""
        labels = sorted({part.pool() for part in self._parts})
        if len(labels) > 1:
            raise ConfigurationError(
                f"its models are in the pools {', '.join(labels)}\nregister each by an id of its own, or write pool={labels[0]!r}"
            )
        return labels[0]


def lifecycle_of(thing: Any, model: Model) -> Lifecycle | None:
    """How a registered object is loaded and unloaded; None for what is remote."""
    if _has(thing):
        return Lifecycle(thing)
    parts = {id(provider): Lifecycle(provider) for provider in model._providers() if _has(provider)}
    found = list(parts.values())
    return _Several(found) if len(found) > 1 else found[0] if found else None


def _has(thing: Any) -> bool:
    return all(callable(getattr(thing, name, None)) for name in ("load", "unload"))
