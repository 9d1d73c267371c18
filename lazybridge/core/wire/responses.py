"""OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lazybridge.core import structured
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, ContentBlock, DocumentContent, ImageContent, TextContent, VideoContent
from lazybridge.core.hints import cache_key
from lazybridge.core.native_tools import kind_of
from lazybridge.core.types import (
    ASSISTANT,
    TOOL,
    USER,
    CompletionRequest,
    CompletionResponse,
    Message,
    NativeTool,
    ToolDefinition,
)
from lazybridge.core.wire import Adjuster, SDKCall, content_of, plain, state_for
from lazybridge.core.wire.chat import raw_arguments, tool_choice
from lazybridge.core.wire.computer import computer_call, is_computers, screenshot
from lazybridge.core.wire.history import repaired
from lazybridge.core.wire.native import written
from lazybridge.core.wire.responses_answers import ResponsesAccumulator, answer_of
from lazybridge.core.wire.tool_ids import UP_TO_64, fitting_ids

NATIVE_TOOLS: dict[NativeTool, dict[str, Any]] = {
    NativeTool.WEB_SEARCH: {"type": "web_search"},
    NativeTool.CODE_EXECUTION: {"type": "code_interpreter", "container": {"type": "auto"}},
    NativeTool.IMAGE_GENERATION: {"type": "image_generation"},
    NativeTool.FILE_SEARCH: {"type": "file_search"},
    NativeTool.COMPUTER_USE: {"type": "computer"},
}
# openai 3.54.0 `types/responses/tool_param.py` and the pages beside it, read 2026-11-22.
_PLACES = {
    NativeTool.WEB_SEARCH: {
        "allowed_domains": "filters.allowed_domains",
        "user_location": "user_location",
        "search_context_size": "search_context_size",
    },
    NativeTool.CODE_EXECUTION: {
        "container": "container",
        "file_ids": "container.file_ids",
        "memory_limit": "container.memory_limit",
    },
    NativeTool.IMAGE_GENERATION: {
        name: name for name in ("size", "quality", "background", "output_format", "partial_images")
    },
    NativeTool.FILE_SEARCH: {"vector_store_ids": "vector_store_ids", "max_results": "max_num_results"},
    NativeTool.COMPUTER_USE: {name: name for name in ("display_width", "display_height", "environment")},
}
# What an answer leaves out unless it is asked for: the pictures that code drew, and the passages that a search found.
_INCLUDED = {
    NativeTool.CODE_EXECUTION: "code_interpreter_call.outputs",
    NativeTool.FILE_SEARCH: "file_search_call.results",
}

# Not in openai 3.54.0's `types/responses/response_create_params.py`, read 2026-11-22.
_NOT_HERE = {
    "stop": "the Responses API has no such parameter; api='chat' has it",
    "seed": "the Responses API has no such parameter; api='chat' has it",
}


@dataclass(frozen=True)
class ResponsesWire:
    """The Responses API, stateless: nothing is stored at the vendor, reasoning travels encrypted with the conversation.

    `stateless` says so for models that the catalogue does not know as well, where a vendor takes it from every model.
    `whole_messages`: an assistant's turn is written as the API itself writes one; the short form is not known there.
    """

    vendor: str = "openai"
    path: str = "/responses"
    stateless: bool = False
    whole_messages: bool = False

    def to_sdk_kwargs(self, request: CompletionRequest, model: ModelProfile, stream: bool) -> SDKCall:
        """The body of POST /responses."""
        adjust = Adjuster(model)
        adjust.unavailable(request, _NOT_HERE)
        effort = adjust.effort(request)
        body: dict[str, Any] = {"model": model.id, "input": self._input(request, adjust)}
        if request.system_text is not None:
            body["instructions"] = request.system_text
        if request.max_tokens is not None:
            body["max_output_tokens"] = request.max_tokens
        in_force = effort or ("none" if model.thinking == "never" else None)
        body |= adjust.sampling(request, in_force)
        body |= _reasoning(request, model, effort, adjust, self.stateless)
        alternatives = adjust.logprobs(request, in_force)
        if alternatives is not None:
            body["include"] = [*body.get("include", ()), "message.output_text.logprobs"]
            body |= {"top_logprobs": alternatives} if alternatives else {}
        body |= _tools(request, adjust)
        more = [_INCLUDED[kind] for tool in request.native_tools if (kind := kind_of(tool)) in _INCLUDED]
        if more:
            body["include"] = list(dict.fromkeys([*body.get("include", ()), *more]))
        if request.output_schema is not None:
            made, name = adjust.compiled(request.output_schema, structured.OPENAI), request.output_schema.name
            body["text"] = {
                "format": {"type": "json_schema", "name": name, "schema": made.schema, "strict": made.enforced}
            }
        if request.metadata is not None:
            body["metadata"] = dict(request.metadata)
        if request.service_tier is not None:
            body["service_tier"] = request.service_tier
        adjust.cache_lifetime(request)
        if cache_key(request.cache):
            body["prompt_cache_key"] = cache_key(request.cache)
        if stream:
            body["stream"] = True
        body |= plain(request.extra_body or {})
        return SDKCall(body, tuple(adjust.found))

    def _input(self, request: CompletionRequest, adjust: Adjuster) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        elsewhere = {"previous_response_id", "conversation"} & (request.extra_body or {}).keys()  # more is kept there
        turns = request.messages if elsewhere else repaired(request.messages, adjust)
        ids = fitting_ids(turns, UP_TO_64)
        computers = {call.id: call for said in turns for call in said.tool_calls if is_computers(call)}
        for message in turns:
            if message.role is USER:
                items.append({"role": "user", "content": content_of(message, _part, adjust)})
            elif message.role is TOOL:
                call = computers.get(message.tool_call_id or "")
                items.append(_function_result(message, ids, adjust) if call is None else screenshot(message, call))
            elif message.role is ASSISTANT:
                replayed = state_for(message, self.vendor, "responses")
                if replayed is None:
                    adjust.text_alone(message)
                items += replayed if replayed is not None else self._assistant(message, ids)
        return items

    def _assistant(self, message: Message, ids: Mapping[str, str]) -> Iterable[dict[str, Any]]:
        if message.text and self.whole_messages:
            content = [{"type": "output_text", "text": message.text, "annotations": []}]
            yield {"type": "message", "role": "assistant", "status": "completed", "content": content}
        elif message.text:
            yield {"role": "assistant", "content": message.text}
        for call in message.tool_calls:
            if is_computers(call):
                yield computer_call(call)
                continue
            yield {
                "type": "function_call",
                "call_id": ids[call.id],
                "name": call.name,
                "arguments": raw_arguments(call),
            }

    def from_sdk_response(self, raw: Mapping[str, Any]) -> CompletionResponse:
        """What a `response` object says."""
        return answer_of(raw, self.vendor)

    def accumulator(self) -> ResponsesAccumulator:
        """A fresh fold of `response.*` events."""
        return ResponsesAccumulator(self.vendor)


def _reasoning(
    request: CompletionRequest, model: ModelProfile, effort: str | None, adjust: Adjuster, stateless: bool
) -> dict[str, Any]:
    """Effort, a summary of the thinking where it was asked for, and what makes reasoning items replayable.

    Encrypted reasoning is refused by models that do not reason, and items of a stored answer are found by id, so an
    unknown model is left to the API's default (which stores).
    """
    reasoning: dict[str, Any] = {} if effort is None else {"effort": effort}
    if request.thought.on and model.thinking == "never":
        adjust.add("thinking", f"{model.id} does not think")
    elif request.thought.on:
        if request.thought.summary != "none":
            reasoning["summary"] = request.thought.summary
        if request.thought.on is not True:
            adjust.add("thinking", "OpenAI takes no budget in tokens; it was left out, set effort instead")
    adjust.thinking_off(request, effort)
    body: dict[str, Any] = {"reasoning": reasoning} if reasoning else {}
    if model.thinking is not None or stateless:
        body["store"] = False
    if model.thinking == "effort" or stateless:
        body["include"] = ["reasoning.encrypted_content"]
    return body


def _tools(request: CompletionRequest, adjust: Adjuster) -> dict[str, Any]:
    tools = [_function(tool) for tool in request.tools]
    native = written(request, NATIVE_TOOLS, _PLACES, adjust)
    for tool in native:
        if tool["type"] == "computer" and len(tool) > 1:  # the older one, which is told its display
            tool["type"] = "computer_use_preview"
    tools += native
    if not tools:
        adjust.without_tools(request)
        return {}
    body: dict[str, Any] = {"tools": tools}
    if request.tool_choice is not None:
        kinds = {
            str(kind_of(tool)): NATIVE_TOOLS[kind_of(tool)]["type"]
            for tool in request.native_tools
            if kind_of(tool) in NATIVE_TOOLS
        }
        one = kinds.get(request.tool_choice)
        named: dict[str, Any] = {"type": "function", "name": request.tool_choice}
        if one is not None:
            named = {"type": "allowed_tools", "mode": "required", "tools": [{"type": one}]}
        body["tool_choice"] = tool_choice(request, named)
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    return body


def _function(tool: ToolDefinition) -> dict[str, Any]:
    # `strict` is true by default in this API, unlike in Chat Completions, and then refuses optional parameters.
    function = {
        "type": "function",
        "name": tool.name,
        "parameters": plain(tool.parameters),
        "strict": bool(tool.strict),
    }
    return {**function, "description": tool.description} if tool.description else function


def _function_result(message: Message, ids: Mapping[str, str], adjust: Adjuster) -> dict[str, Any]:
    return {
        "type": "function_call_output",
        "call_id": ids.get(message.tool_call_id or "", ""),
        "output": _result(message, adjust),
    }


def _result(message: Message, adjust: Adjuster) -> str | list[dict[str, Any]]:
    if all(isinstance(block, TextContent) for block in message.blocks):
        return f"Error: {message.text}" if message.is_error else message.text
    blocks = (TextContent("Error:"), *message.blocks) if message.is_error else message.blocks
    return [part for block in blocks if (part := _part(block, adjust)) is not None]


def _part(block: ContentBlock, adjust: Adjuster) -> dict[str, Any] | None:
    if isinstance(block, TextContent):
        return {"type": "input_text", "text": block.text}
    if isinstance(block, ImageContent):
        if adjust.blind("image"):
            return None
        source = {"file_id": block.file_id} if block.file_id else {"image_url": block.data_url}
        return {"type": "input_image", "detail": block.detail or "auto", **source}
    if isinstance(block, AudioContent):
        adjust.add("audio", "the Responses API takes no audio; use api='chat' with an audio model. It was left out")
        return None
    if isinstance(block, VideoContent):
        adjust.add("video", "the Responses API takes no video; it was left out")
        return None
    return _document(block, adjust)


def _document(block: DocumentContent, adjust: Adjuster) -> dict[str, Any] | None:
    if block.text is not None:
        return {"type": "input_text", "text": block.text}
    if adjust.blind("document"):
        return None
    if block.file_id:
        return {"type": "input_file", "file_id": block.file_id}
    if block.url:
        return {"type": "input_file", "file_url": block.url}
    return {"type": "input_file", "filename": block.name or "document.pdf", "file_data": block.data_url}
