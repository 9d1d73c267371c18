"""Faults of the connection, and of time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lazybridge.testing.faults.answers import Event
from lazybridge.testing.faults.exchange import Exchange, encoded, up_to
from lazybridge.testing.faults.mode import Mode, issue
from lazybridge.testing.faults.refusals import refusal

_TIMEOUT, _WITHIN = 0.5, 1.5


def _never(exchange: Exchange) -> None:
    raise AssertionError("nobody listens")


def _reset(exchange: Exchange) -> None:
    exchange.reset()


def _hang_up(exchange: Exchange) -> None:
    exchange.hang_up()


def _mid_headers(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: applic")
    exchange.reset()


def _halfway(exchange: Exchange) -> None:
    data = json.dumps(exchange.whole()).encode()
    exchange.head(200, "application/json", f"content-length: {len(data)}")
    exchange.send(data[: len(data) // 2])


def _mid_body(exchange: Exchange) -> None:
    _halfway(exchange)
    exchange.hang_up()


def _reset_mid_body(exchange: Exchange) -> None:
    _halfway(exchange)
    exchange.wait(0.05)
    exchange.reset()


def _garbage(exchange: Exchange) -> None:
    exchange.send(b"SSH-2.0-OpenSSH_9.9\r\n" * 20)
    exchange.hang_up()


def _huge_headers(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nx-huge: " + b"x" * 2_000_000)
    exchange.hang_up()


def _closed_when_idle(exchange: Exchange) -> None:
    exchange.good()
    exchange.hang_up()


def _second_reset(exchange: Exchange) -> None:
    """The first request on a connection is answered; what comes next on it is not."""
    exchange.good()
    exchange.wait_for_more()
    exchange.reset()


def _hang(exchange: Exchange) -> None:
    exchange.hang()


def _late_headers(exchange: Exchange) -> None:
    exchange.wait(4)
    exchange.good()


def _drip(exchange: Exchange, byte: bytes) -> None:
    while True:
        exchange.send(byte)
        exchange.wait(0.03)


def _drip_headers(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nx-drip: ")
    _drip(exchange, b"x")


def _drip_body(exchange: Exchange) -> None:
    exchange.head(200, "application/json", "content-length: 100000")
    _drip(exchange, b" ")


def _drip_error(exchange: Exchange) -> None:
    exchange.head(500, "application/json", "content-length: 100000")
    _drip(exchange, b" ")


def _stall_mid_body(exchange: Exchange) -> None:
    _halfway(exchange)
    exchange.hang()


def _stall(exchange: Exchange) -> None:
    exchange.stream(encoded(up_to(exchange.events(), "start", "text")), end=False)
    exchange.hang()


def _stall_first(exchange: Exchange) -> None:
    exchange.begin_stream()
    exchange.hang()


def _comments(exchange: Exchange) -> None:
    exchange.begin_stream()
    while True:
        exchange.chunk(b": keep-alive\n\n")
        exchange.wait(0.03)


def _endless(exchange: Exchange) -> None:
    events = exchange.events()
    exchange.stream(encoded(up_to(events, "start")), end=False)
    text: Event = up_to(events, "text")[0]
    while True:
        exchange.chunk(text.encoded())
        exchange.wait(0.03)


def _lingers(exchange: Exchange) -> None:
    """All that was to be said is said, and the connection stays open."""
    exchange.stream(encoded(exchange.events()), end=False)
    exchange.hang()


def _blank_lines(exchange: Exchange) -> None:
    """What DeepSeek sends while a request waits for its turn."""
    if exchange.request.streamed:
        exchange.begin_stream()
        for _ in range(3):
            exchange.chunk(b": keep-alive\n\n")
            exchange.wait(0.02)
        for piece in encoded(exchange.events()):
            exchange.chunk(piece)
    else:
        exchange.head(200, "application/json", "transfer-encoding: chunked")
        for _ in range(3):
            exchange.chunk(b"\n\n")
            exchange.wait(0.02)
        exchange.chunk(json.dumps(exchange.whole(), ensure_ascii=False).encode())
    exchange.send(b"0\r\n\r\n")


def _slow_refusal(exchange: Exchange) -> None:
    exchange.wait(0.2)
    exchange.answer(503, refusal(exchange.wire, 503, "Busy."))


def _fault(
    group: str,
    name: str,
    does: str,
    source: str,
    play: Callable[[Exchange], None],
    outcome: str,
    requests: int | None,
    **more: Any,
) -> Mode:
    return Mode(name, group, does, source, play, frozenset(outcome.split()), requests, **more)


def _connection(name: str, does: str, source: str, play: Callable[[Exchange], None], **more: Any) -> Mode:
    outcome, requests = more.pop("outcome", "connection truncated"), more.pop("requests", 2)
    return _fault("connection", name, does, source, play, outcome, requests, **more)


def _time(name: str, does: str, source: str, play: Callable[[Exchange], None], **more: Any) -> Mode:
    given = {"timeout": _TIMEOUT, "within": _WITHIN, **more}
    return _fault("time", name, does, source, play, "timeout", 1, **given)


_WHOLE: dict[str, Any] = {"streamed": False}
_STREAMED: dict[str, Any] = {"whole": False}

CONNECTIONS = (
    _connection("refused", "nobody listens", issue("openai/openai-python", 371), _never, requests=None, refused=True),
    _connection("reset-before-answer", "the connection is reset when the request has come", issue("openai/openai-python", 371), _reset),
    _connection("closed-before-answer", "the connection is closed when the request has come", issue("openai/openai-python", 371), _hang_up),
    _connection("reset-once", "the connection is reset once, then there is an answer", issue("jlonge4/local_llama", 17), _reset, outcome="ok", times=1),
    _connection("reset-mid-headers", "the connection is reset among the headers", issue("openai/openai-python", 371), _mid_headers),
    _connection("closed-mid-body", "the connection is closed in the middle of the body", issue("chatchat-space/Langchain-Chatchat", 3780), _mid_body, **_WHOLE),
    _connection("reset-mid-body", "the connection is reset in the middle of the body", issue("openai/openai-python", 371), _reset_mid_body, **_WHOLE),
    _connection("tls-garbage", "https is answered by something else", issue("langgenius/dify", 21968), _garbage, requests=2, before_request=True, secure=True),
    _connection("not-http", "the answer is no HTTP", issue("aio-libs/aiohttp", 9138), _garbage),
    _connection("huge-headers", "two megabytes of one header", issue("open-webui/open-webui", 24928), _huge_headers),
    _connection("closed-when-idle", "the connection is closed after an answer, though it said to keep it", issue("httplib2/httplib2", 40), _closed_when_idle, outcome="ok", requests=1),
    _connection("keep-alive-reset", "the second request on a connection is reset unanswered", issue("aio-libs/aiohttp", 9138), _second_reset, outcome="ok", requests=1),
)  # fmt: skip
TIMES = (
    _time("hang", "no answer at all", issue("openai/openai-python", 3269), _hang),
    _time("late-headers", "the headers come after four seconds", issue("BerriAI/litellm", 5859), _late_headers),
    _time("drip-headers", "a header comes byte by byte, for ever", issue("openai/openai-python", 3269), _drip_headers),
    _time("drip-body", "the body comes byte by byte, for ever", issue("earendil-works/pi", 7954), _drip_body),
    _time("drip-error", "the body of a 500 comes byte by byte, for ever", issue("earendil-works/pi", 7954), _drip_error),
    _time("stall-mid-body", "half of the body, then nothing", issue("open-legal-products/mike", 100), _stall_mid_body, **_WHOLE),
    _time("stall-before-stream", "the head of a stream, then nothing", issue("Nerovix/kouhai-bot", 46), _stall_first, **_STREAMED),
    _time("stall-mid-stream", "all of the text, then nothing", issue("aaif-goose/goose", 8134), _stall, **_STREAMED),
    _time("endless-comments", "comments that keep a stream alive, for ever", issue("anomalyco/opencode", 43519), _comments, **_STREAMED),
    _time("endless-events", "text for ever", issue("earendil-works/pi", 7954), _endless, **_STREAMED),
    _fault("time", "lingering-stream", "a whole stream whose connection stays open", issue("earendil-works/pi", 7954), _lingers, "ok timeout", 1, timeout=_TIMEOUT, within=_WITHIN, **_STREAMED),
    _fault("time", "blank-lines", "blank lines, or comments, before the answer", issue("langgenius/dify", 13068), _blank_lines, "ok", 1),
    _fault("time", "slow-refusals", "503 after 0.2 s, for ever: the deadline holds over all attempts", issue("BerriAI/litellm", 17991), _slow_refusal, "overloaded timeout", None, timeout=0.4, within=_WITHIN),
)  # fmt: skip
