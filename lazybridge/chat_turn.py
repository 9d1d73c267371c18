"""One question of a chat and its answer."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lazybridge.composed import AnyCall
from lazybridge.core import counting
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.errors import UnsupportedFeatureError
from lazybridge.core.receipt import FREE, Receipt
from lazybridge.core.types import Adjustment, CompletionRequest, Message, StreamChunk
from lazybridge.core.wire.chat import ChatWire
from lazybridge.engine import LLMEngine
from lazybridge.envelope import Envelope
from lazybridge.memory import SUMMARY, History, Memory, Turn, to_sum_up
from lazybridge.weighing import payload

if TYPE_CHECKING:
    from lazybridge.agent import Agent


@dataclass
class Conversation:
    """What a chat holds: who answers, what was said, what it cost, and what to tell with the next answer."""

    agent: Agent
    memory: Memory
    history: History
    receipt: Receipt = FREE
    notes: tuple[Adjustment, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises RuntimeError while a question is open."""
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(
                "this chat has a question open: wait for its answer, or close its stream\n"
                "agent.chat(chat.messages) is a second conversation"
            )
        try:
            yield
        finally:
            self._lock.release()

    def pay(self, receipt: Receipt) -> None:
        """Count what a call cost."""
        self.receipt = receipt if self.receipt is FREE else self.receipt + receipt

    def too_many(self, asked: tuple[Message, ...]) -> list[Turn]:
        """The turns that do not fit beside what is asked now."""
        if self.memory.turns is None and self.memory.tokens is None:
            return []
        return self.history.beyond(self.memory, self._size, list(asked))

    def _size(self, messages: list[Message]) -> int:
        """The input tokens of these messages, probably, in the vendor's own body where its provider shows it."""
        if not messages:
            return 0
        engine: Any = self.agent.engine
        provider, model = getattr(engine, "provider", None), engine.model if isinstance(engine, LLMEngine) else None
        request = CompletionRequest(tuple(messages), model)
        try:
            body: Mapping[str, Any] = payload(provider, request)
        except UnsupportedFeatureError:
            body = ChatWire().to_sdk_kwargs(request, ModelProfile("", ""), False).body
        return counting.count(body, vendor_of(self.agent), model or "").tokens.expected


def vendor_of(agent: Agent) -> str:
    """Who answers for an agent: the name of a provider's class, or of a user's engine."""
    engine: Any = agent.engine
    return engine.provider.registered_name() if isinstance(engine, LLMEngine) else type(engine).__name__


class ChatTurn:
    """One question and its answer, in the four ways of a call; what was said before is taken when it begins."""

    def __init__(self, conversation: Conversation, request: CompletionRequest, output: Any = None) -> None:
        self._conversation, self._request, self._output = conversation, request, output
        self._before = self._forgotten = 0  # messages that go before the question, turns that do not
        self._call: AnyCall | None = None
        self._notes: tuple[Adjustment, ...] = ()
        self._envelope: Envelope[Any] | None = None

    def whole(self) -> Envelope[Any]:
        """The whole answer."""
        with self._alone():
            if turns := self._to_sum_up():
                self._sum_up(turns, self._summary()(to_sum_up(turns)))
            return self._take(self._begin().whole())

    async def awhole(self) -> Envelope[Any]:
        """The whole answer, on the running event loop."""
        with self._alone():
            if turns := self._to_sum_up():
                self._sum_up(turns, await self._summary().run(to_sum_up(turns)))
            return self._take(await self._begin().awhole())

    def stream(self) -> Generator[StreamChunk, None, None]:
        """The chunks."""
        with self._alone():
            if turns := self._to_sum_up():
                self._sum_up(turns, self._summary()(to_sum_up(turns)))
            with closing(self._begin().stream()) as chunks:
                yield from chunks

    async def astream(self) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, on the running event loop."""
        with self._alone():
            if turns := self._to_sum_up():
                self._sum_up(turns, await self._summary().run(to_sum_up(turns)))
            async with aclosing(self._begin().astream()) as chunks:
                async for chunk in chunks:
                    yield chunk

    def envelope(self) -> Envelope[Any] | None:
        """What came of it; None where it was never asked."""
        return self._envelope

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other question meanwhile; what came of this one is taken however it ends."""
        with self._conversation.alone():
            try:
                yield
            finally:
                if self._call is not None and self._envelope is None:
                    self._take(self._call.envelope())

    def _begin(self) -> AnyCall:
        before = self._conversation.history.without(self._forgotten)
        self._before = len(before)
        request = replace(self._request, messages=(*before, *self._request.messages))
        self._call = made = self._conversation.agent._made(request, self._output)
        return made

    def _take(self, envelope: Envelope[Any]) -> Envelope[Any]:
        """Take an answer into the conversation; what it cost counts in any case."""
        conversation, self._envelope = self._conversation, envelope
        conversation.pay(envelope.metadata.receipt)
        if envelope.ok and envelope.response is not None:
            conversation.history.forget(self._forgotten)
            conversation.history.add(envelope.messages[self._before :])
        notes, conversation.notes = (*conversation.notes, *self._notes), ()
        envelope.metadata.adjustments = (*notes, *envelope.metadata.adjustments)
        return envelope

    def _to_sum_up(self) -> list[Turn]:
        """The turns to sum up before this is asked; without a summary they are forgotten once it is answered."""
        turns = self._conversation.too_many(self._request.messages)
        if self._conversation.memory.summary is not None:
            return turns
        self._forgotten = len(turns)
        return []

    def _summary(self) -> Agent:
        assert self._conversation.memory.summary is not None
        return self._conversation.memory.summary

    def _sum_up(self, turns: list[Turn], envelope: Envelope[Any]) -> None:
        """Put a summary in the place of turns."""
        conversation = self._conversation
        conversation.pay(envelope.metadata.receipt)
        if envelope.error is not None or not envelope.text().strip():
            why = f"the summary failed ({envelope.error or 'it is empty'}); the conversation was sent whole"
            self._notes = (Adjustment("memory", why),)
            return
        conversation.history.forget(len(turns))
        conversation.history.begin_with(Message.user(f"{SUMMARY}\n{envelope.text()}"))
