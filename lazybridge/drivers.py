"""The four shells that drive a loop: sync, async, stream, async stream; one deadline and one list of attempts for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, closing
from typing import Protocol

from lazybridge import hedging
from lazybridge.core.closing import AsyncClosed, closed
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, StreamChunk, ToolCall
from lazybridge.gate import aadmit, admit
from lazybridge.loop import Ask, Turns
from lazybridge.run import Run


class ToolRunner(Protocol):
    """Runs the calls of one turn."""

    def run(self, calls: Sequence[ToolCall]) -> list[Message]:
        """One tool message for each call, in order; at the call's deadline its error."""
        ...

    async def arun(self, calls: Sequence[ToolCall]) -> list[Message]:
        """`run`, on the running event loop."""
        ...


def drive(run: Run, loop: Turns, tools: ToolRunner) -> CompletionResponse:
    """A whole answer, synchronously: no event loop, no thread."""
    step = next(loop)
    while True:
        result = _ask(run, step) if isinstance(step, Ask) else tools.run(step.calls)
        try:
            step = loop.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # a generator's return value is untyped


def _ask(run: Run, step: Ask) -> CompletionResponse:
    request = step.request
    if step.repair:
        run.repairs()
    if run.patience.needs_chunks:  # a whole answer shows no token before its last
        return _whole(list(_ask_stream(run, request, shown=False))[-1])
    while True:
        admit(run, request)
        attempt = run.begin(request)
        try:
            return run.succeeded(hedging.complete(run, request, attempt))
        except Exception as exc:  # any SDK's exceptions arrive here
            time.sleep(run.failed(exc, request))


async def adrive(run: Run, loop: Turns, tools: ToolRunner) -> CompletionResponse:
    """A whole answer, on the running event loop."""
    step = next(loop)
    while True:
        result = await (_aask(run, step) if isinstance(step, Ask) else tools.arun(step.calls))
        try:
            step = loop.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


async def _aask(run: Run, step: Ask) -> CompletionResponse:
    request = step.request
    if step.repair:
        run.repairs()
    if run.patience.needs_chunks:
        async with aclosing(_aask_stream(run, request, shown=False)) as chunks:
            return _whole([chunk async for chunk in chunks][-1])
    while True:
        await aadmit(run, request)
        attempt = run.begin(request)
        try:
            async with asyncio.timeout(run.deadline.left()):
                return run.succeeded(await hedging.acomplete(run, request, attempt))
        except Exception as exc:
            await asyncio.sleep(run.failed(exc, request))


def drive_stream(run: Run, loop: Turns, tools: ToolRunner) -> Generator[StreamChunk, None, None]:
    """The chunks of every turn; only the last turn's last chunk is final."""
    step = next(loop)
    last = StreamChunk()
    while True:
        if isinstance(step, Ask):
            if step.repair:
                yield run.repairs()
            with closing(_ask_stream(run, step.request)) as chunks:
                for last in chunks:
                    if not last.is_final:
                        yield last
            result: CompletionResponse | list[Message] | None = last.response
        else:
            yield StreamChunk(tool_calls=last.tool_calls, model=last.model)
            result = tools.run(step.calls)
        try:
            step = loop.send(result)
        except StopIteration as stop:
            yield stop.value.final_chunk()
            return


def _ask_stream(run: Run, request: CompletionRequest, shown: bool = True) -> Generator[StreamChunk, None, None]:
    """The chunks of one turn, whose last is final; `shown` says whether the caller sees them."""
    while True:
        arrived = False
        admit(run, request)
        attempt = run.begin(request)
        try:
            with closed(hedging.stream(run, request, attempt)) as stream:
                chunks, timed = iter(stream), run.patience.attempt is not None
                while True:
                    if timed:
                        run.patience.wait(arrived)
                    chunk = next(chunks, None)
                    if chunk is None:
                        break
                    if timed:
                        run.deadline.check()
                    run.arrived.add(chunk)
                    if not chunk.is_final:
                        arrived = True
                        yield chunk
            yield run.streamed()
            return
        except Exception as exc:
            time.sleep(run.failed(exc, request, handed_out=arrived and shown))
        if arrived and shown:
            yield run.resume(request)


async def adrive_stream(run: Run, loop: Turns, tools: ToolRunner) -> AsyncGenerator[StreamChunk, None]:
    """The chunks of every turn, on the running event loop."""
    step = next(loop)
    last = StreamChunk()
    while True:
        result: CompletionResponse | list[Message] | None
        if isinstance(step, Ask):
            if step.repair:
                yield run.repairs()
            async with aclosing(_aask_stream(run, step.request)) as chunks:
                async for last in chunks:
                    if not last.is_final:
                        yield last
            result = last.response
        else:
            yield StreamChunk(tool_calls=last.tool_calls, model=last.model)
            result = await tools.arun(step.calls)
        try:
            step = loop.send(result)
        except StopIteration as stop:
            yield stop.value.final_chunk()
            return


async def _aask_stream(run: Run, request: CompletionRequest, shown: bool = True) -> AsyncGenerator[StreamChunk, None]:
    while True:
        arrived = False
        await aadmit(run, request)
        attempt = run.begin(request)
        try:
            async with AsyncClosed(hedging.astream(run, request, attempt)) as stream:
                chunks = aiter(stream)
                while True:
                    seconds = run.patience.wait(arrived)
                    if seconds is None or (run.policy.hedge_after is not None and not arrived):
                        chunk = await anext(chunks, None)
                    else:
                        async with asyncio.timeout(seconds):
                            chunk = await anext(chunks, None)
                    if chunk is None:
                        break
                    run.deadline.check()
                    run.arrived.add(chunk)
                    if not chunk.is_final:
                        arrived = True
                        yield chunk
            yield run.streamed()
            return
        except Exception as exc:
            await asyncio.sleep(run.failed(exc, request, handed_out=arrived and shown))
        if arrived and shown:
            yield run.resume(request)


def _whole(last: StreamChunk) -> CompletionResponse:
    assert last.response is not None
    return last.response
