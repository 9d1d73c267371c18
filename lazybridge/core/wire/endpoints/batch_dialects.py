"""Batches of Anthropic, Mistral and Google: requests travel in the call, answers in its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.endpoints.batches import (
    BatchAnswer,
    BatchCounts,
    BatchCreation,
    BatchJob,
    BatchStatus,
    custom_id,
)
from lazybridge.core.errors import ServerError, error_in_body
from lazybridge.core.types import Adjustment
from lazybridge.core.wire import number
from lazybridge.core.wire.endpoints import HTTPCall
from lazybridge.core.wire.endpoints.batches import Batches, answer_of, json_lines, objects, with_id, without
from lazybridge.core.wire.endpoints.files import moment
from lazybridge.core.wire.endpoints.gemini import resource


@dataclass(frozen=True, kw_only=True)
class AnthropicBatches(Batches):
    """Anthropic's Message Batches: always a day; the results are JSON lines in any order."""

    # anthropic 2.12.0 `resources/messages/batches.py` and `types/messages/`, read 2026-11-22.
    vendor: str = "anthropic"
    path: str = "/v1/messages/batches"

    def creation(self, request: BatchCreation, model: ModelProfile) -> HTTPCall:
        """The call, with the requests."""
        adjustments = without(request, "Anthropic's", "metadata")
        if request.completion_window not in (None, "24h"):
            adjustments += (Adjustment("completion_window", "Anthropic's batches take up to 24h; nothing was sent"),)
        found = [{"custom_id": custom_id(place), "params": body} for place, body in enumerate(request.bodies)]
        return HTTPCall(self.path, {"requests": found}, adjustments=adjustments)

    def reading(self, id: str) -> HTTPCall:
        """The call for the results."""
        return HTTPCall(f"{self.place(id)}/results", method="get", headers={"Accept": "application/binary"})

    def job(self, raw: Any) -> BatchJob:
        """What the vendor says of a batch: of one that has ended, the requests say how."""
        raw = with_id(raw)
        said = raw.get("request_counts") or {}
        names = ("processing", "succeeded", "errored", "expired", "canceled")
        each = [number(said, name) for name in names]
        total = None if None in each else sum(count for count in each if count is not None)
        counts = BatchCounts(total, *each)
        status = self.status(raw.get("processing_status"), _ANTHROPIC_STATUSES)
        if status == "completed" and counts.canceled:
            status = "canceled"
        elif status == "completed" and counts.expired:
            status = "expired"
        return BatchJob(
            id=raw["id"],
            status=status,
            counts=counts,
            created_at=moment(raw.get("created_at")),
            ended_at=moment(raw.get("ended_at")),
            expires_at=moment(raw.get("expires_at")),
        )

    def answers(self, data: bytes) -> list[BatchAnswer]:
        """The results."""
        return [self._answer(line) for line in json_lines(data)]

    def _answer(self, line: Mapping[str, Any]) -> BatchAnswer:
        id, result = line.get("custom_id"), line.get("result")
        kind = result.get("type") if isinstance(result, Mapping) else None
        if isinstance(result, Mapping) and kind == "succeeded" and isinstance(result.get("message"), Mapping):
            return BatchAnswer(id, result["message"])
        if kind in ("expired", "canceled"):
            return BatchAnswer(id, error=self.expired() if kind == "expired" else self.canceled())
        told = result.get("error") if isinstance(result, Mapping) else None
        if not isinstance(told, Mapping):
            return BatchAnswer(id, error=self.missing())
        error = error_in_body(told.get("error") or told, provider=self.vendor)
        error.request_id = told.get("request_id") or None
        return BatchAnswer(id, error=error)


_ANTHROPIC_STATUSES: dict[str, BatchStatus] = {
    "in_progress": "in_progress",
    "canceling": "canceling",
    "ended": "completed",
}


@dataclass(frozen=True, kw_only=True)
class MistralBatches(Batches):
    """Mistral's batch jobs: one model for all requests, which stands beside them."""

    # mistralai 3.7.0 `jobs.py`, `models/createbatchjobrequest.py`, `batchjob.py`, `batchjobstatus.py`, read 2026-11-22.
    vendor: str = "mistral"
    path: str = "/v1/batch/jobs"
    url: str = "/v1/chat/completions"

    def creation(self, request: BatchCreation, model: ModelProfile) -> HTTPCall:
        """The call, with the requests."""
        found = [
            {"custom_id": custom_id(place), "body": {name: value for name, value in body.items() if name != "model"}}
            for place, body in enumerate(request.bodies)
        ]
        body: dict[str, Any] = {"endpoint": self.url, "model": model.id, "requests": found}
        if request.metadata is not None:
            body["metadata"] = dict(request.metadata)
        if request.completion_window is not None:
            body["timeout_hours"] = _hours(request.completion_window)
        return HTTPCall(self.path, body)

    def reading(self, id: str) -> HTTPCall:
        """The call for the job with what came of it."""
        return HTTPCall(self.place(id), method="get", query={"inline": "true"})

    def job(self, raw: Any) -> BatchJob:
        """What the vendor says of a job."""
        raw = with_id(raw)
        return BatchJob(
            id=raw["id"],
            status=self.status(raw.get("status"), _MISTRAL_STATUSES),
            counts=BatchCounts(
                number(raw, "total_requests"), None, number(raw, "succeeded_requests"), number(raw, "failed_requests")
            ),
            created_at=moment(raw.get("created_at")),
            ended_at=moment(raw.get("completed_at")),
            errors=tuple(str(error.get("message")) for error in objects(raw, "errors")),
            model=raw.get("model"),
        )

    def answers(self, data: bytes) -> list[BatchAnswer]:
        """The outputs of a job."""
        return [answer_of(output, self) for output in objects(_json(data), "outputs")]


