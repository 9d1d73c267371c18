"""What happens to a call that does not simply succeed: its cost, its text, its connections, its time."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import pickle
import socket
import time
import traceback
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from lazybridge import (
    Agent,
    ConfigurationError,
    Envelope,
    ImageContent,
    LLMEngine,
    Message,
    NativeTool,
    StreamTruncated,
    StructuredOutputError,
    ToolDefinition,
    UnsupportedFeatureError,
    UnsupportedNativeToolError,
)
from lazybridge.core.errors import ProviderConnectionError, ProviderTimeoutError
from lazybridge.core.providers.anthropic import AnthropicProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk, ToolCall, UsageStats
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode, by_astream, by_call, by_run, by_stream
from tests.test_agent import ScriptedProvider

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
MODES = {"call": by_call, "run": by_run, "stream": by_stream, "astream": by_astream}


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    return MODES[request.param]


def noop() -> str:
    """Does nothing."""
    return "done"


# --- connections ------------------------------------------------------------------------------------------------------


def test_a_refused_connection_is_an_envelope_in_every_mode(kind: Kind, mode: Mode) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    envelope = mode(kind.agent(f"http://127.0.0.1:{port}", max_retries=0), "hi")
    assert isinstance(envelope.error, ProviderConnectionError)
    assert len(envelope.metadata.attempts) == 1
    assert envelope.error.never_sent


def test_a_dropped_connection_may_have_been_charged(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    vendor.fail(Fault(drop=True))
    envelope = mode(kind.agent(vendor.url, max_retries=0), "hi")
    assert isinstance(envelope.error, ProviderConnectionError)
    assert not envelope.error.never_sent
    assert envelope.metadata.cost_usd is None


def test_event_loops_are_not_kept_alive(agent: Callable[..., Agent]) -> None:
    subject = agent()
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def ask() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        assert (await subject.run("hi")).ok

    for _ in range(5):
        asyncio.run(ask())
    gc.collect()
    assert len(subject.engine.provider._loop_clients._held) == 0  # type: ignore[attr-defined]
    assert [loop() for loop in loops] == [None] * 5


def test_leaving_the_loop_of_a_stream_hangs_up(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.pieces = ("word ",) * 500
    vendor.fail(Fault(pause=0.02))
    stream = agent().stream("hi")
    for _ in stream:
        break
    assert vendor.hung_up.wait(5)
    assert stream.envelope is not None


async def test_leaving_the_loop_of_an_async_stream_hangs_up(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.pieces = ("word ",) * 500
    vendor.fail(Fault(pause=0.02))
    subject = agent()
    async for _ in subject.stream("hi"):
        break
    assert await asyncio.to_thread(vendor.hung_up.wait, 5)
    await subject.aclose()


def test_leaving_an_async_stream_at_the_end_of_a_loop_is_quiet(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.pieces = ("word ",) * 50
    complaints: list[Any] = []

    async def ask() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        stream = agent().stream("hi")
        async for _ in stream:
            break

    asyncio.run(ask())
    assert complaints == []


@pytest.mark.parametrize("kind", [KINDS[name] for name in KINDS if name != "gemini"], ids=lambda kind: kind.path)
def test_a_server_that_keeps_the_line_open_does_not_delay_the_answer(
    agent: Callable[..., Agent], vendor: FakeVendor, kind: Kind
) -> None:
    """Google ends a stream by ending it: text may follow a finish reason."""
    for mode in (by_stream, by_astream):
        vendor.fail(Fault(linger=20))
        started = time.monotonic()
        assert mode(agent(), "hi").text() == TEXT
        assert time.monotonic() - started < 3


def test_a_forked_child_opens_connections_of_its_own(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    subject = agent()
    assert subject("hi").ok
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forking with threads
        child = os.fork()
    if child == 0:
        os._exit(0 if subject("hi").ok and len(subject("hi").metadata.attempts) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert subject("hi").ok
    assert vendor.connections == 2


async def test_a_child_forked_inside_a_loop_leaves_the_parents_connections_alone(
    agent: Callable[..., Agent], vendor: FakeVendor
) -> None:
    subject = agent(timeout=5)
    assert (await subject.run("hi")).ok
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        gc.collect()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    started = time.monotonic()
    assert (await subject.run("hi")).ok
    assert time.monotonic() - started < 2
    await subject.aclose()


def test_closing_and_using_again_keeps_nothing(agent: Callable[..., Agent]) -> None:
    subject = agent()
    for _ in range(3):
        with subject:
            assert subject("hi").ok
    assert subject.engine.provider._client is None  # type: ignore[attr-defined]


async def test_an_agent_closes_at_the_end_of_its_block(agent: Callable[..., Agent]) -> None:
    async with agent() as subject:
        assert (await subject.run("hi")).ok


# --- time -------------------------------------------------------------------------------------------------------------


async def test_an_async_tool_is_stopped_by_the_deadline(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "slow", "arguments": {}}

    async def slow() -> str:
        await asyncio.sleep(30)
        return "late"

    agent = KINDS["chat"].agent(vendor.url, tools=[slow], timeout=0.6)
    started = time.monotonic()
    envelope = await agent.run("go")
    assert time.monotonic() - started < 2
    assert isinstance(envelope.error, ProviderTimeoutError)
    assert envelope.metadata.cost_usd
    await agent.aclose()


def test_a_call_may_have_a_timeout_of_its_own(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    subject = agent(timeout=60)
    subject("warm")
    vendor.fail(Fault(hang=20))
    started = time.monotonic()
    assert isinstance(subject("hi", timeout=0.3).error, ProviderTimeoutError)
    assert time.monotonic() - started < 1.5


def test_a_stream_that_is_made_early_has_its_time_when_it_is_read(agent: Callable[..., Agent]) -> None:
    subject = agent(timeout=0.5)
    subject("warm", timeout=None)
    stream = subject.stream("hi")
    time.sleep(0.6)
    assert "".join(chunk.delta for chunk in stream) == TEXT


def test_a_call_may_lift_the_agents_timeout(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.fail(Fault(hang=0.6))
    assert agent(timeout=0.3)("hi", timeout=None).ok


# --- money and text ---------------------------------------------------------------------------------------------------


def test_a_stream_cut_in_a_tool_call_leaves_the_cost_unknown(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "noop", "arguments": {}}
    vendor.fail(Fault(cut_after=3))
    envelope = by_stream(KINDS["messages"].agent(vendor.url, tools=[noop]), "go")
    assert envelope.ok
    assert [attempt.error for attempt in envelope.metadata.attempts] == ["truncated", None, None]
    assert envelope.metadata.cost_usd is None


def test_an_answer_that_was_no_json_leaves_the_cost_unknown(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=200, body=b"<html>"))
    envelope = agent()("hi")
    assert [attempt.error for attempt in envelope.metadata.attempts] == ["server", None]
    assert envelope.metadata.cost_usd is None


def test_a_stream_that_was_left_is_no_answer_and_keeps_its_text(agent: Callable[..., Agent]) -> None:
    with agent().stream("hi") as stream:
        got = next(iter(stream)).delta
    envelope = stream.envelope
    assert envelope is not None
    assert not envelope.ok
    assert isinstance(envelope.error, StreamTruncated)
    assert envelope.error.partial_text == got
    (attempt,) = envelope.metadata.attempts
    assert attempt.error == "cancelled"
    assert attempt.duration_ms > 0
    assert envelope.metadata.cost_usd is None


async def test_an_async_stream_that_was_left_is_settled_when_it_is_closed(agent: Callable[..., Agent]) -> None:
    async with agent() as subject:
        async with subject.stream("hi") as stream:
            async for _ in stream:
                break
        assert stream.envelope is not None
        assert not stream.envelope.ok


def test_leaving_a_stream_after_its_last_chunk_is_a_whole_answer(agent: Callable[..., Agent]) -> None:
    stream = agent().stream("hi")
    for chunk in stream:
        if chunk.is_final:
            break
    assert stream.envelope is not None
    assert stream.envelope.text() == TEXT


def test_a_local_stream_that_was_left_was_free(model_file: Path) -> None:
    with Agent(f"local:{model_file}") as agent, agent.stream("Count to a hundred.") as stream:
        next(iter(stream))
        stream.close()
    assert stream.envelope is not None
    assert stream.envelope.metadata.cost_usd == 0.0
    assert stream.envelope.metadata.output_tokens is None


async def test_a_cancelled_stream_is_no_answer(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.fail(Fault(hang_after=4))
    subject = agent()
    stream = subject.stream("hi")

    async def read() -> None:
        async for _ in stream:
            pass

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(read(), 0.3)
    assert stream.envelope is not None
    assert not stream.envelope.ok
    await subject.aclose()


def test_a_stream_left_in_a_later_turn_does_not_answer_with_an_earlier_one(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "noop", "arguments": {}}
    with KINDS["messages"].agent(vendor.url, tools=[noop]).stream("go") as stream:
        for chunk in stream:
            if chunk.delta:
                break
    assert stream.envelope is not None
    assert stream.envelope.response is None
    assert not stream.envelope.ok
    assert stream.envelope.metadata.turns == 1


def test_a_turns_tool_calls_come_in_a_chunk_that_is_not_the_last(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "noop", "arguments": {}}
    chunks = list(KINDS["chat"].agent(vendor.url, tools=[noop]).stream("go"))
    (between,) = [chunk for chunk in chunks if chunk.tool_calls]
    assert (between.is_final, between.usage, between.stop_reason) == (False, None, None)
    assert [chunk.is_final for chunk in chunks].count(True) == 1


def test_a_paused_turn_keeps_its_text() -> None:
    class Pausing(ScriptedProvider):
        answers = [
            CompletionResponse("part 1 ", thinking="a", stop_reason="pause_turn", usage=UsageStats(1, 1, cost_usd=1.0)),
            CompletionResponse("part 2", thinking="b", stop_reason="end_turn", usage=UsageStats(1, 1, cost_usd=1.0)),
        ]

    envelope = Agent(Pausing())("hi")
    assert (envelope.text(), envelope.thinking) == ("part 1 part 2", "ab")
    assert envelope.metadata.cost_usd == 2.0


def test_a_structured_answer_after_a_pause_is_read() -> None:
    class Pausing(ScriptedProvider):
        answers = [
            CompletionResponse("Let me look. ", stop_reason="pause_turn"),
            CompletionResponse('{"value": 3}', stop_reason="end_turn"),
        ]

    assert Agent(Pausing(), output=int)("hi").payload == 3


@pytest.mark.parametrize("options", [{}, {"tools": [ToolDefinition("other")]}])
def test_calls_of_tools_that_nobody_runs_are_handed_over(vendor: FakeVendor, options: dict[str, Any]) -> None:
    vendor.tool_call = {"name": "theirs", "arguments": {"a": 1}}
    envelope = KINDS["chat"].agent(vendor.url, **options)("go", extra_body={"tools": []} if not options else None)
    assert [call.name for call in envelope.tool_calls] == ["theirs"]
    assert len(vendor.requests) == 1


def test_a_call_cut_off_at_the_limit_is_not_asked_for_again() -> None:
    class Cut(ScriptedProvider):
        answers = [
            CompletionResponse("", tool_calls=[ToolCall("1", "noop", {}, '{"a', "cut")], stop_reason="max_tokens")
        ] * 9

    provider = Cut()
    envelope = Agent(provider, tools=[noop])("hi")
    assert len(provider.asked) == 1
    assert envelope.metadata.stop_reason == "max_tokens"
    assert envelope.tool_calls[0].error == "cut"


def test_calls_of_a_tool_without_a_function_are_left_to_the_caller() -> None:
    class Both(ScriptedProvider):
        answers = [
            CompletionResponse("", tool_calls=[ToolCall("1", "noop"), ToolCall("2", "mine")], stop_reason="tool_use")
        ]

    envelope = Agent(Both(), tools=[noop, ToolDefinition("mine")])("hi")
    assert [call.name for call in envelope.tool_calls] == ["noop", "mine"]


@pytest.mark.parametrize(
    ("value", "sent"),
    [({(1, 2): 3}, '{"1,2":3}'), ([{"a": 1}], '[{"a":1}]'), (None, "null"), (b"x", '"x"'), ("plain", "plain")],
)
def test_whatever_a_tool_returns_reaches_the_model(vendor: FakeVendor, value: Any, sent: str) -> None:
    vendor.tool_call = {"name": "give", "arguments": {}}

    def give() -> Any:
        return value

    assert KINDS["chat"].agent(vendor.url, tools=[give])("go").ok
    assert vendor.bodies()[1]["messages"][-1]["content"] == sent


def test_a_result_that_cannot_be_written_is_an_error_for_the_model(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "give", "arguments": {}}
    circle: dict[str, Any] = {}
    circle["self"] = circle

    def give() -> Any:
        return circle

    assert KINDS["messages"].agent(vendor.url, tools=[give])("go").ok
    assert vendor.bodies()[1]["messages"][-1]["content"][0]["is_error"] is True


def test_a_tool_may_return_an_image(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "look", "arguments": {}}

    def look() -> ImageContent:
        return ImageContent(PNG)

    assert KINDS["messages"].agent(vendor.url, tools=look)("go").ok
    assert vendor.bodies()[1]["messages"][-1]["content"][0]["content"][0]["type"] == "image"


def test_parameters_may_have_any_name_and_defaults(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "save", "arguments": {"schema": "s"}}
    seen: list[tuple[str, int]] = []

    def save(schema: str, json: int = 3) -> str:
        seen.append((schema, json))
        return "ok"

    assert KINDS["chat"].agent(vendor.url, tools=[save])("go").ok
    assert seen == [("s", 3)]
    parameters = vendor.bodies()[0]["tools"][0]["function"]["parameters"]
    assert parameters["required"] == ["schema"]
    assert parameters["properties"]["json"]["default"] == 3


def test_fields_of_pydantic_say_what_a_parameter_takes(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "ask", "arguments": {"city": "Rome"}}
    seen: list[tuple[str, int]] = []

    def ask(city: str = Field(description="where"), days: int = Field(3, ge=1, description="how many")) -> str:
        seen.append((city, days))
        return "ok"

    assert KINDS["chat"].agent(vendor.url, tools=[ask])("go").ok
    assert seen == [("Rome", 3)]
    parameters = vendor.bodies()[0]["tools"][0]["function"]["parameters"]
    assert parameters["required"] == ["city"]
    assert parameters["properties"]["days"]["description"] == "how many"
    assert parameters["properties"]["days"]["minimum"] == 1


def test_a_stream_whose_answer_does_not_fit_raises(agent: Callable[..., Agent]) -> None:
    class Answer(BaseModel):
        total: int

    stream = agent(output=Answer).stream("hi")
    with pytest.raises(StructuredOutputError) as caught:
        list(stream)
    assert caught.value.partial_text == TEXT
    assert stream.envelope is not None
    assert stream.envelope.error is caught.value


def test_a_schema_that_is_wrong_itself_is_an_error_of_the_call(vendor: FakeVendor) -> None:
    vendor.pieces = ('{"a": 1}',)
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}
    with pytest.warns(UserWarning, match="strict mode"):
        error = KINDS["chat"].agent(vendor.url, output=schema)("hi").error
    assert isinstance(error, StructuredOutputError)


def test_edited_history_is_sent_as_it_was_edited(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    subject = agent()
    response = subject("hi").response
    assert response is not None
    edited = dataclasses.replace(response.to_message(), content="EDITED")
    subject([Message.user("hi"), edited, Message.user("again")])
    assert "EDITED" in str(vendor.bodies()[1])
    assert TEXT not in str(vendor.bodies()[1])


def test_a_servers_own_id_keeps_its_slash(vendor: FakeVendor) -> None:
    Agent("openai/gpt-oss-20b", provider="openai", api="chat", base_url=f"{vendor.url}/v1")("hi")
    assert vendor.bodies()[0]["model"] == "openai/gpt-oss-20b"


def test_further_choices_are_kept() -> None:
    from lazybridge.core.wire.chat import ChatWire

    def choice(index: int, text: str) -> dict[str, Any]:
        return {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}

    answer = ChatWire().from_sdk_response({"choices": [choice(0, "a"), choice(1, "b")]})
    assert (answer.content, answer.alternatives) == ("a", ("b",))
    fold = ChatWire().accumulator()
    for index, text in ((0, "a"), (1, "b"), (0, "A"), (1, "B")):
        fold.feed({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": "stop"}]})
    assert (fold.finish().content, fold.finish().alternatives) == ("aA", ("bB",))


def test_tools_of_the_vendor_that_are_billed_apart_leave_a_lower_bound() -> None:
    from lazybridge import price
    from lazybridge.core.wire.responses import ResponsesWire

    output = [{"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": ""}]
    raw = {"status": "completed", "output": output, "usage": {"input_tokens": 1, "output_tokens": 1}}
    usage = ResponsesWire().from_sdk_response(raw).usage
    assert price("gpt-6-luna", usage).status == "lower_bound"


# --- a user's own class -----------------------------------------------------------------------------------------------


class PlainIterators(ScriptedProvider):
    """Streams without `close` and `aclose`, as the contract's types allow."""

    answers = [CompletionResponse("hi", usage=UsageStats(1, 1))] * 4

    def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
        return iter([StreamChunk(delta="hi"), StreamChunk(stop_reason="end_turn", is_final=True)])

    def astream(self, request: CompletionRequest) -> AsyncIterator[StreamChunk]:  # type: ignore[override]
        chunks = self.stream(request)

        class Chunks:
            def __aiter__(self) -> AsyncIterator[StreamChunk]:
                return self

            async def __anext__(self) -> StreamChunk:
                try:
                    return next(chunks)
                except StopIteration:
                    raise StopAsyncIteration from None

        return Chunks()


