"""Our providers against a server that no one here wrote: llama.cpp's own, in a child process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from lazybridge import Agent, Message
from lazybridge.core.errors import AuthenticationError, from_exception
from lazybridge.core.types import CompletionRequest, CompletionResponse, OutputSchema
from tests.conftest import KINDS, Kind, LlamaServer


@pytest.fixture(params=["responses", "chat", "messages"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """The paths that llama.cpp serves."""
    return KINDS[request.param]


@pytest.fixture
def provider(kind: Kind, llama_server: LlamaServer) -> Iterator[Any]:
    from lazybridge.core import registry

    cls = registry.provider_class(kind.provider)
    made: Any = cls(
        api_key=llama_server.key, base_url=kind.url(llama_server.url).removesuffix("/mistral"), **kind.options
    )
    yield made
    made.close()


def request_for(extra: dict[str, Any] | None = None, **fields: Any) -> CompletionRequest:
    return CompletionRequest(
        messages=(Message.user("What is the capital of France?"),),
        model="smollm2",
        system="You are a helpful assistant.",
        max_tokens=12,
        extra_body={"temperature": 0, **(extra or {})},
        **fields,
    )


def check(answer: CompletionResponse) -> None:
    assert "Paris" in answer.content
    assert answer.usage.input_tokens
    assert answer.usage.input_tokens > 10
    assert answer.usage.output_tokens
    assert 1 <= answer.usage.output_tokens <= 12
    assert answer.stop_reason in ("end_turn", "max_tokens")
    assert answer.model
    assert answer.usage.cost_usd is None  # nobody sells this model


def test_whole_answers(provider: Any) -> None:
    check(provider.complete(request_for()))
    check(asyncio.run(provider.acomplete(request_for())))


def test_streamed_answers(provider: Any, kind: Kind) -> None:
    # Mistral counts unasked, this server does not.
    request = request_for({"stream_options": {"include_usage": True}} if kind.provider == "mistral" else None)

    async def collect() -> list[Any]:
        return [chunk async for chunk in provider.astream(request)]

    for chunks in (list(provider.stream(request)), asyncio.run(collect())):
        assert sum(chunk.is_final for chunk in chunks) == 1
        assert chunks[-1].is_final
        assert "".join(chunk.delta for chunk in chunks) == chunks[-1].response.content
        assert sum(bool(chunk.delta) for chunk in chunks) > 1
        check(chunks[-1].response)


def test_the_probabilities_of_tokens_come_whole_and_streamed(llama_server: LlamaServer) -> None:
    agent = Agent("smollm2", provider="openai", api="chat", api_key=llama_server.key, base_url=f"{llama_server.url}/v1")
    settings: dict[str, Any] = {"temperature": 0, "max_tokens": 6, "logprobs": 2}
    stream = agent.stream("What is the capital of France?", **settings)
    assert list(stream)
    for envelope in (agent("What is the capital of France?", **settings), stream.envelope):
        assert envelope.response is not None
        found = envelope.response.logprobs
        assert "".join(item.token for item in found) == envelope.text()
        assert len(found) == envelope.response.usage.output_tokens
        for item in found:  # at temperature 0 the likeliest token is the one that is written
            assert [len(item.alternatives), item.alternatives[0].token] == [2, item.token]
    agent.close()


def test_a_wrong_key_is_an_authentication_error(kind: Kind, llama_server: LlamaServer) -> None:
    envelope = kind.agent(llama_server.url)("hi")
    assert isinstance(envelope.error, AuthenticationError)
    assert envelope.error.status_code == 401


def test_a_prompt_longer_than_the_model_reads_is_told_as_such(llama_server: LlamaServer) -> None:
    agent = Agent("smollm2", provider="openai", api="chat", api_key=llama_server.key, base_url=f"{llama_server.url}/v1")
    error = agent("word " * 6000).error
    assert error is not None
    assert error.kind == "context_length"  # type: ignore[attr-defined]
    agent.close()


def test_a_schema_is_enforced_by_the_server(llama_server: LlamaServer) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "pattern": "^[A-Z][a-z]{2,20}$"}},
        "required": ["city"],
    }
    provider = KINDS["chat"]
    agent = Agent(
        "smollm2",
        provider=provider.provider,
        api="chat",
        api_key=llama_server.key,
        base_url=f"{llama_server.url}/v1",
        output=schema,
    )
    payload = agent("The capital of France.", max_tokens=40, temperature=0).payload
    assert set(payload) == {"city"}
    agent.close()
    assert OutputSchema(schema).strict


def test_leaving_early_frees_the_servers_slot(provider: Any) -> None:
    for _ in range(3):
        stream = provider.stream(request_for())
        next(stream)
        stream.close()
    check(provider.complete(request_for()))


def test_an_error_of_the_sdk_is_classified(provider: Any) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the SDK's own exception
        provider.complete(CompletionRequest(messages=(Message.user("word " * 6000),), model="smollm2", max_tokens=5))
    assert from_exception(caught.value, provider="p").kind in ("context_length", "invalid_request")
