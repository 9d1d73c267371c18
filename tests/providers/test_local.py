"""The local provider, with the real engine and the real built-in model; expectations are what llama.cpp itself says."""

from __future__ import annotations

import _thread
import asyncio
import gc
import importlib.util
import itertools
import json
import logging
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lazybridge import Agent
from lazybridge.core import registry
from lazybridge.core.content import ImageContent
from lazybridge.core.errors import (
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    ProviderTimeoutError,
    StreamTruncated,
    StructuredOutputError,
    UnsupportedFeatureError,
)
from lazybridge.core.providers.local import LocalOptions, LocalProvider, engine, leases, weights
from lazybridge.core.providers.local.constrained import plan
from lazybridge.core.providers.local.run import Run
from lazybridge.core.types import (
    CompletionRequest,
    Message,
    NativeTool,
    OutputSchema,
    StreamChunk,
    ToolCall,
    ToolDefinition,
)

STEM = "SmolLM2-135M-Instruct.Q4_1"
CITY = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
WEATHER = ToolDefinition("get_weather", "Weather of a city.", CITY)
CLOCK = ToolDefinition("get_time", "Time in a city.", CITY)
PERSON = OutputSchema(
    {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
)


@pytest.fixture(scope="session")
def options(model_file: Path) -> LocalOptions:
    return LocalOptions(path=model_file, threads=1)


@pytest.fixture(scope="session")
def provider(options: LocalOptions) -> Iterator[LocalProvider]:
    with LocalProvider(options=options) as made:
        yield made


def ask(text: str = "Say hello", **settings: Any) -> CompletionRequest:
    return CompletionRequest((Message.user(text),), **{"max_tokens": 8, "temperature": 0.0, **settings})


LONG = ask("Tell me a long story about a dog.", max_tokens=600)


def engine_of(provider: LocalProvider) -> engine.Engine:
    return next(iter(provider._engines.values()))


def assert_idle(provider: LocalProvider, seconds: float = 4.0) -> None:
    """Nothing generates any more, soon."""
    deadline = time.monotonic() + seconds
    while engine_of(provider)._runs:
        assert time.monotonic() < deadline, "the generation was not stopped"
        time.sleep(0.02)


# --- answers ------------------------------------------------------------------------------------------------------------


def test_it_answers(provider):
    response = provider.complete(ask("What is the capital of France?", max_tokens=16))
    assert response.content == "The capital of France is Paris."
    assert response.stop_reason == "end_turn"
    assert response.model == STEM
    assert (response.usage.input_tokens, response.usage.output_tokens) == (27, 8)
    assert response.usage.cost_usd == 0.0
    assert response.adjustments == ()
    assert response.raw["timings"]["predicted_n"] == 8


def test_a_stream_is_the_same_answer_in_pieces_with_one_final_chunk_at_the_end(provider):
    chunks = list(provider.stream(ask()))
    whole = provider.complete(ask())
    *pieces, last = chunks
    assert len(pieces) > 3
    assert "".join(chunk.delta for chunk in pieces) == whole.content == last.response.content != ""
    assert [chunk.is_final for chunk in chunks] == [False] * len(pieces) + [True]
    assert all(chunk.stop_reason is None and chunk.usage is None for chunk in pieces)
    assert (last.stop_reason, last.delta, last.model) == ("max_tokens", "", STEM)
    assert last.usage is last.response.usage
    assert (last.usage.output_tokens, last.usage.cost_usd) == (8, 0.0)


async def test_async_gives_the_same(provider):
    whole = await provider.acomplete(ask())
    chunks = [chunk async for chunk in provider.astream(ask())]
    assert whole.content == provider.complete(ask()).content == "".join(chunk.delta for chunk in chunks)
    assert [chunk.is_final for chunk in chunks].index(True) == len(chunks) - 1


def test_the_same_seed_gives_the_same_text(provider):
    warm = ask("Tell me a joke", temperature=1.0, seed=7, max_tokens=12)
    assert provider.complete(warm).content == provider.complete(warm).content
    assert provider.complete(warm).content != provider.complete(replace(warm, seed=8)).content


def test_a_seed_gives_the_same_text_whatever_was_asked_before(provider):
    capital = ask("What is the capital of France?", max_tokens=16, seed=1)
    for before in ("hi", "word " * 80, "word " * 300):
        provider.complete(ask(before, max_tokens=1))
        assert provider.complete(capital).content == "The capital of France is Paris."


def test_settings_of_the_engine_pass_through_extra_body(provider):
    # A grammar is llama.cpp's own parameter.
    assert provider.complete(ask(extra_body={"grammar": 'root ::= "yes"'})).content == "yes"


def test_a_conversation_with_history_and_several_text_blocks(provider):
    messages = (
        Message.system("You are a helpful assistant."),
        Message.user("My name is Maria."),
        Message.assistant("Hello Maria!"),
        Message.user(["What is ", "my name?"]),
    )
    assert "Maria" in provider.complete(CompletionRequest(messages, max_tokens=12, temperature=0.0)).content


# --- trap 5: no system text ---------------------------------------------------------------------------------------------


def test_the_built_in_model_gets_a_system_text_where_there_is_none():
    assert plan(ask(), builtin=True).request.system_text == "You are a helpful assistant."
    assert plan(ask(system="Be brief."), builtin=True).request.system_text == "Be brief."
    assert plan(ask(), builtin=False).request.system_text is None
    own = replace(ask(), messages=(Message.system("Be kind."), Message.user("Hi")))
    assert plan(own, builtin=True).request.system_text == "Be kind."


def test_the_built_in_model_writes_soberly_and_not_for_ever_unless_told_otherwise():
    bare = CompletionRequest((Message.user("Hi"),))

    def settings(request: CompletionRequest, builtin: bool) -> tuple[float | None, int | None]:
        planned = plan(request, builtin=builtin).request
        return planned.temperature, planned.max_tokens

    assert settings(bare, True) == (0.0, 1024)
    assert settings(bare, False) == (None, None)
    assert settings(replace(bare, temperature=0.7, max_tokens=9), True) == (0.7, 9)
    assert settings(replace(bare, top_p=0.9), True) == (None, 1024)


# --- schema and tools ---------------------------------------------------------------------------------------------------


def test_an_answer_fits_its_schema(provider):
    response = provider.complete(ask("Maria is 31 years old.", output_schema=PERSON, max_tokens=40))
    assert json.loads(response.content) == {"name": "Maria", "age": 31}
    assert response.adjustments == ()


def test_an_answer_cut_off_inside_its_schema_is_an_error(provider):
    agent = Agent(provider, output=PERSON, max_tokens=16)
    error = agent("Maria is 31 years old.").error
    assert isinstance(error, StructuredOutputError)
    assert (error.reason, len(error.attempts)) == ("truncated", 1)
    assert error.partial_text.startswith("{")


def test_bounds_that_the_grammar_does_not_enforce_are_checked(provider):
    bounded = OutputSchema(
        {"type": "object", "properties": {"n": {"type": "integer", "enum": [7], "minimum": 100}}, "required": ["n"]}
    )
    envelope = Agent(provider, output=bounded, max_repairs=1)("Give a number.", max_tokens=24)
    assert isinstance(envelope.error, StructuredOutputError)
    assert "$.n: 7 is less than the minimum of 100" in str(envelope.error)
    assert json.loads(envelope.error.partial_text) == {"n": 7}
    assert [envelope.metadata.turns, len(envelope.metadata.attempts)] == [2, 2]


def test_a_schema_that_llama_cpp_cannot_read_is_an_invalid_request(provider):
    with pytest.raises(InvalidRequestError, match="JSON schema") as caught:
        provider.complete(ask(output_schema=OutputSchema({"type": "bogus"})))
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.provider == "local"
    assert not caught.value.retryable


@pytest.mark.parametrize("choice", ["get_weather", "required"])
def test_a_forced_tool_is_called(provider, choice):
    request = ask("What is the weather in Paris?", tools=(WEATHER, CLOCK), tool_choice=choice, max_tokens=40)
    chunks = list(provider.stream(request))
    assert len(chunks) == 1
    (call,) = chunks[0].tool_calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "Paris"})
    assert call.id.startswith("call_")
    assert call.error is None
    assert chunks[0].stop_reason == "tool_use"
    assert chunks[0].response.content == ""


