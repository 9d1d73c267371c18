"""The arithmetic of prices; the numbers are in the catalogue."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import date, datetime
from decimal import Decimal

from lazybridge.core import catalogue
from lazybridge.core.catalogue import STANDARD, STANDARD_TIERS, ModelProfile, Price, Rates
from lazybridge.core.receipt import MONEY, Line, Receipt, amount, receipt_of, stated, unknown
from lazybridge.core.usage import UsageStats

_UNITS_OF_TOOLS = {"web_searches": "web_search", "file_searches": "file_search"}
# Sound and pictures cost more than text wherever they have a price; as text they are a lower bound.
_DEARER = "{} tokens of this model have no price here; they are counted as text"
# A class of tokens without a rate of its own is billed as the class that it is part of.
_PART_OF = {
    "cached_input": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "audio_input": "input",
    "image_input": "input",
    "cached_audio": "audio_input",
    "cached_image": "image_input",
    "thinking": "output",
    "audio_output": "output",
    "image_output": "output",
}


def price(model: str, usage: UsageStats, *, provider: str | None = None, at: datetime | date | None = None) -> Receipt:
    """What a response cost, by the catalogue.

    `usage.service_tier` is the tier that served, "batch" included; `at` is when the request was made (None is now;
    without a time zone it is UTC). Without a `provider`, the model's own vendor is asked, or the one before a slash.
    A cost that the vendor reported (`usage.reported_cost_usd`) is taken as it is.
    """
    if not isinstance(usage, UsageStats):
        raise TypeError(f"usage is a {type(usage).__name__}\nwrite price({model!r}, UsageStats(input_tokens=..., output_tokens=...))")  # fmt: skip
    if at is not None and not isinstance(at, date):
        raise TypeError(f"at={at!r} is no date\nat is a date or a datetime, in UTC where it names no time zone")
    return receipt(catalogue.anywhere(model) if provider is None else catalogue.profile(provider, model), usage, at)


def receipt(profile: ModelProfile, usage: UsageStats, at: datetime | date | None = None) -> Receipt:
    """What a response of this model cost. It is unknown, with the reason, where the model, its tier or its token counts are; and a
    lower bound where only a part has no price."""
    if usage.reported_cost_usd is not None:
        return stated(
            usage.reported_cost_usd, profile.id, f"reported by {profile.vendor or 'the vendor'}", _tier(usage)
        )
    wrong = _wrong_counts(usage)
    if wrong:
        return unknown(wrong)
    tier = _tier(usage)
    found = profile.price(at, tier)
    if found is None:
        return unknown(_why_no_price(profile, usage, at))
    lines: list[Line] = []
    missing: list[str] = []
    rates = found.at_length(usage.input_tokens or 0)
    factor = profile.us_factor if usage.region == "us" else None
    for unit, quantity, rate, per in _parts(usage, rates, missing):
        if factor is not None and per == 1_000_000:
            rate, shown = MONEY.multiply(rate, factor), f"{tier}, us"
        else:
            shown = tier
        lines.append(Line(unit, quantity, rate, per, amount(quantity, rate, per), profile.id, shown, found.source, found.as_of))  # fmt: skip
    if usage.unpriced_tool_calls:
        missing.append(f"{usage.unpriced_tool_calls} calls of the vendor's tools are billed apart and have no price here")  # fmt: skip
    return receipt_of(lines, tuple(missing))


def worst_rates(found: Price, input_tokens: int) -> tuple[Decimal, Decimal]:
    """The dearest a token of a request of this length can cost, read and written: cache writes and audio included."""
    rates = found.at_length(input_tokens)
    read = [rates[unit] for unit in ("input", "cache_write", "cache_write_1h", "audio_input", "image_input") if unit in rates]  # fmt: skip
    wrote = [rates[unit] for unit in ("output", "thinking", "audio_output", "image_output") if unit in rates]
    return max(read, default=Decimal(0)), max(wrote, default=Decimal(0))


def _tier(usage: UsageStats) -> str:
    return STANDARD if usage.service_tier in STANDARD_TIERS else str(usage.service_tier)


def _parts(usage: UsageStats, rates: Rates, missing: list[str]) -> Iterator[tuple[str, int, Decimal, int]]:
    """Every token once, in its most specific class: unit, quantity, rate, per."""
    for unit, quantity, rate_name in (*_read(usage, rates, missing), *_written(usage, rates, missing)):
        rate = _rate(rates, rate_name)
        if rate is not None:
            yield unit, quantity, rate, 1_000_000
        else:
            missing.append(f"{unit} of this model have no price here")
    for name, rate_name in _UNITS_OF_TOOLS.items():
        count = getattr(usage, name)
        if count and rate_name in rates:
            yield name, count, rates[rate_name], 1_000
        elif count:
            missing.append(f"{name} of this model have no price here")
    if "request" in rates:
        yield "requests", 1, rates["request"], 1_000


def _rate(rates: Rates, unit: str) -> Decimal | None:
    while unit not in rates:
        if unit not in _PART_OF:
            return None
        unit = _PART_OF[unit]
    return rates[unit]


def _read(usage: UsageStats, rates: Rates, missing: list[str]) -> Iterator[tuple[str, int, str]]:
    fresh, cached = usage.input_tokens or 0, usage.cached_input_tokens or 0
    written, written_1h = usage.cache_write_tokens or 0, usage.cache_write_1h_tokens or 0
    fresh -= cached + written
    if usage.audio_input_tokens or usage.image_input_tokens:
        fresh, cached = yield from _media(usage, rates, missing, fresh, cached)
    yield from _some("input_tokens", fresh, "input")
    yield from _some("cached_input_tokens", cached, "cached_input")
    yield from _some("cache_write_tokens", written - written_1h, "cache_write")
    yield from _some("cache_write_1h_tokens", written_1h, "cache_write_1h")


def _media(
    usage: UsageStats, rates: Rates, missing: list[str], fresh: int, cached: int
) -> Generator[tuple[str, int, str], None, tuple[int, int]]:
    """The media among the fresh and the cached tokens; returns what is left of either."""
    for kind, tokens, cached_part in (
        ("audio", usage.audio_input_tokens, usage.cached_audio_tokens),
        ("image", usage.image_input_tokens, None),
    ):
        if not tokens or f"{kind}_input" not in rates:
            if tokens and kind == "audio":
                missing.append(_DEARER.format("audio input"))
            continue
        if cached_part is None and cached:
            # How many of them came from the cache was not said: as many as leave the cost lowest.
            gain = _saved(rates, f"{kind}_input", f"cached_{kind}") - _saved(rates, "input", "cached_input")
            least = max(0, tokens - fresh)
            cached_part = max(min(tokens, cached), least) if gain >= 0 else least
            if gain:
                missing.append(f"it was not said how many {kind} tokens came from the cache")
        cached_part = min(cached_part or 0, tokens, cached)
        heard = min(tokens - cached_part, fresh)
        if heard + cached_part < tokens:
            missing.append(f"{kind} tokens that were written to the cache have no price here; they are counted as text")
        yield from _some(f"{kind}_input_tokens", heard, f"{kind}_input")
        yield from _some(f"cached_{kind}_tokens", cached_part, f"cached_{kind}")
        fresh -= heard
        cached -= cached_part
    return fresh, cached


def _saved(rates: Rates, fresh: str, cached: str) -> Decimal:
    return (_rate(rates, fresh) or Decimal(0)) - (_rate(rates, cached) or Decimal(0))


def _written(usage: UsageStats, rates: Rates, missing: list[str]) -> Iterator[tuple[str, int, str]]:
    plain = usage.output_tokens or 0
    for unit, tokens, rate_name in (
        ("thinking_tokens", usage.thinking_tokens, "thinking"),
        ("audio_output_tokens", usage.audio_output_tokens, "audio_output"),
        ("image_output_tokens", usage.image_output_tokens, "image_output"),
    ):
        if tokens and rate_name in rates:
            tokens = min(tokens, plain)
            yield from _some(unit, tokens, rate_name)
            plain -= tokens
        elif tokens and rate_name != "thinking":
            missing.append(_DEARER.format(rate_name.replace("_", " ")))
    yield from _some("output_tokens", plain, "output")


def _some(unit: str, tokens: int, rate_name: str) -> Iterator[tuple[str, int, str]]:
    if tokens > 0:
        yield unit, tokens, rate_name


# Every count that holds others: the parts that exclude each other stand together.
PARTS_OF = (
    ("input_tokens", ("cached_input_tokens", "cache_write_tokens")),
    ("input_tokens", ("audio_input_tokens", "image_input_tokens")),
    ("cached_input_tokens", ("cached_audio_tokens",)),
    ("cache_write_tokens", ("cache_write_1h_tokens",)),
    ("output_tokens", ("thinking_tokens",)),
    ("output_tokens", ("audio_output_tokens", "image_output_tokens")),
)


def _wrong_counts(usage: UsageStats) -> str | None:
    """Why these counts cannot be priced; None where they can."""
    if usage.input_tokens is None or usage.output_tokens is None:
        kind = "input" if usage.input_tokens is None else "output"
        return f"the vendor did not say how many {kind} tokens there were"
    counts = vars(usage)
    for tool in _UNITS_OF_TOOLS:
        if (counts[tool] or 0) < 0:
            return f"the vendor's counts make no sense: {tool}={counts[tool]}"
    for whole, parts in PARTS_OF:
        tokens = counts[whole] or 0
        inside = 0
        negative = tokens < 0
        for part in parts:
            count = counts[part] or 0
            inside += count
            negative = negative or count < 0
        if tokens < inside or negative:
            said = ", ".join(f"{part}={counts[part]}" for part in parts if counts[part])
            return f"the vendor's counts contradict each other: {said or 'a count'} in {whole}={tokens}"
    return None


def _why_no_price(profile: ModelProfile, usage: UsageStats, at: datetime | date | None) -> str:
    name = f"{profile.vendor}/{profile.id}" if profile.vendor else profile.id
    if profile.unpriced:
        return f"{name} has no price: {profile.unpriced}"
    if not profile.prices:
        write = f'lazybridge.register_price("{profile.id}", input=..., output=...)'
        return f"no price is known for {name}; {write} sets one"
    tier = _tier(usage)
    if tier in profile.prices:
        return f"no price of {name} at tier {tier!r} is known for {catalogue.utc(at).date()}"
    return f"no price of {name} is known for the service tier {tier!r}"