def test_plain_iterators_will_do(mode: Mode) -> None:
    assert mode(Agent(PlainIterators()), "x").text() == "hi"


def test_a_users_class_is_told_of_what_it_does_not_take() -> None:
    agent = Agent(PlainIterators(), native_tools=[NativeTool.WEB_SEARCH])
    with pytest.warns(UserWarning, match="image|web_search") as seen:
        envelope = agent("look", attachments=PNG)
    assert [adjustment.parameter for adjustment in envelope.metadata.adjustments] == ["native_tools", "image"]
    assert {"web_search" in str(warning.message) for warning in seen} == {True, False}
    sent = agent.engine.provider.asked[0]  # type: ignore[attr-defined]
    assert sent.native_tools == ()
    assert sent.messages[0].text == "look"
    assert len(sent.messages[0].blocks) == 1
    with pytest.warns(UserWarning, match="web_search"), pytest.raises(UnsupportedFeatureError):
        agent("look", attachments=[PNG], strict=True).text()
    strict = Agent(PlainIterators(strict_native_tools=True), native_tools=[NativeTool.WEB_SEARCH])
    with pytest.raises(UnsupportedNativeToolError):
        strict("x").text()


def test_patterns_say_what_a_users_class_sees() -> None:
    class Seeing(PlainIterators):
        default_model = "seer-1"
        _VISION_CAPABLE_MODEL_PATTERNS = frozenset({"seer"})

    agent = Agent(Seeing())
    assert agent("look", attachments=[PNG]).metadata.adjustments == ()


