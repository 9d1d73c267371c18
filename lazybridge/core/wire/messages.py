"""Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lazybridge.core import structured
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, CacheHint, ContentBlock, DocumentContent, ImageContent, TextContent
from lazybridge.core.errors import StreamTruncated, error_in_body
from lazybridge.core.types import (
    ASSISTANT,
    SYSTEM,
    TOOL,
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
from lazybridge.core.wire import Adjuster, SDKCall, content_of, joined, number, plain, state_for, stop_reason

# The type strings of anthropic 2.12.0 `types/tool_union_param.py`, read 2026-11-22.
NATIVE_TOOLS: dict[NativeTool, dict[str, Any]] = {
    NativeTool.WEB_SEARCH: {"type": "web_search_20260318", "name": "web_search"},
    NativeTool.CODE_EXECUTION: {"type": "code_execution_20260521", "name": "code_execution"},
}

_STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause_turn": "pause_turn",
    "refusal": "refusal",
}
# The API refuses budgets below this: anthropic 2.12.0 `types/thinking_config_enabled_param.py`.
_LEAST_BUDGET = 1024
_USUAL_BUDGET = 8000
_SERVICE_TIERS = ("auto", "standard_only")
# The words of anthropic 2.12.0 `types/output_config_param.py`, for a model that no table knows.
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True)
class MessagesWire:
    """The Messages API."""

    vendor: str = "anthropic"
    path: str = "/v1/messages"
    default_max_tokens: int = 64_000

    def to_sdk_kwargs(self, request: CompletionRequest, model: ModelProfile, stream: bool) -> SDKCall:
        """The body of POST /v1/messages."""
        adjust = Adjuster(model)
        adjust.unavailable(request, {"seed": "the Messages API has no such parameter"})
        for name in ("temperature", "top_p"):
            if getattr(request, name) is not None:
                adjust.add(name, "the Messages API has no such parameter since its version 2026-10-21")
        max_tokens = request.max_tokens or model.max_output_tokens or self.default_max_tokens
        body: dict[str, Any] = {
            "model": model.id,
            "max_tokens": max_tokens,
            "messages": self._messages(request, adjust),
        }
        if request.system_text is not None:
            body["system"] = request.system_text
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        body |= _thinking(request, model, max_tokens, adjust)
        body |= _output_config(request, adjust)
        body |= _tools(request, model, adjust)
        if request.cache:
            body["cache_control"] = _cache_control(request.cache)
        body |= _metadata_and_tier(request, adjust)
        if stream:
            body["stream"] = True
        body |= plain(request.extra_body or {})
        return SDKCall(body, tuple(adjust.found))

    def _messages(self, request: CompletionRequest, adjust: Adjuster) -> list[dict[str, Any]]:
        """Turns alternate; tool results are blocks of a user's turn, and all results of one turn stand in one message."""
        messages: list[dict[str, Any]] = []
        for message in request.messages:
            if message.role is SYSTEM:
                continue
            if message.role is ASSISTANT:
                adjust.text_alone(message)
                said = self._assistant(message)
                if said:  # an empty turn is refused, and the model does answer with one at times
                    messages.append({"role": "assistant", "content": said})
                continue
            content = [_result(message, adjust)] if message.role is TOOL else content_of(message, _part, adjust)
            if (
                messages
                and messages[-1]["role"] == "user"
                and isinstance(content, list)
                and isinstance(messages[-1]["content"], list)
            ):
                messages[-1]["content"] += content
            else:
                messages.append({"role": "user", "content": content})
        return messages

    def _assistant(self, message: Message) -> str | list[dict[str, Any]]:
        replayed = state_for(message, self.vendor, "messages")
        if replayed is not None:
            # The API refuses empty text blocks, its own among them: https://github.com/anthropics/anthropic-sdk-python/issues/461
            return [block for block in replayed if not (block.get("type") == "text" and not block.get("text"))]
        if not message.tool_calls:
            return message.text
        blocks: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
        return blocks + [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": plain(call.arguments)}
            for call in message.tool_calls
        ]

    def from_sdk_response(self, raw: Mapping[str, Any]) -> CompletionResponse:
        """What a `message` object says."""
        if raw.get("type") == "error" or raw.get("error"):
            raise error_in_body(raw.get("error") or raw, provider=self.vendor, model=raw.get("model"))
        return _response(raw, list(raw.get("content") or []), self.vendor)

    def accumulator(self) -> MessagesAccumulator:
        """A fresh fold of `message_*` and `content_block_*` events."""
        return MessagesAccumulator(self.vendor)


