"""One generation, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lazybridge.core.providers.local.engine import Engine

Item = dict[str, Any] | BaseException | None
"""An event of the engine; then, once, None at the end or what went wrong."""


class Run:
    """One generation in a thread of its own.

    `deliver` is called in that thread: with every event, and once at the end with None or what went wrong (TimeoutError
    past `deadline`, a time of `time.monotonic`). It must not block, and no more than that may happen in the engine's
    callback, because exceptions and Ctrl-C are swallowed there.
    """

    def __init__(
        self,
        body: dict[str, Any],
        engine: Callable[[], Engine],
        deliver: Callable[[Item], object],
        deadline: float | None = None,
    ) -> None:
        self._body = body
        self._engine = engine
        self._deliver = deliver
        self._deadline = deadline
        self._cancelled = threading.Event()
        self._late = False
        threading.Thread(target=self._work, name="lazybridge-local-run", daemon=True).start()

    def cancel(self) -> None:
        """Ask the generation to stop at its next token; returns at once."""
        self._cancelled.set()

    def on_event(self, event: dict[str, Any]) -> bool:
        """The engine's callback; True stops the generation."""
        if self.stopped():
            return True
        self._hand_over(event)
        return False

    def stopped(self) -> bool:
        """Whether nobody waits for the answer any more; an engine that is asked between two events may ask."""
        if not self._cancelled.is_set() and self._deadline is not None and time.monotonic() > self._deadline:
            self._late = True
            self._cancelled.set()
        return self._cancelled.is_set()

    def _work(self) -> None:
        outcome: BaseException | None = None
        try:
            engine = self._engine()
            if not self.stopped():
                engine.generate(self._body, self)
        except BaseException as exc:  # noqa: BLE001  # the end of this thread: the one who asked raises it
            outcome = exc
        self._hand_over(TimeoutError() if self._late else outcome)

    def _hand_over(self, item: Item) -> None:
        try:
            self._deliver(item)
        except RuntimeError:  # the event loop that asked is closed
            self._cancelled.set()
