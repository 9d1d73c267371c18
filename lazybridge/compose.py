"""Agents together: one as another's tool, one after another, side by side."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lazybridge.agent_stream import AgentStream
from lazybridge.composed import Ask, Composed, Steps
from lazybridge.core.errors import ConfigurationError, LazyBridgeError
from lazybridge.core.retry import checked_timeout
from lazybridge.core.types import StreamChunk, ToolCall
from lazybridge.envelope import Envelope, EnvelopeMetadata
from lazybridge.nesting import named
from lazybridge.settings import Task, is_empty, refusal_of
from lazybridge.tools import Tool

# An agent, a chain or a parallel: called it answers, `run` answers on the running event loop.
Asks = Any


class AgentTool(Tool):
    """An agent that a model may ask. Its failure is an error that the model reads, and what it cost is the asker's."""

    def __init__(self, agent: Asks, name: str, description: str) -> None:
        def ask(task: str) -> Any:
            with named(name):
                return agent(task)

        async def asked(task: str) -> Any:
            with named(name):
                return await agent.run(task)

        super().__init__(ask, name=name, description=description)
        self._asynchronous = Tool(asked, name=name, description=description)

    async def arun(self, call: ToolCall) -> Any:
        """The result of one call, on the running event loop."""
        return await self._asynchronous.arun(call)


def tool_of(agent: Asks, name: str | None, description: str | None, system: str | None = None) -> AgentTool:
    """The tool that an agent is. Raises ConfigurationError where nobody says what it is called."""
    if not name:
        raise ConfigurationError(
            'an agent needs a name to be a tool\nAgent(..., name="researcher") or agent.as_tool(name="researcher")'
        )
    if description is None:
        described = (system or "").strip().split("\n\n", 1)[0].replace("\n", " ")
        description = f"Asks {name} and gives its answer. {described}".strip()
    return AgentTool(agent, name, description)


class _Step:
    """One step of a chain as a call."""

    def __init__(self, agent: Any, task: Any, settings: dict[str, Any]) -> None:
        self._agent, self._task, self._settings = agent, task, settings
        self._result: Any = None

    def whole(self) -> Any:
        self._result = self._agent(self._task, **self._settings)
        return self._result

    async def awhole(self) -> Any:
        self._result = await self._agent.run(self._task, **self._settings)
        return self._result

    def stream(self) -> Generator[StreamChunk, None, None]:
        if not hasattr(self._agent, "stream"):
            self.whole()
            return
        stream = self._agent.stream(self._task, **self._settings)
        try:
            yield from stream
        finally:
            self._result = stream.envelope

    async def astream(self) -> AsyncGenerator[StreamChunk, None]:
        if not hasattr(self._agent, "stream"):
            await self.awhole()
            return
        async with self._agent.stream(self._task, **self._settings) as stream:
            try:
                async for chunk in stream:
                    yield chunk
            finally:
                await stream.aclose()
                self._result = stream.envelope

    def envelope(self) -> Any:
        return self._result


class _ChainCall(Composed):
    def __init__(self, agents: Sequence[Asks], task: Any, settings: dict[str, Any], timeout: float | None) -> None:
        super().__init__(timeout)
        self._agents, self._task, self._settings = agents, task, settings

    def _steps(self) -> Steps:
        task, settings = self._task, self._settings
        for place, agent in enumerate(self._agents):
            last = place == len(self._agents) - 1
            answer = yield Ask(_begun(agent, task, settings), live=last)
            error = refusal_of(answer)
            if error is not None or last:
                return answer if isinstance(answer, Envelope) else Envelope(EnvelopeMetadata(), None, error)
            if is_empty(answer):
                raise LazyBridgeError(f"step {place + 1} of the chain answered nothing that could be handed on")
            task, settings = answer, {}
        raise AssertionError("a chain has a last step")


def _begun(agent: Any, task: Any, settings: dict[str, Any]) -> Callable[[], Any]:
    return lambda: _Step(agent, task, settings)


