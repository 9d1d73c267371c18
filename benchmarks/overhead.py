"""CPU time of lazybridge beside the vendors' SDKs, against one loopback server with canned answers.

`python benchmarks/overhead.py [--rounds N | --quick]` prints a table; `benchmarks/README.md` says how to read it.
Every subject runs in a process of its own, and the subjects take turns, a short round each, so that noise hits all alike.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from server import ANTHROPIC_MODEL, OPENAI_MODEL, PIECE, PIECES, TEXT

if TYPE_CHECKING:
    from lazybridge import CompletionRequest, Message, ToolDefinition

HERE = Path(__file__).resolve().parent
IN_FLIGHT = 100
BASELINE = "SDK typed"
# Variables that would send the workers elsewhere than to the loopback server; proxies go as well.
_FOREIGN = ("OPENAI_", "ANTHROPIC_", "GROQ_")


@dataclass(frozen=True)
class Case:
    """`method` of a subject on a short or a long conversation, `calls` times a round; CPU is told per call or per piece."""

    name: str
    method: str
    calls: int
    long: bool = False
    pieces: int = 1

    @property
    def asynchronous(self) -> bool:
        return self.method.startswith("a")

    @property
    def streamed(self) -> bool:
        return self.method.endswith("stream")


CASES = (
    Case("sync, 2 messages", "complete", 60),
    Case("sync, 100 messages, 20 tools", "complete", 8, long=True),
    Case(f"async, {IN_FLIGHT} in flight", "acomplete", IN_FLIGHT),
    Case("sync stream, per chunk", "stream", 3, pieces=PIECES),
    Case("async stream, per chunk", "astream", 3, pieces=PIECES),
)
SUBJECTS = (BASELINE, "SDK typed, aiohttp", "SDK post", "provider", "Agent")
IMPORTS = {
    "bare Python": "pass",
    "import lazybridge": "import lazybridge",
    "lazybridge.Agent": "from lazybridge import Agent",
    "import openai": "import openai",
    "import anthropic": "import anthropic",
}


# --- what is asked --------------------------------------------------------------------------------------------------


def conversation(long: bool) -> tuple[list[Message], list[ToolDefinition]]:
    """A system prompt and a question; or 100 messages with tool calls and their results, and 20 tools."""
    from lazybridge import Message, ToolCall, ToolDefinition

    if not long:
        return [Message.system("You are brief."), Message.user("What is the capital of France?")], []
    text = "The quick brown fox jumps over the lazy dog, and then it does so once more. " * 3
    messages = [Message.system("You are brief.")]
    for turn in range(24):
        call = ToolCall.parse(
            f"call_{turn}", f"tool_{turn % 20}", f'{{"city": "Paris", "days": {turn}, "tags": ["a"]}}'
        )
        messages += [
            Message.user(f"{turn}: {text}"),
            Message.assistant("I will look.", tool_calls=[call]),
            Message.tool(f'{{"temperature": {turn}}}', tool_call_id=call.id, name=call.name),
            Message.assistant(text),
        ]
    messages += [Message.user("And now?"), Message.assistant(text), Message.user("What is the capital of France?")]
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where"},
            "days": {"type": "integer", "minimum": 0},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["city"],
    }
    return messages, [ToolDefinition(f"tool_{number}", "Looks something up.", schema) for number in range(20)]


@dataclass(frozen=True)
class Family:
    """One API: how lazybridge and the SDK reach it, and where the SDK's typed objects keep the text."""

    name: str
    sdk: str
    model: str
    path: str
    options: dict[str, Any]
    create: Callable[[Any], Callable[..., Any]]
    text: Callable[[Any], str]
    delta: Callable[[Any], str]

    def base_url(self, server: str) -> str:
        return f"{server}/v1" if self.sdk == "openai" else server


def _groq_create(client: Any) -> Callable[..., Any]:
    """The typed call; it has no parameter for `stream_options`."""

    def create(*, stream_options: Any = None, **body: Any) -> Any:
        more = {} if stream_options is None else {"extra_body": {"stream_options": stream_options}}
        return client.chat.completions.create(**body, **more)

    return create


