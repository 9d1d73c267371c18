"""fal's applications and queue against aimock 1.43.0, which plays fal.run and queue.fal.run and which no one here wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazybridge.core.endpoints.fal import Completed, FalResult
from lazybridge.core.errors import NotFoundError, RateLimitError
from lazybridge.core.providers.fal import FalProvider

peers: Any = pytest.importorskip("tests.peers", reason="what starts aimock is not here")

VIDEO = "fal-ai/kling-video/v2/master/text-to-video"
RUN, QUEUE = {"x-fal-target-host": "fal.run"}, {"x-fal-target-host": "queue.fal.run"}


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[Any]:
    if peers.npm() is None:
        pytest.skip("npm is not installed")
    cache = request.config.cache
    assert cache is not None
    with peers.aimock(cache.mkdir("lazybridge-peers"), Path(__file__).with_name("aimock_fal.json")) as peer:
        yield peer


@pytest.fixture
def aimock(running: Any) -> Any:
    running.forget()
    return running


@pytest.fixture
def provider(aimock: Any) -> Iterator[FalProvider]:
    with FalProvider(api_key="k", run_url=f"{aimock.url}/fal", queue_url=f"{aimock.url}/fal") as made:
        yield made


def test_an_application_is_asked_directly(provider: FalProvider) -> None:
    result = provider.run("fal-ai/flux/dev", {"prompt": "a cat"}, extra_headers=RUN)
    assert [image.url for image in result.images] == ["https://v3.fal.media/files/cat.jpeg"]
    assert result.timings == {"inference": 1.5}


def test_a_job_is_waited_for_and_found_again(provider: FalProvider) -> None:
    seen: list[Any] = []
    job = provider.submit("fal-ai/flux/dev", {"prompt": "a cat"}, extra_headers=QUEUE)
    result = job.wait(timeout=20, on_update=seen.append, interval=0.05)
    assert isinstance(seen[-1], Completed)
    assert result.metrics is not None
    assert result.metrics.keys() == {"inference_time"}
    assert (result.billable_units, result.request_id) == (2, job.request_id)
    again = provider.job("fal-ai/flux/dev", job.request_id, extra_headers=QUEUE)
    assert again.result().images == result.images
    assert again.cancel() is False


async def test_a_job_on_the_event_loop(provider: FalProvider) -> None:
    job = await provider.asubmit(VIDEO, {"prompt": "a cat runs"}, extra_headers=QUEUE)
    result: FalResult = await job.wait(timeout=20, interval=0.05)
    assert [video.url for video in result.video] == ["https://v3.fal.media/files/cat.mp4"]
    assert await job.cancel() is False
    await provider.aclose()


def test_a_job_that_nobody_knows(provider: FalProvider) -> None:
    with pytest.raises(NotFoundError):
        provider.job("fal-ai/flux/dev", "0123", extra_headers=QUEUE).cancel()


@pytest.mark.parametrize("method", ["run", "submit"])
def test_too_much_is_said_once(method: str, provider: FalProvider, aimock: Any) -> None:
    headers = RUN if method == "run" else QUEUE
    with pytest.raises(RateLimitError) as caught:
        getattr(provider, method)("fal-ai/flux/dev", {"prompt": "Too much."}, extra_headers=headers, timeout=5)
    assert (caught.value.retry_after, len(aimock.bodies())) == (30.0, 1)
