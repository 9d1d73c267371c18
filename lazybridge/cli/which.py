"""`lazybridge which`: where a model string goes, and what is known of the model."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lazybridge.cli.choice import ProviderFacts, facts
from lazybridge.cli.record import SCHEMA_VERSION
from lazybridge.core import catalogue, registry
from lazybridge.core.catalogue import ModelProfile, Price
from lazybridge.engine import LLMEngine


@dataclass(frozen=True)
class Where:
    """A model string, resolved."""

    why: str
    model: str
    tiers: tuple[str, ...]
    provider: ProviderFacts
    profile: ModelProfile


def where(model: str) -> Where:
    """Resolve as `Agent(model)` does, without a key. Raises UnknownModelError where no rule knows the string."""
    route = LLMEngine.route(model)
    cls = registry.provider_class(route.provider)
    resolved = cls.resolve_tier(route.model or cls.default_model)
    tiers = tuple(tier for tier, id in cls._TIER_ALIASES.items() if id == resolved)
    found = facts(cls)
    return Where(route.why, resolved, tiers, found, catalogue.profile(found.provider, resolved))


def as_json(found: Where) -> dict[str, Any]:
    """The resolved model as plain JSON; unknown is null."""
    provider = found.provider
    return {
        "schema_version": SCHEMA_VERSION,
        "model": found.model,
        "rule": found.why,
        "provider": provider.provider,
        "class": provider.cls,
        "sdk": provider.sdk,
        "sdk_version": provider.sdk_version,
        "key_variable": provider.key_variable,
        "key_set": provider.key_set,
        "price": _free() if provider.provider == "local" else _price(found.profile.price),
        "context_window": found.profile.context_window,
        "max_output_tokens": found.profile.max_output_tokens,
        "tiers": list(found.tiers),
    }


def as_text(found: Where) -> str:
    """The resolved model for people."""
    provider, profile = found.provider, found.profile
    rows = [
        ("model", found.model),
        ("provider", f"{provider.provider} ({found.why})"),
        ("class", provider.cls),
        ("package", "none" if provider.sdk is None else f"{provider.sdk} {provider.sdk_version or 'is not installed'}"),
        (
            "key",
            "none needed" if provider.key_variable is None else f"{provider.key_variable} {_set(provider.key_set)}",
        ),
        *(("" if place else "price", line) for place, line in enumerate(_price_lines(found))),
        ("window", "unknown" if profile.context_window is None else f"{profile.context_window:,} tokens"),
        ("output", "unknown" if profile.max_output_tokens is None else f"up to {profile.max_output_tokens:,} tokens"),
        ("tiers", ", ".join(found.tiers) or "none"),
    ]
    return "\n".join(f"{name:<10}{value}" for name, value in rows)


def _set(value: bool | None) -> str:
    return "is set" if value else "is not set"


def _free() -> dict[str, Any]:
    return {
        "input": 0.0,
        "cached_input": 0.0,
        "output": 0.0,
        "long_context": None,
        "source": "runs here",
        "as_of": None,
    }


def _price(price: Price | None) -> dict[str, Any] | None:
    """USD for a million tokens."""
    if price is None:
        return None
    beyond = price.long_context
    return {
        "input": float(price.input),
        "cached_input": None if price.cached_input is None else float(price.cached_input),
        "output": float(price.output),
        "long_context": None if beyond is None else {"above": price.long_context_above, **(_price(beyond) or {})},
        "source": price.source,
        "as_of": price.as_of,
    }


def _price_lines(found: Where) -> list[str]:
    price = found.profile.price
    if found.provider.provider == "local":
        return ["free, it runs on this machine"]
    if price is None:
        return ["unknown"]
    lines = [f"{_rates(price)}, per million tokens"]
    if price.long_context is not None:
        lines.append(f"{_rates(price.long_context)}, for requests above {price.long_context_above:,} input tokens")
    return [*lines, f"source: {price.source}, {price.as_of}"]


def _rates(price: Price) -> str:
    cached = "" if price.cached_input is None else f", ${_plain(price.cached_input)} cached in"
    return f"${_plain(price.input)} in{cached}, ${_plain(price.output)} out"


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}" if round(amount, 2) != amount else f"{amount:.2f}"
