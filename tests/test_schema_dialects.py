"""What each vendor is sent of a schema. The expectations are the vendors' own SDKs' helpers, and what recorded requests sent."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

import anthropic
import jsonschema
import pytest
from google.genai import types as genai_types
from mistralai.extra.utils._pydantic_helper import rec_strict_json_schema
from openai.lib._pydantic import _ensure_strict_json_schema, to_strict_json_schema
from pydantic import BaseModel, Field, TypeAdapter
from typing_extensions import TypedDict

from lazybridge.core.structured import (
    ANTHROPIC,
    GEMINI,
    GROQ,
    MISTRAL,
    OPENAI,
    Compiled,
    Dialect,
    compiled,
    output_schema,
)
from lazybridge.core.structured.answers import Reader
from lazybridge.core.types import CompletionResponse, OutputSchema
from tests.test_structured import Animal, Cat, City, Dog, Node, Options, Point, Zoo

TRAFFIC = Path(__file__).parents[2] / "shared" / "conformance" / "open"
DIALECTS = {"openai": OPENAI, "groq": GROQ, "mistral": MISTRAL, "anthropic": ANTHROPIC, "gemini": GEMINI}


class Leaf(BaseModel):
    """A tree whose recursion cannot be left out."""

    name: str
    children: list[Leaf]


class Money(BaseModel):
    amount: float = Field(gt=0, multiple_of=0.01)
    currency: str = Field(pattern="^[A-Z]{3}$", min_length=3, description="ISO code")
    when: datetime
    tags: list[str] = Field(min_length=2, max_length=5)
    rates: dict[str, float] = {}


class Priced(BaseModel):
    sum: Money
    where: City = Field(description="the seller's city")


def made(output: Any, dialect: Dialect) -> Compiled:
    return compiled(output_schema(output), dialect)


def objects(node: Any) -> list[dict[str, Any]]:
    """Every object schema inside a schema."""
    if isinstance(node, list):
        return [item for part in node for item in objects(part)]
    if not isinstance(node, dict):
        return []
    return ([node] if "properties" in node else []) + [item for part in node.values() for item in objects(part)]


# --- the helpers of the SDKs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", [City, Dog, Point, Node, list[City], City | Point, Zoo])
def test_openai_gets_what_its_own_helper_makes(output: Any) -> None:
    ours = made(output, OPENAI)
    assert ours.enforced
    theirs = to_strict_json_schema(TypeAdapter(output))
    schema: dict[str, Any] = ours.schema
    if "$ref" in theirs:  # the helper leaves a recursive root a reference, which the API refuses
        theirs = {**theirs["$defs"][theirs["$ref"].rpartition("/")[2]], "$defs": theirs["$defs"]}
    elif theirs.get("type") != "object":  # and a root that is no object, which it refuses, too
        schema = {**schema["properties"]["value"], **({"$defs": schema["$defs"]} if "$defs" in schema else {})}
    assert without(schema, "default", "discriminator") == without(_as_any_of(theirs), "default", "discriminator")


def without(node: Any, *names: str) -> Any:
    """The helper keeps defaults, which the API refuses: https://github.com/openai/openai-agents-python/issues/474."""
    if isinstance(node, list):
        return [without(item, *names) for item in node]
    if isinstance(node, dict):
        kept = {name: without(value, *names) for name, value in node.items() if name not in names}
        return {**kept, "required": sorted(kept["required"])} if isinstance(kept.get("required"), list) else kept
    return node


def _as_any_of(node: Any) -> Any:
    """The helper keeps `oneOf`, which the guide does not list."""
    if isinstance(node, list):
        return [_as_any_of(item) for item in node]
    if isinstance(node, dict):
        return {"anyOf" if name == "oneOf" else name: _as_any_of(value) for name, value in node.items()}
    return node


