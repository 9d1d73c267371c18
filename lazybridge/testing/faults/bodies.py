"""Faults in the body of a whole answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

from lazybridge.testing.faults.answers import TEXT
from lazybridge.testing.faults.exchange import Exchange, encoded
from lazybridge.testing.faults.mode import CHAT, Mode, WireName, issue

_PAGE = b"<!doctype html><html><body>Please sign in to the network.</body></html>"
_LONG = TEXT + "x" * 8_000_000


def _json(exchange: Exchange) -> bytes:
    return json.dumps(exchange.whole(), ensure_ascii=False).encode()


def _raw(body: bytes, content_type: str = "application/json") -> Callable[[Exchange], None]:
    def play(exchange: Exchange) -> None:
        exchange.answer(200, body, content_type=content_type)

    return play


def _changed(change: Callable[[bytes], bytes], *more: str, content_type: str = "application/json") -> Callable[[Exchange], None]:  # fmt: skip
    def play(exchange: Exchange) -> None:
        exchange.answer(200, change(_json(exchange)), *more, content_type=content_type)

    return play


def _claimed(more: int, close: bool) -> Callable[[Exchange], None]:
    def play(exchange: Exchange) -> None:
        data = _json(exchange)
        exchange.answer(200, data, length=len(data) + more)
        if close:
            exchange.hang_up()

    return play


_NULLS: dict[WireName, Any] = {
    "chat": {"id": None, "object": None, "model": None, "choices": None, "usage": None},
    "mistral": {"id": None, "object": None, "model": None, "choices": None, "usage": None},
    "responses": {"id": None, "object": None, "model": None, "status": None, "output": None, "usage": None},
    "messages": {"id": None, "type": None, "model": None, "content": None, "stop_reason": None, "usage": None},
    "gemini": {"candidates": None, "modelVersion": None, "usageMetadata": None},
}


def _nulls(exchange: Exchange) -> None:
    exchange.answer(200, _NULLS[exchange.wire])


def _no_choices(exchange: Exchange) -> None:
    exchange.answer(200, {**exchange.whole(), "choices": []})


def _no_message(exchange: Exchange) -> None:
    exchange.answer(200, {**exchange.whole(), "choices": [{"index": 0, "message": None, "finish_reason": None}]})


def _more_fields(exchange: Exchange) -> None:
    exchange.answer(200, {**exchange.whole(), "brand_new": {"a": [1, None]}, "another": None})


def _as_stream(exchange: Exchange) -> None:
    exchange.stream(encoded(exchange.events()))


def _chunked(exchange: Exchange) -> None:
    exchange.head(200, "application/json", "transfer-encoding: chunked", "trailer: x-checked")
    data = _json(exchange)
    for start in range(0, len(data), 7):
        exchange.chunk(data[start : start + 7])
    exchange.send(b"0\r\nx-checked: yes\r\n\r\n")


def _bad_chunk(exchange: Exchange) -> None:
    # In one packet: aiohttp 3.14.5 does not tell who reads a body of a chunk that is broken in a later one.
    broken = b"28\r\n" + _json(exchange)[:40] + b"\r\nZZ\r\nwhat follows is no chunk\r\n"
    exchange.head(200, "application/json", "transfer-encoding: chunked", then=broken)
    exchange.hang_up()


def _chunks_cut(exchange: Exchange) -> None:
    exchange.head(200, "application/json", "transfer-encoding: chunked")
    exchange.chunk(_json(exchange))
    exchange.hang_up()


def _until_closed(exchange: Exchange) -> None:
    exchange.head(200, "application/json", "connection: close")
    exchange.send(_json(exchange))
    exchange.hang_up()


def _no_content(exchange: Exchange) -> None:
    exchange.head(204)


def _long(exchange: Exchange) -> None:
    exchange.answer(200, exchange.whole(pieces=(_LONG,)))


def _body(
    name: str,
    does: str,
    source: str,
    play: Callable[[Exchange], None],
    outcome: str = "server truncated connection",
    requests: int | None = 2,
    **more: Any,
) -> Mode:
    return Mode(name, "body", does, source, play, frozenset(outcome.split()), requests, streamed=False, **more)


_JSON_RFC = "https://www.rfc-editor.org/rfc/rfc8259#section-8.1"
_HTTP_RFC = "https://www.rfc-editor.org/rfc/rfc9112#section-"
_OK: dict[str, Any] = {"outcome": "ok", "requests": 1}

BODIES = (
    _body("not-json", "a page of HTML that says it is JSON", issue("lynote-ai/humanize-text", 55), _raw(_PAGE)),
    _body("html", "a page of HTML, as a captive portal sends it", issue("lynote-ai/humanize-text", 55), _raw(_PAGE, "text/html")),
    _body("empty", "a 200 without a body", issue("deepseek-ai/DeepSeek-R1", 314), _raw(b"")),
    _body("no-content", "a 204", issue("deepseek-ai/DeepSeek-R1", 314), _no_content),
    _body("json-cut", "half of the JSON, in a body that is whole", issue("deepseek-ai/DeepSeek-V3", 407), _changed(lambda data: data[: len(data) // 2])),
    _body("json-array", "a JSON array", issue("UKGovernmentBEIS/inspect_ai", 1534), _raw(b"[]")),
    _body("json-null", "the JSON value null", issue("bespokelabsai/curator", 463), _raw(b"null")),
    _body("json-text", "a JSON text", issue("open-thought/reasoning-gym", 243), _raw(b'"ok"')),
    _body("json-empty-object", "an empty JSON object", issue("langchain-ai/langchainjs", 11417), _raw(b"{}")),
    _body("json-too-deep", "JSON nested a hundred thousand deep", "https://www.rfc-editor.org/rfc/rfc8259#section-9", _raw(b"[" * 100_000 + b"]" * 100_000), "server", None),
    _body("null-fields", "every field is null", issue("UKGovernmentBEIS/inspect_ai", 1534), _nulls),
    _body("no-choices", "an empty list of choices", issue("vercel/ai", 20351), _no_choices, wires=CHAT),
    _body("no-message", "a choice without a message", issue("langchain-ai/langchain", 35236), _no_message, wires=CHAT),
    _body("wrong-content-type", "the right JSON as text/plain", issue("owndev/Open-WebUI-Functions", 54), _changed(lambda data: data, content_type="text/plain"), **_OK),
    _body("unknown-fields", "fields that nobody knows", issue("openai/openai-agents-python", 2850), _more_fields, **_OK),
    _body("whole-as-stream", "a stream where a whole answer was asked for", issue("owndev/Open-WebUI-Functions", 54), _as_stream),
    _body("length-too-long", "a whole body, less than content-length says", _HTTP_RFC + "8", _claimed(10, close=True)),
    _body("length-too-short", "more than content-length says, on a connection that stays open", _HTTP_RFC + "6.3", _claimed(-30, close=False)),
    _body("gzip", "a compressed body", issue("langgenius/dify", 9275), _changed(gzip.compress, "content-encoding: gzip"), **_OK),
    _body("gzip-broken", "a body that says it is compressed, and is not", issue("langgenius/dify", 9275), _changed(lambda data: data, "content-encoding: gzip")),
    _body("gzip-cut", "half of a compressed body", issue("sindresorhus/got", 1964), _changed(lambda data: gzip.compress(data)[:-40], "content-encoding: gzip")),
    _body("invalid-utf-8", "bytes that are no UTF-8 in the text", _JSON_RFC, _changed(lambda data: data.replace(b"answer", b"ans\xff\xfewer"))),
    _body("byte-order-mark", "a byte order mark before the JSON", _JSON_RFC, _changed(lambda data: b"\xef\xbb\xbf" + data), **_OK),
    _body("chunked", "chunks of seven bytes, and a trailer", _HTTP_RFC + "7.1", _chunked, **_OK),
    _body("chunk-size-broken", "a chunk whose size is no number", _HTTP_RFC + "7.1", _bad_chunk),
    _body("chunks-cut", "all of the JSON, but no last chunk", _HTTP_RFC + "8", _chunks_cut),
    _body("until-closed", "a body that ends with the connection", _HTTP_RFC + "6.3", _until_closed, **_OK),
    _body("huge", "eight megabytes of text", issue("aio-libs/aiohttp", 4453), _long, text=_LONG, **_OK),
)  # fmt: skip
