"""The receipt of a call: on the response, the final chunk, the envelope and the error, in every mode and however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import lazybridge
from lazybridge import Agent, Receipt, StreamTruncated
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.openai import OpenAIProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, UsageStats
from tests.conftest import KINDS, PRICED, Kind
from tests.fake_vendor import FakeVendor, Fault
from tests.test_calls import ScriptedProvider

Make = Callable[..., Agent]
# 20 tokens in, of which 8 from the cache, and 5 out: what the fake vendor counts, at the prices of 2026-11-22.
EXPECTED = {
    # gpt-4.1-mini: $0.40 in, $0.10 cached, $1.60 out for a million (https://developers.openai.com/api/docs/pricing)
    "responses": Decimal("0.0000136"),
    "chat": Decimal("0.0000136"),
    # claude-haiku-4-5: $1 in, $0.10 cached, $5 out (https://claude.com/pricing)
    "messages": Decimal("0.0000378"),
    # qwen/qwen3.8-27b: $0.80 in, $4 out, nothing off for what is cached (https://groq.com/pricing)
    "groq": Decimal("0.000036"),
    # mistral-medium-3-5: $1.50 in, $0.15 cached, $7.50 out (genai-prices 0.2.3)
    "mistral": Decimal("0.0000567"),
    # gemini-3.8-flash: $0.75 in, $0.075 cached, $3.75 out until 2026-12-31 (https://ai.google.dev/gemini-api/docs/pricing)
    "gemini": Decimal("0.00002835"),
}


@pytest.fixture(params=PRICED)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def expected(kind: Kind) -> Decimal:
    names = {"anthropic": "messages", "google": "gemini", "groq": "groq", "mistral": "mistral"}
    return EXPECTED[names.get(kind.provider, "chat")]


def checked(receipt: Receipt | None) -> Decimal | None:
    """The total of a receipt whose lines add up to it."""
    assert receipt is not None
    assert receipt.total is None or sum(line.amount for line in receipt.lines) == receipt.total
    return receipt.total


def test_the_receipt_is_on_the_response_and_the_envelope(agent: Make, kind: Kind) -> None:
    envelope = agent()("hi")
    assert checked(envelope.metadata.receipt) == expected(kind)
    assert envelope.metadata.cost_usd == float(expected(kind))
    assert envelope.response is not None
    assert (envelope.response.receipt, envelope.response.cost_usd) == (envelope.metadata.receipt, envelope.metadata.cost_usd)  # fmt: skip
    assert [attempt.receipt for attempt in envelope.metadata.attempts] == [envelope.metadata.receipt]
    assert {line.model for line in envelope.metadata.receipt.lines} <= {kind.model}


def test_a_stream_s_final_chunk_has_it_too(agent: Make, kind: Kind) -> None:
    async def last() -> Any:
        chunks = [chunk async for chunk in agent().stream("hi")]
        return chunks[-1]

    for final in ([*agent().stream("hi")][-1], asyncio.run(last())):
        assert checked(final.receipt) == expected(kind)
        assert final.cost_usd == float(expected(kind))


def test_refused_attempts_cost_nothing_and_the_answer_what_it_costs(
    agent: Make, kind: Kind, vendor: FakeVendor
) -> None:
    vendor.fail(Fault(status=500), Fault(status=429, headers={"retry-after": "0"}))
    envelope = agent()("hi")
    assert [attempt.cost_usd for attempt in envelope.metadata.attempts] == [0.0, 0.0, float(expected(kind))]
    assert envelope.metadata.receipt.total == expected(kind)


def test_a_refused_call_costs_nothing_and_says_so_on_the_error(agent: Make, vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=401))
    envelope = agent()("hi")
    assert envelope.error is not None
    assert checked(envelope.error.receipt) == 0
    assert (envelope.metadata.cost_usd, envelope.metadata.receipt.status) == (0.0, "exact")


def test_a_turn_of_a_failed_loop_stays_paid_for(agent: Make, kind: Kind, vendor: FakeVendor) -> None:
    def look() -> str:
        """Look."""
        vendor.fail(Fault(status=400))
        return "nothing"

    vendor.tool_call = {"name": "look", "arguments": {}}
    envelope = agent(tools=[look])("hi")
    assert envelope.error is not None
    assert envelope.metadata.receipt.total is not None
    assert envelope.metadata.receipt.total > 0
    assert envelope.error.receipt == envelope.metadata.receipt


# --- what breaks off --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cut", "ended early", "left", "cancelled"])
def test_a_broken_stream_costs_at_least_what_had_arrived(agent: Make, kind: Kind, vendor: FakeVendor, how: str) -> None:
    vendor.pieces = ("one ", "two ", "three ", "four ", "five")  # as many as it counts
    whole = agent()("two words").metadata.receipt.total
    assert whole is not None
    faults = {"cut": Fault(cut_after=4), "ended early": Fault(end_after=4), "cancelled": Fault(hang_after=4)}
    if how in faults:
        vendor.fail(faults[how])
    envelope = asyncio.run(_cancelled(agent())) if how == "cancelled" else _broken(agent(), how)
    receipt = envelope.metadata.receipt
    assert receipt.status == "lower_bound"
    assert receipt.total is not None
    assert 0 < receipt.total <= whole
    assert envelope.metadata.cost_usd is None
    assert "this is what had arrived" in receipt.reasons[0]
    assert checked(envelope.error.receipt) == receipt.total
    if kind.provider == "anthropic":  # the first event counts the input
        assert {line.unit: line.quantity for line in receipt.lines}["cached_input_tokens"] == 8


def _broken(agent: Agent, how: str) -> Any:
    stream = agent.stream("two words")
    try:
        for number, _ in enumerate(stream):
            if how == "left" and number == 1:
                break
    except lazybridge.LazyBridgeError:
        pass
    stream.close()
    return stream.envelope


async def _cancelled(agent: Agent) -> Any:
    stream = agent.stream("two words")

    async def read() -> None:
        async for _ in stream:
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return stream.envelope


def test_nothing_arrived_is_unknown_and_a_refusal_before_it_stays_known(agent: Make, vendor: FakeVendor) -> None:
    vendor.fail(Fault(hang=3))
    envelope = agent(timeout=0.3)("hi")
    receipt = envelope.metadata.receipt
    assert (receipt.status, receipt.total) == ("unknown", None)
    assert "before anything arrived" in receipt.reasons[0]


def test_a_retried_break_and_a_whole_answer_are_a_lower_bound(agent: Make, kind: Kind, vendor: FakeVendor) -> None:
    vendor.fail(Fault(drop=True))
    envelope = agent()("hi")
    assert envelope.ok
    receipt = envelope.metadata.receipt
    assert (receipt.status, receipt.total) == ("lower_bound", expected(kind))
    assert envelope.response is not None
    assert envelope.response.cost_usd == float(expected(kind))


def test_a_cut_stream_of_a_raised_error_carries_its_receipt(agent: Make, vendor: FakeVendor) -> None:
    vendor.fail(Fault(end_after=4))
    with pytest.raises((StreamTruncated, lazybridge.ProviderError)) as caught:
        list(agent().stream("hi"))
    assert caught.value.receipt is not None
    assert caught.value.receipt.status in ("lower_bound", "unknown")


# --- who says what it costs ------------------------------------------------------------------------------------------


class Bargain(OpenAIProvider):
    """A built-in with a user's own 3-argument price."""

    def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        return 0.25 if model == "gpt-4.1-mini" else None


