"""Agent: one line for any model."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, Unpack, overload

from lazybridge.call import Call
from lazybridge.core import structured
from lazybridge.core.closing import Closing
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.errors.secrets import Secret
from lazybridge.core.loops import Left
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.showing import Shown
from lazybridge.core.types import CompletionRequest, StreamChunk
from lazybridge.engine import LLMEngine
from lazybridge.envelope import Envelope
from lazybridge.estimate import Estimate, estimate, payload
from lazybridge.partials import Partials
from lazybridge.settings import AgentOptions, Settings, Task

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # of what pydantic needs; a default is Python 3.13's

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
    Raises ConfigurationError for a missing key or package, an unknown model, or a misspelt tier or option.
    """

    @overload
    def __init__(
        self, model: str | BaseProvider | None = None, *, output: type[X], **options: Unpack[AgentOptions]
    ) -> None: ...
    @overload
    def __init__(
        self: Agent[str],
        model: str | BaseProvider | None = None,
        *,
        output: None = None,
        **options: Unpack[AgentOptions],
    ) -> None: ...
    @overload  # a union, a Literal, a JSON schema: no type checker's type[X]
    def __init__(
        self: Agent[Any],
        model: str | BaseProvider | None = None,
        *,
        output: Any = None,
        engine: LLMEngine | None = None,
        **options: Unpack[AgentOptions],
    ) -> None: ...
    def __init__(
        self,
        model: str | BaseProvider | None = None,
        *,
        output: Any = None,
        engine: LLMEngine | None = None,
        **options: Unpack[AgentOptions],
    ) -> None:
        if "api_key" in options and isinstance(options["api_key"], str):
            options["api_key"] = Secret(options["api_key"])
        given = [name for name, value in (*options.items(), ("output", output)) if value is not None]
        if engine is not None and (model is not None or given):
            beside = ", ".join([*(["a model"] if model is not None else []), *given])
            raise ConfigurationError(f"{beside} cannot be given beside engine=\npass it to LLMEngine(...)")
        self.engine = engine or LLMEngine(model, output=output, **options)

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
        return self._call(task, attachments, output, settings).whole()

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
        return await self._call(task, attachments, output, settings).awhole()

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
        request = self._request(task, attachments, output, settings)
        wanted = self.engine.output if output is None else output
        return AgentStream(partial(self.engine.call, request, wanted), wanted)

    def _request(
        self, task: Task, attachments: Iterable[Any], output: Any, settings: Mapping[str, Any]
    ) -> CompletionRequest:
        request = self.engine.request(task, attachments, **settings)
        return request if output is None else replace(request, output_schema=structured.output_schema(output))

    def _call(self, task: Task, attachments: Iterable[Any], output: Any, settings: Mapping[str, Any]) -> Call:
        return self.engine.call(self._request(task, attachments, output, settings), output)

    def estimate(
        self,
        task: Task,
        *,
        attachments: Iterable[Any] = (),
        expected_output_tokens: int = 500,
        **settings: Unpack[Settings],
    ) -> Estimate:
        """What one request would cost in USD, at least, probably and at most; nothing is sent."""
        request, _ = self.engine.on_a_rung(self.engine.request(task, attachments, **settings))
        return estimate(self.engine.provider, request, expected_output_tokens)

    def count_tokens(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> int:
        """How many input tokens one request has, by the vendor's own count, which costs nothing.

        Raises UnsupportedFeatureError where the vendor counts none (`estimate` guesses), ProviderError for a failed call.
        """
        from lazybridge.token_count import counted  # what most programs never need

        return counted(self.engine, self.engine.request(task, attachments, **settings))

    async def acount_tokens(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> int:
        """`count_tokens`, on the running event loop."""
        from lazybridge.token_count import acounted

        return await acounted(self.engine, self.engine.request(task, attachments, **settings))

    def dry_run(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> dict[str, Any]:
        """The JSON body that a call would send to the vendor, as a dict of its own; nothing is sent. A budget may lower
        `max_tokens` when the call is made.

        Raises UnsupportedFeatureError for a provider class that does not show what it sends.
        """
        request, _ = self.engine.on_a_rung(self.engine.request(task, attachments, **settings))
        return payload(self.engine.provider, request)

    def close(self) -> None:
        """Close the connections that synchronous calls opened."""
        self.engine.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, and the synchronous ones."""
        await self.engine.aclose()

    def __repr__(self) -> str:
        engine = self.__dict__.get("engine")
        if engine is None:
            return "Agent(not built)"
        provider = engine.provider
        return (
            f"Agent({engine.model or provider.model or provider.default_model!r}, provider={type(provider).__name__})"
        )


class AgentStream(Shown, Closing, Generic[X]):
    """Iterate once, either way, or the `partials()`; `envelope` is there when it has ended, also where it was closed early or failed.

    Leaving a `for` loop closes the connection; so does leaving an `async for`, a turn of the event loop later: for the
    envelope at once use `async with`, or `await stream.aclose()`.
    """

    def __init__(self, make_call: Callable[[], Call], output: Any = None) -> None:
        self._make_call: Callable[[], Call] | None = make_call
        self._output = output
        self._chunks: weakref.ref[Generator[StreamChunk, None, None]] | None = None
        self._left = Left()
        self.envelope: Envelope[X] | None = None

    def __iter__(self) -> Iterator[StreamChunk]:
        chunks = _kept(self._call(), weakref.ref(self))
        self._chunks = weakref.ref(chunks)  # not held, so that whoever leaves the loop lets go of it
        return chunks

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        return self._left.watch(_akept(self._call(), weakref.ref(self), self._left))

    def partials(self) -> Partials:
        """The answer as an object that grows: `for part in stream.partials()`, or `async for`. Needs `output=`."""
        if self._output is None:
            raise ConfigurationError("there are no partial objects of a text\nagent.stream(..., output=MyModel)")
        return Partials(self, self._output)

    def _call(self) -> Call:
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
        await self._left.aclose()


def _kept(call: Call, stream: weakref.ref[AgentStream[Any]]) -> Generator[StreamChunk, None, None]:
    try:
        with closing(call.stream()) as chunks:
            yield from chunks
    finally:
        _hand_over(call, stream)


async def _akept(call: Call, stream: weakref.ref[AgentStream[Any]], left: Left) -> AsyncGenerator[StreamChunk, None]:
    with left:
        try:
            async with aclosing(call.astream()) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            _hand_over(call, stream)


def _hand_over(call: Call, stream: weakref.ref[AgentStream[Any]]) -> None:
    held = stream()
    if held is not None:
        held.envelope = call.envelope()
