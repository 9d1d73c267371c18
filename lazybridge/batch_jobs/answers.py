"""What became of a batch's requests, as envelopes in the order of the tasks."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from lazybridge.core import structured
from lazybridge.core.endpoints.batches import BatchAnswer, BatchJob, custom_id
from lazybridge.core.errors import LazyBridgeError, ProviderError, ServerError
from lazybridge.core.providers._sdk import SDKProvider
from lazybridge.core.providers.costing import receipt_for
from lazybridge.core.receipt import unknown
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, RawAnswer, UsageStats
from lazybridge.core.wire import Wire
from lazybridge.core.wire.endpoints.batches import Batches
from lazybridge.envelope import Attempt, Envelope, EnvelopeMetadata

# The catalogue's word for what a batch costs. Anthropic says it with every answer; OpenAI ("default") and Google
# ("standard") name the ordinary tier there, as recorded batches show.
TIER = "batch"
_OURS = re.compile(r"request-(\d+)")


class Reader:
    """Turns a vendor's answers into envelopes: parsed as those of single calls are, and priced as a batch's."""

    def __init__(self, provider: SDKProvider, batches: Batches, job: BatchJob, model: str | None, output: Any) -> None:
        self._provider, self._batches, self._job, self._output = provider, batches, job, output
        self._model = job.model or model
        self._began = job.created_at.timestamp() if job.created_at is not None else time.time()
        ended = job.ended_at.timestamp() if job.ended_at is not None else self._began
        self._took_ms = (ended - self._began) * 1000
        self._wire = batches.wire_of(job.url) or self._usual_wire()

    def envelopes(self, answers: Sequence[BatchAnswer], size: int | None, *, ours: bool = False) -> list[Envelope[Any]]:
        """One for each of `size` requests in their order, also for those that the vendor has no answer to. Where the
        requests do not carry places of ours (`request-1` alone is no place), one for each answer in the vendor's order;
        `ours` says that they do: what has no place, or one that is taken, then follows at the end."""
        count = len(answers) if size is None else size
        names = [_OURS.fullmatch(answer.custom_id or "") for answer in answers]
        by_place: dict[int, BatchAnswer] = {}
        others: list[BatchAnswer] = []
        for name, answer in zip(names, answers, strict=True):
            place = int(name[1]) if name else count
            if place < count and place not in by_place:
                by_place[place] = answer
            else:
                others.append(answer)
        if others and not ours:
            return [self._envelope(answer, answer.custom_id or "") for answer in answers]
        placed = [
            self._envelope(by_place.get(place) or BatchAnswer(custom_id(place), error=self._unanswered()), custom_id(place))
            for place in range(count)
        ]  # fmt: skip
        return placed + [self._envelope(answer, f"other-{place}") for place, answer in enumerate(others)]

    def _envelope(self, answer: BatchAnswer, id: str) -> Envelope[Any]:
        attempt = Attempt(self._provider.registered_name(), self._model, self._began, self._took_ms)
        response, error = None, answer.error
        try:
            if answer.body is not None:
                response = self._response(answer, attempt)
        except ProviderError as exc:
            error = exc
        if error is not None:
            self._failed(error, attempt)
        payload: Any = None if response is None else response.content
        failure: LazyBridgeError | None = error
        if response is not None and self._output is not None and not response.tool_calls:
            try:
                payload = response.parsed = structured.parse(self._output, response)
            except LazyBridgeError as exc:  # an answer of another shape is an answer that was paid for
                failure = exc
        if failure is not None:
            failure.attempts, failure.receipt = (attempt,), attempt.receipt
        metadata = self._metadata(attempt, response, f"{self._job.id}/{id}")
        return Envelope(metadata, response, failure, payload)

    def _response(self, answer: BatchAnswer, attempt: Attempt) -> CompletionResponse:
        assert answer.body is not None
        try:
            response = self._wire.from_sdk_response(answer.body)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:  # one that is garbled costs no other
            raise ServerError(
                "the answer has a shape that is not known here", retryable=False, code="unreadable"
            ) from exc
        response.raw = RawAnswer(answer.body, partial(self._provider._build_raw, wire=self._wire))
        attempt.model = response.model or self._model
        attempt.receipt = response.receipt = self._priced(response.usage, attempt)
        attempt.usage, attempt.request_id = response.usage, response.request_id
        response.usage.cost_usd = response.receipt.cost_usd
        return response

    def _failed(self, error: ProviderError, attempt: Attempt) -> None:
        error.provider, error.model, error.batch_id = self._provider.registered_name(), self._model, self._job.id
        attempt.error, attempt.status_code, attempt.request_id = error.kind, error.status_code, error.request_id
        if error.usage is not None:
            attempt.usage, attempt.receipt = error.usage, self._priced(error.usage, attempt)
        elif error.code == "missing":
            attempt.receipt = unknown("the vendor has no word about this request")
        elif error.code == "unreadable":
            attempt.receipt = unknown("the answer cannot be read")

    def _priced(self, usage: UsageStats, attempt: Attempt) -> Any:
        usage.service_tier = TIER
        return receipt_for(self._provider, attempt.model or "", usage, self._began)

    def _unanswered(self) -> ProviderError:
        ways = {"expired": self._batches.expired, "canceled": self._batches.canceled}
        return ways.get(self._job.status, self._batches.missing)()

    def _usual_wire(self) -> Wire:
        return self._provider._wire(CompletionRequest((Message.user("…"),), model=self._model))

    def _metadata(self, attempt: Attempt, response: CompletionResponse | None, run_id: str) -> EnvelopeMetadata:
        usage = attempt.usage or UsageStats()
        return EnvelopeMetadata(
            model=attempt.model,
            provider=attempt.provider,
            cost_usd=attempt.receipt.cost_usd,
            receipt=attempt.receipt,
            input_tokens=usage.input_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            output_tokens=usage.output_tokens,
            thinking_tokens=usage.thinking_tokens,
            stop_reason=response.stop_reason if response is not None else None,
            latency_ms=attempt.duration_ms,
            run_id=run_id,
            turns=1 if response is not None else 0,
            request_id=attempt.request_id,
            attempts=(attempt,),
            usage=usage,
        )
