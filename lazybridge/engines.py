"""Who answers for an agent: the protocol, and engines that are not the built-in one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from lazybridge.awaiting import Loop
from lazybridge.composed import AnyCall, Composed, Do, Steps
from lazybridge.core import structured
from lazybridge.core.closing import AsyncClosed, closed
from lazybridge.core.errors import LazyBridgeError, StreamTruncated
from lazybridge.core.receipt import FREE, stated, unknown
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk
from lazybridge.envelope import Attempt, Envelope, EnvelopeMetadata
from lazybridge.settings import Settings, Task, check_setting, messages_of, text_of

Answer = Envelope[Any] | CompletionResponse | str


@runtime_checkable
class Engine(Protocol):
    """Who answers: `Agent(engine=...)` takes anything with `run`, which may be `async def`.

    `run` gets the request (messages and settings) and gives the answer: an Envelope, a CompletionResponse or a text. A
    LazyBridgeError that it raises is the envelope's error. What else it has is used: `arun` is its twin for asynchronous
    calls; `stream(request)` gives StreamChunks, plain or asynchronous, the last one `CompletionResponse(...).final_chunk()`
    (without it a stream has the answer in one piece); `close` and `aclose` free what it holds.
    """

    def run(self, request: CompletionRequest) -> Answer | Awaitable[Answer]:
        """The answer to one request."""
        ...


class EngineCall(Composed):
    """One call of a user's engine."""

    def __init__(self, engine: Any, request: CompletionRequest, output: Any = None) -> None:
        super().__init__(request.timeout)
        self._engine, self._request, self._output = engine, request, output
        self._began, self._run = time.time(), engine.run

    def _steps(self) -> Steps:
        return self._whole((yield Do(self._run, (self._request,))))

    def _whole(self, answer: Answer) -> Envelope[Any]:
        """The answer as an envelope; what it says of its cost counts where no call inside was counted."""
        envelope = answer if isinstance(answer, Envelope) else self._envelope_of(answer)
        if not self._nest.attempts:
            meta = envelope.metadata
            made = Attempt(meta.provider or type(self._engine).__name__, meta.model, self._began, usage=meta.usage)
            made.receipt, made.duration_ms = meta.receipt, (time.time() - self._began) * 1000
            self._nest.add(meta.attempts or (made,))
        return envelope if envelope.error is not None else self._read(envelope)

    def _read(self, envelope: Envelope[Any]) -> Envelope[Any]:
        """An answer with what an envelope of the user's own may lack: the response that guards and judges look at, the
        object that was asked for, and the conversation."""
        response, meta = envelope.response, envelope.metadata
        if response is None:
            response = CompletionResponse(text_of(envelope), stop_reason="end_turn", model=meta.model, usage=meta.usage)
            envelope = replace(envelope, response=response)
            response.parsed = envelope.payload
        if self._output is not None and isinstance(envelope.payload, str) and not response.tool_calls:
            response.parsed = structured.parse(self._output, response)
            envelope = replace(envelope, _payload=response.parsed)
        asked = self._request.messages
        if envelope.messages[: len(asked)] != asked or len(envelope.messages) == len(asked):
            envelope = replace(envelope, messages=(*asked, response.to_message()))
        return envelope

    def _envelope_of(self, answer: object) -> Envelope[Any]:
        name = type(self._engine).__name__
        if not isinstance(answer, (CompletionResponse, str)):
            raise TypeError(f"{name}.run gives an Envelope, a CompletionResponse or a text, got {answer!r}")
        response = CompletionResponse(answer, stop_reason="end_turn") if isinstance(answer, str) else answer
        receipt = FREE if isinstance(answer, str) else response.receipt
        if receipt is None:
            said = response.usage.cost_usd
            receipt = unknown(f"{name} does not say") if said is None else stated(said, response.model or "", name)
        meta = EnvelopeMetadata(
            response.model, name, stop_reason=response.stop_reason, request_id=response.request_id, turns=1
        )
        meta.receipt, meta.usage, meta.adjustments = receipt, response.usage, response.adjustments
        return Envelope(meta, response, None, response.content if response.parsed is None else response.parsed)

    async def awhole(self) -> Envelope[Any]:
        """The whole answer, on the running event loop."""
        self._run = getattr(self._engine, "arun", self._run)
        return await super().awhole()

    def stream(self) -> Generator[StreamChunk, None, None]:
        """The chunks; all at once where the engine does not stream."""
        if not hasattr(self._engine, "stream"):
            yield from super().stream()
            return
        with self._streamed():
            chunks = self._engine.stream(self._request)
            if not isinstance(chunks, AsyncIterator):
                with closed(chunks):
                    yield from map(self._seen, chunks)
                return
            with Loop() as loop:
                try:
                    while (chunk := loop.run(_next(chunks))) is not None:
                        yield self._seen(chunk)
                finally:
                    loop.run(_closed(chunks))

    async def astream(self) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, on the running event loop."""
        if not hasattr(self._engine, "stream"):
            self._run = getattr(self._engine, "arun", self._run)
            async with aclosing(super().astream()) as pieces:
                async for chunk in pieces:
                    yield chunk
            return
        with self._streamed():
            chunks = self._engine.stream(self._request)
            if not isinstance(chunks, AsyncIterator):
                with closed(iter(chunks)) as plain:
                    while (piece := await asyncio.to_thread(next, plain, None)) is not None:
                        yield self._seen(piece)
                return
            async with AsyncClosed(chunks):
                while True:
                    async with asyncio.timeout(self._nest.deadline.left()):
                        piece = await _next(chunks)
                    if piece is None:
                        return
                    yield self._seen(piece)

    @contextmanager
    def _streamed(self) -> Iterator[None]:
        with self._settled(raises=LazyBridgeError):
            try:
                yield
            except TimeoutError:
                self._nest.deadline.check()
                raise
            if self._answer is None:
                raise StreamTruncated(f"{type(self._engine).__name__}.stream ended without a final chunk")

    def _seen(self, chunk: StreamChunk) -> StreamChunk:
        self._nest.deadline.check()
        if chunk.response is not None:
            self._answer = self._whole(chunk.response)
        return chunk


async def _next(chunks: AsyncIterator[StreamChunk]) -> StreamChunk | None:
    return await anext(chunks, None)


async def _closed(chunks: Any) -> None:
    async with AsyncClosed(chunks):
        pass


def request_of(
    engine: Any, task: Task, attachments: Iterable[Any] = (), settings: Settings | None = None
) -> CompletionRequest:
    """The request that an engine gets for a task: with its own settings, where it has a `request` as LLMEngine has."""
    given: dict[str, Any] = dict(settings or {})
    if hasattr(engine, "request"):
        made: CompletionRequest = engine.request(task, attachments, **given)
        return made
    for name in given:
        check_setting(name)
    return CompletionRequest(messages_of(task, attachments), **given)


def output_of(engine: Any, output: Any) -> Any:
    """The type of a payload: that of one call, or the engine's; None for text."""
    return getattr(engine, "output", None) if output is None else output


def call_of(engine: Any, request: CompletionRequest, output: Any = None) -> AnyCall:
    """One call of an engine, yet to be made; `output` is another type of its payload than the engine's."""
    if hasattr(engine, "call"):
        made: AnyCall = engine.call(request, output)
        return made
    return EngineCall(engine, request, output)
