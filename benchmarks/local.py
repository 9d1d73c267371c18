"""The backends of the local provider on the built-in model, one thread, a process each.

python benchmarks/local.py     (needs lazybridge[local,mistralrs,candle]; llama-cpp-python where it is installed; the memory is read from /proc, on Linux)
"""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lazybridge.core.providers.local import LocalOptions, LocalProvider, memory
from lazybridge.core.types import CompletionRequest, Message

BACKENDS = ("llamacpp", "llama-cpp-python", "mistralrs", "candle")
ROUNDS = 3
STORY = "Tell me a long story about a dog and a cat who live in a house by the sea."


def request(max_tokens: int, text: str = STORY) -> CompletionRequest:
    return CompletionRequest((Message.user(text),), max_tokens=max_tokens, temperature=0.0)


def unread(number: int) -> str:
    """A prompt of some 130 tokens that does not begin as another one does: llama.cpp remembers what it has read."""
    return f"{number} " + f"word{number} " * 60


def cpu_seconds(provider: LocalProvider, asked: CompletionRequest) -> tuple[float, int, int]:
    begun = time.process_time()
    usage = provider.complete(asked).usage
    return time.process_time() - begun, usage.input_tokens, usage.output_tokens


def megabytes() -> int:
    return round((memory.resident() or 0) / 1e6)


def measure(backend: str) -> None:
    provider = LocalProvider(backend=backend, options=LocalOptions(threads=1))
    estimate = (provider.memory_bytes or 0) / 1e6
    begun, before = time.perf_counter(), megabytes()
    provider.load()
    took = time.perf_counter() - begun
    provider.complete(request(1))
    told = (provider.memory_bytes or 0) / 1e6
    reading, writing = [], []
    for round_ in range(ROUNDS):
        one, read, _ = cpu_seconds(provider, request(1, unread(round_)))
        reading.append(read / one)
        prompt, _, _ = cpu_seconds(provider, request(1))
        whole, _, written = cpu_seconds(provider, request(65))
        writing.append((written - 1) / (whole - prompt))
    loaded = megabytes()
    provider.unload()
    after = megabytes()
    print(
        f"{backend:16}{took:>9.2f}{before:>9}{loaded:>9}{after:>10}{(loaded - after) / (loaded - before):>10.0%}"
        f"{estimate:>10.0f}{told:>9.0f}{max(reading):>11.0f}{max(writing):>11.0f}"
    )


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    heads = ("load s", "MB before", "loaded", "unloaded", "returned", "estimate", "told", "tok/cpu-s", "tok/cpu-s")
    print(f"{'':16}{'':>9}{'':>9}{'':>9}{'':>10}{'':>10}{'memory_bytes, MB':>19}{'reading':>11}{'writing':>11}")
    widths = (9, 10, 8, 10, 10, 10, 9, 11, 11)
    print(f"{'':16}" + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)), flush=True)
    for backend in BACKENDS:
        if backend == "llama-cpp-python" and find_spec("llama_cpp") is None:
            continue
        subprocess.run([sys.executable, __file__, backend], check=True)


if __name__ == "__main__":
    main()
