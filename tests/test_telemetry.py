"""Spans and metrics, as OpenTelemetry's own SDK receives them; names as its package of conventions has them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import SpanKind, StatusCode

from lazybridge import Agent, ConfigurationError, Session, ToolCall, conventions, telemetry
from lazybridge.core.providers.anthropic import AnthropicProvider
from lazybridge.testing import ScriptedProvider
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_stream
from tests.test_call_receipts import expected
from tests.test_session import CANARY, KEY, MODES, everything, look_up, quick


class Otel:
    """OpenTelemetry's SDK, kept in memory."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])

    @property
    def providers(self) -> dict[str, Any]:
        return {"tracer_provider": self.tracers, "meter_provider": self.meters}

    def spans(self) -> list[ReadableSpan]:
        """In the order in which they began."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: (span.start_time, span.context.span_id))

    def span(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans() if span.name == name]
        return found

    def metrics(self) -> dict[str, Any]:
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in (data.resource_metrics if data else []) for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def tree(self) -> dict[str, str | None]:
        names = {span.context.span_id: span.name for span in self.spans()}
        return {span.name: names[span.parent.span_id] if span.parent else None for span in self.spans()}

    def all(self) -> str:
        return " ".join(span.to_json() for span in self.spans()) + (str(self.reader.get_metrics_data()))


@pytest.fixture
def otel() -> Iterator[Otel]:
    kept = Otel()
    telemetry.instrument(**kept.providers)
    yield kept
    telemetry.uninstrument()
    kept.tracers.shutdown()
    kept.meters.shutdown()


@pytest.fixture(params=["responses", "chat", "messages"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    return MODES[request.param]


def test_a_call_has_the_spans_of_the_conventions(kind: Kind, mode: Mode, vendor: FakeVendor, otel: Otel) -> None:
    asked: dict[str, Any] = {"max_tokens": 50, **({} if kind.provider == "anthropic" else {"temperature": 0})}
    envelope = mode(kind.agent(vendor.url, name="triage", **asked), "hi")
    assert otel.tree() == {"invoke_agent triage": None, f"chat {kind.model}": "invoke_agent triage"}
    agent, chat = otel.span("invoke_agent triage"), otel.span(f"chat {kind.model}")
    assert (agent.kind, chat.kind) == (SpanKind.INTERNAL, SpanKind.CLIENT)
    assert agent.attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": kind.provider,
        "gen_ai.request.model": kind.model,
        "gen_ai.agent.name": "triage",
        "gen_ai.response.finish_reasons": ("end_turn",),
        "lazybridge.run_id": envelope.metadata.run_id,
    }
    host, port = vendor.url.removeprefix("http://").split(":")
    attributes = dict(chat.attributes or {})
    first = attributes.pop("gen_ai.response.time_to_first_chunk", None)
    streamed = "stream" in mode.__name__
    assert (first is not None, attributes.pop("gen_ai.request.stream", False)) == (streamed, streamed)
    for name in ("cache_creation.input_tokens", "reasoning.output_tokens"):  # where the vendor counts them
        attributes.pop(f"gen_ai.usage.{name}", None)
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": kind.provider,
        "gen_ai.request.model": kind.model,
        **{f"gen_ai.request.{name}": value for name, value in asked.items()},
        "gen_ai.response.model": envelope.metadata.model,
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 8,
        "server.address": host,
        "server.port": int(port),
        "lazybridge.cost_usd": float(expected(kind)),
        "lazybridge.request_id": envelope.metadata.request_id,
    }
    assert chat.instrumentation_scope is not None
    assert chat.instrumentation_scope.schema_url == Schemas.V1_41_0.value


def test_a_call_has_the_metrics_of_the_conventions(kind: Kind, mode: Mode, vendor: FakeVendor, otel: Otel) -> None:
    mode(kind.agent(vendor.url), "hi")
    found = otel.metrics()
    streamed = "stream" in mode.__name__
    assert set(found) == {
        gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION,
        gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE,
        *([gen_ai_metrics.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK] if streamed else []),
    }
    (duration,) = found["gen_ai.client.operation.duration"].data.data_points
    # The boundaries as docs/gen-ai/gen-ai-metrics.md prints them (read 2026-11-22).
    assert duration.explicit_bounds == (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)  # fmt: skip
    assert 0 < duration.sum < 30
    assert duration.attributes["gen_ai.request.model"] == kind.model
    assert duration.attributes["gen_ai.response.model"]
    points = found["gen_ai.client.token.usage"].data.data_points
    assert {point.attributes["gen_ai.token.type"]: point.sum for point in points} == {"input": 20, "output": 5}
    assert points[0].explicit_bounds == (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)  # fmt: skip
    assert (found["gen_ai.client.token.usage"].unit, found["gen_ai.client.operation.duration"].unit) == ("{token}", "s")


def test_a_tool_runs_inside_its_span(kind: Kind, mode: Mode, vendor: FakeVendor, otel: Otel) -> None:
    inner = KINDS["chat" if kind.provider == "anthropic" else "messages"].agent(vendor.url, name="inner")
    tracer = otel.tracers.get_tracer("the user's own")

    def ask() -> str:
        """Asks another agent."""
        vendor.tool_call = None
        with tracer.start_as_current_span("the user's own"):
            return inner("what?").text()

    vendor.tool_call = {"name": "ask", "arguments": {}}
    mode(kind.agent(vendor.url, name="outer", tools=[ask]), "hi")
    assert [span.name for span in otel.spans()] == [
        "invoke_agent outer",
        f"chat {kind.model}",
        "execute_tool ask",
        "the user's own",
        "invoke_agent inner",
        f"chat {inner.engine.model}",
        f"chat {kind.model}",
    ]
    parents = otel.tree()
    assert parents["execute_tool ask"] == "invoke_agent outer"
    assert parents["the user's own"] == "execute_tool ask"
    assert parents["invoke_agent inner"] == "the user's own"
    assert parents[f"chat {inner.engine.model}"] == "invoke_agent inner"
    tool = otel.span("execute_tool ask")
    assert tool.kind is SpanKind.INTERNAL
    attributes = dict(tool.attributes or {})
    assert attributes.pop("gen_ai.tool.call.id")
    assert attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "ask",
        "gen_ai.tool.type": "function",
    }


def test_tasks_at_once_have_their_own_parents(vendor: FakeVendor, otel: Otel) -> None:
    agent = KINDS["messages"].agent(vendor.url)
    tracer = otel.tracers.get_tracer("the user's own")

    async def one(name: str) -> None:
        with tracer.start_as_current_span(name):
            if name == "streamed":
                async for _ in agent.stream("hi"):
                    assert trace.get_current_span().name == name  # type: ignore[attr-defined]
            else:
                await agent.run("hi")

    async def main() -> None:
        await asyncio.gather(one("first"), one("streamed"), one("last"))
        await agent.aclose()

    asyncio.run(main())
    names = {span.context.span_id: span.name for span in otel.spans()}
    above = [names[span.parent.span_id] for span in otel.spans() if span.name == "invoke_agent" and span.parent]
    assert sorted(above) == ["first", "last", "streamed"]


def test_a_streams_caller_is_not_inside_its_spans(vendor: FakeVendor, otel: Otel) -> None:
    for _ in KINDS["messages"].agent(vendor.url).stream("hi"):
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert len(otel.spans()) == 2


def test_a_request_is_sent_inside_its_span(vendor: FakeVendor, otel: Otel, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an instrumented HTTP client would see it."""
    inside: list[str] = []
    send = AnthropicProvider.complete

    def complete(self: AnthropicProvider, request: Any) -> Any:
        inside.append(trace.get_current_span().name)  # type: ignore[attr-defined]
        return send(self, request)

    monkeypatch.setattr(AnthropicProvider, "complete", complete)
    vendor.fail(Fault(status=500))
    quick(KINDS["messages"].agent(vendor.url))("hi")
    assert inside == ["chat claude-haiku-4-5"] * 2
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_retries_stay_within_one_span(kind: Kind, mode: Mode, vendor: FakeVendor, otel: Otel) -> None:
    vendor.fail(Fault(status=500), Fault(status=500))
    mode(quick(kind.agent(vendor.url)), "hi")
    chat = otel.span(f"chat {kind.model}")
    assert [(event.name, (event.attributes or {})["error.type"]) for event in chat.events] == [("lazybridge.retry", "server")] * 2  # fmt: skip
    assert chat.status.status_code is StatusCode.UNSET
    assert "error.type" not in (chat.attributes or {})
    (duration,) = otel.metrics()["gen_ai.client.operation.duration"].data.data_points
    assert duration.count == 1