FAMILIES = {
    family.name: family
    for family in (
        Family(
            "openai responses",
            "openai",
            OPENAI_MODEL,
            "/responses",
            {"api": "responses"},
            create=lambda client: client.responses.create,
            text=lambda answer: answer.output_text,
            delta=lambda event: event.delta if event.type == "response.output_text.delta" else "",
        ),
        Family(
            "openai chat",
            "openai",
            OPENAI_MODEL,
            "/chat/completions",
            {"api": "chat"},
            create=lambda client: client.chat.completions.create,
            text=lambda answer: answer.choices[0].message.content,
            delta=lambda event: (event.choices[0].delta.content or "") if event.choices else "",
        ),
        Family(
            "anthropic",
            "anthropic",
            ANTHROPIC_MODEL,
            "/v1/messages",
            {},
            create=lambda client: client.messages.create,
            text=lambda answer: answer.content[0].text,
            delta=lambda event: (
                event.delta.text if event.type == "content_block_delta" and event.delta.type == "text_delta" else ""
            ),
        ),
        Family(
            "groq",
            "groq",
            OPENAI_MODEL,
            "/openai/v1/chat/completions",
            {},
            create=_groq_create,
            text=lambda answer: answer.choices[0].message.content,
            delta=lambda event: (event.choices[0].delta.content or "") if event.choices else "",
        ),
    )
}


# --- who is asked: one subject in one process -----------------------------------------------------------------------


class Subject(Protocol):
    """Each method asks once and returns the text, or "" where the subject does not look for it."""

    def complete(self, long: bool) -> str: ...
    async def acomplete(self, long: bool) -> str: ...
    def stream(self, long: bool) -> str: ...
    async def astream(self, long: bool) -> str: ...
    async def aclose(self) -> None: ...


class AgentSubject:
    """`Agent`, with the conversation's messages made beforehand."""

    def __init__(self, family: Family, server: str) -> None:
        from lazybridge import Agent

        self.talks = [conversation(long) for long in (False, True)]
        self.agents = [
            Agent(
                family.model,
                provider=family.sdk,
                api_key="benchmark",
                base_url=family.base_url(server),
                max_tokens=1024,
                tools=tools,
                **family.options,
            )
            for _, tools in self.talks
        ]

    def complete(self, long: bool) -> str:
        return self.agents[long](self.talks[long][0]).text()

    async def acomplete(self, long: bool) -> str:
        return (await self.agents[long].run(self.talks[long][0])).text()

    def stream(self, long: bool) -> str:
        return "".join([chunk.delta for chunk in self.agents[long].stream(self.talks[long][0])])

    async def astream(self, long: bool) -> str:
        return "".join([chunk.delta async for chunk in self.agents[long].stream(self.talks[long][0])])

    async def aclose(self) -> None:
        for agent in self.agents:
            await agent.aclose()


class ProviderSubject:
    """The provider under the agent; the request is made anew for each call."""

    def __init__(self, family: Family, server: str) -> None:
        from lazybridge import CompletionRequest
        from lazybridge.core.registry import provider_class

        self.model, self.request_class = family.model, CompletionRequest
        self.talks = [conversation(long) for long in (False, True)]
        self.provider: Any = provider_class(family.sdk)(
            api_key="benchmark", base_url=family.base_url(server), **family.options
        )

    def request(self, long: bool) -> CompletionRequest:
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