def test_compute_cost_of_a_users_class_fills_the_cost() -> None:
    class Priced(PlainIterators):
        def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
            return 0.25

    assert Agent(Priced())("x").metadata.cost_usd == 0.25


def test_a_price_table_that_fails_does_not_cost_the_answer() -> None:
    class Failing(PlainIterators):
        def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
            return {"other": 1.0}[model]

    with pytest.warns(UserWarning, match="_compute_cost failed"):
        envelope = Agent(Failing())("x")
    assert envelope.text() == "hi"
    assert envelope.metadata.cost_usd is None


def test_overrides_of_a_built_in_class_count(vendor: FakeVendor) -> None:
    class Mine(AnthropicProvider):
        def get_default_max_tokens(self, model: str | None = None) -> int:
            return 777

        def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
            return 42.0

        @classmethod
        def supports_vision(cls, model: str | None = None) -> bool:
            return False

    agent = Agent("claude-haiku-5-5", provider=Mine, api_key="k", base_url=vendor.url)
    with pytest.warns(UserWarning, match="image"):
        envelope = agent("look", attachments=[PNG])
    assert vendor.bodies()[0]["max_tokens"] == 777
    assert envelope.metadata.cost_usd == 42.0
    assert "image" not in str(vendor.bodies()[0])
    agent.close()


