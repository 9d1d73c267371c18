"""Thousands of calls at once against a vendor that has too much to do; what came of them, counted on both sides."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lazybridge import Budget, Envelope
from tests.conftest import KINDS, Kind

RETRIES = 14  # three of ten fail: one call of fifty million needs more


class Server:
    """`flaky_server` in a process of its own, so that this one's descriptors and memory are lazybridge's."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{self._read().strip()}"

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def found(self) -> dict[str, int]:
        """What it was asked, and what it did."""
        assert self._process.stdin is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return json.loads(self._read())  # type: ignore[no-any-return]


@contextmanager
def flaky(seed: int = 1) -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.integrity.flaky_server", str(seed)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Server(process)
    finally:
        process.kill()
        process.communicate()


@dataclass
class Overload:
    """What came of it. `attempts` are the client's, `hits` the server's; money in USD, memory in MB."""

    calls: int
    ok: int
    attempts: int
    hits: int
    spent: Decimal
    receipts: Decimal
    reserved: Decimal
    most_open: int
    descriptors: int
    kept: int
    seconds: float
    memory: float
    errors: list[str]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def memory() -> float:
    """Resident MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def kept() -> int:
    """What of ended calls is still there."""
    gc.collect()
    names = {"Call", "Run", "Arrived", "Cover", "Attempt", "CompletionResponse"}
    return sum(type(found).__name__ in names and type(found).__module__.startswith("lazybridge") for found in gc.get_objects())  # fmt: skip


def overload(kind: Kind | str, calls: int, server: Server) -> Overload:
    """So many calls at once, each in a task of its own, on one event loop."""
    kind = KINDS[kind] if isinstance(kind, str) else kind
    before, open_before, kept_before, memory_before = server.found(), descriptors(), kept(), memory()
    budget = Budget(1_000_000, unknown="allow")
    started = time.monotonic()
    envelopes: list[Envelope[Any]] = asyncio.run(_all(kind, server.url, calls, budget))
    seconds = time.monotonic() - started
    attempts = [attempt for envelope in envelopes for attempt in envelope.metadata.attempts]
    receipts = [envelope.metadata.receipt.total or Decimal(0) for envelope in envelopes]
    errors = [str(envelope.error) for envelope in envelopes if not envelope.ok]
    ok, count = sum(envelope.ok for envelope in envelopes), len(attempts)
    del envelopes, attempts
    after = server.found()
    hits = sum(after[name] - before[name] for name in ("answered", "429", "500", "503", "reset"))
    return Overload(
        calls, ok, count, hits, budget.spent, sum(receipts, Decimal(0)), budget.reserved, after["most_open"],
        descriptors() - open_before, kept() - kept_before, seconds, memory() - memory_before, errors,
    )  # fmt: skip


async def _all(kind: Kind, url: str, calls: int, budget: Budget) -> list[Envelope[Any]]:
    async with kind.agent(url, max_retries=RETRIES, max_tokens=100, budget=budget) as agent:
        return await asyncio.gather(*(agent.run("hi") for _ in range(calls)))
