"""What was said, in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from lazybridge.core.content import AudioContent
from lazybridge.core.endpoints import EndpointRequest, EndpointResponse

Timestamps = Literal["segment", "word"]


@dataclass(frozen=True, kw_only=True)
class TranscriptionRequest(EndpointRequest):
    """The bytes of a recording, and the `file_name` that says what they are. `language` is a code such as "en"; `prompt`
    are words to expect. `timestamps` asks when each segment or word was said, `diarize` who said it.
    Raises ValueError for a recording without bytes or an unknown kind of timestamps."""

    audio: AudioContent
    file_name: str
    language: str | None = None
    prompt: str | None = None
    timestamps: Timestamps | None = None
    diarize: bool | None = None

    def __post_init__(self) -> None:
        if self.audio.data is None:
            place = self.audio.url or self.audio.file_id
            raise ValueError(
                f"{place!r} is a place, not a recording\nread it first: AudioContent.from_path('talk.mp3')"
            )
        if self.timestamps not in (None, "segment", "word"):
            raise ValueError(f"timestamps={self.timestamps!r} is neither 'segment' nor 'word'")


class TranscriptSegment(NamedTuple):
    """A part of what was said; `start_s` and `end_s` are seconds from the beginning, `speaker` is the vendor's name for one."""

    text: str
    start_s: float | None = None
    end_s: float | None = None
    speaker: str | None = None


@dataclass(kw_only=True)
class Transcription(EndpointResponse):
    """What was said. `segments` and `words` hold what the vendor told of them; `duration_s` is how long the recording is by
    the vendor's count, in seconds; `language` is what the vendor calls the language that it heard."""

    text: str
    segments: list[TranscriptSegment] = field(default_factory=list, repr=False)
    words: list[TranscriptSegment] = field(default_factory=list, repr=False)
    language: str | None = None
    duration_s: float | None = None
