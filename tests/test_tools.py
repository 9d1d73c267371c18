"""The tool loop over the real SDKs of OpenAI (both APIs) and Anthropic, in every way to ask: what runs, when, for how
long, and what goes back. What the vendor sends is checked against the SDKs' types in `fake_tool_turns`."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lazybridge import (
    Agent,
    Budget,
    ConfigurationError,
    ImageContent,
    Ledger,
    TextContent,
    Tool,
    ToolCall,
    ToolError,
    ToolLoopError,
    UsageStats,
)
from lazybridge.core.errors import InvalidRequestError, ProviderTimeoutError
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk
from tests.conftest import KINDS, Kind
from tests.fake_tool_turns import REASONING, THINKING
from tests.fake_vendor import TEXT, FakeVendor
from tests.four_ways import Mode, by_astream, by_call, by_run, by_stream
from tests.test_agent import ScriptedProvider

MODES = {"call": by_call, "run": by_run, "stream": by_stream, "astream": by_astream}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


@pytest.fixture(params=["responses", "chat", "messages"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    return MODES[request.param]


def call(name: str, /, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def results(body: dict[str, Any]) -> list[Any]:
    """The tool results of a request, in their order; OpenAI, which has no field for it, reads that one is an error."""
    if "input" in body:
        found = [item["output"] for item in body["input"] if item.get("type") == "function_call_output"]
        return [said.removeprefix("Error: ") if isinstance(said, str) else said for said in found]
    if "max_tokens" in body:
        blocks = [block for message in body["messages"] if isinstance(message["content"], list) for block in message["content"]]  # fmt: skip
        return [block["content"] for block in blocks if block["type"] == "tool_result"]
    return [message["content"].removeprefix("Error: ") for message in body["messages"] if message["role"] == "tool"]


# --- several calls in one turn ----------------------------------------------------------------------------------------


def test_calls_of_one_turn_run_together_and_answer_in_their_order(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("look", place=1), call("look", place=2), call("look", place=3)]]
    together = threading.Barrier(3)

    def look(place: int) -> str:
        together.wait(10)  # breaks unless all three are here
        time.sleep(0.09 / place)  # the last is the first to be done
        return f"seen {place}"

    envelope = mode(kind.agent(vendor.url, tools=[look]), "Look.")
    assert envelope.text() == TEXT
    assert results(vendor.bodies()[1]) == ["seen 1", "seen 2", "seen 3"]


def test_async_tools_run_together_too(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("look", place=1), call("look", place=2)]]
    here: list[int] = []

    async def look(place: int) -> str:
        here.append(place)
        while len(here) < 2:
            await asyncio.sleep(0.001)
        return f"seen {place}"

    assert mode(kind.agent(vendor.url, tools=[look], tool_timeout=10), "Look.").ok
    assert results(vendor.bodies()[1]) == ["seen 1", "seen 2"]


def test_no_more_run_at_once_than_are_allowed(mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("work", number=number) for number in range(6)]]
    lock, running, most = threading.Lock(), 0, 0

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.03)
        with lock:
            running -= 1
        return number

    assert mode(KINDS["chat"].agent(vendor.url, tools=[work], max_parallel_tools=2), "Go.").ok
    assert most == 2
    assert results(vendor.bodies()[1]) == [str(number) for number in range(6)]


async def test_sync_tools_do_not_block_the_loop_and_async_ones_run_on_it(vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("slow"), call("here")]]
    ticks, loops = 0, []

    def slow() -> str:
        before = ticks
        time.sleep(0.2)
        return str(ticks > before)

    async def here() -> str:
        loops.append(asyncio.get_running_loop())
        return "here"

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.ensure_future(tick())
    agent = KINDS["chat"].agent(vendor.url, tools=[slow, here])
    assert (await agent.run("Go.")).ok
    ticking.cancel()
    assert results(vendor.bodies()[1]) == ["True", "here"]
    assert loops == [asyncio.get_running_loop()]
    await agent.aclose()


@pytest.mark.parametrize("turn", [[call("who")], [call("who"), call("who")]], ids=["one", "two"])
def test_tools_see_the_callers_context(mode: Mode, vendor: FakeVendor, turn: list[dict[str, Any]]) -> None:
    vendor.tool_turns = [turn]
    user = contextvars.ContextVar("user", default="nobody")

    def who() -> str:
        return user.get()

    user.set("Ada")
    assert mode(KINDS["chat"].agent(vendor.url, tools=[who]), "Who?").ok
    assert results(vendor.bodies()[1]) == ["Ada"] * len(turn)


def test_a_single_tool_of_a_synchronous_call_runs_in_its_thread(vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("where")]]
    threads: list[threading.Thread] = []

    def where() -> None:
        threads.append(threading.current_thread())

    assert KINDS["chat"].agent(vendor.url, tools=[where])("Go.").ok
    assert threads == [threading.current_thread()]


def test_streamed_calls_arrive_whole(kind: Kind, vendor: FakeVendor) -> None:
    text = 'a rather long text with "quotes", ünïcode and {braces} that comes in many pieces'
    vendor.tool_turns = [[call("note", text=text), call("note", text="short")]]

    def note(text: str) -> str:
        return text

    chunks = list(kind.agent(vendor.url, tools=[note]).stream("Note."))
    (asked,) = [chunk for chunk in chunks if chunk.tool_calls]
    assert [dict(found.arguments) for found in asked.tool_calls] == [{"text": text}, {"text": "short"}]
    assert results(vendor.bodies()[1]) == [text, "short"]


# --- arguments that do not fit ----------------------------------------------------------------------------------------


def days(days: int) -> str:
    return f"{days + 1} days"


def test_a_bad_argument_goes_back_in_words(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("days", days="soon")], [call("days", days="3")]]
    envelope = mode(kind.agent(vendor.url, tools=[days]), "When?")
    assert envelope.text() == TEXT
    said, done = results(vendor.bodies()[2])
    for word in ("days", '"soon"', "valid integer"):
        assert word in said
    assert "errors.pydantic.dev" not in said
    assert done == "4 days"  # what was written as text was converted
    assert envelope.metadata.turns == 3


def test_too_many_bad_turns_in_a_row_end_the_call(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("days", days="soon"), call("dayz")]] * 9
    agent = kind.agent(vendor.url, tools=[days])
    envelope = mode(agent, "When?")
    error = envelope.error
    assert isinstance(error, ToolLoopError)
    assert "max_tool_errors=3" in str(error)
    assert "'days'" in str(error)  # the near name of the last call
    assert [message.role for message in error.messages] == ["user", *["assistant", "tool", "tool"] * 3]
    assert len(error.attempts) == len(vendor.requests) == 3
    assert error.receipt is not None
    assert error.receipt.total == envelope.metadata.receipt.total > 0


def test_a_turn_that_works_starts_the_count_anew(vendor: FakeVendor) -> None:
    bad, good = [call("days", days="soon")], [call("days", days=1)]
    vendor.tool_turns = [bad, good, bad, [*bad, *good], bad]
    assert KINDS["chat"].agent(vendor.url, tools=[days], max_tool_errors=2)("When?").ok
    vendor.tool_turns = [bad]
    assert not KINDS["chat"].agent(vendor.url, tools=[days], max_tool_errors=1)("When?").ok


def test_a_tool_that_fails_again_and_again_is_no_bad_argument(vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("find", path="a")]] * 5

    def find(path: str) -> str:
        raise FileNotFoundError(path)

    assert KINDS["chat"].agent(vendor.url, tools=[find])("Find it.").ok
    assert results(vendor.bodies()[-1]) == ["FileNotFoundError: a"] * 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ('{"days": 3', "not valid JSON"),
        ("[3]", "JSON list, not an object"),
        ('{"days": ' + "[" * 100_000 + "]" * 100_000 + "}", "recursion|nested"),
        ('{"days": ' + "[" * 200 + "]" * 200 + "}", "nested deeper than 64"),
        (json.dumps({"days": "9" * 1_000_001}), "longer than 1000000 characters"),
        ('{"days": "\\ud800"}', "days|surrogate"),
    ],
    ids=["broken", "list", "recursion", "deep", "long", "surrogate"],
)  # fmt: skip
@pytest.mark.parametrize("way", ["call", "astream"])
def test_arguments_that_no_function_wants_go_back(vendor: FakeVendor, arguments: str, says: str, way: str) -> None:
    vendor.tool_turns = [[{"name": "days", "arguments": arguments}]]
    envelope = MODES[way](KINDS["chat"].agent(vendor.url, tools=[days]), "When?")
    assert envelope.text() == TEXT
    (said,) = results(vendor.bodies()[1])
    assert any(word in said for word in says.split("|")), said
    assert len(said) < 1000


def test_deep_and_long_arguments_that_came_as_an_object_are_bounded_too() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = {"a": deep}
    for arguments, says in (({"days": deep}, "deeper"), ({"days": ["x" * 600_000] * 2}, "longer")):
        assert says in Tool(days).run(ToolCall("1", "days", arguments)).text
    ok = {"days": 3}
    assert Tool(days).run(ToolCall("1", "days", ok)).text == "4 days"


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_a_slow_tool_is_an_error_that_the_model_reads(mode: Mode, vendor: FakeVendor, count: int) -> None:
    vendor.tool_turns = [[call("slow")] * count]
    release = threading.Event()

    def slow() -> str:
        release.wait(20)
        return "late"

    started = time.monotonic()
    envelope = mode(KINDS["chat"].agent(vendor.url, tools=[slow], tool_timeout=0.2), "Go.")
    assert time.monotonic() - started < 3
    release.set()
    assert envelope.text() == TEXT
    assert results(vendor.bodies()[1]) == ["TimeoutError: slow took longer than 0.2 s"] * count


def test_a_slow_async_tool_is_cancelled(mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("slow"), call("quick")]]
    stopped: list[str] = []

    async def slow() -> str:
        try:
            await asyncio.sleep(20)
        finally:
            stopped.append("slow")
        return "late"

    def quick() -> str:
        return "done"

    tools = [Tool(slow, timeout=0.2), quick]
    assert mode(KINDS["messages"].agent(vendor.url, tools=tools, tool_timeout=30), "Go.").ok
    assert stopped == ["slow"]
    assert results(vendor.bodies()[1]) == ["TimeoutError: slow took longer than 0.2 s", "done"]


@pytest.mark.parametrize("count", [1, 2])
def test_the_call_ends_on_time_while_a_tool_hangs(kind: Kind, mode: Mode, vendor: FakeVendor, count: int) -> None:
    vendor.tool_turns = [[call("hang")] * count]
    release = threading.Event()

    def hang() -> str:
        release.wait(20)
        return "late"

    agent = kind.agent(vendor.url, tools=[hang], timeout=2)
    started = time.monotonic()
    envelope = mode(agent, "Go.")
    assert time.monotonic() - started < 4.5
    release.set()
    assert isinstance(envelope.error, ProviderTimeoutError)
    assert "timeout=2" in str(envelope.error)
    assert envelope.metadata.cost_usd
    assert len(vendor.requests) == 1


async def test_a_synchronous_call_inside_a_loop_ends_on_time_too(vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("hang"), call("stubborn")]]
    release = threading.Event()

    def hang() -> str:
        release.wait(20)
        return "late"

    async def stubborn() -> str:
        release.wait(20)  # what no async function should do
        return "late"

    agent = KINDS["chat"].agent(vendor.url, tools=[hang, stubborn], timeout=0.8)
    started = time.monotonic()
    envelope = agent("Go.")
    assert time.monotonic() - started < 3
    release.set()
    assert isinstance(envelope.error, ProviderTimeoutError)


def test_a_hanging_tool_does_not_keep_the_program(tmp_path: Path) -> None:
    code = tmp_path / "program.py"
    code.write_text(
        "import threading\n"
        "from lazybridge import Agent\n"
        "from tests.test_tools import Calling\n"
        "def hang() -> str:\n"
        "    threading.Event().wait()\n"
        "envelope = Agent(Calling(), tools=[hang], tool_timeout=0.2)('Go.')\n"
        "print(envelope.text())\n"
    )
    done = subprocess.run(
        [sys.executable, code], capture_output=True, text=True, timeout=60, cwd=Path.cwd(), env=_path()
    )
    assert done.stdout == "TimeoutError: hang took longer than 0.2 s\n", done.stderr


def _path() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


class Calling(ScriptedProvider):
    """A user's provider that calls `hang` once, then says what came back."""

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        if request.messages[-1].role == "tool":
            return CompletionResponse(request.messages[-1].text, stop_reason="end_turn")
        return CompletionResponse(tool_calls=[ToolCall("1", "hang")], stop_reason="tool_use")


