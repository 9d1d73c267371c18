"""How large a schema may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lazybridge.core.structured.dialects import Dialect
from lazybridge.core.structured.schemas import inner, referred

Schema = Mapping[str, Any]


def too_large(schema: Schema, dialect: Dialect) -> str | None:
    """Of what a compiled schema has more than the dialect allows; None where it fits."""
    nodes = list(_nodes(schema))
    for what, most, count in (
        ("properties", dialect.properties, _properties),
        ("words to choose from", dialect.enum_values, _words),
        ("letters in names and words", dialect.letters, _letters),
        ("optional properties", dialect.optional, _optional),
        ("unions", dialect.unions, _unions),
        ("levels of objects", dialect.depth, _levels),
    ):
        found = 0 if most is None else count(nodes)
        if most is not None and found > most:
            return f"{found} {what}, where {most} are the most"
    return None


def _nodes(schema: Any) -> Iterator[Schema]:
    if isinstance(schema, Mapping):
        yield schema
        for _, item in inner(schema):
            yield from _nodes(item)


def _properties(nodes: list[Schema]) -> int:
    return sum(len(node.get("properties", {})) for node in nodes)


def _words(nodes: list[Schema]) -> int:
    return sum(len(node.get("enum", ())) for node in nodes)


def _letters(nodes: list[Schema]) -> int:
    names = (name for node in nodes for key in ("properties", "$defs", "definitions") for name in node.get(key, {}))
    words = (word for node in nodes for word in (*node.get("enum", ()), node.get("const", "")))
    return sum(len(str(word)) for words_of in (names, words) for word in words_of)


def _optional(nodes: list[Schema]) -> int:
    return sum(len(set(node.get("properties", {})) - set(node.get("required", ()))) for node in nodes)


def _unions(nodes: list[Schema]) -> int:
    return sum("anyOf" in node or isinstance(node.get("type"), list) for node in nodes)


def _levels(nodes: list[Schema]) -> int:
    return _depth(nodes[0], nodes[0], ())


def _depth(schema: Any, root: Schema, above: tuple[str, ...]) -> int:
    """How many objects stand in each other; a type that holds itself counts once."""
    if not isinstance(schema, Mapping):
        return 0
    reference = schema.get("$ref")
    if reference is not None:
        return 0 if reference in above else _depth(referred(root, reference), root, (*above, reference))
    found = [_depth(item, root, above) for name, item in inner(schema) if name not in ("$defs", "definitions")]
    return ("properties" in schema) + max(found, default=0)
