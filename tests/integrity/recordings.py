"""Every recorded stream, the provider that reads it, and what it reads, as values that can be compared."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lazybridge.core.errors import LazyBridgeError, from_exception
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.registry import provider_class
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message

CONFORMANCE = Path(__file__).resolve().parents[3] / "shared" / "conformance"
MISSING = f"the recorded traffic is not here: {CONFORMANCE}"
needs_recordings = pytest.mark.skipif(not CONFORMANCE.is_dir(), reason=MISSING)

Record = dict[str, Any]
# The recorded vendor -> (provider, options); the providers take a base URL with or without the SDK's own `/v1`.
_PROVIDERS = {"azure_openai": "openai", "vertex": "google", "google_openai_compat": "openai", "anthropic_openai_compat": "openai"}  # fmt: skip
_APIS = {"openai_chat": "chat", "openai_responses": "responses", "anthropic_messages": None, "google_generate": None}
_BARE_URL = ("anthropic", "groq", "mistral", "google")
# What the text of an event ends with; Google's has CRLF.
_BOUNDARY = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")


def replay() -> ModuleType:
    """The loopback server beside the recordings."""
    found = sys.modules.get("replay")
    if found is None:
        spec = importlib.util.spec_from_file_location("replay", CONFORMANCE / "replay.py")
        assert spec is not None
        assert spec.loader is not None
        found = sys.modules["replay"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
    return found


def streams() -> list[Record]:
    """Every recorded stream of a conversation that an SDK reads: Google's JSON arrays are read by none."""
    lines = [line for path in sorted(CONFORMANCE.glob("open/*.jsonl")) for line in path.read_text().splitlines()]
    return [
        record
        for record in map(json.loads, lines)
        if record["streaming"]
        and record["status"] == 200
        and record["api"] in _APIS
        and not record["response_body"].lstrip().startswith("[")
    ]


def sample(count: int) -> list[Record]:
    """`count` streams of each API, spread over its vendors and files."""
    chosen: list[Record] = []
    for api in _APIS:
        own = [record for record in streams() if record["api"] == api]
        step = max(1, len(own) // count)
        chosen += own[::step][:count]
    return chosen


def body_of(record: Record) -> bytes:
    return bytes(replay().body_bytes(record))


def events_of(body: bytes) -> list[bytes]:
    """The body cut at every event boundary."""
    return [piece for piece in _BOUNDARY.split(body) if piece]


def provider_for(record: Record, url: str) -> BaseProvider:
    name = _PROVIDERS.get(record["provider"], record["provider"])
    api = _APIS[record["api"]]
    options: dict[str, Any] = {"api": api} if name == "openai" and api else {}
    if api == "responses" and name != "openai":
        name, options = "openai", {"api": "responses"}
    return provider_class(name)(api_key="test-key", base_url=url if name in _BARE_URL else f"{url}/v1", **options)


def request_for(record: Record) -> CompletionRequest:
    model = record["expected"].get("model") or "recorded-model"
    return CompletionRequest(messages=(Message.user("hi"),), model=model, max_tokens=1024)


# --- what was read ----------------------------------------------------------------------------------------------------


class Reading:
    """What came out of one stream: the chunks' text and the answer, or an error."""

    def __init__(self) -> None:
        self.text = self.thinking = ""
        self.response: CompletionResponse | None = None
        self.error: LazyBridgeError | None = None
        self.raised: Exception | None = None

    def add(self, chunk: Any) -> None:
        assert self.response is None, "a chunk after the final one"
        self.text += chunk.delta
        self.thinking += chunk.thinking_delta
        if chunk.is_final:
            self.response = chunk.response

    def fail(self, exc: Exception, provider: str) -> None:
        self.raised = exc
        self.error = from_exception(exc, provider=provider)

    @property
    def facts(self) -> tuple[Any, ...]:
        """All that a reader of the stream may look at."""
        answer, error = self.response, self.error
        if answer is None:
            kind = None if error is None else getattr(error, "kind", type(error).__name__)
            return (self.text, self.thinking, kind, getattr(error, "message", None))
        return (
            self.text, self.thinking, answer.content, answer.thinking, answer.stop_reason, answer.model,
            [(call.id, call.name, dict(call.arguments), call.raw_arguments, call.error) for call in answer.tool_calls],
            astuple(answer.usage), answer.citations, answer.search_queries, answer.media, answer.alternatives,
            answer.logprobs, answer.provider_state and answer.provider_state.items, answer.request_id,
        )  # fmt: skip


def read(provider: BaseProvider, request: CompletionRequest) -> Reading:
    found = Reading()
    try:
        for chunk in provider.stream(request):
            found.add(chunk)
    except Exception as exc:  # noqa: BLE001  # any SDK's
        found.fail(exc, "test")
    return found


async def aread(provider: BaseProvider, request: CompletionRequest) -> Reading:
    found = Reading()
    try:
        async for chunk in provider.astream(request):
            found.add(chunk)
    except Exception as exc:  # noqa: BLE001
        found.fail(exc, "test")
    return found


def parsed_events(body: bytes) -> Iterator[Mapping[str, Any]]:
    """The JSON of the events of a body, by a reader of our own that knows nothing of the SDKs."""
    for block in re.split(r"\r\n\r\n|\n\n", body.decode("utf-8", "replace")):
        data = "\n".join(line[5:].lstrip() for line in re.split(r"\r\n|\n", block) if line.startswith("data:"))
        try:
            event = json.loads(data)
        except ValueError:
            continue
        if isinstance(event, Mapping):
            yield event


def ended(record: Record, body: bytes) -> bool:
    """Whether a finish reason or a terminal event is in what arrived."""
    for event in parsed_events(body):
        if record["api"] == "openai_chat":
            if any(choice.get("finish_reason") for choice in event.get("choices") or ()):
                return True
        elif record["api"] == "google_generate":
            if any(found.get("finishReason") for found in event.get("candidates") or ()):
                return True
            if (event.get("promptFeedback") or {}).get("blockReason"):
                return True
        elif (event.get("delta") or {}).get("stop_reason") if event.get("type") == "message_delta" else event.get("type") in _TERMINAL:  # fmt: skip
            return True
    return False


_TERMINAL = frozenset({"message_stop", *(f"response.{word}" for word in ("completed", "incomplete", "failed", "cancelled", "done"))})  # fmt: skip


def run(work: Any) -> Any:
    return asyncio.run(work)
