"""Schema out, validated object back."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from lazybridge.core.errors import ConfigurationError, StructuredOutputError
from lazybridge.core.types import CompletionResponse, OutputSchema

_WRAPPED = "value"


def output_schema(output: Any) -> OutputSchema:
    """The schema of a type (pydantic model, dataclass, `list[X]`, `int`, ...) or of a JSON schema given as a dict.

    Vendors want an object at the root, so any other type is wrapped in one and unwrapped by `parse`. Raises
    ConfigurationError for a JSON schema where nothing is installed to check the answer against it.
    """
    if isinstance(output, (OutputSchema, Mapping)) and importlib.util.find_spec("jsonschema") is None:
        raise ConfigurationError("a JSON schema as output needs the package jsonschema\npip install jsonschema")
    if isinstance(output, OutputSchema):
        return output
    if isinstance(output, Mapping):
        return OutputSchema(output, name=_name(output.get("title")))
    from pydantic import TypeAdapter

    schema = _rooted(TypeAdapter(output).json_schema())
    if schema.get("type") != "object":
        definitions = schema.pop("$defs", None)
        schema = {"type": "object", "properties": {_WRAPPED: schema}, "required": [_WRAPPED]}
        if definitions:
            schema["$defs"] = definitions
    return OutputSchema(schema, name=_name(schema.get("title") or getattr(output, "__name__", None)))


def parse(output: Any, response: CompletionResponse) -> Any:
    """The answer as the asked type. Raises StructuredOutputError, with the text, where it does not fit."""
    text = response.last_text or response.content
    try:
        if response.stop_reason == "max_tokens":
            raise ValueError("the answer was cut off at max_tokens")
        if isinstance(output, (Mapping, OutputSchema)):
            value = json.loads(text)
            validate(value, output.schema if isinstance(output, OutputSchema) else output)
            return value
        from pydantic import TypeAdapter

        adapter = TypeAdapter(output)
        if _rooted(adapter.json_schema()).get("type") != "object":
            text_of_value = json.dumps(json.loads(text)[_WRAPPED])
            return adapter.validate_json(text_of_value)  # as JSON: strict types take a date's text there alone
        return adapter.validate_json(text)
    except (ValueError, KeyError, TypeError) as exc:  # pydantic's ValidationError is a ValueError
        error = StructuredOutputError(f"the answer does not fit {_shown(output)}: {exc}")
        error.partial_text = text
        raise error from exc


def validate(value: Any, schema: Mapping[str, Any]) -> None:
    """Check a value against a JSON schema. Raises ValueError naming the path; needs the `jsonschema` package, else no check."""
    if importlib.util.find_spec("jsonschema") is None:
        return
    import jsonschema
    from referencing.exceptions import Unresolvable

    try:
        jsonschema.validate(value, dict(schema))
    except Unresolvable as exc:
        raise ValueError(f"the schema itself is wrong: {exc}") from exc
    except jsonschema.SchemaError as exc:
        raise ValueError(f"the schema itself is wrong at {exc.json_path}: {exc.message}") from exc
    except jsonschema.ValidationError as exc:
        raise ValueError(f"{exc.json_path}: {exc.message}") from exc


def _rooted(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what its root refers to (a recursive type) written out: vendors want `type` at the root."""
    _, _, name = schema.get("$ref", "").rpartition("/$defs/")
    if not name:
        return schema
    return {**schema["$defs"][name], "$defs": schema["$defs"]}


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with `additionalProperties: false` on every object that lists its properties."""
    result: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _NAMED_SCHEMAS:
            result[name] = {key: closed(item) for key, item in value.items()}
        elif name in ("anyOf", "oneOf", "allOf"):
            result[name] = [closed(item) for item in value]
        elif name in ("items", "additionalProperties") and isinstance(value, Mapping):
            result[name] = closed(value)
        else:
            result[name] = deepcopy(value)
    if "properties" in result:
        result.setdefault("additionalProperties", False)
    return result


def described(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema as Anthropic takes it: what its grammar cannot enforce stands in the descriptions, for the model to read.

    The rules are those of `anthropic.transform_schema`, 2.12.0: the API refuses `minimum`, `pattern`, `default` and
    other keywords, and `oneOf`. A free-form object is left as it is, which the API refuses; closed it would only be empty.
    """
    result: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _NAMED_SCHEMAS:
            result[name] = {key: described(item) for key, item in value.items()}
        elif name == "items" and isinstance(value, Mapping):
            result[name] = described(value)
        elif name in ("anyOf", "oneOf", "allOf"):
            result["allOf" if name == "allOf" else "anyOf"] = [described(item) for item in value]
        elif (
            name in ("$ref", "type", "title", "description", "required", "enum", "const", "additionalProperties")
            or (name == "format" and value in _ANTHROPIC_FORMATS)
            or (name == "minItems" and value in (0, 1))
        ):
            result[name] = deepcopy(value)
        elif name != "$schema":  # names the dialect, limits nothing
            rest[name] = value
    if "$ref" in result:
        return {name: result[name] for name in ("$defs", "$ref") if name in result}
    if "properties" in result:
        result["additionalProperties"] = False
    if rest:
        limits = "{" + ", ".join(f"{name}: {value}" for name, value in rest.items()) + "}"
        result["description"] = f"{result['description']}\n\n{limits}" if "description" in result else limits
    return result


