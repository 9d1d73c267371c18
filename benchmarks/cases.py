"""What is measured of each subject."""

from __future__ import annotations

from dataclasses import dataclass

from server import PIECES


@dataclass(frozen=True)
class Case:
    """`method` of a subject, `repeats` times a round; the figures are for one call, or one piece of a stream. `together`
    calls at once, on one event loop. `few`: only of the families that are measured whole. `turns`: how often a round goes
    over the subjects; short rounds see more of a machine's ups and downs that way."""

    name: str
    method: str
    repeats: int
    long: bool = False
    together: int | None = None
    pieces: int = 1
    few: bool = False
    turns: int = 1

    @property
    def asynchronous(self) -> bool:
        return self.together is not None

    @property
    def streamed(self) -> bool:
        return self.method.endswith("stream")


CONSTRUCT = Case("construct", "construct", 10)
SHORT = Case("call, 2 messages", "complete", 60, turns=3)
LONG = Case("call, 100 messages, 20 tools", "complete", 8, long=True)
ASYNC_1 = Case("async, 1 in flight", "acomplete", 60, together=1, few=True)
ASYNC_20 = Case("async, 20 in flight", "acomplete", 5, together=20, few=True)
ASYNC_100 = Case("async, 100 in flight", "acomplete", 1, together=100)
ASYNC_400 = Case("async, 400 in flight", "acomplete", 1, together=400, few=True)
STREAM = Case("stream, a chunk", "stream", 2, pieces=PIECES)
ASYNC_STREAM = Case("async stream, a chunk", "astream", 2, together=1, pieces=PIECES)
STREAMS_50 = Case("50 async streams, a chunk", "astream", 1, together=50, pieces=PIECES, few=True)
STRUCTURED = Case("structured answer", "structured", 40)
TOOL_TURN = Case("tool turn, 2 requests", "tool_turn", 30)
CASES = (
    CONSTRUCT, SHORT, LONG, ASYNC_1, ASYNC_20, ASYNC_100, ASYNC_400, STREAM, ASYNC_STREAM, STREAMS_50, STRUCTURED, TOOL_TURN,
)  # fmt: skip
BY_NAME = {case.name: case for case in CASES}
