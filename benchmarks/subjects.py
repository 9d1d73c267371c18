"""Who is asked: lazybridge's agent, its provider, and the vendors' SDKs, all by the same methods.

Nothing of lazybridge is imported in a process that measures an SDK: `bodies.py` has written down beforehand what is sent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from server import ANTHROPIC_MODEL, GOOGLE_MODEL, GROQ_MODEL, MISTRAL_MODEL, OPENAI_MODEL, WEATHER

QUESTION = "Which is the capital of France, and how many live there?"


def weather_in(city: str) -> str:
    """How warm it is in a city."""
    return f"{WEATHER} in {city}"


def capital() -> Any:
    """The type of the structured answer; pydantic is loaded where it is asked for."""
    from pydantic import BaseModel

    class Capital(BaseModel):
        capital_city: str
        inhabitants: int

    return Capital


TOOL_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Family:
    """One API: how lazybridge and the SDK reach it. `post` is the path for the SDK's untyped call, where it has one;
    `whole` says whether all cases are measured, or only those that show something else."""

    name: str
    sdk: str
    model: str
    path: str
    typed: Callable[..., Typed]
    options: dict[str, Any] = field(default_factory=dict)
    post: bool = True
    whole: bool = True

    def base_url(self, server: str) -> str:
        return server + {"openai": "/v1", "mistralai": "/mistral"}.get(self.sdk, "")


# --- lazybridge -----------------------------------------------------------------------------------------------------


class AgentSubject:
    """`Agent`, with the conversation's messages made beforehand."""

    def __init__(self, family: Family, server: str, bodies: Any) -> None:
        from bodies import conversation

        from lazybridge import Agent

        self.talks = [conversation(long) for long in (False, True)]
        named = {"provider": _name(family), "api_key": "benchmark", "base_url": family.base_url(server)}
        self.make = partial(Agent, family.model, max_tokens=1024, **named, **family.options)
        self.agents = [self.make(tools=tools) for _, tools in self.talks]
        self.worker = self.make(tools=[weather_in])

    def construct(self) -> Any:
        return self.make()

    def complete(self, long: bool) -> str:
        return self.agents[long](self.talks[long][0]).text()

    async def acomplete(self, long: bool) -> str:
        return (await self.agents[long].run(self.talks[long][0])).text()

    def stream(self, long: bool) -> str:
        return "".join([chunk.delta for chunk in self.agents[long].stream(self.talks[long][0])])

    async def astream(self, long: bool) -> str:
        return "".join([chunk.delta async for chunk in self.agents[long].stream(self.talks[long][0])])

    def structured(self, long: bool) -> str:
        self.type = getattr(self, "type", None) or capital()
        return str(self.agents[long](QUESTION, output=self.type).payload.capital_city)

    def tool_turn(self, long: bool) -> str:
        return self.worker("How warm is it in Paris?").text()

    async def aclose(self) -> None:
        for agent in (*self.agents, self.worker):
            await agent.aclose()


def _name(family: Family) -> str:
    return {"mistralai": "mistral", "google.genai": "google"}.get(family.sdk, family.sdk)


class ProviderSubject:
    """The provider under the agent; the request is made anew for each call."""

    def __init__(self, family: Family, server: str, bodies: Any) -> None:
        from bodies import conversation

        from lazybridge import CompletionRequest
        from lazybridge.core.registry import provider_class

        self.model, self.request_class = family.model, CompletionRequest
        self.talks = [conversation(long) for long in (False, True)]
        self.construct = lambda: provider_class(_name(family))(
            api_key="benchmark", base_url=family.base_url(server), **family.options
        )
        self.provider: Any = self.construct()

    def request(self, long: bool) -> Any:
        messages, tools = self.talks[long]
        return self.request_class(tuple(messages), self.model, max_tokens=1024, tools=tuple(tools))

    def complete(self, long: bool) -> str:
        return str(self.provider.complete(self.request(long)).content)

    async def acomplete(self, long: bool) -> str:
        return str((await self.provider.acomplete(self.request(long))).content)

    def stream(self, long: bool) -> str:
        return "".join([chunk.delta for chunk in self.provider.stream(self.request(long))])

    async def astream(self, long: bool) -> str:
        return "".join([chunk.delta async for chunk in self.provider.astream(self.request(long))])

    async def aclose(self) -> None:
        await self.provider.aclose()


# --- the SDKs, as documented ----------------------------------------------------------------------------------------


