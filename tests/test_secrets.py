"""A credential is in nothing that a program, a log or a crash reporter shows, whatever a vendor does with it.

The faults are a loopback server's that tells back what it was sent; the exceptions, logs and frames are those of the real
SDKs and of the HTTP libraries under them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from lazybridge import (
    Agent,
    Ledger,
    Model,
    Session,
    embed,
)
from lazybridge.core import registry
from lazybridge.core.errors import ConfigurationError, ProviderError, ServerError
from lazybridge.core.errors.secrets import chain_of, note, scrub
from lazybridge.core.providers import _guard
from lazybridge.core.providers.fal import FalProvider
from lazybridge.testing import record
from tests.conftest import COMPATIBLE, KINDS, Kind
from tests.contract.test_clouds import CLOUDS
from tests.echoing_vendor import FAULTS, EchoingVendor
from tests.fake_clouds import ACCESS_KEY
from tests.four_ways import Mode
from tests.showing import rich, shown
from tests.slow_server import SlowServer
from tests.test_telemetry import Otel
from tests.test_telemetry import otel as otel

KEY, HEADER = "canary-4711-key-0815", "canary-4711-gateway-0815"
AWS_SECRET, AWS_TOKEN = "wJalrCanary4711KMDENGbPxRfiCYEXAMPLE", "canary-4711-session-0815"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24)
CANARIES = ("canary-4711", "dXNlcjpjYW5hcnk", AWS_SECRET)  # the second is `user:canary` as Basic authentication has it
OPTIONS: dict[str, Any] = {"max_retries": 0, "extra_headers": {"x-gateway-secret": HEADER}}
EVERY = {**KINDS, **COMPATIBLE, **CLOUDS}
# For who shares an SDK with another; the others get all.
FEW = ("status 401", "headers", "error in 200", "not JSON", "error event", "bad header", "moved away")


def faults_for(name: str) -> tuple[str, ...]:
    return tuple(FAULTS) if name in KINDS or name == "bedrock-runtime" else FEW


@pytest.fixture
def echo() -> Iterator[EchoingVendor]:
    vendor = EchoingVendor(KEY)
    yield vendor
    vendor.close()


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", ACCESS_KEY), ("SECRET_ACCESS_KEY", AWS_SECRET), ("SESSION_TOKEN", AWS_TOKEN)):
        monkeypatch.setenv(f"AWS_{name}", value)


class Sinks:
    """Where a call leaves its traces, and which of them has a canary."""

    def __init__(self, otel: Otel, folder: Path) -> None:
        self.events: list[Any] = []
        self.ledger, self.otel = Ledger(folder / "spend.db"), otel
        self.session = Session(self.events.append, payloads=True, ledger=self.ledger)
        self.logged: list[tuple[str, str]] = []
        self.leaks: list[str] = []
        self.errors = 0

    def look(self, case: str, place: str, text: str) -> None:
        for canary in CANARIES:
            if canary in text:
                self.leaks.append(f"{case}: {place}: {text[max(0, text.find(canary) - 60) :][:120]!r}")
                return

    def take(self, case: str, outcome: Any) -> None:
        """What a call returned or raised, and what it left elsewhere."""
        error = outcome if isinstance(outcome, BaseException) else getattr(outcome, "error", None)
        if error is not None:
            self.errors += 1
            for place, text in shown(error).items():
                self.look(case, place, text)
        if hasattr(outcome, "_repr_html_") and error is not None:
            self.look(case, "envelope", f"{outcome!r} {outcome} {outcome._repr_html_()} {outcome._repr_markdown_()} {outcome.metadata!r}")  # fmt: skip
            self.look(case, "envelope pickled", pickle.dumps(outcome).decode("latin-1"))
        for name, text in self.logged:
            self.look(case, f"log {name}", text)
        if error is not None:  # what a model said is not redacted
            self.look(case, "events", repr(self.events))
            self.look(case, "spans", self.otel.all())
        for kept in (self.logged, self.events):
            kept.clear()
        self.otel.exporter.clear()

    def emit(self, record: logging.LogRecord) -> None:
        self.logged.append((record.name, f"{logging.Formatter().format(record)} {record.exc_info} {record.args}"))


@pytest.fixture
def sinks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sinks]:
    found = Sinks(request.getfixturevalue("otel"), tmp_path)
    handler = logging.Handler()
    handler.emit = found.emit  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict)]
    levels = [logger.level for logger in loggers]
    logging.root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield found
    logging.root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    found.ledger.close()


def agent_of(kind: Kind, url: str, key: Any = KEY, **more: Any) -> Agent:
    options = {name: key if name in ("api_key", "access_token") else value for name, value in kind.options.items()}
    if kind.provider not in ("bedrock", "vertex"):
        options["api_key"] = key
    return Agent(kind.model, provider=kind.provider, base_url=kind.url(url), **{**OPTIONS, **options, **more})


def whole(agent: Agent) -> Any:
    return agent("hi")


def streamed(agent: Agent) -> Any:
    stream = agent.stream("hi")
    try:
        list(stream)
    except ProviderError as exc:
        return exc
    return stream.envelope


async def awhole(agent: Agent) -> Any:
    return await agent.run("hi")


async def astreamed(agent: Agent) -> Any:
    stream = agent.stream("hi")
    try:
        async for _ in stream:
            pass
    except ProviderError as exc:
        return exc
    return stream.envelope


@contextmanager
def quietly(sinks: Sinks, case: str) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
    sinks.look(case, "warnings", repr([str(one.message) for one in told]))


def said_by(kind: Kind) -> tuple[str, ...]:
    return (AWS_TOKEN, AWS_SECRET) if kind.provider == "bedrock" and "api_key" not in kind.options else (KEY,)


@pytest.mark.usefixtures("clouds")
@pytest.mark.parametrize("name", list(EVERY))
def test_no_fault_of_a_vendor_shows_a_credential(name: str, echo: EchoingVendor, sinks: Sinks) -> None:
    kind = EVERY[name]
    with quietly(sinks, name):
        agent = agent_of(kind, echo.url, session=sinks.session)
    for fault in faults_for(name):
        echo.fault = fault
        for said in said_by(kind):
            echo.said = f"{said} and {HEADER}" if "header" not in fault and "moved" not in fault else said
            for way in (whole, streamed):
                with quietly(sinks, f"{fault} {way.__name__}"):
                    sinks.take(f"{fault} {way.__name__}", way(agent))

    async def asked() -> None:
        for fault in (*FEW, "bad status line", "moved nowhere"):
            echo.fault, echo.said = fault, said_by(kind)[0]
            for way in (awhole, astreamed):
                with quietly(sinks, f"{fault} {way.__name__}"):
                    sinks.take(f"{fault} {way.__name__}", await way(agent))
        await agent.aclose()

    asyncio.run(asked())
    sinks.look("all", "ledger", repr(list(sinks.ledger.rows())))
    sinks.look("all", "agent", f"{agent!r} {vars(agent)!r} {vars(agent.engine)!r} {vars(agent.engine.provider)!r}")
    assert sinks.leaks == []
    assert sinks.errors > 2 * len(faults_for(name))
    assert echo.told  # they were sent


@pytest.mark.usefixtures("clouds")
@pytest.mark.parametrize("name", list(EVERY))
def test_a_traceback_that_shows_every_local_shows_no_credential(name: str, echo: EchoingVendor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agent = agent_of(EVERY[name], echo.url)
    echo.said = said_by(EVERY[name])[0]
    for fault in ("status 401", "bad header"):
        echo.fault = fault
        error = streamed(agent)
        assert isinstance(error, ProviderError)
        text = rich(error)
        assert "lazybridge" in text
        assert [canary for canary in CANARIES if canary in text] == []
    agent.close()


def basic(url: str) -> str:
    return url.replace("://", f"://user:{KEY}@", 1)


def by_environment(kind: Kind, url: str, environment: pytest.MonkeyPatch) -> Agent:
    environment.setenv(registry.provider_class(kind.provider).key_variable, KEY)  # type: ignore[attr-defined]
    return agent_of(kind, url, None)


def by_function(kind: Kind, url: str, environment: pytest.MonkeyPatch) -> Agent:
    return agent_of(kind, url, lambda: KEY)


def by_address(kind: Kind, url: str, environment: pytest.MonkeyPatch) -> Agent:
    return agent_of(kind, url.replace("://", f"://user:{KEY}@", 1), "another-key-4711")


def by_header(kind: Kind, url: str, environment: pytest.MonkeyPatch) -> Agent:
    return agent_of(kind, url, "another-key-4711", extra_headers={"authorization": f"Bearer {KEY}", "x-own": KEY})


@pytest.mark.parametrize("source", [by_environment, by_function, by_address, by_header])
@pytest.mark.parametrize("name", ["chat", "messages", "groq", "mistral", "gemini", "azure-chat"])
def test_no_credential_is_shown_wherever_it_came_from(
    name: str, source: Callable[..., Agent], echo: EchoingVendor, sinks: Sinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quietly(sinks, name):
        if source is by_function and name in ("messages", "groq", "gemini"):  # the SDK would send the function's repr
            with pytest.raises(ConfigurationError, match="api_key is a text"):
                source(EVERY[name], echo.url, monkeypatch)
            return
        agent = source(EVERY[name], echo.url, monkeypatch)
    for fault in ("status 401", "error in 200", "bad status line", "moved away"):
        echo.fault = fault
        with quietly(sinks, fault):
            sinks.take(f"{fault} stream", streamed(agent))
            sinks.take(f"{fault} async", asyncio.run(awhole(agent)))
    sinks.look("all", "agent", f"{agent!r} {vars(agent)!r} {vars(agent.engine)!r} {vars(agent.engine.provider)!r}")
    agent.close()
    assert sinks.leaks == []
    assert sinks.errors == 8
    assert any(KEY in sent or "dXNlcjpjYW5hcnk" in sent for sent in echo.told)  # the second is `user:canary`


@pytest.mark.parametrize("name", ["chat", "messages", "mistral", "gemini", "groq"])
def test_no_endpoint_shows_a_credential(name: str, echo: EchoingVendor, sinks: Sinks) -> None:
    provider = registry.provider_class(KINDS[name].provider)(api_key=KEY, base_url=KINDS[name].url(echo.url))
    assert isinstance(provider.endpoints, dict)  # type: ignore[attr-defined]
    for fault in FAULTS:
        echo.fault = fault
        for options in ({"provider": provider, "max_retries": 0}, {"provider": provider, "max_retries": 0, **OPTIONS}):
            with quietly(sinks, fault):
                sinks.take(fault, _raised(lambda options=options: embed("a", "some-model", **options)))  # type: ignore[misc]
        with quietly(sinks, fault):
            sinks.take(f"{fault} models", _raised(provider.models))  # type: ignore[attr-defined]
    provider.close()  # type: ignore[attr-defined]
    sinks.leaks = [
        leak for leak in sinks.leaks if " models: " not in leak
    ]  # a provider's own methods let the SDK's exception through
    assert sinks.leaks == []


def _raised(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as exc:  # noqa: BLE001  # whatever it is, it is looked at
        return exc


@pytest.mark.parametrize("method", ["run", "submit", "events"])
def test_fals_queue_shows_no_credential(method: str, echo: EchoingVendor, sinks: Sinks) -> None:
    with FalProvider(api_key=KEY, run_url=echo.url, queue_url=echo.url) as provider:
        for fault in FAULTS:
            echo.fault = fault
            with quietly(sinks, fault):
                sinks.take(fault, _raised(lambda: [*getattr(provider, method)("fal-ai/flux", {"prompt": "x"}, **({} if method == "events" else {"max_retries": 0}))]))  # fmt: skip
    assert sinks.leaks == []
    assert sinks.errors > len(FAULTS) / 2


@pytest.mark.parametrize("name", ["chat", "messages", "gemini"])
def test_no_cassette_has_a_credential(name: str, echo: EchoingVendor, tmp_path: Path) -> None:
    tape = tmp_path / "tape.json"
    with warnings.catch_warnings(), record(tape), agent_of(EVERY[name], echo.url) as agent:
        warnings.simplefilter("ignore")
        for fault in FAULTS:
            echo.fault = fault
            whole(agent)
            streamed(agent)
    text = tape.read_text()
    assert "[redacted]" in text
    assert [canary for canary in CANARIES if canary in text] == []


# --- logs -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clouds")
@pytest.mark.parametrize("name", list(EVERY))
def test_whoever_logs_a_call_is_watched(name: str, echo: EchoingVendor, sinks: Sinks) -> None:
    """The loggers that the SDKs and their HTTP libraries log to: all of them are on the list."""
    with quietly(sinks, name):
        agent = agent_of(EVERY[name], echo.url)
        whole(agent), streamed(agent), asyncio.run(awhole(agent))
    agent.close()
    heard = {logger for logger, _ in sinks.logged} - {"lazybridge", "root"}
    assert heard <= set(_guard._LOGGERS), heard - set(_guard._LOGGERS)


def test_an_exception_in_a_log_is_its_text(sinks: Sinks) -> None:
    note([KEY])
    _guard.clean_logs()
    try:
        raise ValueError(f"bad {KEY}")
    except ValueError:
        logging.getLogger("httpx2").exception("with %s", KEY)
    ((_, text),) = sinks.logged
    assert "ValueError: bad [redacted]" in text
    assert "with [redacted]" in text
    assert KEY not in text


# --- redirects, and whose host it is ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("clouds")
@pytest.mark.parametrize(
    ("name", "status"),
    [
        *(("chat", status) for status in (301, 302, 303, 308)),
        *(
            (name, 307)
            for name in (*KINDS, "azure-chat", "bedrock-mantle-key", "bedrock-openai", "vertex", "openrouter")
        ),
    ],
)
def test_no_request_is_moved_to_another_host(
    name: str, status: int, echo: EchoingVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP libraries leave `x-api-key`, `api-key`, `x-goog-api-key` and the body on a request that is moved."""
    elsewhere = EchoingVendor()
    elsewhere_url = elsewhere.url.replace("127.0.0.1", "localhost")
    monkeypatch.setitem(FAULTS, "moved", lambda said: (status, {"location": f"{elsewhere_url}/v1/x?{said}"}, b""))
    echo.fault = "moved"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agent = agent_of(EVERY[name], echo.url, max_retries=2)
    for outcome in (
        whole(agent).error,
        streamed(agent),
        asyncio.run(awhole(agent)).error,
        asyncio.run(astreamed(agent)),
    ):
        assert isinstance(outcome, ServerError)
        assert f"moved the request to {elsewhere_url}" in str(outcome)
        assert outcome.retryable is False
        assert len(outcome.attempts) == 1
    assert elsewhere.asked == 0
    assert echo.asked == 4
    agent.close()
    elsewhere.close()


