"""The Chat Completions API and its dialects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, ContentBlock, DocumentContent, ImageContent, TextContent
from lazybridge.core.types import (
    ASSISTANT,
    TOOL,
    USER,
    CompletionRequest,
    CompletionResponse,
    Message,
    OutputSchema,
    ToolCall,
    ToolDefinition,
)
from lazybridge.core.wire import Adjuster, SDKCall, content_of, plain, state_for
from lazybridge.core.wire.chat_answers import ChatAccumulator, answer_of
from lazybridge.core.wire.chat_thinking import Asked, by_effort, by_object, by_switch, forced


@dataclass(frozen=True)
class ChatWire:
    """Chat Completions; the fields are the dialect.

    `max_tokens_field` and `system_role` are the vendor's words; `stream_usage` asks for usage in a stream;
    `reasoning_effort` says whether the API has that parameter, and `efforts` which words it knows; `schema_mode` is how it
    takes an output schema: "json_schema", "json_object", or "prompt" for JSON mode with the schema in the system prompt.
    `thinking_switch` is the object that turns thinking on and off, by type ("thinking") or with effort and budget
    ("reasoning"). `forced_choice` says whether a tool may be required. `reasoning_fields` are the fields of an answer that
    go back verbatim in the next turn: the first that is there. `refused_media` it takes from no model, `refused` are fields
    of the body that it does not take, each with the value that means nothing. `always` is in every body.
    """

    vendor: str = "openai"
    path: str = "/chat/completions"
    max_tokens_field: str = "max_completion_tokens"
    system_role: str = "system"
    stream_usage: bool = True
    reasoning_effort: bool = True
    schema_mode: str = "json_schema"
    efforts: tuple[str, ...] | None = None
    thinking_switch: Literal["", "thinking", "reasoning"] = ""
    forced_choice: Literal["yes", "unless_thinking", "no"] = "yes"
    reasoning_fields: tuple[str, ...] = ()
    refused_media: tuple[str, ...] = ()
    refused: tuple[tuple[str, Any], ...] = ()
    always: Mapping[str, Any] = field(default_factory=dict)

    def to_sdk_kwargs(self, request: CompletionRequest, model: ModelProfile, stream: bool) -> SDKCall:
        """The body of POST /chat/completions."""
        adjust = Adjuster(model, self.refused_media)
        asked = self._thinking(request, model, adjust)
        told = request.output_schema if self.schema_mode == "prompt" else None
        body: dict[str, Any] = {"model": model.id, "messages": self._messages(request, adjust, told)}
        if request.max_tokens is not None:
            body[self.max_tokens_field] = request.max_tokens
        body |= adjust.sampling(request, asked.effort or ("none" if model.thinking == "never" else None))
        body |= asked.body
        if request.stop:
            body["stop"] = list(request.stop)
        if request.seed is not None:
            body["seed"] = request.seed
        body |= _tools(request, adjust, self._may_force(asked))
        if request.native_tools:
            adjust.add("native_tools", "Chat Completions runs no tools of the vendor")
        if request.output_schema is not None:
            body["response_format"] = self._response_format(request.output_schema, adjust)
        if request.metadata is not None:
            body["metadata"] = dict(request.metadata)
        if request.service_tier is not None:
            body["service_tier"] = request.service_tier
        for name, nothing in self.refused:
            if body.pop(name, nothing) != nothing:
                adjust.add(name, "this API does not take it; it was left out")
        adjust.cache_lifetime(request)
        body |= plain(self.always)
        if stream:
            body["stream"] = True
            if self.stream_usage:
                body["stream_options"] = {"include_usage": True}
        body |= plain(request.extra_body or {})
        return SDKCall(body, tuple(adjust.found))

    def _thinking(self, request: CompletionRequest, model: ModelProfile, adjust: Adjuster) -> Asked:
        if self.thinking_switch == "thinking":
            off = self.forced_choice == "unless_thinking" and forced(request)
            return by_switch(request, model, adjust, self.efforts, off)
        if self.thinking_switch == "reasoning":
            return by_object(request, model, adjust, self.efforts)
        if self.reasoning_effort:
            return by_effort(request, model, adjust, self.efforts)
        reasons = {"effort": "this API has no such parameter", "thinking": "this API cannot switch it"}
        adjust.unavailable(request, reasons)
        return Asked()

    def _may_force(self, asked: Asked) -> bool:
        return self.forced_choice == "yes" or (self.forced_choice == "unless_thinking" and asked.effort == "none")

    def _response_format(self, output: OutputSchema, adjust: Adjuster) -> dict[str, Any]:
        if self.schema_mode == "json_object":
            adjust.add("output_schema", "this API takes no schema; JSON was asked for and is checked here")
            return {"type": "json_object"}
        if self.schema_mode == "prompt":
            adjust.add("output_schema", "this API enforces no schema; it stands in the prompt and is checked here")
            return {"type": "json_object"}
        schema, strict = adjust.strict_schema(output)
        return {"type": "json_schema", "json_schema": {"name": output.name, "schema": schema, "strict": strict}}

    def _messages(
        self, request: CompletionRequest, adjust: Adjuster, told: OutputSchema | None = None
    ) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        system = request.system_text
        if told is not None:  # JSON mode wants the word in the prompt, and gets it in small letters
            form = f"Give the final answer as JSON alone, of this json schema:\n{json.dumps(plain(told.schema))}"
            system = form if system is None else f"{system}\n\n{form}"
        if system is not None:
            messages.append({"role": self.system_role, "content": system})
        media: list[ContentBlock] = []
        for message in request.messages:
            if media and message.role is not TOOL:
                messages.append(_media_of_results(media, adjust))
                media = []
            if message.role is TOOL:
                text = f"Error: {message.text}" if message.is_error else message.text
                messages.append({"role": "tool", "tool_call_id": message.tool_call_id or "", "content": text})
                media += [block for block in message.blocks if not isinstance(block, TextContent)]
            elif message.role is ASSISTANT:
                adjust.text_alone(message)
                messages.append(_assistant(message))
                if self.reasoning_fields:
                    for item in state_for(message, self.vendor, "chat") or ():
                        messages[-1] |= item
            elif message.role is USER:
                messages.append({"role": "user", "content": content_of(message, _part, adjust)})
        return [*messages, _media_of_results(media, adjust)] if media else messages

    def from_sdk_response(self, raw: Mapping[str, Any]) -> CompletionResponse:
        """What a `chat.completion` says."""
        return answer_of(raw, self.vendor, self.reasoning_fields)

    def accumulator(self) -> ChatAccumulator:
        """A fresh fold of `chat.completion.chunk` events."""
        return ChatAccumulator(self.vendor, self.reasoning_fields)


def tool_choice(request: CompletionRequest, named: Mapping[str, Any]) -> Any:
    """The vendor's tool_choice: a word, or `named` for one tool."""
    return request.tool_choice if request.tool_choice in ("auto", "required", "none") else dict(named)


def _tools(request: CompletionRequest, adjust: Adjuster, may_force: bool) -> dict[str, Any]:
    """The tools of a request; tool_choice and parallel_tool_calls are only valid beside tools."""
    if not request.tools:
        adjust.without_tools(request)
        return {}
    body: dict[str, Any] = {"tools": [{"type": "function", "function": _function(tool)} for tool in request.tools]}
    if forced(request) and not may_force:
        adjust.add("tool_choice", f"{adjust.model.id} cannot be made to call a tool here; sent auto")
        body["tool_choice"] = "auto"
    elif request.tool_choice is not None:
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
    return {"role": "user", "content": content_of(Message(USER, tuple(media)), _part, adjust)}


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