def test_a_failed_call_has_its_kind_on_every_span(kind: Kind, mode: Mode, vendor: FakeVendor, otel: Otel) -> None:
    vendor.fail(Fault(status=400))
    mode(kind.agent(vendor.url), "hi")
    for span in otel.spans():
        assert (span.attributes or {})["error.type"] == "invalid_request"
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    (duration,) = otel.metrics()["gen_ai.client.operation.duration"].data.data_points
    assert duration.attributes["error.type"] == "invalid_request"
    assert "gen_ai.client.token.usage" not in otel.metrics()


def test_another_model_has_a_span_of_its_own(mode: Mode, vendor: FakeVendor, otel: Otel) -> None:
    class WithNeighbour(AnthropicProvider):
        name = "anthropic"
        _FALLBACKS = {"claude-haiku-4-5": ["claude-haiku-5-5"]}

    vendor.fail(Fault(status=404))
    with WithNeighbour(KEY, base_url=vendor.url) as provider:
        mode(Agent("claude-haiku-4-5", provider=provider), "hi")
    assert (otel.span("chat claude-haiku-4-5").attributes or {})["error.type"] == "not_found"
    assert otel.span("chat claude-haiku-5-5").status.status_code is StatusCode.UNSET


def test_spans_of_a_call_that_is_left_end(vendor: FakeVendor, otel: Otel) -> None:
    async def cancelled() -> None:
        vendor.fail(Fault(hang=30))
        task = asyncio.create_task(KINDS["chat"].agent(vendor.url).run("hi"))
        while not vendor.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    for _ in KINDS["messages"].agent(vendor.url).stream("hi"):
        break
    assert [(span.name, (span.attributes or {})["error.type"]) for span in otel.spans()] == [
        ("invoke_agent", "cancelled"),
        ("chat gpt-4.1-mini", "cancelled"),
        ("invoke_agent", "truncated"),
        ("chat claude-haiku-4-5", "cancelled"),
    ]


