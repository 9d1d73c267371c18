"""fal through its OpenAI-compatible router: the key's own header, what the answer cost, nothing of OpenAI's sent along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

import lazybridge
from lazybridge import (
    Agent,
    Budget,
    BudgetExceeded,
    ConfigurationError,
    FalOptions,
    Message,
    Model,
    UnsupportedFeatureError,
    register_price,
)
from lazybridge.core.errors import AuthenticationError
from lazybridge.core.providers.fal import FalProvider
from lazybridge.core.types import CompletionRequest
from tests.fake_vendor import TEXT, FakeVendor, Fault

KEY = "0123-4567:89abcdef"
PATH = "/openrouter/router/openai/v1"
RECORDS = Path(__file__).resolve().parents[3] / "shared/conformance/open"


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


# --- which of the router's APIs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build",
    [
        lambda url: Agent("fal", api_key=KEY, base_url=url, endpoint="openai_responses"),
        lambda url: Agent(FalProvider(api_key=KEY, base_url=url, endpoint="openai_responses")),
        lambda url: Model.fal(api_key=KEY, base_url=url, endpoint="openai_responses"),
        lambda url: lazybridge.FalProvider(options=FalOptions(api_key=KEY, base_url=url, endpoint="openai_responses")),
    ],
)
def test_the_endpoint_is_the_path_and_what_is_sent(vendor: FakeVendor, build: Any) -> None:
    """What is sent fits the openai SDK's own types for the Responses API."""
    asked = build(vendor.url + PATH)
    answer = asked("Hi", max_tokens=20) if isinstance(asked, Agent) else asked.complete_sync("Hi", max_tokens=20)
    assert (answer.text() if isinstance(asked, Agent) else answer.content) == TEXT
    (request,) = vendor.requests
    assert request["path"] == f"{PATH}/responses"
    assert request["headers"]["authorization"] == f"Key {KEY}"
    assert request["json"]["max_output_tokens"] == 20
    assert request["json"]["store"] is False
    TypeAdapter(ResponseCreateParamsNonStreaming).validate_python(request["json"])


@pytest.mark.skipif(not RECORDS.is_dir(), reason="the recorded traffic is not here")
@pytest.mark.parametrize("streaming", [False, True])
async def test_openrouters_recorded_responses_are_read(vendor: FakeVendor, streaming: bool) -> None:
    """OpenRouter answers behind fal's router; these are its bytes."""
    lines = map(json.loads, (RECORDS / "compat.jsonl").read_text().splitlines())
    (record,) = (
        r for r in lines if (r["provider"], r["api"], r["streaming"]) == ("openrouter", "openai_responses", streaming)
    )
    kind = "text/event-stream" if streaming else "application/json"
    vendor.fail(*[Fault(status=200, body=record["response_body"].encode(), headers={"content-type": kind})] * 2)
    with FalProvider(api_key=KEY, base_url=vendor.url + PATH, endpoint="openai_responses") as provider:
        if streaming:
            answers = [
                list(provider.stream(asking()))[-1].response,
                [c async for c in provider.astream(asking())][-1].response,
            ]
        else:
            answers = [provider.complete(asking()), await provider.acomplete(asking())]
        await provider.aclose()
    for answer in answers:
        assert answer is not None
        assert answer.content == record["expected"]["text"]
        assert answer.usage.output_tokens == record["expected"]["usage_wire"]["output_tokens"]
        assert answer.receipt is not None
        assert answer.receipt.total == Decimal(str(record["expected"]["usage_wire"]["cost"]))
        assert answer.receipt.lines[0].source == "reported by fal"


@pytest.mark.parametrize(
    ("options", "application"),
    [
        ({"endpoint": "openrouter"}, "openrouter/router"),
        ({"endpoint": "any_llm"}, "fal-ai/any-llm"),
        ({"endpoint": "any_llm", "enterprise": True}, "fal-ai/any-llm/enterprise"),
        ({"enterprise": True}, "openrouter/router/enterprise"),
    ],
)
def test_what_takes_one_prompt_is_refused_and_asked_as_an_application(
    vendor: FakeVendor, options: dict[str, Any], application: str
) -> None:
    for build in (FalProvider, lambda **given: lazybridge.FalProvider(options=FalOptions(**given))):
        with pytest.raises(UnsupportedFeatureError, match="for one prompt, without messages and tools") as caught:
            build(api_key=KEY, **options)
        assert f'.run("{application}", ' in str(caught.value)
    vendor.fail(Fault(status=200, body={"output": "Hello", "usage": {"cost": 0.1}}))
    with FalProvider(api_key=KEY, run_url=vendor.url) as provider:
        assert provider.run(application, {"model": "openai/gpt-6-luna", "prompt": "Hi"}).raw["output"] == "Hello"
    assert vendor.requests[0]["path"] == f"/{application}"


def test_an_endpoint_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no endpoint 'openai_embeddings'") as caught:
        FalProvider(api_key=KEY, endpoint="openai_embeddings")
    assert str(caught.value).splitlines()[-1] == "write endpoint='openai_chat' or endpoint='openai_responses'"
    assert FalProvider(api_key=KEY, endpoint=None, enterprise=False).endpoint == "openai_chat"
