"""OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, ContentBlock, DocumentContent, ImageContent, TextContent
from lazybridge.core.errors import StreamTruncated, error_in_body
from lazybridge.core.types import (
    ASSISTANT,
    TOOL,
    USER,
    CompletionRequest,
    CompletionResponse,
    Message,
    NativeTool,
    ProviderState,
    StopReason,
    StreamChunk,
    ToolCall,
    ToolDefinition,
    UsageStats,
)
from lazybridge.core.wire import (
    Adjuster,
    SDKCall,
    content_of,
    joined,
    number,
    plain,
    reported_cost,
    state_for,
    stop_reason,
)
from lazybridge.core.wire.chat import raw_arguments, tool_choice
from lazybridge.core.wire.citations import of_annotations

NATIVE_TOOLS: dict[NativeTool, dict[str, Any]] = {
    NativeTool.WEB_SEARCH: {"type": "web_search"},
    NativeTool.CODE_EXECUTION: {"type": "code_interpreter", "container": {"type": "auto"}},
    NativeTool.IMAGE_GENERATION: {"type": "image_generation"},
}

# Not in openai 3.54.0's `types/responses/response_create_params.py`, read 2026-11-22.
_NOT_HERE = {
    "stop": "the Responses API has no such parameter; api='chat' has it",
    "seed": "the Responses API has no such parameter; api='chat' has it",
}

# Tools of the vendor that cost more than their tokens: https://platform.openai.com/docs/pricing, read 2026-11-22.
_BILLED_APART = frozenset({"image_generation_call", "code_interpreter_call"})

_DELTAS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_THINKING_DELTAS = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_TERMINAL = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"}
)
# The answer to a request with `background` comes before the model has written it.
_NOT_ENDED = frozenset({"queued", "in_progress"})
# Words of `status` and of `incomplete_details.reason`.
_STOP_REASONS: dict[str, StopReason] = {
    "completed": "end_turn",
    "complete": "end_turn",
    "max_output_tokens": "max_tokens",
    "content_filter": "content_filter",
    "cancelled": "error",
}


@dataclass(frozen=True)
class ResponsesWire:
    """The Responses API, stateless: nothing is stored at the vendor, reasoning travels encrypted with the conversation.

    `stateless` says so for models that the catalogue does not know as well, where a vendor takes it from every model.
    """

    vendor: str = "openai"
    path: str = "/responses"
    stateless: bool = False

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
        body |= adjust.sampling(request, effort or ("none" if model.thinking == "never" else None))
        body |= _reasoning(request, model, effort, adjust, self.stateless)
        body |= _tools(request, adjust)
        if request.output_schema is not None:
            schema, strict = adjust.strict_schema(request.output_schema)
            name = request.output_schema.name
            body["text"] = {"format": {"type": "json_schema", "name": name, "schema": schema, "strict": strict}}
        if request.metadata is not None:
            body["metadata"] = dict(request.metadata)
        if request.service_tier is not None:
            body["service_tier"] = request.service_tier
        adjust.cache_lifetime(request)
        if stream:
            body["stream"] = True
        body |= plain(request.extra_body or {})
        return SDKCall(body, tuple(adjust.found))

    def _input(self, request: CompletionRequest, adjust: Adjuster) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for message in request.messages:
            if message.role is USER:
                items.append({"role": "user", "content": content_of(message, _part, adjust)})
            elif message.role is TOOL:
                items.append(
                    {
                        "type": "function_call_output",
                        "call_id": message.tool_call_id or "",
                        "output": _result(message, adjust),
                    }
                )
            elif message.role is ASSISTANT:
                replayed = state_for(message, self.vendor, "responses")
                if replayed is None:
                    adjust.text_alone(message)
                items += replayed if replayed is not None else _assistant(message)
        return items

    def from_sdk_response(self, raw: Mapping[str, Any]) -> CompletionResponse:
        """What a `response` object says."""
        status = raw.get("status")
        if raw.get("error") or status == "failed":
            error = error_in_body(raw.get("error") or {}, provider=self.vendor, model=raw.get("model"))
            error.usage = usage_of(raw) if raw.get("usage") else None
            raise error
        output = list(raw.get("output") or [])
        texts, refusals = _texts(output)
        refusal = joined(refusals)
        text = joined(texts) or refusal
        calls = [call for item in output if (call := _call(item)) is not None]
        return CompletionResponse(
            content=text,
            thinking=joined(_thoughts(output)),
            tool_calls=calls,
            stop_reason=_stop(raw, calls, refusal, self.vendor),
            model=raw.get("model"),
            usage=usage_of(raw),
            last_text=_last_text(output),
            citations=of_annotations(_annotations(output)),
            provider_state=ProviderState(self.vendor, "responses", tuple(output), (text, tuple(calls)))
            if output
            else None,
        )

    def accumulator(self) -> ResponsesAccumulator:
        """A fresh fold of `response.*` events."""
        return ResponsesAccumulator(self)


class ResponsesAccumulator:
    """Folds `response.*` events; the terminal one holds the whole answer."""

    def __init__(self, wire: ResponsesWire) -> None:
        self.wire = wire
        self.done = False
        self.raw: Mapping[str, Any] | None = None
        self.model: str | None = None
        self.text: list[str] = []
        self.items: dict[int, dict[str, Any]] = {}
        self.final: dict[str, Any] | None = None

    def feed(self, event: Mapping[str, Any]) -> StreamChunk | None:
        """A chunk with text or thinking, or None."""
        kind = event.get("type")
        if kind in _DELTAS:
            self.text.append(event.get("delta") or "")
            return StreamChunk(delta=event.get("delta") or "", model=self.model)
        if kind in _THINKING_DELTAS:
            return StreamChunk(thinking_delta=event.get("delta") or "", model=self.model)
        if kind == "response.output_item.done":
            self.items[event.get("output_index", len(self.items))] = event.get("item") or {}
        elif kind in _TERMINAL:
            self.final = dict(event.get("response") or {})
            self.done = True
        elif kind == "error" or (kind is None and "error" in event):
            raise error_in_body(event.get("error") or event, provider=self.wire.vendor, model=self.model)
        elif isinstance(event.get("response"), Mapping):
            self.model = event["response"].get("model") or self.model
        return None

    def counted(self) -> UsageStats:
        """What the vendor has counted: nothing before the terminal event."""
        return usage_of(self.final or {})

    def finish(self) -> CompletionResponse:
        """The whole answer; a stream without a terminal event was cut."""
        if self.final is None:
            error = StreamTruncated(
                "the stream ended without a terminal event", provider=self.wire.vendor, model=self.model
            )
            error.partial_text = joined(self.text)
            raise error
        if not self.final.get("output"):  # some gateways leave the last event's output empty
            self.final["output"] = [self.items[index] for index in sorted(self.items)]
        self.raw = self.final
        return self.wire.from_sdk_response(self.final)


def usage_of(raw: Mapping[str, Any]) -> UsageStats:
    """Usage with lazybridge's meaning; cached tokens are part of the input, reasoning tokens part of the output."""
    usage = raw.get("usage") or {}
    read = usage.get("input_tokens_details")
    searches = [item for item in raw.get("output") or [] if _is_search(item)]
    reported = number((raw.get("tool_usage") or {}).get("web_search"), "num_requests")
    return UsageStats(
        input_tokens=number(usage, "input_tokens", "prompt_tokens"),
        output_tokens=number(usage, "output_tokens", "completion_tokens"),
        cached_input_tokens=number(read, "cached_tokens"),
        cache_write_tokens=number(read, "cache_write_tokens"),
        thinking_tokens=number(usage.get("output_tokens_details"), "reasoning_tokens"),
        web_searches=reported if reported is not None else len(searches) or None,
        file_searches=sum(item.get("type") == "file_search_call" for item in raw.get("output") or []) or None,
        unpriced_tool_calls=sum(item.get("type") in _BILLED_APART for item in raw.get("output") or []) or None,
        service_tier=raw.get("service_tier"),
        reported_cost_usd=reported_cost(usage),
    )


