"""The four shells that drive a loop: sync, async, stream, async stream; one deadline and one list of attempts for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing
from typing import Protocol

from lazybridge.core.closing import AsyncClosed, closed
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, StreamChunk, ToolCall
from lazybridge.loop import Ask, Turns
from lazybridge.run import Run


class ToolRunner(Protocol):
    """Runs the calls of one turn."""

    def run(self, calls: Sequence[ToolCall]) -> list[Message]:
        """One tool message for each call, in order."""
        ...

    async def arun(self, calls: Sequence[ToolCall]) -> list[Message]:
        """`run`, on the running event loop."""
        ...


def drive(run: Run, loop: Turns, tools: ToolRunner) -> CompletionResponse:
    """A whole answer, synchronously: no event loop, no thread."""
    step = next(loop)
    while True:
        result = _ask(run, step.request) if isinstance(step, Ask) else tools.run(step.calls)
        try:
            step = loop.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # a generator's return value is untyped


def _ask(run: Run, request: CompletionRequest) -> CompletionResponse:
    while True:
        attempt = run.begin(request)
        try:
            return run.succeeded(run.provider.complete(attempt))
        except Exception as exc:  # any SDK's exceptions arrive here
            time.sleep(run.failed(exc, request))


async def adrive(run: Run, loop: Turns, tools: ToolRunner) -> CompletionResponse:
    """A whole answer, on the running event loop."""
    step = next(loop)
    while True:
        result = await (_aask(run, step.request) if isinstance(step, Ask) else _arun(run, tools, step.calls))
        try:
            step = loop.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


async def _arun(run: Run, tools: ToolRunner, calls: Sequence[ToolCall]) -> list[Message]:
    """The tools' results, within the call's time; only asynchronous tools can be stopped."""
    try:
        async with asyncio.timeout(run.deadline.left()):
            return await tools.arun(calls)
    except TimeoutError:
        raise run.deadline.error() from None


async def _aask(run: Run, request: CompletionRequest) -> CompletionResponse:
    while True:
        attempt = run.begin(request)
        try:
            async with asyncio.timeout(run.deadline.left()):
                return run.succeeded(await run.provider.acomplete(attempt))
        except Exception as exc:
            await asyncio.sleep(run.failed(exc, request))


def drive_stream(run: Run, loop: Turns, tools: ToolRunner) -> Generator[StreamChunk, None, None]:
    """The chunks of every turn; only the last turn's last chunk is final."""
    step = next(loop)
    last = StreamChunk()
    while True:
        if isinstance(step, Ask):
            if step.restarts:
                yield StreamChunk(restarts=True, model=last.model)
            last = yield from _ask_stream(run, step.request)
            result: CompletionResponse | list[Message] | None = last.response
        else:
            yield StreamChunk(tool_calls=last.tool_calls, model=last.model)
            result = tools.run(step.calls)
        try:
            step = loop.send(result)
        except StopIteration as stop:
            yield stop.value.final_chunk()
            return


def _ask_stream(run: Run, request: CompletionRequest) -> Generator[StreamChunk, None, StreamChunk]:
    while True:
        handed_out = False
        attempt = run.begin(request)
        try:
            with closed(run.provider.stream(attempt)) as chunks:
                for chunk in chunks:
                    run.deadline.check()
                    run.arrived.add(chunk)
                    if not chunk.is_final:
                        handed_out = True
                        yield chunk
            return run.streamed()
        except Exception as exc:
            time.sleep(run.failed(exc, request, final=handed_out))


async def adrive_stream(run: Run, loop: Turns, tools: ToolRunner) -> AsyncGenerator[StreamChunk, None]:
    """The chunks of every turn, on the running event loop."""
    step = next(loop)
    last = StreamChunk()
    while True:
        result: CompletionResponse | list[Message] | None
        if isinstance(step, Ask):
            if step.restarts:
                yield StreamChunk(restarts=True, model=last.model)
            async with aclosing(_aask_stream(run, step.request)) as chunks:
                async for last in chunks:
                    if not last.is_final:
                        yield last
            result = last.response
        else:
            yield StreamChunk(tool_calls=last.tool_calls, model=last.model)
            result = await _arun(run, tools, step.calls)
        try:
            step = loop.send(result)
        except StopIteration as stop:
            yield stop.value.final_chunk()
            return


async def _aask_stream(run: Run, request: CompletionRequest) -> AsyncGenerator[StreamChunk, None]:
    while True:
        handed_out = False
        attempt = run.begin(request)
        try:
            async with AsyncClosed(run.provider.astream(attempt)) as chunks:
                while True:
                    if run.deadline.at is None:
                        chunk = await anext(chunks, None)
                    else:
                        async with asyncio.timeout(run.deadline.left()):
                            chunk = await anext(chunks, None)
                    if chunk is None:
                        break
                    run.deadline.check()
                    run.arrived.add(chunk)
                    if not chunk.is_final:
                        handed_out = True
                        yield chunk
            yield run.streamed()
            return
        except Exception as exc:
            await asyncio.sleep(run.failed(exc, request, final=handed_out))
