"""Recorded streams cut at every event boundary, in two ways, and read through the real providers from a loopback server.

`dropped`: the server hangs up without ending the body. `ended`: the body ends in good order where the stream does not, which
no SDK notices.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lazybridge.core.errors import ProviderError, StreamTruncated
from tests.integrity.recordings import (
    Reading,
    Record,
    body_of,
    ended,
    events_of,
    provider_for,
    replay,
    request_for,
)

WAYS = ("dropped", "ended")


class _Shortened(dict[str, Record]):
    """Records by id; `<id>@<bytes>` is one whose body ends there."""

    def get(self, key: str, default: Any = None) -> Any:
        id, _, end = key.partition("@")
        record = super().get(id, default)
        if not end:
            return record
        return {**record, "response_body": body_of(record)[: int(end)].decode("utf-8", "surrogatepass"), "response_encoding": "utf-8"}  # fmt: skip


def serving(records: list[Record]) -> Any:
    """The replay server, to be used in a `with`."""
    return replay().ReplayServer(_Shortened({record["id"]: record for record in records}))


@dataclass
class Cuts:
    """What came of cutting: before the first finish reason or terminal event (`early`), and later.

    `vendor_errors` had the vendor's own error before the cut. `ended_twice` are the answers that the vendor (Google,
    Together) had just called finished, and then went on with: nobody can tell that something is missing. `wrong` is what
    never was.
    """

    whole: int = 0
    early: Counter[str] = field(default_factory=Counter)
    late_raised: Counter[str] = field(default_factory=Counter)
    late_answers: Counter[str] = field(default_factory=Counter)
    vendor_errors: Counter[str] = field(default_factory=Counter)
    ended_twice: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        kinds = (self.early, self.late_raised, self.late_answers, self.vendor_errors, self.ended_twice)
        return sum(sum(each.values()) for each in kinds)

    def judge(self, record: Record, way: str, at: int, got: Reading, whole: Reading) -> None:
        """Take in one reading of a body that ends at byte `at`."""
        where = f"{record['id']} {way} at byte {at}"
        if got.raised is not None and whole.raised is not None and got.facts == whole.facts and not _cut(got):
            self.vendor_errors[way] += 1
        elif not ended(record, body_of(record)[:at]):
            self.early[way] += 1
            if not isinstance(got.raised, StreamTruncated):
                self.wrong.append(f"{where}: {got.raised!r:.150} instead of StreamTruncated")
            elif not whole.text.startswith(got.text) or got.raised.partial_text != got.text:
                self.wrong.append(f"{where}: partial_text {got.raised.partial_text!r:.80}, handed out {got.text!r:.80}")
        elif got.raised is not None:
            self.late_raised[way] += 1
            if not isinstance(got.raised, ProviderError):
                self.wrong.append(f"{where}: {got.raised!r:.150}")
        else:
            differs = [f"{where}: {what}" for what in _wrong(got, whole)]
            called_finished = way == "ended" and ended(record, events_of(body_of(record)[:at])[-1])
            if differs and called_finished and not ended_at_once(record):
                self.ended_twice[way] += 1
            else:
                self.late_answers[way] += 1
                self.wrong += differs


def _cut(got: Reading) -> bool:
    return isinstance(got.raised, StreamTruncated)


def ended_at_once(record: Record) -> bool:
    """Whether one event alone calls the answer finished."""
    return sum(ended(record, event) for event in events_of(body_of(record))) < 2


def _wrong(got: Reading, whole: Reading) -> Iterator[str]:
    """What an answer says that the whole stream does not."""
    assert got.response is not None
    if whole.response is None:
        yield f"an answer, where the whole stream is {whole.raised!r:.100}"
        return
    for name in ("content", "thinking", "stop_reason", "model"):
        if getattr(got.response, name) != getattr(whole.response, name):
            yield f"{name} {getattr(got.response, name)!r:.80} instead of {getattr(whole.response, name)!r:.80}"
    if [(c.name, c.arguments) for c in got.response.tool_calls] != [
        (c.name, c.arguments) for c in whole.response.tool_calls
    ]:
        yield "other tool calls"
    for name in ("input_tokens", "output_tokens", "cached_input_tokens", "thinking_tokens"):
        have, want = getattr(got.response.usage, name), getattr(whole.response.usage, name)
        if have not in (None, want):
            yield f"{name} {have} instead of {want}"


def cuts_of(record: Record) -> list[int]:
    """The byte at which each of a stream's events ends, but for the last; before the first is 0."""
    return [0, *itertools.accumulate(len(event) for event in events_of(body_of(record))[:-1])]


def cut_everywhere(
    record: Record, server: Any, found: Cuts, reader: Callable[[Any, Any], Reading], ways: tuple[str, ...] = WAYS
) -> None:
    """Read a stream whole, and cut at each boundary."""
    whole = _once(record, server.url(record["id"]), reader)
    found.whole += 1
    for way in ways:
        for at in cuts_of(record):
            url = server.url(record["id"], cut=at) if way == "dropped" else server.url(f"{record['id']}@{at}")
            found.judge(record, way, at, _once(record, url, reader), whole)


def _once(record: Record, url: str, reader: Callable[[Any, Any], Reading]) -> Reading:
    provider = provider_for(record, url)
    try:
        return reader(provider, request_for(record))
    finally:
        provider.close()  # type: ignore[attr-defined]
