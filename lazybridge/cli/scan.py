"""Model ids in source files: where they stand, and whether the vendor still serves them."""

from __future__ import annotations

import io
import os
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Literal, NamedTuple

from lazybridge.cli import files
from lazybridge.core import catalogue, registry
from lazybridge.core.catalogue import ModelProfile, lifecycle, tables

Status = Literal["retired", "retiring", "unknown"]

_SILENCED = re.compile(r"lazybridge:\s*ignore\b")
_TOKEN = r"[A-Za-z0-9_.:@/-]*"
_TOKEN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:@/-")
_QUOTES = frozenset("\"'`")
_GOES_ON = frozenset("{$%+")  # gpt-4{suffix}
# model.startswith("gpt-4") asks for a part of ids, whatever model it names.
_COMPARED = re.compile(r"(?:starts_?with|remove_?prefix|has_?prefix)\(\\?[\"'`]$", re.I)
# What looks like an id of a chat model that a first party sells, without a row: only where it is quoted.
_LOOKS_LIKE_ID = re.compile(
    r"(?:gpt-\d+(?:\.\d+)?[a-z]?|(?:claude|gemini)-(?:[a-z]+-){0,2}\d+(?:\.\d+)?|o\d-(?:mini|pro|preview))"
    r"(?:-(?:\d+(?:\.\d+)?[a-z]?|[a-z]+\d*))*"
    r"|mistral-(?:large|medium|small)(?:-\d+){1,3}"
)
# Words of names that begin like an id: programs, headers, and models that do not chat.
_NO_CHAT = frozenset((
    "agent", "agents", "api", "app", "based", "bot", "cli", "client", "clone", "code", "demo", "desktop", "embedding",
    "embeddings", "encoder", "encoding", "engineer", "example", "export", "extension", "image", "images", "imagen",
    "index", "like", "live", "mcp", "plugin", "prompt", "prompts", "proxy", "realtime", "sdk", "server", "style",
    "test", "tests", "tokenizer", "tool", "tools", "transcribe", "translate", "tts", "veo", "whisper", "wrapper",
))  # fmt: skip
_MAKERS = tuple(maker for maker in tables.MAKERS if maker != "groq")  # groq hosts what others make


class Finding(NamedTuple):
    """A model id at a line of a file; `profile` is None where no row of the catalogue has the id."""

    file: str
    line: int
    model: str
    status: Status
    profile: ModelProfile | None

    def message(self, on: date, within: int) -> str:
        """`claude-sonnet-4-5 retires on 2026-11-30, use claude-sonnet-5-5`."""
        if self.profile is not None:
            return lifecycle.notice(self.profile, on, within=within, name=self.model) or self.model
        return f"{self.model} is no known model{_near(self.model)}"


@dataclass
class Scanner:
    """Reads files, as of a day; a model that retires `within` so many days of it is found. `count` is how many were read."""

    on: date
    within: int = lifecycle.SOON
    count: int = 0

    def __post_init__(self) -> None:
        self._known: dict[str, tuple[Status, ModelProfile | None] | None] = {}
        rows = (row for vendor in tables.vendors() for row in catalogue.rows(vendor).values() if row.retires)
        # Any token to be found begins, or goes on after a vendor, with the letters and one more character of an id.
        starts = {"claude-", "gpt-", "gemini-", "mistral-", *(f"o{digit}-" for digit in range(1, 10))}
        for row in rows:
            for id in (row.id, *row.aliases):
                found = re.match(r"[a-z]+[^a-z]?", re.split("[/:]", id)[-1] if "/" in id else id)
                starts.add(found[0] if found else id)
        self._ids = re.compile(f"(?:{'|'.join(map(re.escape, sorted(starts)))}){_TOKEN}")

    def scan(self, paths: Iterable[str]) -> Iterator[Finding]:
        """Every finding below these paths, in the order of the paths. A file that is named is read whatever its ending."""
        for path in paths:
            for file in [path] if os.path.isfile(path) else files.below(path):
                yield from self.scan_file(file)

    def scan_file(self, path: str) -> Iterator[Finding]:
        """The findings of one file, in the order of its lines; none in one that is binary, very large or cannot be read."""
        text = files.read(path)
        if text is not None:
            self.count += 1
            yield from self.scan_text(text, path)

    def scan_text(self, text: str, path: str) -> Iterator[Finding]:
        """The findings of a text; of Python, those in string literals."""
        strings: Strings | None = None
        seen: set[tuple[int, str]] = set()
        line, counted = 1, 0
        for match in self._ids.finditer(text):
            found = self._at(text, match)
            if found is None:
                continue
            model, status, profile = found
            start = text.rfind("\n", 0, match.start()) + 1
            line, counted = line + text.count("\n", counted, start), start
            end = text.find("\n", match.end())
            if (line, model) in seen or _SILENCED.search(text, start, end if end >= 0 else len(text)):
                continue
            if path.endswith((".py", ".pyi")):
                strings = strings or Strings(text)
                if not strings.hold(line, match.start() - start):
                    continue
            seen.add((line, model))
            yield Finding(path, line, model, status, profile)

    def _at(self, text: str, match: re.Match[str]) -> tuple[str, Status, ModelProfile | None] | None:
        """The id that a match is a part of, where something is to be said of it."""
        start, end = match.span()
        while start and text[start - 1] in _TOKEN_CHARACTERS:
            start -= 1
        if text[start - 1 : start] == "\\":
            start += 1  # the n of a \n
        before, after = text[start - 1 : start], text[end : end + 1]
        if after in _GOES_ON or (after == "*" and before != "*") or (after == "<" and before != ">"):
            return None
        token = text[start:end].rstrip(".,:")
        if before == "}":
            token = token.lstrip("/:")  # f"{provider}/gpt-4o"
        quoted = before in _QUOTES and text[end : end + 2].lstrip("\\").startswith(before)
        if quoted and _COMPARED.search(text, max(0, start - 20), start):
            return None
        if token not in self._known:
            self._known[token] = self._judge(token)
        found = self._known[token]
        if found is None:
            return None
        # In prose a word is an id only where it has a row and looks like one.
        surely = quoted or (found[0] != "unknown" and "-" in token) or _is_value(text, start, end)
        return (token, *found) if surely else None

    def _judge(self, token: str) -> tuple[Status, ModelProfile | None] | None:
        vendor, id = _split(token)
        if vendor is None and id.isalpha():
            return None  # `sonar` is a word, `perplexity/sonar` a model
        row = row_of(vendor, id) or row_of(None, token)
        if row is None:
            return ("unknown", None) if vendor in (None, *_MAKERS) and _looks_like_id(id) else None
        if lifecycle.is_retired(row, self.on):
            return "retired", row
        return ("retiring", row) if lifecycle.is_retiring(row, self.on, self.within) else None