@pytest.mark.parametrize(
    "options",
    [{"tool_timeout": 0}, {"tool_timeout": "soon"}, {"max_tool_errors": 0}, {"max_parallel_tools": 0}],
    ids=str,
)  # fmt: skip
def test_limits_that_are_none_are_named(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ConfigurationError, match=name):
        Agent("gpt-6-luna", api_key="k", tools=[days], **options)
    with pytest.raises(ConfigurationError, match="belongs to the agent"):
        Agent("gpt-6-luna", api_key="k", tools=[days])("hi", **options)


# --- how tools are chosen ---------------------------------------------------------------------------------------------

FORCED = {
    "chat": {
        "auto": "auto",
        "required": "required",
        "any": "required",
        "none": "none",
        "days": {"type": "function", "function": {"name": "days"}},
    },
    "responses": {
        "auto": "auto",
        "required": "required",
        "any": "required",
        "none": "none",
        "days": {"type": "function", "name": "days"},
    },
    "messages": {
        "auto": {"type": "auto"},
        "required": {"type": "any"},
        "any": {"type": "any"},
        "none": {"type": "none"},
        "days": {"type": "tool", "name": "days"},
    },
}


@pytest.mark.parametrize("name", list(FORCED))
@pytest.mark.parametrize("choice", ["auto", "required", "any", "none", "days"])
def test_a_forced_choice_is_obeyed_once(vendor: FakeVendor, name: str, choice: str) -> None:
    vendor.tool_turns = [[call("days", days=1)]]
    assert KINDS[name].agent(vendor.url, tools=[days])("When?", tool_choice=choice).ok
    first, second = vendor.bodies()
    assert first["tool_choice"] == FORCED[name][choice]
    after = "none" if choice == "none" else "auto"
    assert second["tool_choice"] == FORCED[name][after]


