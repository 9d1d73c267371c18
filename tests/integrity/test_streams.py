"""Every cut of a recorded stream is noticed, and how its bytes are split or spelt changes nothing.

The bytes are the vendors', from recordings; `python -m tests.integrity` does for all of them what is done here for some.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from lazybridge.core.errors import ProviderTimeoutError, StreamTruncated
from tests.conftest import Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_astream, by_stream
from tests.integrity.cuts import Cuts, cut_everywhere, cuts_of, serving
from tests.integrity.recordings import Record, aread, body_of, needs_recordings, read, sample, streams
from tests.integrity.splits import SIZES, SPELLINGS, Split, taped

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # recordings name models and words that nobody knows now


def short(count: int, events: int) -> list[Record]:
    """`count` streams of each API that have at most so many events."""
    return [record for record in sample(4 * count) if len(cuts_of(record)) <= events]


@needs_recordings
def test_every_cut_of_a_recorded_stream_is_noticed() -> None:
    found = Cuts()
    records = short(40, 9)
    with serving(records) as server:
        for record in records:
            cut_everywhere(record, server, found, read)
    assert found.wrong == []
    assert found.early["dropped"] == found.early["ended"] > 200
    assert sum((found.late_raised + found.late_answers).values()) > 20


@needs_recordings
def test_every_cut_of_a_recorded_stream_is_noticed_on_an_event_loop() -> None:
    found = Cuts()
    records = short(6, 12)
    with serving(records) as server:
        for record in records:
            cut_everywhere(record, server, found, lambda provider, request: asyncio.run(aread(provider, request)))
    assert found.wrong == []
    assert found.early["dropped"] == found.early["ended"] > 50


@needs_recordings
@pytest.mark.parametrize("id", ["together-2f959ca0630a", "google-fd4e7872a9dc"])
def test_who_goes_on_after_a_finish_reason_has_not_finished(id: str) -> None:
    """Together ends each of several calls with a finish reason; Google a text before more of it."""
    found = Cuts()
    records = [record for record in streams() if record["id"] == id]
    with serving(records) as server:
        cut_everywhere(records[0], server, found, read, ("ended",))
    assert found.wrong == []
    assert found.ended_twice["ended"] == 1


@needs_recordings
def test_recorded_bytes_in_pieces_of_any_size_are_the_same_answer() -> None:
    compared = 0
    with taped() as tape:
        for place, record in enumerate(record for record in sample(30) if len(body_of(record)) < 6_000):
            split = Split(record, tape)
            count, wrong = split.differences(SIZES if place % 10 == 0 else (1, 3, 64))
            assert wrong == []
            compared += count
            split.close()
    assert compared > 1_500


@needs_recordings
@pytest.mark.parametrize("record", sample(2), ids=lambda record: record["api"])
async def test_an_event_loop_reads_the_same_from_pieces(record: Record) -> None:
    with taped() as tape:
        split = Split(record, tape)
        whole = split.read(split.body).facts
        for body in (split.body, *(spell(split.body) for spell in SPELLINGS.values())):
            for size in (0, 1, 2, 3, 7):
                assert (await split.aread(body, size)).facts == whole
        await split.provider.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("head", [b"\xef\xbb\xbf", b"retry: 3000\n\n", b"id: 7\n\n", b": hello\n\n"], ids=["BOM", "retry", "id", "comment"])  # fmt: skip
@pytest.mark.parametrize("mode", [by_stream, by_astream], ids=["sync", "async"])
def test_what_may_stand_before_the_first_event_is_not_taken_for_one(
    kind: Kind, vendor: FakeVendor, head: bytes, mode: Mode
) -> None:
    """The SDKs lose the first event to a byte order mark, and fail at a block without data."""
    vendor.fail(Fault(before=head))
    with kind.agent(vendor.url, max_retries=0) as agent:
        envelope = mode(agent, "hi")
    assert envelope.text() == TEXT
    assert envelope.metadata.input_tokens == 20


# --- what breaks off, and when ----------------------------------------------------------------------------------------


def broken(kind: Kind, vendor: FakeVendor, **more: Any) -> Any:
    agent = kind.agent(vendor.url, max_retries=0, **more)
    stream = agent.stream("hi")
    error: Exception | None = None
    try:
        list(stream)
    except StreamTruncated as exc:
        error = exc
    assert stream.envelope is not None
    assert stream.envelope.error is error
    agent.close()
    return stream.envelope


@pytest.mark.parametrize("end", ["cut_after", "end_after"])
def test_a_stream_that_ends_before_its_first_word_is_truncated(kind: Kind, vendor: FakeVendor, end: str) -> None:
    vendor.fail(Fault(**{end: 0}))  # type: ignore[arg-type]
    envelope = broken(kind, vendor)
    assert isinstance(envelope.error, StreamTruncated)
    assert envelope.error.__cause__ is None or end == "cut_after"
    assert envelope.metadata.cost_usd is None  # the vendor had begun, and may charge


def test_a_limit_of_time_that_is_met_in_a_stream_is_no_truncation(kind: Kind, vendor: FakeVendor) -> None:
    vendor.fail(Fault(hang_after=2))
    agent = kind.agent(vendor.url, max_retries=0, timeout=0.5)
    began = time.monotonic()
    with pytest.raises(ProviderTimeoutError):
        list(agent.stream("hi"))
    assert time.monotonic() - began < 3
    agent.close()
