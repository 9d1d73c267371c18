"""Who is asked next where a model has failed for good."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from lazybridge.core.errors import ConfigurationError, ProviderError
from lazybridge.core.errors.tree import ERROR_KINDS
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import TIERS, Adjustment, CompletionRequest

# What another model may do better: none of these is the request's own fault.
MOVES_ON = frozenset({"not_found", "rate_limit", "quota", "overloaded", "server", "connection", "timeout", "truncated"})
# What a provider's own next model may do better: a rate limit is the caller's, and the others hold for all its models.
_NEIGHBOURS_MOVE_ON = frozenset({"not_found", "overloaded"})


@dataclass(frozen=True)
class Candidate:
    """A provider, the model to ask it for, and what only it may be sent."""

    provider: BaseProvider
    model: str | None
    extra_body: Any = None
    extra_headers: Any = field(default=None, repr=False)

    def request(self, request: CompletionRequest) -> tuple[CompletionRequest, tuple[Adjustment, ...]]:
        """A request that was written for the first provider: its raw body and headers, which may hold a key, stay there."""
        left_out = [name for name in ("extra_body", "extra_headers") if getattr(request, name) is not None]
        notes = tuple(Adjustment(name, "left out, since it was meant for the first provider") for name in left_out)
        asked = replace(request, model=self.model, extra_body=self.extra_body, extra_headers=self.extra_headers)
        return asked, notes


@dataclass(frozen=True)
class Fallback:
    """Who follows: `own` are the models that the provider itself names, `others` those that the caller did; `on` are the
    kinds of errors that move on to them."""

    own: bool = True
    others: tuple[Candidate, ...] = ()
    on: frozenset[str] = MOVES_ON

    @property
    def providers(self) -> tuple[BaseProvider, ...]:
        """The others' providers."""
        return tuple(other.provider for other in self.others)


NOBODY = Fallback(own=False)


def fallback_of(
    given: bool | str | Iterable[Any], on: Iterable[str] | None, first: Any, make: Callable[[str], Any]
) -> Fallback:
    """What `fallback=` and `fallback_on=` say, for the engine `first`; `make` builds the engine of a model.

    A tier is another model of the first provider; an agent stands for its provider, its model and what only that is sent.
    Raises ConfigurationError for what is neither, and for what cannot be built.
    """
    kinds = checked_kinds(on)
    if isinstance(given, bool):
        return Fallback(given, (), kinds)
    others = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    return Fallback(False, tuple(_candidate(other, first, make) for other in others), kinds)


def _candidate(other: Any, first: Any, make: Callable[[str], Any]) -> Candidate:
    if isinstance(other, BaseProvider):
        return Candidate(other, other.model or other.default_model)
    if isinstance(other, str):
        if other in TIERS:
            return Candidate(first.provider, first.provider.resolve_tier(other), *_only_its_own(first))
        other = make(other)
    engine = getattr(other, "engine", other)
    if not isinstance(getattr(engine, "provider", None), BaseProvider):
        raise ConfigurationError(
            f"fallback got {other!r}, a {type(other).__name__}\n"
            'name models, tiers or agents: fallback=["gpt-6-luna", Agent("claude-haiku-5-5")]'
        )
    if getattr(other, "_guards", None) or getattr(other, "_verification", None):
        raise ConfigurationError(
            f"the guard or judge of {other!r} would not be asked in a fallback\ngive guard= and verify= to the first agent"
        )
    return Candidate(engine.provider, engine.model, *_only_its_own(engine))


def _only_its_own(engine: Any) -> tuple[Any, Any]:
    template = engine.request("…")
    return template.extra_body, template.extra_headers


def checked_kinds(kinds: Iterable[str] | None) -> frozenset[str]:
    """Kinds of errors. Raises ConfigurationError for a word that is none."""
    if kinds is None:
        return MOVES_ON
    given = frozenset((kinds,) if isinstance(kinds, str) else kinds)
    unknown = sorted(map(repr, given - ERROR_KINDS))
    if unknown:
        raise ConfigurationError(f"{', '.join(unknown)} is no kind of error\nkinds: {', '.join(sorted(ERROR_KINDS))}")
    return given


class Succession:
    """The one who is asked, for one call."""

    def __init__(self, provider: BaseProvider, fallback: Fallback) -> None:
        self._fallback = fallback
        self._candidate: Candidate | None = None
        self._left = list(fallback.others)
        self._replacement: str | None = None
        self.causes: list[ProviderError] = []
        self._take(provider)

    def _take(self, provider: BaseProvider) -> None:
        self.provider, self.provider_name = provider, provider.registered_name()

    def alone(self) -> Succession:
        """The one who is asked now, with nobody to follow."""
        made = copy(self)
        made._fallback, made._left, made.causes = NOBODY, [], []
        return made

    def request(self, request: CompletionRequest) -> tuple[CompletionRequest, tuple[Adjustment, ...]]:
        """The request as the one who is asked gets it."""
        if self._candidate is not None:
            return self._candidate.request(request)
        if self._replacement is not None:
            return replace(request, model=self._replacement), ()
        return request, ()

    def model(self, request: CompletionRequest) -> str | None:
        """The id of the model that is asked."""
        if self._candidate is not None:
            request = replace(request, model=self._candidate.model)
        return self._replacement or self.provider._resolve_model(request)

    def moved(self, error: ProviderError, request: CompletionRequest) -> bool:
        """Whether there is another to ask, who is the one from here on."""
        neighbour = self._neighbour(request) if error.kind in _NEIGHBOURS_MOVE_ON else None
        if neighbour is not None:
            self._replacement = neighbour
        elif self._left and error.kind in self._fallback.on:
            self._candidate = self._left.pop(0)
            self._take(self._candidate.provider)
        else:
            return False
        self.causes.append(error)
        return True

    def _neighbour(self, request: CompletionRequest) -> str | None:
        if not self._fallback.own or self._candidate is not None:
            return None
        first = self.provider._resolve_model(request)
        chain = [first, *self.provider._FALLBACKS.get(first, [])]
        place = chain.index(self._replacement or first) + 1
        return chain[place] if place < len(chain) else None
