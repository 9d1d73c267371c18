"""The Chat Completions API and its dialects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lazybridge.core import structured
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, ContentBlock, DocumentContent, ImageContent, TextContent
from lazybridge.core.errors import StreamTruncated, error_in_body
from lazybridge.core.types import (
    CompletionRequest,
    CompletionResponse,
    Message,
    OutputSchema,
    Role,
    StopReason,
    StreamChunk,
    ToolCall,
    ToolDefinition,
    UsageStats,
)
from lazybridge.core.wire import Adjuster, SDKCall, joined, number, plain, stop_reason

# Read 2026-11-22: openai 3.54.0 `types/chat/chat_completion.py`; "eos" and "model_length" are other vendors' words,
# seen in recorded answers.
_STOP_REASONS: dict[str, StopReason] = {
    "stop": "end_turn",
    "eos": "end_turn",
    "length": "max_tokens",
    "model_length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "content_filter",
    "error": "error",
}


@dataclass(frozen=True)
class ChatWire:
    """Chat Completions; the fields are the dialect.

    `max_tokens_field` and `system_role` are the vendor's words; `stream_usage` asks for usage in a stream;
    `reasoning_effort` says whether the API has that parameter; `schema_mode` is how it takes an output schema.
    """

    vendor: str = "openai"
    path: str = "/chat/completions"
    max_tokens_field: str = "max_completion_tokens"
    system_role: str = "system"
    stream_usage: bool = True
    reasoning_effort: bool = True
    schema_mode: str = "json_schema"

    def to_sdk_kwargs(self, request: CompletionRequest, model: ModelProfile, stream: bool) -> SDKCall:
        """The body of POST /chat/completions."""
        adjust = Adjuster(model)
        effort = self._effort(request, model, adjust)
        body: dict[str, Any] = {"model": model.id, "messages": self._messages(request, adjust)}
        if request.max_tokens is not None:
            body[self.max_tokens_field] = request.max_tokens
        body |= adjust.sampling(request, effort or ("none" if model.thinking == "never" else None))
        if effort is not None:
            body["reasoning_effort"] = effort
        if request.stop:
            body["stop"] = list(request.stop)
        if request.seed is not None:
            body["seed"] = request.seed
        body |= _tools(request)
        if request.native_tools:
            adjust.add("native_tools", "Chat Completions runs no tools of the vendor")
        if request.output_schema is not None:
            body["response_format"] = self._response_format(request.output_schema, adjust)
        if request.metadata is not None:
            body["metadata"] = dict(request.metadata)
        if request.service_tier is not None:
            body["service_tier"] = request.service_tier
        adjust.cache_lifetime(request)
        if stream:
            body["stream"] = True
            if self.stream_usage:
                body["stream_options"] = {"include_usage": True}
        body |= plain(request.extra_body or {})
        return SDKCall(body, tuple(adjust.found))

    def _effort(self, request: CompletionRequest, model: ModelProfile, adjust: Adjuster) -> str | None:
        if not self.reasoning_effort:
            adjust.unavailable(
                request, {"effort": "this API has no such parameter", "thinking": "this API cannot switch it"}
            )
            return None
        effort = adjust.effort(request)
        if request.thinking and model.thinking == "never":
            adjust.add("thinking", f"{model.id} does not think")
        elif request.thinking:
            adjust.add("thinking", "Chat Completions shows no thinking and takes no budget; set effort instead")
        adjust.thinking_off(request, effort)
        return effort

    def _response_format(self, output: OutputSchema, adjust: Adjuster) -> dict[str, Any]:
        if self.schema_mode == "json_object":
            adjust.add("output_schema", "this API takes no schema; JSON was asked for and is checked here")
            return {"type": "json_object"}
        schema = structured.strict(output.schema) if output.strict else None
        if output.strict and schema is None:
            adjust.add(
                "output_schema", "strict mode cannot say this schema; it was sent as a guide and is checked here"
            )
        return {
            "type": "json_schema",
            "json_schema": {
                "name": output.name,
                "schema": schema or plain(output.schema),
                "strict": schema is not None,
            },
        }

    def _messages(self, request: CompletionRequest, adjust: Adjuster) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        system = request.system_text
        if system is not None:
            messages.append({"role": self.system_role, "content": system})
        media: list[ContentBlock] = []
        for message in request.messages:
            if media and message.role is not Role.TOOL:
                messages.append(_media_of_results(media, adjust))
                media = []
            if message.role is Role.TOOL:
                text = f"Error: {message.text}" if message.is_error else message.text
                messages.append({"role": "tool", "tool_call_id": message.tool_call_id or "", "content": text})
                media += [block for block in message.blocks if not isinstance(block, TextContent)]
            elif message.role is Role.ASSISTANT:
                messages.append(_assistant(message))
            elif message.role is Role.USER:
                messages.append({"role": "user", "content": _content(message, adjust)})
        return [*messages, _media_of_results(media, adjust)] if media else messages

    def from_sdk_response(self, raw: Mapping[str, Any]) -> CompletionResponse:
        """What a `chat.completion` says."""
        if raw.get("error"):
            raise error_in_body(raw["error"], provider=self.vendor, model=raw.get("model"))
        choices = sorted(raw.get("choices") or [], key=lambda choice: choice.get("index") or 0)
        choice: Mapping[str, Any] = choices[0] if choices else {}
        message: Mapping[str, Any] = choice.get("message") or {}
        text, thinking = _text_and_thinking(message)
        refusal = message.get("refusal") or ""
        calls = [_call(call, index) for index, call in enumerate(message.get("tool_calls") or [])]
        if message.get("function_call"):
            calls.append(_call({"function": message["function_call"]}, len(calls)))
        return CompletionResponse(
            content=text or refusal,
            thinking=thinking,
            tool_calls=calls,
            stop_reason=_stop_reason(choice.get("finish_reason"), calls, refusal, self.vendor),
            model=raw.get("model"),
            usage=usage_of(raw),
        )

    def accumulator(self) -> ChatAccumulator:
        """A fresh fold of `chat.completion.chunk` events."""
        return ChatAccumulator(self.vendor)


class ChatAccumulator:
    """Folds `chat.completion.chunk` events."""

    done = False  # usage follows the finish reason, so the stream is read to its end

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.model: str | None = None
        self.text: list[str] = []
        self.thinking: list[str] = []
        self.refusal: list[str] = []
        self.calls = _CallFragments()
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] = {}

    def feed(self, event: Mapping[str, Any]) -> StreamChunk | None:
        """A chunk with text or thinking, or None."""
        if event.get("error"):
            raise error_in_body(event["error"], provider=self.vendor, model=self.model)
        self.model = self.model or event.get("model") or None
        # Usage may repeat before the end (xAI, OpenRouter, Perplexity), and Groq nests it: the last one counts.
        usage = event.get("usage") or (event.get("x_groq") or {}).get("usage")
        if usage:
            self.usage["usage"] = usage
        if event.get("service_tier"):
            self.usage["service_tier"] = event["service_tier"]
        text = thinking = ""
        for choice in event.get("choices") or []:
            if choice.get("index"):
                continue
            delta = choice.get("delta") or {}
            new_text, new_thinking = _text_and_thinking(delta)
            if delta.get("refusal"):
                self.refusal.append(delta["refusal"])
                new_text += delta["refusal"]
            elif new_text:
                self.text.append(new_text)
            if new_thinking:
                self.thinking.append(new_thinking)
            text += new_text
            thinking += new_thinking
            for fragment in delta.get("tool_calls") or []:
                self.calls.add(fragment)
            if delta.get("function_call"):
                self.calls.add({"index": 0, "function": delta["function_call"]})
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        return StreamChunk(delta=text, thinking_delta=thinking, model=self.model) if text or thinking else None

    def finish(self) -> CompletionResponse:
        """The whole answer; a stream without a finish reason was cut."""
        refusal = joined(self.refusal)
        text = joined(self.text) or refusal
        if self.finish_reason is None:
            error = StreamTruncated("the stream ended without a finish reason", provider=self.vendor, model=self.model)
            error.partial_text = text
            raise error
        calls = self.calls.whole()
        return CompletionResponse(
            content=text,
            thinking=joined(self.thinking),
            tool_calls=calls,
            stop_reason=_stop_reason(self.finish_reason, calls, refusal, self.vendor),
            model=self.model,
            usage=usage_of(self.usage),
        )


class _CallFragments:
    """Tool calls assembled from their pieces.

    Pieces carry an index, an id, both or neither, by vendor; a new id with a name under a used index is a new call.
    """

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []

    def add(self, fragment: Mapping[str, Any]) -> None:
        function = fragment.get("function") or fragment.get("custom") or {}
        call = self._find(fragment.get("index"), fragment.get("id"), bool(function.get("name")))
        if call is None:
            call = {
                "index": fragment.get("index"),
                "id": "",
                "name": "",
                "arguments": [],
                "custom": "custom" in fragment,
            }
            self._calls.append(call)
        call["id"] = call["id"] or fragment.get("id") or ""
        name = function.get("name") or ""
        if name and name != call["name"]:
            call["name"] += name
        arguments = function.get("arguments", function.get("input"))
        if arguments is not None:
            call["arguments"].append(arguments)

    def _find(self, index: int | None, id: str | None, named: bool) -> dict[str, Any] | None:
        if index is None:
            if id:
                return next((call for call in self._calls if call["id"] == id), None)
            return self._calls[-1] if self._calls and not named else None
        same = [call for call in self._calls if call["index"] == index]
        if not same:
            return None
        if id and named and same[-1]["id"] and same[-1]["id"] != id:
            return next((call for call in same if call["id"] == id), None)
        return same[-1]

    def whole(self) -> list[ToolCall]:
        return [_assembled(call, index) for index, call in enumerate(self._calls)]


def _assembled(call: dict[str, Any], index: int) -> ToolCall:
    pieces = call["arguments"]
    arguments = pieces[0] if len(pieces) == 1 and not isinstance(pieces[0], str) else joined(map(str, pieces))
    key = "custom" if call["custom"] else "function"
    return _call({"id": call["id"], key: {"name": call["name"], "arguments": arguments, "input": arguments}}, index)


def _call(call: Mapping[str, Any], index: int) -> ToolCall:
    """One tool call; a vendor that sends no id gets one that is unique in the answer."""
    id = call.get("id") or f"call_{index}"
    if call.get("custom"):
        text = call["custom"].get("input") or ""
        return ToolCall(id, call["custom"].get("name") or "", {"input": text}, text)
    function = call.get("function") or {}
    return ToolCall.parse(id, function.get("name") or "", function.get("arguments"))


def _text_and_thinking(message: Mapping[str, Any]) -> tuple[str, str]:
    """Visible text and thinking of a message or delta; content is a string or a list of typed parts."""
    content, thinking = message.get("content"), message.get("reasoning_content")
    if thinking is None and isinstance(message.get("reasoning"), str):
        thinking = message["reasoning"]
    if not isinstance(content, list):
        return content or "", thinking or ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif part.get("type") == "thinking":
            inner = part.get("thinking") or ""
            thoughts += [inner] if isinstance(inner, str) else [piece.get("text") or "" for piece in inner]
        elif part.get("type") in ("text", "output_text"):
            texts.append(part.get("text") or "")
    return joined(texts), thinking or joined(thoughts)


def _stop_reason(word: str | None, calls: list[ToolCall], refusal: str, vendor: str) -> StopReason | None:
    if refusal:
        return "refusal"
    if word is None:
        return None
    reason = stop_reason(word, _STOP_REASONS, vendor)
    # A forced tool call ends with "stop" (OpenAI), so the calls decide, not the word.
    return "tool_use" if calls and reason == "end_turn" else reason


def usage_of(raw: Mapping[str, Any]) -> UsageStats:
    """Usage with lazybridge's meaning; cached tokens are part of the input, reasoning tokens part of the output."""
    usage = raw.get("usage") or {}
    read = usage.get("prompt_tokens_details") or {}
    wrote = usage.get("completion_tokens_details") or {}
    cached = number(read, "cached_tokens")
    return UsageStats(
        input_tokens=number(usage, "prompt_tokens"),
        output_tokens=number(usage, "completion_tokens"),
        cached_input_tokens=number(usage, "prompt_cache_hit_tokens", "cached_tokens") if cached is None else cached,
        cache_write_tokens=number(read, "cache_write_tokens", "cache_creation_tokens"),
        thinking_tokens=number(wrote, "reasoning_tokens"),
        audio_input_tokens=number(read, "audio_tokens"),
        audio_output_tokens=number(wrote, "audio_tokens"),
        service_tier=raw.get("service_tier"),
    )


