"""Peers, each in an environment of its own from the package index: the same calls as lazybridge's, by each one's own API.

Their conversations are written down as Chat Completions' messages, which all of them take or convert once beforehand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What a peer's import must not do while it is measured: litellm fetches its prices, and reads `.env` files.
VARIABLES = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LANGSMITH_TRACING": "false"}
FAMILIES = ("openai chat", "anthropic")


@dataclass(frozen=True)
class Peer:
    """What is installed, what is asked; `first` are the lines of a first call by family, `imports` those of an import."""

    name: str
    packages: tuple[str, ...]
    imports: str
    first: dict[str, str]
    subject: Callable[..., Any]

    def python(self, folder: Path) -> str:
        """The Python of its environment, made where there is none."""
        python = folder / self.name / "bin" / "python"
        done = folder / self.name / ".installed"
        if not done.exists():
            print(f"installing {' '.join(self.packages)}", file=sys.stderr, flush=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder / self.name)], check=True)
            uv = shutil.which("uv")
            pip = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
            subprocess.run([*pip, "-q", *self.packages], check=True)
            done.touch()
        return str(python)

    def version(self, folder: Path) -> str:
        names = [package.partition("[")[0] for package in self.packages]
        code = (
            f"from importlib import metadata; print(*[f'{{n}} {{metadata.version(n)}}' for n in {names!r}], sep=', ')"
        )
        command = [self.python(folder), "-c", code]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=_clean()).stdout.strip()


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


class _Peer:
    """The conversations as Chat Completions have them."""

    def __init__(self, family: Any, server: str, bodies: Any) -> None:
        chats = bodies["openai chat"]
        self.family, self.server, self.url = family, server, family.base_url(server)
        self.messages = {long: chats[f"{long}, False"]["messages"] for long in (False, True)}
        self.tools = {long: chats[f"{long}, False"].get("tools") for long in (False, True)}
        self.begin()

    def begin(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


def _delta(chunk: Any) -> str:
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


class LiteLLM(_Peer):
    def begin(self) -> None:
        import litellm

        self.module = litellm
        self.arguments: Any = {
            "model": f"{self.family.sdk}/{self.family.model}",
            "api_key": "benchmark",
            "api_base": self.url,
            "max_tokens": 1024,
            "num_retries": 0,
        }

    def more(self, long: bool) -> dict[str, Any]:
        return {"messages": self.messages[long], **({"tools": self.tools[long]} if long else {}), **self.arguments}

    def complete(self, long: bool) -> str:
        return str(self.module.completion(**self.more(long)).choices[0].message.content)

    async def acomplete(self, long: bool) -> str:
        return str((await self.module.acompletion(**self.more(long))).choices[0].message.content)

    def stream(self, long: bool) -> str:
        return "".join([_delta(chunk) for chunk in self.module.completion(stream=True, **self.more(long))])

    async def astream(self, long: bool) -> str:
        chunks = await self.module.acompletion(stream=True, **self.more(long))
        return "".join([_delta(chunk) async for chunk in chunks])


class AnyLLM(_Peer):
    def begin(self) -> None:
        from any_llm import AnyLLM as Made

        # One each: a client that synchronous calls used belongs to an event loop of theirs.
        made = [Made.create(self.family.sdk, api_key="benchmark", api_base=self.url) for _ in range(2)]
        self.made, self.async_made = made

    def more(self, long: bool) -> dict[str, Any]:
        tools = {"tools": self.tools[long]} if long else {}
        return {"model": self.family.model, "messages": self.messages[long], "max_tokens": 1024, **tools}

    def complete(self, long: bool) -> str:
        return str(self.made.completion(**self.more(long)).choices[0].message.content)

    async def acomplete(self, long: bool) -> str:
        return str((await self.async_made.acompletion(**self.more(long))).choices[0].message.content)

    def stream(self, long: bool) -> str:
        return "".join([_delta(chunk) for chunk in self.made.completion(stream=True, **self.more(long))])

    async def astream(self, long: bool) -> str:
        chunks = await self.async_made.acompletion(stream=True, **self.more(long))
        return "".join([_delta(chunk) async for chunk in chunks])


class LangChain(_Peer):
    def begin(self) -> None:
        from langchain_core.messages import convert_to_messages

        self.messages = {long: convert_to_messages(said) for long, said in self.messages.items()}
        if self.family.sdk == "openai":
            from langchain_openai import ChatOpenAI

            made: Any = ChatOpenAI(
                model=self.family.model, api_key="benchmark", base_url=self.url, max_retries=0, max_tokens=1024
            )
        else:
            from langchain_anthropic import ChatAnthropic

            made = ChatAnthropic(
                model=self.family.model, api_key="benchmark", base_url=self.url, max_retries=0, max_tokens=1024
            )
        self.made: Any = {False: made, True: made.bind_tools(self.tools[True])}

    def complete(self, long: bool) -> str:
        return str(self.made[long].invoke(self.messages[long]).text)

    async def acomplete(self, long: bool) -> str:
        return str((await self.made[long].ainvoke(self.messages[long])).text)

    def stream(self, long: bool) -> str:
        return "".join([str(chunk.text) for chunk in self.made[long].stream(self.messages[long])])

    async def astream(self, long: bool) -> str:
        return "".join([str(chunk.text) async for chunk in self.made[long].astream(self.messages[long])])


class PydanticAI(_Peer):
    def begin(self) -> None:
        from pydantic_ai import Agent, DeferredToolRequests, ExternalToolset, ToolDefinition

        if self.family.sdk == "openai":
            from pydantic_ai.models.openai import OpenAIChatModel as Model
            from pydantic_ai.providers.openai import OpenAIProvider as Provider
        else:
            from pydantic_ai.models.anthropic import AnthropicModel as Model
            from pydantic_ai.providers.anthropic import AnthropicProvider as Provider
        model: Any = Model(self.family.model, provider=Provider(api_key="benchmark", base_url=self.url))
        functions = [tool["function"] for tool in self.tools[True]]
        tools = [
            ToolDefinition(name=f["name"], description=f["description"], parameters_json_schema=f["parameters"])
            for f in functions
        ]
        settings: Any = {"max_tokens": 1024}
        self.agents: Any = {
            False: Agent(model, system_prompt="You are brief.", model_settings=settings),
            True: Agent(
                model,
                output_type=[str, DeferredToolRequests],
                toolsets=[ExternalToolset(tools)],
                model_settings=settings,
            ),
        }
        self.history = {False: None, True: self.converted(self.messages[True][:-1])}

    def converted(self, messages: Any) -> Any:
        import json

        from pydantic_ai import messages as m

        made: list[Any] = []
        for message in messages:
            role, text = message["role"], message.get("content")
            if role in ("system", "developer"):
                made.append(m.ModelRequest(parts=[m.SystemPromptPart(text)]))
            elif role == "user":
                made.append(m.ModelRequest(parts=[m.UserPromptPart(text)]))
            elif role == "tool":
                made.append(
                    m.ModelRequest(parts=[m.ToolReturnPart("tool", text, tool_call_id=message["tool_call_id"])])
                )
            else:
                calls = [
                    m.ToolCallPart(call["function"]["name"], json.loads(call["function"]["arguments"]), call["id"])
                    for call in message.get("tool_calls") or ()
                ]
                made.append(m.ModelResponse(parts=[m.TextPart(text), *calls]))
        return made

    def arguments(self, long: bool) -> Any:
        return {"user_prompt": self.messages[long][-1]["content"], "message_history": self.history[long]}

    def complete(self, long: bool) -> str:
        return str(self.agents[long].run_sync(**self.arguments(long)).output)

    async def acomplete(self, long: bool) -> str:
        return str((await self.agents[long].run(**self.arguments(long))).output)

    def stream(self, long: bool) -> str:
        result = self.agents[long].run_stream_sync(**self.arguments(long))
        return "".join(result.stream_text(delta=True, debounce_by=None))

    async def astream(self, long: bool) -> str:
        async with self.agents[long].run_stream(**self.arguments(long)) as result:
            return "".join([text async for text in result.stream_text(delta=True, debounce_by=None)])


_ANTHROPIC, _OPENAI = "claude-haiku-5-5", "gpt-6-luna"
PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "litellm",
            ("litellm", "mcp"),  # which a call with tools imports
            "import litellm",
            {
                "openai chat": f'import litellm; litellm.completion("openai/{_OPENAI}", messages=[{{"role": "user", "content": "hi"}}], api_key="k", api_base="URL/v1").choices',
                "anthropic": f'import litellm; litellm.completion("anthropic/{_ANTHROPIC}", messages=[{{"role": "user", "content": "hi"}}], api_key="k", api_base="URL", max_tokens=1024).choices',
            },
            LiteLLM,
        ),
        Peer(
            "pydantic-ai",
            ("pydantic-ai-slim[openai,anthropic]",),
            "from pydantic_ai import Agent",
            {
                "openai chat": f'from pydantic_ai import Agent; from pydantic_ai.models.openai import OpenAIChatModel; from pydantic_ai.providers.openai import OpenAIProvider; Agent(OpenAIChatModel("{_OPENAI}", provider=OpenAIProvider(api_key="k", base_url="URL/v1"))).run_sync("hi").output',
                "anthropic": f'from pydantic_ai import Agent; from pydantic_ai.models.anthropic import AnthropicModel; from pydantic_ai.providers.anthropic import AnthropicProvider; Agent(AnthropicModel("{_ANTHROPIC}", provider=AnthropicProvider(api_key="k", base_url="URL"))).run_sync("hi").output',
            },
            PydanticAI,
        ),
        Peer(
            "any-llm",
            ("any-llm-sdk[openai,anthropic]",),
            "import any_llm",
            {
                "openai chat": f'from any_llm import completion; completion("{_OPENAI}", [{{"role": "user", "content": "hi"}}], provider="openai", api_key="k", api_base="URL/v1").choices',
                "anthropic": f'from any_llm import completion; completion("{_ANTHROPIC}", [{{"role": "user", "content": "hi"}}], provider="anthropic", api_key="k", api_base="URL", max_tokens=1024).choices',
            },
            AnyLLM,
        ),
        Peer(
            "langchain",
            ("langchain-openai", "langchain-anthropic"),
            "from langchain_openai import ChatOpenAI",
            {
                "openai chat": f'from langchain_openai import ChatOpenAI; ChatOpenAI(model="{_OPENAI}", api_key="k", base_url="URL/v1").invoke("hi").text',
                "anthropic": f'from langchain_anthropic import ChatAnthropic; ChatAnthropic(model="{_ANTHROPIC}", api_key="k", base_url="URL").invoke("hi").text',
            },
            LangChain,
        ),
    )
}
