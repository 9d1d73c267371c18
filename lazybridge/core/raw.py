"""The SDK's own object of an answer, made when someone asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RawAnswer:
    """A vendor's JSON and how its SDK types it."""

    json: Any
    build: Callable[[Any], Any]

    def typed(self) -> Any:
        """The SDK's object."""
        return self.build(self.json)


class LazyRaw:
    """An attribute `raw`: the SDK's own object, built from the vendor's JSON the first time someone asks for it."""

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return None  # what a dataclass takes as the default
        value = instance.__dict__.get("raw")
        if value is self:  # the dataclass's own default
            return None
        if isinstance(value, RawAnswer):
            value = instance.__dict__["raw"] = value.typed()
        return value

    def __set__(self, instance: object, value: Any) -> None:
        instance.__dict__["raw"] = value
