"""Which model a tier word means: what was registered, else what a lock file pins, else the provider's own table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.registry import key_of, near
from lazybridge.core.types import TIERS, Tier

LOCK_FILE = "lazybridge.lock"
LOCK_VARIABLE = "LAZYBRIDGE_LOCK"

_registered: dict[tuple[str, str], str] = {}


def register_tier(provider: str, tier: Tier, model: str) -> None:
    """Let a tier of a provider mean a model of your choice, in this process. Raises ConfigurationError for no such tier."""
    check(tier)
    if not isinstance(model, str) or not model or model in TIERS:
        raise ConfigurationError(f"{model!r} is no model id\nwrite register_tier({provider!r}, {tier!r}, 'model-id')")
    _registered[key_of(provider), tier] = model


def check(tier: str) -> None:
    """Raise ConfigurationError, with the nearest word, for a word that is no tier."""
    if tier not in TIERS:
        raise ConfigurationError(f"no tier is called {tier!r}{near(str(tier), TIERS)}\ntiers: {', '.join(TIERS)}")


def chosen(provider: str, tier: str) -> str | None:
    """The model that a user or the lock file gives a tier; None leaves it to the provider's own table."""
    return _registered.get((key_of(provider), tier)) or locked().get(provider, {}).get(tier)


def lock_path() -> Path | None:
    """The lock file in force: the one that LAZYBRIDGE_LOCK names ("off" for none), else ./lazybridge.lock if it is there.

    Raises ConfigurationError where the variable names a file that is not there.
    """
    named = os.environ.get(LOCK_VARIABLE)
    if named == "off":
        return None
    path = Path(named or LOCK_FILE)
    if path.is_file():
        return path
    if named:
        raise ConfigurationError(f"{LOCK_VARIABLE} names {named}, which is no file\nlazybridge lock --file {named}")
    return None


def locked(path: Path | None = None) -> Mapping[str, Mapping[str, str]]:
    """What a lock file (the one in force) pins: provider -> tier -> model id. Raises ConfigurationError for no lock file."""
    path = path or lock_path()
    return {} if path is None else _read(path.resolve(), path.stat().st_mtime_ns)


@lru_cache(8)
def _read(path: Path, changed: int) -> Mapping[str, Mapping[str, str]]:
    try:
        found: Any = json.loads(path.read_bytes())
        tiers = {name: {tier: row["model"] for tier, row in rows.items()} for name, rows in found["tiers"].items()}
        if not all(isinstance(model, str) and model for rows in tiers.values() for model in rows.values()):
            raise ValueError("a model that is no id")
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigurationError(f"{path} is no lock file ({exc!r})\nwrite it anew: lazybridge lock") from None
    return cast("Mapping[str, Mapping[str, str]]", tiers)
