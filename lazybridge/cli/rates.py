"""The price of one service tier, as people read it and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from lazybridge.core.catalogue import STANDARD, ModelProfile, Price, Rates

_TOKENS = {
    "input": "in",
    "cached_input": "cached in",
    "output": "out",
    "cache_write": "cache write",
    "cache_write_1h": "cache write for 1 h",
    "thinking": "thinking",
    "audio_input": "audio in",
    "cached_audio": "cached audio in",
    "audio_output": "audio out",
    "image_input": "image in",
    "cached_image": "cached image in",
    "image_output": "image out",
}
_THOUSANDS = {"web_search": "web searches", "file_search": "file searches", "request": "requests"}
FREE = {"input": 0.0, "cached_input": 0.0, "output": 0.0, "long_context": [], "hours": [], "changes": [], "source": "runs here", "as_of": None}  # fmt: skip


class Schedule(NamedTuple):
    """The periods of a tier, seen from a day: the price of that day, its dearer hours, and what is dated later."""

    now: Price | None
    hours: tuple[Price, ...]
    coming: tuple[Price, ...]


def schedule(periods: Iterable[Price], on: date) -> Schedule:
    """Sort the periods of a service tier by whether they hold on a day."""
    now: Price | None = None
    hours: list[Price] = []
    coming: list[Price] = []
    for period in periods:  # a later one that holds stands before the earlier ones
        if period.since is not None and period.since > on:
            coming.append(period)
        elif period.hours is None and not period.weekdays:
            now, hours = period, []
        else:
            hours.append(period)
    return Schedule(now, tuple(hours), tuple(coming))


def price_on(profile: ModelProfile, on: date) -> Price | None:
    """The standard price of a day, outside the hours that have one of their own."""
    return schedule((profile.prices or {}).get(STANDARD, ()), on).now


def lines(periods: Iterable[Price], on: date) -> list[str]:
    """A service tier in full: its price on a day, for long requests, by the hour, and every dated change."""
    found = schedule(periods, on)
    shown = [line for period in (found.now, *found.hours) if period is not None for line in _period(period, _hours(period))]  # fmt: skip
    for period in found.coming:
        shown += _period(period, ", ".join(filter(None, (f"from {period.since}", _hours(period)))))
    return shown


def short(periods: Iterable[Price], on: date, standard: Price | None) -> str:
    """A service tier in one line; searches are named where they do not cost what they cost in the standard tier."""
    found = schedule(periods, on)
    price = found.now or next(iter((*found.hours, *found.coming)), None)
    if price is None:
        return "none"
    same = {unit for unit in _THOUSANDS if standard is not None and standard.rates.get(unit) == price.rates.get(unit)}
    text = sentence({unit: rate for unit, rate in price.rates.items() if unit not in same})
    return text if price is found.now else f"from {price.since}: {text}" if price in found.coming else f"{_hours(price)}: {text}"  # fmt: skip


def sources(periods: Iterable[Price], on: date) -> list[str]:
    """Where the prices of a service tier that are shown for a day were read, and when."""
    now, hours, coming = schedule(periods, on)
    shown = [period for period in (now, *hours, *coming) if period is not None]
    return [f"source: {text}" for text in dict.fromkeys(f"{period.source}, {period.as_of}" for period in shown)]


def sentence(rates: Rates) -> str:
    """`$2.00 in, $0.10 cached in, $10.00 out, per million tokens; $14.00 per thousand web searches`."""
    tokens = ", ".join(f"${dollars(rates[unit])} {name}" for unit, name in _TOKENS.items() if unit in rates)
    others = [f"${dollars(rates[unit])} per thousand {name}" for unit, name in _THOUSANDS.items() if unit in rates]
    return "; ".join([*([f"{tokens}, per million tokens"] if tokens else []), *others])


def dollars(amount: Decimal) -> str:
    """At least two decimals, and every digit that there is."""
    return f"{amount.normalize():f}" if round(amount, 2) != amount else f"{amount:.2f}"


def as_json(periods: Iterable[Price], on: date) -> dict[str, Any] | None:
    """A service tier as plain JSON, its rates on a day beside what differs at length, by the hour and later."""
    found = schedule(periods, on)
    if not any(found):
        return None
    now = found.now
    return {
        **({"input": None, "cached_input": None, "output": None, "long_context": []} if now is None else _json(now)),
        "hours": [_json(period) for period in found.hours],
        "changes": [_json(period) for period in found.coming],
        "source": now.source if now else None,
        "as_of": now.as_of if now else None,
    }


def _json(period: Price) -> dict[str, Any]:
    when: dict[str, Any] = {}
    if period.since is not None:
        when["since"] = period.since.isoformat()
    if period.hours is not None:
        when["utc"] = [time.isoformat("minutes") for time in period.hours]
    if period.weekdays:
        when["weekdays"] = True
    beyond = [{"above": tokens, **_numbers(rates)} for tokens, rates in period.above]
    return {**when, **_numbers(period.rates), "long_context": beyond}


def _numbers(rates: Rates) -> dict[str, float | None]:
    shown: Mapping[str, float | None] = {"input": None, "cached_input": None, "output": None}
    return {**shown, **{unit: float(rate) for unit, rate in rates.items()}}


def _period(period: Price, when: str) -> list[str]:
    first = f"{when}: " if when else ""
    beyond = [
        f"{when}{', ' if when else ''}above {tokens:,} input tokens: {sentence(_differing(rates, period.rates))}"
        for tokens, rates in period.above
    ]
    return [f"{first}{sentence(period.rates)}", *beyond]


def _differing(rates: Rates, usual: Rates) -> Rates:
    """All the token prices, and what is sold by the thousand where its price is another one."""
    return {unit: rate for unit, rate in rates.items() if unit in _TOKENS or usual.get(unit) != rate}


def _hours(period: Price) -> str:
    days = "Monday to Friday" if period.weekdays else ""
    if period.hours is None:
        return days
    start, end = (time.isoformat("minutes") for time in period.hours)
    return f"{days}{' ' if days else ''}{start} to {end} UTC"
