"""What fal's applications for pictures, video, sound and 3D take and answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import AudioContent, DocumentContent, ImageContent, VideoContent
from lazybridge.core.endpoints import EndpointRequest
from lazybridge.core.endpoints.media import (
    BackgroundRequest,
    EditedImage,
    GeneratedMusic,
    GeneratedShape,
    GeneratedVideo,
    MusicRequest,
    ShapeRequest,
    UpscaleRequest,
    VideoRequest,
)
from lazybridge.core.endpoints.speech import Speech, SpeechRequest
from lazybridge.core.endpoints.transcription import Transcription, TranscriptionRequest, TranscriptSegment
from lazybridge.core.errors import ServerError
from lazybridge.core.types import Adjustment
from lazybridge.core.wire.endpoints import HTTPCall, with_extra
from lazybridge.core.wire.endpoints.fal import FalEndpoint, place_of, result_of

Block = TypeVar("Block")


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _text(value: float) -> str:
    return str(_whole(value))


def _with_unit(value: float) -> str:
    return f"{_whole(value)}s"


def _milliseconds(value: float) -> int:
    return round(value * 1000)


@dataclass(frozen=True)
class Word:
    """What an application calls a parameter, and how it writes it; None is what it does not take."""

    name: str | None
    write: Callable[[Any], Any] = lambda value: value


_NONE = Word(None)
# Where an application differs from the words below. Each is what its page says, https://fal.ai/models/<application>/llms.txt,
# read 2026-11-22.
_OWN_WORDS: Mapping[str, Mapping[str, Word]] = {
    "fal-ai/esrgan": {"upscale_factor": Word("scale")},
    "fal-ai/kling-video/v2.5-turbo/pro/text-to-video": {"duration": Word("duration", _text), "resolution": _NONE},
    "fal-ai/kling-video/v2.5-turbo/pro/image-to-video": {
        "duration": Word("duration", _text),
        "resolution": _NONE,
        "aspect_ratio": _NONE,
    },
    "fal-ai/veo3.1": {"duration": Word("duration", _with_unit)},
    "fal-ai/veo3.1/image-to-video": {"duration": Word("duration", _with_unit)},
    "fal-ai/elevenlabs/music": {"seconds_total": Word("music_length_ms", _milliseconds)},
    "fal-ai/minimax/speech-2.8-hd": {"text": Word("prompt"), "voice": _NONE, "speed": _NONE},
    "fal-ai/trellis-2": {"prompt": _NONE},
}


def _call(
    request: EndpointRequest, model: ModelProfile, lost: Mapping[str, Any] | None = None, **said: tuple[str, Any]
) -> HTTPCall:
    """The call: `said` has, by the word that most applications have for it, what the caller calls it and its value; `lost`
    is what none has a word for."""
    own = _OWN_WORDS.get(model.id, {})
    body: dict[str, Any] = {}
    missing = [name for name, value in (lost or {}).items() if value is not None]
    for usual, (name, value) in said.items():
        if value is None:
            continue
        word = own.get(usual, Word(usual))
        if word.name is None:
            missing.append(name)
        else:
            body[word.name] = word.write(value)
    reason = "the application has no such parameter; nothing was sent"
    adjustments = tuple(Adjustment(name, reason) for name in missing)
    return HTTPCall(model.id, with_extra(body, request), adjustments=adjustments)


def _place(image: ImageContent | None) -> str | None:
    """A picture's URL, or itself as one. Raises UnsupportedFeatureError for an image by file id."""
    return None if image is None else place_of(image)


def _only(blocks: tuple[Block, ...], what: str) -> Block:
    if not blocks:
        raise ServerError(f"the answer has no {what}")
    return blocks[0]


@dataclass(frozen=True, kw_only=True)
class FalUpscale(FalEndpoint[UpscaleRequest, EditedImage]):
    """Larger pictures."""

    default_model: str | None = "fal-ai/clarity-upscaler"

    def call(self, request: UpscaleRequest, model: ModelProfile) -> HTTPCall:
        """The application and its arguments."""
        scale = None if request.scale is None else _whole(request.scale)
        return _call(request, model, image_url=("image", _place(request.image)), upscale_factor=("scale", scale))

    def response(self, request: UpscaleRequest, raw: Any) -> EditedImage:
        """The picture."""
        return EditedImage(image=_only(result_of(raw, {}, "").images, "image"))


@dataclass(frozen=True, kw_only=True)
class FalBackground(FalEndpoint[BackgroundRequest, EditedImage]):
    """Pictures without a background."""

    default_model: str | None = "fal-ai/birefnet/v2"

    def call(self, request: BackgroundRequest, model: ModelProfile) -> HTTPCall:
        """The application and its arguments."""
        return _call(request, model, image_url=("image", _place(request.image)))

    def response(self, request: BackgroundRequest, raw: Any) -> EditedImage:
        """The picture."""
        return EditedImage(image=_only(result_of(raw, {}, "").images, "image"))


