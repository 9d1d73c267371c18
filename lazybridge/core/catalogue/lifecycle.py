"""How long a model will still be served."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime

from lazybridge.core import catalogue
from lazybridge.core.catalogue.rows import ModelProfile

# Days before its retirement in which a model counts as retiring.
SOON = 60


def today() -> date:
    """The day that retirements are counted from, in UTC."""
    return datetime.now(UTC).date()


def days_left(profile: ModelProfile, on: date) -> int | None:
    """Days until the vendor shuts a model down: 0 on that very day, below 0 when it is gone; None where no date is known."""
    return None if profile.retires is None else (profile.retires - on).days


def is_retired(profile: ModelProfile, on: date) -> bool:
    """Whether the day on which the vendor shuts a model down has passed."""
    left = days_left(profile, on)
    return left is not None and left < 0


def is_retiring(profile: ModelProfile, on: date, within: int = SOON) -> bool:
    """Whether the vendor shuts a model down within so many days, today included."""
    left = days_left(profile, on)
    return left is not None and 0 <= left <= within


def notice(profile: ModelProfile, on: date, *, within: int = SOON, name: str | None = None) -> str | None:
    """`claude-sonnet-4-5 retires on 2026-11-30, use claude-sonnet-5-5`, under the `name` that it was asked for by; None
    for a model that is served for longer, or for how long is not known."""
    if is_retired(profile, on):
        said = f"{name or profile.id} retired on {profile.retires}"
    elif is_retiring(profile, on, within):
        said = f"{name or profile.id} retires on {profile.retires}"
    else:
        return None
    return f"{said}, use {profile.replacement}" if profile.replacement else said


_warned: set[tuple[str, str]] = set()


def warn(vendor: str, model: str) -> None:
    """Warn once in a process of a model that the vendor has shut down or soon will."""
    if not model or (vendor, model) in _warned:
        return
    said = notice(catalogue.profile(vendor, model), today(), name=model)
    if said is not None:
        _warned.add((vendor, model))
        warnings.warn(f"{vendor}: {said}", UserWarning, stacklevel=4)