def test_a_reference_with_a_description_is_written_out_as_openais_helper_does() -> None:
    ours, theirs = made(Priced, OPENAI), to_strict_json_schema(Priced)
    assert not ours.enforced  # its free-form `rates`

    class Home(BaseModel):
        where: City = Field(description="the seller's city")

    ours, theirs = made(Home, OPENAI), to_strict_json_schema(Home)
    assert ours.schema["properties"]["where"] == theirs["properties"]["where"]
    assert ours.schema["properties"]["where"]["description"] == "the seller's city"


@pytest.mark.parametrize("output", [City, Point, Options, Zoo, list[City], int, Literal["a", "b"], City | Point])
def test_anthropic_gets_what_its_own_helper_makes(output: Any) -> None:
    ours = made(output, ANTHROPIC)
    theirs = anthropic.transform_schema(dict(output_schema(output).schema))
    assert ours.enforced
    assert _without_type_of_literals(ours.schema) == _without_type_of_literals(theirs)


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


@pytest.mark.parametrize("output", [City, Point, Options, Zoo, Node, list[City], int])
def test_mistral_gets_what_its_own_helper_makes(output: Any) -> None:
    schema = output_schema(output)
    theirs = rec_strict_json_schema(copy.deepcopy(dict(schema.schema)))
    ours = compiled(schema, MISTRAL)
    assert ours.enforced
    assert ours.schema == _as_any_of(theirs)


def test_mistrals_helper_would_empty_a_free_form_object_and_we_do_not() -> None:
    assert rec_strict_json_schema(TypeAdapter(dict[str, int]).json_schema())["additionalProperties"] is False
    ours = made(dict[str, int], MISTRAL)
    assert not ours.enforced
    assert ours.schema["additionalProperties"] == {"type": "integer"}


@pytest.mark.parametrize("output", [City, Zoo, Node, Leaf, Money, dict[str, int], tuple[int, str], Options])
def test_gemini_gets_no_word_but_those_that_its_sdk_lists(output: Any) -> None:
    listed = genai_types.GenerateContentConfig.model_fields["response_json_schema"].description or ""
    ours = made(output, GEMINI)
    assert ours.enforced
    for node in schemas(ours.schema):
        for name in node.keys() - {"title", "description"}:
            assert f"`{name}`" in " ".join(listed.split()), name
        assert "$ref" not in node or all(name.startswith("$") for name in node)


