"""`lazybridge which`: where a model string goes, and what is known of the model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from lazybridge.cli import rates
from lazybridge.cli.choice import ProviderFacts, facts
from lazybridge.cli.names import Target, target
from lazybridge.cli.record import SCHEMA_VERSION
from lazybridge.core import registry
from lazybridge.core.catalogue import STANDARD, ModelProfile, lifecycle


@dataclass(frozen=True)
class Where:
    """A model string, resolved, as of a day; `provider` is None where no class answers for the vendor."""

    target: Target
    provider: ProviderFacts | None
    on: date

    @property
    def profile(self) -> ModelProfile:
        """What is known of the model."""
        return self.target.profile

    @property
    def vendor(self) -> str:
        """Who sells it."""
        return self.profile.vendor if self.provider is None else self.provider.provider


def where(model: str) -> Where:
    """Resolve as `Agent(model)` does, without a key. Raises UnknownModelError where no rule and no price table knows it."""
    found = target(model)
    return Where(found, None if found.cls is None else facts(found.cls), lifecycle.today())


def as_json(found: Where) -> dict[str, Any]:
    """The resolved model as plain JSON; unknown is null."""
    provider, profile = found.provider, found.profile
    tiers = {tier: rates.as_json(periods, found.on) for tier, periods in (profile.prices or {}).items()}
    standard = tiers.pop(STANDARD, None)
    return {
        "schema_version": SCHEMA_VERSION,
        "model": found.target.model,
        "catalogue_id": profile.id if profile.known else None,
        "rule": found.target.why,
        "provider": found.vendor,
        "class": provider and provider.cls,
        "sdk": provider and provider.sdk,
        "sdk_version": provider and provider.sdk_version,
        "key_variable": provider and provider.key_variable,
        "key_set": provider and provider.key_set,
        "price": rates.FREE if found.target.free else standard,
        "service_tiers": tiers,
        "unpriced": profile.unpriced,
        **limits_and_abilities(profile),
        "efforts": None if profile.efforts is None else list(profile.efforts),
        "retires": profile.retires and profile.retires.isoformat(),
        "days_left": lifecycle.days_left(profile, found.on),
        "replacement": profile.replacement,
        "tiers": list(found.target.tiers),
        "sources": list(profile.sources),
    }


def limits_and_abilities(profile: ModelProfile) -> dict[str, Any]:
    """What a model takes and can do, as plain JSON; unknown is null."""
    names = ("context_window", "max_output_tokens", "vision", "audio", "documents", "tools", "structured_output", "thinking")  # fmt: skip
    return {name: getattr(profile, name) for name in names}


def as_text(found: Where) -> str:
    """The resolved model for people."""
    profile = found.profile
    other = [("row", [profile.id])] if profile.known and profile.id != found.target.model else []
    rows = [
        ("model", [found.target.model]),
        *other,
        *_provider(found),
        ("price", _price(found)),
        ("window", [_limit("", profile.context_window)]),
        ("output", [_limit("up to ", profile.max_output_tokens)]),
        ("senses", [_senses(profile)]),
        ("abilities", [_abilities(profile)]),
        ("retires", [_retires(profile, found.on)]),
        ("tiers", [", ".join(found.target.tiers) or "none"]),
        *([("facts", list(profile.sources))] if profile.sources else []),
    ]
    return "\n".join(f"{'' if place else name:<10}{line}" for name, lines in rows for place, line in enumerate(lines))


def _provider(found: Where) -> list[tuple[str, list[str]]]:
    provider = found.provider
    if provider is None and (served := registry.served_as(found.target.model)):
        return [("provider", [f"none, no rule knows this id; write {' or '.join(served[:4])}"])]
    if provider is None:
        return [("provider", [f"{found.vendor}, of which lazybridge has prices but no provider class"])]
    package = provider.package or "none"
    variable = provider.key_variable
    none = f"the vendor's, which {provider.sdk} finds" if provider.in_process else "none needed"
    key = none if variable is None else f"{variable} is {'set' if provider.key_set else 'not set'}"
    named = f"{provider.provider} ({found.target.why})"
    return [("provider", [named]), ("class", [provider.cls]), ("package", [package]), ("key", [key])]


def _price(found: Where) -> list[str]:
    profile, on = found.profile, found.on
    if found.target.free:
        return ["free, it runs on this machine"]
    if not profile.prices:
        return [f"unknown: {profile.unpriced}" if profile.unpriced else "unknown"]
    standard = profile.prices.get(STANDARD, ())
    now = rates.price_on(profile, on)
    tiers = [f"{tier}: {rates.short(periods, on, now)}" for tier, periods in profile.prices.items() if tier != STANDARD]
    return [*(rates.lines(standard, on) or ["unknown at the standard tier"]), *tiers, *rates.sources(standard, on)]


def _limit(words: str, tokens: int | None) -> str:
    return "unknown" if tokens is None else f"{words}{tokens:,} tokens"


def _senses(profile: ModelProfile) -> str:
    return _yes_no({"images": profile.vision, "audio": profile.audio, "documents": profile.documents})


def _abilities(profile: ModelProfile) -> str:
    known = _yes_no({"tools": profile.tools, "structured output": profile.structured_output})
    efforts = f" (efforts: {', '.join(profile.efforts)})" if profile.efforts else ""
    thinking = "unknown" if profile.thinking is None else f"{profile.thinking}{efforts}"
    return f"{known}, thinking {thinking}"


def _yes_no(facts: dict[str, bool | None]) -> str:
    words = {True: "yes", False: "no", None: "unknown"}
    return ", ".join(f"{name} {words[value]}" for name, value in facts.items())


def _retires(profile: ModelProfile, on: date) -> str:
    left = lifecycle.days_left(profile, on)
    if left is None:
        return "no date is known"
    days = f"{abs(left):,} day{'' if abs(left) == 1 else 's'}"
    when = "today" if left == 0 else f"in {days}" if left > 0 else f"{days} ago"
    return f"{profile.retires}, {when}" + (f"; use {profile.replacement}" if profile.replacement else "")
