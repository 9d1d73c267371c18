"""Schema out, validated object back."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from typing import Any

from lazybridge.core.errors import StructuredOutputError
from lazybridge.core.types import CompletionResponse, OutputSchema

_WRAPPED = "value"


def output_schema(output: Any) -> OutputSchema:
    """The schema of a type (pydantic model, dataclass, `list[X]`, `int`, ...) or of a JSON schema given as a dict.

    Vendors want an object at the root, so any other type is wrapped in one and unwrapped by `parse`.
    """
    if isinstance(output, OutputSchema):
        return output
    if isinstance(output, Mapping):
        return OutputSchema(output, name=_name(output.get("title")))
    from pydantic import TypeAdapter

    schema = TypeAdapter(output).json_schema()
    if schema.get("type") != "object" and "$ref" not in schema:
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
        schema = adapter.json_schema()
        if schema.get("type") != "object" and "$ref" not in schema:
            return adapter.validate_python(json.loads(text)[_WRAPPED])
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

    try:
        jsonschema.validate(value, dict(schema))
    except jsonschema.ValidationError as exc:
        raise ValueError(f"{exc.json_path}: {exc.message}") from exc


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with `additionalProperties: false` on every object that lists its properties."""
    result: dict[str, Any] = _walk(schema, all_required=False)
    return result


def strict(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema as OpenAI's strict mode wants it, or None where it cannot be said there.

    Every object is closed and requires all of its properties, defaults are left out, and a `$ref` stands alone:
    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas, read 2026-11-22.
    """
    if not _can_be_strict(schema):
        return None
    result: dict[str, Any] = _walk(schema, all_required=True)
    return result


def _walk(node: Any, *, all_required: bool) -> Any:
    if isinstance(node, list):
        return [_walk(item, all_required=all_required) for item in node]
    if not isinstance(node, Mapping):
        return node
    if all_required and "$ref" in node:
        return {"$ref": node["$ref"]}
    result = {
        name: {key: _walk(item, all_required=all_required) for key, item in value.items()}
        if name in ("properties", "$defs", "definitions") and isinstance(value, Mapping)
        else value
        if name in ("enum", "const", "default", "examples")
        else _walk(value, all_required=all_required)
        for name, value in node.items()
        if not (all_required and name == "default")
    }
    if "properties" in result:
        result.setdefault("additionalProperties", False)
        if all_required:
            result["required"] = list(result["properties"])
    return result


def _can_be_strict(node: Any) -> bool:
    """Free-form objects have no place in strict mode, nor have optional properties without a null to stand for absence."""
    if isinstance(node, list):
        return all(map(_can_be_strict, node))
    if not isinstance(node, Mapping):
        return True
    if node.get("type") == "object" and (
        not node.get("properties") or node.get("additionalProperties", False) is not False
    ):
        return False
    return all(
        _can_be_strict(value) for name, value in node.items() if name not in ("enum", "const", "default", "examples")
    )


def _name(title: object) -> str:
    """Vendors take letters, digits, `_` and `-`, at most 64 of them."""
    kept = "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in str(title or ""))
    return kept[:64] or "answer"


def _shown(output: Any) -> str:
    return getattr(output, "__name__", None) or (
        "the JSON schema" if isinstance(output, (Mapping, OutputSchema)) else repr(output)
    )
