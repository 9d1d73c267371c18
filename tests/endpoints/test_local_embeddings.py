"""`embed` without a key: llama.cpp in this process, which gives what its own server gives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lazybridge import Budget, ConfigurationError, LocalOptions, UnsupportedFeatureError, aembed, embed
from lazybridge.core.errors import ContextLengthError
from lazybridge.core.providers.local import LocalProvider
from tests.conftest import LlamaServer

TEXTS = ["the cat sat", "stock prices fell", "el gato"]


@pytest.fixture(scope="module")
def local(model_file: Any) -> Any:
    with LocalProvider(options=LocalOptions(path=model_file, context_tokens=256, threads=1)) as provider:
        yield provider


def test_the_vectors_are_those_of_llama_cpps_server(local: LocalProvider, embedding_server: LlamaServer) -> None:
    options: Any = {"api_key": embedding_server.key, "base_url": f"{embedding_server.url}/v1"}
    theirs = embed(TEXTS, "smollm2", provider="llamacpp", **options)
    ours = embed(TEXTS, provider=local)
    assert ours.usage.input_tokens == theirs.usage.input_tokens
    for mine, other in zip(ours.vectors, theirs.vectors, strict=True):
        assert mine == pytest.approx(other, abs=1e-3)
    assert ours.cost_usd == 0.0
    assert ours.model == "SmolLM2-135M-Instruct"


def test_it_costs_no_budget_and_runs_on_an_event_loop(local: LocalProvider) -> None:
    with Budget(0):
        found = asyncio.run(aembed(TEXTS, provider=local, timeout=60))
    assert len(found.vectors) == 3
    assert found.vectors[0] == pytest.approx(embed(TEXTS[0], provider=local).vector, abs=1e-3)


def test_it_answers_and_embeds_side_by_side(local: LocalProvider) -> None:
    from lazybridge import Agent

    assert "Paris" in Agent(provider=local)("What is the capital of France?", temperature=0, max_tokens=12).text()
    assert embed("one", provider=local).dimensions > 100
    local.unload()
    assert not local.is_loaded
    assert embed("one", provider=local).dimensions > 100


def test_a_text_beyond_the_context_is_refused(local: LocalProvider) -> None:
    with pytest.raises(ContextLengthError, match="too large"):
        embed("word " * 1000, provider=local)


def test_what_it_cannot_do_is_said(local: LocalProvider) -> None:
    with pytest.warns(UserWarning, match="no such parameter"):
        assert embed("one", provider=local, dimensions=64).adjustments
    with pytest.raises(UnsupportedFeatureError, match="local has no endpoint for speech"):
        local.endpoint_for("speech")
    with pytest.raises(UnsupportedFeatureError, match='backend="llamacpp"'):
        embed("one", provider=LocalProvider(backend="candle"))
    with pytest.raises(ConfigurationError):
        embed("one", "local:/no/such/file.gguf")
