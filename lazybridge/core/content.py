"""What a message can hold besides text (images, audio, video and documents, by URL, bytes, path or uploaded file id), and
what stands beside the text of an answer."""

from __future__ import annotations

import base64
import mimetypes
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote_to_bytes

from lazybridge.core.hints import CacheHint as CacheHint
from lazybridge.core.media_types import sniff as sniff


@dataclass(frozen=True)
class TextContent:
    """A piece of text. `cache=True`, "5m" or "1h" marks the end of a prefix worth caching."""

    text: str
    cache: CacheHint = None


@dataclass(frozen=True)
class Citation:
    """What an answer rests on; `start` and `end` are where in the answer, in characters, `text` is what the source says.

    A page has a `url`; an uploaded document a `title` and, where it is known, a `file_id`. Where several passages rest on
    one source and the vendor names the source once, the first of them is given.
    """

    url: str | None
    title: str | None = None
    text: str | None = None
    start: int | None = None
    end: int | None = None
    file_id: str | None = None


@dataclass(frozen=True)
class TokenLogprob:
    """A token of an answer, the natural logarithm of its probability, and the likeliest tokens in its place."""

    token: str
    logprob: float
    alternatives: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class _Media:
    """One of `data`, `url` and `file_id` says where the bytes are; `media_type` is a MIME type such as image/png.

    A `data:` URL is taken as the bytes it holds, since vendors take it in some places and refuse it in others.
    """

    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    cache: CacheHint = None

    def __post_init__(self) -> None:
        given = [name for name in ("data", "url", "file_id") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{type(self).__name__} takes one of data, url and file_id, got {given or 'none'}")
        if self.url is not None and self.url.startswith("data:"):
            media_type, data = _from_data_url(self.url)
            object.__setattr__(self, "url", None)
            object.__setattr__(self, "data", data)
            object.__setattr__(self, "media_type", self.media_type or sniff(data) or media_type)
        if self.data is not None and not self.data:
            raise ValueError(f"{type(self).__name__} got empty data")
        if self.media_type is None:
            object.__setattr__(self, "media_type", self._guess())

    def _guess(self) -> str | None:
        if self.data is not None:
            return sniff(self.data)
        return mimetypes.guess_type(self.url.split("?", 1)[0])[0] if self.url else None

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], **fields: Any) -> Self:
        """Read a file now. Raises FileNotFoundError, with the path, where there is none."""
        path = Path(path)
        data = path.read_bytes()
        fields.setdefault("media_type", sniff(data) or mimetypes.guess_type(path.name)[0])
        return cls(data=data, **fields)

    @cached_property
    def base64(self) -> str:
        """The bytes as base64 text; only where there are bytes."""
        if self.data is None:
            raise ValueError(f"{type(self).__name__} holds a URL or a file id, not bytes")
        return base64.b64encode(self.data).decode("ascii")

    @property
    def data_url(self) -> str:
        """`url` where there is one, else the bytes as a data: URL."""
        return self.url or f"data:{self.media_type or 'application/octet-stream'};base64,{self.base64}"


@dataclass(frozen=True)
class ImageContent(_Media):
    """An image. `detail` is OpenAI's "auto", "low", "high" or "original"."""

    detail: Literal["auto", "low", "high", "original"] | None = None


@dataclass(frozen=True)
class AudioContent(_Media):
    """Audio; vendors take WAV and MP3 bytes."""

    @property
    def format(self) -> str | None:
        """The short name that vendors use: "wav", "mp3", ..."""
        media_type = (self.media_type or "").partition(";")[0]
        return _AUDIO_FORMATS.get(media_type, media_type.removeprefix("audio/") or None)


@dataclass(frozen=True)
class VideoContent(_Media):
    """A video; Google's models take it, also a YouTube page as `url`.

    `start` and `end` are the part to look at, in seconds; `fps` is how many frames a second are looked at.
    """

    start: float | None = None
    end: float | None = None
    fps: float | None = None


@dataclass(frozen=True)
class DocumentContent(_Media):
    """A PDF or a plain text file. `name` is shown to the model."""

    name: str | None = None

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], **fields: Any) -> Self:
        """Read a file now; its name is kept."""
        return super().from_path(path, **{"name": Path(path).name, **fields})

    @property
    def text(self) -> str | None:
        """The words of a text document that came as bytes; None for a PDF or a URL."""
        if self.data is None or not (self.media_type or "").startswith("text/"):
            return None
        return self.data.decode("utf-8", "replace")


ContentBlock = TextContent | ImageContent | AudioContent | VideoContent | DocumentContent
Media = ImageContent | AudioContent
Attachment = ContentBlock | str | os.PathLike[str] | bytes

_AUDIO_FORMATS = {"audio/mpeg": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/mp4": "m4a"}
# Their pages are videos to Google's models.
_YOUTUBE = ("https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/")


def _from_data_url(url: str) -> tuple[str | None, bytes]:
    head, comma, text = url[5:].partition(",")
    parts = head.split(";")
    try:
        if not comma:
            raise ValueError("it has no comma")
        raw = unquote_to_bytes(text)
        return parts[0] or None, base64.b64decode(raw, validate=True) if "base64" in parts[1:] else raw
    except ValueError as exc:
        raise ValueError(f"not a data: URL: {url[:40]!r}: {exc}") from None


def attachment(value: Attachment) -> ContentBlock:
    """A content block for a path, an http(s) or data: URL, bytes or a block, by what the data is.

    Raises FileNotFoundError for a path that does not exist and ValueError for data of an unknown kind.
    """
    if isinstance(value, ContentBlock):
        return value
    if isinstance(value, bytes):
        return _block_for(sniff(value), value, data=value)
    if isinstance(value, str) and value.startswith("data:"):
        media_type, data = _from_data_url(value)
        return _block_for(sniff(data) or media_type, data, data=data)
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        if value.startswith(_YOUTUBE):
            return VideoContent(url=value)
        media_type = mimetypes.guess_type(value.split("?", 1)[0])[0]
        return _block_for(media_type or "image/*", value, url=value)
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"an attachment is a path, a URL, bytes or a content block, got {type(value).__name__}")
    path = Path(value)
    if not path.is_file():
        raise FileNotFoundError(f"no such file to attach: {str(value)!r}")
    data = path.read_bytes()
    return _block_for(sniff(data) or mimetypes.guess_type(path.name)[0], path, data=data, name=path.name)


def _block_for(media_type: str | None, shown: object, *, name: str | None = None, **source: Any) -> ContentBlock:
    family = (media_type or "").split("/", 1)[0]
    if family == "image":
        return ImageContent(media_type=None if media_type == "image/*" else media_type, **source)
    if family == "audio":
        return AudioContent(media_type=media_type, **source)
    if family == "video":
        return VideoContent(media_type=media_type, **source)
    if media_type == "application/pdf" or family == "text":
        return DocumentContent(media_type=media_type, name=name, **source)
    what = f"{len(shown)} bytes" if isinstance(shown, bytes) else repr(str(shown))
    raise ValueError(
        f"cannot tell what {what} is ({media_type or 'unknown type'}); pass ImageContent, AudioContent, VideoContent or DocumentContent"
    )


def blocks_of(content: str | Iterable[Any]) -> tuple[ContentBlock, ...]:
    """Any accepted message content as a tuple of blocks; a plain string in a list is text, not a path."""
    if isinstance(content, str):
        return (TextContent(content),) if content else ()
    return tuple(TextContent(item) if isinstance(item, str) else attachment(item) for item in content)
