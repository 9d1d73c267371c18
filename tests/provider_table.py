"""Prints the table of docs/providers.md from the classes; `python -m tests.provider_table --write` puts it there."""

from __future__ import annotations

import sys
from pathlib import Path

from lazybridge.core import registry
from lazybridge.core.types import TIERS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "providers.md"
START, END = "tests/test_docs.py -->\n", "<!-- end -->"


def table() -> str:
    lines = [f"| provider | {' | '.join(TIERS)} | native tools | key |", "|---" * (len(TIERS) + 3) + "|"]
    for name in sorted(registry._BUILT_IN):
        cls = registry.provider_class(name)
        tiers = [f"`{cls._TIER_ALIASES[tier]}`" if tier in cls._TIER_ALIASES else "" for tier in TIERS]
        tools = ", ".join(sorted(cls.supported_native_tools)) or "none"
        key = getattr(cls, "key_variable", None) if getattr(cls, "needs_key", True) else None
        lines.append(f"| `{name}` | {' | '.join(tiers)} | {tools} | {f'`{key}`' if key else 'none'} |")
    return "\n".join(lines) + "\n"


def page_with_table() -> str:
    head, rest = PAGE.read_text().split(START)
    return head + START + table() + END + rest.split(END, 1)[1]


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page_with_table())
    else:
        print(table(), end="")
