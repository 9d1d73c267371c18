"""Chat: a conversation that remembers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from lazybridge.agent_stream import AgentStream
from lazybridge.chat_turn import ChatTurn, Conversation, vendor_of
from lazybridge.composed import AnyCall, Failed
from lazybridge.core.content import ContentBlock, TextContent
from lazybridge.core.messages_json import messages_from_json, messages_to_json
from lazybridge.core.receipt import Receipt
from lazybridge.core.types import Adjustment, Message
from lazybridge.engines import output_of
from lazybridge.envelope import Envelope
from lazybridge.memory import History, Memory
from lazybridge.settings import Settings, Task, messages_of, refusal_of

if TYPE_CHECKING:
    from lazybridge.agent import Agent

Start = str | os.PathLike[str] | Iterable[Message | Mapping[str, Any]]


class Chat:
    """A conversation with an agent: `chat = agent.chat(); chat("hi"); chat("and then?")`.

    Each question goes with what was said before: users' and assistants' turns, tool calls and results, and what the vendor
    wants back unchanged. A call that failed, and a stream that was left before its end, leave the conversation as it was;
    `envelope.messages` has what was said in it. A chat answers one question at a time: another one meanwhile is a
    RuntimeError. `receipt` and `cost_usd` are the sum of every call, failed ones and summaries included.
    """

    def __init__(self, agent: Agent, messages: Start = (), *, memory: Memory | None = None) -> None:
        if memory is not None and not isinstance(memory, Memory):
            raise TypeError(f"a chat's memory is a Memory, got {memory!r}; write Memory(turns=20)")
        self._conversation = Conversation(agent, memory or Memory(), History(_started(messages)))

    @property
    def agent(self) -> Agent:
        """Who answers."""
        return self._conversation.agent

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is remembered, and goes with the next question."""
        return self._conversation.history.messages

    @property
    def receipt(self) -> Receipt:
        """What all calls so far cost together."""
        return self._conversation.receipt

    @property
    def cost_usd(self) -> float | None:
        """USD of all calls so far, None where one of them is not exactly known."""
        return self.receipt.cost_usd

    def __call__(
        self, task: Task, *, attachments: Iterable[Any] = (), output: Any = None, **settings: Unpack[Settings]
    ) -> Envelope[Any]:
        """Ask and wait for the answer. As with an agent, a failed call returns an envelope whose `ok` is False."""
        return self._turn(task, attachments, output, settings).whole()

    async def run(
        self, task: Task, *, attachments: Iterable[Any] = (), output: Any = None, **settings: Unpack[Settings]
    ) -> Envelope[Any]:
        """Ask without blocking the event loop."""
        return await self._turn(task, attachments, output, settings).awhole()

    def stream(
        self, task: Task, *, attachments: Iterable[Any] = (), output: Any = None, **settings: Unpack[Settings]
    ) -> AgentStream:
        """The answer in pieces, as `agent.stream(...)`; the question is asked when the stream is iterated."""
        turn = self._turn(task, attachments, output, settings)
        return AgentStream(lambda: turn, output_of(self.agent.engine, output))

    def move_to(self, agent: Agent) -> None:
        """Go on with another agent, of any vendor. What the vendor before wants back stays in the conversation for the way
        back; files that are kept there by id are named instead, and the next envelope's adjustments say so."""
        with self._conversation.alone():
            vendor = vendor_of(self.agent)
            for turn in self._conversation.history.turns:
                turn.tokens = None
                if vendor_of(agent) != vendor:
                    turn.messages = [self._without_files(message, vendor) for message in turn.messages]
            self._conversation.agent = agent

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what is remembered to a JSON file; `agent.chat(path)` goes on from it. Receipt and memory are not in it."""
        path = Path(path)
        text = messages_to_json(self.messages)
        unfinished = path.with_name(f"{path.name}.part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)

    def __repr__(self) -> str:
        return f"Chat({self.agent!r}, messages={len(self.messages)}, cost_usd={self.cost_usd!r})"

    def _turn(self, task: Task, attachments: Iterable[Any], output: Any, settings: Settings) -> AnyCall:
        """The new messages alone are checked; what was said before was."""
        refusal = refusal_of(task)
        if refusal is not None:
            return Failed(refusal)
        request = self.agent._requested(task, attachments, output, settings)
        return cast(
            AnyCall, ChatTurn(self._conversation, request, output)
        )  # its envelope is None where it was not asked

    def _without_files(self, message: Message, vendor: str) -> Message:
        if isinstance(message.content, str):
            return message
        ids = [id for block in message.content if (id := getattr(block, "file_id", None))]
        if not ids:
            return message
        reasons = (f"the file {id} is kept by {vendor}; a note was sent in its place" for id in ids)
        self._conversation.notes += tuple(Adjustment("messages", reason) for reason in reasons)
        note = TextContent("(a file that is not at hand any more)")
        blocks: list[ContentBlock] = [note if getattr(block, "file_id", None) else block for block in message.content]
        return replace(message, content=tuple(blocks))


def _started(messages: Start) -> tuple[Message, ...]:
    """Messages, or those of a file."""
    if isinstance(messages, (str, os.PathLike)):
        try:
            return tuple(messages_from_json(Path(messages).read_text(encoding="utf-8")))
        except ValueError as exc:
            raise ValueError(f"{os.fspath(messages)}: {exc}") from None
    if isinstance(messages, Mapping) or not isinstance(messages, Iterable):
        shown = "an Envelope; write envelope.messages" if isinstance(messages, Envelope) else repr(messages)
        raise TypeError(f"a chat begins with a list of messages, or with a file of them, got {shown}")
    given = list(messages)
    return messages_of(given, ()) if given else ()
