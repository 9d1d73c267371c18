"""Conversations set right before they are sent. Which vendor refuses what, and where it says so, is in
`tests/strict_vendors.py`; `tests/test_moving_conversations.py` sends them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazybridge.core import catalogue
from lazybridge.core.providers.compatible import DeepSeekProvider, PerplexityProvider
from lazybridge.core.types import CompletionRequest, Message, ProviderState, Role, ToolCall
from lazybridge.core.wire import Adjuster
from lazybridge.core.wire.history import repaired
from lazybridge.core.wire.responses import ResponsesWire
from lazybridge.core.wire.tool_ids import UP_TO_40, WORDS, fitting_ids


def calling(*ids: str, state: ProviderState | None = None) -> Message:
    return Message(Role.ASSISTANT, "", tuple(ToolCall(id, "f") for id in ids), provider_state=state)


def result(id: str, text: str = "found") -> Message:
    return Message.tool(text, tool_call_id=id)


def right(*messages: Message) -> tuple[list[Message], list[str]]:
    adjust = Adjuster(catalogue.profile("openai", "gpt-4.1-mini"))
    return list(repaired(messages, adjust)), [str(found) for found in adjust.found]


HI = Message.user("hi")


def test_a_conversation_in_order_is_left_alone() -> None:
    conversation = (HI, calling("1", "2"), result("1"), result("2"), Message.assistant("done"), HI)
    assert right(*conversation) == (list(conversation), [])
    plain = (HI, Message.assistant("done"), HI)
    assert repaired(plain, Adjuster(catalogue.profile("openai", "gpt-4.1-mini"))) is plain


def test_a_call_without_a_result_is_answered() -> None:
    messages, said = right(HI, calling("1", "2"), result("1"), HI)
    assert [(message.tool_call_id, message.is_error) for message in messages[2:4]] == [("1", False), ("2", True)]
    assert said == ["messages: nobody answered the call '2' of f; a failed result was sent"]


def test_a_result_without_a_call_is_told_by_a_user() -> None:
    messages, said = right(result("1", "rain"), HI)
    assert (messages[0].role, messages[0].text) == (Role.USER, "Result of 1:rain")
    assert "no open call for the result of 1" in said[0]


def test_a_late_result_goes_to_its_call() -> None:
    messages, said = right(HI, calling("1"), Message.user("wait"), result("1"))
    assert [message.role for message in messages] == ["user", "assistant", "tool", "user"]
    assert said == ["messages: the result of f was moved behind its call"]


def test_results_stand_in_the_order_of_their_calls() -> None:
    messages, said = right(HI, calling("1", "2"), result("2"), result("1"))
    assert [message.tool_call_id for message in messages[2:]] == ["1", "2"]
    assert said == []


def test_a_second_result_of_one_call_is_told_by_a_user() -> None:
    messages, _ = right(HI, calling("1"), result("1"), result("1", "again"))
    assert [message.role for message in messages] == ["user", "assistant", "tool", "user"]


def test_an_id_that_was_used_before_becomes_another_and_thinking_stays() -> None:
    said = ("", (ToolCall("call_0", "f"),))
    state = ProviderState("deepseek", "chat", ({"reasoning_content": "hm"},), said)
    turn = (calling("call_0", state=state), result("call_0"))
    messages, notes = right(HI, *turn, *turn)
    assert [message.tool_call_id for message in messages if message.role is Role.TOOL] == ["call_0", "call_0_2"]
    assert notes == []
    body = (
        DeepSeekProvider.dialect.to_sdk_kwargs(
            CompletionRequest((HI, *turn, *turn)), catalogue.profile("deepseek", "deepseek-flash"), False
        )
    ).body
    assert [message.get("reasoning_content") for message in body["messages"] if message["role"] == "assistant"] == [
        "hm"
    ] * 2


def test_what_the_vendor_keeps_itself_is_not_missed() -> None:
    """openai 3.54.0 `types/responses/response_create_params.py`: the answer before is named by its id."""
    request = CompletionRequest((result("call_1"),), extra_body={"previous_response_id": "resp_1"})
    call = ResponsesWire().to_sdk_kwargs(request, catalogue.profile("openai", "gpt-6-luna"), False)
    assert call.body["input"] == [{"type": "function_call_output", "call_id": "call_1", "output": "found"}]
    assert call.adjustments == ()


@given(st.lists(st.text(min_size=1, max_size=90), max_size=6), st.sampled_from([WORDS, UP_TO_40]))
def test_every_id_fits_the_rule_and_no_two_become_one(ids: list[str], rule: re.Pattern[str]) -> None:
    sent = fitting_ids([calling(*ids)], rule)
    assert set(sent) == set(ids)
    assert len(set(sent.values())) == len(sent)
    assert all(rule.fullmatch(id) for id in sent.values())
    assert all(made == id for id, made in sent.items() if rule.fullmatch(id))


def test_perplexity_gets_turns_that_alternate() -> None:
    """https://github.com/perplexityai/api-discussion/issues/265."""
    conversation: list[Any] = [
        Message.system("Be brief."),
        Message.assistant("Hello!"),
        HI,
        Message.system("Very brief."),
        Message.user("there"),
        Message.assistant(""),
        Message.assistant("Yes?"),
        Message.user("Go on"),
    ]
    call = PerplexityProvider.dialect.to_sdk_kwargs(
        CompletionRequest(tuple(conversation)), catalogue.profile("perplexity", "sonar"), False
    )
    assert [message["role"] for message in call.body["messages"]] == [
        "system", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert call.body["messages"][3]["content"] == "hi\n\nthere"
    assert len(call.adjustments) == 2


@pytest.mark.parametrize("off", [{"thinking": False}, {"effort": "none"}])
def test_deepseek_gets_no_empty_thought_where_it_does_not_think(off: dict[str, Any]) -> None:
    profile = catalogue.profile("deepseek", "deepseek-flash")
    for settings, expected in (({}, " "), (off, None)):
        request = CompletionRequest((HI, calling("1"), result("1")), **settings)
        body = DeepSeekProvider.dialect.to_sdk_kwargs(request, profile, False).body
        assert body["messages"][1].get("reasoning_content") == expected
