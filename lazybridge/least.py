"""What an attempt cost at least that broke off: the vendor may have worked, and charged, for more than what arrived."""

from __future__ import annotations

from dataclasses import replace

from lazybridge.arrived import Arrived
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import receipt_for
from lazybridge.core.receipt import Receipt, unknown
from lazybridge.core.types import CompletionRequest, UsageStats
from lazybridge.envelope import Attempt


def note_least(
    attempt: Attempt, provider: BaseProvider, request: CompletionRequest, arrived: Arrived, why: str
) -> None:
    """Put the bound on the attempt; `why` it is no more than that."""
    if provider._free:
        attempt.usage = UsageStats(cost_usd=0.0)
        return
    used = arrived.usage(request)
    attempt.usage = UsageStats()
    if used is None:
        attempt.receipt = unknown(f"{why}, before anything arrived")
        return
    # Which tier served is said at the end: of those that are possible, the cheapest.
    possible = (used.service_tier,) if used.service_tier else (None, "flex")
    bounds = [priced(attempt, provider, replace(used, service_tier=tier)) for tier in possible]
    least = min(bounds, key=lambda bound: (bound.total is None, bound.total or 0))
    attempt.receipt = least.at_least(f"{why}; this is what had arrived")


def priced(attempt: Attempt, provider: BaseProvider, usage: UsageStats) -> Receipt:
    """What this usage costs at the attempt's model, when it was sent."""
    return receipt_for(provider, attempt.model or "", usage, attempt.started)
