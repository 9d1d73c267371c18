"""An output type through every vendor's SDK: answers that do not fit are repaired, paid for and counted; and what cannot be."""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from lazybridge import Agent, Model, StreamChunk, StructuredOutputError
from lazybridge.core.errors import ConfigurationError, ToolLoopError, UnsupportedFeatureError
from tests.conftest import KINDS, Kind
from tests.fake_vendor import FakeVendor, Fault
from tests.providers.agents import modes

TRAFFIC = Path(__file__).parents[2] / "shared" / "conformance" / "open"


class Invoice(BaseModel):
    total: float
    currency: str = Field(pattern="^[A-Z]{3}$")


GOOD = ('{"total": 12.5,', ' "currency": "EUR"}')
BAD = ('{"total": "much",', ' "currency": "EUR"}')
PAID = Invoice(total=12.5, currency="EUR")
# What Anthropic and Gemini have no word for is said once.
pytestmark = pytest.mark.filterwarnings("ignore:.*output_schema")


@pytest.fixture(params=list(modes))
def ask(request: pytest.FixtureRequest) -> Callable[[Agent, str], Any]:
    return modes[request.param]


# --- repairs ------------------------------------------------------------------------------------------------------------


def test_an_answer_that_does_not_fit_is_repaired(
    agent: Callable[..., Agent], ask: Callable[[Agent, str], Any], vendor: FakeVendor
) -> None:
    vendor.answers.extend([BAD, GOOD])
    envelope = ask(agent(output=Invoice), "Read it")
    assert envelope.payload == PAID
    assert (envelope.metadata.turns, len(envelope.metadata.attempts)) == (2, 2)
    first, second = (attempt.receipt for attempt in envelope.metadata.attempts)
    assert envelope.metadata.receipt.total == (first + second).total
    before, after = vendor.bodies()
    told = json.dumps(after)
    assert "total: Input should be a valid number" in told
    assert "much" in told
    assert "much" not in json.dumps(before)
    for name in ("text", "response_format", "output_config", "generationConfig"):
        assert after.get(name) == before.get(name)  # the schema is asked for again


def test_what_stays_wrong_is_an_error_that_has_everything(
    agent: Callable[..., Agent], ask: Callable[[Agent, str], Any], vendor: FakeVendor
) -> None:
    vendor.pieces = BAD
    envelope = ask(agent(output=Invoice), "Read it")
    error = envelope.error
    assert isinstance(error, StructuredOutputError)
    assert (error.reason, error.partial_text) == ("invalid", "".join(BAD))
    assert [item["loc"] for item in error.errors] == [("total",)]
    assert len(error.attempts) == envelope.metadata.turns == len(vendor.requests) == 3
    assert error.receipt is not None
    assert error.receipt.total == envelope.metadata.receipt.total == sum(a.receipt.total for a in error.attempts)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_repairs_are_counted_and_0_turns_them_off(vendor: FakeVendor, most: int) -> None:
    vendor.pieces = ("no JSON",)
    error = KINDS["chat"].agent(vendor.url, output=Invoice, max_repairs=most)("Read it").error
    assert isinstance(error, StructuredOutputError)
    assert len(vendor.requests) == most + 1


def test_repairs_are_beyond_max_turns(vendor: FakeVendor) -> None:
    vendor.answers.extend([BAD, BAD, GOOD])
    assert KINDS["chat"].agent(vendor.url, output=Invoice, max_turns=1)("Read it").payload == PAID
    vendor.tool_call = {"name": "noop", "arguments": {}}
    agent = KINDS["chat"].agent(vendor.url, output=Invoice, max_turns=1, tools=[noop])
    assert isinstance(agent("Read it").error, ToolLoopError)


def noop() -> str:
    """Nothing."""
    return "done"


def test_a_repair_follows_tool_turns(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "noop", "arguments": {}}
    vendor.answers.extend([(), BAD, GOOD])
    envelope = KINDS["messages"].agent(vendor.url, output=Invoice, tools=[noop])("Read it")
    assert envelope.payload == PAID
    assert [message["role"] for message in vendor.bodies()[2]["messages"]] == ["user", "assistant", "user", "assistant", "user"]  # fmt: skip


def test_an_empty_answer_is_asked_for_again_without_it(vendor: FakeVendor) -> None:
    vendor.answers.extend([("",), GOOD])
    assert KINDS["chat"].agent(vendor.url, output=Invoice)("Read it").payload == PAID
    assert [message["role"] for message in vendor.bodies()[1]["messages"]] == ["user", "user"]


