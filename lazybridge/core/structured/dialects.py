"""What each vendor's enforced output can say of JSON Schema, as data. All read 2026-11-22."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Dialect:
    """The part of JSON Schema that an API enforces; what a default leaves open, it can say.

    `keywords` limit a value, beside those that every dialect has; `formats` are those of strings; `item_counts` the values
    that `minItems` may have. `silent` are keywords that are left out unsaid, for they limit nothing; what else is left out
    is told in the description. `closes`: every object that lists its properties takes no others. `open_objects`: an object
    may have properties that are not listed. `requires_all`: a property cannot be absent; null stands for that. `typed`:
    a schema must say what it is. `recursion`: a type may hold itself; "optional" where it may only do so in properties that
    can be absent. `depth` is of objects in objects; `properties`, `enum_values`, `letters` (of names and of words to choose
    from), `optional` properties and `unions` are counts of the whole schema. `otherwise` is what becomes of a schema that
    cannot be said: it is sent as a "guide", which nobody enforces, or "told" in the instructions.
    """

    name: str
    keywords: frozenset[str] | None = None
    formats: frozenset[str] | None = None
    item_counts: tuple[int, ...] | None = None
    silent: frozenset[str] = frozenset()
    closes: bool = True
    open_objects: bool = False
    requires_all: bool = False
    typed: bool = False
    recursion: Literal["yes", "optional", "no"] = "yes"
    depth: int | None = None
    properties: int | None = None
    enum_values: int | None = None
    letters: int | None = None
    optional: int | None = None
    unions: int | None = None
    otherwise: Literal["guide", "told"] = "guide"


# Say something about a schema, but limit no value.
ANNOTATIONS = frozenset(
    {"$schema", "$id", "$anchor", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "discriminator", "propertyOrdering", "property_ordering"}
)  # fmt: skip
# Every dialect has these.
STRUCTURE = frozenset({"type", "enum", "properties", "required", "items", "anyOf", "$defs", "definitions", "$ref"})
_STRING_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})

# https://platform.openai.com/docs/guides/structured-outputs#supported-schemas. `minLength` and `maxLength` are not among
# what it lists, though openai 3.54 `lib/_pydantic.py` lets them through. A default is refused:
# https://github.com/openai/openai-agents-python/issues/474. Recursion is taken:
# https://github.com/egonSchiele/agency-lang/issues/487.
OPENAI = Dialect(
    "strict mode",
    keywords=frozenset({"const", "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"}),
    formats=_STRING_FORMATS,
    silent=frozenset({"default", "discriminator", "examples", "deprecated", "readOnly", "writeOnly"}),
    requires_all=True,
    typed=True,
    depth=10,
    properties=5000,
    enum_values=1000,
    letters=120_000,
)  # fmt: skip

# A server of one's own makes a grammar of the schema as it is: llama.cpp's (xllamacpp 2026.10.11549) heeds all that the
# tests ask of it.
SERVER = Dialect("the server's grammar", closes=False, open_objects=True)

# https://console.groq.com/docs/structured-outputs: all properties required, every object closed; no figures are given.
GROQ = replace(OPENAI, name="Groq's strict mode", depth=None, properties=None, enum_values=None, letters=None)

# mistralai 3.7.0 `extra/utils/_pydantic_helper.py` closes every object and changes nothing else; it closes a free-form
# object, too, which can then only be empty. Recorded requests with `format`, `$defs` and `$schema` were taken.
MISTRAL = Dialect("Mistral's strict mode")

# anthropic 2.12.0 `lib/_parse/_transform.py`; the counts: https://platform.claude.com/docs/en/build-with-claude/structured-outputs,
# as https://hex.pm/packages/lang_schema has them; a type that holds itself is a 400 ("Circular reference"):
# https://github.com/egonSchiele/agency-lang/issues/487. A free-form object is refused.
ANTHROPIC = Dialect(
    "Anthropic's structured output",
    keywords=frozenset({"const", "format", "minItems", "allOf"}),
    formats=_STRING_FORMATS | {"uri"},
    item_counts=(0, 1),
    silent=frozenset({"$schema"}),
    typed=True,
    recursion="no",
    optional=24,
    unions=16,
    otherwise="told",
)

# google-genai 3.4.0 `types.py`, `GenerateContentConfig.response_json_schema`, which lists what is enforced.
GEMINI = Dialect(
    "Gemini's structured output",
    keywords=frozenset({"format", "prefixItems", "minItems", "maxItems", "minimum", "maximum", "additionalProperties"}),
    silent=frozenset({"default", "discriminator", "examples", "deprecated", "readOnly", "writeOnly"}),
    closes=False,
    open_objects=True,
    recursion="optional",
)
