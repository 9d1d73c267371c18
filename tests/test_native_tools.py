"""Tools that a vendor runs: what they are told, who may use them, and what comes back of them.

Answers are recorded ones of OpenAI, Anthropic and Google, served on loopback and read by the real SDKs; the calls of a
computer, which nobody recorded, are written by the SDKs' own types.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from lazybridge import (
    Agent,
    ConfigurationError,
    ConfiguredTool,
    ImageContent,
    LLMEngine,
    Message,
    NativeTool,
    UnsupportedFeatureError,
    UnsupportedNativeToolError,
)
from lazybridge.core import catalogue
from lazybridge.core.native_tools import OPTIONS, NativeToolOptions, native_tool
from lazybridge.core.types import CompletionRequest, CompletionResponse, ToolCall
from lazybridge.core.wire.messages import MessagesWire
from lazybridge.core.wire.responses import ResponsesWire
from lazybridge.testing import ScriptedProvider
from tests.conftest import KINDS
from tests.fake_vendor import FakeVendor, Fault
from tests.wire.requests import PNG
from tests.wire.sdk_types import body_errors
from tests.wire.test_replay import recorded, records

# --- what a tool is told ----------------------------------------------------------------------------------------------


def test_a_tool_with_options_is_a_value_of_its_own() -> None:
    one = NativeTool.WEB_SEARCH(max_uses=3, allowed_domains=["python.org"], user_location={"city": "Rome"})
    assert one == NativeTool.WEB_SEARCH(max_uses=3, allowed_domains=["python.org"], user_location={"city": "Rome"})
    assert one != NativeTool.WEB_SEARCH(max_uses=4)
    assert len({one, NativeTool.WEB_SEARCH(max_uses=4), NativeTool.WEB_SEARCH}) == 3
    assert repr(one).startswith("NativeTool.WEB_SEARCH(max_uses=3")
    assert isinstance(one, ConfiguredTool)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: NativeTool.FILE_SEARCH(), "lacks vector_store_ids"),
        (lambda: NativeTool.FILE_SEARCH(vector_store_ids=[]), "vector_store_ids is a list of texts"),
        (lambda: NativeTool.WEB_SEARCH(max_use=3), "takes no max_use"),
        (lambda: NativeTool.WEB_SEARCH(size="1024x1024"), "takes no size"),
        (lambda: NativeTool.WEB_SEARCH(max_uses="3"), "max_uses is a whole number, got '3'"),
        (lambda: NativeTool.WEB_SEARCH(allowed_domains="python.org"), "allowed_domains is a list of texts"),
        (lambda: NativeTool.WEB_SEARCH(allowed_domains=["a.org"], blocked_domains=["b.org"]), "not both"),
        (lambda: NativeTool.WEB_SEARCH(user_location={"town": "Rome"}), "user_location is a dict of city, country"),
        (lambda: NativeTool.WEB_SEARCH(user_location={"country": 39}), "user_location is a dict of city, country"),
        (lambda: NativeTool.WEB_SEARCH(user_location={}), "user_location is a dict of .*, got {}"),
        (lambda: NativeTool.COMPUTER_USE(display_width=1024), "lacks display_height, environment"),
        (lambda: NativeTool.GOOGLE_MAPS(latitude=41.9), "lacks longitude"),
        (lambda: NativeTool.CODE_EXECUTION(container="cntr_1", file_ids=["file_1"]), "not both"),
    ],
)
def test_an_option_that_is_wrong_or_missing_is_named(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make()


@pytest.mark.parametrize("given", ["web_search", NativeTool.WEB_SEARCH, NativeTool.WEB_SEARCH(max_uses=1)], ids=repr)
def test_one_tool_need_not_be_in_a_list(given: Any) -> None:
    provider = ScriptedProvider(["found"])
    Agent(provider, native_tools=given)("x")
    assert provider.requests[0].native_tools == (native_tool(given),)
    assert CompletionRequest((Message.user("x"),), native_tools=given).native_tools == (native_tool(given),)


@pytest.mark.parametrize("choice", ["required", "web_search"])
def test_a_choice_that_a_paused_turn_obeyed_is_not_forced_again(choice: str) -> None:
    provider = ScriptedProvider([CompletionResponse("I ", stop_reason="pause_turn"), CompletionResponse("found it.")])
    agent = Agent(provider, native_tools=[NativeTool.WEB_SEARCH], tool_choice=choice)
    assert agent("x").text() == "I found it."
    assert [request.tool_choice for request in provider.requests] == [choice, "auto"]


def test_every_option_belongs_to_a_tool() -> None:
    assert set(OPTIONS) == set(NativeTool)
    assert {name for names in OPTIONS.values() for name in names} == set(NativeToolOptions.__annotations__)


def test_a_tool_that_must_be_told_more_is_refused_when_the_agent_is_built(vendor: FakeVendor) -> None:
    with pytest.raises(ConfigurationError, match=r"write NativeTool\.FILE_SEARCH\(vector_store_ids"):
        KINDS["responses"].agent(vendor.url, native_tools=[NativeTool.FILE_SEARCH])
    request = CompletionRequest((Message.user("?"),), native_tools=(NativeTool.FILE_SEARCH,))
    with pytest.raises(ConfigurationError, match="vector_store_ids"):
        KINDS["gemini"].build(vendor.url).complete(request)
    assert vendor.requests == []


def test_options_reach_the_vendor_in_every_way_to_ask(vendor: FakeVendor) -> None:
    search = NativeTool.WEB_SEARCH(max_uses=2, allowed_domains=["python.org"])
    agent = KINDS["messages"].agent(vendor.url, native_tools=[search, "url_context"])
    agent("hi")
    asyncio.run(agent.run("hi"))
    list(agent.stream("hi"))
    for body in vendor.bodies():
        assert body_errors("messages", body) == []
        assert body["tools"] == [
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "allowed_domains": ["python.org"]},
            {"type": "web_fetch_20250910", "name": "web_fetch"},
        ]
    agent.close()


@pytest.mark.parametrize(
    ("model", "type"), [("claude-haiku-4-5", "web_search_20250305"), ("claude-haiku-5-5", "web_search_20260318")]
)
def test_the_version_of_a_tool_is_a_fact_about_the_model(model: str, type: str) -> None:
    request = CompletionRequest((Message.user("?"),), native_tools=(NativeTool.WEB_SEARCH,))
    body = MessagesWire().to_sdk_kwargs(request, catalogue.profile("anthropic", model), False).body
    assert body["tools"] == [{"type": type, "name": "web_search"}]


def test_a_model_without_a_tool_is_asked_without_it() -> None:
    request = CompletionRequest((Message.user("?"),), native_tools=(NativeTool.COMPUTER_USE,))
    call = MessagesWire().to_sdk_kwargs(request, catalogue.profile("anthropic", "claude-opus-4-6"), False)
    assert "tools" not in call.body
    assert str(call.adjustments[0]) == "native_tools: claude-opus-4-6 does not offer computer_use; it was left out"


# --- who may use them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", [NativeTool.CODE_EXECUTION, NativeTool.COMPUTER_USE, "code_execution"])
def test_code_and_a_computer_want_a_word_of_their_own(tool: Any, vendor: FakeVendor) -> None:
    with pytest.raises(ConfigurationError, match="write allow_dangerous_native_tools=True"):
        KINDS["responses"].agent(vendor.url, native_tools=[tool])
    with pytest.raises(ConfigurationError, match="allow_dangerous_native_tools"):
        LLMEngine("gpt-6-luna", api_key="k", native_tools=[tool])
    agent = KINDS["responses"].agent(vendor.url, native_tools=[tool], allow_dangerous_native_tools=True)
    assert agent("hi").ok
    agent.close()


def test_what_a_provider_lacks_is_left_out_and_said(vendor: FakeVendor) -> None:
    agent = KINDS["messages"].agent(vendor.url, native_tools=[NativeTool.GOOGLE_MAPS(latitude=1.0, longitude=2.0)])
    with pytest.warns(UserWarning, match="does not offer the native tool 'google_maps'"):
        envelope = agent("hi")
    assert [found.parameter for found in envelope.metadata.adjustments] == ["native_tools"]
    assert "tools" not in vendor.bodies()[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnsupportedFeatureError, match="google_maps"):
            agent("hi", strict=True).text()
    agent.close()
    strict = KINDS["messages"].agent(vendor.url, native_tools=[NativeTool.GOOGLE_MAPS], strict_native_tools=True)
    with pytest.raises(UnsupportedNativeToolError):
        strict("hi").text()
    strict.close()


# --- what comes back --------------------------------------------------------------------------------------------------

# Recorded answers: what was searched for, how many places the answer rests on, and one of them.
FOUND = {
    "anthropic-199cd35597cc": ("messages", ("latest stable Ruby version 2026",), 2, "https://www.ruby-lang.org/en/downloads/"),
    "anthropic-5ba26eaa00da": ("messages", ("what happened on this day in history September 17 significant event",), 1, "https://www.timeanddate.com/on-this-day/september/17"),
    "openai-7e1a5191d742": ("responses", ("positive news story from today",), 3, "https://conservationoptimism.org/7-stories-of-optimism-this-week-17-02-26-23-02-26/?utm_source=openai"),
    "openai-b105b61a6707": ("responses", ("Eiffel Tower",), 1, "file-U6Ke78qu8nkANsrCrjoYBr"),
    "openai-2c7a13c73a7b": ("responses", ("What is the capital of France?",), 1, "file-2b6dRdmXnzSrqiEbhVJZRU"),
    "google-f4a59c3d340d": ("gemini", ("weather in San Francisco today",), 3, "https://www.google.com/search?q=weather+in+San Francisco, CA,+US"),
    "google-1e315b221b57": ("gemini", (), 1, "https://ai.pydantic.dev"),
}  # fmt: skip


def serve(vendor: FakeVendor, id: str) -> dict[str, Any]:
    """Let the vendor answer the next request as it was recorded."""
    apis = ("openai_responses", "google_generate", "anthropic_messages")
    record = next(item for item in records(*apis) if item["id"] == id)
    kind = "text/event-stream" if record["streaming"] else "application/json"
    vendor.fail(Fault(status=200, body=record["response_body"].encode(), headers={"content-type": kind}))
    return record


@recorded
@pytest.mark.parametrize("id", FOUND)
def test_what_an_answer_rests_on_and_was_searched_for_is_on_the_envelope(id: str, vendor: FakeVendor) -> None:
    kind, queries, count, place = FOUND[id]
    agent = KINDS[kind].agent(vendor.url)
    record = serve(vendor, id)
    envelope = agent("?")
    serve(vendor, id)
    later = asyncio.run(agent.run("?"))
    assert later.citations == envelope.citations
    assert later.search_queries == envelope.search_queries == queries
    assert len(envelope.citations) == count == record["expected"]["n_citations"]
    assert place in {citation.url or citation.file_id for citation in envelope.citations}
    for citation in envelope.citations:
        if citation.start is not None and citation.end is not None:
            assert 0 <= citation.start <= citation.end <= len(envelope.text())
    agent.close()


STREAMED = {
    "anthropic-546e9df0041d": "messages",
    "openai-0390f918da83": "responses",
    "openai-f20082037d60": "responses",
    "google-a78dcb678d08": "gemini",
}


@recorded
@pytest.mark.parametrize("id", STREAMED)
def test_they_are_at_the_end_of_a_stream_too(id: str, vendor: FakeVendor) -> None:
    agent = KINDS[STREAMED[id]].agent(vendor.url)
    record = serve(vendor, id)
    stream = agent.stream("?")
    chunks = list(stream)

    async def collect() -> Any:
        again = agent.stream("?")
        return [chunk async for chunk in again], again.envelope

    serve(vendor, id)
    _, later = asyncio.run(collect())
    envelope = stream.envelope
    assert envelope is not None
    assert chunks[-1].response is not None
    assert len(envelope.citations) == record["expected"]["n_citations"]
    assert envelope.search_queries
    assert chunks[-1].response.citations == envelope.citations == later.citations
    assert later.search_queries == envelope.search_queries
    for query in envelope.search_queries:
        assert any(word in record["response_body"] for word in query.split())
    agent.close()


@recorded
def test_the_passage_that_a_file_search_found_is_quoted() -> None:
    """Where its results were asked for, as every request with the tool does."""
    record = next(item for item in records("openai_responses") if item["id"] == "openai-2c7a13c73a7b")
    (citation,) = ResponsesWire().from_sdk_response(json.loads(record["response_body"])).citations
    assert citation.text is not None
    assert citation.text.startswith("Paris is the capital")


def test_a_search_is_asked_for_its_passages_and_code_for_its_pictures() -> None:
    tools = (NativeTool.FILE_SEARCH(vector_store_ids=["vs_1"]), NativeTool.CODE_EXECUTION)
    request = CompletionRequest((Message.user("?"),), native_tools=tools)
    body = ResponsesWire().to_sdk_kwargs(request, catalogue.profile("openai", "gpt-6-luna"), False).body
    assert body["include"] == [
        "reasoning.encrypted_content",
        "file_search_call.results",
        "code_interpreter_call.outputs",
    ]
    assert body_errors("responses", body) == []


@recorded
def test_code_that_filters_pages_costs_nothing_more() -> None:
    """Of two recorded answers with code execution the one whose code fetched a page has no price of its own for it."""
    found = {item["id"]: item for item in records("anthropic_messages")}
    unpriced = [
        MessagesWire().from_sdk_response(json.loads(found[id]["response_body"])).usage.unpriced_tool_calls
        for id in ("anthropic-93c7092eeb80", "anthropic-b19f0b880b67")
    ]
    assert unpriced == [None, 1]


def test_where_the_user_is_goes_beside_how_functions_are_chosen(vendor: FakeVendor) -> None:
    """Google has one object for both."""

    def book(place: str) -> str:
        """Book a table."""
        return place

    near = NativeTool.GOOGLE_MAPS(latitude=41.9, longitude=12.5)
    agent = KINDS["gemini"].agent(vendor.url, tools=[book], native_tools=[near])
    agent("Where do I eat?")
    (body,) = vendor.bodies()
    assert body["toolConfig"] == {
        "functionCallingConfig": {"mode": "VALIDATED"},
        "includeServerSideToolInvocations": True,
        "retrievalConfig": {"latLng": {"latitude": 41.9, "longitude": 12.5}},
    }
    assert [key for tool in body["tools"] for key in tool] == ["functionDeclarations", "googleMaps"]
    agent.close()


# --- a computer -------------------------------------------------------------------------------------------------------


def of_openai(**fields: Any) -> dict[str, Any]:
    """A call as openai's own type writes it."""
    types = importlib.import_module("openai.types.responses.response_computer_tool_call")
    item = types.ResponseComputerToolCall.model_validate(
        {"id": "cu_1", "call_id": "call_1", "type": "computer_call", "status": "completed", **fields}, strict=True
    )
    return dict(item.model_dump(exclude_unset=True, mode="json"))