def test_two_calls_have_two_ids(provider):
    request = ask("What is the weather in Paris?", tools=(WEATHER,), tool_choice="required", max_tokens=40)
    assert provider.complete(request).tool_calls[0].id != provider.complete(request).tool_calls[0].id


def test_a_schema_with_definitions_works_inside_a_tool(provider):
    tool = ToolDefinition(
        "visit",
        "Visit a place.",
        {
            "type": "object",
            "properties": {"place": {"$ref": "#/$defs/Place"}},
            "required": ["place"],
            "$defs": {"Place": {"type": "string", "enum": ["Rome", "Oslo"]}},
        },
    )
    request = ask("Visit Rome.", tools=(tool, WEATHER), tool_choice="visit", max_tokens=40)
    assert provider.complete(request).tool_calls[0].arguments == {"place": "Rome"}
    schema = plan(replace(request, tool_choice=None, output_schema=PERSON), builtin=True).schema
    assert schema["$defs"] == {"tool0.Place": {"type": "string", "enum": ["Rome", "Oslo"]}}
    assert schema["anyOf"][0]["properties"]["arguments"]["properties"]["place"] == {"$ref": "#/$defs/tool0.Place"}


def test_a_call_that_is_cut_off_says_so(provider):
    request = ask("What is the weather in Paris?", tools=(WEATHER,), tool_choice="required", max_tokens=20)
    response = provider.complete(request)
    assert response.stop_reason == "max_tokens"
    assert response.tool_calls[0].name == "get_weather"
    assert "not valid JSON" in response.tool_calls[0].error


