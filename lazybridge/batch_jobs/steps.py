"""What a batch asks of its vendor, step by step; two shells that send the steps."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeVar

from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
from lazybridge.core.endpoints.batches import (
    BatchAnswer,
    BatchAnswers,
    BatchCanceled,
    BatchCreation,
    BatchJob,
    BatchRequest,
)
from lazybridge.core.endpoints.files import FileBytes, FileRequest, UploadedFile
from lazybridge.core.wire.endpoints.batches import Batches
from lazybridge.endpoint_run import EndpointRun

Result = TypeVar("Result")
Steps = Generator[tuple[str, EndpointRequest, type[EndpointResponse]], Any, Result]


def submitting(batches: Batches, creation: BatchCreation) -> Steps[BatchJob]:
    """The file of the requests, where there is one, and the batch."""
    if batches.by_file:
        file = yield "upload", batches.upload(creation), UploadedFile
        creation = replace(creation, file_id=file.id)
    job: BatchJob = yield "batch", creation, BatchJob
    return job


def finding(request: BatchRequest) -> Steps[BatchJob]:
    """How it is getting on."""
    job: BatchJob = yield "batch_job", request, BatchJob
    return job


def canceling(request: BatchRequest) -> Steps[BatchJob]:
    """The vendor is told to stop, and asked how far it has come."""
    yield "batch_cancel", request, BatchCanceled
    return (yield from finding(request))


def reading(batches: Batches, job: BatchJob, request: BatchRequest) -> Steps[list[BatchAnswer]]:
    """The answers: those of every file, or of the one call that gives them."""
    if not batches.by_file:
        answers: BatchAnswers = yield "batch_results", request, BatchAnswers
        return answers.answers
    found: list[BatchAnswer] = []
    for id in job.files:
        file = yield "download", FileRequest(id=id, extra_headers=request.extra_headers), FileBytes
        found += batches.answers(file.data)
    return found


def drive(run: EndpointRun, steps: Steps[Result]) -> Result:
    """Send the steps, one after the other."""
    try:
        step = next(steps)
        while True:
            step = steps.send(run.ask(*step))
    except StopIteration as end:
        result: Result = end.value
        return result


async def adrive(run: EndpointRun, steps: Steps[Result]) -> Result:
    """`drive`, on the running event loop."""
    try:
        step = next(steps)
        while True:
            step = steps.send(await run.aask(*step))
    except StopIteration as end:
        result: Result = end.value
        return result
