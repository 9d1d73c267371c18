"""The catalogue's rows: how a model is found, what its row says, and what a user adds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

import lazybridge
from lazybridge.core import catalogue, registry
from lazybridge.core.catalogue import tables
from lazybridge.core.providers._sdk import SDKProvider
from lazybridge.core.providers.anthropic import AnthropicProvider
from lazybridge.core.providers.groq import GroqProvider
from lazybridge.core.providers.openai import OpenAIProvider
from lazybridge.core.types import TIERS, UsageStats

ONE_EACH = UsageStats(1_000_000, 1_000_000)


@pytest.mark.parametrize(
    ("vendor", "model", "row"),
    [
        ("openai", "gpt-5-nano-2025-08-07", "gpt-5-nano"),
        ("openai", "GPT-5-Nano", "gpt-5-nano"),
        ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("anthropic", "claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("google", "claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("vertex", "gemini-2.5-flash", "gemini-2.5-flash"),
        ("azure_openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("aws", "us.anthropic.claude-opus-5-5-v1:0", "anthropic.claude-opus-5-5"),
        ("bedrock", "global.anthropic.claude-opus-5-5", "global.anthropic.claude-opus-5-5"),
        ("bedrock", "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-opus-5-5-v1:0", "anthropic.claude-opus-5-5"),
        ("x-ai", "grok-4.3", "grok-4.3"),
        ("openrouter", "anthropic/claude-opus-5.5", "anthropic/claude-opus-5.5"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "meta-llama/llama-3.3-70b-instruct-turbo"),
    ],
)  # fmt: skip
def test_a_model_is_found_under_the_names_its_gateway_gives_it(vendor: str, model: str, row: str) -> None:
    found = catalogue.profile(vendor, model)
    assert found.id.lower() == row
    assert found.price() is not None


@pytest.mark.parametrize(
    ("vendor", "model"),
    [
        ("openai", "gpt-7"),
        ("openai", "my-gpt-4-finetune"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc"),
        ("openai", "gpt-5-nano-turbo"),
        ("openai", "gpt-5-nano-2025-08-07-preview"),
        ("openai", "gpt-5.1-mini"),
        ("anthropic", "claude-opus-6"),
        ("anthropic", "claude-opus-5-5-fast"),
        ("bedrock", "my-application-profile"),
        ("nobody", "gpt-5"),
    ],
)
def test_a_near_id_is_another_model(vendor: str, model: str) -> None:
    receipt = lazybridge.price(model, ONE_EACH, provider=vendor)
    assert receipt.total is None
    assert receipt.status == "unknown"
    assert model in receipt.reasons[0]


def test_without_a_provider_the_model_s_own_vendor_is_asked() -> None:
    named = lazybridge.price("gpt-5-mini", ONE_EACH, provider="openai")
    assert lazybridge.price("gpt-5-mini", ONE_EACH) == named
    assert lazybridge.price("openai/gpt-5-mini", ONE_EACH) == named
    hosted = lazybridge.price("openrouter/openai/gpt-5-mini", ONE_EACH)
    assert hosted.lines[0].model == "openai/gpt-5-mini"


def test_usage_of_another_type_is_refused_with_the_line_to_write() -> None:
    with pytest.raises(TypeError, match=r"write price\('gpt-5', UsageStats"):
        lazybridge.price("gpt-5", {"input_tokens": 5})  # type: ignore[arg-type]


# --- what a row says ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", tables.vendors())
def test_every_price_names_its_source_and_date(vendor: str) -> None:
    for row in catalogue.rows(vendor).values():
        for period in (period for tier in (row.prices or {}).values() for period in tier):
            assert period.source
            assert date.fromisoformat(period.as_of) <= date(2100, 1, 1)
            assert period.rates.get("input") is not None, row.id


@pytest.mark.parametrize("provider", [OpenAIProvider, AnthropicProvider, GroqProvider])
def test_tiers_are_priced_and_fall(provider: type[SDKProvider]) -> None:
    assert tuple(provider._TIER_ALIASES) == TIERS
    prices = [catalogue.profile(provider.name, model).price() for model in provider._TIER_ALIASES.values()]
    outputs = [price.rates["output"] for price in prices if price is not None]
    assert len(outputs) == len(TIERS)
    assert outputs == sorted(outputs, reverse=True)
    assert provider.default_model == provider._TIER_ALIASES["medium"]


@pytest.mark.parametrize("name", registry.provider_names())
def test_no_tier_leads_to_a_model_that_retires_within_90_days(name: str) -> None:
    """On the day of the tables, whatever today is: who moves that day on has to move the tiers."""
    read = date(2026, 11, 22)
    cls = registry.provider_class(name)
    for model in {*cls._TIER_ALIASES.values(), cls.default_model}:
        retires = catalogue.profile(name, model).retires
        assert retires is None or retires > read + timedelta(days=90), (model, retires)


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "groq", "fal"])
def test_fallbacks_are_models_we_know(vendor: str) -> None:
    """fal's ids are OpenRouter's."""
    provider = registry.provider_class(vendor)
    known = set(catalogue.rows("openrouter" if vendor == "fal" else vendor))
    for model, others in provider._FALLBACKS.items():
        assert {model, *others} <= known
    assert set(provider._TIER_ALIASES.values()) <= known


# --- a moment -------------------------------------------------------------------------------------------------------


def test_a_dated_price_starts_at_midnight_utc() -> None:
    def cost(at: datetime | date) -> object:
        return lazybridge.price("gemini-4-argon", UsageStats(1_000_000, 0), provider="google", at=at).total

    assert cost(date(2026, 11, 30)) == cost(datetime(2026, 11, 30, 23, 59, 59)) == 2
    assert cost(date(2026, 12, 1)) == 4
    tokyo = timezone(timedelta(hours=9))
    assert cost(datetime(2026, 12, 1, 8, 59, tzinfo=tokyo)) == 2
    assert cost(datetime(2026, 12, 1, 9, 0, tzinfo=tokyo)) == 4


def test_a_tier_has_no_price_before_its_first_known_one() -> None:
    flex = UsageStats(1_000_000, 0, service_tier="flex")
    assert lazybridge.price("gpt-5-mini", flex, at=date(2026, 10, 12)).status == "exact"
    before = lazybridge.price("gpt-5-mini", flex, at=date(2026, 10, 11))
    assert before.status == "unknown"
    assert "2026-10-11" in before.reasons[0]


# --- what a user adds -----------------------------------------------------------------------------------------------


def test_a_registered_price_stands_in_place_of_the_table_s() -> None:
    lazybridge.register_price("gpt-5-mini", input=1, output="2.5", cached_input=0.1, provider="openai")
    receipt = lazybridge.price("gpt-5-mini", UsageStats(1_000_000, 1_000_000, 500_000))
    assert [(line.unit, line.amount) for line in receipt.lines] == [
        ("input_tokens", Decimal("0.5")),
        ("cached_input_tokens", Decimal("0.05")),
        ("output_tokens", Decimal("2.5")),
    ]
    assert receipt.lines[0].source == "registered"
    assert lazybridge.price("gpt-5-mini", ONE_EACH, provider="azure").lines[0].source != "registered"


def test_a_price_without_a_provider_is_the_model_s_everywhere() -> None:
    lazybridge.register_price("in-house-7b", input=0, output=0)
    assert lazybridge.price("in-house-7b", ONE_EACH).total == 0
    assert lazybridge.price("in-house-7b", ONE_EACH, provider="corporate").total == 0
    assert lazybridge.price("in-house-8b", ONE_EACH).total is None


def test_a_whole_provider_is_priced_where_nothing_else_is() -> None:
    lazybridge.register_price("*", provider="corporate", input=1, output=1)
    lazybridge.register_price("large", provider="corporate", input=5, output=5)
    assert lazybridge.price("any-model", ONE_EACH, provider="corporate").total == 2
    assert lazybridge.price("corporate/any-model", ONE_EACH).total == 2
    assert lazybridge.price("large", ONE_EACH, provider="corporate").total == 10


def test_registered_prices_have_schedules_tiers_and_long_context_lines() -> None:
    lazybridge.register_price("m", input=1, output=1, above={1000: {"input": 2}})
    lazybridge.register_price("m", input=10, output=10, since=date(2027, 1, 1))
    lazybridge.register_price("m", input="0.5", output="0.5", tier="batch")
    now, later = datetime(2026, 11, 22, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    assert lazybridge.price("m", UsageStats(1000, 0), at=now).total == Decimal("0.001")
    assert lazybridge.price("m", UsageStats(1001, 0), at=now).lines[0].rate == 2
    assert lazybridge.price("m", UsageStats(1000, 0), at=later).lines[0].rate == 10
    batch = lazybridge.price("m", UsageStats(1000, 0, service_tier="batch"), at=now)
    assert batch.total == Decimal("0.0005")


def test_an_azure_deployment_is_registered_as_the_model_it_is() -> None:
    assert lazybridge.price("my-deployment", ONE_EACH, provider="azure").total is None
    lazybridge.register_model_alias("my-deployment", "gpt-5-mini", provider="azure")
    assert lazybridge.price("my-deployment", ONE_EACH, provider="azure").total == lazybridge.price("gpt-5-mini", ONE_EACH, provider="azure").total  # fmt: skip
    assert lazybridge.price("my-deployment", ONE_EACH, provider="openai").total is None


@pytest.mark.parametrize("bad", [-1, "free", float("nan"), None, True])
def test_what_is_no_amount_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="is no price"):
        lazybridge.register_price("m", input=bad, output=1)  # type: ignore[arg-type]


def test_a_unit_that_nobody_sells_is_refused() -> None:
    with pytest.raises(TypeError, match="no unit is called 'cache_read'"):
        lazybridge.register_price("m", input=1, output=1, cache_read=1)
    with pytest.raises(ValueError, match="needs the provider"):
        lazybridge.register_price("*", input=1, output=1)


def test_a_future_price_and_one_tier_leave_the_rest_as_it_is() -> None:
    lazybridge.register_price("gpt-6-luna", input=9, output=9, provider="openai", since=date(2027, 1, 1))
    lazybridge.register_price("gpt-5-mini", input=9, output=9, provider="openai")
    assert lazybridge.price("gpt-6-luna", ONE_EACH, at=date(2026, 12, 31)).lines[0].source != "registered"
    assert lazybridge.price("gpt-6-luna", ONE_EACH, at=date(2027, 1, 1)).lines[0].source == "registered"
    batch = UsageStats(1_000_000, 0, service_tier="batch")
    assert lazybridge.price("gpt-5-mini", batch, at=date(2026, 11, 22)).total == Decimal("0.125")


def test_a_registered_price_holds_under_every_name_of_the_model() -> None:
    lazybridge.register_model_alias("prod", "stage", provider="openai")
    lazybridge.register_model_alias("stage", "gpt-5-mini", provider="openai")
    lazybridge.register_price("gpt-5-mini", input=7, output=7, provider="openai")
    for name in ("gpt-5-mini", "gpt-5-mini-2025-08-07", "stage", "prod"):
        assert lazybridge.price(name, ONE_EACH, provider="openai").total == 14
    lazybridge.register_model_alias("ring", "round", provider="openai")
    lazybridge.register_model_alias("round", "ring", provider="openai")
    assert lazybridge.price("ring", ONE_EACH, provider="openai").total is None


@pytest.mark.parametrize("bad", ["2027-01-01", datetime(2027, 1, 1)])
def test_a_day_is_a_date(bad: object) -> None:
    with pytest.raises(TypeError, match=r"write since=date\("):
        lazybridge.register_price("m", input=1, output=1, since=bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is no date"):
        lazybridge.price("gpt-5", ONE_EACH, at="2026-12-01")  # type: ignore[arg-type]