def test_tools_may_be_offered_or_not(provider):
    request = ask("What is the capital of France?", tools=(WEATHER, CLOCK), max_tokens=24)
    *pieces, last = provider.stream(request)
    assert last.tool_calls or "".join(chunk.delta for chunk in pieces) == last.response.content == "Paris"
    response = provider.complete(replace(request, tool_choice="none"))
    assert response.tool_calls == []
    assert not response.content.startswith("{")


def test_the_result_of_a_tool_is_read(provider):
    messages = (
        Message.user("What is 12 plus 30?"),
        Message.assistant(tool_calls=[ToolCall("c1", "add", {"a": 12, "b": 30})]),
        Message.tool("42", tool_call_id="c1"),
    )
    request = CompletionRequest(messages, tools=(ToolDefinition("add", "Add."),), max_tokens=24, temperature=0.0)
    response = provider.complete(request)
    assert response.tool_calls == []
    assert "42" in response.content


def test_how_tool_turns_are_written():
    call = ToolCall("c1", "get_time", {"city": "Oslo"})
    messages = (
        Message.user("When?"),
        Message.assistant("Let me see.", tool_calls=[call]),
        Message.tool("no such city", tool_call_id="c1", is_error=True),
    )
    plain = plan(CompletionRequest(messages, tools=(CLOCK,)), builtin=False)
    assert [(message.role.value, message.text) for message in plain.request.messages] == [
        ("user", "When?"),
        ("assistant", 'Let me see.\n{"tool": "get_time", "arguments": {"city": "Oslo"}}'),
        ("user", "Error of get_time: no such city"),
    ]
    assert plain.hidden
    assert plain.request.tools == ()
    assert plain.schema["anyOf"][1]["properties"] == {"answer": {"type": "string"}}
    assert not plan(CompletionRequest(messages, tools=(CLOCK,)), builtin=True).hidden
    assert plan(CompletionRequest(messages, tools=(CLOCK,), tool_choice="required"), builtin=True).hidden


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{"answer": "hello"}', "hello"),
        ('{ "answer": "hel', "hel"),
        ('{"answer": {"age": 3}}', '{"age": 3}'),
        ('{"answer": {"ag', '{"ag'),
    ],
)
def test_an_answer_beside_tools_is_unwrapped_as_far_as_it_got(provider, text, content):
    response = provider.complete(ask(max_tokens=1))
    response.content = text
    plan(ask(tools=(CLOCK,)), builtin=True).read(response)
    assert response.content == content
    assert response.tool_calls == []