def test_a_redirect_on_the_same_host_is_followed(echo: EchoingVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([(307, {"location": "/v2/chat/completions"}, b""), FAULTS["status 429"]("no")])
    monkeypatch.setitem(FAULTS, "moved", lambda said: next(answers))
    echo.fault = "moved"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert agent_of(KINDS["chat"], echo.url)("hi").error.status_code == 429  # type: ignore[union-attr]
    assert echo.asked == 2
    assert set(echo.told) == {f"Bearer {KEY}", HEADER}


def test_fals_queue_names_no_other_host(echo: EchoingVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses of a job come from the queue's answer, and the key goes there with every question."""
    elsewhere = EchoingVendor()
    place = {f"{name}_url": f"{elsewhere.url}/{name}" for name in ("status", "response", "cancel")}
    monkeypatch.setitem(FAULTS, "queued", lambda said: (200, {}, json.dumps({"request_id": "r-1", **place}).encode()))
    echo.fault = "queued"
    with FalProvider(api_key=KEY, run_url=echo.url, queue_url=echo.url) as provider:
        job = provider.submit("fal-ai/flux", {"prompt": "x"})
        with pytest.raises(ServerError, match="which is not fal's: it was not asked"):
            job.status()
    assert elsewhere.asked == 0
    elsewhere.close()


@pytest.mark.parametrize(
    ("provider", "variable", "url", "owner"),
    [
        ("openai", "OPENAI_API_KEY", "https://openrouter.ai/api/v1", "openrouter"),
        ("openai", "OPENAI_API_KEY", "https://API.DeepSeek.com./v1", "deepseek"),
        ("anthropic", "ANTHROPIC_API_KEY", "https://api.z.ai/api/anthropic", "zai"),
        ("groq", "GROQ_API_KEY", "https://api.openai.com/v1", "openai"),
        ("mistral", "MISTRAL_API_KEY", "https://api.openai.com/v1", "openai"),
        ("google", "GEMINI_API_KEY", "https://api.anthropic.com", "anthropic"),
        ("openrouter", "OPENROUTER_API_KEY", "https://api.openai.com/v1", "openai"),
        ("azure", "AZURE_OPENAI_API_KEY", "https://api.openai.com/v1", "openai"),
        ("fal", "FAL_KEY", "https://openrouter.ai/api/v1", "openrouter"),
    ],
)
def test_a_key_of_the_environment_goes_to_its_own_vendor(
    provider: str, variable: str, url: str, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, KEY)
    with pytest.raises(ConfigurationError, match=f'pass the key that goes there, api_key="...", or ask that vendor: provider="{owner}"') as caught:  # fmt: skip
        Agent("some-model", provider=provider, base_url=url)
    assert KEY not in str(caught.value)
    for fine in ("http://127.0.0.1:9/v1", "https://gateway.example.com/v1"):
        Agent("some-model", provider=provider, base_url=fine)
    Agent("some-model", provider=provider, base_url=url, api_key="the-right-one")


def test_a_server_of_ones_own_has_any_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPATIBLE_API_KEY", KEY)
    Agent("compatible/some-model", base_url="https://openrouter.ai/api/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Agent("gpt-6-luna", base_url="https://eu.api.openai.com/v1")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://openrouter.ai/api/v1")  # set beside the key, by whoever set that
    Agent("gpt-6-luna")


# --- objects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Agent, Model])
def test_nothing_that_is_built_can_be_pickled_or_looked_into(make: Any) -> None:
    built = make("gpt-6-luna", api_key=KEY, extra_headers={"x-gateway-secret": HEADER})
    with pytest.raises(TypeError) as caught:
        pickle.dumps(built)
    engine = built.engine
    text = (
        f"{caught.value} {built!r} {vars(built)!r} {vars(engine)!r} {vars(engine.provider)!r} {engine.request('hi')!r}"
    )
    assert "canary" not in text


def test_what_is_a_secret_is_removed_and_nothing_else() -> None:
    note([None, "short", "a-noted-credential"])
    assert scrub("short a-noted-credential x-amz-security-token:abc/def+== end") == "short [redacted] x-amz-security-token:[redacted] end"  # fmt: skip


def test_what_is_noted_is_bounded() -> None:
    from lazybridge.core.errors import secrets

    note(f"credential-{number}" for number in range(1000))
    assert len(secrets._sent) <= 256
    assert scrub("credential-999 credential-1") == "[redacted] credential-1"


def test_the_chain_of_an_error_has_no_frame_of_an_sdk(echo: EchoingVendor) -> None:
    echo.fault = "not JSON"
    error = agent_of(EVERY["openrouter"], echo.url)("hi").error
    assert error is not None
    assert [link for link in chain_of(error) if link is not error and link.__traceback__ is not None] == []


@pytest.mark.parametrize("name", KINDS)
def test_no_key_goes_to_a_server_whose_certificate_nobody_vouches_for(
    name: str, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")  # and lazybridge has no such variable of its own
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with closing(SlowServer("accept", tls=context)) as server:
        envelope = mode(agent_of(KINDS[name], server.url, timeout=5), "hi")
    assert envelope.error.kind == "connection"
    assert server.requests == 0
