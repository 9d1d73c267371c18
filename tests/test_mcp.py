"""MCP servers as tools: a real process made with the official package's server, over stdio and Streamable HTTP, and real
SDKs against a loopback vendor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazybridge import Agent, MCPServer, ToolServerError
from lazybridge.core.content import ImageContent
from lazybridge.core.types import Message, ToolCall
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor
from tests.four_ways import Mode, by_astream, by_call, by_run, by_stream

PROGRAM = str(Path(__file__).with_name("mcp_server.py"))


@pytest.fixture(params=["responses", "chat", "messages"])
def wire(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def shared() -> Iterator[MCPServer]:
    with MCPServer.stdio(sys.executable, PROGRAM, env={"GREETING": "hello"}) as server:
        yield server


@pytest.fixture
def server() -> Iterator[MCPServer]:
    made = MCPServer.stdio(sys.executable, PROGRAM)
    yield made
    made.close()


def result_of(server: MCPServer, name: str, arguments: dict[str, Any] | None = None) -> Message:
    tool = next(tool for tool in server.tools() if tool.name == name)
    return tool.run(ToolCall("1", name, arguments or {}))


def test_an_agent_uses_a_servers_tools(vendor: FakeVendor, shared: MCPServer, wire: Kind, mode: Mode) -> None:
    vendor.tool_call = {"name": "add", "arguments": {"first": 2, "second": 3}}

    def own(word: str) -> str:
        """A function beside them."""
        return word

    envelope = mode(wire.agent(vendor.url, tools=[own, shared]), "Add.")
    assert envelope.text() == TEXT
    assert len(envelope.metadata.attempts) == 2
    sent = json.dumps(vendor.bodies()[0]["tools"])
    assert '"own"' in sent
    assert "A number from 0." in sent
    results = [item for item in vendor.bodies()[1].get("messages") or vendor.bodies()[1]["input"] if "5" in str(item)]
    assert results


def test_it_is_opened_by_the_first_call_and_stays_open(vendor: FakeVendor, server: MCPServer) -> None:
    vendor.tool_call = {"name": "where", "arguments": {}}
    agent = KINDS["chat"].agent(vendor.url, tools=server)
    assert "closed" in repr(server)
    agent("go")
    asyncio.run(agent.run("go"))
    pids = {body["messages"][-1]["content"].split()[0] for body in vendor.bodies()[1::2]}
    assert len(pids) == 1
    assert "open" in repr(server)
    server.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids.pop()), 0)
    assert agent("go").ok  # opened anew


def test_the_schema_is_the_servers_own(shared: MCPServer) -> None:
    tools = {tool.name: tool.definition for tool in shared.tools()}
    assert tools["add"].parameters["properties"]["first"] == {
        "description": "A number from 0.", "minimum": 0, "title": "First", "type": "integer",
    }  # fmt: skip
    assert tools["add"].description == "Adds two numbers."


def test_what_a_server_gives_is_what_the_model_gets(shared: MCPServer) -> None:
    assert result_of(shared, "add", {"first": 2, "second": 3}).content == "5"
    assert json.loads(result_of(shared, "weather", {"city": "Paris"}).text) == {"city": "Paris", "degrees": 21}
    assert result_of(shared, "summary").text == 'Three rows.\n{"rows": [1, 2, 3]}'
    drawn = result_of(shared, "draw")
    assert drawn.text == "A dot."
    picture = drawn.blocks[1]
    assert isinstance(picture, ImageContent)
    assert (picture.media_type, picture.data) == ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(24))


def test_a_failure_of_a_tool_is_an_error_that_the_model_reads(shared: MCPServer) -> None:
    failed = result_of(shared, "fail")
    assert failed.is_error
    assert "out of paper" in failed.text
    wrong = result_of(shared, "add", {"first": -1, "second": 3})
    assert wrong.is_error
    assert "first" in wrong.text


def test_a_name_that_no_vendor_takes_is_written_otherwise(shared: MCPServer) -> None:
    assert result_of(shared, "odd_name_of_tool").text == "odd"


def test_two_servers_have_prefixes(vendor: FakeVendor, shared: MCPServer, server: MCPServer) -> None:
    server.prefix = "b_"
    vendor.tool_call = {"name": "b_add", "arguments": {"first": 1, "second": 1}}
    assert KINDS["chat"].agent(vendor.url, tools=[shared, server])("go").ok
    assert vendor.bodies()[1]["messages"][-1]["content"] == "2"


def test_a_program_gets_its_variables_and_no_keys(shared: MCPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test-key-0123456789")
    with MCPServer.stdio(sys.executable, PROGRAM, env={"GREETING": "hello"}) as server:
        assert result_of(server, "where").text.split()[1:] == ["hello", "None"]


@pytest.mark.parametrize("mode", [by_call, by_run])
def test_a_call_that_takes_too_long_is_an_error_on_time(vendor: FakeVendor, mode: Mode) -> None:
    vendor.tool_call = {"name": "slow", "arguments": {"seconds": 2}}
    with MCPServer.stdio(sys.executable, PROGRAM) as server:
        server.timeout = 0.4
        started = time.monotonic()
        assert mode(KINDS["chat"].agent(vendor.url, tools=[server]), "go").ok
        assert time.monotonic() - started < 2.5
    assert "did not answer in time" in vendor.bodies()[1]["messages"][-1]["content"]


@pytest.mark.parametrize("mode", [by_stream, by_astream])
def test_the_agents_time_holds_for_the_servers_calls(vendor: FakeVendor, mode: Mode) -> None:
    vendor.tool_call = {"name": "slow", "arguments": {"seconds": 2}}
    with MCPServer.stdio(sys.executable, PROGRAM) as server:
        started = time.monotonic()
        envelope = mode(KINDS["chat"].agent(vendor.url, tools=[server], timeout=0.8), "go")
        assert time.monotonic() - started < 2.5
    assert "timeout=0.8" in str(envelope.error)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_server_that_is_closed_meanwhile_is_said(server: MCPServer, asynchronous: bool) -> None:
    tool = next(tool for tool in server.tools() if tool.name == "slow")
    call = ToolCall("1", "slow", {"seconds": 2})
    threading.Timer(0.3, server.close).start()
    result = asyncio.run(tool.arun(call)) if asynchronous else tool.run(call)
    assert result.is_error
    assert "MCP server" in result.text


def test_a_server_that_dies_is_said_and_the_next_call_opens_it_anew(
    vendor: FakeVendor, server: MCPServer, mode: Mode
) -> None:
    vendor.tool_call = {"name": "die", "arguments": {}}
    agent = KINDS["chat"].agent(vendor.url, tools=[server])
    assert mode(agent, "go").ok
    assert "has gone away" in vendor.bodies()[1]["messages"][-1]["content"]
    vendor.tool_call = {"name": "add", "arguments": {"first": 1, "second": 1}}
    assert mode(agent, "go").ok
    assert vendor.bodies()[3]["messages"][-1]["content"] == "2"


@pytest.mark.parametrize(
    ("command", "says"),
    [(("no-such-program-here",), "no-such-program-here"), ((sys.executable, "-c", "raise SystemExit(3)"), "closed")],
)
def test_a_server_that_cannot_be_opened_is_the_calls_error(
    vendor: FakeVendor, mode: Mode, command: tuple[str, ...], says: str
) -> None:
    envelope = mode(KINDS["chat"].agent(vendor.url, tools=[MCPServer.stdio(*command)]), "go")
    assert isinstance(envelope.error, ToolServerError)
    assert "cannot be opened" in str(envelope.error)
    assert says in str(envelope.error)
    assert vendor.requests == []


def test_a_program_that_says_nothing_is_given_up(vendor: FakeVendor) -> None:
    silent = MCPServer.stdio(sys.executable, "-c", "import sys; sys.stdin.read()", timeout=0.5)
    started = time.monotonic()
    with pytest.raises(ToolServerError, match="did not open in time"):
        silent.open()
    assert time.monotonic() - started < 5


def test_async_with_opens_and_closes(vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "where", "arguments": {}}

    async def go() -> None:
        async with MCPServer.stdio(sys.executable, PROGRAM) as server:
            assert "open" in repr(server)
            agent = KINDS["chat"].agent(vendor.url, tools=[server])
            await asyncio.gather(*(agent.run("go") for _ in range(4)))
        assert "closed" in repr(server)

    asyncio.run(go())
    answers = [body["messages"][-1]["content"] for body in vendor.bodies() if body["messages"][-1]["role"] == "tool"]
    assert len(answers) == 4
    assert len(set(answers)) == 1


def test_a_program_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    code = f"""
import sys
from lazybridge import MCPServer
from lazybridge.core.types import ToolCall
server = MCPServer.stdio(sys.executable, {PROGRAM!r})
print([tool for tool in server.tools() if tool.name == "where"][0].run(ToolCall("1", "where", {{}})).text.split()[0])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(ended.stdout), 0)


