"""`transcribe` against what OpenAI, Groq and Mistral answered, as recorded, and the forms that their SDKs' typed methods send."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from lazybridge import (
    AudioContent,
    Budget,
    BudgetExceeded,
    ProviderError,
    UnsupportedFeatureError,
    atranscribe,
    transcribe,
)
from lazybridge.core.endpoints.transcription import Transcription, TranscriptionRequest, TranscriptSegment
from tests.endpoints.conftest import Replay, recorded
from tests.endpoints.forms import Part, parts_of
from tests.endpoints.media_vendor import MediaVendor, Sent
from tests.endpoints.test_images import asynchronously

WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0"
WHOLE = [p for p in recorded("audio_transcription", "transcription") if not p.values[0] or not p.values[0]["streaming"]]
MODELS = {"openai": "gpt-4o-transcribe", "groq": "whisper-large-v3", "mistral": "voxtral-mini-latest"}


@pytest.mark.parametrize("record", WHOLE)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_the_words_and_the_usage_are_those_of_the_wire(
    record: dict[str, Any], asynchronous: bool, replay: Replay
) -> None:
    request = TranscriptionRequest(audio=AudioContent(data=WAV), file_name="a.wav", model=MODELS[record["provider"]])
    provider = replay.provider(record)
    if asynchronous:
        found = asyncio.run(asynchronously(provider, "transcription", request, Transcription))
    else:
        found = provider.ask("transcription", request, Transcription)
    expected, wire = record["expected"], json.loads(record["response_body"])
    assert found.text == expected["text"]
    assert len(found.segments) == (expected["n_segments"] or 0)
    assert found.language == wire.get("language")
    for segment, said in zip(found.segments, wire.get("segments", ()), strict=True):
        assert segment == (said["text"], said["start"], said["end"], said.get("speaker_id"))
    usage = expected["usage_wire"] or {}
    assert found.duration_s == wire.get("duration", usage.get("seconds", usage.get("prompt_audio_seconds")))
    assert found.usage.output_tokens == usage.get("output_tokens", usage.get("completion_tokens"))
    if "total_tokens" in usage:
        assert found.usage.total_tokens == usage["total_tokens"]
    details = usage.get("input_token_details", usage.get("prompt_tokens_details")) or {}
    assert found.usage.audio_input_tokens == details.get("audio_tokens")
    if record["id"] == "openai-cc2d9582578a":
        # 54 tokens of sound at 6 and 16 of text at 10 USD a million: genai-prices 0.2.3, read 2026-11-22.
        assert found.cost_usd == pytest.approx((54 * 6 + 16 * 10) / 1e6)
    else:
        assert found.cost_usd is None
        assert "prices by the minute are not known here" in found.receipt.reasons


@pytest.mark.parametrize("record", [p for p in WHOLE if not p.values[0] or p.values[0]["request_text"]])
def test_the_form_says_what_the_recorded_one_said(record: dict[str, Any], replay: Replay) -> None:
    said = json.loads(record["request_text"])
    request = TranscriptionRequest(
        audio=AudioContent(data=WAV),
        file_name="ruby.wav",
        model=said["model"],
        diarize=said["diarize"] == "true",
        timestamps=said["timestamp_granularities[]"],
    )
    replay.provider(record).ask("transcription", request, Transcription)
    sent = replay.requests[-1]
    fields = {name: content for name, _, _, content in parts_of(sent["headers"]["content-type"], sent["text"].encode())}
    assert fields.pop("file") == WAV
    # The recorded client puts brackets behind the name of a list; Mistral's own SDK does not.
    assert {name: value.decode() for name, value in fields.items()} == {
        name.removesuffix("[]"): value for name, value in said.items() if name != "file"
    }


@pytest.mark.parametrize("record", recorded("audio_transcription", "error"))
def test_a_refusal_has_its_kind(record: dict[str, Any], replay: Replay) -> None:
    with pytest.raises(ProviderError) as caught:
        transcribe(
            WAV, "whisper-1", extra_body={"response_format": "x"}, api_key="sk-secret-1", base_url=replay.url(record)
        )
    assert (caught.value.kind, caught.value.status_code) == ("invalid_request", 400)
    assert "sk-secret-1" not in repr(caught.value) + repr(vars(caught.value)) + repr(caught.value.__cause__)


# --- the forms of the SDKs' typed methods ---------------------------------------------------------------------------


def form(sent: Sent, without: tuple[Part, ...] = ()) -> list[Part]:
    return [part for part in parts_of(sent.headers["content-type"], sent.body) if part not in without]


FILE = ("talk.wav", WAV, "audio/wav")


def openais(url: str) -> None:
    import openai

    with openai.OpenAI(api_key="k", base_url=url) as client:
        hear = client.audio.transcriptions.create
        hear(model="m", file=FILE)
        hear(model="m", file=FILE, language="en", prompt="Zog", response_format="verbose_json", timestamp_granularities=["word"])  # fmt: skip
        hear(model="m", file=FILE, response_format="diarized_json", chunking_strategy="auto")


def groqs(url: str) -> None:
    import groq

    with groq.Groq(api_key="k", base_url=url) as client:
        hear = client.audio.transcriptions.create
        hear(model="m", file=FILE)
        hear(model="m", file=FILE, language="en", prompt="Zog", response_format="verbose_json", timestamp_granularities=["word"])  # fmt: skip


def mistrals(url: str) -> None:
    from mistralai.client import Mistral

    file: Any = {"file_name": "talk.wav", "content": WAV, "content_type": "audio/wav"}
    with Mistral(api_key="k", server_url=url) as client:
        hear = client.audio.transcriptions.complete
        hear(model="m", file=file)
        hear(model="m", file=file, language="en", timestamp_granularities=["word"])
        hear(model="m", file=file, diarize=True, timestamp_granularities=["segment"])


ASKED: list[dict[str, Any]] = [
    {},
    {"language": "en", "prompt": "Zog", "timestamps": "word"},
    {"diarize": True},
]


@pytest.mark.parametrize(("vendor", "typed"), [("openai", openais), ("groq", groqs), ("mistral", mistrals)])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_the_form_is_that_of_the_sdks_typed_method(
    vendor: str, typed: Any, asynchronous: bool, media_vendor: MediaVendor, tmp_path: Any
) -> None:
    media_vendor.answer = {"model": "m", "text": "hi", "language": "en", "usage": {}}
    typed(media_vendor.url)
    theirs = list(media_vendor.sent)
    (tmp_path / "talk.wav").write_bytes(WAV)
    for number, options in enumerate(ASKED[: len(theirs)]):
        wanted = {name: value for name, value in options.items() if (vendor, name) != ("mistral", "prompt")}
        more: dict[str, Any] = {"provider": vendor, "api_key": "k", "base_url": media_vendor.url}
        if asynchronous:
            asyncio.run(atranscribe(tmp_path / "talk.wav", "m", **wanted, **more))
        else:
            transcribe(tmp_path / "talk.wav", "m", **wanted, **more)
        ours = media_vendor.sent[-1]
        assert ours.path == theirs[number].path
        assert ours.headers["accept"] == theirs[number].headers["accept"]
        # mistralai writes out what the API takes for granted.
        granted = (("stream", None, None, b"false"), ("diarize", None, None, b"false"))
        assert form(ours) == form(theirs[number], granted)


# --- the whole call -------------------------------------------------------------------------------------------------


def openai_options(vendor: MediaVendor) -> dict[str, Any]:
    return {"model": "gpt-4o-transcribe-diarize", "api_key": "k", "base_url": vendor.url}


@pytest.mark.parametrize("record", [p for p in recorded("audio_transcription", "transcription") if not p.values[0] or ("diarize" in (p.values[0]["request_text"] or "") and p.values[0]["streaming"])])  # fmt: skip
def test_who_spoke_and_when(record: dict[str, Any], media_vendor: MediaVendor) -> None:
    # The segment and the end of the recorded stream, in the shape of openai 3.54.0 `types/audio/transcription_diarized.py`.
    lines = [line.removeprefix("data: ") for line in record["response_body"].splitlines() if line.startswith("data: {")]
    segment, done = map(json.loads, lines)
    media_vendor.answer = {"task": "transcribe", "duration": segment["end"], "segments": [segment], "text": done["text"], "usage": done["usage"]}  # fmt: skip
    found = transcribe(WAV, diarize=True, **openai_options(media_vendor))
    assert found.text == done["text"]
    assert found.segments == [TranscriptSegment(segment["text"], segment["start"], segment["end"], segment["speaker"])]
    assert found.duration_s == segment["end"]
    heard, wrote = done["usage"]["input_token_details"]["audio_tokens"], done["usage"]["output_tokens"]
    assert found.cost_usd == pytest.approx((heard * 6 + wrote * 10) / 1e6)  # genai-prices 0.2.3, read 2026-11-22
    with pytest.warns(UserWarning, match="times of segments"):
        found = transcribe(WAV, diarize=True, timestamps="word", **openai_options(media_vendor))
    assert [adjustment.parameter for adjustment in found.adjustments] == ["timestamps"]
    assert b"verbose_json" not in media_vendor.sent[-1].body


def test_a_count_that_does_not_divide_sound_and_text_has_no_price(media_vendor: MediaVendor) -> None:
    # openai 3.54.0 `types/audio/transcription.py`: `input_token_details` may be missing.
    media_vendor.answer = {"text": "hi", "usage": {"type": "tokens", "input_tokens": 9, "output_tokens": 1, "total_tokens": 10}}  # fmt: skip
    found = transcribe(WAV, "gpt-4o-transcribe", api_key="k", base_url=media_vendor.url)
    assert (found.usage.input_tokens, found.cost_usd) == (None, None)


def test_words_have_times(media_vendor: MediaVendor) -> None:
    # openai 3.54.0 `types/audio/transcription_verbose.py` and `transcription_word.py`.
    media_vendor.answer = {"duration": 1.5, "language": "english", "text": "hi", "words": [{"word": "hi", "start": 0.5, "end": 1.5}], "usage": {"type": "duration", "seconds": 2}}  # fmt: skip
    found = transcribe(WAV, "whisper-1", timestamps="word", api_key="k", base_url=media_vendor.url)
    assert found.words == [TranscriptSegment("hi", 0.5, 1.5)]
    assert (found.language, found.duration_s) == ("english", 1.5)


def test_what_a_vendor_cannot_take_is_said(media_vendor: MediaVendor) -> None:
    media_vendor.answer = {"text": "hi"}
    with pytest.warns(UserWarning, match="who spoke"):
        found = transcribe(WAV, "whisper-large-v3", diarize=True, api_key="k", base_url=media_vendor.url)
    assert [adjustment.parameter for adjustment in found.adjustments] == ["diarize"]
    with pytest.warns(UserWarning, match="prompt"):
        found = transcribe(WAV, "voxtral-mini-2602", prompt="Zog", api_key="k", base_url=media_vendor.url)
    assert [adjustment.parameter for adjustment in found.adjustments] == ["prompt"]
    with pytest.raises(UnsupportedFeatureError):
        transcribe(WAV, "whisper-large-v3", diarize=True, strict=True, api_key="k", base_url=media_vendor.url)
    with pytest.raises(UnsupportedFeatureError, match="anthropic has no endpoint for transcription"):
        transcribe(WAV, "claude-haiku-5-5", api_key="k")


def test_a_form_is_sent_whole_again(media_vendor: MediaVendor) -> None:
    media_vendor.answer, media_vendor.statuses = {"text": "hi"}, [503]
    found = transcribe(WAV, "whisper-1", api_key="k", base_url=media_vendor.url)
    assert [attempt.error for attempt in found.attempts] == ["overloaded", None]
    first, second = media_vendor.sent
    assert form(first) == form(second)
    with pytest.raises(BudgetExceeded, match="nobody can say"):
        transcribe(WAV, "whisper-1", budget=Budget(1), api_key="k", base_url=media_vendor.url)


@pytest.mark.parametrize(
    ("audio", "file_name", "media_type"),
    [
        (WAV, "audio.wav", "audio/wav"),
        (b"ID3\4", "audio.mp3", "audio/mpeg"),
        (b"fLaC", "audio.flac", "audio/flac"),
        (AudioContent(data=b"x", media_type="audio/mp4"), "audio.m4a", "audio/mp4"),
        (AudioContent(data=b"x", media_type="audio/x-m4a"), "audio.m4a", "audio/x-m4a"),
        (AudioContent(data=b"x", media_type="video/webm"), "audio.webm", "video/webm"),
    ],
)
def test_bytes_get_a_name_that_says_what_they_are(
    audio: Any, file_name: str, media_type: str, media_vendor: MediaVendor
) -> None:
    media_vendor.answer = {"text": "hi"}
    transcribe(audio, "whisper-1", api_key="k", base_url=media_vendor.url)
    file = next(part for part in form(media_vendor.sent[-1]) if part[0] == "file")
    assert file[1:3] == (file_name, media_type)


def test_recordings_that_are_none(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="cannot tell what 4 bytes are\nwrite AudioContent"):
        transcribe(b"what", "whisper-1", api_key="k")
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        transcribe("nothing-here.mp3", "whisper-1", api_key="k")
    with pytest.raises(ValueError, match="is a place, not a recording"):
        transcribe("https://a.test/talk.mp3", "whisper-1", api_key="k")
    with pytest.raises(ValueError, match="is a place, not a recording"):
        transcribe(AudioContent(url="https://a.test/talk.mp3"), "whisper-1", api_key="k")
    with pytest.raises(ValueError, match="timestamps='line'"):
        transcribe(WAV, "whisper-1", timestamps="line", api_key="k")  # type: ignore[arg-type]
