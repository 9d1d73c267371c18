"""Receipts: their lines add up, and what is not known stays visible."""

from __future__ import annotations

from decimal import Context, Decimal, setcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazybridge
from lazybridge.core import catalogue
from lazybridge.core.pricing import receipt
from lazybridge.core.receipt import FREE, MONEY, Receipt, unknown
from lazybridge.core.types import UsageStats

IDS = [(vendor, id) for vendor in ("openai", "anthropic", "google", "xai", "mistral", "groq", "deepseek") for id in catalogue.rows(vendor)]  # fmt: skip


@st.composite
def usages(draw: Any) -> UsageStats:
    read, wrote = draw(st.integers(0, 500_000)), draw(st.integers(0, 100_000))
    cached = draw(st.integers(0, read))
    written = draw(st.integers(0, read - cached))
    return UsageStats(
        read,
        wrote,
        cached_input_tokens=draw(st.sampled_from([None, cached])),
        cache_write_tokens=draw(st.sampled_from([None, written])),
        thinking_tokens=draw(st.integers(0, wrote)),
        audio_input_tokens=draw(st.sampled_from([None, 0, read - cached - written])),
        image_output_tokens=draw(st.sampled_from([None, 0, wrote])),
        web_searches=draw(st.sampled_from([None, 3])),
        unpriced_tool_calls=draw(st.sampled_from([None, None, 1])),
        service_tier=draw(st.sampled_from([None, None, "default", "batch", "flex", "scale"])),
    )


@st.composite
def receipts(draw: Any) -> Receipt:
    vendor, id = draw(st.sampled_from(IDS))
    return draw(st.sampled_from([FREE, unknown("a reason"), lazybridge.price(id, draw(usages()), provider=vendor)]))


@given(receipts())
def test_lines_add_up_exactly_to_the_total(one: Receipt) -> None:
    total = Decimal(0)
    for line in one.lines:
        assert line.amount * line.per == line.quantity * line.rate
        total = MONEY.add(total, line.amount)
    assert one.total == (None if one.status == "unknown" else total)
    assert (one.reasons == ()) == (one.status == "exact")


@given(receipts(), receipts(), receipts())
def test_addition_is_associative_and_commutative(one: Receipt, two: Receipt, three: Receipt) -> None:
    assert (one + two) + three == one + (two + three)
    assert one + two == two + one


@given(st.lists(receipts(), min_size=2, max_size=5))
def test_a_sum_is_exact_only_where_every_part_is_and_keeps_what_is_known(parts: list[Receipt]) -> None:
    whole = sum(parts[1:], parts[0])
    assert (whole.status == "exact") == all(part.status == "exact" for part in parts)
    assert (whole.status == "unknown") == all(part.status == "unknown" for part in parts)
    if whole.total is not None:
        assert whole.total == sum(part.total for part in parts if part.total is not None)
        assert whole.total == sum(line.amount for line in whole.lines)
    assert (whole.cost_usd is None) == (whole.status != "exact")


@given(st.sampled_from(IDS), st.integers(1, 100_000), st.integers(1, 100_000))
def test_tokens_with_a_rate_never_cost_nothing(model: tuple[str, str], read: int, wrote: int) -> None:
    row = catalogue.profile(*model)
    price = row.price()
    found = receipt(row, UsageStats(read, wrote))
    for line in found.lines:
        assert (line.amount > 0) == (line.rate > 0)
    if price is not None and price.rates["input"] > 0:
        assert any(line.unit == "input_tokens" and line.amount > 0 for line in found.lines)


@given(st.sampled_from(IDS), st.integers(0, 9_000), st.integers(0, 9_000), st.integers(2, 10))
def test_twice_the_tokens_cost_twice_as_much_below_the_first_line(model: tuple[str, str], read: int, wrote: int, times: int) -> None:  # fmt: skip
    row = catalogue.profile(*model)
    if any(tokens <= read * times for periods in (row.prices or {}).values() for period in periods for tokens, _ in period.above):  # fmt: skip
        return
    once = {line.unit: line.amount for line in receipt(row, UsageStats(read, wrote)).lines if line.per == 1_000_000}
    many = {
        line.unit: line.amount
        for line in receipt(row, UsageStats(read * times, wrote * times)).lines
        if line.per == 1_000_000
    }
    assert many == {unit: amount * times for unit, amount in once.items()}


