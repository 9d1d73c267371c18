"""Recorded requests, read into neutral types: the second source for what the wires write.

`request_of` reads a body that some other client once sent to the vendor, and names what our types cannot say;
`canonical` takes away the differences that mean nothing, each listed here:

- a null, an empty list or object, `stream: false`, and what we always ask for in a stream (`stream_options`); `prefix: false`;
- one text part instead of a text; a message's `type: message`; `name` of a tool message, `status` and `id` of an item;
- several leading system messages, which we join by a blank line, in the input or as instructions;
- `any` for `required`; `strict: false` of a tool; an empty description; a tool without parameters;
- tool results of one turn, which the Messages API takes in one message, and a user's text after them;
- JSON of a call's arguments, whatever its spaces; the order of `required`, and `$schema`, in a schema;
- an assistant's message without words beside its calls.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import ContentBlock, DocumentContent, ImageContent, TextContent
from lazybridge.core.types import CompletionRequest, Message, OutputSchema, ProviderState, ToolCall, ToolDefinition
from lazybridge.core.wire import Wire
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.messages import MessagesWire
from lazybridge.core.wire.responses import ResponsesWire

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


def request_of(api: str, body: JSON) -> Parsed:
    """Read a body. Raises CannotSay."""
    return _READERS[api](dict(body))


def canonical(api: str, body: JSON) -> Any:
    """A body without the differences that mean nothing."""
    return _bare(_CANONICAL[api](json.loads(json.dumps(body))))


def _bare(value: Any) -> Any:
    """Without nulls and empty containers; a list of one text part is that text."""
    if isinstance(value, dict):
        kept = {name: _bare(item) for name, item in value.items() if name != "$schema"}
        if isinstance(kept.get("required"), list):
            kept["required"] = sorted(kept["required"], key=str)
        return {name: item for name, item in kept.items() if item not in (None, [], {}, "")}
    if isinstance(value, list):
        items = [_bare(item) for item in value]
        if len(items) == 1 and isinstance(items[0], dict) and items[0].get("type") in ("text", "input_text", "output_text") and items[0].keys() == {"type", "text"}:  # fmt: skip
            return items[0]["text"]
        return items
    return value


def _common(body: JSON, names: Mapping[str, str]) -> JSON:
    """Settings that are the same under another name; taken out of the body."""
    found = {ours: body.pop(theirs) for theirs, ours in names.items() if body.get(theirs) is not None}
    for theirs in names:
        body.pop(theirs, None)
    return found


def _built(messages: list[Message], body: JSON, **fields: Any) -> CompletionRequest:
    if not any(message.role != "system" for message in messages):
        raise CannotSay("no message but the system's")
    try:
        return CompletionRequest(messages=tuple(messages), extra_body=body or None, **fields)
    except (TypeError, ValueError) as exc:
        raise CannotSay(f"a value that we refuse: {exc}") from None


def _cached(content: Any) -> bool:
    return isinstance(content, list) and any(isinstance(part, dict) and part.get("cache_control") for part in content)


def _text(content: Any, kinds: tuple[str, ...] = ("text", "input_text", "output_text")) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if all(isinstance(part, str) or part.get("type") in kinds for part in content):
        return "".join(part if isinstance(part, str) else part.get("text") or "" for part in content)
    raise CannotSay("an assistant's or system's message with other parts than text")


def _leading(messages: list[Message]) -> None:
    """System messages stand before the conversation in every wire."""
    started = False
    for message in messages:
        if message.role != "system":
            started = True
        elif started:
            raise CannotSay("a system message in the middle")


def _media(kind: Callable[..., ContentBlock], **fields: Any) -> ContentBlock:
    if any(isinstance(value, str) and "<base64 " in value for value in fields.values()):
        raise CannotSay("media that the record has cut out")
    try:
        return kind(**{name: value for name, value in fields.items() if value is not None})
    except ValueError as exc:
        raise CannotSay(f"media that we refuse: {exc}") from None


# --- Chat Completions -----------------------------------------------------------------------------------------------


def _chat(body: JSON) -> Parsed:
    raw = body.pop("messages")
    body.pop("stream_options", None)
    limit = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    role = "developer" if any(message["role"] == "developer" for message in raw) else "system"
    if role == "developer" and any(message["role"] == "system" for message in raw):
        raise CannotSay("both system and developer messages")
    messages = [_chat_message(message) for message in raw]
    _leading(messages)
    if body.get("functions") or body.get("function_call"):
        raise CannotSay("functions, which tools replaced")
    fields = _common(body, {limit: "max_tokens", "temperature": "temperature", "top_p": "top_p", "stop": "stop", "seed": "seed", "parallel_tool_calls": "parallel_tool_calls", "metadata": "metadata", "service_tier": "service_tier", "reasoning_effort": "effort"})  # fmt: skip
    if body.get("logprobs") is True and body.get("top_logprobs") != 0:
        del body["logprobs"]
        fields["logprobs"] = body.pop("top_logprobs", None) or 0
    model, stream = body.pop("model", None) or "model", bool(body.pop("stream", False))
    format = body.get("response_format")
    if isinstance(format, dict) and format.get("type") == "json_schema":
        fields["output_schema"] = _schema(body.pop("response_format")["json_schema"])
    tools = tuple(_chat_tool(tool) for tool in body.pop("tools", None) or ())
    fields |= _choice(body, tools, lambda choice: choice["function"]["name"])
    if not tools:
        fields.pop("parallel_tool_calls", None)
    wire = ChatWire(max_tokens_field=limit, system_role=role)
    return Parsed(_built(messages, body, tools=tools, **fields), wire, ModelProfile(model), stream)


def _chat_message(raw: JSON) -> Message:
    role, content = raw["role"], raw.get("content")
    if _cached(content):
        raise CannotSay("a cached part, on Chat Completions")
    if role in ("system", "developer"):
        return Message.system(_text(content))
    if role == "tool":
        return Message.tool(_text(content), tool_call_id=raw.get("tool_call_id") or "")
    if raw.get("name"):
        raise CannotSay("the name of a participant")
    if role == "user":
        return Message.user(content if isinstance(content, str) else [_chat_part(part) for part in content or ()])
    if role != "assistant":
        raise CannotSay(f"the role {role}")
    more = sorted(name for name, value in raw.items() if value and name not in ("role", "content", "tool_calls", "annotations"))  # fmt: skip
    if more:
        raise CannotSay(f"an assistant's {', '.join(more)}")
    calls = [_chat_call(call) for call in raw.get("tool_calls") or ()]
    return Message.assistant(_text(content), tool_calls=calls)


def _chat_call(call: JSON) -> ToolCall:
    if "function" not in call:
        raise CannotSay(f"a call of type {call.get('type')}")
    return ToolCall.parse(call["id"], call["function"]["name"], call["function"].get("arguments"))


def _chat_part(part: Any) -> ContentBlock:
    if isinstance(part, str):
        return TextContent(part)
    kind = part.get("type")
    if part.get("cache_control"):
        raise CannotSay("a cached part, on Chat Completions")
    if kind == "text":
        return TextContent(part["text"])
    if kind == "image_url":
        image = part["image_url"] if isinstance(part["image_url"], dict) else {"url": part["image_url"]}
        return _media(ImageContent, url=image["url"], detail=image.get("detail"))
    if kind == "input_audio" and isinstance(part["input_audio"], dict):
        raise CannotSay("media that the record has cut out")
    if kind == "file" and part["file"].get("file_id"):
        return DocumentContent(file_id=part["file"]["file_id"])
    if kind == "file":
        raise CannotSay("media that the record has cut out")
    raise CannotSay(f"a part of type {kind}")


def _chat_tool(tool: JSON) -> ToolDefinition:
    if tool.get("type", "function") != "function" or "function" not in tool:
        raise CannotSay(f"a tool of type {tool.get('type')}")
    if tool.keys() - {"type", "function"}:
        raise CannotSay(f"a tool's {', '.join(sorted(tool.keys() - {'type', 'function'}))}")
    return _definition(tool["function"], "parameters")


def _definition(function: JSON, schema: str) -> ToolDefinition:
    more = set(function) - {"name", "description", "strict", "type", schema}
    if any(function[name] for name in more):
        raise CannotSay(f"a tool's {', '.join(sorted(more))}")
    parameters = function.get(schema) or {"type": "object", "properties": {}}
    return ToolDefinition(function["name"], function.get("description") or "", parameters, function.get("strict"))


def _schema(raw: JSON) -> OutputSchema:
    more = set(raw) - {"name", "schema", "strict", "type"}
    if any(raw[name] for name in more):
        raise CannotSay(f"an output schema's {', '.join(sorted(more))}")
    return OutputSchema(raw["schema"], raw.get("name", "answer"), bool(raw.get("strict")))


def _choice(body: JSON, tools: tuple[ToolDefinition, ...], name_of: Callable[[JSON], str]) -> JSON:
    choice = body.pop("tool_choice", None)
    if choice is None or not tools:
        return {}
    if isinstance(choice, dict):
        try:
            return {"tool_choice": name_of(choice)}
        except KeyError:
            raise CannotSay(f"a tool_choice of type {choice.get('type')}") from None
    return {"tool_choice": {"any": "required"}.get(choice, choice)}


def _canonical_chat(body: JSON) -> JSON:
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
    joined = "\n\n".join(filter(None, (_text(message["content"]) for message in system)))
    body["messages"] = [{"role": system[0]["role"], "content": joined}, *rest] if joined else rest
    for message in body["messages"]:
        message.pop("annotations", None)
        if not message.get("prefix"):
            message.pop("prefix", None)
        if message["role"] == "tool":
            message.pop("name", None)
            message["content"] = _text(message.get("content"))
        elif message["role"] == "assistant":
            message["content"] = _text(message.get("content"))
        elif isinstance(message.get("content"), list):
            for part in message["content"]:
                if part.get("type") == "image_url" and isinstance(part["image_url"], str):
                    part["image_url"] = {"url": part["image_url"]}
        for call in message.get("tool_calls") or ():
            call["type"] = "function"
            call.pop("index", None)
            call["function"]["arguments"] = _arguments(call["function"].get("arguments"))
    for tool in body.get("tools") or ():
        tool["type"] = "function"
        _bare_tool(tool["function"], "parameters")
    body["stop"] = [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop")
    if body.get("tool_choice") == "any":
        body["tool_choice"] = "required"
    if isinstance(body.get("tool_choice"), dict):
        body["tool_choice"]["type"] = "function"
    format = (body.get("response_format") or {}).get("json_schema") or {}
    _bare_schema(format)
    return body


def _bare_schema(format: JSON) -> None:
    if not format.get("strict"):
        format.pop("strict", None)


def _arguments(raw: Any) -> Any:
    try:
        return (json.loads(raw) if isinstance(raw, str) else raw) or {}
    except ValueError:
        return raw


def _bare_tool(function: JSON, schema: str) -> None:
    function.pop("type", None)
    if not function.get("strict"):
        function.pop("strict", None)
    function[schema] = function.get(schema) or {"type": "object", "properties": {}}


# --- Messages -------------------------------------------------------------------------------------------------------


def _anthropic(body: JSON) -> Parsed:
    messages = [_anthropic_system(body.pop("system"))] if body.get("system") else []
    for raw in body.pop("messages"):
        if not isinstance(raw, dict):
            raise CannotSay("a message that is none")
        messages += _anthropic_message(raw)
    fields = _common(body, {"max_tokens": "max_tokens", "stop_sequences": "stop"})
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
    tools = tuple(_anthropic_tool(tool) for tool in body.pop("tools", None) or ())
    choice = body.pop("tool_choice", None)
    if choice and tools:
        fields["tool_choice"] = {"any": "required", "tool": choice.get("name")}.get(choice["type"], choice["type"])
        if choice.get("disable_parallel_tool_use"):
            fields["parallel_tool_calls"] = False
    return Parsed(_built(messages, body, tools=tools, **fields), MessagesWire(), ModelProfile(model, **facts), stream)


def _anthropic_system(system: Any) -> Message:
    if _cached(system):
        return Message("system", tuple(_anthropic_part(part) for part in system))  # type: ignore[arg-type]
    if isinstance(system, list) and len(system) > 1:
        raise CannotSay("a system text in several parts")
    return Message.system(_text(system))


def _anthropic_message(raw: JSON) -> Iterator[Message]:
    content = raw["content"]
    if raw["role"] == "system":
        raise CannotSay("a system message in the middle")
    if raw["role"] == "assistant":
        yield _anthropic_assistant(content)
        return
    if isinstance(content, str):
        yield Message.user(content)
        return
    rest = []
    for part in content:
        if part["type"] == "tool_result":
            if rest:
                raise CannotSay("tool results after other parts")
            yield _anthropic_result(part)
        else:
            rest.append(_anthropic_part(part))
    if rest:
        yield Message.user(rest)


def _anthropic_assistant(content: Any) -> Message:
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


def _anthropic_result(part: JSON) -> Message:
    if part.get("cache_control"):
        raise CannotSay("a cached tool result")
    content = part.get("content") or ""
    blocks = content if isinstance(content, str) else [_anthropic_part(inner) for inner in content]
    return Message.tool(blocks, tool_call_id=part["tool_use_id"], is_error=bool(part.get("is_error")))


def _anthropic_part(part: JSON) -> ContentBlock:
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
            return _media(kind, cache=cache, **where, **({"name": part["title"]} if part.get("title") else {}))
        raise CannotSay("media that the record has cut out")
    raise CannotSay(f"a part of type {part['type']}, or more about it")


def _anthropic_tool(tool: JSON) -> ToolDefinition:
    if tool.get("type", "custom") != "custom":
        raise CannotSay(f"a tool of type {tool['type']}")
    return _definition(tool, "input_schema")


def _canonical_anthropic(body: JSON) -> JSON:
    if not body.get("stream"):
        body.pop("stream", None)
    if not _cached(body.get("system")):
        body["system"] = _text(body.get("system"))
    for tool in body.get("tools") or ():
        _bare_tool(tool, "input_schema")
    if not body.get("tools"):
        body.pop("tool_choice", None)
    merged: list[JSON] = []
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for part in parts:
            if part["type"] == "tool_result":
                part["content"] = _bare(part.get("content"))
                if not part.get("is_error"):
                    part.pop("is_error", None)
        parts = [part for part in parts if part.get("text") != ""]
        if merged and merged[-1]["role"] == message["role"] == "user":
            merged[-1]["content"] += parts
        elif parts:
            merged.append({"role": message["role"], "content": parts})
    body["messages"] = merged
    return body


# --- Responses ------------------------------------------------------------------------------------------------------


def _responses(body: JSON) -> Parsed:
    raw = body.pop("input")
    messages = [Message.system(body.pop("instructions"))] if body.get("instructions") else []
    body.pop("instructions", None)
    messages += [Message.user(raw)] if isinstance(raw, str) else [*_responses_messages(raw)]
    _leading(messages)
    fields = _common(body, {"max_output_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "parallel_tool_calls": "parallel_tool_calls", "metadata": "metadata", "service_tier": "service_tier"})  # fmt: skip
    model, stream = body.pop("model"), bool(body.pop("stream", False))
    reasoning = body.get("reasoning") or {}
    if reasoning and reasoning.keys() <= {"effort", "summary"} and reasoning.get("summary") in (None, "auto"):
        body.pop("reasoning")
        fields |= {"effort": reasoning.get("effort"), "thinking": True if reasoning.get("summary") else None}
    format = (body.get("text") or {}).get("format") or {}
    if format.get("type") == "json_schema" and body["text"].keys() == {"format"}:
        body.pop("text")
        fields["output_schema"] = _schema(format)
    tools = tuple(_responses_tool(tool) for tool in body.pop("tools", None) or ())
    fields |= _choice(body, tools, lambda choice: choice["name"])
    if not tools:
        fields.pop("parallel_tool_calls", None)
    return Parsed(_built(messages, body, tools=tools, **fields), ResponsesWire(), ModelProfile(model), stream)


def _responses_messages(items: list[JSON]) -> Iterator[Message]:
    said: list[JSON] = []
    for item in items:
        kind, role = item.get("type", "message"), item.get("role")
        ours = (kind == "message" and role == "assistant") or kind.endswith("_call") or kind == "reasoning"
        if ours:
            said.append(item)
            continue
        if said:
            yield _responses_assistant(said)
            said = []
        if kind == "message" and role in ("system", "developer"):
            yield Message.system(_text(item["content"]))
        elif kind == "message" and role == "user":
            content = item["content"]
            yield Message.user(content if isinstance(content, str) else [_responses_part(part) for part in content])
        elif kind == "function_call_output":
            output = item["output"]
            blocks = output if isinstance(output, str) else [_responses_part(part) for part in output]
            yield Message.tool(blocks, tool_call_id=item["call_id"])
        else:
            raise CannotSay(f"an item of type {kind}")
    if said:
        yield _responses_assistant(said)


def _responses_assistant(items: list[JSON]) -> Message:
    text = "".join(_text(item.get("content")) for item in items if item.get("role") == "assistant")
    calls = [ToolCall.parse(item["call_id"], item["name"], item["arguments"]) for item in items if item.get("type") == "function_call"]  # fmt: skip
    if {item.get("type", "message") for item in items} <= {"message", "function_call"} and len(items) - len(calls) < 2:
        return Message.assistant(text, tool_calls=calls)
    return Message("assistant", text, tuple(calls), provider_state=ProviderState("openai", "responses", tuple(items), (text, tuple(calls))))  # type: ignore[arg-type]  # fmt: skip


def _responses_part(part: JSON) -> ContentBlock:
    kind = part["type"]
    if kind in ("input_text", "text"):
        return TextContent(part["text"])
    if kind == "input_image":
        detail = None if part.get("detail") == "auto" else part.get("detail")
        return _media(ImageContent, url=part.get("image_url"), file_id=part.get("file_id"), detail=detail)
    if kind == "input_file" and part.get("file_id"):
        return DocumentContent(file_id=part["file_id"])
    if kind == "input_file" and part.get("file_url"):
        return DocumentContent(url=part["file_url"])
    if kind == "input_file":
        raise CannotSay("media that the record has cut out")
    raise CannotSay(f"a part of type {kind}")


def _responses_tool(tool: JSON) -> ToolDefinition:
    if tool["type"] != "function":
        raise CannotSay(f"a tool of type {tool['type']}")
    return _definition(tool, "parameters")


def _canonical_responses(body: JSON) -> JSON:
    if not body.get("stream"):
        body.pop("stream", None)
    raw = body["input"]
    items = [{"role": "user", "content": raw}] if isinstance(raw, str) else raw
    system = [item for item in items if item.get("role") in ("system", "developer")]
    texts = [body.get("instructions"), *(_text(item["content"]) for item in system)]
    body["instructions"] = "\n\n".join(filter(None, texts))
    body["input"] = [item for item in items if item not in system and item.get("content", True) not in ("", [])]
    for item in body["input"]:
        if item.get("type") == "message":
            item.pop("type")
        for name in ("status", "id"):
            if item.get("type") != "reasoning":
                item.pop(name, None)
        if item.get("role") == "assistant":
            item["content"] = _text(item["content"])
        if item.get("type") == "function_call":
            item["arguments"] = _arguments(item["arguments"])
        for part in item["content"] if isinstance(item.get("content"), list) else ():
            if part.get("type") == "text":
                part["type"] = "input_text"
            if part.get("detail") == "auto":
                part.pop("detail")
    for tool in body.get("tools") or ():
        if tool.get("type") == "function":
            _bare_tool(tool, "parameters")
    if not body.get("tools"):
        body.pop("tool_choice", None)
        body.pop("parallel_tool_calls", None)
    _bare_schema((body.get("text") or {}).get("format") or {})
    return body


_READERS: dict[str, Callable[[JSON], Parsed]] = {
    "openai_chat": _chat,
    "anthropic_messages": _anthropic,
    "openai_responses": _responses,
}
_CANONICAL: dict[str, Callable[[JSON], JSON]] = {
    "openai_chat": _canonical_chat,
    "anthropic_messages": _canonical_anthropic,
    "openai_responses": _canonical_responses,
}