# --- secrets ----------------------------------------------------------------------------------------------------------


def everything(error: BaseException) -> str:
    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for link in chain:
        shown += repr(link) + repr(link.args) + repr(vars(link))
        request = getattr(link, "request", None)
        shown += repr(dict(request.headers)) if request is not None else ""
    return shown


def test_a_key_echoed_inside_a_200_is_removed(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    body = {"error": {"message": "invalid credential: test-key-0123456789", "type": "authentication_error"}}
    vendor.fail(Fault(status=200, body=body))
    error = agent()("hi").error
    assert error is not None
    assert "test-key-0123456789" not in everything(error)
    assert error.kind == "authentication"  # type: ignore[attr-defined]


def test_headers_of_ones_own_are_secrets_too(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=401))
    secret = "gateway-pass-word"
    error = agent(extra_headers={"x-gateway": secret, "helicone-auth": f"Basic {secret}"})("hi").error
    assert error is not None
    assert secret not in everything(error)


def test_a_key_is_not_in_the_frames_of_a_failed_construction() -> None:
    key = "sk-secret-0123456789"
    with pytest.raises(ConfigurationError) as caught:
        Agent("nonsense", api_key=key)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    ours = [frame for frame in frames if "lazybridge" in frame and "tests" not in frame.split("\n")[0]]
    assert ours
    assert key not in "".join(ours)


