"""Compatible vendors through the real openai SDK: whose key goes where, at which address, at what cost."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any

import pytest

from lazybridge import Agent, ConfigurationError
from lazybridge.core import catalogue, registry
from lazybridge.core.catalogue import lifecycle
from lazybridge.core.providers.compatible import OllamaProvider
from lazybridge.core.providers.openai_compatible import OpenAICompatibleProvider
from lazybridge.core.types import CompletionRequest, Message
from lazybridge.core.wire.chat import ChatWire
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.wire.dialects import model_of, providers

NAMES = list(providers())
LOCAL = ("ollama", "lmstudio", "vllm", "llamacpp")
KEYLESS = (*LOCAL, "compatible", "litellm")
OPENAIS = {
    "OPENAI_API_KEY": "sk-openai-secret",
    "OPENAI_ADMIN_KEY": "sk-admin-secret",
    "OPENAI_ORG_ID": "org-secret",
    "OPENAI_PROJECT_ID": "proj-secret",
    "OPENAI_WEBHOOK_SECRET": "whsec-secret",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/openai-secret",
}


def request_for(name: str, **fields: Any) -> CompletionRequest:
    return CompletionRequest((Message.user("hi"),), model=model_of(name), **fields)


@pytest.mark.parametrize("custom", ["X-Secret: openai-secret", "Authorization: Bearer openai-secret\nX-Secret: secret"])
@pytest.mark.parametrize("name", [*NAMES, "azure by deployment"])
def test_nothing_of_openais_account_goes_to_another_vendor(
    name: str, custom: str, vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {**OPENAIS, "OPENAI_CUSTOM_HEADERS": custom}.items():
        monkeypatch.setenv(variable, value)
    name, _, by_deployment = name.partition(" ")
    cls = providers()[name]
    monkeypatch.setenv(cls.key_variable, "vendors-own-key")
    more = {"api_version": "2024-10-21", "api": "chat"} if by_deployment else {}
    provider: Any = cls(base_url=f"{vendor.url}/v1", **more)
    provider.complete(request_for(name))
    list(provider.stream(request_for(name)))
    asyncio.run(provider.acomplete(request_for(name)))
    provider.close()
    assert len(vendor.requests) == 3
    for request in vendor.requests:
        assert "secret" not in json.dumps(request)
        assert not [header for header in request["headers"] if header.startswith("openai-")]
        sent = request["headers"].get("api-key") if by_deployment else request["headers"]["authorization"]
        assert sent == ("vendors-own-key" if by_deployment else "Bearer vendors-own-key")


@pytest.mark.parametrize("name", NAMES)
def test_openais_key_opens_no_other_vendor(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in OPENAIS.items():
        monkeypatch.setenv(variable, value)
    cls = providers()[name]
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://name.openai.azure.com")
    monkeypatch.setenv("COMPATIBLE_BASE_URL", "http://127.0.0.1:1/v1")
    if name in KEYLESS:
        assert cls().api_key is None
    else:
        with pytest.raises(ConfigurationError, match=f"{cls.key_variable} is not set"):
            cls()


@pytest.mark.parametrize("name", NAMES)
def test_the_base_url_has_a_variable(name: str, vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = providers()[name]
    monkeypatch.setenv(cls.url_variable, f"{vendor.url}/elsewhere")
    provider: Any = cls(api_key="k")
    assert provider.complete(request_for(name)).content == TEXT
    assert vendor.requests[0]["path"].startswith("/elsewhere/")
    provider.close()


@pytest.mark.parametrize("name", NAMES)
def test_the_default_base_url_is_the_vendors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = providers()[name]
    if name in ("azure", "compatible"):
        assert cls.url == ""
        return
    client = cls(api_key="k")._sync_client()
    assert str(client.base_url).rstrip("/") == cls.url
    client.close()


@pytest.mark.parametrize("name", LOCAL)
def test_a_server_of_ones_own_needs_no_key_and_is_free(name: str, vendor: FakeVendor) -> None:
    agent = Agent(f"{name}/some-model", base_url=f"{vendor.url}/v1")
    envelope = agent("hi")
    assert envelope.text() == TEXT
    assert envelope.metadata.cost_usd == 0.0
    stream = agent.stream("hi")
    assert "".join(chunk.delta for chunk in stream) == TEXT
    assert stream.envelope is not None
    assert stream.envelope.metadata.cost_usd == 0.0
    assert vendor.bodies()[0]["model"] == "some-model"
    agent.close()


def test_ollamas_cloud_is_not_free() -> None:
    assert OllamaProvider()._free
    assert not OllamaProvider(api_key="k", base_url="https://ollama.com/v1")._free


def test_any_server_is_asked_by_its_url(vendor: FakeVendor) -> None:
    agent = Agent("compatible/my/model", base_url=f"{vendor.url}/v1", api_key="k")
    envelope = agent("hi", max_tokens=5)
    assert envelope.text() == TEXT
    assert envelope.metadata.cost_usd is None  # nobody said what it costs
    assert vendor.bodies()[0] == {"model": "my/model", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    assert vendor.requests[0]["path"] == "/v1/chat/completions"
    agent.close()
    with pytest.raises(ConfigurationError, match=r'pass base_url="http'):
        Agent("compatible/model")


def test_the_responses_api_where_a_vendor_has_it(vendor: FakeVendor) -> None:
    agent = Agent(
        "xai/grok-4.3", api="responses", base_url=f"{vendor.url}/v1", api_key="k", native_tools=["web_search"]
    )
    assert agent("hi").text() == TEXT
    assert vendor.requests[0]["path"] == "/v1/responses"
    body = vendor.bodies()[0]
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])
    assert body["tools"] == [{"type": "web_search"}]
    agent.close()
    with pytest.raises(ConfigurationError, match="DeepSeekProvider has no api 'responses'"):
        Agent("deepseek-flash", api="responses", api_key="k")


# --- Azure ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def resource(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> FakeVendor:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"{vendor.url}/")
    return vendor


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "/openai/v1/responses"),
        ({"api": "chat"}, "/openai/v1/chat/completions"),
        (
            {"api": "chat", "api_version": "2024-10-21"},
            "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21",
        ),
        ({"api_version": "2025-04-01-preview"}, "/openai/responses?api-version=2025-04-01-preview"),
    ],
)
def test_azure_is_asked_by_endpoint_and_deployment(resource: FakeVendor, options: Any, path: str) -> None:
    agent = Agent("azure/my-deployment", api_key="azure-key", **options)
    assert agent("hi").text() == TEXT
    request = resource.requests[0]
    assert (request["path"], request["json"]["model"]) == (path, "my-deployment")
    by_header = {"api-key": "azure-key"} if "api_version" in options else {"authorization": "Bearer azure-key"}
    assert by_header.items() <= request["headers"].items()
    agent.close()


@pytest.mark.parametrize("version", [None, "2024-10-21"])
def test_azure_takes_a_token_of_entra(resource: FakeVendor, monkeypatch: pytest.MonkeyPatch, version: Any) -> None:
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "entra-token")
    agent = Agent("azure/my-deployment", api="chat", **({"api_version": version} if version else {}))
    assert agent("hi").ok
    assert resource.requests[0]["headers"]["authorization"] == "Bearer entra-token"
    assert "api-key" not in resource.requests[0]["headers"]
    agent.close()


def test_azure_is_priced_by_the_model_that_served(resource: FakeVendor) -> None:
    agent = Agent("azure/gpt-4.1-mini", api_key="k")
    expected = catalogue.profile("openai", "gpt-4.1-mini").price()
    assert expected is not None
    assert agent("hi").metadata.cost_usd == pytest.approx(
        float(12 * expected.rates["input"] + 8 * expected.rates["cached_input"] + 5 * expected.rates["output"]) / 1e6
    )
    agent.close()


def test_azure_without_an_endpoint_says_which_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT is not set"):
        Agent("azure/x", api_key="k")


# --- what an answer cost ----------------------------------------------------------------------------------------------


def answer(**more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Paris", **more.pop("message", {})}
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, **more.pop("usage", {})}
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}], **more,
    }  # fmt: skip


# The usage objects as recorded of these vendors.
@pytest.mark.parametrize(
    ("name", "usage", "cost"),
    [
        ("openrouter", {"cost": 0.066407, "is_byok": False}, 0.066407),
        (
            "perplexity",
            {"cost": {"input_tokens_cost": 0.00437, "output_tokens_cost": 0, "total_cost": 0.00937}},
            0.00937,
        ),
        ("xai", {"cost_in_usd_ticks": 12_345_000}, 0.0012345),
        ("vllm", {"cost": 3.0}, 0.0),
    ],
)
def test_a_cost_that_the_vendor_reports_is_the_cost(
    vendor: FakeVendor, name: str, usage: dict[str, Any], cost: float
) -> None:
    vendor.fail(Fault(status=200, body=answer(usage=usage)))
    agent = Agent(f"{name}/{model_of(name)}", api_key="k", base_url=f"{vendor.url}/v1")
    assert agent("hi").metadata.cost_usd == pytest.approx(cost)
    agent.close()


@pytest.mark.parametrize(("said", "cost"), [("0.0025", 0.0025), ("None", None), (None, None)])
def test_litellm_says_the_cost_in_a_header(vendor: FakeVendor, said: str | None, cost: float | None) -> None:
    headers = {"x-litellm-response-cost": said} if said else {}
    vendor.fail(Fault(status=200, body=answer(), headers=headers))
    agent = Agent("litellm/team-model", base_url=vendor.url)
    assert agent("hi").metadata.cost_usd == cost
    agent.close()


@pytest.mark.parametrize(
    ("name", "model"),
    [("deepseek", "deepseek-flash"), ("together", "openai/gpt-oss-120b"), ("zai", "glm-5.3"), ("cerebras", "gpt-oss-120b")],
)  # fmt: skip
def test_others_are_priced_by_the_catalogue(vendor: FakeVendor, name: str, model: str) -> None:
    agent = Agent(f"{name}/{model}", api_key="k", base_url=f"{vendor.url}/v1")
    receipt = agent("hi").metadata.receipt
    assert receipt is not None
    assert receipt.status == "exact"
    assert {line.model for line in receipt.lines} == {model}
    agent.close()


def test_every_tier_has_a_price_and_is_served_for_90_days_more() -> None:
    today = date(2026, 11, 22)
    for name, cls in providers().items():
        for model in {cls.default_model, *cls._TIER_ALIASES.values()} - {""}:
            row = catalogue.profile(name, model)
            assert row.price() is not None, (name, model)
            left = lifecycle.days_left(row, today)
            assert left is None or left > 90, (name, model)
        assert not cls._TIER_ALIASES or cls.default_model == cls._TIER_ALIASES["medium"]


# --- a tool loop ------------------------------------------------------------------------------------------------------


def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}"


@pytest.mark.parametrize("mode", ["whole", "streamed"])
def test_what_deepseek_thought_goes_back_in_a_tool_loop(vendor: FakeVendor, mode: str) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    agent = Agent("deepseek-flash", api_key="k", base_url=vendor.url, tools=[weather], thinking=True)
    if mode == "whole":
        first = answer(message={"content": "", "reasoning_content": "Let me look.", "tool_calls": [call]})
        vendor.fail(Fault(status=200, body=first))
        envelope = agent("How is Rome?")
    else:
        deltas = [
            {"reasoning_content": "Let me "},
            {"reasoning_content": "look."},
            {"tool_calls": [{"index": 0, **call}]},
        ]
        chunks: list[Any] = [{"model": "m", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        chunks += [{"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}]
        text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        vendor.fail(Fault(status=200, body=text.encode(), headers={"content-type": "text/event-stream"}))
        stream = agent.stream("How is Rome?")
        list(stream)
        assert stream.envelope is not None
        envelope = stream.envelope
    assert envelope.text() == TEXT
    _, turn, result = vendor.bodies()[1]["messages"]
    assert turn["reasoning_content"] == "Let me look."
    assert result["content"] == "Sunny in Rome"
    assert [body["thinking"] for body in vendor.bodies()] == [{"type": "enabled"}] * 2
    agent.close()


# --- a class of someone else's ------------------------------------------------------------------------------------------


@pytest.fixture
def acme(vendor: FakeVendor) -> FakeVendor:
    class AcmeProvider(OpenAICompatibleProvider):
        key_variable, url_variable, needs_key = "ACME_API_KEY", "ACME_BASE_URL", True
        url, default_model = f"{vendor.url}/acme/v1", "acme-1"
        dialect = ChatWire(max_tokens_field="max_tokens", reasoning_fields=("reasoning",))

    return vendor


def test_a_class_of_six_lines_is_a_provider(acme: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="ACME_API_KEY"):
        Agent("acme")
    monkeypatch.setenv("ACME_API_KEY", "acme-key")
    agent = Agent("acme/acme-2")
    assert agent("hi").text() == TEXT
    assert acme.requests[0]["path"] == "/acme/v1/chat/completions"
    assert acme.requests[0]["headers"]["authorization"] == "Bearer acme-key"
    assert registry.provider_class("acme").dialect.vendor == "acme"  # type: ignore[attr-defined]
    assert agent("hi").metadata.cost_usd is None
    agent.close()
