"""`lazybridge price`: what a model costs, or what these tokens of it cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import click

from lazybridge.cli import inputs, names, rates
from lazybridge.cli.exits import Exit
from lazybridge.cli.notes import complain
from lazybridge.cli.record import SCHEMA_VERSION, print_json, receipt_record
from lazybridge.core import catalogue, pricing, registry
from lazybridge.core.catalogue import STANDARD, lifecycle, tables
from lazybridge.core.errors import UnknownModelError
from lazybridge.core.receipt import FREE, Receipt
from lazybridge.core.usage import UsageStats

At = datetime | date | None
_COUNT = click.IntRange(min=0)
_OPTIONS = {
    "input_tokens": "--in",
    "cached_input_tokens": "--cached",
    "cache_write_tokens": "--cache-write",
    "cache_write_1h_tokens": "--cache-write-1h",
    "audio_input_tokens": "--audio-in",
    "output_tokens": "--out",
    "thinking_tokens": "--thinking",
    "audio_output_tokens": "--audio-out",
}
Tiers = dict[str, tuple[catalogue.Price, ...]]


@dataclass(frozen=True)
class Asked:
    """Whose price is asked for, at which service tier and when."""

    found: names.Target
    tier: str | None
    at: At

    def receipt(self, usage: UsageStats) -> Receipt:
        """What this usage costs."""
        return FREE if self.found.free else pricing.receipt(self.found.profile, usage, self.at)

    @property
    def day(self) -> date:
        """The day of the price list, in UTC."""
        return lifecycle.today() if self.at is None else catalogue.utc(self.at).date()


def _moment(context: click.Context, parameter: click.Parameter, given: str | None) -> At:
    """A date, or an ISO time; without a time zone it is UTC."""
    if given is None:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(given)
    except ValueError:
        raise click.BadParameter("write 2026-12-01 or 2026-12-01T09:30Z", context, parameter) from None


@click.command()
@click.argument("model", shell_complete=inputs.model_ids)
@click.option("--provider", metavar="NAME", callback=names.provider, help="Who sells it.")
@click.option("--in", "input_tokens", type=_COUNT, metavar="N", help="Tokens read, in all.")
@click.option("--cached", "cached_input_tokens", type=_COUNT, metavar="N", help="Of these, read from the cache.")
@click.option("--cache-write", "cache_write_tokens", type=_COUNT, metavar="N", help="Of these, written to the cache.")
@click.option(
    "--cache-write-1h", "cache_write_1h_tokens", type=_COUNT, metavar="N", help="Of the cache writes, for one hour."
)
@click.option("--audio-in", "audio_input_tokens", type=_COUNT, metavar="N", help="Of the tokens read, audio.")
@click.option("--out", "output_tokens", type=_COUNT, metavar="N", help="Tokens written, in all.")
@click.option("--thinking", "thinking_tokens", type=_COUNT, metavar="N", help="Of these, thinking.")
@click.option("--audio-out", "audio_output_tokens", type=_COUNT, metavar="N", help="Of these, audio.")
@click.option("--searches", "web_searches", type=_COUNT, metavar="N", help="Web searches.")
@click.option("--tier", metavar="TIER", help="The service tier that served, such as batch.")
@click.option("--at", metavar="TIME", callback=_moment, help="A date or ISO time, in UTC; by default now.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def command(
    ctx: click.Context, /, model: str, provider: str | None, tier: str | None, at: At, as_json: bool,
    **counts: int | None,
) -> None:  # fmt: skip
    """Show what a MODEL costs, or with token counts the receipt; exit code 1 where no price is known."""
    asked = Asked(_target(model, provider), tier, at)
    given = {name: count for name, count in counts.items() if count is not None}
    receipt = asked.receipt(_usage(given, tier))
    tiers = {} if given else _tiers(asked, receipt)
    known = receipt.status != "unknown" if given else bool(tiers) or asked.found.free
    if not known:
        complain("\n".join(receipt.reasons) + _near(asked.found))
    if as_json:
        print_json({**_head(asked), **receipt_record(receipt)} if given else _rows_json(asked, tiers))
    elif known:
        click.echo(str(receipt) if given else _rows_text(asked, tiers))
    ctx.exit(Exit.OK if known else Exit.FAILED)


def _target(model: str, provider: str | None) -> names.Target:
    try:
        return names.target(model, provider)
    except UnknownModelError:
        return names.Target(catalogue.anywhere(model), model)


def _usage(given: dict[str, int], tier: str | None) -> UsageStats:
    """The usage that was typed; what was not typed is 0. Raises UsageError where a part is more than its whole."""
    usage = {"input_tokens": 0, "output_tokens": 0, **given}
    usage.setdefault("cache_write_tokens", usage.get("cache_write_1h_tokens", 0))
    for whole, parts in pricing.PARTS_OF:
        total = sum(usage.get(part, 0) for part in parts)
        if total > usage.get(whole, 0):
            named = " and ".join(_OPTIONS[part] for part in parts if usage.get(part))
            raise click.UsageError(f"{_OPTIONS[whole]} counts all of them: {named} cannot be {total:,} of {usage[whole]:,}")  # fmt: skip
    return UsageStats(**usage, service_tier=tier)  # type: ignore[arg-type]  # all of them are counts


def _near(found: names.Target) -> str:
    """The ids that a misspelt one is near to."""
    if found.profile.known:
        return ""
    vendors = (found.profile.vendor,) if found.profile.vendor else tables.MAKERS
    return registry.near(found.model, {id for vendor in vendors for id in tables.ids(vendor)})


def _rows_json(asked: Asked, tiers: Tiers) -> dict[str, Any]:
    free = {STANDARD: rates.FREE} if asked.found.free else {}
    shown = {tier: rates.as_json(periods, asked.day) for tier, periods in tiers.items()}
    return {**_head(asked), "prices": {**free, **shown}, "unpriced": asked.found.profile.unpriced}


def _head(asked: Asked) -> dict[str, Any]:
    provider = asked.found.profile.vendor or None
    return {"schema_version": SCHEMA_VERSION, "model": asked.found.model, "provider": provider}


def _rows_text(asked: Asked, tiers: Tiers) -> str:
    rows = [("model", [f"{asked.found.profile.vendor}/{asked.found.model}"])]
    if asked.found.free:
        rows.append((STANDARD, ["free, it runs on this machine"]))
    for tier, periods in tiers.items():
        rows.append((tier, [*rates.lines(periods, asked.day), *rates.sources(periods, asked.day)]))
    return "\n".join(f"{'' if place else name:<10}{line}" for name, lines in rows for place, line in enumerate(lines))


def _tiers(asked: Asked, receipt: Receipt) -> Tiers:
    """The service tiers asked for that have a price, by default all; what the vendor calls the ordinary one is `standard`."""
    prices = {} if asked.found.free else asked.found.profile.prices or {}
    if asked.tier is None:
        wanted = list(prices)
    else:
        wanted = [asked.tier] if asked.tier in prices or receipt.status == "unknown" else [STANDARD]
    return {tier: prices[tier] for tier in wanted if tier in prices and any(rates.schedule(prices[tier], asked.day))}
