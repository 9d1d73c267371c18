"""lazybridge on the fault bench: each provider through each mode, in all four ways to ask."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from lazybridge.agent import Agent
from lazybridge.core.errors import LazyBridgeError
from lazybridge.envelope import Envelope
from lazybridge.testing.faults.judging import CHECKS, Failure, Seen, apart, judged
from lazybridge.testing.faults.leaks import Log, leaks, logged
from lazybridge.testing.faults.mode import Mode, WireName
from lazybridge.testing.faults.modes import MODES
from lazybridge.testing.faults.server import FaultServer

_PROMPT = "What is the answer?"
_PATIENT = 20.0  # what the next call is given, in seconds: it is not about time
FORMS = ("call", "run", "stream", "astream")


@dataclass(frozen=True)
class Vendor:
    """A provider, and how it is pointed at the server."""

    name: str
    wire: WireName
    provider: str
    model: str
    path: str
    options: dict[str, Any] = field(default_factory=dict)


VENDORS = {
    vendor.name: vendor
    for vendor in (
        Vendor("openai", "responses", "openai", "gpt-6-luna", "/v1"),
        Vendor("openai-chat", "chat", "openai", "gpt-6-luna", "/v1", {"api": "chat"}),
        Vendor("anthropic", "messages", "anthropic", "claude-haiku-5-5", ""),
        Vendor("groq", "chat", "groq", "openai/gpt-oss-20b", ""),
        Vendor("mistral", "mistral", "mistral", "mistral-small-2603", "/mistral"),
        Vendor("google", "gemini", "google", "gemini-3.8-flash", ""),
    )
}


@dataclass(frozen=True)
class Case:
    """One call: who asks, through which fault, in which way."""

    vendor: Vendor
    mode: Mode
    form: str


@dataclass
class Result:
    """How a case went."""

    case: Case
    failures: list[Failure]
    seconds: float
    requests: int = 0  # that came in before the server was healed

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.failures


def cases(vendors: Iterable[str], modes: Iterable[str]) -> list[Case]:
    """Every case of these, by name."""
    return [
        Case(VENDORS[vendor], MODES[mode], form)
        for mode in modes
        for vendor in vendors
        for form in FORMS
        if VENDORS[vendor].wire in MODES[mode].wires
        and (MODES[mode].streamed if form in ("stream", "astream") else MODES[mode].whole)
    ]


def run(wanted: Iterable[Case], workers: int | None = None) -> Iterator[Result]:
    """Run cases side by side; one that was short of time is run again by itself, since the machine may have been busy."""
    with logged() as log:
        late: list[Case] = []
        with ThreadPoolExecutor(workers or 8 * (os.cpu_count() or 2)) as pool:
            for case, future in [(case, pool.submit(run_one, case, log)) for case in wanted]:
                raised = future.exception()
                if raised is not None:  # a call that fails gives an envelope
                    failure = Failure("outcome", "an envelope", f"{type(raised).__name__}: {raised}"[:300])
                    yield Result(case, [failure], 0.0)
                    continue
                result = future.result()
                if _short_of_time(result):
                    late.append(result.case)
                else:
                    yield result
        for case in late:
            yield run_one(case, log)


def _short_of_time(result: Result) -> bool:
    """Whether a check was missed that a busy machine can miss: that of a call whose time was over before it was sent, too."""
    unsent = not result.passed and not result.requests and result.case.mode.timeout < 1
    return unsent or any(failure.check in ("time", "connection") for failure in result.failures)


def run_one(case: Case, log: Log) -> Result:
    """One call through a fault, one more when the server is well, and what is wrong with them."""
    key = f"canary-{uuid.uuid4().hex}"
    heard: list[str] = []

    def weather(city: str) -> str:
        """The weather in a city."""
        heard.append(city)
        return "rain"

    with FaultServer(case.mode) as server:
        with Agent(
            case.vendor.model,
            provider=case.vendor.provider,
            api_key=key,
            base_url=server.url + case.vendor.path,
            tools=[weather] if case.mode.calls is not None else [],
            max_retries=1,
            timeout=case.mode.timeout,
            fallback=False,
            **case.vendor.options,
        ) as agent:
            met = _met(case, agent, server)
        seen = _seen(met.first, met.seconds, key, server, log)
        seen.again, seen.heard = _said(met.again), heard
        found = judged(case.mode, seen, server, len(met.times), met.settled, frozenset(CHECKS))
        return Result(case, [*found, *apart(case.mode, met.times)], met.seconds, len(met.times))


@dataclass
class _Met:
    """The two calls of a case, and what the server saw of the first."""

    first: Envelope[Any]
    again: Envelope[Any]
    seconds: float
    times: list[float]
    settled: bool


def _met(case: Case, agent: Agent[Any], server: FaultServer) -> _Met:
    if case.form in ("run", "astream"):
        return asyncio.run(_amet(case, agent, server))
    ask: Callable[..., Envelope[Any]] = _streamed if case.form == "stream" else _called
    began = time.monotonic()
    first = ask(agent)
    seconds = time.monotonic() - began
    settled, times = server.settled(), [request.at for request in server.requests]
    server.heal()
    return _Met(first, ask(agent, timeout=_PATIENT), seconds, times, settled)


async def _amet(case: Case, agent: Agent[Any], server: FaultServer) -> _Met:
    ask: Callable[..., Awaitable[Envelope[Any]]] = _astreamed if case.form == "astream" else _acalled
    try:
        began = time.monotonic()
        first = await ask(agent)
        seconds = time.monotonic() - began
        settled = await asyncio.to_thread(server.settled)
        times = [request.at for request in server.requests]
        server.heal()
        return _Met(first, await ask(agent, timeout=_PATIENT), seconds, times, settled)
    finally:
        await agent.aclose()


def _called(agent: Agent[Any], **settings: Any) -> Envelope[Any]:
    return agent(_PROMPT, **settings)


async def _acalled(agent: Agent[Any], **settings: Any) -> Envelope[Any]:
    return await agent.run(_PROMPT, **settings)


def _streamed(agent: Agent[Any], **settings: Any) -> Envelope[Any]:
    stream = agent.stream(_PROMPT, **settings)
    return _ended(stream, _drained(stream))


async def _astreamed(agent: Agent[Any], **settings: Any) -> Envelope[Any]:
    stream = agent.stream(_PROMPT, **settings)
    text: str | None = ""
    try:
        async for chunk in stream:
            text = chunk.delta if chunk.resumed else (text or "") + chunk.delta
    except LazyBridgeError:
        text = None
    return _ended(stream, text)


def _drained(stream: Any) -> str | None:
    """All that a stream hands out; None where it fails."""
    text = ""
    try:
        for chunk in stream:
            text = chunk.delta if chunk.resumed else text + chunk.delta
    except LazyBridgeError:
        return None
    return text


def _ended(stream: Any, text: str | None) -> Envelope[Any]:
    envelope: Envelope[Any] = stream.envelope
    if envelope.ok and envelope.text() != text:
        raise AssertionError(f"the stream handed out {text!r}, and its envelope has {envelope.text()!r}")
    return envelope


def _seen(envelope: Envelope[Any], seconds: float, key: str, server: FaultServer, log: Log) -> Seen:
    seen = Seen(seconds, attempts=len(envelope.metadata.attempts), receipt=envelope.metadata.receipt.status)
    seen.cost = envelope.metadata.cost_usd
    found = []
    if envelope.error is None:
        seen.text = envelope.text()
    else:
        seen.kind = getattr(envelope.error, "kind", type(envelope.error).__name__)
        found += leaks(envelope.error, key, __file__)
    if key in repr(envelope) or key in repr(envelope.metadata) or key in repr(envelope.error_info):
        found.append("the envelope")
    if log.shows(key):
        found.append("the log")
    if server.visited is not None and (server.visited.requests or key.encode() in server.visited.received):
        found.append("another server")
    seen.leaks = found
    return seen


def _said(envelope: Envelope[Any]) -> str | None:
    return envelope.text() if envelope.ok else repr(envelope.error)