def schemas(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for holder in ("properties", "$defs"):
        for item in node.get(holder, {}).values():
            yield from schemas(item)
    for item in (*node.get("anyOf", ()), *node.get("prefixItems", ())):
        yield from schemas(item)
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            yield from schemas(node[name])


def test_a_dict_reaches_gemini_as_it_is() -> None:
    class Counts(BaseModel):
        words: dict[str, int]

    ours = made(Counts, GEMINI)
    assert ours.losses == ()
    assert ours.schema["properties"]["words"]["additionalProperties"] == {"type": "integer"}


# --- recorded requests --------------------------------------------------------------------------------------------------


def recorded() -> Iterator[tuple[str, Dialect, dict[str, Any]]]:
    """Every schema that a vendor took, with its dialect."""
    for path in sorted(TRAFFIC.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            record = json.loads(line) if line else {}
            body = record.get("request_json")
            if record.get("status") != 200 or not isinstance(body, dict):
                continue
            chat = body.get("response_format")
            chat = chat if isinstance(chat, dict) else {}
            text, config = body.get("text") or {}, body.get("output_config") or {}
            gemini = body.get("generationConfig") or {}
            of_chat = {"groq": GROQ, "mistral": MISTRAL}.get(record["provider"], OPENAI)
            for dialect, found in (
                (of_chat, (chat.get("json_schema") or {}).get("schema") if chat.get("type") == "json_schema" else None),
                (OPENAI, (text.get("format") or {}).get("schema") if isinstance(text, dict) else None),
                (ANTHROPIC, (config.get("format") or {}).get("schema") if isinstance(config, dict) else None),
                (GEMINI, gemini.get("responseJsonSchema") if isinstance(gemini, dict) else None),
            ):
                if isinstance(found, dict):
                    yield record["id"], dialect, found


@pytest.mark.skipif(not TRAFFIC.exists(), reason="the recorded traffic is not in this checkout")
def test_what_vendors_took_is_sent_as_it_was() -> None:
    """What was recorded was in the dialect already: compiling it again changes nothing but `$schema`, and loses nothing."""
    count = 0
    for id, dialect, schema in recorded():
        ours = compiled(OutputSchema(schema), dialect)
        assert (ours.enforced, ours.losses) == (True, ()), id
        assert without(ours.schema, "$schema") == without(schema, "$schema"), id
        if dialect is OPENAI:
            helper = _ensure_strict_json_schema(copy.deepcopy(schema), path=(), root=schema)
            assert without(ours.schema) == without(helper), id
        elif dialect is ANTHROPIC:
            assert _without_type_of_literals(ours.schema) == _without_type_of_literals(
                anthropic.transform_schema({k: v for k, v in schema.items() if k != "$schema"})
            ), id
        count += 1
    assert count > 100


# --- OpenAI's strict mode -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", [City, Point, Options, Zoo, Node, Leaf, list[City], City | Point, Literal["a", 1]])
@pytest.mark.parametrize("dialect", [OPENAI, GROQ], ids=["openai", "groq"])
def test_strict_closes_every_object_and_requires_all_of_it(output: Any, dialect: Dialect) -> None:
    ours = made(output, dialect)
    assert ours.enforced
    assert objects(ours.schema)
    for node in objects(ours.schema):
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])
    for keyword in ("default", "discriminator", "oneOf"):
        assert f'"{keyword}"' not in json.dumps(ours.schema)


def test_what_may_be_absent_and_has_no_default_may_be_null() -> None:
    ours = made(Options, OPENAI)
    assert ours.schema["properties"]["size"] == {"anyOf": [{"title": "Size", "type": "integer"}, {"type": "null"}]}
    assert ours.losses == ()


def test_limits_that_the_guide_does_not_list_are_told_and_named() -> None:
    class Name(BaseModel):
        first: str = Field(min_length=2, max_length=9)
        site: str = Field(json_schema_extra={"format": "uri"})
        age: int = Field(ge=0, lt=150)

    ours = made(Name, OPENAI)
    assert ours.schema["properties"]["first"]["description"] == "{maxLength: 9, minLength: 2}"
    assert ours.schema["properties"]["site"]["description"] == "{format: uri}"
    assert ours.schema["properties"]["age"] == {
        "title": "Age",
        "type": "integer",
        "minimum": 0,
        "exclusiveMaximum": 150,
    }
    assert ours.losses == ("maxLength at $.first", "minLength at $.first", "format at $.site")


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        pytest.param({"type": "object"}, "any properties at .", id="no properties"),
        pytest.param({"type": "object", "properties": {}}, "any properties at .", id="empty properties"),
        pytest.param({"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]}, r"\$\.a", id="inside"),
        pytest.param({"type": "object", "properties": {"default": {"type": "object"}}}, r"\$\.default", id="under a keyword's name"),
        pytest.param({"type": "object", "properties": {"a": {}}}, r"anything at \$\.a", id="anything"),
        pytest.param({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True}, "any properties", id="open"),
        pytest.param({"type": "object", "properties": {"a": {"allOf": [{"type": "integer"}, {"minimum": 1}]}}}, "allOf", id="allOf"),
        pytest.param({"type": "object", "properties": {"a": {"type": "string"}}, "patternProperties": {"b": {}}}, "patternProperties", id="patterns"),
        pytest.param(TypeAdapter(dict[str, int]).json_schema(), "any properties", id="dict"),
        pytest.param(output_schema(list[dict[str, Any]]).schema, r"\$\.value\[\]", id="list of dicts"),
        pytest.param(output_schema(tuple[int, str]).schema, "prefixItems", id="tuple"),
    ],
)  # fmt: skip
def test_what_strict_mode_cannot_say_is_sent_as_a_guide(schema: dict[str, Any], why: str) -> None:
    before = json.dumps(schema)
    ours = compiled(OutputSchema(schema), OPENAI)
    assert not ours.enforced
    assert ours.schema == schema
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(ours.lost)
    ours.schema["more"] = 1
    assert json.dumps(schema) == before


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({f"p{number}": {"type": "string"} for number in range(5001)}, "5001 properties, where 5000 are the most"),
        ({"a": {"type": "string", "enum": [str(number) for number in range(1001)]}}, "1001 words to choose from"),
        ({"a": {"type": "string", "const": "x" * 120_000}}, "120001 letters"),
    ],
)
def test_a_schema_that_openai_finds_too_large_is_a_guide(schema: dict[str, Any], says: str) -> None:
    ours = compiled(OutputSchema({"type": "object", "properties": schema}), OPENAI)
    assert not ours.enforced
    assert says in ours.lost
    assert compiled(OutputSchema({"type": "object", "properties": schema}), GROQ).enforced


