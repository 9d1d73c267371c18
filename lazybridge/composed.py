"""A call that is made of other calls: what it does is written once, as a generator; four shells drive it."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lazybridge.awaiting import acall, call
from lazybridge.core.errors import ConfigurationError, LazyBridgeError, StreamTruncated
from lazybridge.core.types import CompletionResponse, StreamChunk
from lazybridge.envelope import Envelope, EnvelopeMetadata, total_receipt
from lazybridge.nesting import Nest, current, deadline_within, in_order, summed


class AnyCall(Protocol):
    """One call: four ways to make it, one envelope."""

    def whole(self) -> Envelope[Any]:
        """The whole answer."""
        ...

    async def awhole(self) -> Envelope[Any]:
        """The whole answer, on the running event loop."""
        ...

    def stream(self) -> Generator[StreamChunk, None, None]:
        """The chunks. Raises what went wrong."""
        ...

    def astream(self) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, on the running event loop."""
        ...

    def envelope(self) -> Envelope[Any]:
        """What came of it."""
        ...


@dataclass(frozen=True)
class Ask:
    """Make this call; the answer is its envelope. `live` hands its chunks on as they come: nothing may follow."""

    make: Callable[[], AnyCall]
    live: bool = False


@dataclass(frozen=True)
class Do:
    """Call this function, plain or asynchronous; the answer is what it returns, and what it raises is raised here."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


Steps = Generator[Ask | Do, Any, Envelope[Any]]


class Composed(ABC):
    """A call made of calls. Their time is within its own, and their attempts and adjustments are its own."""

    def __init__(self, timeout: float | None = None) -> None:
        self._outer = current()
        self._nest = Nest(deadline_within(timeout))
        self._started = time.perf_counter()
        self._asked: list[Envelope[Any]] = []
        self._answer: Envelope[Any] | None = None
        self._error: LazyBridgeError | None = None

    @abstractmethod
    def _steps(self) -> Steps:
        """What is to be done, step by step; its return value is the answer."""

    def whole(self) -> Envelope[Any]:
        """The whole answer."""
        with self._settled(raises=ConfigurationError), self._nest.entered():
            steps = self._steps()
            step = self._next(steps)
            while step is not None:
                step = self._sent(steps, step.make().whole() if isinstance(step, Ask) else self._done(step))
        return self.envelope()

    async def awhole(self) -> Envelope[Any]:
        """The whole answer, on the running event loop."""
        with self._settled(raises=ConfigurationError), self._nest.entered():
            steps = self._steps()
            step = self._next(steps)
            while step is not None:
                result = await (step.make().awhole() if isinstance(step, Ask) else self._adone(step))
                step = self._sent(steps, result)
        return self.envelope()

    def stream(self) -> Generator[StreamChunk, None, None]:
        """The chunks. Raises what went wrong."""
        with self._settled(raises=LazyBridgeError):
            steps, live = self._steps(), False
            with self._nest.entered():
                step = self._next(steps)
            while step is not None:
                if isinstance(step, Ask):
                    live = step.live
                    with self._nest.entered():
                        made = step.make()
                    try:
                        with closing(made.stream()) as chunks:
                            while (chunk := self._chunk(chunks, live)) is not None:
                                yield chunk
                    except GeneratorExit:  # the reader has left: what came of it until then
                        self._sent(steps, made.envelope())
                        raise
                    result: Any = made.envelope()
                else:
                    with self._nest.entered():
                        result = self._done(step)
                with self._nest.entered():
                    step = self._sent(steps, result)
            yield from () if live else self._pieces()

    async def astream(self) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, on the running event loop."""
        with self._settled(raises=LazyBridgeError):
            steps, live = self._steps(), False
            with self._nest.entered():
                step = self._next(steps)
            while step is not None:
                if isinstance(step, Ask):
                    live = step.live
                    with self._nest.entered():
                        made = step.make()
                    try:
                        async with aclosing(made.astream()) as chunks:
                            while (chunk := await self._achunk(chunks, live)) is not None:
                                yield chunk
                    except GeneratorExit:
                        self._sent(steps, made.envelope())
                        raise
                    result: Any = made.envelope()
                else:
                    with self._nest.entered():
                        result = await self._adone(step)
                with self._nest.entered():
                    step = self._sent(steps, result)
            for piece in () if live else self._pieces():
                yield piece

    def _chunk(self, chunks: Generator[StreamChunk, None, None], live: bool) -> StreamChunk | None:
        """The next chunk where they are handed on, else None once all have come, or the call failed."""
        with self._nest.entered():
            if live:
                return next(chunks, None)
            with suppress(LazyBridgeError):  # the envelope has it
                for _ in chunks:
                    pass
            return None

    async def _achunk(self, chunks: AsyncGenerator[StreamChunk, None], live: bool) -> StreamChunk | None:
        with self._nest.entered():
            if live:
                return await anext(chunks, None)
            with suppress(LazyBridgeError):
                async for _ in chunks:
                    pass
            return None

    def _next(self, steps: Steps) -> Ask | Do | None:
        return self._advanced(lambda: next(steps))

    def _sent(self, steps: Steps, result: Any) -> Ask | Do | None:
        """The step after this result; None at the end."""
        if isinstance(result, _Raised):
            return self._advanced(lambda: steps.throw(result.exception))
        if isinstance(result, Envelope):
            self._asked.append(result)
        return self._advanced(lambda: steps.send(result))

    def _advanced(self, advance: Callable[[], Ask | Do]) -> Ask | Do | None:
        try:
            step = advance()
        except StopIteration as stop:
            self._answer = stop.value
            return None
        self._nest.deadline.check()
        return step

    def _done(self, step: Do) -> Any:
        try:
            result = call(step.function, *step.arguments)
        except Exception as exc:  # a user's function; the steps say what it means
            result = _Raised(exc)
        self._nest.deadline.check()
        return result

    async def _adone(self, step: Do) -> Any:
        try:
            async with asyncio.timeout(self._nest.deadline.left()):
                return await acall(step.function, *step.arguments)
        except Exception as exc:
            self._nest.deadline.check()
            return _Raised(exc)

    def _pieces(self) -> Iterator[StreamChunk]:
        """An answer that was held back, in one piece."""
        assert self._answer is not None
        if self._answer.error is not None:
            raise self._answer.error
        response = self._answer.response or CompletionResponse()
        if response.content or response.thinking or response.media:
            yield StreamChunk(
                response.content, thinking_delta=response.thinking, media=response.media, model=response.model
            )
        yield response.final_chunk()

    @contextmanager
    def _settled(self, *, raises: type[LazyBridgeError]) -> Iterator[None]:
        try:
            yield
        except LazyBridgeError as error:
            self._error = error
            if isinstance(error, raises):
                raise
        finally:
            if self._answer is not None:
                self._error = self._error or self._answer.error
            elif self._error is None:
                self._error = StreamTruncated("the call was left before its end", retryable=False)
            attempts = self._attempts()
            if self._error is not None and attempts:
                self._error.attempts, self._error.receipt = tuple(attempts), total_receipt(attempts)
            if self._outer is not None:
                self._outer.add(attempts)

    def _attempts(self) -> list[Any]:
        return in_order(self._nest.attempts)

    def envelope(self) -> Envelope[Any]:
        """What came of it."""
        last = self._answer or (self._asked[-1] if self._asked else None)
        found = dict.fromkeys(one for envelope in self._asked for one in envelope.metadata.adjustments)
        metadata = summed(EnvelopeMetadata() if last is None else last.metadata, self._attempts())
        metadata.adjustments = tuple(found)
        metadata.latency_ms = (time.perf_counter() - self._started) * 1000
        if self._answer is None or self._error is not self._answer.error:
            return Envelope(metadata, None, self._error)
        return replace(self._answer, metadata=metadata)


@dataclass(frozen=True)
class _Raised:
    exception: Exception


class Failed(Composed):
    """A call that is not made: its task is the failure of another one."""

    def __init__(self, error: LazyBridgeError) -> None:
        super().__init__()
        self._failure = error

    def _steps(self) -> Steps:
        return Envelope(EnvelopeMetadata(cost_usd=0.0), None, self._failure)
        yield  # a generator, as all of them
