"""What the words of an endpoint's function ask for: who is called, and what goes along."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypedDict, cast

from lazybridge.budget import Budget, check_budget
from lazybridge.core.errors import ConfigurationError, UnsupportedFeatureError
from lazybridge.core.errors.secrets import Secret, concealed
from lazybridge.core.providers.asking import AsksEndpoints
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.retry import RetryPolicy, checked_count, checked_timeout
from lazybridge.endpoint_run import EndpointRun
from lazybridge.engine import LLMEngine
from lazybridge.policy import Policy
from lazybridge.settings import refuse_misspelt

if TYPE_CHECKING:
    from lazybridge.ledger import Ledger


class CallOptions(TypedDict, total=False):
    """What every call of an endpoint may carry.

    `provider` is a name, a class or a provider that is built; `api_key`, `base_url` and the rest from there on go to its class.
    `timeout` is in seconds for the whole call, over its attempts and waits; `max_retries` more attempts follow a failed
    one (2). `strict` raises where a parameter cannot be sent as asked.
    """

    provider: str | type[BaseProvider] | BaseProvider | None
    timeout: float | None
    max_retries: int
    budget: Budget | None
    ledger: Ledger | None
    strict: bool
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    api_key: str | None
    base_url: str | None
    endpoint: str
    api_version: str
    vertexai: bool
    project: str
    location: str
    credentials: Any


_OF_THE_REQUEST = ("timeout", "strict", "extra_body", "extra_headers")
_OF_THE_CALL = ("provider", "max_retries", "budget", "ledger")


def endpoint_run(model: str | None, options: Mapping[str, Any], example: str) -> tuple[EndpointRun, dict[str, Any]]:
    """The call that these words ask for, and what its request carries of them; `example` is a line to write.

    Raises ConfigurationError where they name no provider, UnsupportedFeatureError where it has no endpoints.
    """
    provider = options.get("provider")
    if model is None and provider is None:
        raise ConfigurationError(f"neither a model nor a provider is named\nwrite {example}")
    timeout, max_retries = (
        checked_timeout(options.get("timeout")),
        checked_count("max_retries", options.get("max_retries", 2)),
    )
    own = {name: value for name, value in options.items() if name not in (*_OF_THE_REQUEST, *_OF_THE_CALL)}
    own = {name: value for name, value in own.items() if value is not None}
    for name in own:
        refuse_misspelt(name)
    budget = check_budget(options.get("budget"))
    chosen, model = LLMEngine.chosen(model, provider, None, own)
    built = chosen if isinstance(chosen, BaseProvider) else _shared(chosen, own)
    policy = Policy(RetryPolicy(max_retries), budget=budget, ledger=options.get("ledger"))
    given = {name: options[name] for name in _OF_THE_REQUEST if name in options}
    return EndpointRun(with_endpoints(built, f"\nwrite {example}"), policy, timeout), {"model": model, **given}


def conceal(options: Mapping[str, Any]) -> None:
    """Hide the credentials among the words of a call in their own dict: a traceback with locals shows the caller's frame."""
    words = cast("dict[str, Any]", options)
    if isinstance(words.get("api_key"), str):
        words["api_key"] = Secret(words["api_key"])
    if isinstance(words.get("extra_headers"), Mapping):
        words["extra_headers"] = concealed(words["extra_headers"])


def job_run(model: str | None, options: Mapping[str, Any], example: str) -> tuple[EndpointRun, dict[str, Any]]:
    """`endpoint_run` for what one vendor alone does: without a provider it is fal, whose ids have slashes of their own."""
    return endpoint_run(model, {**options, "provider": options.get("provider") or "fal"}, example)


def with_endpoints(provider: BaseProvider, hint: str = "") -> AsksEndpoints:
    """The provider. Raises UnsupportedFeatureError where it has none of a vendor's further endpoints."""
    if not isinstance(provider, AsksEndpoints):
        raise UnsupportedFeatureError(f"{type(provider).__name__} has conversations alone{hint}")
    return provider


def _shared(chosen: type[BaseProvider], options: Mapping[str, Any]) -> BaseProvider:
    """A provider that was kept; a new one where an option cannot be compared, as credentials in a dict."""
    try:
        return _kept(chosen, tuple(sorted(options.items())), _environment())
    except TypeError:
        return chosen(**options)


def _environment() -> int:
    """A number for all that a provider and its SDK may read from the environment: keys, projects, addresses, proxies."""
    return hash(frozenset(os.environ.items()))


@lru_cache(16)
def _kept(chosen: type[BaseProvider], options: tuple[tuple[str, Any], ...], environment: int) -> BaseProvider:
    """One provider for all calls that name the same, so that they share its connections."""
    return chosen(**dict(options))
