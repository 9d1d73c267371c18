"""Tools that the caller runs: a function, its schema, and how a call becomes a result."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Any

from lazybridge.awaiting import wait
from lazybridge.core.content import ContentBlock
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.types import Message, ToolCall, ToolDefinition
from lazybridge.heard import heard


class Tool:
    """A function that a model may call. Its parameters need annotations; the docstring's first paragraph is what the
    model reads. Arguments are checked by pydantic, and a wrong one goes back to the model as an error."""

    def __init__(
        self, function: Callable[..., Any], *, name: str | None = None, description: str | None = None
    ) -> None:
        if not callable(function):
            raise TypeError(f"a tool is a function, got {function!r}")
        self.function = function
        self.name = name or str(getattr(function, "__name__", type(function).__name__))
        self.description = description if description is not None else _first_paragraph(function)

    @cached_property
    def _arguments(self) -> Any:
        """A pydantic adapter of the parameters; a parameter with a default may be left out."""
        from typing import NotRequired

        from pydantic import TypeAdapter, with_config
        from pydantic.fields import FieldInfo
        from typing_extensions import TypedDict

        fields: dict[str, Any] = {}
        for name, parameter in self._parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise ConfigurationError(
                    f"tool {self.name!r}: the model cannot fill *{name}\nwrite a plain parameter with a name and a type"
                )
            annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
            required = parameter.default is parameter.empty
            if isinstance(parameter.default, FieldInfo):
                annotation, required = Annotated[annotation, parameter.default], parameter.default.is_required()
            fields[name] = annotation if required else NotRequired[annotation]
        typed: Any = TypedDict("Arguments", fields)  # type: ignore[misc]  # the functional form, built at run time
        return TypeAdapter(with_config(extra="forbid", arbitrary_types_allowed=True)(typed))

    @cached_property
    def _parameters(self) -> dict[str, inspect.Parameter]:
        return dict(inspect.signature(self.function, eval_str=True).parameters)

    @cached_property
    def definition(self) -> ToolDefinition:
        """What the model is told of this tool."""
        schema = self._arguments.json_schema()
        schema.pop("title", None)
        properties = schema.setdefault("properties", {})
        for name, parameter in self._parameters.items():
            if name in properties and isinstance(parameter.default, (str, int, float, bool)):
                properties[name]["default"] = parameter.default
        return ToolDefinition(self.name, self.description, schema)

    def _validated(self, call: ToolCall) -> dict[str, Any]:
        if call.error:
            raise ValueError(call.error)
        arguments: dict[str, Any] = self._arguments.validate_python(dict(call.arguments))
        for name, parameter in self._parameters.items():
            if name not in arguments and hasattr(parameter.default, "get_default"):  # pydantic's Field(...)
                arguments[name] = parameter.default.get_default(call_default_factory=True)
        return arguments

    @heard
    def run(self, call: ToolCall) -> Message:
        """The result of one call; an exception of the function becomes an error that the model can read."""
        try:
            value = self.function(**self._validated(call))
            return _success(call, wait(value) if inspect.isawaitable(value) else value)
        except Exception as exc:  # whatever a user's function raises is the model's to hear
            return _failure(call, exc)

    @heard
    async def arun(self, call: ToolCall) -> Message:
        """`run`, on the running event loop; a synchronous function goes to a thread."""
        try:
            arguments = self._validated(call)
            if inspect.iscoroutinefunction(self.function):
                value = await self.function(**arguments)
            else:
                value = await asyncio.to_thread(self.function, **arguments)
                if inspect.isawaitable(value):
                    value = await value
            return _success(call, value)
        except Exception as exc:
            return _failure(call, exc)


class Toolbox:
    """The tools of an agent, by name."""

    definitions: tuple[ToolDefinition, ...]

    def __init__(self, tools: Iterable[Tool | ToolDefinition | Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self.definitions = ()
        for tool in (tools,) if isinstance(tools, (Tool, ToolDefinition)) or callable(tools) else tools:
            definition = tool if isinstance(tool, ToolDefinition) else self._add(tool)
            if definition.name in map(attrgetter("name"), self.definitions):
                raise ConfigurationError(
                    f'two tools are called {definition.name!r}\nTool(function, name="...") renames one'
                )
            self.definitions += (definition,)

    def _add(self, tool: Tool | Callable[..., Any]) -> ToolDefinition:
        made = tool if isinstance(tool, Tool) else Tool(tool)
        self._tools[made.name] = made
        return made.definition

    @property
    def runnable(self) -> frozenset[str]:
        """The tools that have a function here; the calls of others are the caller's."""
        return frozenset(self._tools)

    def run(self, calls: Sequence[ToolCall]) -> list[Message]:
        """One result for each call, in order."""
        return [self._tools[call.name].run(call) if call.name in self._tools else self._unknown(call) for call in calls]

    async def arun(self, calls: Sequence[ToolCall]) -> list[Message]:
        """`run`, on the running event loop."""
        return [
            await self._tools[call.name].arun(call) if call.name in self._tools else self._unknown(call)
            for call in calls
        ]

    @heard
    def _unknown(self, call: ToolCall) -> Message:
        return _failure(call, LookupError(f"there is no tool {call.name!r}; there are {', '.join(self._tools)}"))


def _success(call: ToolCall, value: Any) -> Message:
    return Message.tool(_content(value), tool_call_id=call.id, name=call.name)


def _content(value: Any) -> Any:
    """A tool's result as the model gets it: text as it is, images and documents as they are, anything else as JSON."""
    if isinstance(value, str | ContentBlock):
        return value if isinstance(value, str) else [value]
    if isinstance(value, (list, tuple)) and any(isinstance(item, ContentBlock) for item in value):
        return [item if isinstance(item, str | ContentBlock) else _as_json(item) for item in value]
    return _as_json(value)


def _as_json(value: Any) -> str:
    from pydantic_core import to_json

    try:
        return to_json(value, fallback=_own_json, by_alias=False).decode()
    except UnicodeDecodeError:  # bytes that are no text
        return to_json(value, fallback=_own_json, by_alias=False, bytes_mode="base64").decode()


def _own_json(value: Any) -> Any:
    return json.loads(value.model_dump_json()) if hasattr(value, "model_dump_json") else str(value)


def _failure(call: ToolCall, exc: Exception) -> Message:
    return Message.tool(f"{type(exc).__name__}: {exc}", tool_call_id=call.id, name=call.name, is_error=True)


def _first_paragraph(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").split("\n\n", 1)[0].replace("\n", " ")
