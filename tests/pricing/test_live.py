"""Prices from an installed genai-prices: what the tables lack, and newer ones from (here) a loopback server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

import lazybridge
from lazybridge import ConfigurationError, UsageStats
from lazybridge.core.catalogue import live, tables

MILLION = UsageStats(1_000_000, 0)


@pytest.fixture(autouse=True)
def shipped_tables() -> Iterator[None]:
    yield
    tables._behind.clear()
    tables.put_before({})
    live.add_installed.cache_clear()


def served(*providers: dict[str, Any]) -> Iterator[str]:
    body = json.dumps(providers).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/data.json"
    server.shutdown()
    thread.join()
    server.server_close()


def model(id: str, price: float) -> dict[str, Any]:
    return {"id": id, "match": {"equals": id}, "prices": {"input_mtok": price, "output_mtok": price}}


@pytest.fixture
def newer() -> Iterator[str]:
    models = [model("gpt-5-mini", 7), model("gpt-9-moon", 3), model("gpt-4o-audio-preview", 1)]
    yield from served({"id": "openai", "name": "OpenAI", "api_pattern": "x", "models": models})


def cost(model: str, provider: str = "openai") -> float | None:
    return lazybridge.price(model, MILLION, provider=provider).cost_usd


def test_a_vendor_without_a_table_is_priced_by_the_installed_package() -> None:
    found = lazybridge.price("MiniMax-M2", MILLION, provider="minimax")
    assert found.status == "exact"
    assert (found.lines[0].source, found.lines[0].as_of) == ("genai-prices 0.2.3", tables.origin()["as_of"])
    assert cost("minimax-m2-turbo-extra", "minimax") is None


def test_newer_prices_are_fetched_when_asked_and_corrections_stay(newer: str) -> None:
    assert (cost("gpt-5-mini"), cost("gpt-9-moon"), cost("gpt-4o-audio-preview")) == (0.25, None, 2.5)
    assert lazybridge.update_prices(url=newer) == 3
    assert (cost("gpt-5-mini"), cost("gpt-9-moon"), cost("gpt-4o-audio-preview")) == (7.0, 3.0, 2.5)
    assert newer in lazybridge.price("gpt-5-mini", MILLION).lines[0].source
    assert cost("gpt-5-nano") == 0.05
    assert lazybridge.core.catalogue.profile("openai", "gpt-5-mini").context_window == 400_000


def test_a_server_that_is_not_there_leaves_the_prices_alone() -> None:
    with pytest.raises(ConnectionError, match="no prices from http://127.0.0.1:9/"):
        lazybridge.update_prices(url="http://127.0.0.1:9/data.json")
    assert cost("gpt-5-mini") == 0.25


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_is_installed", lambda: False)
    with pytest.raises(ConfigurationError, match=r'pip install "lazybridge\[prices\]"'):
        lazybridge.update_prices()
    assert cost("MiniMax-M2", "minimax") is None
