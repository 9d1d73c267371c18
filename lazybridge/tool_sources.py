"""What `tools=` may hold besides functions: agents, and sources whose tools are listed when a call begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

from lazybridge.composed import AnyCall, Ask, Composed, Do, Steps
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.native_tools import ConfiguredTool, NativeTool
from lazybridge.core.types import CompletionRequest, ToolDefinition
from lazybridge.envelope import Envelope
from lazybridge.tools import Tool

AnyTool = Tool | ToolDefinition | Callable[..., Any]


@runtime_checkable
class ToolSource(Protocol):
    """Something that has tools, such as an MCP server."""

    def tools(self) -> Sequence[Tool]:
        """Its tools; opens it where it is closed."""
        ...


class Sorted(NamedTuple):
    """The tools that are known when the agent is built, and the sources of the others."""

    known: tuple[AnyTool, ...]
    sources: tuple[ToolSource, ...]


def sorted_out(tools: Any) -> Sorted:
    """What `tools=` was given: an agent becomes its tool."""
    alone = (
        isinstance(tools, (Tool, ToolDefinition, ToolSource, ConfiguredTool))
        or callable(tools)
        or hasattr(tools, "as_tool")
    )
    if not alone and not isinstance(tools, Iterable):
        raise ConfigurationError(f"tools={tools!r} are no tools\nwrite tools=[function, agent, server]")
    given = (tools,) if alone else tuple(tools)
    native = [tool for tool in given if isinstance(tool, (NativeTool, ConfiguredTool))]
    if native:
        raise ConfigurationError(f"{native[0]!r} is run by the vendor\nwrite native_tools=[...]")
    sources = tuple(tool for tool in given if isinstance(tool, ToolSource))
    known = (tool for tool in given if not isinstance(tool, ToolSource))
    return Sorted(tuple(tool.as_tool() if hasattr(tool, "as_tool") else tool for tool in known), sources)


class SourcedCall(Composed):
    """One call whose tools are listed first."""

    def __init__(
        self,
        make: Callable[[CompletionRequest, Sequence[Tool]], AnyCall],
        request: CompletionRequest,
        tools: Sorted,
    ) -> None:
        super().__init__(request.timeout)
        self._make, self._request, self._tools = make, request, tools

    def _steps(self) -> Steps:
        found: list[Tool] = []
        for source in self._tools.sources:
            found += yield Do(source.tools)
        request = _with(self._request, found)
        envelope: Envelope[Any] = yield Ask(lambda: self._make(request, found), live=True)
        return envelope


def listed(request: CompletionRequest, tools: Sorted) -> CompletionRequest:
    """A request with the tools of every source; opens those that are closed."""
    return _with(request, [tool for source in tools.sources for tool in source.tools()]) if tools.sources else request


def _with(request: CompletionRequest, found: Sequence[Tool]) -> CompletionRequest:
    return replace(request, tools=(*request.tools, *(tool.definition for tool in found)))