class Typed:
    """An SDK's documented typed calls, asked with the very body that lazybridge sends; its own retries are off."""

    def __init__(self, family: Family, server: str, bodies: Any, *, aiohttp: bool = False) -> None:
        self.family, self.url, self.aiohttp = family, family.base_url(server), aiohttp
        self.body = {(long, stream): bodies[family.name][f"{long}, {stream}"] for long in (False, True) for stream in (False, True)}  # fmt: skip
        self.type: Any = None
        self.client, self.async_client = self.clients()

    def clients(self) -> tuple[Any, Any]:
        sdk = __import__(self.family.sdk)
        title = {"openai": "OpenAI", "anthropic": "Anthropic", "groq": "Groq"}[self.family.sdk]
        arguments: dict[str, Any] = {"api_key": "benchmark", "base_url": self.url, "max_retries": 0, "timeout": 60}
        transport = {"http_client": sdk.DefaultAioHttpClient()} if self.aiohttp else {}
        return getattr(sdk, title)(**arguments), getattr(sdk, f"Async{title}")(**arguments, **transport)

    def construct(self) -> Any:
        sdk = __import__(self.family.sdk)
        title = {"openai": "OpenAI", "anthropic": "Anthropic", "groq": "Groq"}[self.family.sdk]
        return getattr(sdk, title)(api_key="benchmark", base_url=self.url, max_retries=0)

    def complete(self, long: bool) -> str:
        return self.text(self.create(self.client)(**self.body[long, False]))

    async def acomplete(self, long: bool) -> str:
        return self.text(await self.create(self.async_client)(**self.body[long, False]))

    def stream(self, long: bool) -> str:
        delta = self.delta
        return "".join([delta(event) for event in self.create(self.client)(**self.body[long, True])])

    async def astream(self, long: bool) -> str:
        delta = self.delta
        return "".join([delta(event) async for event in await self.create(self.async_client)(**self.body[long, True])])

    def create(self, client: Any) -> Callable[..., Any]:
        raise NotImplementedError

    def text(self, answer: Any) -> str:
        raise NotImplementedError

    def delta(self, event: Any) -> str:
        raise NotImplementedError

    def model_of(self) -> Any:
        self.type = self.type or capital()
        return self.type

    async def aclose(self) -> None:
        await self.async_client.close()
        self.client.close()


class Chat(Typed):
    def create(self, client: Any) -> Callable[..., Any]:
        return client.chat.completions.create  # type: ignore[no-any-return]

    def text(self, answer: Any) -> str:
        return str(answer.choices[0].message.content)

    def delta(self, event: Any) -> str:
        return (event.choices[0].delta.content or "") if event.choices else ""

    def structured(self, long: bool) -> str:
        messages = [{"role": "user", "content": QUESTION}]
        answer = self.client.chat.completions.parse(
            model=self.family.model, messages=messages, response_format=self.model_of()
        )
        return str(answer.choices[0].message.parsed.capital_city)

    def tool_turn(self, long: bool) -> str:
        create = self.create(self.client)
        messages: list[Any] = [{"role": "user", "content": "How warm is it in Paris?"}]
        function = {"name": "weather_in", "description": weather_in.__doc__, "parameters": TOOL_SCHEMA}
        asked = {"model": self.family.model, "tools": [{"type": "function", "function": function}]}
        said = create(messages=messages, **asked).choices[0].message
        call = said.tool_calls[0]
        result = weather_in(**json.loads(call.function.arguments))
        turn = {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]}
        messages += [turn, {"role": "tool", "tool_call_id": call.id, "content": result}]
        return self.text(create(messages=messages, **asked))


class Groq(Chat):
    def create(self, client: Any) -> Callable[..., Any]:
        """The typed call; it has no parameter for `stream_options`."""

        def create(*, stream_options: Any = None, **body: Any) -> Any:
            more = {} if stream_options is None else {"extra_body": {"stream_options": stream_options}}
            return client.chat.completions.create(**body, **more)

        return create

    def structured(self, long: bool) -> str:
        schema = {"name": "Capital", "schema": self.model_of().model_json_schema()}
        answer = self.client.chat.completions.create(
            model=self.family.model,
            messages=[{"role": "user", "content": QUESTION}],
            response_format={"type": "json_schema", "json_schema": schema},
        )
        return str(self.model_of().model_validate_json(self.text(answer)).capital_city)


class Responses(Typed):
    def create(self, client: Any) -> Callable[..., Any]:
        return client.responses.create  # type: ignore[no-any-return]

    def text(self, answer: Any) -> str:
        return str(answer.output_text)

    def delta(self, event: Any) -> str:
        return event.delta if event.type == "response.output_text.delta" else ""

    def structured(self, long: bool) -> str:
        answer = self.client.responses.parse(model=self.family.model, input=QUESTION, text_format=self.model_of())
        return str(answer.output_parsed.capital_city)

    def tool_turn(self, long: bool) -> str:
        said: list[Any] = [{"role": "user", "content": "How warm is it in Paris?"}]
        tool = {"type": "function", "name": "weather_in", "description": weather_in.__doc__, "parameters": TOOL_SCHEMA}
        asked = {"model": self.family.model, "tools": [{**tool, "strict": True}]}
        answer = self.client.responses.create(input=said, **asked)
        call = answer.output[0]
        result = weather_in(**json.loads(call.arguments))
        said += [*answer.output, {"type": "function_call_output", "call_id": call.call_id, "output": result}]
        return self.text(self.client.responses.create(input=said, **asked))


