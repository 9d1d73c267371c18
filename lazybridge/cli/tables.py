"""Tables: on a terminal drawn, elsewhere aligned columns without lines or colours."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

import click


def show(
    columns: Sequence[str], numbers: Collection[str], lines: Sequence[Sequence[str]], dim: Sequence[bool] = ()
) -> None:
    """Print a table. The columns in `numbers` are aligned to the right; where `dim` is true a line matters less."""
    if sys.stdout.isatty():
        _draw(columns, numbers, lines, dim or [False] * len(lines))
        return
    widths = [max(map(len, column)) for column in zip(columns, *lines, strict=True)]
    for line in (tuple(name.replace(" ", "_") for name in columns), *lines):
        aligned = (f"{cell:>{width}}" if name in numbers else f"{cell:<{width}}" for cell, width, name in zip(line, widths, columns, strict=True))  # fmt: skip
        click.echo("  ".join(aligned).rstrip())


def _draw(
    columns: Sequence[str], numbers: Collection[str], lines: Sequence[Sequence[str]], dim: Sequence[bool]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        shown.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for line, less in zip(lines, dim, strict=True):
        shown.add_row(*map(Text, line), style="dim" if less else "")
    Console().print(shown)
