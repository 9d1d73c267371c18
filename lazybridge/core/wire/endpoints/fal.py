"""fal's JSON: the queue's statuses, the files in a result, and the words of its image applications."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, DocumentContent, ImageContent, VideoContent
from lazybridge.core.endpoints.fal import Completed, FalResult, FalStatus, InProgress, Queued
from lazybridge.core.endpoints.images import GeneratedImages, ImageRequest
from lazybridge.core.errors import ServerError
from lazybridge.core.receipt import unknown
from lazybridge.core.types import Adjustment
from lazybridge.core.wire import number
from lazybridge.core.wire.endpoints import Endpoint, HTTPCall, with_extra

_UNITS = "x-fal-billable-units"
REQUEST_ID = "x-fal-request-id"


def status_of(raw: Any) -> FalStatus:
    """Where a job stands. Raises ServerError for a word that the queue's documentation does not have."""
    body: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    logs = body.get("logs")
    entries = tuple(logs) if isinstance(logs, list) else None
    match body.get("status"):
        case "IN_QUEUE":
            return Queued(number(body, "queue_position"))
        case "IN_PROGRESS":
            return InProgress(entries)
        case "COMPLETED":
            return Completed(entries, body.get("metrics"), body.get("error"), body.get("error_type"))
        case word:
            raise ServerError(f"the queue says {word!r}, which is none of its statuses")


def result_of(raw: Any, headers: Mapping[str, str], application: str) -> FalResult:
    """A result with the files that it names. Raises ServerError for a file that cannot be read."""
    images: list[ImageContent] = []
    audio: list[AudioContent] = []
    video: list[VideoContent] = []
    files: list[DocumentContent] = []
    for name, file in _files(raw):
        media_type = file.get("content_type") if isinstance(file.get("content_type"), str) else None
        try:
            match _family(name, file["url"], media_type):
                case "image":
                    images.append(ImageContent(url=file["url"], media_type=media_type))
                case "audio":
                    audio.append(AudioContent(url=file["url"], media_type=media_type))
                case "video":
                    video.append(VideoContent(url=file["url"], media_type=media_type))
                case "file":
                    files.append(DocumentContent(url=file["url"], media_type=media_type, name=file.get("file_name")))
        except ValueError as exc:
            raise ServerError(f"the answer has a file {name!r} that cannot be read") from exc
    return FalResult(
        model=application,
        raw=raw,
        images=tuple(images),
        audio=tuple(audio),
        video=tuple(video),
        files=tuple(files),
        request_id=headers.get(REQUEST_ID),
        billable_units=_units(headers.get(_UNITS)),
        receipt=unknown("fal does not say what its applications cost"),
    )


def image_arguments(
    prompt: str,
    *,
    size: str | None = None,
    n: int | None = None,
    images: Sequence[ImageContent] = (),
    seed: int | None = None,
) -> dict[str, Any]:
    """What most of fal's image applications take. `size` is "1024x768" or one of fal's names, such as "square_hd".

    The names are those of fal-ai/flux/dev and its edits, https://fal.ai/models/fal-ai/flux/dev/api, read 2026-11-22; an
    application that calls them otherwise says so on its page. Raises ValueError for an image by file id.
    """
    if any(image.file_id is not None for image in images):
        raise ValueError("fal takes no image by file id\ngive its bytes or its URL")
    width, _, height = (size or "").partition("x")
    exact = {"width": int(width), "height": int(height)} if width.isdigit() and height.isdigit() else size
    urls = [image.data_url for image in images]
    said = {
        "prompt": prompt,
        "image_size": exact,
        "num_images": n,
        "seed": seed,
        "image_url": urls[0] if len(urls) == 1 else None,
        "image_urls": urls if len(urls) > 1 else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _files(value: Any, name: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects with a URL, wherever they stand, and the names that they stand under."""
    if isinstance(value, Mapping):
        if isinstance(value.get("url"), str):
            yield name, value
            return
        for inner_name, inner in value.items():
            yield from _files(inner, inner_name)
    elif isinstance(value, list):
        for inner in value:
            yield from _files(inner, name)


def _family(name: str, url: str, media_type: str | None) -> str | None:
    """ "image", "audio", "video" or "file"; None for a link that is no file: it has no type, and no name that tells one."""
    guessed = None if url.startswith("data:") else mimetypes.guess_type(url.split("?", 1)[0])[0]
    for candidate in (media_type, guessed, name):
        for family in ("image", "audio", "video"):
            if candidate and candidate.startswith(family):
                return family
    return "file" if media_type or guessed else None


def _units(value: str | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True)
class FalImages(Endpoint[ImageRequest, GeneratedImages]):
    """fal's image applications, asked directly; `root` is https://fal.run or what stands in for it."""

    dear: ClassVar[bool] = True
    root: str = "https://fal.run"

    def call(self, request: ImageRequest, model: ModelProfile) -> HTTPCall:
        """The call; fal has no word for quality."""
        lost = (
            () if request.quality is None else (Adjustment("quality", "fal has no such parameter; nothing was sent"),)
        )
        body = image_arguments(request.prompt, size=request.size, n=request.n, images=request.images)
        return HTTPCall(f"{self.root}/{model.id}", with_extra(body, request), adjustments=lost)

    def response(self, request: ImageRequest, raw: Any) -> GeneratedImages:
        """The pictures, as URLs."""
        return GeneratedImages(images=list(result_of(raw, {}, "").images))
