"""What a price costs: the catalogue against genai-prices, each in a process of its own.

    python benchmarks/pricing.py

CPU seconds are `time.process_time`, memory is the growth of the resident set; the median of several processes, with the
least and the most. Prices are for gpt-5-mini with cached input, and for models asked in turn.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

ROUNDS = 7
SETUP = """
import json, resource, sys, time
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6
memory, clock = rss(), time.process_time()
def lap():
    global clock
    now = time.process_time(); spent, clock = now - clock, now
    return spent
def per_call(function, calls):
    function(); start = time.process_time()
    for _ in range(calls): function()
    return (time.process_time() - start) / calls * 1e6
out = {}
"""
OURS = """
import lazybridge.core.pricing as pricing
from lazybridge.core import catalogue
from lazybridge.core.usage import UsageStats
out["import, ms"] = lap() * 1e3
usage = UsageStats(10_000, 1_000, cached_input_tokens=8_000)
lap(); pricing.price("gpt-5-mini", usage, provider="openai"); out["first price, ms"] = lap() * 1e3
out["memory, MB"] = rss() - memory
out["price, us"] = per_call(lambda: pricing.price("gpt-5-mini", usage, provider="openai"), 20_000)
out["unknown model, us"] = per_call(lambda: pricing.price("gpt-7", usage, provider="openai"), 5_000)
ids = iter(catalogue.ids("openai") * 60)
out["a price of each model in turn, us"] = per_call(lambda: pricing.price(next(ids), usage, provider="openai"), 5_000)
print(json.dumps(out))
"""
THEIRS = """
import genai_prices
out["import, ms"] = lap() * 1e3
usage = genai_prices.Usage(input_tokens=10_000, output_tokens=1_000, cache_read_tokens=8_000)
lap(); genai_prices.calc_price(usage, "gpt-5-mini", provider_id="openai"); out["first price, ms"] = lap() * 1e3
out["memory, MB"] = rss() - memory
out["price, us"] = per_call(lambda: genai_prices.calc_price(usage, "gpt-5-mini", provider_id="openai"), 2_000)
def unknown():
    try: genai_prices.calc_price(usage, "gpt-7", provider_id="openai")
    except LookupError: pass
out["unknown model, us"] = per_call(unknown, 2_000)
print(json.dumps(out))
"""


def measure(code: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", SETUP + code], capture_output=True, text=True, check=True)
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


def main() -> None:
    rounds = [(measure(OURS), measure(THEIRS)) for _ in range(ROUNDS)]
    print(f"{'':36}{'lazybridge':>24}{'genai-prices':>24}{'ratio':>8}")
    for name in rounds[0][0]:
        cells, medians = [], []
        for side in (0, 1):
            values = sorted(pair[side][name] for pair in rounds if name in pair[side])
            if values:
                medians.append(statistics.median(values))
                cells.append(f"{medians[-1]:.2f} ({values[0]:.2f} to {values[-1]:.2f})")
        ratio = f"{medians[0] / medians[1]:.3f}" if len(medians) == 2 else ""
        print(f"{name:36}" + "".join(f"{cell:>24}" for cell in cells) + f"{ratio:>8}")


if __name__ == "__main__":
    main()
