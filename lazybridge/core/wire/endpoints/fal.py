"""fal's JSON: the queue's statuses, the files in a result, and the words of its image applications."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, DocumentContent, ImageContent, VideoContent
from lazybridge.core.endpoints.fal import Completed, FalPrice, FalResult, FalStatus, InProgress, Queued
from lazybridge.core.endpoints.images import GeneratedImages, ImageRequest
from lazybridge.core.errors import NotFoundError, ServerError, UnsupportedFeatureError
from lazybridge.core.receipt import MONEY, Receipt, stated, unknown
from lazybridge.core.types import Adjustment
from lazybridge.core.wire import number
from lazybridge.core.wire.endpoints import Asked, Endpoint, Given, HTTPCall, listed, with_extra

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


def result_of(raw: Any, headers: Mapping[str, str], application: str, price: FalPrice | None = None) -> FalResult:
    """A result with the files that it names, and what it cost where a unit has a price. Raises ServerError for a file that
    cannot be read."""
    units = _units(headers.get(_UNITS))
    images: list[ImageContent] = []
    audio: list[AudioContent] = []
    video: list[VideoContent] = []
    files: list[DocumentContent] = []
    for name, file in files_in(raw):
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
        billable_units=units,
        receipt=cost_of(units, price),
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
    application that calls them otherwise says so on its page. Raises UnsupportedFeatureError for an image by file id.
    """
    width, _, height = (size or "").partition("x")
    exact = {"width": int(width), "height": int(height)} if width.isdigit() and height.isdigit() else size
    urls = [place_of(image) for image in images]
    said = {
        "prompt": prompt,
        "image_size": exact,
        "num_images": n,
        "seed": seed,
        "image_url": urls[0] if len(urls) == 1 else None,
        "image_urls": urls if len(urls) > 1 else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def place_of(image: ImageContent) -> str:
    """A picture's URL, or the picture itself as one. Raises UnsupportedFeatureError for an image by file id."""
    if image.file_id is not None:
        raise UnsupportedFeatureError("fal takes no image by file id\ngive its bytes or its URL")
    return image.data_url


def cost_of(units: float | None, price: FalPrice | None) -> Receipt:
    """What so many of fal's units cost."""
    if price is None:
        return unknown("fal does not say what its applications cost")
    if units is None:
        return unknown(f"fal did not say for how many {price.unit} it bills")
    if price.currency != "USD":
        return unknown(f"fal names the price in {price.currency}")
    count = Decimal(str(units))
    source = f"fal: {count} {price.unit} at ${price.unit_price}"
    return stated(MONEY.multiply(count, price.unit_price), price.application, source)


def price_in(raw: Any, application: str) -> FalPrice:
    """The price of an application, in fal's list. Raises NotFoundError where it is not in there, ServerError for one that is
    no amount of money."""
    rows = listed(raw, "prices")
    row = next((row for row in rows if row.get("endpoint_id") == application), None)
    if row is None:
        raise NotFoundError(f"fal names no price of {application}")
    unit, currency = row.get("unit"), row.get("currency")
    try:
        amount = Decimal(str(row.get("unit_price")))
    except InvalidOperation:
        amount = Decimal("nan")
    if not (amount.is_finite() and amount >= 0 and isinstance(unit, str) and isinstance(currency, str)):
        raise ServerError(f"the price of {application} is no amount of money for a unit")
    return FalPrice(application, amount, unit, currency)


# fal-ai/stable-audio-25/text-to-audio answers `{"audio": "https://..."}` (its page, read 2026-11-22).
_BARE = ("image", "audio", "video")


def files_in(value: Any, name: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects with a URL, wherever they stand, and the names that they stand under."""
    if isinstance(value, Mapping):
        if isinstance(value.get("url"), str):
            yield name, value
            return
        for inner_name, inner in value.items():
            yield from files_in(inner, inner_name)
    elif isinstance(value, list):
        for inner in value:
            yield from files_in(inner, name)
    elif name in _BARE and isinstance(value, str) and value.startswith("https://"):
        yield name, {"url": value}


def _family(name: str, url: str, media_type: str | None) -> str | None:
    """ "image", "audio", "video" or "file"; None for a link that is no file: it has no type, and no name that tells one."""
    guessed = None if url.startswith("data:") else mimetypes.guess_type(url.split("?", 1)[0])[0]
    for candidate in (media_type, guessed, name):
        for family in ("image", "audio", "video"):
            if candidate and candidate.startswith(family):
                return family
    return (
        "file" if media_type or guessed or name.startswith("model") else None
    )  # .glb has no type that everybody knows


def _units(value: str | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True)
class FalEndpoint(Endpoint[Asked, Given]):
    """A task of fal's applications: `call` has the application for its path, and its arguments for its body.

    `queued` ones go through the queue; the others are asked directly.
    """

    self_contained: ClassVar[bool] = True
    repeatable: ClassVar[bool] = False
    queued: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class FalImages(FalEndpoint[ImageRequest, GeneratedImages]):
    """Pictures from words."""

    queued: ClassVar[bool] = False

    def call(self, request: ImageRequest, model: ModelProfile) -> HTTPCall:
        """The call; fal has no word for quality."""
        lost = (
            () if request.quality is None else (Adjustment("quality", "fal has no such parameter; nothing was sent"),)
        )
        body = image_arguments(request.prompt, size=request.size, n=request.n, images=request.images)
        return HTTPCall(model.id, with_extra(body, request), adjustments=lost)

    def response(self, request: ImageRequest, raw: Any) -> GeneratedImages:
        """The pictures, as URLs."""
        return GeneratedImages(images=list(result_of(raw, {}, "").images))
