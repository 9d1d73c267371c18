"""fal's applications and its queue, through fal-client: recorded exchanges, answered on loopback.

The records of api.fal.ai, prices, are those of tests/endpoints/test_fal_media.py but for its estimate, which nothing asks.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import fal_client
import pytest
from fal_client import client as fal_client_inside

from lazybridge import ConfigurationError, ImageContent, ProviderError
from lazybridge.core.endpoints.fal import Completed, FalResult, InProgress, Queued
from lazybridge.core.errors import (
    ContentPolicyError,
    InvalidRequestError,
    PermissionDeniedError,
    ProviderConnectionError,
    ProviderTimeoutError,
    RateLimitError,
    ServerError,
)
from lazybridge.core.errors.secrets import chain_of
from lazybridge.core.providers import _fal
from lazybridge.core.providers.fal import FalProvider
from lazybridge.core.wire.endpoints.fal import image_arguments, result_of, status_of
from tests.endpoints import conftest as recordings
from tests.endpoints.conftest import CONFORMANCE, Replay
from tests.endpoints.conftest import loopback as loopback
from tests.endpoints.vendor import Dripping, Vendor
from tests.fake_vendor import FakeVendor, Fault

KEY = "0123-4567:89abcdef"
ROUTER = "/openrouter/router/openai/v1"
ARGUMENTS = {"prompt": "a cat"}
SUBMITTED, QUEUED, MADE = "fal-760f788efc46", "fal-d8a1d82dd116", "fal-c8447fd89ff5"
TOO_LATE = "fal-5e30d7ab7ef4"
TOO_MANY, LOCKED, REFUSED = "fal-1a4833713f13", "fal-db8dc96a57a7", "fal-8c2d3a3a8c79"
STREAMED = "fal-6fd61b2da9f2"


def records() -> dict[str, dict[str, Any]]:
    if not CONFORMANCE.is_dir():
        return {}
    lines = (CONFORMANCE / "open" / "fal.jsonl").read_text().splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


RECORDS = records()
pytestmark = pytest.mark.skipif(not RECORDS, reason="the recorded traffic is not here")


def of(api: str) -> list[Any]:
    """The records of an API that are no errors and no streams, as parameters."""
    return [pytest.param(r, id=r["id"]) for r in RECORDS.values() if (r["api"], r["status"] < 300, r["streaming"]) == (api, True, False)]  # fmt: skip


class Fal:
    """Providers whose fal answers with records, in their order."""

    def __init__(self, replay: Replay) -> None:
        self._server = replay._server
        self._server.records |= RECORDS
        self._made: list[FalProvider] = []

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self._server.requests  # type: ignore[no-any-return]

    def answering(self, *ids: str, **options: Any) -> FalProvider:
        url = self._server.session(f"fal-{len(self._made)}", ids, **options)
        self._made.append(FalProvider(api_key=KEY, run_url=url, queue_url=url))
        return self._made[-1]

    def close(self) -> None:
        for provider in self._made:
            provider.close()


replay = recordings.replay


@pytest.fixture
def fal(replay: Replay) -> Iterator[Fal]:
    made = Fal(replay)
    yield made
    made.close()


def awaited(provider: FalProvider, ask: Callable[[], Any]) -> Any:
    async def asking() -> Any:
        async with provider:
            return await ask()

    return asyncio.run(asking())


def job_of(record: dict[str, Any]) -> tuple[str, str]:
    """The application and the id in a recorded address."""
    application, _, rest = urlsplit(record["url"]).path.strip("/").partition("/requests/")
    return application, rest.split("/")[0]


def sent_as_recorded(request: dict[str, Any], record: dict[str, Any]) -> None:
    parts = urlsplit(record["url"])
    assert request["method"] == record["method"]
    assert request["path"] == parts.path + (f"?{parts.query}" if parts.query else "")
    assert (request["json"] or {}) == (record["request_json"] or {})  # fal's own client sends no body to cancel
    assert request["headers"]["authorization"] == f"Key {KEY}"
    assert request["headers"]["user-agent"] == fal_client_inside.USER_AGENT


asynchronous = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


def outcome(asynchronous: bool, provider: FalProvider, method: str, *arguments: Any, **options: Any) -> Any:
    """What a method of the provider gives, or its asynchronous twin."""
    if asynchronous:
        return awaited(provider, lambda: getattr(provider, f"a{method}")(*arguments, **options))
    return getattr(provider, method)(*arguments, **options)


# --- the queue --------------------------------------------------------------------------------------------------------


@asynchronous
@pytest.mark.parametrize("record", of("fal_submit_or_run"))
def test_a_job_is_submitted(record: dict[str, Any], asynchronous: bool, fal: Fal) -> None:
    provider = fal.answering(record["id"])
    application, arguments = urlsplit(record["url"]).path.strip("/"), record["request_json"]
    job = outcome(asynchronous, provider, "submit", application, arguments)
    assert job.request_id == record["expected"]["request_id"]
    sent_as_recorded(fal.requests[-1], record)


@asynchronous
@pytest.mark.parametrize("record", of("fal_status"))
def test_where_a_job_stands(record: dict[str, Any], asynchronous: bool, fal: Fal) -> None:
    provider, logs = fal.answering(record["id"]), "logs" in record["url"]
    if asynchronous:
        status = awaited(provider, lambda: provider.ajob(*job_of(record)).status(logs=logs))
    else:
        status = provider.job(*job_of(record)).status(logs=logs)
    expected = record["expected"]
    if expected["status"] == "IN_QUEUE":
        assert status == Queued(expected["queue_position"])
    else:
        assert expected["status"] == "IN_PROGRESS"
        assert isinstance(status, InProgress)
        assert (None if status.logs is None else len(status.logs)) == expected["n_logs"]
    sent_as_recorded(fal.requests[-1], record)


@asynchronous
@pytest.mark.parametrize("record", of("fal_cancel"))
def test_a_job_is_cancelled(record: dict[str, Any], asynchronous: bool, fal: Fal) -> None:
    provider = fal.answering(record["id"])
    if asynchronous:
        assert awaited(provider, lambda: provider.ajob(*job_of(record)).cancel()) is True
    else:
        assert provider.job(*job_of(record)).cancel() is True
    sent_as_recorded(fal.requests[-1], record)


@asynchronous
def test_a_job_that_had_ended_is_not_cancelled(asynchronous: bool, fal: Fal) -> None:
    provider, record = fal.answering(TOO_LATE), RECORDS[TOO_LATE]
    if asynchronous:
        assert awaited(provider, lambda: provider.ajob(*job_of(record)).cancel()) is False
    else:
        assert provider.job(*job_of(record)).cancel() is False
    assert len(fal.requests) == 1


def test_another_refusal_to_cancel_is_an_error(fal: Fal) -> None:
    with pytest.raises(PermissionDeniedError):
        fal.answering(LOCKED).job("fal-ai/flux/dev", "0123").cancel()


@asynchronous
def test_what_a_job_made(asynchronous: bool, fal: Fal) -> None:
    provider, record = fal.answering(MADE), RECORDS[MADE]
    if asynchronous:
        result = awaited(provider, lambda: provider.ajob(*job_of(record)).result())
    else:
        result = provider.job(*job_of(record)).result()
    wire = json.loads(record["response_body"])
    assert isinstance(result, FalResult)
    assert result.json == wire
    assert result.images == tuple(
        ImageContent(url=file["url"], media_type=file["content_type"]) for file in record["expected"]["media"]
    )
    assert (result.audio, result.video, result.files) == ((), (), ())
    assert result.request_id == record["response_headers"]["x-fal-request-id"]
    assert result.timings == wire["timings"]
    assert result.model == "fal-ai/fast-sdxl"
    assert (result.cost_usd, result.billable_units, result.metrics) == (None, None, None)
    assert result.receipt is not None
    assert result.receipt.status == "unknown"
    sent_as_recorded(fal.requests[-1], record)


# No record has a job's end: this one is as fal's documentation and fal-client's `_parse_status` have it.
ENDED = {"status": "COMPLETED", "logs": [{"message": "done", "level": "INFO"}], "metrics": {"inference_time": 2.1}}


@asynchronous
def test_a_job_is_waited_for(asynchronous: bool, fal: Fal, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = {**RECORDS[QUEUED], "id": "ended", "status": 200, "response_body": json.dumps(ENDED)}
    fal._server.records["ended"] = ended
    running = next(r["id"] for r in RECORDS.values() if r["expected"].get("status") == "IN_PROGRESS" and "logs" in r["url"])  # fmt: skip
    provider = fal.answering(SUBMITTED, QUEUED, QUEUED, running, "ended", MADE)
    seen: list[Any] = []
    if asynchronous:

        async def see(status: Any) -> None:
            seen.append(status)

        async def whole() -> FalResult:
            job = await provider.asubmit("fal-ai/fast-sdxl", ARGUMENTS)
            return await job.wait(timeout=20, on_update=see, interval=0.01)

        result = awaited(provider, whole)
    else:
        job = provider.submit("fal-ai/fast-sdxl", ARGUMENTS)
        result = job.wait(timeout=20, on_update=seen.append, interval=0.01)
    assert seen == [Queued(0), InProgress(()), Completed(tuple(ENDED["logs"]), ENDED["metrics"])]  # type: ignore[arg-type]
    assert result.metrics == ENDED["metrics"]
    assert len(result.images) == 1
    paths = [request["path"].split("/requests/")[-1] for request in fal.requests]
    id = RECORDS[SUBMITTED]["expected"]["request_id"]
    assert paths == ["/fal-ai/fast-sdxl", *[f"{id}/status?logs=1"] * 4, id]


@asynchronous
def test_a_job_that_is_not_done_in_time_goes_on(asynchronous: bool, fal: Fal) -> None:
    provider, record = fal.answering(QUEUED), RECORDS[QUEUED]

    def wait() -> FalResult:
        if asynchronous:
            return awaited(provider, lambda: provider.ajob(*job_of(record)).wait(0.3, interval=0.05))  # type: ignore[no-any-return]
        return provider.job(*job_of(record)).wait(0.3, interval=0.05)

    began = time.monotonic()
    with pytest.raises(ProviderTimeoutError, match=r"has not ended within timeout=0\.3 s; it goes on at fal") as caught:
        wait()
    assert 0.25 < time.monotonic() - began < 2
    assert caught.value.request_id == record["expected"]["request_id"]
    assert not any("cancel" in request["path"] for request in fal.requests)
    assert 3 <= len(fal.requests) <= 8


def test_a_result_that_is_not_there_yet_is_an_error(fal: Fal) -> None:
    with pytest.raises(InvalidRequestError, match=r"has not ended\nwait\(\) for it"):
        fal.answering(QUEUED).job(*job_of(RECORDS[QUEUED])).result()


def test_a_job_is_found_by_its_id_at_the_address_that_fal_named(fal: Fal) -> None:
    provider = fal.answering(SUBMITTED)
    submitted = provider.submit("fal-ai/fast-sdxl", ARGUMENTS)
    found = provider.job("fal-ai/fast-sdxl", submitted.request_id)
    assert found._place == submitted._place
    assert repr(found) == f"FalJob('fal-ai/fast-sdxl', '{submitted.request_id}')"


def test_what_goes_with_a_job(fal: Fal) -> None:
    provider = fal.answering(SUBMITTED, QUEUED)
    job = provider.submit(
        "fal-ai/fast-sdxl",
        ARGUMENTS,
        webhook_url="https://example.org/done?job=1",
        priority="low",
        start_timeout=30,
        hint="warm",
        path="/turbo",
        extra_headers={"X-Gateway": "g"},
    )
    job.status()
    submitted, asked = fal.requests
    path, _, query = submitted["path"].partition("?")
    assert path == "/fal-ai/fast-sdxl/turbo"
    assert parse_qs(query) == {"fal_webhook": ["https://example.org/done?job=1"]}
    assert submitted["headers"]["x-fal-queue-priority"] == "low"
    assert submitted["headers"]["x-fal-request-timeout"] == "30.0"
    assert submitted["headers"]["x-fal-runner-hint"] == "warm"
    assert submitted["headers"]["x-gateway"] == asked["headers"]["x-gateway"] == "g"


# --- asked directly ---------------------------------------------------------------------------------------------------


@asynchronous
def test_an_application_is_asked_directly(asynchronous: bool, fal: Fal) -> None:
    provider = fal.answering(MADE)
    result = outcome(asynchronous, provider, "run", "fal-ai/fast-sdxl", ARGUMENTS)
    assert result.images[0].url == RECORDS[MADE]["expected"]["media"][0]["url"]
    assert (fal.requests[-1]["method"], fal.requests[-1]["path"]) == ("POST", "/fal-ai/fast-sdxl")
    assert fal.requests[-1]["json"] == ARGUMENTS


@asynchronous
def test_an_application_that_streams(asynchronous: bool, fal: Fal) -> None:
    provider, record = fal.answering(STREAMED), RECORDS[STREAMED]

    async def events() -> list[FalResult]:
        return [event async for event in provider.aevents("fal-ai/flux/dev", record["request_json"], timeout=20)]

    if asynchronous:
        found = awaited(provider, events)
    else:
        found = list(provider.events("fal-ai/flux/dev", record["request_json"], timeout=20))
    assert len(found) == record["expected"]["events"]
    assert all(event.images[0].data for event in found[:-1])  # as data: URLs, until the last
    assert [image.url for image in found[-1].images] == [file["url"] for file in record["expected"]["media"]]
    assert found[-1].json.keys() == set(record["expected"]["final_keys"])
    assert found[-1].billable_units == 1
    assert found[-1].request_id == record["response_headers"]["x-fal-request-id"]
    assert fal.requests[-1]["headers"]["accept"] == "text/event-stream"
    sent_as_recorded(fal.requests[-1], record)


@asynchronous
@pytest.mark.parametrize(
    ("id", "how", "kind", "events"),
    [
        (LOCKED, {}, PermissionDeniedError, 0),
        (MADE, {}, ProviderConnectionError, 0),  # JSON, where a stream was asked for
        (STREAMED, {"cut": 3000}, ProviderConnectionError, 2),
        (STREAMED, {"delay": 0.3}, ProviderTimeoutError, 3),
    ],
)
def test_a_stream_that_fails(
    id: str, how: dict[str, Any], kind: type[ProviderError], events: int, asynchronous: bool, fal: Fal
) -> None:
    provider = fal.answering(id, **how)
    found: list[FalResult] = []

    async def collect() -> None:
        async for event in provider.aevents("fal-ai/flux/dev", ARGUMENTS, timeout=0.8):
            found.append(event)

    def ask() -> None:
        if asynchronous:
            awaited(provider, collect)
        else:
            for event in provider.events("fal-ai/flux/dev", ARGUMENTS, timeout=0.8):
                found.append(event)

    with pytest.raises(kind) as caught:
        ask()
    assert (len(found), len(fal.requests)) == (events, 1)
    assert (caught.value.provider, caught.value.model) == ("fal", "fal-ai/flux/dev")


def test_a_file_in_the_answer_is_its_bytes_and_a_broken_one_is_an_error() -> None:
    record = RECORDS[STREAMED]  # its first event has a picture in itself, cut to 1200 characters by the recording
    event = json.loads(record["response_body"].splitlines()[0].removeprefix("data: "))
    assert result_of(event, {}, "fal-ai/flux/dev").images[0].media_type == "image/jpeg"
    event["images"][0]["url"] += "!"
    with pytest.raises(ServerError, match="'images'"):
        result_of(event, {}, "fal-ai/flux/dev")


# Shapes of outputs as the pages of the applications name them: https://fal.ai/models, read 2026-11-22.
def test_files_of_all_kinds() -> None:
    url = "https://v3.fal.media/files"
    result = result_of(
        {
            "video": {"url": f"{url}/a.mp4", "content_type": "video/mp4", "file_name": "a.mp4"},
            "audio_file": {"url": f"{url}/b"},
            "image": {"url": f"{url}/c.webp", "content_type": "application/octet-stream"},
            "model_mesh": {"url": f"{url}/d.glb", "content_type": "application/octet-stream", "file_name": "d.glb"},
            "sources": [{"url": "https://example.org/page", "title": "a page"}],
            "prompt": "a cat",
        },
        {},
        "fal-ai/x/y",
    )
    assert [(video.url, video.media_type) for video in result.video] == [(f"{url}/a.mp4", "video/mp4")]
    assert [audio.url for audio in result.audio] == [f"{url}/b"]
    assert [image.url for image in result.images] == [f"{url}/c.webp"]
    assert [file.name for file in result.files] == ["d.glb"]


def test_the_words_of_image_applications() -> None:
    recorded = RECORDS[SUBMITTED]["request_json"]
    assert image_arguments("a cat") == recorded
    assert image_arguments("a cat", size="1024x768", n=2, seed=0) == {
        "prompt": "a cat",
        "image_size": {"width": 1024, "height": 768},
        "num_images": 2,
        "seed": 0,
    }
    one, two = ImageContent(url="https://example.org/1.png"), ImageContent(data=b"\x89PNG\r\n\x1a\n")
    assert image_arguments("x", size="square_hd", images=[one])["image_url"] == one.url
    assert image_arguments("x", images=[one, two])["image_urls"] == [one.url, two.data_url]
    assert image_arguments("x", size="square_hd")["image_size"] == "square_hd"
    with pytest.raises(ValueError, match="file id"):
        image_arguments("x", images=[ImageContent(file_id="f")])


@asynchronous
def test_a_stream_that_is_left(asynchronous: bool, fal: Fal) -> None:
    provider = fal.answering(STREAMED, delay=0.2)

    async def first() -> FalResult:
        events = provider.aevents("fal-ai/flux/dev", ARGUMENTS)
        async for event in events:
            await events.aclose()
            return event
        raise AssertionError

    began = time.monotonic()
    if asynchronous:
        assert awaited(provider, first).images
    else:
        events = provider.events("fal-ai/flux/dev", ARGUMENTS)
        assert next(events).images
        events.close()
    assert time.monotonic() - began < 1  # the whole takes 2 s


# --- refusals ---------------------------------------------------------------------------------------------------------


@asynchronous
@pytest.mark.parametrize(
    ("id", "kind", "says"),
    [
        (LOCKED, PermissionDeniedError, "User is locked: admin lock."),
        (REFUSED, ContentPolicyError, "body.prompt: A content check refused this prompt."),
        (TOO_MANY, RateLimitError, "Too Many Requests"),
    ],
)
def test_a_refusal_has_its_kind(id: str, kind: type[ProviderError], says: str, asynchronous: bool, fal: Fal) -> None:
    provider = fal.answering(id)
    with pytest.raises(kind) as caught:
        outcome(asynchronous, provider, "run", "fal-ai/flux/dev", ARGUMENTS, max_retries=0)
    error = caught.value
    assert error.message == says
    assert (error.provider, error.model, error.status_code) == ("fal", "fal-ai/flux/dev", RECORDS[id]["status"])
    assert isinstance(error.__cause__, fal_client.FalClientHTTPError)
    assert error.retryable is (kind is RateLimitError)
    assert error.retry_after == (10.0 if id == TOO_MANY else None)
    assert error.receipt is not None
    assert error.receipt.total == 0
    assert error.__context__ is error.__cause__ or error.__context__ is None
    assert "89abcdef" not in f"{error!r} {vars(error.__cause__)} {error.__cause__.response.request.headers}"
    assert len(fal.requests) == 1


@asynchronous
def test_a_job_that_cannot_begin(asynchronous: bool, fal: Fal) -> None:
    provider = fal.answering(LOCKED)
    with pytest.raises(PermissionDeniedError, match="admin lock"):
        outcome(asynchronous, provider, "submit", "fal-ai/flux/dev", ARGUMENTS)
    assert len(fal.requests) == 1


# https://docs.fal.ai/documentation/model-apis/request-errors, read 2026-11-22; the last as public reports quote it.
@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "code", "retryable"),
    [
        (504, {"detail": "Request timed out", "error_type": "request_timeout"}, {}, "timeout", "request_timeout", True),
        (
            503,
            {"detail": "x", "error_type": "runner_scheduling_failure"},
            {},
            "overloaded",
            "runner_scheduling_failure",
            True,
        ),
        (
            500,
            {"detail": [{"type": "internal_server_error", "msg": "x", "loc": ["body"]}]},
            {"x-fal-retryable": "false"},
            "server",
            "internal_server_error",
            False,
        ),
        (404, {"status": "NOT_FOUND"}, {}, "not_found", "NOT_FOUND", False),
        (403, {"detail": "User is locked. Reason: Exhausted balance. Top up your balance."}, {}, "quota", None, False),
        (401, {"detail": "Cannot access application"}, {"x-fal-request-id": "r-1"}, "authentication", None, False),
    ],
)
def test_fals_words_for_what_went_wrong(
    status: int, body: Any, headers: dict[str, str], kind: str, code: str | None, retryable: bool, vendor: FakeVendor
) -> None:
    vendor.fail(Fault(status=status, body=body, headers=headers))
    with FalProvider(api_key=KEY, run_url=vendor.url) as provider, pytest.raises(ProviderError) as caught:
        provider.run("fal-ai/flux/dev", ARGUMENTS)
    error = caught.value
    assert (error.kind, error.code, error.retryable, error.status_code) == (kind, code, retryable, status)
    assert error.request_id == headers.get("x-fal-request-id", "req_1")
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("body", ["not JSON", [], {"request_id": "r"}])
def test_an_answer_that_is_none(body: Any, vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=200, body=body))
    with FalProvider(api_key=KEY, queue_url=vendor.url) as provider, pytest.raises(ServerError):
        provider.submit("fal-ai/flux/dev", ARGUMENTS)


def test_a_status_that_nobody_documents_is_loud() -> None:
    with pytest.raises(ServerError, match="'LOST'"):
        status_of({"status": "LOST"})


# --- attempts, and time -----------------------------------------------------------------------------------------------


@asynchronous
@pytest.mark.parametrize(("max_retries", "hits"), [(0, 1), (1, 2)])
def test_a_persistent_429_ends_when_we_say_and_not_after_ten_attempts(
    max_retries: int, hits: int, asynchronous: bool, fal: Fal
) -> None:
    provider = fal.answering(SUBMITTED, fail="99:429", retryafter=0)
    began = time.monotonic()
    for method in ("run", "submit"):
        fal._server.reset()
        with pytest.raises(RateLimitError):
            outcome(asynchronous, provider, method, "fal-ai/fast-sdxl", ARGUMENTS, max_retries=max_retries)
        assert len(fal.requests) == hits
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("status", [408, 409, 502, 503, 504])
def test_what_may_have_begun_is_not_asked_again(status: int, vendor: FakeVendor) -> None:
    """fal-client asks again after each of these, where the ingress (nginx) answered."""
    vendor.fail(*[Fault(status=status, body="<h1>nginx</h1>")] * 20)
    with FalProvider(api_key=KEY, run_url=vendor.url, queue_url=vendor.url) as provider:
        for method in (provider.run, provider.submit):
            with pytest.raises(ProviderError) as caught:
                method("fal-ai/flux/dev", ARGUMENTS)
            assert caught.value.receipt is not None
            assert caught.value.receipt.status == ("unknown" if status == 504 else "exact")
    assert len(vendor.requests) == 2


@asynchronous
def test_a_connection_that_breaks_is_not_asked_again_and_may_have_cost(asynchronous: bool, vendor: FakeVendor) -> None:
    vendor.fail(*[Fault(drop=True)] * 20)
    provider = FalProvider(api_key=KEY, run_url=vendor.url)
    with pytest.raises(ProviderConnectionError) as caught:
        outcome(asynchronous, provider, "run", "fal-ai/flux/dev", ARGUMENTS)
    provider.close()
    assert len(vendor.requests) == 1
    assert caught.value.receipt is not None
    assert caught.value.receipt.status == "unknown"


@asynchronous
def test_questions_about_a_job_are_asked_again(asynchronous: bool, fal: Fal) -> None:
    provider = fal.answering(QUEUED, fail="2:503", retryafter=0)
    if asynchronous:
        status = awaited(provider, lambda: provider.ajob(*job_of(RECORDS[QUEUED])).status())
    else:
        status = provider.job(*job_of(RECORDS[QUEUED])).status()
    assert status == Queued(0)
    assert len(fal.requests) == 3


@asynchronous
def test_a_long_wait_outlives_many_failed_questions(asynchronous: bool, loopback: Vendor) -> None:
    # The statuses are those of the recorded jobs; every other question fails.
    path = "/fal-ai/flux/requests/r-1"
    statuses = [{"status": "IN_PROGRESS", "logs": None}] * 4 + [{"status": "COMPLETED", "logs": None, "metrics": {}}]
    questions = iter(
        [answer for status in statuses for answer in ((503, {"detail": "busy"}, {"retry-after": "0"}), (200, status))]
    )
    loopback.answers["GET", f"{path}/status"] = lambda sent: next(questions)
    loopback.answers["GET", path] = (200, {"images": []})
    with FalProvider(api_key=KEY, run_url=loopback.url, queue_url=loopback.url) as provider:
        if asynchronous:
            found = awaited(provider, lambda: provider.ajob("fal-ai/flux/dev", "r-1").wait(interval=0.01))
        else:
            found = provider.job("fal-ai/flux/dev", "r-1").wait(interval=0.01)
    assert found.json == {"images": []}
    assert len(loopback.sent) == 11


def test_a_server_that_is_not_there_is_tried_again_and_nobody_else_is_asked() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with FalProvider(api_key=KEY, run_url=url) as provider, pytest.raises(ProviderConnectionError) as caught:
        provider.run("fal-ai/flux/dev", ARGUMENTS, max_retries=1)
    assert caught.value.never_sent
    assert caught.value.receipt is not None
    assert caught.value.receipt.total == 0


@asynchronous
@pytest.mark.parametrize("slow", [{"first": 5}, {"chunk": 20, "delay": 0.15}], ids=["silent", "dripping"])
def test_timeout_is_wall_time(slow: dict[str, Any], asynchronous: bool, fal: Fal) -> None:
    provider = fal.answering(MADE, **slow)
    began = time.monotonic()
    with pytest.raises(ProviderTimeoutError, match=r"timeout=0\.5 s") as caught:
        outcome(asynchronous, provider, "run", "fal-ai/fast-sdxl", ARGUMENTS, timeout=0.5)
    assert time.monotonic() - began < 2
    assert len(fal.requests) == 1
    assert caught.value.receipt is not None
    assert caught.value.receipt.status == "unknown"


@asynchronous
def test_a_stream_that_time_cut_off_does_not_look_whole(asynchronous: bool) -> None:
    def read(provider: FalProvider) -> Any:
        if asynchronous:
            return awaited(provider, lambda: all_of(provider.aevents("fal-ai/flux/dev", ARGUMENTS, timeout=0.4)))
        return list(provider.events("fal-ai/flux/dev", ARGUMENTS, timeout=0.4))

    with Dripping(b'data: {"images": []}\n\n', "text/event-stream") as vendor:
        provider = FalProvider(api_key=KEY, run_url=vendor.url)
        with pytest.raises(ProviderTimeoutError, match=r"timeout=0\.4 s"):
            read(provider)
        provider.close()


async def all_of(events: Any) -> list[Any]:
    return [event async for event in events]


@asynchronous
@pytest.mark.parametrize("method", ["run", "submit"])
def test_a_header_of_ones_own_is_in_no_frame(asynchronous: bool, method: str, loopback: Vendor) -> None:
    provider = FalProvider(api_key=KEY, run_url=loopback.url, queue_url=loopback.url)
    headers = {"X-Gateway-Token": "sk-verysecret123456"}
    with pytest.raises(ProviderError) as caught:
        outcome(asynchronous, provider, method, "fal-ai/flux/dev", ARGUMENTS, extra_headers=headers)
    provider.close()
    assert loopback.sent[0].headers["x-gateway-token"] == "sk-verysecret123456"
    frames = [frame for link in chain_of(caught.value) for frame, _ in traceback.walk_tb(link.__traceback__)]
    ours = [frame for frame in frames if Path(inspect.getfile(_fal)).parent in Path(frame.f_code.co_filename).parents]
    shown = [name for frame in ours for name, value in frame.f_locals.items() if "verysecret" in repr(value)]
    assert ours
    assert shown == []


# --- where, and who ---------------------------------------------------------------------------------------------------


def test_a_base_url_alone_sends_nothing_to_fal(vendor: FakeVendor) -> None:
    with FalProvider(api_key=KEY, base_url=vendor.url + "/elsewhere") as provider:
        asks: list[tuple[str, Callable[[], Any]]] = [
            ("run_url=", lambda: provider.run("fal-ai/flux/dev", ARGUMENTS)),
            ("run_url=", lambda: provider.events("fal-ai/flux/dev", ARGUMENTS)),
            ("queue_url=", lambda: provider.submit("fal-ai/flux/dev", ARGUMENTS)),
            ("queue_url=", lambda: provider.job("fal-ai/flux/dev", "0123")),
        ]
        for option, ask in asks:
            with pytest.raises(ConfigurationError, match=option):
                ask()
    assert vendor.requests == []


def test_the_routers_address_tells_where_applications_run(fal: Fal) -> None:
    url = fal._server.session("router", [MADE])
    with FalProvider(api_key=KEY, base_url=url + ROUTER) as provider:
        assert len(provider.run("fal-ai/fast-sdxl", ARGUMENTS).images) == 1
        assert fal.requests[-1]["path"] == "/fal-ai/fast-sdxl"
        with pytest.raises(ConfigurationError, match="queue_url="):
            provider.submit("fal-ai/fast-sdxl", ARGUMENTS)
    assert len(fal.requests) == 1


def test_a_queue_of_ones_own_needs_no_key(fal: Fal) -> None:
    url = fal._server.session("keyless", [SUBMITTED])
    with FalProvider(queue_url=url) as provider:
        provider.submit("fal-ai/fast-sdxl", ARGUMENTS)
    assert fal.requests[-1]["headers"]["authorization"] == "Key no-key"


def test_the_key_of_the_environment(fal: Fal, monkeypatch: pytest.MonkeyPatch) -> None:
    url = fal._server.session("keyed", [SUBMITTED])
    monkeypatch.setenv("FAL_KEY_ID", "id")
    monkeypatch.setenv("FAL_KEY_SECRET", "0123")
    with FalProvider(queue_url=url) as provider:
        provider.submit("fal-ai/fast-sdxl", ARGUMENTS)
    assert fal.requests[-1]["headers"]["authorization"] == "Key id:0123"


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda p: p.run("flux", ARGUMENTS), 'no application of fal\nname it with its owner: "fal-ai/flux/dev"'),
        (lambda p: p.submit("https://fal.run/fal-ai/flux", ARGUMENTS), "no application of fal"),
        (lambda p: p.run("fal-ai/../../flux", ARGUMENTS), "no application of fal"),
        (lambda p: p.run("fal-ai/flux/dev", "a cat"), "arguments are a str"),
        (lambda p: p.run("fal-ai/flux/dev", ARGUMENTS, timeout=0), "timeout=0 is no time"),
        (lambda p: p.submit("fal-ai/flux/dev", ARGUMENTS, max_retries=-1), "max_retries=-1 is no count"),
        (lambda p: p.job("fal-ai/flux/dev", ""), "request_id='' is no id"),
        (lambda p: FalProvider(api_key="k", queue_url=1), "queue_url is a int"),
        (lambda p: FalProvider(api_key="k", queue="x"), "its options: .*run_url, queue_url"),
    ],
)
def test_what_cannot_be_asked(ask: Callable[[FalProvider], Any], says: str, fal: Fal) -> None:
    with pytest.raises(ConfigurationError, match=says):
        ask(fal.answering(SUBMITTED))
    assert fal.requests == []


def test_arguments_that_are_no_json_say_so(fal: Fal) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        fal.answering(MADE).run("fal-ai/fast-sdxl", {"prompt": object()})


def test_a_provider_outlives_its_loops_and_its_clients(fal: Fal) -> None:
    provider = fal.answering(MADE)

    async def ask() -> FalResult:
        return await provider.arun("fal-ai/fast-sdxl", ARGUMENTS)

    for _ in range(2):
        assert asyncio.run(ask()).images
        assert provider.run("fal-ai/fast-sdxl", ARGUMENTS).images
        provider.close()


def test_what_fal_client_keeps_to_itself() -> None:
    """A change here is a change of `_fal`'s ground: its docstring says what each is for."""
    assert isinstance(inspect.getattr_static(fal_client.SyncClient, "_client"), cached_property)
    assert type(inspect.getattr_static(fal_client.AsyncClient, "_client")).__name__ == "CachedProperty"
    assert list(inspect.signature(fal_client_inside._raise_for_status).parameters) == ["response"]
    assert _fal.PRIVATE == ("SyncClient._client", "AsyncClient._client", "client._raise_for_status")
    assert fal_client_inside.RUN_URL_FORMAT == "https://fal.run/"
    assert fal_client_inside.QUEUE_URL_FORMAT == "https://queue.fal.run/"
    own = fal_client.SyncClient(key=KEY)
    assert "_client" not in vars(own)