def test_a_user_s_compute_cost_wins_over_the_table(vendor: FakeVendor) -> None:
    with Bargain("k", base_url=f"{vendor.url}/v1") as provider:
        envelope = Agent("gpt-4.1-mini", provider=provider)("hi")
        assert envelope.metadata.cost_usd == 0.25
        assert envelope.metadata.receipt.lines[0].source == "Bargain._compute_cost"
        unpriced = Agent("gpt-4.1", provider=provider)("hi")
    assert unpriced.metadata.cost_usd is None
    assert "Bargain._compute_cost knows no price of gpt-4.1" in unpriced.metadata.receipt.reasons[0]


def test_a_registered_price_is_used_for_calls(agent: Make, kind: Kind) -> None:
    lazybridge.register_price(kind.model, input=1_000_000, output=0, provider=kind.provider)
    assert agent()("hi").metadata.cost_usd == 20.0


def test_a_registered_price_serves_a_class_of_one_s_own() -> None:
    class CountingProvider(ScriptedProvider):
        name = "counting"
        answers = [CompletionResponse("hi", model="m-1", usage=UsageStats(1_000_000, 0))] * 2

    agent = Agent(CountingProvider())
    assert agent("hi").metadata.cost_usd is None
    CountingProvider.answers = [CompletionResponse("hi", model="m-1", usage=UsageStats(1_000_000, 0))]
    lazybridge.register_price("m-1", input=3, output=4, provider="counting")
    assert Agent(CountingProvider())("hi").metadata.cost_usd == 3.0


def test_a_provider_that_fills_in_its_cost_is_believed() -> None:
    class BillingProvider(ScriptedProvider):
        answers = [CompletionResponse("hi", model="m", usage=UsageStats(1, 1, cost_usd=0.5))]

    receipt = Agent(BillingProvider())("hi").metadata.receipt
    assert (receipt.total, receipt.lines[0].source) == (Decimal("0.5"), "reported by billing")


