"""Agent and envelope, over real SDKs and a loopback vendor."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lazybridge import (
    Agent,
    ConfigurationError,
    LLMEngine,
    NativeTool,
    StreamTruncated,
    StructuredOutputError,
    ToolLoopError,
    UnknownModelError,
    UnsupportedFeatureError,
    UnsupportedNativeToolError,
)
from lazybridge.core.errors import AuthenticationError, ProviderTimeoutError, RateLimitError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, StreamChunk, UsageStats
from tests.conftest import KINDS, Kind
from tests.fake_vendor import PIECES, TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_astream, by_call, by_run, by_stream


def test_one_question_one_answer(agent: Callable[..., Agent], mode: Mode, kind: Kind) -> None:
    envelope = mode(agent(), "hi")
    assert envelope.ok
    assert envelope.text() == envelope.payload == TEXT
    meta = envelope.metadata
    assert (meta.model, meta.provider, meta.stop_reason, meta.turns) == (kind.model, kind.provider, "end_turn", 1)
    assert (meta.input_tokens, meta.cached_input_tokens, meta.output_tokens) == (20, 8, 5)
    assert meta.cost_usd is not None
    assert meta.cost_usd > 0
    assert len(meta.attempts) == 1


def test_a_503_and_then_an_answer_is_two_attempts(agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=503, headers={"retry-after": "0.05"}))
    envelope = mode(agent(), "hi")
    assert envelope.text() == TEXT
    assert [(attempt.status_code, attempt.error) for attempt in envelope.metadata.attempts] == [
        (503, "overloaded"),
        (200, None),
    ]
    assert envelope.metadata.attempts[0].wait_s == 0.05
    assert len(vendor.requests) == 2


def test_a_hanging_server_ends_the_call_on_time(agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor) -> None:
    vendor.fail(Fault(hang=20))
    subject = agent(timeout=0.5)
    started = time.monotonic()
    envelope = mode(subject, "hi")
    assert 0.4 < time.monotonic() - started < 2.5
    assert isinstance(envelope.error, ProviderTimeoutError)
    assert "timeout=0.5" in str(envelope.error)
    assert len(envelope.error.attempts) == 1


@pytest.mark.parametrize("mode", [by_stream, by_astream])
def test_a_stream_that_stalls_ends_on_time_and_keeps_its_text(
    agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor
) -> None:
    vendor.fail(Fault(hang_after=4))
    started = time.monotonic()
    envelope = mode(agent(timeout=0.5), "hi")
    assert time.monotonic() - started < 2.5
    assert isinstance(envelope.error, ProviderTimeoutError)
    assert envelope.error.partial_text.startswith(PIECES[0])


def test_an_answer_that_drips_ends_on_time(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    for mode in (by_call, by_run):
        vendor.fail(Fault(drip=0.05))
        started = time.monotonic()
        envelope = mode(agent(timeout=0.6), "hi")
        assert 0.5 < time.monotonic() - started < 1.5
        assert isinstance(envelope.error, ProviderTimeoutError)
        assert "timeout=0.6" in str(envelope.error)
        assert vendor.hung_up.wait(5)


def test_a_late_stall_does_not_start_the_clock_again(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    for mode in (by_stream, by_astream):
        vendor.fail(Fault(pause=0.1, hang_after=5))
        started = time.monotonic()
        envelope = mode(agent(timeout=0.8), "hi")
        assert 0.7 < time.monotonic() - started < 1.2
        assert isinstance(envelope.error, ProviderTimeoutError)
        assert envelope.error.partial_text


def test_waits_never_reach_past_the_deadline(agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor) -> None:
    vendor.fail(*[Fault(status=429, headers={"retry-after": "30"})] * 3)
    started = time.monotonic()
    envelope = mode(agent(timeout=1), "hi")
    assert time.monotonic() - started < 1.5
    assert isinstance(envelope.error, RateLimitError)
    assert envelope.error.retry_after == 30
    assert len(vendor.requests) == 1


def test_one_call_is_at_most_three_requests(agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor) -> None:
    vendor.fail(*[Fault(status=500, headers={"retry-after": "0.01"})] * 9)
    envelope = mode(agent(), "hi")
    assert not envelope.ok
    assert len(vendor.requests) == len(envelope.metadata.attempts) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_what_cannot_succeed_is_not_tried_again(agent: Callable[..., Agent], vendor: FakeVendor, status: int) -> None:
    vendor.fail(*[Fault(status=status)] * 3)
    assert agent()("hi").error is not None
    assert len(vendor.requests) == 1


def test_x_should_retry_false_is_obeyed(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=500, headers={"x-should-retry": "false"}))
    assert not agent()("hi").ok
    assert len(vendor.requests) == 1


def test_exhausted_quota_is_not_a_rate_limit(vendor: FakeVendor) -> None:
    body = {
        "error": {
            "message": "You exceeded your current quota",
            "type": "insufficient_quota",
            "code": "insufficient_quota",
        }
    }
    vendor.fail(Fault(status=429, body=body, headers={"retry-after": "1"}))
    with pytest.raises(Exception, match="quota") as caught:
        KINDS["chat"].agent(vendor.url)("hi").text()
    assert caught.value.kind == "quota"  # type: ignore[attr-defined]
    assert len(vendor.requests) == 1


def test_a_stream_is_not_restarted_once_a_piece_was_handed_out(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.fail(Fault(end_after=4))
    stream = agent().stream("hi")
    got: list[str] = []
    with pytest.raises(StreamTruncated) as caught:
        got.extend(chunk.delta for chunk in stream)
    assert caught.value.partial_text == "".join(got) != ""
    assert len(caught.value.attempts) == len(vendor.requests) == 1


def test_a_failed_call_raises_when_its_answer_is_read(
    agent: Callable[..., Agent], vendor: FakeVendor, kind: Kind
) -> None:
    vendor.fail(Fault(status=401))
    envelope = agent()("hi")
    assert not envelope.ok
    assert isinstance(envelope.error, AuthenticationError)
    for read in (envelope.text, lambda: envelope.payload):
        with pytest.raises(AuthenticationError) as caught:
            read()
        assert caught.value is envelope.error
    assert caught.value.__cause__ is not None
    assert type(caught.value.__cause__).__module__.split(".")[0] == kind.sdk
    assert envelope.error_info is not None
    assert envelope.error_info.kind == "authentication"


def test_a_key_that_the_server_echoes_reaches_no_text(
    agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor
) -> None:
    key = "test-key-0123456789"
    vendor.fail(
        Fault(
            status=401,
            body={"error": {"message": f"Incorrect API key provided: {key}", "type": "authentication_error"}},
        )
    )
    error = mode(agent(), "hi").error
    assert error is not None
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__)
    shown += repr(vars(error)) + repr(vars(error.__cause__))
    response = getattr(error.__cause__, "response", None) or error.__cause__.raw_response  # type: ignore[union-attr]
    shown += response.text + repr(dict(response.request.headers)) + repr(dict(response.headers))
    assert key not in shown
    assert "[redacted]" in str(error)


def test_a_model_that_is_gone_falls_back_visibly(vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=404))
    agent = Agent("gpt-6-luna", api_key="k", base_url=vendor.url + "/v1")
    envelope = agent("hi")
    assert envelope.ok
    assert [attempt.model for attempt in envelope.metadata.attempts] == ["gpt-6-luna", "gpt-5.6-luna"]
    assert envelope.metadata.model == "gpt-5.6-luna"
    vendor.fail(Fault(status=404))
    assert not Agent("gpt-6-luna", api_key="k", base_url=vendor.url + "/v1", fallback=False)("hi").ok


def test_tools_run_until_the_model_answers(agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "weather", "arguments": {"city": "Paris"}}
    asked: list[str] = []

    def weather(city: str) -> dict[str, int]:
        """Weather of a city."""
        asked.append(city)
        return {"degrees": 21}

    envelope = mode(agent(tools=[weather], tool_choice="required"), "Weather?")
    assert envelope.text() == TEXT
    assert asked == ["Paris"]
    meta = envelope.metadata
    assert (meta.turns, meta.input_tokens, meta.output_tokens) == (2, 40, 10)
    assert '{\\"degrees\\": 21}' in str(vendor.bodies()[1]).replace("'", '"') or "degrees" in str(vendor.bodies()[1])
    assert "required" not in str(vendor.bodies()[1].get("tool_choice"))
    assert "any" not in str(vendor.bodies()[1].get("tool_choice"))


def test_async_tools_run_in_both_worlds(vendor: FakeVendor, mode: Mode) -> None:
    vendor.tool_call = {"name": "weather", "arguments": {"city": "Rome"}}
    asked: list[str] = []

    async def weather(city: str) -> str:
        asked.append(city)
        return "sunny"

    assert mode(KINDS["chat"].agent(vendor.url, tools=[weather]), "Weather?").ok
    assert asked == ["Rome"]


def test_a_bad_argument_goes_back_to_the_model(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "weather", "arguments": {"town": "Paris"}}

    def weather(city: str) -> str:
        raise AssertionError("must not run")

    assert KINDS["messages"].agent(vendor.url, tools=[weather])("Weather?").ok
    result = vendor.bodies()[1]["messages"][-1]["content"][0]
    assert result["is_error"] is True
    assert "city" in result["content"]


def test_a_loop_without_end_is_stopped_with_its_messages_and_its_cost(vendor: FakeVendor) -> None:
    class Stubborn(ScriptedProvider):
        answers = [
            CompletionResponse(tool_calls=[call()], stop_reason="tool_use", usage=UsageStats(1, 1, cost_usd=0.5))
        ] * 9

    envelope = Agent(Stubborn(), tools=[noop], max_turns=3)("hi")
    assert isinstance(envelope.error, ToolLoopError)
    assert envelope.metadata.cost_usd == 1.5
    assert len(envelope.error.messages) == 1 + 2 * 3
    assert len(envelope.error.attempts) == 3


def test_thinking_blocks_go_back_unchanged_in_a_tool_turn(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "noop", "arguments": {}}
    assert KINDS["messages"].agent(vendor.url, tools=[noop])("go").ok
    assert vendor.bodies()[1]["messages"][1]["content"] == [
        {"type": "tool_use", "id": "toolu_1", "name": "noop", "input": {}}
    ]


class Invoice(BaseModel):
    total: float
    currency: str


def test_structured_output_comes_back_as_the_asked_type(
    agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor
) -> None:
    vendor.pieces = ('{"total": 12.5,', ' "currency": "EUR"}')
    envelope = mode(agent(output=Invoice), "Read it")
    assert envelope.payload == Invoice(total=12.5, currency="EUR")
    assert "total" in str(vendor.bodies()[0])


def test_output_that_does_not_fit_is_an_error_that_keeps_text_and_cost(agent: Callable[..., Agent], mode: Mode) -> None:
    envelope = mode(agent(output=Invoice), "Read it")
    assert isinstance(envelope.error, StructuredOutputError)
    assert envelope.error.partial_text == TEXT
    assert envelope.metadata.cost_usd


@pytest.mark.parametrize(
    ("output", "text", "expected"), [(list[int], '{"value": [1, 2]}', [1, 2]), (int, '{"value": 7}', 7)]
)
def test_roots_that_are_no_object_are_wrapped_and_unwrapped(
    vendor: FakeVendor, output: Any, text: str, expected: Any
) -> None:
    vendor.pieces = (text,)
    assert KINDS["chat"].agent(vendor.url, output=output)("go").payload == expected


def test_every_setting_reaches_the_vendor_and_a_call_may_override(vendor: FakeVendor) -> None:
    agent = KINDS["chat"].agent(vendor.url, system="Be brief.", temperature=0, max_tokens=5, seed=7, stop="END")
    agent("hi", temperature=0.5)
    body = vendor.bodies()[0]
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["temperature"], body["max_completion_tokens"], body["seed"], body["stop"]) == (0.5, 5, 7, ["END"])
    agent("hi")
    assert vendor.bodies()[1]["temperature"] == 0


def test_a_refused_parameter_is_an_adjustment_and_warns_once(vendor: FakeVendor) -> None:
    agent = KINDS["messages"].agent(vendor.url, temperature=0.5)
    with pytest.warns(UserWarning, match="temperature") as seen:
        envelope = agent("hi")
    agent("hi")
    assert len(seen) == 1
    assert [adjustment.parameter for adjustment in envelope.metadata.adjustments] == ["temperature"]
    assert "temperature" not in vendor.bodies()[0]


def test_strict_raises_instead_of_adjusting(vendor: FakeVendor) -> None:
    envelope = KINDS["messages"].agent(vendor.url, temperature=0.5, strict=True)("hi")
    assert isinstance(envelope.error, UnsupportedFeatureError)
    assert vendor.requests == []


def test_an_image_for_a_blind_model(vendor: FakeVendor) -> None:
    agent = Agent("gpt-audio-mini", api_key="k", base_url=vendor.url + "/v1", api="chat")
    png = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
    with pytest.warns(UserWarning, match="cannot take image"):
        envelope = agent("What is it?", attachments=[png])
    assert [adjustment.parameter for adjustment in envelope.metadata.adjustments] == ["image"]
    with pytest.raises(UnsupportedFeatureError):
        agent("What is it?", attachments=[png], strict=True).text()


def test_native_tools_that_a_provider_lacks(vendor: FakeVendor) -> None:
    with pytest.warns(UserWarning, match="google_maps"):
        assert KINDS["messages"].agent(vendor.url, native_tools=[NativeTool.GOOGLE_MAPS])("hi").ok
    strict = KINDS["messages"].agent(vendor.url, native_tools=[NativeTool.GOOGLE_MAPS], strict_native_tools=True)
    with pytest.raises(UnsupportedNativeToolError):
        strict("hi").text()


def test_a_conversation_is_a_list_of_messages_or_dicts(vendor: FakeVendor) -> None:
    KINDS["chat"].agent(vendor.url)([{"role": "user", "content": "a"}, Message.assistant("b"), Message.user("c")])
    assert [message["content"] for message in vendor.bodies()[0]["messages"]] == ["a", "b", "c"]


@pytest.mark.parametrize("task", ["", "   ", []])
def test_an_empty_prompt_is_refused(vendor: FakeVendor, task: Any) -> None:
    with pytest.raises(ValueError, match="empty"):
        KINDS["chat"].agent(vendor.url)(task)


@pytest.mark.parametrize("task", [42, None, b"bytes", [1]])
def test_a_task_of_a_wrong_type_is_named(vendor: FakeVendor, task: Any) -> None:
    with pytest.raises(TypeError, match="int|NoneType|bytes|1"):
        KINDS["chat"].agent(vendor.url)(task)


def test_a_path_that_does_not_exist_is_named(vendor: FakeVendor) -> None:
    with pytest.raises(FileNotFoundError, match=r"no/such\.png"):
        KINDS["chat"].agent(vendor.url)("What is it?", attachments=["no/such.png"])


@pytest.mark.parametrize(
    ("model", "variable"), [("gpt-6-luna", "OPENAI_API_KEY"), ("claude-haiku-5-5", "ANTHROPIC_API_KEY")]
)
def test_a_missing_key_is_told_when_the_agent_is_built(model: str, variable: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Agent(model)
    assert variable in str(caught.value).splitlines()[-1]


def test_a_profile_on_disk_is_a_credential(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "default.json").write_text("{}")
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    assert Agent("claude-haiku-5-5")


def test_a_missing_sdk_is_told_with_the_line_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "openai" else real(name, *rest)
    )
    with pytest.raises(ConfigurationError) as caught:
        Agent("gpt-6-luna", api_key="k")
    assert str(caught.value).splitlines()[-1] == 'pip install "lazybridge[openai]"'


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: Agent("gtp-6-luna"), "gpt-6-luna"),
        (lambda: Agent.from_provider("openai", tier="cheep", api_key="k"), "super_cheap"),
        (lambda: Agent("gpt-6-luna", api_key="k", temprature=1), "temperature"),
        (lambda: Agent("gpt-6-luna", api_key="k", nonsense=1), "api"),
        (lambda: Agent("gpt-6-luna", api_key="k", api="rest"), "responses"),
        (lambda: Agent(provider="opnai"), "openai"),
        (lambda: Agent("gpt-6-luna", tier="cheap"), "name one of them"),
        (lambda: Agent("gpt-6-luna", api_key="k", timeout=0), "seconds"),
        (lambda: Agent("gpt-6-luna", api_key="k", timeout="soon"), "seconds"),
        (lambda: Agent("gpt-6-luna", api_key="k", max_retries="x"), "max_retries='x'"),
        (lambda: Agent("gpt-6-luna", api_key=5), "api_key is a"),
        (lambda: Agent("gpt-6-luna", api_key="k", base_url=5), "base_url is a"),
    ],
)  # fmt: skip
def test_what_is_misspelt_is_refused_with_the_right_words(build: Callable[[], Agent], names: str) -> None:
    with pytest.raises(ConfigurationError, match=names):
        build()


@pytest.mark.parametrize("setting", ["max_tokens", "temperature", "top_p", "seed"])
def test_a_number_of_a_wrong_type_is_named(vendor: FakeVendor, setting: str) -> None:
    with pytest.raises(TypeError, match=rf"{setting} is a .*number, got 'much'"):
        KINDS["chat"].agent(vendor.url)("hi", **{setting: "much"})


def test_a_misspelt_effort_names_the_allowed_words(vendor: FakeVendor) -> None:
    with pytest.raises(ValueError, match="minimal, low, medium, high"):
        KINDS["responses"].agent(vendor.url)("hi", effort="hihg")


def test_an_unknown_model_may_be_sent_to_a_named_provider(vendor: FakeVendor) -> None:
    with pytest.raises(UnknownModelError):
        Agent("my-own-model", base_url=vendor.url)
    agent = Agent("my-own-model", provider="openai", base_url=vendor.url + "/v1", api="chat")
    envelope = agent("hi")
    assert envelope.text() == TEXT
    assert envelope.metadata.cost_usd is None


@pytest.mark.parametrize(
    ("tier", "model"), [("top", "claude-fable-5-2"), ("cheap", "claude-haiku-5-5"), ("medium", "claude-sonnet-5-5")]
)  # fmt: skip
def test_a_tier_is_a_model_before_anything_looks_at_it(vendor: FakeVendor, tier: str, model: str) -> None:
    envelope = Agent.from_provider("anthropic", tier=tier, api_key="k", base_url=vendor.url)("hi")
    assert vendor.bodies()[0]["model"] == envelope.metadata.model == model


def test_a_provider_name_means_its_default_model(vendor: FakeVendor) -> None:
    for name in ("claude", "Anthropic"):
        Agent(name, api_key="k", base_url=vendor.url)("hi")
    assert {body["model"] for body in vendor.bodies()} == {"claude-sonnet-5-5"}


def test_without_a_model_the_first_key_decides_and_is_said(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("OPENAI_BASE_URL", vendor.url + "/v1")
    assert Agent()("hi").metadata.provider == "openai"
    said = capsys.readouterr().err
    assert "OPENAI_API_KEY is set" in said
    assert "sk-test" not in said
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", vendor.url)
    assert Agent(tier="cheap")("hi").metadata.model == "claude-haiku-5-5"


# fal's variable names a host, which is asked over https; Mistral's SDK reads none.
WITH_A_VARIABLE = [kind for kind in KINDS.values() if kind.provider not in ("fal", "mistral")]


@pytest.mark.parametrize("kind", WITH_A_VARIABLE, ids=lambda kind: f"{kind.provider}{kind.path}")
def test_the_vendors_own_base_url_variable_holds(
    vendor: FakeVendor, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "GOOGLE_GEMINI_BASE_URL" if kind.provider == "google" else f"{kind.provider.upper()}_BASE_URL"
    monkeypatch.setenv(variable, kind.url(vendor.url))
    monkeypatch.setenv(f"{kind.provider.upper()}_API_KEY", "from-the-environment")
    assert Agent(f"{kind.provider}/{kind.model}", **kind.options)("hi").text() == TEXT
    assert "from-the-environment" in str(vendor.requests[0]["headers"])


def test_a_stream_can_be_iterated_once(vendor: FakeVendor) -> None:
    stream = KINDS["chat"].agent(vendor.url).stream("hi")
    list(stream)
    with pytest.raises(RuntimeError, match="once|already"):
        list(stream)


def test_leaving_a_stream_early_leaves_an_envelope(vendor: FakeVendor) -> None:
    with KINDS["chat"].agent(vendor.url).stream("hi") as stream:
        for _ in stream:
            break
    assert stream.envelope is not None
    assert len(stream.envelope.metadata.attempts) == 1


async def test_cancelling_a_run_frees_the_connection(vendor: FakeVendor) -> None:
    vendor.fail(Fault(hang=20))
    agent = KINDS["chat"].agent(vendor.url)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(agent.run("hi"), 0.2)
    assert (await agent.run("hi")).ok
    await agent.aclose()


def test_an_attempts_list_is_its_envelopes_own(vendor: FakeVendor) -> None:
    envelope = KINDS["chat"].agent(vendor.url)("hi")
    assert dataclasses.asdict(envelope.metadata.attempts[0])["provider"] == "openai"


def call() -> Any:
    from lazybridge import ToolCall

    return ToolCall("c1", "noop", {})


def noop() -> str:
    """Does nothing."""
    return "done"


class ScriptedProvider(BaseProvider):
    """A user's provider that answers from a list."""

    default_model = "scripted-1"
    answers: list[CompletionResponse] = []

    def _init_client(self, **kwargs: Any) -> None:
        self.asked: list[CompletionRequest] = []

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        self.asked.append(request)
        return copy.deepcopy(self.answers[len(self.asked) - 1])

    def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
        answer = self.complete(request)
        yield StreamChunk(delta=answer.content)
        yield StreamChunk(stop_reason="end_turn", is_final=True)

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        return self.complete(request)

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamChunk]:
        for chunk in self.stream(request):
            yield chunk


