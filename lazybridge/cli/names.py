"""What the user named: a provider, a model, and the class that answers for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import click

from lazybridge.core import catalogue, registry
from lazybridge.core.catalogue import ModelProfile, tables
from lazybridge.core.errors import UnknownModelError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import TIERS
from lazybridge.engine import LLMEngine


class Target(NamedTuple):
    """A model string, resolved. `cls` is None for a vendor with a price table and no provider class; then no rule, `why`,
    leads to it."""

    profile: ModelProfile
    model: str
    cls: type[BaseProvider] | None = None
    why: str | None = None

    @property
    def free(self) -> bool:
        """Whether the provider charges nothing, whatever the model."""
        return self.cls is not None and self.cls._free

    @property
    def tiers(self) -> tuple[str, ...]:
        """The tiers that point to the model."""
        return () if self.cls is None else tiers_of(self.cls, self.model)


def target(model: str, provider: str | None = None) -> Target:
    """Resolve as `Agent(model, provider=provider)` does, without a key; the catalogue answers where no rule knows the
    string. Raises UnknownModelError where that does not know it either."""
    if provider is not None:
        if not registry.is_provider(provider):
            return Target(catalogue.profile(provider, model), model)
        return _at(registry.provider_class(provider), model, f"provider {provider!r}")
    try:
        route = LLMEngine.route(model)
    except UnknownModelError:
        found = catalogue.anywhere(model)
        if not found.known:
            raise
        vendor, slash, rest = model.partition("/")
        return Target(found, rest if slash and tables.name_of(vendor) == found.vendor else model)
    return _at(registry.provider_class(route.provider), route.model, route.why)


def _at(cls: type[BaseProvider], model: str | None, why: str) -> Target:
    resolved = cls.resolve_tier(model or cls.default_model)
    return Target(profile_at(cls, resolved), resolved, cls, why)


def profile_at(cls: type[BaseProvider], model: str) -> ModelProfile:
    """What is known of a provider's model; the catalogue is not asked for those of this machine."""
    name = cls.registered_name()
    return ModelProfile(model, name) if cls._free else catalogue.profile(name, model)


def tiers_of(cls: type[BaseProvider], model: str) -> tuple[str, ...]:
    """The tiers of a provider that point to a model."""
    return tuple(tier for tier, id in tier_table(cls).items() if id == model)


def tier_table(cls: type[BaseProvider]) -> dict[str, str]:
    """What each tier of a provider means here and now."""
    return {tier: cls.resolve_tier(tier) for tier in cls._TIER_ALIASES}


def provider(context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    """The name of a provider class, or of a vendor with a price table."""
    if given is None:
        return None
    name = LLMEngine._PROVIDER_ALIASES.get(given.lower(), given)
    if registry.is_provider(name):
        return registry.key_of(name)
    if tables.is_vendor(given):
        return tables.name_of(given)
    known = sorted({*registry.provider_names(), *tables.vendors()})
    hint = registry.near(given, known) or f"; known: {', '.join(known)}"
    raise click.BadParameter(f"no provider is called {given!r}{hint}", context, parameter)


def tier(context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    """A tier word."""
    return None if given is None else word(given, TIERS, "tier", context, parameter)


def word(given: str, known: Iterable[str], kind: str, context: click.Context, parameter: click.Parameter) -> str:
    """One of the known words, whatever its case; any other is a usage error that names the near ones."""
    found, words = given.strip().lower().replace("-", "_"), tuple(known)
    if found in words:
        return found
    hint = registry.near(found, words) or f"; known: {', '.join(words)}"
    raise click.BadParameter(f"no {kind} is called {given!r}{hint}", context, parameter)
