"""Speech: OpenAI's `/audio/speech`, which Groq speaks too; Mistral's, which answers with JSON; and Gemini's."""

from __future__ import annotations

import io
import json
import re
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, sniff
from lazybridge.core.endpoints.speech import Speech, SpeechRequest
from lazybridge.core.errors import ServerError, error_in_body
from lazybridge.core.types import Adjustment
from lazybridge.core.wire.endpoints import Endpoint, HTTPCall, decoded, with_extra
from lazybridge.core.wire.endpoints.gemini import answer, generation, media, resource


@dataclass(frozen=True, kw_only=True)
class OpenAISpeech(Endpoint[SpeechRequest, Speech]):
    """OpenAI's. `speed` and `instructions` say whether a vendor takes them; `default_voice` speaks where none is named."""

    # openai 3.54.0 `types/audio/speech_create_params.py`, groq 1.7.0 (the same file), mistralai 3.7.0
    # `models/speechrequest.py`; read 2026-11-22.
    binary: ClassVar[bool] = True
    sold_by: ClassVar[str] = "character"
    path: str = "/audio/speech"
    accept: str | None = "application/octet-stream"
    voice_field: str = "voice"
    default_voice: str | None = None
    speed: bool = True
    instructions: bool = True

    def call(self, request: SpeechRequest, model: ModelProfile) -> HTTPCall:
        """The call; what the vendor has no word for is an adjustment."""
        lost: list[Adjustment] = []
        body: dict[str, Any] = {"model": model.id, "input": request.text}
        voice = request.voice or self.default_voice
        if voice is not None:
            body[self.voice_field] = voice
        if request.format is not None:
            body["response_format"] = request.format
        for name in ("speed", "instructions"):
            value = getattr(request, name)
            if value is not None and getattr(self, name):
                body[name] = value
            elif value is not None:
                lost.append(Adjustment(name, "this API has no such parameter; nothing was sent"))
        headers = {"Accept": self.accept} if self.accept else None
        return HTTPCall(self.path, with_extra(body, request), headers=headers, adjustments=tuple(lost))

    def response(self, request: SpeechRequest, raw: Any) -> Speech:
        """The sound; nothing comes with it that says what was used."""
        if not raw:
            raise ServerError("the answer has no bytes")
        if raw[:1] == b"{":
            _refuse_error(raw)
        return Speech(audio=AudioContent(data=raw, media_type=_media_type(raw, request.format)))


@dataclass(frozen=True, kw_only=True)
class MistralSpeech(OpenAISpeech):
    """Mistral's: the sound is base64 in a JSON object."""

    binary: ClassVar[bool] = False

    def response(self, request: SpeechRequest, raw: Any) -> Speech:
        """The sound."""
        return super().response(request, decoded(raw.get("audio_data") if isinstance(raw, Mapping) else None))


@dataclass(frozen=True, kw_only=True)
class GeminiSpeech(Endpoint[SpeechRequest, Speech]):
    """Gemini's speaking models, by generateContent. They answer with samples without a header; format "wav" puts one on."""

    vertex: bool = False
    default_voice: str = "Kore"

    def call(self, request: SpeechRequest, model: ModelProfile) -> HTTPCall:
        """The call; what Gemini has no word for is an adjustment."""
        lost: list[Adjustment] = []
        if request.format not in (None, "pcm", "wav"):
            lost.append(Adjustment("format", f'Gemini speaks "pcm" or "wav", not {request.format!r}; it is PCM'))
        if request.speed is not None:
            lost.append(Adjustment("speed", 'Gemini has no such parameter; write instructions="speak slowly"'))
        # A recorded request; google-genai 3.4.0 `types.py` (SpeechMetadata) for the style, read 2026-11-22.
        voice = {"prebuiltVoiceConfig": {"voiceName": request.voice or self.default_voice}}
        config = {"responseModalities": ["AUDIO"], "speechConfig": {"voiceConfig": voice}}
        part: dict[str, Any] = {"text": request.text}
        if request.instructions is not None:
            part["speechMetadata"] = {"style": request.instructions}
        return generation(resource(model.id, self.vertex), [part], config, request, lost)

    def response(self, request: SpeechRequest, raw: Any) -> Speech:
        """The sound."""
        found = answer(raw)
        parts = list(media(raw, "audio/"))
        if not parts:
            raise ServerError(f"the answer has no sound{': ' + found.content if found.content else ''}")
        data, kind = b"".join(data for data, _ in parts), parts[0][1]
        if request.format == "wav" and kind is not None and kind.lower().startswith("audio/l16"):
            data, kind = _wav(data, kind), "audio/wav"
        audio = AudioContent(data=data, media_type=kind)
        return Speech(audio=audio, model=found.model, usage=found.usage, request_id=found.request_id)


def _refuse_error(data: bytes) -> None:
    """Raise the vendor's error, where that was sent with HTTP 200 in the place of the sound."""
    try:
        found = json.loads(data)
    except ValueError:  # samples may begin with any byte
        return
    raise error_in_body(found.get("error") or found, provider="")


_TYPES = {
    "aac": "audio/aac", "flac": "audio/flac", "mp3": "audio/mpeg", "mulaw": "audio/basic", "ogg": "audio/ogg",
    "opus": "audio/ogg", "pcm": "audio/pcm", "wav": "audio/wav",
}  # fmt: skip


def _media_type(data: bytes, format: str | None) -> str | None:
    """By what was asked where the bytes cannot tell: samples without a header begin with anything."""
    if format in ("pcm", "mulaw"):
        return _TYPES[format]
    return sniff(data) or _TYPES.get(format or "mp3")


def _wav(samples: bytes, kind: str) -> bytes:
    """Samples of 16 bits, one channel, with the header of a WAV file."""
    rate = re.search(r"rate=(\d+)", kind)
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(int(rate[1]) if rate else 24_000)
        written.writeframes(samples)
    return file.getvalue()
