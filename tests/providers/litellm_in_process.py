"""What the provider `litellm` gives where the package litellm is installed and lazybridge's extras are not, as JSON on stdout.

Run by tests/providers/test_litellm_in_process.py with the Python of litellm's own environment.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from lazybridge import Agent, Envelope
from lazybridge.core.errors import UnsupportedFeatureError
from lazybridge.core.providers.litellm import LiteLLMProvider
from tests.fake_vendor import FakeVendor, Fault
from tests.providers.agents import modes

KEY = "upstream-key-0123456789"
LONG = {"error": {"message": "This model's maximum context length is 5 tokens", "type": "invalid_request_error"}}
ECHO = {"error": {"message": f"no such key: {KEY}", "type": "invalid_request_error"}}
FAULTS = {
    "rate limit": Fault(status=429, headers={"retry-after": "7"}),
    "key": Fault(status=401, body=ECHO),
    "model": Fault(status=404),
    "server": Fault(status=500),
    "too long": Fault(status=400, body=LONG),
    "dropped": Fault(drop=True),
    "slow": Fault(hang=3),
    "ended": Fault(end_after=2),
    "cut": Fault(cut_after=2),
}
BROKEN = ("ended", "cut")


def modes_of(fault: str) -> list[str]:
    """The ways to ask in which this can happen."""
    return [mode for mode in modes if fault not in BROKEN or "streamed" in mode]


def agent_for(model: str, vendor: FakeVendor, **more: Any) -> Agent:
    base = vendor.url + ("" if model.startswith("anthropic/") else "/v1")
    more.setdefault("extra_body", {"api_base": base})
    return Agent(f"litellm/{model}", api_key=KEY, max_retries=0, breaker=False, **more)


def told(envelope: Envelope) -> dict[str, Any]:
    metadata, error = envelope.metadata, envelope.error
    found = {
        "attempts": len(metadata.attempts),
        "cost": metadata.cost_usd,
        "receipt": str(metadata.receipt),
        "model": metadata.model,
        "tokens": [metadata.input_tokens, metadata.output_tokens],
    }
    if error is None:
        return {**found, "text": envelope.text(), "stop": metadata.stop_reason}
    return {
        **found,
        "kind": error.kind,
        "status": getattr(error, "status_code", None),
        "retry_after": getattr(error, "retry_after", None),
        "request_id": getattr(error, "request_id", None),
        "partial": error.partial_text,
        "all": f"{error} {error!r} {vars(error)} {error.__cause__!r} {vars(error.__cause__ or error)}",
    }


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def left(agent: Agent) -> None:
    with agent.stream("hi") as stream:
        next(iter(stream))


def left_asynchronously(agent: Agent) -> None:
    async def first() -> None:
        async with agent.stream("hi") as stream:
            await anext(aiter(stream))

    asyncio.run(first())


def main() -> dict[str, Any]:
    vendor = FakeVendor()
    before = "litellm" in sys.modules
    provider = LiteLLMProvider()
    found: dict[str, Any] = {
        "imported early": before or "litellm" in sys.modules,
        "without base URL": provider.in_process,
        "with base URL": LiteLLMProvider(base_url=vendor.url).in_process,
    }
    try:
        provider.models()
    except UnsupportedFeatureError as error:
        found["models"] = str(error)
    for model in ("openai/gpt-4.1-mini", "anthropic/claude-haiku-4-5", "openai/unknown"):
        for mode, ask in modes.items():
            with agent_for(model, vendor, extra_headers={"x-team": "blue"}) as agent:
                found[f"{model} {mode}"] = told(ask(agent, "hi")) | {"sent": vendor.requests[-1]}
    found["httpx2"] = "httpx2" in sys.modules
    vendor.tool_call = {"name": "weather", "arguments": {"city": "Rome"}}
    for mode, ask in modes.items():
        with agent_for("anthropic/claude-haiku-4-5", vendor, tools=[weather]) as agent:
            found[f"tool {mode}"] = told(ask(agent, "hi")) | {"sent": vendor.requests[-1]}
    vendor.tool_call = None
    for name, fault in FAULTS.items():
        for mode in modes_of(name):
            hits = len(vendor.requests)
            vendor.fail(fault)
            with agent_for("openai/gpt-4.1-mini", vendor, timeout=1.0 if name == "slow" else 20.0) as agent:
                found[f"{name} {mode}"] = told(modes[mode](agent, "hi")) | {"hits": len(vendor.requests) - hits}
    for model in ("openai/gpt-4.1-mini", "anthropic/claude-haiku-4-5"):
        for mode, leave in (("streamed", left), ("streamed asynchronously", left_asynchronously)):
            vendor.hung_up.clear()
            vendor.fail(Fault(pause=0.1, linger=3.0))
            with agent_for(model, vendor) as agent:
                leave(agent)
                found[f"{model} left {mode}"] = vendor.hung_up.wait(2)
    vendor.close()
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
