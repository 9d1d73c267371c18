"""Recorded requests of Chat Completions."""

from __future__ import annotations

from typing import Any

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import ContentBlock, DocumentContent, ImageContent, TextContent
from lazybridge.core.types import Message, ToolCall, ToolDefinition
from lazybridge.core.wire.chat import ChatWire
from tests.wire.recorded.reading import (
    JSON,
    CannotSay,
    Parsed,
    arguments,
    bare_schema,
    bare_tool,
    built,
    check_system_first,
    choice,
    definition,
    is_cached,
    media,
    output_schema,
    settings,
    text_of,
)


def read(body: JSON) -> Parsed:
    raw = body.pop("messages")
    body.pop("stream_options", None)
    limit = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    role = "developer" if any(message["role"] == "developer" for message in raw) else "system"
    if role == "developer" and any(message["role"] == "system" for message in raw):
        raise CannotSay("both system and developer messages")
    messages = [_message(message) for message in raw]
    check_system_first(messages)
    if body.get("functions") or body.get("function_call"):
        raise CannotSay("functions, which tools replaced")
    fields = settings(body, {limit: "max_tokens", "temperature": "temperature", "top_p": "top_p", "stop": "stop", "seed": "seed", "parallel_tool_calls": "parallel_tool_calls", "metadata": "metadata", "service_tier": "service_tier", "reasoning_effort": "effort"})  # fmt: skip
    if body.get("logprobs") is True and body.get("top_logprobs") != 0:
        del body["logprobs"]
        fields["logprobs"] = body.pop("top_logprobs", None) or 0
    model, stream = body.pop("model", None) or "model", bool(body.pop("stream", False))
    format = body.get("response_format")
    if isinstance(format, dict) and format.get("type") == "json_schema":
        fields["output_schema"] = output_schema(body.pop("response_format")["json_schema"])
    tools = tuple(_tool(tool) for tool in body.pop("tools", None) or ())
    fields |= choice(body, tools, lambda choice: choice["function"]["name"])
    if not tools:
        fields.pop("parallel_tool_calls", None)
    wire = ChatWire(max_tokens_field=limit, system_role=role)
    return Parsed(built(messages, body, tools=tools, **fields), wire, ModelProfile(model), stream)


def _message(raw: JSON) -> Message:
    role, content = raw["role"], raw.get("content")
    if is_cached(content):
        raise CannotSay("a cached part, on Chat Completions")
    if role in ("system", "developer"):
        return Message.system(text_of(content))
    if role == "tool":
        return Message.tool(text_of(content), tool_call_id=raw.get("tool_call_id") or "")
    if raw.get("name"):
        raise CannotSay("the name of a participant")
    if role == "user":
        return Message.user(content if isinstance(content, str) else [_part(part) for part in content or ()])
    if role != "assistant":
        raise CannotSay(f"the role {role}")
    more = sorted(name for name, value in raw.items() if value and name not in ("role", "content", "tool_calls", "annotations"))  # fmt: skip
    if more:
        raise CannotSay(f"an assistant's {', '.join(more)}")
    calls = [_call(call) for call in raw.get("tool_calls") or ()]
    return Message.assistant(text_of(content), tool_calls=calls)


def _call(call: JSON) -> ToolCall:
    if "function" not in call:
        raise CannotSay(f"a call of type {call.get('type')}")
    return ToolCall.parse(call["id"], call["function"]["name"], call["function"].get("arguments"))


def _part(part: Any) -> ContentBlock:
    if isinstance(part, str):
        return TextContent(part)
    kind = part.get("type")
    if part.get("cache_control"):
        raise CannotSay("a cached part, on Chat Completions")
    if kind == "text":
        return TextContent(part["text"])
    if kind == "image_url":
        image = part["image_url"] if isinstance(part["image_url"], dict) else {"url": part["image_url"]}
        return media(ImageContent, url=image["url"], detail=image.get("detail"))
    if kind == "input_audio" and isinstance(part["input_audio"], dict):
        raise CannotSay("media that the record has cut out")
    if kind == "file" and part["file"].get("file_id"):
        return DocumentContent(file_id=part["file"]["file_id"])
    if kind == "file":
        raise CannotSay("media that the record has cut out")
    raise CannotSay(f"a part of type {kind}")


def _tool(tool: JSON) -> ToolDefinition:
    if tool.get("type", "function") != "function" or "function" not in tool:
        raise CannotSay(f"a tool of type {tool.get('type')}")
    if tool.keys() - {"type", "function"}:
        raise CannotSay(f"a tool's {', '.join(sorted(tool.keys() - {'type', 'function'}))}")
    return definition(tool["function"], "parameters")


def canonical(body: JSON) -> JSON:
    body.pop("stream_options", None)
    body.setdefault("model", "model")
    for name in ("stream", "parallel_tool_calls"):
        if not body.get("tools") and name != "stream":
            body.pop(name, None)
    if not body.get("stream"):
        body.pop("stream", None)
    if not body.get("tools"):
        body.pop("tool_choice", None)
    system = [message for message in body["messages"] if message["role"] in ("system", "developer")]
    rest = [message for message in body["messages"] if message not in system]
    joined = "\n\n".join(filter(None, (text_of(message["content"]) for message in system)))
    body["messages"] = [{"role": system[0]["role"], "content": joined}, *rest] if joined else rest
    for message in body["messages"]:
        message.pop("annotations", None)
        if not message.get("prefix"):
            message.pop("prefix", None)
        if message["role"] == "tool":
            message.pop("name", None)
            message["content"] = text_of(message.get("content"))
        elif message["role"] == "assistant":
            message["content"] = text_of(message.get("content"))
        elif isinstance(message.get("content"), list):
            for part in message["content"]:
                if part.get("type") == "image_url" and isinstance(part["image_url"], str):
                    part["image_url"] = {"url": part["image_url"]}
        for call in message.get("tool_calls") or ():
            call["type"] = "function"
            call.pop("index", None)
            call["function"]["arguments"] = arguments(call["function"].get("arguments"))
    for tool in body.get("tools") or ():
        tool["type"] = "function"
        bare_tool(tool["function"], "parameters")
    body["stop"] = [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop")
    if body.get("tool_choice") == "any":
        body["tool_choice"] = "required"
    if isinstance(body.get("tool_choice"), dict):
        body["tool_choice"]["type"] = "function"
    format = (body.get("response_format") or {}).get("json_schema") or {}
    bare_schema(format)
    return body
