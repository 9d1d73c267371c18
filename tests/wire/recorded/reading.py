"""What the readers of all APIs share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import ContentBlock
from lazybridge.core.types import CompletionRequest, Message, OutputSchema, ToolDefinition
from lazybridge.core.wire import Wire

JSON = dict[str, Any]


class CannotSay(Exception):
    """What of a recorded request our types have no word for."""


@dataclass(frozen=True)
class Parsed:
    """A recorded request: for our types, and the wire and model facts it was written with."""

    request: CompletionRequest
    wire: Wire
    model: ModelProfile
    stream: bool


def bare(value: Any) -> Any:
    """Without nulls and empty containers; a list of one text part is that text."""
    if isinstance(value, dict):
        kept = {name: bare(item) for name, item in value.items() if name != "$schema"}
        if isinstance(kept.get("required"), list):
            kept["required"] = sorted(kept["required"], key=str)
        return {name: item for name, item in kept.items() if item not in (None, [], {}, "")}
    if isinstance(value, list):
        items = [bare(item) for item in value]
        if len(items) == 1 and isinstance(items[0], dict) and items[0].get("type") in ("text", "input_text", "output_text") and items[0].keys() == {"type", "text"}:  # fmt: skip
            return items[0]["text"]
        return items
    return value


def settings(body: JSON, names: Mapping[str, str]) -> JSON:
    """Settings that are the same under another name; taken out of the body."""
    found = {ours: body.pop(theirs) for theirs, ours in names.items() if body.get(theirs) is not None}
    for theirs in names:
        body.pop(theirs, None)
    return found


def built(messages: list[Message], body: JSON, **fields: Any) -> CompletionRequest:
    if not any(message.role != "system" for message in messages):
        raise CannotSay("no message but the system's")
    try:
        return CompletionRequest(messages=tuple(messages), extra_body=body or None, **fields)
    except (TypeError, ValueError) as exc:
        raise CannotSay(f"a value that we refuse: {exc}") from None


def is_cached(content: Any) -> bool:
    return isinstance(content, list) and any(isinstance(part, dict) and part.get("cache_control") for part in content)


def text_of(content: Any, kinds: tuple[str, ...] = ("text", "input_text", "output_text")) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if all(isinstance(part, str) or part.get("type") in kinds for part in content):
        return "".join(part if isinstance(part, str) else part.get("text") or "" for part in content)
    raise CannotSay("an assistant's or system's message with other parts than text")


def check_system_first(messages: list[Message]) -> None:
    """System messages stand before the conversation in every wire."""
    started = False
    for message in messages:
        if message.role != "system":
            started = True
        elif started:
            raise CannotSay("a system message in the middle")


def media(kind: Callable[..., ContentBlock], **fields: Any) -> ContentBlock:
    if any(isinstance(value, str) and "<base64 " in value for value in fields.values()):
        raise CannotSay("media that the record has cut out")
    try:
        return kind(**{name: value for name, value in fields.items() if value is not None})
    except ValueError as exc:
        raise CannotSay(f"media that we refuse: {exc}") from None


def definition(function: JSON, schema: str) -> ToolDefinition:
    more = set(function) - {"name", "description", "strict", "type", schema}
    if any(function[name] for name in more):
        raise CannotSay(f"a tool's {', '.join(sorted(more))}")
    parameters = function.get(schema) or {"type": "object", "properties": {}}
    return ToolDefinition(function["name"], function.get("description") or "", parameters, function.get("strict"))


def output_schema(raw: JSON) -> OutputSchema:
    more = set(raw) - {"name", "schema", "strict", "type"}
    if any(raw[name] for name in more):
        raise CannotSay(f"an output schema's {', '.join(sorted(more))}")
    return OutputSchema(raw["schema"], raw.get("name", "answer"), bool(raw.get("strict")))


def choice(body: JSON, tools: tuple[ToolDefinition, ...], name_of: Callable[[JSON], str]) -> JSON:
    choice = body.pop("tool_choice", None)
    if choice is None or not tools:
        return {}
    if isinstance(choice, dict):
        try:
            return {"tool_choice": name_of(choice)}
        except KeyError:
            raise CannotSay(f"a tool_choice of type {choice.get('type')}") from None
    return {"tool_choice": {"any": "required"}.get(choice, choice)}


def bare_schema(format: JSON) -> None:
    if not format.get("strict"):
        format.pop("strict", None)


def arguments(raw: Any) -> Any:
    try:
        return (json.loads(raw) if isinstance(raw, str) else raw) or {}
    except ValueError:
        return raw


def bare_tool(function: JSON, schema: str) -> None:
    function.pop("type", None)
    if not function.get("strict"):
        function.pop("strict", None)
    function[schema] = function.get(schema) or {"type": "object", "properties": {}}