def test_an_envelope_survives_pickling(agent: Callable[..., Agent]) -> None:
    envelope = agent()("hi")
    copy: Envelope[Any] = pickle.loads(pickle.dumps(envelope))
    assert copy.text() == TEXT
    assert copy.metadata == envelope.metadata
    assert copy.response is not None
    assert vars(copy.response.raw) == vars(envelope.response.raw)


# --- wrong words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"system": 5}, "system is a text, got 5"),
        ({"thinking": "yes"}, "thinking is True, False"),
        ({"extra_body": [1]}, "extra_body is a dict"),
        ({"metadata": "x"}, "metadata is a dict"),
        ({"cache": "2h"}, "'5m' or '1h'"),
        ({"tool_choice": "requird"}, "did you mean 'required'"),
        ({"tool_choice": "wether"}, "use one of auto, required, none"),
        ({"effort": "hihg"}, "minimal, low, medium"),
        ({"temperature": "hot"}, "temperature is a number"),
        ({"native_tools": ["web_serch"]}, "web_search"),
        ({"max_tokens": 0}, "above 0"),
    ],
)
def test_a_wrong_setting_is_told_when_the_agent_is_built(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says.replace("(", r"\(")):
        Agent("gpt-6-luna", api_key="k", **options)


@pytest.mark.parametrize("name", ["tools", "max_turns", "max_repairs", "tier"])
def test_an_option_of_the_agent_is_not_one_of_a_call(vendor: FakeVendor, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} belongs to the agent"):
        KINDS["chat"].agent(vendor.url)("hi", **{name: None})


