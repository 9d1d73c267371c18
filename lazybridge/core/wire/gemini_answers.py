"""What generateContent answers: whole, or streamed in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from lazybridge.core.content import AudioContent, ImageContent, Media
from lazybridge.core.errors import StreamTruncated, error_in_body
from lazybridge.core.types import CompletionResponse, ProviderState, StopReason, StreamChunk, ToolCall, UsageStats
from lazybridge.core.wire import counts, joined, logprobs, number, plain, stop_reason
from lazybridge.core.wire.citations import of_candidate, queries_of_candidate
from lazybridge.core.wire.media import of_parts

# google-genai 3.4.0 `types.FinishReason`, read 2026-11-22.
_STOP_REASONS: dict[str, StopReason] = {
    "STOP": "end_turn",
    "MAX_TOKENS": "max_tokens",
    "CONTINUATION": "max_tokens",  # the limit of one request; more is asked for with extra_body's continuationToken
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "MODEL_ARMOR",
            "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "PUP_LIMITED_DISABLED",
        ),
        "content_filter",
    ),
    **dict.fromkeys(
        (
            "FINISH_REASON_UNSPECIFIED", "LANGUAGE", "OTHER", "MALFORMED_FUNCTION_CALL", "IMAGE_OTHER", "NO_IMAGE",
            "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE",
        ),
        "error",
    ),
}  # fmt: skip
# google-genai 3.4.0 `types.BlockedReason`: whatever the word, the prompt was refused. An unmapped one warns.
_BLOCKED: dict[str, StopReason] = dict.fromkeys(
    ("BLOCKED_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY",
     "MODEL_ARMOR", "JAILBREAK"),
    "content_filter",
)  # fmt: skip
# google-genai 3.4.0 `types.TrafficType` (Vertex AI). Provisioned throughput is paid by the hour, and no token of it.
_TRAFFIC = {"ON_DEMAND": "standard", "ON_DEMAND_PRIORITY": "priority", "ON_DEMAND_FLEX": "flex"}
_PLAIN_TEXT = frozenset({"text", "thought"})
_MAY_TRAIL = frozenset({"text", "thought", "thoughtSignature"})
_TOKENS = ("chosenCandidates", "topCandidates")


def answer_of(raw: Mapping[str, Any], vendor: str, searches_billed: str | None = None) -> CompletionResponse:
    """What a GenerateContentResponse says."""
    if raw.get("error"):
        raise error_in_body(raw["error"], provider=vendor, model=raw.get("modelVersion"))
    candidates = sorted(raw.get("candidates") or (), key=lambda candidate: candidate.get("index") or 0)
    first: Mapping[str, Any] = candidates[0] if candidates else {}
    parts = _parts(first)
    text = joined(_texts(parts))
    calls = _calls(parts, raw.get("responseId"))
    return CompletionResponse(
        content=text,
        thinking=joined(part.get("text") or "" for part in parts if part.get("thought")),
        tool_calls=calls,
        stop_reason=_stop(raw, first, calls, vendor),
        model=raw.get("modelVersion"),
        usage=usage_of(raw, searches_billed),
        request_id=raw.get("responseId"),
        alternatives=tuple(joined(_texts(_parts(other))) for other in candidates[1:]),
        citations=tuple(of_candidate(first, text)),
        search_queries=queries_of_candidate(first),
        media=tuple(of_parts(parts)),
        logprobs=logprobs.of_candidate(first),
        provider_state=ProviderState(vendor, "gemini", tuple(parts), (text, tuple(calls))) if parts else None,
    )


def _parts(candidate: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list((candidate.get("content") or {}).get("parts") or ())


def _texts(parts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    return (part.get("text") or "" for part in parts if not part.get("thought"))


def _calls(parts: list[dict[str, Any]], answer: str | None) -> list[ToolCall]:
    """The calls; most come without an id, and get one that no other answer has."""
    calls: list[ToolCall] = []
    for part in parts:
        call = part.get("functionCall")
        if call is None:
            continue
        id = call.get("id") or f"call_{answer}_{len(calls)}" if answer else call.get("id") or f"call_{len(calls)}"
        if call.get("willContinue"):
            calls.append(ToolCall(id, call.get("name") or "", error="the arguments were cut off"))
        else:
            # A copy: a tool that changes its arguments must not change what is replayed.
            calls.append(ToolCall(id, call.get("name") or "", plain(call.get("args") or {})))
    return calls


def _stop(
    raw: Mapping[str, Any], candidate: Mapping[str, Any], calls: list[ToolCall], vendor: str
) -> StopReason | None:
    """A call ends with STOP too. An answer without any candidate was blocked, or is none."""
    blocked = (raw.get("promptFeedback") or {}).get("blockReason")
    if blocked:
        return stop_reason(blocked, _BLOCKED, vendor) or "content_filter"
    if not candidate:
        return "error" if raw.get("usageMetadata") or raw.get("promptFeedback") else None
    reason = stop_reason(candidate.get("finishReason"), _STOP_REASONS, vendor)
    return "tool_use" if calls and reason == "end_turn" else reason


class GeminiAccumulator:
    """Folds the events of streamGenerateContent, each of which is a GenerateContentResponse of its own.

    A finish reason may come more than once, and text after the first, so a stream is read to its end.
    """

    def __init__(self, vendor: str, searches_billed: str | None = None) -> None:
        self.vendor = vendor
        self.searches_billed = searches_billed
        self.done = False
        self.raw: Mapping[str, Any] | None = None
        self.answer: dict[str, Any] = {}
        self.candidates: dict[int, _Candidate] = {}
        self.heard = False

    def feed(self, event: Mapping[str, Any]) -> StreamChunk | None:
        """A chunk with text, thinking or media, or None. An image comes whole; audio comes in pieces, and is whole at the
        end."""
        if event.get("error"):
            raise error_in_body(event["error"], provider=self.vendor, model=self.answer.get("modelVersion"))
        usage = event.get("usageMetadata")
        if usage and "totalTokenCount" not in usage:  # counts are cumulative; the first may be traffic alone
            usage = {**(self.answer.get("usageMetadata") or {}), **usage}
        self.answer.update(event)
        if usage:
            self.answer["usageMetadata"] = usage
        text = thinking = ""
        media: list[Media] = []
        for candidate in event.get("candidates") or ():
            index = candidate.get("index") or 0
            if index not in self.candidates:
                self.candidates[index] = _Candidate()
            parts = self.candidates[index].add(candidate)
            if index == 0:
                media += (found for found in of_parts(parts) if isinstance(found, ImageContent))
                if candidate.get("finishReason") and not self.heard:
                    self.heard = True
                    media += (found for found in of_parts(self.candidates[0].parts) if isinstance(found, AudioContent))
            for part in parts:
                if index == 0 and part.get("thought"):
                    thinking += part.get("text") or ""
                elif index == 0:
                    text += part.get("text") or ""
        if not (text or thinking or media):
            return None
        model = self.answer.get("modelVersion")
        return StreamChunk(delta=text, thinking_delta=thinking, model=model, media=tuple(media))

    def counted(self) -> UsageStats:
        """What the vendor has counted so far."""
        found = [candidate.fields for candidate in self.candidates.values()]
        return usage_of({**self.answer, "candidates": found}, self.searches_billed)

    def finish(self) -> CompletionResponse:
        """The whole answer; a stream without a finish reason was cut."""
        whole = [candidate.whole(index) for index, candidate in sorted(self.candidates.items())]
        ended = any(candidate.get("finishReason") for candidate in whole)
        if not ended and not (self.answer.get("promptFeedback") or {}).get("blockReason"):
            error = StreamTruncated(
                "the stream ended without a finish reason", provider=self.vendor, model=self.answer.get("modelVersion")
            )
            error.partial_text = joined(_texts(_parts(whole[0]))) if whole else ""
            raise error
        self.raw = {**self.answer, "candidates": whole}
        return answer_of(self.raw, self.vendor, self.searches_billed)


class _Candidate:
    """One candidate from its pieces. Runs of plain text become one part; a part with a signature stays as it came."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.parts: list[dict[str, Any]] = []
        self.run: list[str] | None = None
        self.open: dict[str, Any] | None = None

    def add(self, candidate: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Take a piece in; its parts."""
        for name, value in candidate.items():
            if name == "logprobsResult" and isinstance(value, Mapping):  # of this piece's tokens
                before = self.fields.get(name) or {}
                self.fields[name] = {key: [*(before.get(key) or ()), *(value.get(key) or ())] for key in _TOKENS}
            elif name != "content" and value is not None:
                self.fields[name] = value
        parts = _parts(candidate)
        if not candidate.get("finishReason") and any(part.get("text") or part.keys() - _MAY_TRAIL for part in parts):
            self.fields.pop("finishReason", None)  # it goes on, so it had not finished
        for part in parts:
            if part.keys() <= _PLAIN_TEXT:
                self._text(part)
            elif "functionCall" in part:
                self._call(part)
            else:
                self._put(part)
        return parts

    def _put(self, part: dict[str, Any]) -> None:
        self._end_run()
        self.parts.append(part)

    def _text(self, part: dict[str, Any]) -> None:
        if self.run is None or bool(part.get("thought")) != bool(self.parts[-1].get("thought")):
            self._put(dict(part))
            self.run = [part.get("text") or ""]
        else:
            self.run.append(part.get("text") or "")

    def _end_run(self) -> None:
        if self.run is not None:
            self.parts[-1]["text"] = joined(self.run)
        self.run = None

    def _call(self, part: dict[str, Any]) -> None:
        """A whole call, or a piece of one: the first names it, those that follow have arguments, the last has no
        `willContinue`."""
        piece = part["functionCall"]
        if self.open is None or piece.get("name"):
            self.open = {**piece, "partialArgs": list(piece.get("partialArgs") or ())}
            self._put({**part, "functionCall": self.open} if piece.get("willContinue") else part)
        else:
            self.open["partialArgs"] += piece.get("partialArgs") or ()
            if piece.get("args"):
                self.open["args"] = piece["args"]
            if part.get("thoughtSignature"):
                self.parts[-1]["thoughtSignature"] = part["thoughtSignature"]
        if not piece.get("willContinue"):
            self.open.pop("willContinue", None)
            self.open = None

    def whole(self, index: int) -> dict[str, Any]:
        """The candidate as a whole answer would have it."""
        self._end_run()
        parts = [_assembled(part) for part in self.parts]
        return {**self.fields, "index": index, "content": {"role": "model", "parts": parts}}


def _assembled(part: dict[str, Any]) -> dict[str, Any]:
    """A call whose arguments came in pieces, with its arguments."""
    call = part.get("functionCall")
    if not call or "partialArgs" not in call:
        return part
    kept = {name: value for name, value in call.items() if name != "partialArgs"}
    return {**part, "functionCall": {**kept, "args": call.get("args") or _object_of(call["partialArgs"])}}


_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[['\"](.+?)['\"]\]")
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")


def _object_of(pieces: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The object that pieces of `jsonPath` and value describe; strings of one path go on where the last one ended."""
    root: dict[str, Any] = {}
    for piece in pieces:
        kind = next((name for name in _VALUES if name in piece), None)
        steps: list[Any] = [
            int(match[2]) if match[2] is not None else match[1] or match[3]
            for match in _STEP.finditer(piece.get("jsonPath") or "")
        ]
        if kind is None or not steps:
            continue
        place: Any = root
        for step, following in pairwise(steps):
            place = _inside(place, step, [] if isinstance(following, int) else {})
        value = None if kind == "nullValue" else piece[kind]
        before = _inside(place, steps[-1], None)
        place[steps[-1]] = before + value if isinstance(before, str) and isinstance(value, str) else value
    return root


def _inside(place: Any, step: Any, empty: Any) -> Any:
    """What stands at a step of a path; `empty` is put there where nothing does."""
    if isinstance(place, list):
        place.extend([None] * (step + 1 - len(place)))
        if place[step] is None:
            place[step] = empty
        return place[step]
    return place.setdefault(step, empty)


def usage_of(raw: Mapping[str, Any], searches_billed: str | None = None) -> UsageStats:
    """Usage with lazybridge's meaning: what tools put into the prompt and what was thought are counted apart by Google,
    and are part of the input and of the output here. Counts of 0 are not sent."""
    usage = counts(raw.get("usageMetadata"))
    read = (*(usage.get("promptTokensDetails") or ()), *(usage.get("toolUsePromptTokensDetails") or ()))
    cached, wrote = usage.get("cacheTokensDetails"), usage.get("candidatesTokensDetails") or ()
    said = number(usage, "promptTokenCount", "totalTokenCount") is not None
    searches, maps = _groundings(raw.get("candidates") or ())
    return UsageStats(
        input_tokens=_sum(usage, "promptTokenCount", "toolUsePromptTokenCount") if said else None,
        output_tokens=_sum(usage, "candidatesTokenCount", "thoughtsTokenCount") if said else None,
        cached_input_tokens=number(usage, "cachedContentTokenCount"),
        thinking_tokens=number(usage, "thoughtsTokenCount"),
        audio_input_tokens=_of("AUDIO", read) or None,
        audio_output_tokens=_of("AUDIO", wrote) or None,
        cached_audio_tokens=None if cached is None else _of("AUDIO", cached),
        image_input_tokens=_of("IMAGE", read) or None,
        image_output_tokens=_of("IMAGE", wrote) or None,
        web_searches=(min(searches, 1) if searches_billed == "prompt" else searches) or None,
        unpriced_tool_calls=maps or None,
        service_tier=_tier(usage),
    )


def _sum(usage: Mapping[str, Any], *names: str) -> int:
    return sum(number(usage, name) or 0 for name in names)


def _of(modality: str, details: Iterable[Mapping[str, Any]]) -> int:
    return sum(detail.get("tokenCount") or 0 for detail in details if detail.get("modality") == modality)


def _tier(usage: Mapping[str, Any]) -> str | None:
    traffic = usage.get("trafficType")
    return usage.get("serviceTier") or (_TRAFFIC.get(traffic, traffic.lower()) if traffic else None)


def _groundings(candidates: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Queries to Google Search, and answers grounded in Google Maps, which have no price here.

    A query counts once, and an empty one not at all: https://discuss.ai.google.dev/t/168136, read 2026-11-22.
    """
    queries: set[str] = set()
    maps = 0
    for candidate in candidates:
        found = candidate.get("groundingMetadata") or {}
        queries |= {*(found.get("webSearchQueries") or ()), *(found.get("imageSearchQueries") or ())}
        maps += any("maps" in chunk for chunk in found.get("groundingChunks") or ())
    return len(queries - {""}), maps