def test_cost_of_a_turn_that_is_unknown_keeps_the_sum_unknown() -> None:
    class Half(ScriptedProvider):
        answers = [
            CompletionResponse(tool_calls=[call()], stop_reason="tool_use", usage=UsageStats(1, 1, cost_usd=0.5)),
            CompletionResponse("done", usage=UsageStats(1, 1)),
        ]

    meta = Agent(Half(), tools=[noop])("hi").metadata
    assert meta.cost_usd is None
    assert meta.input_tokens == 2


def test_a_turn_that_fails_leaves_the_cost_of_those_before_it(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "noop", "arguments": {}}
    agent = KINDS["messages"].agent(vendor.url, tools=[noop])
    first = agent("go").metadata.attempts[0]
    vendor.fail(Fault(), Fault(status=400))
    envelope = agent("go")
    assert not envelope.ok
    assert first.usage is not None
    assert envelope.metadata.cost_usd == first.usage.cost_usd != 0
    assert [attempt.status_code for attempt in envelope.metadata.attempts] == [200, 400]


def test_an_attempt_that_may_have_been_charged_makes_the_cost_unknown(vendor: FakeVendor) -> None:
    vendor.fail(Fault(end_after=1))
    agent = KINDS["messages"].agent(vendor.url)
    stream = agent.stream("hi")
    list(stream)
    assert stream.envelope is not None
    meta = stream.envelope.metadata
    assert [attempt.error for attempt in meta.attempts] == ["truncated", None]
    assert meta.cost_usd is None
    vendor.fail(Fault(status=503, headers={"retry-after": "0"}))
    assert agent("hi").metadata.cost_usd is not None


