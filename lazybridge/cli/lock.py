"""`lazybridge lock`: pin what the tiers mean today, and show what has changed since."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import click

from lazybridge.cli.exits import Exit
from lazybridge.cli.notes import note
from lazybridge.core import catalogue, registry, tiers
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.receipt import plain
from lazybridge.core.types import TIERS

Rows = dict[str, dict[str, dict[str, Any]]]


@click.command("lock")
@click.option("--file", "path", type=click.Path(path_type=Path, dir_okay=False), help="The lock file; default: the one in force, else ./lazybridge.lock.")  # fmt: skip
@click.option("--diff", is_flag=True, help="Only show what would change; exit code 1 where something would.")
@click.pass_context
def command(ctx: click.Context, /, path: Path | None, diff: bool) -> None:
    """Pin each provider's default model and tiers to today's models.

    Later runs obey ./lazybridge.lock, or the file that LAZYBRIDGE_LOCK names; LAZYBRIDGE_LOCK=off ignores it.
    """
    path = path or tiers.lock_path() or Path(tiers.LOCK_FILE)
    if not path.parent.is_dir():
        raise click.UsageError(f"no directory is called {str(path.parent)!r}")
    before, now = _locked(path), today()
    changes = [*differences(before, now)]
    click.echo("\n".join(changes) or f"{path} is up to date")
    if diff:
        ctx.exit(Exit.FAILED if changes else Exit.OK)
    head = {"locked_on": date.today().isoformat(), "tiers": now}
    if changes or not path.exists():
        written = path.with_name(f"{path.name}.new")
        written.write_text(json.dumps(head, indent=2) + "\n", encoding="utf-8")
        written.replace(path)
        click.echo(f"wrote {path}", err=True)


def _locked(path: Path) -> Rows:
    """What a lock file says; nothing where it is not there, or damaged, and will be written anew."""
    if not path.exists():
        return {}
    try:
        tiers.locked(path)
    except ConfigurationError as exc:
        note(str(exc).splitlines()[0])
        return {}
    found: Rows = json.loads(path.read_bytes())["tiers"]
    return found


def today() -> Rows:
    """What each built-in provider's own tables say: provider -> "default" or tier -> model and its price."""
    found: Rows = {}
    for name in registry.provider_names():
        cls = registry.provider_class(name)
        words: dict[str, str] = {"default": cls.default_model}
        words |= {tier: cls._TIER_ALIASES[tier] for tier in TIERS if tier in cls._TIER_ALIASES}
        found[name] = {word: {"model": model, **_price(name, model)} for word, model in words.items() if model}
    return found


def differences(before: Rows, now: Rows) -> list[str]:
    """One line for each word that means another model, or costs another price, than before."""
    lines = []
    for provider in sorted({*before, *now}):
        old, new = before.get(provider, {}), now.get(provider, {})
        for word in dict.fromkeys((*old, *new)):
            if old.get(word) != new.get(word):
                lines.append(f"{provider} {word}: {_shown(old.get(word))} -> {_shown(new.get(word))}")
    return lines


def _price(provider: str, model: str) -> dict[str, str]:
    price = catalogue.profile(provider, model).price()
    return (
        {} if price is None else {unit: plain(price.rates[unit]) for unit in ("input", "output") if unit in price.rates}
    )


def _shown(row: dict[str, Any] | None) -> str:
    if row is None:
        return "nothing"
    rates = f" (${row['input']} in, ${row['output']} out)" if "input" in row and "output" in row else ""
    return f"{row['model']}{rates}"
