"""Groq over its own SDK: what is sent, what its errors and its own tools come to. Shapes are those of recorded exchanges."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import groq
import pytest

from lazybridge import Agent, ConfigurationError, Message
from lazybridge.core.errors import InvalidRequestError, OverloadedError, ProviderError, from_exception
from lazybridge.core.providers.groq import WIRE, GroqProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk
from tests.fake_vendor import TEXT, FakeVendor, Fault

KEY = "gsk_test0123456789"
MODEL = "openai/gpt-oss-120b"


@pytest.fixture
def provider(vendor: FakeVendor) -> Iterator[GroqProvider]:
    made = GroqProvider(api_key=KEY, base_url=vendor.url)
    yield made
    made.close()


@pytest.fixture
def agent(vendor: FakeVendor) -> Iterator[Agent]:
    made = Agent(MODEL, provider="groq", api_key=KEY, base_url=vendor.url)
    yield made
    made.close()


def asking(**fields: Any) -> CompletionRequest:
    return CompletionRequest((Message.user("hi"),), **{"model": MODEL, **fields})


def answering(**message: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    message = {"role": "assistant", "content": "So it is.", **message}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}


def streamed(*deltas: dict[str, Any]) -> CompletionResponse:
    state = WIRE.accumulator()
    for delta in deltas:
        state.feed({"model": MODEL, "choices": [{"index": 0, "delta": delta}]})
    usage = {"usage": {"prompt_tokens": 1000, "completion_tokens": 100}}
    state.feed({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": usage})
    return state.finish()


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_the_body_and_headers_are_those_of_the_sdks_own_create(provider: GroqProvider, vendor: FakeVendor) -> None:
    provider.complete(asking(max_tokens=16, temperature=0, effort="low"))
    (mine,) = vendor.requests
    with groq.Groq(api_key=KEY, base_url=vendor.url) as client:
        client.chat.completions.create(**mine["json"])
    theirs = vendor.requests[1]
    assert mine["path"] == theirs["path"] == "/openai/v1/chat/completions"
    assert mine["json"] == theirs["json"]
    changing = {"x-stainless-read-timeout", "x-stainless-raw-response"}
    assert {name: value for name, value in mine["headers"].items() if name not in changing} == {
        name: value for name, value in theirs["headers"].items() if name not in changing
    }
    assert mine["headers"]["authorization"] == f"Bearer {KEY}"


def test_the_key_and_the_url_come_from_the_environment(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="GROQ_API_KEY"):
        Agent("groq")
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    monkeypatch.setenv("GROQ_BASE_URL", vendor.url)
    envelope = Agent("groq")("hi")
    assert envelope.text() == TEXT
    assert envelope.metadata.model == GroqProvider.default_model == GroqProvider._TIER_ALIASES["medium"]
    assert vendor.requests[0]["headers"]["authorization"] == f"Bearer {KEY}"


def test_a_key_that_is_a_function_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="api_key is a text"):
        GroqProvider(api_key=lambda: KEY)  # type: ignore[arg-type]


def test_a_stream_says_which_tier_served(provider: GroqProvider) -> None:
    final = list(provider.stream(asking(service_tier="auto")))[-1]
    assert final.usage is not None
    assert final.usage.service_tier == "on_demand"
    assert final.cost_usd is not None


@pytest.mark.parametrize(("tier", "known"), [("flex", True), ("performance", False)])
def test_flex_costs_what_on_demand_costs_and_performance_is_not_known(
    provider: GroqProvider, vendor: FakeVendor, tier: str, known: bool
) -> None:
    vendor.fail(Fault(status=200, body={**answering(), "service_tier": tier}))
    assert provider.complete(asking(service_tier=tier)).cost_usd == (0.00021 if known else None)


def test_thinking_goes_back_in_a_tool_turn_and_to_no_model_that_does_not_think(vendor: FakeVendor) -> None:
    def look(city: str) -> str:
        """Look."""
        return "Sunny"

    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"city": "Rome"}'}}
    first = answering(content=None, reasoning="The tool knows.", tool_calls=[call])
    vendor.fail(Fault(status=200, body=first))
    agent = Agent(MODEL, provider="groq", api_key=KEY, base_url=vendor.url, tools=[look])
    assert agent("Weather?").text() == TEXT
    said = vendor.requests[1]["json"]["messages"][1]
    assert said["reasoning"] == "The tool knows."
    turn = WIRE.from_sdk_response(first).to_message()
    request = CompletionRequest((Message.user("?"), turn, Message.tool("Sunny", tool_call_id="c1")))
    from lazybridge.core import catalogue

    other = WIRE.to_sdk_kwargs(request, catalogue.profile("groq", "llama-3.3-70b-versatile"), False)
    assert "reasoning" not in json.dumps(other.body)


def test_an_output_schema_beside_tools_is_told_in_words(vendor: FakeVendor) -> None:
    def look(city: str) -> str:
        """Look."""
        return "Sunny"

    vendor.pieces = ("7",)
    agent = Agent(MODEL, provider="groq", api_key=KEY, base_url=vendor.url, tools=[look], output=int)
    with pytest.warns(UserWarning, match="no schema beside tools"):
        envelope = agent("How many?")
    (body,) = vendor.bodies()
    assert "response_format" not in body
    assert "JSON alone" in body["messages"][0]["content"]
    assert [note.parameter for note in envelope.metadata.adjustments] == ["output_schema"]


# --- the tools that Groq runs -----------------------------------------------------------------------------------------

SEARCH = {"index": 0, "type": "search", "arguments": '{"query": "x"}', "search_results": {"results": []}}
VISIT = {"index": 1, "type": "visit", "arguments": '{"url": "https://example.com"}'}


def test_searches_and_other_tools_are_counted_whole_and_streamed_alike() -> None:
    whole = WIRE.from_sdk_response(answering(executed_tools=[{**SEARCH, "output": "…"}, {**VISIT, "output": "…"}]))
    pieces = streamed(
        {"executed_tools": [SEARCH]},
        {"executed_tools": [{**SEARCH, "output": "…"}]},
        {"executed_tools": [VISIT]},
        {"executed_tools": [{**VISIT, "output": "…"}]},
        {"content": "So it is."},
    )
    for answer in (whole, pieces):
        assert (answer.usage.web_searches, answer.usage.unpriced_tool_calls) == (1, 1)
    plain = WIRE.from_sdk_response(answering())
    assert (plain.usage.web_searches, plain.usage.unpriced_tool_calls) == (None, None)


def test_a_receipt_with_tools_is_a_lower_bound(provider: GroqProvider, vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=200, body=answering(executed_tools=[SEARCH, VISIT])))
    answer = provider.complete(asking())
    assert answer.receipt is not None
    assert (answer.receipt.status, answer.receipt.total) == ("lower_bound", Decimal("0.00021"))
    assert answer.cost_usd is None
    assert [tool.type for tool in answer.raw.choices[0].message.executed_tools] == ["search", "visit"]


def test_compound_has_no_price_of_its_own(provider: GroqProvider, vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=200, body={**answering(executed_tools=[SEARCH]), "model": "groq/compound"}))
    receipt = provider.complete(asking(model="groq/compound")).receipt
    assert receipt is not None
    assert receipt.status == "unknown"
    assert "models and server tools" in receipt.reasons[0]


def test_arguments_that_are_null_are_none() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "null"}}
    (read,) = WIRE.from_sdk_response(answering(content=None, tool_calls=[call])).tool_calls
    assert (dict(read.arguments), read.error) == ({}, None)


# --- errors -----------------------------------------------------------------------------------------------------------


def refused(vendor: FakeVendor, status: int, **error: str) -> None:
    vendor.fail(Fault(status=status, body={"error": {"message": "no", "type": "invalid_request_error", **error}}))


def raised(provider: GroqProvider) -> ProviderError:
    with pytest.raises(groq.APIStatusError) as caught:
        provider.complete(asking())
    return from_exception(caught.value, provider="groq")


def test_a_request_above_a_minutes_limit_is_not_asked_again(provider: GroqProvider, vendor: FakeVendor) -> None:
    refused(vendor, 413, type="tokens", code="rate_limit_exceeded")
    error = raised(provider)
    assert isinstance(error, InvalidRequestError)
    assert (error.status_code, error.retryable, error.code) == (413, False, "rate_limit_exceeded")


def test_a_flex_tier_without_capacity_is_overloaded(provider: GroqProvider, vendor: FakeVendor) -> None:
    refused(vendor, 498, code="capacity_exceeded")
    assert isinstance(raised(provider), OverloadedError)
    assert isinstance(from_exception(groq.GroqError("x"), provider="groq"), ProviderError)


@pytest.mark.parametrize("code", ["tool_use_failed", "json_validate_failed"])
def test_what_the_model_wrote_wrongly_is_asked_for_again(agent: Agent, vendor: FakeVendor, code: str) -> None:
    refused(vendor, 400, code=code, failed_generation="<function=look>")
    envelope = agent("hi")
    assert envelope.text() == TEXT
    first, second = envelope.metadata.attempts
    assert (first.status_code, first.error, second.error) == (400, "invalid_request", None)
    # Groq's model worked for it, and nobody knows whether that is billed.
    assert first.receipt.status == "unknown"
    assert envelope.metadata.receipt.status == "lower_bound"


def test_a_failed_generation_is_the_partial_text(vendor: FakeVendor) -> None:
    refused(vendor, 400, code="tool_use_failed", failed_generation=f"<function=look> {KEY}")
    envelope = Agent(MODEL, provider="groq", api_key=KEY, base_url=vendor.url, max_retries=0)("hi")
    assert isinstance(envelope.error, InvalidRequestError)
    assert envelope.error.partial_text == "<function=look> [redacted]"


class Broken:
    """Streams that break off with an error inside."""

    EVENT = {"error": {"message": "Tool choice is required, but model did not call a tool", "type": "invalid_request_error",
             "code": "tool_use_failed", "failed_generation": "", "status_code": 400}}  # fmt: skip
    GROQ = {"choices": [], "model": MODEL, "x_groq": {"id": "req_1", "error": "the stream was stopped early"}}


def test_an_error_inside_a_stream() -> None:
    state = WIRE.accumulator()
    state.feed({"model": MODEL, "choices": [{"index": 0, "delta": {"content": "may"}}]})
    with pytest.raises(ProviderError, match="stopped early"):
        state.feed(Broken.GROQ)
    with pytest.raises(InvalidRequestError) as caught:
        state.feed(Broken.EVENT)
    assert (caught.value.code, caught.value.retryable) == ("tool_use_failed", True)


def test_an_error_event_reaches_the_classifier_through_the_sdk(vendor: FakeVendor, monkeypatch: Any) -> None:
    from tests import fake_vendor

    path = "/openai/v1/chat/completions"
    whole = fake_vendor._WIRES[path]

    def broken(*arguments: Any) -> list[Any]:
        return [*whole(*arguments)[:2], ("error", Broken.EVENT), None]

    monkeypatch.setitem(fake_vendor._WIRES, path, broken)
    provider = GroqProvider(api_key=KEY, base_url=vendor.url)

    async def collect() -> list[StreamChunk]:
        return [chunk async for chunk in provider.astream(asking())]

    for read in (lambda: list(provider.stream(asking())), lambda: asyncio.run(collect())):
        with pytest.raises(groq.APIError) as caught:
            read()
        error = from_exception(caught.value, provider="groq")
        assert (error.kind, error.code, error.retryable) == ("invalid_request", "tool_use_failed", True)
    provider.close()