def test_keywords_beside_an_engine_are_refused(vendor: FakeVendor) -> None:
    engine = LLMEngine("gpt-4.1-mini", api_key="k", base_url=vendor.url)
    with pytest.raises(ConfigurationError, match=r"tools, timeout cannot be given beside engine="):
        Agent(engine=engine, tools=[noop], timeout=3)
    with pytest.raises(ConfigurationError, match="a model"):
        Agent("gpt-6-luna", engine=engine)
    assert Agent(engine=engine, base_url=None).engine is engine


def test_messages_as_openai_writes_them_are_taken(vendor: FakeVendor) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    conversation = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
    ]
    assert KINDS["chat"].agent(vendor.url)(conversation).ok
    assert vendor.bodies()[0]["messages"][1]["tool_calls"] == [call]
    assert KINDS["chat"].agent(vendor.url)([vars(Message.user("hi"))]).ok


@pytest.mark.parametrize(
    ("conversation", "says"),
    [
        ([Message.user("")], "message 0 of the conversation is empty"),
        ([{"role": "user"}], "message 0 of the conversation is empty"),
        ([{"role": "user", "text": "hi"}], "no 'text'"),
        ([{"role": "robot", "content": "hi"}], "system, user, assistant, tool"),
        ([{"role": "assistant", "tool_calls": [{"id": 1}]}], "a tool call is a ToolCall"),
    ],
)
def test_a_message_that_is_none_is_named(vendor: FakeVendor, conversation: list[Any], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        KINDS["chat"].agent(vendor.url)(conversation)
