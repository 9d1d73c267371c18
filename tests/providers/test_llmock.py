"""Every provider through its real SDK against llmock 0.2.2, which no one here wrote: whole and streamed answers, tools,
schemas, and the vendors' own ways to fail. `hits == attempts`: what the peer counted is what lazybridge says it sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel

from lazybridge import Agent
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message
from tests.peers import LLMock
from tests.providers.agents import modes


@dataclass
class Place:
    """Where llmock plays a vendor; `text_at` is which event of a stream has the first text."""

    provider: str
    model: str
    path: str
    options: dict[str, Any] = field(default_factory=dict)
    stream_usage: bool = True
    text_at: int = 2

    def agent(self, peer: LLMock, **more: Any) -> Agent:
        return Agent(
            self.model,
            provider=self.provider,
            api_key="test-key-0123456789",
            base_url=peer.url + self.path,
            **{"fallback": False, **self.options, **more},
        )


GPT_OSS = "accounts/fireworks/models/gpt-oss-120b"
PLACES = {
    "responses": Place("openai", "gpt-4.1-mini", "/v1", text_at=5),
    "chat": Place("openai", "gpt-4.1-mini", "/v1", {"api": "chat"}),
    "messages": Place("anthropic", "claude-haiku-4-5", "/anthropic", text_at=4),
    "groq": Place("groq", "openai/gpt-oss-120b", "/groq"),
    # Mistral counts a stream without being asked to, llmock does not
    "mistral": Place("mistral", "mistral-medium-3-5", "/mistral", stream_usage=False),
    "gemini": Place("google", "gemini-3.8-flash", "/gemini", text_at=1),
    "xai": Place("xai", "grok-4.3", "/xai/v1"),
    "together": Place("together", "openai/gpt-oss-120b", "/together/v1"),
    "perplexity": Place("perplexity", "sonar-pro", "/perplexity/v1", stream_usage=False),
    "ollama": Place("ollama", "llama3.2:3b", "/v1"),
    "fireworks": Place("fireworks", GPT_OSS, "/v1"),
    "moonshot": Place("moonshot", "kimi-k3", "/v1"),
    "cohere": Place("cohere", "command-a-03-2025", "/v1"),
}
SDKS = ["responses", "chat", "messages", "groq", "mistral", "gemini"]  # the others share the chat's
CALL_TOOLS = [name for name in PLACES if name != "perplexity"]
TAKE_SCHEMAS = [
    name for name in CALL_TOOLS if name != "messages"
]  # llmock looks for Anthropic's former `output_format`


@pytest.fixture(params=list(PLACES))
def place(request: pytest.FixtureRequest) -> Place:
    return PLACES[request.param]


@pytest.fixture
def agents(place: Place, llmock: LLMock) -> Iterator[Any]:
    """Build agents on llmock; they are closed at the end."""
    made: list[Agent] = []

    def build(**options: Any) -> Agent:
        made.append(place.agent(llmock, **options))
        return made[-1]

    yield build
    for agent in made:
        agent.close()


def test_four_methods_give_one_answer(place: Place, agents: Any, llmock: LLMock) -> None:
    provider = agents().engine.provider
    request = CompletionRequest((Message.user("hi there"),), model=place.model, max_tokens=50)

    async def asynchronously() -> list[CompletionResponse | None]:
        chunks = [chunk async for chunk in provider.astream(request)]
        return [await provider.acomplete(request), chunks[-1].response]

    chunks = list(provider.stream(request))
    whole = provider.complete(request)
    awaited, streamed = asyncio.run(asynchronously())
    assert "".join(chunk.delta for chunk in chunks) == whole.content != ""
    for answer in (whole, awaited, chunks[-1].response, streamed):
        assert (answer.content, answer.stop_reason) == (whole.content, "end_turn")
        assert answer.adjustments == whole.adjustments
    counted = {(answer.usage.input_tokens, answer.usage.output_tokens) for answer in (whole, awaited)}
    assert counted == {(2, whole.usage.output_tokens)}
    for answer in (chunks[-1].response, streamed):
        expected = (2, whole.usage.output_tokens) if place.stream_usage else (None, None)
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == expected
    assert [(hit["status"], hit["completed"]) for hit in llmock.requests()] == [(200, True)] * 4


@pytest.mark.parametrize("place", CALL_TOOLS, indirect=True)
@pytest.mark.parametrize("mode", modes)
def test_a_tool_is_called_and_answered(agents: Any, llmock: LLMock, mode: str) -> None:
    cities: list[str] = []

    def weather(city: str) -> str:
        """The weather in a city."""
        cities.append(city)
        return f"Hail in {city}"

    envelope = modes[mode](agents(tools=[weather]), "How is the weather?")
    assert envelope.text()
    assert cities == ["mock-city"]  # llmock makes arguments up by the schema
    first, second = (hit["body"] for hit in llmock.requests())
    assert "Hail in mock-city" not in str(first)
    assert "Hail in mock-city" in str(second)
    assert len(envelope.metadata.attempts) == 2


class Answer(BaseModel):
    number: int
    words: list[str]


@pytest.mark.parametrize("place", TAKE_SCHEMAS, indirect=True)
@pytest.mark.parametrize("mode", ["whole", "streamed asynchronously"])
def test_an_object_comes_back(agents: Any, llmock: LLMock, mode: str) -> None:
    envelope = modes[mode](agents(output=Answer), "Say something")
    assert isinstance(envelope.payload, Answer)
    assert len(llmock.requests()) == len(envelope.metadata.attempts) == 1


# --- failures ---------------------------------------------------------------------------------------------------------

KINDS = {
    400: "invalid_request", 401: "authentication", 402: "quota", 403: "permission", 404: "not_found", 408: "timeout",
    413: "invalid_request", 422: "invalid_request", 429: "rate_limit", 500: "server", 502: "server", 503: "overloaded",
    504: "timeout", 529: "overloaded",
}  # fmt: skip
UNAVAILABLE = {502: "overloaded"}  # Google's word for it, in its body, is UNAVAILABLE


@pytest.mark.parametrize("place", SDKS, indirect=True)
def test_every_status_has_its_kind(place: Place, agents: Any, llmock: LLMock) -> None:
    agent = agents(max_retries=0)
    kinds = {**KINDS, **(UNAVAILABLE if place.provider == "google" else {})}
    for status, kind in kinds.items():
        llmock.behave({"type": "fail", "status": status, "retry_after": 0.05, "times": None})
        error = agent("hi").error
        assert (error.kind, error.status_code, error.retry_after) == (kind, status, 0.05)
        assert len(llmock.requests()) == len(error.attempts) == 1


@pytest.mark.parametrize("place", SDKS, indirect=True)
@pytest.mark.parametrize("mode", modes)
def test_a_failure_that_passes_is_asked_again(agents: Any, llmock: LLMock, mode: str) -> None:
    llmock.behave(*({"type": "fail", "status": status, "retry_after": 0.05} for status in (429, 503)))
    started = time.monotonic()
    envelope = modes[mode](agents(), "hi")
    assert envelope.text()
    assert time.monotonic() - started >= 0.1  # the vendor's own waits
    assert [hit["status"] for hit in llmock.requests()] == [429, 503, 200]
    assert [attempt.error for attempt in envelope.metadata.attempts] == ["rate_limit", "overloaded", None]


@pytest.mark.parametrize("place", SDKS, indirect=True)
@pytest.mark.parametrize("mode", ["streamed", "streamed asynchronously"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [("disconnect", "truncated"), ("truncate", "truncated"), ("malformed", "truncated"), ("stall", "timeout")],
)
def test_a_stream_that_breaks_says_so(
    place: Place, agents: Any, llmock: LLMock, fault: str, kind: str, mode: str
) -> None:
    """What was said stays, nothing is asked again, and nothing passes for a whole answer."""
    llmock.behave({"type": "stream_fault", "kind": fault, "after_chunks": place.text_at, "stall_seconds": 1})
    envelope = modes[mode](agents(timeout=0.4 if fault == "stall" else 10), "hi there, you")
    error = envelope.error
    assert error.kind == kind
    assert error.partial_text
    hit = llmock.requests()[0]
    assert hit["fault"] == f"stream:{fault}@{place.text_at}"
    assert len(llmock.requests()) == len(error.attempts) == 1


@pytest.mark.parametrize("place", SDKS, indirect=True)
@pytest.mark.parametrize("mode", ["streamed", "streamed asynchronously"])
@pytest.mark.parametrize("fault", ["disconnect", "truncate", "malformed"])
def test_a_stream_that_breaks_before_any_text_is_asked_again(
    agents: Any, llmock: LLMock, fault: str, mode: str
) -> None:
    llmock.behave({"type": "stream_fault", "kind": fault, "after_chunks": 0})
    envelope = modes[mode](agents(), "hi")
    assert envelope.text()
    assert len(llmock.requests()) == 2
    assert [attempt.error for attempt in envelope.metadata.attempts] == ["truncated", None]


# --- its own verdict: what its pytest fixture's `assert_resilient(strict=True)` asks -----------------------------------


@pytest.mark.parametrize("place", SDKS, indirect=True)
@pytest.mark.parametrize("mode", modes)
@pytest.mark.parametrize("status", [429, 503, 529])
def test_it_finds_nothing_wrong_with_how_a_failure_is_taken(
    agents: Any, llmock: LLMock, status: int, mode: str
) -> None:
    llmock.behave({"type": "fail", "status": status, "retry_after": 0.15, "times": 2})
    assert modes[mode](agents(), "hi").text()
    assert llmock.verdict() == []


@pytest.mark.parametrize("place", SDKS, indirect=True)
@pytest.mark.parametrize("mode", ["streamed", "streamed asynchronously"])
@pytest.mark.parametrize("fault", ["disconnect", "truncate", "malformed", "stall"])
def test_it_finds_nothing_wrong_with_how_a_broken_stream_is_taken(
    place: Place, agents: Any, llmock: LLMock, fault: str, mode: str
) -> None:
    """Restarted, since it looks at the requests alone: one that is not asked again could have passed for whole."""
    after = place.text_at
    llmock.behave({"type": "stream_fault", "kind": fault, "after_chunks": after, "stall_seconds": 1})
    envelope = modes[mode](agents(on_break="restart", idle=0.3), "hi")
    assert envelope.text()
    assert [attempt.reason for attempt in envelope.metadata.attempts] == ["turn", "restart"]
    # It warns of a malformed chunk where the rest was on its way before the client could hang up.
    assert llmock.verdict(strict=fault != "malformed") == []
