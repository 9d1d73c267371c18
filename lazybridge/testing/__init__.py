"""For the tests of programs that use lazybridge: providers that say what a script says, and recordings of real calls."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lazybridge.testing.cassette import Cassette as Cassette
    from lazybridge.testing.cassette import CassetteError as CassetteError
    from lazybridge.testing.cassette import record as record
    from lazybridge.testing.cassette import replay as replay
    from lazybridge.testing.script import Later as Later
    from lazybridge.testing.script import ScriptError as ScriptError
    from lazybridge.testing.script import Stream as Stream
    from lazybridge.testing.scripted import ScriptedProvider as ScriptedProvider

__all__ = ["Cassette", "CassetteError", "Later", "ScriptError", "ScriptedProvider", "Stream", "record", "replay"]

_HOME_OF = {
    **dict.fromkeys(("Cassette", "CassetteError", "record", "replay"), "cassette"),
    **dict.fromkeys(("Later", "ScriptError", "Stream"), "script"),
    "ScriptedProvider": "scripted",
}


def __getattr__(name: str) -> Any:
    """Names are imported on first use: pytest loads this package for its plugin, also where nobody uses it."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lazybridge.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lazybridge.testing.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
