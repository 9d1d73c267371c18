"""An answer's text as an object of the asked type."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

from lazybridge.core.errors import StructuredOutputError
from lazybridge.core.structured.schemas import WRAPPED, is_wrapped, nullable, referred, schema_of
from lazybridge.core.types import CompletionResponse, OutputSchema

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# Of a text that goes wrong again and again no more beginnings are tried, nor errors told.
_MOST_BEGINNINGS = 20
_MOST_ERRORS = 10


class Reader:
    """Reads answers as one type: a pydantic model, dataclass, `list[X]`, or a JSON schema."""

    def __init__(self, output: Any) -> None:
        self.output = output
        self._last: CompletionResponse | None = None
        self._value: Any = None
        self._error: StructuredOutputError | None = None

    def read(self, response: CompletionResponse) -> Any:
        """The answer as the asked type. Raises StructuredOutputError, with the text, where it does not fit."""
        if self._last is not response:
            self._last, self._value, self._error = response, None, None
            try:
                self._value = self._read(response)
            except StructuredOutputError as error:
                self._error = error
        if self._error is not None:
            raise self._error
        return self._value

    def complaint(self, response: CompletionResponse) -> str | None:
        """What to tell the model about an answer that does not fit; None for one that does, and where telling it would
        not help: it was cut off, it refused, or the schema itself is wrong."""
        try:
            self.read(response)
        except StructuredOutputError as error:
            return _told(error) if error.reason == "invalid" else None
        return None

    @cached_property
    def adapter(self) -> TypeAdapter[Any] | None:
        """What checks the type; None for a JSON schema."""
        if isinstance(self.output, (Mapping, OutputSchema)):
            return None
        from pydantic import TypeAdapter

        return TypeAdapter(self.output)

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of the value itself."""
        return self.output.schema if isinstance(self.output, OutputSchema) else schema_of(self.output)

    @cached_property
    def wrapped(self) -> bool:
        """Whether the value comes inside an object."""
        return not isinstance(self.output, OutputSchema) and is_wrapped(self.schema)

    def _read(self, response: CompletionResponse) -> Any:
        text = response.last_text or response.content
        shown = _shown(self.output)
        if response.stop_reason == "max_tokens":
            raise _error(
                "truncated", text, f"the answer does not fit {shown}: it was cut off at max_tokens; raise max_tokens"
            )
        if response.stop_reason in ("refusal", "content_filter"):
            who = "the model refused" if response.stop_reason == "refusal" else "the vendor's filter stopped the answer"
            raise _error("refused", text, f"{who}, so there is no {shown}: {text or 'it gave no reason'}")
        try:
            return self._checked(_json_in(text))
        except (ValueError, KeyError, TypeError) as exc:  # pydantic's ValidationError is a ValueError
            reason = "schema" if isinstance(exc, WrongSchema) else "invalid"
            raise _error(reason, text, f"the answer does not fit {shown}: {exc}", _errors(exc)) from exc

    def _checked(self, source: str) -> Any:
        """The value that a JSON text stands for. Where a null stands for what may be absent, it is left out."""
        value = json.loads(source)
        if isinstance(value, dict) and WRAPPED in value and self.wrapped:
            value = value[WRAPPED]
            source = json.dumps(value)  # as JSON: strict types take a date's text there alone
        try:
            return self._fitting(source, value)
        except WrongSchema:
            raise
        except ValueError:
            filled = without_nulls(value, [self.schema], self.schema)
            if filled == value:
                raise
            return self._fitting(json.dumps(filled), filled)

    def _fitting(self, source: str, value: Any) -> Any:
        if self.adapter is not None:
            return self.adapter.validate_json(source)
        validate(value, self.schema)
        return value


def parse(output: Any, response: CompletionResponse) -> Any:
    """The answer as the asked type. Raises StructuredOutputError, with the text, where it does not fit."""
    return Reader(output).read(response)


class WrongSchema(ValueError):
    """The schema itself is wrong: no answer fits it."""


def validate(value: Any, schema: Mapping[str, Any]) -> None:
    """Check a value against a JSON schema. Raises ValueError naming the path; needs the `jsonschema` package, else no check."""
    if importlib.util.find_spec("jsonschema") is None:
        return
    import jsonschema
    from referencing.exceptions import Unresolvable

    try:
        jsonschema.validate(value, dict(schema))
    except Unresolvable as exc:
        raise WrongSchema(f"the schema itself is wrong: {exc}") from exc
    except jsonschema.SchemaError as exc:
        raise WrongSchema(f"the schema itself is wrong at {exc.json_path}: {exc.message}") from exc
    except jsonschema.ValidationError as exc:
        raise ValueError(f"{exc.json_path}: {exc.message}") from exc


