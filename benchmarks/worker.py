"""One subject in one process: `worker.py SUBJECT FAMILY URL BODIES`. For each line of input, a case's name and how many
calls, one round; the answer is a line of JSON. Peers run it in environments without lazybridge.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cases import BY_NAME, Case
from server import OBJECT, STREAMED, TEXT
from subjects import FAMILIES, POST, at_once, make_subject


def resident_kilobytes() -> int:
    """Of this process, now; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))


def descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


class Rounds:
    """The cases of one subject."""

    def __init__(self, subject: Any, name: str) -> None:
        self.subject, self.name = subject, name
        self.runner = asyncio.Runner()
        self.warm: set[str] = set()

    def expected(self, case: Case) -> str | None:
        if self.name == POST or case.method == "construct":
            return None
        if case.method == "structured":
            return str(json.loads(OBJECT)["capital_city"])
        return "".join(STREAMED) if case.streamed else TEXT

    def work(self, case: Case) -> Callable[[], list[Any]]:
        """What a round does again and again; it returns the answers."""
        method = getattr(self.subject, case.method)
        if case.method == "construct":
            return lambda: [method()]
        if case.together is not None:
            return lambda: self.runner.run(at_once(method, case.together or 1))
        return lambda: [method(case.long)]

    def measured(self, case: Case, repeats: int) -> dict[str, float]:
        work, expected = self.work(case), self.expected(case)
        if case.name not in self.warm or not case.streamed:
            # Also opens what was idle for so long that it may have been closed; streams are long enough without.
            wrong = [answer for answer in work() if expected is not None and answer != expected]
            if wrong:
                raise SystemExit(f"{self.name}, {case.name}: wrong answer {wrong[0][:80]!r}")
        self.warm.add(case.name)
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(repeats):
            work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        one = repeats * case.pieces * (case.together or 1)
        return {"cpu": cpu / one, "wall": wall / one}

    def soaked(self, calls: int) -> dict[str, float]:
        """What `calls` sequential calls leave behind."""
        found: dict[str, float] = {}
        for number in range(1, calls + 1):
            self.subject.complete(False)
            if number in (100, calls):
                gc.collect()
                word = "early" if number == 100 else "late"
                found |= {f"rss_{word}": resident_kilobytes(), f"descriptors_{word}": descriptors()}
        return found

    def close(self) -> None:
        self.runner.run(self.subject.aclose())
        self.runner.close()


def main() -> None:
    name, family, server, bodies = sys.argv[1:]
    rounds = Rounds(make_subject(name, FAMILIES[family], server, json.loads(Path(bodies).read_text())), name)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        case, repeats = line.rsplit(" ", 1)
        found = rounds.soaked(int(repeats)) if case == "soak" else rounds.measured(BY_NAME[case], int(repeats))
        print(json.dumps(found), file=answers, flush=True)
    rounds.close()


if __name__ == "__main__":
    main()
