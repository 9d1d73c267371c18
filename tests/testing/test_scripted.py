"""ScriptedProvider through the same Agent and Model that a program uses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat
from typing import Any

import pytest
from pydantic import BaseModel

from lazybridge import (
    Agent,
    Budget,
    BudgetExceeded,
    CompletionRequest,
    CompletionResponse,
    Envelope,
    ImageContent,
    Message,
    Session,
    StreamChunk,
    StreamTruncated,
    ToolCall,
    UsageStats,
    register_price,
)
from lazybridge.core.content import Citation
from lazybridge.core.errors import InvalidRequestError, ProviderTimeoutError, RateLimitError, ServerError
from lazybridge.events import Event
from lazybridge.testing import Later, ScriptedProvider, ScriptError, Stream
from tests.test_import import HEAVY, modules_after


def streamed(agent: Agent, task: Any, **settings: Any) -> Envelope[Any]:
    stream = agent.stream(task, **settings)
    for _ in stream:
        pass
    assert stream.envelope is not None
    return stream.envelope


async def astreamed(agent: Agent, task: Any, **settings: Any) -> Envelope[Any]:
    async with agent.stream(task, **settings) as stream:
        async for _ in stream:
            pass
    assert stream.envelope is not None
    return stream.envelope


MODES: dict[str, Callable[..., Envelope[Any]]] = {
    "sync": lambda agent, task, **settings: agent(task, **settings),
    "async": lambda agent, task, **settings: asyncio.run(agent.run(task, **settings)),
    "stream": streamed,
    "async stream": lambda agent, task, **settings: asyncio.run(astreamed(agent, task, **settings)),
}


@pytest.fixture(params=list(MODES))
def ask(request: pytest.FixtureRequest) -> Callable[..., Envelope[Any]]:
    return MODES[request.param]


def test_the_first_line_of_the_docs() -> None:
    assert Agent(ScriptedProvider(["hi"]))("x").text() == "hi"


def test_each_call_gets_the_next_answer(ask: Callable[..., Envelope[Any]]) -> None:
    provider = ScriptedProvider(["one two", CompletionResponse("three", thinking="I count")], model="m-1")
    agent = Agent(provider)
    first, second = ask(agent, "a"), ask(agent, "b")
    assert (first.text(), second.text(), second.thinking) == ("one two", "three", "I count")
    assert (first.metadata.model, first.metadata.stop_reason, first.metadata.cost_usd) == ("m-1", "end_turn", 0.0)
    assert (first.metadata.input_tokens, first.metadata.output_tokens) == (1, 2)
    provider.assert_asked("a", "b", times=2)


def test_usage_and_cost_are_settable(ask: Callable[..., Envelope[Any]]) -> None:
    provider = ScriptedProvider(
        ["a", CompletionResponse("b", usage=UsageStats(7, 8, cost_usd=0.5))],
        usage=UsageStats(1000, 200, cached_input_tokens=50),
        cost_usd=0.25,
    )
    agent = Agent(provider)
    first, second = ask(agent, "x").metadata, ask(agent, "x").metadata
    assert (first.input_tokens, first.output_tokens, first.cached_input_tokens) == (1000, 200, 50)
    assert (first.cost_usd, first.receipt.status) == (0.25, "exact")
    assert (second.input_tokens, second.output_tokens, second.cost_usd) == (7, 8, 0.5)
    assert ask(Agent(ScriptedProvider(["a"], cost_usd=None)), "x").metadata.cost_usd is None


def test_tools_are_called_and_their_results_arrive(ask: Callable[..., Envelope[Any]]) -> None:
    def weather(city: str) -> str:
        """The weather."""
        return f"sunny in {city}"

    provider = ScriptedProvider([[ToolCall("1", "weather", {"city": "Rome"})], "It is sunny."])
    assert ask(Agent(provider, tools=[weather]), "Weather in Rome?").text() == "It is sunny."
    assert provider.requests[1].messages[-1].text == "sunny in Rome"
    provider.assert_asked("Weather in Rome?", times=2, tools=["weather"])


class City(BaseModel):
    name: str


@dataclass
class Town:
    name: str


@pytest.mark.parametrize("said", ['{"name": "Rome"}', {"name": "Rome"}, City(name="Rome"), Town("Rome")])
def test_structured_output(ask: Callable[..., Envelope[Any]], said: Any) -> None:
    assert ask(Agent(ScriptedProvider([said]), output=City), "x").payload == City(name="Rome")


def test_citations_come_along(ask: Callable[..., Envelope[Any]]) -> None:
    citation = Citation(url="https://example.org", title="A page")
    envelope = ask(Agent(ScriptedProvider([CompletionResponse("hi", citations=(citation,))])), "x")
    assert envelope.response is not None
    assert envelope.response.citations == (citation,)


def test_errors_are_raised_and_retried(ask: Callable[..., Envelope[Any]]) -> None:
    limited = RateLimitError("slow down", status_code=429, retry_after=0.0)
    envelope = ask(Agent(ScriptedProvider([limited, "hi"])), "x")
    assert envelope.text() == "hi"
    assert [attempt.error for attempt in envelope.metadata.attempts] == ["rate_limit", None]


def test_an_error_that_stands(ask: Callable[..., Envelope[Any]]) -> None:
    provider = ScriptedProvider([ServerError, ServerError("no", retryable=False)][1:])
    if ask in (MODES["sync"], MODES["async"]):
        assert isinstance(ask(Agent(provider), "x").error, ServerError)
    else:
        with pytest.raises(ServerError):
            ask(Agent(provider), "x")


def test_a_function_sees_the_request(ask: Callable[..., Envelope[Any]]) -> None:
    provider = ScriptedProvider([lambda request: f"you said {request.messages[-1].text}"])
    assert ask(Agent(provider), "boo").text() == "you said boo"
    echo = ScriptedProvider(lambda request: request.messages[-1].text)
    assert [ask(Agent(echo), text).text() for text in "ab"] == ["a", "b"]


def test_an_asynchronous_function() -> None:
    async def answer(request: CompletionRequest) -> str:
        await asyncio.sleep(0)
        return "hi"

    assert asyncio.run(Agent(ScriptedProvider([answer])).run("x")).text() == "hi"
    with pytest.raises(ScriptError, match="asked synchronously"):
        Agent(ScriptedProvider([answer]))("x")


def test_a_generator_may_go_on_for_ever() -> None:
    with ScriptedProvider(repeat("hi")) as provider:
        assert [Agent(provider)("x").text() for _ in range(3)] == ["hi"] * 3


def test_a_stream_comes_in_the_pieces_of_the_script() -> None:
    call = ToolCall("1", "f", {})
    agent = Agent(ScriptedProvider([Stream(["a b", StreamChunk(thinking_delta="t"), "c", call])]))
    chunks = list(agent.stream("x"))
    assert [chunk.delta or chunk.thinking_delta for chunk in chunks[:-1]] == ["a b", "t", "c"]
    assert chunks[-1].is_final
    assert chunks[-1].stop_reason == "tool_use"
    assert chunks[-1].tool_calls == [call]
    assert Agent(ScriptedProvider([Stream(["a b", "c"])]))("x").text() == "a bc"


def test_a_stream_that_breaks_off_keeps_what_came() -> None:
    provider = ScriptedProvider([Stream(["a ", "b"], error=StreamTruncated("cut", retryable=False))])
    stream = Agent(provider).stream("x")
    with pytest.raises(StreamTruncated) as caught:
        list(stream)
    assert caught.value.partial_text == "a b"


def test_delays_meet_the_timeout(ask: Callable[..., Envelope[Any]]) -> None:
    began = time.monotonic()
    assert ask(Agent(ScriptedProvider([Later(0.05, "hi")])), "x").text() == "hi"
    assert time.monotonic() - began >= 0.05
    agent = Agent(ScriptedProvider([Later(30, "hi")]), timeout=0.1)
    if ask in (MODES["sync"], MODES["async"]):
        assert isinstance(ask(agent, "x").error, ProviderTimeoutError)
    else:
        with pytest.raises(ProviderTimeoutError):
            ask(agent, "x")
    assert time.monotonic() - began < 5


def test_a_script_that_is_over_is_loud(ask: Callable[..., Envelope[Any]]) -> None:
    agent = Agent(ScriptedProvider(["one"]), system="Be brief.")
    ask(agent, "first")
    with pytest.raises(ScriptError) as caught:
        ask(agent, "second")
    for part in ("over after 1 calls", "user: second", "system: Be brief."):
        assert part in str(caught.value)


def test_answers_that_are_left_are_loud_at_the_end() -> None:
    with pytest.raises(ScriptError, match=r"(?s)1 answers.*'never'"), ScriptedProvider(["one", "never"]) as provider:
        Agent(provider)("x")
    with pytest.raises(ZeroDivisionError), ScriptedProvider(["never"]):
        1 / 0  # the test's own failure is the one to see


def test_what_was_asked_differs_readably() -> None:
    provider = ScriptedProvider(["a", "b"])
    agent = Agent(provider, system="Be brief.")
    agent("one")
    agent([Message.user("I am Ada."), Message.assistant("Hello."), Message.user("two")], temperature=0)
    provider.assert_asked("one", "two", system="Be brief.", temperature=0)
    provider.assert_asked(temperature=None, call=0)
    with pytest.raises(AssertionError, match=r"(?s)- 2\. three\n.*\+ 2\. two"):
        provider.assert_asked("one", "three")
    with pytest.raises(AssertionError, match=r"(?s)system differs:\n- Be long\.\n.*\+ Be brief\."):
        provider.assert_asked(system="Be long.")
    with pytest.raises(AssertionError, match=r"(?s)asked 2 times, not 3.*user: one.*assistant: Hello\."):
        provider.assert_asked(times=3)
    with pytest.raises(AssertionError, match=r"\+ assistant: Hello\."):
        provider.assert_asked(messages=[Message.user("I am Ada."), Message.user("two")])
    with pytest.raises(TypeError, match="no field sytem"):
        provider.assert_asked(sytem="x")
    with pytest.raises(AssertionError, match="asked nothing"):
        ScriptedProvider([]).assert_asked()


@pytest.mark.parametrize("script", ["hi", {"a": 1}, CompletionResponse("hi")])
def test_a_script_is_a_list(script: Any) -> None:
    with pytest.raises(ScriptError, match=r"write ScriptedProvider\(\["):
        ScriptedProvider(script)


def test_what_is_no_answer_is_loud() -> None:
    with pytest.raises(ScriptError, match="3 is no answer"):
        Agent(ScriptedProvider([3]))("x")


def test_what_is_asked_arrives_as_it_is() -> None:
    provider = ScriptedProvider(["a cat"])
    envelope = Agent(provider, native_tools=["web_search"])("x", attachments=[b"\x89PNG\r\n\x1a\n" + bytes(32)])
    assert envelope.metadata.adjustments == ()
    assert type(provider.requests[0].messages[0].blocks[1]) is ImageContent
    provider.assert_asked(native_tools=["web_search"])


def test_budgets_know_what_a_script_costs() -> None:
    register_price("scripted", provider="scripted", input=1, output=5)
    budget = Budget(usd="0.0002")  # one call could cost 0.00019
    agent = Agent(ScriptedProvider(["one two"] * 3, cost_usd=None), budget=budget, max_tokens=10)
    assert agent("x").metadata.cost_usd == 0.000011
    assert budget.spent == Decimal("0.000011")
    assert isinstance(agent("x").error, BudgetExceeded)
    assert Agent(ScriptedProvider(["hi"]), budget=Budget(usd="0.01"))("x").ok  # free


def test_a_line_may_stand_in_several_scripts() -> None:
    answer = CompletionResponse("hi", usage=UsageStats(1, 2))
    for cost in (0.5, 0.25):
        assert Agent(ScriptedProvider([answer], cost_usd=cost))("x").metadata.cost_usd == cost
    assert answer == CompletionResponse("hi", usage=UsageStats(1, 2))


def test_any_exception_will_do() -> None:
    for error in (Exception("odd"), ConnectionResetError("gone")):
        envelope = Agent(ScriptedProvider([error, "hi"]), max_retries=0)("x")
        assert envelope.error is not None
        assert envelope.error.__cause__ is error


def test_threads_share_a_script() -> None:
    from concurrent.futures import ThreadPoolExecutor

    provider = ScriptedProvider([str(number) for number in range(50)])
    agent = Agent(provider)
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda number: agent(str(number)).text(), range(50)))
    assert sorted(texts, key=int) == [str(number) for number in range(50)]


def test_it_needs_no_sdk() -> None:
    code = "from lazybridge import Agent\nfrom lazybridge.testing import ScriptedProvider\nAgent(ScriptedProvider(['hi']))('x').text()"
    assert not modules_after(code).intersection(HEAVY[:6])
    assert not modules_after("import lazybridge, lazybridge.testing.plugin").intersection(
        {*HEAVY, "lazybridge.testing.cassette", "lazybridge.core.types"} - {"asyncio"}
    )
    assert "lazybridge.testing" not in modules_after("import lazybridge\nfrom lazybridge import Agent")


def test_events_and_errors_have_its_name() -> None:
    events: list[Event] = []
    provider = ScriptedProvider(["hi", InvalidRequestError("the scripted answer is wrong")])
    agent = Agent(provider, session=Session(events.append))
    agent("x")
    assert "the scripted answer is wrong" in str(agent("x").error)
    assert {event.provider for event in events} == {"scripted"}
    assert "[redacted]" not in str(events)


def test_a_script_that_is_over_inside_a_tool_is_loud(ask: Callable[..., Envelope[Any]]) -> None:
    inner = Agent(ScriptedProvider([]), name="inner")
    outer = Agent(ScriptedProvider([ToolCall("1", "inner", {"task": "x"}), "done"]), tools=[inner])
    with pytest.raises(ScriptError, match="over after 0 calls"):
        ask(outer, "x")
