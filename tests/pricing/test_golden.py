"""Every price of `golden.toml` (worked out by hand from published rates) against `lazybridge.price`."""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import lazybridge
from lazybridge.core.types import UsageStats

Case = dict[str, Any]

CASES: list[Case] = tomllib.loads(Path(__file__).with_name("golden.toml").read_text(encoding="utf-8"))["case"]
PRICED = [case for case in CASES if case["status"] != "unknown"]
UNKNOWN = [case for case in CASES if case["status"] == "unknown"]

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
each_priced = pytest.mark.parametrize("case", PRICED, ids=lambda case: case["name"])


def worked_out(case: Case) -> Decimal:
    """The sum of quantity times rate, in plain decimal arithmetic."""
    return sum((Decimal(quantity) * Decimal(rate) / Decimal(per) for quantity, rate, per in case["work"]), Decimal(0))


@each_priced
def test_the_work_adds_up_to_what_is_expected(case: Case) -> None:
    assert worked_out(case) == Decimal(case["expected"])


@each_priced
def test_the_work_covers_every_token_and_every_search_once(case: Case) -> None:
    usage = case["usage"]
    if "reported_cost_usd" in usage:
        assert case["work"] == [[1, str(usage["reported_cost_usd"]), 1]]
        return
    counted = Counter[int]()
    for quantity, _, per in case["work"]:
        counted[per] += quantity
    assert counted[1_000_000] == usage["input_tokens"] + usage["output_tokens"]
    assert counted[1_000] == usage.get("web_searches", 0) + usage.get("file_searches", 0)
    assert set(counted) <= {1_000_000, 1_000}


@each
def test_the_price_is_the_one_worked_out_by_hand(case: Case) -> None:
    receipt = lazybridge.price(case["model"], UsageStats(**case["usage"]), provider=case["vendor"], at=case["at"])
    assert receipt.status == case["status"], case.get("why", receipt.reasons)
    if case["status"] == "unknown":
        assert receipt.total is None
        assert receipt.reasons
        return
    assert receipt.total == Decimal(case["expected"])
    assert sum((line.amount for line in receipt.lines), Decimal(0)) == receipt.total


def test_there_are_many_cases_and_no_two_share_a_name() -> None:
    assert len(CASES) >= 200
    assert [name for name, times in Counter(case["name"] for case in CASES).items() if times > 1] == []


@each
def test_a_case_says_where_and_when_its_rates_were_read(case: Case) -> None:
    assert case["source"]
    assert case["as_of"] <= datetime.fromisoformat("2026-11-22").date()
    assert case["at"].tzinfo is not None
    assert case["status"] in {"exact", "lower_bound", "unknown"}


def test_prices_that_rest_on_third_parties_are_marked() -> None:
    assert all(isinstance(case["verified"], bool) for case in CASES)
    third_party = {"gpt-6.2-astra", "gemini-4-carbon", "gemini-4-hydrogen"}
    assert third_party <= {case["model"] for case in CASES}
    assert all(not case["verified"] for case in CASES if case["model"] in third_party)
    assert all(not case["verified"] for case in CASES if "third part" in case["source"])


@pytest.mark.parametrize("case", UNKNOWN, ids=lambda case: case["name"])
def test_a_case_without_a_price_says_why_and_shows_no_amount(case: Case) -> None:
    assert case["why"]
    assert "work" not in case
    assert "expected" not in case
