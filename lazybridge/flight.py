"""An answer that is on its way to several who asked the same at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

from lazybridge.awaiting import running_loop
from lazybridge.core.errors import ProviderTimeoutError


class Flight(Future[Any]):
    """An answer on its way to whoever asks for it: the kept bytes, or what went wrong. Nobody who waits can cancel it."""

    def __init__(self, patience: float | None) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()
        self._patience = patience
        self._loop = running_loop()

    def is_behind_me(self) -> bool:
        """Whether it cannot land while this thread waits, for its event loop is this thread's."""
        return self._loop is not None and self._loop is running_loop()

    def is_nothing_to(self, patience: float | None) -> bool:
        """Whether who waits is to ask anew: who asked gave up, or had less time."""
        error = self.result()
        less = self._patience is not None and (patience is None or patience > self._patience)
        return isinstance(error, asyncio.CancelledError) or (isinstance(error, ProviderTimeoutError) and less)
