"""Recordings of what vendors answered, in files that a repository can keep."""

from __future__ import annotations

import difflib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self, get_args

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers import _tape
from lazybridge.core.providers._endpoints import Endpoints
from lazybridge.testing.pages import leave_out, likeness, lines, pretty, title
from lazybridge.testing.takes import Entry
from lazybridge.testing.tape import AsyncClient, Client

Mode = Literal["none", "new", "all"]
VERSION = 1
_RECORD_IT = "record it: with record(...), or pytest --lazybridge-record=new"
_PARTS = {"provider", "method", "path", "asked_at", "answer"}  # what each call has
_ASKED = ("provider", "method", "path", "stream", "query", "body", "files")


class CassetteError(ConfigurationError, AssertionError):
    """A call that was not recorded, or was recorded differently; a file that cannot be read; a recorded call that was
    never made."""


class Cassette:
    """The calls of a file. Inside its `with` block every vendor's SDK is recorded, or answered for, in this whole process.

    `mode` "none" answers from the file and never asks a vendor; "all" asks and writes the file anew; "new" answers what is
    in the file, asks for the rest and adds it. A call is the same where provider, path, query and body are; `ignore` names
    fields of the body that may differ, such as "metadata.user_id". Equal calls are answered in the order of the file.
    With `allow_unused` it is no error that some were not made. `calls` are the entries.
    Raises CassetteError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: Mode = "none",
        *,
        ignore: Iterable[str] = (),
        allow_unused: bool = False,
    ) -> None:
        if mode not in get_args(Mode):
            raise ConfigurationError(f"mode={mode!r} is none of {', '.join(get_args(Mode))}")
        self.path = Path(path)
        self.mode = mode
        self.replaying = mode == "none"
        self._ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
        self.allow_unused = allow_unused
        self._lock = threading.Lock()
        self._recorded: list[Entry] = []
        self._used: set[int] = set()
        self._made: list[Entry | None] = []
        self._before: list[_tape.Tape | None] = []

    @property
    def calls(self) -> list[Entry]:
        """What the file holds, and what was recorded since."""
        return [*self._recorded, *(entry for entry in self._made if entry is not None)]

    def __enter__(self) -> Self:
        self._recorded, self._made = [] if self.mode == "all" else self._read(), []
        self._used.clear()
        self._before.append(_tape.current)
        _tape.current = self
        return self

    def __exit__(self, kind: object, exc: object, trace: object) -> None:
        _tape.current = self._before.pop()
        if any(self._made) or (self.mode == "all" and exc is None):
            self._write()
        if self.replaying and exc is None and not self.allow_unused:
            self._check_used()

    # --- the tape -----------------------------------------------------------------------------------------------------

    def client(self, provider: Endpoints) -> Client:
        """What a synchronous call goes through."""
        return Client(self, provider)

    def async_client(self, provider: Endpoints) -> AsyncClient:
        """What a call on an event loop goes through."""
        return AsyncClient(self, provider)

    def answer_to(self, asked: Entry) -> Entry | None:
        """The recorded call, or None where it is to be made."""
        key = self._key(asked)
        with self._lock:
            equal = [place for place, entry in enumerate(self._recorded) if self._key(entry) == key]
            for place in equal:
                if place not in self._used:
                    self._used.add(place)
                    return self._recorded[place]
        if self.replaying:
            raise self._missing(asked, len(equal))
        return None

    def slot(self) -> Callable[[Entry], None]:
        """A place for a call that begins now, and the function that fills it."""
        with self._lock:
            place = len(self._made)
            self._made.append(None)

        def fill(entry: Entry) -> None:
            self._made[place] = entry

        return fill

    def too_far(self, entry: Entry) -> CassetteError:
        """The error for a stream that is read beyond what was recorded of it."""
        count = len(entry["answer"]["events"])
        return CassetteError(
            f"{self.path}: {title(entry)} was left after {count} events when it was recorded, and more are asked for now"
            f"\nread the stream as far as when it was recorded, or {_RECORD_IT.replace('=new', '=all')}"
        )

    # --- matching -----------------------------------------------------------------------------------------------------

    def _key(self, entry: Entry) -> str:
        return json.dumps(self._asked(entry), sort_keys=True)

    def _asked(self, entry: Entry) -> Entry:
        asked = {name: entry[name] for name in _ASKED if name in entry}
        if self._ignore and isinstance(asked.get("body"), dict):
            asked["body"] = json.loads(json.dumps(asked["body"]))
            for name in self._ignore:
                leave_out(asked["body"], name.split("."))
        return asked

    def _missing(self, asked: Entry, times: int) -> CassetteError:
        if times:
            return CassetteError(
                f"{self.path}: {title(asked)} was recorded {times} time{'s' if times > 1 else ''} and is made once more"
                f"\n{_RECORD_IT}"
            )
        if not self._recorded:
            return CassetteError(f"{self.path} has no calls, and {title(asked)} is made\n{_RECORD_IT}")
        mine = lines(self._asked(asked))
        candidates = [entry for place, entry in enumerate(self._recorded) if place not in self._used] or self._recorded
        near = max(candidates, key=lambda entry: likeness(lines(self._asked(entry)), mine))
        diff = difflib.unified_diff(lines(self._asked(near)), mine, "recorded", "asked", lineterm="")
        return CassetteError(
            f"{self.path} has no call like this one, {title(asked)}; the nearest differs:\n"
            + "\n".join(diff)
            + f"\n{_RECORD_IT}; or leave fields out of the comparison: ignore=[...]"
        )

    def _check_used(self) -> None:
        left = [entry for place, entry in enumerate(self._recorded) if place not in self._used]
        if left:
            shown = "\n".join(f"  {title(entry)}" for entry in left)
            raise CassetteError(
                f"{self.path}: {len(left)} of {len(self._recorded)} recorded calls were not made:\n{shown}\n"
                "record it anew (mode all), or say allow_unused=True"
            )

    # --- the file -----------------------------------------------------------------------------------------------------

    def _read(self) -> list[Entry]:
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            if self.replaying:
                raise CassetteError(f"{self.path} does not exist\n{_RECORD_IT}") from None
            return []
        except ValueError as exc:
            raise CassetteError(f"{self.path} is not JSON: {exc}\n{_RECORD_IT.replace('=new', '=all')}") from exc
        version = found.get("lazybridge_cassette") if isinstance(found, dict) else None
        if version != VERSION:
            raise CassetteError(
                f"{self.path} is a cassette of version {version!r}, and this lazybridge reads {VERSION}\n"
                f"{_RECORD_IT.replace('=new', '=all')}"
            )
        calls = found.get("calls")
        if not isinstance(calls, list) or not all(isinstance(call, dict) and call.keys() >= _PARTS for call in calls):
            raise CassetteError(f"{self.path} is damaged\n{_RECORD_IT.replace('=new', '=all')}")
        return calls

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join(pretty({"lazybridge_cassette": VERSION, "calls": self.calls})) + "\n"
        handle, scratch = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(scratch, 0o644)  # what mkstemp makes is its owner's alone
            os.replace(scratch, self.path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(scratch)


def record(path: str | os.PathLike[str], *, ignore: Iterable[str] = ()) -> Cassette:
    """`with record("cassette.json"):` asks the vendors and writes what they answer, without keys and account names."""
    return Cassette(path, "all", ignore=ignore)


def replay(path: str | os.PathLike[str], *, ignore: Iterable[str] = (), allow_unused: bool = False) -> Cassette:
    """`with replay("cassette.json"):` gives the recorded answers to the same calls: no key, no network, no client.

    `ignore` names fields of the body that may differ. Raises CassetteError for a call that was not recorded, with what
    differs from the nearest one, and at the end for calls that were not made, unless `allow_unused`.
    """
    return Cassette(path, "none", ignore=ignore, allow_unused=allow_unused)
