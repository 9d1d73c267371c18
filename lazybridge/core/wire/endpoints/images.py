"""Pictures: OpenAI's `/images/generations` and `/images/edits`, and Gemini's image models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import ImageContent, sniff
from lazybridge.core.endpoints.images import GeneratedImages, ImageRequest
from lazybridge.core.errors import ServerError
from lazybridge.core.types import Adjustment
from lazybridge.core.usage import UsageStats
from lazybridge.core.wire import number
from lazybridge.core.wire.endpoints import Endpoint, HTTPCall, decoded, listed, with_extra
from lazybridge.core.wire.endpoints.gemini import answer, generation, media, resource


@dataclass(frozen=True, kw_only=True)
class OpenAIImages(Endpoint[ImageRequest, GeneratedImages]):
    """OpenAI's. Pictures to change go as JSON (`images`), which takes URLs and uploaded files too."""

    # openai 3.54.0 `types/image_generate_params.py`; recorded requests for the edits, whose typed method sends a form.
    sold_by: ClassVar[str] = "image"
    dear: ClassVar[bool] = True
    path: str = "/images/generations"
    edits_path: str = "/images/edits"

    def call(self, request: ImageRequest, model: ModelProfile) -> HTTPCall:
        """The call."""
        body: dict[str, Any] = {"model": model.id, "prompt": request.prompt}
        for name in ("n", "size", "quality"):
            if getattr(request, name) is not None:
                body[name] = getattr(request, name)
        if not request.images:
            return HTTPCall(self.path, with_extra(body, request))
        body["images"] = [
            {"file_id": image.file_id} if image.file_id else {"image_url": image.data_url} for image in request.images
        ]
        return HTTPCall(self.edits_path, with_extra(body, request))

    def response(self, request: ImageRequest, raw: Any) -> GeneratedImages:
        """The pictures; GPT Image models answer with bytes, older ones with URLs."""
        items = listed(raw, "data")
        media_type = _TYPES.get(raw.get("output_format") or "")
        return GeneratedImages(
            images=[_image(item, media_type) for item in items],
            revised_prompt=next((item["revised_prompt"] for item in items if item.get("revised_prompt")), None),
            usage=_usage(raw, bool(request.images)),
        )


@dataclass(frozen=True, kw_only=True)
class GeminiImages(Endpoint[ImageRequest, GeneratedImages]):
    """Gemini's image models, by generateContent. `size` is a ratio ("16:9") or "1K", "2K", "4K"."""

    dear: ClassVar[bool] = True
    vertex: bool = False

    def call(self, request: ImageRequest, model: ModelProfile) -> HTTPCall:
        """The call; what Gemini has no word for is an adjustment."""
        lost: list[Adjustment] = []
        # Recorded requests; google-genai 3.4.0 `types.py` (ImageConfig), read 2026-11-22.
        config: dict[str, Any] = {"responseModalities": ["TEXT", "IMAGE"]}
        if request.size is not None and ":" in request.size:
            config["imageConfig"] = {"aspectRatio": request.size}
        elif request.size is not None and request.size.endswith("K"):
            config["imageConfig"] = {"imageSize": request.size}
        elif request.size is not None:
            lost.append(Adjustment("size", f'Gemini knows "16:9" or "2K", not {request.size!r}; nothing was sent'))
        if request.quality is not None:
            lost.append(Adjustment("quality", "Gemini has no such parameter; nothing was sent"))
        if request.n not in (None, 1):
            lost.append(Adjustment("n", "Gemini decides how many images it makes; nothing was sent"))
        parts = [{"text": request.prompt}, *map(_part, request.images)]
        return generation(resource(model.id, self.vertex), parts, config, request, lost)

    def response(self, request: ImageRequest, raw: Any) -> GeneratedImages:
        """The pictures, and what the model said beside them."""
        found = answer(raw)
        images = [ImageContent(data=data, media_type=kind) for data, kind in media(raw, "image/")]
        return GeneratedImages(
            images=images, text=found.content, model=found.model, usage=found.usage, request_id=found.request_id
        )


_TYPES = {name: f"image/{name}" for name in ("png", "jpeg", "webp", "gif")} | {"svg": "image/svg+xml"}


def _image(item: Mapping[str, Any], media_type: str | None) -> ImageContent:
    if item.get("b64_json"):
        data = decoded(item["b64_json"])
        return ImageContent(data=data, media_type=sniff(data) or media_type)
    if not item.get("url"):
        raise ServerError("the answer has an image without bytes or a URL")
    return ImageContent(url=item["url"])


def _usage(raw: Mapping[str, Any], sent: bool) -> UsageStats:
    """Tokens. Without details, all that was written is images, but how pictures that were sent and text divide is unknown.

    Who writes SVG is another model, whose tokens (`svg_usage`) are billed apart."""
    usage: Mapping[str, Any] = raw.get("usage") or {}
    wrote = number(usage, "output_tokens")
    read_details, details = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    return UsageStats(
        number(usage, "input_tokens") if read_details or not sent else None,
        wrote,
        image_input_tokens=number(read_details, "image_tokens"),
        image_output_tokens=number(details, "image_tokens") if details else wrote,
        unpriced_tool_calls=1 if raw.get("svg_usage") else None,
    )


def _part(image: ImageContent) -> dict[str, Any]:
    place = image.file_id or image.url
    media_type = {"mimeType": image.media_type} if image.media_type else {}
    if place is not None:
        return {"fileData": {"fileUri": place, **media_type}}
    return {"inlineData": {**media_type, "data": image.base64}}
