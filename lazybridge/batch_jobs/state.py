"""What is known of a batch, and what its answers cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from threading import Lock
from typing import Any, Self

from lazybridge.batch_jobs.answers import Reader
from lazybridge.batch_jobs.books import attempts_of, enter
from lazybridge.core.endpoints.batches import ENDED, BatchAnswer, BatchCounts, BatchJob, BatchRequest, BatchStatus
from lazybridge.core.errors import InvalidRequestError, ProviderError, ProviderTimeoutError
from lazybridge.core.providers._sdk import SDKProvider
from lazybridge.core.receipt import FREE, Receipt
from lazybridge.core.retry import Deadline
from lazybridge.core.types import Adjustment
from lazybridge.core.wire.endpoints.batches import Batches, CreateBatch
from lazybridge.cover import Held
from lazybridge.endpoint_run import EndpointRun
from lazybridge.envelope import Attempt, Envelope, total_receipt
from lazybridge.policy import Policy

# Seconds between two looks: as the first, how it grows, and at most.
_FIRST, _GROWTH, _LONGEST = 2.0, 1.5, 60.0
# Seconds that a look may take at least, whatever is left of the time to wait.
_LEAST_LOOK = 5.0


def batches_of(provider: SDKProvider) -> Batches:
    """How a provider's vendor writes its batches. Raises UnsupportedFeatureError where it has none."""
    endpoint = provider.endpoint_for("batch")
    assert isinstance(endpoint, CreateBatch)
    return endpoint.batches


class BatchState:
    """What the vendor said last. `attempts` are the requests that it took; `adjustments` what could not be handed in as asked."""

    def __init__(
        self,
        job: BatchJob,
        provider: SDKProvider,
        policy: Policy,
        *,
        model: str | None = None,
        output: Any = None,
        size: int | None = None,
        timeout: float | None = None,
        extra_headers: Mapping[str, str] | None = None,
        adjustments: tuple[Adjustment, ...] = (),
        attempts: tuple[Attempt, ...] = (),
        held: Held | None = None,
    ) -> None:
        self._job, self._provider, self._policy = job, provider, policy
        self._model, self._output, self._size = model, output, size
        self._timeout, self._held = timeout, held
        self._request = BatchRequest(id=job.id, extra_headers=extra_headers)
        self._envelopes: list[Envelope[Any]] | None = None
        self._lock = Lock()
        self.adjustments, self.attempts = adjustments, attempts

    @property
    def id(self) -> str:
        """The vendor's id."""
        return self._job.id

    @property
    def status(self) -> BatchStatus:
        """"validating", "in_progress", "finalizing", "canceling"; and at the end "completed", "failed", "expired" or
        "canceled"."""  # fmt: skip
        return self._job.status

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ENDED

    @property
    def counts(self) -> BatchCounts:
        """How many requests are where."""
        return self._job.counts

    @property
    def created_at(self) -> datetime | None:
        """When it was handed in, in UTC."""
        return self._job.created_at

    @property
    def expires_at(self) -> datetime | None:
        """When the vendor gives up on what is not answered by then, in UTC."""
        return self._job.expires_at

    @property
    def model(self) -> str | None:
        """The model that answers."""
        return self._job.model or self._model

    @property
    def error(self) -> ProviderError | None:
        """Why the whole batch failed; None where it did not."""
        if self.status != "failed":
            return None
        why = "; ".join(self._job.errors) or "the vendor gives no reason"
        return self._about(InvalidRequestError(f"the batch failed: {why}", code="batch_failed"))

    @property
    def raw(self) -> Any:
        """The vendor's own JSON."""
        return self._job.raw

    @property
    def receipt(self) -> Receipt | None:
        """What all the answers cost together; None before `results()`."""
        return None if self._envelopes is None else total_receipt(attempts_of(self._envelopes))

    def __repr__(self) -> str:
        return f"Batch({self.id!r}, provider={self._provider.registered_name()!r}, status={self.status!r})"

    # --- between the calls --------------------------------------------------------------------------------------------

    @contextmanager
    def _running(self, limit: float | None = None) -> Iterator[EndpointRun]:
        limits = [seconds for seconds in (self._timeout, limit) if seconds is not None]
        run = EndpointRun(self._provider, self._policy, min(limits, default=None))
        try:
            yield run
        except ProviderError as error:
            self._about(error)
            raise
        finally:
            self.attempts = (*self.attempts, *run.attempts)

    def _about(self, error: ProviderError) -> ProviderError:
        error.batch_id, error.provider = self.id, error.provider or self._provider.registered_name()
        return error

    def _seen(self, job: BatchJob) -> Self:
        job.model = job.model or self._job.model
        self._job = job
        if job.status == "failed" and self._held is not None:  # nothing was asked
            self._held.settle(FREE)
            self._held = None
        return self

    def _pauses(self, timeout: float | None, every: float | None) -> Iterator[tuple[float, float | None]]:
        """Seconds to wait before each look, and those that the look may take, until it has ended. Raises
        ProviderTimeoutError where the time is over."""
        if every is not None and not (isinstance(every, (int, float)) and every > 0):
            raise ValueError(f"every={every!r} is no time\nevery is in seconds, above 0")
        deadline, pause = Deadline(timeout), every or _FIRST
        while not self.ended:
            left = deadline.left()
            if left is not None and left <= 0:
                resume = f'Batch.resume("{self.id}", provider="{self._provider.registered_name()}")'
                raise self._about(
                    ProviderTimeoutError(
                        f"the batch {self.id} is {self.status} after timeout={timeout:g} s; it goes on\nwait again, or write {resume}"
                    )
                )
            yield (pause, None) if left is None else (min(pause, left), max(left - pause, _LEAST_LOOK))
            pause = pause if every is not None else min(pause * _GROWTH, _LONGEST)

    def _readable(self) -> BatchJob:
        """The batch, where it has answers to be read."""
        if self.error is not None and not (self._job.files or self.counts.succeeded):
            raise self.error
        if not self.ended:
            raise self._about(
                InvalidRequestError(
                    f"the batch {self.id} is {self.status}; it has no results yet\nwrite batch.wait()",
                    retryable=True,
                    code="not_ended",
                )
            )
        return self._job

    def _read(self, answers: list[BatchAnswer]) -> list[Envelope[Any]]:
        with self._lock:  # who reads at the same time gets the same envelopes, which are booked once
            if self._envelopes is None:
                reader = Reader(self._provider, batches_of(self._provider), self._job, self.model, self._output)
                ours = self._size is not None
                envelopes = reader.envelopes(answers, self._size if ours else self.counts.total, ours=ours)
                self._envelopes = envelopes
                held, self._held = self._held, None
                enter(envelopes, self._policy, held, asked=self._model or self.model, since=self.created_at)
            return self._envelopes
