"""How a local model is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class LocalOptions:
    """How a local model is loaded.

    `path` is a GGUF file; None is the built-in model. `context_tokens` is what one request may read and write together.
    `threads` is the number of CPU threads, one less than the cores by default: with all of them llama.cpp's threads
    wait for each other as soon as anything else runs. `parallel` requests are served at once, others wait their turn.
    """

    path: str | os.PathLike[str] | None = None
    context_tokens: int = 4096
    threads: int | None = None
    parallel: int = 1

    def __post_init__(self) -> None:
        for name in ("context_tokens", "threads", "parallel"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"LocalOptions {name} must be at least 1, got {value!r}")

    @property
    def cpu_threads(self) -> int:
        """`threads`, or the default for this machine."""
        return self.threads or max(1, (os.cpu_count() or 1) - 1)
