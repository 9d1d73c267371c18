"""The shipped tables: read one vendor at a time, a row built when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, time
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from lazybridge.core.catalogue.rows import ModelProfile, Price

_DATA = Path(__file__).parent / "data"
# Whose ids are their own: where a model's vendor is not named, it is looked for here, in this order.
MAKERS = ("openai", "anthropic", "google", "mistral", "deepseek", "xai", "cohere", "perplexity", "moonshot", "zai", "groq")  # fmt: skip
_OTHER_NAMES = {
    "amazonbedrock": "bedrock",
    "aws": "bedrock",
    "azureopenai": "azure",
    "claude": "anthropic",
    "gemini": "google",
    "gpt": "openai",
    "grok": "xai",
    "mistralai": "mistral",
    "moonshotai": "moonshot",
    "togetherai": "together",
    "vertexai": "vertex",
}
# A provider whose own models are a part of another's table, and where the ids of those begin; the rest is sold as well.
_PART_OF = {"vertex": ("google", "claude-")}
_before: dict[str, dict[str, Any]] = {}
_behind: dict[str, dict[str, Any]] = {}
_version = 0


def name_of(vendor: str) -> str:
    """Our name for a vendor, whatever its case, `-` and `_`, and other common names."""
    key = vendor.lower().replace("-", "").replace("_", "")
    return _OTHER_NAMES.get(key, key)


@cache
def vendors() -> tuple[str, ...]:
    """Every vendor with a table."""
    return tuple(sorted(path.stem for path in _DATA.glob("*.json")))


def is_vendor(name: str) -> bool:
    """Whether there is a table under this name."""
    return name_of(name) in vendors() or name_of(name) in _PART_OF


def origin() -> dict[str, str]:
    """`source` and `as_of` of the shipped tables."""
    table = _shipped("openai")
    return {"source": table["source"], "as_of": table["as_of"]}


def version() -> int:
    """Grows each time newer tables replace some of the shipped ones."""
    return _version


def put_before(live: Mapping[str, dict[str, Any]]) -> None:
    """Put newer rows before the shipped ones; shipped rows stay for models that these lack."""
    _before.clear()
    _before.update(live)
    _changed()


def put_behind(vendor: str, table: dict[str, Any]) -> None:
    """Add rows for models that the shipped table lacks."""
    _behind[vendor] = table
    _changed()


def _changed() -> None:
    global _version
    _version += 1
    _places.cache_clear()
    _merged.cache_clear()
    _part.cache_clear()
    _rows.clear()


def shops(vendor: str) -> Iterable[str]:
    """The tables to look in: a vendor's own, then those of the vendors whose models it sells."""
    return (vendor, *_table(vendor).get("sells", ()))


def ids(vendor: str) -> list[str]:
    """The ids of a vendor's rows, without aliases."""
    return [*_table(vendor).get("models", ())]


def row(vendor: str, id: str) -> ModelProfile | None:
    """The row that an id or alias has in one table."""
    main = _places(vendor).get(id)
    if main is None:
        return None
    key = (vendor, main)
    if key not in _rows:
        table = _table(vendor)
        _rows[key] = _profile(vendor, main, table["models"][main], table)
    return _rows[key]


_rows: dict[tuple[str, str], ModelProfile] = {}


@cache
def _places(vendor: str) -> dict[str, str]:
    """Ids and aliases, in lower case, to the id of their row."""
    models = _table(vendor).get("models", {})
    named = {alias.lower(): id for id, row in models.items() for alias in row.get("aliases", ())}
    return named | {id.lower(): id for id in models}


def _table(vendor: str) -> dict[str, Any]:
    if vendor in _PART_OF:
        return _part(vendor)
    return _merged(vendor) if vendor in _before or vendor in _behind else _shipped(vendor)


@cache
def _part(vendor: str) -> dict[str, Any]:
    whole, start = _PART_OF[vendor]
    table = _table(whole)
    models = {id: row for id, row in table["models"].items() if id.startswith(start)}
    return {**table, "sells": [whole, *table["sells"]], "models": models}


@cache
def _merged(vendor: str) -> dict[str, Any]:
    shipped, newer, more = _shipped(vendor), _before.get(vendor, {}), _behind.get(vendor, {})
    models = {id: _dated(row, more) for id, row in more.get("models", {}).items()} | shipped.get("models", {})
    for id, row in newer.get("models", {}).items():
        if not _ours(models.get(id, {})):
            models[id] = {**models.get(id, {}), **_dated(row, newer)}
    return {"source": "", "as_of": "", **shipped, "models": models}


def _dated(row: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose periods name the source and date of the table that it comes from."""
    origin = {"source": table["source"], "as_of": table["as_of"]}
    prices = {tier: [{**origin, **period} for period in periods] for tier, periods in row["prices"].items()}
    return {**row, "prices": prices}


def _ours(row: Mapping[str, Any]) -> bool:
    """Whether a row's price is an override, which the reference does not know better."""
    periods = row.get("prices", {}).get("standard", ())
    return "unpriced" in row or any(
        not period.get("source", "genai-prices").startswith("genai-prices") for period in periods
    )


@cache
def _shipped(vendor: str) -> dict[str, Any]:
    if vendor not in vendors():
        return {}
    table: dict[str, Any] = json.loads((_DATA / f"{vendor}.json").read_bytes())
    return table


def _profile(vendor: str, id: str, row: Mapping[str, Any], table: Mapping[str, Any]) -> ModelProfile:
    facts = dict(row)
    prices = {tier: tuple(_price(period, table) for period in periods) for tier, periods in facts.pop("prices", {}).items()}  # fmt: skip
    for name in ("aliases", "efforts", "sources", "thinking_budget"):
        if name in facts:
            facts[name] = tuple(facts[name])
    if "us_factor" in facts:
        facts["us_factor"] = Decimal(facts["us_factor"])
    if "retires" in facts:
        facts["retires"] = date.fromisoformat(facts["retires"])
    return ModelProfile(id, vendor, prices=prices or None, **facts)


def _price(period: Mapping[str, Any], table: Mapping[str, Any]) -> Price:
    return Price(
        rates=_decimals(period["rates"]),
        above=tuple((tokens, _decimals(rates)) for tokens, rates in period.get("above", ())),
        since=date.fromisoformat(period["since"]) if "since" in period else None,
        hours=_hours(period["hours"]) if "hours" in period else None,
        weekdays=period.get("weekdays", False),
        source=period.get("source", table["source"]),
        as_of=period.get("as_of", table["as_of"]),
    )


def _hours(pair: list[str]) -> tuple[time, time]:
    return time.fromisoformat(pair[0]), time.fromisoformat(pair[1])


def _decimals(rates: Mapping[str, str]) -> dict[str, Decimal]:
    return {unit: Decimal(rate) for unit, rate in rates.items()}
