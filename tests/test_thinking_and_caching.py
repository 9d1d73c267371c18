"""How thinking and caching are asked for: one way for every vendor, and what a model cannot take is said.

Bodies are those that the real SDKs send to a loopback server, checked against the SDKs' own types; what models take is
the catalogue's.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from lazybridge import Agent, CacheConfig, ConfigurationError, Message, TextContent, ThinkingConfig, ToolDefinition
from lazybridge.core import catalogue
from lazybridge.core.types import CompletionRequest
from lazybridge.core.wire import SDKCall
from lazybridge.core.wire.messages import MessagesWire
from tests.conftest import KINDS
from tests.fake_vendor import FakeVendor, Fault
from tests.wire.requests import VENDORS, WIRES
from tests.wire.sdk_types import body_errors
from tests.wire.test_replay import recorded, records


def call(wire: str, model: str, **settings: Any) -> SDKCall:
    request = CompletionRequest((Message.user("Hi"),), **settings)
    made = WIRES[wire].to_sdk_kwargs(request, catalogue.profile(VENDORS[wire], model), False)
    assert body_errors(wire, made.body) == []
    return made


THINKERS = {
    "messages": "claude-sonnet-5-5",
    "responses": "gpt-6-luna",
    "chat": "gpt-6-luna",
    "gemini": "gemini-3.8-flash",
    "groq": "openai/gpt-oss-20b",
    "mistral": "mistral-small-2603",
}


def effort_of(body: dict[str, Any]) -> Any:
    return (
        body.get("reasoning_effort")
        or body.get("reasoning", {}).get("effort")
        or body.get("output_config", {}).get("effort")
        or body.get("generationConfig", {}).get("thinkingConfig", {}).get("thinkingLevel")
    )


# --- thinking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", THINKERS)
@pytest.mark.parametrize("word", ["low", "medium", "high", "max"])
def test_a_word_for_thinking_is_that_effort(wire: str, word: Any) -> None:
    model = THINKERS[wire]
    plain = call(wire, model, effort=word)
    for same in (word, ThinkingConfig(effort=word)):
        made = call(wire, model, thinking=same)
        assert effort_of(made.body) == effort_of(plain.body) is not None
        assert [found for found in made.adjustments if found.parameter == "effort"] == list(plain.adjustments)
    assert call(wire, model, thinking=word).body == call(wire, model, thinking=True, effort=word).body


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_way_to_ask_takes_them(kind: str, vendor: FakeVendor, recwarn: pytest.WarningsRecorder) -> None:
    """Sent in a form that the vendor knows, or said to be left out."""
    agent = KINDS[kind].agent(vendor.url, thinking=ThinkingConfig(effort="low"), cache=CacheConfig(ttl="1h"))
    envelope = agent("hi")
    later = asyncio.run(agent.run("hi"))
    stream = agent.stream("hi")
    list(stream)
    plain = KINDS[kind].agent(vendor.url)
    plain("hi")
    assert stream.envelope is not None
    assert envelope.ok
    assert envelope.metadata.adjustments == later.metadata.adjustments == stream.envelope.metadata.adjustments
    said = {found.parameter for found in envelope.metadata.adjustments}
    changed = vendor.bodies()[0] != vendor.bodies()[-1]
    assert changed or {"thinking", "cache"} <= said
    agent.close()
    plain.close()


@pytest.mark.parametrize(
    ("built_with", "asked_with", "effort"),
    [
        ({"thinking": "low"}, {"effort": "high"}, "high"),
        ({"effort": "high"}, {"thinking": "low"}, "low"),
        ({"thinking": ThinkingConfig(effort="low", summary="detailed")}, {"effort": "high"}, "high"),
        ({"thinking": "low"}, {"thinking": False}, "none"),
        ({"thinking": "none"}, {"effort": "high"}, "high"),
    ],
)
def test_what_a_call_says_counts(
    built_with: dict[str, Any], asked_with: dict[str, Any], effort: str, vendor: FakeVendor
) -> None:
    agent = Agent("gpt-6-luna", api_key="k", base_url=f"{vendor.url}/v1", **built_with)
    agent("hi", **asked_with)
    assert vendor.bodies()[0]["reasoning"]["effort"] == effort
    agent.close()


@pytest.mark.parametrize(
    ("thinking", "says"),
    [("lots", "thinking is True, False"), (1.5, "thinking is True, False"), ([], "thinking is True, False")],
)
def test_a_wrong_word_is_told_when_the_agent_is_built(thinking: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Agent("gpt-6-luna", api_key="k", thinking=thinking)


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "gpt-6-luna", "gemini-2.5-flash"])
@pytest.mark.parametrize("thinking", [True, "high", 4000, ThinkingConfig(effort="high")], ids=repr)
def test_an_effort_of_none_stops_what_the_agent_wants(model: str, thinking: Any) -> None:
    agent = Agent(model, api_key="k", thinking=thinking)
    assert agent.dry_run("x", effort="none") == Agent(model, api_key="k").dry_run("x", effort="none")


@pytest.mark.parametrize("thinking", [-1, -4000])
def test_there_are_no_fewer_tokens_than_none(thinking: int) -> None:
    with pytest.raises(ConfigurationError, match=f"got {thinking}; write 4000, or True"):
        Agent("gpt-6-luna", api_key="k", thinking=thinking)


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "gpt-6-luna", "gemini-2.5-flash", "mistral-medium-3-5"])
def test_no_tokens_are_no_thinking(model: str) -> None:
    agent = Agent(model, api_key="k")
    assert agent.dry_run("x", thinking=0) == agent.dry_run("x", thinking=False)


@pytest.mark.parametrize(
    "fields", [{"budget_tokens": 0}, {"budget_tokens": "9"}, {"effort": "hihg"}, {"summary": "all"}]
)
def test_a_config_says_what_is_wrong_with_it(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=repr(next(iter(fields.values())))):
        ThinkingConfig(**fields)


@pytest.mark.parametrize(
    ("wire", "model", "sent"),
    [
        ("messages", "claude-haiku-4-5", {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        ("gemini", "gemini-2.5-flash", {"thinkingBudget": 8192, "includeThoughts": True}),
    ],
)
def test_a_model_that_takes_a_budget_alone_gets_what_the_effort_is_worth(
    wire: str, model: str, sent: dict[str, Any]
) -> None:
    made = call(wire, model, thinking="medium")
    assert (
        sent.items() <= (made.body if wire == "messages" else made.body["generationConfig"]["thinkingConfig"]).items()
    )
    assert [str(found) for found in made.adjustments] == [
        f"thinking: {model} takes a budget in tokens; effort 'medium' was sent as 8192"
    ]


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [("gemini-2.5-pro", 50, 128), ("gemini-2.5-pro", 40_000, 32_768), ("gemini-2.5-flash-lite", 100, 512)],
)
def test_a_budget_stays_within_what_the_model_takes(model: str, asked: int, sent: int) -> None:
    made = call("gemini", model, thinking=asked)
    assert made.body["generationConfig"]["thinkingConfig"]["thinkingBudget"] == sent
    assert [found.parameter for found in made.adjustments] == ["thinking"]


@pytest.mark.parametrize(
    ("wire", "model"),
    [
        ("messages", "claude-fable-5-2"),
        ("responses", "gpt-6.2-sol"),
        ("responses", "o3"),
        ("chat", "gpt-6-astra"),
        ("gemini", "gemini-2.5-pro"),
        ("gemini", "gemini-3.8-flash"),
        ("groq", "openai/gpt-oss-120b"),
    ],
)
@pytest.mark.parametrize("thinking", [False, "none"])
def test_a_model_that_cannot_stop_thinking_is_said_to(wire: str, model: str, thinking: Any) -> None:
    made = call(wire, model, thinking=thinking)
    assert [found.parameter for found in made.adjustments] == ["thinking"]
    config = made.body.get("generationConfig", {}).get("thinkingConfig", {})
    assert config.get("thinkingBudget", 1) != 0  # which gemini-2.5-pro refuses


def test_a_budget_leaves_room_for_an_answer() -> None:
    made = call("messages", "claude-haiku-4-5", thinking=ThinkingConfig(budget_tokens=9000), max_tokens=4000)
    assert made.body["thinking"] == {"type": "enabled", "budget_tokens": 3999}
    assert [found.parameter for found in made.adjustments] == ["thinking"]


TOOL = ToolDefinition("now")


@pytest.mark.parametrize("choice", ["required", "now"])
@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-5-5", "claude-opus-5-5"])
def test_a_model_of_anthropics_that_thinks_is_not_made_to_call_a_tool(model: str, choice: str) -> None:
    made = call("messages", model, thinking=True, tools=(TOOL,), tool_choice=choice)
    assert made.body["tool_choice"] == {"type": "auto"}
    assert [found.parameter for found in made.adjustments] == ["tool_choice"]
    assert call("messages", "claude-haiku-4-5", tools=(TOOL,), tool_choice="required").body["tool_choice"] == {
        "type": "any"
    }


def test_thinking_may_be_hidden() -> None:
    hidden = ThinkingConfig(summary="none")
    assert call("messages", "claude-sonnet-5-5", thinking=hidden).body["thinking"]["display"] == "omitted"
    assert call("gemini", "gemini-3.8-flash", thinking=hidden).body["generationConfig"]["thinkingConfig"] == {
        "includeThoughts": False
    }
    assert "summary" not in call("responses", "gpt-6-luna", thinking=hidden).body.get("reasoning", {})
    said = call("chat", "gpt-6-luna", thinking=ThinkingConfig(effort="low", summary="none")).adjustments
    assert [found.parameter for found in said] == ["thinking"]


# --- caching ----------------------------------------------------------------------------------------------------------


def marks(body: dict[str, Any]) -> list[str]:
    """Where a body is marked, in the order in which the vendor reads it, with the lifetimes."""
    found = [("tools", tool) for tool in body.get("tools") or ()]
    found += [("system", block) for block in body.get("system") or () if isinstance(block, dict)]
    found += [("messages", block) for turn in body["messages"] for block in turn["content"] if isinstance(block, dict)]
    found.append(("automatic", body))
    return [f"{name} {block['cache_control'].get('ttl', '5m')}" for name, block in found if block.get("cache_control")]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"cache": True}, ["automatic 5m"]),
        ({"cache": CacheConfig(ttl="1h"), "system": "Rules."}, ["system 1h", "automatic 1h"]),
        ({"cache": True, "tools": (TOOL,)}, ["tools 5m", "automatic 5m"]),
        ({"cache": True, "tools": (TOOL,), "system": "Rules."}, ["system 5m", "automatic 5m"]),
        ({"cache": False, "system": "Rules."}, []),
    ],
)
def test_what_every_conversation_shares_is_marked_apart(settings: dict[str, Any], expected: list[str]) -> None:
    made = call("messages", "claude-haiku-5-5", **settings)
    assert marks(made.body) == expected
    assert made.adjustments == ()


def test_no_more_than_four_places_are_marked() -> None:
    blocks = [TextContent(f"part {number}", cache=True) for number in range(6)]
    request = CompletionRequest((Message.user(blocks),), cache=True, system="Rules.")
    made = MessagesWire().to_sdk_kwargs(request, catalogue.profile("anthropic", "claude-haiku-5-5"), False)
    assert len(marks(made.body)) == 4
    assert {found.parameter for found in made.adjustments} == {"cache"}
    assert body_errors("messages", made.body) == []


def test_the_longer_lifetime_comes_first() -> None:
    turns = (Message.user([TextContent("Long", cache="5m"), TextContent("Longer", cache="1h"), TextContent("?")]),)
    made = MessagesWire().to_sdk_kwargs(
        CompletionRequest(turns, cache=True, system="Rules."),
        catalogue.profile("anthropic", "claude-haiku-5-5"),
        False,
    )
    assert marks(made.body) == ["system 1h", "messages 1h", "messages 1h", "automatic 5m"]
    assert {found.parameter for found in made.adjustments} == {"cache"}


def test_a_cloud_without_automatic_marks_gets_one_on_the_last_block() -> None:
    request = CompletionRequest(
        (Message.user("One"), Message.assistant("Two"), Message.user("Three")), cache="1h", system="Rules."
    )
    wire = MessagesWire(vendor="bedrock", automatic_cache=False)
    made = wire.to_sdk_kwargs(request, catalogue.profile("bedrock", "anthropic.claude-haiku-5-5"), False)
    assert marks(made.body) == ["system 1h", "messages 1h"]
    assert made.body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert "cache_control" not in made.body
    assert body_errors("messages", made.body) == []


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_openai_is_given_a_key_and_sells_no_lifetime(api: Any, vendor: FakeVendor) -> None:
    agent = Agent("gpt-6-luna", api_key="k", base_url=f"{vendor.url}/v1", api=api, cache=CacheConfig(key="docs"))
    assert agent("hi").metadata.adjustments == ()
    with pytest.warns(UserWarning, match="no such lifetime"):
        envelope = agent("hi", cache=CacheConfig(ttl="1h", key="docs"))
    assert [found.parameter for found in envelope.metadata.adjustments] == ["cache"]
    for body in vendor.bodies():
        assert body["prompt_cache_key"] == "docs"
        assert body_errors(api, body) == []
    agent.close()


def test_mistral_takes_the_key_that_is_named(vendor: FakeVendor) -> None:
    agent = KINDS["mistral"].agent(vendor.url, cache=CacheConfig(key="docs"))
    agent("hi")
    assert vendor.bodies()[0]["prompt_cache_key"] == "docs"
    agent.close()


@pytest.mark.parametrize("make", [lambda: CacheConfig(ttl="2h"), lambda: CacheConfig(key="")])  # type: ignore[arg-type]
def test_a_cache_config_says_what_is_wrong_with_it(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown ttl '2h'|a cache key is a text"):
        make()


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-2"])
def test_what_is_written_to_a_cache_has_its_price(model: str) -> None:
    """Five minutes cost a quarter more than the input, an hour twice as much: genai-prices and Anthropic's price page."""
    price = catalogue.profile("anthropic", model).price()
    assert price is not None
    rates = price.rates
    assert (rates["cache_write"] / rates["input"], rates["cache_write_1h"] / rates["input"]) == (
        pytest.approx(1.25),  # type: ignore[comparison-overlap]
        pytest.approx(2),
    )


