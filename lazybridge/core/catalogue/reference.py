"""Rows from the genai-prices package (MIT, https://github.com/pydantic/genai-prices): its data, in the catalogue's shape.

`build.py` writes the shipped tables with it; `live.py` reads an installed genai-prices with it at run time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

# Our name of a vendor -> the package's.
VENDORS: dict[str, tuple[str, ...]] = {
    "anthropic": ("anthropic",),
    "azure": ("azure",),
    "bedrock": ("aws",),
    "cerebras": ("cerebras",),
    "cohere": ("cohere",),
    "deepseek": ("deepseek",),
    "fireworks": ("fireworks",),
    "google": ("google",),
    "groq": ("groq",),
    "huggingface": (
        "huggingface_cerebras", "huggingface_fireworks-ai", "huggingface_groq", "huggingface_hyperbolic",
        "huggingface_nebius", "huggingface_novita", "huggingface_nscale", "huggingface_ovhcloud",
        "huggingface_publicai", "huggingface_sambanova", "huggingface_together",
    ),
    "mistral": ("mistral",),
    "moonshot": ("moonshotai",),
    "openai": ("openai",),
    "openrouter": ("openrouter",),
    "perplexity": ("perplexity",),
    "together": ("together",),
    "xai": ("x-ai",),
    "zai": ("zai",),
}  # fmt: skip

# Vendors of ours that the package does not have.
ABSENT = frozenset({"fal"})

# The package's price keys -> our units. A model with another key is left out: it bills what no UsageStats counts.
_UNITS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
    "cache_audio_read_mtok": "cached_audio",
    "input_image_mtok": "image_input",
    "output_image_mtok": "image_output",
    "cache_image_read_mtok": "cached_image",
    "output_reasoning_mtok": "thinking",
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
    "requests_kcount": "request",
}
# What a request was asked to run as -> the tier that it was served at.
_TIERS: dict[tuple[tuple[str, str], ...], str] = {
    (("processing", "batch"),): "batch",
    (("speed", "fast"),): "fast",
    (("service_tier", "fast"),): "fast",
    (("service_tier", "flex"),): "flex",
    (("service_tier", "priority"),): "priority",
}

Row = dict[str, Any]


def rows(providers: Iterable[Provider], vendor: str) -> dict[str, Row]:
    """Every model of a vendor that can be priced, by its id."""
    wanted = VENDORS.get(vendor, (vendor,))
    found: dict[str, Row] = {}
    for provider in providers:
        if provider.id in wanted:
            host = provider.id.partition("huggingface_")[2]
            for model in provider.models:
                row = _row(provider, model, f":{host}" if host else "")
                if row is not None:
                    found.setdefault(row.pop("id"), row)
    return found


def _row(provider: Provider, model: ModelInfo, suffix: str) -> Row | None:
    if not _countable(model):
        return None
    ids = [f"{id}{suffix}" for id in _ids(provider, model)]
    if not ids:
        return None
    row: Row = {"id": ids[0]}
    if ids[1:]:
        row["aliases"] = ids[1:]
    if model.context_window:
        row["context_window"] = model.context_window
    row["prices"] = {"standard": list(_standard(model)), **_tiers(model)}
    return row


def _countable(model: ModelInfo) -> bool:
    prices = [_named(price) for _, price in _periods(model)]
    return all("input_mtok" in price and price.keys() <= _UNITS.keys() for price in prices)


def _ids(provider: Provider, model: ModelInfo) -> list[str]:
    """The exact ids that the package gives this model: what it says equals or begins one, and means just it."""
    first = model.id.lower().removeprefix("regional.")
    words = [first, *sorted(_words(model.match))]
    whole = dict.fromkeys(re.sub(r"(-v\d+)?(:\d+)?$", "", word) if provider.id == "aws" else word for word in words)
    return [id for id in whole if _is_id(id) and provider.find_model(id) is model]


def _is_id(word: str) -> bool:
    return not word.startswith(("ft:", "/")) and ".ft-" not in word and not word.endswith(("-", "@", ":", "."))


def _words(clause: Any) -> Iterator[str]:
    for inner in (*getattr(clause, "or_", ()), *getattr(clause, "and_", ())):
        yield from _words(inner)
    for name in ("equals", "starts_with", "contains"):
        if isinstance(word := getattr(clause, name, None), str):
            yield word.lower()


def _periods(model: ModelInfo) -> list[tuple[Any, ModelPrice]]:
    if isinstance(model.prices, list):
        return [(period.constraint, period.prices) for period in model.prices]
    return [(None, model.prices)]


def _standard(model: ModelInfo) -> Iterator[Row]:
    for constraint, price in _periods(model):
        yield {**_when(constraint), **_rates(_named(price))}


def _when(constraint: Any) -> Row:
    if constraint is None:
        return {}
    start = getattr(constraint, "start_date", None)
    if start is not None:
        return {"since": start.isoformat()}
    return {"hours": [constraint.start_time.strftime("%H:%M"), constraint.end_time.strftime("%H:%M")]}


def _tiers(model: ModelInfo) -> dict[str, list[Row]]:
    """Complete rates of every tier for each of its periods: its own keys over the standard ones of that day."""
    found: dict[str, list[Row]] = {}
    for variant in model.price_variants or ():
        tier = _TIERS.get(tuple(sorted(variant.when.items())))
        if tier is None or tier in found:
            continue
        same = [other for other in model.price_variants or () if other.when == variant.when]
        starts = {getattr(other.constraint, "start_date", None) for other in same}
        first = None if None in starts else min(day for day in starts if day is not None)
        days = {getattr(constraint, "start_date", None) for constraint, _ in _periods(model)} | starts
        later = sorted(day for day in days if day is not None and (first is None or day > first))
        found[tier] = [_on(model, day, variant.when) for day in (first, *later)]
    return found


def _on(model: ModelInfo, day: date | None, when: Mapping[str, str]) -> Row:
    from datetime import UTC, datetime, time

    moment = datetime.combine(day or date(2000, 1, 1), time(), UTC)
    since = {} if day is None else {"since": day.isoformat()}
    return {**since, **_rates(_named(model.get_prices(moment, dict(when))))}


def _named(price: ModelPrice) -> dict[str, Any]:
    return {key: value for key, value in vars(price).items() if value is not None and not key.startswith("_")}


def _rates(price: Mapping[str, Any]) -> Row:
    """`rates`, and `above`: for each line the rates that hold for a whole request with more input tokens."""
    base = {_UNITS[key]: _plain(getattr(value, "base", value)) for key, value in price.items() if key in _UNITS}
    lines = sorted({tier.start for value in price.values() for tier in getattr(value, "tiers", ())})
    above = []
    for line in lines:
        rates = dict(base)
        for key, value in price.items():
            for tier in getattr(value, "tiers", ()):
                if tier.start <= line and key in _UNITS:
                    rates[_UNITS[key]] = _plain(tier.price)
        above.append([line, rates])
    return {"rates": base, **({"above": above} if above else {})}


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
