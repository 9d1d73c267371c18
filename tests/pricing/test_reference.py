"""Our totals against genai-prices' own arithmetic (MIT, https://github.com/pydantic/genai-prices), over every model
that both know and is not overridden: two programs, one set of rates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import genai_prices
import pytest
from genai_prices.data import providers
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lazybridge
from lazybridge.core import catalogue
from lazybridge.core.catalogue import ModelProfile, build, reference, tables
from lazybridge.core.catalogue.reference import VENDORS
from lazybridge.core.usage import UsageStats

_CONTEXTS: dict[str, list[dict[str, str]]] = {
    "batch": [{"processing": "batch"}],
    "flex": [{"service_tier": "flex"}],
    "priority": [{"service_tier": "priority"}],
    "fast": [{"service_tier": "fast"}, {"speed": "fast"}],
}
_THEIRS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "thinking_tokens": "output_reasoning_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "cached_audio_tokens": "cache_audio_read_tokens",
    "image_input_tokens": "input_image_tokens",
    "image_output_tokens": "output_image_tokens",
    "web_searches": "web_searches",
    "file_searches": "storage_searches",
}


class Model(NamedTuple):
    vendor: str
    id: str
    row: ModelProfile


def overridden(row: ModelProfile) -> bool:
    """Whether overrides.toml prices a model, or says that it has no price: there we differ on purpose, and say why."""
    periods = [period for tier in (row.prices or {}).values() for period in tier]
    return row.prices is None or any(
        not period.source.startswith("genai-prices") or "(tokens)" in period.source  # its other rates are not theirs
        for period in periods
    )


@cache
def shared_models() -> list[Model]:
    found = []
    for vendor in VENDORS:
        known = {
            name: id for id, row in reference.rows(providers, vendor).items() for name in (id, *row.get("aliases", ()))
        }
        for id, row in catalogue.rows(vendor).items():
            if not overridden(row):
                found += [Model(vendor, name, row) for name in (id, *row.aliases) if known.get(name) == id]
    return found


def theirs(model: Model, usage: UsageStats, at: datetime) -> Decimal:
    """Their total. Raises LookupError for a model they do not know, ValueError for counts they refuse."""
    counts = {name: value for ours, name in _THEIRS.items() if (value := getattr(usage, ours))}
    counts.setdefault("input_tokens", 0)
    name, _, host = model.id.rpartition(":") if model.vendor == "huggingface" else (model.id, "", "")
    provider = f"huggingface_{host}" if model.vendor == "huggingface" else VENDORS[model.vendor][0]
    totals = set()
    for context in _CONTEXTS.get(usage.service_tier or "", [{}]):
        found = genai_prices.calc_price(
            genai_prices.Usage(**counts), name, provider_id=provider, genai_request_timestamp=at, price_context=context
        )
        totals.add(found.total_price)
    # A context that a model does not know is priced as standard there, so that of two words the one it knows differs.
    if len(totals) > 1:
        plain = genai_prices.calc_price(genai_prices.Usage(**counts), name, provider_id=provider, genai_request_timestamp=at)  # fmt: skip
        totals.discard(plain.total_price)
    (total,) = totals
    return total


def parts(draw: Any, whole: int, most: int) -> list[int]:
    """`most` disjoint parts of a whole, often empty."""
    left, found = whole, []
    for _ in range(most):
        part = draw(st.one_of(st.just(0), st.integers(0, left)))
        found.append(part)
        left -= part
    return found


@st.composite
def cases(draw: Any) -> tuple[Model, UsageStats, datetime]:
    model = draw(st.sampled_from(shared_models()))
    tier = draw(st.sampled_from(sorted(model.row.prices or {})))
    cliffs = sorted({line for period in (model.row.prices or {})[tier] for line, _ in period.above})
    near = [line + step for line in cliffs for step in (-1, 0, 1)]
    read = draw(st.one_of(st.integers(0, 2_000_000), *([st.sampled_from(near)] if near else [])))
    wrote = draw(st.integers(0, 200_000))
    cached, written = parts(draw, read, 2)
    audio, image = parts(draw, read - cached - written, 2)
    cached_audio = draw(st.integers(0, cached))
    audio_out, image_out, thinking = parts(draw, wrote, 3)
    usage = UsageStats(
        read,
        wrote,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=draw(st.integers(0, written)),
        thinking_tokens=thinking,
        audio_input_tokens=audio + cached_audio,
        cached_audio_tokens=cached_audio,
        audio_output_tokens=audio_out,
        image_input_tokens=0 if cached else image,
        image_output_tokens=image_out,
        web_searches=draw(st.integers(0, 50)),
        file_searches=draw(st.integers(0, 50)),
        service_tier=None if tier == "standard" else tier,
    )
    first = datetime(2025, 1, 1, tzinfo=UTC)
    at = first + timedelta(minutes=draw(st.integers(0, 3 * 365 * 24 * 60)))
    return model, usage, at


def priced_alike(model: Model, usage: UsageStats, at: datetime) -> bool:
    """Whether both totals are the same. A class that a row has no rate for is left out of theirs without a word; ours
    says so, and is then a lower bound of the same amount."""
    receipt = lazybridge.price(model.id, usage, provider=model.vendor, at=at)
    if receipt.total is None:
        tier = receipt.reasons[0]
        assert "is known for" in tier or "has no price" in tier or "have no price here" in tier, receipt.reasons
        return True
    if receipt.status == "lower_bound":
        assert all("no price here" in reason for reason in receipt.reasons), receipt.reasons
    return abs(receipt.total - theirs(model, usage, at)) <= Decimal("1e-9")


@settings(max_examples=1500, deadline=None)
@given(cases())
def test_totals_agree_over_drawn_usages(case: tuple[Model, UsageStats, datetime]) -> None:
    model, usage, at = case
    try:
        alike = priced_alike(model, usage, at)
    except ValueError:  # counts that the reference wants said in more detail
        assume(False)
    assert alike


def moments(row: ModelProfile) -> Iterator[datetime]:
    """Noon of a Thursday, and each side of every dated change and of every hour at which a price changes."""
    yield datetime(2026, 11, 19, 12, tzinfo=UTC)
    for period in (row.prices or {}).get("standard", ()):
        if period.since is not None:
            day = datetime.combine(period.since, datetime.min.time(), UTC)
            yield from (day - timedelta(seconds=1), day)
        for hour in period.hours or ():
            turn = datetime.combine(datetime(2026, 11, 19).date(), hour, UTC)
            yield from (turn - timedelta(seconds=1), turn)


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_every_id_agrees_on_both_sides_of_every_line(vendor: str) -> None:
    models = [model for model in shared_models() if model.vendor == vendor]
    for model in models:
        prices = model.row.prices or {}
        lines = {line for periods in prices.values() for period in periods for line, _ in period.above}
        for tier in prices:
            for read in sorted({1_000, *lines, *(line + 1 for line in lines)}):
                usage = UsageStats(read, 777, cached_input_tokens=read // 3, service_tier=tier)
                if tier == "standard":
                    usage.service_tier = None
                for at in moments(model.row):
                    assert priced_alike(model, usage, at), (model.id, tier, read, at)
    assert len(models) >= 3 or vendor == "deepseek"  # whose every current price is an override


def test_what_the_reference_knows_of_our_vendors_is_here_or_left_out_for_a_reason() -> None:
    """The ids of its own rows: here with a price, overridden, or billed in units that no answer counts."""
    for vendor, names in VENDORS.items():
        there = {id for provider in providers if provider.id in names for id in reference.rows([provider], vendor)}
        assert there <= {name for id in tables.ids(vendor) for name in (id, *(catalogue.profile(vendor, id).aliases))}


def test_the_shipped_tables_are_what_the_build_writes() -> None:
    for vendor, table in build.tables().items():
        assert (build.HERE / "data" / f"{vendor}.json").read_text(encoding="utf-8") == build.text_of(table), (
            f"{vendor}.json is stale: python -m lazybridge.core.catalogue.build"
        )