class Messages(Typed):
    def create(self, client: Any) -> Callable[..., Any]:
        return client.messages.create  # type: ignore[no-any-return]

    def text(self, answer: Any) -> str:
        return str(answer.content[0].text)

    def delta(self, event: Any) -> str:
        return event.delta.text if event.type == "content_block_delta" and event.delta.type == "text_delta" else ""

    def structured(self, long: bool) -> str:
        messages = [{"role": "user", "content": QUESTION}]
        answer = self.client.messages.parse(
            model=self.family.model, max_tokens=1024, messages=messages, output_format=self.model_of()
        )
        return str(answer.parsed_output.capital_city)

    def tool_turn(self, long: bool) -> str:
        messages: list[Any] = [{"role": "user", "content": "How warm is it in Paris?"}]
        tools = [{"name": "weather_in", "description": weather_in.__doc__, "input_schema": TOOL_SCHEMA}]
        asked = {"model": self.family.model, "max_tokens": 1024, "tools": tools}
        answer = self.client.messages.create(messages=messages, **asked)
        call = answer.content[0]
        result = {"type": "tool_result", "tool_use_id": call.id, "content": weather_in(**call.input)}
        messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
        return self.text(self.client.messages.create(messages=messages, **asked))


class MistralTyped(Typed):
    def clients(self) -> tuple[Any, Any]:
        client = self.construct()
        return client, client

    def construct(self) -> Any:
        from mistralai.client import Mistral

        return Mistral(api_key="benchmark", server_url=self.url)

    def complete(self, long: bool) -> str:
        return self.text(self.client.chat.complete(**self.body[long, False]))

    async def acomplete(self, long: bool) -> str:
        return self.text(await self.client.chat.complete_async(**self.body[long, False]))

    def stream(self, long: bool) -> str:
        body = {name: value for name, value in self.body[long, True].items() if name != "stream"}
        return "".join([self.delta(event) for event in self.client.chat.stream(**body)])

    async def astream(self, long: bool) -> str:
        body = {name: value for name, value in self.body[long, True].items() if name != "stream"}
        return "".join([self.delta(event) async for event in await self.client.chat.stream_async(**body)])

    def text(self, answer: Any) -> str:
        return str(answer.choices[0].message.content)

    def delta(self, event: Any) -> str:
        choices = event.data.choices
        return (choices[0].delta.content or "") if choices else ""

    def structured(self, long: bool) -> str:
        messages = [{"role": "user", "content": QUESTION}]
        answer = self.client.chat.parse(self.model_of(), model=self.family.model, messages=messages)
        return str(answer.choices[0].message.parsed.capital_city)

    def tool_turn(self, long: bool) -> str:
        messages: list[Any] = [{"role": "user", "content": "How warm is it in Paris?"}]
        function = {"name": "weather_in", "description": weather_in.__doc__, "parameters": TOOL_SCHEMA}
        asked = {"model": self.family.model, "tools": [{"type": "function", "function": function}]}
        said = self.client.chat.complete(messages=messages, **asked).choices[0].message
        call = said.tool_calls[0]
        result = weather_in(**json.loads(call.function.arguments))
        messages += [said, {"role": "tool", "tool_call_id": call.id, "name": "weather_in", "content": result}]
        return self.text(self.client.chat.complete(messages=messages, **asked))

    async def aclose(self) -> None:
        pass