class MessagesAccumulator:
    """Folds the events of a streamed message into its blocks."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.done = False
        self.raw: Mapping[str, Any] | None = None
        self.message: dict[str, Any] = {}
        self.blocks: dict[int, dict[str, Any]] = {}
        self.pieces: dict[tuple[int, str], list[str]] = {}

    def feed(self, event: Mapping[str, Any]) -> StreamChunk | None:
        """A chunk with text or thinking, or None."""
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._delta(event.get("index") or 0, event.get("delta") or {})
        if kind == "content_block_start":
            self.blocks[event.get("index") or 0] = dict(event.get("content_block") or {})
        elif kind == "message_start":
            if not self.message:
                self.message = dict(event.get("message") or {})
                self.message["usage"] = dict(self.message.get("usage") or {})
                self.blocks = {index: dict(block) for index, block in enumerate(self.message.get("content") or [])}
        elif kind == "message_delta":
            delta = event.get("delta") or {}
            self.message.update({name: value for name, value in delta.items() if value is not None})
            # Cumulative, and it overrides what message_start said where it says anything.
            usage = {name: value for name, value in (event.get("usage") or {}).items() if value is not None}
            self.message["usage"] = {**(self.message.get("usage") or {}), **usage}
        elif kind == "message_stop":
            self.done = True
        elif kind == "error":
            raise error_in_body(event.get("error") or event, provider=self.vendor, model=self.message.get("model"))
        return None

    def _delta(self, index: int, delta: Mapping[str, Any]) -> StreamChunk | None:
        kind = delta.get("type")
        if kind == "text_delta":
            self._append(index, "text", delta.get("text"))
            return StreamChunk(delta=delta.get("text") or "", model=self.message.get("model"))
        if kind == "thinking_delta":
            self._append(index, "thinking", delta.get("thinking"))
            return StreamChunk(thinking_delta=delta.get("thinking") or "", model=self.message.get("model"))
        if kind == "input_json_delta":
            self._append(index, "input", delta.get("partial_json"))
        elif kind == "signature_delta":
            self._block(index)["signature"] = delta.get("signature")
        elif kind == "citations_delta":
            block = self._block(index)
            block["citations"] = [*(block.get("citations") or []), delta.get("citation")]
        return None

    def _block(self, index: int) -> dict[str, Any]:
        return self.blocks.setdefault(index, {})

    def _append(self, index: int, field: str, piece: str | None) -> None:
        self._block(index)
        self.pieces.setdefault((index, field), []).append(piece or "")

    def finish(self) -> CompletionResponse:
        """The whole answer; a stream without `message_stop` was cut."""
        content = [self._whole(index) for index in sorted(self.blocks)]
        if not self.done:
            model = self.message.get("model")
            error = StreamTruncated("the stream ended without message_stop", provider=self.vendor, model=model)
            error.partial_text = joined(block.get("text") or "" for block in content if block.get("type") == "text")
            raise error
        self.raw = {**self.message, "content": content}
        return _response(self.raw, content, self.vendor)

    def _whole(self, index: int) -> dict[str, Any]:
        block = dict(self.blocks[index])
        for field in ("text", "thinking"):
            if (index, field) in self.pieces:
                block[field] = (block.get(field) or "") + joined(self.pieces[index, field])
        if (index, "input") in self.pieces:
            text = joined(self.pieces[index, "input"])
            call = ToolCall.parse("", "", text)
            block["input"] = dict(call.arguments)
            if call.error:
                block[_BROKEN] = text
        return block


# Where a streamed tool input is kept when its JSON is broken: max_tokens can cut it anywhere.
_BROKEN = "_broken_input"


def _response(raw: Mapping[str, Any], content: list[dict[str, Any]], vendor: str) -> CompletionResponse:
    calls = [
        # The call's arguments are a copy: a tool that changes them must not change what is replayed.
        ToolCall.parse(
            block.get("id") or "", block.get("name") or "", block.pop(_BROKEN, None) or plain(block.get("input"))
        )
        for block in content
        if block.get("type") == "tool_use"
    ]
    text = joined(block.get("text") or "" for block in content if block.get("type") == "text")
    usage = usage_of(raw.get("usage") or {})
    usage.unpriced_tool_calls = sum(map(_billed_apart, content)) or None
    return CompletionResponse(
        content=text,
        thinking=joined(block.get("thinking") or "" for block in content if block.get("type") == "thinking"),
        tool_calls=calls,
        stop_reason=stop_reason(raw.get("stop_reason"), _STOP_REASONS, vendor),
        model=raw.get("model"),
        usage=usage,
        provider_state=ProviderState(vendor, "messages", tuple(content), (text, tuple(calls))) if content else None,
    )


def _billed_apart(block: Mapping[str, Any]) -> bool:
    """Code execution is billed by the hour: https://claude.com/pricing, read 2026-11-22."""
    return block.get("type") == "server_tool_use" and "code_execution" in (block.get("name") or "")


def usage_of(usage: Mapping[str, Any]) -> UsageStats:
    """Usage with lazybridge's meaning: the vendor counts cached input apart, here it is part of the input."""
    fresh = number(usage, "input_tokens")
    cached, written = number(usage, "cache_read_input_tokens"), number(usage, "cache_creation_input_tokens")
    return UsageStats(
        input_tokens=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output_tokens=number(usage, "output_tokens"),
        cached_input_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=number(usage.get("cache_creation"), "ephemeral_1h_input_tokens"),
        thinking_tokens=number(usage.get("output_tokens_details"), "thinking_tokens"),
        web_searches=number(usage.get("server_tool_use"), "web_search_requests"),
        service_tier=usage.get("service_tier"),
    )


