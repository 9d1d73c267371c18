"""Whether a provider was asked what a test expects, and what differs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from lazybridge.core.content import TextContent
from lazybridge.core.types import TOOL, USER, CompletionRequest, Message, ToolDefinition

_FIELDS = tuple(item.name for item in fields(CompletionRequest))


def check_texts(requests: Sequence[CompletionRequest], expected: Sequence[str]) -> None:
    """Raise AssertionError unless a user said these texts, one for each request that ends with what a user says."""
    asked = [request.messages[-1].text for request in requests if request.messages[-1].role is not TOOL]
    if asked != list(expected):
        raise AssertionError("asked differently:\n" + _diff(_numbered(expected), _numbered(asked)))


def check_fields(request: CompletionRequest, expected: Mapping[str, Any]) -> None:
    """Raise AssertionError unless a request has these fields; tools may be given by name."""
    unknown = [name for name in expected if name not in _FIELDS]
    if unknown:
        raise TypeError(f"a request has no field {', '.join(unknown)}\nits fields: {', '.join(_FIELDS)}")
    wrong = []
    for name, value in expected.items():
        found = getattr(request, name)
        if name == "tools" and all(isinstance(item, str) for item in value):
            found = tuple(tool.name for tool in found)
        if isinstance(value, (list, tuple)) or name in ("messages", "tools"):
            value = tuple(value)
        if value != found:
            wrong.append(f"{name} differs:\n{_diff(_shown(value), _shown(found))}")
    if wrong:
        raise AssertionError("\n".join(wrong))


def shown_request(request: CompletionRequest) -> str:
    """A request in a few lines: what it says, and its settings."""
    named = {name: getattr(request, name) for name in _FIELDS if name not in ("messages", "extra_headers")}
    settings = [f"{name}: {' '.join(_shown(value))}" for name, value in named.items() if value not in (None, (), False)]
    return "\n".join([*map(_said, request.messages), *settings])


def _diff(expected: Iterable[str], found: Iterable[str]) -> str:
    lines = difflib.ndiff([*expected], [*found])
    return "\n".join(line.rstrip("\n") for line in lines) + "\n(- expected, + asked)"


def _numbered(texts: Iterable[str]) -> list[str]:
    return [line for place, text in enumerate(texts, 1) for line in f"{place}. {text}".splitlines()]


def _shown(value: Any) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [line for item in value for line in _shown(item)] or ["()"]
    if isinstance(value, Message):
        return _said(value).splitlines()
    if isinstance(value, ToolDefinition):
        return [f"{value.name}: {value.description}", json.dumps(value.parameters, sort_keys=True, default=repr)]
    return str(value).splitlines() or ["''"] if isinstance(value, str) else [repr(value)]


def _said(message: Message) -> str:
    blocks = [block.text if isinstance(block, TextContent) else f"<{type(block).__name__}>" for block in message.blocks]
    calls = [f"{call.name}({json.dumps(dict(call.arguments), default=repr)})" for call in message.tool_calls]
    who = "user" if message.role is USER else str(message.role)
    return f"{who}: {' '.join([*blocks, *calls])}"
