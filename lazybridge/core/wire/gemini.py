"""Google's generateContent: the Gemini API, and Vertex AI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from lazybridge.core import structured
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, ContentBlock, DocumentContent, ImageContent, TextContent, VideoContent
from lazybridge.core.types import (
    ASSISTANT,
    SYSTEM,
    TOOL,
    CompletionRequest,
    CompletionResponse,
    Message,
    NativeTool,
    ToolDefinition,
)
from lazybridge.core.wire import Adjuster, SDKCall, content_of, plain, state_for
from lazybridge.core.wire.gemini_answers import GeminiAccumulator, answer_of
from lazybridge.core.wire.history import from_a_user, repaired
from lazybridge.core.wire.native import above, written

# The fields of google-genai 3.4.0 `types.Tool`, read 2026-11-22.
NATIVE_TOOLS: dict[NativeTool, dict[str, Any]] = {
    NativeTool.WEB_SEARCH: {"googleSearch": {}},
    NativeTool.GOOGLE_SEARCH: {"googleSearch": {}},
    NativeTool.GOOGLE_MAPS: {"googleMaps": {}},
    NativeTool.CODE_EXECUTION: {"codeExecution": {}},
    NativeTool.FILE_SEARCH: {"fileSearch": {}},
    NativeTool.URL_CONTEXT: {"urlContext": {}},
}
_PLACES = {
    NativeTool.GOOGLE_MAPS: {name: f"^toolConfig.retrievalConfig.latLng.{name}" for name in ("latitude", "longitude")},
    NativeTool.FILE_SEARCH: {
        "vector_store_ids": "fileSearch.fileSearchStoreNames",
        "max_results": "fileSearch.topK",
    },
}
# google-genai 3.4.0 `models.py`: the Gemini API refuses `excludeDomains`, and Vertex AI file search.
_EXCLUDING = {"blocked_domains": "googleSearch.excludeDomains"}
_ON_VERTEX = {**_PLACES, NativeTool.WEB_SEARCH: _EXCLUDING, NativeTool.GOOGLE_SEARCH: _EXCLUDING}
_NOT_ON_VERTEX = frozenset({NativeTool.FILE_SEARCH})
# google-genai 3.4.0 `types.ThinkingLevel` and `types.ServiceTier`, read 2026-11-22.
_LEVELS = ("minimal", "low", "medium", "high", "xhigh")
_SERVICE_TIERS = ("flex", "standard", "priority")
# What a call that another model made, or that was edited, carries in place of the signature that Gemini 3 demands:
# https://ai.google.dev/gemini-api/docs/thought-signatures, read 2026-11-22.
_NO_SIGNATURE = "skip_thought_signature_validator"

_KINDS: dict[type[ContentBlock], str] = {
    ImageContent: "image",
    AudioContent: "audio",
    VideoContent: "video",
    DocumentContent: "document",
}


@dataclass(frozen=True)
class GeminiWire:
    """generateContent. `model` stands in the body here and in the URL of the request.

    `vertex` is for Vertex AI, which lacks a field or two. `searches_billed` says whether Google bills a model's searches by the query or by the prompt that needed any.
    """

    vendor: str = "google"
    path: str = "generateContent"
    vertex: bool = False
    searches_billed: Literal["query", "prompt"] | None = None

    def to_sdk_kwargs(self, request: CompletionRequest, model: ModelProfile, stream: bool) -> SDKCall:
        """The body of POST .../models/{model}:generateContent; a streamed one is the same."""
        adjust = Adjuster(model)
        body: dict[str, Any] = {"model": model.id, "contents": _Contents(self.vendor, adjust).of(request.messages)}
        system = [] if request.system_text is None else [{"text": request.system_text}]
        tools = _tools(request, adjust, self.vertex)
        config = _sampling_and_limits(request, adjust)
        config |= _thinking(request, model, adjust)
        if request.output_schema is not None:
            if tools and model.combines_tools is False:
                adjust.add("output_schema", f"{model.id} takes no schema beside tools; it went into the instructions")
                schema = plain(request.output_schema.schema)
                system.append({"text": f"Answer with JSON alone, by this JSON schema: {json.dumps(schema)}"})
            else:
                schema = adjust.compiled(request.output_schema, structured.GEMINI).schema
                config |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
        if system:
            body["systemInstruction"] = {"parts": system}
        if config:
            body["generationConfig"] = config
        body |= tools
        if "tools" in tools:
            above(request, _PLACES, body)
        if request.metadata is not None:
            body["labels"] = dict(request.metadata)
        if request.service_tier in _SERVICE_TIERS:
            body["serviceTier"] = request.service_tier
        elif request.service_tier is not None:
            adjust.add("service_tier", f"Gemini knows {', '.join(_SERVICE_TIERS)}, not {request.service_tier!r}")
        adjust.cache_lifetime(request, "Gemini caches by itself, or what extra_body's cachedContent names, and sells")
        for name, value in plain(request.extra_body or {}).items():
            ours = body.get(name)
            body[name] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, dict) else value
        return SDKCall(body, tuple(adjust.found))

    def from_sdk_response(self, raw: Mapping[str, Any]) -> CompletionResponse:
        """What a GenerateContentResponse says."""
        return answer_of(raw, self.vendor, self.searches_billed)

    def accumulator(self) -> GeminiAccumulator:
        """A fresh fold of the events of streamGenerateContent."""
        return GeminiAccumulator(self.vendor, self.searches_billed)


def _sampling_and_limits(request: CompletionRequest, adjust: Adjuster) -> dict[str, Any]:
    config: dict[str, Any] = {}
    given = adjust.sampling(request, None)
    for name, value in (
        ("temperature", given.get("temperature")),
        ("topP", given.get("top_p")),
        ("maxOutputTokens", request.max_tokens),
        ("stopSequences", list(request.stop) or None),
        ("seed", request.seed),
    ):
        if value is not None:
            config[name] = value
    if request.logprobs is not None:
        config |= {"responseLogprobs": True, **({"logprobs": request.logprobs} if request.logprobs else {})}
    return config


def _thinking(request: CompletionRequest, model: ModelProfile, adjust: Adjuster) -> dict[str, Any]:
    """A budget in tokens until Gemini 2.5, a level from 3 on; a request may not carry both."""
    wanted, config = request.thought.on, dict[str, Any]()
    shown = request.thought.summary != "none"
    if request.thought.summary in ("concise", "detailed"):
        adjust.add("thinking", f"Gemini has one kind of summary; {request.thought.summary!r} was left out")
    if model.thinking == "never":
        adjust.effort(request)
        if wanted:
            adjust.add("thinking", f"{model.id} does not think")
        return {}
    if model.thinking == "budget":
        adjust.effort(request)
        if wanted is False or (wanted is None and request.thought.effort == "none"):
            if model.stops_thinking is False and model.thinking_budget:
                adjust.add(
                    "thinking", f"{model.id} cannot stop thinking; sent its least, {model.thinking_budget[0]} tokens"
                )
                config = {"thinkingBudget": model.thinking_budget[0]}
            else:
                config = {"thinkingBudget": 0}
        elif wanted:
            config = {"thinkingBudget": _budget(request, model, adjust), "includeThoughts": shown}
        return {"thinkingConfig": config} if config else {}
    effort = adjust.effort(request, _LEVELS)
    if effort is not None:
        config["thinkingLevel"] = effort.upper()
    if wanted:
        config["includeThoughts"] = shown
        if wanted is not True and (model.thinking == "effort" or effort is not None):
            adjust.add("thinking", f"{model.id} takes a level, no budget; the budget was left out, set effort instead")
        elif wanted is not True:
            config["thinkingBudget"] = wanted
    adjust.thinking_off(request, effort)
    return {"thinkingConfig": config} if config else {}


def _budget(request: CompletionRequest, model: ModelProfile, adjust: Adjuster) -> int:
    """The budget to send; -1 lets the model decide."""
    asked = adjust.budget(request)
    if asked is None or model.thinking_budget is None:
        return -1 if asked is None else asked
    least, most = model.thinking_budget
    fitting = max(least, min(asked, most))
    if fitting != asked:
        adjust.add("thinking", f"{model.id} takes a budget from {least} to {most} tokens; sent {fitting}")
    return fitting


def _tools(request: CompletionRequest, adjust: Adjuster, vertex: bool) -> dict[str, Any]:
    """Functions, Google's own tools, and how they are chosen. With `tool_choice="none"` Google's own are left away, which
    no other setting does."""
    functions = [_function(tool) for tool in request.tools]
    own: list[dict[str, Any]] = []
    if request.tool_choice != "none":
        bodies = {kind: body for kind, body in NATIVE_TOOLS.items() if not (vertex and kind in _NOT_ON_VERTEX)}
        own = written(request, bodies, _ON_VERTEX if vertex else _PLACES, adjust)
    if functions and own and adjust.model.combines_tools is False:
        adjust.add("native_tools", f"{adjust.model.id} does not take them beside functions; they were left out")
        own = []
    tools = [{"functionDeclarations": functions}, *own] if functions else own
    if not tools:
        if not request.native_tools:
            adjust.without_tools(request)
        return {}
    combined = bool(functions and own) and not vertex
    choice = _choice(request, adjust, combined)
    if combined:
        # Demanded of who combines them, by the Gemini API alone: https://github.com/ag2ai/ag2/pull/3145
        choice["includeServerSideToolInvocations"] = True
    if functions and request.parallel_tool_calls is False:
        adjust.add("parallel_tool_calls", "Gemini has no such parameter; it may call several at once")
    return {"tools": tools, **({"toolConfig": choice} if choice else {})}


def _choice(request: CompletionRequest, adjust: Adjuster, combined: bool) -> dict[str, Any]:
    names = {tool.name for tool in request.tools}
    wanted, mode = request.tool_choice, dict[str, Any]()
    if wanted in (None, "auto"):
        if combined or any(tool.strict for tool in request.tools):
            # Calls fit their schemas, text is allowed. There is no AUTO beside Google's own tools:
            # https://ai.google.dev/gemini-api/docs/tool-combination, read 2026-11-22.
            mode = {"mode": "VALIDATED"}
        elif wanted == "auto" and names:
            mode = {"mode": "AUTO"}
    elif wanted == "none":
        mode = {"mode": "NONE"}
    elif wanted == "required" and names:
        mode = {"mode": "ANY"}
    elif wanted in names:
        mode = {"mode": "ANY", "allowedFunctionNames": [wanted]}
    else:
        adjust.add("tool_choice", "Gemini cannot be made to use Google's own tools; it decides itself")
    return {"functionCallingConfig": mode} if mode else {}


def _function(tool: ToolDefinition) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described, "parametersJsonSchema": plain(tool.parameters)}


class _Contents:
    """The turns. Results of one turn's calls stand together in a content of their own, as the API wants them.

    An id goes to the API where the call that it belongs to has one there: most of Gemini's calls come without.
    """

    def __init__(self, vendor: str, adjust: Adjuster) -> None:
        self.vendor = vendor
        self.adjust = adjust
        self.contents: list[dict[str, Any]] = []
        self.calls: dict[str, tuple[str, bool]] = {}  # id -> name, and whether the API knows the id
        self.results: list[dict[str, Any]] = []
        self.media: list[dict[str, Any]] = []

    def of(self, messages: Iterable[Message]) -> list[dict[str, Any]]:
        """The `contents` of a body."""
        for message in from_a_user(repaired(tuple(messages), self.adjust), self.adjust):
            if message.role is TOOL:
                self.results.append(self._result(message))
                continue
            self._flush()
            if message.role is ASSISTANT:
                self._add("model", self._said(message))
            elif message.role is not SYSTEM:
                content = content_of(message, _part, self.adjust)
                self._add("user", [{"text": content}] if isinstance(content, str) else content)
        self._flush()
        return self.contents

    def _add(self, role: str, parts: list[dict[str, Any]]) -> None:
        before = self.contents[-1] if self.contents else {}
        if parts and before.get("role") == role and not any("functionResponse" in part for part in before["parts"]):
            before["parts"] += parts
        elif parts:
            self.contents.append({"role": role, "parts": parts})

    def _flush(self) -> None:
        self._add("user", self.results)
        self._add("user", self.media)
        self.results, self.media = [], []

    def _said(self, message: Message) -> list[dict[str, Any]]:
        parts = state_for(message, self.vendor, "gemini")
        if parts is None:
            self.adjust.text_alone(message)
            parts = [{"text": message.text}] if message.text else []
            parts += [
                {"functionCall": {"id": call.id, "name": call.name, "args": plain(call.arguments)}}
                for call in message.tool_calls
            ]
            first = next((part for part in parts if "functionCall" in part), None)
            model = self.adjust.model
            if first is not None and (model.thinking == "effort" or not model.known):
                first["thoughtSignature"] = _NO_SIGNATURE
        sent = [part["functionCall"] for part in parts if "functionCall" in part]
        for call, part in zip(message.tool_calls, sent, strict=False):
            self.calls[call.id] = (call.name, bool(part.get("id")))
        return [part for part in parts if part not in ({}, {"text": ""})]

    def _result(self, message: Message) -> dict[str, Any]:
        id = message.tool_call_id or ""
        name, known = self.calls.get(id, (message.name or id, bool(id)))
        text = message.text
        result: dict[str, Any] = {"id": id} if known else {}
        result["name"] = message.name or name
        if message.is_error:
            result["response"] = {"error": text or "the tool failed without a message"}
        else:
            result["response"] = {"output": _value(text)}
        inside: list[dict[str, Any]] = []
        for block in message.blocks:
            if isinstance(block, TextContent) or (part := _part(block, self.adjust)) is None:
                continue
            if isinstance(block, (AudioContent, VideoContent)) or self.adjust.model.media_in_results is False:
                self.adjust.add("tool result", "Gemini takes no such media in a result; it follows as a user's message")
                self.media.append(part)
            else:
                inside.append(part)
        return {"functionResponse": {**result, "parts": inside} if inside else result}


def _value(text: str) -> Any:
    """What a tool said: JSON as itself, anything else as text."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _part(block: ContentBlock, adjust: Adjuster) -> dict[str, Any] | None:
    if isinstance(block, TextContent):
        return {"text": block.text}
    kind = _KINDS[type(block)]
    if isinstance(block, DocumentContent) and block.text is not None:
        return {"text": block.text}
    if adjust.blind(kind):
        return None
    place, media_type = block.file_id or block.url, block.media_type
    looked_at = _looked_at(block) if isinstance(block, VideoContent) else {}
    if place is not None:  # an uploaded file, Cloud Storage, YouTube, or what Google fetches from the web
        if isinstance(block, VideoContent):
            media_type = media_type or "video/mp4"  # so a recorded request says of a page of YouTube's
        return {"fileData": {"fileUri": place, **({"mimeType": media_type} if media_type else {})}, **looked_at}
    if media_type is None:
        adjust.add(kind, "Gemini wants the media type of bytes, and these show none; set media_type. It was left out")
        return None
    return {"inlineData": {"mimeType": media_type, "data": block.base64}, **looked_at}


def _looked_at(video: VideoContent) -> dict[str, Any]:
    """The `videoMetadata` of google-genai 3.4.0 `types.VideoMetadata`: moments are written as "1.5s"."""
    moments = {"startOffset": video.start, "endOffset": video.end}
    said: dict[str, Any] = {name: f"{value:g}s" for name, value in moments.items() if value is not None}
    if video.fps is not None:
        said["fps"] = video.fps
    return {"videoMetadata": said} if said else {}
