"""What the Messages API answers: whole, or streamed in pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lazybridge.core.errors import StreamTruncated, error_in_body
from lazybridge.core.growing import GrowingText
from lazybridge.core.types import (
    CompletionResponse,
    NativeTool,
    ProviderState,
    StopReason,
    StreamChunk,
    ToolCall,
    UsageStats,
)
from lazybridge.core.wire import counts, joined, number, plain, stop_reason
from lazybridge.core.wire.citations import of_blocks, queries_of_calls

_STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause_turn": "pause_turn",
    "refusal": "refusal",
}


class MessagesAccumulator:
    """Folds the events of a streamed message into its blocks."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.done = False
        self.raw: Mapping[str, Any] | None = None
        self.message: dict[str, Any] = {}
        self.blocks: dict[int, dict[str, Any]] = {}
        self.pieces: dict[tuple[int, str], GrowingText] = {}

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
        grown = self.pieces.get((index, field))
        if grown is None:
            block = self._block(index)
            if not block and field != "input":  # its start never came
                block["type"] = field
            grown = self.pieces[index, field] = GrowingText()
        grown.write(piece or "")

    def counted(self) -> UsageStats:
        """What the vendor has counted so far: the input from the first event on."""
        return usage_of(self.message.get("usage") or {})

    def finish(self) -> CompletionResponse:
        """The whole answer; a stream without `message_stop` was cut."""
        content = [self._whole(index) for index in sorted(self.blocks)]
        if not self.done:
            model = self.message.get("model")
            error = StreamTruncated("the stream ended without message_stop", provider=self.vendor, model=model)
            error.partial_text = joined(block.get("text") or "" for block in content if block.get("type") == "text")
            raise error
        self.raw = {**self.message, "content": content}
        return answer_of(self.raw, content, self.vendor)

    def _whole(self, index: int) -> dict[str, Any]:
        block = dict(self.blocks[index])
        for field in ("text", "thinking"):
            if (index, field) in self.pieces:
                block[field] = (block.get(field) or "") + str(self.pieces[index, field])
        if (index, "input") in self.pieces:
            text = str(self.pieces[index, "input"])
            call = ToolCall.parse("", "", text)
            block["input"] = dict(call.arguments)
            if call.error:
                block[_BROKEN] = text
        return block


# Where a streamed tool input is kept when its JSON is broken: max_tokens can cut it anywhere.
_BROKEN = "_broken_input"


def answer_of(raw: Mapping[str, Any], content: list[dict[str, Any]], vendor: str) -> CompletionResponse:
    """What a `message` object says; `content` are its blocks."""
    calls = [
        # The call's arguments are a copy: a tool that changes them must not change what is replayed.
        _native(
            block,
            ToolCall.parse(
                block.get("id") or "", block.get("name") or "", block.pop(_BROKEN, None) or plain(block.get("input"))
            ),
        )
        for block in content
        if block.get("type") == "tool_use"
    ]
    text = joined(block.get("text") or "" for block in content if block.get("type") == "text")
    usage = usage_of(raw.get("usage"))
    served = [block for block in content if block.get("type") == "server_tool_use"]
    usage.unpriced_tool_calls = None if any(map(_filters, served)) else sum(map(_billed_apart, served)) or None
    return CompletionResponse(
        content=text,
        thinking=joined(block.get("thinking") or "" for block in content if block.get("type") == "thinking"),
        tool_calls=calls,
        stop_reason=stop_reason(raw.get("stop_reason"), _STOP_REASONS, vendor),
        model=raw.get("model"),
        usage=usage,
        citations=tuple(of_blocks(content)),
        search_queries=queries_of_calls(served),
        provider_state=ProviderState(vendor, "messages", tuple(content), (text, tuple(calls))) if content else None,
    )


def _native(block: Mapping[str, Any], call: ToolCall) -> ToolCall:
    """A call of a member of the computer's toolset, which the caller runs: anthropic 2.12.0 `types/computer_*`."""
    return replace(call, native=NativeTool.COMPUTER_USE) if block.get("toolset_name") == "computer" else call


def _billed_apart(block: Mapping[str, Any]) -> bool:
    """Code execution is billed by the hour: https://claude.com/pricing, read 2026-11-22."""
    return "code_execution" in (block.get("name") or "")


def _filters(block: Mapping[str, Any]) -> bool:
    """Code that searches or fetches pages is free, and so is all code of such an answer:
    https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool, read 2026-11-22."""
    by_code = str((block.get("caller") or {}).get("type")).startswith("code_execution")
    return by_code and block.get("name") in ("web_search", "web_fetch")


def usage_of(usage: Any) -> UsageStats:
    """Usage with lazybridge's meaning: the vendor counts cached input apart, here it is part of the input."""
    usage = counts(usage)
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
        service_tier="fast" if usage.get("speed") == "fast" else usage.get("service_tier"),
        region=usage.get("inference_geo"),
    )
