"""The endpoints of llama.cpp's own server, which no one here wrote, through the classes for servers of one's own.

Ollama and LM Studio run llama.cpp, vLLM and LiteLLM speak the same API. None of these is asked itself here.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lazybridge import aembed, embed
from lazybridge.core import registry
from tests.conftest import LlamaServer

SERVERS = ("compatible", "lmstudio", "vllm", "llamacpp", "ollama", "litellm")


@pytest.mark.parametrize("name", SERVERS)
def test_it_lists_its_model(name: str, llama_server: LlamaServer) -> None:
    provider: Any = registry.provider_class(name)(api_key=llama_server.key, base_url=f"{llama_server.url}/v1")
    with provider:
        (model,) = provider.models()
    assert model.id
    assert model.owned_by == "llamacpp"


def test_it_embeds(embedding_server: LlamaServer) -> None:
    for name in SERVERS:
        options: Any = {"provider": name, "api_key": embedding_server.key, "base_url": f"{embedding_server.url}/v1"}
        found = embed(["the cat sat", "the cat sat down", "stock prices fell"], "smollm2", **options)
        cat, sat, prices = found.vectors
        assert len(cat) == found.dimensions > 100
        assert cat != sat != prices
        assert found.usage.input_tokens
        assert found.cost_usd == (None if name in ("compatible", "litellm") else 0.0)
        assert asyncio.run(aembed("stock prices fell", "smollm2", **options)).vector == pytest.approx(prices, abs=1e-3)
