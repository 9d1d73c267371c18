"""timeout=, ttft= and idle= are wall time, however a server takes its own: through the real SDKs, on loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import fal_client
import httpx
import httpx2
import pytest
import trustme

from lazybridge import Agent, ConfigurationError
from lazybridge.core.errors import ProviderTimeoutError
from lazybridge.core.providers import _clients, _sockets
from lazybridge.core.providers._clients import http_client
from tests.conftest import KINDS, Kind
from tests.fake_vendor import PIECES, TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_astream, by_call, by_stream
from tests.slow_server import Slow, SlowServer

# How late a call may end: 0.1 s by promise, and what two busy cores add.
LATE = 0.35


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def timed() -> Callable[[Mode, Agent], tuple[Any, float]]:
    def ask(mode: Mode, agent: Agent) -> tuple[Any, float]:
        started = time.monotonic()
        envelope = mode(agent, "hi")
        return envelope, time.monotonic() - started

    return ask


ANY_SLOWNESS: list[Slow] = ["accept", "headers", "body", "error"]
IN_A_STREAM: list[Slow] = ["comments", "endless"]
# Responses and fal stand on the SDK, and so on the decoder, of chat.
SLOWNESSES = [(name, slow) for name in KINDS for slow in ANY_SLOWNESS]
SLOWNESSES += [(name, slow) for name in ("chat", "messages", "groq", "mistral", "gemini") for slow in IN_A_STREAM]


@pytest.mark.parametrize(("name", "slow"), SLOWNESSES)
def test_a_slow_server_ends_the_call_on_time(name: str, mode: Mode, slow: Slow, timed: Any) -> None:
    """Google's and Mistral's SDKs refuse an endless or empty stream in their own words; on time all the same."""
    with closing(SlowServer(slow)) as server:
        envelope, took = timed(mode, KINDS[name].agent(server.url, timeout=0.2, max_retries=0))
        assert took < 0.2 + LATE
        assert not envelope.ok
        assert server.requests == len(envelope.metadata.attempts) == 1
        assert server.hung_up.wait(5)
        if slow in ("accept", "headers", "body"):
            assert isinstance(envelope.error, ProviderTimeoutError)
            assert "timeout=0.2 s" in str(envelope.error)
            assert took > 0.15


def test_a_host_that_nobody_reaches_ends_the_call_on_time(kind: Kind, mode: Mode, timed: Any) -> None:
    with ExitStack() as held:
        envelope, took = timed(
            mode, kind.agent(f"http://127.0.0.1:{full(held, '127.0.0.1')}", timeout=0.2, max_retries=0)
        )
    assert isinstance(envelope.error, ProviderTimeoutError)
    assert "timeout=0.2 s" in str(envelope.error)
    assert 0.15 < took < 0.2 + LATE


def test_no_first_token_in_time_is_tried_again(kind: Kind, mode: Mode, vendor: FakeVendor, timed: Any) -> None:
    """Also where the whole answer is wanted: it is asked for as a stream, since else nothing shows before its end."""
    vendor.fail(Fault(hang_after=0))
    envelope, took = timed(mode, kind.agent(vendor.url, ttft=0.2))
    assert 0.15 < took < 0.2 + 1.5  # a retry's wait of at most half a second
    assert envelope.text() == TEXT
    first, second = envelope.metadata.attempts
    assert (first.error, second.error, second.reason) == ("timeout", None, "retry")


def test_the_error_says_which_limit_was_met(kind: Kind, mode: Mode, vendor: FakeVendor, timed: Any) -> None:
    vendor.fail(Fault(hang=30))
    envelope, took = timed(mode, kind.agent(vendor.url, ttft=0.2, timeout=20, max_retries=0))
    assert took < 0.2 + LATE
    assert isinstance(envelope.error, ProviderTimeoutError)
    assert "no first token came within ttft=0.2 s" in str(envelope.error)
    assert envelope.error.retryable


def test_a_pause_between_chunks_has_its_own_limit(kind: Kind, mode: Mode, vendor: FakeVendor, timed: Any) -> None:
    """The first token may take its time; and what arrived is kept."""
    last = 5 if kind.provider == "anthropic" or kind.path.endswith("/responses") else 2
    vendor.fail(Fault(hang_after=last))
    envelope, took = timed(mode, kind.agent(vendor.url, idle=0.2, max_retries=0))
    assert 0.15 < took < 0.2 + LATE
    assert isinstance(envelope.error, ProviderTimeoutError)
    assert "no chunk came within idle=0.2 s" in str(envelope.error)
    assert envelope.error.partial_text.startswith(PIECES[0])


def test_a_whole_answer_in_time_is_the_same_one(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    vendor.fail(Fault(pause=0.1))
    envelope = mode(kind.agent(vendor.url, ttft=5, idle=5), "hi")
    assert envelope.text() == TEXT
    assert (envelope.metadata.input_tokens, envelope.metadata.output_tokens) == (20, 5)
    assert envelope.metadata.cost_usd


@pytest.mark.parametrize("ask", [by_stream, by_astream])
def test_the_reader_s_own_time_does_not_count(kind: Kind, vendor: FakeVendor, ask: Mode) -> None:
    agent = kind.agent(vendor.url, idle=0.2, ttft=5)
    if ask is by_stream:
        text = ""
        for chunk in agent.stream("hi"):
            time.sleep(0.3)
            text += chunk.delta
        assert text == TEXT
        return

    async def go() -> str:
        text = ""
        async for chunk in agent.stream("hi"):
            await asyncio.sleep(0.3)
            text += chunk.delta
        return text

    assert asyncio.run(go()) == TEXT


@pytest.mark.parametrize("word", ["timeout", "ttft", "idle"])
@pytest.mark.parametrize("value", [0, -1, "1"])
def test_what_is_no_time_is_refused_when_the_agent_is_built(word: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=word):
        Agent("gpt-6-luna", api_key="k", **{word: value})


@pytest.mark.parametrize("slow", ["handshake", "headers", "body", "comments"])
@pytest.mark.parametrize("ask", [by_call, by_stream])  # an event loop keeps the time of the others, above any socket
def test_time_holds_over_tls(slow: Slow, ask: Mode, timed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    monkeypatch.setattr(_clients, "ssl_context", lambda library: trusting)
    with closing(SlowServer(slow, tls=context)) as server:
        envelope, took = timed(ask, KINDS["chat"].agent(server.url, timeout=0.3, max_retries=0))
        assert 0.25 < took < 0.3 + LATE
        assert isinstance(envelope.error, ProviderTimeoutError)


@pytest.mark.parametrize("ask", [by_call, by_stream])
def test_time_holds_while_a_name_is_looked_up(ask: Mode, timed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(2) or [])
    for kind in KINDS.values():
        envelope, took = timed(ask, kind.agent("http://vendor.test:9", timeout=0.2, max_retries=0))
        assert isinstance(envelope.error, ProviderTimeoutError)
        assert took < 0.2 + LATE


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The addresses of vendor.test."""
    rows: list[tuple[Any, ...]] = []
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **kwargs: rows if host == "vendor.test" else real(host, *more, **kwargs),
    )
    return rows


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2", "127.0.0.3"])
def test_all_addresses_of_a_name_share_the_time(two_addresses: list[Any], timed: Any) -> None:
    with ExitStack() as held:
        for address in ("127.0.0.2", "127.0.0.3"):
            two_addresses.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)))
        port = full(held, "127.0.0.2")
        full(held, "127.0.0.3", port)
        envelope, took = timed(by_call, KINDS["chat"].agent(f"http://vendor.test:{port}", timeout=0.4, max_retries=0))
    assert isinstance(envelope.error, ProviderTimeoutError)
    assert took < 0.4 + LATE