def tool_choice(request: CompletionRequest, named: Mapping[str, Any]) -> Any:
    """The vendor's tool_choice: a word, or `named` for one tool."""
    return request.tool_choice if request.tool_choice in ("auto", "required", "none") else dict(named)


def _tools(request: CompletionRequest) -> dict[str, Any]:
    """The tools of a request; tool_choice and parallel_tool_calls are only valid beside tools."""
    if not request.tools:
        return {}
    body: dict[str, Any] = {"tools": [{"type": "function", "function": _function(tool)} for tool in request.tools]}
    if request.tool_choice is not None:
        body["tool_choice"] = tool_choice(request, {"type": "function", "function": {"name": request.tool_choice}})
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    return body


def _function(tool: ToolDefinition) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": plain(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def _assistant(message: Message) -> dict[str, Any]:
    result: dict[str, Any] = {"role": "assistant"}
    if message.text or not message.tool_calls:
        result["content"] = message.text
    if message.tool_calls:
        result["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": raw_arguments(call)}}
            for call in message.tool_calls
        ]
    return result


def raw_arguments(call: ToolCall) -> str:
    """A call's arguments as JSON text, byte for byte as the model wrote them where they came as text."""
    return json.dumps(dict(call.arguments)) if call.raw_arguments is None else call.raw_arguments


