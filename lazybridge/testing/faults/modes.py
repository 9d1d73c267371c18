"""All the ways to fail, by name."""

from __future__ import annotations

from lazybridge.testing.faults.bodies import BODIES
from lazybridge.testing.faults.connections import CONNECTIONS, TIMES
from lazybridge.testing.faults.dangers import DANGERS
from lazybridge.testing.faults.mode import Mode
from lazybridge.testing.faults.statuses import STATUSES
from lazybridge.testing.faults.streams import STREAMS

MODES: dict[str, Mode] = {
    mode.name: mode for mode in (*STATUSES, *CONNECTIONS, *TIMES, *BODIES, *STREAMS, *DANGERS)
}  # fmt: skip