# --- what a model thought goes back to it -------------------------------------------------------------------------------

SIGNED: dict[str, tuple[str, str, Any]] = {
    "messages": ("anthropic_messages", "signature", 2000),
    "gemini": ("google_generate", "thoughtSignature", "low"),
}


@recorded
@pytest.mark.parametrize("kind", SIGNED)
def test_signatures_of_recorded_thoughts_go_back_unchanged(kind: str, vendor: FakeVendor) -> None:
    """Anthropic and Gemini 3 refuse the next turn of a tool loop without them."""
    api, name, thinking = SIGNED[kind]
    tried = 0
    for record in records(api):
        body = record["response_body"]
        signatures = re.findall(rf'"{name}":\s*"([^"]{{20,}})"', body)
        if record["streaming"] or record["status"] != 200 or not signatures or not record["expected"].get("tool_calls"):
            continue
        names = {call["name"] for call in record["expected"]["tool_calls"]}
        tools = [ToolDefinition(tool) for tool in sorted(names)]
        agent = KINDS[kind].agent(vendor.url, tools=tools, thinking=thinking)
        vendor.fail(Fault(status=200, body=body.encode(), headers={"content-type": "application/json"}))
        envelope = agent("?")
        assert envelope.response is not None
        results = [Message.tool("done", tool_call_id=call.id) for call in envelope.tool_calls]
        vendor.requests.clear()
        agent([Message.user("?"), envelope.response.to_message(), *results])
        sent = json.dumps(vendor.bodies()[0], ensure_ascii=False)
        assert all(signature in sent for signature in signatures), record["id"]
        agent.close()
        tried += 1
        if tried == 8:
            break
    assert tried >= 3