def _media_of_results(media: list[ContentBlock], adjust: Adjuster) -> dict[str, Any]:
    """A tool message holds text alone, and all results of a turn stand together: their media follows as a user's turn."""
    adjust.add("tool result", "Chat Completions takes text in tool results; the media follows as a user's message")
    return {"role": "user", "content": _content(Message(Role.USER, tuple(media)), adjust)}


def _content(message: Message, adjust: Adjuster) -> str | list[dict[str, Any]]:
    if isinstance(message.content, str):
        return message.content
    return [part for block in message.content if (part := _part(block, adjust)) is not None]


def _part(block: ContentBlock, adjust: Adjuster) -> dict[str, Any] | None:
    if isinstance(block, TextContent):
        return {"type": "text", "text": block.text}
    if isinstance(block, ImageContent):
        if adjust.blind("image"):
            return None
        if block.file_id:
            adjust.add("image", "Chat Completions takes an image by URL or bytes, not by file id; it was left out")
            return None
        return {
            "type": "image_url",
            "image_url": {"url": block.data_url, **({"detail": block.detail} if block.detail else {})},
        }
    if isinstance(block, AudioContent):
        if adjust.blind("audio"):
            return None
        if block.data is None or block.format not in ("wav", "mp3"):
            adjust.add("audio", "Chat Completions takes WAV or MP3 bytes; it was left out")
            return None
        return {"type": "input_audio", "input_audio": {"data": block.base64, "format": block.format}}
    return _document(block, adjust)


def _document(block: DocumentContent, adjust: Adjuster) -> dict[str, Any] | None:
    if block.text is not None:
        return {"type": "text", "text": block.text}
    if adjust.blind("document"):
        return None
    if block.file_id:
        return {"type": "file", "file": {"file_id": block.file_id}}
    if block.data is None:
        adjust.add("document", "Chat Completions takes a document as bytes or a file id, not by URL; it was left out")
        return None
    return {"type": "file", "file": {"filename": block.name or "document.pdf", "file_data": block.data_url}}
