"""Schemas out and objects back. What a vendor takes is what its own SDK would send: the expectations are the SDKs'."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired

import anthropic
import jsonschema
import pytest
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from lazybridge.core import structured
from lazybridge.core.errors import StructuredOutputError
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
        (int, "1", "int"),
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


# --- OpenAI's strict mode ---------------------------------------------------------------------------------------------


def objects(node: Any) -> list[dict[str, Any]]:
    """Every object schema inside a schema."""
    if isinstance(node, list):
        return [item for part in node for item in objects(part)]
    if not isinstance(node, dict):
        return []
    return ([node] if "properties" in node else []) + [item for part in node.values() for item in objects(part)]


@pytest.mark.parametrize("output", [City, Point, Zoo, Node, list[City], City | Point])
def test_strict_closes_every_object_and_requires_all_of_it(output: Any) -> None:
    schema = structured.strict(structured.output_schema(output).schema)
    assert schema is not None
    assert objects(schema)
    for node in objects(schema):
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])


def test_strict_leaves_out_what_that_mode_refuses() -> None:
    schema = structured.strict(structured.output_schema(Zoo).schema)
    for keyword in ("default", "discriminator", "oneOf"):
        assert f'"{keyword}"' not in json.dumps(schema)


@pytest.mark.parametrize("output", [City, Dog, list[City], City | Point])
def test_strict_is_what_openais_own_helper_makes(output: Any) -> None:
    ours = structured.strict(structured.output_schema(output).schema)
    theirs = to_strict_json_schema(TypeAdapter(output))
    if "value" in (ours or {}).get("properties", {}) and theirs.get("type") != "object":
        assert ours is not None
        ours = {**ours["properties"]["value"], **({"$defs": ours["$defs"]} if "$defs" in ours else {})}
    assert _without_defaults(ours) == _without_defaults(theirs)


def _without_defaults(node: Any) -> Any:
    """The helper keeps defaults, which the API refuses: https://github.com/openai/openai-agents-python/issues/474."""
    if isinstance(node, list):
        return [_without_defaults(item) for item in node]
    if isinstance(node, dict):
        return {name: _without_defaults(value) for name, value in node.items() if name != "default"}
    return node


def test_a_reference_stands_alone() -> None:
    class Home(BaseModel):
        city: City = Field(description="where")

    schema = structured.strict(structured.output_schema(Home).schema)
    assert schema is not None
    assert schema["properties"]["city"] == {"$ref": "#/$defs/City"}
    assert "City" in schema["$defs"]


def test_a_recursive_type_has_its_object_at_the_root_and_keeps_its_definition() -> None:
    raw = TypeAdapter(Node).json_schema()
    assert "$ref" in raw  # pydantic's root is a reference alone
    for schema in (structured.strict(structured.output_schema(Node).schema), structured.strict(raw)):
        assert schema is not None
        assert schema["type"] == "object"
        assert schema["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
        assert schema["$defs"]["Node"]["additionalProperties"] is False


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "object"}, id="no properties"),
        pytest.param({"type": "object", "properties": {}}, id="empty properties"),
        pytest.param({"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]}, id="inside"),
        pytest.param({"type": "object", "properties": {"default": {"type": "object"}}, "required": ["default"]}, id="under a keyword's name"),
        pytest.param({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, id="open"),
        pytest.param({"type": "object", "properties": {"a": {"type": "integer"}}}, id="absent without a word for it"),
        pytest.param({"type": "object", "properties": {"a": {"allOf": [{"type": "integer"}]}}, "required": ["a"]}, id="allOf"),
        pytest.param(TypeAdapter(dict[str, int]).json_schema(), id="dict"),
        pytest.param(TypeAdapter(Options).json_schema(), id="TypedDict with NotRequired"),
        pytest.param(structured.output_schema(list[dict[str, Any]]).schema, id="list of dicts"),
        pytest.param(structured.output_schema(tuple[int, str]).schema, id="tuple"),
    ],
)  # fmt: skip
def test_what_strict_mode_cannot_say_is_none(schema: dict[str, Any]) -> None:
    assert structured.strict(schema) is None


def test_a_null_or_a_default_stands_for_absence() -> None:
    class Maybe(BaseModel):
        a: int | None = None
        b: int = 5

    assert structured.strict(structured.output_schema(Maybe).schema) is not None


@pytest.mark.parametrize("name", ["properties", "type", "$ref", "enum", "default", "items"])
def test_a_property_may_be_named_like_a_keyword(name: str) -> None:
    inner = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    schema = {"type": "object", "properties": {name: inner}, "required": [name]}
    closed = {**inner, "additionalProperties": False}
    assert structured.strict(schema) == {**schema, "properties": {name: closed}, "additionalProperties": False}
    assert structured.described(schema) == structured.strict(schema)


# --- Anthropic --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", [City, Point, Options, Zoo, Node, list[City], int, Literal["a", "b"], City | Point])
def test_described_is_what_anthropics_own_helper_makes(output: Any) -> None:
    schema = dict(structured.output_schema(output).schema)
    assert _without_type_of_literals(structured.described(schema)) == _without_type_of_literals(
        anthropic.transform_schema(schema)
    )


def _without_type_of_literals(node: Any) -> Any:
    """The helper drops the type beside an enum or a constant, which is said by the values."""
    if isinstance(node, list):
        return [_without_type_of_literals(item) for item in node]
    if isinstance(node, dict):
        literal = "enum" in node or "const" in node
        return {
            name: _without_type_of_literals(value) for name, value in node.items() if not (literal and name == "type")
        }
    return node


def test_limits_that_the_api_refuses_are_told_to_the_model() -> None:
    schema = structured.described(structured.output_schema(City).schema)
    assert schema["properties"]["people"] == {"type": "integer", "title": "People", "description": "{minimum: 0}"}


def test_a_free_form_object_is_not_turned_into_an_empty_one() -> None:
    schema = structured.output_schema(dict[str, int]).schema
    assert structured.described(schema) == schema


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


@pytest.mark.parametrize("change", [structured.strict, structured.described, structured.closed])
def test_the_given_schema_is_left_as_it_was(change: Any) -> None:
    schema = structured.output_schema(Zoo).schema
    before = json.dumps(schema)
    changed = change(schema)
    changed["$defs"]["Animal"]["enum"].append("bird")
    changed["$defs"]["Dog"]["required"].append("x")
    assert json.dumps(schema) == before