# --- what cannot be sent ------------------------------------------------------------------------------------------------


def test_what_a_local_model_cannot_take_is_told(provider):
    picture = ImageContent(data=b"\x89PNG\r\n\x1a\n" + bytes(8))
    request = CompletionRequest(
        (Message.user("Hello", attachments=[picture]),), max_tokens=4, service_tier="flex", metadata={"a": "b"}
    )
    with pytest.warns(UserWarning, match="local/"):
        response = provider.complete(request)
    assert {adjustment.parameter for adjustment in response.adjustments} == {"image", "service_tier", "metadata"}
    with pytest.raises(UnsupportedFeatureError, match="image"):
        provider.complete(replace(request, strict=True))


def test_native_tools_are_not_offered(provider):
    with pytest.warns(UserWarning, match="does not offer the native tool 'web_search'"):
        provider.complete(ask(native_tools=(NativeTool.WEB_SEARCH,), max_tokens=1))


# --- errors -------------------------------------------------------------------------------------------------------------


def test_a_prompt_longer_than_the_context_is_a_context_length_error(provider):
    with pytest.raises(ContextLengthError, match="exceeds the available context size") as caught:
        provider.complete(ask("word " * 5000))
    assert caught.value.kind == "context_length"
    assert caught.value.code == "exceed_context_size_error"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_timeout_stops_the_model_and_keeps_what_arrived(provider, mode):
    provider.complete(ask(max_tokens=1))
    begun = time.monotonic()
    request = replace(LONG, timeout=1.2)
    with pytest.raises(ProviderTimeoutError, match=r"1\.2 s") as caught:
        asyncio.run(provider.acomplete(request)) if mode == "async" else provider.complete(request)
    assert time.monotonic() - begun < 3
    assert len(caught.value.partial_text) > 3
    assert caught.value.retryable
    assert_idle(provider)


def test_a_timeout_during_a_long_prompt_does_not_wait_for_its_end(provider):
    begun = time.monotonic()
    with pytest.raises(ProviderTimeoutError):
        provider.complete(ask("word " * 3000, timeout=0.3))
    assert time.monotonic() - begun < 2
    assert_idle(provider, 10)
    assert time.monotonic() - begun < 10  # the whole prompt takes twice as long


def test_a_slow_reader_gets_all_that_was_written_in_time(provider):
    provider.complete(ask(max_tokens=1))
    stream = provider.stream(ask(timeout=2))
    first = next(stream)
    time.sleep(2)
    assert next(stream).delta
    assert list(stream)[-1].is_final
    assert first.delta


# --- stopping early -----------------------------------------------------------------------------------------------------


def test_leaving_a_stream_stops_the_model(provider):
    with closing(provider.stream(LONG)) as stream:
        assert len(list(islice(stream, 3))) == 3
    assert_idle(provider)
    for _ in provider.stream(LONG):
        break
    gc.collect()
    assert_idle(provider)


async def test_closing_an_async_stream_stops_the_model(provider):
    async with aclosing(provider.astream(LONG)) as stream:
        async for _ in stream:
            break
    await asyncio.to_thread(assert_idle, provider)


async def test_cancelling_the_task_stops_the_model(provider):
    task = asyncio.create_task(provider.acomplete(LONG))
    while not engine_of(provider)._runs:
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(assert_idle, provider)


def test_ctrl_c_stops_the_model(provider):
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        provider.complete(LONG)
    assert time.monotonic() - begun < 3
    assert_idle(provider)


def test_nothing_but_handing_over_happens_in_the_callback():
    """xllamacpp swallows what its callback raises: a loop that is closed must stop the generation instead."""

    def closed_loop(item: object) -> None:
        raise RuntimeError("Event loop is closed")

    def generate(body: dict[str, Any], run: Run) -> None:
        stopped.append(run.on_event({"choices": []}))
        stopped.append(run.on_event({"choices": []}))
        done.set()

    stopped: list[bool] = []
    done = threading.Event()
    Run({}, lambda: SimpleNamespace(generate=generate), closed_loop)
    assert done.wait(5)
    assert stopped == [False, True]


