"""What each compatible vendor is sent, pinned in `dialects/`; `python -m tests.wire.dialects` writes the files anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lazybridge.core import catalogue, registry
from lazybridge.core.providers.openai_compatible import OpenAICompatibleProvider
from lazybridge.core.types import CompletionRequest, Message, OutputSchema, ProviderState
from lazybridge.core.wire.chat import ChatWire
from tests.wire.requests import QUESTION, TWO_CALLS, WEATHER

PINNED = Path(__file__).with_name("dialects")
# A model for each: its default where it has one.
MODELS = {
    "compatible": "any", "perplexity": "sonar-pro", "ollama": "llama3.2:3b", "lmstudio": "qwen/qwen3-4b", "vllm": "Qwen/Qwen3-8B",
    "llamacpp": "smollm2", "litellm": "team-model", "azure": "gpt-4.1-mini",
}  # fmt: skip

# Fields that a vendor takes and openai's types do not have: path in the body -> where the vendor says so.
EXTENSIONS: dict[str, str] = {
    "thinking": "https://api-docs.deepseek.com/guides/thinking_mode; https://docs.z.ai/guides/capabilities/thinking-mode",
    "reasoning": "https://openrouter.ai/docs/use-cases/reasoning-tokens",
    "usage": "https://openrouter.ai/docs/use-cases/usage-accounting",
    "messages[].reasoning_content": "https://api-docs.deepseek.com/guides/thinking_mode",
    "messages[].reasoning_details": "https://openrouter.ai/docs/use-cases/reasoning-tokens",
    "response_format.schema": "https://docs.cohere.com/docs/compatibility-api",
    "messages[].reasoning": "https://inference-docs.cerebras.ai/capabilities/reasoning; requests recorded of Ollama",
}

SCHEMA = OutputSchema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False})  # fmt: skip
THOUGHT: Mapping[str, Any] = {
    "reasoning_content": "Rome, then Oslo.",
    "reasoning": "Rome, then Oslo.",
    "reasoning_details": [{"type": "reasoning.text", "text": "Rome, then Oslo.", "signature": "EqQB==", "index": 0}],
}


def providers() -> dict[str, type[OpenAICompatibleProvider]]:
    """Every built-in that speaks the dialects, by name."""
    found = {name: registry.provider_class(name) for name in registry._BUILT_IN}
    return {name: cls for name, cls in found.items() if issubclass(cls, OpenAICompatibleProvider)}


def wire_of(name: str) -> ChatWire:
    return providers()[name].dialect


def model_of(name: str) -> str:
    return MODELS.get(name) or providers()[name].default_model


def requests(wire: ChatWire) -> Iterator[tuple[str, CompletionRequest]]:
    hi = (Message.user("Hi"),)
    yield "settings", CompletionRequest(hi, system="Be brief.", max_tokens=9, temperature=0, top_p=0.5, stop=("END",), seed=1, metadata={"run": "7"}, service_tier="flex", cache="1h")  # fmt: skip
    yield "thinking", CompletionRequest(hi, thinking=True)
    yield "no thinking", CompletionRequest(hi, thinking=False, temperature=0)
    yield "budget", CompletionRequest(hi, thinking=2000)
    for effort in ("none", "low", "medium", "max"):
        yield f"effort {effort}", CompletionRequest(hi, effort=effort)
    yield "tools", CompletionRequest((QUESTION,), tools=(WEATHER,), parallel_tool_calls=False)
    yield "a tool by name", CompletionRequest((QUESTION,), tools=(WEATHER,), tool_choice="get_weather")
    yield (
        "a tool while thinking",
        CompletionRequest((QUESTION,), tools=(WEATHER,), tool_choice="required", thinking=True),
    )
    yield "schema", CompletionRequest(hi, system="Be brief.", output_schema=SCHEMA)
    said = TWO_CALLS.text, TWO_CALLS.tool_calls
    thought = {name: THOUGHT[name] for name in wire.reasoning_fields[:1]}
    state = ProviderState(wire.vendor, "chat", (thought,), said)
    turn = Message(TWO_CALLS.role, TWO_CALLS.content, TWO_CALLS.tool_calls, provider_state=state)
    results = [Message.tool("Sunny", tool_call_id="call_1"), Message.tool("Rain", tool_call_id="call_2")]
    yield "tool turn", CompletionRequest((QUESTION, turn, *results), tools=(WEATHER,))


def written(name: str) -> dict[str, Any]:
    """What a file holds: for every request the body and what could not be put into it."""
    wire, profile = wire_of(name), catalogue.profile(name, model_of(name))
    calls = {case: wire.to_sdk_kwargs(request, profile, False) for case, request in requests(wire)}
    return {case: {"body": call.body, "adjustments": [*map(str, call.adjustments)]} for case, call in calls.items()}


def without_extensions(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body as OpenAI's own types know it."""
    found = {key: value for key, value in body.items() if key not in EXTENSIONS}
    found["messages"] = [_without(message, "messages[].") for message in body["messages"]]
    if "response_format" in body:
        found["response_format"] = _without(body["response_format"], "response_format.")
    return found


def _without(inner: Mapping[str, Any], path: str) -> dict[str, Any]:
    return {key: value for key, value in inner.items() if f"{path}{key}" not in EXTENSIONS}


def main() -> None:
    PINNED.mkdir(exist_ok=True)
    for path in PINNED.glob("*.json"):
        path.unlink()
    for name in providers():
        (PINNED / f"{name}.json").write_text(json.dumps(written(name), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
