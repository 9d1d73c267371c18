"""`provider.models()`: the vendors' recorded lists."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lazybridge.core.errors import ServerError, from_exception
from lazybridge.core.providers.anthropic import AnthropicProvider
from tests.endpoints.conftest import Replay, recorded
from tests.endpoints.vendor import Vendor

WHOLE = [p for p in recorded("models", "models") if not p.values[0] or "nextPageToken" not in p.values[0]["response_body"]]  # fmt: skip
PAGES = {p.values[0]["id"]: p.values[0] for p in recorded("models", "models") if p.values[0]}


@pytest.mark.parametrize("record", WHOLE)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_every_listed_model_is_there(record: dict[str, Any], asynchronous: bool, replay: Replay) -> None:
    provider = replay.provider(record)
    found = asyncio.run(_awaited(provider)) if asynchronous else provider.models()
    assert len(found) == len(found.ids) == record["expected"]["n"]
    assert found.ids[:5] == [id.removeprefix("models/") for id in record["expected"]["ids"]]
    assert found.cost_usd == 0.0
    assert [(request["method"], request["json"]) for request in replay.requests] == [("GET", None)]


async def _awaited(provider: Any) -> Any:
    async with provider:
        return await provider.amodels()


@pytest.mark.parametrize("record", WHOLE)
def test_limits_and_names_are_the_vendors_own(record: dict[str, Any], replay: Replay) -> None:
    found = {model.id: model for model in replay.provider(record).models()}
    said = {
        "anthropic-6156999185e0": ("claude-opus-5", "Claude Opus 5", None, 1_000_000, 128_000),
        "google-63babe746595": ("gemini-2.5-flash", "Gemini 2.5 Flash", None, 1_048_576, 65_536),
        "openai-4697eef3306f": ("whisper-1", None, "openai-internal", None, None),
        "mistral-26884800e2da": ("mistral-medium-2505", "mistral-medium-2505", "mistralai", 131_072, None),
    }.get(record["id"])
    if said is not None:
        model = found[said[0]]
        assert (model.id, model.display_name, model.owned_by, model.context_window, model.max_output_tokens) == said
    assert all(isinstance(model.raw, dict) and model.id for model in found.values())


@pytest.mark.parametrize("record", [p for p in recorded("models", "models") if not p.values[0] or "nextPageToken" in p.values[0]["response_body"]])  # fmt: skip
def test_pages_are_read_to_the_last(record: dict[str, Any], replay: Replay) -> None:
    first, last = (PAGES[id] for id in ("google-ed94f0b499d7", "google-5c98f02473c6"))
    found = replay.provider(first, pages=last).models()
    assert len(found) == 54
    assert found.after is None
    assert "pageToken=Ch9tb2RlbHMvdmVvLTMuMS1nZW5lcmF0ZS1wcmV2aWV3" in replay.requests[1]["path"]


def test_a_list_without_an_end_is_not_read_for_ever(loopback: Vendor) -> None:
    # anthropic 2.12.0 `types/model_info.py` and `pagination.py`; a gateway that does not know `after_id` repeats itself
    page = {"data": [{"id": "small-1", "type": "model"}], "has_more": True, "last_id": "small-1"}
    loopback.answers["GET", "/v1/models"] = (200, page)
    with AnthropicProvider(api_key="k", base_url=loopback.url) as provider:
        with pytest.raises(ServerError, match="'small-1'"):
            provider.models()
        with pytest.raises(ServerError, match="'small-1'"):
            asyncio.run(provider.amodels())
    assert len(loopback.sent) == 4


@pytest.mark.parametrize("record", recorded("models", "error"))
def test_a_refused_key_is_an_authentication_error(record: dict[str, Any], replay: Replay) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # any SDK's own
        replay.provider(record).models()
    error = from_exception(caught.value, provider=record["provider"])
    assert (error.kind, error.status_code) == ("authentication", 401)
