"""Recordings of third-party fakes, through the real SDKs: what they answer, stream and refuse replays the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lazybridge import Agent
from lazybridge.testing import record, replay
from tests.peers import AIMock, LLMock
from tests.providers import test_aimock, test_llmock
from tests.providers.agents import modes
from tests.testing.facts import facts

GONE = "http://127.0.0.1:9"


@pytest.mark.parametrize("name", [name for name in test_aimock.PLACES if name != "vertex"])
def test_thinking_and_costs_of_aimock(name: str, aimock: AIMock, tmp_path: Path) -> None:
    provider, model, path, options = test_aimock.PLACES[name]

    def asked(base: str, **key: Any) -> list[Any]:
        with Agent(model, provider=provider, base_url=base + path, **{**options, **key}) as agent:
            return [facts(modes[mode](agent, "Think and answer.")) for mode in modes]

    with record(tmp_path / "tape.json") as cassette:
        recorded = asked(aimock.url, api_key="k")
    assert len(cassette.calls) == len(modes)
    with replay(tmp_path / "tape.json"):
        assert asked(GONE) == recorded


@pytest.mark.parametrize("name", test_llmock.PLACES)
def test_answers_and_refusals_of_llmock(name: str, llmock: LLMock, tmp_path: Path) -> None:
    place = test_llmock.PLACES[name]

    def asked(agent: Agent) -> list[Any]:
        with agent:
            return [facts(modes[mode](agent, "Say hello.")) for mode in modes]

    llmock.behave(*({"type": "fail", "status": status, "retry_after": 0.05} for status in (429, 503, 401)))
    with record(tmp_path / "tape.json"):
        recorded = asked(place.agent(llmock))
    assert llmock.requests()
    with replay(tmp_path / "tape.json"):
        options = {"fallback": False, **place.options}
        assert asked(Agent(place.model, provider=place.provider, base_url=GONE + place.path, **options)) == recorded
