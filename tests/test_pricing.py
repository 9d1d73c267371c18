"""Cost by the catalogue, against prices written out by hand and against another project's table."""

from __future__ import annotations

import pytest

from lazybridge.core import catalogue
from lazybridge.core.pricing import cost_usd
from lazybridge.core.providers.anthropic import AnthropicProvider
from lazybridge.core.providers.openai import OpenAIProvider
from lazybridge.core.types import TIERS, UsageStats


def cost(vendor: str, model: str, **usage: object) -> float | None:
    return cost_usd(catalogue.profile(vendor, model), UsageStats(**usage))  # type: ignore[arg-type]


def test_cached_input_is_not_billed_twice() -> None:
    # 2,000 fresh and 8,000 cached input and 1,000 output tokens of gpt-5-mini, at $0.25, $0.025 and $2 per million.
    assert cost(
        "openai", "gpt-5-mini", input_tokens=10_000, cached_input_tokens=8_000, output_tokens=1_000
    ) == pytest.approx(0.0027)


def test_cache_writes_have_their_own_price_by_lifetime() -> None:
    usage = {
        "input_tokens": 3_000_000,
        "cache_write_tokens": 2_000_000,
        "cache_write_1h_tokens": 1_000_000,
        "output_tokens": 0,
    }
    assert cost("anthropic", "claude-opus-5-5", **usage) == 4 + 5 + 8


def test_a_long_prompt_is_priced_whole_at_the_long_price() -> None:
    assert cost("anthropic", "claude-haiku-5-5", input_tokens=100_000, output_tokens=1_000) == pytest.approx(0.0105)
    assert cost("anthropic", "claude-haiku-5-5", input_tokens=100_001, output_tokens=1_000) == pytest.approx(0.0525005)
    assert cost("openai", "gpt-6-astra", input_tokens=400_000, output_tokens=0) == 8


def test_searches_are_priced_by_the_thousand() -> None:
    assert cost("anthropic", "claude-sonnet-5-5", input_tokens=0, output_tokens=0, web_searches=3) == pytest.approx(
        0.03
    )


@pytest.mark.parametrize(
    "model", ["gpt-7", "my-gpt-4-finetune", "gpt-5-nano-turbo", "gpt-6.2-astra", "gpt-4o-mini-audio"]
)
def test_a_model_without_a_row_has_no_cost(model: str) -> None:
    assert cost("openai", model, input_tokens=1, output_tokens=1) is None


@pytest.mark.parametrize(
    ("vendor", "model", "row"),
    [("openai", "gpt-5-nano-2025-08-07", "gpt-5-nano"), ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5")],
)
def test_a_dated_snapshot_shares_its_row(vendor: str, model: str, row: str) -> None:
    assert catalogue.profile(vendor, model).id == row


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": None, "output_tokens": 5},
        {"input_tokens": 5, "output_tokens": None},
        {"input_tokens": 5, "output_tokens": 5, "service_tier": "priority"},
        {"input_tokens": 5, "output_tokens": 5, "service_tier": "batch"},
        {"input_tokens": 5, "output_tokens": 5, "audio_input_tokens": 5},
        {"input_tokens": 5, "output_tokens": 5, "cache_write_tokens": 5},
    ],
)  # fmt: skip
def test_what_the_row_does_not_price_makes_the_cost_unknown(usage: dict[str, object]) -> None:
    assert cost("openai", "gpt-5-mini", **usage) is None


def test_no_tokens_cost_nothing() -> None:
    assert cost("openai", "gpt-5-mini", input_tokens=0, output_tokens=0) == 0.0


@pytest.mark.parametrize("provider", [OpenAIProvider, AnthropicProvider])
def test_tiers_are_priced_and_fall(provider: type[OpenAIProvider] | type[AnthropicProvider]) -> None:
    assert tuple(provider._TIER_ALIASES) == TIERS
    prices = [catalogue.profile(provider.name, model).price for model in provider._TIER_ALIASES.values()]
    outputs = [price.output for price in prices if price is not None]
    assert len(outputs) == len(TIERS)
    assert outputs == sorted(outputs, reverse=True)
    assert provider.default_model == provider._TIER_ALIASES["medium"]


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_every_price_names_its_source_and_date(vendor: str) -> None:
    for row in catalogue.rows(vendor).values():
        assert row.price is None or (row.price.source and row.price.as_of)


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_fallbacks_are_models_we_know(vendor: str) -> None:
    provider = {"openai": OpenAIProvider, "anthropic": AnthropicProvider}[vendor]
    for model, others in provider._FALLBACKS.items():
        assert {model, *others} <= set(catalogue.rows(vendor))


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_prices_agree_with_genai_prices(vendor: str) -> None:
    """Another project's table (MIT, https://github.com/pydantic/genai-prices) and its own arithmetic."""
    from genai_prices import Usage, calc_price

    amounts = {"input_tokens": 90_000, "cache_read_tokens": 20_000, "output_tokens": 7_000}
    for scale in (1, 4):
        scaled = {name: value * scale for name, value in amounts.items()}
        usage = UsageStats(
            scaled["input_tokens"], scaled["output_tokens"], cached_input_tokens=scaled["cache_read_tokens"]
        )
        for model, row in catalogue.rows(vendor).items():
            if row.price is None:
                continue
            theirs = calc_price(Usage(**scaled), model, provider_id=vendor)
            assert cost_usd(row, usage) == pytest.approx(float(theirs.total_price)), model