def test_objects_may_stand_in_each_other_ten_times() -> None:
    def nested(levels: int) -> dict[str, Any]:
        inner: dict[str, Any] = {"type": "string"}
        for _ in range(levels):
            inner = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
        return inner

    assert compiled(OutputSchema(nested(10)), OPENAI).enforced
    assert "11 levels of objects" in compiled(OutputSchema(nested(11)), OPENAI).lost


@pytest.mark.parametrize("name", ["properties", "type", "$ref", "enum", "default", "items", "anyOf", "const"])
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_property_may_be_named_like_a_keyword(name: str, dialect: Dialect) -> None:
    inner = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    schema = {"type": "object", "properties": {name: inner}, "required": [name]}
    closed = {"additionalProperties": False} if dialect.closes else {}
    ours = compiled(OutputSchema(schema), dialect)
    assert ours.schema == {**schema, "properties": {name: {**inner, **closed}}, **closed}
    assert ours.losses == ()


# --- Anthropic and Gemini -----------------------------------------------------------------------------------------------


def test_limits_that_anthropic_refuses_are_told_to_the_model_and_named() -> None:
    ours = made(City, ANTHROPIC)
    assert ours.schema["properties"]["people"] == {"type": "integer", "title": "People", "description": "{minimum: 0}"}
    assert ours.losses == ("minimum at $.people",)


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (dict[str, int], "any properties"),
        (Money, r"$.rates"),
        (Node, "a type that holds itself at $.children[]"),  # a 400 there: "Circular reference detected"
        (tuple[int, str], "prefixItems"),
        (Any, "anything at $.value"),
    ],
)
def test_what_anthropic_has_no_words_for_is_not_enforced_and_not_emptied(output: Any, why: str) -> None:
    ours = made(output, ANTHROPIC)
    assert not ours.enforced
    assert why in ours.lost
    assert ours.schema == output_schema(output).schema


def test_anthropic_takes_24_optional_properties_and_16_unions() -> None:
    text: dict[str, Any] = {"type": "string"}
    for count, kind in ((25, text), (17, {"anyOf": [text, {"type": "null"}]})):
        required = [] if kind is text else [str(number) for number in range(count)]
        schema = {"type": "object", "properties": {str(number): kind for number in range(count)}, "required": required}
        assert (
            f"{count} {'optional properties' if kind is text else 'unions'}"
            in compiled(OutputSchema(schema), ANTHROPIC).lost
        )


def test_gemini_takes_recursion_where_it_can_be_left_out() -> None:
    ours = made(Leaf, GEMINI)
    assert ours.schema["$defs"]["Leaf"]["required"] == ["name"]
    assert ours.losses == ("required at Leaf.children, which holds its own type",)
    assert made(Node, GEMINI).losses == ()


