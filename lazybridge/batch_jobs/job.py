"""One batch at a vendor's: how it is getting on, and what came of it."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Self, Unpack

from lazybridge.batch_jobs.state import BatchState, batches_of
from lazybridge.batch_jobs.steps import adrive, canceling, drive, finding, reading
from lazybridge.core.endpoints.batches import BatchJob, BatchRequest
from lazybridge.core.errors import UnsupportedFeatureError
from lazybridge.core.providers import _tape
from lazybridge.core.providers._sdk import SDKProvider
from lazybridge.endpoint_call import CallOptions, conceal, endpoint_run
from lazybridge.endpoint_run import EndpointRun
from lazybridge.envelope import Envelope

EXAMPLE = 'batch(["a prompt", "another"], model="gpt-6-luna")'


class Batch(BatchState):
    """Many conversations that a vendor answers in its own time, at its price for batches.

    Its `id` is all that has to be kept: `Batch.resume(id, provider=...)` goes on with it in another process. `status` and
    `counts` are what the vendor said last; `refresh()` asks again, `wait()` until it has ended, `results()` gives an
    envelope for each task in their order, `cancel()` stops it. Each has a twin for an event loop: `arefresh`, `await_`,
    `aresults`, `acancel`. What they raise is a ProviderError with `batch_id`.
    """

    @classmethod
    def resume(cls, id: str, *, output: Any = None, **options: Unpack[CallOptions]) -> Self:
        """The batch of this id at `provider`, which may have been handed in anywhere.

        `output` is the type that its answers are read as; `options` are those of `batch`. Raises NotFoundError where
        the vendor has no such batch.
        """
        return cls._named(id, output, options).refresh()

    @classmethod
    async def aresume(cls, id: str, *, output: Any = None, **options: Unpack[CallOptions]) -> Self:
        """`resume`, on the running event loop."""
        return await cls._named(id, output, options).arefresh()

    @classmethod
    def _named(cls, id: str, output: Any, options: CallOptions) -> Self:
        conceal(options)
        job = BatchJob(id=BatchRequest(id=id).id, status="validating")
        run, common = endpoint_run(None, options, f'Batch.resume("{id}", provider="openai")')
        return cls(
            job,
            checked(run),
            run.policy,
            output=output,
            timeout=options.get("timeout"),
            extra_headers=common.get("extra_headers"),
        )

    def refresh(self) -> Self:
        """Ask how it is getting on."""
        with self._running() as run:
            return self._seen(drive(run, finding(self._request)))

    async def arefresh(self) -> Self:
        """`refresh`, on the running event loop."""
        with self._running() as run:
            return self._seen(await adrive(run, finding(self._request)))

    def wait(self, timeout: float | None = None, *, every: float | None = None) -> Self:
        """Ask until it has ended: every so many seconds, or at growing intervals of up to a minute.

        Raises ProviderTimeoutError after `timeout` seconds; the batch itself goes on, and can be waited for again.
        """
        for pause, limit in self._pauses(timeout, every):
            time.sleep(_tape.pause(pause))
            with self._running(limit) as run:
                self._seen(drive(run, finding(self._request)))
        return self

    async def await_(self, timeout: float | None = None, *, every: float | None = None) -> Self:
        """`wait`, on the running event loop."""
        for pause, limit in self._pauses(timeout, every):
            await asyncio.sleep(_tape.pause(pause))
            with self._running(limit) as run:
                self._seen(await adrive(run, finding(self._request)))
        return self

    def cancel(self) -> Self:
        """Tell the vendor to stop; what is answered by then is there to be read, and costs."""
        with self._running() as run:
            return self._seen(drive(run, canceling(self._request)))

    async def acancel(self) -> Self:
        """`cancel`, on the running event loop."""
        with self._running() as run:
            return self._seen(await adrive(run, canceling(self._request)))

    def results(self) -> list[Envelope[Any]]:
        """An envelope for each task, in their order; a request that failed, expired or was canceled is one with its error.

        Their cost is booked in the ledger and the budgets when they are read for the first time. Raises
        InvalidRequestError where the batch has not ended, or failed as a whole, and NotFoundError where the vendor has
        deleted the answers.
        """
        if self._envelopes is not None:
            return self._envelopes
        if not self.ended:
            self.refresh()
        batches, job = batches_of(self._provider), self._readable()
        with self._running() as run:
            answers = drive(run, reading(batches, job, self._request))
            return self._read(answers)

    async def aresults(self) -> list[Envelope[Any]]:
        """`results`, on the running event loop."""
        if self._envelopes is not None:
            return self._envelopes
        if not self.ended:
            await self.arefresh()
        batches, job = batches_of(self._provider), self._readable()
        with self._running() as run:
            answers = await adrive(run, reading(batches, job, self._request))
            return self._read(answers)


def checked(run: EndpointRun) -> SDKProvider:
    """The provider of a call, where its vendor has batches. Raises UnsupportedFeatureError where it has none."""
    provider = run.provider
    provider.endpoint_for("batch")
    if not isinstance(provider, SDKProvider):
        raise UnsupportedFeatureError(f"{type(provider).__name__} has no batches\nwrite {EXAMPLE}")
    return provider
