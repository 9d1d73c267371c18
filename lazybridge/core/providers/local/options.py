"""How a local model is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, get_args

from lazybridge.core.errors import ConfigurationError

BackendName = Literal["llamacpp", "llama-cpp-python", "mistralrs", "candle"]


@dataclass(frozen=True)
class LocalOptions:
    """How a local model is loaded.

    `path` is a GGUF file; None is the built-in model. `context_tokens` is what one request may read and write together.
    `threads` is the number of CPU threads. llama.cpp takes one less than the cores by default: with all of them its
    threads wait for each other as soon as anything else runs; mistral.rs and candle take one, or RAYON_NUM_THREADS.
    `parallel` requests are served at once, others wait their turn; only llama.cpp takes more than one.

    `backend` is the engine; None is "llamacpp", or "llama-cpp-python" where only that one's package is installed. `gpu_layers` is how many layers llama.cpp puts on a GPU, None as many as fit.
    `chat_template` is the text of a Jinja template instead of the file's own. `lora` is the GGUF
    file of an adapter that llama.cpp puts on the model. `embedding` loads it to make vectors, which `embed` sees to.

    Raises ConfigurationError for an unknown backend, ValueError for a number that is too small.
    """

    path: str | os.PathLike[str] | None = None
    context_tokens: int = 4096
    threads: int | None = None
    parallel: int = 1
    backend: BackendName | None = None
    gpu_layers: int | None = None
    chat_template: str | None = None
    lora: str | os.PathLike[str] | None = None
    embedding: bool = False

    def __post_init__(self) -> None:
        for name, least in (("context_tokens", 1), ("threads", 1), ("parallel", 1), ("gpu_layers", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"LocalOptions {name} must be at least {least}, got {value!r}")
        names = get_args(BackendName)
        if self.backend is not None and self.backend not in names:
            *others, last = (f'backend="{name}"' for name in names)
            raise ConfigurationError(f"no backend is called {self.backend!r}\nwrite {', '.join(others)} or {last}")

    @property
    def cpu_threads(self) -> int:
        """`threads`, or llama.cpp's default for this machine."""
        return self.threads or max(1, (os.cpu_count() or 1) - 1)
