"""OpenTelemetry: spans and metrics of every call, by the semantic conventions for generative AI that `conventions` names."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import Token
from dataclasses import dataclass, field
from typing import Any

from lazybridge import __version__
from lazybridge.audience import Audience, everywhere
from lazybridge.conventions import (
    SCHEMA,
    SECONDS,
    TOKENS,
    agent_attributes,
    chat_labels,
    request_attributes,
    response_attributes,
    tool_attributes,
)
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.usage import UsageStats
from lazybridge.events import (
    AgentEnded,
    AgentStarted,
    AttemptFailed,
    Event,
    FellBack,
    RequestSent,
    ResponseReceived,
    Retried,
    ToolCalled,
    ToolReturned,
)

try:
    from opentelemetry import context, metrics, trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
except ImportError as exc:
    raise ConfigurationError('telemetry needs opentelemetry-api\npip install "lazybridge[otel]"') from exc


@dataclass
class _Open:
    """A span that has not ended, what its metrics are told, and how it is taken from the context again."""

    span: Span
    started_s: float
    labels: dict[str, Any]
    error: str | None = None
    message: str | None = None
    token: Token[Context] | None = None


@dataclass
class _Run:
    """The spans of a run that have not ended."""

    agent: Span
    context: Context
    chat: _Open | None = None
    tools: dict[int, _Open] = field(default_factory=dict)


class Telemetry:
    """A listener that makes spans and metrics: `invoke_agent {agent}`, below it `chat {model}` for every turn, with its
    retries as span events, and `execute_tool {tool}`. Tools run inside their span, so what they start is below it.

    Without providers it takes OpenTelemetry's global ones. `instrument()` has it hear every call; `Session(Telemetry())`
    those of a session, with its payloads and redaction.
    """

    def __init__(self, tracer_provider: Any = None, meter_provider: Any = None) -> None:
        self._tracer = trace.get_tracer("lazybridge", __version__, tracer_provider, SCHEMA)
        meter = metrics.get_meter("lazybridge", __version__, meter_provider, SCHEMA)

        def histogram(name: str, unit: str, description: str, boundaries: tuple[float, ...]) -> metrics.Histogram:
            return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=list(boundaries))

        self._duration = histogram("gen_ai.client.operation.duration", "s", "GenAI operation duration.", SECONDS)
        self._tokens = histogram(
            "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", TOKENS
        )
        self._first_chunk = histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "Time to receive the first chunk.", SECONDS
        )
        self._runs: dict[str, _Run] = {}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, AgentStarted):
            return self._agent_started(event)
        run = self._runs.get(event.run_id)
        if run is None:  # listens since the middle of it
            return None
        match event:
            case RequestSent():
                self._request_sent(run, event)
            case ResponseReceived():
                self._responded(run, event)
            case AttemptFailed():
                self._attempt_failed(run, event)
            case Retried():
                if run.chat is not None:
                    run.chat.span.add_event("lazybridge.retry", {"error.type": event.error, "lazybridge.wait_s": event.wait_s})  # fmt: skip
            case FellBack():
                self._chat_ended(run, event)
            case ToolCalled():
                self._tool_called(run, event)
            case ToolReturned():
                self._tool_returned(run, event)
            case AgentEnded():
                self._agent_ended(run, event)

    def _agent_started(self, event: AgentStarted) -> None:
        attributes = agent_attributes(event)
        span = self._tracer.start_span(_named("invoke_agent", event.agent), None, SpanKind.INTERNAL, attributes)
        _set_json(span, "gen_ai.input.messages", event.prompt)
        self._runs[event.run_id] = _Run(span, trace.set_span_in_context(span))

    def _agent_ended(self, run: _Run, event: AgentEnded) -> None:
        del self._runs[event.run_id]
        self._chat_ended(run, event)
        if event.stop_reason is not None:
            run.agent.set_attribute("gen_ai.response.finish_reasons", [event.stop_reason])
        if event.answer is not None:
            parts = [{"type": "text", "content": event.answer}]
            _set_json(run.agent, "gen_ai.output.messages", [{"role": "assistant", "parts": parts, "finish_reason": event.stop_reason}])  # fmt: skip
        _end(run.agent, event.error, event.message)

    def _request_sent(self, run: _Run, event: RequestSent) -> None:
        if run.chat is not None:  # tried again
            return
        labels, asked = chat_labels(event), request_attributes(event)
        span = self._tracer.start_span(_named("chat", event.model), run.context, SpanKind.CLIENT, {**labels, **asked})
        _set_json(span, "gen_ai.input.messages", event.prompt)
        run.chat = _Open(span, event.at.timestamp(), labels)
        if not event.streamed:  # a stream's caller is between its chunks, and would be inside the span
            run.chat.token = context.attach(trace.set_span_in_context(span))

    def _responded(self, run: _Run, event: ResponseReceived) -> None:
        chat = run.chat
        if chat is None:
            return
        chat.error = None
        if event.model is not None:
            chat.labels["gen_ai.response.model"] = event.model
        chat.span.set_attributes(response_attributes(event))
        if event.first_chunk_ms is not None:
            self._first_chunk.record(event.first_chunk_ms / 1000, chat.labels)
        self._count_tokens(chat, event.usage)
        if event.answer is not None:
            _set_json(chat.span, "gen_ai.output.messages", [event.answer])
        self._chat_ended(run, event)

    def _attempt_failed(self, run: _Run, event: AttemptFailed) -> None:
        if run.chat is not None:
            run.chat.error, run.chat.message = event.error, event.message
            if event.receipt.status == "exact":  # the vendor told what it had charged
                self._count_tokens(run.chat, event.usage)

    def _chat_ended(self, run: _Run, event: Event) -> None:
        chat, run.chat = run.chat, None
        if chat is None:
            return
        _detach(chat)
        labels = {**chat.labels, **({} if chat.error is None else {"error.type": chat.error})}
        self._duration.record(event.at.timestamp() - chat.started_s, labels)
        _end(chat.span, chat.error, chat.message)

    def _count_tokens(self, chat: _Open, usage: UsageStats | None) -> None:
        for kind in ("input", "output"):
            tokens = None if usage is None else getattr(usage, f"{kind}_tokens")
            if tokens is not None:
                self._tokens.record(tokens, {**chat.labels, "gen_ai.token.type": kind})

    def _tool_called(self, run: _Run, event: ToolCalled) -> None:
        attributes = tool_attributes(event)
        span = self._tracer.start_span(f"execute_tool {event.tool}", run.context, SpanKind.INTERNAL, attributes)
        _set_json(span, "gen_ai.tool.call.arguments", event.arguments)
        token = context.attach(trace.set_span_in_context(span))
        run.tools[event.call] = _Open(span, event.at.timestamp(), {}, token=token)

    def _tool_returned(self, run: _Run, event: ToolReturned) -> None:
        tool = run.tools.pop(event.call, None)
        if tool is not None:
            _detach(tool)
            if event.result is not None:
                tool.span.set_attribute("gen_ai.tool.call.result", _whole(event.result))
            _end(tool.span, event.error)


def instrument(
    *,
    payloads: bool = False,
    redact: Callable[[str], str] | None = None,
    tracer_provider: Any = None,
    meter_provider: Any = None,
) -> None:
    """Spans and metrics for every call of this process from now on; a second time replaces the first. `payloads` adds what
    was said, with each text as `redact` gives it. Without providers, OpenTelemetry's global ones are taken."""
    uninstrument()
    everywhere.append(_Instrumented((Telemetry(tracer_provider, meter_provider),), payloads, redact))


def uninstrument() -> None:
    """No spans and metrics any more for calls that begin from now on."""
    everywhere[:] = [audience for audience in everywhere if not isinstance(audience, _Instrumented)]


class _Instrumented(Audience):
    """Every call of the process."""


def _named(operation: str, target: str | None) -> str:
    return operation if target is None else f"{operation} {target}"


def _set_json(span: Span, name: str, value: object) -> None:
    if value is not None:
        span.set_attribute(name, _whole(json.dumps(value, default=str, ensure_ascii=False)))


def _whole(text: str) -> str:
    """A text without halves of characters, on which an exporter would lose all the spans that it has at hand."""
    return text.encode("utf-8", "replace").decode()


def _detach(opened: _Open) -> None:
    if opened.token is not None:
        context.detach(opened.token)


def _end(span: Span, error: str | None, message: str | None = None) -> None:
    if error is not None:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR, None if message is None else _whole(message)))
    span.end()
