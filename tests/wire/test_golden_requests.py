"""Request bodies: pinned, valid by the SDK's own types, and the request's own untouched."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from lazybridge.core import catalogue
from lazybridge.core.types import CompletionRequest
from tests.wire import sdk_types
from tests.wire.requests import CASES, CHAT, GOLDEN, VENDORS, WIRES, everything, golden_path, models, variants, written
from tests.wire.sdk_types import EXTENSIONS, body_errors

PAIRS = [pytest.param(wire, case, id=f"{wire}-{case}") for wire in WIRES for case in CASES]


@pytest.mark.parametrize(("wire", "case"), PAIRS)
def test_the_body_and_its_adjustments_are_the_golden_ones(wire: str, case: str) -> None:
    golden = json.loads(golden_path(wire, case).read_text(encoding="utf-8"))
    assert json.loads(json.dumps(written(wire, case))) == golden


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("wire", "case"), [pair for pair in PAIRS if pair.id != "gemini-extra_body"])  # others' words
def test_the_body_is_valid_by_the_sdks_own_types(wire: str, case: str, stream: bool) -> None:
    for variant, request in variants(wire, case).items():
        for model in models(wire, case):
            call = WIRES[wire].to_sdk_kwargs(request, catalogue.profile(VENDORS[wire], model), stream)
            assert body_errors(wire, call.body) == [], (variant, model)


@pytest.mark.parametrize("wire", WIRES)
def test_streaming_adds_its_own_keys_and_changes_nothing_else(wire: str) -> None:
    added = {"stream": True, **({"stream_options": {"include_usage": True}} if wire in CHAT else {})}
    if wire == "gemini":
        added = {}  # the URL says it
    for name, model, request in everything():
        if name == wire:
            profile = catalogue.profile(VENDORS[wire], model)
            whole = WIRES[wire].to_sdk_kwargs(request, profile, False)
            streamed = WIRES[wire].to_sdk_kwargs(request, profile, True)
            assert streamed.body == {**whole.body, **added}
            assert streamed.adjustments == whole.adjustments


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {
        golden_path(wire, case).name for wire in WIRES for case in CASES
    }


# --- the request is left as it was ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
def test_building_a_body_leaves_the_request_as_it_was(wire: str) -> None:
    for name, model, request in everything():
        if name == wire:
            before = copy.deepcopy(request)
            WIRES[wire].to_sdk_kwargs(request, catalogue.profile(VENDORS[wire], model), stream=False)
            assert request == before


@pytest.mark.parametrize("wire", WIRES)
def test_the_body_shares_nothing_that_can_change_with_the_request(wire: str) -> None:
    for name, model, request in everything():
        if name == wire:
            body = WIRES[wire].to_sdk_kwargs(request, catalogue.profile(VENDORS[wire], model), stream=False).body
            assert _containers(body).keys().isdisjoint(_containers(request))


@pytest.mark.parametrize("wire", WIRES)
def test_two_bodies_of_one_request_share_nothing(wire: str) -> None:
    for name, model, request in everything():
        if name == wire:
            profile = catalogue.profile(VENDORS[wire], model)
            first, second = (WIRES[wire].to_sdk_kwargs(request, profile, stream=False).body for _ in range(2))
            assert _containers(first).keys().isdisjoint(_containers(second))


def _containers(value: Any) -> dict[int, Any]:
    """Every list and dict inside a value, by identity."""
    return {id(item): item for item in _walk(value)}


def _walk(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield value
        for item in value.values():
            yield from _walk(item)
    elif isinstance(value, (list, tuple)):
        if isinstance(value, list):
            yield value
        for item in value:
            yield from _walk(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _walk(getattr(value, field.name))


# --- the check itself bites -------------------------------------------------------------------------------------------


def _valid(wire: str) -> dict[str, Any]:
    request = CASES["tool_turn"]["parallel, one an image"]
    profile = catalogue.profile(VENDORS[wire], models(wire, "tool_turn")[0])
    return WIRES[wire].to_sdk_kwargs(request, profile, stream=False).body


# For each wire the way to an object deep in its messages, and a key that this object must have.
DEEP = {
    **dict.fromkeys(CHAT, (("messages", 1, "tool_calls", 0, "function"), "arguments")),
    "responses": (("input", 4, "output", 1), "type"),
    "messages": (("messages", 2, "content", 0, "content", 1, "source"), "media_type"),
    "mistral": (("messages", 1, "tool_calls", 0, "function"), "arguments"),
}


def _inside(body: Any, path: tuple[Any, ...]) -> dict[str, Any]:
    for step in path:
        body = body[step]
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize("wire", DEEP)
def test_the_check_refuses_an_unknown_key_deep_inside(wire: str) -> None:
    body, (path, _) = _valid(wire), DEEP[wire]
    assert body_errors(wire, body) == []
    _inside(body, path)["surprise"] = 1
    assert any("surprise" in error for error in body_errors(wire, body))


@pytest.mark.parametrize("wire", DEEP)
def test_the_check_refuses_a_missing_key_deep_inside(wire: str) -> None:
    body, (path, required) = _valid(wire), DEEP[wire]
    del _inside(body, path)[required]
    assert any(required in error for error in body_errors(wire, body))


@pytest.mark.parametrize("wire", DEEP)
@pytest.mark.parametrize(
    "change", [{"surprise": 1}, {"model": None}, {"stream": "yes"}, {"tools": [{"surprise": {}}]}, {"metadata": []}]
)
def test_the_check_refuses_a_wrong_top_level(wire: str, change: dict[str, Any]) -> None:
    assert body_errors(wire, {**_valid(wire), **change}) != []


def test_the_check_coerces_nothing() -> None:
    assert body_errors("messages", {**_valid("messages"), "max_tokens": "100"}) != []
    assert body_errors("mistral", {**_valid("mistral"), "max_tokens": "100"}) != []


@pytest.mark.parametrize(
    "change",
    [
        {"tool_choice": "whatever"},
        {"messages": [{"role": "user", "content": [{"type": "video", "video": "x"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "surprise": 1}]}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "surprise": 1}}},
        {"seed": 1},
        {"max_completion_tokens": 1},
        {"stream_options": {"include_usage": True}},
    ],
)
def test_the_check_of_mistrals_bodies_bites(change: dict[str, Any]) -> None:
    assert body_errors("mistral", {**_valid("mistral"), **change}) != []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", ["chat", "responses", "messages"])  # Mistral's SDK is asked in another way
def test_no_object_of_the_sdks_type_is_open_or_read_lazily(wire: str, stream: bool) -> None:
    nodes = list(_nodes(sdk_types.tightened_schema(wire, stream)))
    kinds = {node["type"] for node in nodes}
    assert kinds.isdisjoint({"generator", "model", "model-fields", "dataclass"})
    still_open = {node["cls"].__name__ for node in nodes if node["type"] == "typed-dict" and not _closed(node)}
    assert still_open <= {"InputSchemaTyped"}  # the JSON schema of a tool, open by the SDK's own word
    assert len(nodes) > 200


def _closed(node: dict[str, Any]) -> bool:
    return node.get("extra_behavior") == "forbid"


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value
        for item in value.values():
            yield from _nodes(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _nodes(item)


def test_what_is_sent_and_the_sdks_types_do_not_know_is_listed() -> None:
    assert {(wire, field) for wire, field, _ in EXTENSIONS} == {("groq", "stream_options")}


def test_every_field_of_a_request_is_in_some_golden_request() -> None:
    given: set[str] = set()
    for _, _, request in everything():
        given |= {field.name for field in fields(CompletionRequest) if getattr(request, field.name) not in (None, ())}
    elsewhere = {"model", "extra_headers", "timeout", "ttft", "idle", "strict"}  # not part of a body
    assert given | elsewhere == {field.name for field in fields(CompletionRequest)}
