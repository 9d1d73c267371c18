"""The classes for servers of one's own against llama.cpp's server, which no one here wrote.

LM Studio runs llama.cpp; vLLM speaks the same API. Neither is asked itself here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from lazybridge import Agent
from lazybridge.core import registry
from lazybridge.core.errors import AuthenticationError
from tests.conftest import LlamaServer
from tests.providers.test_llama_server import request_for

SERVERS = ("compatible", "lmstudio", "vllm", "llamacpp")


@pytest.fixture(params=SERVERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def provider(name: str, llama_server: LlamaServer) -> Iterator[Any]:
    made: Any = registry.provider_class(name)(api_key=llama_server.key, base_url=f"{llama_server.url}/v1")
    yield made
    made.close()


def check(name: str, answer: Any) -> None:
    assert "Paris" in answer.content
    assert answer.usage.input_tokens > 10
    assert 1 <= answer.usage.output_tokens <= 12
    assert answer.stop_reason in ("end_turn", "max_tokens")
    assert answer.usage.cost_usd == (None if name == "compatible" else 0.0)


def test_it_answers_whole_and_streamed(name: str, provider: Any) -> None:
    async def asynchronously() -> tuple[Any, list[Any]]:
        return await provider.acomplete(request_for()), [chunk async for chunk in provider.astream(request_for())]

    whole, chunks = asyncio.run(asynchronously())
    for answer in (provider.complete(request_for()), whole):
        check(name, answer)
    for pieces in (list(provider.stream(request_for())), chunks):
        assert [piece.is_final for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        check(name, pieces[-1].response)


def agent_of(name: str, server: LlamaServer, **options: Any) -> Agent:
    return Agent(f"{name}/smollm2", base_url=f"{server.url}/v1", **{"api_key": server.key, **options})


def test_a_schema_is_enforced(name: str, llama_server: LlamaServer) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
    agent = agent_of(name, llama_server, output=schema)
    assert set(agent("The capital of France.", max_tokens=40, temperature=0).payload) == {"city"}
    agent.close()


def test_a_wrong_key_and_a_long_prompt_are_told_apart(name: str, llama_server: LlamaServer) -> None:
    wrong, right = agent_of(name, llama_server, api_key="wrong"), agent_of(name, llama_server)
    assert isinstance(wrong("hi").error, AuthenticationError)
    error: Any = right("word " * 6000).error
    assert error.kind == "context_length"
    wrong.close()
    right.close()


@pytest.mark.parametrize("name", ["compatible", "llamacpp"])
def test_its_responses_api(name: str, llama_server: LlamaServer) -> None:
    agent = agent_of(name, llama_server, api="responses", system="You are a helpful assistant.", max_tokens=12)
    assert "Paris" in agent("What is the capital of France?", temperature=0).text()
    agent.close()
