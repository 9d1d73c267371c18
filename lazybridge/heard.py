"""The tools of a call that is heard: they tell when they begin and end, and calls that they make know whose they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lazybridge.audience import session_in_use
from lazybridge.core.types import Message, ToolCall

if TYPE_CHECKING:
    from lazybridge.drivers import ToolRunner
    from lazybridge.telling import Events

Method = TypeVar("Method", bound=Callable[..., Any])

running: ContextVar[Events | None] = ContextVar("lazybridge_events", default=None)
in_tool: ContextVar[ToolCall | None] = ContextVar("lazybridge_tool", default=None)


class Heard:
    """Tools whose calls are heard: the run is in the context while they run."""

    def __init__(self, tools: ToolRunner, events: Events) -> None:
        self._tools, self._events = tools, events

    def run(self, calls: Sequence[ToolCall]) -> list[Message]:
        """One tool message for each call, in order."""
        with self._current():
            return self._tools.run(calls)

    async def arun(self, calls: Sequence[ToolCall]) -> list[Message]:
        """`run`, on the running event loop."""
        with self._current():
            return await self._tools.arun(calls)

    @contextmanager
    def _current(self) -> Iterator[None]:
        events, session = running.set(self._events), session_in_use.set(self._events.session)
        try:
            yield
        finally:
            session_in_use.reset(session)
            running.reset(events)


def heard(method: Method) -> Method:
    """Tell of a method that runs one tool call, where the run it belongs to has listeners."""

    def events_for(call: ToolCall) -> Events | None:
        events = running.get()
        return None if events is None or in_tool.get() is call else events

    @wraps(method)
    def run(self: object, call: ToolCall, *arguments: Any, **named: Any) -> Any:
        events = events_for(call)
        if events is None:
            return method(self, call, *arguments, **named)
        with events.tool(call) as results:
            results.append(method(self, call, *arguments, **named))
            return results[0]

    @wraps(method)
    async def arun(self: object, call: ToolCall, *arguments: Any, **named: Any) -> Any:
        events = events_for(call)
        if events is None:
            return await method(self, call, *arguments, **named)
        with events.tool(call) as results:
            results.append(await method(self, call, *arguments, **named))
            return results[0]

    return cast(Method, arun if inspect.iscoroutinefunction(method) else run)
