"""A LiteLLM proxy that no one here wrote, in front of the loopback vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lazybridge import Agent
from lazybridge.core.providers.litellm import LiteLLMProvider
from lazybridge.core.types import CompletionRequest, Message, ToolDefinition
from tests import peers
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.providers.conftest import cache_of

CONFIG = """
model_list:
  - model_name: gpt-4.1-mini
    litellm_params: {{model: openai/gpt-4.1-mini, api_base: "{url}/v1", api_key: upstream-key}}
general_settings: {{master_key: sk-proxy-key}}
"""


@dataclass
class Proxy:
    url: str
    upstream: FakeVendor


@pytest.fixture(scope="module")
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    upstream = FakeVendor()
    try:
        with peers.litellm_proxy(cache_of(request), CONFIG.format(url=upstream.url)) as peer:
            yield Proxy(peer.url, upstream)
    finally:
        upstream.close()


def request_for(**fields: Any) -> CompletionRequest:
    return CompletionRequest((Message.user("hi"),), model="gpt-4.1-mini", **fields)


def test_it_answers_and_says_what_it_cost(proxy: Proxy) -> None:
    provider = LiteLLMProvider(api_key="sk-proxy-key", base_url=proxy.url)
    chunks = list(provider.stream(request_for()))
    for answer in (
        provider.complete(request_for()),
        asyncio.run(provider.acomplete(request_for())),
        chunks[-1].response,
    ):
        assert answer is not None
        assert (answer.content, answer.stop_reason, answer.usage.input_tokens) == (TEXT, "end_turn", 20)
        assert answer.usage.cost_usd == pytest.approx((12 * 0.4 + 8 * 0.1 + 5 * 1.6) / 1e6)
        assert answer.receipt is not None
        assert "reported by litellm" in str(answer.receipt)
    provider.close()


def test_tool_calls_come_through(proxy: Proxy) -> None:
    proxy.upstream.tool_call = {"name": "weather", "arguments": {"city": "Rome"}}
    provider = LiteLLMProvider(api_key="sk-proxy-key", base_url=proxy.url)
    request = request_for(tools=(ToolDefinition("weather", "Weather"),))
    for calls in (provider.complete(request).tool_calls, list(provider.stream(request))[-1].tool_calls):
        assert [(call.name, dict(call.arguments)) for call in calls] == [("weather", {"city": "Rome"})]
    proxy.upstream.tool_call = None
    provider.close()


def test_its_errors_are_told_apart(proxy: Proxy) -> None:
    agent = Agent("litellm/gpt-4.1-mini", api_key="sk-proxy-key", base_url=proxy.url, max_retries=0)
    proxy.upstream.fail(*[Fault(status=429)] * 3)  # the proxy may retry by itself
    error: Any = agent("hi").error
    assert error.kind == "rate_limit"
    other: Any = Agent("litellm/unknown", api_key="sk-proxy-key", base_url=proxy.url, max_retries=0)("hi").error
    assert other.kind in ("invalid_request", "not_found")
    agent.close()
