"""Writes the shipped tables: `python -m lazybridge.core.catalogue.build` (it needs genai-prices, a development dependency).

Each row comes from genai-prices; `overrides.toml` adds what that lacks and replaces what is stale there, each entry
with its own source and date. `--check` writes nothing and exits 1 where a table is not what would be written.
"""

from __future__ import annotations

import copy
import json
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from lazybridge.core.catalogue import without_date
from lazybridge.core.catalogue.reference import VENDORS, Row, rows

HERE = Path(__file__).parent
# A vendor that sells other vendors' models under their own ids: what its own table lacks is looked up there.
SELLS = {
    "azure": ["openai", "anthropic", "deepseek", "xai", "moonshot"],
    "google": ["anthropic"],
}
# A vendor that hosts other vendors' models at prices of its own: what stands before the maker's id, by maker. All but
# prices and dates is a fact about the model, which its maker knows.
HOSTS = {
    "bedrock": {"anthropic": "anthropic.", "openai": "openai."},
    "google": {"anthropic": ""},
}
_THE_SELLERS = frozenset({"prices", "aliases", "unpriced", "us_factor", "searches_billed", "retires", "replacement"})
# Google's price page has one line for text, image, video and audio where it has none for audio alone
# (https://ai.google.dev/gemini-api/docs/pricing, read 2026-11-22).
HEARS_AT_THE_PRICE_OF_TEXT = {"google": "gemini-"}
# Models that write images alone, or sound alone: the reference's one price of output is that of their tokens
# (https://developers.openai.com/api/docs/models/gpt-image-1-mini; https://github.com/BerriAI/litellm/discussions/42776
# for the speaking models of Google; read 2026-11-22). By vendor, a part of the id, and the unit.
WRITES_ALONE = (("openai", "gpt-image-", "image_output"), ("google", "-tts", "audio_output"))
_PRICE_FIELDS = frozenset({"since", "hours", "weekdays", "above", "source", "as_of", "verified"})
_KEYS = frozenset({"vendor", "models", "tier"})


def tables() -> dict[str, dict[str, Any]]:
    """Every vendor's table, ready to be written. Raises ValueError where an override names what is not there."""
    from genai_prices.data import providers

    overrides = tomllib.loads((HERE / "overrides.toml").read_text(encoding="utf-8"))
    reference = overrides["reference"]
    made = {vendor: rows(providers, vendor) for vendor in VENDORS}
    for entry in overrides.get("unknown", ()):
        for id in entry["models"]:
            _forget(made[entry["vendor"]], id, entry)
    for entry in (*overrides.get("price", ()), *overrides.get("model", ()), *overrides.get("retirement", ())):
        for id in entry["models"]:
            _split(made.setdefault(entry["vendor"], {}), id)
    for vendor, id, periods in _prices(overrides.get("price", ())):
        made[vendor].setdefault(id, {}).setdefault("prices", {}).update(periods)
    for entry in overrides.get("alias", ()):
        _drop_id(made[entry["vendor"]], entry["alias"])
        row = made[entry["vendor"]][entry["model"]]
        row["aliases"] = sorted({*row.get("aliases", ()), entry["alias"]})
    for entry in (*overrides.get("model", ()), *map(_retirement, overrides.get("retirement", ()))):
        facts = {name: value for name, value in entry.items() if name not in _KEYS | {"source", "as_of"}}
        for id in entry["models"]:
            row = made[entry["vendor"]].setdefault(id, {})
            row.update(facts)
            row["sources"] = sorted({*row.get("sources", ()), f"{entry['source']}, {entry['as_of']}"})
    for vendor, prefix in HEARS_AT_THE_PRICE_OF_TEXT.items():
        for rates in _rates(row for id, row in made[vendor].items() if id.startswith(prefix)):
            _hear(rates)
    for vendor, part, unit in WRITES_ALONE:
        for rates in _rates(row for id, row in made[vendor].items() if part in id):
            rates.setdefault(unit, rates["output"])
    for host, prefixes in HOSTS.items():
        for maker, prefix in prefixes.items():
            _host(made[host], made[maker], prefix)
    source = f"{reference['package']} {reference['version']}"
    return {
        vendor: {
            "source": source,
            "as_of": str(reference["as_of"]),
            "sells": SELLS.get(vendor, []),
            "models": dict(sorted(models.items())),
        }
        for vendor, models in sorted(made.items())
    }


