"""An MCP server made with the official package: `python mcp_server.py`, or with a port for Streamable HTTP."""

import os
import sys
import time
from typing import Annotated

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ImageContent, TextContent
from pydantic import BaseModel, Field

server = MCPServer("tests", log_level="ERROR")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


class Weather(BaseModel):
    city: str
    degrees: int


@server.tool()
def add(first: Annotated[int, Field(ge=0, description="A number from 0.")], second: int) -> int:
    """Adds two numbers."""
    return first + second


@server.tool()
def weather(city: str) -> Weather:
    """The weather of a city."""
    return Weather(city=city, degrees=21)


@server.tool(structured_output=False)
def draw() -> list[object]:
    """Draws."""
    return ["A dot.", Image(data=PNG, format="png")]


@server.tool()
def summary() -> CallToolResult:
    """Words beside data."""
    return CallToolResult(content=[TextContent(text="Three rows.")], structured_content={"rows": [1, 2, 3]})


@server.tool(structured_output=False)
def blot(data: str) -> CallToolResult:
    """An image that is none."""
    return CallToolResult(content=[ImageContent(data=data, mime_type="image/png")])


@server.tool()
def introduce(self: str) -> str:
    """Has a parameter that Python's methods have."""
    return f"I am {self}."


@server.tool()
def fail() -> str:
    """Fails."""
    raise ToolError("out of paper")


@server.tool(name="odd.name/of tool")
def odd() -> str:
    """Has a name that no vendor takes."""
    return "odd"


@server.tool()
def slow(seconds: float) -> str:
    """Waits."""
    time.sleep(seconds)
    return "done"


@server.tool()
def die() -> str:
    """Ends the program."""
    os._exit(3)


@server.tool()
def where() -> str:
    """The id of this process, and a variable."""
    return f"{os.getpid()} {os.environ.get('GREETING')} {os.environ.get('OPENAI_API_KEY')}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
