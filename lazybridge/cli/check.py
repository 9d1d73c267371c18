"""`lazybridge check`: model ids in source files that are retired, about to be, or unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from lazybridge.cli.exits import Exit
from lazybridge.cli.notes import note
from lazybridge.cli.record import SCHEMA_VERSION, print_json
from lazybridge.cli.scan import Finding, Scanner
from lazybridge.core.catalogue import lifecycle


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True))
@click.option(
    "--days", type=click.IntRange(min=0), default=lifecycle.SOON, show_default=True, metavar="N",
    help="A model that retires within so many days is retiring.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, paths: Sequence[str], days: int, as_json: bool) -> None:
    """Find model ids in source files that are retired, retiring or unknown.

    Exit code 1 where a model is retired or retiring. A line with `lazybridge: ignore` in a comment is skipped.
    """
    scanner = Scanner(lifecycle.today(), days)
    findings = list(scanner.scan(paths))
    counts = Counter(finding.status for finding in findings)
    failed = bool(counts["retired"] or counts["retiring"])
    if as_json:
        print_json(_json(scanner, findings, ok=not failed))
    else:
        for finding in findings:
            click.echo(f"{finding.file}:{finding.line}: {finding.message(scanner.on, days)}")
        files = f"{scanner.count:,} file{'' if scanner.count == 1 else 's'}"
        note(f"{files}: {counts['retired']} retired, {counts['retiring']} retiring within {days} days, {counts['unknown']} unknown")  # fmt: skip
    ctx.exit(Exit.FAILED if failed else Exit.OK)


def _json(scanner: Scanner, findings: Sequence[Finding], *, ok: bool) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": ok,
        "on": scanner.on.isoformat(),
        "days": scanner.within,
        "files": scanner.count,
        "findings": [_finding(scanner, finding) for finding in findings],
    }


def _finding(scanner: Scanner, finding: Finding) -> dict[str, Any]:
    profile = finding.profile
    return {
        "file": finding.file,
        "line": finding.line,
        "model": finding.model,
        "status": finding.status,
        "message": finding.message(scanner.on, scanner.within),
        "provider": profile and profile.vendor,
        "retires": profile and profile.retires and profile.retires.isoformat(),
        "days_left": profile and lifecycle.days_left(profile, scanner.on),
        "replacement": profile and profile.replacement,
    }
