"""The model lists and embeddings of the vendors that speak OpenAI's API, through the real SDKs: what they publish that they
answer, or what was recorded of them, shortened.

The page is named beside each; all read 2026-11-22. A class of a vendor has no other endpoints than those here.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lazybridge import UnsupportedFeatureError, embed
from lazybridge.core import registry
from lazybridge.core.endpoints.embeddings import EmbeddingRequest
from lazybridge.core.endpoints.models import ListedModel
from lazybridge.core.errors import from_exception
from lazybridge.core.providers.openai_compatible import OpenAICompatibleProvider
from tests.fake_vendor import FakeVendor, Fault

Row = tuple[str, str | None, str | None, int | None, int | None]
OPENROUTER = {
    "id": "openai/gpt-4", "canonical_slug": "openai/gpt-4", "name": "GPT-4", "created": 1692901234, "context_length": 8192,
    "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "GPT"},
    "pricing": {"completion": "0.00006", "prompt": "0.00003"}, "per_request_limits": None,
    "top_provider": {"context_length": 8192, "is_moderated": True, "max_completion_tokens": 4096},
}  # fmt: skip
MODELS: dict[str, tuple[Any, list[Row]]] = {
    # https://github.com/OpenRouterTeam/docs openapi/openapi.yaml, the example of ModelsListResponse
    "openrouter": (
        {"data": [OPENROUTER], "links": {"next": None}, "total_count": 1},
        [("openai/gpt-4", "GPT-4", None, 8192, 4096)],
    ),
    # https://api-docs.deepseek.com/zh-cn/api/list-models.md
    "deepseek": (
        {"object": "list", "data": [{
            "id": "deepseek-flash", "object": "model", "owned_by": "deepseek", "name": "DeepSeek-V4.1-Flash",
            "context_window": 1048576, "max_output_tokens": 393216, "input_modalities": ["text", "image"],
            "effort": {"supported_levels": ["low", "high", "max"], "default_level": "high"},
        }]},
        [("deepseek-flash", "DeepSeek-V4.1-Flash", "deepseek", 1048576, 393216)],
    ),
    # xAI's OpenAPI, the example of GET /v1/models, in https://github.com/api-evangelist/xai openapi/xai-models-api-openapi.yml
    "xai": (
        {"data": [
            {"id": "grok-code-fast-1", "created": 1755993600, "object": "model", "owned_by": "xai"},
            {"id": "grok-3", "created": 1743724800, "object": "model", "owned_by": "xai"},
        ], "object": "list"},
        [("grok-code-fast-1", None, "xai", None, None), ("grok-3", None, "xai", None, None)],
    ),
    # https://docs.together.ai/reference/models
    "together": (
        [{
            "id": "Austism/chronos-hermes-13b", "object": "model", "created": 1692896905, "type": "chat",
            "display_name": "Chronos Hermes (13B)", "organization": "Austism", "license": "other", "context_length": 2048,
            "pricing": {"hourly": 0, "input": 0.3, "output": 0.3, "base": 0, "finetune": 0},
        }],
        [("Austism/chronos-hermes-13b", "Chronos Hermes (13B)", None, 2048, None)],
    ),
    # https://inference-docs.cerebras.ai/api-reference/models
    "cerebras": (
        {"object": "list", "data": [
            {"id": "llama3.1-8b", "object": "model", "created": 1721692800, "owned_by": "Meta"},
            {"id": "gpt-oss-120b", "object": "model", "created": 1733443200, "owned_by": "Meta"},
        ]},
        [("llama3.1-8b", None, "Meta", None, None), ("gpt-oss-120b", None, "Meta", None, None)],
    ),
    # https://huggingface.co/docs/inference-providers/hub-api; a limit belongs to who serves the model
    "huggingface": (
        {"object": "list", "data": [{
            "id": "deepseek-ai/DeepSeek-V4-Pro", "object": "model", "created": 1776837885, "owned_by": "deepseek-ai",
            "providers": [{
                "provider": "novita", "status": "live", "context_length": 1048576, "supports_tools": True,
                "pricing": {"input": 1.69, "output": 3.38}, "is_model_author": False,
            }],
        }]},
        [("deepseek-ai/DeepSeek-V4-Pro", None, "deepseek-ai", None, None)],
    ),
    # Moonshot's OpenAPI, in https://github.com/api-evangelist/kimi-moonshot openapi/kimi-moonshot-models-api-openapi.yml: the
    # fields of its schema with its examples (it has none of a length)
    "moonshot": (
        {"object": "list", "data": [{
            "id": "kimi-k2.5", "object": "model", "owned_by": "moonshot", "context_length": 262144, "supports_image_in": True,
            "supports_video_in": True, "supports_reasoning": True,
        }]},
        [("kimi-k2.5", None, "moonshot", 262144, None)],
    ),
    # https://console.groq.com/docs/api-reference#models-list
    "groq": (
        {"object": "list", "data": [{
            "id": "gemma2-9b-it", "object": "model", "created": 1693721698, "owned_by": "Google", "active": True,
            "context_window": 8192, "public_apps": None,
        }]},
        [("gemma2-9b-it", None, "Google", 8192, None)],
    ),
}  # fmt: skip
EMBEDDINGS: dict[str, tuple[str, Any, list[float], int | None, float | None]] = {
    # https://github.com/OpenRouterTeam/docs openapi/openapi.yaml: the example, with that of `usage.cost`
    "openrouter": (
        "openai/text-embedding-3-small",
        {
            "object": "list", "id": "embd-1234567890", "model": "openai/text-embedding-3-small",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.0023064255, -0.009327292, 0.015797347]}],
            "usage": {"prompt_tokens": 8, "total_tokens": 8, "cost": 0.0001},
        },
        [0.0023064255, -0.009327292, 0.015797347], 8, 0.0001,
    ),
    # https://docs.together.ai/docs/embeddings-rest; it prints no usage
    "together": (
        "togethercomputer/m2-bert-80M-8k-retrieval",
        {
            "object": "list", "model": "togethercomputer/m2-bert-80M-8k-retrieval",
            "data": [{"object": "embedding", "embedding": [0.44990748, -0.2521129, -0.43091708, 0.214978], "index": 0}],
        },
        [0.44990748, -0.2521129, -0.43091708, 0.214978], None, None,
    ),
    # recorded 2026-04, https://github.com/justintanner/apicity tests/recordings/fireworks_626462085/embeddings-hello_1385297234
    "fireworks": (
        "nomic-ai/nomic-embed-text-v1.5",
        {
            "data": [{"index": 0, "embedding": [-0.00695037841796875, -0.0017137527465820312, -0.171875], "object": "embedding"}],
            "model": "nomic-ai/nomic-embed-text-v1.5", "object": "list", "usage": {"prompt_tokens": 2, "total_tokens": 2},
        },
        [-0.00695037841796875, -0.0017137527465820312, -0.171875], 2, None,
    ),
    # https://docs.cohere.com/docs/compatibility-api prints these numbers, by the SDK's `response.data[0].embedding[:5]`
    "cohere": (
        "embed-v4.0",
        {
            "object": "list", "model": "embed-v4.0",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.0045051575, 0.046905518, 0.025543213, 0.009651184, -0.024993896]}],
        },
        [0.0045051575, 0.046905518, 0.025543213, 0.009651184, -0.024993896], None, None,
    ),
}  # fmt: skip
ELSEWHERE = {("azure", "embeddings")}  # recorded: test_embeddings.py


def built(name: str, vendor: FakeVendor) -> Any:
    return registry.provider_class(name)(api_key="k", base_url=f"{vendor.url}/v1")


def row(model: ListedModel) -> Row:
    return (model.id, model.display_name, model.owned_by, model.context_window, model.max_output_tokens)


async def awaited(provider: Any, method: str, *arguments: Any) -> Any:
    async with provider:
        return await getattr(provider, method)(*arguments)


@pytest.mark.parametrize("name", MODELS)
def test_the_models_are_those_of_the_vendors_page(name: str, vendor: FakeVendor) -> None:
    body, expected = MODELS[name]
    vendor.fail(*[Fault(status=200, body=body)] * 2)
    with built(name, vendor) as provider:
        listed = [provider.models(), asyncio.run(awaited(built(name, vendor), "amodels"))]
    for found in listed:
        assert [row(model) for model in found] == expected
        assert found.cost_usd == 0.0
    path = "/v1/openai/v1/models" if name == "groq" else "/v1/models"
    assert [request["path"] for request in vendor.requests] == [path] * 2
    assert vendor.requests[0]["headers"]["authorization"] == "Bearer k"


def test_openrouters_pages_are_read_to_the_last(vendor: FakeVendor) -> None:
    following = {"next": "/api/v1/models?offset=500&limit=500"}
    last = {**OPENROUTER, "id": "openai/gpt-4-turbo"}
    vendor.fail(
        Fault(status=200, body={"data": [OPENROUTER], "links": following, "total_count": 2}),
        Fault(status=200, body={"data": [last], "links": {"next": None}, "total_count": 2}),
    )
    with built("openrouter", vendor) as provider:
        assert provider.models().ids == ["openai/gpt-4", "openai/gpt-4-turbo"]
    assert [request["path"] for request in vendor.requests] == ["/v1/models", "/v1/models?offset=500"]


def test_a_refused_key_is_an_authentication_error(vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=401, body=b"Missing API key", headers={"content-type": "text/plain"}))  # Together's
    with built("together", vendor) as provider, pytest.raises(Exception) as caught:  # noqa: PT011  # the SDK's own
        provider.models()
    assert from_exception(caught.value, provider="together").kind == "authentication"


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_the_vectors_are_those_of_the_vendor(name: str, vendor: FakeVendor) -> None:
    model, body, vector, tokens, cost = EMBEDDINGS[name]
    vendor.fail(*[Fault(status=200, body=body)] * 2)
    request = EmbeddingRequest(inputs=("Hello world",), model=model)
    with built(name, vendor) as provider:
        answers = [provider.embed(request), asyncio.run(awaited(built(name, vendor), "aembed", request))]
    for found in answers:
        assert (found.vectors, found.model, found.usage.input_tokens) == ([vector], model, tokens)
        assert cost is None or found.cost_usd == cost
        assert (found.usage.reported_cost_usd is None) == (cost is None)
    assert [request["path"] for request in vendor.requests] == ["/v1/embeddings"] * 2
    assert vendor.bodies() == [{"model": model, "input": ["Hello world"]}] * 2


def test_cohere_takes_96_texts_at_once_and_neither_dimensions_nor_a_purpose(vendor: FakeVendor) -> None:
    with pytest.warns(UserWarning, match="nothing was sent"):
        found = embed(
            ["a"] * 100, "embed-v4.0", api_key="k", base_url=f"{vendor.url}/v1", dimensions=256, purpose="query"
        )
    assert len(found.vectors) == 100
    assert [len(body["input"]) for body in vendor.bodies()] == [96, 4]
    assert all(body.keys() == {"model", "input"} for body in vendor.bodies())
    assert {adjustment.parameter for adjustment in found.adjustments} == {"dimensions", "purpose"}
    assert found.cost_usd == pytest.approx(100 * 0.12 / 1e6)


def hosted() -> dict[str, type[OpenAICompatibleProvider]]:
    classes = {name: registry.provider_class(name) for name in registry._BUILT_IN}
    return {name: cls for name, cls in classes.items() if issubclass(cls, OpenAICompatibleProvider) and cls.needs_key}


def test_a_vendor_has_the_endpoints_that_are_tested_and_no_others(vendor: FakeVendor) -> None:
    tested = {(name, "models") for name in MODELS} | {(name, "embeddings") for name in EMBEDDINGS} | ELSEWHERE
    found = {(name, endpoint) for name, cls in hosted().items() for endpoint in cls.endpoints}
    assert found == tested - {("groq", "models")}
    with built("perplexity", vendor) as provider, pytest.raises(UnsupportedFeatureError, match="its endpoints: none"):
        provider.models()
    for name in ("bedrock", "vertex"):
        assert registry.provider_class(name).endpoints == {}  # type: ignore[attr-defined]
    assert vendor.requests == []
