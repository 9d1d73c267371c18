"""Facts about models: prices, limits, senses and rules, as rows with source and date. Nothing here is computed."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Literal


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens, and for a thousand searches; None where the vendor sells no such thing.

    A request whose input is longer than `long_context_above` tokens is priced whole at `long_context`.
    """

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    web_search: Decimal | None = None
    long_context_above: int | None = None
    long_context: Price | None = None
    source: str = ""
    as_of: str = ""


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What is known of one model. None is "not known": then nothing is left out of a request on its account.

    `thinking`: "always" (cannot be switched off), "adaptive" (the model decides how long), "budget" (in tokens),
    "effort" (a level only), "never". `sampling`: whether temperature and top_p are taken, "without_reasoning" where
    only effort "none" allows them. `forced_tool_choice`: whether a tool may be required.
    """

    id: str
    vendor: str = ""
    price: Price | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    thinking: Literal["always", "adaptive", "budget", "effort", "never"] | None = None
    efforts: tuple[str, ...] | None = None
    sampling: Literal["yes", "no", "without_reasoning"] | None = None
    forced_tool_choice: bool | None = None
    vision: bool | None = None
    audio: bool | None = None
    documents: bool | None = None


# `-20251001` (Anthropic), `-2026-03-17` (OpenAI): a dated snapshot of a model shares its row.
_DATED = re.compile(r"-(?:20\d{6}|20\d{2}-\d{2}-\d{2})$")


def without_date(model: str) -> str:
    """A model id without its dated suffix."""
    return _DATED.sub("", model)


@cache
def rows(vendor: str) -> Mapping[str, ModelProfile]:
    """Every known model of a vendor, by id; empty for a vendor without a table."""
    if vendor not in ("anthropic", "openai"):
        return {}
    models: dict[str, ModelProfile] = importlib.import_module(f"lazybridge.core.catalogue.{vendor}").MODELS
    return models


def profile(vendor: str, model: str) -> ModelProfile:
    """The row of a model: its exact id, or the id minus a dated suffix; an empty row for any other."""
    table = rows(vendor)
    return table.get(model) or table.get(without_date(model)) or ModelProfile(model, vendor)


def price(
    input: str,
    output: str,
    cached_input: str | None = None,
    cache_write: str | None = None,
    cache_write_1h: str | None = None,
    *,
    web_search: str | None = None,
    above: int | None = None,
    input_factor: str = "1",
    output_factor: str = "1",
    source: str,
    as_of: str,
) -> Price:
    """A row's price, written as the vendor prints it; beyond `above` input tokens the factors apply."""

    def scaled(value: str | None, factor: str) -> Decimal | None:
        return None if value is None else Decimal(value) * Decimal(factor)

    def at(input_by: str, output_by: str, beyond: Price | None) -> Price:
        return Price(
            Decimal(input) * Decimal(input_by),
            Decimal(output) * Decimal(output_by),
            scaled(cached_input, input_by),
            scaled(cache_write, input_by),
            scaled(cache_write_1h, input_by),
            None if web_search is None else Decimal(web_search),
            None if beyond is None else above,
            beyond,
            source,
            as_of,
        )

    return at("1", "1", None if above is None else at(input_factor, output_factor, None))
