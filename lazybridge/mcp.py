"""Tools of MCP servers, through the official `mcp` package: `tools=[MCPServer.stdio("python", "server.py")]`."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Any, Self

from lazybridge.core.closing import Closing
from lazybridge.core.errors import ConfigurationError, ToolServerError
from lazybridge.core.errors.secrets import scrub
from lazybridge.core.retry import checked_timeout
from lazybridge.core.types import Message, ToolCall, ToolDefinition
from lazybridge.heard import heard
from lazybridge.mcp_results import answered, message_of
from lazybridge.mcp_session import Connect, Session, stderr_of
from lazybridge.nesting import deadline_within
from lazybridge.tools import Tool

# What OpenAI and Anthropic take in a tool's name (the SDKs' and vendors' references, read 2026-11-22).
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]")


class MCPServer(Closing):
    """The tools of an MCP server: `tools=[MCPServer.stdio("python", "server.py")]`.

    It is opened by the first call that needs it, or by `with` and `async with`, and stays open, for calls of any thread or
    event loop, until it is closed or the program ends. One that has gone away is opened anew by the next call. `timeout` is
    in seconds for opening it and for each of its calls; `prefix` goes before the names of its tools.
    """

    def __init__(self, where: str, connect: Connect, *, timeout: float | None, prefix: str) -> None:
        if importlib.util.find_spec("mcp") is None:
            raise ConfigurationError('MCP servers need the package mcp\npip install "lazybridge[mcp]"')
        self.where, self.timeout, self.prefix = scrub(where, ()), checked_timeout(timeout), prefix
        self._connect = connect
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._closes_at_the_end: Any = None

    @classmethod
    def stdio(
        cls,
        command: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        timeout: float | None = 60.0,
        prefix: str = "",
    ) -> Self:
        """A program that speaks MCP over stdin and stdout. Of this process's environment it gets a few variables, such as
        PATH and HOME; `env` adds more."""

        async def connect(stack: AsyncExitStack, heard: Any) -> Any:
            from mcp import Client, StdioServerParameters
            from mcp.client.stdio import stdio_client

            folder = None if cwd is None else os.fspath(cwd)
            started = StdioServerParameters(
                command=command, args=list(arguments), env=None if env is None else dict(env), cwd=folder
            )
            return await stack.enter_async_context(
                Client(stdio_client(started, stderr_of(stack)), message_handler=heard)
            )

        return cls(" ".join((command, *arguments)), connect, timeout=timeout, prefix=prefix)

    @classmethod
    def http(
        cls, url: str, *, headers: Mapping[str, str] | None = None, timeout: float | None = 60.0, prefix: str = ""
    ) -> Self:
        """A server at a URL that speaks MCP over Streamable HTTP; `headers` go with every request."""

        async def connect(stack: AsyncExitStack, heard: Any) -> Any:
            import httpx2
            from mcp import Client
            from mcp.client.streamable_http import streamable_http_client

            client = httpx2.AsyncClient(headers=dict(headers or {}), timeout=httpx2.Timeout(30.0, read=None))
            http = await stack.enter_async_context(client)
            transport = streamable_http_client(url, http_client=http)
            return await stack.enter_async_context(Client(transport, message_handler=heard))

        return cls(re.sub("//[^/]*@", "//", url.partition("?")[0]), connect, timeout=timeout, prefix=prefix)

    def tools(self) -> list[Tool]:
        """Its tools, with their schemas as the server gives them; opens it where it is closed.

        Raises ToolServerError where it cannot be opened or does not answer.
        """
        session = self._opened()
        if session.listed is None:
            session.listed = self._result(session, self._submitted(session, _listed(session)))
        return [MCPTool(self, tool) for tool in session.listed]

    def open(self) -> None:
        """Start or connect to it now. Raises ToolServerError where that fails."""
        self._opened()

    def close(self) -> None:
        """Close the connection, and end the program that was started for it."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            self._closes_at_the_end.detach()
            session.stop()

    async def aclose(self) -> None:
        """`close`, without blocking the event loop."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        self.open()
        return self

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.open)
        return self

    def _opened(self) -> Session:
        with self._lock:
            session = self._session
            if session is None:
                session = self._session = Session(self._connect, self._seconds())
                self._closes_at_the_end = weakref.finalize(self, session.stop)
        try:
            session.client()
        except Exception as exc:  # a program that does not start, a network that is not there, a wrong protocol
            self._forget(session)
            raise self._error(exc, "cannot be opened") from exc
        return session

    def _seconds(self) -> float | None:
        return deadline_within(self.timeout).left()

    def _forget(self, session: Session) -> None:
        with self._lock:
            if self._session is session:
                self._session = None
        session.stop(0)  # it is of no use any more: nobody waits for its end

    def _begun(self, session: Session, name: str, arguments: Mapping[str, Any]) -> Future[Any]:
        seconds = self._seconds()
        return self._submitted(session, session.client().call_tool(name, dict(arguments), read_timeout_seconds=seconds))

    def _submitted(self, session: Session, work: Any) -> Future[Any]:
        try:
            return session.submit(work)
        except ConnectionError as exc:
            raise self._error(exc, "failed") from exc

    def _result(self, session: Session, work: Future[Any]) -> Any:
        try:
            return work.result(self._seconds())
        except Exception as exc:
            work.cancel()
            raise self._failed(session, exc) from exc

    async def _aresult(self, session: Session, work: Future[Any]) -> Any:
        try:
            async with asyncio.timeout(self._seconds()):
                return await asyncio.wrap_future(work)
        except asyncio.CancelledError as exc:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise self._error(ConnectionError("it was closed meanwhile"), "failed") from exc
        except Exception as exc:
            raise self._failed(session, exc) from exc

    def _failed(self, session: Session, exc: Exception) -> ToolServerError:
        from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        if (code := getattr(exc, "code", None)) == CONNECTION_CLOSED:
            self._forget(session)
            return self._error(exc, "has gone away; the next call opens it anew")
        if code == REQUEST_TIMEOUT or isinstance(exc, TimeoutError):
            return ToolServerError(f"the MCP server {self.where!r} did not answer in time")
        return self._error(exc, "failed")

    def _error(self, exc: BaseException, what: str) -> ToolServerError:
        while isinstance(exc, BaseExceptionGroup):
            exc = exc.exceptions[0]
        if isinstance(exc, TimeoutError):
            what, exc = "did not open in time", TimeoutError(f"timeout={self.timeout}")
        return ToolServerError(f"the MCP server {self.where!r} {what}: {type(exc).__name__}: {exc}")

    def __repr__(self) -> str:
        return f"MCPServer({self.where!r}, {'open' if self._session is not None else 'closed'})"

    def __str__(self) -> str:
        return f"{self.prefix}@{self.where}"


async def _listed(session: Session) -> list[Any]:
    page = await session.client().list_tools()
    tools = [*page.tools]
    while page.next_cursor is not None:
        page = await session.client().list_tools(cursor=page.next_cursor)
        tools += page.tools
    return tools


class MCPTool(Tool):
    """A tool that an MCP server runs."""

    def __init__(self, server: MCPServer, tool: Any) -> None:
        self._server, self._its_name = server, tool.name
        name = _NOT_IN_A_NAME.sub("_", server.prefix + tool.name)
        super().__init__(self.call, name=name, description=tool.description or tool.title or "")
        self._schema = tool.input_schema

    @property
    def definition(self) -> ToolDefinition:  # given, not made from a signature
        """What the model is told of this tool."""
        return ToolDefinition(self.name, self.description, self._schema)

    def call(self, /, **arguments: Any) -> Any:
        """What the server gives for these arguments, as the package's CallToolResult. Raises ToolServerError."""
        session = self._server._opened()
        return self._server._result(session, self._server._begun(session, self._its_name, arguments))

    @heard
    def run(self, call: ToolCall) -> Message:
        """The result of one call."""
        try:
            if call.error:
                raise ToolServerError(call.error)
            return answered(call, self.call(**call.arguments))
        except ToolServerError as error:
            return message_of(call, str(error), is_error=True)

    @heard
    async def arun(self, call: ToolCall) -> Message:
        """`run`, on the running event loop; the server is told where it is cancelled."""
        try:
            if call.error:
                raise ToolServerError(call.error)
            session = await asyncio.to_thread(self._server._opened)
            work = self._server._begun(session, self._its_name, call.arguments)
            return answered(call, await self._server._aresult(session, work))
        except ToolServerError as error:
            return message_of(call, str(error), is_error=True)
