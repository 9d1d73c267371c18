"""All of it: `python -m tests.integrity [cuts] [async-cuts] [splits] [overload] [clients] [--write]`, minutes to an hour.

It prints what it counted, and exits with 1 where anything was wrong. `--write` puts the counts into docs/reliability.md.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.conftest import KINDS
from tests.fake_vendor import FakeVendor, Fault
from tests.integrity.cuts import Cuts, cut_everywhere, serving
from tests.integrity.overload import descriptors, flaky, memory, overload
from tests.integrity.recordings import CONFORMANCE, MISSING, Record, aread, body_of, read, streams
from tests.integrity.splits import SIZES, SPELLINGS, Split, taped
from tests.integrity.test_clients import HOWS, end

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
START, END = "<!-- from `python -m tests.integrity --write` -->\n", "<!-- end -->"
WAYS = {"dropped": "connection dropped", "ended": "body ended in order"}
STORMS = ("chat", "responses", "messages", "groq", "mistral", "gemini")

Found = tuple[list[str], list[str]]  # what was counted, and what was wrong


def _workers() -> int:
    return min(4, os.cpu_count() or 1)


def _shares(records: list[Record]) -> list[list[str]]:
    """The ids in as many shares as there are workers, with about the same work in each."""
    ordered = sorted(records, key=lambda record: len(record["response_body"]))
    return [[record["id"] for record in ordered[place :: 8 * _workers()]] for place in range(8 * _workers())]


def _of(ids: Iterable[str]) -> list[Record]:
    wanted = set(ids)
    return [record for record in streams() if record["id"] in wanted]


def _cut(ids: list[str], asynchronous: bool) -> Cuts:
    warnings.simplefilter("ignore")
    found = Cuts()
    records = _of(ids)
    reader = (lambda provider, request: asyncio.run(aread(provider, request))) if asynchronous else read
    with serving(records) as server:
        for record in records:
            cut_everywhere(record, server, found, reader)
    return found


def _all_cuts(asynchronous: bool) -> Found:
    with ProcessPoolExecutor(_workers()) as pool:
        parts = list(pool.map(_cut, _shares(streams()), [asynchronous] * 1000))
    names = ("early", "late_raised", "late_answers", "vendor_errors", "ended_twice")
    sums = {name: sum((getattr(part, name) for part in parts), Counter()) for name in names}
    by_way = {
        way: [sums[name][way] for name in names] for way in WAYS
    }  # fmt: skip
    whole, wrong = sum(part.whole for part in parts), [line for part in parts for line in part.wrong]
    how = "async" if asynchronous else "sync"
    lines = [
        f"| cuts at every event boundary, {how}, {WAYS[way]} | {whole} streams, {sum(counts):,} cuts | {counts[0]:,} before the end: StreamTruncated; after it "
        f"{counts[1]:,} raised, {counts[2]:,} gave the whole answer; {counts[3]:,} raised the vendor's own error; {counts[4]:,} gave what the vendor had called finished; {len(wrong)} wrong |"
        for way, counts in by_way.items()
    ]
    return lines, wrong


def cuts() -> Found:
    return _all_cuts(asynchronous=False)


def async_cuts() -> Found:
    return _all_cuts(asynchronous=True)


def _split(ids: list[str]) -> tuple[int, int, list[str]]:
    warnings.simplefilter("ignore")
    compared, several, wrong = 0, 0, []
    with taped() as tape:
        for record in _of(ids):
            split = Split(record, tape)
            count, found = split.differences(SIZES)
            split.close()
            compared += count
            several += not body_of(record).isascii()
            wrong += found
    return compared, several, wrong


def splits() -> Found:
    with ProcessPoolExecutor(_workers()) as pool:
        parts = list(pool.map(_split, _shares(streams())))
    wrong = [line for part in parts for line in part[2]]
    line = (
        f"| bytes in pieces of 1 to {len(SIZES)}; {', '.join(SPELLINGS)} | {len(streams())} streams ({sum(part[1] for part in parts)} with characters "
        f"of several bytes), {sum(part[0] for part in parts):,} readings | {len(wrong)} differ |"
    )
    return [line], wrong


def storms() -> Found:
    lines, wrong = [], []
    for name in STORMS:
        with flaky() as server:
            overload(name, 2_000, server)  # memory is compared with what a first storm leaves
            found = overload(name, 2_000, server)
        lines.append(
            f"| 2,000 calls at once, {name}, 30 % fail | {found.attempts:,} attempts, {found.hits:,} requests seen, {found.seconds:.0f} s | "
            f"{found.ok:,} answered; spent {found.spent} = receipts {found.receipts} USD; {found.descriptors:+d} descriptors, {found.memory:+.0f} MB |"
        )
        right = found.ok == found.calls and found.attempts == found.hits and found.spent == found.receipts
        if not right or found.reserved or found.descriptors or found.kept or found.memory > 30:
            wrong.append(f"storm of {name}: {replace(found, errors=sorted(set(found.errors))[:3])}")
    return lines, wrong


def clients() -> Found:
    lines, wrong = [], []
    vendor = FakeVendor()
    for name in KINDS:
        agent = KINDS[name].agent(vendor.url)
        before: list[float] = []
        began = time.monotonic()
        for round in range(1_050):
            if round == 50:
                vendor.requests.clear()
                before = [descriptors(), memory()]
            ok = asyncio.run(agent.run("hi")).ok
            wrong += [] if ok else [f"{name}: asyncio.run number {round} failed"]
        time.sleep(0.5)
        vendor.requests.clear()
        more, grown = descriptors() - before[0], memory() - before[1]
        agent.close()
        lines.append(
            f"| 1,000 `asyncio.run` in a row, {name} | {time.monotonic() - began:.0f} s | {more:+.0f} descriptors, {grown:+.0f} MB |"
        )
        wrong += (
            [f"{name}: {more:+.0f} descriptors, {grown:+.0f} MB after 1,000 loops"] if more > 0 or grown > 20 else []
        )
    vendor.pieces = ("word ",) * 200
    ends = 0
    for how in HOWS:
        for name in KINDS:
            vendor.fail(*[Fault(pause=0.02)] * (how != "open clients"))
            done = end(vendor.url, how, [name])
            ends += 1
            if (done.returncode, done.stderr) != (0, ""):
                wrong.append(f"process that ends with {how}, {name}: {done.returncode} {done.stderr}")
            vendor._faults.clear()
    vendor.close()
    lines.append(f"| processes that end with {', '.join(HOWS)} | {ends} processes under `-W error` | {ends - sum('process' in line for line in wrong)} quiet |")  # fmt: skip
    return lines, wrong


PARTS: dict[str, Callable[[], Found]] = {
    "cuts": cuts,
    "async-cuts": async_cuts,
    "splits": splits,
    "overload": storms,
    "clients": clients,
}


def main(words: list[str]) -> int:
    if not CONFORMANCE.is_dir():
        print(f"{MISSING}: streams are not looked at")
    warnings.simplefilter("ignore")
    asked = [word for word in words if word in PARTS] or list(PARTS)
    rows, wrong = [], []
    for part in asked:
        if CONFORMANCE.is_dir() or part in ("overload", "clients"):
            lines, bad = PARTS[part]()
            rows += lines
            wrong += bad
            print("\n".join(lines), flush=True)
    print("\n".join(wrong))
    if "--write" in words:
        head, rest = PAGE.read_text().split(START)
        table = "\n".join(["| what | how much | result |", "|---|---|---|", *rows, ""])
        PAGE.write_text(f"{head}{START}\n{table}\n{END}{rest.split(END, 1)[1]}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
