"""What is made by jobs that take their time: better pictures, videos, music, 3D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from lazybridge.core.content import AudioContent, DocumentContent, ImageContent, VideoContent
from lazybridge.core.download import Saves
from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
from lazybridge.core.endpoints.fal import FalStatus


@dataclass(frozen=True, kw_only=True)
class JobRequest(EndpointRequest):
    """What is put into a vendor's queue and waited for; `on_update` is called with each new status of the job."""

    on_update: Callable[[FalStatus], object] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class UpscaleRequest(JobRequest):
    """A picture to make `scale` times as wide and high. Raises ValueError for a scale that is none."""

    image: ImageContent = field(repr=False)
    scale: float | None = None

    def __post_init__(self) -> None:
        _above_zero("scale", self.scale, "2 is twice as wide and high")


@dataclass(frozen=True, kw_only=True)
class BackgroundRequest(JobRequest):
    """A picture to take the background from."""

    image: ImageContent = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class VideoRequest(JobRequest):
    """What to film; with an `image`, how to go on from it. `duration_s` is in seconds, `aspect_ratio` ("16:9") and
    `resolution` ("720p") are the vendor's own words. Raises ValueError for an empty prompt or a duration that is none."""

    prompt: str
    image: ImageContent | None = field(default=None, repr=False)
    duration_s: float | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None

    def __post_init__(self) -> None:
        _words(self.prompt, "waves at a lighthouse")
        _above_zero("duration_s", self.duration_s, "it is in seconds, such as 5")


@dataclass(frozen=True, kw_only=True)
class MusicRequest(JobRequest):
    """What to play, and for how many seconds. Raises ValueError for an empty prompt or a duration that is none."""

    prompt: str
    duration_s: float | None = None

    def __post_init__(self) -> None:
        _words(self.prompt, "a slow waltz for piano")
        _above_zero("duration_s", self.duration_s, "it is in seconds, such as 30")


@dataclass(frozen=True, kw_only=True)
class ShapeRequest(JobRequest):
    """What to model, as a picture, in words, or both. Raises ValueError where there is neither."""

    image: ImageContent | None = field(default=None, repr=False)
    prompt: str | None = None

    def __post_init__(self) -> None:
        if self.image is None:
            _words(self.prompt, "a chair")


@dataclass(kw_only=True)
class EditedImage(Saves, EndpointResponse):
    """The picture, as a URL or, where a vendor answers so, as bytes."""

    _saved: ClassVar[str] = "image"
    image: ImageContent = field(repr=False)


@dataclass(kw_only=True)
class GeneratedVideo(Saves, EndpointResponse):
    """The video, as a URL."""

    _saved: ClassVar[str] = "video"
    video: VideoContent


@dataclass(kw_only=True)
class GeneratedMusic(Saves, EndpointResponse):
    """The music, as a URL."""

    _saved: ClassVar[str] = "audio"
    audio: AudioContent


@dataclass(kw_only=True)
class GeneratedShape(Saves, EndpointResponse):
    """The model, as the URL of a file such as a .glb; `files` are all that came, such as textures."""

    _saved: ClassVar[str] = "file"
    file: DocumentContent
    files: tuple[DocumentContent, ...] = field(default=(), repr=False)


def _words(prompt: object, example: str) -> None:
    if not isinstance(prompt, str) or not prompt:
        raise ValueError(f"prompt={prompt!r} says nothing\nwrite what to make, such as {example!r}")


def _above_zero(name: str, value: object, hint: str) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (number and value > 0):  # type: ignore[operator]
        raise ValueError(f"{name}={value!r} is not above 0\n{hint}")