def test_a_bad_number_of_repairs_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_repairs=-1 is no count"):
        Agent("gpt-4.1-mini", api_key="k", output=Invoice, max_repairs=-1)


def test_extract_repairs_too(vendor: FakeVendor, kind: Kind) -> None:
    vendor.answers.extend([BAD, GOOD, BAD, GOOD])
    with Model(kind.build(vendor.url)) as model:
        assert model.extract_sync(Invoice, "Read it") == PAID
    model = Model(kind.build(vendor.url))

    async def extracted() -> Invoice:
        async with model:
            return await model.extract(Invoice, "Read it")

    assert asyncio.run(extracted()) == PAID
    assert len(vendor.requests) == 4


# --- what is not repaired -----------------------------------------------------------------------------------------------


def recorded(id: str) -> Any:
    """The body of a recorded answer; of a streamed one the answer that its last event holds."""
    path = TRAFFIC / f"{id.partition('-')[0]}.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n")
    record = next(json.loads(line) for line in lines if f'"{id}"' in line)
    body = record["response_body"]
    if not record["streaming"]:
        return json.loads(body)
    last = next(line for line in body.split("\n") if line.startswith('data: {"type":"response.completed"'))
    return json.loads(last.removeprefix("data: "))["response"]


@pytest.mark.skipif(not TRAFFIC.exists(), reason="the recorded traffic is not in this checkout")
@pytest.mark.parametrize(("name", "id", "reason"), [
    ("chat", "openai-f73bf0997060", "truncated"), ("chat", "openai-e5fcda3b3055", "refused"),
    ("responses", "openai-8e429c5bb663", "truncated"), ("responses", "openai-eea0a97d78a0", "refused"),
    ("messages", "anthropic-601aa50c9a09", "truncated"), ("messages", "anthropic-e8427f556a9c", "refused"),
    ("gemini", "google-605d1e5a3a27", "truncated"), ("gemini", "google-8244362333f7", "refused"),
])  # fmt: skip
def test_recorded_answers_that_were_cut_off_or_refused_are_told_apart_and_not_repaired(
    vendor: FakeVendor, name: str, id: str, reason: str
) -> None:
    vendor.fail(Fault(status=200, body=recorded(id)))
    envelope = KINDS[name].agent(vendor.url, output=Invoice)("Read it")
    error = envelope.error
    assert isinstance(error, StructuredOutputError)
    assert error.reason == reason
    assert ("raise max_tokens" in str(error)) == (reason == "truncated")
    assert len(error.attempts) == len(vendor.requests) == 1
    assert error.attempts[0].usage.input_tokens  # what it took is kept


def test_a_wrong_schema_is_not_asked_for_again(vendor: FakeVendor) -> None:
    vendor.pieces = ('{"a": 1}',)
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}, "required": ["a"]}
    error = KINDS["chat"].agent(vendor.url, output=schema)("hi").error
    assert isinstance(error, StructuredOutputError)
    assert (error.reason, len(vendor.requests)) == ("schema", 1)


# --- types and values ---------------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("output", "text", "value"),
    [
        (int, '{"value": 0}', 0),
        (bool, '{"value": false}', False),
        (list[int], '{"value": []}', []),
        (list[Invoice], '{"value": [{"total": 12.5, "currency": "EUR"}]}', [PAID]),
        (int | None, '{"value": null}', None),
        (Colour, '{"value": "red"}', Colour.RED),
        (dict[str, int], '{"a": 1}', {"a": 1}),
    ],
)
def test_lists_numbers_dicts_and_what_is_falsy_come_back(
    agent: Callable[..., Agent], vendor: FakeVendor, output: Any, text: str, value: Any
) -> None:
    vendor.pieces = (text,)
    envelope = agent(output=output)("go")
    assert envelope.ok
    assert envelope.payload == value
    assert len(vendor.requests) == 1


