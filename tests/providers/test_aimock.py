"""Providers through their real SDKs against aimock 1.43.0, which no one here wrote and whose answers `aimock.json` sets:
thinking, its way back in a tool loop, what a cut answer is, and what the vendor says a call cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.oauth2.credentials import Credentials
from pydantic import BaseModel

from lazybridge import Agent
from tests.peers import AIMock
from tests.providers.agents import modes

GPT_OSS = "accounts/fireworks/models/gpt-oss-120b"
BY_DEPLOYMENT = {"api": "chat", "api_version": "2024-10-21"}
ON_VERTEX = {
    "vertexai": True, "project": "p1", "location": "europe-west4", "api_version": "v1", "api_key": None,
    "credentials": Credentials(token="ya29.token"),  # type: ignore[no-untyped-call]
}  # fmt: skip
# provider, model, path of the base URL, options
PLACES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "responses": ("openai", "gpt-6-luna", "/v1", {}),
    "chat": ("openai", "gpt-4.1-mini", "/v1", {"api": "chat"}),
    "messages": ("anthropic", "claude-haiku-4-5", "", {"thinking": 1024}),
    "groq": ("groq", "openai/gpt-oss-120b", "", {}),
    "mistral": ("mistral", "mistral-medium-3-5", "/mistral", {}),
    "gemini": ("google", "gemini-3.8-flash", "", {}),
    "vertex": ("google", "gemini-3.8-flash", "", ON_VERTEX),
    "azure": ("azure", "gpt-4.1-mini", "/openai/deployments/gpt-4.1-mini", BY_DEPLOYMENT),
    "openrouter": ("openrouter", "openai/gpt-6-luna", "/api/v1", {}),
    "deepseek": ("deepseek", "deepseek-flash", "", {}),
    "ollama": ("ollama", "qwen3:4b", "/v1", {}),
    "fireworks": ("fireworks", GPT_OSS, "/inference/v1", {}),
    "moonshot": ("moonshot", "kimi-k3", "/v1", {}),
}
UNTHINKING = ("chat", "azure")  # aimock shows no thinking of GPT 4.1
# These take thinking back as `reasoning_content`. The journal has the turns of the other wires in Chat Completions, without
# it, and aimock streams OpenRouter's in that field, which is not OpenRouter's.
GOES_BACK = ("deepseek", "fireworks", "moonshot")


@pytest.fixture(params=list(PLACES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def agents(name: str, aimock: AIMock) -> Iterator[Any]:
    """Build agents on aimock; they are closed at the end."""
    made: list[Agent] = []
    provider, model, path, options = PLACES[name]

    def build(**more: Any) -> Agent:
        made.append(Agent(model, provider=provider, base_url=aimock.url + path, **{"api_key": "k", **options, **more}))
        return made[-1]

    yield build
    for agent in made:
        agent.close()


@pytest.mark.parametrize("mode", modes)
def test_thinking_and_text_are_told_apart(name: str, agents: Any, mode: str) -> None:
    envelope = modes[mode](agents(), "Think and answer.")
    assert (envelope.text(), envelope.metadata.stop_reason) == ("Four, then.", "end_turn")
    assert envelope.thinking == ("" if name in UNTHINKING else "Two and two.")
    if name != "mistral" or "streamed" not in mode:  # Mistral counts a stream without being asked to, aimock does not
        assert (envelope.metadata.input_tokens, envelope.metadata.output_tokens) == (20, 8)
        assert envelope.metadata.cost_usd is not None
    if name == "openrouter":
        assert envelope.metadata.cost_usd == 0.0125


@pytest.mark.filterwarnings("ignore:google ended with 'FUNCTION_CALL'")  # aimock's word; Google's SDK does not know it
@pytest.mark.parametrize("mode", modes)
def test_a_tool_loop(name: str, agents: Any, aimock: AIMock, mode: str) -> None:
    asked: list[str] = []

    def weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return f"Hail in {city}"

    envelope = modes[mode](agents(tools=[weather]), "How is Rome?")
    assert (envelope.text(), asked, len(envelope.metadata.attempts)) == ("Hail in Rome.", ["Rome"], 2)
    _, second = aimock.bodies()
    user, turn, result = second["messages"]
    assert [message["role"] for message in (user, turn, result)] == ["user", "assistant", "tool"]
    assert turn["tool_calls"][0]["id"] == result["tool_call_id"]
    assert "Hail in Rome" in result["content"]
    if name in GOES_BACK:
        assert turn["reasoning_content"] == "Ask the weather."


class Answer(BaseModel):
    number: int
    words: list[str]


@pytest.mark.filterwarnings("ignore:.*enforces no schema")  # DeepSeek's adjustment
@pytest.mark.parametrize("mode", ["whole", "streamed asynchronously"])
def test_an_object_comes_back(agents: Any, mode: str) -> None:
    assert modes[mode](agents(output=Answer), "An object, please.").payload == Answer(number=4, words=["four"])


@pytest.mark.parametrize("name", [name for name in PLACES if name != "responses"], indirect=True)
@pytest.mark.parametrize("mode", ["whole", "streamed"])
def test_an_answer_that_was_cut_says_so(agents: Any, mode: str) -> None:  # aimock's Responses do not say why it was cut
    envelope = modes[mode](agents(), "Say it at length.")
    assert (envelope.text(), envelope.metadata.stop_reason) == ("It was a dark and", "max_tokens")


@pytest.mark.parametrize("mode", ["whole", "streamed asynchronously"])
def test_a_refusal_in_the_vendors_shape(agents: Any, aimock: AIMock, mode: str) -> None:
    error = modes[mode](agents(max_retries=0), "Too much.").error
    assert isinstance(error, Exception)
    assert (error.kind, error.status_code, error.retry_after) == ("rate_limit", 429, 3.0)  # type: ignore[attr-defined]
    assert "Slow down" in str(error)
    assert len(aimock.bodies()) == 1
