"""What a chat keeps of its conversation: everything, the last turns, or what fits into a number of tokens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazybridge.core.types import SYSTEM, USER, Message

if TYPE_CHECKING:
    from lazybridge.agent import Agent

SUMMARY = "Summary of the conversation before this:"
_INSTRUCTION = (
    "Summarise the conversation below for whoever goes on with it: facts, names, numbers, decisions, results of tools and "
    "open questions. Write no more than 200 words, and nothing but the summary."
)


@dataclass(frozen=True)
class Memory:
    """How much of a conversation a chat keeps. A turn is a user's message and all that follows it up to the next one; only
    whole turns are forgotten, the oldest first, before the next question is asked. System messages are kept.

    `turns` is how many turns are sent besides the new one, `tokens` how many input tokens they and the new one may have, by
    lazybridge's own estimate; `summary` is an agent of a cheap model that sums up the older half once it is too much.
    """

    turns: int | None = None
    tokens: int | None = None
    summary: Agent | None = None

    def __post_init__(self) -> None:
        for name, value in (("turns", self.turns), ("tokens", self.tokens)):
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ValueError(f"{name} is a whole number above 0, got {value!r}; None keeps everything")
        if self.summary is not None and not callable(self.summary):
            raise TypeError(f"summary is an agent, got {self.summary!r}; write summary=Agent({self.summary!r})")
        if self.summary is not None and self.turns is None and self.tokens is None:
            raise ValueError("summary needs to know when to sum up: write Memory(turns=20, summary=agent)")


@dataclass
class Turn:
    """A user's message and what followed it; `tokens` is its size once somebody asked."""

    messages: list[Message]
    tokens: int | None = None


class History:
    """The messages of one conversation, by turns. Adding to it costs what is added, forgetting what is forgotten."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self.system: list[Message] = []  # of turns that were forgotten
        self.turns: deque[Turn] = deque()
        self.add(messages)

    def add(self, messages: Iterable[Message]) -> None:
        """Put messages at the end."""
        for message in messages:
            if not self.turns or message.role is USER:
                self.turns.append(Turn([message]))
            else:
                self.turns[-1].messages.append(message)
                self.turns[-1].tokens = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """All of them, in order."""
        return self.without(0)

    def without(self, count: int) -> tuple[Message, ...]:
        """The messages without those of the oldest turns, but with their system messages."""
        turns = list(self.turns)
        kept = [message for turn in turns[count:] for message in turn.messages]
        return (*self.system, *_system_of(turns[:count]), *kept)

    def beyond(self, memory: Memory, size: Callable[[list[Message]], int], asked: list[Message]) -> list[Turn]:
        """The oldest turns that are too many beside what is asked now."""
        count = 0 if memory.turns is None else max(0, len(self.turns) - memory.turns)
        if memory.tokens is not None:
            room = memory.tokens - size([*self.system, *asked])
            for place, turn in enumerate(reversed(self.turns)):
                if turn.tokens is None:
                    turn.tokens = size(turn.messages)
                room -= turn.tokens
                if room < 0:
                    count = max(count, len(self.turns) - place)
                    break
        if count and memory.summary is not None:
            count = max(count, len(self.turns) // 2)  # so that the next summary is not due with the next question
        begun = next((message.role for message in asked if message.role is not SYSTEM), USER) is not USER
        count = min(count, len(self.turns) - begun)  # a result goes with its call
        return [self.turns[place] for place in range(count)]

    def forget(self, count: int) -> None:
        """Drop the oldest turns, but for their system messages."""
        self.system += _system_of([self.turns.popleft() for _ in range(count)])

    def begin_with(self, message: Message) -> None:
        """Put a turn of one message before the others."""
        self.turns.appendleft(Turn([message]))


def _system_of(turns: Iterable[Turn]) -> list[Message]:
    return [message for turn in turns for message in turn.messages if message.role is SYSTEM]


def to_sum_up(turns: Iterable[Turn]) -> str:
    """What is asked for a summary of these turns."""
    lines = [_INSTRUCTION, ""]
    for message in (message for turn in turns for message in turn.messages if message.role is not SYSTEM):
        texts = [getattr(block, "text", None) for block in message.blocks]
        media = texts.count(None)
        said = [text for text in texts if text]
        said += [f"[calls {call.name} with {dict(call.arguments)}]" for call in message.tool_calls]
        said += [f"[{media} attachments]"] if media else []
        lines.append(f"{message.role}: {' '.join(said)}")
    return "\n".join(lines)
