"""What a call gives back: the answer or the error, and what it took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from lazybridge.core.content import Citation, Media
from lazybridge.core.errors import LazyBridgeError
from lazybridge.core.receipt import FREE, Receipt
from lazybridge.core.showing import Shown
from lazybridge.core.types import Adjustment, CompletionResponse, Message, StopReason, ToolCall, UsageStats

T = TypeVar("T")
AttemptReason = Literal["turn", "retry", "fallback", "restart", "continue", "repair", "hedge"]


@dataclass
class Attempt:
    """One request on the wire. `started` is seconds since the epoch, `duration_ms` how long it took; `wait_s` is the
    pause before the next one; `error` is an error kind, None for a success. `usage` is None where nothing was reported.
    `receipt` is what it cost: nothing where the vendor refused it, what is known of it where it broke off. `reason` is why
    it was sent: a new turn, a retry of the one before, a fallback to another model, a broken stream's new beginning or
    continuation, the repair of an answer that does not fit its type, or a second request beside a slow one. `agent` is the
    name of the agent that made it, None where it has none."""

    provider: str
    model: str | None
    started: float
    duration_ms: float = 0.0
    status_code: int | None = None
    error: str | None = None
    wait_s: float = 0.0
    usage: UsageStats | None = None
    request_id: str | None = None
    receipt: Receipt = FREE
    reason: AttemptReason = "turn"
    agent: str | None = None

    @property
    def cost_usd(self) -> float | None:
        """USD, None where it is not exactly known."""
        return self.receipt.cost_usd


@dataclass
class EnvelopeMetadata:
    """What a call took, over all its turns and attempts, those of agents that it asked included. Unknown is None: `cost_usd` is 0.0 only for what is free.

    `receipt` has the lines that add up to the cost, and what is known of it where it is not exact.
    """

    model: str | None = None
    provider: str | None = None
    cost_usd: float | None = None
    receipt: Receipt = FREE
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    stop_reason: StopReason | None = None
    latency_ms: float = 0.0
    run_id: str = ""
    turns: int = 0
    request_id: str | None = None
    attempts: tuple[Attempt, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    usage: UsageStats = field(default_factory=UsageStats)


@dataclass
class ErrorInfo:
    """The facts of a failure, for logs and JSON."""

    kind: str
    message: str
    retryable: bool


@dataclass(repr=False)
class Envelope(Shown, Generic[T]):
    """The result of a call, also of one that failed: then `ok` is False, `error` is the error, and `text()` and
    `payload` raise it. `messages` is the conversation as it stands then: all that was asked, called, returned and
    answered; of a call that failed, all before what failed."""

    metadata: EnvelopeMetadata
    response: CompletionResponse | None = None
    error: LazyBridgeError | None = None
    _payload: Any = None
    messages: tuple[Message, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return self.error is None

    @property
    def payload(self) -> T:
        """The answer: text, or an object of the type that `output=` asked for. Raises the error of a failed call."""
        if self.error is not None:
            raise self.error
        result: T = self._payload
        return result

    def text(self) -> str:
        """The answer's text. Raises the error of a failed call."""
        if self.error is not None:
            raise self.error
        return self.response.content if self.response is not None else ""

    @property
    def thinking(self) -> str:
        """What the model showed of its thinking; "" where it showed none."""
        return self.response.thinking if self.response is not None else ""

    @property
    def media(self) -> tuple[Media, ...]:
        """The images and the audio of the answer; () where there are none."""
        return self.response.media if self.response is not None else ()

    @property
    def citations(self) -> tuple[Citation, ...]:
        """What the answer rests on: pages, files and places that the vendor's own tools found; () where there are none."""
        return self.response.citations if self.response is not None else ()

    @property
    def search_queries(self) -> tuple[str, ...]:
        """What the vendor's own search was asked; () where it was not."""
        return self.response.search_queries if self.response is not None else ()

    @property
    def tool_calls(self) -> list[ToolCall]:
        """Calls that the answer asks for and nobody ran."""
        return self.response.tool_calls if self.response is not None else []

    @property
    def error_info(self) -> ErrorInfo | None:
        """The error as plain facts; None for a success."""
        if self.error is None:
            return None
        kind = getattr(self.error, "kind", type(self.error).__name__)
        return ErrorInfo(kind, str(self.error), bool(getattr(self.error, "retryable", False)))

    def __repr__(self) -> str:
        meta = self.metadata
        shown = repr(self.error) if self.error is not None else repr(_shortened(self.text()))
        return f"Envelope({shown}, model={meta.model!r}, cost_usd={meta.cost_usd!r}, attempts={len(meta.attempts)})"


def total_usage(attempts: Iterable[Attempt]) -> UsageStats:
    """The usage of every attempt together; an attempt whose usage is unknown makes the sum unknown."""
    parts = [attempt.usage for attempt in attempts if attempt.usage is not None]
    if not parts:
        return UsageStats()
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def total_receipt(attempts: Iterable[Attempt]) -> Receipt:
    """What every attempt cost together."""
    total = FREE
    for attempt in attempts:
        if attempt.receipt is not FREE:
            total = attempt.receipt if total is FREE else total + attempt.receipt
    return total


def _shortened(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
