"""What happens in a call, as events: plain, frozen, and without a payload unless somebody asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, ClassVar, Self

from lazybridge.core.receipt import Receipt, plain
from lazybridge.core.usage import UsageStats

# A message is written as OpenTelemetry's conventions for generative AI write it: {"role": ..., "parts": [{"type": ...}]}.
Messages = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a run, which is one call of an agent or a model.

    `at` is in UTC; `number` counts the events of a run from 1 on. `parent_run_id` is the run whose tool made the call.
    `session_id` and `agent` (its name) are None where there is none. Fields named in `payload` are None unless the
    listener's session was made with `payloads=True`.
    """

    kind: ClassVar[str]
    payload: ClassVar[tuple[str, ...]] = ()

    at: datetime
    number: int
    run_id: str
    parent_run_id: str | None
    session_id: str | None
    agent: str | None
    provider: str

    def without_payload(self) -> Self:
        """The same event, without what was said in the call."""
        told: dict[str, Any] = {name: None for name in self.payload if getattr(self, name) is not None}
        return replace(self, **told) if told else self

    def to_dict(self) -> dict[str, Any]:
        """The event as what JSON can hold, without the fields that are None. `cost_usd` is text, so that no digit is
        lost, beside `cost_status`."""
        found: dict[str, Any] = {"event": self.kind}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Receipt):
                found["cost_usd"] = None if value.total is None else plain(value.total)
                found["cost_status"] = value.status
            elif isinstance(value, UsageStats):
                found["usage"] = {
                    part.name: getattr(value, part.name)
                    for part in fields(value)
                    if part.name not in ("cost_usd", "reported_cost_usd") and getattr(value, part.name) is not None
                }
            elif value is not None:
                found[item.name] = value.isoformat() if isinstance(value, datetime) else value
        return found


@dataclass(frozen=True, kw_only=True)
class AgentStarted(Event):
    """A run begins; it is the first event of a run. `model` is the id that was asked for."""

    kind: ClassVar[str] = "agent_start"
    payload: ClassVar[tuple[str, ...]] = ("prompt",)

    model: str | None
    streamed: bool
    prompt: Messages | None = None


@dataclass(frozen=True, kw_only=True)
class TurnStarted(Event):
    """A turn begins: one request, with what it takes to have it answered. Turns count from 1 on."""

    kind: ClassVar[str] = "turn"

    turn: int


@dataclass(frozen=True, kw_only=True)
class RequestSent(Event):
    """An attempt begins; a `ResponseReceived` or an `AttemptFailed` with the same `attempt` ends it.

    `settings` are those that the request carries, such as `max_tokens`; `server` is where it goes, as `host:port`, and
    None where the SDK's own address is used.
    """

    kind: ClassVar[str] = "request"
    payload: ClassVar[tuple[str, ...]] = ("prompt",)

    turn: int
    attempt: int
    model: str | None
    streamed: bool
    settings: Mapping[str, Any]
    server: str | None
    prompt: Messages | None = None


@dataclass(frozen=True, kw_only=True)
class _AttemptEnded(Event):
    """`model` is what served, or what was asked for where nothing did."""

    turn: int
    attempt: int
    model: str | None
    request_id: str | None
    usage: UsageStats | None
    receipt: Receipt
    duration_ms: float

    @property
    def cost_usd(self) -> float | None:
        """USD, None where it is not exactly known."""
        return self.receipt.cost_usd


@dataclass(frozen=True, kw_only=True)
class ResponseReceived(_AttemptEnded):
    """An attempt was answered. `first_chunk_ms` is how long a stream's first chunk took; None without a stream.
    `tool_calls` are the names of the tools that the model calls."""

    kind: ClassVar[str] = "response"
    payload: ClassVar[tuple[str, ...]] = ("answer",)

    stop_reason: str | None
    tool_calls: tuple[str, ...]
    first_chunk_ms: float | None
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptFailed(_AttemptEnded):
    """An attempt failed or was left. `error` is the error's kind, "cancelled" where nobody waited for it any more.
    `message` counts as payload: a vendor may repeat the prompt in it."""

    kind: ClassVar[str] = "error"
    payload: ClassVar[tuple[str, ...]] = ("message",)

    error: str
    status_code: int | None
    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class Retried(Event):
    """The failed attempt is tried again in `wait_s` seconds."""

    kind: ClassVar[str] = "retry"

    attempt: int
    error: str
    wait_s: float


@dataclass(frozen=True, kw_only=True)
class FellBack(Event):
    """`model` failed; `to` is asked next."""

    kind: ClassVar[str] = "fallback"

    attempt: int
    error: str
    model: str | None
    to: str


@dataclass(frozen=True, kw_only=True)
class ToolCalled(Event):
    """A tool begins to run; the `ToolReturned` with the same `call` ends it, `call` being a number of its own."""

    kind: ClassVar[str] = "tool_call"
    payload: ClassVar[tuple[str, ...]] = ("arguments",)

    tool: str
    tool_call_id: str
    call: int
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ToolReturned(Event):
    """A tool has run. `error` is None, "tool_error" where the model is told of an error, or the name of the exception
    that stopped it."""

    kind: ClassVar[str] = "tool_result"
    payload: ClassVar[tuple[str, ...]] = ("result",)

    tool: str
    tool_call_id: str
    call: int
    duration_ms: float
    error: str | None
    result: str | None = None


@dataclass(frozen=True, kw_only=True)
class AgentEnded(Event):
    """A run has ended, however it did; it is the last event of a run. `usage` and `receipt` are of all its attempts.

    `error` is None for an answer, else the kind of the error, "cancelled" among them, or the name of its class.
    """

    kind: ClassVar[str] = "agent_end"
    payload: ClassVar[tuple[str, ...]] = ("answer", "message")

    model: str | None
    error: str | None
    stop_reason: str | None
    turns: int
    attempts: int
    usage: UsageStats
    receipt: Receipt
    duration_ms: float
    answer: str | None = None
    message: str | None = None

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return self.error is None

    @property
    def cost_usd(self) -> float | None:
        """USD, None where it is not exactly known."""
        return self.receipt.cost_usd
