"""Types out as schemas, and objects back."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from lazybridge.core import structured
from lazybridge.core.errors import ConfigurationError, StructuredOutputError
from lazybridge.core.types import CompletionResponse, OutputSchema


class City(BaseModel):
    name: str
    people: int = Field(ge=0)


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Options(TypedDict):
    colour: str
    size: NotRequired[int]


class Animal(Enum):
    CAT = "cat"
    DOG = "dog"


class Node(BaseModel):
    value: int
    children: list[Node] = []


class Dated(BaseModel):
    model_config = ConfigDict(strict=True)
    day: date


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]
    city: City


class Zoo(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]
    animal: Animal
    home: City | None = None
    tags: list[str] = Field(min_length=2)
    opened: date
    days: int = 5


def answer(value: Any, **fields: Any) -> CompletionResponse:
    return CompletionResponse(content=value if isinstance(value, str) else json.dumps(value), **fields)


# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "sent", "value"),
    [
        (City, {"name": "Rome", "people": 3}, City(name="Rome", people=3)),
        (Point, {"x": 1, "y": 2}, Point(1, 2)),
        (Options, {"colour": "red"}, {"colour": "red"}),
        (Node, {"value": 1, "children": [{"value": 2}]}, Node(value=1, children=[Node(value=2)])),
        (list[City], {"value": [{"name": "Rome", "people": 3}]}, [City(name="Rome", people=3)]),
        (int, {"value": 0}, 0),
        (bool, {"value": False}, False),
        (str, {"value": ""}, ""),
        (list[int], {"value": []}, []),
        (Literal["a", "b"], {"value": "b"}, "b"),
        (Animal, {"value": "dog"}, Animal.DOG),
        (int | None, {"value": None}, None),
        (City | Point, {"value": {"x": 1}}, Point(1)),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (list[Dated], {"value": [{"day": "2026-11-22"}]}, [Dated(day=date(2026, 11, 22))]),
        (tuple[int, str], {"value": [1, "a"]}, (1, "a")),
    ],
)
def test_a_type_goes_out_as_an_object_and_comes_back_as_itself(output: Any, sent: Any, value: Any) -> None:
    schema = structured.output_schema(output).schema
    jsonschema.Draft202012Validator.check_schema(dict(schema))
    assert schema["type"] == "object"  # what every vendor wants at the root
    jsonschema.validate(sent, dict(schema))
    assert structured.parse(output, answer(sent)) == value


@pytest.mark.parametrize(
    ("output", "name"),
    [
        (City, "City"),
        (int, "int"),
        (list[int], "list"),
        (Node, "Node"),
    ],
)
def test_a_schema_has_a_name(output: Any, name: str) -> None:
    assert structured.output_schema(output).name == name


@pytest.mark.parametrize(
    ("title", "name"), [("Größe 1", "Gr__e_1"), ("a" * 80, "a" * 64), ("", "answer"), ("a-b_c", "a-b_c")]
)
def test_a_name_is_of_letters_that_vendors_take(title: str, name: str) -> None:
    assert structured.output_schema({"type": "object", "title": title}).name == name


def test_a_ready_schema_is_taken_as_it_is() -> None:
    ready = OutputSchema({"type": "object"}, name="mine", strict=False)
    assert structured.output_schema(ready) is ready


def test_a_schema_given_as_a_dict_gives_a_dict() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert structured.parse(schema, answer({"a": 1})) == {"a": 1}
    assert structured.parse(OutputSchema(schema), answer({"a": 1})) == {"a": 1}


def test_what_a_wrapped_type_refers_to_stays_at_the_root() -> None:
    schema = structured.output_schema(list[City]).schema
    assert schema["required"] == ["value"]
    assert schema["$defs"].keys() == {"City"}


def test_the_last_of_several_messages_is_parsed() -> None:
    text = '{"value": 1}'
    assert structured.parse(int, CompletionResponse(content=text + text, last_text=text)) == 1


# --- what does not fit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "text", "shown"),
    [
        (City, "Rome", "City"),
        (City, '{"name": "Rome"}', "City"),
        (City, '{"name": "Rome", "people": -1}', "City"),
        (City, "", "City"),
        (int, '{"value": "x"}', "int"),
        (int, '{"other": 1}', "int"),
        (int, "[1]", "int"),
        (City, '{"name": "a", "people": 1} or {"name": "b", "people": 1}', "City"),
        ({"type": "object", "required": ["a"]}, "{}", "the JSON schema"),
        ({"type": "object"}, "no JSON", "the JSON schema"),
    ],
)
def test_an_answer_that_does_not_fit_keeps_its_text(output: Any, text: str, shown: str) -> None:
    with pytest.raises(StructuredOutputError, match=f"the answer does not fit {shown}: ") as caught:
        structured.parse(output, answer(text))
    assert caught.value.partial_text == text
    assert caught.value.__cause__ is not None


def test_an_answer_that_was_cut_off_does_not_fit_even_where_it_parses() -> None:
    with pytest.raises(StructuredOutputError, match="cut off at max_tokens") as caught:
        structured.parse(list[int], answer({"value": [1]}, stop_reason="max_tokens"))
    assert caught.value.partial_text == '{"value": [1]}'


def test_a_check_names_the_place() -> None:
    schema = {"type": "object", "properties": {"cities": {"type": "array", "items": {"type": "string"}}}}
    structured.validate({"cities": ["Rome"]}, schema)
    with pytest.raises(ValueError, match=r"^\$\.cities\[1\]: 7 is not of type 'string'$"):
        structured.validate({"cities": ["Rome", 7]}, schema)


def test_without_the_checking_package_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    structured.validate(7, {"type": "string"})


# --- JSON with something around it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"name": "Rome", "people": 3}\n```',
        'Here you are: {"name": "Rome", "people": 3}',
        '{"name": "Rome", "people": 3}\n\nLet me know {if} you need more!',
        'Sure {no JSON}:\n```\n{"name": "Rome", "people": 3}\n```\nDone.',
    ],
)
def test_the_one_object_in_a_text_is_the_answer(text: str) -> None:
    assert structured.parse(City, answer(text)) == City(name="Rome", people=3)


@pytest.mark.parametrize(
    ("output", "text", "value"),
    [(list[int], "[1, 2]", [1, 2]), (int, "7", 7), (City | Point, '{"x": 1}', Point(1)), (int | None, "null", None)],
)
def test_a_value_without_its_wrapping_is_taken(output: Any, text: str, value: Any) -> None:
    assert structured.parse(output, answer(text)) == value


def test_a_text_full_of_beginnings_is_given_up_soon() -> None:
    started = time.perf_counter()
    with pytest.raises(StructuredOutputError, match="no JSON"):
        structured.parse(City, answer('{"a": ' * 100_000))
    assert time.perf_counter() - started < 2


def test_a_null_stands_for_what_may_be_absent() -> None:
    assert structured.parse(Options, answer({"colour": "red", "size": None})) == {"colour": "red"}
    assert structured.parse(list[Options], answer({"value": [{"colour": "red", "size": None}]})) == [{"colour": "red"}]


@pytest.mark.parametrize(
    ("stop_reason", "reason", "says"),
    [
        ("max_tokens", "truncated", "raise max_tokens"),
        ("refusal", "refused", "the model refused, so there is no City: I will not."),
        ("content_filter", "refused", "the vendor's filter stopped the answer"),
        ("end_turn", "invalid", "does not fit City"),
    ],
)
def test_the_error_says_which_of_the_ways_to_fail_it_was(stop_reason: Any, reason: str, says: str) -> None:
    with pytest.raises(StructuredOutputError, match=says) as caught:
        structured.parse(City, answer("I will not.", stop_reason=stop_reason))
    assert caught.value.reason == reason


def test_an_error_lists_what_does_not_fit() -> None:
    with pytest.raises(StructuredOutputError) as caught:
        structured.parse(City, answer({"people": -1}))
    assert [(item["loc"], item["type"]) for item in caught.value.errors] == [
        (("name",), "missing"),
        (("people",), "greater_than_equal"),
    ]
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}}
    with pytest.raises(StructuredOutputError) as caught:
        structured.parse(schema, answer({"a": [1, "x"]}))
    assert [(item["loc"], item["type"]) for item in caught.value.errors] == [(("a", 1), "type")]


@pytest.mark.parametrize("output", [object(), "City"])
def test_what_is_no_type_is_refused(output: Any) -> None:
    with pytest.raises(ConfigurationError, match="write output=MyModel"):
        structured.output_schema(output)


@pytest.mark.parametrize(
    ("schema", "sent", "value"),
    [
        ({"type": "array", "items": {"type": "integer"}}, {"value": [1]}, [1]),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"value": None}, None),
        ({"enum": ["a", "b"]}, {"value": "a"}, "a"),
    ],
)
def test_a_json_schema_whose_root_is_no_object_is_wrapped_too(schema: dict[str, Any], sent: Any, value: Any) -> None:
    wrapped = structured.output_schema(schema).schema
    jsonschema.validate(sent, dict(wrapped))
    assert wrapped["type"] == "object"
    assert structured.parse(schema, answer(sent)) == value


# --- while it arrives ---------------------------------------------------------------------------------------------------


def test_an_object_grows() -> None:
    reader, seen = structured.PartialReader(City), []
    for letter in '{"name": "Rome", "people": 31}':
        if reader.add(letter):
            seen.append(reader.value)
    assert seen == [{}, {"name": ""}, {"name": "R"}, {"name": "Ro"}, {"name": "Rom"}, {"name": "Rome"}, City(name="Rome", people=31)]  # fmt: skip


def test_a_list_grows_by_whole_items_and_a_fence_does_not_hide_it() -> None:
    reader, seen = structured.PartialReader(list[City]), []
    for piece in ('```json\n{"value": [{"name": "Rome", "people": 3}, {"na', 'me": "Pa', 'ris", "people": 2}]}\n```'):
        if reader.add(piece):
            seen.append(reader.value)
    assert seen[0] == [City(name="Rome", people=3)]
    assert structured.PartialReader({"type": "object"}).add('{"a": "b') is True


def test_a_long_answer_is_not_read_again_with_every_piece() -> None:
    """A million letters in pieces of four: reading each time would take 250 000 readings of half of them."""
    text = json.dumps({"value": [{"name": f"city {number}", "people": number} for number in range(25_000)]})
    assert len(text) > 1_000_000
    reader, changes = structured.PartialReader(list[City]), 0
    started = time.perf_counter()
    for start in range(0, len(text), 4):
        changes += reader.add(text[start : start + 4])
    assert 100 < changes < 1000
    assert time.perf_counter() - started < 30
    assert len(reader.value) > 24_000


# --- plain closing ----------------------------------------------------------------------------------------------------


def test_closing_changes_nothing_but_listed_objects() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {}}, "default": {}}, "c": {"type": "object"}},
    }
    assert structured.closed(schema) == {
        "type": "object",
        "properties": {
            "a": {"type": "object", "properties": {"b": {}}, "default": {}, "additionalProperties": False},
            "c": {"type": "object"},
        },
        "additionalProperties": False,
    }


class Number(BaseModel):
    kind: Literal["number"]
    number: int


class Sum(BaseModel):
    kind: Literal["sum"]
    left: Term
    right: Term
    digits: int = 0


class Product(BaseModel):
    kind: Literal["product"]
    left: Term
    right: Term
    digits: int = 0


Term = Annotated[Number | Sum | Product, Field(discriminator="kind")]
Sum.model_rebuild()
Product.model_rebuild()


def test_a_deep_answer_of_a_type_that_holds_itself_is_read_in_no_time() -> None:
    value: dict[str, Any] = {"kind": "number", "number": 1}
    for _ in range(60):
        value = {"kind": "sum", "left": value, "right": {"kind": "number", "number": 2}, "digits": None}
    started = time.monotonic()
    read = structured.parse(Term, CompletionResponse(json.dumps({"value": value})))
    assert time.monotonic() - started < 1
    assert isinstance(read, Sum)
    assert read.digits == 0