def test_a_zero_that_a_price_table_does_not_know_is_unknown() -> None:
    class OrZero(ScriptedProvider):
        answers = [CompletionResponse("hi", usage=UsageStats(1, 1, cost_usd=0.0))]

        def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
            return None

    assert Agent(OrZero())("hi").metadata.cost_usd is None


def test_a_users_stream_without_a_final_chunk_is_cut(mode: Mode) -> None:
    class Cut(ScriptedProvider):
        answers = [CompletionResponse("half")]

        def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
            yield StreamChunk(delta="half")

    if mode in (by_stream, by_astream):
        error = mode(Agent(Cut()), "hi").error
        assert isinstance(error, StreamTruncated)
        assert error.partial_text == "half"


def test_is_retryable_of_a_users_provider_decides_first() -> None:
    class Flaky(ScriptedProvider):
        answers = [CompletionResponse("ok")]
        failures = 1

        def complete(self, request: CompletionRequest) -> CompletionResponse:
            if self.failures:
                self.failures -= 1
                raise KeyError("glitch")
            return super().complete(request)

        def is_retryable(self, exc: BaseException) -> bool | None:
            return isinstance(exc, KeyError)

    envelope = Agent(Flaky())("hi")
    assert envelope.text() == "ok"
    assert len(envelope.metadata.attempts) == 2


def test_a_bug_in_a_users_provider_is_an_envelope_with_its_cause_and_no_retry() -> None:
    class Broken(ScriptedProvider):
        def complete(self, request: CompletionRequest) -> CompletionResponse:
            raise ZeroDivisionError("1/0")

    envelope = Agent(Broken())("hi")
    assert isinstance(envelope.error.__cause__, ZeroDivisionError)  # type: ignore[union-attr]
    assert len(envelope.metadata.attempts) == 1


def test_an_engine_can_be_given_ready_made(vendor: FakeVendor) -> None:
    engine = LLMEngine("gpt-4.1-mini", api_key="k", base_url=vendor.url + "/v1")
    assert Agent(engine=engine)("hi").text() == TEXT
