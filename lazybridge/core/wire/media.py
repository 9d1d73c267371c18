"""Images and audio in an answer."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from lazybridge.core.content import AudioContent, ImageContent, Media
from lazybridge.core.media_types import sniff


def image(text: str | None, media_type: str | None = None) -> ImageContent | None:
    """An image from its base64; None where there is none."""
    data = decoded([text or ""])
    return ImageContent(data=data, media_type=sniff(data) or media_type) if data else None


def speech(pieces: Iterable[str]) -> AudioContent | None:
    """Spoken audio from its base64; None where there is none. Bare samples (PCM) do not show what they are."""
    data = decoded(pieces)
    return AudioContent(data=data, media_type=sniff(data)) if data else None


def decoded(pieces: Iterable[str]) -> bytes:
    """The bytes of base64 that came in pieces, which may be cut anywhere or padded each for itself."""
    found, rest = bytearray(), ""
    try:
        for piece in pieces:
            rest += "".join(piece.split())
            whole = len(rest) - len(rest) % 4
            found += base64.b64decode(rest[:whole], validate=True)
            rest = rest[whole:]
        found += base64.b64decode(rest + "=" * (-len(rest) % 4), validate=True)
    except ValueError as exc:  # an answer that was paid for is not thrown away for it
        warnings.warn(f"media in the answer is no base64 ({exc}); it is in `raw` alone", UserWarning, stacklevel=2)
        return b""
    return bytes(found)


def of_url(url: str) -> ImageContent | None:
    """An image at a URL; the bytes of a data: URL."""
    head, comma, text = url.partition(",")
    if comma and url.startswith("data:"):
        return image(text, head[5:].partition(";")[0] or None)
    return ImageContent(url=url) if url else None


def of_urls(images: Iterable[Mapping[str, Any]]) -> Iterator[ImageContent]:
    """The `images` of a message, each a `image_url` part: OpenRouter, and other gateways to image models.

    https://openrouter.ai/docs/features/multimodal/image-generation, read 2026-11-22.
    """
    for part in images:
        found = of_url((part.get("image_url") or {}).get("url") or "")
        if found is not None:
            yield found


def of_parts(parts: Iterable[Mapping[str, Any]]) -> Iterator[Media]:
    """The `inlineData` of Gemini's parts. What follows a piece of audio without a beginning of its own belongs to it;
    images of thoughts are drafts and no part of the answer."""
    inline = [part["inlineData"] for part in parts if part.get("inlineData") and not part.get("thought")]
    for kind, group in groupby(inline, key=lambda item: str(item.get("mimeType") or "")):
        family = kind.partition("/")[0]
        bare = any(word in kind.lower() for word in ("l16", "pcm"))  # samples alone, whatever they look like
        found: list[bytes] = []
        for item in group:
            data = decoded([item.get("data") or ""])
            if found and family == "audio" and (bare or sniff(data) is None):
                found[-1] += data
            elif data:
                found.append(data)
        for data in found:
            media_type = kind if bare else sniff(data) or kind
            if family == "image":
                yield ImageContent(data=data, media_type=media_type)
            elif family == "audio":
                yield AudioContent(data=data, media_type=media_type)
