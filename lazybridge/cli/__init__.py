"""The `lazybridge` command. Importing this module needs nothing beyond the base installation."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Run the command with `args`, by default those of the process, and return its exit code."""
    try:
        try:
            import click  # noqa: F401
            import rich  # noqa: F401
        except ModuleNotFoundError as exc:
            print(
                f'the lazybridge command needs the package {exc.name}\npip install "lazybridge[cli]"', file=sys.stderr
            )
            return 2
        from lazybridge.cli.app import run

        return run(args)
    except KeyboardInterrupt:
        return 130