# --- loops and threads --------------------------------------------------------------------------------------------------


def test_it_survives_one_event_loop_after_another(provider):
    texts = {asyncio.run(provider.acomplete(ask())).content for _ in range(3)}
    assert texts == {provider.complete(ask()).content}


async def test_the_loop_runs_on_while_the_model_reads_and_writes(provider):
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    await provider.acomplete(ask(max_tokens=1))
    ticker = asyncio.create_task(tick())
    begun = time.monotonic()
    for number in itertools.count():
        await provider.acomplete(ask(f"{number} word " * 100))
        took = time.monotonic() - begun
        if took > 0.5:
            break
    ticker.cancel()
    assert ticks > took / 0.01 / 5


async def test_a_sync_call_works_inside_a_running_loop(provider):
    assert provider.complete(ask(max_tokens=2)).usage.output_tokens == 2


def test_a_paused_reader_holds_up_nobody(provider):
    paused = provider.stream(ask(max_tokens=12))
    next(paused)
    other = provider.stream(ask("Count to three.", max_tokens=12))
    assert next(other).delta
    assert list(paused)[-1].is_final
    assert list(other)[-1].is_final


async def test_two_streams_run_side_by_side(options):
    async with LocalProvider(options=replace(options, parallel=2, context_tokens=256)) as two:

        async def times() -> tuple[float, float]:
            seen = [time.monotonic() async for _ in two.astream(ask("Tell a story", max_tokens=16))]
            return seen[0], seen[-1]

        (first_start, first_end), (second_start, second_end) = await asyncio.gather(times(), times())
        assert first_start < second_end
        assert second_start < first_end


def test_threads_share_one_engine_that_is_loaded_once(options, monkeypatch):
    loads = []
    load = engine.Engine._load
    monkeypatch.setattr(engine.Engine, "_load", lambda self: (loads.append(self), load(self)))
    own = replace(options, context_tokens=512)
    providers = [LocalProvider(options=own) for _ in range(4)]
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda one=one: texts.append(one.complete(ask(max_tokens=4)).content))
        for one in providers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(texts)) == 1
    assert len(texts) == 4
    assert len(loads) == 1
    for one in providers[:3]:
        one.close()
    assert providers[3].complete(ask(max_tokens=1)).usage.output_tokens == 1
    assert len(loads) == 1
    providers[3].close()
    assert loads[0] not in engine._alive


# --- trap 1: loading and unloading --------------------------------------------------------------------------------------


def test_close_unloads_and_the_next_call_loads_again(options):
    with LocalProvider(options=replace(options, context_tokens=300)) as own:
        own.complete(ask(max_tokens=1))
        first = engine_of(own)
        own.close()
        assert first not in engine._alive
        own.close()
        own.complete(ask(max_tokens=1))
        assert engine_of(own) is not first


def test_a_forgotten_provider_unloads_its_model(options):
    own = LocalProvider(options=replace(options, context_tokens=301))
    own.complete(ask(max_tokens=1))
    loaded = engine_of(own)
    while threading.active_count() > 2 and any("run" in thread.name for thread in threading.enumerate()):
        time.sleep(0.01)
    del own
    gc.collect()
    loaded._keeper.join(5)
    assert loaded not in engine._alive
    assert loaded.key not in leases._engines


def test_closing_while_another_thread_reads_ends_its_stream_as_cut(options):
    own = LocalProvider(options=replace(options, context_tokens=1024))
    stream = own.stream(LONG)
    piece = next(stream).delta
    own.close()
    with pytest.raises(StreamTruncated) as caught:
        list(stream)
    assert caught.value.partial_text.startswith(piece)


def test_loading_and_unloading_at_once_never_hangs(options):
    for tokens in range(64, 70):
        loaded = leases.lease(Path(options.path), replace(options, context_tokens=tokens))
        begun = time.monotonic()
        leases.release(loaded)
        assert time.monotonic() - begun < 5
        assert loaded not in engine._alive


