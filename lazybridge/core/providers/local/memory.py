"""The memory of this process: how much it holds, and how what was freed goes back to the system."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path

_PAUSE_SECONDS = 0.1


def resident() -> int | None:
    """How many bytes of this process are in memory; None where the system does not say (it is read from /proc)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def growth(before: int | None) -> int | None:
    """By how many bytes it grew since `resident` said `before`, at least 0; None where that is not known."""
    now = resident()
    return None if before is None or now is None else max(0, now - before)


def settle(seconds: float = 1.0) -> None:
    """Wait until other threads have ended to free memory: while less and less is resident, and no longer than `seconds`."""
    deadline = time.monotonic() + seconds
    last = resident()
    while last is not None and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        now = resident()
        if now is None or now >= last:
            return
        last = now


def give_back() -> None:
    """Hand freed memory back to the system, where the C library keeps it otherwise (glibc)."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
