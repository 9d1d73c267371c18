"""What stands in the body of a request: texts, names, schemas, media, and what the vendor has or bills apart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lazybridge.core.tokens import at_most

_TEXT_KEYS = frozenset({"text", "content", "output", "instructions", "system", "input", "prompt", "systemInstruction"})
_IMAGES = frozenset({"image", "image_url", "input_image", "computer_screenshot", "image_generation_call"})
_MEDIA = frozenset(
    {"document", "file", "input_file", "input_audio", "audio", "input_video", "video", "container_upload"}
)
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
GOOGLES_SCHEMAS = ("responseJsonSchema", "responseSchema")
_GOOGLES_TOOLS = frozenset({"googleSearch", "googleMaps", "codeExecution", "urlContext", "fileSearch"})
_CALLERS_TOOLS = frozenset({"function", "custom"})
_NOT_READ = frozenset(
    {
        "model",
        "metadata",
        "stream",
        "stream_options",
        "stop",
        "stop_sequences",
        "service_tier",
        "store",
        "serviceTier",
        "labels",
    }
)
_SAID = frozenset({"name", "arguments", "input", "function", "args", "response"})
TOOLS = ("tools", "functions")
SCHEMAS = ("response_format", "text", "output_config", "output_format")
# Fields and items of openai 3.54.0 and anthropic's `message_create_params.py` whose content, or whose cost, is not in the body.
_ELSEWHERE = {
    "previous_response_id": "an earlier answer that the vendor has stored",
    "conversation": "a conversation that the vendor has stored",
    "prompt": "a prompt that the vendor has stored",
    "thread": "a conversation that the vendor has stored",
    "container": "a container with skills that the vendor has stored",
    "cachedContent": "a context that the vendor has cached",
}
_BILLED_APART = {
    "mcp_servers": "tools of an MCP server",
    "web_search_options": "web searches",
    "fallbacks": "other models that the vendor asks",
    # https://openrouter.ai/docs/guides/routing/model-fallbacks, https://openrouter.ai/docs/features/presets and
    # https://openrouter.ai/docs/features/web-search, read 2026-11-22.
    "models": "other models that the vendor may ask instead",
    "route": "other models that the vendor may ask instead",
    "preset": "a preset that the vendor has stored, of any model",
    "plugins": "plugins of the vendor",
    "prediction": "a predicted output, of which the rejected part is billed too",
    "compaction": "a summary by the vendor",
}


def mapping(value: Any) -> Mapping[str, Any]:
    """A part of a body that should be an object; an empty one where it is not."""
    return value if isinstance(value, Mapping) else {}


def _json(value: Any) -> str:
    return json.dumps(value, default=str, skipkeys=True)


class Tally:
    """What stands in a body: texts, JSON beside them, and media."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.texts: list[str] = []
        self.said: list[str] = []  # names and arguments of calls
        self.definitions: list[str] = []
        self.media: list[str] = []
        self.images = 0
        self.messages = 0
        self.skeleton = 0  # bytes of names, ids, signatures and settings: they count for the bound alone
        self.cited = False
        self.unbounded = list(_billed_apart(body))
        for name, value in body.items():
            if _is_elsewhere(name, value):
                self.media.append(_ELSEWHERE[name])
            elif name in ("messages", "input", "contents") and isinstance(value, list):
                for message in value:
                    self.messages += 1
                    self._walk(message, "content")
            elif name in _TEXT_KEYS and name != "text":
                self.messages += 1
                self._walk(value, "content")
            elif name in TOOLS or name in SCHEMAS:
                self.definitions.append(_json(value))
            elif name == "generationConfig":  # the rest of it are numbers and settings
                schemas = [mapping(value)[key] for key in GOOGLES_SCHEMAS if key in mapping(value)]
                self.definitions += map(_json, schemas)
            elif name not in _NOT_READ and isinstance(value, (str, list, tuple, Mapping)):  # no model reads a number
                self.skeleton += len(_json(value))

    def _walk(self, value: Any, key: str) -> None:
        if isinstance(value, str):
            if key in _TEXT_KEYS:
                self.texts.append(value)
            elif key in _SAID:
                self.said.append(value)
            else:
                self.skeleton += at_most(value)
        elif isinstance(value, Mapping):
            self._object(value)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self._walk(item, key)
        else:
            self.skeleton += len(str(value))

    def _object(self, value: Mapping[str, Any]) -> None:
        kind = str(value.get("type"))
        if kind == "item_reference" or {name for name, item in value.items() if item is not None} == {"id"}:
            self.media.append("an earlier item that the vendor has stored")
            return
        for place in ("inlineData", "fileData"):  # Google names no type
            if isinstance(value.get(place), Mapping):
                family = str(value[place].get("mimeType")).partition("/")[0]
                kind = "image" if family == "image" else family if family in _MEDIA else "document"
        if kind in _IMAGES:
            self.images += 1
            return
        if kind in _MEDIA or kind.endswith("_tool_result"):
            source = mapping(value.get("source"))
            if source.get("type") != "text":
                self.media.append(_named(kind, value))
                return
            self.texts.append(str(source.get("data")))
            value = {name: item for name, item in value.items() if name != "source"}
        if value.get("thought"):
            kind = "thinking"
        if kind in _THOUGHTS:
            self.skeleton += at_most(_json(value))
            if kind == "reasoning" and not value.get("encrypted_content"):
                self.media.append("reasoning that the vendor has stored")
            return
        self.cited = self.cited or bool(value.get("citations"))
        for name, item in value.items():
            self.skeleton += len(str(name)) + 4
            if name in _SAID and not isinstance(item, str) and not isinstance(item, list):
                self.said.append(_json(item))
            else:
                self._walk(item, name)


def _named(kind: str, value: Mapping[str, Any]) -> str:
    """A document as a reader would call it."""
    name = value.get("title") or mapping(value.get("file")).get("filename") or value.get("filename")
    return f"a {kind.removeprefix('input_')} of unknown length{f' ({name})' if name else ''}"


def _is_elsewhere(name: str, value: Any) -> bool:
    """Whether a field of the body names what the vendor has stored."""
    if name not in _ELSEWHERE or not value:
        return False
    if name == "prompt":  # as a text it is the prompt itself
        return not isinstance(value, str)
    return name != "thread" or mapping(value).get("type") != "create"


def _billed_apart(body: Mapping[str, Any]) -> Iterator[str]:
    tools = body.get("tools") or ()
    if not isinstance(tools, (list, tuple)):
        yield f"tools={tools!r}, which is no list"
        tools = ()
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        if kind is not None and str(kind) not in _CALLERS_TOOLS:
            yield f"the vendor's tool {kind}, whose use has no bound"
        elif isinstance(tool, Mapping):  # Google's are named by their key
            yield from (f"the vendor's tool {name}, whose use has no bound" for name in tool if name in _GOOGLES_TOOLS)
    for name, what in _BILLED_APART.items():
        if body.get(name):
            yield f"{what}, whose use has no bound"
    if "compact" in _json(body.get("context_management")):
        yield "a summary by the vendor, whose use has no bound"
    for name in ("reasoning", "thinking"):
        if body.get(name) and not isinstance(body[name], Mapping):
            yield f"{name}={body[name]!r}, which is no object"
    if (mode := mapping(body.get("reasoning")).get("mode")) not in (None, "standard"):
        yield f"reasoning mode {mode!r}, which reads the input several times"
