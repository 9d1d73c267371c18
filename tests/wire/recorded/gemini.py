"""Recorded requests of generateContent."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, ContentBlock, DocumentContent, ImageContent, TextContent
from lazybridge.core.native_tools import AnyNativeTool
from lazybridge.core.types import Message, NativeTool, OutputSchema, ProviderState, ToolCall, ToolDefinition
from lazybridge.core.wire.gemini import NATIVE_TOOLS, GeminiWire
from tests.wire.recorded.reading import JSON, CannotSay, Parsed, arguments, built, media, settings

# Under these the caller, not the API, named the keys: they stay as they are.
_THEIRS = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "labels"}
_SCHEMAS = {"parameters": "parametersJsonSchema", "responseSchema": "responseJsonSchema"}


def read(body: JSON) -> Parsed:
    """The model stands in the URL of the request, so any name will do."""
    body = camel(body)
    body.pop("model", None)
    messages = [Message.system(_system(part)) for part in _system_parts(body.pop("systemInstruction", None))]
    messages += _Turns().read(body.pop("contents"))
    config = dict(body.pop("generationConfig", None) or {})
    fields = settings(config, {"temperature": "temperature", "topP": "top_p", "maxOutputTokens": "max_tokens", "stopSequences": "stop", "seed": "seed"})  # fmt: skip
    facts: JSON = {"sources": ("a record",)}
    thinking = config.get("thinkingConfig") or {}
    if thinking and (thinking.get("includeThoughts") or thinking.get("thinkingBudget") == 0):
        del config["thinkingConfig"]
        facts["thinking"] = "effort" if "thinkingLevel" in thinking else "budget" if "thinkingBudget" in thinking else None  # fmt: skip
        level = thinking.get("thinkingLevel")
        fields |= {"thinking": thinking.get("thinkingBudget", True) or False, "effort": level and level.lower()}
    if config.get("responseJsonSchema") is not None and config.get("responseMimeType") == "application/json":
        del config["responseMimeType"]
        fields["output_schema"] = OutputSchema(config.pop("responseJsonSchema"))
    raw = body.pop("tools", None) or ()
    tools = tuple(_function(one) for tool in raw for one in tool.get("functionDeclarations") or ())
    native = tuple(dict.fromkeys(word for tool in raw for word in _native(tool)))
    choice = dict(body.pop("toolConfig", None) or {})
    combined = bool(tools and native) and bool(choice.pop("includeServerSideToolInvocations", False))
    fields |= _choice(choice, tools)
    if fields.pop("strict", False) and not combined:
        tools = tuple(replace(tool, strict=True) for tool in tools)
    extra = body | {name: value for name, value in (("generationConfig", config), ("toolConfig", choice)) if value}
    request = built(messages, {name: value for name, value in extra.items() if value is not None}, tools=tools, native_tools=native, **fields)  # fmt: skip
    return Parsed(request, GeminiWire(), ModelProfile("model", **facts), False)


def camel(value: Any, name: str = "") -> Any:
    """The API takes its fields' names in camelCase and in snake_case; what the caller named is left alone."""
    if isinstance(value, list):
        return [camel(item, name) for item in value]
    if not isinstance(value, dict) or name in _THEIRS:
        return _json_schema(value) if name in _SCHEMAS.values() else value
    found = {}
    for key, item in value.items():
        key = re.sub(r"_(\w)", lambda match: match[1].upper(), key)
        found[_SCHEMAS.get(key, key)] = camel(item, _SCHEMAS.get(key, key))
    return found


def _json_schema(value: Any) -> Any:
    """Google's own schema says STRING where JSON schema says string."""
    if isinstance(value, list):
        return [_json_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: item.lower() if name == "type" and isinstance(item, str) else _json_schema(item)
        for name, item in value.items()
    }


def _system_parts(raw: JSON | None) -> list[JSON]:
    parts = (raw or {}).get("parts") or []
    return parts if isinstance(parts, list) else [parts]


def _system(part: JSON) -> str:
    if not isinstance(part.get("text"), str):
        raise CannotSay("an assistant's or system's message with other parts than text")
    return part["text"]