def _is_search(item: Mapping[str, Any]) -> bool:
    """Opening or searching in a page is not billed as a search."""
    return item.get("type") == "web_search_call" and (item.get("action") or {}).get("type", "search") == "search"


def _texts(output: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    parts = [part for item in output if item.get("type") == "message" for part in item.get("content") or []]
    texts = [part.get("text") or "" for part in parts if part.get("type") in ("output_text", "text")]
    return texts, [part.get("refusal") or "" for part in parts if part.get("type") == "refusal"]


def _annotations(output: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for item in output:
        if item.get("type") == "message":
            for part in item.get("content") or []:
                yield from part.get("annotations") or []


def _last_text(output: list[Mapping[str, Any]]) -> str | None:
    """With tools, an answer may hold its JSON once in each of several messages: the last one is the answer."""
    messages = [item for item in output if item.get("type") == "message"]
    return joined(_texts(messages[-1:])[0]) if len(messages) > 1 else None


def _thoughts(output: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for item in output:
        if item.get("type") == "reasoning":
            yield from (part.get("text") or "" for part in item.get("summary") or [])
            yield from (part.get("text") or "" for part in item.get("content") or [])


def _call(item: Mapping[str, Any]) -> ToolCall | None:
    id, name = item.get("call_id") or item.get("id") or "", item.get("name") or ""
    if item.get("type") == "function_call":
        return ToolCall.parse(id, name, item.get("arguments"))
    if item.get("type") == "custom_tool_call":
        return ToolCall(id, name, {"input": item.get("input") or ""}, item.get("input"))
    return None


def _stop(raw: Mapping[str, Any], calls: list[ToolCall], refusal: str, vendor: str) -> StopReason | None:
    if refusal:
        return "refusal"
    word = raw.get("status")
    if word == "incomplete":
        word = (raw.get("incomplete_details") or {}).get("reason")
    if word in _NOT_ENDED:
        return None
    reason = stop_reason(word, _STOP_REASONS, vendor)
    return "tool_use" if calls and reason == "end_turn" else reason


def _reasoning(
    request: CompletionRequest, model: ModelProfile, effort: str | None, adjust: Adjuster, stateless: bool
) -> dict[str, Any]:
    """Effort, a summary of the thinking where it was asked for, and what makes reasoning items replayable.

    Encrypted reasoning is refused by models that do not reason, and items of a stored answer are found by id, so an
    unknown model is left to the API's default (which stores).
    """
    reasoning: dict[str, Any] = {} if effort is None else {"effort": effort}
    if request.thinking and model.thinking == "never":
        adjust.add("thinking", f"{model.id} does not think")
    elif request.thinking:
        reasoning["summary"] = "auto"
        if request.thinking is not True:
            adjust.add("thinking", "OpenAI takes no budget in tokens; a summary was asked for, set effort instead")
    adjust.thinking_off(request, effort)
    body: dict[str, Any] = {"reasoning": reasoning} if reasoning else {}
    if model.thinking is not None or stateless:
        body["store"] = False
    if model.thinking == "effort" or stateless:
        body["include"] = ["reasoning.encrypted_content"]
    return body


def _tools(request: CompletionRequest, adjust: Adjuster) -> dict[str, Any]:
    tools = [_function(tool) for tool in request.tools]
    tools += [plain(NATIVE_TOOLS[tool]) for tool in request.native_tools]
    if not tools:
        adjust.without_tools(request)
        return {}
    body: dict[str, Any] = {"tools": tools}
    if request.tool_choice is not None:
        body["tool_choice"] = tool_choice(request, {"type": "function", "name": request.tool_choice})
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


def _assistant(message: Message) -> Iterable[dict[str, Any]]:
    if message.text:
        yield {"role": "assistant", "content": message.text}
    for call in message.tool_calls:
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": raw_arguments(call)}


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
