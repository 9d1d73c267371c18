"""What events tell of a message, a server and an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from lazybridge.core.content import TextContent
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, Message

# What a request carries that may be told without telling what was said.
_SETTINGS = ("max_tokens", "temperature", "top_p", "seed", "effort", "service_tier", "stop")


def settings_of(request: CompletionRequest) -> dict[str, Any]:
    """The settings that a request carries."""
    return {name: getattr(request, name) for name in _SETTINGS if getattr(request, name) not in (None, ())}


def kind_of(error: BaseException) -> str:
    """The kind of an error of lazybridge, "cancelled", or the name of a class."""
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)):
        return "cancelled"
    return str(getattr(error, "kind", None) or type(error).__name__)


def server_of(provider: BaseProvider) -> str | None:
    """Host and port of a base URL of one's own; nothing else of it, which may hold a password."""
    own_url = getattr(provider, "_own_url", None)
    url = own_url() if callable(own_url) else None
    if not isinstance(url, str):
        return None
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (80 if parts.scheme == 'http' else 443)}" if parts.hostname else None


def shown(message: Message) -> dict[str, Any]:
    """A message as JSON; of media there is the kind alone."""
    if message.role == "tool":
        return {"role": "tool", "parts": [{"type": "tool_call_response", "id": message.tool_call_id, "result": message.text}]}  # fmt: skip
    parts: list[dict[str, Any]] = [
        {"type": "text", "content": block.text}
        if isinstance(block, TextContent)
        else {"type": type(block).__name__.removesuffix("Content").lower()}
        for block in message.blocks
    ]
    parts += [{"type": "tool_call", "id": call.id, "name": call.name, "arguments": dict(call.arguments)} for call in message.tool_calls]  # fmt: skip
    return {"role": str(message.role.value), "parts": parts}


# What a message says of itself, beside what was said in it.
_FACTS = frozenset({"role", "type", "id", "name", "finish_reason"})


def said(value: Any, change: Callable[[str], str]) -> Any:
    """A payload whose every text is changed; a message stays one."""
    messages = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(message, Mapping) and isinstance(message.get("parts"), list) for message in messages):
        return texts(value, change)
    changed = tuple({**message, "parts": [_part(part, change) for part in message["parts"]]} for message in messages)
    return changed if isinstance(value, tuple) else changed[0]


def _part(part: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    return {name: fact if name in _FACTS else texts(fact, change) for name, fact in part.items()}


def texts(value: Any, change: Callable[[str], str]) -> Any:
    """A value whose every text is changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(name)): texts(item, change) for name, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(texts(item, change) for item in value)
    return value
