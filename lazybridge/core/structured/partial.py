"""An object while it arrives."""

from __future__ import annotations

import re
from typing import Any

from lazybridge.core.structured.answers import Reader
from lazybridge.core.structured.schemas import WRAPPED

# The text is read again when it has grown by this part of itself: all readings together cost as much as reading it
# this many times.
_READINGS = 50
# A number at the end may go on; how long one is at most.
_GROWING = re.compile(r"[-+\d][-+\d.eE]*$")
_LONGEST_NUMBER = 40


class PartialReader:
    """Reads what has arrived of an answer: an object of the asked type where it is one already, else plain dicts and lists.

    A text that is not at its end may be cut anywhere; a number is left out until it is whole.
    """

    def __init__(self, output: Any) -> None:
        self._reader = Reader(output)
        self.restart()

    def restart(self) -> None:
        """Forget what has arrived: another answer begins."""
        self._text, self._pieces, self._length, self._due = "", list[str](), 0, 1
        self._raw: Any = None
        self.value: Any = None

    def add(self, delta: str) -> bool:
        """Take one more piece of the text; True where `value` is new."""
        if not delta:
            return False
        self._pieces.append(delta)
        self._length += len(delta)
        if self._length < self._due:
            return False
        self._due = self._length + max(1, self._length // _READINGS)
        self._text += "".join(self._pieces)
        self._pieces.clear()
        return self._read()

    def _read(self) -> bool:
        from pydantic_core import from_json

        start = self._text.find("{")
        if start < 0:
            return False
        growing = _GROWING.search(self._text, max(start, self._length - _LONGEST_NUMBER))
        try:
            raw = from_json(self._text[start : growing.start() if growing else None], allow_partial="trailing-strings")
        except ValueError:
            return False
        if self._reader.wrapped:
            raw = raw.get(WRAPPED)
        if raw is None or raw == self._raw:
            return False
        self._raw = raw
        self.value = self._typed(raw)
        return True

    def _typed(self, raw: Any) -> Any:
        if self._reader.adapter is None:
            return raw
        try:
            return self._reader.adapter.validate_python(raw, experimental_allow_partial="trailing-strings")
        except ValueError:
            return raw
