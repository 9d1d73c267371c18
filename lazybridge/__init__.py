"""One line for any model, the vendor's own SDK underneath, and what it cost on the result."""

from __future__ import annotations

import importlib
from typing import Any

from lazybridge.names import HOME_OF

__version__ = "0.1.0"

__all__ = sorted(HOME_OF)  # one table says what is public and where it lives; __init__.pyi tells type checkers


def __getattr__(name: str) -> Any:
    """Public names are imported on first use, so `import lazybridge` costs nothing."""
    home = HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'lazybridge' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lazybridge.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
