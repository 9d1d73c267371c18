"""Pictures, video, sound and 3D at fal: the examples of the applications' own pages (`fal_pages`), between recorded
exchanges with fal's queue, on loopback."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from lazybridge import (
    Budget,
    BudgetExceeded,
    ConfigurationError,
    ImageContent,
    ProviderError,
    UnsupportedFeatureError,
    agenerate_video,
    generate_3d,
    generate_image,
    generate_music,
    generate_video,
    remove_background,
    speak,
    transcribe,
    upscale_image,
)
from lazybridge.core.endpoints.fal import FalPrice
from lazybridge.core.errors import ContentPolicyError, NotFoundError, RateLimitError, ServerError
from lazybridge.core.providers.fal import FalProvider
from lazybridge.core.wire.endpoints.fal import cost_of, price_in
from tests.endpoints import conftest as recordings
from tests.endpoints.conftest import CONFORMANCE, Replay
from tests.endpoints.fal_pages import IMAGE, PAGES, Page, answer_of, expected


def records() -> dict[str, dict[str, Any]]:
    if not CONFORMANCE.is_dir():
        return {}
    return {r["id"]: r for r in map(json.loads, (CONFORMANCE / "open" / "fal.jsonl").read_text().splitlines())}


RECORDS = records()
pytestmark = pytest.mark.skipif(not RECORDS, reason="the recorded traffic is not here")
SUBMITTED, QUEUED, MADE = "fal-760f788efc46", "fal-d8a1d82dd116", "fal-c8447fd89ff5"
REFUSED, TOO_MANY = "fal-8c2d3a3a8c79", "fal-1a4833713f13"
MEGAPIXELS, IMAGES = "fal-4cbe86a572d0", "fal-ee2e8ddaf7f0"
JOB = "6e8a8cf2-c2ca-4636-9071-0b3ae067edb1"  # of the recorded submission
FILM = "fal-ai/kling-video/v2.5-turbo/pro/text-to-video"
replay = recordings.replay


class Fal:
    """A fal whose queue answers with records, and whose results are those of the pages."""

    def __init__(self, replay: Replay) -> None:
        self._server = replay._server
        self._server.records |= RECORDS
        ended = {"status": "COMPLETED", "logs": [], "metrics": {"inference_time": 2.1}}
        self.add("ended", ended, status=200)

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self._server.requests  # type: ignore[no-any-return]

    def add(self, id: str, body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> str:
        record = {**RECORDS[MADE], "id": id, "status": status, "response_body": json.dumps(body)}
        headers = {"content-type": "application/json", **(headers or {})}
        self._server.records[id] = {**record, "response_headers": headers}
        return id

    def options(self, *ids: str, **how: Any) -> dict[str, Any]:
        url = self._server.session(f"media-{len(self._server.sessions)}", ids, **how)
        return {"api_key": "0123-4567:89abcdef", "run_url": url, "queue_url": url}

    def job(self, answer: Any, **headers: str) -> dict[str, Any]:
        """Options with which a job is submitted, waits, ends and gives this."""
        return self.options(SUBMITTED, QUEUED, "ended", self.add("answer", answer, headers=headers))


@pytest.fixture
def fal(replay: Replay) -> Fal:
    return Fal(replay)


def answering(fal: Fal, page: Page, **headers: str) -> dict[str, Any]:
    if page.function == "speak":
        return fal.options(fal.add("answer", page.answer, headers=headers))
    return fal.job(page.answer, **headers)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.application)
def test_the_arguments_are_the_pages_and_its_answer_is_read(page: Page, fal: Fal) -> None:
    made = page.ask(**answering(fal, page))
    assert page.found(made) == expected(page)
    assert made.raw == page.answer
    sent = fal.requests[0]
    assert (sent["method"], sent["path"].removeprefix("/")) == ("POST", page.application)
    assert sent["json"] == page.arguments
    assert (made.model, made.adjustments, made.cost_usd) == (page.application, (), None)
    posts = [request for request in fal.requests if request["method"] == "POST"]
    assert len(posts) == len(made.attempts) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.application)
async def test_on_the_event_loop(page: Page, fal: Fal) -> None:
    provider = FalProvider(**answering(fal, page))
    made = await page.aask(**{"provider": provider})
    assert page.found(made) == expected(page)
    assert fal.requests[0]["json"] == page.arguments
    await provider.aclose()


def test_a_job_that_ends_has_its_id(fal: Fal) -> None:
    page = PAGES[0]
    made = page.ask(**fal.job(page.answer))
    assert made.request_id == made.attempts[0].request_id == JOB


@pytest.mark.parametrize(
    ("ask", "parameter"),
    [
        (lambda o: generate_video("x", image=IMAGE, aspect_ratio="1:1", **o), "aspect_ratio"),
        (lambda o: generate_video("x", resolution="4k", **o), "resolution"),
        (lambda o: generate_3d(IMAGE, prompt="a chair", **o), "prompt"),
        (lambda o: speak("x", provider="fal", format="wav", **o), "format"),
        (lambda o: speak("x", provider="fal", instructions="slowly", **o), "instructions"),
        (lambda o: speak("x", "fal/fal-ai/minimax/speech-2.8-hd", voice="Aria", **o), "voice"),
    ],
)
def test_what_an_application_does_not_take(ask: Any, parameter: str, fal: Fal) -> None:
    with pytest.raises(UnsupportedFeatureError, match=f"{parameter}: the application has no such parameter"):
        ask({**fal.options(MADE), "strict": True})
    assert fal.requests == []


def test_what_is_left_out_is_said(fal: Fal) -> None:
    with pytest.warns(UserWarning, match="no such parameter"):
        made = generate_video("x", resolution="1080p", **fal.job(answer_of(FILM)))
    assert [adjustment.parameter for adjustment in made.adjustments] == ["resolution"]
    assert fal.requests[0]["json"] == {"prompt": "x"}


# The words of https://fal.ai/models/fal-ai/esrgan/llms.txt and https://fal.ai/models/fal-ai/minimax/speech-2.8-hd/llms.txt,
# read 2026-11-22; the others send what most call it.
@pytest.mark.parametrize(
    ("ask", "arguments"),
    [
        (lambda o: upscale_image(IMAGE, "fal-ai/esrgan", scale=4, **o), {"image_url": IMAGE, "scale": 4}),
        (lambda o: speak("Hi", "fal/fal-ai/minimax/speech-2.8-hd", **o), {"prompt": "Hi"}),
        (lambda o: generate_video("x", "fal-ai/some/other", duration_s=5.0, **o), {"prompt": "x", "duration": 5}),
    ],
)
def test_other_applications_have_other_words(ask: Any, arguments: dict[str, Any], fal: Fal) -> None:
    with pytest.raises(ProviderError):
        ask(fal.options(REFUSED))
    assert fal.requests[0]["json"] == arguments


def test_bytes_go_as_a_data_url_and_file_ids_do_not(fal: Fal) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(8)
    remove_background(png, **fal.job(answer_of("fal-ai/birefnet/v2")))
    assert fal.requests[0]["json"] == {"image_url": ImageContent(data=png).data_url}
    with pytest.raises(ValueError, match="file id"):
        remove_background(ImageContent(file_id="f"), **fal.options(MADE))


def test_words_with_times_and_speakers(fal: Fal) -> None:
    # WhisperChunk and `inferred_languages`, https://fal.ai/models/fal-ai/whisper/llms.txt, read 2026-11-22.
    chunks = [{"timestamp": [0, 0.4], "text": "Hi", "speaker": "SPEAKER_00"}, {"timestamp": [0.4, None], "text": "you"}]
    options = fal.job({"text": "Hi you", "chunks": chunks, "inferred_languages": ["en"], "diarization_segments": []})
    heard = transcribe(b"ID3\x04" + bytes(16), "fal/fal-ai/whisper", timestamps="word", diarize=True, **options)
    assert [tuple(word) for word in heard.words] == [("Hi", 0, 0.4, "SPEAKER_00"), ("you", 0.4, None, None)]
    assert (heard.segments, heard.language, heard.duration_s) == ([], "en", None)
    assert fal.requests[0]["json"].items() >= {"chunk_level": "word", "diarize": True}.items()


def test_a_3d_answer_with_several_files(fal: Fal) -> None:
    mesh, texture = "https://v3.fal.media/files/a.glb", "https://v3.fal.media/files/t.obj"
    answer = {"texture": {"url": texture, "content_type": "model/obj"}, "model_mesh": {"url": mesh}}
    made = generate_3d(None, "fal-ai/some/3d", prompt="a chair", **fal.job(answer))
    assert made.file.url == mesh
    assert [file.url for file in made.files] == [texture, mesh]
    assert fal.requests[0]["json"] == {"prompt": "a chair"}


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_job_that_fails_says_why_and_is_not_begun_again(fal: Fal) -> None:
    with pytest.raises(ContentPolicyError, match=r"body\.prompt: A content check refused this prompt") as caught:
        generate_video("no", **fal.options(SUBMITTED, "ended", REFUSED))
    error = caught.value
    assert (error.status_code, error.request_id) == (422, JOB)
    assert error.receipt is not None
    assert error.receipt.status == "unknown"
    assert JOB in error.receipt.reasons[0]
    assert [request["method"] for request in fal.requests] == ["POST", "GET", "GET"]


def test_a_queue_that_breaks_after_the_job_began_is_asked_again_and_the_job_is_not(fal: Fal) -> None:
    broken = fal.add("broken", {"detail": "x"}, status=503)
    with pytest.raises(ProviderError) as caught:
        generate_video("x", **fal.options(SUBMITTED, broken))
    assert caught.value.request_id == JOB
    assert not caught.value.retryable
    assert [request["method"] for request in fal.requests] == ["POST", "GET", "GET", "GET"]


async def test_an_error_of_the_callers_own_is_his(fal: Fal) -> None:
    def stop(status: Any) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine") as caught:
        generate_video("x", on_update=stop, **fal.options(SUBMITTED, QUEUED))
    assert JOB in caught.value.__notes__[0]
    with FalProvider(**fal.options(SUBMITTED, QUEUED)) as provider:
        with pytest.raises(LookupError, match="mine"):
            await agenerate_video("x", on_update=stop, provider=provider)
        await provider.aclose()
    assert [request["method"] for request in fal.requests] == ["POST", "GET"] * 2


@pytest.mark.parametrize(("status", "posts"), [(429, 3), (503, 1), (500, 1)])
def test_each_attempt_is_one_request(status: int, posts: int, fal: Fal) -> None:
    with pytest.raises(ProviderError) as caught:
        generate_video("x", **fal.options(SUBMITTED, fail=f"9:{status}", retryafter=0))
    assert len(fal.requests) == len(caught.value.attempts) == posts
    assert {attempt.status_code for attempt in caught.value.attempts} == {status}


def test_too_much_for_a_moment(fal: Fal) -> None:
    options = fal.options(SUBMITTED, "ended", fal.add("answer", answer_of(FILM)), fail="1:429", retryafter=0)
    made = generate_video("x", **{**options, "max_retries": 1})
    assert [attempt.status_code for attempt in made.attempts] == [429, None]
    assert made.video.url == expected(PAGES[0])


@pytest.mark.parametrize(
    ("answer", "ask", "says"),
    [
        ({"seed": 1}, lambda o: generate_video("x", **o), "no video"),
        ({"seed": 1}, lambda o: upscale_image(IMAGE, **o), "no image"),
        ({"seed": 1}, lambda o: generate_music("x", **o), "no audio"),
        ({"seed": 1}, lambda o: generate_3d(IMAGE, **o), "no 3D model"),
        ({"chunks": []}, lambda o: transcribe(b"ID3\x04" + bytes(16), provider="fal", **o), "no text"),
    ],
)
def test_an_answer_without_what_was_asked_for(answer: Any, ask: Any, says: str, fal: Fal) -> None:
    with pytest.raises(ServerError, match=says) as caught:
        ask(fal.job(answer))
    assert caught.value.request_id == JOB


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: generate_video(""), "prompt=''"),
        (lambda: generate_video("x", duration_s=0), "duration_s=0 is not above 0"),
        (lambda: generate_music("x", duration_s=True), "duration_s=True"),
        (lambda: upscale_image(IMAGE, scale=-1), "scale=-1"),
        (lambda: upscale_image("https://example.org/a.mp4"), "image is a VideoContent"),
        (lambda: generate_3d(), "no default model for 3D from words"),
        (lambda: generate_3d(None, "fal-ai/some/3d"), "prompt=None"),
    ],
)
def test_what_cannot_be_made(ask: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_KEY", "k")
    with pytest.raises(ValueError, match=says):
        ask()


def test_who_makes_no_video_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsupportedFeatureError, match="no endpoint for video"):
        generate_video("x", "gpt-5", provider="openai", api_key="k")


# --- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "application", "price"),
    [
        (MEGAPIXELS, "fal-ai/flux/dev", FalPrice("fal-ai/flux/dev", Decimal("0.025"), "megapixels")),
        (
            IMAGES,
            "fal-ai/wan/v2.2-5b/text-to-image",
            FalPrice("fal-ai/wan/v2.2-5b/text-to-image", Decimal("0.016"), "images"),
        ),
    ],
)
async def test_the_price_of_a_unit(id: str, application: str, price: FalPrice, fal: Fal) -> None:
    provider = FalProvider(api_key="k", api_url=fal.options(id)["run_url"])
    assert provider.price_of(application) == await provider.aprice_of(application) == price
    assert provider.unit_prices == {application: price}
    sent = fal.requests[-1]
    assert (sent["method"], sent["headers"]["authorization"]) == ("GET", "Key k")
    assert RECORDS[id]["url"].endswith(sent["path"])
    await provider.aclose()


# No record of a result counts its units; the header is that of the recorded stream, which says 1.0.
def test_what_a_picture_cost_once_the_price_is_known(fal: Fal) -> None:
    body, units = json.loads(RECORDS[MADE]["response_body"]), {"x-fal-billable-units": "3.0"}
    options = fal.options(fal.add("answer", body, headers=units))
    with FalProvider(**options, api_url=fal.options(MEGAPIXELS)["run_url"]) as provider:
        assert generate_image("a cat", provider=provider).cost_usd is None
        provider.price_of("fal-ai/flux/dev")
        drawn = generate_image("a cat", provider=provider)
    assert drawn.receipt is not None
    assert (drawn.receipt.status, drawn.receipt.total) == ("exact", Decimal("0.075"))
    assert drawn.receipt.lines[0].source == "fal: 3.0 megapixels at $0.025"
    assert drawn.attempts[0].cost_usd == drawn.usage.cost_usd == 0.075


def test_a_job_is_priced_too(fal: Fal) -> None:
    with FalProvider(**fal.job(answer_of(FILM), **{"x-fal-billable-units": "5"})) as provider:
        provider.unit_prices[FILM] = FalPrice(FILM, Decimal("0.07"), "seconds")
        assert generate_video("x", provider=provider).cost_usd == 0.35


@pytest.mark.parametrize(
    ("units", "price", "reason"),
    [
        (1.0, None, "fal does not say what its applications cost"),
        (None, FalPrice("a/b", Decimal(1), "seconds"), "fal did not say for how many seconds it bills"),
        (1.0, FalPrice("a/b", Decimal(1), "seconds", "EUR"), "fal names the price in EUR"),
    ],
)
def test_a_cost_that_is_not_known(units: float | None, price: FalPrice | None, reason: str) -> None:
    receipt = cost_of(units, price)
    assert (receipt.status, receipt.total, receipt.reasons) == ("unknown", None, (reason,))


def test_a_price_that_is_none() -> None:
    listed = json.loads(RECORDS[MEGAPIXELS]["response_body"])
    with pytest.raises(NotFoundError, match="fal names no price of fal-ai/other"):
        price_in(listed, "fal-ai/other")
    for wrong in ({"unit_price": None}, {"unit_price": -1}, {"unit": None}, {"currency": 5}):
        broken = {"prices": [{**listed["prices"][0], **wrong}]}
        with pytest.raises(ServerError, match="no amount of money"):
            price_in(broken, "fal-ai/flux/dev")


def test_a_list_that_is_refused(fal: Fal) -> None:
    with FalProvider(api_key="k", api_url=fal.options(TOO_MANY)["run_url"]) as provider:
        with pytest.raises(RateLimitError):
            provider.price_of("fal-ai/minimax/voice-clone", timeout=1)
        with pytest.raises(ConfigurationError, match="no application"):
            provider.price_of("flux")


def test_a_key_for_another_server_does_not_go_to_fal(fal: Fal) -> None:
    with FalProvider(**fal.options(MADE)) as provider, pytest.raises(ConfigurationError, match="api_url="):
        provider.price_of("fal-ai/flux/dev")


def test_a_budget_refuses_what_nobody_can_price(fal: Fal) -> None:
    with pytest.raises(BudgetExceeded):
        generate_video("x", budget=Budget(1), **fal.options(SUBMITTED))
    assert fal.requests == []
