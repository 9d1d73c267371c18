"""Cohere's Compatibility API through the real SDK, by its page https://docs.cohere.com/docs/compatibility-api, read 2026-11-22.

The page prints requests whole, and of answers what the openai SDK makes of them: those messages stand here in the frame of the
SDK's own types. The refusal is one that https://github.com/koharu-rs/koharu/issues/1128 quotes. Nothing was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from lazybridge import Agent, Tool
from lazybridge.core.errors import ProviderError
from lazybridge.core.types import CompletionRequest, Message
from tests.fake_vendor import FakeVendor, Fault
from tests.providers.agents import modes

MODEL = "command-a-03-2025"
HAIKU = "Recursive loops,\nUnraveling code's depths,\nEndless, yet complete."
STREAMED = ["Recursive call,\n", "Unraveling, line by line,\n", "Solving, then again."]
BOOK = '{\n    "title": "The Great Gatsby",\n    "author": "F. Scott Fitzgerald",\n    "publication_year": 1925\n}'
FLIGHT = "The next flight from Miami to Seattle is on May 1st, 10 AM."
CALL = {
    "id": "get_flight_info0", "type": "function",
    "function": {"name": "get_flight_info", "arguments": '{ "loc_destination": "Seattle", "loc_origin": "Miami" }'},
}  # fmt: skip
USAGE = {"prompt_tokens": 9, "completion_tokens": 17, "total_tokens": 26}
REFUSAL = {
    "message": "invalid request: response_format validation: invalid 'json_schema' provided: missing required field 'type'"
}


def answer(content: str | None, calls: Any = None) -> Fault:
    message = {"role": "assistant", "content": content, "refusal": None, "audio": None, "function_call": None, "tool_calls": calls}  # fmt: skip
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop", "logprobs": None}
    body = {"id": "c-1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": USAGE}
    ChatCompletion.model_validate(body)
    return Fault(status=200, body=body)


def stream(*pieces: str) -> Fault:
    deltas: list[tuple[dict[str, Any], str | None]] = [({"content": piece}, None) for piece in pieces]
    frame = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    chunks: list[dict[str, Any]] = [
        {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
        for delta, end in [({"role": "assistant", "content": ""}, None), *deltas, ({}, "stop")]
    ]
    chunks.append({**frame, "choices": [], "usage": USAGE})
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Fault(status=200, body=text.encode(), headers={"content-type": "text/event-stream"})


@pytest.fixture
def cohere(vendor: FakeVendor) -> Iterator[Any]:
    made: list[Agent] = []

    def build(**options: Any) -> Agent:
        made.append(Agent(MODEL, api_key="k", base_url=f"{vendor.url}/compatibility/v1", max_retries=0, **options))
        return made[-1]

    yield build
    for agent in made:
        agent.close()


def test_it_answers_and_is_priced(vendor: FakeVendor, cohere: Any) -> None:
    vendor.fail(answer(HAIKU), stream(*STREAMED))
    provider = cohere().engine.provider
    request = CompletionRequest((Message.user("Write a haiku about recursion in programming."),), model=MODEL)
    streamed = [provider.complete(request), list(provider.stream(request))[-1].response]
    assert [answer.content for answer in streamed] == [HAIKU, "".join(STREAMED)]
    for found in streamed:
        assert (found.stop_reason, found.model) == ("end_turn", MODEL)
        assert found.usage.cost_usd == pytest.approx((9 * 2.5 + 17 * 10) / 1e6)
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "Write a haiku about recursion in programming."}]}
    assert vendor.bodies() == [asked, {**asked, "stream": True, "stream_options": {"include_usage": True}}]
    assert [request["path"] for request in vendor.requests] == ["/compatibility/v1/chat/completions"] * 2
    assert vendor.requests[0]["headers"]["authorization"] == "Bearer k"


class Book(BaseModel):
    title: str
    author: str
    publication_year: int


def test_an_object_comes_back_by_the_pages_own_form_of_a_schema(vendor: FakeVendor, cohere: Any) -> None:
    vendor.fail(answer(BOOK))
    found = cohere(output=Book)("Generate a JSON describing a book.").payload
    assert found == Book(title="The Great Gatsby", author="F. Scott Fitzgerald", publication_year=1925)
    form = vendor.bodies()[0]["response_format"]
    assert (form["type"], form.keys()) == ("json_object", {"type", "schema"})
    assert form["schema"]["required"] == ["title", "author", "publication_year"]
    assert form["schema"]["properties"]["publication_year"]["type"] == "integer"


def flights() -> Tool:
    def get_flight_info(loc_origin: str, loc_destination: str) -> str:
        """Get flight information between two cities or airports"""
        assert (loc_origin, loc_destination) == ("Miami", "Seattle")
        return "Miami to Seattle, May 1st, 10 AM."

    return Tool(get_flight_info)


def test_a_tool_is_called_as_on_the_page(vendor: FakeVendor, cohere: Any) -> None:
    vendor.fail(answer(None, [CALL]), answer(FLIGHT))
    agent = cohere(system="Today is April 30th", tools=[flights()])
    assert agent("When is the next flight from Miami to Seattle?", temperature=0.7).text() == FLIGHT
    body = vendor.bodies()[1]
    assert body["temperature"] == 0.7
    assert body["tools"][0]["function"]["name"] == "get_flight_info"
    assert body["messages"] == [
        {"role": "developer", "content": "Today is April 30th"},
        {"role": "user", "content": "When is the next flight from Miami to Seattle?"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "get_flight_info0", "content": "Miami to Seattle, May 1st, 10 AM."},
    ]


def test_what_the_page_does_not_list_is_not_sent(vendor: FakeVendor, cohere: Any) -> None:
    vendor.fail(answer(FLIGHT), answer(BOOK))
    settings = {"max_tokens": 100, "top_p": 0.9, "stop": ("END",), "seed": 7}
    unknown = {
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "metadata": {"run": "7"},
        "service_tier": "flex",
    }
    with pytest.warns(UserWarning, match="does not take it|has no 'low'"):
        envelope = cohere(tools=[flights()])("hi", effort="low", logprobs=2, **settings, **unknown)
    body = vendor.bodies()[0]
    assert {name: body[name] for name in ("max_tokens", "top_p", "stop", "seed")} == {**settings, "stop": ["END"]}
    assert (body["reasoning_effort"], body["logprobs"]) == ("high", True)
    left_out = {*unknown, "top_logprobs"}
    assert not body.keys() & left_out
    assert {adjustment.parameter for adjustment in envelope.metadata.adjustments} == {*left_out, "effort"}
    with pytest.warns(UserWarning, match="no schema beside tools"):
        assert isinstance(cohere(tools=[flights()], output=Book)("A book").payload, Book)
    assert "response_format" not in vendor.bodies()[1]


@pytest.mark.parametrize("mode", ["whole", "streamed"])
def test_a_refusal_says_what_is_wrong(vendor: FakeVendor, cohere: Any, mode: str) -> None:
    vendor.fail(Fault(status=400, body=REFUSAL))
    error = modes[mode](cohere(), "hi").error
    assert isinstance(error, ProviderError)
    assert (error.kind, error.status_code) == ("invalid_request", 400)
    assert REFUSAL["message"] in str(error)