CLICK = {"type": "click", "button": "left", "x": 10, "y": 20}
CHECK = {"id": "check_1", "code": "malicious_instructions", "message": "Look at it first."}


@pytest.mark.parametrize("fields", [{"action": CLICK}, {"actions": [CLICK, {"type": "screenshot"}]}])
@pytest.mark.parametrize("checks", [[], [CHECK]])
def test_openais_computer_is_answered_with_a_screenshot(
    fields: dict[str, Any], checks: list[Any], vendor: FakeVendor
) -> None:
    item = of_openai(**fields, pending_safety_checks=checks)
    answer = {"id": "resp_1", "object": "response", "model": "gpt-4.1-mini", "status": "completed", "output": [item]}

    def look() -> str:
        """Look around."""
        raise AssertionError("a function is not what was called")

    agent = KINDS["responses"].agent(
        vendor.url, tools=[look], native_tools=[NativeTool.COMPUTER_USE], allow_dangerous_native_tools=True
    )
    vendor.fail(Fault(status=200, body=answer))
    task = Message.user("Click on OK.")
    envelope = agent([task])
    (call,) = envelope.tool_calls
    assert (call.name, call.native, envelope.metadata.stop_reason) == ("computer", NativeTool.COMPUTER_USE, "tool_use")
    assert call.arguments == {**fields, **({"pending_safety_checks": checks} if checks else {})}
    assert envelope.response is not None
    said = envelope.response.to_message()
    seen = Message.tool([ImageContent(data=PNG)], tool_call_id=call.id)
    agent([task, said, seen])
    agent([task, Message.assistant(tool_calls=[call]), seen])  # the call alone is enough
    for body in vendor.bodies()[1:]:
        assert body_errors("responses", body) == []
        asked, result = body["input"][1:]
        assert asked["type"] == "computer_call"
        assert {name: asked[name] for name in fields} == fields
        assert result["type"] == "computer_call_output"
        assert result["output"]["image_url"].startswith("data:image/png;base64,")
        assert result.get("acknowledged_safety_checks", []) == checks
    with pytest.raises(ConfigurationError, match="answered with a screenshot"):
        agent([task, said, Message.tool("done", tool_call_id=call.id)]).text()
    agent.close()


