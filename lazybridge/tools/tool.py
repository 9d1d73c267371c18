"""One tool: a function, what the model is told of it, and how a call of it becomes a result."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from lazybridge.awaiting import is_async, wait
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.retry import checked_timeout
from lazybridge.core.types import Message, ToolCall, ToolDefinition
from lazybridge.heard import heard
from lazybridge.tools.apart import in_thread
from lazybridge.tools.docstrings import documented
from lazybridge.tools.results import failure, refused, success
from lazybridge.tools.schema import Parameters

# Every vendor's names fit; the narrowest takes letters, digits, _ and -, at most 64 of them.
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class Tool:
    """A function that a model may call: plain or asynchronous, a method, a `functools.partial`, or any callable.

    `name` is the function's own unless given; `description` is its docstring, without the sections about parameters,
    which describe those. Arguments are checked and converted by pydantic, as the annotations say; what does not fit goes
    back to the model. `timeout` is in seconds, None for the agent's `tool_timeout`.
    Raises ConfigurationError for a name, a parameter or a time that cannot be.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
    ) -> None:
        if not callable(function):
            raise TypeError(f"a tool is a function, got {function!r}")
        if inspect.isasyncgenfunction(function):
            raise ConfigurationError(
                f"{function.__name__} is an asynchronous generator, which has no result\nwrite one that returns a list"
            )
        self.function = function
        self.name = name or _name_of(function)
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"{self.name!r} is no name of a tool: it has letters, digits, _ and -\n"
                'Tool(function, name="...") gives one'
            )
        self.timeout = checked_timeout(timeout)
        self.description = description if description is not None else self._documented.text

    @cached_property
    def _documented(self) -> Any:
        return documented(self.function)

    @cached_property
    def _parameters(self) -> Parameters:
        return Parameters(self.function, self.name, self._documented.parameters)

    @cached_property
    def definition(self) -> ToolDefinition:
        """What the model is told of this tool."""
        return ToolDefinition(self.name, self.description, self._parameters.schema)

    @heard
    def run(self, call: ToolCall) -> Message:
        """The result of one call; an exception of the function becomes an error that the model can read."""
        try:
            positions, named = self._parameters.bound(call)
        except Exception as exc:  # a validator of the user's own may raise anything
            return refused(call, exc)
        try:
            value = self.function(*positions, **named)
            return success(call, wait(value) if inspect.isawaitable(value) else value)
        except Exception as exc:  # whatever a user's function raises is the model's to hear
            return failure(call, exc)

    @heard
    async def arun(self, call: ToolCall) -> Message:
        """`run`, on the running event loop; a synchronous function goes to a thread, which is left behind where this is
        cancelled."""
        try:
            positions, named = self._parameters.bound(call)
        except Exception as exc:
            return refused(call, exc)
        called = functools.partial(self.function, *positions, **named)
        try:
            value = called() if is_async(self.function) else await in_thread(called, self.name)
            return success(call, await value if inspect.isawaitable(value) else value)
        except Exception as exc:
            return failure(call, exc)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"


def _name_of(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
