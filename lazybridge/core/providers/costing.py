"""What an answer cost, by whoever knows: a user's `_compute_cost`, the vendor's own figure, or the catalogue."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import UTC, datetime

from lazybridge.core import catalogue, pricing
from lazybridge.core.catalogue import registered, tables
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.receipt import FREE, Receipt, stated, unknown
from lazybridge.core.usage import UsageStats


def receipt_for(provider: BaseProvider, model: str, usage: UsageStats, began: float) -> Receipt:
    """The receipt of one answer that was asked for at `began` (seconds since the epoch).

    A user's 3-argument `_compute_cost` wins. A cost that a user's provider filled in itself stands, but for the 0.0 of
    a provider whose `_compute_cost` knows better. A built-in asks the catalogue, any other only registered prices.
    """
    if computes(provider):
        return _computed(provider, model, usage)
    if provider._free:
        return FREE
    name = provider.registered_name()
    if not provider._adjusts_itself and usage.cost_usd is not None:
        return stated(usage.cost_usd, model, f"reported by {name}")
    return pricing.receipt(priced_profile(provider, model), usage, datetime.fromtimestamp(began, UTC))


def priced_profile(provider: BaseProvider, model: str) -> catalogue.ModelProfile:
    """The row that a provider's answers are priced by: that of its vendor for a built-in and what is derived from one,
    else a bare one; and whatever was registered for it."""
    name = provider.registered_name()
    vendor = provider.vendor_name()
    row = catalogue.profile(vendor, model) if provider._adjusts_itself else catalogue.ModelProfile(model, name)
    if provider._unpriced is not None:
        row = replace(row, prices=None, unpriced=provider._unpriced)
    elif name == vendor and provider._adjusts_itself:
        return row
    return registered.priced(row, tables.name_of(name), tuple(catalogue.spellings(name, model)))


def computes(provider: BaseProvider) -> bool:
    """Whether a class outside lazybridge says what a call costs."""
    return not type(provider)._compute_cost.__module__.startswith("lazybridge.")


def _computed(provider: BaseProvider, model: str, usage: UsageStats) -> Receipt:
    name = f"{type(provider).__name__}._compute_cost"
    if usage.cost_usd:
        return stated(usage.cost_usd, model, name)
    if usage.input_tokens is None or usage.output_tokens is None:
        return unknown("the provider did not say how many tokens there were")
    try:
        cost = provider._compute_cost(model, usage.input_tokens, usage.output_tokens)
    except Exception as exc:  # a price table without this model must not cost the answer that is there
        warnings.warn(f"{name} failed: {exc!r}", UserWarning, stacklevel=2)
        return unknown(f"{name} failed: {exc!r}")
    return unknown(f"{name} knows no price of {model}") if cost is None else stated(cost, model, name)
