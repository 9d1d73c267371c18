"""Conversations go from every vendor to every other, through the real SDKs, past servers that enforce the vendors' rules
(`strict_vendors.py` says whose rules, and where they are said)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lazybridge import Agent, DocumentContent, ImageContent, Message, ToolCall
from lazybridge.core.types import ASSISTANT, TOOL, Role
from tests.strict_vendors import BUILT, StrictVendors

# What cannot be sent warns once; the tests look at the adjustments.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


def lookup(word: str) -> str:
    """What a word means."""
    return f"{word} means nothing"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[StrictVendors, dict[tuple[str, bool], Agent]]]:
    vendors = StrictVendors()
    agents: dict[tuple[str, bool], Agent] = {}
    for name, (provider, model, path, more) in BUILT.items():
        for tools in (False, True):
            agents[name, tools] = Agent(
                model,
                provider=provider,
                api_key="test-key-0123456789",
                base_url=vendors.url + path,
                tools=[lookup] if tools else [],
                max_retries=0,
                **more,
            )
    yield vendors, agents
    for agent in agents.values():
        agent.close()
    vendors.close()


@pytest.fixture
def strict(running: tuple[StrictVendors, Any]) -> StrictVendors:
    vendors = running[0]
    vendors.refused.clear()
    vendors.bodies.clear()
    vendors.given.clear()
    vendors.beside_calls = ""
    return vendors


PAIRS = list(itertools.product(BUILT, BUILT))


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_a_conversation_goes_there_and_back(
    first: str, second: str, strict: StrictVendors, running: tuple[Any, dict[tuple[str, bool], Agent]]
) -> None:
    agents = running[1]
    chat = agents[first, True].chat()
    for name in (first, second, first):
        chat.move_to(agents[name, True])
        for question in (
            "What is it?",
            [Message.system("Be brief."), Message.user(["And this?", ImageContent(data=PNG)])],
        ):
            envelope = chat(question)
            assert envelope.ok, (envelope.error, strict.refused)
            assert envelope.text() == f"{name} says"
            assert envelope.metadata.turns == 2
    assert strict.refused == []
    # Two questions each: the question, the calls, two results, the answer; and a system message with each second one.
    assert [message.role for message in chat.messages].count(ASSISTANT) == 12
    assert [message.role for message in chat.messages].count(TOOL) == 12


odd_texts = st.sampled_from(["", " ", "\n\n", "I will look."])
names = st.sampled_from(sorted(BUILT))
ids = st.one_of(st.text(min_size=1, max_size=80), st.sampled_from(["call_0", "functions.f:0", "a" * 64]))


@st.composite
def histories(draw: Any) -> list[Message]:
    """Conversations as nobody should write them: calls without results, results without calls or late, empty turns, ids of any
    form and used twice, neighbours of one role, any beginning."""
    messages: list[Message] = []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(["user", "assistant", "calls", "result", "system", "picture"]))
        if kind == "user":
            messages.append(Message.user("Hello"))
        elif kind == "picture":
            messages.append(Message.user(["Look", ImageContent(data=PNG), DocumentContent(data=b"%PDF-1.4 x")]))
        elif kind == "system":
            messages.append(Message.system("Be brief."))
        elif kind == "assistant":
            messages.append(Message.assistant(draw(odd_texts)))
        elif kind == "calls":
            made = [ToolCall(id, "lookup", {"word": "w"}) for id in draw(st.lists(ids, min_size=1, max_size=3))]
            messages.append(Message.assistant(draw(odd_texts), tool_calls=made))
            for call in made:
                if draw(st.booleans()):
                    content = draw(st.sampled_from(["", " ", "found", [ImageContent(data=PNG)]]))
                    messages.append(Message.tool(content, tool_call_id=call.id, is_error=draw(st.booleans())))
        else:
            messages.append(Message.tool("found", tool_call_id=draw(ids)))
    return messages


@given(history=histories(), path=st.lists(st.tuples(names, st.booleans()), min_size=1, max_size=3), beside=odd_texts)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_conversation_is_refused_by_any_vendor(
    history: list[Message],
    path: list[tuple[str, bool]],
    beside: str,
    running: tuple[StrictVendors, dict[tuple[str, bool], Agent]],
) -> None:
    vendors, agents = running
    vendors.refused.clear()
    vendors.beside_calls = beside
    chat = agents[path[0]].chat(history)
    for name, tools in path:
        chat.move_to(agents[name, tools])
        envelope = chat("Go on")
        assert envelope.ok, (vendors.refused, envelope.error)
    kept = [message for message in chat.messages if message.role is Role.USER and message.text == "Go on"]
    assert len(kept) == len(path)


@pytest.mark.parametrize("name", sorted(BUILT))
def test_what_was_set_right_is_said_and_strict_refuses_it(
    name: str, strict: StrictVendors, running: tuple[Any, dict[tuple[str, bool], Agent]]
) -> None:
    agent = running[1][name, False]
    broken = [
        Message.user("Hi"),
        Message.assistant(tool_calls=[ToolCall("call_1", "lookup", {"word": "a"})]),
        Message.user("Never mind"),
    ]
    adjustments = agent(broken).metadata.adjustments
    assert "nobody answered the call 'call_1' of lookup" in " ".join(map(str, adjustments))
    refused = agent(broken, strict=True)
    assert "nobody answered the call 'call_1' of lookup" in str(refused.error)
