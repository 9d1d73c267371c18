"""Recordings: made with the real SDKs from a loopback vendor, played with the vendor gone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazybridge import Agent, batch, embed
from lazybridge.core.errors import LazyBridgeError, UnsupportedFeatureError
from lazybridge.core.providers import _tape
from lazybridge.testing import CassetteError, record, replay
from lazybridge.testing.failures import rebuilt, written
from tests.conftest import COMPATIBLE, KINDS, Kind
from tests.contract.test_clouds import CLOUDS
from tests.fake_clouds import ACCESS_KEY, SECRET_KEY, CloudVendor
from tests.fake_vendor import FakeVendor, Fault
from tests.testing.facts import chunk_facts, facts

ALL = {**KINDS, **COMPATIBLE}
GONE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture(params=list(ALL))
def any_kind(request: pytest.FixtureRequest) -> Kind:
    return ALL[request.param]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "tape.json"


async def in_all_modes(agent: Agent) -> list[Any]:
    """One call in each of the four modes, and everything that came."""
    got: list[Any] = [facts(agent("Say hello")), facts(await agent.run("Say hello"))]
    stream = agent.stream("Say hello")
    got.append([chunk_facts(chunk) for chunk in stream])
    assert stream.envelope is not None
    got.append(facts(stream.envelope))
    async with agent.stream("Say hello") as stream:
        got.append([chunk_facts(chunk) async for chunk in stream])
    assert stream.envelope is not None
    got.append(facts(stream.envelope))
    await agent.aclose()
    return got


def keyless(kind: Kind, **more: Any) -> Agent:
    """An agent as a program in CI makes it: no key, and a vendor that cannot be reached."""
    return Agent(kind.model, provider=kind.provider, base_url=kind.url(GONE), **kind.options, **more)


def test_a_replay_is_the_recording(any_kind: Kind, vendor: FakeVendor, tape: Path) -> None:
    with record(tape) as cassette:
        recorded = asyncio.run(in_all_modes(any_kind.agent(vendor.url)))
    assert len(cassette.calls) == len(vendor.requests) == 4
    vendor.close()
    with replay(tape):
        agent = keyless(any_kind)
        assert asyncio.run(in_all_modes(agent)) == recorded
        assert agent.engine.provider._client is None  # nothing was made that could ask anybody
    assert recorded[0]["metadata"]["cost_usd"] is not None


def test_nothing_stands_in_when_nobody_records(vendor: FakeVendor, tape: Path) -> None:
    agent = KINDS["messages"].agent(vendor.url)
    with record(tape), record(tape.with_name("inner.json")):
        agent("inner")
    assert _tape.current is None
    agent("outside")
    agent.close()
    assert len(json.loads(tape.with_name("inner.json").read_text())["calls"]) == 1
    assert json.loads(tape.read_text())["calls"] == []  # the innermost one records


def test_errors_and_retries_replay(any_kind: Kind, vendor: FakeVendor, tape: Path) -> None:
    vendor.fail(Fault(status=429, headers={"retry-after": "0"}), Fault(status=500), Fault(), Fault(status=401))
    with record(tape), any_kind.agent(vendor.url) as agent:
        recorded = [facts(agent("one")), facts(agent("two"))]
    assert [attempt["error"] for attempt in recorded[0]["metadata"]["attempts"]] == ["rate_limit", "server", None]
    vendor.close()
    with replay(tape):
        agent = keyless(any_kind)
        assert [facts(agent("one")), facts(agent("two"))] == recorded
    assert recorded[1]["error"][2].__module__.partition(".")[0] in (
        "openai",
        "anthropic",
        "groq",
        "mistralai",
        "google",
    )


def test_nobody_waits_in_a_replay(vendor: FakeVendor, tape: Path) -> None:
    kind = KINDS["chat"]
    vendor.fail(Fault(status=429, headers={"retry-after": "1"}))
    with record(tape), kind.agent(vendor.url) as agent:
        agent("one")
    text = tape.read_text().replace('"retry-after": "1"', '"retry-after": "50"')
    tape.write_text(text)
    began = time.monotonic()
    with replay(tape):
        envelope = keyless(kind)("one")
    assert time.monotonic() - began < 5
    assert envelope.metadata.attempts[0].wait_s == 50


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_connection_that_drops_replays(kind: Kind, vendor: FakeVendor, tape: Path, asynchronous: bool) -> None:
    def ask(agent: Agent) -> Any:
        if not asynchronous:
            return facts(agent("one"))
        return facts(asyncio.run(agent.run("one")))

    vendor.fail(Fault(drop=True), Fault(drop=True))
    with record(tape), kind.agent(vendor.url, max_retries=1) as agent:
        recorded = ask(agent)
    assert [attempt["error"] for attempt in recorded["metadata"]["attempts"]] == ["connection", "connection"]
    vendor.close()
    with replay(tape):
        assert ask(keyless(kind, max_retries=1)) == recorded


@pytest.mark.parametrize("fault", [Fault(end_after=2), Fault(cut_after=2)], ids=["ended", "cut"])
def test_a_truncated_stream_replays(kind: Kind, vendor: FakeVendor, tape: Path, fault: Fault) -> None:
    def broken(agent: Agent) -> Any:
        stream = agent.stream("one")
        with pytest.raises(LazyBridgeError) as caught:
            list(stream)
        return type(caught.value), caught.value.partial_text, caught.value.receipt  # type: ignore[attr-defined]

    vendor.fail(fault)
    with record(tape), kind.agent(vendor.url, max_retries=0) as agent:
        recorded = broken(agent)
    vendor.close()
    with replay(tape):
        assert broken(keyless(kind, max_retries=0)) == recorded


def test_a_stream_that_was_left_replays_as_far(kind: Kind, vendor: FakeVendor, tape: Path) -> None:
    def some(agent: Agent) -> list[str]:
        deltas = []
        for chunk in agent.stream("one"):
            deltas.append(chunk.delta)
            if "".join(deltas):
                break
        return deltas

    with record(tape), kind.agent(vendor.url) as agent:
        recorded = some(agent)
    with replay(tape):
        assert some(keyless(kind)) == recorded
    with replay(tape), pytest.raises(CassetteError, match="was left after"):
        list(keyless(kind).stream("one"))


@pytest.mark.parametrize("raised", [Exception("plain"), OSError(113, "no route"), KeyError("x")])
def test_whatever_an_sdk_raises_comes_back(raised: Exception) -> None:
    """Also what only a live object could tell, and classes that are not installed."""
    back = rebuilt(json.loads(json.dumps(written(raised, ()))), "httpx2", "/v1/x")
    assert type(back) is type(raised)

    class Odd(RuntimeError):
        def __init__(self) -> None:
            super().__init__("odd")
            self.host = object()

    gone = written(Odd(), ())
    gone["kinds"][0] = "some_sdk.errors.Odd"
    back = rebuilt(json.loads(json.dumps(gone)), "httpx2", "/v1/x")
    assert (type(back).__module__, type(back).__name__, str(back)) == ("some_sdk.errors", "Odd", "odd")
    assert [cls.__name__ for cls in type(back).__mro__][:3] == ["Odd", "RuntimeError", "Exception"]


def test_tools_take_several_calls(kind: Kind, vendor: FakeVendor, tape: Path) -> None:
    def weather(city: str) -> str:
        """The weather."""
        return f"sunny in {city}"

    vendor.tool_call = {"name": "weather", "arguments": {"city": "Rome"}}
    with record(tape), kind.agent(vendor.url, tools=[weather]) as agent:
        recorded = facts(agent("Weather?"))
    vendor.close()
    with replay(tape) as cassette:
        assert facts(keyless(kind, tools=[weather])("Weather?")) == recorded
    assert len(cassette.calls) == 2


def test_endpoints_replay(vendor: FakeVendor, tape: Path) -> None:
    kind = KINDS["responses"]
    ask: Callable[..., Any] = lambda url, **key: embed(["a", "b"], "openai/text-embedding-3-small", base_url=url, **key)  # noqa: E731
    with record(tape):
        recorded = ask(kind.url(vendor.url), api_key="test-key-0123456789")
    vendor.close()
    with replay(tape):
        played = ask(kind.url(GONE))
    assert (played.vectors, played.receipt, played.model) == (recorded.vectors, recorded.receipt, recorded.model)


def test_bytes_replay(vendor: FakeVendor, tape: Path) -> None:
    from lazybridge.core.endpoints.speech import Speech, SpeechRequest

    kind = KINDS["chat"]
    request = SpeechRequest(text="hello", voice="alloy")
    with record(tape), kind.build(vendor.url) as provider:  # type: ignore[attr-defined]
        recorded = provider.ask("speech", request, Speech)
    vendor.close()
    with replay(tape):
        assert keyless(kind).engine.provider.ask("speech", request, Speech).audio == recorded.audio  # type: ignore[attr-defined]


def test_what_cannot_be_recorded_says_so(tape: Path) -> None:
    from lazybridge.core.providers.fal import FalProvider

    with (
        record(tape),
        FalProvider(api_key="k:s") as provider,
        pytest.raises(UnsupportedFeatureError, match="fal-client"),
    ):
        provider.run("fal-ai/flux/dev", {"prompt": "x"})


def test_a_batch_replays_without_waiting(vendor: FakeVendor, tape: Path) -> None:
    def answers(url: str, **key: Any) -> list[Any]:
        job = batch(["one", "two"], model="claude-haiku-4-5", base_url=url, **key)
        return [(answer.text(), answer.metadata.receipt) for answer in job.wait().results()]

    with record(tape):
        recorded = answers(vendor.url, api_key="test-key-0123456789")
    vendor.close()
    with replay(tape):
        assert answers(GONE) == recorded
    assert len(recorded) == 2


def test_a_file_replays(vendor: FakeVendor, tape: Path) -> None:
    kind = KINDS["messages"]
    with record(tape), kind.build(vendor.url) as provider:  # type: ignore[attr-defined]
        recorded = provider.upload(b"%PDF-1.7 canary bytes", name="report.pdf")
        provider.delete_file(recorded.id)
    assert "canary bytes" not in tape.read_text()
    with replay(tape):
        provider = keyless(kind).engine.provider
        assert vars(provider.upload(b"%PDF-1.7 canary bytes", name="report.pdf")) == vars(recorded)  # type: ignore[attr-defined]
        provider.delete_file(recorded.id)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", CLOUDS)
def test_clouds_replay_without_their_credentials(name: str, tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = CLOUDS[name]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    vendor = CloudVendor()
    with record(tape):
        recorded = asyncio.run(in_all_modes(cloud.agent(vendor.url)))
    vendor.close()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    secrets = ("api_key", "access_token")
    options = {option: value for option, value in cloud.options.items() if option not in secrets}
    with replay(tape):
        agent = Agent(cloud.model, provider=cloud.provider, base_url=cloud.url(GONE), **options)
        assert asyncio.run(in_all_modes(agent)) == recorded
    for secret in (ACCESS_KEY, SECRET_KEY, "bedrock-api-key", "ya29.token"):
        assert secret not in tape.read_text()


@pytest.mark.parametrize("calls", ["", ', "calls": 5', ', "calls": [3]', ', "calls": [{"answer": {}}]'])
def test_a_file_that_is_damaged_says_so(calls: str, tape: Path) -> None:
    tape.parent.mkdir(parents=True, exist_ok=True)
    tape.write_text(f'{{"lazybridge_cassette": 1{calls}}}')
    with pytest.raises(CassetteError, match="is damaged"), replay(tape):
        pass