def strict(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema as OpenAI's strict mode wants it, or None where it cannot be said there.

    Every object is closed and requires all of its properties, defaults are left out, `oneOf` is said as `anyOf`, and a
    `$ref` stands alone: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas, read 2026-11-22.
    """
    rooted = _rooted(dict(schema))
    return _strict(rooted) if _can_be_strict(rooted) else None


def _strict(node: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    result: dict[str, Any] = {}
    for name, value in node.items():
        if name in _NAMED_SCHEMAS:
            result[name] = {key: _strict(item) for key, item in value.items()}
        elif name in ("anyOf", "oneOf"):
            result["anyOf"] = [_strict(item) for item in value]
        elif name == "items" and isinstance(value, Mapping):
            result[name] = _strict(value)
        elif name not in ("default", "discriminator"):
            result[name] = deepcopy(value)
    if "properties" in result:
        result["additionalProperties"] = False
        result["required"] = list(result["properties"])
    return result


def _can_be_strict(node: Any) -> bool:
    """Free-form objects have no place in strict mode, nor have properties that may be absent and have no word for it.

    A null or a default is such a word.
    """
    if not isinstance(node, Mapping) or not _NEVER_STRICT.isdisjoint(node):
        return False
    if "$ref" in node:
        return True
    properties = node.get("properties", {})
    if node.get("type") == "object" and (not properties or node.get("additionalProperties", False) is not False):
        return False
    if any(
        name not in node.get("required", ()) and "default" not in item and not _nullable(item)
        for name, item in properties.items()
    ):
        return False
    inner = [item for name in _NAMED_SCHEMAS for item in node.get(name, {}).values()]
    inner += [item for name in ("anyOf", "oneOf") for item in node.get(name, ())]
    inner += [node["items"]] if "items" in node else []
    return all(map(_can_be_strict, inner))


def _nullable(node: Mapping[str, Any]) -> bool:
    kind = node.get("type")
    return kind == "null" or (isinstance(kind, list) and "null" in kind) or any(map(_nullable, node.get("anyOf", ())))


# Keywords that hold schemas by name.
_NAMED_SCHEMAS = ("properties", "$defs", "definitions")
# The guide above lists these as not supported; a tuple's `prefixItems` and an array without `items` have no form there.
_NEVER_STRICT = frozenset(
    {"allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties", "prefixItems"}
)
# anthropic 2.12.0 `lib/_parse/_transform.py`.
_ANTHROPIC_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)


def _name(title: object) -> str:
    """Vendors take ASCII letters, digits, `_` and `-`, at most 64 of them."""
    kept = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in str(title or "")
    )
    return kept[:64] or "answer"


def _shown(output: Any) -> str:
    return getattr(output, "__name__", None) or (
        "the JSON schema" if isinstance(output, (Mapping, OutputSchema)) else repr(output)
    )
