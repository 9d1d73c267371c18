"""What came of a call, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lazybridge.testing.faults.answers import TEXT
from lazybridge.testing.faults.mode import Mode
from lazybridge.testing.faults.server import FaultServer

CHECKS = ("outcome", "requests", "time", "secret", "connection", "next call", "attempts", "receipt", "cost", "tools")


@dataclass
class Seen:
    """What came of one call. None is what could not be seen, and is not judged.

    `text` is the answer of a success, `kind` what a failure is; `leaks` are places where the key shows; `again` is what the
    next call on the same client answered, once the server is well.
    """

    seconds: float
    text: str | None = None
    kind: str | None = None
    leaks: Sequence[str] = ()
    again: str | None = None
    attempts: int | None = None
    receipt: str | None = None  # its status
    cost: float | None = None
    heard: Sequence[str] = field(default_factory=list)  # what the tool was asked


@dataclass(frozen=True)
class Failure:
    """A check that a call did not pass."""

    check: str
    expected: str
    came: str

    def __str__(self) -> str:
        return f"{self.check}: expected {self.expected}, came {self.came}"


def judged(mode: Mode, seen: Seen, server: FaultServer, requests: int, settled: bool, asked: frozenset[str]) -> list[Failure]:  # fmt: skip
    """The checks of `asked` that are not passed; `requests` came in before the server was healed."""
    found = [*_end(mode, seen), *_wire(mode, seen, server, requests, settled), *_money(mode, seen)]
    if seen.leaks:
        found.append(Failure("secret", "no key anywhere", ", ".join(seen.leaks[:4])))
    if mode.calls is not None and sorted(seen.heard) != sorted(mode.calls):
        found.append(Failure("tools", f"calls for {list(mode.calls)}", str(list(seen.heard))))
    return [failure for failure in found if failure.check in asked]


def _end(mode: Mode, seen: Seen) -> list[Failure]:
    found = []
    right, said = TEXT if mode.text is None else mode.text, " or ".join(sorted(mode.outcome))
    if seen.kind is not None:
        if seen.kind not in mode.outcome:
            found.append(Failure("outcome", said, seen.kind))
    elif "ok" not in mode.outcome:
        found.append(Failure("outcome", said, f"a success: {_short(seen.text)}"))
    elif seen.text != right:
        found.append(Failure("outcome", f"the text {_short(right)}", _short(seen.text)))
    if seen.seconds > mode.within:
        found.append(Failure("time", f"at most {mode.within:g} s", f"{seen.seconds:.2f} s"))
    if not mode.secure and seen.again != TEXT:
        found.append(Failure("next call", "the right answer", _short(seen.again)))
    return found


def _wire(mode: Mode, seen: Seen, server: FaultServer, requests: int, settled: bool) -> list[Failure]:
    found = []
    if mode.requests is not None and requests != mode.requests:
        found.append(Failure("requests", str(mode.requests), str(requests)))
    if mode.group != "redirect" and not mode.refused and seen.attempts is not None and seen.attempts != requests:
        found.append(Failure("attempts", f"{requests}, as many as requests", str(seen.attempts)))
    if not settled:
        found.append(Failure("connection", "closed", "left open"))
    return found


def apart(mode: Mode, times: Sequence[float]) -> list[Failure]:
    """Whether the wait that the server asked for was kept."""
    if mode.apart and len(times) > 1 and times[1] - times[0] < mode.apart:
        return [Failure("requests", f"a wait of {mode.apart:g} s", f"{times[1] - times[0]:.2f} s")]
    return []


def _money(mode: Mode, seen: Seen) -> list[Failure]:
    found = []
    if seen.receipt == "":
        found.append(Failure("receipt", "a receipt", "none"))
    if mode.cost is not None and seen.kind is None:
        right = {
            "known": seen.cost is not None and seen.cost > 0,
            "unknown": seen.cost is None,
            "not negative": seen.cost is None or seen.cost >= 0,
        }[mode.cost]
        if not right:
            found.append(Failure("cost", mode.cost, str(seen.cost)))
    return found


def _short(text: str | None) -> str:
    shown = repr(text)
    return shown if len(shown) < 200 else f"{shown[:190]}... ({len(text or '')} characters)"
