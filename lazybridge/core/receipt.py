"""Receipt: what something cost, line by line, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Context, Decimal, InvalidOperation
from typing import Literal, NamedTuple

from lazybridge.core.showing import Shown

Status = Literal["exact", "lower_bound", "unknown"]
# Sums of prices are exact whatever precision the caller's own decimal context has.
MONEY = Context(prec=60)
_ZERO = Decimal(0)


class Line(NamedTuple):
    """One class of tokens, searches or requests: `quantity` at `rate` USD for each `per` of them is `amount` USD."""

    unit: str
    quantity: int
    rate: Decimal
    per: int
    amount: Decimal
    model: str = ""
    tier: str = "standard"
    source: str = ""
    as_of: str = ""


@dataclass(frozen=True, slots=True)
class Receipt(Shown):
    """What something cost: `lines` that add up exactly to `total`, in USD.

    `status` is "exact"; "lower_bound" where it cost this much or more; "unknown" where nothing is known to have a
    price, and then `total` is None. `reasons` say what keeps it from being exact. Receipts add up: a sum keeps what is
    known, and is exact only where every part is.
    """

    total: Decimal | None
    status: Status
    lines: tuple[Line, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def cost_usd(self) -> float | None:
        """The total as a float where it is exact, else None."""
        return float(self.total) if self.status == "exact" and self.total is not None else None

    def at_least(self, reason: str) -> Receipt:
        """This much or more: the same lines, no longer exact."""
        status: Status = "unknown" if self.total is None else "lower_bound"
        return replace(self, status=status, reasons=_distinct((*self.reasons, reason)))

    def __add__(self, other: Receipt) -> Receipt:
        if not isinstance(other, Receipt):
            return NotImplemented
        lines = _merged((*self.lines, *other.lines))
        reasons = _distinct((*self.reasons, *other.reasons))
        if self.total is None and other.total is None:
            return Receipt(None, "unknown", lines, reasons)
        exact = self.status == other.status == "exact"
        total = MONEY.add(self.total or _ZERO, other.total or _ZERO)
        return Receipt(total, "exact" if exact else "lower_bound", lines, reasons)

    def __radd__(self, other: object) -> Receipt:
        """So that `sum(receipts)` works."""
        return self if other == 0 and not isinstance(other, Receipt) else NotImplemented

    def __str__(self) -> str:
        rows = [_row(line) for line in self.lines]
        rows.append(("total", "", "unknown" if self.total is None else f"${plain(self.total)}", _STATUS[self.status]))
        widths = [max(len(row[place]) for row in rows) for place in range(3)]
        shown = [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}" for row in rows]
        return "\n".join([*map(str.rstrip, shown), *(f"because {reason}" for reason in self.reasons)])


_STATUS: dict[Status, str] = {"exact": "exact", "lower_bound": "or more", "unknown": ""}
FREE = Receipt(_ZERO, "exact")


def receipt_of(lines: Iterable[Line], reasons: tuple[str, ...] = ()) -> Receipt:
    """The receipt of these lines: exact without a reason against it; unknown where nothing at all is priced."""
    kept = tuple(lines)
    total = _ZERO
    for line in kept:
        total = MONEY.add(total, line.amount)
    if not reasons:
        return Receipt(total, "exact", kept)
    return Receipt(total, "lower_bound", kept, reasons) if kept else unknown(*reasons)


def stated(cost: object, model: str, source: str, tier: str = "standard") -> Receipt:
    """The receipt of a cost in USD that somebody states as one amount; unknown where it is no amount of money."""
    try:
        amount = Decimal("nan") if isinstance(cost, bool) else Decimal(str(cost))
    except InvalidOperation:
        amount = Decimal("nan")
    if not (amount.is_finite() and amount >= 0):
        return unknown(f"{cost!r} is no amount of USD ({source})")
    return receipt_of([Line("requests", 1, amount, 1, amount, model, tier, source)])


def unknown(*reasons: str) -> Receipt:
    """A receipt of which nothing is known, and why."""
    return Receipt(None, "unknown", (), reasons)


_SHIFT = {1_000_000: -6, 1_000: -3, 1: 0}


def amount(quantity: int, rate: Decimal, per: int) -> Decimal:
    """What a quantity costs, exactly; `per` is a million, a thousand or 1."""
    return MONEY.scaleb(MONEY.multiply(quantity, rate), _SHIFT[per])


def plain(number: Decimal) -> str:
    """Without an exponent or superfluous zeros."""
    return f"{MONEY.normalize(number):f}"


def _merged(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Lines that differ by their quantity alone as one line; in an order that does not depend on who was added first."""
    found: dict[Line, tuple[int, Decimal]] = {}
    for line in lines:
        key = line._replace(quantity=0, amount=_ZERO)
        quantity, sum_ = found.get(key, (0, _ZERO))
        found[key] = (quantity + line.quantity, MONEY.add(sum_, line.amount))
    merged = (key._replace(quantity=quantity, amount=sum_) for key, (quantity, sum_) in found.items())
    return tuple(sorted(merged, key=lambda line: (line.model, line.tier, line.unit, line)))


def _distinct(reasons: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(reasons)))


def _row(line: Line) -> tuple[str, str, str, str]:
    per = {1_000_000: " / 1M", 1_000: " / 1k", 1: ""}.get(line.per, f" / {line.per:,}")
    tier = "" if line.tier == "standard" else f"{line.tier}, "
    note = f"{line.model} ({tier}{line.source}{', ' if line.as_of else ''}{line.as_of})"
    return line.unit, f"{line.quantity:,} x ${plain(line.rate)}{per}", f"${plain(line.amount)}", note
