"""Pictures from words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from lazybridge.core.content import ImageContent
from lazybridge.core.download import Saves
from lazybridge.core.endpoints import EndpointRequest, EndpointResponse


@dataclass(frozen=True, kw_only=True)
class ImageRequest(EndpointRequest):
    """What to draw; with `images`, how to change these. `size`, `quality` are the vendor's own words ("1024x1024", "high");
    `n` is how many pictures. Raises ValueError for an empty prompt or an `n` that is no count."""

    prompt: str
    images: tuple[ImageContent, ...] = field(default=(), repr=False)
    size: str | None = None
    quality: str | None = None
    n: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt:
            raise ValueError(f"prompt={self.prompt!r} says nothing\nwrite what to draw, such as 'a red circle'")
        if self.n is not None and (type(self.n) is not int or self.n < 1):
            raise ValueError(f"n={self.n!r} is no count\nn is a whole number, such as 2")


@dataclass(kw_only=True)
class GeneratedImages(Saves, EndpointResponse):
    """The pictures, as bytes or, where a vendor answers so, as URLs; `revised_prompt` is what the vendor made of the
    prompt, `text` what the model said beside the pictures. Where it made none, `images` is empty and `text` may say why."""

    _saved: ClassVar[str] = "image"
    images: list[ImageContent] = field(repr=False)
    revised_prompt: str | None = None
    text: str = ""

    @property
    def image(self) -> ImageContent:
        """The one picture. Raises ValueError where there are none or several."""
        if not self.images:
            raise ValueError(f"no image was made{': ' + self.text if self.text else ''}")
        if len(self.images) > 1:
            raise ValueError(f"there are {len(self.images)} images\nread .images")
        return self.images[0]
