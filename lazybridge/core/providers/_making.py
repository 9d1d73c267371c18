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
# Objects made before Python looks for garbage among the young: more than an SDK loads. Not gc.disable(), which a program may
# call meanwhile, and is not to be undone.
_PATIENT = 1_000_000
_usual: tuple[int, int, int] | None = None  # while it is that patient


def one_at_a_time(make: Callable[[], T]) -> T:
    """What `make` makes, while no other thread makes a client: where two threads import two SDKs at once, Python gives one of
    them modules that the other has not imported to their end.

    What an SDK loads stays, a hundred thousand objects and more. Python would go through them for garbage again and again
    while they are made; they are put among its old objects unseen instead, with whatever else is young in the process.
    """
    global _usual
    with _making:
        usual = gc.get_threshold()
        if not 0 < usual[0] < _PATIENT:
            return make()
        modules = len(sys.modules)
        try:
            _usual = usual
            gc.set_threshold(_PATIENT, *usual[1:])
            return make()
        finally:
            try:
                if len(sys.modules) > modules and not gc.get_freeze_count():
                    _all_grow_old()
            finally:
                _as_usual()


def _all_grow_old() -> None:
    try:
        gc.freeze()
    finally:
        gc.unfreeze()


def _as_usual() -> None:
    global _usual
    if _usual is not None and gc.get_threshold()[0] == _PATIENT:
        gc.set_threshold(*_usual)
    _usual = None


def _after_fork() -> None:
    global _making
    _making = threading.RLock()  # a thread that the child has not may have held it
    _as_usual()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
