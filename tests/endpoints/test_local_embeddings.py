"""`embed` without a key: llama.cpp in this process, which gives what its own server gives."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from lazybridge import Budget, ConfigurationError, LocalOptions, UnsupportedFeatureError, aembed, embed
from lazybridge.core.errors import ContextLengthError, ProviderConnectionError, ProviderTimeoutError
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


def test_unloading_takes_effect_between_two_texts(model_file: Any, caplog: pytest.LogCaptureFixture) -> None:
    """All of them take some ten times as long as an unload may; who unloads wants the memory, so nobody asks again."""
    provider = LocalProvider(options=LocalOptions(path=model_file, context_tokens=250, threads=1))  # shared by nobody
    embed("one", provider=provider)
    errors: list[BaseException] = []

    def long() -> None:
        try:
            embed([f"word{number} " * 60 for number in range(120)], provider=provider)
        except ProviderConnectionError as error:
            errors.append(error)

    thread = threading.Thread(target=long)
    thread.start()
    (engine,) = provider._embedders.values()
    until = time.monotonic() + 10
    while not engine._uses and time.monotonic() < until:
        time.sleep(0.01)
    with caplog.at_level(logging.WARNING, "lazybridge.local"):
        provider.unload()
    assert not engine._keeper.is_alive()
    thread.join(5)
    assert "is being unloaded" in str(errors[0])
    assert not provider.is_loaded
    assert "is not unloaded" not in caplog.text


async def _aembed(texts: list[str], **options: Any) -> Any:
    return await aembed(texts, **options)


@pytest.mark.parametrize("ask", [embed, lambda texts, **options: asyncio.run(_aembed(texts, **options))])
def test_many_texts_end_with_their_time(local: LocalProvider, ask: Any) -> None:
    texts = [f"word{number} " * 40 for number in range(120)]
    embed("one", provider=local)
    begun = time.monotonic()
    with pytest.raises(ProviderTimeoutError):
        ask(texts, provider=local, timeout=0.5, max_retries=0)
    assert time.monotonic() - begun < 5


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
