"""What goes to stderr: errors, warnings and the footer."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import floor, log10
from typing import TextIO

import click

from lazybridge.envelope import EnvelopeMetadata


def complain(message: object) -> None:
    """An error, as one message without a traceback."""
    click.echo(f"Error: {message}", err=True)


def note(message: object) -> None:
    """Something to know, in one line."""
    click.echo(f"lazybridge: {message}", err=True)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Every warning as one line, without file, line number and source."""

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int,
        file: TextIO | None = None, line: str | None = None,
    ) -> None:  # fmt: skip
        note(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def footer(meta: EnvelopeMetadata, state: str | None = None) -> str:
    """`model · 1,204 in (1,000 cached) / 310 out · $0.0041 · 1.8 s · 1 attempt`; `state` is a word such as "stopped"."""
    count = len(meta.attempts)
    parts = (
        meta.model or "model unknown",
        state,
        _tokens(meta),
        _spent(meta),
        f"{meta.latency_ms / 1000:.1f} s",
        f"{count} attempt{'' if count == 1 else 's'}",
    )
    return " · ".join(part for part in parts if part is not None)


def _spent(meta: EnvelopeMetadata) -> str:
    total = meta.receipt.total
    if meta.cost_usd == 0 and meta.input_tokens is None:
        return "not charged"
    if meta.receipt.status == "lower_bound" and total is not None:
        return f"at least {cost(float(total))}" if total else "cost unknown"
    return cost(meta.cost_usd)


def cost(usd: float | None) -> str:
    """US dollars: cents above one dollar, four decimals below it, two significant digits for the smallest."""
    if usd is None:
        return "cost unknown"
    if usd == 0:
        return "free"
    digits = float(f"{usd:.1e}")
    decimals = 2 if usd >= 1 else 4 if digits >= 0.001 else 1 - floor(log10(digits))
    return f"${usd:.{decimals}f}"


def show_footer(text: str) -> None:
    """The footer on stderr: dim on a terminal, plain elsewhere and under NO_COLOR."""
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("NO_COLOR"):
        click.echo(text, err=True)
        return
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text(text, style="dim"), soft_wrap=True)


def _tokens(meta: EnvelopeMetadata) -> str:
    if meta.input_tokens is None and meta.output_tokens is None:
        return "tokens unknown"
    cached = f" ({meta.cached_input_tokens:,} cached)" if meta.cached_input_tokens else ""
    return f"{_count(meta.input_tokens)} in{cached} / {_count(meta.output_tokens)} out"


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"