def _thinking(request: CompletionRequest, model: ModelProfile, max_tokens: int, adjust: Adjuster) -> dict[str, Any]:
    wanted = request.thinking
    if wanted is None and request.effort != "none":
        return {}
    if not wanted:
        if model.thinking == "always":
            adjust.add("thinking", f"{model.id} always thinks; effort sets how long")
            return {}
        return {"thinking": {"type": "disabled"}}
    if model.thinking != "budget":
        if wanted is not True:
            adjust.add(
                "thinking", f"{model.id} decides itself how long it thinks; the budget was left out, set effort instead"
            )
        return {"thinking": {"type": "adaptive", "display": "summarized"}}
    budget = _USUAL_BUDGET if wanted is True else wanted
    fitting = max(_LEAST_BUDGET, min(budget, max_tokens - 1))
    if fitting >= max_tokens:
        adjust.add(
            "thinking", f"a thinking budget needs max_tokens above {_LEAST_BUDGET}, not {max_tokens}; thinking is off"
        )
        return {}
    if wanted is not True and fitting != budget:
        adjust.add("thinking", f"the budget must be at least {_LEAST_BUDGET} and below max_tokens; sent {fitting}")
    return {"thinking": {"type": "enabled", "budget_tokens": fitting}}


def _output_config(request: CompletionRequest, adjust: Adjuster) -> dict[str, Any]:
    config: dict[str, Any] = {}
    effort = None if request.effort == "none" else adjust.effort(request, _EFFORTS)
    if effort is not None:
        config["effort"] = effort
    if request.output_schema is not None:
        config["format"] = {"type": "json_schema", "schema": structured.described(request.output_schema.schema)}
    return {"output_config": config} if config else {}


def _tools(request: CompletionRequest, model: ModelProfile, adjust: Adjuster) -> dict[str, Any]:
    tools = [_function(tool) for tool in request.tools]
    tools += [plain(NATIVE_TOOLS[tool]) for tool in request.native_tools]
    if not tools:
        adjust.without_tools(request)
        return {}
    choice: dict[str, Any] = {}
    if request.tool_choice is not None:
        word = {"auto": "auto", "required": "any", "none": "none"}.get(request.tool_choice, "tool")
        if word in ("any", "tool") and model.forced_tool_choice is False:
            adjust.add("tool_choice", f"{model.id} cannot be made to call a tool; sent auto")
            word = "auto"
        choice = {"type": word, **({"name": request.tool_choice} if word == "tool" else {})}
    if request.parallel_tool_calls is False and choice.get("type") != "none":
        choice = {"type": "auto", **choice, "disable_parallel_tool_use": True}
    return {"tools": tools, **({"tool_choice": choice} if choice else {})}


def _function(tool: ToolDefinition) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "input_schema": plain(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def _metadata_and_tier(request: CompletionRequest, adjust: Adjuster) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if request.metadata:
        for name in request.metadata:
            if name != "user_id":
                adjust.add("metadata", f"the Messages API takes user_id alone; {name!r} was left out")
        if "user_id" in request.metadata:
            body["metadata"] = {"user_id": request.metadata["user_id"]}
    if request.service_tier is not None:
        if request.service_tier in _SERVICE_TIERS:
            body["service_tier"] = request.service_tier
        else:
            adjust.add(
                "service_tier", f"the Messages API knows {', '.join(_SERVICE_TIERS)}, not {request.service_tier!r}"
            )
    return body


def _cache_control(cache: CacheHint) -> dict[str, Any]:
    return {"type": "ephemeral", **({"ttl": cache} if isinstance(cache, str) else {})}


def _result(message: Message, adjust: Adjuster) -> dict[str, Any]:
    content = content_of(message, _part, adjust)
    if message.is_error and not content:
        content = "the tool failed without a message"  # an error without content is refused
    result: dict[str, Any] = {"type": "tool_result", "tool_use_id": message.tool_call_id or "", "content": content}
    return {**result, "is_error": True} if message.is_error else result


def _part(block: ContentBlock, adjust: Adjuster) -> dict[str, Any] | None:
    part: dict[str, Any]
    if isinstance(block, TextContent):
        if not block.text:
            return None  # refused by the API
        part = {"type": "text", "text": block.text}
    elif isinstance(block, ImageContent):
        if adjust.blind("image"):
            return None
        part = {"type": "image", "source": _source(block)}
    elif isinstance(block, AudioContent):
        adjust.add("audio", "the Messages API takes no audio; it was left out")
        return None
    else:
        if adjust.blind("document"):
            return None
        part = {"type": "document", "source": _document_source(block)}
        if block.name:
            part["title"] = block.name
    if block.cache:
        part["cache_control"] = _cache_control(block.cache)
    return part


def _document_source(block: DocumentContent) -> dict[str, Any]:
    if block.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": block.text}
    return _source(block)


def _source(block: ImageContent | DocumentContent) -> dict[str, Any]:
    if block.file_id:
        return {"type": "file", "file_id": block.file_id}
    if block.url:
        return {"type": "url", "url": block.url}
    return {"type": "base64", "media_type": block.media_type, "data": block.base64}
