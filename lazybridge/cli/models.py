"""`lazybridge models`: the models that the catalogue knows, and what they cost and can do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import click

from lazybridge.cli import local_files, names, rates, tables
from lazybridge.cli.notes import note
from lazybridge.cli.record import SCHEMA_VERSION, print_json
from lazybridge.cli.which import limits_and_abilities
from lazybridge.core import catalogue, registry
from lazybridge.core.catalogue import STANDARD, ModelProfile, lifecycle
from lazybridge.core.providers.base import BaseProvider

ABILITIES = ("vision", "tools", "audio", "documents", "thinking", "structured_output")
_SENSES = ("vision", "audio", "documents")
_COLUMNS = ("model", "provider", "tiers", "in $/M", "cached $/M", "out $/M", "context", "max output", "senses", "retires")  # fmt: skip
_NUMBERS = frozenset(_COLUMNS[3:8])
_UNKNOWN, _NONE = "?", "-"


class Row(NamedTuple):
    """One model of one provider, as of a day."""

    provider: str
    target: names.Target
    on: date

    @property
    def gone(self) -> bool:
        """Whether the vendor has shut it down."""
        return lifecycle.is_retired(self.target.profile, self.on)


def _needs(context: click.Context, parameter: click.Parameter, given: Iterable[str]) -> tuple[str, ...]:
    typed = [word for text in given for word in text.split(",") if word.strip()]
    return tuple(names.word(word, ABILITIES, "ability", context, parameter) for word in typed)


@click.command()
@click.option("--provider", metavar="NAME", callback=names.provider, help="Only its models; any vendor with prices.")
@click.option("--tier", metavar="TIER", callback=names.tier, help="Only what this tier of each provider points to.")
@click.option(
    "--needs", metavar="ABILITIES", multiple=True, callback=_needs,
    help=f"Only models known to have them all: {', '.join(ABILITIES)}.",
)  # fmt: skip
@click.option(
    "--local", "place", metavar="[PATH]", is_flag=False, flag_value="",
    help="The GGUF files of this machine instead: of a folder, one file, or what the local provider uses.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def command(provider: str | None, tier: str | None, needs: tuple[str, ...], place: str | None, as_json: bool) -> None:
    """List models with their prices in USD per million tokens, limits and senses."""
    if place is not None:
        if provider or tier or needs:
            raise click.UsageError("--local lists files and goes with --json alone.")
        local_files.run(place, as_json)
        return
    rows = find([provider] if provider else registry.provider_names(), tier, needs, lifecycle.today())
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "models": [_json(row) for row in rows]})
    elif rows:
        show(rows)
    else:
        note("no such model is known")


def find(providers: Iterable[str], tier: str | None, needs: Iterable[str], on: date) -> list[Row]:
    """The models of these providers: those still served first, then the priced, then the newest."""
    rows = []
    for provider in providers:
        cls = registry.provider_class(provider) if registry.is_provider(provider) else None
        for model in _ids(provider, cls, tier):
            profile = catalogue.profile(provider, model) if cls is None else names.profile_at(cls, model)
            row = Row(provider, names.Target(profile, model, cls), on)
            if all(_can(row.target.profile, ability) for ability in needs):
                rows.append(row)
    return sorted(rows, key=lambda row: (row.provider, row.gone, not _priced(row), _age(row.target.model)))


def _ids(provider: str, cls: type[BaseProvider] | None, tier: str | None) -> Iterable[str]:
    """The ids of a provider's models, those included that only its tiers name."""
    aliases = {} if cls is None else names.tier_table(cls)
    if tier is not None:
        return [aliases[tier]] if tier in aliases else []
    return dict.fromkeys([*catalogue.rows(provider), *aliases.values()])


def _can(profile: ModelProfile, ability: str) -> bool:
    """Whether a model is known to have an ability."""
    known = getattr(profile, ability)
    return known not in (None, "never") if ability == "thinking" else known is True


def _priced(row: Row) -> bool:
    return row.target.free or rates.price_on(row.target.profile, row.on) is not None


def _age(model: str) -> tuple[tuple[int, ...], str]:
    """A sort key that puts higher versions first; a version of three digits or more is a date, older than a version."""
    found = re.search(r"\d+(?:[.-]\d{1,2}(?![0-9a-z]))*", catalogue.without_date(model))
    numbers = [int(number) for number in re.split("[.-]", found[0])] if found else []
    dated = bool(numbers) and numbers[0] >= 100
    return (*(-number for number in ([0] if dated else []) + numbers), 1), model


def _json(row: Row) -> dict[str, Any]:
    profile = row.target.profile
    price = rates.FREE if row.target.free else rates.as_json((profile.prices or {}).get(STANDARD, ()), row.on)
    return {
        "model": row.target.model,
        "provider": row.provider,
        "tiers": list(row.target.tiers),
        "price": price,
        **limits_and_abilities(profile),
        "retires": profile.retires and profile.retires.isoformat(),
        "replacement": profile.replacement,
    }


def cells(row: Row) -> tuple[str, ...]:
    """What the table says of a model, a cell for each column; `?` is unknown, `-` is none."""
    profile = row.target.profile
    price = rates.price_on(profile, row.on)

    def rate(unit: str) -> str:
        found = Decimal(0) if row.target.free else price.rates.get(unit) if price else None
        return _UNKNOWN if found is None else rates.dollars(found)

    senses = [sense for sense in _SENSES if getattr(profile, sense)]
    known = any(getattr(profile, sense) is not None for sense in _SENSES)
    return (
        row.target.model,
        row.provider,
        ",".join(row.target.tiers) or _NONE,
        *map(rate, ("input", "cached_input", "output")),
        *(_UNKNOWN if number is None else f"{number:,}" for number in (profile.context_window, profile.max_output_tokens)),
        ",".join(senses) or (_NONE if known else _UNKNOWN),
        _NONE if profile.retires is None else profile.retires.isoformat(),
    )  # fmt: skip


def show(rows: list[Row]) -> None:
    """The table of models; what is retired is dim."""
    tables.show(_COLUMNS, _NUMBERS, [cells(row) for row in rows], [row.gone for row in rows])
