"""fal's applications: where a job stands in its queue, and what it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lazybridge.core.content import AudioContent, DocumentContent, ImageContent, VideoContent
from lazybridge.core.endpoints import EndpointResponse


@dataclass(frozen=True)
class Queued:
    """A job that waits; `position` is how many stand before it."""

    position: int | None


@dataclass(frozen=True)
class InProgress:
    """A job that runs; `logs` is None where they were not asked for."""

    logs: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True)
class Completed:
    """A job that has ended. `metrics` has the seconds it ran (`inference_time`); `error` says why it failed, if it did."""

    logs: tuple[Mapping[str, Any], ...] | None = None
    metrics: Mapping[str, Any] | None = None
    error: str | None = None
    error_type: str | None = None


FalStatus = Queued | InProgress | Completed


@dataclass(frozen=True)
class FalPrice:
    """What fal takes for one unit of an application, such as "megapixels", "images" or "seconds"."""

    application: str
    unit_price: Decimal
    unit: str
    currency: str = "USD"


@dataclass(kw_only=True)
class FalResult(EndpointResponse):
    """What an application answered, as `json`, and the files in it: `images`, `audio`, `video` and all other `files`.

    A file is a content block with a `url`, or with `data` where fal put the bytes into the answer; sizes and names are in
    `json`. `metrics` are those of the queue, `billable_units` what fal bills for, in the application's own unit. What
    they cost is known where fal said how many they are and the provider knows the price of one (`FalProvider.price_of`).
    """

    images: tuple[ImageContent, ...] = ()
    audio: tuple[AudioContent, ...] = ()
    video: tuple[VideoContent, ...] = ()
    files: tuple[DocumentContent, ...] = ()
    metrics: Mapping[str, Any] | None = None
    billable_units: float | None = None

    @property
    def json(self) -> Any:
        """The answer as it came."""
        return self.raw

    @property
    def timings(self) -> Mapping[str, Any] | None:
        """Seconds by the application's own clock, such as `inference`; None where it does not tell."""
        timings = self.raw.get("timings") if isinstance(self.raw, Mapping) else None
        return timings if isinstance(timings, Mapping) else None