@pytest.mark.parametrize(("choice", "near"), [("dais", "days"), ("requierd", "required"), ("Auto", "auto")])
def test_a_choice_that_is_no_tool_names_what_is_near(choice: str, near: str) -> None:
    with pytest.raises(ConfigurationError, match=f"did you mean '{near}'"):
        Agent("gpt-6-luna", api_key="k", tools=[days], tool_choice=choice)
    with pytest.raises(ValueError, match=f"did you mean '{near}'"):
        Agent("gpt-6-luna", api_key="k", tools=[days])("When?", tool_choice=choice)


def test_the_last_turn_leaves_messages_and_costs(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("days", days=1)]] * 9
    envelope = mode(kind.agent(vendor.url, tools=[days], max_turns=2), "When?")
    error = envelope.error
    assert isinstance(error, ToolLoopError)
    assert [message.role for message in error.messages] == ["user", *["assistant", "tool"] * 2]
    assert len(error.attempts) == 2
    assert error.receipt is not None
    assert error.receipt.total == sum((attempt.receipt.total or 0 for attempt in error.attempts), Decimal(0)) > 0


# --- what tools return and raise --------------------------------------------------------------------------------------


class City(BaseModel):
    name: str


@dataclasses.dataclass
class Spot:
    x: int


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("plain", "plain"),
        ({"a": 1}, '{"a":1}'),
        (City(name="Rome"), '{"name":"Rome"}'),
        (Spot(3), '{"x":3}'),
        ([City(name="Rome"), Spot(3)], '[{"name":"Rome"},{"x":3}]'),
        (Decimal("1.5"), '"1.5"'),
        (0, "0"),
        (False, "false"),
        ([], "[]"),
        (TextContent("words"), "words"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_of_any_kind_reaches_the_model(kind: Kind, vendor: FakeVendor, value: Any, sent: str) -> None:
    vendor.tool_turns = [[call("give")]]

    def give() -> Any:
        return value

    assert kind.agent(vendor.url, tools=[give])("Give.").ok
    (found,) = results(vendor.bodies()[1])
    assert found == sent or found[0]["text"] == sent


def test_words_data_and_images_may_be_mixed(mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("show"), call("plain")]]

    async def show() -> list[Any]:
        return ["A picture:", ImageContent(PNG), {"width": 1}, City(name="Rome")]

    def plain() -> ImageContent:
        return ImageContent(PNG)

    assert mode(KINDS["messages"].agent(vendor.url, tools=[show, plain]), "Show.").ok
    mixed, alone = results(vendor.bodies()[1])
    assert [block["type"] for block in mixed] == ["text", "image", "text", "text"]
    assert mixed[3]["text"] == '{"name":"Rome"}'
    assert [block["type"] for block in alone] == ["image"]


