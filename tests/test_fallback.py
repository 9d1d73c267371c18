"""Agent(fallback=[...]) and on_break=, over real SDKs and loopback vendors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from lazybridge import Agent, ConfigurationError, ProviderError, StreamTruncated
from lazybridge.core.types import StreamChunk
from tests.conftest import KINDS, Kind
from tests.fake_vendor import PIECES, TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_astream, by_call, by_run, by_stream

FIRST, SECOND = KINDS["responses"], KINDS["messages"]


@pytest.fixture(params=[by_stream, by_astream], ids=["stream", "astream"])
def streamed(request: pytest.FixtureRequest) -> Any:
    return chunks_of if request.param is by_stream else achunks_of


@pytest.fixture
def other() -> Iterator[FakeVendor]:
    server = FakeVendor()
    yield server
    server.close()


def chunks_of(agent: Agent) -> tuple[list[StreamChunk], Any]:
    stream, chunks = agent.stream("hi"), []
    try:
        for chunk in stream:
            chunks.append(chunk)
    except ProviderError:
        pass
    return chunks, stream.envelope


def achunks_of(agent: Agent) -> tuple[list[StreamChunk], Any]:
    async def go() -> tuple[list[StreamChunk], Any]:
        stream, chunks = agent.stream("hi"), []
        try:
            async for chunk in stream:
                chunks.append(chunk)
        except ProviderError:
            pass
        return chunks, stream.envelope

    return asyncio.run(go())


def test_another_vendor_answers_where_the_first_fails(vendor: FakeVendor, other: FakeVendor, mode: Mode) -> None:
    vendor.fail(*[Fault(status=503)] * 2)
    agent = FIRST.agent(vendor.url, max_retries=1, fallback=[SECOND.agent(other.url)])
    envelope = mode(agent, "hi")
    assert envelope.text() == TEXT
    meta = envelope.metadata
    assert (meta.provider, meta.model) == ("anthropic", SECOND.model)
    assert [(a.provider, a.error, a.reason) for a in meta.attempts] == [
        ("openai", "overloaded", "turn"),
        ("openai", "overloaded", "retry"),
        ("anthropic", None, "fallback"),
    ]
    assert len(vendor.requests) == 2
    assert len(other.requests) == 1
    assert meta.cost_usd is not None


def test_nothing_of_the_first_vendor_reaches_the_second(vendor: FakeVendor, other: FakeVendor, mode: Mode) -> None:
    """Neither its error's text nor a header or body field that was meant for it."""
    vendor.fail(Fault(status=500, body={"error": {"message": "CANARY in the error", "type": "server_error"}}))
    agent = FIRST.agent(
        vendor.url,
        max_retries=0,
        fallback=[SECOND.agent(other.url)],
        extra_headers={"x-gateway-key": "CANARY-header"},
        extra_body={"user": "CANARY-body"},
    )
    envelope = mode(agent, "hi")
    assert envelope.text() == TEXT
    assert "CANARY" not in str(other.requests)
    assert "test-key" in str(other.requests[0]["headers"])  # its own
    left_out = {adjustment.parameter for adjustment in envelope.metadata.adjustments}
    assert left_out == {"extra_headers", "extra_body"}


def test_a_tier_is_another_model_of_the_same_provider(vendor: FakeVendor, mode: Mode) -> None:
    vendor.fail(Fault(status=503))
    envelope = mode(SECOND.agent(vendor.url, max_retries=0, fallback="top"), "hi")
    assert envelope.ok
    first, second = (body["model"] for body in vendor.bodies())
    assert first == SECOND.model
    assert second == type(SECOND.build(vendor.url)).resolve_tier("top") != first


def test_when_all_fail_the_error_holds_every_cause(vendor: FakeVendor, other: FakeVendor, mode: Mode) -> None:
    vendor.fail(Fault(status=503))
    other.fail(*[Fault(status=500)] * 2)
    others = [SECOND.agent(other.url), KINDS["mistral"].agent(other.url)]
    envelope = mode(FIRST.agent(vendor.url, max_retries=0, fallback=others), "hi")
    error = envelope.error
    assert error is not None
    assert [type(cause).__name__ for cause in error.causes] == ["OverloadedError", "ServerError"]
    assert [attempt.provider for attempt in error.attempts] == ["openai", "anthropic", "mistral"]
    assert "mistral" in str(error)
    assert "openai" in str(error.causes[0])


@pytest.mark.parametrize("status", [400, 401, 403])
def test_what_no_other_vendor_would_do_better_is_not_moved(
    vendor: FakeVendor, other: FakeVendor, mode: Mode, status: int
) -> None:
    vendor.fail(Fault(status=status))
    envelope = mode(FIRST.agent(vendor.url, fallback=[SECOND.agent(other.url)]), "hi")
    assert not envelope.ok
    assert other.requests == []


def test_which_errors_move_on_is_the_callers_choice(vendor: FakeVendor, other: FakeVendor, mode: Mode) -> None:
    vendor.fail(Fault(status=401))
    agent = FIRST.agent(vendor.url, fallback=[SECOND.agent(other.url)], fallback_on=["authentication"])
    assert mode(agent, "hi").ok
    with pytest.raises(ConfigurationError, match="'auth' is no kind of error"):
        FIRST.agent(vendor.url, fallback=["gpt-6-luna"], fallback_on=["auth"])


@pytest.mark.parametrize("wrong", [3, object()])
def test_what_is_no_model_is_refused_when_the_agent_is_built(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="fallback got"):
        Agent("gpt-6-luna", api_key="k", fallback=[wrong])


