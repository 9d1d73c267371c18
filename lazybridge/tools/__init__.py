"""Tools that the caller runs: a function, its schema, how a call becomes a result, and how many run at once."""

from lazybridge.core.errors import ToolError
from lazybridge.tools.running import CallTools, Toolbox
from lazybridge.tools.tool import Tool

__all__ = ["CallTools", "Tool", "ToolError", "Toolbox"]