def test_a_broken_exporter_does_not_break_the_call(vendor: FakeVendor, otel: Otel) -> None:
    otel.tracers.add_span_processor(_Broken())
    assert by_stream(KINDS["messages"].agent(vendor.url), "hi").text() == TEXT


class _Broken(SimpleSpanProcessor):
    def __init__(self) -> None:
        super().__init__(InMemorySpanExporter())

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("the processor is broken")


# --- what is said, and secrets ----------------------------------------------------------------------------------------


def test_no_span_and_no_metric_has_the_key_or_what_was_said(
    kind: Kind, mode: Mode, vendor: FakeVendor, otel: Otel
) -> None:
    everything(vendor, kind, mode, Session())
    told = otel.all()
    assert "execute_tool" in told
    assert "authentication" in told
    assert KEY not in told
    assert CANARY not in told


def test_payloads_are_written_as_the_conventions_do_and_without_the_key(
    kind: Kind, mode: Mode, vendor: FakeVendor, otel: Otel
) -> None:
    telemetry.instrument(payloads=True, redact=lambda text: text.replace("hidden", "…"), **otel.providers)
    everything(vendor, kind, mode, Session())
    told = otel.all()
    assert KEY not in told
    assert CANARY in told
    chat = next(span for span in otel.spans() if span.name.startswith("chat"))
    attributes = chat.attributes or {}
    said = [{"type": "text", "content": f"{CANARY} and [redacted]"}]
    assert json.loads(str(attributes["gen_ai.input.messages"])) == [
        {"role": "system", "parts": said},
        {"role": "user", "parts": said},
    ]
    assert json.loads(str(attributes["gen_ai.output.messages"])) == [
        {"role": "assistant", "parts": said, "finish_reason": "end_turn"}
    ]
    tool = next(span for span in otel.spans() if span.name.startswith("execute_tool")).attributes or {}
    assert CANARY in str(tool["gen_ai.tool.call.arguments"])
    assert CANARY in str(tool["gen_ai.tool.call.result"])


