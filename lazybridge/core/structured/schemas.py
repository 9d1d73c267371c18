"""A type as the JSON schema of an object."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.types import OutputSchema

WRAPPED = "value"
# Keywords that hold schemas by name, in a list, or one.
NAMED = ("properties", "$defs", "definitions")
LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE = ("items", "additionalProperties")


def output_schema(output: Any) -> OutputSchema:
    """The schema of a type (pydantic model, dataclass, `list[X]`, `int`, ...) or of a JSON schema given as a dict.

    Vendors want an object at the root, so any other one is wrapped in `{"value": ...}`, and unwrapped when it comes back;
    an `OutputSchema` is taken as it is. Raises ConfigurationError for what is no type and no schema, and for a JSON schema
    where nothing is installed to check the answer against it.
    """
    if isinstance(output, (OutputSchema, Mapping)) and importlib.util.find_spec("jsonschema") is None:
        raise ConfigurationError("a JSON schema as output needs the package jsonschema\npip install jsonschema")
    if isinstance(output, OutputSchema):
        return output
    schema = schema_of(output)
    title = schema.get("title") or getattr(output, "__name__", None)
    return OutputSchema(wrapped(schema) if is_wrapped(schema) else schema, name=_name(title))


def schema_of(output: Any) -> dict[str, Any]:
    """The schema of a type, or the one that is given, with what its root refers to written out."""
    if isinstance(output, Mapping):
        return rooted(dict(output))
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

    try:
        return rooted(TypeAdapter(output).json_schema())
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError) as exc:
        why = str(exc).partition("\n")[0]
        raise ConfigurationError(
            f"output={output!r} is no type that JSON has a schema for: {why}\n"
            "write output=MyModel, a pydantic model, a dataclass, list[...], int, or a JSON schema as a dict"
        ) from exc


def is_wrapped(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is sent inside an object, as its property `value`; one that leaves its root open is not."""
    if schema.get("type") is not None:
        return bool(schema["type"] != "object")
    return any(name in schema for name in ("anyOf", "oneOf", "allOf", "enum", "const", "items")) or not (
        "properties" in schema or "required" in schema or "$ref" in schema
    )


def wrapped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object whose `value` is that of `schema`."""
    inner = {name: value for name, value in schema.items() if name not in ("$defs", "definitions", "$schema")}
    result = {"type": "object", "properties": {WRAPPED: inner}, "required": [WRAPPED]}
    return result | {name: schema[name] for name in ("$defs", "definitions", "$schema") if name in schema}


def rooted(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what its root refers to (a recursive type) written out: vendors want `type` at the root."""
    _, _, name = schema.get("$ref", "").rpartition("/$defs/")
    if not name or name not in schema.get("$defs", {}):
        return schema
    return {**schema["$defs"][name], "$defs": schema["$defs"]}


def referred(root: Mapping[str, Any], reference: str) -> Mapping[str, Any] | None:
    """What a local reference points to; None where it points elsewhere or nowhere."""
    found: Any = root
    if not reference.startswith("#"):
        return None
    for part in filter(None, reference[1:].split("/")):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None


def nullable(node: Mapping[str, Any]) -> bool:
    """Whether a schema says by itself that it takes null."""
    kind = node.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind) or None in node.get("enum", ()):
        return True
    return any(
        nullable(item) for name in ("anyOf", "oneOf") for item in node.get(name, ()) if isinstance(item, Mapping)
    )


def inner(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas inside one, each with the keyword that holds it."""
    for name in NAMED:
        for item in schema.get(name, {}).values():
            yield name, item
    for name in LISTED:
        for item in schema.get(name, ()):
            yield name, item
    for name in SINGLE:
        if name in schema:
            yield name, schema[name]


def references(schema: Mapping[str, Any]) -> Iterator[str]:
    """What a schema refers to, outside its definitions."""
    if "$ref" in schema:
        yield schema["$ref"]
    for name, item in inner(schema):
        if name not in ("$defs", "definitions") and isinstance(item, Mapping):
            yield from references(item)


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with `additionalProperties: false` on every object that lists its properties."""
    result: dict[str, Any] = {}
    for name, value in schema.items():
        if name in NAMED:
            result[name] = {key: closed(item) for key, item in value.items()}
        elif name in LISTED:
            result[name] = [closed(item) for item in value]
        elif name in SINGLE and isinstance(value, Mapping):
            result[name] = closed(value)
        else:
            result[name] = deepcopy(value)
    if "properties" in result:
        result.setdefault("additionalProperties", False)
    return result


def _name(title: object) -> str:
    """Vendors take ASCII letters, digits, `_` and `-`, at most 64 of them."""
    kept = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in str(title or "")
    )
    return kept[:64] or "answer"
