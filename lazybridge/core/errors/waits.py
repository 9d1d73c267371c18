"""How long a vendor asks to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def details_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objects in an error body's `details` or `detail`."""
    details = body.get("details") or body.get("detail")
    return [detail for detail in details if isinstance(detail, Mapping)] if isinstance(details, list) else []


def retry_after_seconds(headers: Mapping[str, str], body: Mapping[str, Any] | None = None) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or an HTTP date), or by the `retryDelay` of Google's
    error bodies; None where none was sent."""
    for detail in details_of(body or {}):
        delay = str(detail.get("retryDelay") or "")
        if delay.endswith("s") and delay[:-1].replace(".", "", 1).isdigit():
            return float(delay[:-1])
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(0.0, float(value) / scale)
        except ValueError:
            pass
        from email.utils import parsedate_to_datetime  # costs 2 ms, for a form that few vendors send

        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            continue
        return max(0.0, (when - datetime.now(when.tzinfo)).total_seconds())
    return None