def without_nulls(value: Any, schemas: Iterable[Any], root: Mapping[str, Any]) -> Any:
    """The value without the properties that are null where one of its schemas lets them be absent, but not null."""
    if not isinstance(value, (dict, list)):
        return value
    known = _branches(schemas, root)
    if isinstance(value, list):
        items = [schema.get("items") for schema in known]
        return [without_nulls(item, items, root) for item in value]
    result = {}
    for name, item in value.items():
        if item is None and any(_absent(name, schema, root) for schema in known):
            continue
        inner = [schema.get("properties", {}).get(name, schema.get("additionalProperties")) for schema in known]
        result[name] = without_nulls(item, inner, root)
    return result


def _branches(schemas: Iterable[Any], root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Schemas, with those that they refer to and choose from; each once, for types that hold themselves branch at every level."""
    found: dict[int, Mapping[str, Any]] = {}
    left = list(schemas)
    while left:
        schema = left.pop()
        if isinstance(schema, Mapping) and id(schema) not in found:
            found[id(schema)] = schema
            left += [item for name in ("anyOf", "oneOf", "allOf") for item in schema.get(name, ())]
            left += [referred(root, schema["$ref"])] if "$ref" in schema else []
    return list(found.values())


def _absent(name: str, schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Whether a null stands for a property that is not there."""
    properties = schema.get("properties", {})
    return name in properties and name not in schema.get("required", ()) and not _takes_null(properties[name], root)


def _takes_null(schema: Any, root: Mapping[str, Any]) -> bool:
    if not isinstance(schema, Mapping):
        return True
    target = referred(root, schema["$ref"]) if "$ref" in schema else schema
    return (
        target is None or nullable(target) or not ({"type", "enum", "const", "anyOf", "oneOf", "allOf"} & set(target))
    )


def _json_in(text: str) -> str:
    """The JSON of an answer: all of it, or the one object in it, where a vendor in JSON mode wrote prose or a code fence
    around it. Raises ValueError where there is none, or more than one."""
    try:
        json.loads(text)
    except (ValueError, RecursionError) as exc:
        found = _objects_in(text)
        if len(found) == 1:
            return found[0]
        why = f"there are {len(found)} JSON objects in it" if found else f"it is no JSON ({exc})"
        raise ValueError(why) from exc
    return text


def _objects_in(text: str) -> list[str]:
    decoder, found, tried = json.JSONDecoder(), [], 0
    start = text.find("{")
    while start >= 0 and tried < _MOST_BEGINNINGS:
        try:
            _, end = decoder.raw_decode(text, start)
            found.append(text[start:end])
        except (ValueError, RecursionError):
            tried, end = tried + 1, start + 1
        start = text.find("{", end)
    return found


def _error(reason: str, text: str, message: str, errors: tuple[dict[str, Any], ...] = ()) -> StructuredOutputError:
    error = StructuredOutputError(message)
    error.partial_text, error.reason, error.errors = text, reason, errors
    return error


def _errors(exc: Exception) -> tuple[dict[str, Any], ...]:
    """What is wrong and where, one entry each: `loc`, `msg`, `type`, and `input` where there is one."""
    listed = getattr(exc, "errors", None)
    if callable(listed):  # pydantic's
        return tuple(listed(include_url=False, include_context=False))
    cause = exc.__cause__
    path = tuple(getattr(cause, "absolute_path", ()))
    return (
        {"type": getattr(cause, "validator", None) or "json", "loc": path, "msg": getattr(cause, "message", str(exc))},
    )


def _told(error: StructuredOutputError) -> str:
    lines = []
    for item in error.errors[:_MOST_ERRORS]:
        place = ".".join(map(str, item["loc"]))
        got = f", got {_short(repr(item['input']))}" if "input" in item and item["type"] != "missing" else ""
        lines.append(f"- {place + ': ' if place else ''}{item['msg']}{got}")
    more = len(error.errors) - len(lines)
    lines += [f"- and {more} more"] if more > 0 else []
    wrong = "\n".join(lines)
    return (
        f"That answer does not fit what was asked for:\n{wrong}\nGive the whole answer again, corrected, as JSON alone."
    )


def _short(text: str, limit: int = 100) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _shown(output: Any) -> str:
    if isinstance(output, (Mapping, OutputSchema)):
        return "the JSON schema"
    return output.__name__ if isinstance(output, type) and not get_args(output) else repr(output)
