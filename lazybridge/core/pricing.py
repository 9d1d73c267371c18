"""The arithmetic of prices; the numbers are in the catalogue."""

from __future__ import annotations

from decimal import Decimal

from lazybridge.core.catalogue import ModelProfile, Price
from lazybridge.core.types import UsageStats

_MILLION = Decimal(1_000_000)
_THOUSAND = Decimal(1_000)
# The words for the ordinary tier, as served: OpenAI says "default", Anthropic "standard".
_STANDARD_TIERS = frozenset({None, "default", "standard"})


def cost_usd(profile: ModelProfile, usage: UsageStats) -> float | None:
    """USD for one response, or None where any part of it has no known price.

    Unknown are: a model without a row, token counts that the vendor did not send, a class of tokens that the row does
    not price, tools of the vendor that are billed apart, and a service tier other than the ordinary one.
    """
    if profile.price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    if usage.service_tier not in _STANDARD_TIERS:
        return None
    if usage.audio_input_tokens or usage.audio_output_tokens or usage.unpriced_tool_calls:
        return None
    price = _at_length(profile.price, usage.input_tokens)
    cached = usage.cached_input_tokens or 0
    written = usage.cache_write_tokens or 0
    written_1h = usage.cache_write_1h_tokens or 0
    lines = (
        (usage.input_tokens - cached - written, price.input, _MILLION),
        (cached, price.cached_input, _MILLION),
        (written - written_1h, price.cache_write, _MILLION),
        (written_1h, price.cache_write_1h, _MILLION),
        (usage.output_tokens, price.output, _MILLION),
        (usage.web_searches or 0, price.web_search, _THOUSAND),
    )
    total = Decimal(0)
    for quantity, rate, unit in lines:
        if quantity == 0:
            continue
        if rate is None:
            return None
        total += quantity * rate / unit
    return float(total)


def _at_length(price: Price, input_tokens: int) -> Price:
    """The long-context price holds for the whole request, not for the tokens above the line."""
    if (
        price.long_context is not None
        and price.long_context_above is not None
        and input_tokens > price.long_context_above
    ):
        return price.long_context
    return price
