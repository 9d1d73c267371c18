"""The source files of a directory, and their text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = frozenset((
    ".py", ".pyi", ".ipynb", ".toml", ".yaml", ".yml", ".json", ".jsonc", ".json5", ".jsonl", ".env", ".ini", ".cfg",
    ".conf", ".properties", ".xml", ".tf", ".hcl", ".md", ".mdx", ".rst", ".txt", ".html", ".ts", ".tsx", ".mts",
    ".cts", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte", ".go", ".rb", ".rs", ".java", ".kt", ".kts", ".scala",
    ".cs", ".fs", ".php", ".swift", ".dart", ".ex", ".exs", ".lua", ".r", ".jl", ".c", ".cc", ".cpp", ".h", ".hpp",
    ".sh", ".bash", ".zsh", ".fish", ".ps1", ".sql",
))  # fmt: skip
_NAMES = frozenset({"Dockerfile", "Makefile", "Justfile", "Procfile"})
_SKIPPED = frozenset({"node_modules", "build", "dist", "site-packages", "venv", "virtualenv", "__pycache__"})
_LARGEST = 2_000_000  # bytes


def below(directory: str) -> Iterator[str]:
    """The source files of a directory, sorted: not those of hidden directories, virtual environments and builds."""
    for place, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if _is_source(place, name))
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in SUFFIXES or name in _NAMES or name.startswith(".env"):
                yield os.path.join(place, name)


def _is_source(place: str, name: str) -> bool:
    if name.startswith(".") or name in _SKIPPED or name.endswith(".egg-info"):
        return False
    return not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))


def read(path: str) -> str | None:
    """The text of a file; None for one that is binary, very large or cannot be read."""
    try:
        if os.path.getsize(path) > _LARGEST:
            return None
        data = Path(path).read_bytes()
    except OSError:
        return None
    return None if b"\0" in data[:8192] else data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
