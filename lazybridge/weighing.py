"""One request on the scales: its input and output in tokens, and the dearest that it can cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from lazybridge.core import catalogue, counting, pricing
from lazybridge.core.bodies import mapping
from lazybridge.core.catalogue import STANDARD, ModelProfile, Price, registered
from lazybridge.core.errors import UnsupportedFeatureError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import computes, priced_profile, receipt_for
from lazybridge.core.receipt import MONEY, Receipt, amount, unknown
from lazybridge.core.types import CompletionRequest, UsageStats

_CAPS = ("max_output_tokens", "max_completion_tokens", "max_tokens", "maxOutputTokens")
_TIERS = ("service_tier", "serviceTier", "speed")
# Words that ask for the ordinary tier.
_ORDINARY = ("default", "standard", "standard_only", "on_demand")
# Words that leave the choice to the vendor.
_LEFT_OPEN = (None, "auto")
# Vendors that then take the tier of the project's settings, which may be any that they sell but batch: the SDK's own words
# on `service_tier` (openai 3.54.0, `response_create_params.py`, read 2026-11-22). Anthropic's `auto` uses priority capacity
# only where a contract has bought it, at a price that no table has.
_SET_BY_PROJECT = frozenset({"openai"})
# Vendors whose ids are names that a customer gave to deployments, of whatever model.
_DEPLOYED = frozenset({"azure"})


class Weighed:
    """One request on the scales: `read` is its input, `most` the output that it may have, both in tokens; `tier` is the
    tier that serves it, where the request itself does not say so ("batch")."""

    def __init__(self, provider: BaseProvider, request: CompletionRequest, tier: str | None = None) -> None:
        self.provider, self._tier = provider, tier
        self.model = provider._resolve_model(request)
        self._profile = priced_profile(provider, self.model)
        self._hidden = None if provider._free and not computes(provider) else _hidden(provider, request, self.model)
        self._body, lost = _body(provider, request, self.model)
        self.count = counting.count(self._body, provider.name or provider.registered_name(), self.model)
        self._set = {**self._body, **mapping(self._body.get("generationConfig"))}  # Google keeps its settings apart
        unbounded, choices = self.count.unbounded, self._set.get("n") or self._set.get("candidateCount") or 1
        if type(choices) is not int:
            unbounded = (*unbounded, f"n={choices!r} answers, which is no number")
        if not provider._adjusts_itself:
            unbounded = (
                *unbounded,
                *(f"the native tool {tool}, whose use has no bound" for tool in request.native_tools),
            )
        self.unbounded, self._media = unbounded, (*self.count.media, *lost)
        tokens, window = self.count.tokens, _limits(provider, self.model).context_window
        high = None if unbounded else window if self._media else tokens.high
        self.read = tokens._replace(high=None if high is None else max(high, tokens.low))
        self.choices = max(1, choices) if type(choices) is int else 1
        self.most = self._most()

    @property
    def limit(self) -> int:
        """The largest `max_tokens` that the model is known to take; where none is known, what its provider would send."""
        if self.most is not None:
            return self.most // self.choices
        return self.provider.get_default_max_tokens(self.model)

    def problems(self) -> list[str]:
        """Why the input has no bound, or a wide one."""
        found = list(self.unbounded)
        for what in self._media:
            bound = "has no known bound" if self.read.high is None else f"is counted as the whole context window of {self.read.high:,} tokens"  # fmt: skip
            found.append(f"the request holds {what}, which {bound}")
        return found

    def unpriced(self) -> tuple[str, ...]:
        """Why there is no price for it; nothing where there is one."""
        return self.receipt(1, 1).reasons or (
            () if self.worst(1, 1) is not None else ("its service tier has no price",)
        )

    def receipt(self, read: int, wrote: int, *, cached: bool = False) -> Receipt:
        """What so many tokens cost, all of them input from the cache where `cached`; unknown where another model may answer."""
        if self._hidden is not None:
            return unknown(self._hidden)
        usage = UsageStats(read, wrote, cached_input_tokens=read if cached else None)
        found = []
        for usage.service_tier in self._tiers() or [STANDARD]:
            found.append(receipt_for(self.provider, self.model, usage, time.time()))
        return min(found, key=lambda receipt: receipt.total or Decimal(0)) if cached else found[-1]

    def worst(self, wrote: int, read: int | None = None) -> Decimal | None:
        """The dearest that it can cost where it writes so many tokens; None where there is no bound or no price."""
        read = self.read.high if read is None else read
        if self.provider._free and not computes(self.provider):
            return Decimal(0)
        if read is None or self._hidden is not None:
            return None
        if computes(self.provider):
            found = receipt_for(self.provider, self.model, UsageStats(read, wrote), time.time())
            total = found.total if found.status == "exact" else None
            return total if total is not None and total.is_finite() and total >= 0 else None
        costs = [_worst(price, read, wrote) for tier in self._tiers() if (price := self._profile.price(tier=tier))]
        if not costs or None in costs:
            return None
        factor = self._profile.us_factor or Decimal(1)  # the vendor's console may set where inference runs
        return MONEY.multiply(max(cost for cost in costs if cost is not None), max(factor, Decimal(1)))

    def _tiers(self) -> list[str]:
        """The tiers that may serve it, the likely one last; none where the asked one has no price."""
        sold = self._profile.prices or {}
        if self._tier is not None:
            return [self._tier] if self._tier in sold else []
        asked = [str(tier) for name in _TIERS if (tier := self._set.get(name)) not in (*_ORDINARY, *_LEFT_OPEN)]
        if any(tier not in sold for tier in asked):
            return []
        by_project = self._set.get("service_tier") in _LEFT_OPEN and self._profile.vendor in _SET_BY_PROJECT
        return [*(tier for tier in sold if by_project and tier not in (STANDARD, "batch")), STANDARD, *asked]

    def _most(self) -> int | None:
        caps = [self._set[name] for name in _CAPS if self._set.get(name) is not None]
        limit = _limits(self.provider, self.model).max_output_tokens
        # -1 and the like are no caps, and an API that takes them means no end by them.
        most = max(caps) if caps and all(type(cap) is int and cap > 0 for cap in caps) else limit
        return None if most is None else most * self.choices


def _hidden(provider: BaseProvider, request: CompletionRequest, model: str) -> str | None:
    """Why another model than the one on the scales may answer; None where none may."""
    asked = mapping(request.extra_body).get("model", model)
    if asked != model:
        return f"extra_body asks the model {asked!r} instead of {model!r}; pass it as model= or in the Agent's id"
    vendor = provider.vendor_name()
    if vendor in _DEPLOYED and not any(registered.named(name, model) for name in (vendor, provider.registered_name())):
        return (
            f"{model!r} is the name of a deployment, which may be of any model; "
            f'lazybridge.register_model_alias("{model}", "gpt-...", provider="{vendor}") says which it is'
        )
    return None


def _worst(price: Price, read: int, wrote: int) -> Decimal | None:
    rates = price.at_length(read)
    if "input" not in rates or "output" not in rates:
        return None
    input_rate, output_rate = pricing.worst_rates(price, read)
    total = MONEY.add(amount(read, input_rate, 1_000_000), amount(wrote, output_rate, 1_000_000))
    return MONEY.add(total, amount(1, rates["request"], 1_000)) if "request" in rates else total


def _limits(provider: BaseProvider, model: str) -> ModelProfile:
    """What is known of a model's limits; of a user's class, what it says of the output itself."""
    if provider._adjusts_itself:
        return catalogue.profile(provider.name or provider.registered_name(), model)
    says = not type(provider).get_default_max_tokens.__module__.startswith("lazybridge.")
    return ModelProfile(model, max_output_tokens=provider.get_default_max_tokens(model) if says else None)


def _body(provider: BaseProvider, request: CompletionRequest, model: str) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The body to count, and what of the request is not in it: a user's class is taken to send Chat Completions' words."""
    from lazybridge.core.wire.chat import ChatWire

    if provider._adjusts_itself:
        return payload(provider, request), ()
    call = ChatWire(max_tokens_field="max_tokens").to_sdk_kwargs(request, ModelProfile(model), stream=False)
    return call.body, tuple(f"an attachment ({found})" for found in call.adjustments if found.parameter in ("image", "audio", "video", "document"))  # fmt: skip


def payload(provider: BaseProvider | None, request: CompletionRequest) -> dict[str, Any]:
    """The JSON body that `complete` would send. Raises UnsupportedFeatureError for a class that does not show its own."""
    from lazybridge.core.providers._sdk import SDKProvider

    if isinstance(provider, SDKProvider):
        return provider._translate(request, stream=False)[1].body
    from lazybridge.core.providers.local import LocalProvider

    if isinstance(provider, LocalProvider):
        return provider._answer(request).body
    raise UnsupportedFeatureError(f"{type(provider).__name__} does not show what it sends; it has no dry run")