def test_a_tool_error_is_in_its_own_words(mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("pay"), call("fail")]]

    def pay() -> str:
        raise ToolError("The account is empty; ask the user for another one.")

    async def fail() -> str:
        raise ValueError("no")

    assert mode(KINDS["messages"].agent(vendor.url, tools=[pay, fail]), "Pay.").ok
    found = vendor.bodies()[1]["messages"][-1]["content"]
    assert [block["content"] for block in found] == [
        "The account is empty; ask the user for another one.",
        "ValueError: no",
    ]
    assert all(block["is_error"] for block in found)


def test_keys_do_not_reach_the_model_in_an_exception(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("fetch"), call("other")]]
    key = "test-key-0123456789"

    def fetch() -> str:
        raise RuntimeError(f"401 for Authorization: {key}")

    async def other() -> str:
        raise ToolError("sk-ant-REDACTED is not accepted, nor is gateway-pass-word")

    agent = kind.agent(vendor.url, tools=[fetch, other], extra_headers={"x-api-key-of-mine": "gateway-pass-word"})
    assert mode(agent, "Fetch.").ok
    assert results(vendor.bodies()[1]) == [
        "RuntimeError: 401 for Authorization: [redacted]",
        "[redacted] is not accepted, nor is [redacted]",
    ]


