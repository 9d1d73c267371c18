"""`generate_3d`: 3D models from a picture or from words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from lazybridge.core.content import Attachment
from lazybridge.core.endpoints.fal import FalStatus
from lazybridge.core.endpoints.media import GeneratedShape, ShapeRequest
from lazybridge.core.errors import ConfigurationError
from lazybridge.endpoint_call import CallOptions, job_run
from lazybridge.endpoint_run import EndpointRun
from lazybridge.pictures import picture

_MODEL = 'generate_3d("chair.png", "fal/fal-ai/trellis-2")'


def generate_3d(
    image: Attachment | None = None,
    model: str | None = None,
    *,
    prompt: str | None = None,
    on_update: Callable[[FalStatus], object] | None = None,
    **options: Unpack[CallOptions],
) -> GeneratedShape:
    """A 3D model of what a picture shows, or `prompt` says: `.file.url`, such as a .glb, all its `.files`, and `.save(path)`.

    The model that is asked where none is named makes it of a picture; one that takes words is named. All else is as with
    `upscale_image`.
    """
    run, request = _modelled(image, model, prompt, on_update, options)
    return run.told(run.ask("3d", request, GeneratedShape))


async def agenerate_3d(
    image: Attachment | None = None,
    model: str | None = None,
    *,
    prompt: str | None = None,
    on_update: Callable[[FalStatus], object] | None = None,
    **options: Unpack[CallOptions],
) -> GeneratedShape:
    """`generate_3d`, on the running event loop; `on_update` may be a coroutine function."""
    run, request = _modelled(image, model, prompt, on_update, options)
    return run.told(await run.aask("3d", request, GeneratedShape))


def _modelled(
    image: Attachment | None, model: str | None, prompt: str | None,
    on_update: Callable[[FalStatus], object] | None, options: CallOptions,
) -> tuple[EndpointRun, ShapeRequest]:  # fmt: skip
    if image is None and model is None:
        raise ConfigurationError(f"there is no default model for 3D from words\nname one, or write {_MODEL}")
    run, common = job_run(model, options, _MODEL)
    found = None if image is None else picture(image)
    return run, ShapeRequest(image=found, prompt=prompt, on_update=on_update, **common)
