"""`generate_image`, `speak`, `transcribe`: pictures and sound, by any vendor that makes or hears them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Unpack

from lazybridge.core.content import Attachment, AudioContent, ContentBlock, ImageContent, attachment
from lazybridge.core.endpoints.images import GeneratedImages, ImageRequest
from lazybridge.core.endpoints.speech import Speech, SpeechRequest
from lazybridge.core.endpoints.transcription import Timestamps, Transcription, TranscriptionRequest
from lazybridge.endpoint_call import CallOptions, conceal, endpoint_run
from lazybridge.endpoint_run import EndpointRun

_DRAW = 'generate_image("a red circle", model="gpt-image-2.5-flare")'
_SAY = 'speak("hello", model="gpt-4o-mini-tts")'
_HEAR = 'transcribe("talk.mp3", model="gpt-4o-transcribe")'


def generate_image(
    prompt: str,
    model: str | None = None,
    *,
    images: Attachment | Iterable[Attachment] = (),
    size: str | None = None,
    quality: str | None = None,
    n: int | None = None,
    **options: Unpack[CallOptions],
) -> GeneratedImages:
    """Pictures of what the prompt says, or `images` (paths, URLs, bytes) changed as it says, and what they cost.

    `size`, `quality` and `n`, how many, go to the vendor in its own words: "1024x1024" at OpenAI, "16:9" or "2K" at
    Google. What a vendor cannot take is in `.adjustments`; other parameters of its API go in `extra_body=`.
    `options` are those of `CallOptions`: `provider=`, `timeout=` in seconds, `budget=`, `api_key=`, `base_url=` and others.
    Nobody can say before what a picture costs, so a budget refuses unless it has `unknown="allow"`.
    Raises ConfigurationError for a missing key or an unknown model, UnsupportedFeatureError where the vendor draws
    nothing here, ValueError for an empty prompt or an image that is none, FileNotFoundError, BudgetExceeded, and
    ProviderError, with `.attempts` and `.receipt`, for a failed call; its kind is `content_policy` for a refused one.
    """
    run, request = _picture(prompt, model, images, size, quality, n, options)
    return run.told(run.ask("images", request, GeneratedImages))


async def agenerate_image(
    prompt: str,
    model: str | None = None,
    *,
    images: Attachment | Iterable[Attachment] = (),
    size: str | None = None,
    quality: str | None = None,
    n: int | None = None,
    **options: Unpack[CallOptions],
) -> GeneratedImages:
    """`generate_image`, on the running event loop."""
    run, request = _picture(prompt, model, images, size, quality, n, options)
    return run.told(await run.aask("images", request, GeneratedImages))


def speak(
    text: str,
    model: str | None = None,
    *,
    voice: str | None = None,
    format: str | None = None,
    speed: float | None = None,
    instructions: str | None = None,
    **options: Unpack[CallOptions],
) -> Speech:
    """The text, spoken: `.audio.data` are the bytes, `.audio.media_type` says what they are.

    `voice` is one of the vendor's; OpenAI and Google have one of their own where none is named. `format` is "mp3", "wav"
    or another that the vendor knows, `speed` 1.0 the voice's own, `instructions` say how to speak. What a vendor cannot
    take is in `.adjustments`. `options` and errors are those of `generate_image`.
    """
    run, request = _spoken(text, model, voice, format, speed, instructions, options)
    return run.told(run.ask("speech", request, Speech))


async def aspeak(
    text: str,
    model: str | None = None,
    *,
    voice: str | None = None,
    format: str | None = None,
    speed: float | None = None,
    instructions: str | None = None,
    **options: Unpack[CallOptions],
) -> Speech:
    """`speak`, on the running event loop."""
    run, request = _spoken(text, model, voice, format, speed, instructions, options)
    return run.told(await run.aask("speech", request, Speech))


def transcribe(
    audio: str | os.PathLike[str] | bytes | AudioContent,
    model: str | None = None,
    *,
    language: str | None = None,
    prompt: str | None = None,
    timestamps: Timestamps | None = None,
    diarize: bool | None = None,
    **options: Unpack[CallOptions],
) -> Transcription:
    """What is said in a recording, by path or bytes: `.text`, and `.segments` where they were asked for or come unasked.

    `language` is a code such as "en"; `prompt` are words to expect; `timestamps` "segment" or "word" asks when each was
    said, in seconds, and `diarize=True` who said it. What a vendor cannot take is in `.adjustments`; a model that cannot
    do what its vendor's API can is refused by the vendor. `options` and errors are those of `generate_image`.
    """
    run, request = _heard(audio, model, language, prompt, timestamps, diarize, options)
    return run.told(run.ask("transcription", request, Transcription))


async def atranscribe(
    audio: str | os.PathLike[str] | bytes | AudioContent,
    model: str | None = None,
    *,
    language: str | None = None,
    prompt: str | None = None,
    timestamps: Timestamps | None = None,
    diarize: bool | None = None,
    **options: Unpack[CallOptions],
) -> Transcription:
    """`transcribe`, on the running event loop."""
    run, request = _heard(audio, model, language, prompt, timestamps, diarize, options)
    return run.told(await run.aask("transcription", request, Transcription))


def _picture(
    prompt: str, model: str | None, images: Attachment | Iterable[Attachment], size: str | None, quality: str | None,
    n: int | None, options: CallOptions,
) -> tuple[EndpointRun, ImageRequest]:  # fmt: skip
    conceal(options)
    given = (images,) if isinstance(images, (str, bytes, os.PathLike, ContentBlock)) else images
    blocks = [attachment(image) for image in given]
    found = tuple(block for block in blocks if isinstance(block, ImageContent))
    if len(found) < len(blocks):
        wrong = next(type(block).__name__ for block in blocks if not isinstance(block, ImageContent))
        raise ValueError(f"images holds a {wrong}\nwrite images, such as images=['photo.png']")
    run, common = endpoint_run(model, options, _DRAW)
    return run, ImageRequest(prompt=prompt, images=found, size=size, quality=quality, n=n, **common)


def _spoken(
    text: str, model: str | None, voice: str | None, format: str | None, speed: float | None, instructions: str | None,
    options: CallOptions,
) -> tuple[EndpointRun, SpeechRequest]:  # fmt: skip
    conceal(options)
    run, common = endpoint_run(model, options, _SAY)
    return run, SpeechRequest(text=text, voice=voice, format=format, speed=speed, instructions=instructions, **common)


def _heard(
    audio: str | os.PathLike[str] | bytes | AudioContent, model: str | None, language: str | None, prompt: str | None,
    timestamps: Timestamps | None, diarize: bool | None, options: CallOptions,
) -> tuple[EndpointRun, TranscriptionRequest]:  # fmt: skip
    conceal(options)
    file_name = None
    if isinstance(audio, bytes):
        audio = AudioContent(data=audio)
    elif not isinstance(audio, AudioContent):
        if isinstance(audio, str) and audio.startswith(("http://", "https://")):
            raise ValueError(f"{audio!r} is a place, not a recording\nread it first, and pass its bytes or its path")
        file_name, audio = Path(audio).name, AudioContent.from_path(audio)
    run, common = endpoint_run(model, options, _HEAR)
    return run, TranscriptionRequest(
        audio=audio,
        file_name=file_name or _file_name(audio),
        language=language,
        prompt=prompt,
        timestamps=timestamps,
        diarize=diarize,
        **common,
    )


def _file_name(audio: AudioContent) -> str:
    """A name for bytes that have none: vendors go by its ending."""
    if audio.data is not None and audio.format is None:
        raise ValueError(
            f"cannot tell what {len(audio.data)} bytes are\n"
            'write AudioContent(data=..., media_type="audio/mp4"), or pass the path of the file'
        )
    return f"audio.{(audio.format or '').rpartition('/')[2].removeprefix('x-')}"
