"""Batches: what all vendors' have in common, and OpenAI's `/batches`, which Groq speaks too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.endpoints.batches import (
    BatchAnswer,
    BatchAnswers,
    BatchCanceled,
    BatchCounts,
    BatchCreation,
    BatchJob,
    BatchRequest,
    BatchStatus,
    custom_id,
)
from lazybridge.core.endpoints.files import FileUpload
from lazybridge.core.errors import ProviderError, ProviderTimeoutError, ServerError, error_in_body
from lazybridge.core.types import Adjustment
from lazybridge.core.wire import Wire, number
from lazybridge.core.wire.endpoints import Endpoint, HTTPCall, listed
from lazybridge.core.wire.endpoints.files import moment


@dataclass(frozen=True, kw_only=True)
class Batches:
    """How a vendor's batches are written and read. `wires` are the conversations that they may hold, each under the
    vendor's name for its API; none where there is only one. `by_file` says that requests and answers travel in files."""

    vendor: str
    path: str
    by_file: bool = False
    wires: tuple[tuple[str, Wire], ...] = field(default=(), repr=False)

    def creation(self, request: BatchCreation, model: ModelProfile) -> HTTPCall:
        """The call that begins a batch."""
        raise NotImplementedError

    def place(self, id: str) -> str:
        """Where a batch stands."""
        return f"{self.path}/{quote(id, safe='')}"

    def cancellation(self, id: str) -> HTTPCall:
        """The call that stops a batch."""
        return HTTPCall(f"{self.place(id)}/cancel")

    def reading(self, id: str) -> HTTPCall:
        """The call for the answers."""
        return HTTPCall(self.place(id), method="get")

    def job(self, raw: Any) -> BatchJob:
        """What the vendor says of a batch."""
        raise NotImplementedError

    def answers(self, data: bytes) -> list[BatchAnswer]:
        """The answers as the vendor writes them."""
        raise NotImplementedError

    def upload(self, request: BatchCreation) -> FileUpload:
        """The file of the requests, where they travel in one."""
        raise NotImplementedError

    def wire_of(self, url: str | None) -> Wire | None:
        """How the conversations of a batch speak, where the vendor's name for their API says it."""
        return dict(self.wires).get(url or "")

    def url_of(self, wire: Wire) -> str:
        """The vendor's name for a wire's API; "" where it has none."""
        return next((url for url, known in self.wires if known == wire), "")

    def status(self, word: object, words: Mapping[str, BatchStatus]) -> BatchStatus:
        """The neutral word. Raises ServerError for one that is not known, since nobody could tell whether it is the end."""
        found = words.get(str(word))
        if found is None:
            raise ServerError(
                f"the vendor says that the batch is {word!r}, which is not known here", provider=self.vendor, retryable=False
            )  # fmt: skip
        return found

    def expired(self) -> ProviderError:
        """The error of a request whose time was over."""
        return ProviderTimeoutError("the batch's time was over before this request's turn", provider=self.vendor, code="expired")  # fmt: skip

    def canceled(self) -> ProviderError:
        """The error of a request whose batch was stopped."""
        return ProviderError("the batch was canceled before this request's turn", provider=self.vendor, code="canceled")

    def missing(self) -> ProviderError:
        """The error of a request that the vendor has no word about."""
        return ServerError("the batch has ended without a result for this request", provider=self.vendor, retryable=False, code="missing")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CreateBatch(Endpoint[BatchCreation, BatchJob]):
    """The beginning of a batch. Sent twice it would be two batches, and cost twice."""

    free = True  # what its answers cost is told when they are read
    repeatable = False
    batches: Batches

    def call(self, request: BatchCreation, model: ModelProfile) -> HTTPCall:
        """The call."""
        return self.batches.creation(request, model)

    def response(self, request: BatchCreation, raw: Any) -> BatchJob:
        """The batch."""
        return self.batches.job(raw)


@dataclass(frozen=True, kw_only=True)
class FindBatch(Endpoint[BatchRequest, BatchJob]):
    """How a batch is getting on."""

    free = True
    needs_model = False
    batches: Batches

    def call(self, request: BatchRequest, model: ModelProfile) -> HTTPCall:
        """The call."""
        return HTTPCall(self.batches.place(request.id), method="get")

    def response(self, request: BatchRequest, raw: Any) -> BatchJob:
        """The batch."""
        return self.batches.job(raw)


@dataclass(frozen=True, kw_only=True)
class CancelBatch(Endpoint[BatchRequest, BatchCanceled]):
    """The vendor is told to stop."""

    free = True
    needs_model = False
    batches: Batches

    def call(self, request: BatchRequest, model: ModelProfile) -> HTTPCall:
        """The call."""
        return self.batches.cancellation(request.id)

    def response(self, request: BatchRequest, raw: Any) -> BatchCanceled:
        """That it was told."""
        return BatchCanceled()


@dataclass(frozen=True, kw_only=True)
class ReadBatch(Endpoint[BatchRequest, BatchAnswers]):
    """The answers, of a vendor that does not write them into files."""

    binary = True
    free = True
    needs_model = False
    batches: Batches

    def call(self, request: BatchRequest, model: ModelProfile) -> HTTPCall:
        """The call."""
        return self.batches.reading(request.id)

    def response(self, request: BatchRequest, raw: Any) -> BatchAnswers:
        """The answers."""
        return BatchAnswers(answers=self.batches.answers(raw))


