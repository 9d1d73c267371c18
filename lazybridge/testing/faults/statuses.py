"""Faults that an HTTP status tells of."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from lazybridge.testing.faults.exchange import Exchange
from lazybridge.testing.faults.mode import WIRES, Mode, WireName, issue
from lazybridge.testing.faults.refusals import over_quota, refusal, too_long

_HTML = b"<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1><p>cloudflare</p></body></html>"


def _refuses(status: int, *more: str, message: str = "The fault bench refuses this.") -> Callable[[Exchange], None]:
    def play(exchange: Exchange) -> None:
        exchange.answer(status, refusal(exchange.wire, status, message), *more)

    return play


def _sends(status: int, body: bytes, content_type: str = "application/json") -> Callable[[Exchange], None]:
    def play(exchange: Exchange) -> None:
        exchange.answer(status, body, content_type=content_type)

    return play


def _echoes_key(exchange: Exchange) -> None:
    message = f"Incorrect API key provided: {exchange.key}. You can find your API key in your account."
    exchange.answer(401, refusal(exchange.wire, 401, message))


def _quota(exchange: Exchange) -> None:
    status, body = over_quota(exchange.wire)
    exchange.answer(status, body)


def _context(exchange: Exchange) -> None:
    exchange.answer(400, too_long(exchange.wire))


def _retry_after_date(exchange: Exchange) -> None:
    when = formatdate(time.time() + 2, usegmt=True)
    exchange.answer(429, refusal(exchange.wire, 429, "Slow down."), f"retry-after: {when}")


def _error_in_200(exchange: Exchange) -> None:
    exchange.answer(200, refusal(exchange.wire, 503, "The model failed.", _OVERLOADED.get(exchange.wire)))


def _error_as_text(exchange: Exchange) -> None:
    exchange.answer(429, {"error": "Too many requests"})


def _early_hints(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n")
    exchange.good()


_OVERLOADED: dict[WireName, str] = {"messages": "overloaded_error", "gemini": "UNAVAILABLE"}


def _status(
    name: str,
    does: str,
    source: str,
    play: Callable[[Exchange], None],
    outcome: str,
    requests: int,
    **more: Any,
) -> Mode:
    return Mode(name, "status", does, source, play, frozenset(outcome.split()), requests, **more)


STATUSES = (
    _status("401-echoes-key", "401 whose body repeats the key", issue("BerriAI/litellm", 15799), _echoes_key, "authentication", 1),
    _status("401-empty", "401 without a body", "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2", _sends(401, b""), "authentication", 1),
    _status("403", "403 in the vendor's own words", issue("BerriAI/litellm", 34954), _refuses(403), "permission", 1),
    _status("403-html", "403 with a challenge page of a gateway", issue("Significant-Gravitas/AutoGPT", 944), _sends(403, _HTML, "text/html"), "permission", 1),
    _status("404", "404: no such model", issue("simonw/llm", 1696), _refuses(404), "not_found", 1),
    _status("408", "408 for ever", "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.9", _refuses(408), "timeout", 2),
    _status("409", "409 for ever: a lock that may go", "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.10", _refuses(409), "invalid_request", 2),
    _status("413", "413: the request is too large", issue("BerriAI/litellm", 37599), _refuses(413), "invalid_request", 1),
    _status("422", "422 with what is wrong", issue("cequence-io/openai-scala-client", 16), _refuses(422), "invalid_request", 1),
    _status("400-context-length", "400: the prompt is too long", issue("BerriAI/litellm", 37599), _context, "context_length", 1),
    _status("429", "429 for ever, without a time", issue("BerriAI/litellm", 7130), _refuses(429), "rate_limit", 2),
    _status("429-retry-after-seconds", "429 once, with Retry-After: 1", issue("CopilotKit/CopilotKit", 3842), _refuses(429, "retry-after: 1"), "ok", 2, times=1, apart=0.95),
    _status("429-retry-after-date", "429 once, with Retry-After as a date two seconds on", issue("interviewstreet/hiring-agent", 386), _retry_after_date, "ok", 2, times=1, apart=0.9),
    _status("429-retry-after-ms", "429 once, with retry-after-ms: 700", issue("productdevbook/misina", 61), _refuses(429, "retry-after-ms: 700"), "ok", 2, times=1, apart=0.65, wires=WIRES - {"gemini", "mistral"}),
    _status("429-retry-after-hour", "429 with Retry-After: 3600: nobody waits that long", issue("CopilotKit/CopilotKit", 3842), _refuses(429, "retry-after: 3600"), "rate_limit", 1, within=3),
    _status("429-retry-after-nonsense", "429 once, with a Retry-After that is no time", issue("anthropics/anthropic-sdk-python", 1827), _refuses(429, "retry-after: Fri, 31 Dec 99999 23:59:59 GMT"), "ok", 2, times=1),
    _status("429-error-as-text", "429 for ever, whose error is a text, not an object", issue("pipeshub-ai/pipeshub-ai", 2621), _error_as_text, "rate_limit", 2),
    _status("quota", "no credit left, in the vendor's own words: waiting does not help", issue("langchain-ai/langchainjs", 1929), _quota, "quota", 1),
    _status("500", "500 for ever", issue("livekit/agents", 5335), _refuses(500), "server", 2),
    _status("500-empty", "500 without a body, for ever", issue("BerriAI/litellm", 25285), _sends(500, b""), "server", 2),
    _status("500-array", "500 whose body is a JSON array, for ever", issue("micasa-dev/micasa", 156), _sends(500, b'[{"error": {"code": 500, "message": "no"}}]'), "server", 2),
    _status("502-html", "502 with a page of a gateway, for ever", issue("lynote-ai/humanize-text", 55), _sends(502, _HTML, "text/html"), "server", 2),
    _status("503", "503 for ever", issue("kxxt/chatgpt-action", 13), _refuses(503), "overloaded", 2),
    _status("503-once", "503 once, then an answer", issue("kxxt/chatgpt-action", 13), _refuses(503), "ok", 2, times=1),
    _status("504", "504 for ever", issue("xorbitsai/inference", 377), _refuses(504), "timeout", 2),
    _status("529", "529 for ever: overloaded", issue("anthropics/anthropic-sdk-python", 1258), _refuses(529), "overloaded", 2),
    _status("200-error-body", "an error as the body of a 200, for ever", issue("UKGovernmentBEIS/inspect_ai", 1534), _error_in_200, "overloaded server truncated", 2),
    _status("x-should-retry-false", "503 with x-should-retry: false", issue("productdevbook/misina", 61), _refuses(503, "x-should-retry: false"), "overloaded", 1, wires=WIRES - {"gemini", "mistral"}),
    _status("x-should-retry-true", "400 once, with x-should-retry: true", issue("productdevbook/misina", 61), _refuses(400, "x-should-retry: true"), "ok", 2, times=1, wires=WIRES - {"gemini", "mistral"}),
    _status("103-early-hints", "an interim answer before the real one", "https://www.rfc-editor.org/rfc/rfc8297", _early_hints, "ok", 1),
)  # fmt: skip
