"""`generate_music`: music and sounds from words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from lazybridge.core.endpoints.fal import FalStatus
from lazybridge.core.endpoints.media import GeneratedMusic, MusicRequest
from lazybridge.endpoint_call import CallOptions, job_run
from lazybridge.endpoint_run import EndpointRun

_PLAY = 'generate_music("a slow waltz for piano", "fal/fal-ai/elevenlabs/music")'


def generate_music(
    prompt: str,
    model: str | None = None,
    *,
    duration_s: float | None = None,
    on_update: Callable[[FalStatus], object] | None = None,
    **options: Unpack[CallOptions],
) -> GeneratedMusic:
    """Music, or a sound, of `duration_s` seconds: `.audio.url`, and `.save(path)`. All else is as with `upscale_image`."""
    run, request = _played(prompt, model, duration_s, on_update, options)
    return run.told(run.ask("music", request, GeneratedMusic))


async def agenerate_music(
    prompt: str,
    model: str | None = None,
    *,
    duration_s: float | None = None,
    on_update: Callable[[FalStatus], object] | None = None,
    **options: Unpack[CallOptions],
) -> GeneratedMusic:
    """`generate_music`, on the running event loop; `on_update` may be a coroutine function."""
    run, request = _played(prompt, model, duration_s, on_update, options)
    return run.told(await run.aask("music", request, GeneratedMusic))


def _played(
    prompt: str, model: str | None, duration_s: float | None, on_update: Callable[[FalStatus], object] | None,
    options: CallOptions,
) -> tuple[EndpointRun, MusicRequest]:  # fmt: skip
    run, common = job_run(model, options, _PLAY)
    return run, MusicRequest(prompt=prompt, duration_s=duration_s, on_update=on_update, **common)
