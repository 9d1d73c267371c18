"""`Progress`: how a job gets on, on a terminal, in a notebook or in a log."""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import Any, Self, TextIO

from lazybridge.core.endpoints.fal import Completed, FalStatus, InProgress, Queued


class Progress:
    """What `on_update=` may be: shows the place in the queue, then that the job runs and what it logs, then how long it took.

    On a terminal that is a bar with a clock, where rich is installed (`lazybridge[cli]`); anywhere else, a line for each
    change. It writes to `stream`, sys.stderr by default. In a `with` block it puts the terminal in order at the end; without
    one, when the job has ended.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._began = time.monotonic()
        self._logs = 0
        self._said = ""
        self._bar: Any = None
        self._task: Any = None
        if self._stream.isatty() and importlib.util.find_spec("rich") is not None:
            self._bar, self._task = _bar(self._stream)

    def __call__(self, status: FalStatus) -> None:
        """Show a status."""
        for entry in self._new(status):
            self._line(str(entry.get("message", "")).rstrip())
        said = self._words(status)
        if said != self._said:
            self._said = said
            self._show(said)
        if isinstance(status, Completed):
            self.close()

    def close(self) -> None:
        """Show no more."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _new(self, status: FalStatus) -> tuple[Any, ...]:
        """The entries of the log that were not shown yet; each status has all of them."""
        logs = () if isinstance(status, Queued) else status.logs or ()
        new, self._logs = logs[self._logs :], max(self._logs, len(logs))
        return new

    def _words(self, status: FalStatus) -> str:
        match status:
            case Queued(None):
                return "queued"
            case Queued(position):
                return f"queued, {position} before it"
            case InProgress():
                return "running"
            case Completed(error=None):
                return f"done after {time.monotonic() - self._began:.1f} s"
        return f"failed: {status.error}"

    def _show(self, text: str) -> None:
        if self._bar is None:
            self._line(text)
        else:
            self._bar.update(self._task, description=text)

    def _line(self, text: str) -> None:
        if self._bar is None:
            print(text, file=self._stream, flush=True)
        else:
            self._bar.console.print(text, markup=False, highlight=False)


def _bar(stream: TextIO) -> tuple[Any, Any]:
    """A bar that moves while nobody knows how much is left, and a clock."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), TimeElapsedColumn())
    bar = Bar(*columns, console=Console(file=stream))
    task = bar.add_task("sent", total=None)
    bar.start()
    return bar, task