class Strings:
    """Where the string literals of a Python file stand."""

    def __init__(self, text: str) -> None:
        self._starts: list[tuple[int, int]] = []
        self._ends: list[tuple[int, int]] = []
        try:
            for token in tokenize.generate_tokens(io.StringIO(text).readline):
                if token.type == tokenize.STRING or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
                    self._starts.append(token.start)
                    self._ends.append(token.end)
        except (tokenize.TokenError, SyntaxError):  # no Python: all of it counts
            self._starts, self._ends = [(0, 0)], [(len(text), 0)]

    def hold(self, line: int, column: int) -> bool:
        """Whether a place is inside a literal."""
        place = bisect_right(self._starts, (line, column))
        return place > 0 and (line, column) < self._ends[place - 1]


def row_of(vendor: str | None, model: str) -> ModelProfile | None:
    """The row of an id in the vendor's own table. Without a vendor the maker of the model decides; an id that only hosts
    know counts as retired when all of them have retired it."""
    if vendor is not None:
        return _own(vendor, model)
    for maker in _MAKERS:
        if (row := _own(maker, model)) is not None:
            return row
    hosted = [row for host in tables.vendors() if (row := _own(host, model)) is not None]
    return max(hosted, key=lambda row: row.retires or date.max, default=None)


def _own(vendor: str, model: str) -> ModelProfile | None:
    rows = (tables.row(vendor, id) for id in catalogue.spellings(vendor, model))
    return next((row for row in rows if row is not None), None)


def _looks_like_id(model: str) -> bool:
    undated = catalogue.without_date(model)
    return _LOOKS_LIKE_ID.fullmatch(undated) is not None and _NO_CHAT.isdisjoint(undated.split("-"))


def _split(token: str) -> tuple[str | None, str]:
    """The vendor before a `/` or `:`, and the id. What is before a `:` may be any word: `openai-chat:gpt-4o`."""
    for separator in "/:":
        vendor, found, rest = token.partition(separator)
        if found and rest and tables.is_vendor(vendor):
            return tables.name_of(vendor), rest.lower()
    if token.startswith("models/"):  # Google's own spelling
        return "google", token.removeprefix("models/")
    word, colon, rest = token.partition(":")
    if colon and rest and not re.search(r"\d", word):
        return None, rest
    return None, token


def _is_value(text: str, start: int, end: int) -> bool:
    """Whether this is all that stands after a `:` or `=` in its line."""
    line_end = text.find("\n", end)
    rest = text[end : line_end if line_end >= 0 else len(text)].strip()
    return text[text.rfind("\n", 0, start) + 1 : start].rstrip().endswith((":", "=")) and (
        not rest or rest.startswith("#")
    )


@cache
def _near(model: str) -> str:
    """The ids, of makers, that a misspelt one is near to and that have no end in sight."""
    ids = {id for maker in _MAKERS for id in tables.ids(maker)}
    return registry.near(model, sorted(id for id in ids if (row := row_of(None, id)) and row.retires is None))
