"""The recorded requests of other clients, read into neutral types and written back by the wires."""

from __future__ import annotations

import copy
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.wire.recorded import CannotSay, canonical, gemini, request_of

TRAFFIC = Path(__file__).parents[3] / "shared" / "conformance" / "open"
pytestmark = pytest.mark.skipif(not TRAFFIC.exists(), reason="the recorded traffic is not in this checkout")
# The share of requests that our types can say, by API; what they cannot is named by `CannotSay`.
LEAST = {"openai_chat": 0.90, "openai_responses": 0.90, "anthropic_messages": 0.69, "google_generate": 0.98}
# What of generateContent our types have no word for; `extra_body` has.
GEMINI_ALONE = {
    "a choice among several tools": 3,
    "a part with fileData, videoMetadata": 1,
}


@cache
def bodies(api: str) -> list[tuple[str, dict[str, Any]]]:
    texts = (path.read_text(encoding="utf-8") for path in sorted(TRAFFIC.glob("*.jsonl")))
    records = (json.loads(line) for text in texts for line in text.split("\n") if line)
    return [
        (record["id"], record["request_json"])
        for record in records
        if record["api"] == api
        and isinstance(record.get("request_json"), dict)
        and (
            not record.get("request_trimmed") or api == "google_generate"
        )  # whose labels of media can be read as media
    ]


@pytest.mark.parametrize("api", list(LEAST))
def test_a_request_that_our_types_can_say_is_written_as_it_was(api: str) -> None:
    said, cannot = 0, Counter[str]()
    for id, body in bodies(api):
        try:
            parsed = request_of(api, copy.deepcopy(body))
        except CannotSay as exc:
            cannot[str(exc)] += 1
            continue
        call = parsed.wire.to_sdk_kwargs(parsed.request, parsed.model, parsed.stream)
        if call.adjustments:
            cannot[str(call.adjustments[0])] += 1
            continue
        assert canonical(api, call.body) == canonical(api, body), id
        said += 1
    assert said / (said + cannot.total()) >= LEAST[api], (said, cannot)


def test_what_gemini_is_sent_is_spelt_in_one_way() -> None:
    for id, body in bodies("google_generate"):
        try:
            parsed = request_of("google_generate", copy.deepcopy(body))
        except CannotSay:
            continue
        call = parsed.wire.to_sdk_kwargs(parsed.request, parsed.model, parsed.stream)
        assert gemini.camel(call.body) == call.body, id


def test_what_cannot_be_said_to_gemini_is_named() -> None:
    found = Counter[str]()
    for _, body in bodies("google_generate"):
        try:
            request_of("google_generate", copy.deepcopy(body))
        except CannotSay as exc:
            found[str(exc)] += 1
    assert found == GEMINI_ALONE


def test_four_in_five_of_all_can_be_said() -> None:
    total = said = 0
    for api in LEAST:
        for _, body in bodies(api):
            total += 1
            try:
                request_of(api, copy.deepcopy(body))
            except CannotSay:
                continue
            said += 1
    assert said / total > 0.8
