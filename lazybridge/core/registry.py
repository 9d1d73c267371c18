"""Which class answers for a provider name, and which provider for a model id."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from lazybridge.core import catalogue
from lazybridge.core.catalogue import tables
from lazybridge.core.errors import ConfigurationError, UnknownModelError
from lazybridge.core.makers import Rule, matches

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from lazybridge.core.providers.base import BaseProvider

_BUILT_IN: dict[str, tuple[str, str]] = {
    "anthropic": ("lazybridge.core.providers.anthropic", "AnthropicProvider"),
    "mistral": ("lazybridge.core.providers.mistral", "MistralProvider"),
    "openai": ("lazybridge.core.providers.openai", "OpenAIProvider"),
    "groq": ("lazybridge.core.providers.groq", "GroqProvider"),
    "fal": ("lazybridge.core.providers.fal", "FalProvider"),
    "google": ("lazybridge.core.providers.google", "GoogleProvider"),
    "local": ("lazybridge.core.providers.local", "LocalProvider"),
    "azure": ("lazybridge.core.providers.azure", "AzureProvider"),
    "bedrock": ("lazybridge.core.providers.bedrock", "BedrockProvider"), "vertex": ("lazybridge.core.providers.vertex", "VertexProvider"),
    "compatible": ("lazybridge.core.providers.openai_compatible", "OpenAICompatibleProvider"),
    "litellm": ("lazybridge.core.providers.litellm", "LiteLLMProvider"),
    **{
        name: ("lazybridge.core.providers.compatible", f"{written}Provider")
        for name, written in (
            ("openrouter", "OpenRouter"), ("deepseek", "DeepSeek"), ("xai", "XAI"), ("together", "Together"),
            ("cerebras", "Cerebras"), ("perplexity", "Perplexity"), ("huggingface", "HuggingFace"), ("zai", "ZAI"),
            ("fireworks", "Fireworks"), ("moonshot", "Moonshot"), ("cohere", "Cohere"), ("ollama", "Ollama"), ("lmstudio", "LMStudio"),
            ("vllm", "VLLM"), ("llamacpp", "LlamaCpp"),
        )
    },
}  # fmt: skip
ENTRY_POINTS = "lazybridge.providers"
_user_classes: dict[str, type[BaseProvider]] = {}

BUILT_IN_ALIASES: dict[str, str] = {
    "anthropic": "anthropic",
    "claude": "anthropic",
    "mistral": "mistral",
    "mistralai": "mistral",
    "openai": "openai",
    "gpt": "openai",
    "groq": "groq",
    "fal": "fal",
    "google": "google",
    "gemini": "google",
    "local": "local",
    "grok": "xai",
    "hf": "huggingface",
    "z.ai": "zai",
    "fireworks-ai": "fireworks",
    "kimi": "moonshot",
    "llama.cpp": "llamacpp",
    "azure-openai": "azure",
    "openai-compatible": "compatible",
}


class Route(NamedTuple):
    """Where a model string goes, and why. `model` is None where the string names a provider, not a model."""

    provider: str
    model: str | None
    why: str


def key_of(name: str) -> str:
    """A provider name as it is looked up: case, `-` and `_` do not count."""
    return name.lower().replace("-", "").replace("_", "")


def register_class(cls: type[BaseProvider]) -> None:
    """A user's class under its `name`, else its class name without "Provider"; the newest wins."""
    _user_classes[key_of(cls.registered_name())] = cls


def provider_names() -> list[str]:
    """Every name that `provider_class` knows."""
    return sorted({*_BUILT_IN, *_user_classes, *_installed(tuple(sys.path))})


def is_provider(name: str) -> bool:
    """Whether a class answers for this name; nothing is imported."""
    key = key_of(name)
    return key in _user_classes or key in _BUILT_IN or key in _installed(tuple(sys.path))


