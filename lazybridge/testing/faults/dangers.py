"""Faults that cost money or give a secret away: redirects, echoed keys, wrong counts; and tool calls that are broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from lazybridge.testing.faults.answers import Call, Event
from lazybridge.testing.faults.exchange import Exchange, encoded, up_to
from lazybridge.testing.faults.mode import Mode, WireName, issue
from lazybridge.testing.faults.refusals import in_a_stream, refusal

_TOOL = "weather"


def _redirects(where: Callable[[Exchange], str], status: int = 307) -> Callable[[Exchange], None]:
    def play(exchange: Exchange) -> None:
        exchange.answer(status, b"", f"location: {where(exchange)}")

    return play


def _nowhere(exchange: Exchange) -> None:
    exchange.answer(302, b"")


def _same_host(exchange: Exchange) -> None:
    """As a framework sends to a path with a slash at its end."""
    path, _, query = exchange.request.path.partition("?")
    exchange.answer(307, b"", f"location: {path}?moved=1{'&' + query if query else ''}")


def _key_in_headers(exchange: Exchange) -> None:
    echoed = (f"x-echo: Bearer {exchange.key}", f"x-api-key: {exchange.key}", f"set-cookie: key={exchange.key}")
    exchange.answer(400, refusal(exchange.wire, 400, "No."), *echoed)


def _key_in_request_id(exchange: Exchange) -> None:
    exchange.send(
        f"HTTP/1.1 400 Bad Request\r\nx-request-id: {exchange.key}\r\nrequest-id: {exchange.key}\r\n".encode()
    )
    exchange.send(f"mistral-correlation-id: {exchange.key}\r\ncontent-length: 2\r\n\r\n{{}}".encode())


def _key_in_reason(exchange: Exchange) -> None:
    exchange.answer(400, refusal(exchange.wire, 400, "No."), reason=f"Bad key {exchange.key}")


def _key_in_page(exchange: Exchange) -> None:
    exchange.answer(500, f"<html>Authorization: Bearer {exchange.key}</html>".encode(), content_type="text/html")


def _key_in_code(exchange: Exchange) -> None:
    body = {"error": {"message": exchange.key, "code": exchange.key, "type": exchange.key, "status": exchange.key, "param": {"k": [exchange.key]}}}  # fmt: skip
    exchange.answer(400, body)


def _key_in_garbage(exchange: Exchange) -> None:
    exchange.answer(200, f"your key is {exchange.key}, and this is no JSON".encode())


def _key_in_event(exchange: Exchange) -> None:
    name, data = in_a_stream(exchange.wire, f"Bad key {exchange.key}")
    exchange.stream(encoded([*up_to(exchange.events(), "start"), Event("end", data, name)]))


def _key_in_broken_event(exchange: Exchange) -> None:
    events = encoded([*up_to(exchange.events(), "start", "text")])
    exchange.stream([*events, f'data: {{"key": "{exchange.key}", \n\n'.encode()])


def _no_usage(exchange: Exchange) -> None:
    exchange.answer(200, exchange.whole(usage=False))


_USAGE: dict[WireName, str] = {"gemini": "usageMetadata"}


def _usage(change: Callable[[Mapping[str, Any]], Any]) -> Callable[[Exchange], None]:
    def play(exchange: Exchange) -> None:
        body = exchange.whole()
        name = _USAGE.get(exchange.wire, "usage")
        exchange.answer(200, json.dumps({**body, name: change(body[name])}).encode())

    return play


def _every(value: Any) -> Callable[[Mapping[str, Any]], Any]:
    def change(usage: Mapping[str, Any]) -> Any:
        return {
            name: change(count) if isinstance(count, dict) else value if isinstance(count, int) else count
            for name, count in usage.items()
        }

    return change


def _cached_beyond(usage: Mapping[str, Any]) -> Any:
    """More tokens from the cache than were read."""
    beyond = {
        name: {"cached_tokens": 4000} for name in ("prompt_tokens_details", "input_tokens_details") if name in usage
    }
    flat = {name: 4000 for name in ("cachedContentTokenCount",) if name in usage}
    return {**usage, **beyond, **flat}


def _calls(*calls: Call) -> Callable[[Exchange], None]:
    """Tool calls; and when their results have come, the answer."""

    def play(exchange: Exchange) -> None:
        exchange.good(calls=calls)

    return play


def _mode(
    group: str,
    name: str,
    does: str,
    source: str,
    play: Callable[[Exchange], None],
    outcome: str,
    requests: int | None = 1,
    **more: Any,
) -> Mode:
    return Mode(name, group, does, source, play, frozenset(outcome.split()), requests, **more)


def _redirect(name: str, does: str, source: str, play: Callable[[Exchange], None], outcome: str, **more: Any) -> Mode:
    return _mode("redirect", name, does, source, play, outcome, None, **more)


def _secret(name: str, does: str, play: Callable[[Exchange], None], outcome: str, requests: int | None = 1, **more: Any) -> Mode:  # fmt: skip
    return _mode("secret", name, does, issue("BerriAI/litellm", 31620), play, outcome, requests, **more)


def _money(name: str, does: str, source: str, play: Callable[[Exchange], None], **more: Any) -> Mode:
    return _mode("cost", name, does, source, play, "ok", **{"streamed": False, "cost": "not negative", **more})


def _tool(name: str, does: str, source: str, heard: tuple[str, ...], *calls: Call, **more: Any) -> Mode:
    return _mode("tool", name, does, source, _calls(*calls), "ok", 2, times=1, calls=heard, **more)


_LEAKS = issue("openai/openai-java", 1021)
_ANY = "connection server invalid_request permission not_found truncated"
_NO_OBJECTS = frozenset({"chat", "mistral", "responses"})  # whose arguments are a text
_PARIS, _ROME = json.dumps({"city": "Paris"}), json.dumps({"city": "Rome"})

DANGERS = (
    _redirect("redirect-elsewhere", "307 to another host: neither the key nor the prompt may follow", _LEAKS, _redirects(lambda exchange: exchange.server.elsewhere.url + exchange.request.path), _ANY),
    _redirect("redirect-elsewhere-301", "301 to another host", _LEAKS, _redirects(lambda exchange: exchange.server.elsewhere.url + exchange.request.path, 301), _ANY),
    _redirect("redirect-same-host", "307 to another path of the same host, once", "https://www.rfc-editor.org/rfc/rfc9110#section-15.4.8", _same_host, "ok", times=1),
    _redirect("redirect-loop", "307 to itself, for ever", "https://www.rfc-editor.org/rfc/rfc9110#section-15.4", _redirects(lambda exchange: exchange.request.path), _ANY),
    _redirect("redirect-nowhere", "302 without a location", "https://www.rfc-editor.org/rfc/rfc9110#section-10.2.2", _nowhere, _ANY),
    _redirect("redirect-to-file", "307 to a file", _LEAKS, _redirects(lambda _: "file:///etc/passwd"), _ANY),
    _redirect("key-in-location", "307 whose location has the key in it", _LEAKS, _redirects(lambda exchange: f"{exchange.server.elsewhere.url}/?key={exchange.key}"), _ANY),
    _secret("key-in-headers", "400 that repeats the key in its headers", _key_in_headers, "invalid_request"),
    _secret("key-in-request-id", "400 whose request id is the key", _key_in_request_id, "invalid_request"),
    _secret("key-in-reason", "400 with the key in the status line", _key_in_reason, "invalid_request"),
    _secret("key-in-page", "500 with the key in a page, for ever", _key_in_page, "server", 2),
    _secret("key-in-code", "400 with the key in every field of the error", _key_in_code, "invalid_request"),
    _secret("key-in-garbage", "200 with the key in what is no JSON, for ever", _key_in_garbage, "server truncated", 2, streamed=False),
    _secret("key-in-event", "an error event with the key, for ever", _key_in_event, "overloaded server", 2, whole=False),
    _secret("key-in-broken-event", "the key in an event that is no JSON", _key_in_broken_event, "truncated server", whole=False),
    _money("no-usage", "no usage: what it cost is not known", issue("BerriAI/litellm", 13957), _no_usage, cost="unknown"),
    _money("usage-null", "usage is null", issue("run-llama/llama_index", 22812), _usage(lambda usage: None), cost="unknown"),
    _money("usage-counts-null", "every count is null", issue("BerriAI/litellm", 39618), _usage(_every(None)), cost="unknown"),
    _money("usage-text", "every count is a text", issue("BerriAI/litellm", 39618), _usage(_every("10")), cost="unknown"),
    _money("usage-negative", "every count is negative", issue("BerriAI/litellm", 39618), _usage(_every(-5)), cost="unknown"),
    _money("usage-not-a-number", "every count is NaN", issue("elizaOS/eliza", 28352), _usage(_every(float("nan"))), cost="unknown"),
    _money("usage-infinite", "every count is infinite", issue("elizaOS/eliza", 28352), _usage(_every(float("inf"))), cost="unknown"),
    _money("usage-zero", "every count is 0, for an answer with text", issue("BerriAI/litellm", 39618), _usage(_every(0)), cost="unknown"),
    _money("usage-huge", "every count is a trillion", issue("BerriAI/litellm", 39618), _usage(_every(10**12))),
    _money("usage-list", "usage is a list", issue("run-llama/llama_index", 22812), _usage(lambda usage: [1, 2]), cost="unknown"),
    _money("cached-beyond-read", "more tokens from the cache than were read", issue("BerriAI/litellm", 14849), _usage(_cached_beyond)),
    _tool("arguments-cut", "a tool call whose JSON is cut off: it must not run", issue("open-webui/computer", 300), (), Call("call_0001", _TOOL, '{"city": "Par'), wires=_NO_OBJECTS),
    _tool("arguments-cut-in-stream", "a streamed tool call whose JSON is cut off: it must not run", issue("hud-evals/hud-python", 480), (), Call("call_0001", _TOOL, '{"city": "Par'), whole=False, wires=_NO_OBJECTS | {"messages"}),
    _tool("arguments-list", "a tool call whose arguments are a list: it must not run", issue("lsdefine/GenericAgent", 746), (), Call("call_0001", _TOOL, "[1, 2]"), wires=_NO_OBJECTS),
    _tool("tool-unknown", "a call of a tool that there is not", issue("openai/openai-agents-js", 887), (), Call("call_0001", "wether", _PARIS)),
    _tool("tool-ids-equal", "two calls with one id: both run", issue("can1357/oh-my-pi", 2055), ("Paris", "Rome"), Call("call_0001", _TOOL, _PARIS), Call("call_0001", _TOOL, _ROME)),
    _tool("tool-calls-two", "two calls at once: both run", issue("generative-computing/mellea", 1431), ("Paris", "Rome"), Call("call_0001", _TOOL, _PARIS), Call("call_0002", _TOOL, _ROME)),
)  # fmt: skip