class SDKSubject:
    """The SDK itself, asked with the very body that lazybridge sends: its documented typed call."""

    def __init__(self, family: Family, server: str, *, aiohttp: bool = False) -> None:
        sdk: Any = __import__(family.sdk)
        arguments = {"api_key": "benchmark", "base_url": family.base_url(server), "max_retries": 0}
        self.family, self.sdk = family, sdk
        if family.sdk == "openai":
            self.client, make_async = sdk.OpenAI(**arguments), sdk.AsyncOpenAI
        elif family.sdk == "groq":
            self.client, make_async = sdk.Groq(**arguments), sdk.AsyncGroq
        else:
            self.client, make_async = sdk.Anthropic(**arguments), sdk.AsyncAnthropic
        transport = {"http_client": sdk.DefaultAioHttpClient()} if aiohttp else {}
        self.async_client = make_async(**arguments, **transport)
        self.create, self.acreate = family.create(self.client), family.create(self.async_client)
        self.bodies = {
            (long, stream): _body(family, long, stream) for long in (False, True) for stream in (False, True)
        }

    def complete(self, long: bool) -> str:
        return self.family.text(self.create(**self.bodies[long, False]))

    async def acomplete(self, long: bool) -> str:
        return self.family.text(await self.acreate(**self.bodies[long, False]))

    def stream(self, long: bool) -> str:
        delta = self.family.delta
        return "".join([delta(event) for event in self.create(**self.bodies[long, True])])

    async def astream(self, long: bool) -> str:
        delta = self.family.delta
        return "".join([delta(event) async for event in await self.acreate(**self.bodies[long, True])])

    async def aclose(self) -> None:
        await self.async_client.close()
        self.client.close()


class PostSubject(SDKSubject):
    """The SDK's untyped `post`, the floor under lazybridge: JSON is read, and nothing done with it."""

    def __init__(self, family: Family, server: str) -> None:
        super().__init__(family, server, aiohttp=True)

    def _arguments(self, long: bool, stream_class: Any = None) -> dict[str, Any]:
        stream = {} if stream_class is None else {"stream": True, "stream_cls": stream_class}
        return {"body": self.bodies[long, stream_class is not None], "cast_to": object, **stream}

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


def _body(family: Family, long: bool, stream: bool) -> dict[str, Any]:
    from lazybridge import CompletionRequest
    from lazybridge.core import catalogue
    from lazybridge.core.providers.groq import WIRE
    from lazybridge.core.wire.chat import ChatWire
    from lazybridge.core.wire.messages import MessagesWire
    from lazybridge.core.wire.responses import ResponsesWire

    wire: Any = {
        "/responses": ResponsesWire(),
        "/chat/completions": ChatWire(),
        "/v1/messages": MessagesWire(),
        "/openai/v1/chat/completions": WIRE,
    }[family.path]
    messages, tools = conversation(long)
    request = CompletionRequest(tuple(messages), max_tokens=1024, tools=tuple(tools))
    body: dict[str, Any] = wire.to_sdk_kwargs(request, catalogue.profile(family.sdk, family.model), stream).body
    return body


def make_subject(name: str, family: Family, server: str) -> Subject:
    if name == "Agent":
        return AgentSubject(family, server)
    if name == "provider":
        return ProviderSubject(family, server)
    if name == "SDK post":
        return PostSubject(family, server)
    return SDKSubject(family, server, aiohttp=name != BASELINE)


def work(name: str, family: Family, server: str) -> None:
    """The worker's life: for each line of input, a case's number and how many calls, one round; the answer is seconds of CPU."""
    subject = make_subject(name, family, server)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            number, calls = map(int, line.split())
            case = CASES[number]
            method = getattr(subject, case.method)

            def once(case: Case = case, method: Any = method) -> str:
                return str(runner.run(method(case.long)) if case.asynchronous else method(case.long))

            async def at_once(case: Case = case, method: Any = method, calls: int = calls) -> None:
                await asyncio.gather(*[method(case.long) for _ in range(calls)])

            expected = PIECE * PIECES if case.streamed else TEXT
            text = once()
            if name != "SDK post" and text != expected:
                raise SystemExit(f"{family.name}, {name}, {case.name}: wrong answer {text[:60]!r}")
            together = case.method == "acomplete"
            if together:  # connections that were idle since the last round may have been closed: open them again
                runner.run(at_once())
            gc.collect()
            started = time.process_time()
            if together:
                runner.run(at_once())
            else:
                for _ in range(calls):
                    once()
            spent = time.process_time() - started
            print(spent / (calls * case.pieces), flush=True)
        runner.run(subject.aclose())


# --- who asks: the parent -------------------------------------------------------------------------------------------