def test_a_stream_sends_the_same_schema_as_a_whole_answer(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.pieces = GOOD
    subject = agent(output=Invoice)
    subject("go")
    list(subject.stream("go"))
    whole, streamed = vendor.bodies()
    for name in ("text", "response_format", "output_config", "generationConfig"):
        assert whole.get(name) == streamed.get(name)
    assert "currency" in json.dumps(streamed)


def test_one_call_may_have_an_output_of_its_own(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    subject = agent()
    vendor.pieces = GOOD
    assert subject("Read it", output=Invoice).payload == PAID
    assert asyncio.run(subject.run("Read it", output=Invoice)).payload == PAID
    stream = subject.stream("Read it", output=Invoice)
    list(stream)
    assert stream.envelope is not None
    assert stream.envelope.payload == PAID
    assert subject("Read it").payload == "".join(GOOD)
    assert "currency" not in json.dumps(vendor.bodies()[-1])


def test_what_a_dialect_cannot_say_is_an_adjustment_and_refused_under_strict(vendor: FakeVendor) -> None:
    vendor.pieces = GOOD
    envelope = KINDS["messages"].agent(vendor.url, output=Invoice)("Read it")
    assert [str(note) for note in envelope.metadata.adjustments] == [
        "output_schema: Anthropic's structured output cannot say pattern at $.currency; the model was told in a description, "
        "and it is checked here"
    ]
    assert vendor.bodies()[0]["output_config"]["format"]["schema"]["properties"]["currency"]["description"] == "{pattern: ^[A-Z]{3}$}"  # fmt: skip
    with pytest.raises(UnsupportedFeatureError, match="pattern at"):
        KINDS["messages"].agent(vendor.url, output=Invoice, strict=True)("Read it").text()


def test_what_was_told_only_is_checked_when_it_comes_back(vendor: FakeVendor) -> None:
    vendor.answers.extend([('{"total": 1, "currency": "euro"}',), GOOD])
    envelope = KINDS["messages"].agent(vendor.url, output=Invoice)("Read it")
    assert envelope.payload == PAID
    assert "String should match pattern" in json.dumps(vendor.bodies()[1]["messages"])


# --- partial objects ----------------------------------------------------------------------------------------------------


PIECES = ('{"total": 12', '.5, "curr', 'ency": "E', 'UR"}')


def test_partial_objects_grow_into_the_payload(agent: Callable[..., Agent], vendor: FakeVendor) -> None:
    vendor.pieces = PIECES
    seen = list(agent(output=Invoice).stream("Read it").partials())
    assert seen == [{}, {"total": 12.5}, {"total": 12.5, "currency": "E"}, PAID, PAID]

    async def read() -> list[Any]:
        async with agent(output=Invoice) as subject:
            return [part async for part in subject.stream("Read it").partials()]

    assert asyncio.run(read()) == seen


def test_partial_objects_begin_anew_with_a_repair(vendor: FakeVendor) -> None:
    vendor.answers.extend([BAD, GOOD])
    agent = KINDS["chat"].agent(vendor.url, output=Invoice)
    stream = agent.stream("Read it")
    seen = list(stream.partials())
    assert seen[-1] == PAID
    assert {"total": "much"} in seen
    assert stream.envelope is not None
    assert stream.envelope.metadata.turns == 2


def test_a_stream_says_that_the_answer_begins_anew(vendor: FakeVendor) -> None:
    vendor.answers.extend([BAD, GOOD])
    text = ""
    chunks: list[StreamChunk] = list(KINDS["chat"].agent(vendor.url, output=Invoice).stream("Read it"))
    for chunk in chunks:
        text = chunk.delta if chunk.resumed else text + chunk.delta
    assert text == "".join(GOOD)
    assert [chunk.resumed for chunk in chunks].count("restart") == 1
    assert chunks[-1].is_final


def test_partials_raise_what_the_stream_raises(vendor: FakeVendor) -> None:
    vendor.pieces = BAD
    with pytest.raises(StructuredOutputError):
        list(KINDS["chat"].agent(vendor.url, output=Invoice).stream("Read it").partials())
    with pytest.raises(ConfigurationError, match=r"agent.stream\(..., output=MyModel\)"):
        KINDS["chat"].agent(vendor.url).stream("hi").partials()


def test_leaving_the_partials_closes_the_connection(vendor: FakeVendor) -> None:
    vendor.pieces = ('{"total": 1, "words": "', *("word ",) * 500)
    vendor.fail(Fault(pause=0.02))
    for _ in KINDS["chat"].agent(vendor.url, output={"type": "object"}).stream("Read it").partials():
        break
    assert vendor.hung_up.wait(5)


async def test_leaving_the_partials_closes_the_connection_of_an_async_stream(vendor: FakeVendor) -> None:
    vendor.pieces = ('{"total": 1, "words": "', *("word ",) * 500)
    vendor.fail(Fault(pause=0.02))
    async with KINDS["chat"].agent(vendor.url, output={"type": "object"}) as agent:
        async for _ in agent.stream("Read it").partials():
            break
        assert await asyncio.to_thread(vendor.hung_up.wait, 5)
