"""Tools and output schemas as one JSON schema that llama.cpp's grammar holds the model to.

Small models do not follow a chat template's tool syntax, and most templates have none. So the tools are told in the
system text, the model may only write `{"tool": …, "arguments": …}` or `{"answer": …}`, and that text is read back.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lazybridge.core import structured
from lazybridge.core.content import TextContent
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, Role, ToolCall, ToolDefinition

_BEGUN_CALL = re.compile(r'\s*\{\s*"tool"\s*:\s*("(?:[^"\\]|\\.)*")(?:\s*,\s*"arguments"\s*:\s*(.*))?', re.DOTALL)


@dataclass(frozen=True)
class Plan:
    """How to put the request `asked`: `request` is in plain text, without tools and schema; `schema` is what the answer
    is held to, None for free text; `hidden` says that the text is not the answer itself, but a tool call or wraps it."""

    asked: CompletionRequest
    request: CompletionRequest
    schema: dict[str, Any] | None
    hidden: bool

    def read(self, response: CompletionResponse) -> None:
        """Turn the text into a tool call, or into the answer alone."""
        text = response.content
        if self.hidden:
            response.content = ""
            try:
                whole = json.loads(text)
            except ValueError:
                whole = None
            if whole is None and (begun := _BEGUN_CALL.match(text)):
                response.tool_calls = [ToolCall.parse(_id(), json.loads(begun[1]), begun[2] or "{")]
                return
            if whole is not None and "tool" in whole:
                response.tool_calls = [ToolCall.parse(_id(), whole["tool"], whole["arguments"])]
                response.stop_reason = "tool_use"
                return
            response.content = _answer(text, whole)


def plan(request: CompletionRequest, builtin: bool) -> Plan:
    """What to send for a request.

    The built-in model needs guidance where the request gives none: without a system text it takes up a persona of its
    own, at the engine's temperature of 0.8 it rambles, without a limit it may repeat itself until the context is full;
    and with tool_choice "auto" it would call tools for ever, so it answers once it has a tool's result.
    """
    tools = _offered(request)
    answering = builtin and request.tool_choice in (None, "auto") and request.messages[-1].role is Role.TOOL
    if answering:
        tools = ()
    system = [request.system, _described(tools)]
    if builtin and request.system_text is None:
        system.insert(0, "You are a helpful assistant.")
    plain = replace(
        request,
        system="\n\n".join(filter(None, system)) or None,
        messages=tuple(_plain(request.messages, "\nNow answer the question." if answering else "")),
        tools=(),
        tool_choice=None,
        parallel_tool_calls=None,
        output_schema=None,
    )
    if builtin and request.temperature is None and request.top_p is None:
        plain = replace(plain, temperature=0.0)
    if builtin and request.max_tokens is None:
        plain = replace(plain, max_tokens=1024)
    return Plan(request, plain, _schema(request, tools), bool(tools))


def _offered(request: CompletionRequest) -> tuple[ToolDefinition, ...]:
    """The tools that the answer may call: all, the named one, or none."""
    if request.tool_choice in (None, "auto", "required"):
        return request.tools
    if request.tool_choice == "none":
        return ()
    return tuple(tool for tool in request.tools if tool.name == request.tool_choice)


def _schema(request: CompletionRequest, tools: tuple[ToolDefinition, ...]) -> dict[str, Any] | None:
    answer = None if request.output_schema is None else structured.closed(request.output_schema.schema)
    if not tools:
        return answer
    branches: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for index, tool in enumerate(tools):
        arguments = _relocated(structured.closed(tool.parameters), f"tool{index}", definitions)
        branches.append(_object(tool={"const": tool.name}, arguments=arguments))
    if request.tool_choice in (None, "auto"):
        wanted = {"type": "string"} if answer is None else _relocated(answer, "answer", definitions)
        branches.append(_object(answer=wanted))
    root: dict[str, Any] = branches[0] if len(branches) == 1 else {"anyOf": branches}
    return {**root, "$defs": definitions} if definitions else root


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _relocated(schema: Mapping[str, Any], prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema to be put inside another one: its `$defs` move to that one's root, under names of their own."""

    def moved(node: Any) -> Any:
        if isinstance(node, list):
            return [moved(item) for item in node]
        if not isinstance(node, Mapping):
            return node
        result = {name: moved(value) for name, value in node.items()}
        if isinstance(node.get("$ref"), str):
            result["$ref"] = re.sub(r"^#/(?:\$defs|definitions)/", f"#/$defs/{prefix}.", node["$ref"])
        return result

    body: dict[str, Any] = moved(schema)
    for key in ("$defs", "definitions"):
        definitions.update({f"{prefix}.{name}": value for name, value in body.pop(key, {}).items()})
    return body


def _described(tools: tuple[ToolDefinition, ...]) -> str:
    if not tools:
        return ""
    lines = [f"- {tool.name}: {tool.description} Arguments: {json.dumps(dict(tool.parameters))}" for tool in tools]
    return "\n".join(["You can call these tools:", *lines])


def _plain(messages: tuple[Message, ...], after_results: str) -> list[Message]:
    """Tool calls and their results as ordinary turns, the calls as the model has to write them."""
    result: list[Message] = []
    calls: dict[str, str] = {}
    for message in messages:
        if message.role is Role.TOOL:
            name = message.name or calls.get(message.tool_call_id or "") or "the tool"
            said = f"{'Error' if message.is_error else 'Result'} of {name}: "
            then = after_results if message is messages[-1] else ""
            result.append(_joined(Message.user([said, *message.blocks, then])))
        elif message.tool_calls:
            calls |= {call.id: call.name for call in message.tool_calls}
            written = [
                json.dumps({"tool": call.name, "arguments": dict(call.arguments)}) for call in message.tool_calls
            ]
            result.append(Message(Role.ASSISTANT, "\n".join(filter(None, [message.text, *written]))))
        else:
            result.append(_joined(message))
    return result


def _joined(message: Message) -> Message:
    """Text blocks as one text: llama.cpp would put a line break between them."""
    if all(isinstance(block, TextContent) for block in message.blocks):
        return replace(message, content=message.text)
    return message


def _answer(text: str, whole: Any) -> str:
    """The answer out of `{"answer": …}`, as far as it got."""
    if whole is None:
        begun = re.sub(r'^\s*\{\s*"answer"\s*:\s*', "", text)
        try:
            whole = {"answer": json.loads(begun + '"')}
        except ValueError:
            return begun
    answer = whole["answer"]
    return answer if isinstance(answer, str) else json.dumps(answer)


def _id() -> str:
    return f"call_{secrets.token_hex(12)}"