class FakeServer:
    """Stands in for xllamacpp's server where the real one must not be stuck."""

    made: list[FakeServer] = []
    destroyed_in: list[str] = []
    stuck = threading.Event()

    def __init__(self, params: Any) -> None:
        self.params, self.calls = params, []
        FakeServer.made.append(self)

    def handle_metrics(self) -> str:
        self.calls.append("metrics")
        return ""

    def __del__(self) -> None:
        FakeServer.destroyed_in.append(threading.current_thread().name)
        FakeServer.stuck.wait(10)


@pytest.fixture
def fake_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeServer]]:
    import xllamacpp

    fake = SimpleNamespace(__spec__=xllamacpp.__spec__, CommonParams=xllamacpp.CommonParams, Server=FakeServer)
    monkeypatch.setitem(sys.modules, "xllamacpp", fake)
    FakeServer.made, FakeServer.destroyed_in, FakeServer.stuck = [], [], threading.Event()
    yield FakeServer
    FakeServer.stuck.set()


def test_a_stuck_destructor_holds_up_close_for_a_limited_time(fake_server, options, caplog):
    loaded = leases.lease(Path(options.path), replace(options, context_tokens=70))
    assert fake_server.made.pop().calls == ["metrics"]
    with caplog.at_level(logging.WARNING, "lazybridge.local"):
        begun = time.monotonic()
        leases.release(loaded, 0.2)
    assert 0.1 < time.monotonic() - begun < 2
    assert fake_server.destroyed_in == ["lazybridge-local-engine"]
    assert "is not unloaded after 0.2 s" in caplog.text
    fake_server.stuck.set()
    loaded._keeper.join(5)


# --- traps 2 and 4: the listener's key, the threads ---------------------------------------------------------------------


def test_what_the_engine_is_told(fake_server, options):
    fake_server.stuck.set()
    keys = set()
    for parallel in (1, 2):
        loaded = leases.lease(Path(options.path), replace(options, parallel=parallel, context_tokens=100))
        params = fake_server.made.pop().params
        leases.release(loaded)
        (key,) = params.api_keys
        assert len(key) == 64
        keys.add(key)
        assert params.hostnames == ["127.0.0.1"]
        assert (params.n_parallel, params.n_ctx) == (parallel, 100 * parallel)
        assert params.cpuparams.n_threads == params.cpuparams_batch.n_threads == 1
    assert len(keys) == 2


