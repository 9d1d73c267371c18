"""`generate_video`: video from words, or from a picture and words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from lazybridge.core.content import Attachment
from lazybridge.core.endpoints.fal import FalStatus
from lazybridge.core.endpoints.media import GeneratedVideo, VideoRequest
from lazybridge.endpoint_call import CallOptions, job_run
from lazybridge.endpoint_run import EndpointRun
from lazybridge.pictures import picture

_FILM = 'generate_video("waves at a lighthouse", "fal/fal-ai/veo3.1")'


def generate_video(
    prompt: str,
    model: str | None = None,
    *,
    image: Attachment | None = None,
    duration_s: float | None = None,
    aspect_ratio: str | None = None,
    resolution: str | None = None,
    on_update: Callable[[FalStatus], object] | None = None,
    **options: Unpack[CallOptions],
) -> GeneratedVideo:
    """A video of what the prompt says, or of how it goes on from `image`: `.video.url`, and `.save(path)`.

    `duration_s` is in seconds; which ones a model makes is its own. `aspect_ratio` ("16:9") and `resolution` ("720p") are
    the vendor's words. Without a model there is one for words and one for a picture. All else is as with `upscale_image`.
    """
    run, request = _filmed(prompt, model, image, duration_s, aspect_ratio, resolution, on_update, options)
    return run.told(run.ask(_endpoint(request), request, GeneratedVideo))


async def agenerate_video(
    prompt: str,
    model: str | None = None,
    *,
    image: Attachment | None = None,
    duration_s: float | None = None,
    aspect_ratio: str | None = None,
    resolution: str | None = None,
    on_update: Callable[[FalStatus], object] | None = None,
    **options: Unpack[CallOptions],
) -> GeneratedVideo:
    """`generate_video`, on the running event loop; `on_update` may be a coroutine function."""
    run, request = _filmed(prompt, model, image, duration_s, aspect_ratio, resolution, on_update, options)
    return run.told(await run.aask(_endpoint(request), request, GeneratedVideo))


def _endpoint(request: VideoRequest) -> str:
    return "video" if request.image is None else "video_from_image"


def _filmed(
    prompt: str, model: str | None, image: Attachment | None, duration_s: float | None, aspect_ratio: str | None,
    resolution: str | None, on_update: Callable[[FalStatus], object] | None, options: CallOptions,
) -> tuple[EndpointRun, VideoRequest]:  # fmt: skip
    run, common = job_run(model, options, _FILM)
    return run, VideoRequest(
        prompt=prompt,
        image=None if image is None else picture(image),
        duration_s=duration_s,
        aspect_ratio=aspect_ratio,
        resolution=resolution,
        on_update=on_update,
        **common,
    )