def batch_endpoints(batches: Batches) -> dict[str, Endpoint[Any, Any]]:
    """A vendor's endpoints for batches, by name."""
    return {
        "batch": CreateBatch(batches=batches),
        "batch_job": FindBatch(batches=batches),
        "batch_cancel": CancelBatch(batches=batches),
        **({} if batches.by_file else {"batch_results": ReadBatch(batches=batches)}),
    }


@dataclass(frozen=True, kw_only=True)
class OpenAIBatches(Batches):
    """OpenAI's: requests and answers are files of JSON lines."""

    path: str = "/batches"
    by_file: bool = True

    def creation(self, request: BatchCreation, model: ModelProfile) -> HTTPCall:
        """The call, with the file of the requests."""
        body: dict[str, Any] = {
            "completion_window": request.completion_window or "24h",
            "endpoint": request.url,
            "input_file_id": request.file_id,
        }
        if request.metadata is not None:
            body["metadata"] = dict(request.metadata)
        return HTTPCall(self.path, body)

    def upload(self, request: BatchCreation) -> FileUpload:
        """One request a line."""
        lines = (
            {"custom_id": custom_id(place), "method": "POST", "url": request.url, "body": body}
            for place, body in enumerate(request.bodies)
        )
        return FileUpload(
            data="".join(f"{json.dumps(line)}\n" for line in lines).encode(),
            name="batch.jsonl",
            media_type="application/jsonl",
            purpose="batch",
            timeout=request.timeout,
            extra_headers=request.extra_headers,
        )

    def job(self, raw: Any) -> BatchJob:
        """What the vendor says of a batch."""
        raw = with_id(raw)
        counts = raw.get("request_counts") or {}
        ended = next(filter(None, (raw.get(f"{word}_at") for word in ("completed", "failed", "expired", "cancelled"))), None)  # fmt: skip
        errors = (raw.get("errors") or {}).get("data") or []
        return BatchJob(
            id=raw["id"],
            status=self.status(raw.get("status"), _STATUSES),
            counts=BatchCounts(number(counts, "total"), None, number(counts, "completed"), number(counts, "failed")),
            created_at=moment(raw.get("created_at")),
            ended_at=moment(ended),
            expires_at=moment(raw.get("expires_at")),
            url=raw.get("endpoint"),
            files=tuple(file for name in ("output_file_id", "error_file_id") if (file := raw.get(name))),
            errors=tuple(_error_of_line(error) for error in errors),
            model=raw.get("model"),
        )

    def answers(self, data: bytes) -> list[BatchAnswer]:
        """The lines of one file."""
        return [answer_of(line, self) for line in json_lines(data)]


# openai 3.54.0 and groq 1.7.0 `types/batch.py`, `batch_create_response.py`; read 2026-11-22.
_STATUSES: dict[str, BatchStatus] = {
    "validating": "validating",
    "in_progress": "in_progress",
    "finalizing": "finalizing",
    "completed": "completed",
    "failed": "failed",
    "expired": "expired",
    "cancelling": "canceling",
    "cancelled": "canceled",
}


def answer_of(line: Mapping[str, Any], batches: Batches) -> BatchAnswer:
    """One answer of OpenAI, Groq or Mistral: an HTTP answer, or the error of a request that was never asked."""
    id, answer, error = line.get("custom_id"), line.get("response"), line.get("error")
    if isinstance(answer, Mapping):
        body, status = answer.get("body"), number(answer, "status_code") or 200
        if status < 400 and isinstance(body, Mapping):
            return BatchAnswer(id, body)
        found = body.get("error", body) if isinstance(body, Mapping) else body
        return BatchAnswer(id, error=error_in_body(found or error, provider=batches.vendor, status=status))
    # https://developers.openai.com/api/docs/guides/batch: the codes of requests that were not asked; read 2026-11-22.
    code = error.get("code") if isinstance(error, Mapping) else None
    if code == "batch_expired":
        return BatchAnswer(id, error=batches.expired())
    if code == "batch_cancelled":
        return BatchAnswer(id, error=batches.canceled())
    return BatchAnswer(id, error=error_in_body(error, provider=batches.vendor) if error else batches.missing())


def json_lines(data: bytes) -> Iterator[Mapping[str, Any]]:
    """The objects of a file of JSON lines. Raises ServerError, with its number, for a line that is none."""
    for place, line in enumerate(data.split(b"\n"), 1):  # a JSON text may hold what str.splitlines takes for an end
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as exc:
            raise ServerError(f"line {place} of the results is not JSON") from exc
        if not isinstance(found, Mapping):
            raise ServerError(f"line {place} of the results is no object")
        yield found


def with_id(raw: Any, name: str = "id") -> Mapping[str, Any]:
    """What describes a batch. Raises ServerError where it has no id."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get(name), str):
        raise ServerError("the answer has no id of a batch")
    return raw


def without(request: BatchCreation, who: str, *names: str) -> tuple[Adjustment, ...]:
    """What of these a vendor's batches have no word for."""
    given = [name for name in names if getattr(request, name) is not None]
    return tuple(Adjustment(name, f"{who} batches have no such parameter; nothing was sent") for name in given)


def objects(raw: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects under a name; none where there is nothing."""
    return [] if not isinstance(raw, Mapping) or raw.get(name) is None else listed(raw, name)


def _error_of_line(error: Any) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    line = number(error, "line")
    said = error.get("message") or error.get("code") or "no reason was given"
    return str(said) if line is None else f"line {line}: {said}"
