"""What was said in one call: asked, answered, called and returned."""

from __future__ import annotations

from lazybridge.core.types import Message
from lazybridge.loop import Ask, Turns


class Transcript:
    """`messages` are those of the call so far, whole turns alone: of a call that failed, those before what failed."""

    def __init__(self, messages: tuple[Message, ...]) -> None:
        self.messages = messages

    def of(self, loop: Turns) -> Turns:
        """The same loop, heard."""
        before: tuple[Message, ...] | None = None  # what stood before a turn that the vendor paused
        step = next(loop)
        while True:
            if isinstance(step, Ask):
                self.messages = step.request.messages
            result = yield step
            if isinstance(step, Ask):
                paused = result.stop_reason == "pause_turn"
                if paused and before is None:
                    before = self.messages
            else:
                before = None
            try:
                step = loop.send(result)
            except StopIteration as stop:
                whole = self.messages if before is None else before
                self.messages = (*whole, stop.value.to_message())
                return stop.value  # type: ignore[no-any-return]  # a generator's return value is untyped
