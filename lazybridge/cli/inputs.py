"""What the user typed and piped, as arguments of an Agent."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

# `-o` of these would bypass what the command does with them.
_NOT_BY_OPTION = {"engine": "name the model with -m", "tools": "tools need Python", "output": "use --schema"}


def stdin_is_terminal() -> bool:
    """Whether nothing is piped in; a closed stdin holds nothing either."""
    return sys.stdin is None or sys.stdin.closed or sys.stdin.isatty()


def task(prompt: str | None, attached: bool) -> str:
    """The prompt, and what is piped in below it. Raises UsageError where both are empty and nothing is attached."""
    try:
        parts = [prompt or "", "" if stdin_is_terminal() else sys.stdin.read()]
        text = "\n\n".join(part for part in parts if part.strip())
        text.encode()  # bytes that are no text may have been read as surrogates
    except UnicodeError:
        raise click.UsageError("the prompt is not text; attach a file with -a FILE") from None
    if not text and not attached:
        raise click.UsageError('the prompt is empty: write lazybridge "your prompt", or pipe text in')
    return text


def options(context: click.Context, parameter: click.Parameter, given: Iterable[str]) -> dict[str, Any]:
    """`key=value` pairs; a value that is JSON is taken as JSON, any other as text."""
    found: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():  # the text is not repeated: it may be a key
            raise click.BadParameter("write key=value, for example -o temperature=0", context, parameter)
        if name in _NOT_BY_OPTION:
            raise click.BadParameter(f"{name} cannot be set here; {_NOT_BY_OPTION[name]}", context, parameter)
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def schema(context: click.Context, parameter: click.Parameter, given: str | None) -> dict[str, Any] | None:
    """The JSON schema that the user wrote, or named a file of."""
    if given is None:
        return None
    text = given if given.lstrip().startswith("{") else _read(given, context, parameter)
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise click.BadParameter(f"not valid JSON: {exc}", context, parameter) from None
    if not isinstance(found, dict):
        raise click.BadParameter("a schema is a JSON object", context, parameter)
    problem = _problem(found)
    if problem is not None:
        raise click.BadParameter(f"not a JSON schema: {problem}", context, parameter)
    return found


def _read(path: str, context: click.Context, parameter: click.Parameter) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "not text"
        raise click.BadParameter(f"cannot read the schema file {path!r}: {why}", context, parameter) from None


def _problem(found: dict[str, Any]) -> str | None:
    if importlib.util.find_spec("jsonschema") is None:
        return None
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(found).check_schema(found)
    except SchemaError as exc:
        return f"{exc.json_path}: {exc.message}"
    return None


def model_ids(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The ids that a shell offers: those of the providers with a class, without reading any row."""
    from lazybridge.core import catalogue, registry

    ids = [id for provider in registry.provider_names() for id in catalogue.ids(provider)]
    return [id for id in ids if id.startswith(incomplete)]
