"""Ctrl-C, once."""

from __future__ import annotations

import signal
import time
from types import FrameType

# Some senders signal twice (`timeout -s INT`); a second KeyboardInterrupt would land in the cleaning up of the first.
_SAME_SECONDS = 1.0


def once() -> None:
    """Let Ctrl-C raise KeyboardInterrupt, but not again within a second. Only for the main thread of a process."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return  # ignored, as in a background job
    last = float("-inf")

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal last
        earlier, last = last, time.monotonic()
        if last - earlier > _SAME_SECONDS:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
