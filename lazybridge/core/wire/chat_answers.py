"""What Chat Completions answer: whole, or streamed in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lazybridge.core.content import Media, TokenLogprob
from lazybridge.core.errors import StreamTruncated, error_in_body
from lazybridge.core.growing import GrowingText
from lazybridge.core.types import CompletionResponse, StopReason, StreamChunk, ToolCall, UsageStats
from lazybridge.core.wire import counts, joined, number, reported_cost, stop_reason
from lazybridge.core.wire.chat_thinking import Thoughts
from lazybridge.core.wire.chat_turns import KeptContent, keep, keep_audio
from lazybridge.core.wire.citations import of_annotations, of_search
from lazybridge.core.wire.logprobs import of_choice
from lazybridge.core.wire.media import of_urls, speech

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


def answer_of(
    raw: Mapping[str, Any], vendor: str, reasoning_fields: tuple[str, ...] = (), keeps_thinking: bool = False
) -> CompletionResponse:
    """What a `chat.completion` says. Thinking is kept to be sent back, the first of `reasoning_fields` or as parts of the content
    (`keeps_thinking`), where the vendor wants it."""
    _raise_error(raw, vendor, raw.get("model"))
    choices = sorted(raw.get("choices") or [], key=lambda choice: choice.get("index") or 0)
    choice: Mapping[str, Any] = choices[0] if choices else {}
    message: Mapping[str, Any] = choice.get("message") or {}
    text, thinking = _text_and_thinking(message)
    audio = message.get("audio") or {}
    text = text or audio.get("transcript") or ""
    refusal = message.get("refusal") or ""
    calls = [_call(call, index) for index, call in enumerate(message.get("tool_calls") or [])]
    if message.get("function_call"):
        calls.append(_call({"function": message["function_call"]}, len(calls)))
    thoughts = Thoughts(reasoning_fields)
    thoughts.add(message)
    response = CompletionResponse(
        content=text or refusal,
        thinking=thinking,
        tool_calls=calls,
        stop_reason=_stop_reason(choice.get("finish_reason"), calls, refusal, vendor),
        model=raw.get("model"),
        usage=usage_of(raw, message.get("executed_tools") or ()),
        citations=(*of_search(raw), *of_annotations(message.get("annotations") or ())),
        provider_state=thoughts.state(vendor, text or refusal, calls),
        alternatives=tuple(_text_and_thinking(other.get("message") or {})[0] for other in choices[1:]),
        media=tuple(of_urls(message.get("images") or ())),
        logprobs=of_choice(choice),
    )
    if audio:
        if (heard := speech([audio.get("data") or ""])) is not None:
            response.media += (heard,)
        keep_audio(response, vendor, audio)
    if keeps_thinking:
        keep(response, vendor, message.get("content"))
    return response


def _raise_error(body: Mapping[str, Any], vendor: str, model: str | None) -> None:
    """Raise what a vendor says went wrong inside a 200: under `error`, or as the whole body (Mistral)."""
    error = body if body.get("object") == "error" else body.get("error")
    if error:
        raise error_in_body(error, provider=vendor, model=model)


class ChatAccumulator:
    """Folds `chat.completion.chunk` events."""

    def __init__(self, vendor: str, reasoning_fields: tuple[str, ...] = (), keeps_thinking: bool = False) -> None:
        self.vendor = vendor
        self.thoughts = Thoughts(reasoning_fields)
        self.search: Mapping[str, Any] = {}
        self.annotations: list[Any] = []
        self.executed: dict[Any, Mapping[str, Any]] = {}
        self.kept = KeptContent() if keeps_thinking else None
        self.done = False
        self.raw: Mapping[str, Any] | None = None
        self.model: str | None = None
        self.text, self.thinking, self.refusal = GrowingText(), GrowingText(), GrowingText()
        self.further: dict[int, GrowingText] = {}
        self.media: list[Media] = []
        self.logprobs: list[TokenLogprob] = []
        self.audio: dict[str, Any] = {}
        self.audio_pieces: list[str] = []
        self.calls = _CallFragments()
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] = {}

    def feed(self, event: Mapping[str, Any]) -> StreamChunk | None:
        """A chunk with text or thinking, or None."""
        _raise_error(event, self.vendor, self.model)
        self.model = self.model or event.get("model") or None
        # Usage may repeat before the end (xAI, OpenRouter, Perplexity), and Groq nests it: the last one counts.
        groq = event.get("x_groq") or {}
        if groq.get("error"):
            raise error_in_body(groq["error"], provider=self.vendor, model=self.model)
        usage = event.get("usage") or groq.get("usage")
        if usage:
            self.usage["usage"] = usage
        if event.get("service_tier"):
            self.usage["service_tier"] = event["service_tier"]
        if event.get("search_results") or event.get("citations"):
            self.search = event
        text = thinking = ""
        new_media: list[Media] = []
        choices = event.get("choices")
        # OpenAI's trailer: usage alone, after the finish reason. Others may send more, and are read to the end.
        self.done = choices == [] and bool(usage) and self.finish_reason is not None
        for choice in choices or []:
            if choice.get("index"):
                further = _text_and_thinking(choice.get("delta") or {})[0]
                self.further.setdefault(choice["index"], GrowingText()).write(further)
                continue
            delta = choice.get("delta") or {}
            if (
                len(delta) == 1
                and isinstance(delta.get("content"), str)
                and not choice.get("logprobs")
                and not self.kept
            ):
                self.text.write(delta["content"])  # text and nothing else, as almost every piece is
                text += delta["content"]
                self.finish_reason = choice.get("finish_reason") or self.finish_reason
                continue
            new_text, new_thinking = _text_and_thinking(delta)
            if delta.get("audio"):
                new_text += self._hear(delta["audio"])
            if choice.get("logprobs"):
                self.logprobs += of_choice(choice)
            if delta.get("images"):
                new_media += of_urls(delta["images"])
            if self.kept is not None:
                self.kept.add(delta.get("content"))
            if delta.get("refusal"):
                self.refusal.write(delta["refusal"])
                new_text += delta["refusal"]
            elif new_text:
                self.text.write(new_text)
            if new_thinking:
                self.thinking.write(new_thinking)
            self.thoughts.add(delta)
            self.annotations += delta.get("annotations") or ()
            text += new_text
            thinking += new_thinking
            for fragment in delta.get("tool_calls") or []:
                self.calls.add(fragment)
                self.finish_reason = None  # of the call before: Together gives each one its own
            for tool in delta.get("executed_tools") or []:
                self.executed[tool.get("index")] = tool  # when it begins, and again with what it found
            if delta.get("function_call"):
                self.calls.add({"index": 0, "function": delta["function_call"]})
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        if self.finish_reason is not None and self.audio_pieces:
            pieces, self.audio_pieces = self.audio_pieces, []
            if (heard := speech(pieces)) is not None:
                new_media.append(heard)
        if not (text or thinking or new_media):
            return None
        self.media += new_media
        return StreamChunk(delta=text, thinking_delta=thinking, model=self.model, media=tuple(new_media))

    def _hear(self, audio: Mapping[str, Any]) -> str:
        """Take a piece of spoken audio; what of its transcript is in it."""
        self.audio |= {name: audio[name] for name in ("id", "expires_at") if audio.get(name) is not None}
        if audio.get("data"):
            self.audio_pieces.append(audio["data"])
        return audio.get("transcript") or ""

    def counted(self) -> UsageStats:
        """What the vendor has counted so far."""
        return usage_of(self.usage, self.executed.values())

    def finish(self) -> CompletionResponse:
        """The whole answer; a stream without a finish reason was cut."""
        refusal = str(self.refusal)
        text = str(self.text) or refusal
        if self.finish_reason is None:
            error = StreamTruncated("the stream ended without a finish reason", provider=self.vendor, model=self.model)
            error.partial_text = text
            raise error
        calls = self.calls.whole()
        response = CompletionResponse(
            content=text,
            thinking=str(self.thinking),
            tool_calls=calls,
            stop_reason=_stop_reason(self.finish_reason, calls, refusal, self.vendor),
            model=self.model,
            usage=self.counted(),
            citations=(*of_search(self.search), *of_annotations(self.annotations)),
            provider_state=self.thoughts.state(self.vendor, text, calls),
            alternatives=tuple(str(self.further[index]) for index in sorted(self.further)),
            media=tuple(self.media),
            logprobs=tuple(self.logprobs),
        )
        keep_audio(response, self.vendor, self.audio)
        if self.kept is not None:
            keep(response, self.vendor, self.kept.parts)
        return response


class _CallFragments:
    """Tool calls assembled from their pieces.

    Pieces carry an index, an id, both or neither, by vendor; a new id with a name under a used index is a new call.
    """

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []

    def add(self, fragment: Mapping[str, Any]) -> None:
        function = fragment.get("function") or fragment.get("custom") or {}
        id = _id_of(fragment)
        call = self._find(fragment.get("index"), id, bool(function.get("name")))
        if call is None:
            call = {
                "index": fragment.get("index"),
                "id": "",
                "name": "",
                "arguments": [],
                "custom": "custom" in fragment,
            }
            self._calls.append(call)
        call["id"] = call["id"] or id
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


def _id_of(call: Mapping[str, Any]) -> str:
    """The id of a call, "" where there is none: older models of Mistral's write `null` as a word."""
    id = call.get("id") or ""
    return "" if id == "null" else str(id)


