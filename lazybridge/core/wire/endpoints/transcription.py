"""Transcriptions: OpenAI's `/audio/transcriptions`, which Groq and Mistral speak too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.endpoints.transcription import Transcription, TranscriptionRequest, TranscriptSegment
from lazybridge.core.errors import ServerError
from lazybridge.core.types import Adjustment
from lazybridge.core.usage import UsageStats
from lazybridge.core.wire import number
from lazybridge.core.wire.endpoints import Endpoint, HTTPCall, with_extra


@dataclass(frozen=True, kw_only=True)
class TranscriptionEndpoint(Endpoint[TranscriptionRequest, Transcription]):
    """A form with a file. `formats`: the shape of the answer is asked for with it, as OpenAI and Groq want. `diarized` is
    what a vendor sends to be told who spoke, beside that shape; None where none can tell. `prompt`: whether it takes one."""

    # openai 3.54.0 `types/audio/transcription_create_params.py`, groq 1.7.0 (the same file), mistralai 3.7.0
    # `models/audiotranscriptionrequest.py`; recorded requests; read 2026-11-22.
    sold_by: ClassVar[str] = "minute"
    path: str = "/audio/transcriptions"
    formats: bool = True
    diarized: tuple[tuple[str, Any], ...] | None = None
    prompt: bool = True

    def call(self, request: TranscriptionRequest, model: ModelProfile) -> HTTPCall:
        """The call; what the vendor has no word for is an adjustment."""
        lost: list[Adjustment] = []
        body: dict[str, Any] = {"model": model.id}
        if request.language is not None:
            body["language"] = request.language
        if request.prompt is not None and self.prompt:
            body["prompt"] = request.prompt
        elif request.prompt is not None:
            lost.append(Adjustment("prompt", "this API has no such parameter; nothing was sent"))
        timestamps = request.timestamps
        if request.diarize and self.diarized is None:
            lost.append(Adjustment("diarize", "this API cannot tell who spoke; nothing was sent"))
        elif request.diarize and self.diarized is not None:
            body |= dict(self.diarized)
            if timestamps == "word" and self.formats:
                lost.append(
                    Adjustment("timestamps", "who spoke is told with times of segments alone; nothing was sent")
                )
            timestamps = None if self.formats else timestamps or "segment"  # a speaker stands on a segment
        if timestamps is not None:
            body["timestamp_granularities"] = [timestamps]
            if self.formats:
                body["response_format"] = "verbose_json"
        audio = request.audio
        file = (request.file_name, audio.data or b"", audio.media_type or "application/octet-stream")
        return HTTPCall(self.path, with_extra(body, request), files=(("file", file),), adjustments=tuple(lost))

    def response(self, request: TranscriptionRequest, raw: Any) -> Transcription:
        """What was said."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("text"), str):
            raise ServerError("the answer has no text")
        usage: Mapping[str, Any] = raw.get("usage") or {}
        heard = [item.get("code") for item in raw.get("languages") or ()]
        seconds = (raw.get("duration"), usage.get("seconds"), usage.get("prompt_audio_seconds"))
        return Transcription(
            text=raw["text"],
            segments=list(_segments(raw.get("segments"))),
            words=list(_segments(raw.get("words"))),
            language=raw.get("language") or next(iter(heard), None),
            duration_s=next(
                (float(value) for value in seconds if isinstance(value, (int, float, str)) and value), None
            ),
            model=raw.get("model") or None,
            request_id=(raw.get("x_groq") or {}).get("id"),
            usage=_usage(usage),
        )


def _segments(found: Any) -> Iterator[TranscriptSegment]:
    for item in found or ():
        text = item.get("text", item.get("word")) or ""
        speaker = item.get("speaker") or item.get("speaker_id")
        yield TranscriptSegment(text, item.get("start"), item.get("end"), speaker)


def _usage(usage: Mapping[str, Any]) -> UsageStats:
    """Tokens, where the vendor counts them; Mistral counts those of the sound apart, and in the total alone.

    Sound and text have prices of their own: a count of OpenAI's that does not divide them is none."""
    read, wrote = number(usage, "input_tokens", "prompt_tokens"), number(usage, "output_tokens", "completion_tokens")
    total = number(usage, "total_tokens")
    if read is not None and wrote is not None and total is not None:
        read = max(read, total - wrote)
    details = usage.get("input_token_details") or usage.get("prompt_tokens_details")
    if details is None and "input_tokens" in usage:
        read = None
    return UsageStats(
        read,
        wrote,
        audio_input_tokens=number(details, "audio_tokens"),
        cached_input_tokens=number(details, "cached_tokens"),
        service_tier=usage.get("service_tier"),
    )
