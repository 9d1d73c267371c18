"""What the Responses API answers: whole, or streamed in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lazybridge.core.content import Citation, ImageContent, TokenLogprob
from lazybridge.core.errors import StreamTruncated, error_in_body
from lazybridge.core.growing import GrowingText
from lazybridge.core.types import CompletionResponse, ProviderState, StopReason, StreamChunk, ToolCall, UsageStats
from lazybridge.core.wire import counts, joined, number, reported_cost, stop_reason
from lazybridge.core.wire.citations import of_annotations, passages, queries_of_items
from lazybridge.core.wire.computer import call_of
from lazybridge.core.wire.logprobs import of_tokens
from lazybridge.core.wire.media import image, of_url

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


def answer_of(raw: Mapping[str, Any], vendor: str) -> CompletionResponse:
    """What a `response` object says."""
    status = raw.get("status")
    if raw.get("error") or status == "failed":
        error = error_in_body(raw.get("error") or {}, provider=vendor, model=raw.get("model"))
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
        stop_reason=_stop(raw, calls, refusal, vendor),
        model=raw.get("model"),
        usage=usage_of(raw),
        last_text=_last_text(output),
        citations=tuple(_citations(output)),
        search_queries=queries_of_items(output),
        media=tuple(found for item in output for found in _images(item)),
        logprobs=tuple(_logprobs(output)),
        provider_state=ProviderState(vendor, "responses", tuple(output), (text, tuple(calls))) if output else None,
    )


class ResponsesAccumulator:
    """Folds `response.*` events; the terminal one holds the whole answer."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.done = False
        self.raw: Mapping[str, Any] | None = None
        self.model: str | None = None
        self.text = GrowingText()
        self.items: dict[int, dict[str, Any]] = {}
        self.final: dict[str, Any] | None = None

    def feed(self, event: Mapping[str, Any]) -> StreamChunk | None:
        """A chunk with text, thinking or an image, or None."""
        kind = event.get("type")
        if kind in _DELTAS:
            text = event.get("delta") or ""
            self.text.write(text)
            return StreamChunk(text, model=self.model)
        if kind in _THINKING_DELTAS:
            return StreamChunk(thinking_delta=event.get("delta") or "", model=self.model)
        if kind == "response.output_item.done":
            item = self.items[event.get("output_index", len(self.items))] = event.get("item") or {}
            media = tuple(_images(item))
            return StreamChunk(media=media, model=self.model) if media else None
        if kind == "response.image_generation_call.partial_image":
            draft = image(event.get("partial_image_b64"), _image_type(event))
            return None if draft is None else StreamChunk(preview=draft, model=self.model)
        if kind in _TERMINAL:
            self.final = dict(event.get("response") or {})
            self.done = True
        elif kind == "error" or (kind is None and "error" in event):
            raise error_in_body(event.get("error") or event, provider=self.vendor, model=self.model)
        elif isinstance(event.get("response"), Mapping):
            self.model = event["response"].get("model") or self.model
        return None

    def counted(self) -> UsageStats:
        """What the vendor has counted: nothing before the terminal event."""
        return usage_of(self.final or {})

    def finish(self) -> CompletionResponse:
        """The whole answer; a stream without a terminal event was cut."""
        if self.final is None:
            error = StreamTruncated("the stream ended without a terminal event", provider=self.vendor, model=self.model)
            error.partial_text = str(self.text)
            raise error
        if not self.final.get("output"):  # some gateways leave the last event's output empty
            self.final["output"] = [self.items[index] for index in sorted(self.items)]
        self.raw = self.final
        return answer_of(self.final, self.vendor)


def usage_of(raw: Mapping[str, Any]) -> UsageStats:
    """Usage with lazybridge's meaning; cached tokens are part of the input, reasoning tokens part of the output."""
    usage = counts(raw.get("usage"))
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


def _citations(output: Iterable[Mapping[str, Any]]) -> Iterable[Citation]:
    found = passages(output)
    place = 0  # where in the whole text a part begins
    for item in output:
        for part in item.get("content") or () if item.get("type") == "message" else ():
            yield from of_annotations(part.get("annotations") or (), place, found)
            place += len(part.get("text") or "")


def _logprobs(output: Iterable[Mapping[str, Any]]) -> Iterable[TokenLogprob]:
    for item in output:
        for part in item.get("content") or () if item.get("type") == "message" else ():
            yield from of_tokens(part.get("logprobs"))


def _images(item: Mapping[str, Any]) -> Iterable[ImageContent]:
    """What the image tool made, where it did not fail; and what code drew, where its outputs were asked for."""
    if item.get("type") == "image_generation_call":
        made = image(item.get("result"), _image_type(item))
        yield from () if made is None else (made,)
    elif item.get("type") == "code_interpreter_call":
        drawn = (output for output in item.get("outputs") or () if output.get("type") == "image")
        yield from (found for output in drawn if (found := of_url(output.get("url") or "")) is not None)


def _image_type(item: Mapping[str, Any]) -> str | None:
    word = item.get("output_format")
    return {None: None, "svg": "image/svg+xml"}.get(word, f"image/{word}")


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
    if item.get("type") == "computer_call":
        return call_of(item)
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