def full(held: ExitStack, address: str, port: int = 0) -> int:
    """A port that takes no more connections and refuses none: packets to it are lost."""
    listener = held.enter_context(socket.socket())
    listener.bind((address, port))
    listener.listen(0)
    for _ in range(4):
        waiting = held.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    return int(listener.getsockname()[1])


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2", "127.0.0.3"])
def test_the_next_address_of_a_name_is_tried(two_addresses: list[Any], vendor: FakeVendor, timed: Any) -> None:
    port = vendor.url.rpartition(":")[2]
    for address in ("127.0.0.2", "127.0.0.1"):  # the vendor listens on the second alone
        two_addresses.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)))
    envelope, _ = timed(by_call, KINDS["chat"].agent(f"http://vendor.test:{port}", timeout=5))
    assert envelope.text() == TEXT


@pytest.mark.parametrize(("library", "client"), [("httpx", httpx.Client), ("httpx2", httpx2.Client)])
def test_the_libraries_have_the_attributes_that_are_reached_for(
    library: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`_sockets.heed_time` uses what is no public name of httpx and httpx2; proxies have pools of their own."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with closing(http_client(library)) as made:
        assert isinstance(made, client)
        pools = [transport._pool for transport in (made._transport, *made._mounts.values()) if transport]
        assert len(pools) == 2
        assert all(isinstance(pool._network_backend, _sockets._Backend) for pool in pools)


def test_the_transport_of_fal_client_is_reached() -> None:
    with closing(_sockets.heed_time(fal_client.SyncClient(key="k")._client)) as made:
        assert isinstance(made._transport._client._transport._pool._network_backend, _sockets._Backend)
