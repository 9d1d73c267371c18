"""Agent: one line for any model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, Unpack, cast, overload

from lazybridge.agent_stream import AgentStream
from lazybridge.composed import AnyCall, Failed
from lazybridge.core import structured
from lazybridge.core.closing import Closing
from lazybridge.core.errors import ConfigurationError, UnsupportedFeatureError
from lazybridge.core.errors.secrets import Secret
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest
from lazybridge.engine import LLMEngine
from lazybridge.engines import Engine, call_of, output_of, request_of
from lazybridge.envelope import Envelope
from lazybridge.estimate import Estimate, estimate, payload
from lazybridge.guards import GuardedCall, checked_guards, guarded
from lazybridge.settings import AgentOptions, Settings, Task, refusal_of
from lazybridge.tool_sources import listed
from lazybridge.verify import Verdict, VerifiedCall, checked_verification

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # of what pydantic needs; a default is Python 3.13's

    from lazybridge.chat import Chat, Start
    from lazybridge.compose import Chain, Parallel
    from lazybridge.memory import Memory
    from lazybridge.tools import Tool

    X = TypeVar("X", default=Any)
    Y = TypeVar("Y")
else:
    from typing import TypeVar

    X = TypeVar("X")


class Agent(Closing, Generic[X]):
    """`Agent("claude-haiku-5-5")("hi").text()`.

    `model` is a model id, `vendor/model`, a provider's name or alias (its default model), or a provider you built.
    Without one, the first vendor whose key is set answers, else the local model; stderr says which and why.
    `output` is the type of the payload, text where there is none. Every setting of `Settings`, and every option of `LLMEngine`, is a keyword.
    `engine` is who answers instead: anything with `run(request)`. `guard` checks and may change what is asked and
    answered; `verify` judges each answer, up to `max_verify` of them.
    Raises ConfigurationError for a missing key or package, an unknown model, or a misspelt tier or option.
    """

    @overload
    def __init__(
        self,
        model: str | BaseProvider | None = None,
        *,
        output: type[X],
        guard: Any = None,
        verify: Any = None,
        max_verify: int = 3,
        **options: Unpack[AgentOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Agent[str],
        model: str | BaseProvider | None = None,
        *,
        output: None = None,
        guard: Any = None,
        verify: Any = None,
        max_verify: int = 3,
        **options: Unpack[AgentOptions],
    ) -> None: ...
    @overload  # a union, a Literal, a JSON schema: no type checker's type[X]
    def __init__(
        self: Agent[Any],
        model: str | BaseProvider | None = None,
        *,
        output: Any = None,
        engine: Engine | None = None,
        guard: Any = None,
        verify: Any = None,
        max_verify: int = 3,
        **options: Unpack[AgentOptions],
    ) -> None: ...
    def __init__(
        self,
        model: str | BaseProvider | None = None,
        *,
        output: Any = None,
        engine: Engine | None = None,
        guard: Any = None,
        verify: Any = None,
        max_verify: int = 3,
        **options: Unpack[AgentOptions],
    ) -> None:
        if "api_key" in options and isinstance(options["api_key"], str):
            options["api_key"] = Secret(options["api_key"])
        given = [name for name, value in (*options.items(), ("output", output)) if value is not None]
        if engine is not None and (model is not None or given):
            beside = ", ".join([*(["a model"] if model is not None else []), *given])
            raise ConfigurationError(f"{beside} cannot be given beside engine=\npass it to LLMEngine(...)")
        if engine is not None and (isinstance(engine, (type, Agent)) or not isinstance(engine, Engine)):
            raise ConfigurationError(f"engine={engine!r} is no engine\nan engine is an object with run(request)")
        # A user's engine has less: who asks for more of it (a provider, a policy) built the agent with an LLMEngine.
        self.engine = LLMEngine(model, output=output, **options) if engine is None else cast(LLMEngine, engine)
        self._guards = checked_guards(guard)
        self._verification = checked_verification(verify, max_verify, getattr(verify, "_verdict", None))

    @classmethod
    def from_provider(cls, name: str, *, tier: str | None = None, model: str | None = None, **options: Any) -> Self:
        """An agent of one vendor: its `tier` ("top", "expensive", "medium", "cheap", "super_cheap"), a model id, or its
        default model."""
        return cls(model, provider=name, tier=tier, **options)

    @overload
    def __call__(
        self, task: Task, *, attachments: Iterable[Any] = (), output: type[Y], **settings: Unpack[Settings]
    ) -> Envelope[Y]: ...
    @overload
    def __call__(
        self, task: Task, *, attachments: Iterable[Any] = (), output: None = None, **settings: Unpack[Settings]
    ) -> Envelope[X]: ...
    @overload
    def __call__(
        self, task: Task, *, attachments: Iterable[Any] = (), output: Any, **settings: Unpack[Settings]
    ) -> Envelope[Any]: ...
    def __call__(
        self, task: Task, *, attachments: Iterable[Any] = (), output: Any = None, **settings: Unpack[Settings]
    ) -> Envelope[Any]:
        """Ask and wait for the answer; also inside a running event loop. `attachments` are paths, URLs, bytes or blocks,
        `output` is the type of this payload.

        A failed call returns an envelope whose `ok` is False; only bad arguments and ConfigurationError raise.
        """
        return self._asked(task, attachments, output, settings)().whole()

    @overload
    async def run(
        self, task: Task, *, attachments: Iterable[Any] = (), output: type[Y], **settings: Unpack[Settings]
    ) -> Envelope[Y]: ...
    @overload
    async def run(
        self, task: Task, *, attachments: Iterable[Any] = (), output: None = None, **settings: Unpack[Settings]
    ) -> Envelope[X]: ...
    @overload
    async def run(
        self, task: Task, *, attachments: Iterable[Any] = (), output: Any, **settings: Unpack[Settings]
    ) -> Envelope[Any]: ...
    async def run(
        self, task: Task, *, attachments: Iterable[Any] = (), output: Any = None, **settings: Unpack[Settings]
    ) -> Envelope[Any]:
        """Ask without blocking the event loop."""
        return await self._asked(task, attachments, output, settings)().awhole()

    @overload
    def stream(
        self, task: Task, *, attachments: Iterable[Any] = (), output: type[Y], **settings: Unpack[Settings]
    ) -> AgentStream[Y]: ...
    @overload
    def stream(
        self, task: Task, *, attachments: Iterable[Any] = (), output: None = None, **settings: Unpack[Settings]
    ) -> AgentStream[X]: ...
    @overload
    def stream(
        self, task: Task, *, attachments: Iterable[Any] = (), output: Any, **settings: Unpack[Settings]
    ) -> AgentStream[Any]: ...
    def stream(
        self, task: Task, *, attachments: Iterable[Any] = (), output: Any = None, **settings: Unpack[Settings]
    ) -> AgentStream[Any]:
        """The answer in pieces: `for chunk in agent.stream(...)` or `async for chunk in agent.stream(...)`."""
        return AgentStream(self._asked(task, attachments, output, settings), output_of(self.engine, output))

    def chat(self, messages: Start = (), *, memory: Memory | None = None) -> Chat:
        """A conversation that remembers: `chat = agent.chat()`, `chat("hi")`. It begins with `messages`, or with those of
        a file that `chat.save(path)` wrote; `memory` says how much of them is kept."""
        from lazybridge.chat import Chat  # what most programs never need

        return Chat(self, messages, memory=memory)

    @staticmethod
    def chain(*agents: Any, name: str | None = None, timeout: float | None = None) -> Chain:
        """Agents one after another; each gets the answer of the one before as its task."""
        from lazybridge.compose import Chain

        return Chain(*agents, name=name, timeout=timeout)

    @staticmethod
    def parallel(*agents: Any, name: str | None = None) -> Parallel:
        """Agents side by side with the same task; a list of envelopes in their order."""
        from lazybridge.compose import Parallel

        return Parallel(*agents, name=name)

    def as_tool(self, *, name: str | None = None, description: str | None = None) -> Tool:
        """This agent as a tool of another one; `tools=[agent]` is the same. `name` is the agent's own, `description` the
        first paragraph of its `system`, unless they are given here."""
        from lazybridge.compose import tool_of

        policy, template = getattr(self.engine, "policy", None), getattr(self.engine, "_template", None)
        named = name or getattr(policy, "name", None) or getattr(self.engine, "name", None)
        return tool_of(self, named, description, getattr(template, "system", None))

    def _listed(self, task: Task, attachments: Iterable[Any], settings: Settings) -> CompletionRequest:
        """The request as the guards let it pass, with all its tools; servers that have some are opened."""
        if not isinstance(self.engine, LLMEngine):
            raise UnsupportedFeatureError(
                f"{type(self.engine).__name__} sends nothing that could be looked at or counted"
            )
        return listed(guarded(self.engine.request(task, attachments, **settings), self._guards), self.engine.sorted)

    def _asked(self, task: Task, attachments: Iterable[Any], output: Any, settings: Settings) -> Callable[[], AnyCall]:
        """How to make the call; what is wrong with its arguments is said now."""
        refusal = refusal_of(task)
        if refusal is not None:
            return partial(Failed, refusal)
        return partial(self._made, self._requested(task, attachments, output, settings), output)

    def _requested(self, task: Task, attachments: Iterable[Any], output: Any, settings: Settings) -> CompletionRequest:
        """The request, for a payload of this type."""
        request = request_of(self.engine, task, attachments, settings)
        return request if output is None else replace(request, output_schema=structured.output_schema(output))

    def _made(self, request: CompletionRequest, output: Any = None) -> AnyCall:
        """One call between the guards, until its answer stands."""

        def between(request: CompletionRequest) -> AnyCall:
            made = partial(call_of, self.engine, output=output)
            wanted = output_of(self.engine, output)
            return GuardedCall(made, request, self._guards, wanted) if self._guards else made(request)

        return VerifiedCall(between, request, self._verification) if self._verification else between(request)

    def _verdict(self, question: str) -> AnyCall:
        """The call that judges another agent's answer."""
        return self._made(self._requested(question, (), Verdict, {}), Verdict)

    def estimate(
        self,
        task: Task,
        *,
        attachments: Iterable[Any] = (),
        expected_output_tokens: int = 500,
        **settings: Unpack[Settings],
    ) -> Estimate:
        """What one request would cost in USD, at least, probably and at most; nothing is sent."""
        request = self._listed(task, attachments, settings)
        request, _ = self.engine.on_a_rung(request)
        return estimate(self.engine.provider, request, expected_output_tokens)

    def count_tokens(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> int:
        """How many input tokens one request has, by the vendor's own count, which costs nothing.

        Raises UnsupportedFeatureError where the vendor counts none (`estimate` guesses), ProviderError for a failed call.
        """
        from lazybridge.token_count import counted  # what most programs never need

        return counted(self.engine, self._listed(task, attachments, settings))

    async def acount_tokens(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> int:
        """`count_tokens`, on the running event loop."""
        from lazybridge.token_count import acounted

        request = await asyncio.to_thread(self._listed, task, attachments, settings)
        return await acounted(self.engine, request)

    def dry_run(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> dict[str, Any]:
        """The JSON body that a call would send to the vendor, as a dict of its own; nothing is sent. A budget may lower
        `max_tokens` when the call is made.

        Raises UnsupportedFeatureError for a provider class that does not show what it sends.
        """
        request = self._listed(task, attachments, settings)
        request, _ = self.engine.on_a_rung(request)
        return payload(self.engine.provider, request)

    def close(self) -> None:
        """Close the connections that synchronous calls opened."""
        if hasattr(self.engine, "close"):
            self.engine.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, and the synchronous ones."""
        if hasattr(self.engine, "aclose"):
            await self.engine.aclose()
        else:
            self.close()

    def __repr__(self) -> str:
        if "engine" not in self.__dict__:
            return "Agent(not built)"
        engine = self.engine
        if not isinstance(engine, LLMEngine):
            return f"Agent(engine={type(engine).__name__})"
        model = engine.model or engine.provider.model or engine.provider.default_model
        return f"Agent({model!r}, provider={type(engine.provider).__name__})"
