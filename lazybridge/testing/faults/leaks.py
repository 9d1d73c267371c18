"""Where a key may show: in what an exception says, holds and was raised through."""

from __future__ import annotations

import contextlib
import logging
import pickle
import threading
from collections.abc import Iterator
from traceback import TracebackException
from typing import Any

_DEPTH = 4


class Log(logging.Handler):
    """Keeps what is logged while it is open, from INFO on; of lazybridge's own logger, everything."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        line = self.format(record)
        with self._guard:
            self._lines.append(line)

    def shows(self, key: str) -> bool:
        """Whether a key was logged."""
        with self._guard:
            return any(key in line for line in self._lines)


@contextlib.contextmanager
def logged() -> Iterator[Log]:
    """A log of all that happens inside."""
    log, root, own = Log(), logging.getLogger(), logging.getLogger("lazybridge")
    before, level = root.level, own.level
    root.addHandler(log)
    root.setLevel(min(before, logging.INFO) or logging.INFO)
    own.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        root.removeHandler(log)
        root.setLevel(before)
        own.setLevel(level)


def leaks(error: BaseException, key: str, own: str | None = "") -> list[str]:
    """Where the key shows: in the text of an error or of what caused it, in what they hold, in their pickle, in the locals
    of the frames that they were raised through. Frames of the file `own`, which knows the key, do not count; with None, frames are not looked at."""
    found: list[str] = []
    for link in _chain(error):
        name = type(link).__name__
        if any(key in text for text in (_text(str, link), _text(repr, link), repr(link.args))):
            found.append(f"the text of {name}")
        found += [f"{name}.{place}" for place in _held(vars(link), key)]
        with contextlib.suppress(Exception):  # what cannot be pickled cannot leak that way
            if key.encode() in pickle.dumps(link):
                found.append(f"the pickle of {name}")
    if own is None:
        return list(dict.fromkeys(found))
    trace = TracebackException.from_exception(error, capture_locals=True, lookup_lines=False)
    found += [f"a local in {place}" for place in _locals(trace, key, own)]
    return list(dict.fromkeys(found))


def _text(form: Any, value: Any) -> str:
    with contextlib.suppress(Exception):  # another's exception, made by whatever it met
        return str(form(value))
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    queue = [error]
    while queue:
        link = queue.pop()
        if id(link) not in seen:
            seen.add(id(link))
            yield link
            queue += [cause for cause in (link.__cause__, link.__context__) if cause is not None]
            queue += [cause for cause in getattr(link, "causes", ()) if isinstance(cause, BaseException)]


def _held(held: dict[str, Any], key: str, depth: int = _DEPTH) -> Iterator[str]:
    """Names of attributes, and of theirs, whose values are or hold texts with the key in them."""
    for name, value in list(held.items()):
        if isinstance(value, (str, bytes)):
            if key in (value.decode("utf-8", "replace") if isinstance(value, bytes) else value):
                yield name
        elif isinstance(value, (dict, list, tuple, set)):
            if key in repr(value):
                yield name
        elif depth and name in ("response", "request", "raw_response", "headers", "_request", "body", "raw"):
            items = getattr(value, "raw", None) if name == "headers" else None
            if items is not None and key in repr(items):
                yield name
            yield from (f"{name}.{inner}" for inner in _held(getattr(value, "__dict__", {}), key, depth - 1))


def _locals(trace: TracebackException, key: str, own: str) -> Iterator[str]:
    seen: set[int] = set()
    queue = [trace]
    while queue:
        link = queue.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        for frame in link.stack:
            if frame.filename != own and any(key in text for text in (frame.locals or {}).values()):
                yield f"{frame.name} ({frame.filename.rpartition('/')[2]})"
        queue += [cause for cause in (link.__cause__, link.__context__) if cause is not None]