@dataclass(frozen=True, kw_only=True)
class FalVideo(FalEndpoint[VideoRequest, GeneratedVideo]):
    """Video from words, or from a picture and words."""

    default_model: str | None = "fal-ai/kling-video/v2.5-turbo/pro/text-to-video"

    def call(self, request: VideoRequest, model: ModelProfile) -> HTTPCall:
        """The application and its arguments."""
        return _call(
            request,
            model,
            prompt=("prompt", request.prompt),
            image_url=("image", _place(request.image)),
            duration=("duration_s", None if request.duration_s is None else _whole(request.duration_s)),
            aspect_ratio=("aspect_ratio", request.aspect_ratio),
            resolution=("resolution", request.resolution),
        )

    def response(self, request: VideoRequest, raw: Any) -> GeneratedVideo:
        """The video."""
        found: VideoContent = _only(result_of(raw, {}, "").video, "video")
        return GeneratedVideo(video=found)


@dataclass(frozen=True, kw_only=True)
class FalMusic(FalEndpoint[MusicRequest, GeneratedMusic]):
    """Music from words."""

    default_model: str | None = "fal-ai/stable-audio-25/text-to-audio"

    def call(self, request: MusicRequest, model: ModelProfile) -> HTTPCall:
        """The application and its arguments."""
        seconds = None if request.duration_s is None else _whole(request.duration_s)
        return _call(request, model, prompt=("prompt", request.prompt), seconds_total=("duration_s", seconds))

    def response(self, request: MusicRequest, raw: Any) -> GeneratedMusic:
        """The music."""
        found: AudioContent = _only(result_of(raw, {}, "").audio, "audio")
        return GeneratedMusic(audio=found)


@dataclass(frozen=True, kw_only=True)
class FalShapes(FalEndpoint[ShapeRequest, GeneratedShape]):
    """3D models from a picture, and where an application takes them, words."""

    default_model: str | None = "fal-ai/trellis-2"

    def call(self, request: ShapeRequest, model: ModelProfile) -> HTTPCall:
        """The application and its arguments."""
        image = _place(request.image)
        return _call(request, model, image_url=("image", image), prompt=("prompt", request.prompt))

    def response(self, request: ShapeRequest, raw: Any) -> GeneratedShape:
        """The model: the file whose name begins with "model", or the first."""
        files = result_of(raw, {}, "").files
        models = _models(raw, files)
        return GeneratedShape(file=_only(models or files, "3D model"), files=files)


def _models(raw: Any, files: tuple[DocumentContent, ...]) -> tuple[DocumentContent, ...]:
    answer = raw if isinstance(raw, Mapping) else {}
    named = {file.get("url") for name, file in answer.items() if name.startswith("model") and isinstance(file, Mapping)}
    return tuple(file for file in files if file.url in named)


@dataclass(frozen=True, kw_only=True)
class FalSpeech(FalEndpoint[SpeechRequest, Speech]):
    """Speech, asked directly."""

    queued: ClassVar[bool] = False
    default_model: str | None = "fal-ai/elevenlabs/tts/turbo-v2.5"

    def call(self, request: SpeechRequest, model: ModelProfile) -> HTTPCall:
        """The application and its arguments."""
        return _call(
            request,
            model,
            {"format": request.format, "instructions": request.instructions},
            text=("text", request.text),
            voice=("voice", request.voice),
            speed=("speed", request.speed),
        )

    def response(self, request: SpeechRequest, raw: Any) -> Speech:
        """The sound, as a URL."""
        found: AudioContent = _only(result_of(raw, {}, "").audio, "audio")
        return Speech(audio=found)


@dataclass(frozen=True, kw_only=True)
class FalTranscription(FalEndpoint[TranscriptionRequest, Transcription]):
    """Transcriptions; the recording travels in the arguments."""

    default_model: str | None = "fal-ai/whisper"

    def call(self, request: TranscriptionRequest, model: ModelProfile) -> HTTPCall:
        """The application and its arguments."""
        return _call(
            request,
            model,
            audio_url=("audio", request.audio.data_url),
            language=("language", request.language),
            prompt=("prompt", request.prompt),
            chunk_level=("timestamps", request.timestamps),
            diarize=("diarize", request.diarize),
        )

    def response(self, request: TranscriptionRequest, raw: Any) -> Transcription:
        """What was said."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("text"), str):
            raise ServerError("the answer has no text")
        chunks = [_chunk(chunk) for chunk in raw.get("chunks") or () if isinstance(chunk, Mapping)]
        words = request.timestamps == "word"
        # fal-ai/whisper calls them the first, fal-ai/wizper the second.
        languages = raw.get("inferred_languages") or raw.get("languages") or ()
        return Transcription(
            text=raw["text"],
            words=chunks if words else [],
            segments=[] if words else chunks,
            language=next(iter(languages), None),
        )


def _chunk(chunk: Mapping[str, Any]) -> TranscriptSegment:
    start, end = (*(chunk.get("timestamp") or ()), None, None)[:2]
    return TranscriptSegment(chunk.get("text") or "", start, end, chunk.get("speaker"))
