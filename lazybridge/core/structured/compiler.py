"""A JSON schema as a vendor enforces it, and what of it got lost."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from lazybridge.core.structured.dialects import ANNOTATIONS, STRUCTURE, Dialect
from lazybridge.core.structured.limits import too_large
from lazybridge.core.structured.schemas import LISTED, NAMED, nullable, references, referred, rooted
from lazybridge.core.types import OutputSchema

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Compiled:
    """A schema in a vendor's dialect. `enforced` is False where the dialect cannot say it, and it is as it was given;
    `losses` name what is not enforced, each with its place. What fits the given schema fits this one, once a null stands
    for what is absent."""

    schema: dict[str, Any]
    enforced: bool = True
    losses: tuple[str, ...] = ()

    @property
    def lost(self) -> str:
        """The losses in a few words."""
        more = len(self.losses) - 5
        return "; ".join(self.losses[:5]) + (f"; and {more} more" if more > 0 else "")


def compiled(output: OutputSchema, dialect: Dialect) -> Compiled:
    """The schema as `dialect` says it, with what is lost on the way; all of it is still to be checked in the answer."""
    schema = rooted(dict(output.schema))
    if not output.strict and dialect.otherwise == "guide":
        return Compiled(deepcopy(dict(output.schema)), enforced=False)
    walk = _Walk(schema, dialect)
    try:
        result = walk.node(schema, "$")
        too_much = too_large(result, dialect)
        if too_much is not None:
            raise _CannotSay(too_much)
    except _CannotSay as exc:
        return Compiled(deepcopy(dict(output.schema)), enforced=False, losses=(str(exc),))
    return Compiled(result, losses=tuple(dict.fromkeys(walk.losses)))


class _CannotSay(Exception):
    """The dialect has no words for a part that cannot be left out."""


@dataclass
class _Walk:
    root: Schema
    dialect: Dialect
    losses: list[str] = field(default_factory=list)
    inside: str = ""  # the definition that is being walked

    def node(self, schema: Any, path: str) -> dict[str, Any]:
        if not isinstance(schema, Mapping):
            raise _CannotSay(f"{schema!r} at {path}")
        if "$ref" in schema:
            return self._reference(schema, path)
        if len(schema.get("allOf", ())) == 1 and isinstance(schema["allOf"][0], Mapping):
            rest = {name: value for name, value in schema.items() if name != "allOf"}
            return self.node({**schema["allOf"][0], **rest}, path)
        if self.dialect.typed and not _says_what(schema):
            raise _CannotSay(f"anything at {path}")
        result: dict[str, Any] = {}
        told: dict[str, Any] = {}
        for name, value in schema.items():
            if name in NAMED:
                result[name] = {key: self._named(name, key, item, path) for key, item in value.items()}
            elif name in ("oneOf", "anyOf"):
                if "anyOf" in result:
                    raise _CannotSay(f"oneOf beside anyOf at {path}")
                result["anyOf"] = [self.node(item, path) for item in value]
            elif name in LISTED:
                self._needs(name, path)
                result[name] = [self.node(item, f"{path}[{place}]") for place, item in enumerate(value)]
            elif name == "items" and isinstance(value, Mapping):
                result[name] = self.node(value, f"{path}[]")
            elif name == "additionalProperties":
                result[name] = self.node(value, f"{path}.*") if isinstance(value, Mapping) else value
            elif (
                name == "const"
                and not self._has(name)
                and isinstance(value, (str, int, float))
                and not isinstance(value, bool)
            ):
                result["enum"] = [value]
            elif name in ("patternProperties", "unevaluatedProperties") and not self._has(name):
                raise _CannotSay(f"{name} at {path}")  # left out, it would forbid what it allows
            elif self._takes(name, value, schema):
                result[name] = deepcopy(value)
            elif name not in self.dialect.silent:
                told[name] = value
        self._objects(schema, result, path)
        if self.dialect.typed and "type" not in result and "anyOf" not in result and self.dialect.requires_all:
            result["type"] = _types_of(result)
        self.losses += [f"{name} at {path}" for name in told if name not in ANNOTATIONS]
        if told:
            limits = "{" + ", ".join(f"{name}: {value}" for name, value in told.items()) + "}"
            result["description"] = f"{result['description']}\n\n{limits}" if "description" in result else limits
        return result

    def _named(self, keyword: str, key: str, schema: Any, path: str) -> dict[str, Any]:
        if keyword == "properties":
            return self.node(schema, f"{path}.{key}")
        outer, self.inside = self.inside, f"#/{keyword}/{key}"
        made = self.node(schema, key)
        self.inside = outer
        return made

    def _reference(self, schema: Schema, path: str) -> dict[str, Any]:
        """A reference stands alone: what is said beside it is written out with what it refers to, where that ends."""
        reference = schema["$ref"]
        target = referred(self.root, reference)
        if target is None:
            raise _CannotSay(f"{reference}, which is not in the schema, at {path}")
        loops = self._reaches(target, reference)
        if loops and self.dialect.recursion == "no":
            raise _CannotSay(f"a type that holds itself at {path}")
        beside = {name: value for name, value in schema.items() if name not in ("$ref", "$defs", "definitions")}
        if not loops and beside.keys() - {"default", "title"}:
            return self.node({**target, **beside}, path)
        self.losses += [f"{name} at {path}" for name in beside if name not in ANNOTATIONS]
        result: dict[str, Any] = {"$ref": reference}
        for name in ("$defs", "definitions"):
            if name in schema:
                result[name] = {key: self._named(name, key, item, path) for key, item in schema[name].items()}
        return result

    def _objects(self, schema: Schema, result: dict[str, Any], path: str) -> None:
        """Close an object, and require what is to be required."""
        dialect, properties = self.dialect, schema.get("properties", {})
        kind = schema.get("type")
        if kind != "object" and "properties" not in schema and not (isinstance(kind, list) and "object" in kind):
            return
        if dialect.closes:
            is_open = not properties or schema.get("additionalProperties", False) is not False
            if is_open and not dialect.open_objects:
                raise _CannotSay(f"an object with any properties at {path}")
            result["additionalProperties"] = False
        required = list(schema.get("required", ()))
        if dialect.requires_all:
            for name, item in properties.items():
                if name not in required and "default" not in item and not self._nullable(item):
                    result["properties"][name] = {"anyOf": [result["properties"][name], {"type": "null"}]}
            result["required"] = list(properties)
        elif dialect.recursion == "optional" and self.inside:
            loops = [name for name in required if self._reaches(properties.get(name, {}), self.inside)]
            self.losses += [f"required at {path}.{name}, which holds its own type" for name in loops]
            if loops:
                result["required"] = [name for name in required if name not in loops]

    def _nullable(self, schema: Schema) -> bool:
        target = referred(self.root, schema["$ref"]) if "$ref" in schema else None
        return nullable(schema) or (target is not None and nullable(target))

    def _has(self, name: str) -> bool:
        return self.dialect.keywords is None or name in self.dialect.keywords

    def _needs(self, name: str, path: str) -> None:
        if not self._has(name):
            raise _CannotSay(f"{name} at {path}")

    def _takes(self, name: str, value: Any, schema: Schema) -> bool:
        dialect = self.dialect
        if name == "format" and dialect.formats is not None and "string" in (schema.get("type") or ()):
            return value in dialect.formats
        if name == "minItems" and dialect.item_counts is not None:
            return value in dialect.item_counts
        said = name in _SAID and name not in dialect.silent
        return said or name in STRUCTURE or (self._has(name) and name not in dialect.silent)

    def _reaches(self, start: Schema, wanted: str) -> bool:
        """Whether following references from a schema leads to `wanted`."""
        seen: set[str] = set()
        left = list(references(start))
        while left:
            reference = left.pop()
            if reference == wanted:
                return True
            if reference not in seen:
                seen.add(reference)
                left += references(referred(self.root, reference) or {})
        return False


def _says_what(schema: Schema) -> bool:
    return any(name in schema for name in ("type", "anyOf", "oneOf", "allOf", "enum", "const"))


def _types_of(schema: Schema) -> Any:
    """The type of a schema that only lists its values."""
    values = schema.get("enum", [schema.get("const")])
    found = list(dict.fromkeys(_TYPES[type(value)] for value in values if type(value) in _TYPES))
    return found[0] if len(found) == 1 else found


_SAID = frozenset({"$schema", "title", "description", "propertyOrdering", "property_ordering"})
_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
