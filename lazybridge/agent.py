"""Agent: one line for any model."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

from lazybridge.composed import AnyCall, Failed
from lazybridge.core import structured
from lazybridge.core.closing import Closing
from lazybridge.core.errors import ConfigurationError, UnsupportedFeatureError
from lazybridge.core.errors.secrets import Secret
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, StreamChunk
from lazybridge.engine import LLMEngine
from lazybridge.engines import Engine, call_of, request_of
from lazybridge.envelope import Envelope
from lazybridge.estimate import Estimate, estimate, payload
from lazybridge.guards import GuardedCall, checked_guards
from lazybridge.settings import Options, Settings, Task, refusal_of
from lazybridge.tool_sources import listed
from lazybridge.verify import Verdict, VerifiedCall, checked_verification

if TYPE_CHECKING:
    from lazybridge.compose import Chain, Parallel
    from lazybridge.tools import Tool


class Agent(Closing):
    """`Agent("claude-haiku-5-5")("hi").text()`.

    `model` is a model id, `vendor/model`, a provider's name or alias (its default model), or a provider you built.
    Without one, the first vendor whose key is set answers, else the local model; stderr says which and why.
    `output` is the type of the payload. Every setting of `Settings`, and every option of `LLMEngine`, is a keyword.
    `engine` is who answers instead: anything with `run(request)`. `guard` checks and may change what is asked and
    answered; `verify` judges each answer, up to `max_verify` of them.
    Raises ConfigurationError for a missing key or package, an unknown model, or a misspelt tier or option.
    """

    def __init__(
        self,
        model: str | BaseProvider | None = None,
        *,
        engine: Engine | None = None,
        guard: Any = None,
        verify: Any = None,
        max_verify: int = 3,
        **options: Unpack[Options],
    ) -> None:
        if "api_key" in options and isinstance(options["api_key"], str):
            options["api_key"] = Secret(options["api_key"])
        given = [name for name, value in options.items() if value is not None]
        if engine is not None and (model is not None or given):
            beside = ", ".join([*(["a model"] if model is not None else []), *given])
            raise ConfigurationError(f"{beside} cannot be given beside engine=\npass it to LLMEngine(...)")
        if engine is not None and (isinstance(engine, (type, Agent)) or not isinstance(engine, Engine)):
            raise ConfigurationError(f"engine={engine!r} is no engine\nan engine is an object with run(request)")
        # A user's engine has less: who asks for more of it (a provider, a policy) built the agent with an LLMEngine.
        self.engine = LLMEngine(model, **options) if engine is None else cast(LLMEngine, engine)
        self._guards = checked_guards(guard)
        self._verification = checked_verification(verify, max_verify, getattr(verify, "_verdict", None))

    @classmethod
    def from_provider(cls, name: str, *, tier: str | None = None, model: str | None = None, **options: Any) -> Self:
        """An agent of one vendor: its `tier` ("top", "expensive", "medium", "cheap", "super_cheap"), a model id, or its
        default model."""
        return cls(model, provider=name, tier=tier, **options)

    def __call__(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> Envelope[Any]:
        """Ask and wait for the answer; also inside a running event loop. `attachments` are paths, URLs, bytes or blocks.

        A failed call returns an envelope whose `ok` is False; only bad arguments and ConfigurationError raise.
        """
        return self._asked(task, attachments, settings)().whole()

    async def run(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> Envelope[Any]:
        """Ask without blocking the event loop."""
        return await self._asked(task, attachments, settings)().awhole()

    def stream(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> AgentStream:
        """The answer in pieces: `for chunk in agent.stream(...)` or `async for chunk in agent.stream(...)`."""
        return AgentStream(self._asked(task, attachments, settings))

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
        """The request with all its tools; servers that have some are opened."""
        if not isinstance(self.engine, LLMEngine):
            raise UnsupportedFeatureError(
                f"{type(self.engine).__name__} sends nothing that could be looked at or counted"
            )
        return listed(self.engine.request(task, attachments, **settings), self.engine.sorted)

    def _asked(self, task: Task, attachments: Iterable[Any], settings: Settings) -> Callable[[], AnyCall]:
        """How to make the call; what is wrong with its arguments is said now."""
        refusal = refusal_of(task)
        if refusal is not None:
            return partial(Failed, refusal)
        return partial(self._made, request_of(self.engine, task, attachments, settings))

    def _made(self, request: CompletionRequest, output: Any = None) -> AnyCall:
        """One call between the guards, until its answer stands."""

        def guarded(request: CompletionRequest) -> AnyCall:
            wanted = getattr(self.engine, "output", None) if output is None else output
            made = partial(call_of, self.engine, output=output)
            return GuardedCall(made, request, self._guards, wanted) if self._guards else made(request)

        return VerifiedCall(guarded, request, self._verification) if self._verification else guarded(request)

    def _verdict(self, question: str) -> AnyCall:
        """The call that judges another agent's answer."""
        request = replace(request_of(self.engine, question), output_schema=structured.output_schema(Verdict))
        return self._made(request, Verdict)

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
        engine = self.__dict__.get("engine")
        if engine is None:
            return "Agent(not built)"
        if not isinstance(engine, LLMEngine):
            return f"Agent(engine={type(engine).__name__})"
        provider = engine.provider
        return (
            f"Agent({engine.model or provider.model or provider.default_model!r}, provider={type(provider).__name__})"
        )


class AgentStream(Closing):
    """Iterate once, either way; `envelope` is there when it has ended, also where it was closed early or failed.

    Leaving a `for` loop closes the connection; after an `async for` use `async with`, or `await stream.aclose()`.
    """

    def __init__(self, make_call: Callable[[], AnyCall]) -> None:
        self._make_call: Callable[[], AnyCall] | None = make_call
        self._chunks: weakref.ref[Generator[StreamChunk, None, None]] | None = None
        self._achunks: AsyncGenerator[StreamChunk, None] | None = None
        self.envelope: Envelope[Any] | None = None

    def __iter__(self) -> Iterator[StreamChunk]:
        chunks = _kept(self._call(), weakref.ref(self))
        self._chunks = weakref.ref(chunks)  # not held, so that whoever leaves the loop lets go of it
        return chunks

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        self._achunks = _akept(self._call(), weakref.ref(self))
        return self._achunks

    def _call(self) -> AnyCall:
        make_call, self._make_call = self._make_call, None
        if make_call is None:
            raise RuntimeError("this stream was iterated already; call agent.stream(...) again for a new one")
        return make_call()

    def close(self) -> None:
        """Stop early and free the connection."""
        chunks = self._chunks() if self._chunks is not None else None
        if chunks is not None:
            chunks.close()

    async def aclose(self) -> None:
        """Stop early and free the connection."""
        if self._achunks is not None:
            await self._achunks.aclose()


def _kept(call: AnyCall, stream: weakref.ref[AgentStream]) -> Generator[StreamChunk, None, None]:
    try:
        with closing(call.stream()) as chunks:
            yield from chunks
    finally:
        _hand_over(call, stream)


async def _akept(call: AnyCall, stream: weakref.ref[AgentStream]) -> AsyncGenerator[StreamChunk, None]:
    try:
        async with aclosing(call.astream()) as chunks:
            async for chunk in chunks:
                yield chunk
    finally:
        _hand_over(call, stream)


def _hand_over(call: AnyCall, stream: weakref.ref[AgentStream]) -> None:
    held = stream()
    if held is not None:
        held.envelope = call.envelope()