def test_sums_are_exact_whatever_the_caller_s_decimal_precision_is() -> None:
    usage = UsageStats(123_457, 7_654_321)
    expected = lazybridge.price("gpt-5-mini", usage)
    before = Context()
    setcontext(Context(prec=3))
    try:
        assert lazybridge.price("gpt-5-mini", usage) == expected
        doubled = expected + expected
    finally:
        setcontext(before)
    assert doubled.total == Decimal("15.33950625") * 2
    assert doubled.total == sum(line.amount for line in doubled.lines)


def test_a_reported_cost_wins_and_the_receipt_says_so() -> None:
    found = lazybridge.price("openai/gpt-4o-mini", UsageStats(38, 53, reported_cost_usd=Decimal("0.0000375")), provider="openrouter")  # fmt: skip
    assert (found.status, found.total) == ("exact", Decimal("0.0000375"))
    assert found.lines[0].source == "reported by openrouter"
    unknown_model = lazybridge.price("nobody/knows", UsageStats(reported_cost_usd=Decimal("0.01")))
    assert unknown_model.total == Decimal("0.01")


def test_tools_without_a_price_leave_a_lower_bound() -> None:
    found = lazybridge.price("gpt-5", UsageStats(1000, 0, unpriced_tool_calls=2))
    assert (found.status, found.total) == ("lower_bound", Decimal("0.00125"))
    assert found.cost_usd is None
    assert "2 calls" in found.reasons[0]


def test_counts_that_contradict_each_other_are_not_priced() -> None:
    """Azure's Grok answers: 373 cached tokens of 235 read."""
    found = lazybridge.price("gpt-5", UsageStats(235, 90, cached_input_tokens=373))
    assert found.status == "unknown"
    assert "cached_input_tokens=373 in input_tokens=235" in found.reasons[0]


def test_a_receipt_prints_as_a_small_table() -> None:
    text = str(lazybridge.price("claude-haiku-5-5", UsageStats(1_204, 310, cached_input_tokens=1_000)))
    lines = text.splitlines()
    assert lines[0].startswith("input_tokens         204 x $0.1 / 1M")
    assert lines[-1].split() == ["total", "$0.0001854", "exact"]
    bound = str(lazybridge.price("gpt-5", UsageStats(1000, 0, unpriced_tool_calls=2)))
    assert "or more" in bound
    assert bound.splitlines()[-1].startswith("because 2 calls")


@pytest.mark.parametrize("region", ["global", None, "us"])
def test_inference_kept_in_the_us_costs_a_tenth_more(region: str | None) -> None:
    """https://platform.claude.com/docs/en/about-claude/pricing: 1.1 times on every token class since Opus 4.6."""
    found = lazybridge.price("claude-opus-5-5", UsageStats(1_000_000, 0, web_searches=1000, region=region))
    assert found.total == (Decimal("14.4") if region == "us" else Decimal(14))
    old = lazybridge.price("claude-haiku-4-5", UsageStats(1_000_000, 0, region=region))
    assert old.total == 1


_READ = {"input_tokens", "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens", "audio_input_tokens", "cached_audio_tokens", "image_input_tokens", "cached_image_tokens"}  # fmt: skip
_WROTE = {"output_tokens", "thinking_tokens", "audio_output_tokens", "image_output_tokens"}


@given(
    st.sampled_from(IDS),
    st.lists(st.integers(0, 30), min_size=11, max_size=11),
)
def test_every_token_stands_in_one_line(model: tuple[str, str], counts: list[int]) -> None:
    """Whatever parts the vendor names, and however they overlap."""
    read, wrote, cached, written, hour, audio, heard, image, thinking, spoken, drawn = counts
    usage = UsageStats(
        read, wrote, cached_input_tokens=cached, cache_write_tokens=written, cache_write_1h_tokens=hour,
        audio_input_tokens=audio, cached_audio_tokens=heard or None, image_input_tokens=image,
        thinking_tokens=thinking, audio_output_tokens=spoken, image_output_tokens=drawn,
    )  # fmt: skip
    found = receipt(catalogue.profile(*model), usage)
    if found.status != "exact":
        return
    assert sum(line.quantity for line in found.lines if line.unit in _READ) == read
    assert sum(line.quantity for line in found.lines if line.unit in _WROTE) == wrote
    assert all(line.quantity >= 0 for line in found.lines)


@pytest.mark.parametrize("bad", [{"web_searches": -3}, {"thinking_tokens": -5}, {"reported_cost_usd": -1}, {"reported_cost_usd": "nan"}])  # fmt: skip
def test_counts_and_costs_that_make_no_sense_are_unknown(bad: dict[str, Any]) -> None:
    assert lazybridge.price("claude-haiku-5-5", UsageStats(10, 10, **bad)).status == "unknown"
