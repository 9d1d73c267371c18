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

_TEXT_KEYS = frozenset({"text", "content", "output", "instructions", "system", "input", "prompt"})
_IMAGES = frozenset({"image", "image_url", "input_image", "computer_screenshot"})
_MEDIA = frozenset(
    {"document", "file", "input_file", "input_audio", "audio", "input_video", "video", "container_upload"}
)
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
_CALLERS_TOOLS = frozenset({"function", "custom"})
_NOT_READ = frozenset(
    {"model", "metadata", "stream", "stream_options", "stop", "stop_sequences", "service_tier", "store"}
)
_SAID = frozenset({"name", "arguments", "input", "function"})
_TOOLS = ("tools", "functions")
_SCHEMAS = ("response_format", "text", "output_config", "output_format")
# Fields and items of openai 3.54.0 and anthropic's `message_create_params.py` whose content, or whose cost, is not in the body.
_ELSEWHERE = {
    "previous_response_id": "an earlier answer that the vendor has stored",
    "conversation": "a conversation that the vendor has stored",
    "prompt": "a prompt that the vendor has stored",
    "thread": "a conversation that the vendor has stored",
    "container": "a container with skills that the vendor has stored",
}
_BILLED_APART = {
    "mcp_servers": "tools of an MCP server",
    "web_search_options": "web searches",
    "fallbacks": "other models that the vendor asks",
    "prediction": "a predicted output, of which the rejected part is billed too",
    "compaction": "a summary by the vendor",
}


def count(body: Mapping[str, Any], vendor: str, model: str) -> Count:
    """The input tokens of a JSON body of Chat Completions, Responses or Messages, with what the vendor adds to it."""
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
    added += [(rules.tools, _has(body, _TOOLS)), (rules.schema, _has(body, _SCHEMAS))]
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
    return _mapping(body.get("thinking")).get("type") in ("enabled", "adaptive")


def _mapping(value: Any) -> Mapping[str, Any]:
    """A part of a body that should be an object; an empty one where it is not."""
    return value if isinstance(value, Mapping) else {}


def _json(value: Any) -> str:
    return json.dumps(value, default=str, skipkeys=True)


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
            if _is_elsewhere(name, value):
                self.media.append(_ELSEWHERE[name])
            elif name in ("messages", "input") and isinstance(value, list):
                for message in value:
                    self.messages += 1
                    self._walk(message, "content")
            elif name in _TEXT_KEYS and name != "text":
                self.messages += 1
                self._walk(value, "content")
            elif name in _TOOLS or name in _SCHEMAS:
                self.definitions.append(_json(value))
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
        if kind in _IMAGES:
            self.images += 1
            return
        if kind in _MEDIA or kind.endswith("_tool_result"):
            source = _mapping(value.get("source"))
            if source.get("type") != "text":
                self.media.append(_named(kind, value))
                return
            self.texts.append(str(source.get("data")))
            value = {name: item for name, item in value.items() if name != "source"}
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
    name = value.get("title") or _mapping(value.get("file")).get("filename") or value.get("filename")
    return f"a {kind.removeprefix('input_')} of unknown length{f' ({name})' if name else ''}"


def _is_elsewhere(name: str, value: Any) -> bool:
    """Whether a field of the body names what the vendor has stored."""
    if name not in _ELSEWHERE or not value:
        return False
    if name == "prompt":  # as a text it is the prompt itself
        return not isinstance(value, str)
    return name != "thread" or _mapping(value).get("type") != "create"


def _billed_apart(body: Mapping[str, Any]) -> Iterator[str]:
    tools = body.get("tools") or ()
    if not isinstance(tools, (list, tuple)):
        yield f"tools={tools!r}, which is no list"
        tools = ()
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        if kind is not None and str(kind) not in _CALLERS_TOOLS:
            yield f"the vendor's tool {kind}, whose use has no bound"
    for name, what in _BILLED_APART.items():
        if body.get(name):
            yield f"{what}, whose use has no bound"
    if "compact" in _json(body.get("context_management")):
        yield "a summary by the vendor, whose use has no bound"
    for name in ("reasoning", "thinking"):
        if body.get(name) and not isinstance(body[name], Mapping):
            yield f"{name}={body[name]!r}, which is no object"
    if (mode := _mapping(body.get("reasoning")).get("mode")) not in (None, "standard"):
        yield f"reasoning mode {mode!r}, which reads the input several times"
