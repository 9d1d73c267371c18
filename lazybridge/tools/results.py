"""What a tool returned, or why it did not, as a message for the model."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from lazybridge.core.content import ContentBlock
from lazybridge.core.errors import ConfigurationError, ToolError
from lazybridge.core.errors.secrets import scrub
from lazybridge.core.types import Message, ToolCall
from lazybridge.envelope import Envelope


@dataclass(frozen=True)
class Refused(Message):
    """The answer to a call that was not run: what the model wrote names no tool here or does not fit it."""


def success(call: ToolCall, value: Any) -> Message:
    """The result of a call. Raises what pydantic raises for a value that has no JSON, and the error of an envelope."""
    return Message.tool(_content(_answered(value)), tool_call_id=call.id, name=call.name)


def failure(call: ToolCall, exc: Exception) -> Message:
    """An exception of a tool; a ToolError's words as they are, any other's with its class."""
    if isinstance(exc, ConfigurationError) and isinstance(exc, AssertionError):
        raise exc  # a script or a recording that is over fails the test, inside an agent that is a tool as well
    text = str(exc) if isinstance(exc, ToolError) else f"{type(exc).__name__}: {exc}"
    return Message.tool(text, tool_call_id=call.id, name=call.name, is_error=True)


def refused(call: ToolCall, why: Exception) -> Message:
    """What is wrong with a call, for the model to write a better one; a ValueError's words as they are."""
    text = str(why) if type(why) is ValueError else f"{type(why).__name__}: {why}"
    return Refused.tool(text, tool_call_id=call.id, name=call.name, is_error=True)


def redacted(message: Message, secrets: tuple[str, ...]) -> Message:
    """An error without credentials; a result is the tool's own, and goes out as it is."""
    return replace(message, content=scrub(message.text, secrets)) if message.is_error else message


def _answered(value: Any) -> Any:
    """Of an agent's envelope, or of several in a list, the answers. Raises the error where there is none."""
    if isinstance(value, Envelope):
        return [value.payload, *value.media] if value.media else value.payload
    if not (isinstance(value, (list, tuple)) and value and all(isinstance(one, Envelope) for one in value)):
        return value
    if not any(one.ok for one in value):
        return value[0].payload
    return [part for one in value for part in (one.payload if one.ok else f"failed: {one.error}", *one.media)]


def _content(value: Any) -> Any:
    """Text as it is (half a surrogate pair, which no JSON says, as `\\udc80`), images and documents as they are, anything else as JSON."""
    if isinstance(value, str | ContentBlock):
        return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else [value]
    if isinstance(value, (list, tuple)) and any(isinstance(item, ContentBlock) for item in value):
        return [item if isinstance(item, str | ContentBlock) else _as_json(item) for item in value]
    return _as_json(value)


def _as_json(value: Any) -> str:
    from pydantic_core import to_json

    try:
        return to_json(value, fallback=_own_json, by_alias=False).decode()
    except UnicodeDecodeError:  # bytes that are no text
        return to_json(value, fallback=_own_json, by_alias=False, bytes_mode="base64").decode()


def _own_json(value: Any) -> Any:
    return json.loads(value.model_dump_json()) if hasattr(value, "model_dump_json") else str(value)