def _call(call: Mapping[str, Any], index: int) -> ToolCall:
    """One tool call; a vendor that sends no id gets one that is unique in the answer."""
    id = _id_of(call) or f"call_{index}"
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


def usage_of(raw: Mapping[str, Any], executed: Iterable[Mapping[str, Any]] = ()) -> UsageStats:
    """Usage with lazybridge's meaning; cached tokens are part of the input, reasoning tokens part of the output.

    `executed` are the tools that Groq ran: searches, and others that are billed apart.
    """
    tools = [str(tool.get("type")) for tool in executed]
    searches = sum(kind.endswith("search") for kind in tools)
    usage = counts(raw.get("usage"))
    read = usage.get("prompt_tokens_details")
    wrote = usage.get("completion_tokens_details")
    # `num_cached_tokens` is what Mistral said until early 2026.
    cached = number(read, "cached_tokens")
    cached = (
        number(usage, "prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens") if cached is None else cached
    )
    return UsageStats(
        input_tokens=number(usage, "prompt_tokens"),
        output_tokens=number(usage, "completion_tokens"),
        cached_input_tokens=cached,
        cache_write_tokens=number(read, "cache_write_tokens", "cache_creation_tokens"),
        thinking_tokens=number(wrote, "reasoning_tokens"),
        audio_input_tokens=number(read, "audio_tokens"),
        audio_output_tokens=number(wrote, "audio_tokens"),
        image_input_tokens=number(read, "image_tokens"),
        image_output_tokens=number(wrote, "image_tokens"),
        web_searches=searches or None,
        unpriced_tool_calls=len(tools) - searches or None,
        service_tier=raw.get("service_tier") or usage.get("service_tier"),
        reported_cost_usd=reported_cost(usage),
    )
