"""What a request would cost, and what would be sent, without sending it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from lazybridge.core.counting import Range
from lazybridge.core.providers.adjusting import fitted
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import computes
from lazybridge.core.receipt import plain
from lazybridge.core.showing import Shown
from lazybridge.core.types import CompletionRequest
from lazybridge.weighing import Weighed, payload

__all__ = ["Estimate", "estimate", "payload"]


@dataclass(frozen=True)
class Estimate(Shown):
    """What one request would cost in USD: at least, probably, and at most; None where that is not known.

    `low` takes all input from the vendor's cache and one token of output; `expected` has no cache; `high` has all input
    at the dearest rate and as much output as the model may write. `how` says how the tokens were counted and how sure that
    is, `reasons` why something is None or has no bound. Tool turns, retries and repairs are requests of their own.
    """

    model: str
    provider: str
    low: Decimal | None
    expected: Decimal | None
    high: Decimal | None
    input_tokens: Range
    output_tokens: Range
    how: str
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = [(self.model, "low", "expected", "high")]
        for name, counts in (("input tokens", self.input_tokens), ("output tokens", self.output_tokens)):
            low, expected, high = ("no bound" if count is None else f"{count:,}" for count in counts)
            rows.append((name, low, expected, high))
        costs = (self.low, self.expected, self.high)
        low, expected, high = ("not known" if cost is None else f"${plain(cost)}" for cost in costs)
        rows.append(("cost", low, expected, high))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([f"{row[0]:<{widths[0]}}", *map(str.rjust, row[1:], widths[1:])]) for row in rows]
        return "\n".join([*lines, self.how, *(f"because {reason}" for reason in self.reasons)])


def estimate(provider: BaseProvider, request: CompletionRequest, expected_output_tokens: int = 500) -> Estimate:
    """The cost of one request, without a request."""
    if not isinstance(expected_output_tokens, int) or expected_output_tokens < 1:
        raise ValueError(f"expected_output_tokens is a whole number above 0, got {expected_output_tokens!r}")
    if not provider._adjusts_itself:
        request, _ = fitted(provider, request)
    weighed = Weighed(provider, request)
    read, most = weighed.read, weighed.most
    wrote = Range(1, expected_output_tokens if most is None else min(expected_output_tokens, most), most)
    low = weighed.receipt(read.low, wrote.low, cached=True)
    expected = weighed.receipt(read.expected, wrote.expected)
    high = None if most is None else weighed.worst(most)
    reasons = [*expected.reasons, *weighed.problems()]
    if most is None and not provider._free:
        reasons.append(f"the most that {weighed.model} may write is not known; max_tokens=... sets it")
    if provider._free and not computes(provider):
        high = Decimal(0)
    how = f"{weighed.count.how[0].upper()}{weighed.count.how[1:]}."
    name = provider.registered_name()
    costs = (low.total, expected.total, high)
    return Estimate(weighed.model, name, *costs, read, wrote, how, tuple(dict.fromkeys(reasons)))
