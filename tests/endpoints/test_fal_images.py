"""`generate_image` at fal: a recorded result, and a recorded refusal, of its image applications."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lazybridge import ProviderError, UnsupportedFeatureError, generate_image
from tests.endpoints.conftest import Replay, recorded

RESULT = recorded("fal_result", "media")
REFUSED = [p for p in recorded("fal_submit_or_run", "error") if not p.values[0] or p.values[0]["status"] == 422]


@pytest.mark.parametrize("record", RESULT)
def test_the_pictures_of_an_application_come_back(record: dict[str, Any], replay: Replay) -> None:
    options: dict[str, Any] = {"api_key": "id:secret", "run_url": replay.url(record)}
    found = generate_image("a cat", "fal/fal-ai/fast-sdxl", size="512x256", n=1, **options)
    wire = json.loads(record["response_body"])["images"]
    assert [image.url for image in found.images] == [item["url"] for item in wire]
    assert found.cost_usd is None  # fal does not say
    request = replay.requests[-1]
    assert request["path"].endswith("/fal-ai/fast-sdxl")
    assert request["headers"]["authorization"] == "Key id:secret"
    assert request["json"] == {"prompt": "a cat", "image_size": {"width": 512, "height": 256}, "num_images": 1}


@pytest.mark.parametrize("record", REFUSED)
def test_a_refused_prompt_is_said(record: dict[str, Any], replay: Replay) -> None:
    options: dict[str, Any] = {"api_key": "id:secret", "run_url": replay.url(record)}
    with pytest.raises(ProviderError) as caught:
        generate_image("no", "fal/fal-ai/flux/dev", **options)
    assert caught.value.kind == "content_policy"
    assert len(caught.value.attempts) == 1


@pytest.mark.parametrize("record", RESULT)
def test_what_fal_has_no_word_for_is_an_adjustment(record: dict[str, Any], replay: Replay) -> None:
    options: dict[str, Any] = {"api_key": "id:secret", "run_url": replay.url(record), "quality": "high"}
    with pytest.warns(UserWarning, match="no such parameter"):
        found = generate_image("a cat", "fal/fal-ai/fast-sdxl", **options)
    assert [adjustment.parameter for adjustment in found.adjustments] == ["quality"]
    with pytest.raises(UnsupportedFeatureError):
        generate_image("a cat", "fal/fal-ai/fast-sdxl", strict=True, **options)
