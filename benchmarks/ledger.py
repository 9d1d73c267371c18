"""What a row of the ledger costs the thread that makes the call, alone and beside a second process that writes.

`python benchmarks/ledger.py [--rows N] [--directory DIR]` prints microseconds of wall time for `Ledger.add`; the file is
made in `--directory` (by default the one for temporary files), whose disk the figures depend on.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lazybridge import Attempt, Ledger, Line, Receipt, UsageStats

WARM_UP = 200
# Seconds between two rows of the second process: as fast as it can, and as a busy server of LLM calls.
PAUSES = {"a second process writes, 100 rows a second": 0.01, "a second process writes without a pause": 0.0}


def attempt() -> Attempt:
    amount = Decimal("0.0041375")
    receipt = Receipt(amount, "exact", (Line("output tokens", 310, Decimal(5), 1_000_000, amount),))
    usage = UsageStats(input_tokens=1204, cached_input_tokens=1000, output_tokens=310, thinking_tokens=0)
    return Attempt("anthropic", "claude-haiku-4-5", time.time(), 812.5, None, None, 0.0, usage, "req_1", receipt)


def measured(path: Path, rows: int, pause: float = 0.0) -> list[float]:
    """Seconds of each `add`."""
    found = []
    with Ledger(path) as ledger:
        for number in range(WARM_UP + rows):
            one = attempt()
            started = time.perf_counter()
            ledger.add(one, agent="benchmark", asked="claude-haiku-4-5", run_id="0" * 32)
            if number >= WARM_UP:
                found.append(time.perf_counter() - started)
            if pause:
                time.sleep(pause)
    return found


def write_until_ended(path: Path, pause: float) -> None:
    with Ledger(path) as ledger:
        print("writing", flush=True)
        while True:
            ledger.add(attempt(), agent="second", asked="claude-haiku-4-5", run_id="1" * 32)
            if pause:
                time.sleep(pause)


@contextmanager
def second_process(path: Path, pause: float) -> Iterator[None]:
    command = [sys.executable, __file__, "--write", str(path), str(pause)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def print_row(name: str, seconds: list[float]) -> None:
    times = [second * 1e6 for second in seconds]
    print(f"{name:<46} {median(times):>9,.1f} {quantiles(times, n=100)[98]:>9,.1f} {max(times):>11,.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000, help="measured rows of each case (default 10000)")
    parser.add_argument("--directory", help="where the file is made")
    parser.add_argument("--write", nargs=2, metavar=("PATH", "PAUSE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_until_ended(Path(options.write[0]), float(options.write[1]))
        return
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    print(f"{date.today()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores; wall time")
    print(f"\n{'Ledger.add, microseconds':<46} {'median':>9} {'p99':>9} {'max':>11}")
    with TemporaryDirectory(dir=options.directory) as directory:
        print_row("one process", measured(Path(directory, "alone.db"), options.rows))
        print_row("one process, a row each 5 ms", measured(Path(directory, "slow.db"), options.rows // 20, 0.005))
        for number, (name, pause) in enumerate(PAUSES.items()):
            path = Path(directory, f"shared{number}.db")
            with second_process(path, pause):
                print_row(name, measured(path, options.rows))


if __name__ == "__main__":
    main()
