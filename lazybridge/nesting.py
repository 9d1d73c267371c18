"""Calls inside a call: they have its time, its budget, and their attempts are its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from lazybridge.budget import Budget
from lazybridge.core.retry import Deadline
from lazybridge.core.types import Message, ToolCall
from lazybridge.envelope import Attempt, EnvelopeMetadata, total_receipt, total_usage


@dataclass
class Nest:
    """What calls made inside another one share: its `deadline`, its `budget`, and the list of `attempts` that theirs go to
    when they end. `name` is for those whose agent has none."""

    deadline: Deadline
    budget: Budget | None = None
    name: str | None = None
    attempts: list[Attempt] = field(default_factory=list)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Note what an inner call took."""
        self.attempts += [replace(attempt, agent=attempt.agent or self.name) for attempt in attempts]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Calls that are begun in this block are inside."""
        with ExitStack() as entered:
            if self.budget is not None:
                entered.enter_context(self.budget)
            token = _current.set(self)
            try:
                yield
            finally:
                _current.reset(token)


_current: ContextVar[Nest | None] = ContextVar("lazybridge_nest", default=None)


def current() -> Nest | None:
    """The call that this code runs inside of; None where there is none."""
    return _current.get()


def deadline_within(timeout: float | None) -> Deadline:
    """A deadline of so many seconds, or the outer call's where that is earlier."""
    own, outer = Deadline(timeout), _current.get()
    if outer is None or outer.deadline.at is None:
        return own
    return own if own.at is not None and own.at <= outer.deadline.at else outer.deadline


@contextmanager
def named(name: str) -> Iterator[None]:
    """Attempts of agents without a name get this one."""
    outer = _current.get()
    if outer is None:
        yield
        return
    with replace(outer, budget=None, name=name).entered():  # the same list of attempts
        yield


def in_order(*attempts: Iterable[Attempt]) -> list[Attempt]:
    """Attempts as they were begun."""
    return sorted((attempt for part in attempts for attempt in part), key=lambda attempt: attempt.started)


def summed(metadata: EnvelopeMetadata, attempts: Sequence[Attempt]) -> EnvelopeMetadata:
    """The facts of an answer, over all the attempts that led to it."""
    usage, receipt = total_usage(attempts), total_receipt(attempts)
    return replace(
        metadata,
        cost_usd=receipt.cost_usd,
        receipt=receipt,
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        thinking_tokens=usage.thinking_tokens,
        attempts=tuple(attempts),
        usage=usage,
    )


class Inside:
    """Runs tools inside of a call."""

    def __init__(self, tools: Any, nest: Nest) -> None:
        self._tools, self._nest = tools, nest

    def run(self, calls: Sequence[ToolCall]) -> list[Message]:
        """One tool message for each call, in order."""
        with self._nest.entered():
            results: list[Message] = self._tools.run(calls)
            return results

    async def arun(self, calls: Sequence[ToolCall]) -> list[Message]:
        """`run`, on the running event loop."""
        with self._nest.entered():
            results: list[Message] = await self._tools.arun(calls)
            return results
