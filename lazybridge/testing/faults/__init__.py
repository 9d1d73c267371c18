"""The fault bench: a vendor on loopback that fails in every way that was met in the wild, and what is right to do about it.

`FaultServer(mode)` is the vendor, `MODES` are its ways to fail; `python -m lazybridge.testing.faults` runs lazybridge through
all of them. The standard library alone.
"""

from lazybridge.testing.faults.mode import Mode
from lazybridge.testing.faults.modes import MODES
from lazybridge.testing.faults.server import FaultServer

__all__ = ["MODES", "FaultServer", "Mode"]
