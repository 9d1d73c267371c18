"""Which provider a model string goes to."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from itertools import chain
from typing import Any, ClassVar, Literal

from lazybridge.core import catalogue, registry, tiers
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.makers import BUILT_IN_RULES, Rule
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.registry import Route
from lazybridge.default_choice import default_provider

_MAKERS = (
    "anthropic",
    "openai",
    "google",
    "mistral",
    "xai",
    "deepseek",
    "zai",
)  # whose ids a misspelt one may be near to


class Routing:
    """The tables that say where a model goes, and how to add to them."""

    _PROVIDER_ALIASES: ClassVar[dict[str, str]] = dict(registry.BUILT_IN_ALIASES)
    _PROVIDER_RULES: ClassVar[list[Rule]] = list(BUILT_IN_RULES)
    _PROVIDER_DEFAULT: ClassVar[str | None] = None

    @classmethod
    def register_provider_alias(cls, alias: str, provider: str) -> None:
        """Send the exact model string `alias` (case does not count) to a provider."""
        cls._PROVIDER_ALIASES[alias.lower()] = provider

    @classmethod
    def register_provider_rule(
        cls, pattern: str, provider: str, *, kind: Literal["contains", "startswith"] = "contains"
    ) -> None:
        """Send every model id that contains, or starts with, `pattern` to a provider; the newest rule is asked first."""
        if kind not in ("contains", "startswith"):
            raise ConfigurationError(f'no rule kind is called {kind!r}\nwrite kind="contains" or kind="startswith"')
        cls._PROVIDER_RULES.insert(0, (kind, pattern, provider))

    @classmethod
    def route(cls, model: str) -> Route:
        """Where a model string goes, and why. Raises UnknownModelError where no rule knows it."""
        known = chain(cls._PROVIDER_ALIASES, (id for vendor in _MAKERS for id in catalogue.ids(vendor)))
        return registry.route(model, cls._PROVIDER_ALIASES, cls._PROVIDER_RULES, cls._PROVIDER_DEFAULT, known)

    @classmethod
    def chosen(
        cls,
        model: str | None,
        provider: str | type[BaseProvider] | BaseProvider | None,
        tier: str | None,
        options: Mapping[str, Any],
    ) -> tuple[type[BaseProvider] | BaseProvider, str | None]:
        """The provider that these words name, built where a built one was given, and the model or tier to ask it for.

        Raises ConfigurationError, UnknownModelError among them, where they name none.
        """
        if isinstance(provider, BaseProvider):
            if options:
                raise ConfigurationError(
                    f"{', '.join(options)} cannot be given beside a provider that is built already\n"
                    f"pass it to {type(provider).__name__}(...)"
                )
            return provider, tier or model
        if isinstance(provider, str):
            provider = registry.provider_class(cls._PROVIDER_ALIASES.get(provider.lower(), provider))
        if provider is None and model is None:
            choice = default_provider(cls._PROVIDER_DEFAULT)
            print(f"lazybridge: {choice.why}", file=sys.stderr)
            provider = registry.provider_class(choice.name)
        if provider is None:
            assert model is not None
            found = cls.route(model)
            provider, model = registry.provider_class(found.provider), found.model
        elif model is not None and not _has_own_url(provider, options):
            model = _without_prefix(model, provider)
        return provider, tier or model or tiers.chosen(provider.registered_name(), "default")


def _has_own_url(provider: type[BaseProvider], options: Mapping[str, Any]) -> bool:
    variable = getattr(provider, "url_variable", None)
    return bool(options.get("base_url") or (variable and os.environ.get(variable)))


def _without_prefix(model: str, provider: type[BaseProvider]) -> str:
    """`openai/gpt-6-luna` with provider openai means `gpt-6-luna`; at a base URL of one's own the id is the server's."""
    vendor, slash, rest = model.partition("/")
    return rest if slash and rest and registry.key_of(vendor) == registry.key_of(provider.registered_name()) else model