def _host(models: dict[str, Row], makers: dict[str, Row], prefix: str) -> None:
    named = {alias: row for row in makers.values() for alias in row.get("aliases", ())} | makers
    for id, row in models.items():
        _, found, own = id.rpartition(prefix) if prefix else ("", "every id", id)
        facts = (named.get(own) or named.get(without_date(own)) or {}) if found else {}
        row |= {name: value for name, value in facts.items() if name not in _THE_SELLERS and name not in row}


def _rates(found: Iterable[Row]) -> Iterator[dict[str, str]]:
    """Every set of rates of these rows."""
    for period in (period for row in found for periods in row.get("prices", {}).values() for period in periods):
        yield from (period["rates"], *(rates for _, rates in period.get("above", ())))


def _hear(rates: dict[str, str]) -> None:
    if "audio_input" not in rates:
        rates["audio_input"] = rates["input"]
        if "cached_input" in rates:
            rates["cached_audio"] = rates["cached_input"]


def _split(models: dict[str, Row], id: str) -> None:
    """Give an alias that has facts of its own a row of its own: the reference puts models of one price together."""
    for row in models.values():
        if id in row.get("aliases", ()):
            shared = {name: value for name, value in row.items() if name != "aliases"}
            _drop_id(models, id)
            models[id] = copy.deepcopy(shared)
            return


def _forget(models: dict[str, Row], id: str, entry: Mapping[str, Any]) -> None:
    _drop_id(models, id)
    models[id] = {"unpriced": entry["why"], "sources": [f"{entry['source']}, {entry['as_of']}"]}


def _drop_id(models: dict[str, Row], id: str) -> None:
    """Take an id from whichever row has it; a row with other ids goes on under the first of them."""
    models_with = [(name, row) for name, row in models.items() if id == name or id in row.get("aliases", ())]
    for name, row in models_with:
        aliases = [alias for alias in row.pop("aliases", ()) if alias != id]
        if id == name:
            del models[name]
            if not aliases:
                continue
            name, aliases = aliases[0], aliases[1:]
            models[name] = row
        if aliases:
            row["aliases"] = aliases


def _prices(entries: list[dict[str, Any]]) -> list[tuple[str, str, Row]]:
    """The periods of each override, by vendor and model; several tables of one model and tier make a schedule."""
    found: dict[tuple[str, str], Row] = {}
    for entry in entries:
        period: Row = {"source": entry["source"], "as_of": str(entry["as_of"])}
        rates = {name: value for name, value in entry.items() if name not in _PRICE_FIELDS | _KEYS}
        if "since" in entry:
            period["since"] = str(entry["since"])
        for name in ("hours", "weekdays"):
            if name in entry:
                period[name] = entry[name]
        if entry.get("verified") is False:
            period["source"] += " (a third party's page)"
        period["rates"] = rates
        if "above" in entry:
            period["above"] = [_line(line, rates) for line in entry["above"]]
        for id in entry["models"]:
            row = found.setdefault((entry["vendor"], id), {})
            row.setdefault(entry.get("tier", "standard"), []).append(period)
    return [(vendor, id, periods) for (vendor, id), periods in found.items()]


def _line(line: Mapping[str, Any], rates: Mapping[str, str]) -> list[Any]:
    dearer = {name: value for name, value in line.items() if name not in ("tokens", "inclusive")}
    return [line["tokens"] - bool(line.get("inclusive")), {**rates, **dearer}]


def _retirement(entry: Mapping[str, Any]) -> Row:
    day: date = entry["date"]
    facts: Row = {name: entry[name] for name in ("vendor", "models", "source", "as_of")}
    facts["retires"] = day.isoformat()
    if "replacement" in entry:
        facts["replacement"] = entry["replacement"]
    return facts


def text_of(table: Mapping[str, Any]) -> str:
    """A table as JSON, one model a line, so that a change of one price is one line of a diff."""
    head = {name: value for name, value in table.items() if name != "models"}
    lines = [f"{json.dumps(id)}: {json.dumps(row, separators=(',', ':'))}" for id, row in table["models"].items()]
    return json.dumps(head, indent=1)[:-2] + ',\n "models": {\n' + ",\n".join(lines) + "\n }\n}\n"


def main(arguments: list[str]) -> int:
    """Write the tables, or only compare them."""
    stale = []
    for vendor, table in tables().items():
        path, text = HERE / "data" / f"{vendor}.json", text_of(table)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(vendor)
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    print(", ".join(stale) or "nothing", "is not up to date" if "--check" in arguments else "written")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