def test_streamable_http(vendor: FakeVendor, mode: Mode) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    child = subprocess.Popen([sys.executable, PROGRAM, str(port)], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        vendor.tool_call = {"name": "add", "arguments": {"first": 2, "second": 3}}
        with MCPServer.http(f"http://127.0.0.1:{port}/mcp", headers={"x-test": "1"}) as server:
            assert mode(KINDS["chat"].agent(vendor.url, tools=[server]), "go").ok
        assert vendor.bodies()[1]["messages"][-1]["content"] == "5"
    finally:
        child.kill()
        child.wait()


def test_nobody_at_the_url(vendor: FakeVendor) -> None:
    with pytest.raises(ToolServerError, match="cannot be opened"):
        MCPServer.http("http://127.0.0.1:9/mcp", timeout=5).open()


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from lazybridge import ConfigurationError

    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None)
    with pytest.raises(ConfigurationError) as caught:
        MCPServer.stdio("python", "server.py")
    assert str(caught.value).splitlines()[-1] == 'pip install "lazybridge[mcp]"'


def test_an_agent_without_servers_loads_no_mcp() -> None:
    code = "import sys, lazybridge; lazybridge.Agent; lazybridge.MCPServer; assert 'mcp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert Agent


def test_its_tools_are_in_a_dry_run_and_an_estimate(vendor: FakeVendor, shared: MCPServer) -> None:
    agent = KINDS["chat"].agent(vendor.url, tools=[shared])
    assert "Adds two numbers." in str(agent.dry_run("go")["tools"])
    with_tools, without = agent.estimate("go").expected, KINDS["chat"].agent(vendor.url).estimate("go").expected
    assert with_tools is not None
    assert without is not None
    assert with_tools > without


