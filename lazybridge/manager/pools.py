"""Where a model's memory is, and how much there may be of it: `cpu`, `gpu:0`, `gpu:1` and so on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lazybridge.core.errors import ConfigurationError

GIB = 1024**3
REMOTE = "remote"
"""The pool of what takes no memory here; it has no budget."""

_DEVICE = re.compile(r"(cpu|gpu|cuda|hip|rocm|vulkan|metal|mps)(?::(\d+))?")


def label_of(device: Any) -> str:
    """The pool of a device or of a label, whatever its case: `cpu`, `gpu` (the first one) or `gpu:N`; `cuda:1` is `gpu:1`.

    Raises ConfigurationError for any other word.
    """
    found = _DEVICE.fullmatch(str(device).strip().lower())
    if found is None or (found[1] == "cpu" and found[2]):
        raise ConfigurationError(
            f"no pool is called {str(device)!r}\npools: 'cpu', 'gpu' (which is 'gpu:0'), 'gpu:1', 'gpu:2' and so on"
        )
    return "cpu" if found[1] == "cpu" else f"gpu:{int(found[2] or 0)}"


class Pools:
    """How many bytes each pool may hold; None where nothing limits it.

    A budget for `gpu` holds for every GPU that has none of its own. Raises ConfigurationError for a budget that is no size.
    """

    def __init__(
        self, cpu_ram_gb: float | None, gpu_vram_gb: float | None, pool_budgets: Mapping[str, int] | None
    ) -> None:
        self._budgets: dict[str, int] = {}
        self._any_gpu: int | None = None
        for name, label, size in (("cpu_ram_gb", "cpu", cpu_ram_gb), ("gpu_vram_gb", "gpu", gpu_vram_gb)):
            if size is not None:
                self._set(label, int(_size(f"{name}={size!r}", size, "GiB, such as 16") * GIB))
        for label, count in (pool_budgets or {}).items():
            label_of(label)
            self._set(label, int(_size(f"pool_budgets={{{label!r}: {count!r}}}", count, f"bytes, such as {16 * GIB}")))

    def _set(self, label: str, count: int) -> None:
        if label.strip().lower() == "gpu":
            self._any_gpu = count
        else:
            self._budgets[label_of(label)] = count

    def budget(self, pool: str) -> int | None:
        """The bytes that a pool may hold."""
        return self._budgets.get(pool, self._any_gpu if pool.startswith("gpu") else None)

    def to_write(self, pool: str, count: int) -> str:
        """The argument that gives a pool at least so many bytes."""
        needed = -(-count // GIB)
        if pool == "cpu" or pool not in self._budgets:
            return f"{'cpu_ram_gb' if pool == 'cpu' else 'gpu_vram_gb'}={needed}"
        return f"pool_budgets={{{pool!r}: {needed * GIB}}}"


def _size(given: str, size: Any, unit: str) -> float:
    if isinstance(size, bool) or not isinstance(size, (int, float)) or not 0 <= size < float("inf"):
        raise ConfigurationError(f"{given} is no size\nit is a number of {unit}; None is no limit")
    return float(size) if isinstance(size, float) else size


def shown(count: int) -> str:
    """A number of bytes for a message, such as "6.0 GiB"."""
    return f"{count / GIB:.1f} GiB" if count >= GIB // 10 else f"{count / 1024**2:.1f} MiB"
