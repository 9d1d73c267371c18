"""Pictures, video, sound and 3D at fal, through the queue of aimock 1.43.0, which no one here wrote: it answers with the
examples of the applications' own pages (`tests/endpoints/fal_pages.py`), and takes some questions to get there."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from lazybridge import generate_video
from lazybridge.core.endpoints.fal import Completed, FalPrice, InProgress, Queued
from lazybridge.core.errors import ProviderTimeoutError, RateLimitError
from lazybridge.core.providers.fal import FalProvider
from lazybridge.progress import Progress
from tests.endpoints.fal_pages import PAGES, Page, expected

peers: Any = pytest.importorskip("tests.peers", reason="what starts aimock is not here")

ROOT = Path(__file__).parents[2]
FILM = "fal-ai/kling-video/v2.5-turbo/pro/text-to-video"
RUN, QUEUE = {"x-fal-target-host": "fal.run"}, {"x-fal-target-host": "queue.fal.run"}


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[Any]:
    if peers.npm() is None:
        pytest.skip("npm is not installed")
    cache = request.config.cache
    assert cache is not None
    fixtures = Path(__file__).with_name("aimock_fal.json")
    steps = {"pollsBeforeInProgress": 2, "pollsBeforeCompleted": 3}
    with peers.aimock(cache.mkdir("lazybridge-peers"), fixtures, steps) as peer:
        yield peer


@pytest.fixture
def aimock(running: Any) -> Any:
    running.forget()
    return running


@pytest.fixture
def options(aimock: Any) -> dict[str, Any]:
    return {"api_key": "k", "run_url": f"{aimock.url}/fal", "queue_url": f"{aimock.url}/fal"}


@pytest.fixture
def provider(options: dict[str, Any]) -> Iterator[FalProvider]:
    with FalProvider(**options) as made:
        yield made


def headers_of(page: Page) -> dict[str, str]:
    return RUN if page.function == "speak" else QUEUE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.application)
def test_what_is_made_comes_back(page: Page, options: dict[str, Any], aimock: Any) -> None:
    made = page.ask(**options, timeout=20, extra_headers=headers_of(page))
    assert page.found(made) == expected(page)
    assert made.model == page.application
    assert len(made.attempts) == 1


async def test_on_the_event_loop(provider: FalProvider) -> None:
    page, seen = PAGES[0], []

    async def see(status: Any) -> None:
        seen.append(status)

    made = await page.aask(**{"provider": provider, "timeout": 20, "extra_headers": QUEUE, "on_update": see})
    assert page.found(made) == expected(page)
    assert isinstance(seen[-1], Completed)
    await provider.aclose()


def test_the_queue_and_the_log_are_shown(options: dict[str, Any]) -> None:
    shown = StringIO()
    made = generate_video("waves", **options, timeout=20, extra_headers=QUEUE, on_update=Progress(shown))
    assert made.video.url is not None
    lines = shown.getvalue().splitlines()
    log = ["queued, 1 before it", "Job enqueued.", "Job started processing.", "running", "Job completed."]
    assert lines[:-1] == log
    assert lines[-1].startswith("done after ")


def test_the_events_of_a_job(provider: FalProvider) -> None:
    job = provider.submit(FILM, {"prompt": "waves"}, extra_headers=QUEUE)
    events = list(job.events(20, interval=0.01))
    assert [type(event) for event in events] == [Queued, InProgress, Completed]
    assert events[0] == Queued(1)
    assert [len(event.logs or ()) for event in events[1:]] == [2, 3]  # type: ignore[union-attr]
    assert job.result().billable_units == 5


async def test_the_events_of_a_job_on_the_event_loop(provider: FalProvider) -> None:
    job = await provider.asubmit(FILM, {"prompt": "waves"}, extra_headers=QUEUE)
    events = [type(event) async for event in job.events(20, interval=0.01)]
    assert events == [Queued, InProgress, Completed]
    await provider.aclose()


def test_a_job_that_is_cancelled(provider: FalProvider) -> None:
    job = provider.submit(FILM, {"prompt": "waves"}, extra_headers=QUEUE)
    assert job.cancel() is True


def test_another_process_finds_the_job(provider: FalProvider, options: dict[str, Any]) -> None:
    job = provider.submit(FILM, {"prompt": "waves"}, extra_headers=QUEUE)
    code = f"""
from lazybridge.core.providers.fal import FalProvider
with FalProvider(**{options!r}) as fal:
    job = fal.job({FILM!r}, {job.request_id!r}, extra_headers={QUEUE!r})
    print(job.wait(20, interval=0.01).video[0].url)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == expected(PAGES[0])


def test_time_is_up_and_the_job_is_named(options: dict[str, Any], aimock: Any) -> None:
    with pytest.raises(ProviderTimeoutError) as caught:
        generate_video("waves", **options, timeout=0.4, extra_headers=QUEUE)
    error = caught.value
    submitted = [entry for entry in aimock.get("/__aimock/journal") if entry["method"] == "POST"]
    assert len(submitted) == 1
    assert error.request_id is not None
    assert error.request_id in error.__notes__[0]
    assert error.receipt is not None
    assert error.receipt.status == "unknown"
    with FalProvider(**options) as fal:
        assert fal.job(FILM, error.request_id, extra_headers=QUEUE).wait(20, interval=0.01).video


async def test_time_is_up_on_the_event_loop(options: dict[str, Any]) -> None:
    with FalProvider(**options) as fal:
        with pytest.raises(ProviderTimeoutError) as caught:
            await PAGES[0].aask(provider=fal, timeout=0.4, extra_headers=QUEUE)
        assert caught.value.request_id is not None
        await fal.aclose()


async def test_who_is_cancelled_learns_which_job_goes_on(options: dict[str, Any]) -> None:
    with FalProvider(**options) as fal:
        task = asyncio.create_task(PAGES[0].aask(provider=fal, extra_headers=QUEUE))
        await asyncio.sleep(0.4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert f"FalProvider().job({FILM!r}" in "".join(caught.value.__notes__)
        await fal.aclose()


def test_too_much_is_asked_once_for_each_attempt(options: dict[str, Any], aimock: Any) -> None:
    with pytest.raises(RateLimitError) as caught:
        generate_video("Too much.", "fal-ai/flux/dev", **options, timeout=5, extra_headers=QUEUE)
    assert len(caught.value.attempts) == len(aimock.bodies()) == 1  # it is to come back after 30 s
    assert caught.value.attempts[0].receipt.total == 0


def test_what_it_cost_where_a_unit_has_a_price(options: dict[str, Any]) -> None:
    with FalProvider(**options) as fal:
        # https://fal.ai/models/fal-ai/kling-video/v2.5-turbo/pro/text-to-video, read 2026-11-22: $0.07 a second.
        fal.unit_prices[FILM] = FalPrice(FILM, Decimal("0.07"), "seconds")
        made = generate_video("waves", provider=fal, timeout=20, extra_headers=QUEUE)
    assert made.receipt is not None
    assert (made.receipt.total, made.cost_usd) == (Decimal("0.35"), 0.35)  # as that page says of 5 s
