"""Faults in a stream."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from lazybridge.testing.faults.answers import PIECES, TEXT, Event
from lazybridge.testing.faults.exchange import Exchange, encoded, up_to
from lazybridge.testing.faults.mode import CHAT, WIRES, Mode, issue
from lazybridge.testing.faults.refusals import in_a_stream

_LONG = TEXT + "x" * 4_000_000
Events = Callable[[list[Event], Exchange], Iterable[bytes]]
_CHAT_TEXT = frozenset({"chat", "mistral"})


def _stream(pieces: Events, end: bool = True) -> Callable[[Exchange], None]:
    def play(exchange: Exchange) -> None:
        exchange.stream(pieces(exchange.events(), exchange), end)
        if not end:
            exchange.wait(0.1)  # who reads has what was sent, and then loses the connection
            exchange.hang_up()

    return play


def _as_bytes(events: Sequence[Event]) -> bytes:
    return b"".join(encoded(events))


def _only(*stages: str) -> Events:
    return lambda events, _: encoded(up_to(events, *stages))


def _mid_text(events: list[Event]) -> list[Event]:
    """All up to the middle of the text."""
    return [*up_to(events, "start"), *up_to(events, "text")[:2]]


def _mid_event(events: list[Event], _: Exchange) -> list[bytes]:
    *before, last = encoded(_mid_text(events))
    return [*before, last[: len(last) // 2]]


def _mid_character(events: list[Event], _: Exchange) -> list[bytes]:
    data = _as_bytes(_mid_text(events))
    return [data[: data.index("🌍".encode()) + 2]]


def _error(before: Callable[[list[Event]], list[Event]]) -> Events:
    def pieces(events: list[Event], exchange: Exchange) -> list[bytes]:
        name, data = in_a_stream(exchange.wire, "The model is overloaded.")
        return encoded([*before(events), Event("end", data, name)])

    return pieces


def _unknown(events: list[Event], exchange: Exchange) -> list[bytes]:
    strange = Event("text", {"type": "brand.new.event", "choices": [], "index": 7, "value": None}, "brand.new.event")
    if exchange.wire in _CHAT_TEXT or exchange.wire == "gemini":
        strange = Event("text", {"object": "brand.new.object", "choices": [], "candidates": [], "value": None})
    return encoded([inner for event in events[:-1] for inner in (event, strange)] + events[-1:])


def _twice(events: list[Event], _: Exchange) -> list[bytes]:
    return encoded([event for event in events for _ in range(2 if event.stage in ("end", "usage", "done") else 1)])


def _after_end(events: list[Event], _: Exchange) -> list[bytes]:
    return encoded([*events, *up_to(events, "text")])


def _in_slices(size: int) -> Events:
    def pieces(events: list[Event], _: Exchange) -> list[bytes]:
        data = _as_bytes(events)
        return [data[start : start + size] for start in range(0, len(data), size)]

    return pieces


def _mid_characters(events: list[Event], _: Exchange) -> list[bytes]:
    """Cut after the first byte of each character of several."""
    found: list[bytes] = [b""]
    for byte in _as_bytes(events):
        if 0x80 <= byte < 0xC0 and found[-1] and found[-1][-1] >= 0xC0:
            found.append(b"")
        found[-1] += bytes([byte])
    return found


def _with_comments(events: list[Event], _: Exchange) -> list[bytes]:
    return [piece for event in encoded(events) for piece in (b": ping\n\n", event, b":\n\n")]


def _with_fields(events: list[Event], _: Exchange) -> list[bytes]:
    return [b"id: 5\nretry: 3000\n" + event for event in encoded(events)]


def _no_space(events: list[Event], _: Exchange) -> list[bytes]:
    return [event.replace(b"data: ", b"data:").replace(b"event: ", b"event:") for event in encoded(events)]


def _many_lines(events: list[Event], _: Exchange) -> list[bytes]:
    """JSON over several `data` lines, which belong together."""
    found = []
    for event in events:
        text = event.data if isinstance(event.data, str) else json.dumps(event.data, ensure_ascii=False, indent=1)
        found.append(replace(event, data=text.replace("\n", "\ndata: ")))
    return encoded(found)


def _usage_first(events: list[Event], exchange: Exchange) -> list[bytes]:
    """What belongs together comes in another order than usual, as it may: usage first, or a text before its block."""
    if exchange.wire == "messages":
        events = [event for event in events if event.data.get("type") != "content_block_start"]
    elif exchange.wire == "responses":
        events = [*up_to(events, "start"), *up_to(events, "stop"), *up_to(events, "text"), *up_to(events, "end")]
    elif exchange.wire == "chat":
        events = [*up_to(events, "start", "usage"), *up_to(events, "text", "end", "done")]
    return encoded(events)


def _surrogates(events: list[Event], exchange: Exchange) -> list[bytes]:
    """JSON that writes every character beyond ASCII as an escape."""
    return encoded([replace(event, data=json.dumps(event.data)) if not isinstance(event.data, str) else event for event in events])  # fmt: skip


def _not_json(events: list[Event], _: Exchange) -> list[bytes]:
    broken = Event("text", '{"choices": [{"delta', up_to(events, "text")[0].name)
    return encoded([*_mid_text(events), broken, *up_to(events, "stop", "end", "usage", "done")])


def _nulls(events: list[Event], _: Exchange) -> list[bytes]:
    null = Event("text", "null", up_to(events, "text")[0].name)
    return encoded([*_mid_text(events), null, *up_to(events, "text")[2:], *up_to(events, "stop", "end", "usage", "done")])  # fmt: skip


def _empty_choices(events: list[Event], _: Exchange) -> list[bytes]:
    filtered = {"id": "", "object": "", "created": 0, "model": "", "prompt_filter_results": [{"prompt_index": 0}], "choices": []}  # fmt: skip
    return encoded([Event("start", filtered), *events])


def _null_deltas(events: list[Event], _: Exchange) -> list[bytes]:
    empty = {"index": 0, "delta": {"role": None, "content": None, "tool_calls": None}, "finish_reason": None}
    nothing = {"index": 0, "delta": None, "finish_reason": None}
    extra = [Event("text", {**events[0].data, "choices": [choice]}) for choice in (empty, nothing)]
    return encoded([*extra, *events[:2], *extra, *events[2:]])


def _as_json(exchange: Exchange) -> None:
    exchange.answer(200, exchange.whole())


def _as_html(exchange: Exchange) -> None:
    exchange.answer(200, b"<html><body>Please sign in.</body></html>", content_type="text/html")


def _no_usage(exchange: Exchange) -> None:
    exchange.stream(encoded(exchange.events(usage=False)))


def _long(exchange: Exchange) -> None:
    exchange.stream(encoded(exchange.events(pieces=(_LONG,))))


def _many(exchange: Exchange) -> None:
    exchange.stream(encoded(exchange.events(pieces=PIECES * 500)))


def _mode(
    name: str,
    does: str,
    source: str,
    play: Callable[[Exchange], None],
    outcome: str = "ok",
    requests: int | None = 1,
    **more: Any,
) -> Mode:
    return Mode(name, "stream", does, source, play, frozenset(outcome.split()), requests, whole=False, **more)


_SSE = "https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation"
_CUT = issue("BerriAI/litellm", 42085)

STREAMS = (
    _mode("no-events", "a stream without an event", issue("AmanCode22/deeperseeker", 33), _stream(lambda *_: []), "truncated", 2),
    _mode("comments-alone", "a stream of comments, which ends", issue("AmanCode22/deeperseeker", 33), _stream(lambda *_: [b": ping\n\n"]), "truncated", 2),
    _mode("no-terminal-event", "all of the text, and an orderly end without the terminal event", _CUT, _stream(_only("start", "text")), "truncated"),
    _mode("done-without-reason", "[DONE], but no finish reason", _CUT, _stream(_only("start", "text", "done")), "truncated", wires=CHAT),
    _mode("message-stop-missing", "a stop reason, but no message_stop", issue("griffinwork40/agent-afk", 635), _stream(_only("start", "text", "stop", "end")), "truncated", wires=frozenset({"messages"})),
    _mode("cut-before-text", "the connection is lost before any text", issue("chatchat-space/Langchain-Chatchat", 3780), _stream(_only("start"), end=False), "truncated connection", 2),
    _mode("cut-mid-text", "the connection is lost in the middle of the text", issue("chatchat-space/Langchain-Chatchat", 3780), _stream(lambda events, _: encoded(_mid_text(events)), end=False), "truncated"),
    _mode("cut-mid-event", "the connection is lost in the middle of an event", issue("open-webui/computer", 300), _stream(_mid_event, end=False), "truncated"),
    _mode("cut-mid-character", "the connection is lost in the middle of a character", issue("api7/aisix", 111), _stream(_mid_character, end=False), "truncated"),
    _mode("cut-before-end", "the connection is lost after the text", issue("NVIDIA/TensorRT-LLM", 18289), _stream(_only("start", "text"), end=False), "truncated"),
    _mode("ends-mid-event", "an orderly end in the middle of an event", issue("iii-hq/workers", 878), _stream(_mid_event), "truncated"),
    _mode("error-first", "an error event before any text, for ever", issue("farzaa/clicky", 132), _stream(_error(lambda events: up_to(events, "start"))), "overloaded server", 2),
    _mode("error-mid-stream", "an error event in the middle of the text", issue("Pasta-Devs/Marinara-Engine", 2659), _stream(_error(_mid_text)), "overloaded server truncated"),
    _mode("event-not-json", "an event that is no JSON in the middle of the text", issue("tmc/langchaingo", 942), _stream(_not_json), "truncated server"),
    _mode("event-null", "an event that is null in the middle of the text", issue("openai/openai-agents-python", 2850), _stream(_nulls), "ok truncated server"),
    _mode("stream-as-json", "a whole answer where a stream was asked for", issue("owndev/Open-WebUI-Functions", 54), _as_json, "ok truncated server", None),
    _mode("stream-as-html", "a page of HTML where a stream was asked for", issue("lynote-ai/humanize-text", 55), _as_html, "truncated server", 2),
    _mode("unknown-events", "events that nobody knows", _SSE, _stream(_unknown)),
    _mode("two-finals", "the terminal events twice", issue("theopenco/llmgateway", 1901), _stream(_twice), cost="known"),
    _mode("text-after-end", "text after the terminal event", issue("ltmoerdani/opencode-copilot-chat", 170), _stream(_after_end), wires=WIRES - {"gemini"}),
    _mode("done-missing", "no [DONE]", issue("theopenco/llmgateway", 1901), _stream(_only("start", "text", "end", "usage")), wires=CHAT),
    _mode("usage-missing", "no usage", issue("BerriAI/litellm", 13957), _no_usage, cost="unknown"),
    _mode("other-order", "usage before the text, or a text before its block", issue("theopenco/llmgateway", 1901), _stream(_usage_first), cost="known"),
    _mode("empty-choices-first", "an event without choices first, as Azure sends it", issue("pydantic/pydantic-ai", 164), _stream(_empty_choices), wires=CHAT),
    _mode("null-deltas", "deltas that are null", issue("owndev/Open-WebUI-Functions", 54), _stream(_null_deltas), wires=CHAT),
    _mode("crlf", "lines that end with CRLF", _SSE, _stream(lambda events, _: encoded(events, "\r\n"))),
    _mode("comments", "comments between the events", issue("tmc/langchaingo", 942), _stream(_with_comments)),
    _mode("id-and-retry", "events with `id` and `retry`", _SSE, _stream(_with_fields)),
    _mode("no-space", "no space after the colon", _SSE, _stream(_no_space)),
    _mode("many-data-lines", "JSON over several `data` lines", _SSE, _stream(_many_lines)),
    _mode("escapes", "characters beyond ASCII as pairs of escapes", "https://www.rfc-editor.org/rfc/rfc8259#section-7", _stream(_surrogates)),
    _mode("split-characters", "chunks that end within a character", issue("jawah/urllib3.future", 349), _stream(_mid_characters)),
    _mode("byte-by-byte", "chunks of one byte", issue("lobehub/lobehub", 18640), _stream(_in_slices(1)), within=15),
    _mode("one-piece", "the whole stream in one chunk", issue("lobehub/lobehub", 18640), _stream(_in_slices(1_000_000))),
    _mode("huge-event", "an event of four megabytes", issue("open-webui/open-webui", 24928), _long, text=_LONG),
    _mode("many-events", "two thousand events", issue("BerriAI/litellm", 13891), _many, text=TEXT * 500, within=15),
)  # fmt: skip
