"""One library on the fault bench; `benchmarks/faults.py` runs this file in the environment of that library.

Each is asked as its own pages say, with one retry and a timeout, synchronously, whole and streamed. What it has no notion of
is not asked of it: kinds of errors, attempts, cost. An error is right where one is expected if it is the library's, its SDK's
or its HTTP library's; Python's own (AttributeError, JSONDecodeError, ...) is a crash. Fewer requests than expected are right,
and so are more where time ran out, since their timeout is one attempt's: two of them and a second between are in time. A key
is shown where the text of an exception, a log or another server has it; that exceptions hold the request is not counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from lazybridge.testing.faults.judging import Failure, Seen, apart, judged
from lazybridge.testing.faults.leaks import Log, leaks, logged
from lazybridge.testing.faults.mode import Mode
from lazybridge.testing.faults.modes import MODES
from lazybridge.testing.faults.server import FaultServer

PROMPT = "What is the answer?"
MESSAGES = [{"role": "user", "content": PROMPT}]
ASKED = frozenset({"outcome", "requests", "time", "secret", "connection", "next call"})
MODELS = {"chat": "gpt-4.1-mini", "messages": "claude-haiku-4-5"}
Ask = Callable[[bool], str]


def of_openai(url: str, key: str, timeout: float, wire: str) -> Ask:
    from openai import OpenAI

    client = OpenAI(base_url=url + "/v1", api_key=key, timeout=timeout, max_retries=1)

    def ask(stream: bool) -> str:
        if not stream:
            answer = client.chat.completions.create(model=MODELS[wire], messages=MESSAGES)
            return answer.choices[0].message.content
        chunks = client.chat.completions.create(model=MODELS[wire], messages=MESSAGES, stream=True, stream_options={"include_usage": True})  # fmt: skip
        return "".join((chunk.choices[0].delta.content or "") for chunk in chunks if chunk.choices and chunk.choices[0].delta)  # fmt: skip

    return ask


def of_anthropic(url: str, key: str, timeout: float, wire: str) -> Ask:
    from anthropic import Anthropic

    client = Anthropic(base_url=url, api_key=key, timeout=timeout, max_retries=1)

    def ask(stream: bool) -> str:
        if not stream:
            answer = client.messages.create(model=MODELS[wire], messages=MESSAGES, max_tokens=100)
            return "".join(block.text for block in answer.content if block.type == "text")
        with client.messages.stream(model=MODELS[wire], messages=MESSAGES, max_tokens=100) as chunks:
            return "".join(chunks.text_stream)

    return ask


def of_litellm(url: str, key: str, timeout: float, wire: str) -> Ask:
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    vendor, path = ("openai", "/v1") if wire == "chat" else ("anthropic", "")

    def ask(stream: bool) -> str:
        answer = litellm.completion(
            model=f"{vendor}/{MODELS[wire]}", messages=MESSAGES, api_base=url + path, api_key=key, timeout=timeout,
            max_retries=1, stream=stream,
        )  # fmt: skip
        if not stream:
            return answer.choices[0].message.content
        return "".join((chunk.choices[0].delta.content or "") for chunk in answer if chunk.choices)

    return ask


def of_pydantic_ai(url: str, key: str, timeout: float, wire: str) -> Ask:
    from pydantic_ai import Agent

    if wire == "chat":
        from openai import AsyncOpenAI
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        client: Any = AsyncOpenAI(base_url=url + "/v1", api_key=key, timeout=timeout, max_retries=1)
        model: Any = OpenAIChatModel(MODELS[wire], provider=OpenAIProvider(openai_client=client))
    else:
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        client = AsyncAnthropic(base_url=url, api_key=key, timeout=timeout, max_retries=1)
        model = AnthropicModel(MODELS[wire], provider=AnthropicProvider(anthropic_client=client))
    agent = Agent(model, retries=1)
    loop = asyncio.new_event_loop()

    async def go(stream: bool) -> str:
        if not stream:
            return (await agent.run(PROMPT)).output
        async with agent.run_stream(PROMPT) as result:
            return await result.get_output()

    return lambda stream: loop.run_until_complete(go(stream))


def of_any_llm(url: str, key: str, timeout: float, wire: str) -> Ask:
    from any_llm import AnyLLM

    vendor, path = ("openai", "/v1") if wire == "chat" else ("anthropic", "")
    llm = AnyLLM.create(vendor, api_key=key, api_base=url + path, timeout=timeout, max_retries=1)
    more = {"max_tokens": 100} if wire == "messages" else {}

    def ask(stream: bool) -> str:
        answer = llm.completion(model=MODELS[wire], messages=MESSAGES, stream=stream, **more)
        if not stream:
            return answer.choices[0].message.content
        return "".join((chunk.choices[0].delta.content or "") for chunk in answer if chunk.choices and chunk.choices[0].delta)  # fmt: skip

    return ask


def of_langchain(url: str, key: str, timeout: float, wire: str) -> Ask:
    if wire == "chat":
        from langchain_openai import ChatOpenAI

        model: Any = ChatOpenAI(model=MODELS[wire], base_url=url + "/v1", api_key=key, timeout=timeout, max_retries=1)
    else:
        from langchain_anthropic import ChatAnthropic

        model = ChatAnthropic(model=MODELS[wire], base_url=url, api_key=key, timeout=timeout, max_retries=1)

    def ask(stream: bool) -> str:
        if not stream:
            return str(model.invoke(PROMPT).text)
        return "".join(str(chunk.text) for chunk in model.stream(PROMPT))

    return ask


def of_lazybridge(url: str, key: str, timeout: float, wire: str) -> Ask:
    from lazybridge import Agent

    provider, path, options = ("openai", "/v1", {"api": "chat"}) if wire == "chat" else ("anthropic", "", {})
    agent = Agent(MODELS[wire], provider=provider, api_key=key, base_url=url + path, timeout=timeout, max_retries=1, fallback=False, **options)  # fmt: skip

    def ask(stream: bool) -> str:
        if not stream:
            return agent(PROMPT).text()
        return "".join(chunk.delta for chunk in agent.stream(PROMPT))

    return ask


PEERS = {
    "openai": of_openai, "anthropic": of_anthropic, "litellm": of_litellm, "pydantic-ai": of_pydantic_ai, "any-llm": of_any_llm,
    "langchain-openai": of_langchain, "langchain-anthropic": of_langchain, "lazybridge": of_lazybridge,
}  # fmt: skip


def measure(peer: str, wire: str, mode: Mode, stream: bool, log: Log) -> list[Failure]:
    """What is wrong with one call."""
    key = f"canary-{uuid.uuid4().hex}"
    with FaultServer(mode) as server:
        ask = PEERS[peer](server.url, key, mode.timeout, wire)
        seen = Seen(0.0)

        def first() -> None:
            began = time.monotonic()
            try:
                seen.text = ask(stream) or ""
            except Exception as exc:  # noqa: BLE001  # what is measured
                seen.kind = judged_kind(exc, mode)
                seen.leaks = [place for place in leaks(exc, key, None) if "text of" in place]
            seen.seconds = time.monotonic() - began

        def second() -> None:
            try:
                seen.again = ask(stream)
            except Exception as exc:  # noqa: BLE001
                seen.again = f"{type(exc).__name__}: {exc}"[:200]

        within = max(mode.within, 2 * mode.timeout + 1) if mode.group == "time" else mode.within
        if not ended(first, within + 2):
            server.close()
            return [Failure("time", f"at most {within:g} s", f"more than {within + 2:g} s")]
        settled, times = server.settled(), [request.at for request in server.requests]
        server.heal()
        ended(second, 8)
        more = ["the log"] if log.shows(key) else []
        if server.visited is not None and key.encode() in server.visited.received:
            more.append("another server")
        seen.leaks = [*seen.leaks, *more]
        requests = max(len(times), mode.requests or 0)
        if mode.group == "time" or mode.requests is None:
            requests = mode.requests or requests
        return [*judged(replace(mode, within=within), seen, server, requests, settled, ASKED), *apart(mode, times)]


def ended(call: Callable[[], None], seconds: float) -> bool:
    """Whether a call ends within this time; one that does not is left behind."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def judged_kind(exc: BaseException, mode: Mode) -> str:
    """A kind that is expected, for an error that a caller can be told to catch; else its name."""
    kinds = sorted(mode.outcome - {"ok"})
    name = f"{type(exc).__module__}.{type(exc).__qualname__}"
    if not kinds or type(exc).__module__.partition(".")[0] in ("builtins", "json", "asyncio", "ssl", "zlib", "codecs"):
        return name
    return kinds[0]


