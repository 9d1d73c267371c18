"""The parameters of a function: a JSON schema for the model, and a check of what it writes."""

from __future__ import annotations

import functools
import inspect
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.types import ToolCall

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError
    from pydantic.fields import FieldInfo

# More than any model writes in one call for good reason.
MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 64
_SHOWN_ERRORS, _SHOWN_CHARACTERS = 10, 200


class Parameters:
    """What a model may give to a function; `descriptions` are those of its docstring.

    Raises ConfigurationError for a parameter that a model cannot fill or whose type has no JSON schema.
    """

    def __init__(self, function: Callable[..., Any], tool: str, descriptions: Mapping[str, str]) -> None:
        self._tool = tool
        self._fields: dict[str, FieldInfo] = {}
        self._parameters = _signature(function, tool)
        self._adapter = self._adapted(descriptions)
        self.schema = self._described()

    def _adapted(self, descriptions: Mapping[str, str]) -> TypeAdapter[dict[str, Any]]:
        """A pydantic adapter of the parameters; a parameter with a default may be left out."""
        from typing import NotRequired

        from pydantic import TypeAdapter, with_config
        from pydantic.fields import FieldInfo
        from typing_extensions import TypedDict

        types: dict[str, Any] = {}
        for name, parameter in self._parameters.items():
            annotation, field = _typed(parameter, descriptions.get(name))
            if field is not None:
                self._fields[name] = field
            required = field is None and (
                parameter.default is parameter.empty or isinstance(parameter.default, FieldInfo)
            )
            types[name] = annotation if required else NotRequired[annotation]
        typed: Any = TypedDict("Arguments", types)  # type: ignore[misc]  # the functional form, built at run time
        with self._explained():
            configured: Any = with_config(extra="forbid", arbitrary_types_allowed=True)(typed)
            return TypeAdapter(configured)

    def _described(self) -> dict[str, Any]:
        from pydantic_core import PydanticSerializationError, to_jsonable_python

        with self._explained():
            schema = self._adapter.json_schema(schema_generator=_untitled())
        schema.pop("title", None)
        properties = schema.setdefault("properties", {})
        for name, parameter in self._parameters.items():
            field = self._fields.get(name)
            default = parameter.default if field is None else field.default
            if name in properties and default is not None and default is not parameter.empty:
                with suppress(PydanticSerializationError):  # it has no JSON; the model may leave it out all the same
                    properties[name]["default"] = to_jsonable_python(default)
        return schema

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Says of pydantic's complaint about a type which tool it is about, and what to write."""
        from pydantic.errors import PydanticUserError

        try:
            yield
        except (PydanticUserError, NameError, TypeError) as exc:
            said = str(exc).split("\n\nFor further information")[0]
            raise ConfigurationError(
                f"tool {self._tool!r}: pydantic has no JSON schema for a parameter: {said}\n"
                "annotate it with a plain type, a BaseModel, a dataclass, a TypedDict, an Enum or a Literal"
            ) from exc

    def bound(self, call: ToolCall) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call as the function takes them: by position, and by name.

        Raises ValueError, in words for the model, where they do not fit.
        """
        from pydantic import ValidationError

        _check_bounds(call)
        if call.error:
            raise ValueError(call.error)
        try:
            arguments = self._adapter.validate_json(json.dumps(dict(call.arguments)))
        except ValidationError as exc:
            raise ValueError(f"the arguments of {self._tool} do not fit:\n{self._readable(exc)}") from None
        for name, field in self._fields.items():
            if name not in arguments:
                arguments[name] = field.get_default(call_default_factory=True, validated_data=arguments)
        positions: list[Any] = []
        for name, parameter in self._parameters.items():
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positions.append(arguments.pop(name, parameter.default))
        return positions, arguments

    def _readable(self, exc: ValidationError) -> str:
        """Each mistake in a line: where, what was written, what is wanted."""
        lines = []
        for error in exc.errors(include_url=False, include_context=False):
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
            if error["type"] == "missing" and where in self.schema["properties"]:
                what = f"it is missing; wanted is {_short(self.schema['properties'][where])}"
            elif error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
                what = f"there is no such parameter; there are {', '.join(self.schema['properties']) or 'none'}"
            else:
                what = f"got {_short(error['input'])}: {error['msg']}"
            lines.append(f"- {where or 'arguments'}: {what}")
        more = [f"- and {len(lines) - _SHOWN_ERRORS} more"] if len(lines) > _SHOWN_ERRORS else []
        return "\n".join(lines[:_SHOWN_ERRORS] + more)


def _signature(function: Callable[..., Any], tool: str) -> dict[str, inspect.Parameter]:
    try:
        parameters = dict(inspect.signature(function, eval_str=True).parameters)
    except NameError as exc:
        raise ConfigurationError(
            f"tool {tool!r}: an annotation names what is not there: {exc}\n"
            "define the type at the top of its module, or import it there outside of `if TYPE_CHECKING:`"
        ) from exc
    except ValueError as exc:  # some functions written in C
        raise ConfigurationError(f"tool {tool!r} has no signature\nwrap it in a function with annotations") from exc
    for name in _given(function):
        parameters.pop(name, None)
    for place, parameter in enumerate(parameters.values()):
        if place == 0 and parameter.name in ("self", "cls") and parameter.annotation is parameter.empty:
            raise ConfigurationError(
                f"tool {tool!r} is a method without its object\nwrite tools=[instance.method], not tools=[Class.method]"
            )
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigurationError(
                f"tool {tool!r}: the model cannot fill {str(parameter).partition(':')[0]}\n"
                "write a plain parameter with a name and a type"
            )
    return parameters


def _given(function: Callable[..., Any]) -> set[str]:
    """What `functools.partial` has filled by name: the model neither sees nor changes it."""
    names: set[str] = set()
    while isinstance(function, functools.partial):
        names |= set(function.keywords)
        function = function.func
    return names


def _typed(parameter: inspect.Parameter, documented: str | None) -> tuple[Any, FieldInfo | None]:
    """The type of a parameter with its description, and the pydantic field that has its default, where one has."""
    from pydantic import Field
    from pydantic.fields import FieldInfo

    annotation: Any = Any if parameter.annotation is parameter.empty else parameter.annotation
    notes = annotation.__metadata__ if typing.get_origin(annotation) is Annotated else ()
    fields = [note for note in (parameter.default, *notes) if isinstance(note, FieldInfo)]
    words = [getattr(note, "documentation", note) for note in notes]  # typing_extensions.Doc has it
    said = next((word for word in words if isinstance(word, str)), documented)
    if said and not any(field.description for field in fields):
        annotation = Annotated[annotation, Field(description=said)]
    if isinstance(parameter.default, FieldInfo):
        annotation = Annotated[annotation, parameter.default]
    if parameter.default is not parameter.empty and not isinstance(parameter.default, FieldInfo):
        return annotation, None  # the function has its own
    return annotation, next((field for field in fields if not field.is_required()), None)


@functools.cache
def _untitled() -> Any:
    """A generator of schemas whose properties have no titles: those only repeat the names, for tokens."""
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    return Untitled


def _check_bounds(call: ToolCall) -> None:
    """Raise ValueError for arguments that are larger or deeper than any function wants them."""
    characters = len(call.raw_arguments or "")
    level: list[Any] = [call.arguments]
    for depth in range(MAX_DEPTH + 2):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, Mapping):
                characters += sum(map(len, value)) if call.raw_arguments is None else 0
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, str) and call.raw_arguments is None:
                characters += len(value)
        if depth > MAX_DEPTH and inner:
            raise ValueError(f"the arguments are nested deeper than {MAX_DEPTH} levels; write them flatter")
        if characters + len(inner) > MAX_CHARACTERS:
            raise ValueError(f"the arguments are longer than {MAX_CHARACTERS} characters; write less at once")
        level = inner


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
