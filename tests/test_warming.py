"""`warm`: what a first call would wait for is done before it, in the background, and nothing of it can fail the caller."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from lazybridge import Agent, Model, warm
from lazybridge.core.providers.groq import GroqProvider
from tests.conftest import KINDS
from tests.fake_vendor import FakeVendor


@pytest.mark.parametrize("kind", ["responses", "chat", "messages", "groq", "mistral", "gemini"])
def test_the_first_call_of_a_warm_agent_opens_no_connection(kind: str, vendor: FakeVendor) -> None:
    """The SDKs' own clients against a server that counts; no credential is in what opens the connection."""
    with KINDS[kind].agent(vendor.url) as agent:
        warming = warm(agent)
        warming.join(timeout=20)
        assert not warming.is_alive()
        assert not warming.errors
        assert vendor.connections == 1
        sent = vendor.requests[-1]["headers"]
        assert not {"authorization", "x-api-key", "x-goog-api-key"} & sent.keys()
        assert "test-key" not in str(sent)
        assert agent("hi").ok
        assert vendor.connections == 1


def test_a_model_and_a_provider_can_be_warm_as_well(vendor: FakeVendor) -> None:
    kind = KINDS["groq"]
    provider = GroqProvider("test-key", base_url=kind.url(vendor.url))
    with Model(kind.model, provider="groq", api_key="k", base_url=kind.url(vendor.url)) as model, provider:
        warming = warm(model, provider)
        warming.join(timeout=20)
        assert not warming.errors
        assert vendor.connections == 2


def test_a_name_loads_the_sdk_and_the_certificates_and_connects_nowhere() -> None:
    code = """
import sys
from lazybridge import warm
from lazybridge.core.providers import _clients
sys.addaudithook(lambda event, args: event == "socket.connect" and sys.exit(event))
assert "anthropic" not in sys.modules
warming = warm("anthropic", "openai", "groq/openai/gpt-oss-20b")
warming.join()
assert not warming.errors, warming.errors
assert {"anthropic", "openai", "groq"} <= sys.modules.keys()
assert _clients.ssl_context.cache_info().currsize == 2  # of httpx2 and httpx
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_that_goes_wrong_is_raised() -> None:
    with Agent("groq", api_key="k", base_url="http://127.0.0.1:9") as agent:  # nobody listens there
        warming = warm("gpt-6-lunar-eclipse-of-nobody/x", agent, 7)  # type: ignore[arg-type]
        warming.join(timeout=20)
    assert set(warming.errors) == {"gpt-6-lunar-eclipse-of-nobody/x", "Agent", "int"}


def test_a_program_may_end_while_it_warms() -> None:
    code = "from lazybridge import warm\nwarm('anthropic', 'openai', 'google')"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_where_no_thread_can_be_started_nothing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    warming = warm("openai")
    warming.join()
    assert "thread" in warming.errors
