"""A second request beside one that takes its time: whichever answers first is the attempt, the other one is ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator

from lazybridge.core.closing import AsyncClosed, closed
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk
from lazybridge.racing import Opened, araced, raced
from lazybridge.run import Run


def complete(run: Run, request: CompletionRequest, attempt: CompletionRequest) -> CompletionResponse:
    """The whole answer to an attempt of a run, or to the one that was made beside it, which then is the run's."""
    if run.policy.hedge_after is None:
        return run.provider.complete(attempt)
    return raced(run, request, attempt, lambda racer, sent: racer.provider.complete(sent))


async def acomplete(run: Run, request: CompletionRequest, attempt: CompletionRequest) -> CompletionResponse:
    """`complete`, on the running event loop."""
    if run.policy.hedge_after is None:
        return await run.provider.acomplete(attempt)
    return await araced(run, request, attempt, lambda racer, sent: racer.provider.acomplete(sent))


def stream(run: Run, request: CompletionRequest, attempt: CompletionRequest) -> Iterator[StreamChunk]:
    """The chunks of an attempt of a run, or of the one that was made beside it, where its first chunk came first."""
    if run.policy.hedge_after is None:
        return run.provider.stream(attempt)
    return _hedged(run, request, attempt)


def astream(run: Run, request: CompletionRequest, attempt: CompletionRequest) -> AsyncIterator[StreamChunk]:
    """`stream`, on the running event loop."""
    if run.policy.hedge_after is None:
        return run.provider.astream(attempt)
    return _ahedged(run, request, attempt)


def _hedged(run: Run, request: CompletionRequest, attempt: CompletionRequest) -> Generator[StreamChunk, None, None]:
    opened = raced(run, request, attempt, _open)
    with closed(opened.stream):
        if opened.first is not None:
            yield opened.first
            yield from opened.chunks


async def _ahedged(
    run: Run, request: CompletionRequest, attempt: CompletionRequest
) -> AsyncGenerator[StreamChunk, None]:
    opened = await araced(run, request, attempt, _aopen)
    async with AsyncClosed(opened.stream):
        if opened.first is not None:
            yield opened.first
            async for chunk in opened.chunks:
                yield chunk


def _open(run: Run, attempt: CompletionRequest) -> Opened:
    run.patience.wait(False)
    opened, stream = None, run.provider.stream(attempt)
    try:
        chunks = iter(stream)
        opened = Opened(stream, chunks, next(chunks, None))
        return opened
    finally:
        if opened is None:
            with closed(stream):
                pass


async def _aopen(run: Run, attempt: CompletionRequest) -> Opened:
    opened, stream = None, run.provider.astream(attempt)
    try:
        async with asyncio.timeout(run.patience.wait(False)):
            chunks = aiter(stream)
            opened = Opened(stream, chunks, await anext(chunks, None))
            return opened
    finally:
        if opened is None:
            async with AsyncClosed(stream):
                pass
