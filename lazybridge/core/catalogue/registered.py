"""What a user adds to the catalogue: prices of their own, and other names of known models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from lazybridge.core.catalogue.rows import STANDARD, STANDARD_TIERS, ModelProfile, Price
from lazybridge.core.catalogue.tables import name_of

Amount = str | int | float | Decimal
UNITS = (
    "input", "output", "cached_input", "cache_write", "cache_write_1h", "audio_input", "audio_output", "cached_audio",
    "image_input", "image_output", "cached_image", "thinking", "web_search", "file_search", "request",
)  # fmt: skip

_prices: dict[tuple[str, str], dict[str, tuple[Price, ...]]] = {}
_aliases: dict[tuple[str, str], str] = {}
_ANY = ""


def register_price(
    model: str,
    *,
    input: Amount,
    output: Amount,
    provider: str | None = None,
    tier: str = STANDARD,
    since: date | None = None,
    above: Mapping[int, Mapping[str, Amount]] | None = None,
    source: str = "registered",
    **rates: Amount,
) -> None:
    """Set what a model costs, in place of the catalogue: USD per million tokens, per thousand searches and requests.

    `rates` are further units (`cached_input="0.1"`, `web_search=10`). `model="*"` with a `provider` is every model of
    it that nothing else prices. `tier` is a service tier as served ("batch"). Several calls with different `since`
    make a schedule; `above={200_000: {"input": 2, "output": 9}}` bills a longer request whole at other rates.
    Raises ValueError for a rate that is no amount of dollars, and TypeError for a unit that nobody sells.
    """
    if not model:
        raise ValueError('register_price needs a model id, or "*" with provider=')
    if model == "*" and provider is None:
        raise ValueError('register_price("*") needs the provider whose models it prices\nwrite provider="name"')
    if since is not None and (not isinstance(since, date) or isinstance(since, datetime)):
        raise TypeError(f"since={since!r} is no day\nwrite since=date(2027, 1, 1)")
    base = _rates({"input": input, "output": output, **rates})
    lines = tuple((tokens, {**base, **_rates(dearer)}) for tokens, dearer in sorted((above or {}).items()))
    day = date.today().isoformat()
    price = Price(base, lines, since=since, source=source, as_of=day)
    tier = STANDARD if tier in STANDARD_TIERS else tier
    tiers = _prices.setdefault((_vendor(provider), model.lower()), {})
    others = [other for other in tiers.get(tier, ()) if other.since != since]
    tiers[tier] = tuple(sorted([*others, price], key=lambda period: period.since or date.min))


def register_model_alias(alias: str, model: str, *, provider: str | None = None) -> None:
    """Let a name of your own (an Azure deployment) be priced, and known, as a model of the catalogue.

    With a `provider` both may be the same: a deployment that is called as its model is.
    """
    if alias.lower() == model.lower() and provider is None:
        raise ValueError(f"{alias!r} cannot be an alias of itself")
    _aliases[_vendor(provider), alias.lower()] = model


def any_price() -> bool:
    """Whether any price was registered at all."""
    return bool(_prices)


def has(vendor: str, model: str) -> bool:
    """Whether a price was registered for this very vendor and model, or for the vendor as a whole."""
    return (name_of(vendor), model.lower()) in _prices or (name_of(vendor), "*") in _prices


def named(vendor: str, model: str) -> bool:
    """Whether somebody said what a name at this vendor stands for, or costs."""
    return any((place, model.lower()) in _aliases for place in (name_of(vendor), _ANY)) or has(vendor, model)


def alias_of(vendor: str, model: str) -> str:
    """The model that a registered alias stands for, also of an alias; any other id is itself."""
    seen: set[str] = set()
    while _aliases and model.lower() not in seen:
        seen.add(model.lower())
        model = _aliases.get((name_of(vendor), model.lower())) or _aliases.get((_ANY, model.lower())) or model
    return model


def priced(found: ModelProfile, vendor: str, spelt: tuple[str, ...]) -> ModelProfile:
    """The row with the registered prices of the model (its id as `spelt`, the exact one first) over its own.

    A service tier that nobody registered keeps the row's prices, and so does the time before the first registered one.
    """
    for id in spelt:
        for key in ((vendor, id), (_ANY, id)):
            if key in _prices:
                table = found.prices or {}
                tiers = {tier: _over(table.get(tier, ()), periods) for tier, periods in _prices[key].items()}
                return replace(found, prices={**table, **tiers}, unpriced=None)
    if found.prices is None and (vendor, "*") in _prices:
        return replace(found, prices=_prices[vendor, "*"], unpriced=None)
    return found


def _over(table: tuple[Price, ...], own: tuple[Price, ...]) -> tuple[Price, ...]:
    first = own[0].since
    if first is None:
        return own
    return (*(period for period in table if period.since is None or period.since < first), *own)


def _vendor(provider: str | None) -> str:
    return _ANY if provider is None else name_of(provider)


def _rates(given: Mapping[str, Amount]) -> dict[str, Decimal]:
    found = {}
    for unit, value in given.items():
        if unit not in UNITS:
            raise TypeError(f"no unit is called {unit!r}\nunits: {', '.join(UNITS)}")
        try:
            amount = Decimal(str(value)) if not isinstance(value, bool) else Decimal("nan")
        except InvalidOperation:
            amount = Decimal("nan")
        if not (amount.is_finite() and amount >= 0):
            raise ValueError(f"{unit}={value!r} is no price\n{unit} is an amount of USD, such as {unit}=0.25")
        found[unit] = amount
    return found
