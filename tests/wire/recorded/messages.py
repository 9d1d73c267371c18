"""Recorded requests of the Messages API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import ContentBlock, DocumentContent, ImageContent, TextContent
from lazybridge.core.types import Message, NativeTool, OutputSchema, ProviderState, ToolCall, ToolDefinition
from lazybridge.core.wire.messages import MessagesWire
from tests.wire.recorded.reading import (
    JSON,
    CannotSay,
    Parsed,
    bare,
    bare_tool,
    built,
    definition,
    is_cached,
    media,
    settings,
    text_of,
)


def read(body: JSON) -> Parsed:
    messages = [_system(body.pop("system"))] if body.get("system") else []
    for raw in body.pop("messages"):
        if not isinstance(raw, dict):
            raise CannotSay("a message that is none")
        messages += _message(raw)
    fields = settings(body, {"max_tokens": "max_tokens", "stop_sequences": "stop"})
    model, stream = body.pop("model"), bool(body.pop("stream", False))
    facts: JSON = {}
    thinking = body.get("thinking")
    if thinking and thinking.keys() <= {"type", "budget_tokens"} and thinking["type"] in ("enabled", "disabled"):
        body.pop("thinking")
        fields["thinking"] = thinking.get("budget_tokens", False)
        facts["thinking"] = "budget"
    format = (body.get("output_config") or {}).get("format")
    if format and body["output_config"].keys() == {"format"}:
        body.pop("output_config")
        fields["output_schema"] = OutputSchema(format["schema"])
    raw_tools = body.pop("tools", None) or ()
    tools = tuple(_tool(tool) for tool in raw_tools if not _kind(tool))
    native = [_native(kind, tool) for tool in raw_tools if (kind := _kind(tool))]
    facts["native_tools"] = {kind.value: rule for (kind, rule, _) in native}
    fields["native_tools"] = tuple(kind(**options) if options else kind for kind, _, options in native)
    choice = body.pop("tool_choice", None)
    if choice and raw_tools:
        fields["tool_choice"] = {"any": "required", "tool": choice.get("name")}.get(choice["type"], choice["type"])
        if choice.get("disable_parallel_tool_use"):
            fields["parallel_tool_calls"] = False
    return Parsed(built(messages, body, tools=tools, **fields), MessagesWire(), ModelProfile(model, **facts), stream)


def _system(system: Any) -> Message:
    if is_cached(system):
        return Message("system", tuple(_part(part) for part in system))  # type: ignore[arg-type]
    if isinstance(system, list) and len(system) > 1:
        raise CannotSay("a system text in several parts")
    return Message.system(text_of(system))


def _message(raw: JSON) -> Iterator[Message]:
    content = raw["content"]
    if raw["role"] == "system":
        raise CannotSay("a system message in the middle")
    if raw["role"] == "assistant":
        yield _assistant(content)
        return
    if isinstance(content, str):
        yield Message.user(content)
        return
    rest = []
    for part in content:
        if part["type"] == "tool_result":
            if rest:
                raise CannotSay("tool results after other parts")
            yield _result(part)
        else:
            rest.append(_part(part))
    if rest:
        yield Message.user(rest)


def _assistant(content: Any) -> Message:
    if isinstance(content, str):
        return Message.assistant(content)
    if any(part.get("cache_control") for part in content):
        raise CannotSay("a cached part of an assistant's message")
    text = "".join(part["text"] for part in content if part["type"] == "text")
    calls = [ToolCall(part["id"], part["name"], part["input"]) for part in content if part["type"] == "tool_use"]
    plain = {part["type"] for part in content} <= {"text", "tool_use"} and len([1 for part in content if part["type"] == "text"]) < 2  # fmt: skip
    if plain and not any(part.keys() - {"type", "text", "id", "name", "input"} for part in content):
        return Message.assistant(text, tool_calls=calls)
    state = ProviderState("anthropic", "messages", tuple(content), (text, tuple(calls)))
    return Message("assistant", text, tuple(calls), provider_state=state)  # type: ignore[arg-type]


def _result(part: JSON) -> Message:
    if part.get("cache_control"):
        raise CannotSay("a cached tool result")
    content = part.get("content") or ""
    blocks = content if isinstance(content, str) else [_part(inner) for inner in content]
    return Message.tool(blocks, tool_call_id=part["tool_use_id"], is_error=bool(part.get("is_error")))


def _part(part: JSON) -> ContentBlock:
    hint = part.get("cache_control")
    cache = None if hint is None else hint.get("ttl") or True
    source = part.get("source") or {}
    if part["type"] == "text" and not part.keys() - {"type", "text", "cache_control"}:
        return TextContent(part["text"], cache=cache)
    if part["type"] in ("image", "document") and not part.keys() - {"type", "source", "cache_control", "title"}:
        kind = ImageContent if part["type"] == "image" else DocumentContent
        if source["type"] == "text":
            return DocumentContent(data=source["data"].encode(), media_type="text/plain", cache=cache, name=part.get("title"))  # fmt: skip
        if source["type"] in ("url", "file"):
            where = {"url": source.get("url"), "file_id": source.get("file_id")}
            return media(kind, cache=cache, **where, **({"name": part["title"]} if part.get("title") else {}))
        raise CannotSay("media that the record has cut out")
    raise CannotSay(f"a part of type {part['type']}, or more about it")


def _tool(tool: JSON) -> ToolDefinition:
    if tool.get("type", "custom") != "custom":
        raise CannotSay(f"a tool of type {tool['type']}")
    return definition(tool, "input_schema")


_NATIVE = {"web_search": NativeTool.WEB_SEARCH, "web_fetch": NativeTool.URL_CONTEXT, "code_execution": NativeTool.CODE_EXECUTION}  # fmt: skip
_OPTIONS = ("max_uses", "allowed_domains", "blocked_domains", "user_location")


def _kind(tool: JSON) -> NativeTool | None:
    return _NATIVE.get(tool.get("type", "").rpartition("_")[0])


def _native(kind: NativeTool, tool: JSON) -> tuple[NativeTool, JSON, JSON]:
    """Which tool it is, what of it a model's row would say (its version, who may call it), and what its user asked."""
    if tool.get("cache_control"):
        raise CannotSay("a cached native tool")
    said = {name: value for name, value in tool.items() if value is not None}
    options = {name: said.pop(name) for name in _OPTIONS if name in said}
    if "user_location" in options:
        options["user_location"] = {name: value for name, value in options["user_location"].items() if name != "type"}
    return kind, said, options


def canonical(body: JSON) -> JSON:
    if not body.get("stream"):
        body.pop("stream", None)
    if not is_cached(body.get("system")):
        body["system"] = text_of(body.get("system"))
    for tool in body.get("tools") or ():
        bare_tool(tool, "input_schema")
        for name in [name for name, value in tool.items() if value is None]:
            del tool[name]
    if any(_kind(tool) for tool in body.get("tools") or ()):
        body["tools"].sort(key=lambda tool: (bool(_kind(tool)), tool["name"]))
    if not body.get("tools"):
        body.pop("tool_choice", None)
    merged: list[JSON] = []
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for part in parts:
            if part["type"] == "tool_result":
                part["content"] = bare(part.get("content"))
                if not part.get("is_error"):
                    part.pop("is_error", None)
        parts = [part for part in parts if part.get("text") != ""]
        if merged and merged[-1]["role"] == message["role"] == "user":
            merged[-1]["content"] += parts
        elif parts:
            merged.append({"role": message["role"], "content": parts})
    body["messages"] = merged
    return body
