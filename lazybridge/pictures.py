"""`upscale_image`, `remove_background`: pictures made larger, or cut out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from lazybridge.core.content import Attachment, ImageContent, attachment
from lazybridge.core.endpoints.fal import FalStatus
from lazybridge.core.endpoints.media import BackgroundRequest, EditedImage, UpscaleRequest
from lazybridge.endpoint_call import CallOptions, job_run
from lazybridge.endpoint_run import EndpointRun

_UPSCALE = 'upscale_image("photo.png", "fal/fal-ai/clarity-upscaler")'
_CUT_OUT = 'remove_background("photo.png", "fal/fal-ai/birefnet/v2")'


def upscale_image(
    image: Attachment,
    model: str | None = None,
    *,
    scale: float | None = None,
    on_update: Callable[[FalStatus], object] | None = None,
    **options: Unpack[CallOptions],
) -> EditedImage:
    """A picture, by path, URL or bytes, made `scale` times as wide and high: `.image`, and `.save(path)`.

    It is a job in the vendor's queue, which is waited for: `timeout=` is in seconds for all of it, and `on_update` is called
    with each new status of the job. Where the wait ends before the job does, the error's `request_id` is the job's, and
    `FalProvider().job(model, request_id)` finds it again; no second job is begun. Without a model, and without a provider,
    fal's are asked. Other parameters of its API go in `extra_body=`; what it cannot take is in `.adjustments`.
    `options` and errors are those of `generate_image`.
    """
    run, request = _larger(image, model, scale, on_update, options)
    return run.told(run.ask("upscaling", request, EditedImage))


async def aupscale_image(
    image: Attachment,
    model: str | None = None,
    *,
    scale: float | None = None,
    on_update: Callable[[FalStatus], object] | None = None,
    **options: Unpack[CallOptions],
) -> EditedImage:
    """`upscale_image`, on the running event loop; `on_update` may be a coroutine function."""
    run, request = _larger(image, model, scale, on_update, options)
    return run.told(await run.aask("upscaling", request, EditedImage))


def remove_background(
    image: Attachment,
    model: str | None = None,
    *,
    on_update: Callable[[FalStatus], object] | None = None,
    **options: Unpack[CallOptions],
) -> EditedImage:
    """A picture without its background: `.image`, and `.save(path)`. All else is as with `upscale_image`."""
    run, request = _cut_out(image, model, on_update, options)
    return run.told(run.ask("background_removal", request, EditedImage))


async def aremove_background(
    image: Attachment,
    model: str | None = None,
    *,
    on_update: Callable[[FalStatus], object] | None = None,
    **options: Unpack[CallOptions],
) -> EditedImage:
    """`remove_background`, on the running event loop."""
    run, request = _cut_out(image, model, on_update, options)
    return run.told(await run.aask("background_removal", request, EditedImage))


def picture(image: Attachment) -> ImageContent:
    """The image that this is. Raises ValueError for anything else, FileNotFoundError."""
    block = attachment(image)
    if not isinstance(block, ImageContent):
        raise ValueError(f"image is a {type(block).__name__}\nwrite an image, such as 'photo.png'")
    return block


def _larger(
    image: Attachment, model: str | None, scale: float | None, on_update: Callable[[FalStatus], object] | None,
    options: CallOptions,
) -> tuple[EndpointRun, UpscaleRequest]:  # fmt: skip
    run, common = job_run(model, options, _UPSCALE)
    return run, UpscaleRequest(image=picture(image), scale=scale, on_update=on_update, **common)


def _cut_out(
    image: Attachment, model: str | None, on_update: Callable[[FalStatus], object] | None, options: CallOptions
) -> tuple[EndpointRun, BackgroundRequest]:
    run, common = job_run(model, options, _CUT_OUT)
    return run, BackgroundRequest(image=picture(image), on_update=on_update, **common)
