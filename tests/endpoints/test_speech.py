"""`speak` against what OpenAI, Mistral and Google were sent and answered, as recorded, and what the SDKs' typed methods send."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from typing import Any

import pytest

from lazybridge import Budget, BudgetExceeded, ConfigurationError, ProviderError, aspeak, speak
from lazybridge.core.endpoints.speech import Speech, SpeechRequest
from lazybridge.core.errors import ProviderTimeoutError
from tests.endpoints.conftest import Replay, recorded
from tests.endpoints.media_vendor import MediaVendor
from tests.endpoints.test_images import asynchronously
from tests.endpoints.vendor import Dripping
from tests.wire.sdk_types import body_errors


@pytest.mark.parametrize("record", recorded("audio_speech", "binary"))
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_openais_sound_is_the_bytes_that_came(record: dict[str, Any], asynchronous: bool, replay: Replay) -> None:
    sent = record["request_json"]
    request = SpeechRequest(
        text=sent["input"],
        model=sent["model"],
        voice=sent["voice"],
        format=sent.get("response_format"),
        speed=sent["speed"],
        instructions=sent.get("instructions"),
    )
    provider = replay.provider(record)
    if asynchronous:
        found = asyncio.run(asynchronously(provider, "speech", request, Speech))
    else:
        found = provider.ask("speech", request, Speech)
    assert replay.requests[-1]["json"] == sent
    assert found.audio.data == base64.b64decode(record["response_body"])
    assert found.audio.media_type == record["response_headers"]["content-type"]
    assert found.model == sent["model"]
    assert found.usage.input_tokens is None
    assert found.cost_usd is None
    assert "prices by the character are not known here" in found.receipt.reasons


@pytest.mark.parametrize("record", recorded("audio_speech", "other"))
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_mistrals_sound_stands_in_json(record: dict[str, Any], asynchronous: bool, replay: Replay) -> None:
    sent = record["request_json"]
    request = SpeechRequest(text=sent["input"], model=sent["model"], voice=sent["voice"])
    provider = replay.provider(record)
    if asynchronous:
        found = asyncio.run(asynchronously(provider, "speech", request, Speech))
    else:
        found = provider.ask("speech", request, Speech)
    assert found.audio.data == base64.b64decode(json.loads(record["response_body"])["audio_data"])
    assert found.audio.media_type == "audio/mpeg"
    assert found.request_id == record["response_headers"]["mistral-correlation-id"]
    # The SDK's type, and Mistral's own page, say `voice_id`; the recorded client said `voice`.
    assert replay.requests[-1]["json"] == {("voice_id" if name == "voice" else name): sent[name] for name in sent}


def spoken_by_google() -> list[Any]:
    found = recorded("google_generate", "generation")
    return [p for p in found if not p.values[0] or "audio_output" in p.values[0]["tags"]]


@pytest.mark.parametrize("record", spoken_by_google())
@pytest.mark.parametrize("format", [None, "wav"])
def test_geminis_samples_get_a_header_where_one_is_asked_for(
    record: dict[str, Any], format: str | None, replay: Replay
) -> None:
    said = record["request_json"]
    text = said["contents"][0]["parts"][0]["text"] if said else "hello"
    request = SpeechRequest(text=text, model="gemini-2.5-flash-preview-tts", voice="Kore", format=format)
    found = replay.provider(record).ask("speech", request, Speech)
    inline = json.loads(record["response_body"])["candidates"][0]["content"]["parts"][0]["inlineData"]
    if format is None or inline["mimeType"] == "audio/wav":
        assert (found.audio.base64, found.audio.media_type) == (inline["data"], inline["mimeType"])
    else:
        assert found.audio.media_type == "audio/wav"
        assert found.audio.data is not None
        with wave.open(io.BytesIO(found.audio.data)) as read:
            assert (read.getframerate(), read.getsampwidth(), read.getnchannels()) == (24_000, 2, 1)
            assert base64.b64encode(read.readframes(read.getnframes())).decode() == inline["data"]
    if said:
        assert replay.requests[-1]["json"] == {name: value for name, value in said.items() if name != "model"}
        # 11 tokens of text at 0.50 and 111 of sound at 10 USD a million: genai-prices 0.2.3, read 2026-11-22.
        assert found.usage.audio_output_tokens == 111
        assert found.cost_usd == pytest.approx((11 * 0.5 + 111 * 10) / 1e6)


@pytest.mark.parametrize("record", spoken_by_google()[:1])
def test_gemini_is_told_how_to_speak(record: dict[str, Any], replay: Replay) -> None:
    request = SpeechRequest(text="hello", model="gemini-3.8-flash-tts", instructions="slowly")
    provider = replay.provider(record)
    provider.ask("speech", request, Speech)
    sent = replay.requests[-1]["json"]
    assert sent["contents"][0]["parts"] == [{"text": "hello", "speechMetadata": {"style": "slowly"}}]
    assert not body_errors("gemini", {"model": request.model, **sent})
    with pytest.warns(UserWarning, match="google/"):
        lost = provider.ask(
            "speech", SpeechRequest(text="x", model="gemini-3.8-flash-tts", speed=2, format="mp3"), Speech
        )
    assert [adjustment.parameter for adjustment in lost.adjustments] == ["format", "speed"]


def test_the_sdks_typed_methods_send_the_same(media_vendor: MediaVendor) -> None:
    import groq
    import openai
    from mistralai.client import Mistral

    media_vendor.answer = b"RIFF\0\0\0\0WAVEfmt "
    url = media_vendor.url
    with openai.OpenAI(api_key="k", base_url=url) as client:
        client.audio.speech.create(
            model="gpt-4o-mini-tts", input="hi", voice="ash", response_format="wav", speed=1.5, instructions="softly"
        )
    speak("hi", "gpt-4o-mini-tts", voice="ash", format="wav", speed=1.5, instructions="softly", api_key="k", base_url=url)  # fmt: skip
    with groq.Groq(api_key="k", base_url=url) as other:
        other.audio.speech.create(
            model="playai-tts", input="hi", voice="Fritz-PlayAI", response_format="wav", speed=1.5
        )
    found = speak("hi", "groq/playai-tts", voice="Fritz-PlayAI", format="wav", speed=1.5, api_key="k", base_url=url)
    assert found.audio.media_type == "audio/wav"
    media_vendor.answer = {"audio_data": base64.b64encode(b"fLaC\0").decode()}
    with Mistral(api_key="k", server_url=url) as third:
        third.audio.speech.complete(model="voxtral-mini-tts-3-0", input="hi", voice_id="v", response_format="flac")
    found = speak("hi", "voxtral-mini-tts-3-0", voice="v", format="flac", api_key="k", base_url=url)
    assert found.audio.media_type == "audio/flac"
    for theirs, ours in zip(media_vendor.sent[::2], media_vendor.sent[1::2], strict=True):
        assert ours.path == theirs.path
        # `stream: false` is Mistral's default, which its SDK writes out.
        assert json.loads(ours.body) == {k: v for k, v in json.loads(theirs.body).items() if k != "stream"}
        for name in ("accept", "content-type", "authorization"):
            assert ours.headers[name] == theirs.headers[name]


def test_the_whole_call(media_vendor: MediaVendor) -> None:
    media_vendor.answer = b"\0\1" * 8
    options: dict[str, Any] = {"api_key": "k", "base_url": media_vendor.url}
    found = speak("hi", provider="openai", format="pcm", **options)
    assert json.loads(media_vendor.sent[-1].body) == {
        "model": "gpt-4o-mini-tts",
        "input": "hi",
        "voice": "alloy",
        "response_format": "pcm",
    }
    assert found.audio.media_type == "audio/pcm"
    assert asyncio.run(aspeak("hi", "tts-1", **options)).audio.media_type == "audio/mpeg"
    media_vendor.statuses = [503]
    assert [attempt.error for attempt in speak("hi", "tts-1", **options).attempts] == ["overloaded", None]
    media_vendor.answer = b""
    with pytest.raises(ProviderError, match="no bytes"):
        speak("hi", "tts-1", max_retries=0, **options)
    with pytest.raises(BudgetExceeded, match="nobody can say"):
        speak("hi", "tts-1", budget=Budget(1), **options)


def test_what_a_vendor_cannot_take_is_said(media_vendor: MediaVendor) -> None:
    media_vendor.answer = {"audio_data": "aGk="}
    with pytest.warns(UserWarning, match="mistral/"):
        found = speak("hi", "voxtral-mini-tts-2603", speed=2, instructions="x", api_key="k", base_url=media_vendor.url)
    assert [adjustment.parameter for adjustment in found.adjustments] == ["speed", "instructions"]
    with pytest.raises(ConfigurationError, match="default model"):
        speak("hi", provider="groq", api_key="k", base_url=media_vendor.url)


def test_an_error_with_http_200_is_no_sound(media_vendor: MediaVendor) -> None:
    options: dict[str, Any] = {"model": "gpt-4o-mini-tts", "api_key": "k", "base_url": media_vendor.url}
    media_vendor.answer = {"error": {"message": "no credits left", "code": "insufficient_quota"}}
    with pytest.raises(ProviderError, match="openai/gpt-4o-mini-tts: no credits left") as caught:
        speak("hi", **options)
    assert caught.value.kind == "quota"
    media_vendor.answer = b"{\x00\x01\x00"
    assert speak("hi", format="pcm", **options).audio.data == b"{\x00\x01\x00"


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_sound_that_time_cut_off_is_no_sound(asynchronous: bool) -> None:
    with Dripping(b"\x00\x01" * 8, "audio/pcm") as vendor:
        options: dict[str, Any] = {"model": "gpt-4o-mini-tts", "api_key": "k", "base_url": vendor.url, "format": "pcm"}
        with pytest.raises(ProviderTimeoutError, match=r"timeout=0\.4 s"):
            asyncio.run(aspeak("hi", timeout=0.4, **options)) if asynchronous else speak("hi", timeout=0.4, **options)


def test_words_that_are_none() -> None:
    with pytest.raises(ValueError, match="says nothing"):
        speak("", "tts-1", api_key="k")
    with pytest.raises(ValueError, match="speed=0 is no speed"):
        speak("hi", "tts-1", speed=0, api_key="k")
