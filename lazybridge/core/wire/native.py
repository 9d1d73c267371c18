"""The vendor's own tools, written as each API wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lazybridge.core.native_tools import NativeTool, kind_of, options_of
from lazybridge.core.types import CompletionRequest
from lazybridge.core.wire import Adjuster, plain

Bodies = Mapping[NativeTool, Mapping[str, Any]]
# Where an option goes: names joined by dots, from the tool's object; from the body where they begin with "^".
Places = Mapping[NativeTool, Mapping[str, str]]


def written(request: CompletionRequest, bodies: Bodies, places: Places, adjust: Adjuster) -> list[dict[str, Any]]:
    """The objects of a request's native tools.

    A tool that the model's row refuses is left out and said; what the row says of a tool is put into it.
    """
    made = []
    for tool in request.native_tools:
        kind = kind_of(tool)
        rule = (adjust.model.native_tools or {}).get(kind.value)
        if kind not in bodies or rule is False:
            who = adjust.model.id if rule is False else "this API"
            adjust.add("native_tools", f"{who} does not offer {kind}; it was left out")
            continue
        if kind is NativeTool.FILE_SEARCH and not options_of(tool):
            kind()  # says what it lacks
        body = plain(bodies[kind]) | (plain(rule) if isinstance(rule, Mapping) else {})
        for name, value in options_of(tool).items():
            place = places.get(kind, {}).get(name)
            if place is None:
                adjust.add("native_tools", f"{kind} takes no {name} here; it was left out")
            elif not place.startswith("^"):
                _put(body, place, {"type": "approximate", **dict(value)} if name == "user_location" else value)
        if body not in made:
            made.append(body)
    return made


def above(request: CompletionRequest, places: Places, body: dict[str, Any]) -> None:
    """Put the options in place that stand in the body, not in the object of their tool."""
    for tool in request.native_tools:
        for name, value in options_of(tool).items():
            place = places.get(kind_of(tool), {}).get(name, "")
            if place.startswith("^"):
                _put(body, place[1:], value)


def _put(body: dict[str, Any], place: str, value: Any) -> None:
    *way, last = place.split(".")
    for step in way:
        body = body.setdefault(step, {})
    body[last] = plain(value)
