"""OpenTelemetry's semantic conventions for generative AI: which names the facts of an event have there.

The names are those of release 1.41.0, the last one that has them in https://github.com/open-telemetry/semantic-conventions
(docs/gen-ai). They are in development; their next home, open-telemetry/semantic-conventions-genai, has made no stable
release. That a span covers an operation with all its retries is that repository's word (docs/gen-ai/gen-ai-spans.md). Both
read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lazybridge.events import AgentStarted, RequestSent, ResponseReceived, ToolCalled

SCHEMA = "https://opentelemetry.io/schemas/1.41.0"
# The conventions' names for providers that have another one here; a provider that they do not know keeps its own.
PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "google": "gcp.gen_ai",  # Gemini's own address or Vertex AI
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
_REQUEST = {"max_tokens": int, "temperature": float, "top_p": float, "seed": int}
_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_input_tokens": "cache_read.input_tokens",
    "cache_write_tokens": "cache_creation.input_tokens",
    "thinking_tokens": "reasoning.output_tokens",
}
# Bucket boundaries of the conventions.
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4**power for power in range(14))


def agent_attributes(event: AgentStarted) -> dict[str, Any]:
    """Of the span `invoke_agent`."""
    return _present(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": provider_name(event.provider),
            "gen_ai.request.model": event.model,
            "gen_ai.agent.name": event.agent,
            "session.id": event.session_id,
            "lazybridge.run_id": event.run_id,
        }
    )


def chat_labels(event: RequestSent) -> dict[str, Any]:
    """Of the span `chat` and its metrics."""
    labels: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider_name(event.provider),
        "gen_ai.request.model": event.model,
    }
    if event.server is not None:
        host, _, port = event.server.rpartition(":")
        labels |= {"server.address": host, "server.port": int(port)}
    return _present(labels)


def request_attributes(event: RequestSent) -> dict[str, Any]:
    """Of the span `chat` alone."""
    asked: dict[str, Any] = {
        f"gen_ai.request.{name}": kind(event.settings[name])
        for name, kind in _REQUEST.items()
        if name in event.settings
    }
    if "stop" in event.settings:
        asked["gen_ai.request.stop_sequences"] = list(event.settings["stop"])
    if event.streamed:
        asked["gen_ai.request.stream"] = True
    return asked


def response_attributes(event: ResponseReceived) -> dict[str, Any]:
    """Of the span `chat`, once it is answered. The cost has no name in the conventions."""
    counts = {f"gen_ai.usage.{written}": getattr(event.usage, name, None) for name, written in _USAGE.items()}
    return _present(
        {
            **counts,
            "gen_ai.response.model": event.model,
            "gen_ai.response.finish_reasons": None if event.stop_reason is None else [event.stop_reason],
            "gen_ai.response.time_to_first_chunk": None
            if event.first_chunk_ms is None
            else event.first_chunk_ms / 1000,
            "lazybridge.cost_usd": event.cost_usd,
            "lazybridge.request_id": event.request_id,
        }
    )


def tool_attributes(event: ToolCalled) -> dict[str, Any]:
    """Of the span `execute_tool`."""
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": event.tool,
        "gen_ai.tool.call.id": event.tool_call_id,
        "gen_ai.tool.type": "function",
    }


def provider_name(name: str) -> str:
    """The conventions' name of a provider."""
    return PROVIDERS.get(name, name)


def _present(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
