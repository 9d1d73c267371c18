"""`lazybridge costs`: what a ledger says was spent."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from lazybridge.cli.notes import note
from lazybridge.cli.record import SCHEMA_VERSION, print_json
from lazybridge.cli.spent import KEYS, Report, Spent, label
from lazybridge.ledger import VARIABLE, Ledger, LedgerRow

_BAR = 9
_EIGHTHS = " ▏▎▍▌▋▊▉"


def _moment(context: click.Context, parameter: click.Parameter, given: str | None) -> date | None:
    """A day or a moment; `--until` a day means to the end of it."""
    if given is None:
        return None
    try:
        try:
            day = date.fromisoformat(given)
        except ValueError:
            return datetime.fromisoformat(given)
        return day + timedelta(days=1) if parameter.name == "until" else day
    except (ValueError, OverflowError):
        raise click.BadParameter("write a day such as 2026-10-31, or 2026-10-31T12:00", context, parameter) from None


@click.command()
@click.option("--ledger", "path", envvar=VARIABLE, show_envvar=True, metavar="PATH", help="The ledger's file.")
@click.option(
    "--by", type=click.Choice(list(KEYS)), default="day", show_default=True, help="One line for each of these."
)
@click.option("--since", metavar="DATE", callback=_moment, help="From this day or moment on, in UTC.")
@click.option("--until", metavar="DATE", callback=_moment, help="To the end of this day, or to this moment, in UTC.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="As comma-separated values.")
@click.option("--html", "page", metavar="FILE", help="Write a page with charts.")
def command(
    path: str | None, by: str, since: date | None, until: date | None, as_json: bool, as_csv: bool, page: str | None
) -> None:
    """Show what a ledger says was spent."""
    if as_json + as_csv + (page is not None) > 1:
        raise click.UsageError("--json, --csv and --html are one choice of three")
    with _open(path) as ledger:
        if page is not None:
            return _write_page(ledger, ledger.rows(since, until), page)
        report = Report(ledger.rows(since, until), (by,))
    if as_json:
        print_json(_json(report, by, ledger.path, since, until))
    elif as_csv:
        click.echo(_csv(report, by), nl=False)
    else:
        _print_table(report, by)


def _open(path: str | None) -> Ledger:
    if not path:
        raise click.UsageError("no ledger is named\nwrite lazybridge costs --ledger spend.db")
    if not os.path.exists(os.path.expanduser(path)):
        raise click.UsageError(
            f"there is no ledger at {path}\nthe first call under {VARIABLE}={path} makes it, or Ledger({path!r})"
        )
    return Ledger(path)


def _write_page(ledger: Ledger, rows: Iterator[LedgerRow], path: str) -> None:
    from lazybridge.cli.costs_page import page

    text = page(Report(rows, KEYS), ledger.path)
    try:
        Path(path).write_text(text, "utf-8")
    except OSError as exc:
        raise click.UsageError(f"cannot write {path}: {exc.strerror}\nname another file: --html costs.html") from None
    note(f"wrote {path}")


def _json(report: Report, by: str, path: str, since: date | None, until: date | None) -> dict[str, Any]:
    """`until` is the first moment that is no longer in it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ledger": path,
        "by": by,
        "since": None if since is None else since.isoformat(),
        "until": None if until is None else until.isoformat(),
        "groups": [spent.record(name) for name, spent in report.sorted(by)],
        "total": report.total.record(None),
    }


def _csv(report: Report, by: str) -> str:
    text = io.StringIO()
    names = [by, *list(Spent().record(None))[1:]]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for name, spent in report.sorted(by):
        writer.writerow(spent.record(None if name is None else label(name)).values())
    return text.getvalue()


def _print_table(report: Report, by: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    plain_letters = not (sys.stdout.encoding or "").lower().startswith("utf")
    at_least = ">= " if plain_letters else "≥ "
    most = max((spent.usd for _, spent in report.sorted(by)), default=Decimal(0))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(by, overflow="fold")
    for title in ("calls", "failed", "input", "cached", "output", "cost"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=_BAR)
    for name, spent in report.sorted(by):
        bar = "" if not most else _bar(float(spent.usd / most), plain_letters)
        table.add_row(Text(label(name)), *_cells(spent, at_least), Text(bar, style="cyan"))
    table.add_section()
    table.add_row(Text("total"), *_cells(report.total, at_least), "", style="bold")
    console = Console(file=io.StringIO(), force_terminal=sys.stdout.isatty() or None, highlight=False)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    click.echo("\n".join(line.rstrip() for line in console.file.getvalue().splitlines()))
    caveat = report.total.caveat()
    if caveat is not None:
        lines = caveat.replace("; ", ";\n")
        click.echo(f"{at_least}at least: {lines}" if report.total.usd else lines)


def _cells(spent: Spent, at_least: str) -> list[str]:
    failed = f"{spent.failed:,}" if spent.failed else "-"
    return [f"{spent.calls:,}", failed, *map(str, spent.tokens.values()), spent.money(at_least)]


def _bar(part: float, plain_letters: bool) -> str:
    """A bar as long as its part of the longest; whatever cost something has one that can be seen."""
    eighths = max(round(part * _BAR * 8), 1 if part else 0)
    if plain_letters:
        return "#" * max(eighths // 8, 1 if eighths else 0)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
