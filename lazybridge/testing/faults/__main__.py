"""`python -m lazybridge.testing.faults`: lazybridge through every way to fail, and the score."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence

from lazybridge.testing.faults.bench import VENDORS, Result, cases, run
from lazybridge.testing.faults.modes import MODES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and return 1 where something failed."""
    parser = argparse.ArgumentParser(prog="python -m lazybridge.testing.faults", description=__doc__)
    parser.add_argument("--provider", action="append", choices=list(VENDORS), help="one of them; may be repeated")
    parser.add_argument(
        "--mode", action="append", choices=list(MODES), metavar="MODE", help="a way to fail; may be repeated"
    )
    parser.add_argument("--list", action="store_true", help="print the ways to fail, and run nothing")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--workers", type=int, help="how many calls at once")
    given = parser.parse_args(arguments)
    if given.list:
        for mode in MODES.values():
            print(f"{mode.name:28} {mode.does}\n{'':28} {mode.source}")
        return 0
    warnings.simplefilter("ignore")  # what a fault makes lazybridge say is not what is measured here
    began = time.monotonic()
    results = list(run(cases(given.provider or VENDORS, given.mode or MODES), given.workers))
    if given.json:
        print(json.dumps([_plain(result) for result in results], indent=1))
    else:
        print(scoreboard(results))
        print(f"{len(results)} calls in {time.monotonic() - began:.0f} s")
    return 0 if all(result.passed for result in results) else 1


def scoreboard(results: Sequence[Result]) -> str:
    """Passed of all, for each provider, and then what failed."""
    by_vendor: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_vendor[result.case.vendor.name].append(result)
    lines = [
        f"{name:12} {sum(result.passed for result in found):4} / {len(found)}" for name, found in by_vendor.items()
    ]
    for result in results:
        where = f"{result.case.vendor.name} {result.case.mode.name} {result.case.form}"
        lines += [f"{where}: {failure}" for failure in result.failures]
    return "\n".join(lines)


def _plain(result: Result) -> dict[str, object]:
    case = result.case
    failures = [vars(failure) for failure in result.failures]
    return {
        "provider": case.vendor.name, "mode": case.mode.name, "form": case.form, "passed": result.passed,
        "seconds": round(result.seconds, 3), "failures": failures, "source": case.mode.source,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
