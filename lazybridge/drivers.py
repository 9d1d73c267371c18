"""The four shells that drive a loop: sync, async, stream, async stream; one deadline and one list of attempts for all."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Protocol

from lazybridge.core.errors import (
    ConfigurationError,
    LazyBridgeError,
    ProviderError,
    StreamTruncated,
    UnsupportedFeatureError,
    UnsupportedNativeToolError,
    from_exception,
)
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.retry import Deadline, RetryPolicy
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, StreamChunk, ToolCall, UsageStats
from lazybridge.envelope import Attempt
from lazybridge.loop import Ask, Turns

_log = logging.getLogger("lazybridge")

# A model that is gone or has no capacity may be replaced by its neighbour; a rate limit is the caller's own.
_FALLBACK_KINDS = frozenset({"not_found", "overloaded"})
# Raised while a request is translated: nothing was on the wire.
_NEVER_SENT = (ConfigurationError, UnsupportedFeatureError, UnsupportedNativeToolError)


class ToolRunner(Protocol):
    """Runs the calls of one turn."""

    def run(self, calls: Sequence[ToolCall]) -> list[Message]:
        """One tool message for each call, in order."""

    async def arun(self, calls: Sequence[ToolCall]) -> list[Message]:
        """`run`, on the running event loop."""


class Run:
    """What one call carries through all its turns and attempts."""

    def __init__(self, provider: BaseProvider, *, timeout: float | None, retries: RetryPolicy, fallback: bool) -> None:
        self.provider = provider
        self.provider_name = provider.name or type(provider).__name__.removesuffix("Provider").lower()
        self.deadline = Deadline(timeout)
        self.retries = retries
        self.fallback = fallback
        self.attempts: list[Attempt] = []
        self.responses: list[CompletionResponse] = []
        self.partial_text = ""
        self._retries_done = 0
        self._replacement: str | None = None

    def begin(self, request: CompletionRequest) -> CompletionRequest:
        """The request of the next attempt, with the time that is left."""
        self.deadline.check()
        self.partial_text = ""
        model = self._replacement or request.model
        self.attempts.append(Attempt(self.provider_name, self._model(request), started=time.time()))
        return replace(request, model=model, timeout=self.deadline.left())

    def _model(self, request: CompletionRequest) -> str | None:
        return self._replacement or self.provider._resolve_model(request)

    def heard(self, chunk: StreamChunk) -> None:
        """Note a piece that arrived, so that a failure keeps it."""
        self.partial_text += chunk.delta

    def succeeded(self, response: CompletionResponse) -> CompletionResponse:
        """Close the attempt with what it took."""
        self._honest_cost(response)
        attempt = self._close()
        attempt.usage, attempt.request_id = response.usage, response.request_id
        attempt.model = response.model or attempt.model
        self.responses.append(response)
        self._retries_done = 0
        return response

    def failed(self, exc: BaseException, request: CompletionRequest, *, final: bool = False) -> float:
        """Seconds to wait before the next attempt. Raises the neutral error where there is none, or where `final`."""
        if isinstance(exc, _NEVER_SENT):
            self.attempts.pop()
            raise exc
        attempt = self._close()
        if isinstance(exc, LazyBridgeError) and not isinstance(exc, ProviderError):
            attempt.error = type(exc).__name__
            raise exc
        error = from_exception(exc, provider=self.provider_name, model=self._model(request))
        attempt.status_code, attempt.error, attempt.request_id = error.status_code, error.kind, error.request_id
        error.partial_text = error.partial_text or self.partial_text
        asked = self.provider.is_retryable(exc)
        if asked is not None:
            error.retryable = asked
        left = self.deadline.left()
        if error.kind == "timeout" and left is not None and left <= 0.01:
            late = self.deadline.error()
            late.provider, late.model, late.partial_text = error.provider, error.model, error.partial_text
            raise late from exc
        wait = None if final else self.retries.delay(error, self._retries_done)
        if wait is not None and (left is None or wait < left):
            self._retries_done += 1
            attempt.wait_s = wait
            _log.info("retrying %s in %.2f s after %s", self.provider_name, wait, error.kind)
            return wait
        if not final and self.fallback and error.kind in _FALLBACK_KINDS and self._next_model(request):
            _log.warning(
                "%s: %s is %s, falling back to %s", self.provider_name, attempt.model, error.kind, self._replacement
            )
            return 0.0
        raise error from (exc if exc is not error else exc.__cause__)

    def _next_model(self, request: CompletionRequest) -> bool:
        first = self.provider._resolve_model(request)
        chain = [first, *self.provider._FALLBACKS.get(first, [])]
        place = chain.index(self._replacement or first) + 1
        if place >= len(chain):
            return False
        self._replacement, self._retries_done = chain[place], 0
        return True

    def _close(self) -> Attempt:
        attempt = self.attempts[-1]
        attempt.duration_ms = (time.time() - attempt.started) * 1000
        return attempt

    def _honest_cost(self, response: CompletionResponse) -> None:
        """A provider whose price table says None but which reports 0.0 (`cost or 0.0`) does not know the cost."""
        usage = response.usage
        if usage.cost_usd == 0.0 and type(self.provider)._compute_cost is not BaseProvider._compute_cost:
            known = self.provider._compute_cost(response.model or "", usage.input_tokens or 0, usage.output_tokens or 0)
            usage.cost_usd = 0.0 if known is not None else None


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
        result = await _aask(run, step.request) if isinstance(step, Ask) else await tools.arun(step.calls)
        try:
            step = loop.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


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
    while True:
        if isinstance(step, Ask):
            last = yield from _ask_stream(run, step.request)
            result: CompletionResponse | list[Message] | None = last.response
        else:
            yield replace(last, is_final=False)
            result = tools.run(step.calls)
        try:
            step = loop.send(result)
        except StopIteration:
            yield last
            return


def _ask_stream(run: Run, request: CompletionRequest) -> Generator[StreamChunk, None, StreamChunk]:
    while True:
        handed_out = False
        fold = _Fold()
        attempt = run.begin(request)
        try:
            with closing(run.provider.stream(attempt)) as chunks:  # type: ignore[type-var]  # generators have close
                for chunk in chunks:
                    run.deadline.check()
                    fold.add(chunk)
                    run.heard(chunk)
                    if not chunk.is_final:
                        handed_out = True
                        yield chunk
            return fold.last(run)
        except Exception as exc:
            time.sleep(run.failed(exc, request, final=handed_out))


async def adrive_stream(run: Run, loop: Turns, tools: ToolRunner) -> AsyncGenerator[StreamChunk, None]:
    """The chunks of every turn, on the running event loop."""
    step = next(loop)
    last = StreamChunk()
    while True:
        result: CompletionResponse | list[Message] | None
        if isinstance(step, Ask):
            async with aclosing(_aask_stream(run, step.request)) as chunks:
                async for last in chunks:
                    if not last.is_final:
                        yield last
            result = last.response
        else:
            yield replace(last, is_final=False)
            result = await tools.arun(step.calls)
        try:
            step = loop.send(result)
        except StopIteration:
            yield last
            return


async def _aask_stream(run: Run, request: CompletionRequest) -> AsyncGenerator[StreamChunk, None]:
    while True:
        handed_out = False
        fold = _Fold()
        attempt = run.begin(request)
        try:
            async with aclosing(run.provider.astream(attempt)) as chunks:  # type: ignore[type-var]
                while True:
                    async with asyncio.timeout(run.deadline.left()):
                        chunk = await anext(chunks, None)
                    if chunk is None:
                        break
                    fold.add(chunk)
                    run.heard(chunk)
                    if not chunk.is_final:
                        handed_out = True
                        yield chunk
            yield fold.last(run)
            return
        except Exception as exc:
            await asyncio.sleep(run.failed(exc, request, final=handed_out))


class _Fold:
    """One turn's chunks as a response, for providers whose final chunk does not carry one."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.thinking: list[str] = []
        self.calls: list[ToolCall] = []
        self.final: StreamChunk | None = None

    def add(self, chunk: StreamChunk) -> None:
        self.text.append(chunk.delta)
        self.thinking.append(chunk.thinking_delta)
        self.calls += chunk.tool_calls
        if chunk.is_final:
            self.final = chunk

    def last(self, run: Run) -> StreamChunk:
        if self.final is None:
            raise StreamTruncated("the stream ended without a final chunk", provider=run.provider_name)
        final = self.final
        response = final.response or CompletionResponse(
            "".join(self.text),
            "".join(self.thinking),
            self.calls,
            final.stop_reason,
            final.model,
            final.usage or UsageStats(),
        )
        run.succeeded(response)
        return replace(final, response=response, usage=response.usage, tool_calls=response.tool_calls)


def attach(error: BaseException, run: Run) -> None:
    """Put what the call had onto an error."""
    if isinstance(error, ProviderError) and not error.partial_text:
        error.partial_text = run.partial_text
    error.attempts = tuple(run.attempts)  # type: ignore[attr-defined]  # every LazyBridgeError has it