def test_stop_iteration_of_a_tool_is_told_like_any_other(mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("first"), call("first")]]

    def first() -> str:
        return next(iter(()))

    assert mode(KINDS["chat"].agent(vendor.url, tools=[first]), "Go.").ok
    assert all("StopIteration" in said for said in results(vendor.bodies()[1]))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("way", list(MODES))
def test_an_interrupt_passes_and_the_books_are_kept(vendor: FakeVendor, tmp_path: Path, way: str, count: int) -> None:
    vendor.tool_turns = [[call("stop")] * count]
    budget, ledger = Budget(usd=1), Ledger(tmp_path / "spend.db")

    def stop() -> str:
        raise KeyboardInterrupt

    agent = KINDS["chat"].agent(vendor.url, tools=[stop], budget=budget, ledger=ledger)
    with pytest.raises(KeyboardInterrupt):
        MODES[way](agent, "Go.")
    assert 0 < budget.spent < Decimal("0.01")
    assert budget.reserved == 0
    assert len(list(ledger.rows())) == 1
    agent.close()


def test_control_c_ends_a_synchronous_call_at_once(vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("hang"), call("press")]]
    release = threading.Event()

    def hang() -> str:
        release.wait(20)
        return "late"

    def press() -> str:
        time.sleep(0.2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return hang()

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        KINDS["chat"].agent(vendor.url, tools=[hang, press])("Go.")
    assert time.monotonic() - started < 5
    release.set()


@pytest.mark.parametrize("count", [1, 2])
async def test_cancelling_passes_through_tools(vendor: FakeVendor, count: int) -> None:
    vendor.tool_turns = [[call("wait")] * count]
    stopped: list[str] = []

    async def wait() -> str:
        try:
            await asyncio.sleep(20)
        finally:
            stopped.append("wait")
        return "late"

    agent = KINDS["chat"].agent(vendor.url, tools=[wait])
    stream = agent.stream("Go.")

    async def read() -> None:
        async for _ in stream:
            pass

    reading = asyncio.ensure_future(read())
    while not vendor.requests:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert stopped == ["wait"] * count
    assert stream.envelope is not None
    assert stream.envelope.metadata.cost_usd
    assert len(stream.envelope.metadata.attempts) == 1
    await agent.aclose()


# --- defects of another package that this one must not have -----------------------------------------------------------


class SpentThenRefused(ScriptedProvider):
    """A first turn that costs, then an error."""

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        if request.messages[-1].role == "tool":
            raise ZeroDivisionError("broken")
        usage = UsageStats(100, 5, cost_usd=1.25)
        return CompletionResponse(tool_calls=[ToolCall("1", "days", {"days": 1})], stop_reason="tool_use", usage=usage)

    def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
        yield self.complete(request).final_chunk()

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamChunk]:
        yield self.complete(request).final_chunk()