class Gemini(Typed):
    def clients(self) -> tuple[Any, Any]:
        client = self.construct()
        self.asked = {long: self.typed(self.body[long, False]) for long in (False, True)}
        return client, client.aio

    def construct(self) -> Any:
        from google import genai
        from google.genai import types

        options = types.HttpOptions(base_url=self.url, api_version="v1beta")
        return genai.Client(api_key="benchmark", http_options=options)

    def typed(self, body: Any) -> dict[str, Any]:
        """The body as the arguments of `generate_content`."""
        from google.genai import types

        config = self.config(max_output_tokens=1024, system_instruction=body["systemInstruction"]["parts"][0]["text"])
        if body.get("tools"):
            config.tools = [types.Tool.model_validate(tool) for tool in body["tools"]]
        contents = [types.Content.model_validate(content) for content in body["contents"]]
        return {"model": self.family.model, "contents": contents, "config": config}

    def config(self, **fields: Any) -> Any:
        from google.genai import types

        disabled = types.AutomaticFunctionCallingConfig(disable=True)
        return types.GenerateContentConfig(automatic_function_calling=disabled, automatic_continuation=False, **fields)

    def complete(self, long: bool) -> str:
        return str(self.client.models.generate_content(**self.asked[long]).text)

    async def acomplete(self, long: bool) -> str:
        return str((await self.async_client.models.generate_content(**self.asked[long])).text)

    def stream(self, long: bool) -> str:
        return "".join([event.text or "" for event in self.client.models.generate_content_stream(**self.asked[long])])

    async def astream(self, long: bool) -> str:
        events = await self.async_client.models.generate_content_stream(**self.asked[long])
        return "".join([event.text or "" async for event in events])

    def structured(self, long: bool) -> str:
        config = self.config(response_mime_type="application/json", response_schema=self.model_of())
        answer = self.client.models.generate_content(model=self.family.model, contents=QUESTION, config=config)
        return str(answer.parsed.capital_city)

    def tool_turn(self, long: bool) -> str:
        from google.genai import types

        schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        function = types.FunctionDeclaration(
            name="weather_in", description=weather_in.__doc__, parameters_json_schema=schema
        )
        config = self.config(tools=[types.Tool(function_declarations=[function])])
        said: list[Any] = [types.Content(role="user", parts=[types.Part(text="How warm is it in Paris?")])]
        ask = self.client.models.generate_content
        answer = ask(model=self.family.model, contents=said, config=config)
        call = answer.function_calls[0]
        result = types.Part.from_function_response(name=call.name, response={"result": weather_in(**call.args)})
        said += [answer.candidates[0].content, types.Content(role="user", parts=[result])]
        return str(ask(model=self.family.model, contents=said, config=config).text)

    async def aclose(self) -> None:
        await self.async_client.aclose()
        self.client.close()


class Post:
    """The SDK's untyped `post`, the floor under lazybridge: JSON is read, and nothing done with it."""

    def __init__(self, family: Family, server: str, bodies: Any) -> None:
        self.typed, self.family = family.typed(family, server, bodies, aiohttp=True), family
        self.sdk = __import__(family.sdk)
        self.client, self.async_client = self.typed.client, self.typed.async_client

    def _arguments(self, long: bool, stream_class: Any = None) -> dict[str, Any]:
        stream = {} if stream_class is None else {"stream": True, "stream_cls": stream_class}
        return {"body": self.typed.body[long, stream_class is not None], "cast_to": object, **stream}

    def complete(self, long: bool) -> str:
        self.client.post(self.family.path, **self._arguments(long))
        return ""

    async def acomplete(self, long: bool) -> str:
        await self.async_client.post(self.family.path, **self._arguments(long))
        return ""

    def stream(self, long: bool) -> str:
        for _ in self.client.post(self.family.path, **self._arguments(long, self.sdk.Stream[object])):
            pass
        return ""

    async def astream(self, long: bool) -> str:
        stream_class = self.sdk.AsyncStream[object]
        async for _ in await self.async_client.post(self.family.path, **self._arguments(long, stream_class)):
            pass
        return ""

    async def aclose(self) -> None:
        await self.typed.aclose()


FAMILIES = {
    family.name: family
    for family in (
        Family("openai chat", "openai", OPENAI_MODEL, "/chat/completions", Chat, {"api": "chat"}),
        Family("openai responses", "openai", OPENAI_MODEL, "/responses", Responses, {"api": "responses"}),
        Family("anthropic", "anthropic", ANTHROPIC_MODEL, "/v1/messages", Messages),
        Family("groq", "groq", GROQ_MODEL, "/openai/v1/chat/completions", Groq),
        Family("mistral", "mistralai", MISTRAL_MODEL, "/v1/chat/completions", MistralTyped, post=False, whole=False),
        Family("google", "google.genai", GOOGLE_MODEL, "", Gemini, post=False, whole=False),
    )
}
TYPED, AIOHTTP, POST, PROVIDER, AGENT = "SDK typed", "SDK typed, aiohttp", "SDK post", "provider", "Agent"
LEAST = "SDK post, no collection"  # of a first call


def make_subject(name: str, family: Family, server: str, bodies: Any) -> Any:
    if name == AGENT:
        return AgentSubject(family, server, bodies)
    if name == PROVIDER:
        return ProviderSubject(family, server, bodies)
    if name == POST:
        return Post(family, server, bodies)
    if name in (TYPED, AIOHTTP):
        return family.typed(family, server, bodies, aiohttp=name == AIOHTTP)
    from peers import PEERS

    return PEERS[name].subject(family, server, bodies)


async def at_once(method: Callable[[bool], Any], number: int) -> list[str]:
    return await asyncio.gather(*[method(False) for _ in range(number)])