def main() -> None:
    peer, wire, distribution, *names = sys.argv[1:]
    warnings.simplefilter("ignore")
    cases = [
        (MODES[name], stream)
        for name in names or MODES
        for stream in (False, True)
        if wire in MODES[name].wires
        and MODES[name].calls is None
        and (MODES[name].streamed if stream else MODES[name].whole)
    ]
    with FaultServer() as server:  # what is loaded at the first call is not what is measured
        PEERS[peer](server.url, "key", 60.0, wire)(False)
    with logged() as log, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda case: measure(peer, wire, *case, log), cases))
        for index, failures in enumerate(found):  # the machine may have been busy
            if any(failure.check in ("time", "connection") and "more" not in failure.came for failure in failures):
                found[index] = measure(peer, wire, *cases[index], log)
    calls = []
    for (mode, stream), failures in zip(cases, found, strict=True):
        rows = [[failure.check, failure.expected, failure.came] for failure in failures]
        if mode.outcome == {"truncated"} and any(
            row[0] == "outcome" and row[2].startswith("a success") for row in rows
        ):
            rows.append(["cut", "an error", "a success"])
        calls.append({"mode": mode.name, "form": "stream" if stream else "call", "failures": rows})
    print(json.dumps({"peer": peer, "wire": wire, "version": version(distribution), "calls": calls}), flush=True)
    os._exit(0)  # calls that never end are left behind


if __name__ == "__main__":
    main()
