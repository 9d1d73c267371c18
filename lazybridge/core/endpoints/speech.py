"""Words, spoken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lazybridge.core.content import AudioContent
from lazybridge.core.download import Saves
from lazybridge.core.endpoints import EndpointRequest, EndpointResponse


@dataclass(frozen=True, kw_only=True)
class SpeechRequest(EndpointRequest):
    """What to say, and how: `voice` and `format` ("mp3", "wav", ...) are the vendor's own words, `speed` 1.0 is the voice's
    own. Raises ValueError for an empty text or a speed that is none."""

    text: str
    voice: str | None = None
    format: str | None = None
    speed: float | None = None
    instructions: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text:
            raise ValueError(f"text={self.text!r} says nothing\nwrite what to say, such as 'hello'")
        if self.speed is not None and not (isinstance(self.speed, (int, float)) and self.speed > 0):
            raise ValueError(f"speed={self.speed!r} is no speed\nspeed is a number above 0; 1.0 is the voice's own")


@dataclass(kw_only=True)
class Speech(Saves, EndpointResponse):
    """What was said: `audio.data` are the bytes (fal's is a URL, `audio.url`), `audio.media_type` says what they are."""

    _saved: ClassVar[str] = "audio"
    audio: AudioContent
