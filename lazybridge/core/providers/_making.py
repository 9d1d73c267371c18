"""Importing an SDK and making its client: one at a time, and without looking for garbage meanwhile."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_making = threading.RLock()
_paused = False  # Python's collection of garbage, by `one_at_a_time`


def one_at_a_time(make: Callable[[], T]) -> T:
    """What `make` makes, while no other thread makes a client: where two threads import two SDKs at once, Python gives one of
    them modules that the other has not imported to their end.

    What an SDK loads stays, a hundred thousand objects and more. Python would go through them for garbage again and again
    while they are made; they are put among its old objects unseen instead.
    """
    global _paused
    with _making:
        if not gc.isenabled():
            return make()
        before = len(sys.modules)
        _paused = True
        gc.disable()
        try:
            return make()
        finally:
            if len(sys.modules) > before and not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()
            _paused = False


def _after_fork() -> None:
    global _making, _paused
    _making = threading.RLock()  # a thread that the child has not may have held it
    if _paused:
        gc.enable()
    _paused = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