def test_anthropics_computer_is_answered_like_a_tool(vendor: FakeVendor) -> None:
    types = importlib.import_module("anthropic.types.computer_left_click_tool_use_block")
    block = types.ComputerLeftClickToolUseBlock.model_validate(
        {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "left_click",
            "toolset_name": "computer",
            "caller": {"type": "direct"},
            "input": {"coordinate": [10, 20]},
        }
    ).model_dump(exclude_unset=True, mode="json")
    answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "content": [block],
              "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
    agent = Agent(
        "claude-haiku-5-5",
        api_key="k",
        base_url=vendor.url,
        native_tools=[NativeTool.COMPUTER_USE],
        allow_dangerous_native_tools=True,
    )
    vendor.fail(Fault(status=200, body=answer))
    task = Message.user("Click on OK.")
    envelope = agent([task])
    (call,) = envelope.tool_calls
    assert (call.name, call.native) == ("left_click", NativeTool.COMPUTER_USE)
    assert call.arguments == {"coordinate": [10, 20]}
    assert envelope.response is not None
    seen = Message.tool([ImageContent(data=PNG)], tool_call_id=call.id)
    agent([task, envelope.response.to_message(), seen])
    agent([task, Message.assistant(tool_calls=[call]), seen])
    assert vendor.bodies()[0]["tools"] == [{"type": "computer_toolset_20260801"}]
    for body in vendor.bodies()[1:]:
        assert body_errors("messages", body) == []
        assert body["messages"][1]["content"][0]["toolset_name"] == "computer"
        assert body["messages"][2]["content"][0]["content"][0]["type"] == "image"
    agent.close()