def test_what_gemini_does_not_enforce_is_told_and_named() -> None:
    ours = made(Money, GEMINI)
    assert ours.schema["properties"]["currency"]["description"] == "ISO code\n\n{minLength: 3, pattern: ^[A-Z]{3}$}"
    assert set(ours.losses) == {
        "exclusiveMinimum at $.amount", "multipleOf at $.amount", "minLength at $.currency", "pattern at $.currency",
    }  # fmt: skip
    assert made(Cat, GEMINI).schema["properties"]["kind"]["enum"] == ["cat"]  # it has no `const`


# --- the promise --------------------------------------------------------------------------------------------------------


class Shade(Enum):
    RED = "red"


@dataclasses.dataclass
class Line:
    label: str
    points: list[Point]


class Extra(TypedDict):
    name: str
    note: NotRequired[str]
    nested: NotRequired[list[Options]]


EXAMPLES: list[tuple[Any, Any]] = [
    (City, City(name="Rome", people=3)),
    (Line, Line("a", [Point(1, 2)])),
    (Extra, {"name": "a", "nested": [{"colour": "red"}]}),
    (Node, Node(value=1, children=[Node(value=2)])),
    (Leaf, Leaf(name="a", children=[Leaf(name="b", children=[])])),
    (Zoo, Zoo(pets=[Cat(kind="cat")], animal=Animal.DOG, tags=["a", "b"], opened=date(2026, 11, 22))),
    (Annotated[Cat | Dog, Field(discriminator="kind")], Cat(kind="cat")),
    (Money, Money(amount=1.5, currency="EUR", when=datetime(2026, 11, 22), tags=["a", "b"], rates={"x": 1.0})),
    (list[City], [City(name="Rome", people=3)]),
    (dict[str, int], {"a": 1}),
    (int | None, None),
    (Shade, Shade.RED),
    (bool, False),
    (Literal["a", 1], 1),
    (tuple[int, str], (1, "a")),
    (datetime, datetime(2026, 11, 22, 12)),
]


@pytest.mark.parametrize(("output", "value"), EXAMPLES, ids=lambda item: str(item)[:40])
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_what_fits_the_type_fits_what_is_sent_and_comes_back(output: Any, value: Any, dialect: Dialect) -> None:
    """No dialect forbids what the type allows, and what it no longer says is checked when the answer comes back."""
    ours = made(output, dialect)
    jsonschema.Draft202012Validator.check_schema(ours.schema)
    raw = TypeAdapter(output).dump_python(value, mode="json")
    sent = {"value": raw} if Reader(output).wrapped else raw
    if dialect.requires_all and ours.enforced:
        sent = _with_nulls(sent, ours.schema, ours.schema)
    jsonschema.validate(sent, ours.schema)
    assert Reader(output).read(CompletionResponse(json.dumps(sent))) == value


def _with_nulls(value: Any, schema: Any, root: Any) -> Any:
    """What a model that must write every property writes: null for what is absent."""
    if "$ref" in schema:
        return _with_nulls(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if isinstance(value, list) and "items" in schema:
        return [_with_nulls(item, schema["items"], root) for item in value]
    for branch in schema.get("anyOf", ()):
        filled = _with_nulls(value, branch, root)
        if jsonschema.Draft202012Validator({**branch, "$defs": root.get("$defs", {})}).is_valid(filled):
            return filled
    if isinstance(value, dict) and "properties" in schema and set(value) <= set(schema["properties"]):
        return {name: _with_nulls(value.get(name), item, root) for name, item in schema["properties"].items()}
    return value


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_the_given_schema_is_left_as_it_was(dialect: Dialect) -> None:
    schema = output_schema(Zoo)
    before = json.dumps(schema.schema)
    ours = compiled(schema, dialect)
    ours.schema["$defs"]["Animal"]["enum"].append("bird")
    ours.schema["$defs"]["Dog"]["required"].append("x")
    assert json.dumps(schema.schema) == before
