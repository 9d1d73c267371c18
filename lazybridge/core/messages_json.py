"""Messages as JSON and back, without loss: media as base64, tool calls, and the vendors' own blocks."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from lazybridge.core.content import (
    AudioContent,
    ContentBlock,
    DocumentContent,
    ImageContent,
    TextContent,
    VideoContent,
)
from lazybridge.core.hints import CacheConfig
from lazybridge.core.native_tools import NativeTool
from lazybridge.core.types import Message, ProviderState, ToolCall

VERSION = 1

_BLOCKS: dict[str, type[ContentBlock]] = {
    "text": TextContent,
    "image": ImageContent,
    "audio": AudioContent,
    "video": VideoContent,
    "document": DocumentContent,
}
_KINDS = {block: kind for kind, block in _BLOCKS.items()}


def messages_to_json(messages: Iterable[Message], *, indent: int | None = None) -> str:
    """Messages as a JSON text, with the version of this form.

    Raises TypeError where the arguments of a tool call, or a vendor's block, hold what JSON has no word for.
    """
    written = [_named(f"message {place}", _written, message) for place, message in enumerate(messages)]
    return json.dumps({"version": VERSION, "messages": written}, indent=indent)


def messages_from_json(text: str | bytes) -> list[Message]:
    """The messages of a text that `messages_to_json` wrote. Raises ValueError, with the place, for any other text."""
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise ValueError(f"the conversation is not valid JSON: {exc}") from None
    if not isinstance(found, dict) or not isinstance(found.get("messages"), list):
        raise ValueError(
            'a conversation is an object with "version" and "messages"; messages_to_json(messages) writes one'
        )
    if found.get("version") != VERSION:
        raise ValueError(
            f"the conversation has version {found.get('version')!r}; this lazybridge reads version {VERSION}"
        )
    return [_named(f"message {place}", _read, item) for place, item in enumerate(found["messages"])]


def _named(where: str, work: Callable[[Any], Any], value: Any) -> Any:
    """What `work` makes of a value; its error says where the value stands."""
    try:
        return work(value)
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        what = f"{exc} is missing" if isinstance(exc, KeyError) else str(exc)
        raise (TypeError if work is _written else ValueError)(f"{where} of the conversation: {what}") from exc


def _written(message: Message) -> dict[str, Any]:
    content = message.content
    written = {
        "role": str(message.role),
        "content": content if isinstance(content, str) else [_block_written(block) for block in content],
        "tool_calls": [_call_written(call) for call in message.tool_calls] or None,
        "tool_call_id": message.tool_call_id,
        "name": message.name,
        "is_error": message.is_error or None,
        "provider_state": _state_written(message) if message.provider_state is not None else None,
    }
    json.dumps(written)  # says here, not for the whole conversation, what JSON has no word for
    return {name: value for name, value in written.items() if value is not None}


def _block_written(block: ContentBlock) -> dict[str, Any]:
    given = {item.name: getattr(block, item.name) for item in fields(block)}
    if isinstance(given.get("data"), bytes):
        given["data"] = base64.b64encode(given["data"]).decode("ascii")
    if isinstance(block.cache, CacheConfig):
        given["cache"] = asdict(block.cache)
    return {"type": _KINDS[type(block)], **{name: value for name, value in given.items() if value is not None}}


def _call_written(call: ToolCall) -> dict[str, Any]:
    optional = {"raw_arguments": call.raw_arguments, "error": call.error, "native": call.native}
    given = {name: value for name, value in optional.items() if value is not None}
    return {"id": call.id, "name": call.name, "arguments": _plain(call.arguments), **given}


def _state_written(message: Message) -> dict[str, Any]:
    state = message.provider_state
    assert state is not None
    said: Any = None
    if state.said == (message.text, message.tool_calls):
        said = "this"  # what the message says
    elif state.said is not None:
        said = {"text": state.said[0], "tool_calls": [_call_written(call) for call in state.said[1]]}
    return {"vendor": state.vendor, "wire": state.wire, "items": _plain(state.items), "said": said}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        strange = next((name for name in value if not isinstance(name, str)), None)
        if strange is not None:
            raise TypeError(f"a JSON object has no key {strange!r}")
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _read(item: Any) -> Message:
    given = _object(item)
    content = given.pop("content")
    if isinstance(content, list):
        content = tuple(map(_block_read, content))
    elif not isinstance(content, str):
        raise ValueError(f"content is a text or a list of blocks, got {content!r}")
    calls = tuple(map(_call_read, _list(given.pop("tool_calls", []))))
    state = given.pop("provider_state", None)
    message = Message(content=content, tool_calls=calls, **given)
    if state is None:
        return message
    return Message(content=content, tool_calls=calls, **given, provider_state=_state_read(state, message))


def _block_read(item: Any) -> ContentBlock:
    given = _object(item)
    kind = given.pop("type")
    if kind not in _BLOCKS:
        raise ValueError(f"unknown block {kind!r}; there are {', '.join(_BLOCKS)}")
    if "data" in given:
        try:
            given["data"] = base64.b64decode(given["data"], validate=True)
        except binascii.Error as exc:
            raise ValueError(f"the data of the {kind} are not base64: {exc}") from None
    if isinstance(given.get("cache"), dict):
        given["cache"] = CacheConfig(**given["cache"])
    return _BLOCKS[kind](**given)


def _call_read(item: Any) -> ToolCall:
    given = _object(item)
    native = None if (tool := given.pop("native", None)) is None else NativeTool(tool)
    return ToolCall(given.pop("id"), given.pop("name"), _object(given.pop("arguments")), native=native, **given)


def _state_read(item: Any, message: Message) -> ProviderState:
    given = _object(item)
    said = given.pop("said")
    if said == "this":
        said = (message.text, message.tool_calls)
    elif said is not None:
        said = (_object(said)["text"], tuple(map(_call_read, _list(said["tool_calls"]))))
    return ProviderState(given.pop("vendor"), given.pop("wire"), tuple(_list(given.pop("items"))), said, **given)


def _object(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise ValueError(f"expected an object, got {item!r}")
    return dict(item)


def _list(item: Any) -> Sequence[Any]:
    if not isinstance(item, list):
        raise ValueError(f"expected a list, got {item!r}")
    return item
