"""Recorded requests of the Responses API."""

from __future__ import annotations

from collections.abc import Iterator

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import ContentBlock, DocumentContent, ImageContent, TextContent
from lazybridge.core.native_tools import OPTIONS, NativeTool
from lazybridge.core.types import Message, ProviderState, ToolCall, ToolDefinition
from lazybridge.core.wire.responses import ResponsesWire
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
    media,
    output_schema,
    settings,
    text_of,
)


def read(body: JSON) -> Parsed:
    raw = body.pop("input")
    messages = [Message.system(body.pop("instructions"))] if body.get("instructions") else []
    body.pop("instructions", None)
    messages += [Message.user(raw)] if isinstance(raw, str) else [*_messages(raw)]
    check_system_first(messages)
    fields = settings(body, {"max_output_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "parallel_tool_calls": "parallel_tool_calls", "metadata": "metadata", "service_tier": "service_tier"})  # fmt: skip
    model, stream = body.pop("model"), bool(body.pop("stream", False))
    reasoning = body.get("reasoning") or {}
    if reasoning and reasoning.keys() <= {"effort", "summary"} and reasoning.get("summary") in (None, "auto"):
        body.pop("reasoning")
        fields |= {"effort": reasoning.get("effort"), "thinking": True if reasoning.get("summary") else None}
    format = (body.get("text") or {}).get("format") or {}
    if format.get("type") == "json_schema" and body["text"].keys() == {"format"}:
        body.pop("text")
        fields["output_schema"] = output_schema(format)
    raw_tools = body.pop("tools", None) or ()
    native = [_native(tool) for tool in raw_tools if tool["type"] in _NATIVE]
    tools = tuple(_tool(tool) for tool in raw_tools if tool["type"] not in _NATIVE)
    facts = {kind.value: rule for kind, rule, _ in native if rule}
    fields["native_tools"] = tuple(kind(**options) if options else kind for kind, _, options in native)
    fields |= choice(body, tuple(raw_tools), lambda choice: choice["name"])
    if not raw_tools:
        fields.pop("parallel_tool_calls", None)
    return Parsed(
        built(messages, body, tools=tools, **fields), ResponsesWire(), ModelProfile(model, native_tools=facts), stream
    )


def _messages(items: list[JSON]) -> Iterator[Message]:
    said: list[JSON] = []
    for item in items:
        kind, role = item.get("type", "message"), item.get("role")
        ours = (kind == "message" and role == "assistant") or kind.endswith("_call") or kind == "reasoning"
        if ours:
            said.append(item)
            continue
        if said:
            yield _assistant(said)
            said = []
        if kind == "message" and role in ("system", "developer"):
            yield Message.system(text_of(item["content"]))
        elif kind == "message" and role == "user":
            content = item["content"]
            yield Message.user(content if isinstance(content, str) else [_part(part) for part in content])
        elif kind == "function_call_output":
            output = item["output"]
            blocks = output if isinstance(output, str) else [_part(part) for part in output]
            yield Message.tool(blocks, tool_call_id=item["call_id"])
        else:
            raise CannotSay(f"an item of type {kind}")
    if said:
        yield _assistant(said)


def _assistant(items: list[JSON]) -> Message:
    text = "".join(text_of(item.get("content")) for item in items if item.get("role") == "assistant")
    calls = [ToolCall.parse(item["call_id"], item["name"], item["arguments"]) for item in items if item.get("type") == "function_call"]  # fmt: skip
    if {item.get("type", "message") for item in items} <= {"message", "function_call"} and len(items) - len(calls) < 2:
        return Message.assistant(text, tool_calls=calls)
    return Message("assistant", text, tuple(calls), provider_state=ProviderState("openai", "responses", tuple(items), (text, tuple(calls))))  # type: ignore[arg-type]  # fmt: skip


def _part(part: JSON) -> ContentBlock:
    kind = part["type"]
    if kind in ("input_text", "text"):
        return TextContent(part["text"])
    if kind == "input_image":
        detail = None if part.get("detail") == "auto" else part.get("detail")
        return media(ImageContent, url=part.get("image_url"), file_id=part.get("file_id"), detail=detail)
    if kind == "input_file" and part.get("file_id"):
        return DocumentContent(file_id=part["file_id"])
    if kind == "input_file" and part.get("file_url"):
        return DocumentContent(url=part["file_url"])
    if kind == "input_file":
        raise CannotSay("media that the record has cut out")
    raise CannotSay(f"a part of type {kind}")


def _tool(tool: JSON) -> ToolDefinition:
    if tool["type"] != "function":
        raise CannotSay(f"a tool of type {tool['type']}")
    return definition(tool, "parameters")


# What we ask for beside a tool, and a record mostly does not.
_OURS = frozenset({"code_interpreter_call.outputs", "file_search_call.results"})
_NATIVE = {
    "web_search": NativeTool.WEB_SEARCH,
    "web_search_preview": NativeTool.WEB_SEARCH,
    "code_interpreter": NativeTool.CODE_EXECUTION,
    "file_search": NativeTool.FILE_SEARCH,
    "image_generation": NativeTool.IMAGE_GENERATION,
}


def _native(raw: JSON) -> tuple[NativeTool, JSON, JSON]:
    """Which tool it is, what of it our options have no word for, and what its user asked."""
    tool, options = {name: value for name, value in raw.items() if value is not None}, JSON()
    kind = _NATIVE[tool["type"]]
    for theirs, ours in (("vector_store_ids", "vector_store_ids"), ("max_num_results", "max_results"), *((name, name) for name in OPTIONS[kind] if name != "max_results")):  # fmt: skip
        if theirs in tool and ours in OPTIONS[kind] and theirs != "container":
            options[ours] = tool.pop(theirs)
    if "user_location" in options:
        options["user_location"] = {name: value for name, value in options["user_location"].items() if name != "type"}
    if isinstance(tool.get("container"), dict):
        options |= {name: value for name, value in tool.pop("container").items() if name != "type"}
    return kind, tool, options


def canonical(body: JSON) -> JSON:
    if not body.get("stream"):
        body.pop("stream", None)
    raw = body["input"]
    items = [{"role": "user", "content": raw}] if isinstance(raw, str) else raw
    system = [item for item in items if item.get("role") in ("system", "developer")]
    texts = [body.get("instructions"), *(text_of(item["content"]) for item in system)]
    body["instructions"] = "\n\n".join(filter(None, texts))
    body["input"] = [item for item in items if item not in system and item.get("content", True) not in ("", [])]
    for item in body["input"]:
        if item.get("type") == "message":
            item.pop("type")
        for name in ("status", "id"):
            if item.get("type") != "reasoning":
                item.pop(name, None)
        if item.get("role") == "assistant":
            item["content"] = text_of(item["content"])
        if item.get("type") == "function_call":
            item["arguments"] = arguments(item["arguments"])
        for part in item["content"] if isinstance(item.get("content"), list) else ():
            if part.get("type") == "text":
                part["type"] = "input_text"
            if part.get("detail") == "auto":
                part.pop("detail")
    for tool in body.get("tools") or ():
        if tool.get("type") == "function":
            bare_tool(tool, "parameters")
        else:
            for name in [name for name, value in tool.items() if value is None]:
                del tool[name]
    if any(tool.get("type") in _NATIVE for tool in body.get("tools") or ()):
        body["tools"].sort(key=lambda tool: tool.get("type") in _NATIVE)  # ours come after functions
    asked = {name for name in body.get("include") or () if name not in _OURS}
    body["include"] = sorted(asked)
    if not body.get("tools"):
        body.pop("tool_choice", None)
        body.pop("parallel_tool_calls", None)
    bare_schema((body.get("text") or {}).get("format") or {})
    return body