class Worker:
    """A subject's process."""

    def __init__(self, name: str, family: Family, server: str) -> None:
        self.name, self.family = name, family
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", name, family.name, server],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def measure(self, case: Case, calls: int) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{CASES.index(case)} {calls}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker of {self.family.name}, {self.name} ended in {case.name!r}")
        return float(line)

    def close(self) -> None:
        self.process.communicate()


def environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONPATH": str(HERE.parent)}


@contextmanager
def running_server(seconds: float) -> Iterator[str]:
    """The base URL of a server that ends by itself after `seconds` should nobody be left to end it."""
    command = [sys.executable, str(HERE / "server.py"), "--seconds", str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def last_body(server: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{server}/last", timeout=10) as answer:
        return json.load(answer)


def measure_family(family: Family, server: str, rounds: int) -> dict[Case, dict[str, list[float]]]:
    found: dict[Case, dict[str, list[float]]] = {case: {} for case in CASES}
    with ExitStack() as stack:
        workers = []
        for name in SUBJECTS:
            workers.append(Worker(name, family, server))
            stack.callback(workers[-1].close)
        for number in range(rounds + 1):  # the first one warms up, and checks that all ask for the same
            for case in CASES:
                bodies = []
                for worker in workers[number % len(workers) :] + workers[: number % len(workers)]:
                    if "aiohttp" in worker.name and not case.asynchronous:
                        continue
                    spent = worker.measure(case, case.calls if number else 1)
                    if number:
                        found[case].setdefault(worker.name, []).append(spent)
                    else:
                        bodies.append(last_body(server))
                if any(body != bodies[0] for body in bodies):
                    raise SystemExit(f"{family.name}, {case.name}: the subjects do not send the same body")
    return found


def measure_imports(rounds: int) -> dict[str, list[float]]:
    """CPU above bare Python, with the modules' bytecode cached as after any first run."""
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    with TemporaryDirectory() as cache:
        variables = {**environment(), "PYTHONPYCACHEPREFIX": cache}
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(rounds + 1):  # the first one fills the cache
            for name, code in IMPORTS.items():
                program = f"{code}\nimport time; print(time.process_time())"
                done = subprocess.run(
                    [sys.executable, "-c", program], env=variables, stdout=subprocess.PIPE, text=True, check=True
                )
                if number:
                    found[name].append(float(done.stdout))
    bare = median(found.pop("bare Python"))
    return {name: [seconds - bare for seconds in times] for name, times in found.items()}


def print_table(title: str, measured: dict[str, dict[str, list[float]]], baseline: str) -> None:
    print(f"\n{title:<30} {'subject':<20} {'median µs':>11} {'min - max':>21} {'ratio':>7}")
    for case, subjects in measured.items():
        for name in (name for name in (*SUBJECTS, *IMPORTS) if name in subjects):
            times = [seconds * 1e6 for seconds in subjects[name]]
            digits = 0 if median(times) >= 1000 else 1
            spread = f"{min(times):,.{digits}f} - {max(times):,.{digits}f}"
            ratio = f"{median(times) / median(subjects[baseline]) / 1e6:.2f}"
            print(f"{case:<30} {name:<20} {median(times):>11,.{digits}f} {spread:>21} {ratio:>7}")


def print_versions() -> None:
    names = ("openai", "anthropic", "httpx2", "aiohttp", "pydantic")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    print(f"Python {platform.python_version()}, {versions}")
    print(f"{date.today()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores; CPU time, not wall time")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of every subject and case (default 5)")
    parser.add_argument("--quick", action="store_true", help="two rounds: does it run, and roughly how much")
    parser.add_argument("--worker", nargs=3, metavar=("SUBJECT", "FAMILY", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, family, server = options.worker
        work(name, FAMILIES[family], server)
        return
    rounds = 2 if options.quick else max(1, options.rounds)
    print_versions()
    with running_server(120 + 30 * rounds) as server:
        for family in FAMILIES.values():
            measured = measure_family(family, server, rounds)
            print_table(family.name, {case.name: subjects for case, subjects in measured.items()}, BASELINE)
    print_table("import", {"CPU above bare Python": measure_imports(min(rounds, 3))}, "import openai")


if __name__ == "__main__":
    main()
