"""What a request would cost, and what would be sent, without sending it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lazybridge.core import catalogue, counting, pricing
from lazybridge.core.catalogue import STANDARD, ModelProfile, Price
from lazybridge.core.counting import Range
from lazybridge.core.errors import UnsupportedFeatureError
from lazybridge.core.providers.adjusting import fitted
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import computes, priced_profile, receipt_for
from lazybridge.core.receipt import MONEY, Receipt, amount, plain
from lazybridge.core.types import CompletionRequest, UsageStats

_CAPS = ("max_output_tokens", "max_completion_tokens", "max_tokens", "maxOutputTokens")
_TIERS = ("service_tier", "serviceTier", "speed")
# Words that ask for the ordinary tier, or leave the choice to the vendor, who then takes the ordinary one.
_ORDINARY = frozenset({None, "auto", "default", "standard", "standard_only", "on_demand"})


@dataclass(frozen=True)
class Estimate:
    """What one request would cost in USD: at least, probably, and at most; None where that is not known.

    `low` takes all input from the vendor's cache and one token of output; `expected` has no cache; `high` has all input
    at the dearest rate and as much output as the model may write. `how` says how the tokens were counted and how sure that
    is, `reasons` why something is None or has no bound. Tool turns, retries and repairs are requests of their own.
    """

    model: str
    provider: str
    low: Decimal | None
    expected: Decimal | None
    high: Decimal | None
    input_tokens: Range
    output_tokens: Range
    how: str
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = [(self.model, "low", "expected", "high")]
        for name, counts in (("input tokens", self.input_tokens), ("output tokens", self.output_tokens)):
            low, expected, high = ("no bound" if count is None else f"{count:,}" for count in counts)
            rows.append((name, low, expected, high))
        costs = (self.low, self.expected, self.high)
        low, expected, high = ("not known" if cost is None else f"${plain(cost)}" for cost in costs)
        rows.append(("cost", low, expected, high))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([f"{row[0]:<{widths[0]}}", *map(str.rjust, row[1:], widths[1:])]) for row in rows]
        return "\n".join([*lines, self.how, *(f"because {reason}" for reason in self.reasons)])


def estimate(provider: BaseProvider, request: CompletionRequest, expected_output_tokens: int = 500) -> Estimate:
    """The cost of one request, without a request."""
    if not isinstance(expected_output_tokens, int) or expected_output_tokens < 1:
        raise ValueError(f"expected_output_tokens is a whole number above 0, got {expected_output_tokens!r}")
    if not provider._adjusts_itself:
        request, _ = fitted(provider, request)
    weighed = Weighed(provider, request)
    read, most = weighed.read, weighed.most
    wrote = Range(1, expected_output_tokens if most is None else min(expected_output_tokens, most), most)
    low = weighed.receipt(read.low, wrote.low, cached=True)
    expected = weighed.receipt(read.expected, wrote.expected)
    high = None if most is None else weighed.worst(most)
    reasons = [*expected.reasons, *weighed.problems()]
    if most is None and not provider._free:
        reasons.append(f"the most that {weighed.model} may write is not known; max_tokens=... sets it")
    if provider._free and not computes(provider):
        high = Decimal(0)
    how = f"{weighed.count.how[0].upper()}{weighed.count.how[1:]}."
    name = provider.registered_name()
    costs = (low.total, expected.total, high)
    return Estimate(weighed.model, name, *costs, read, wrote, how, tuple(dict.fromkeys(reasons)))


class Weighed:
    """One request on the scales: `read` is its input, `most` the output that it may have, both in tokens."""

    def __init__(self, provider: BaseProvider, request: CompletionRequest) -> None:
        self.provider = provider
        self.model = provider._resolve_model(request)
        self._profile = priced_profile(provider, self.model)
        self._body, lost = _body(provider, request, self.model)
        self.count = counting.count(self._body, provider.name or provider.registered_name(), self.model)
        unbounded = self.count.unbounded
        if not provider._adjusts_itself:
            unbounded = (
                *unbounded,
                *(f"the native tool {tool}, whose use has no bound" for tool in request.native_tools),
            )
        self.unbounded, self._media = unbounded, (*self.count.media, *lost)
        tokens, window = self.count.tokens, _limits(provider, self.model).context_window
        high = None if unbounded else window if self._media else tokens.high
        self.read = tokens._replace(high=None if high is None else max(high, tokens.low))
        self._set = {**self._body, **(self._body.get("generationConfig") or {})}
        self.choices = max(1, int(self._set.get("n") or self._set.get("candidateCount") or 1))
        self.most = self._most()

    @property
    def limit(self) -> int:
        """The largest `max_tokens` that the model is known to take; where none is known, what its provider would send."""
        return self.provider.get_default_max_tokens(self.model) if self.most is None else self.most // self.choices

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
        """What so many tokens cost, all of them input from the cache where `cached`."""
        tiers = self._tiers() or [STANDARD]
        usage = UsageStats(read, wrote, cached_input_tokens=read if cached else None, service_tier=tiers[-1])
        found = receipt_for(self.provider, self.model, usage, time.time())
        if cached and len(tiers) > 1:
            usage.service_tier = tiers[0]
            other = receipt_for(self.provider, self.model, usage, time.time())
            found = min(found, other, key=lambda receipt: receipt.total or Decimal(0))
        return found

    def worst(self, wrote: int, read: int | None = None) -> Decimal | None:
        """The dearest that it can cost where it writes so many tokens; None where there is no bound or no price."""
        read = self.read.high if read is None else read
        if self.provider._free and not computes(self.provider):
            return Decimal(0)
        if read is None:
            return None
        if computes(self.provider):
            found = receipt_for(self.provider, self.model, UsageStats(read, wrote), time.time())
            return found.total if found.status == "exact" else None
        costs = [_worst(price, read, wrote) for tier in self._tiers() if (price := self._profile.price(tier=tier))]
        if not costs or None in costs:
            return None
        factor = self._profile.us_factor or Decimal(1)  # the vendor's console may set where inference runs
        return MONEY.multiply(max(cost for cost in costs if cost is not None), max(factor, Decimal(1)))

    def _tiers(self) -> list[str]:
        """The tiers that may serve it, the asked one last; none where the asked one has no price."""
        asked = [str(word) for name in _TIERS if (word := self._set.get(name)) not in _ORDINARY]
        return [] if any(tier not in (self._profile.prices or {}) for tier in asked) else [STANDARD, *asked]

    def _most(self) -> int | None:
        caps = [self._set[name] for name in _CAPS if isinstance(self._set.get(name), int)]
        most = max(caps) if caps else _limits(self.provider, self.model).max_output_tokens
        return None if most is None else most * self.choices


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
    return call.body, tuple(f"an attachment ({found})" for found in call.adjustments if found.parameter in ("image", "audio", "document"))  # fmt: skip


def payload(provider: BaseProvider, request: CompletionRequest) -> dict[str, Any]:
    """The JSON body that `complete` would send. Raises UnsupportedFeatureError for a class that does not show its own."""
    from lazybridge.core.providers._sdk import SDKProvider

    if isinstance(provider, SDKProvider):
        return provider._translate(request, stream=False)[1].body
    from lazybridge.core.providers.local.llamacpp import LocalProvider

    if isinstance(provider, LocalProvider):
        return provider._answer(request).body
    raise UnsupportedFeatureError(f"{type(provider).__name__} does not show what it sends; it has no dry run")
