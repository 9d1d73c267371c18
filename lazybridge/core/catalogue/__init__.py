"""Facts about models: prices, limits, senses and rules, as rows with source and date.

The tables in `data/` are written by `build.py`. Looking a model up reads one vendor's table and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from lazybridge.core.catalogue import registered, tables
from lazybridge.core.catalogue.rows import STANDARD, STANDARD_TIERS, ModelProfile, Price, Rates, utc

__all__ = [
    "STANDARD", "STANDARD_TIERS", "ModelProfile", "Price", "Rates", "anywhere", "ids", "profile", "rows", "sellers", "spellings", "utc", "without_date",
]  # fmt: skip

# `-20251001` (Anthropic), `-2026-03-17` (OpenAI), `@20251001` (Vertex): a dated snapshot of a model shares its row.
_DATED = re.compile(r"(?:[-@]20\d{6}|-20\d{2}-\d{2}-\d{2})$")
# Bedrock's `arn:…:inference-profile/us.anthropic.claude-opus-4-5-v1:0`
_BEDROCK = re.compile(r"^(?:arn:[^/]*/)?(.*?)(?:-v\d+)?(?::\d+)?$")


def without_date(model: str) -> str:
    """A model id without its dated suffix."""
    return _DATED.sub("", model)


def spellings(vendor: str, model: str) -> Iterator[str]:
    """What a model id may stand as in the vendor's table, the exact one first."""
    id = model.lower()
    yield id
    if vendor == "bedrock" and (match := _BEDROCK.match(id)):
        id = match[1]
        yield id
    if (shorter := without_date(id)) != id:
        yield shorter


def profile(vendor: str, model: str) -> ModelProfile:
    """The row of a model: by its exact id, a registered or known alias, or the id minus a dated suffix; an empty row
    for any other. The price that a user registered for it stands in place of the table's."""
    name = tables.name_of(vendor)
    meant = registered.alias_of(vendor, model)
    found = _found(name, meant, tables.version())
    if not registered.any_price():
        return found
    return registered.priced(found, name, (*spellings(name, model), *spellings(name, meant), found.id.lower()))


@lru_cache(4096)
def _found(vendor: str, model: str, version: int, more: bool = True) -> ModelProfile:
    for place in tables.shops(vendor):
        for id in spellings(place, model):
            row = tables.row(place, id)
            if row is not None:
                # Who sells another's model decides for how long.
                return row if place == vendor else replace(row, vendor=vendor, retires=None, replacement=None)
    if more:
        from lazybridge.core.catalogue import live  # imports what costs 0.2 s, where it is installed

        if live.add_installed(vendor):
            return _found(vendor, model, tables.version(), False)
    return ModelProfile(model, vendor)


def ids(vendor: str) -> list[str]:
    """The ids of every known model of a vendor, without aliases; cheaper than their rows."""
    return tables.ids(tables.name_of(vendor))


def rows(vendor: str) -> Mapping[str, ModelProfile]:
    """Every known model of a vendor, by id; empty for a vendor without a table."""
    name = tables.name_of(vendor)
    return {id: row for id in tables.ids(name) if (row := tables.row(name, id)) is not None}


def anywhere(model: str) -> ModelProfile:
    """The row of a model whose vendor is not named: `vendor/model`, else the first vendor of models that knows the id."""
    vendor, slash, rest = model.partition("/")
    if slash and rest and (tables.is_vendor(vendor) or registered.has(vendor, rest)):
        return profile(vendor, rest)
    for maker in tables.MAKERS:
        found = profile(maker, model)
        if found.known:
            return found
    return profile("", model)


def sellers(model: str) -> Iterator[ModelProfile]:
    """The rows of a bare id, and of `maker/id`, in every table: those with the id itself first. `id` is as sold there."""
    wanted = model.lower()
    exact = {vendor: row for vendor in tables.vendors() if (row := tables.row(vendor, wanted)) is not None}
    yield from (replace(row, id=model) for row in exact.values())
    for vendor in tables.vendors():
        for id in () if vendor in exact else tables.ids(vendor):
            if id.lower().endswith(f"/{wanted}") and (row := tables.row(vendor, id.lower())) is not None:
                yield row
