"""What the pages of fal's applications give as an example: arguments, and the answer to them.

https://fal.ai/models/<application>/llms.txt (fal-ai/trellis-2: https://fal.ai/docs/model-api-reference/3d-api/trellis-2), read
2026-11-22, prompts shortened. Where a page leaves a URL empty, a name that it gives elsewhere stands in. The answer of
fal-ai/whisper is the one that @ai-sdk/fal is tested on (vercel/ai, packages/fal/src/__fixtures__/fal-transcription-result.json).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import lazybridge
from lazybridge.core.content import AudioContent, ImageContent

IMAGE = "https://storage.googleapis.com/falserverless/example_inputs/birefnet-input.jpeg"
_FIXTURES = Path(__file__).parents[1] / "providers" / "aimock_fal.json"
_SOUND = AudioContent(data=b"ID3\x04" + bytes(16), media_type="audio/mpeg")


class Page(NamedTuple):
    """A call of a function of lazybridge's, and the arguments that its application's page has for the same."""

    function: str
    given: tuple[Any, ...]
    options: dict[str, Any]
    application: str
    arguments: dict[str, Any]
    found: Callable[[Any], Any]

    @property
    def answer(self) -> Any:
        """The answer, as the page has it."""
        return answer_of(self.application)

    def ask(self, **options: Any) -> Any:
        return getattr(lazybridge, self.function)(*self.given, **{**self.options, **options})

    async def aask(self, **options: Any) -> Any:
        return await getattr(lazybridge, f"a{self.function}")(*self.given, **{**self.options, **options})


def answer_of(application: str) -> Any:
    fixtures = json.loads(_FIXTURES.read_text())["fixtures"]
    return next(f["response"]["json"] for f in fixtures if f["match"]["model"] == application)


PAGES = [
    Page(
        "generate_video", ("A noble lord walks among his people.",), {"duration_s": 5, "aspect_ratio": "16:9"},
        "fal-ai/kling-video/v2.5-turbo/pro/text-to-video",
        {"prompt": "A noble lord walks among his people.", "duration": "5", "aspect_ratio": "16:9"},
        lambda made: made.video.url,
    ),
    Page(
        "generate_video", ("A stark starting line divides two powerful cars.",),
        {"image": ImageContent(url=IMAGE), "duration_s": 5.0},
        "fal-ai/kling-video/v2.5-turbo/pro/image-to-video",
        {"prompt": "A stark starting line divides two powerful cars.", "image_url": IMAGE, "duration": "5"},
        lambda made: made.video.url,
    ),
    Page(
        "generate_video", ("Two person street interview in New York City.", "fal-ai/veo3.1"),
        {"duration_s": 8, "aspect_ratio": "16:9", "resolution": "720p", "extra_body": {"generate_audio": True}},
        "fal-ai/veo3.1",
        {"prompt": "Two person street interview in New York City.", "duration": "8s", "aspect_ratio": "16:9",
         "resolution": "720p", "generate_audio": True},
        lambda made: made.video.url,
    ),
    Page(
        "upscale_image", (IMAGE,), {"scale": 2.0},
        "fal-ai/clarity-upscaler", {"image_url": IMAGE, "upscale_factor": 2},
        lambda made: made.image.url,
    ),
    Page(
        "remove_background", (IMAGE,), {"extra_body": {"output_format": "png"}},
        "fal-ai/birefnet/v2", {"image_url": IMAGE, "output_format": "png"},
        lambda made: made.image.url,
    ),
    Page(
        "generate_music", ("A beautiful piano arpeggio grows into a grand orchestral climax",), {"duration_s": 190},
        "fal-ai/stable-audio-25/text-to-audio",
        {"prompt": "A beautiful piano arpeggio grows into a grand orchestral climax", "seconds_total": 190},
        lambda made: made.audio.url,
    ),
    Page(
        "generate_music", ("Mysterious original soundtrack.", "fal-ai/elevenlabs/music"), {"duration_s": 3.5},
        "fal-ai/elevenlabs/music", {"prompt": "Mysterious original soundtrack.", "music_length_ms": 3500},
        lambda made: made.audio.url,
    ),
    Page(
        "generate_3d", (IMAGE,), {"extra_body": {"resolution": 1024}},
        "fal-ai/trellis-2", {"image_url": IMAGE, "resolution": 1024},
        lambda made: made.file.url,
    ),
    Page(
        "speak", ("Hello! How does it sound?",), {"voice": "Aria", "speed": 1, "provider": "fal"},
        "fal-ai/elevenlabs/tts/turbo-v2.5", {"text": "Hello! How does it sound?", "voice": "Aria", "speed": 1},
        lambda made: made.audio.url,
    ),
    Page(
        "transcribe", (_SOUND,), {"language": "en", "timestamps": "segment", "diarize": False, "provider": "fal"},
        "fal-ai/whisper",
        {"audio_url": _SOUND.data_url, "language": "en", "chunk_level": "segment", "diarize": False},
        lambda made: (made.text, made.segments[0].start_s, made.segments[0].end_s, made.language),
    ),
]  # fmt: skip


def expected(page: Page) -> Any:
    """What `found` gives, read off the answer by eye."""
    answer = page.answer
    if page.function == "transcribe":
        return (answer["text"], *answer["chunks"][0]["timestamp"], "en")
    (file,) = answer.values()
    return file if isinstance(file, str) else file["url"]
