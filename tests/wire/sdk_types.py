"""Checks a request body against the SDK's own TypedDict, with unknown keys forbidden at every level.

pydantic alone is too kind here: it lets unknown keys through, coerces, takes the SDK's answer models where a body may
hold only JSON, and reads `Iterable[...]` fields lazily, so that nothing inside them is looked at. So its schema of the
SDK's type is taken and tightened; the SDK's classes are left as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

# Fields at the top of a body that a vendor takes and its SDK's types do not have yet, as (wire, field, source).
EXTENSIONS: frozenset[tuple[str, str, str]] = frozenset(
    {
        # Only so does a stream say which service tier served: recorded exchanges of groq, where it was sent and taken.
        ("groq", "stream_options", "groq-bfc11b9ff9d2"),
    }
)


def body_errors(wire: str, body: Mapping[str, Any]) -> list[str]:
    """What does not fit, as "path: reason"; empty for a body that the SDK's types allow.

    `wire` is one of `WIRES`; the streaming type is taken where the body streams.
    """
    known = {field for name, field, _ in EXTENSIONS if name == wire}
    body = {field: value for field, value in body.items() if field not in known}
    if wire == "mistral":
        return _mistral_errors(body)
    try:
        if wire == "gemini":
            _gemini(body)
        else:
            validator(wire, bool(body.get("stream"))).validate_python(body)
    except ValidationError as exc:
        return _told(exc)
    return []


def _mistral_errors(body: Mapping[str, Any]) -> list[str]:
    """What mistralai would send otherwise: its models drop unknown keys, coerce, and keep what they do not know apart.

    So a body that they read and write again unchanged, without anything unknown in it, is one of theirs.
    """
    from mistralai.client.models import ChatCompletionRequest

    try:
        read = ChatCompletionRequest.model_validate(body)
    except ValidationError as exc:
        return _told(exc)
    if unknown := sorted(_unknown(read)):
        return unknown
    return _differences(body, read.model_dump(by_alias=True, mode="json", exclude_unset=True), "")


def _unknown(value: Any) -> set[str]:
    """Parts of types and words of enumerations that the SDK has no name for."""
    from mistralai.client.types import UnrecognizedStr

    if isinstance(value, UnrecognizedStr):
        return {f"unknown word {value!r}"}
    if getattr(value, "is_unknown", False):
        return {f"unknown part {value.raw!r}"}
    if isinstance(value, BaseModel):
        return set().union(*map(_unknown, vars(value).values()))
    if isinstance(value, (list, tuple)):
        return set().union(*map(_unknown, value))
    return set()


def _differences(sent: Any, written: Any, place: str) -> list[str]:
    if isinstance(sent, Mapping) and isinstance(written, Mapping):
        return [
            error
            for name in {**sent, **written}
            for error in (
                _differences(sent[name], written[name], f"{place}.{name}")
                if name in sent and name in written
                else [f"{place}.{name}: only in {'the body' if name in sent else 'what the SDK sends'}"]
            )
        ]
    if isinstance(sent, list) and isinstance(written, list) and len(sent) == len(written):
        return [
            error
            for index, pair in enumerate(zip(sent, written, strict=True))
            for error in _differences(*pair, f"{place}.{index}")
        ]
    same = sent == written and (type(sent) is type(written) or {type(sent), type(written)} == {int, float})
    return [] if same else [f"{place}: {sent!r} is not {written!r}"]


def _gemini(body: Mapping[str, Any]) -> None:
    """google-genai's request models, which forbid unknown keys themselves; the body's JSON is turned back into the shape of
    their parameters, by the paths of `_GenerateContentConfig_to_mldev` in google-genai 3.4.0 `models.py`."""
    from google.genai import types

    rest = {name: value for name, value in body.items() if name not in ("model", "contents", "generationConfig")}
    config = {**body.get("generationConfig", {}), **rest}
    whole = {"model": body["model"], "contents": body["contents"], "config": config}
    types._GenerateContentParameters.model_validate_json(json.dumps(whole))
    for content in body["contents"]:
        types.Content.model_validate_json(json.dumps(content))


def _told(exc: ValidationError) -> list[str]:
    """The errors, without those of a union's members that are plainly not meant: their `type` or `role` is another."""
    errors = exc.errors(include_url=False, include_input=False, include_context=False)
    others = [error["loc"][:-1] for error in errors if _names_another_member(error)]
    meant = [
        error
        for error in errors
        if error["type"] not in ("is_instance_of", "string_type")
        and not any(error["loc"][: len(prefix)] == prefix for prefix in others)
    ]
    return [f"{'.'.join(str(part)[:60] for part in error['loc'])}: {error['msg']}" for error in meant or errors]


def _names_another_member(error: Any) -> bool:
    place = error["loc"]
    return error["type"] == "literal_error" and place[-1] in ("type", "role") and isinstance(place[-2], str)


@cache
def validator(wire: str, stream: bool) -> SchemaValidator:
    """The tightened validator of one SDK type."""
    return SchemaValidator(tightened_schema(wire, stream))


def tightened_schema(wire: str, stream: bool) -> Any:
    """pydantic's core schema of the SDK's type: unknown keys forbidden, no coercion, iterables read to their end."""
    config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
    # A TypedDict without a config of its own takes that of what stands around it.
    whole = TypeAdapter(list[_params(wire, stream)], config=config).core_schema  # type: ignore[misc]
    return _item(_tight(whole))


def _params(wire: str, stream: bool) -> Any:
    if wire == "groq":
        from groq.types.chat import completion_create_params as groq

        return groq.CompletionCreateParams
    if wire in ("chat", "fal"):
        from openai.types.chat import completion_create_params as chat

        return chat.CompletionCreateParamsStreaming if stream else chat.CompletionCreateParamsNonStreaming
    if wire == "responses":
        from openai.types.responses import response_create_params as responses

        return responses.ResponseCreateParamsStreaming if stream else responses.ResponseCreateParamsNonStreaming
    from anthropic.types import message_create_params as messages

    return messages.MessageCreateParamsStreaming if stream else messages.MessageCreateParamsNonStreaming


def _tight(node: Any) -> Any:
    """The same schema without its three ways out: lazy iterables, open objects, and the SDK's answer models as input."""
    if isinstance(node, list):
        return [_tight(item) for item in node]
    if isinstance(node, tuple):
        return tuple(_tight(item) for item in node)
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    if kind == "model":  # anthropic takes its own answer objects back; a JSON body holds none
        return {"type": "is-instance", "cls": node["cls"], **({"ref": node["ref"]} if "ref" in node else {})}
    result = {name: _tight(value) for name, value in node.items()}
    if kind == "generator":
        result["type"] = "list"
    if kind == "typed-dict" and not _open(node):
        result["extra_behavior"] = "forbid"
    return result


def _open(node: dict[str, Any]) -> bool:
    """Whether the SDK itself says that more keys may stand here: only the root of a tool's JSON schema."""
    return (node.get("config") or {}).get("extra_fields_behavior") == "allow"


def _item(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of the list's item, beside its definitions."""
    if schema["type"] == "definitions":
        return {**schema, "schema": _item(schema["schema"])}
    item: dict[str, Any] = schema["items_schema"]
    return item
