"""Messages as JSON and back."""

from __future__ import annotations

import datetime
import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazybridge import CacheConfig, ImageContent, Message, NativeTool, ToolCall, messages_from_json, messages_to_json
from lazybridge.core.content import AudioContent, DocumentContent, TextContent, VideoContent
from lazybridge.core.types import ProviderState, Role

any_text = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates, too
word = st.none() | st.text(string.ascii_lowercase, min_size=1, max_size=8)
numbers = st.integers() | st.floats(allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(any_text, json_values, max_size=3)
cache = st.sampled_from([None, True, False, "5m", "1h"])


def media(kind: Any, **more: Any) -> st.SearchStrategy[Any]:
    sources = st.one_of(
        st.fixed_dictionaries({"data": st.binary(min_size=1, max_size=40)}),
        st.fixed_dictionaries({"url": st.just("https://example.com/a.png")}),
        st.fixed_dictionaries({"file_id": st.just("file_1")}),
    )
    rest = st.fixed_dictionaries({"media_type": st.sampled_from([None, "image/png", "x/y"]), "cache": cache, **more})
    return st.builds(lambda source, fields: kind(**source, **fields), sources, rest)


seconds = st.none() | st.floats(0, 100)
blocks = st.one_of(
    st.builds(TextContent, any_text, cache),
    media(ImageContent, detail=st.sampled_from([None, "low"])),
    media(AudioContent),
    media(VideoContent, start=seconds, end=seconds, fps=seconds),
    media(DocumentContent, name=word),
)
calls = st.lists(
    st.builds(ToolCall, any_text, any_text, objects, st.none() | any_text, st.none() | any_text), max_size=2
).map(tuple)
content = any_text | st.lists(blocks, max_size=3).map(tuple)


@st.composite
def messages(draw: Any) -> Message:
    made = Message(
        draw(st.sampled_from(list(Role))),
        draw(content),
        draw(calls),
        draw(st.none() | any_text),
        draw(word),
        draw(st.booleans()),
    )
    if draw(st.booleans()):
        return made
    said = draw(st.sampled_from([None, (made.text, made.tool_calls)]) | st.tuples(any_text, calls))
    items = tuple(draw(st.lists(json_values, max_size=3)))
    state = ProviderState(draw(any_text), draw(any_text), items, said)
    return Message(made.role, made.content, made.tool_calls, made.tool_call_id, made.name, made.is_error, state)


@given(st.lists(messages(), max_size=4))
def test_nothing_is_lost_there_and_back(conversation: list[Message]) -> None:
    text = messages_to_json(conversation)
    assert text.isascii()
    assert messages_from_json(text) == conversation
    assert messages_from_json(text.encode()) == conversation
    assert messages_to_json(messages_from_json(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", '"version" and "messages"'),
        ('{"version": 1}', '"version" and "messages"'),
        ('{"version": 2, "messages": []}', "has version 2; this lazybridge reads version 1"),
        ('{"messages": []}', "has version None"),
        ('{"version": 1, "messages": [{"role": "user", "content": "a"}, 3]}', "message 1 of the conversation: expected an object"),
        ('{"version": 1, "messages": [{"role": "user"}]}', "message 0 of the conversation: 'content' is missing"),
        ('{"version": 1, "messages": [{"role": "king", "content": ""}]}', "unknown role 'king'"),
        ('{"version": 1, "messages": [{"role": "user", "content": 3}]}', "a text or a list of blocks, got 3"),
        ('{"version": 1, "messages": [{"role": "user", "content": "", "more": 1}]}', "more"),
        ('{"version": 1, "messages": [{"role": "user", "content": [{"type": "smell"}]}]}', "unknown block 'smell'"),
        ('{"version": 1, "messages": [{"role": "user", "content": [{"type": "image", "data": "!"}]}]}', "not base64"),
        ('{"version": 1, "messages": [{"role": "user", "content": [{"type": "image"}]}]}', "one of data, url and file_id"),
        ('{"version": 1, "messages": [{"role": "user", "content": "", "tool_calls": {}}]}', "expected a list"),
        ('{"version": 1, "messages": [{"role": "user", "content": "", "provider_state": {}}]}', "'said' is missing"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_conversation_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        messages_from_json(text)


@pytest.mark.parametrize("arguments", [{"when": datetime.date(2026, 11, 22)}, {1: 2}])
def test_arguments_that_are_no_json_are_named(arguments: Any) -> None:
    conversation = [Message.user("hi"), Message.assistant(tool_calls=[ToolCall("1", "f", arguments)])]
    with pytest.raises(TypeError, match="message 1 of the conversation"):
        messages_to_json(conversation)


def test_the_form_is_plain(tmp_path: Any) -> None:
    made = json.loads(messages_to_json([Message.user("hi")], indent=1))
    assert made == {"version": 1, "messages": [{"role": "user", "content": "hi"}]}


def test_a_computers_call_is_still_the_computers() -> None:
    call = ToolCall("1", "computer", {"action": {"type": "screenshot"}}, native=NativeTool.COMPUTER_USE)
    state = ProviderState("openai", "responses", ({"type": "computer_call"},), ("", (call,)))
    turn = Message.assistant(tool_calls=[call])
    conversation = [turn, Message(turn.role, "", turn.tool_calls, provider_state=state)]
    assert messages_from_json(messages_to_json(conversation)) == conversation


@pytest.mark.parametrize(
    "cache", [True, "1h", CacheConfig(), CacheConfig(ttl="1h"), CacheConfig(key="library")], ids=repr
)
def test_what_a_block_says_of_caching_is_kept(cache: Any) -> None:
    conversation = [
        Message.user([TextContent("the rules", cache), ImageContent(url="https://a.org/b.png", cache=cache)])
    ]
    assert messages_from_json(messages_to_json(conversation)) == conversation


@pytest.mark.parametrize("text", ['"native": "typewriter"', '"native": 3', '"more": 3'])
def test_a_call_that_is_none_is_named(text: str) -> None:
    call = f'{{"id": "1", "name": "f", "arguments": {{}}, {text}}}'
    with pytest.raises(ValueError, match="message 0 of the conversation"):
        messages_from_json(
            f'{{"version": 1, "messages": [{{"role": "assistant", "content": "", "tool_calls": [{call}]}}]}}'
        )