def test_one_vendors_computer_is_a_tool_like_any_other_to_another(vendor: FakeVendor) -> None:
    seen, typed = ImageContent(data=PNG), ToolCall("toolu_1", "type", {"text": "a"}, native=NativeTool.COMPUTER_USE)
    called = ToolCall("call_1", "computer", {"action": CLICK}, native=NativeTool.COMPUTER_USE)
    talk = [Message.user("Click on OK."), Message.assistant(tool_calls=[typed])]
    talk += [Message.tool("done", tool_call_id="toolu_1"), Message.assistant(tool_calls=[called])]
    talk += [Message.tool([seen], tool_call_id="call_1"), Message.assistant("Done."), Message.user("Thanks.")]
    options = {"native_tools": [NativeTool.COMPUTER_USE], "allow_dangerous_native_tools": True}
    with Agent("gpt-6-luna", api_key="k", base_url=f"{vendor.url}/v1", **options) as agent:
        assert agent(talk).ok
    body = vendor.bodies()[-1]
    assert body_errors("responses", body) == []
    types = ["function_call", "function_call_output", "computer_call", "computer_call_output"]
    assert [item["type"] for item in body["input"] if "type" in item] == types
    with Agent("claude-haiku-5-5", api_key="k", base_url=vendor.url, **options) as agent:
        assert agent(talk).ok
    body = vendor.bodies()[-1]
    assert body_errors("messages", body) == []
    blocks = [block for message in body["messages"] for block in message["content"] if isinstance(block, dict)]
    uses = {block["name"]: block.get("toolset_name") for block in blocks if block["type"] == "tool_use"}
    assert uses == {"type": "computer", "computer": None}


def test_a_call_of_the_computer_is_not_a_functions() -> None:
    assert ToolCall("1", "computer").native is None
    assert CompletionResponse().search_queries == ()