def provider_class(name: str) -> type[BaseProvider]:
    """The class for a provider name. Raises ConfigurationError, with the known names, where there is none."""
    key = key_of(name)
    if key in _user_classes:
        return _user_classes[key]
    if key in _BUILT_IN:
        module, attribute = _BUILT_IN[key]
        cls: type[BaseProvider] = getattr(importlib.import_module(module), attribute)
        return cls
    if key in _installed(tuple(sys.path)):
        return _loaded(_installed(tuple(sys.path))[key])
    raise ConfigurationError(
        f"no provider is called {name!r}{near(name, provider_names())}\n"
        f"known providers: {', '.join(provider_names())}; subclass BaseProvider to add one"
    )


@lru_cache(1)
def _installed(path: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    """The providers that installed distributions offer under the entry point group, by key; read where a name is unknown."""
    from importlib.metadata import entry_points

    return {key_of(point.name): point for point in entry_points(group=ENTRY_POINTS)}


def _loaded(point: EntryPoint) -> type[BaseProvider]:
    from lazybridge.core.providers.base import BaseProvider

    try:
        cls = point.load()
    except (ImportError, AttributeError) as exc:
        raise ConfigurationError(f"the provider {point.name!r} of {point.value} cannot be loaded: {exc}") from exc
    if not (isinstance(cls, type) and issubclass(cls, BaseProvider)):
        raise ConfigurationError(f"{point.value}, the provider {point.name!r}, is no subclass of BaseProvider")
    _user_classes[key_of(point.name)] = cls
    return cls


def route(
    model: str, aliases: Mapping[str, str], rules: Iterable[Rule], default: str | None, known: Iterable[str] = ()
) -> Route:
    """The provider for a model string: alias, rules in order, explicit `vendor/model`, default.

    Pure: the tables are arguments, and no class is looked up except to see whether `vendor` names one.
    Raises UnknownModelError where nothing matches: with whom to name for an id of the catalogue, else the nearest of `known`.
    """
    lower = model.lower()
    for alias, provider in aliases.items():
        if alias.lower() == lower:
            return Route(provider, None, f"alias {alias!r}")
    for rule in rules:
        if matches(rule, lower):
            kind, pattern, provider = rule
            return Route(provider, model, f"rule {kind} {pattern!r}")
    vendor, slash, rest = model.partition("/")
    if slash and rest and (is_provider(vendor) or vendor.lower() in {alias.lower() for alias in aliases}):
        provider = aliases.get(vendor.lower(), vendor)
        return Route(provider, _id_in(provider, model, rest), f"prefix {vendor + '/'!r}")
    if is_provider(model):
        return Route(model, None, f"provider {model!r}")
    if default:
        return Route(default, model, "the default provider")
    raise UnknownModelError(f"no rule knows the model {model!r}{_way_out(model, known)}")


def served_as(model: str) -> list[str]:
    """`vendor/id` for every provider that the catalogue has this bare id or `maker/id` for; none without a price where
    another has one."""
    found = [row for row in catalogue.sellers(model) if is_provider(row.vendor)]
    return [f"{row.vendor}/{row.id}" for row in [row for row in found if row.prices] or found]


def _way_out(model: str, known: Iterable[str]) -> str:
    if served := served_as(model):
        return " by itself; name who serves it\n" + ", or ".join(f'Agent("{id}")' for id in served[:4])
    return (
        f"{near(model, known)}\n"
        f'name the provider to send any id: Agent("{model}", provider="openai"), or "openai/{model}"'
    )


def _id_in(provider: str, model: str, rest: str) -> str:
    """The id without the provider's name, but where that name is part of it: `perplexity/kimi-k3` is Perplexity's own id."""
    name = tables.name_of(provider)
    return model if tables.row(name, model.lower()) is not None and tables.row(name, rest.lower()) is None else rest


def near(word: str, known: Iterable[str]) -> str:
    """A hint at the words that a misspelt one is near to, or ""."""
    spelt = {known_word.lower(): known_word for known_word in known}
    close = difflib.get_close_matches(word.lower(), spelt, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(spelt[found]) for found in close)}?" if close else ""