def test_the_listener_on_the_loopback_interface_lets_nobody_in(provider):
    provider.complete(ask(max_tokens=1))
    request = urllib.request.Request(
        engine_of(provider)._server.listening_address + "/v1/chat/completions",
        data=json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as refused:
        assert refused.code == 401


@pytest.mark.parametrize(("cores", "threads"), [(None, 1), (1, 1), (2, 1), (8, 7)])
def test_one_core_is_left_free(monkeypatch, cores, threads):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert LocalOptions().cpu_threads == threads
    assert LocalOptions(threads=3).cpu_threads == 3


# --- the process --------------------------------------------------------------------------------------------------------

PRELUDE = """
import os, sys, time
from lazybridge.core.providers.local import LocalOptions, LocalProvider
from lazybridge.core.types import CompletionRequest, Message
provider = LocalProvider(options=LocalOptions(path=sys.argv[1], threads=1))
request = CompletionRequest((Message.user("Tell me a story"),), max_tokens=400)
stream = provider.stream(request)
next(stream)
"""
FORK = """
stream.close()
child = os.fork()
if not child:
    try:
        provider.complete(request)
    except Exception as exc:
        provider.close()
        os._exit(7 if "forked" in str(exc) and "spawn" in str(exc).splitlines()[-1] else 8)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert provider.complete(CompletionRequest((Message.user("Hi"),), max_tokens=2)).usage.output_tokens == 2
"""


@pytest.mark.parametrize("script", ["", "sys.exit(0)", FORK], ids=["end", "exit", "fork"])
def test_a_process_ends_well(model_file, script):
    """Without care it ends with a segmentation fault while the model writes, and hangs in a forked child."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRELUDE + script, str(model_file)],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stderr.decode()) == (0, "")


# --- building -----------------------------------------------------------------------------------------------------------


def test_it_is_registered_and_has_every_tier():
    assert registry.provider_class("local") is LocalProvider
    for tier in ("top", "expensive", "medium", "cheap", "super_cheap"):
        assert LocalProvider.resolve_tier(tier) == LocalProvider.default_model == "SmolLM2-135M-Instruct"
    assert not LocalProvider.supports_vision()


def test_without_the_engine_the_error_says_what_to_install(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, package=None: None if name == "xllamacpp" else real(name, package)
    )
    with pytest.raises(ConfigurationError) as caught:
        LocalProvider()
    assert str(caught.value).splitlines()[-1] == 'pip install "lazybridge[local]"'


def test_building_downloads_nothing_and_loads_nothing(monkeypatch, options):
    monkeypatch.setattr(weights, "pull", lambda: pytest.fail("downloaded"))
    monkeypatch.setattr(engine.Engine, "_load", lambda self: pytest.fail("loaded"))
    LocalProvider(options=options)
    LocalProvider()


def test_a_path_that_does_not_exist_fails_when_the_agent_is_built():
    with pytest.raises(ConfigurationError, match="names no file: '/no/such.gguf'"):
        Agent("local:/no/such.gguf")


@pytest.mark.parametrize(
    "settings", [{"model": "local:/no/such.gguf"}, {"options": LocalOptions(path="/no/such.gguf")}]
)
def test_a_path_that_does_not_exist_fails_when_the_provider_is_built(settings):
    with pytest.raises(ConfigurationError, match="names no file: '/no/such.gguf'"):
        LocalProvider(**settings)


def test_a_model_string_may_be_a_path(model_file, options, tmp_path):
    link = tmp_path / "mine.gguf"
    link.symlink_to(model_file)
    for text in (f"local:{link}", str(link)):
        with LocalProvider(model=text, options=LocalOptions(threads=1, context_tokens=128)) as own:
            assert own.complete(ask(max_tokens=1)).model == "mine"
    with LocalProvider(options=replace(options, context_tokens=128)) as own:
        assert own.complete(ask(max_tokens=1, model=f"local:{link}")).model == "mine"
        assert own.complete(ask(max_tokens=1, model="cheap")).model == STEM


def test_an_id_that_is_no_file_is_refused(provider):
    with pytest.raises(ConfigurationError, match="no model in this process is called 'gpt-9'"):
        LocalProvider(model="gpt-9")
    with pytest.raises(ConfigurationError, match=r'Agent\("local:/path/to/model.gguf"\)'):
        provider.complete(ask(model="gpt-9"))


def test_a_file_that_llama_cpp_cannot_load_is_named(tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    own = LocalProvider(model=f"local:{broken}")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"llama\.cpp cannot load .*broken\.gguf"):
            own.complete(ask())
    assert not any(loaded.key.path == broken for loaded in engine._alive)


def test_misspelt_options_are_refused():
    with pytest.raises(ConfigurationError, match="LocalProvider has no option 'base_url'"):
        LocalProvider(base_url="http://127.0.0.1")
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        LocalOptions(threads=0)


def test_a_download_at_the_first_call_reports_its_failure(monkeypatch):
    monkeypatch.setattr(weights, "find", lambda path=None: None)

    def pull(force: bool = False) -> Path:
        raise ConfigurationError("cannot download")

    monkeypatch.setattr(weights, "pull", pull)
    own = LocalProvider()
    with pytest.raises(ConfigurationError, match="cannot download"):
        own.complete(ask())


def test_a_subclass_may_price_its_model(options):
    class Priced(LocalProvider):
        def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
            return output_tokens * 0.5

    with Priced(options=replace(options, context_tokens=128)) as own:
        assert own.complete(ask(max_tokens=2)).usage.cost_usd == 1.0


def test_chunks_are_chunks(provider):
    assert all(isinstance(chunk, StreamChunk) for chunk in provider.stream(ask(max_tokens=1)))
