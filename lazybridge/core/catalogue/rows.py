"""What a row of the catalogue says: a model's prices, limits, senses and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal

Rates = Mapping[str, Decimal]
STANDARD = "standard"
# The words for the ordinary tier, as served: OpenAI says "default", Anthropic "standard", Groq "on_demand".
STANDARD_TIERS = frozenset({None, "", "default", "standard", "on_demand"})


@dataclass(frozen=True, slots=True)
class Price:
    """Rates of one service tier in one period: USD for a million tokens, and for a thousand searches or requests.

    `rates` has the units `input`, `output`, `cached_input`, `cache_write`, `cache_write_1h`, `audio_input`,
    `audio_output`, `cached_audio`, `image_input`, `image_output`, `cached_image`, `thinking`, `web_search`,
    `file_search` and `request`, where the vendor sells them. A request with more than the tokens of a line of
    `above` is billed whole at that line's rates. `since`, `hours` (UTC) and `weekdays` (Monday to Friday) say when
    the price holds.
    """

    rates: Rates
    above: tuple[tuple[int, Rates], ...] = ()
    since: date | None = None
    hours: tuple[time, time] | None = None
    weekdays: bool = False
    source: str = ""
    as_of: str = ""

    def holds(self, at: datetime) -> bool:
        """Whether this price is in force at a moment in UTC."""
        if self.since is not None and at.date() < self.since:
            return False
        if self.weekdays and at.weekday() > 4:
            return False
        if self.hours is None:
            return True
        start, end = self.hours
        return start <= at.time() < end if start <= end else at.time() >= start or at.time() < end

    def at_length(self, input_tokens: int) -> Rates:
        """The rates for a request of this length: the long-context price holds for all of it."""
        for tokens, rates in reversed(self.above):
            if input_tokens > tokens:
                return rates
        return self.rates


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What is known of one model. None is "not known": then nothing is left out of a request on its account.

    `prices` has the periods of each service tier; `unpriced` says why a model has none. `thinking`: "always" (cannot
    be switched off), "adaptive" (the model decides how long), "budget" (in tokens), "effort" (a level only), "never".
    `sampling`: whether temperature and top_p are taken, "without_reasoning" where only effort "none" allows them.
    `forced_tool_choice`: whether a tool may be required. `combines_tools`: whether the vendor's own tools go beside
    functions, and either beside an output schema. `media_in_results`: whether a tool's result may hold images.
    `thinking_budget` has the least and the most tokens that it may think with; `stops_thinking` is False where a budget
    of nothing is refused. `native_tools` has what this model wants said of one of the vendor's own tools, by name, and
    False for one that it does not take.
    `searches_billed`: whether each search of a prompt is billed, or the prompt once. `us_factor`
    multiplies the token prices of an answer whose inference was kept in the US. `retires` is the day the vendor shuts the
    model down.
    """

    id: str
    vendor: str = ""
    aliases: tuple[str, ...] = ()
    prices: Mapping[str, tuple[Price, ...]] | None = None
    unpriced: str | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    thinking: Literal["always", "adaptive", "budget", "effort", "never"] | None = None
    efforts: tuple[str, ...] | None = None
    sampling: Literal["yes", "no", "without_reasoning"] | None = None
    forced_tool_choice: bool | None = None
    vision: bool | None = None
    audio: bool | None = None
    documents: bool | None = None
    tools: bool | None = None
    structured_output: bool | None = None
    combines_tools: bool | None = None
    media_in_results: bool | None = None
    searches_billed: Literal["query", "prompt"] | None = None
    thinking_budget: tuple[int, int] | None = None
    stops_thinking: bool | None = None
    native_tools: Mapping[str, Mapping[str, Any] | bool] | None = None
    us_factor: Decimal | None = None
    retires: date | None = None
    replacement: str | None = None
    sources: tuple[str, ...] = ()

    def price(self, at: datetime | date | None = None, tier: str = STANDARD) -> Price | None:
        """The price of a service tier at a moment (None is now; without a time zone it is UTC), or None."""
        periods = (self.prices or {}).get(tier)
        if not periods:
            return None
        if len(periods) == 1 and periods[0].since is None and periods[0].hours is None and not periods[0].weekdays:
            return periods[0]
        moment = utc(at)
        for period in reversed(periods):
            if period.holds(moment):
                return period
        return None

    @property
    def known(self) -> bool:
        """Whether there is a row for this model at all."""
        return bool(self.sources or self.prices or self.unpriced)


def utc(at: datetime | date | None) -> datetime:
    """A moment in UTC, without its time zone: now for None, midnight for a day."""
    if at is None:
        return datetime.now(UTC).replace(tzinfo=None)
    if not isinstance(at, datetime):
        return datetime.combine(at, time())
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)