def test_a_choice_of_its_tools(vendor: FakeVendor, shared: MCPServer) -> None:
    one = [tool for tool in shared.tools() if tool.name == "add"]
    KINDS["chat"].agent(vendor.url, tools=one, tool_choice="add")("go")
    assert [tool["function"]["name"] for tool in vendor.bodies()[0]["tools"]] == ["add"]


@pytest.mark.parametrize("data", ["", "@@@a"])
def test_an_image_that_is_none_is_shown_as_it_came(
    vendor: FakeVendor, shared: MCPServer, mode: Mode, data: str
) -> None:
    vendor.tool_call = {"name": "blot", "arguments": {"data": data}}
    assert mode(KINDS["messages"].agent(vendor.url, tools=[shared]), "Draw.").text() == TEXT
    assert "image/png" in str(vendor.bodies()[1]["messages"][-1])


def test_a_parameter_may_have_any_name(shared: MCPServer) -> None:
    assert result_of(shared, "introduce", {"self": "Ada"}).text == "I am Ada."


def test_a_stream_that_is_left_after_its_last_chunk_has_its_answer(vendor: FakeVendor, shared: MCPServer) -> None:
    with KINDS["chat"].agent(vendor.url, tools=[shared]).stream("hi") as stream:
        for chunk in stream:
            if chunk.is_final:
                break
    assert stream.envelope is not None
    assert stream.envelope.text() == TEXT


def test_its_errors_tell_no_key_and_no_password() -> None:
    key = "sk-ant-api03-" + "A" * 24
    for server in (
        MCPServer.stdio(sys.executable, "-c", "", "--token", key, timeout=10),
        MCPServer.http(f"http://ada:password@127.0.0.1:1/mcp?key={key}", timeout=10),
    ):
        with pytest.raises(ToolServerError) as caught:
            server.open()
        for said in (str(caught.value), repr(server)):
            assert key not in said
            assert "password" not in said


def test_a_server_that_is_closed_while_it_opens_does_not_stay(tmp_path: Path) -> None:
    began = tmp_path / "began"
    program = f"import os, pathlib; pathlib.Path({str(began)!r}).write_text(str(os.getpid())); import runpy; runpy.run_path({PROGRAM!r}, run_name='__main__')"
    server = MCPServer.stdio(sys.executable, "-c", program)

    def opened() -> None:
        with contextlib.suppress(ToolServerError):
            server.tools()

    opening = threading.Thread(target=opened)
    opening.start()
    while not (began.exists() and began.read_text()):
        time.sleep(0.01)
    server.close()
    opening.join(20)
    ends = time.monotonic() + 10
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < ends:
            os.kill(int(began.read_text()), 0)
            time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)
