"""Sums over the rows of a ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lazybridge.cli.notes import cost
from lazybridge.core.receipt import MONEY, Status, plain
from lazybridge.ledger import LedgerRow

KEYS: dict[str, Callable[[LedgerRow], str | None]] = {
    "day": lambda row: row.at.date().isoformat(),
    "model": lambda row: row.served or row.asked,
    "agent": lambda row: row.agent,
    "provider": lambda row: row.provider,
    "status": lambda row: row.status,
}
CLASSES = ("input_tokens", "cached_input_tokens", "output_tokens")


@dataclass
class Tokens:
    """A count of what is known; `known` is None where nothing is, `complete` says whether that is all."""

    known: int | None = None
    complete: bool = True

    def add(self, count: int | None, *, nothing: bool) -> None:
        """Count what one attempt took; `nothing` says that it took none where it does not say."""
        if count is not None:
            self.known = (self.known or 0) + count
        elif not nothing:
            self.complete = False

    def __str__(self) -> str:
        """`1.2k`; `1.2k+` where it is that many or more; `?` where nothing is known."""
        if self.known is None:
            return "0" if self.complete else "?"
        return short(self.known) + ("" if self.complete else "+")


@dataclass
class Spent:
    """What some calls took. `usd` is the exact sum of what is known; the costs of `unknown` calls are not in it, and of
    `partly` calls only what they cost at least."""

    calls: int = 0
    failed: int = 0
    usd: Decimal = Decimal(0)
    unknown: int = 0
    partly: int = 0
    tokens: dict[str, Tokens] = field(default_factory=lambda: {name: Tokens() for name in CLASSES})

    def add(self, row: LedgerRow) -> None:
        """Add one attempt."""
        self.calls += 1
        self.failed += row.status != "ok"
        self.unknown += row.cost_usd is None
        self.partly += row.cost_status == "lower_bound"
        self.usd = MONEY.add(self.usd, row.cost_usd or Decimal(0))
        refused = row.status != "ok" and row.cost_status == "exact"
        for name, tokens in self.tokens.items():
            tokens.add(getattr(row, name), nothing=refused)

    def merge(self, other: Spent) -> None:
        """Add what other calls took."""
        for name in ("calls", "failed", "unknown", "partly"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.usd = MONEY.add(self.usd, other.usd)
        for name, tokens in other.tokens.items():
            self.tokens[name].add(tokens.known, nothing=tokens.complete)
            self.tokens[name].complete &= tokens.complete

    @property
    def status(self) -> Status:
        """How sure `usd` is; "unknown" where nothing is known to have a price, rather than a zero that may be false."""
        if not self.unknown and not self.partly:
            return "exact"
        return "lower_bound" if self.usd else "unknown"

    def money(self, at_least: str = "at least ") -> str:
        """The cost for people."""
        if self.status == "unknown":
            return "unknown"
        return (at_least if self.status == "lower_bound" else "") + dollars(self.usd)

    def record(self, group: str | None) -> dict[str, Any]:
        """As plain JSON: `cost_usd` only where it is exact, `known_cost_usd` as exact decimal text; unknown is null."""
        return {
            "group": group,
            "calls": self.calls,
            "failed": self.failed,
            **{name: tokens.known if tokens.known is not None or not tokens.complete else 0 for name, tokens in self.tokens.items()},
            "tokens_complete": all(tokens.complete for tokens in self.tokens.values()),
            "cost_usd": float(self.usd) if self.status == "exact" else None,
            "known_cost_usd": None if self.status == "unknown" else plain(self.usd),
            "cost_status": self.status,
            "unknown_cost_calls": self.unknown,
            "lower_bound_calls": self.partly,
        }  # fmt: skip

    def caveat(self) -> str | None:
        """What is not in the sum, in one sentence; None where all is."""
        parts = []
        if self.unknown:
            parts.append(f"the cost of {calls(self.unknown)} is unknown and in no sum")
        if self.partly:
            parts.append(f"{calls(self.partly)} cost more than is known")
        return "; ".join(parts) or None


class Report:
    """The sums of all rows, and of each group of each key."""

    def __init__(self, rows: Iterable[LedgerRow], keys: Iterable[str]) -> None:
        self.total = Spent()
        self.groups: dict[str, dict[str | None, Spent]] = {key: {} for key in keys}
        for row in rows:
            self.total.add(row)
            for key, groups in self.groups.items():
                name = KEYS[key](row)
                if name not in groups:
                    groups[name] = Spent()
                groups[name].add(row)

    def sorted(self, key: str) -> list[tuple[str | None, Spent]]:
        """Days in their order, other groups with the most expensive first."""
        found = self.groups[key].items()
        if key == "day":
            return sorted(found, key=lambda item: item[0] or "")
        return sorted(found, key=lambda item: (-item[1].usd, -item[1].calls, item[0] or ""))


def dollars(usd: Decimal) -> str:
    """`$12.30`, `$0.0041`, `$0`."""
    return cost(float(usd)) if usd else "$0"


def calls(count: int) -> str:
    """`1 call`, `1,204 calls`."""
    return f"{count:,} call{'' if count == 1 else 's'}"


def short(count: int) -> str:
    """`950`, `12.3k`, `4.0M`."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count // (size // 10) / 10:.1f}{unit}" if count < 100 * size else f"{count // size}{unit}"
    return str(count)


def label(name: str | None) -> str:
    """The name of a group, without what would steer a terminal."""
    if name is None:
        return "(none)"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
