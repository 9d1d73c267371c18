"""Recorded calls as people read them: a title, lines to compare, a file that git shows well."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

from lazybridge.testing.takes import Entry


def title(entry: Entry) -> str:
    """Who was asked, for what, and which model."""
    body = entry.get("body")
    model = f" ({body['model']})" if isinstance(body, dict) and isinstance(body.get("model"), str) else ""
    stream = ", streamed" if entry.get("stream") else ""
    return f"{entry['provider']} {entry['method'].upper()} {entry['path']}{model}{stream}"


def leave_out(value: Any, names: list[str]) -> None:
    """Remove a field; of every item where there is a list on the way."""
    if isinstance(value, list):
        for item in value:
            leave_out(item, names)
    elif isinstance(value, dict):
        if len(names) == 1:
            value.pop(names[0], None)
        else:
            leave_out(value.get(names[0]), names[1:])


def lines(asked: Entry) -> list[str]:
    """What was asked, to compare line by line."""
    return json.dumps(asked, indent=2, sort_keys=True, ensure_ascii=False).splitlines()


def likeness(one: list[str], other: list[str]) -> float:
    """From 0 to 1."""
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()


def pretty(value: Any, head: str = "", indent: str = "", tail: str = "") -> Iterator[str]:
    """JSON in lines, one for each scalar and for each event of a stream: what git shows well."""
    if not isinstance(value, (dict, list)) or not value:
        yield f"{indent}{head}{json.dumps(value, ensure_ascii=False)}{tail}"
        return
    brackets = "{}" if isinstance(value, dict) else "[]"
    yield f"{indent}{head}{brackets[0]}"
    pairs = list(value.items()) if isinstance(value, dict) else [(None, item) for item in value]
    for place, (name, item) in enumerate(pairs):
        comma = "," if place < len(pairs) - 1 else ""
        label = "" if name is None else f"{json.dumps(name, ensure_ascii=False)}: "
        if head == '"events": ':
            yield f"{indent}  {json.dumps(item, ensure_ascii=False)}{comma}"
        else:
            yield from pretty(item, label, f"{indent}  ", comma)
    yield f"{indent}{brackets[1]}{tail}"
