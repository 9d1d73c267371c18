"""What the model is told of a function, and how its arguments arrive: checked against JSON Schema's own rules by the
package jsonschema."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, Field, field_validator
from typing_extensions import Doc, TypedDict

from lazybridge import Agent, ConfigurationError, NativeTool, Tool, ToolCall


def run(tool: Tool | Callable[..., Any], /, **arguments: Any) -> str:
    made = tool if isinstance(tool, Tool) else Tool(tool)
    return made.run(ToolCall("1", made.name, arguments)).text


def schema(tool: Callable[..., Any]) -> dict[str, Any]:
    found = dict(Tool(tool).definition.parameters)
    jsonschema.Draft202012Validator.check_schema(found)
    return found


# --- docstrings -------------------------------------------------------------------------------------------------------


def google(city: str, days: int = 3) -> str:
    """The weather of a city.

    It is a forecast, so it may be wrong.

    Args:
        city (str): The city to look at,
            in English.
        days: How many days: today is one.

    Returns:
        str: words.

    Raises:
        LookupError: for a city that is none.
    """
    return f"{city} {days}"


def numpy(city: str, low: int = 0, high: int = 9) -> str:
    """The weather of a city.

    It is a forecast, so it may be wrong.

    Parameters
    ----------
    city : str
        The city to look at,
        in English.
    low, high : int, optional
        The limits.

    Returns
    -------
    str
        words
    """
    return city


def sphinx(city: str, days: int = 3) -> str:
    """The weather of a city.

    It is a forecast, so it may be wrong.

    :param city: The city to look at,
        in English.
    :param int days: How many days: today is one.
    :returns: words
    """
    return city


@pytest.mark.parametrize("tool", [google, numpy, sphinx])
def test_docstrings_of_three_styles_describe_the_parameters(tool: Callable[..., Any]) -> None:
    definition = Tool(tool).definition
    assert definition.description == "The weather of a city.\n\nIt is a forecast, so it may be wrong."
    described = {name: part.get("description") for name, part in schema(tool)["properties"].items()}
    assert described.pop("city") == "The city to look at,\nin English."
    assert set(described.values()) == ({"The limits."} if tool is numpy else {"How many days: today is one."})


def test_a_docstring_without_sections_is_the_description() -> None:
    def weather(city: str) -> str:
        """The weather: today's.

        Note: it may rain.
        """
        return city

    assert Tool(weather).description == "The weather: today's.\n\nNote: it may rain."
    assert Tool(weather, description="Mine.").definition.description == "Mine."
    assert Tool(lambda: 1, name="one").description == ""


def test_what_stands_at_the_annotation_goes_before_the_docstring() -> None:
    def weather(
        city: Annotated[str, "at the annotation"],
        days: Annotated[int, Field(description="in the field", ge=1)] = 1,
        unit: Annotated[str, Doc("in its Doc")] = "C",
        hour: int = Field(3, description="in the default", le=23),
        place: str = "",
    ) -> str:
        """Weather.

        Args:
            city: no
            days: no
            unit: no
            hour: no
            place: in the docstring
        """
        return f"{city} {days} {unit} {hour} {place}"

    found = schema(weather)
    assert [part["description"] for part in found["properties"].values()] == [
        "at the annotation", "in the field", "in its Doc", "in the default", "in the docstring",
    ]  # fmt: skip
    assert found["required"] == ["city"]
    assert found["properties"]["days"]["minimum"] == 1
    assert found["properties"]["hour"] == {
        "default": 3,
        "description": "in the default",
        "maximum": 23,
        "type": "integer",
    }
    assert run(weather, city="Rome") == "Rome 1 C 3 "


def test_the_parser_of_docstrings_is_loaded_for_those_that_have_sections() -> None:
    code = (
        "import sys\nfrom lazybridge import Tool\n"
        "def plain(x: int) -> int:\n    'Plain: no sections.'\n    return x\n"
        "Tool(plain).definition\nassert 'docstring_parser' not in sys.modules\n"
        "def told(x: int) -> int:\n    '''Told.\\n\\n    Args:\\n        x: a number\\n    '''\n    return x\n"
        "print(Tool(told).definition.parameters['properties']['x']['description'], 'docstring_parser' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "a number True\n", done.stderr


# --- callables --------------------------------------------------------------------------------------------------------


class Shop:
    """A shop."""

    name = "shop"

    def method(self, x: int) -> str:
        """Of an object."""
        return f"{self.name} {x!r}"

    @classmethod
    def of_class(cls, x: int) -> str:
        """Of a class."""
        return f"{cls.name} {x!r}"

    @staticmethod
    def static(x: int) -> str:
        """Of nobody."""
        return f"shop {x!r}"

    async def later(self, x: int) -> str:
        """Later."""
        return f"shop {x!r}"

    def __call__(self, x: int) -> str:
        """By itself."""
        return f"shop {x!r}"


class Later:
    """An object that is called later."""

    async def __call__(self, x: int) -> str:
        return f"shop {x!r}"


def three(key: str, x: int, sort: str = "asc") -> str:
    """Three."""
    return f"{key} {x!r}"


CALLABLES = [
    (Shop().method, "method", "Of an object."),
    (Shop.of_class, "of_class", "Of a class."),
    (Shop().of_class, "of_class", "Of a class."),
    (Shop.static, "static", "Of nobody."),
    (Shop().later, "later", "Later."),
    (Shop(), "Shop", "By itself."),
    (Later(), "Later", "An object that is called later."),
    (functools.partial(three, "shop", sort="desc"), "three", "Three."),
    (functools.partial(three, key="shop", sort="desc"), "three", "Three."),
    (functools.partial(Shop().later), "later", "Later."),
]


@pytest.mark.parametrize(("function", "name", "description"), CALLABLES)
async def test_whatever_can_be_called_is_a_tool(function: Callable[..., Any], name: str, description: str) -> None:
    tool = Tool(function)
    assert (tool.name, tool.description) == (name, description)
    assert list(schema(function)["properties"]) == ["x"]  # neither self nor what a partial has filled
    assert run(function, x="7") == "shop 7"
    assert (await tool.arun(ToolCall("1", name, {"x": "7"}))).text == "shop 7"
    assert "there is no such parameter" in run(function, x=7, key="mine")


def test_functions_of_c_and_positions() -> None:
    def power(base: float, exponent: float = 2, /, *, digits: int = 0) -> float:
        return round(base**exponent, digits)

    assert run(math.sqrt, x=9) == "3.0"
    assert run(power, base=3) == "9.0"
    assert run(power, base=2, exponent=0.5, digits=3) == "1.414"


def test_a_class_is_a_tool_with_its_own_docstring() -> None:
    class Point(BaseModel):
        x: int

    assert Tool(Point).description == ""
    assert run(Point, x=3) == '{"x":3}'


# --- types ------------------------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    lat: float
    lon: float = 0.0

    @field_validator("lat")
    @classmethod
    def on_earth(cls, value: float) -> float:
        if abs(value) > 90:
            raise ValueError("latitudes end at 90")
        return value


@dataclasses.dataclass
class Size:
    width: int
    height: int = 1


class Options(TypedDict):
    deep: bool


def everything(
    place: Place,
    size: Size,
    options: Options,
    colour: Colour,
    mode: Literal["fast", "slow"],
    day: datetime.date,
    pair: tuple[int, str],
    tags: set[str],
    many: Annotated[list[Place], Field(max_length=2)],
    note: str | None = None,
    made: list[int] = Field(default_factory=lambda: [1]),  # noqa: B008
) -> str:
    return repr((place, size, options, colour, mode, day, pair, tags, [type(item) for item in many], note, made))


GIVEN: dict[str, Any] = {
    "place": {"lat": "1.5"}, "size": {"width": 3}, "options": {"deep": True}, "colour": "red", "mode": "fast",
    "day": "2026-11-22", "pair": [1, "a"], "tags": ["a"], "many": [{"lat": 1}],
}  # fmt: skip


def test_arguments_arrive_as_the_annotations_say() -> None:
    found = schema(everything)
    assert found["required"] == list(GIVEN)
    jsonschema.validate({**GIVEN, "place": {"lat": 1.5}}, found)
    arrived = (Place(lat=1.5), Size(3), {"deep": True}, Colour.RED, "fast", datetime.date(2026, 11, 22), (1, "a"))
    assert run(everything, **GIVEN) == repr((*arrived, {"a"}, [Place], None, [1]))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"place": {"lat": 91}}, ["place.lat", "91", "latitudes end at 90"]),
        ({"place": None}, ["place", "null"]),
        ({"size": {}}, ["size.width", "Field required"]),
        ({"colour": "green"}, ["colour", '"green"', "'red' or 'blue'"]),
        ({"mode": "medium"}, ["mode", '"medium"', "'fast' or 'slow'"]),
        ({"many": [{"lat": 1}, {"lat": "x"}]}, ["many[1].lat", '"x"', "valid number"]),
        ({"many": [{"lat": 1}] * 3}, ["many", "at most 2"]),
        ({"nope": 1}, ["nope", "no such parameter", "place, size"]),
        ({"note": "x" * 5000, "day": "y" * 5000}, ["day", "yyy…"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_mistake_names_the_parameter_the_value_and_what_is_wanted(wrong: dict[str, Any], says: list[str]) -> None:
    said = run(everything, **{**GIVEN, **wrong})
    for word in says:
        assert word in said
    assert "pydantic" not in said
    assert len(said) < 800


def test_what_is_missing_says_what_it_should_be() -> None:
    assert run(google) == (
        "the arguments of google do not fit:\n"
        '- city: it is missing; wanted is {"description": "The city to look at,\\nin English.", "type": "string"}'
    )


def test_many_mistakes_are_told_in_few_lines() -> None:
    def add(numbers: list[int]) -> int:
        return sum(numbers)

    said = run(add, numbers=["x"] * 1000)
    assert said.count("\n") == 11
    assert said.endswith("- and 990 more")


def test_properties_have_no_titles_but_one_may_be_called_so() -> None:
    def book(title: str, pages: int = 3) -> str:
        return title

    assert schema(book) == {
        "type": "object",
        "properties": {"title": {"type": "string"}, "pages": {"type": "integer", "default": 3}},
        "required": ["title"],
        "additionalProperties": False,
    }


# --- what cannot be a tool --------------------------------------------------------------------------------------------


class Connection:
    pass


def with_connection(connection: Connection) -> None: ...
def with_rest(*words: str) -> None: ...
def with_names(**words: str) -> None: ...
def with_a_gap(city: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (with_connection, "'with_connection'.*Connection"),
        (with_rest, r"cannot fill \*words"),
        (with_names, r"cannot fill \*\*words"),
        (with_a_gap, "Nowhere.*\n.*TYPE_CHECKING"),
        (lambda: 1, r"'<lambda>'.*\n.*name="),
    ],
    ids=["type", "rest", "names", "gap", "lambda"],
)
def test_what_a_model_cannot_fill_is_told_when_the_agent_is_built(function: Callable[..., Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Agent("gpt-6-luna", api_key="k", tools=[function])


@pytest.mark.parametrize(
    "options", [{"name": "a b"}, {"name": "x" * 129}, {"timeout": 0}, {"timeout": "soon"}], ids=str
)
def test_a_name_or_a_time_that_cannot_be_is_told(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="name|timeout"):
        Tool(google, **options)


# --- what is no tool --------------------------------------------------------------------------------------------------------


def test_a_positional_parameter_that_is_left_out_has_its_default() -> None:
    def window(start: int = 1, end: int = 9, /, *, step: int = 2) -> list[int]:
        return [start, end, step]

    assert run(window, end=5) == "[1,5,2]"
    assert run(window) == "[1,9,2]"


def test_a_method_without_its_object_is_said_when_the_agent_is_built() -> None:
    class Shop:
        def hours(self, day: str) -> str:
            return day

    assert run(Shop().hours, day="Monday") == "Monday"
    with pytest.raises(ConfigurationError, match="without its object"):
        Agent("local", tools=[Shop.hours])


def test_an_asynchronous_generator_has_no_result() -> None:
    async def lines() -> Any:
        yield "a"

    with pytest.raises(ConfigurationError, match="returns a list"):
        Agent("local", tools=[lines])


def test_a_vendors_own_tool_among_the_functions_is_told_where_it_belongs() -> None:
    for tool in (NativeTool.WEB_SEARCH, NativeTool.WEB_SEARCH(max_uses=1)):
        for given in (tool, [tool]):
            with pytest.raises(ConfigurationError, match="native_tools="):
                Agent("local", tools=given)  # type: ignore[arg-type]
