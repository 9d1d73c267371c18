"""The tools of an agent, and how the calls of one turn run: together, in order, in time."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.retry import Deadline, checked_timeout
from lazybridge.core.types import Message, ToolCall, ToolDefinition
from lazybridge.heard import heard
from lazybridge.tools.apart import finished
from lazybridge.tools.results import failure, redacted, refused
from lazybridge.tools.tool import Tool


class Toolbox:
    """The tools of an agent, by name. `timeout` is in seconds, for each call of a tool that has none of its own;
    `max_parallel` is how many calls of one turn run at once."""

    definitions: tuple[ToolDefinition, ...]

    def __init__(
        self,
        tools: Iterable[Tool | ToolDefinition | Callable[..., object]] = (),
        *,
        timeout: float | None = None,
        max_parallel: int = 8,
    ) -> None:
        self._tools: dict[str, Tool] = {}
        self.definitions = ()
        self.timeout = checked_timeout(timeout, "tool_timeout")
        self.max_parallel = max_parallel
        for tool in (tools,) if isinstance(tools, (Tool, ToolDefinition)) or callable(tools) else tools:
            definition = tool if isinstance(tool, ToolDefinition) else self._add(tool)
            if definition.name in map(attrgetter("name"), self.definitions):
                raise ConfigurationError(
                    f'two tools are called {definition.name!r}\nTool(function, name="...") renames one'
                )
            self.definitions += (definition,)

    def _add(self, tool: Tool | Callable[..., object]) -> ToolDefinition:
        made = tool if isinstance(tool, Tool) else Tool(tool)
        self._tools[made.name] = made
        return made.definition

    def and_more(self, tools: Sequence[Tool]) -> Toolbox:
        """These tools and others, under the same limits."""
        if not tools:
            return self
        known = (self._tools.get(definition.name, definition) for definition in self.definitions)
        return Toolbox((*known, *tools), timeout=self.timeout, max_parallel=self.max_parallel)

    @property
    def runnable(self) -> frozenset[str]:
        """The tools that have a function here; the calls of others are the caller's."""
        return frozenset(self._tools)

    def of_call(self, deadline: Deadline, secrets: Callable[[], tuple[str, ...]]) -> CallTools:
        """These tools for one agent's call: until its deadline, and with no error that tells one of the secrets."""
        return CallTools(self, deadline, secrets)

    def named(self, name: str) -> Tool | None:
        """The tool that has a function here; None where there is none of this name."""
        return self._tools.get(name)

    @heard
    def unknown(self, call: ToolCall) -> Message:
        """What the model reads that has called a tool which is not there."""
        names = list(self._tools)
        near = difflib.get_close_matches(call.name, names, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        return refused(call, ValueError(f"there is no tool {call.name[:64]!r}{meant}; there are {', '.join(names)}"))


class _Interrupted(Exception):
    """An interrupt inside a tool: raised in its task, it would stop the event loop before the other tools."""

    def __init__(self, by: BaseException) -> None:
        super().__init__()
        self.by = by


@dataclass(frozen=True)
class CallTools:
    """The tools during one call of an agent."""

    box: Toolbox
    deadline: Deadline
    secrets: Callable[[], tuple[str, ...]] = field(repr=False)

    def run(self, calls: Sequence[ToolCall]) -> list[Message]:
        """One result for each call, in order. Raises ProviderTimeoutError at the deadline, whatever the tools do.

        A single call that has no limit of time runs in this thread, any other in threads of their own.
        """
        if len(calls) == 1 and self.deadline.at is None and self._limit(calls[0]) is None:
            tool = self.box.named(calls[0].name)
            return [self._told(self.box.unknown(calls[0]) if tool is None else tool.run(calls[0]))]
        self.deadline.check()
        try:
            return finished(lambda: self.arun(calls), self.deadline.left())
        except TimeoutError:
            raise self.deadline.error() from None

    async def arun(self, calls: Sequence[ToolCall]) -> list[Message]:
        """`run`, on the running event loop; asynchronous tools are stopped at the deadline, others left behind."""
        self.deadline.check()
        slots = asyncio.Semaphore(self.box.max_parallel)
        tasks = [asyncio.ensure_future(self._one(call, slots)) for call in calls]
        try:
            async with asyncio.timeout(self.deadline.left()):
                return await asyncio.gather(*tasks)
        except TimeoutError:
            raise self.deadline.error() from None
        except _Interrupted as interrupted:
            raise interrupted.by from None
        finally:
            for task in tasks:
                task.cancel()

    async def _one(self, call: ToolCall, slots: asyncio.Semaphore) -> Message:
        tool = self.box.named(call.name)
        if tool is None:
            return self.box.unknown(call)
        async with slots:
            limit = self._limit(call)
            try:
                async with asyncio.timeout(limit) as timer:
                    return self._told(await tool.arun(call))
            except (KeyboardInterrupt, SystemExit) as exc:
                raise _Interrupted(exc) from None
            except TimeoutError as exc:
                late = TimeoutError(f"{call.name} took longer than {limit:g} s") if timer.expired() else exc
                return self._told(failure(call, late))

    def _limit(self, call: ToolCall) -> float | None:
        tool = self.box.named(call.name)
        return self.box.timeout if tool is None or tool.timeout is None else tool.timeout

    def _told(self, message: Message) -> Message:
        return redacted(message, self.secrets()) if message.is_error else message