class _Turns:
    """Messages of contents. Calls without an id, as most of Gemini's are, get one, and so do their results."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []  # id and name of the calls without a result yet

    def read(self, contents: list[JSON]) -> Iterator[Message]:
        for number, content in enumerate(contents):
            parts = [{name: value for name, value in part.items() if value is not False} for part in content["parts"]]
            if content.get("role") == "model":
                yield self._said(parts, number)
            else:
                yield from self._heard(parts)

    def _said(self, parts: list[JSON], number: int) -> Message:
        text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
        calls = []
        for place, part in enumerate(part for part in parts if "functionCall" in part):
            call = part["functionCall"]
            calls.append(ToolCall(call.get("id") or f"call_{number}_{place}", call["name"], call.get("args") or {}))
        self.calls += [(call.id, call.name) for call in calls]
        words = [part for part in parts if part.keys() == {"text"}]
        plain = [part for part in parts if part.keys() == {"functionCall"} and part["functionCall"].get("id")]
        if parts == [*words[:1], *plain]:
            return Message.assistant(text, tool_calls=calls)
        state = ProviderState("google", "gemini", tuple(parts), (text, tuple(calls)))
        return Message("assistant", text, tuple(calls), provider_state=state)  # type: ignore[arg-type]

    def _heard(self, parts: list[JSON]) -> Iterator[Message]:
        rest: list[ContentBlock] = []
        for part in parts:
            if "functionResponse" not in part:
                rest.append(_part(part))
            elif rest:
                raise CannotSay("tool results after other parts")
            else:
                yield self._result(part["functionResponse"])
        if rest:
            yield Message.user(rest)

    def _result(self, result: JSON) -> Message:
        name, id = result["name"], result.get("id")
        open = [call for call in self.calls if (call[0] == id if id else call[1] == name)]
        if not open:
            raise CannotSay("the result of a call that nobody made")
        self.calls.remove(open[0])
        response = result["response"]
        if response.keys() == {"error"} and isinstance(response["error"], str):
            return Message.tool(response["error"], tool_call_id=open[0][0], name=name, is_error=True)
        said = response["output"] if response.keys() == {"output"} else response
        if not isinstance(said, (str, dict, list)):
            raise CannotSay("a result that is a number")
        text = said if isinstance(said, str) else json.dumps(said)
        media_of_it = [_part(part) for part in result.get("parts") or ()]
        return Message.tool([TextContent(text), *media_of_it] if media_of_it else text, tool_call_id=open[0][0], name=name)  # fmt: skip


def _part(part: JSON) -> ContentBlock:
    if part.keys() == {"text"}:
        return TextContent(part["text"])
    if part.keys() == {"inlineData"} and part["inlineData"].keys() == {"mimeType", "data"}:
        raw = part["inlineData"]
        return media(_kind(raw["mimeType"]), data=_bytes(raw["data"]), media_type=raw["mimeType"])
    if part.keys() == {"fileData"}:
        raw = part["fileData"]
        return media(_kind(raw.get("mimeType")), url=raw["fileUri"], media_type=raw.get("mimeType"))
    raise CannotSay(f"a part with {', '.join(sorted(part))}")


def _kind(media_type: str | None) -> type[ImageContent | AudioContent | DocumentContent]:
    """A video is written as a document of its type."""
    return {"image": ImageContent, "audio": AudioContent}.get((media_type or "").split("/")[0], DocumentContent)  # type: ignore[return-value]  # fmt: skip


def _bytes(data: str) -> bytes:
    """The label of what a record has cut out stands for the bytes."""
    return data.encode() if data.startswith("<base64 ") else base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_" if "-" in data or "_" in data else None)  # fmt: skip


def _function(raw: JSON) -> ToolDefinition:
    if raw.keys() - {"name", "description", "parametersJsonSchema"}:
        raise CannotSay(f"a tool's {', '.join(sorted(raw.keys() - {'name', 'description', 'parametersJsonSchema'}))}")
    parameters = raw.get("parametersJsonSchema") or {"type": "object", "properties": {}}
    return ToolDefinition(raw["name"], raw.get("description") or "", parameters)


def _native(tool: JSON) -> Iterator[AnyNativeTool]:
    for name, value in tool.items():
        if name == "fileSearch" and not value.keys() - {"fileSearchStoreNames", "topK"}:
            more = {"max_results": value["topK"]} if "topK" in value else {}
            yield NativeTool.FILE_SEARCH(vector_store_ids=value["fileSearchStoreNames"], **more)
        elif name != "functionDeclarations" and value is not None:
            found = next((word for word, ours in NATIVE_TOOLS.items() if ours == {name: value}), None)
            if found is None:
                raise CannotSay(f"a tool of type {name}")
            yield found


def _choice(config: JSON, tools: tuple[ToolDefinition, ...]) -> JSON:
    raw = config.get("functionCallingConfig") or {}
    mode, names = (raw.get("mode") or "").upper(), raw.get("allowedFunctionNames") or []
    if not tools or not mode:
        return {}
    del config["functionCallingConfig"]
    if mode == "VALIDATED":
        return {"strict": True}
    if len(names) > 1:
        raise CannotSay("a choice among several tools")
    return {"tool_choice": names[0] if names else {"ANY": "required"}.get(mode, mode.lower())}


def canonical(body: JSON) -> JSON:
    body = camel(body)
    body.pop("model", None)
    body["systemInstruction"] = "\n\n".join(part["text"] for part in _system_parts(body.get("systemInstruction")))
    turns: list[tuple[str, list[JSON]]] = []
    for content in body["contents"]:
        role = content.get("role") or "user"
        parts = [_canonical_part(part) for part in content["parts"]]
        parts = [part for part in parts if part not in ({}, {"text": ""})]
        if turns and turns[-1][0] == role == "user":
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
    body["contents"] = turns
    raw = body.pop("tools", None) or ()
    body["functions"] = [one for tool in raw for one in tool.get("functionDeclarations") or ()]
    for function in body["functions"]:
        function["parametersJsonSchema"] = function.get("parametersJsonSchema") or {"type": "object", "properties": {}}
    body["own"] = sorted(json.dumps({name: value}) for tool in raw for name, value in tool.items() if name != "functionDeclarations" and value is not None)  # fmt: skip
    mode = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode["mode"] = (mode.get("mode") or "").upper()
    if body["functions"] and body["own"] and mode["mode"] == "VALIDATED":
        del mode["mode"]
    thinking = (body.get("generationConfig") or {}).get("thinkingConfig") or {}
    if thinking.get("thinkingLevel"):
        thinking["thinkingLevel"] = thinking["thinkingLevel"].upper()
    if not thinking.get("includeThoughts"):
        thinking.pop("includeThoughts", None)
    return body


def _canonical_part(part: JSON) -> JSON:
    part = {name: value for name, value in part.items() if value is not False}
    if "functionResponse" in part:
        result = part["functionResponse"]
        response = result["response"]
        if not response.keys() & {"output", "error"}:
            response = {"output": response}
        result["response"] = {name: arguments(value) for name, value in response.items()}
        result["parts"] = [_canonical_part(inside) for inside in result.get("parts") or ()]
    if "inlineData" in part:
        data = _bytes(part["inlineData"]["data"])
        if part["inlineData"]["mimeType"].startswith("text/"):
            return {"text": data.decode()}
        part["inlineData"]["data"] = base64.b64encode(data).decode()
    return part