_MISTRAL_STATUSES: dict[str, BatchStatus] = {
    "QUEUED": "validating",
    "RUNNING": "in_progress",
    "SUCCESS": "completed",
    "FAILED": "failed",
    "TIMEOUT_EXCEEDED": "expired",
    "CANCELLATION_REQUESTED": "canceling",
    "CANCELLED": "canceled",
}


@dataclass(frozen=True, kw_only=True)
class GeminiBatches(Batches):
    """The Gemini API's `batchGenerateContent` with its requests inline; what came of them is part of the batch."""

    # google-genai 3.4.0 `batches.py` and `_transformers.py` (t_job_state), read 2026-11-22.
    vendor: str = "google"
    path: str = "batches"

    def creation(self, request: BatchCreation, model: ModelProfile) -> HTTPCall:
        """The call, with the requests; the model stands in the URL."""
        found = [
            {
                "request": {name: value for name, value in body.items() if name != "model"},
                "metadata": {"key": custom_id(place)},
            }
            for place, body in enumerate(request.bodies)
        ]
        body = {"batch": {"inputConfig": {"requests": {"requests": found}}}}
        lost = without(request, "Google's", "metadata", "completion_window")
        return HTTPCall(f"{resource(model.id, False)}:batchGenerateContent", body, adjustments=lost)

    def place(self, id: str) -> str:
        """Where a batch stands; its id is `batches/` and a name."""
        return f"{self.path}/{quote(id.removeprefix('batches/'), safe='')}"

    def cancellation(self, id: str) -> HTTPCall:
        """The call that stops a batch."""
        return HTTPCall(f"{self.place(id)}:cancel", {})

    def job(self, raw: Any) -> BatchJob:
        """What the vendor says of a batch."""
        raw = with_id(raw, "name")
        about = raw.get("metadata") or {}
        stats = about.get("batchStats") or {}
        error = raw.get("error") or {}
        total, *each = (_count(stats, f"{name}equestCount") for name in ("r", "pendingR", "successfulR", "failedR"))
        return BatchJob(
            id=raw["name"],
            status=self.status(about.get("state"), _GEMINI_STATUSES),
            counts=BatchCounts(total, *each),
            created_at=moment(about.get("createTime")),
            ended_at=moment(about.get("endTime")),
            errors=(str(error["message"]),) if error.get("message") else (),
            model=str(about.get("model") or "").removeprefix("models/") or None,
        )

    def answers(self, data: bytes) -> list[BatchAnswer]:
        """The responses: a key says whose each is, or else its place."""
        raw = _json(data)
        output = raw.get("response") or (raw.get("metadata") or {}).get("output") or {}
        found = objects(output.get("inlinedResponses"), "inlinedResponses")
        return [self._answer(item, place) for place, item in enumerate(found)]

    def _answer(self, item: Mapping[str, Any], place: int) -> BatchAnswer:
        id = (item.get("metadata") or {}).get("key") or custom_id(place)
        if isinstance(item.get("response"), Mapping):
            return BatchAnswer(id, item["response"])
        error = item.get("error")
        return BatchAnswer(id, error=error_in_body(error, provider=self.vendor) if error else self.missing())


_GEMINI_STATUSES: dict[str, BatchStatus] = {
    "BATCH_STATE_PENDING": "validating",
    "BATCH_STATE_RUNNING": "in_progress",
    "BATCH_STATE_SUCCEEDED": "completed",
    "BATCH_STATE_FAILED": "failed",
    "BATCH_STATE_CANCELLED": "canceled",
    "BATCH_STATE_EXPIRED": "expired",
}


def _hours(window: str) -> int:
    """A window such as "24h" or "7d" in hours."""
    return int(window[:-1]) * (24 if window.endswith("d") else 1)


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as exc:
        raise ServerError("the answer is not JSON") from exc
    if not isinstance(found, Mapping):
        raise ServerError("the answer is no object")
    return found


def _count(stats: Mapping[str, Any], name: str) -> int | None:
    """A number that Google writes as a text, and leaves out where it is 0 or not known."""
    value = stats.get(name)
    return int(value) if isinstance(value, (str, int)) and str(value).isdecimal() else None
