"""fal through its OpenAI-compatible router: the key's own header, what the answer cost, nothing of OpenAI's sent along."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from lazybridge import Agent, Budget, BudgetExceeded, ConfigurationError, Message, register_price
from lazybridge.core.errors import AuthenticationError
from lazybridge.core.providers.fal import FalProvider
from lazybridge.core.types import CompletionRequest
from tests.fake_vendor import TEXT, FakeVendor, Fault

KEY = "0123-4567:89abcdef"
PATH = "/openrouter/router/openai/v1"


@pytest.fixture
def provider(vendor: FakeVendor) -> Iterator[FalProvider]:
    made = FalProvider(api_key=KEY, base_url=vendor.url + PATH)
    yield made
    made.close()


def asking(**fields: Any) -> CompletionRequest:
    return CompletionRequest((Message.user("hi"),), model="anthropic/claude-opus-5.5", **fields)


async def test_the_key_travels_in_fals_own_header_alone(
    provider: FalProvider, vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-openai")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-of-openai")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/of-openai")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "authorization: of-openai\nX-Gateway: of-openai")
    provider.complete(asking())
    list(provider.stream(asking()))
    await provider.acomplete(asking())
    [chunk async for chunk in provider.astream(asking())]
    await provider.aclose()
    assert len(vendor.requests) == 4
    for request in vendor.requests:
        assert request["path"] == f"{PATH}/chat/completions"
        assert request["headers"]["authorization"] == f"Key {KEY}"
        assert "of-openai" not in str(request)
        assert "bearer" not in str(request).lower()


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({"FAL_KEY": "k-0123"}, "Key k-0123"),
        ({"FAL_KEY_ID": "id", "FAL_KEY_SECRET": "0123"}, "Key id:0123"),
        ({"FAL_KEY": "k-0123", "FAL_KEY_ID": "id", "FAL_KEY_SECRET": "0123"}, "Key k-0123"),
    ],
)
def test_the_key_of_the_environment(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sent: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Agent("fal", base_url=vendor.url + PATH)("hi").text() == TEXT
    assert vendor.requests[0]["headers"]["authorization"] == sent
    assert vendor.requests[0]["json"]["model"] == FalProvider.default_model == FalProvider._TIER_ALIASES["medium"]


def test_without_a_key_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    for variables in ({}, {"FAL_KEY_ID": "id"}, {"FAL_RUN_HOST": "fal.example"}):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError, match="set FAL_KEY"):
            FalProvider()


def test_a_server_of_ones_own_needs_no_key(vendor: FakeVendor) -> None:
    FalProvider(base_url=vendor.url + PATH).complete(asking())
    assert vendor.requests[0]["headers"]["authorization"] == "Key no-key"


@pytest.mark.parametrize("host", [None, "fal.example"])
def test_the_host(monkeypatch: pytest.MonkeyPatch, host: str | None) -> None:
    if host is not None:
        monkeypatch.setenv("FAL_RUN_HOST", host)
    client = FalProvider(api_key=KEY)._make_client(asynchronous=False)
    assert str(client.base_url) == f"https://{host or 'fal.run'}{PATH}/"
    assert client.max_retries == 0
    client.close()


def test_what_fal_reports_is_what_it_cost(provider: FalProvider) -> None:
    for answer in (provider.complete(asking()), list(provider.stream(asking()))[-1].response):
        assert answer is not None
        assert answer.receipt is not None
        assert (answer.receipt.status, answer.receipt.total) == ("exact", Decimal("0.00042"))
        assert answer.receipt.lines[0].source == "reported by fal"


def test_without_a_report_the_cost_is_unknown_until_a_price_is_registered(
    provider: FalProvider, vendor: FakeVendor
) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    answer = {"id": "c", "model": "anthropic/claude-opus-5.5", "choices": [choice], "usage": usage}
    vendor.fail(*[Fault(status=200, body=answer)] * 2)
    assert provider.complete(asking()).cost_usd is None
    register_price("anthropic/claude-opus-5.5", provider="fal", input=5, output=25)
    assert provider.complete(asking()).cost_usd == 5


def test_a_budget_refuses_what_has_no_price(vendor: FakeVendor) -> None:
    agent = Agent("fal", api_key=KEY, base_url=vendor.url + PATH, budget=Budget(usd=1))
    assert isinstance(agent("hi", max_tokens=10).error, BudgetExceeded)
    assert vendor.requests == []
    budget = Budget(usd=1, unknown="allow")
    assert Agent("fal", api_key=KEY, base_url=vendor.url + PATH, budget=budget)("hi").ok
    assert budget.spent == Decimal("0.00042")


def test_a_key_that_is_echoed_reaches_no_text(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_KEY_ID", "0123-4567")
    monkeypatch.setenv("FAL_KEY_SECRET", "89abcdef")
    vendor.fail(Fault(status=401, body={"error": {"message": f"bad key {KEY}"}}))
    error = Agent("fal", base_url=vendor.url + PATH)("hi").error
    assert isinstance(error, AuthenticationError)
    assert "89abcdef" not in f"{error!r} {error.__cause__!r} {vars(error.__cause__)}"
