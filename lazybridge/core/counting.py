"""How many tokens the input of a request is, from the very body that is sent. Nothing is asked, nothing is downloaded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from lazybridge.core.tokens import at_least, at_most, encoder, guess


class Range(NamedTuple):
    """A count of tokens: at least, probably, and at most (None where there is no bound)."""

    low: int
    expected: int
    high: int | None


class Count(NamedTuple):
    """The input of a request: its tokens, how they were counted, and what has no bound.

    `media` names what only the model's context window bounds; `unbounded` names what nothing bounds. Where either is
    there, `tokens.high` is None.
    """

    tokens: Range
    how: str
    media: tuple[str, ...] = ()
    unbounded: tuple[str, ...] = ()


class _Vendor(NamedTuple):
    """What a vendor makes of a body: `scale` is its tokens for one of o200k_base in text, `definitions` in JSON of tools and
    schemas; the pairs are tokens that it adds for tools, an output schema and an image, probably and at most."""

    scale: float
    definitions: float
    tools: tuple[int, int]
    schema: tuple[int, int]
    image: tuple[int, int] | None
    thinking: int = 0


# Fitted to recorded requests, as `docs/budgets.md` says; what is added for tools at most is generous: hidden prompts of 159 to
# 530 tokens are listed at https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview.
# Images: Claude 5.5 takes up to 4,784 (https://platform.claude.com/docs/en/build-with-claude/vision; measured 4,005 at
# 12 megapixels: https://huggingface.co/datasets/JOHNISKING/image-token-cost). gpt-6 takes 1.2 tokens for 1,024 pixels
# without a cap, and pictures above 60 megapixels are refused (https://docs.apiyi.com/en/faq/vision-image-too-large);
# gpt-4o-mini takes 2,833 + 5,667 for each of up to 8 tiles (https://platform.openai.com/docs/guides/images-vision).
# All read 2026-11-22.
_VENDORS = {
    "anthropic": _Vendor(1.2, 1.2, (430, 2_000), (150, 500), (1_500, 5_000), 25),
    "openai": _Vendor(1.0, 0.45, (5, 1_000), (5, 500), (1_100, 75_000)),
}
_ANY = _Vendor(1.1, 1.1, (300, 2_000), (100, 500), None)
# Tokens around the text of a request and of a message, probably and at most; citations of documents add a prompt.
_REQUEST, _MESSAGE, _CITATIONS = (3, 100), (4, 16), (600, 1_000)

_TEXT_KEYS = frozenset({"text", "content", "output", "instructions", "system", "input", "prompt", "systemInstruction"})
_IMAGES = frozenset({"image", "image_url", "input_image"})
_MEDIA = frozenset(
    {"document", "file", "input_file", "input_audio", "audio", "input_video", "video", "container_upload"}
)
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
_GOOGLES_SCHEMAS = ("responseJsonSchema", "responseSchema")
_GOOGLES_TOOLS = frozenset({"googleSearch", "googleMaps", "codeExecution", "urlContext", "fileSearch"})
_CALLERS_TOOLS = frozenset({None, "function", "custom"})
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
_TOOLS = ("tools", "functions")
_SCHEMAS = ("response_format", "text", "output_config", "output_format")
_ELSEWHERE = {
    "previous_response_id": "an earlier answer that the vendor has stored",
    "conversation": "a conversation that the vendor has stored",
    "prompt_template": "a prompt that the vendor has stored",
    "cachedContent": "a context that the vendor has cached",
}
_BILLED_APART = {"mcp_servers": "tools of an MCP server", "web_search_options": "web searches"}


def count(body: Mapping[str, Any], vendor: str, model: str) -> Count:
    """The input tokens of a JSON body of Chat Completions, Responses, Messages or generateContent, with what the vendor
    adds to it."""
    tally, rules, encode = _Tally(body), _VENDORS.get(vendor, _ANY), encoder(vendor, model)
    low = 0 if _may_drop(body) else sum(map(at_least, tally.texts))
    likely = rules.scale * sum(map(guess, tally.said)) + rules.definitions * sum(map(guess, tally.definitions))
    high = tally.skeleton + sum(map(at_most, (*tally.said, *tally.definitions)))
    added = [
        (_REQUEST, 1),
        (_MESSAGE, tally.messages),
        (_CITATIONS, tally.cited),
        (rules.image or (0, 0), tally.images),
    ]
    added += [
        (rules.tools, _has(body, _TOOLS)),
        (rules.schema, _has(body, _SCHEMAS) or _has(body.get("generationConfig") or {}, _GOOGLES_SCHEMAS)),
    ]
    likely += sum(probably * times for (probably, _), times in added) + rules.thinking * _thinks(body)
    high += sum(most * times for (_, most), times in added)
    if encode is None:
        high += sum(map(at_most, tally.texts))
        likely += rules.scale * sum(map(guess, tally.texts))
        how = "the tokens are no fewer than the words, no more than the bytes; the guess between is fitted to recorded requests"
    else:
        exact = sum(map(encode, tally.texts))
        low, high, likely = low and exact, high + exact, likely + exact
        how = "the text is counted by tiktoken, which is exact; what the vendor adds to messages and tools is an allowance"
    if tally.images and rules.image is None:
        tally.media.append("images, of a vendor whose rule for them is not known")
    bounded = not tally.media and not tally.unbounded
    tokens = Range(low, max(low, math.ceil(likely)), high if bounded else None)
    return Count(tokens, how, tuple(tally.media), tuple(tally.unbounded))


def _may_drop(body: Mapping[str, Any]) -> bool:
    """Whether the vendor may leave out a part of the conversation."""
    return "truncation" in body or "context_management" in body


def _has(body: Mapping[str, Any], names: Iterable[str]) -> bool:
    return any(body.get(name) for name in names)


def _thinks(body: Mapping[str, Any]) -> bool:
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")


class _Tally:
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
            if name in _ELSEWHERE and value:
                self.media.append(_ELSEWHERE[name])
            elif name in ("messages", "input", "contents") and isinstance(value, list):
                for message in value:
                    self.messages += 1
                    self._walk(message, "content")
            elif name in _TEXT_KEYS and name != "text":
                self.messages += 1
                self._walk(value, "content")
            elif name in _TOOLS or name in _SCHEMAS:
                self.definitions.append(json.dumps(value, default=str))
            elif name == "generationConfig":  # the rest of it are numbers and settings
                schemas = [value[key] for key in _GOOGLES_SCHEMAS if key in value]
                self.definitions += [json.dumps(schema, default=str) for schema in schemas]
            elif name not in _NOT_READ and isinstance(value, (str, list, tuple, Mapping)):  # no model reads a number
                self.skeleton += len(json.dumps(value, default=str))

    def _walk(self, value: Any, key: str) -> None:
        if isinstance(value, str):
            if key in _TEXT_KEYS:
                self.texts.append(value)
            elif key in _SAID:
                self.said.append(value)
            else:
                self.skeleton += at_most(value)
        elif isinstance(value, Mapping):
            self._mapping(value)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self._walk(item, key)
        else:
            self.skeleton += len(str(value))

    def _mapping(self, value: Mapping[str, Any]) -> None:
        kind = str(value.get("type"))
        for place in ("inlineData", "fileData"):  # Google names no type
            if isinstance(value.get(place), Mapping):
                family = str(value[place].get("mimeType")).partition("/")[0]
                kind = "image" if family == "image" else family if family in _MEDIA else "document"
        if kind in _IMAGES:
            self.images += 1
            return
        if kind in _MEDIA or kind.endswith("_tool_result"):
            source = value.get("source") or {}
            if source.get("type") != "text":
                self.media.append(_named(kind, value))
                return
            self.texts.append(str(source.get("data")))
            value = {name: item for name, item in value.items() if name != "source"}
        if value.get("thought"):
            kind = "thinking"
        if kind in _THOUGHTS:
            self.skeleton += at_most(json.dumps(value, default=str))
            if kind == "reasoning" and not value.get("encrypted_content"):
                self.media.append("reasoning that the vendor has stored")
            return
        self.cited = self.cited or bool(value.get("citations"))
        for name, item in value.items():
            self.skeleton += len(name) + 4
            if name in _SAID and not isinstance(item, str) and not isinstance(item, list):
                self.said.append(json.dumps(item, default=str))
            else:
                self._walk(item, name)


def _named(kind: str, value: Mapping[str, Any]) -> str:
    """A document as a reader would call it."""
    inner = value.get("file") if isinstance(value.get("file"), Mapping) else value
    name = value.get("title") or (inner or {}).get("filename")
    return f"a {kind.removeprefix('input_')} of unknown length{f' ({name})' if name else ''}"


def _billed_apart(body: Mapping[str, Any]) -> Iterator[str]:
    for tool in body.get("tools") or ():
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        if kind not in _CALLERS_TOOLS:
            yield f"the vendor's tool {kind}, whose use has no bound"
        elif isinstance(tool, Mapping):  # Google's are named by their key
            yield from (f"the vendor's tool {name}, whose use has no bound" for name in tool if name in _GOOGLES_TOOLS)
    for name, what in _BILLED_APART.items():
        if body.get(name):
            yield f"{what}, whose use has no bound"
    if (mode := (body.get("reasoning") or {}).get("mode")) not in (None, "standard"):
        yield f"reasoning mode {mode!r}, which reads the input several times"