def test_the_local_model_costs_exactly_nothing(model_file: object) -> None:
    receipt = Agent("local")("hi", max_tokens=1).metadata.receipt
    assert (receipt.total, receipt.status) == (0, "exact")


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"prompt_tokens": 20, "completion_tokens": 5, "cost": 0.125}, "0.125"),
        ({"prompt_tokens": 20, "completion_tokens": 5, "cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, "0.021"),
        ({"prompt_tokens": 20, "completion_tokens": 5, "cost": {"total_cost": 0.0005}}, "0.0005"),
        ({"prompt_tokens": 20, "completion_tokens": 5, "cost_in_usd_ticks": 33406000}, "0.0033406"),
    ],
)  # fmt: skip
def test_a_gateway_s_own_figure_wins(vendor: FakeVendor, usage: dict[str, Any], cost: str) -> None:
    body = {"model": "any/model", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": usage}
    vendor.fail(Fault(status=200, body=body))
    with OpenAIProvider("k", base_url=f"{vendor.url}/v1", api="chat") as provider:
        response = provider.complete(CompletionRequest((Message.user("hi"),), model="any/model"))
    assert checked(response.receipt) == Decimal(cost)
    assert response.receipt is not None
    assert response.receipt.lines[0].source == "reported by openai"
    assert isinstance(provider, BaseProvider)


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -5, "free", True])
def test_what_is_no_amount_is_unknown_and_the_answer_stays(vendor: FakeVendor, cost: Any) -> None:
    class Odd(OpenAIProvider):
        def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
            return cost  # type: ignore[no-any-return]

    with Odd("k", base_url=f"{vendor.url}/v1") as provider:
        envelope = Agent("gpt-4.1-mini", provider=provider)("hi")
    assert envelope.ok
    assert (envelope.metadata.cost_usd, envelope.metadata.receipt.status) == (None, "unknown")
    assert "is no amount of USD (Odd._compute_cost)" in envelope.metadata.receipt.reasons[0]


def test_a_class_derived_from_a_built_in_has_its_prices_and_facts(vendor: FakeVendor) -> None:
    class HouseProvider(OpenAIProvider):
        pass

    with HouseProvider("k", base_url=f"{vendor.url}/v1") as provider:
        assert Agent("gpt-4.1-mini", provider=provider)("hi").metadata.receipt.total == EXPECTED["responses"]
        assert provider.supports_vision("gpt-4.1-mini")
        lazybridge.register_price("gpt-4.1-mini", input=1_000_000, output=0, provider="house")
        assert Agent("gpt-4.1-mini", provider=provider)("hi").metadata.cost_usd == 20.0
    assert lazybridge.price("gpt-4.1-mini", UsageStats(1_000_000, 0)).total == Decimal("0.4")


def test_a_bound_is_that_of_the_cheapest_tier_that_may_have_served(agent: Make, kind: Kind, vendor: FakeVendor) -> None:
    vendor.fail(Fault(cut_after=4), Fault(cut_after=4))
    if kind.provider == "anthropic":
        return
    envelope = _broken(agent(max_retries=0, service_tier="flex"), "cut")
    for line in envelope.metadata.receipt.lines:
        flex = [period for period in (line.tier,) if period == "flex"]
        assert flex or "flex" not in (lazybridge.core.catalogue.profile("openai", line.model).prices or {})


def test_text_that_arrived_is_paid_for_whatever_the_error_s_status() -> None:
    class Broken(Exception):
        status_code = 500

    class StatusProvider(ScriptedProvider):
        name = "statusful"
        answers: list[CompletionResponse] = []

        def stream(self, request: CompletionRequest) -> Any:
            yield lazybridge.StreamChunk(delta="some words", model="m")
            raise Broken("the server broke")

    lazybridge.register_price("m", input=1, output=1, provider="statusful")
    stream = Agent(StatusProvider(), max_retries=0).stream("hi", **{})
    with pytest.raises(lazybridge.ProviderError) as caught:
        list(stream)
    assert caught.value.receipt is not None
    assert caught.value.receipt.status != "exact"


def test_a_gateway_that_gave_up_may_have_cost_something(agent: Make, vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=504))
    envelope = agent(max_retries=0)("hi")
    assert envelope.metadata.receipt.status == "unknown"


def test_a_stream_cut_before_its_first_word_costs_what_the_vendor_had_counted(vendor: FakeVendor) -> None:
    vendor.fail(Fault(cut_after=1))
    agent = Agent("claude-haiku-4-5", api_key="k", base_url=vendor.url, max_retries=0)
    receipt = _broken(agent, "cut").metadata.receipt
    assert receipt.status == "lower_bound"
    assert {line.unit: line.quantity for line in receipt.lines}["cached_input_tokens"] == 8


def test_a_response_that_failed_after_its_tokens_were_counted_is_paid_for(vendor: FakeVendor) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010}
    body = {
        "status": "failed",
        "model": "gpt-4.1-mini",
        "error": {"code": "server_error", "message": "no"},
        "usage": usage,
    }
    vendor.fail(Fault(status=200, body=body))
    envelope = Agent("gpt-4.1-mini", api_key="k", base_url=f"{vendor.url}/v1", max_retries=0)("hi")
    assert not envelope.ok
    assert envelope.metadata.receipt.total == Decimal("0.000416")
    assert envelope.metadata.input_tokens == 1000