def test_what_a_first_turn_cost_is_kept_when_the_second_fails(mode: Mode) -> None:
    envelope = mode(Agent(SpentThenRefused(), tools=[days], max_retries=0), "When?")
    assert not envelope.ok
    assert envelope.metadata.attempts[0].cost_usd == 1.25
    assert envelope.metadata.receipt.total == Decimal("1.25")


def test_anthropics_thinking_goes_back_signed_with_its_calls(mode: Mode, vendor: FakeVendor) -> None:
    """Without its signature the vendor answers 400: "thinking.signature: Field required"."""
    vendor.tool_turns = [[call("days", days=1), call("days", days=2)]] * 2
    assert mode(KINDS["messages"].agent(vendor.url, tools=[days], thinking=1024, max_tokens=2048), "When?").ok
    *_, third = vendor.bodies()
    for turn in (1, 3):
        assert third["messages"][turn]["content"][:2] == THINKING
        assert [block["type"] for block in third["messages"][turn]["content"][2:]] == ["tool_use", "tool_use"]


def test_openais_reasoning_goes_back_with_its_calls(mode: Mode, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("days", days=1), call("days", days=2)]]
    agent = Agent("gpt-6-luna", api_key="k", base_url=f"{vendor.url}/v1", tools=[days], effort="low")
    assert mode(agent, "When?").ok
    _, second = vendor.bodies()
    kinds = [item.get("type", "message") for item in second["input"]]
    assert kinds[1:] == ["reasoning", *["function_call"] * 2, *["function_call_output"] * 2]
    assert second["input"][1]["encrypted_content"] == REASONING[0]["encrypted_content"]
    assert "reasoning.encrypted_content" in second["include"]


def test_googles_thought_signature_goes_back_with_its_call(mode: Mode, vendor: FakeVendor) -> None:
    """Without it the vendor answers 400: "missing a thought_signature"."""
    vendor.tool_call = {"name": "days", "arguments": {"days": 1}}
    assert mode(KINDS["gemini"].agent(vendor.url, tools=[days]), "When?").ok
    parts = [part for content in vendor.bodies()[1]["contents"] for part in content["parts"]]
    (asked,) = [part for part in parts if "functionCall" in part]
    assert asked["thoughtSignature"] == "c2lnbmVk"


def test_all_turns_of_all_calls_of_an_agent_share_a_connection(kind: Kind, vendor: FakeVendor) -> None:
    vendor.tool_turns = [[call("days", days=1), call("days", days=2)], [call("days", days=3)]]
    with kind.agent(vendor.url, tools=[days]) as agent:
        for _ in range(3):
            assert agent("When?").ok
    assert len(vendor.requests) == 9
    assert vendor.connections == 1


def test_a_tool_loop_is_quiet(kind: Kind, mode: Mode, vendor: FakeVendor, recwarn: pytest.WarningsRecorder) -> None:
    vendor.tool_turns = [[call("days", days=1), call("days", days=2)], [call("days", days=3)]]
    assert mode(kind.agent(vendor.url, tools=[days], tool_choice="required"), "When?").ok
    assert [str(warning.message) for warning in recwarn if "retires" not in str(warning.message)] == []


def test_names_of_files_that_are_no_text_reach_the_model(kind: Kind, vendor: FakeVendor) -> None:
    vendor.tool_call = call("folder")

    def folder() -> str:
        return b"caf\xe9.txt".decode("utf-8", "surrogateescape")

    assert kind.agent(vendor.url, tools=[folder])("What is there?").ok
    assert r"caf\udce9.txt" in json.loads(json.dumps(results(vendor.bodies()[1])))[0]


def test_a_prompt_that_no_json_can_say_is_refused_and_free(kind: Kind, mode: Mode, vendor: FakeVendor) -> None:
    envelope = mode(kind.agent(vendor.url), "half a pair: \ud800")
    assert isinstance(envelope.error, InvalidRequestError)
    assert envelope.metadata.cost_usd == 0
    assert vendor.requests == []
