"""`provider.count_tokens()`: the recorded counts of Anthropic, OpenAI, Google and Vertex AI, asked as they were asked."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lazybridge import Agent, Ledger, Message, UnsupportedFeatureError
from lazybridge.core.errors import from_exception
from lazybridge.core.types import CompletionRequest
from tests.endpoints.conftest import Replay, recorded
from tests.wire.recorded import canonical, request_of

# A tool reference, which our types have no word for.
_UNSAID = ("anthropic-ab227751d447",)
COUNTS = [p for p in recorded("count_tokens", "count_tokens") if not p.values[0] or p.values[0]["id"] not in _UNSAID]
_APIS = {"anthropic": "anthropic_messages", "openai": "openai_responses"}


def asked(record: dict[str, Any]) -> CompletionRequest:
    """The recorded conversation in neutral types, else a short one."""
    body = copy.deepcopy(record["request_json"]) or {}
    api = _APIS.get(record["provider"])
    if api is not None:
        parsed = request_of(api, body if api == "openai_responses" else {**body, "max_tokens": 32_000})
        return replace(parsed.request, model=record["request_json"]["model"])
    inner = body.get("generateContentRequest", body)
    system = (inner.get("systemInstruction") or {}).get("parts")
    if isinstance(system, list):
        system = system[0]
    texts = [(turn["role"], part["text"]) for turn in inner.get("contents", ()) for part in turn["parts"]]
    messages = tuple(Message.user(text) for role, text in texts) or (Message.user("hi"),)
    model = (inner.get("model") or "gemini-2.5-flash").removeprefix("models/")
    return CompletionRequest(messages, model=model, system=(system or {}).get("text") or None)


@pytest.mark.parametrize("record", COUNTS)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_the_count_is_the_vendors(record: dict[str, Any], asynchronous: bool, replay: Replay) -> None:
    provider, request = replay.provider(record), asked(record)
    counted = asyncio.run(_awaited(provider, request)) if asynchronous else provider.count_tokens(request)
    assert counted.tokens == record["expected"]["tokens"]
    assert counted.cost_usd == 0.0
    path = replay.requests[-1]["path"].split("?")[0]
    assert path.endswith(("/v1/messages/count_tokens", "/v1/responses/input_tokens", ":countTokens"))


async def _awaited(provider: Any, request: CompletionRequest) -> Any:
    async with provider:
        return await provider.acount_tokens(request)


@pytest.mark.parametrize("record", [p for p in COUNTS if not p.values[0] or p.values[0]["provider"] in _APIS])  # fmt: skip
def test_the_body_is_the_recorded_one(record: dict[str, Any], replay: Replay) -> None:
    replay.provider(record).count_tokens(asked(record))
    api = _APIS[record["provider"]]
    assert canonical(api, replay.requests[-1]["json"]) == canonical(api, record["request_json"])


@pytest.mark.parametrize("record", recorded("count_tokens", "error"))
def test_an_unknown_model_is_not_found(record: dict[str, Any], replay: Replay) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # any SDK's own
        replay.provider(record).count_tokens(asked(record))
    assert from_exception(caught.value, provider="google").kind == "not_found"


def test_google_takes_instructions_inside_a_whole_request(replay: Replay) -> None:
    (record,) = [p.values[0] for p in recorded("count_tokens", "count_tokens") if p.values[0] and p.values[0]["id"] == "google-a20a5134a1c2"]  # fmt: skip
    request = CompletionRequest((Message.user("hi"),), model="gemini-2.5-flash", system="Be brief.")
    replay.provider(record).count_tokens(request)
    assert replay.requests[-1]["json"] == {
        "generateContentRequest": {
            "model": "models/gemini-2.5-flash",
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
        }
    }


@pytest.mark.parametrize("record", [p for p in COUNTS if not p.values[0] or p.values[0]["id"] == "anthropic-1c49a836359d"])  # fmt: skip
def test_an_agent_counts_what_it_would_send(record: dict[str, Any], replay: Replay, tmp_path: Path) -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return "sunny"

    with Ledger(tmp_path / "spend.db") as ledger:
        agent = Agent("claude-haiku-4-5", api_key="k", base_url=replay.url(record), tools=[weather], system="Be brief.", ledger=ledger)  # fmt: skip
        assert agent.count_tokens("How is Rome?") == 588
        assert asyncio.run(agent.acount_tokens("How is Rome?")) == 588
        assert list(ledger.rows()) == []  # it costs nothing
    sent, again = (request["json"] for request in replay.requests)
    assert sent == again
    assert sent.keys() == {"model", "messages", "system", "tools"}
    whole = agent.dry_run("How is Rome?")
    assert sent == {name: value for name, value in whole.items() if name != "max_tokens"}


def test_who_counts_nothing_says_so() -> None:
    with pytest.raises(
        UnsupportedFeatureError, match="groq has no endpoint for token_count here\nits endpoints: models"
    ):
        Agent("groq/openai/gpt-oss-20b", api_key="gsk_test12345").count_tokens("hi")
    with pytest.raises(UnsupportedFeatureError, match="local has no endpoint for token_count"):
        Agent("local").count_tokens("hi")
