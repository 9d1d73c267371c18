"""Every usage of the recorded traffic: priced, or unknown for a stated reason; and where the vendor said what it cost,
the table says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import lazybridge
from lazybridge.core.types import UsageStats
from lazybridge.core.wire import reported_cost

TRAFFIC = Path(__file__).parents[3] / "shared" / "conformance" / "open"
pytestmark = pytest.mark.skipif(not TRAFFIC.exists(), reason="the recorded traffic is not in this checkout")

VENDORS = {"google_openai_compat": "google", "anthropic_openai_compat": "anthropic"}

# Where the vendor's figure and the table's differ by more than 1 %, and why.
EXCEPTIONS = {
    "openrouter-9c9600f4e095": "served by OpenInference, whose rates differ from those of the host that the table prices",
    "openrouter-add23f4fdf29": "three web searches of the gateway's own tool, at $0.01 each",
    "openrouter-63a01c62b75c": "served by Together, whose rates differ from those of the host that the table prices",
    "openrouter-cce8aaef6244": "served by BaseTen, whose rates differ from those of the host that the table prices",
    "openrouter-71e58174400f": "served by SambaNova, whose rates differ from those of the host that the table prices",
    "openrouter-eac5813bb5e4": "served by WandB, whose rates differ from those of the host that the table prices",
    "openrouter-10d679b34114": "the gateway's advisor tool asked a second model",
    "openrouter-c898e58a350d": "$0.002 beside the tokens, which neither the request nor the usage explains",
    "openrouter-4fe3578f397f": "served by AtlasCloud, whose rates differ from those of the host that the table prices",
    "openrouter-e05b5292a222": "a web search of the gateway's own tool, at $0.01",
    "openrouter-29f18b512d1c": "a web search of the gateway's own tool, at $0.01",
    "xai-4d67dc01ec46": "two web searches, at $0.005 each",
    "xai-69475b2503a6": "two web searches, at $0.005 each",
}
_REASONS = (
    "no price is known for", "has no price: ", "the vendor did not say how many", "counts contradict each other",
    "no price of ",
)  # fmt: skip


@cache
def answers() -> list[dict[str, Any]]:
    texts = (path.read_text(encoding="utf-8") for path in sorted(TRAFFIC.glob("*.jsonl")))
    records = [json.loads(line) for text in texts for line in text.split("\n") if line]
    return [record for record in records if (record.get("expected") or {}).get("usage")]


def priced(record: dict[str, Any]) -> lazybridge.Receipt:
    expected, counts = record["expected"], record["expected"]["usage"]
    details = (expected.get("usage_wire") or {}).get("prompt_tokens_details") or {}
    usage = UsageStats(
        counts["input_total"],
        counts["output_total"],
        cached_input_tokens=counts["cached"],
        cache_write_tokens=counts["cache_write"],
        thinking_tokens=counts["reasoning"],
        audio_input_tokens=details.get("audio_tokens"),
    )
    model = expected.get("model") or (record.get("request_json") or {}).get("model") or "unnamed"
    day = date.fromisoformat(record["recorded_at"][:10]) if record.get("recorded_at") else None
    provider = VENDORS.get(record["provider"], record["provider"])
    return lazybridge.price(model, usage, provider=provider, at=day)


def reported() -> Iterator[tuple[dict[str, Any], float]]:
    for record in answers():
        wire = record["expected"].get("usage_wire")
        cost = reported_cost(wire) if isinstance(wire, dict) else None
        if cost is not None:
            yield record, float(cost)


def test_every_usage_is_priced_or_unknown_for_a_stated_reason() -> None:
    statuses = {"exact": 0, "unknown": 0, "lower_bound": 0}
    for record in answers():
        found = priced(record)
        statuses[found.status] += 1
        if found.status == "unknown":
            assert any(reason in found.reasons[0] for reason in _REASONS), (record["id"], found.reasons)
        else:
            assert found.total is not None
            assert found.lines or not record["expected"]["usage"]["input_total"], record["id"]
    assert statuses["exact"] > 1800, statuses
    assert statuses["lower_bound"] <= 1, statuses  # audio through a gateway whose table has no rate for it


def test_the_table_agrees_with_what_the_vendors_reported() -> None:
    compared = unpriced = 0
    for record, cost in reported():
        found = priced(record)
        if found.total is None or found.status == "lower_bound":
            unpriced += 1
        elif record["id"] not in EXCEPTIONS:
            compared += 1
            assert float(found.total) == pytest.approx(cost, rel=0.01), (record["id"], cost, str(found))
    assert compared >= 155
    assert unpriced <= 15


def test_every_exception_is_still_one() -> None:
    ids = {record["id"]: (priced(record), cost) for record, cost in reported()}
    for id in EXCEPTIONS:
        found, cost = ids[id]
        assert found.total is not None
        assert abs(float(found.total) - cost) > 0.01 * cost, id


def test_zero_ticks_of_azure_are_no_price() -> None:
    """Azure sends `cost_in_usd_ticks: 0` with answers that it does bill."""
    ticks = [
        record for record in answers() if (record["expected"].get("usage_wire") or {}).get("cost_in_usd_ticks") == 0
    ]
    assert ticks
    assert all(reported_cost(record["expected"]["usage_wire"]) is None for record in ticks)
