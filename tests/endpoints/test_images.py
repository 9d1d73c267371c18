"""`generate_image` against what OpenAI and Google were sent and answered, as recorded, through their real SDKs."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from lazybridge import (
    Budget,
    BudgetExceeded,
    ImageContent,
    ProviderError,
    UnsupportedFeatureError,
    agenerate_image,
    generate_image,
)
from lazybridge.core.endpoints.images import GeneratedImages, ImageRequest
from lazybridge.core.errors import ContentPolicyError
from tests.endpoints.conftest import Replay, recorded
from tests.endpoints.media_vendor import MediaVendor
from tests.endpoints.vendor import Vendor
from tests.wire.sdk_types import body_errors

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
OURS = ("prompt", "model", "size", "quality", "n", "images")


def asked(record: dict[str, Any]) -> ImageRequest:
    """The neutral request that says what the recorded one says."""
    sent = dict(record["request_json"] or {"model": "gpt-image-1.5", "prompt": "an otter"})
    pictures = sent.pop("images", ())
    return ImageRequest(
        images=tuple(ImageContent(data=PNG) for _ in pictures),
        extra_body={name: value for name, value in sent.items() if name not in OURS},
        **{name: value for name, value in sent.items() if name in OURS},
    )


async def asynchronously(provider: Any, name: str, request: Any, kind: Any) -> Any:
    async with provider:
        return await provider.aask(name, request, kind)


@pytest.mark.parametrize("record", recorded("openai_images", "image"))
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_the_pictures_and_the_usage_are_those_of_the_wire(
    record: dict[str, Any], asynchronous: bool, replay: Replay
) -> None:
    provider, request, expected = replay.provider(record), asked(record), record["expected"]
    if asynchronous:
        found = asyncio.run(asynchronously(provider, "images", request, GeneratedImages))
    else:
        found = provider.ask("images", request, GeneratedImages)
    assert len(found.images) == expected["n_images"]
    for image in found.images:
        assert (image.url is not None, image.data is not None) == (expected["has_url"], expected["has_b64"])
        assert image.media_type == "image/png"
    assert found.revised_prompt == expected["revised_prompt"]
    wire = expected["usage_wire"]
    if wire is None:
        assert found.usage.input_tokens is None
        assert found.cost_usd is None
        assert "prices by the image are not known here" in found.receipt.reasons
    else:
        assert (found.usage.input_tokens, found.usage.output_tokens) == (wire["input_tokens"], wire["output_tokens"])
        assert found.usage.image_input_tokens == wire["input_tokens_details"]["image_tokens"]
        assert found.usage.image_output_tokens == wire["output_tokens_details"]["image_tokens"]


@pytest.mark.parametrize("record", [p for p in [*recorded("openai_images", "image"), *recorded("openai_images", "error")] if not p.values[0] or (p.values[0]["request_json"] or {}).get("prompt")])  # fmt: skip
def test_the_request_says_what_the_recorded_one_said(record: dict[str, Any], replay: Replay) -> None:
    provider = replay.provider(record)
    if record["status"] == 200:
        provider.ask("images", asked(record), GeneratedImages)
    else:
        with pytest.raises(Exception):  # noqa: B017, PT011  # any SDK's own
            provider.ask("images", asked(record), GeneratedImages)
    sent = json.loads(re.sub(r"<base64 [^>]*>", ImageContent(data=PNG).base64, json.dumps(record["request_json"])))
    assert replay.requests[-1]["json"] == sent
    assert replay.requests[-1]["path"].endswith(record["endpoint"])


@pytest.mark.parametrize("record", recorded("openai_images", "error"))
def test_a_refusal_has_its_kind_and_shows_no_key(record: dict[str, Any], replay: Replay) -> None:
    if record["request_json"] and not record["request_json"]["prompt"]:
        with pytest.raises(ValueError, match="says nothing"):
            asked(record)
        return
    with pytest.raises(ProviderError) as caught:
        generate_image("a red circle", "gpt-image-1-mini", api_key="sk-secret-1", base_url=replay.url(record))
    error = caught.value
    assert (error.kind, error.status_code) == ("invalid_request", 400)
    assert record["expected"]["error"]["message"] in str(error)
    assert "sk-secret-1" not in repr(error) + repr(vars(error)) + repr(error.__cause__)
    assert error.receipt.cost_usd == 0.0
    assert len(error.attempts) == 1


@pytest.mark.parametrize("record", [p for p in recorded("openai_images", "image") if not p.values[0] or p.values[0]["expected"]["usage_wire"]])  # fmt: skip
def test_the_whole_call_is_priced_to_the_token(record: dict[str, Any], replay: Replay) -> None:
    request = asked(record)
    found = generate_image(request.prompt, request.model, images=request.images, api_key="k", base_url=replay.url(record))  # fmt: skip
    wire = record["expected"]["usage_wire"]
    read, wrote = wire["input_tokens_details"], wire["output_tokens_details"]
    # https://developers.openai.com/api/docs/models/gpt-image-1-mini and gpt-image-1.5, read 2026-11-22: USD for a million
    # tokens of text and of images, read and written; gpt-image-1-mini writes no text.
    rates = {"gpt-image-1-mini": (2, 2.5, 0, 8), "gpt-image-1.5": (5, 8, 10, 32)}[request.model or ""]
    tokens = (read["text_tokens"], read["image_tokens"], wrote["text_tokens"], wrote["image_tokens"])
    assert found.cost_usd == pytest.approx(sum(rate * count for rate, count in zip(rates, tokens, strict=True)) / 1e6)
    assert found.receipt is not None
    assert found.receipt.status == "exact"
    assert found.image is found.images[0]
    assert found.attempts[0].provider == "openai"


# --- Google ---------------------------------------------------------------------------------------------------------


def google_images() -> list[Any]:
    found = recorded("google_generate", "generation")
    return [p for p in found if not p.values[0] or ("image_output" in p.values[0]["tags"] and not p.values[0]["streaming"])]  # fmt: skip


@pytest.mark.parametrize("record", google_images())
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_geminis_pictures_come_with_what_it_said_beside_them(
    record: dict[str, Any], asynchronous: bool, replay: Replay
) -> None:
    provider = replay.provider(record)
    request = ImageRequest(prompt="Generate an image of an axolotl.", model="gemini-2.5-flash-image")
    if asynchronous:
        found = asyncio.run(asynchronously(provider, "images", request, GeneratedImages))
    else:
        found = provider.ask("images", request, GeneratedImages)
    wire = json.loads(record["response_body"])
    parts = wire["candidates"][0]["content"]["parts"]
    drawn = [part["inlineData"] for part in parts if "inlineData" in part]
    assert [(image.base64, image.media_type) for image in found.images] == [(d["data"], d["mimeType"]) for d in drawn]
    assert found.text == record["expected"]["text"] or (found.text, record["expected"]["text"]) == ("", None)
    assert found.usage.output_tokens == wire["usageMetadata"]["candidatesTokenCount"]
    assert found.usage.image_output_tokens
    if found.model == "gemini-2.5-flash-image":
        assert found.cost_usd is not None
    sent = replay.requests[-1]
    assert not body_errors("gemini", {"model": request.model, **sent["json"]})
    if "TEXT" in json.dumps(record["request_json"]):
        said = record["request_json"]
        said["generationConfig"].pop("imageConfig", None)  # goes in extra_body
        assert sent["json"] == said
    assert sent["path"].partition("?")[0].endswith("models/gemini-2.5-flash-image:generateContent")


@pytest.mark.parametrize("record", google_images()[-1:])
def test_gemini_takes_pictures_ratios_and_sizes_and_says_what_it_cannot_take(
    record: dict[str, Any], replay: Replay
) -> None:
    provider = replay.provider(record)
    images = (ImageContent(data=PNG), ImageContent(file_id="https://generativelanguage.googleapis.com/v1beta/files/1"))
    extra = {"generationConfig": {"seed": 7}}
    request = ImageRequest(prompt="change it", model="gemini-3-pro-image", images=images, size="16:9", extra_body=extra)
    provider.ask("images", request, GeneratedImages)
    sent = replay.requests[-1]["json"]
    assert sent["generationConfig"] == {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "16:9"},
        "seed": 7,
    }
    assert [next(iter(part)) for part in sent["contents"][0]["parts"]] == ["text", "inlineData", "fileData"]
    assert not body_errors("gemini", {"model": request.model, **sent})
    with pytest.warns(UserWarning, match="google/") as said:
        lost = provider.ask(
            "images",
            ImageRequest(prompt="x", model="gemini-3-pro-image", size="1024x1024", n=2, quality="hd"),
            GeneratedImages,
        )
    assert [adjustment.parameter for adjustment in lost.adjustments] == ["size", "quality", "n"]
    assert "1024x1024" in str(said[0].message)
    with pytest.raises(UnsupportedFeatureError):
        provider.ask("images", ImageRequest(prompt="x", model="m", n=2, strict=True), GeneratedImages)
    provider.ask("images", ImageRequest(prompt="x", model="gemini-3-pro-image", size="2K"), GeneratedImages)
    assert replay.requests[-1]["json"]["generationConfig"]["imageConfig"] == {"imageSize": "2K"}


def test_gemini_that_draws_nothing_says_why(media_vendor: MediaVendor) -> None:
    # Finish and block reasons by google-genai 3.4.0 `types.py`; the shape of the answer is that of the recorded ones.
    media_vendor.answer = {"candidates": [{"content": {"parts": [{"text": "I would rather not."}]}, "finishReason": "STOP"}]}  # fmt: skip
    options: dict[str, Any] = {"model": "gemini-2.5-flash-image", "api_key": "k", "base_url": media_vendor.url}
    found = generate_image("x", **options)
    with pytest.raises(ValueError, match="no image was made: I would rather not"):
        _ = found.image
    for refused in (
        {"candidates": [{"finishReason": "IMAGE_SAFETY"}]},
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
    ):
        media_vendor.answer = refused
        with pytest.raises(ContentPolicyError) as caught:
            generate_image("x", **options)
        assert caught.value.provider == "google"
        assert len(caught.value.attempts) == 1  # asking again would be refused again


# --- the whole call -------------------------------------------------------------------------------------------------


def test_pictures_by_path_bytes_and_url(media_vendor: MediaVendor, tmp_path: Any) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    media_vendor.answer = {"data": [{"b64_json": "aGVsbG8="}, {"b64_json": "aGVsbG8="}], "output_format": "webp"}
    options: dict[str, Any] = {"model": "gpt-image-1.5", "api_key": "k", "base_url": media_vendor.url}
    found = asyncio.run(agenerate_image("x", images=[tmp_path / "a.png", PNG, "https://a.test/b.png"], **options))
    sent = json.loads(media_vendor.sent[-1].body)
    data_url = ImageContent(data=PNG).data_url
    assert sent["images"] == [{"image_url": url} for url in (data_url, data_url, "https://a.test/b.png")]
    assert media_vendor.sent[-1].path == "/images/edits"
    assert found.images[0].data == b"hello"
    assert found.images[0].media_type == "image/webp"
    with pytest.raises(ValueError, match=r"2 images\nread \.images"):
        _ = found.image
    generate_image("x", images=str(tmp_path / "a.png"), **options)
    assert json.loads(media_vendor.sent[-1].body)["images"] == [{"image_url": data_url}]
    with pytest.raises(ValueError, match="images holds a DocumentContent"):
        generate_image("x", images=[b"%PDF-1.7"], **options)
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        generate_image("x", images="nothing-here.png", **options)


def test_an_answer_without_a_picture_is_an_error(media_vendor: MediaVendor) -> None:
    for answer in ({"data": [{}]}, {"data": [{"b64_json": "%%%"}]}, {"data": None}, {}):
        media_vendor.answer = answer
        with pytest.raises(ProviderError) as caught:
            generate_image("x", "gpt-image-1.5", api_key="k", base_url=media_vendor.url, max_retries=0)
        assert caught.value.kind == "server"
        assert caught.value.receipt.total is None  # it may have been drawn and billed


def test_what_writes_svg_is_billed_apart(media_vendor: MediaVendor) -> None:
    # openai 3.54.0 `types/images_response.py`: the tokens of `svg_usage` are separate from those of `usage`.
    usage = {"input_tokens": 10, "output_tokens": 10, "output_tokens_details": {"image_tokens": 10, "text_tokens": 0}}
    media_vendor.answer = {"data": [{"b64_json": "aGVsbG8="}], "output_format": "svg", "usage": usage, "svg_usage": {}}
    media_vendor.answer["svg_usage"] = {"input_tokens": 9, "output_tokens": 9, "model": "gpt-6-luna"}
    found = generate_image("x", "gpt-image-1.5", api_key="k", base_url=media_vendor.url)
    assert found.image.media_type == "image/svg+xml"
    assert found.cost_usd is None
    assert found.receipt.status == "lower_bound"


def test_nobody_knows_before_what_a_picture_costs(media_vendor: MediaVendor) -> None:
    options: dict[str, Any] = {"model": "gpt-image-1.5", "api_key": "k", "base_url": media_vendor.url}
    with pytest.raises(BudgetExceeded, match="nobody can say"):
        generate_image("x", budget=Budget(1), **options)
    assert media_vendor.sent == []
    details = {"input_tokens_details": {"image_tokens": 0}, "output_tokens_details": {"image_tokens": 1000}}
    media_vendor.answer = {"data": [{"b64_json": "aGVsbG8="}], "usage": {"input_tokens": 0, "output_tokens": 1000, **details}}  # fmt: skip
    budget = Budget(1, unknown="allow")
    generate_image("x", budget=budget, **options)
    assert float(budget.spent) == pytest.approx(1000 * 32 / 1e6)


@pytest.mark.parametrize(("fault", "calls"), [(None, 1), (504, 1), (500, 3), (503, 3), (429, 3)])
def test_a_picture_that_may_have_been_drawn_is_not_drawn_again(
    fault: int | None, calls: int, loopback: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    loopback.faults.extend([fault] * 3)
    with pytest.raises(ProviderError) as caught:
        generate_image("x", "gpt-image-1.5", api_key="k", base_url=f"{loopback.url}/v1")
    assert len(loopback.sent) == len(caught.value.attempts) == calls
    assert (caught.value.receipt.status == "unknown") == (calls == 1)


@pytest.mark.parametrize("answer", [[], {"created": 1}, b"<html>", {"data": [{"b64_json": "%%%"}]}])
def test_a_picture_that_cannot_be_read_is_not_bought_again(answer: Any, loopback: Vendor) -> None:
    loopback.answers["POST", "/v1/images/generations"] = (200, answer)
    with pytest.raises(ProviderError) as caught:
        generate_image("x", "gpt-image-1.5", api_key="k", base_url=f"{loopback.url}/v1")
    assert len(loopback.sent) == len(caught.value.attempts) == 1


def test_a_vendor_that_draws_nothing_says_so() -> None:
    with pytest.raises(UnsupportedFeatureError, match="anthropic has no endpoint for images"):
        generate_image("x", "claude-haiku-5-5", api_key="k")
    with pytest.raises(ValueError, match="n=0 is no count"):
        generate_image("x", "gpt-image-1.5", api_key="k", n=0)
