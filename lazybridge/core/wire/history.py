"""A conversation that any vendor takes: every call answered at once and once, every result behind its call, no id twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from lazybridge.core.content import TextContent
from lazybridge.core.types import ASSISTANT, SYSTEM, TOOL, USER, Message, ToolCall
from lazybridge.core.wire import Adjuster

_NO_RESULT = "The tool gave no result."
_GOES_ON = "(The conversation goes on.)"
# Their blocks hold the ids of the calls; the others pair calls and blocks by their order.
_WIRES_WITH_IDS = ("messages", "responses")


def repaired(messages: Sequence[Message], adjust: Adjuster) -> Sequence[Message]:
    """The conversation with its tool turns in order, and an adjustment for whatever was set right.

    A call that nobody answered gets a failed result; a result whose call is not there goes as a user's message; a result
    that came late moves to its call; an id that was used before (vendors without ids count from 0 in every answer) becomes
    another. The vendors refuse all of these.
    """
    if not any(message.tool_calls or message.role is TOOL for message in messages):
        return messages
    turns = _ToolTurns(adjust)
    for message in messages:
        turns.add(message)
    turns.end()
    return turns.messages


class _ToolTurns:
    def __init__(self, adjust: Adjuster) -> None:
        self.adjust = adjust
        self.messages: list[Message] = []
        self.used: set[str] = set()
        self.open: list[tuple[str, ToolCall]] = []  # the id that a result will name, and the call as it is sent
        self.results: dict[str, Message] = {}  # of the calls that were open, by the id that is sent
        self.place = 0  # where they go

    def add(self, message: Message) -> None:
        if message.role is TOOL:
            self._result(message)
            return
        if message.role is ASSISTANT:
            self.end()
            message = self._with_new_ids(message)
        self.messages.append(message)
        if message.role is ASSISTANT:
            self.place = len(self.messages)

    def end(self) -> None:
        """Put the results of a turn behind its calls, in their order."""
        found = []
        for _, call in self.open:
            if call.id not in self.results:
                self.adjust.add(
                    "messages", f"nobody answered the call {call.id!r} of {call.name}; a failed result was sent"
                )
            missing = Message.tool(_NO_RESULT, tool_call_id=call.id, name=call.name, is_error=True)
            found.append(self.results.get(call.id, missing))
        self.messages[self.place : self.place] = found
        self.open, self.results = [], {}

    def _result(self, message: Message) -> None:
        asked = (call for id, call in self.open if id == message.tool_call_id and call.id not in self.results)
        call = next(asked, None)
        if call is None:
            what = message.name or message.tool_call_id
            self.adjust.add(
                "messages", f"there is no open call for the result of {what}; it was sent as a user's message"
            )
            self.messages.append(Message(USER, (TextContent(f"Result of {what}:"), *message.blocks)))
            return
        if self.place != len(self.messages):
            self.adjust.add("messages", f"the result of {call.name} was moved behind its call")
        self.results[call.id] = message if call.id == message.tool_call_id else replace(message, tool_call_id=call.id)

    def _with_new_ids(self, message: Message) -> Message:
        calls = []
        state = message.provider_state
        as_said = state is not None and state.said in (None, (message.text, message.tool_calls))
        fixed = as_said and state is not None and state.wire in _WIRES_WITH_IDS
        for call in message.tool_calls:
            id, count = call.id, 1
            while id in self.used and not fixed:
                count += 1
                id = f"{call.id}_{count}"
            self.used.add(id)
            calls.append(call if id == call.id else replace(call, id=id))
            self.open.append((call.id, calls[-1]))
        if tuple(calls) == message.tool_calls:
            return message
        if as_said and state is not None:
            state = replace(state, said=(message.text, tuple(calls)))
        return replace(message, tool_calls=tuple(calls), provider_state=state)


def from_a_user(messages: Sequence[Message], adjust: Adjuster) -> Sequence[Message]:
    """The conversation with a user's turn first, for a vendor that wants one there."""
    first = next((place for place, message in enumerate(messages) if message.role is not SYSTEM), None)
    if first is None or messages[first].role is not ASSISTANT:
        return messages
    adjust.add("messages", "this API wants a user's turn first; a short one was put there")
    return [*messages[:first], Message(USER, _GOES_ON), *messages[first:]]


def alternating(messages: Iterable[Message], vendor: str, adjust: Adjuster) -> list[Message]:
    """The conversation without system messages and empty answers, neighbours of one role joined, for a vendor that wants
    users' and assistant's turns by turns."""
    found: list[Message] = []
    for message in messages:
        before = found[-1] if found else None
        if message.role is SYSTEM or is_empty(message, vendor):
            continue
        if before is not None and before.role is message.role is not TOOL and not before.tool_calls:
            adjust.add("messages", f"this API wants turns that alternate; two of the {message.role}'s became one")
            parts = (*before.blocks, *([TextContent("\n\n")] if before.text and message.text else ()), *message.blocks)
            text_alone = all(isinstance(block, TextContent) for block in parts)
            content = "".join(block.text for block in parts if isinstance(block, TextContent)) if text_alone else parts
            found[-1] = Message(message.role, content, message.tool_calls)
        else:
            found.append(message)
    return found


def bridged(bodies: Iterable[dict[str, Any]], adjust: Adjuster) -> list[dict[str, Any]]:
    """The messages of a body with a word of the assistant's between a tool's result and what a user says next."""
    found: list[dict[str, Any]] = []
    for body in bodies:
        if body["role"] == "user" and found and found[-1]["role"] == "tool":
            adjust.add("messages", "this API wants an answer between a result and a user's turn; 'OK.' was put there")
            found.append({"role": "assistant", "content": "OK."})
        found.append(body)
    return found


def is_empty(message: Message, vendor: str) -> bool:
    """Whether an assistant's turn has nothing for this vendor: models answer so at times, and vendors refuse to read it."""
    return (
        message.role is ASSISTANT
        and not message.tool_calls
        and not message.text.strip()
        and (message.provider_state is None or message.provider_state.vendor != vendor)
    )