def test_an_unknown_model_is_refused_when_the_agent_is_built() -> None:
    with pytest.raises(ConfigurationError, match="gpt-6-lunna"):
        Agent("gpt-6-luna", api_key="k", fallback=["no-such-vendor-gpt-6-lunna"])


def test_a_tool_turn_goes_on_at_the_other_vendor(vendor: FakeVendor, other: FakeVendor, mode: Mode) -> None:
    """What the first vendor's model asked for is answered once, and the second reads it."""
    asked: list[str] = []

    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "22 degrees"

    vendor.tool_call = {"name": "weather", "arguments": {"city": "Rome"}}
    vendor.fail(Fault(), Fault(status=503))
    agent = FIRST.agent(vendor.url, tools=[weather], max_retries=0, fallback=[SECOND.agent(other.url)])
    envelope = mode(agent, "hi")
    assert envelope.text() == TEXT
    assert asked == ["Rome"]
    assert "22 degrees" in str(other.bodies()[0]["messages"])
    assert [attempt.reason for attempt in envelope.metadata.attempts] == ["turn", "turn", "fallback"]


def test_the_deadline_is_one_for_all(vendor: FakeVendor, other: FakeVendor, mode: Mode) -> None:
    vendor.fail(Fault(hang=20))
    other.fail(Fault(hang=20))
    agent = FIRST.agent(vendor.url, ttft=0.2, timeout=0.6, max_retries=0, fallback=[SECOND.agent(other.url, timeout=9)])
    envelope = mode(agent, "hi")
    assert "ttft=0.2" in str(envelope.error) or "timeout=0.6" in str(envelope.error)
    assert envelope.metadata.latency_ms < 1200


# --- streams that break in the middle -----------------------------------------------------------------------------------


@pytest.fixture(params=["responses", "chat", "messages", "mistral", "gemini"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def cut(kind: Kind) -> Fault:
    return Fault(pause=0.02, cut_after=5 if kind.provider == "anthropic" or kind.path.endswith("/responses") else 2)


def test_a_broken_stream_raises_unless_told_otherwise(kind: Kind, vendor: FakeVendor, streamed: Any) -> None:
    vendor.fail(cut(kind))
    chunks, envelope = streamed(kind.agent(vendor.url))
    assert isinstance(envelope.error, StreamTruncated)
    assert envelope.error.partial_text.startswith(PIECES[0])
    assert all(chunk.resumed is None for chunk in chunks)
    assert len(vendor.requests) == 1


def test_restart_says_that_what_came_is_void(kind: Kind, vendor: FakeVendor, streamed: Any) -> None:
    vendor.fail(cut(kind))
    chunks, envelope = streamed(kind.agent(vendor.url, on_break="restart"))
    places = [place for place, chunk in enumerate(chunks) if chunk.resumed]
    assert [chunks[place].resumed for place in places] == ["restart"]
    assert "".join(chunk.delta for chunk in chunks[: places[0]]).startswith(PIECES[0])
    assert "".join(chunk.delta for chunk in chunks[places[0] :]) == TEXT == envelope.text()
    broken, whole = envelope.metadata.attempts
    assert (broken.error is not None, whole.reason) == (True, "restart")
    assert broken.receipt.status in ("lower_bound", "unknown")
    assert envelope.metadata.cost_usd is None  # what the broken one cost in the end, nobody said


def test_continue_asks_for_the_rest(kind: Kind, vendor: FakeVendor, streamed: Any) -> None:
    vendor.fail(cut(kind))
    chunks, envelope = streamed(kind.agent(vendor.url, on_break="continue"))
    shown = "".join(chunk.delta for chunk in chunks)
    assert [chunk.resumed for chunk in chunks if chunk.resumed] == ["continue"]
    assert shown == envelope.text() != TEXT
    assert shown.endswith(TEXT)
    begun = shown.removesuffix(TEXT)
    assert begun.startswith(PIECES[0])
    first, second = map(str, vendor.bodies())
    assert begun.strip() in second
    assert begun.strip() not in first
    assert "cut off" in second
    assert envelope.metadata.attempts[1].reason == "continue"


def test_an_answer_in_a_schema_begins_again(vendor: FakeVendor, streamed: Any) -> None:
    class Answer(BaseModel):
        text: str

    vendor.pieces = ('{"te', 'xt": "hi', '"}')
    vendor.fail(Fault(cut_after=2))
    chunks, envelope = streamed(KINDS["chat"].agent(vendor.url, on_break="continue", output=Answer))
    assert [chunk.resumed for chunk in chunks if chunk.resumed] == ["restart"]
    assert envelope.payload == Answer(text="hi")


def test_breaks_are_capped_by_the_retries(kind: Kind, vendor: FakeVendor, streamed: Any) -> None:
    vendor.fail(*[cut(kind)] * 9)
    chunks, envelope = streamed(kind.agent(vendor.url, on_break="continue", max_retries=1))
    assert not envelope.ok
    assert len(vendor.requests) == len(envelope.metadata.attempts) == 2
    assert envelope.error.partial_text == "".join(chunk.delta for chunk in chunks)


def test_a_whole_answer_under_ttft_is_never_joined(kind: Kind, vendor: FakeVendor) -> None:
    """Nobody saw what broke off."""
    vendor.fail(cut(kind))
    for ask in (by_call, by_run):
        assert ask(kind.agent(vendor.url, ttft=9, on_break="continue"), "hi").text() == TEXT


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="on_break 'resume'"):
        Agent("gpt-6-luna", api_key="k", on_break="resume")  # type: ignore[typeddict-item]
