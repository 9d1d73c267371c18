"""One call, from its request to its envelope."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import AbstractContextManager, aclosing, closing, contextmanager
from functools import partial
from typing import Any

from lazybridge.core import structured
from lazybridge.core.errors import ConfigurationError, LazyBridgeError, StreamTruncated
from lazybridge.core.errors.secrets import credentials_of
from lazybridge.core.loops import asyncio_loop
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import Adjustment, CompletionRequest, CompletionResponse, StreamChunk
from lazybridge.drivers import adrive, adrive_stream, drive, drive_stream
from lazybridge.envelope import Attempt, Envelope, EnvelopeMetadata, total_receipt, total_usage
from lazybridge.listening import NOBODY
from lazybridge.loop import turns
from lazybridge.nesting import Inside, current
from lazybridge.patience import Limits
from lazybridge.policy import Policy
from lazybridge.run import Run
from lazybridge.tools import Toolbox
from lazybridge.transcript import Transcript


class Call:
    """One call: four ways to make it, one envelope."""

    def __init__(
        self,
        provider: BaseProvider,
        request: CompletionRequest,
        notes: tuple[Adjustment, ...],
        policy: Policy,
        tools: Toolbox,
        output: Any,
    ) -> None:
        self._run = Run(provider, policy, Limits(request.timeout, request.ttft, request.idle))
        self._reader = None if output is None else structured.Reader(output)
        self._transcript = Transcript(request.messages)
        loop = turns(
            request,
            runnable=tools.runnable,
            max_turns=policy.max_turns,
            max_tool_errors=policy.max_tool_errors,
            check=None if self._reader is None else self._reader.complaint,
            max_repairs=policy.max_repairs,
        )
        self._turns = self._transcript.of(loop)
        ours = tools.of_call(self._run.deadline, partial(credentials_of, provider, request.extra_headers))
        inside = Inside(ours, self._run.nested)
        self._tools = inside if self._run.events is None else self._run.events.around(inside, request)
        self._outer = current()
        self._notes = notes
        self._started = time.perf_counter()
        self._last: CompletionResponse | None = None
        self._response: CompletionResponse | None = None
        self._payload: Any = None
        self._error: LazyBridgeError | None = None

    def whole(self) -> Envelope[Any]:
        """The whole answer."""
        with self._heard(), self:
            self._complete(drive(self._run, self._turns, self._tools))
        return self.envelope()

    async def awhole(self) -> Envelope[Any]:
        """The whole answer, on the running event loop."""
        asyncio_loop()
        async with self._run.events or NOBODY:
            with self._heard(), self:
                self._complete(await adrive(self._run, self._turns, self._tools))
        return self.envelope()

    def stream(self) -> Generator[StreamChunk, None, None]:
        """The chunks. Raises what went wrong, also where the answer does not fit the asked type."""
        with self._heard(True), self._streaming(), closing(drive_stream(self._run, self._turns, self._tools)) as chunks:
            for chunk in chunks:
                self._last = chunk.response
                yield chunk

    async def astream(self) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, on the running event loop."""
        asyncio_loop()
        async with self._run.events or NOBODY:
            with self._heard(True), self._streaming():
                async with aclosing(adrive_stream(self._run, self._turns, self._tools)) as chunks:
                    async for chunk in chunks:
                        self._last = chunk.response
                        yield chunk

    def _heard(self, streamed: bool = False) -> AbstractContextManager[None]:
        """The call from its first event to its last, where somebody listens."""
        return NOBODY if self._run.events is None else self._run.events.of_call(self.envelope, streamed)

    def __enter__(self) -> None:
        """What fails in this block is the envelope's, and with the block the run ends."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """A failure belongs to the envelope; what the caller has to set right is raised."""
        try:
            if not isinstance(error, LazyBridgeError) or isinstance(error, ConfigurationError):
                return False
            self._fail(error)
            return True
        finally:
            self._run.abandon()  # where it was cancelled or interrupted
            self._tell_outer()

    @contextmanager
    def _streaming(self) -> Iterator[None]:
        """A failure belongs to the envelope and is raised; the stream is settled however it ends."""
        try:
            yield
            self._complete_stream()
        except LazyBridgeError as error:
            self._fail(error)
            raise
        finally:
            self._end()
            self._tell_outer()

    def _complete_stream(self) -> None:
        if self._last is not None and self._response is None:
            self._complete(self._last)

    def _complete(self, response: CompletionResponse) -> None:
        self._response, self._payload = response, response.content
        if self._reader is not None and not response.tool_calls:
            self._payload = response.parsed = self._reader.read(response)

    def _fail(self, error: LazyBridgeError) -> None:
        self._run.attach(error)
        self._error = error

    def _end(self) -> None:
        """A stream that was left before its end is no answer, whatever had arrived."""
        self._run.abandon()
        try:
            self._complete_stream()  # left after the last chunk: the answer was whole
        except LazyBridgeError as error:
            self._fail(error)
        if self._response is None and self._error is None:
            name = self._run.provider_name
            self._fail(StreamTruncated("the stream was closed before its end", provider=name, retryable=False))

    def _tell_outer(self) -> None:
        if self._outer is not None:
            self._outer.add(self._run.all_attempts())

    def envelope(self) -> Envelope[Any]:
        """What came of it."""
        return Envelope(self._metadata(), self._response, self._error, self._payload, self._transcript.messages)

    def _metadata(self) -> EnvelopeMetadata:
        response, own, attempts = self._response, self._run.attempts, self._run.all_attempts()
        usage, receipt = total_usage(attempts), total_receipt(attempts)
        adjustments = dict.fromkeys(self._notes)
        for answer in self._run.responses:
            adjustments |= dict.fromkeys(answer.adjustments)
        return EnvelopeMetadata(
            model=(response.model if response is not None else None) or (own[-1].model if own else None),
            provider=self._run.provider_name,
            cost_usd=receipt.cost_usd,
            receipt=receipt,
            input_tokens=usage.input_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            output_tokens=usage.output_tokens,
            thinking_tokens=usage.thinking_tokens,
            stop_reason=response.stop_reason if response is not None else None,
            latency_ms=(time.perf_counter() - self._started) * 1000,
            run_id=self._run.run_id,
            turns=len(self._run.responses),
            request_id=response.request_id if response is not None else None,
            attempts=tuple(Attempt(**vars(attempt)) for attempt in attempts),
            adjustments=tuple(adjustments),
            usage=usage,
        )