# --- names, and when it is off ----------------------------------------------------------------------------------------


def test_every_name_is_one_of_the_conventions(vendor: FakeVendor, otel: Otel) -> None:
    """By the package that OpenTelemetry generates from them."""
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    telemetry.instrument(payloads=True, **otel.providers)
    vendor.tool_call = {"name": "look_up", "arguments": {"word": "rain"}}
    agent = KINDS["messages"].agent(vendor.url, tools=[look_up], name="x", stop=["x"], max_tokens=9)
    for mode in MODES.values():
        mode(agent, "hi")
    KINDS["chat"].agent(vendor.url, seed=1, temperature=0, top_p=0.5)("hi")
    used = {name for span in otel.spans() for name in span.attributes or {}}
    assert {name for name in used if name.startswith("gen_ai.")} <= known
    assert {f"gen_ai.request.{name}" for name in ("stop_sequences", "seed", "temperature", "top_p", "stream")} <= used
    assert {name.split(".")[0] for name in used} <= {"gen_ai", "server", "error", "session", "lazybridge"}
    operations = {item.value for item in gen_ai_attributes.GenAiOperationNameValues}
    assert {(span.attributes or {})["gen_ai.operation.name"] for span in otel.spans()} <= operations
    assert set(conventions.PROVIDERS.values()) <= {item.value for item in gen_ai_attributes.GenAiProviderNameValues}


def test_a_session_may_have_spans_of_its_own(vendor: FakeVendor) -> None:
    kept = Otel()
    agent = KINDS["messages"].agent(vendor.url)
    with Session(telemetry.Telemetry(**kept.providers), id="work"):
        agent("hi")
    agent("hi")
    assert (kept.span("invoke_agent").attributes or {})["session.id"] == "work"


def test_it_is_off_until_it_is_on(vendor: FakeVendor, otel: Otel) -> None:
    agent = KINDS["messages"].agent(vendor.url)
    telemetry.uninstrument()
    agent("hi")
    assert not otel.spans()
    telemetry.instrument(**otel.providers)
    telemetry.instrument(**otel.providers)
    agent("hi")
    assert len(otel.spans()) == 2


def test_a_call_imports_no_opentelemetry(vendor: FakeVendor) -> None:
    code = (
        "import sys; from lazybridge import Agent, Session\n"
        f"with Session(): assert Agent('gpt-4.1-mini', api_key='k', base_url='{vendor.url}/v1')('hi').ok\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_package_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None\nimport lazybridge.telemetry"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f'{ConfigurationError.__name__}: telemetry needs opentelemetry-api\npip install "lazybridge[otel]"' in done.stderr  # fmt: skip


def test_half_a_character_is_no_end_of_the_export(otel: Otel) -> None:
    telemetry.instrument(payloads=True, **otel.providers)

    def half() -> str:
        return "a result \ud83d"

    provider = ScriptedProvider([ToolCall("1", "half", {}), "an answer \ud83d"])
    Agent(provider, tools=[half])("a question \ud83d")
    assert "a result \\\\ud83d" in str(dict(otel.span("execute_tool half").attributes or {}))  # as the model reads it
    for span in otel.spans():
        for value in (span.attributes or {}).values():
            str(value).encode()  # as an exporter does
