"""How near an estimate of the input is: counted tokens against what the vendors reported, over recorded requests.

python benchmarks/estimates.py     (needs the recorded traffic beside the repository)
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lazybridge.core import counting
from tests.test_estimate import RECORDS, generations


def main() -> None:
    if not RECORDS.is_dir():
        sys.exit("the recorded traffic is not in this checkout")
    print(
        f"{'':12}{'requests':>10}{'bounded':>9}{'outside':>9}{'high / real':>13}{'error of the guess: 5 %, half, 95 %':>40}"
    )
    for vendor in ("openai", "anthropic"):
        errors, looseness, outside, total = [], [], 0, 0
        for body, real in generations(vendor):
            found = counting.count(body, vendor, body.get("model") or "").tokens
            total += 1
            errors.append(found.expected / real - 1)
            outside += found.low > real or (found.high is not None and found.high < real)
            if found.high is not None:
                looseness.append(found.high / real)
        errors.sort()
        spread = (errors[len(errors) // 20], statistics.median(map(abs, errors)), errors[-len(errors) // 20])
        print(
            f"{vendor:12}{total:>10}{len(looseness):>9}{outside:>9}{statistics.median(looseness):>13.1f}"
            f"{'':>12}" + "".join(f"{error:>+9.1%}" for error in spread)
        )


if __name__ == "__main__":
    main()