class Chain:
    """Agents one after another: each gets the answer of the one before as its task. `Agent.chain(a, b, c)`.

    The envelope is the last one's, with the cost, the tokens and the attempts of all; the first failure ends the chain
    and is its error. `timeout` is in seconds for the whole chain.
    """

    def __init__(self, *agents: Asks, name: str | None = None, timeout: float | None = None) -> None:
        self.agents, self.name, self.timeout = _checked(agents), name, checked_timeout(timeout)
        if isinstance(agents[-1], Parallel):
            raise ConfigurationError(
                "a chain ends with one answer, not with several\nAgent.chain(..., parallel, agent)"
            )

    def __call__(self, task: Task, *, attachments: Iterable[Any] = ()) -> Envelope[Any]:
        """Ask one after another, and wait for the last answer."""
        return self._call(task, attachments).whole()

    async def run(self, task: Task, *, attachments: Iterable[Any] = ()) -> Envelope[Any]:
        """Ask without blocking the event loop."""
        return await self._call(task, attachments).awhole()

    def stream(self, task: Task, *, attachments: Iterable[Any] = ()) -> AgentStream:
        """The last answer in pieces."""
        return AgentStream(lambda: self._call(task, attachments))

    def _call(self, task: Task, attachments: Iterable[Any]) -> _ChainCall:
        return _ChainCall(self.agents, task, _given(attachments), self.timeout)

    def as_tool(self, *, name: str | None = None, description: str | None = None) -> AgentTool:
        """The chain as a tool of an agent."""
        return tool_of(self, name or self.name, description)

    def __repr__(self) -> str:
        return f"Agent.chain({', '.join(map(repr, self.agents))})"


class Parallel:
    """Agents side by side with the same task: a list of envelopes in their order. `Agent.parallel(a, b, c)`.

    A failed one is an envelope whose `ok` is False. `await run(...)` asks on the running event loop, a plain call in
    threads. The list is a task itself: `judge(parallel("..."))` gets all the answers.
    """

    def __init__(self, *agents: Asks, name: str | None = None) -> None:
        self.agents, self.name = _checked(agents), name

    def __call__(self, task: Task, *, attachments: Iterable[Any] = ()) -> list[Envelope[Any]]:
        """Ask all of them, and wait for the last answer."""
        given = _given(attachments)
        with ThreadPoolExecutor(len(self.agents)) as threads:
            begun = [
                threads.submit(contextvars.copy_context().run, lambda agent=agent: agent(task, **given))
                for agent in self.agents
            ]
            return [answer.result() for answer in begun]

    async def run(self, task: Task, *, attachments: Iterable[Any] = ()) -> list[Envelope[Any]]:
        """Ask all of them on the running event loop; all are cancelled where one cannot be asked, or this is."""
        given = _given(attachments)
        begun = [asyncio.ensure_future(agent.run(task, **given)) for agent in self.agents]
        try:
            return list(await asyncio.gather(*begun))
        finally:
            for one in begun:
                one.cancel()
            await asyncio.gather(*begun, return_exceptions=True)

    def as_tool(self, *, name: str | None = None, description: str | None = None) -> AgentTool:
        """All of them as one tool of an agent: a list of their answers."""
        return tool_of(self, name or self.name, description)

    def __repr__(self) -> str:
        return f"Agent.parallel({', '.join(map(repr, self.agents))})"


def _checked(agents: tuple[Asks, ...]) -> tuple[Asks, ...]:
    if not agents:
        raise ConfigurationError("there is nobody to ask\nwrite Agent.chain(first, second)")
    for agent in agents:
        if isinstance(agent, type) or not (callable(agent) and hasattr(agent, "run")):
            raise ConfigurationError(f"{agent!r} is no agent\nwrite Agent.chain(Agent(...), Agent(...))")
    return agents


def _given(attachments: Iterable[Any]) -> dict[str, Any]:
    several = isinstance(attachments, Iterator)  # which the first agent would use up
    return {"attachments": list(attachments) if several else attachments} if attachments else {}
