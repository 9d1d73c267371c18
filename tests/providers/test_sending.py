"""What goes out through the SDKs' `post`, ready-made, is what the SDKs themselves would have sent."""

from __future__ import annotations

import asyncio
import datetime
import json
import pickle
from decimal import Decimal
from typing import Any

import anthropic
import groq
import httpx
import httpx2
import openai
import pytest
from pydantic import BaseModel

from lazybridge import Agent, CompletionRequest, Message
from lazybridge.core.providers._sending import ready
from lazybridge.core.types import ToolDefinition
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode

SDKS: dict[str, tuple[Any, Any]] = {
    "openai": (openai.OpenAI, openai.AsyncOpenAI),
    "anthropic": (anthropic.Anthropic, anthropic.AsyncAnthropic),
    "groq": (groq.Groq, groq.AsyncGroq),
}
# What a call's own time, its answer's use and its mode change.
OF_THE_CALL = {
    "x-stainless-timeout",
    "x-stainless-read-timeout",
    "x-stainless-async",
    "x-stainless-raw-response",
    "content-length",  # of a stream
}
TEXTS = ["hi", "quoted \" \\ / \u2028 \x00\x1f é 漢 🙂", "NaN and -Infinity are words, too"]  # fmt: skip


@pytest.fixture(params=["responses", "chat", "messages", "groq"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def weather(city: str, days: int = 3) -> str:
    """What it is like in a city."""
    return city * days


def path_of(kind: Kind) -> str:
    """As the SDK takes it: openai's base URL ends with the version."""
    return kind.path if kind.sdk != "openai" else kind.path.removeprefix("/v1")


def sent_by_the_sdk(kind: Kind, vendor: FakeVendor, body: dict[str, Any], asynchronous: bool) -> dict[str, Any]:
    """What arrives of an untyped call."""
    given: Any = {"api_key": "test-key-0123456789", "base_url": kind.url(vendor.url), "max_retries": 0}
    client = SDKS[kind.sdk][asynchronous](**given)

    async def ask() -> None:
        async with client:
            await client.post(path_of(kind), body=body, cast_to=object)

    if asynchronous:
        asyncio.run(ask())
    else:
        with client:
            client.post(path_of(kind), body=body, cast_to=object)
    return vendor.requests[-1]


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_request_as_the_sdks(vendor: FakeVendor, kind: Kind, mode: Mode, text: str) -> None:
    settings: dict[str, Any] = {"system": text, "max_tokens": 99, "tools": [weather]}
    agent: Agent[Any] = kind.agent(vendor.url, **settings)
    talk = [Message.user(text), Message.assistant("Yes?"), Message.user(text * 2)]
    assert mode(agent, talk, extra_headers={"x-mine": "1"}).text() == TEXT
    ours = vendor.requests[-1]
    streamed = mode.__name__.endswith("stream")
    body = agent.dry_run(talk)
    if streamed:
        body |= {name: ours["json"][name] for name in ("stream", "stream_options") if name in ours["json"]}
    asynchronous = mode.__name__ in ("by_run", "by_astream")
    theirs = sent_by_the_sdk(kind, vendor, body, asynchronous)
    assert ours["json"] == theirs["json"] == body
    assert (ours["path"], list(ours["json"])) == (theirs["path"], list(theirs["json"]))
    more = {"x-mine": "1"} | (
        {"accept": "text/event-stream"} if ours["headers"]["accept"] != "application/json" else {}
    )
    assert _lasting(ours["headers"]) == _lasting(theirs["headers"]) | more
    assert ours["headers"]["content-length"] == theirs["headers"]["content-length"] or streamed


def test_they_go_the_short_way(vendor: FakeVendor, kind: Kind, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the libraries' own making of requests, which is taken away: a call that needed it would fail."""
    for library in (httpx, httpx2):
        for name in ("Client", "AsyncClient"):
            monkeypatch.setattr(getattr(library, name), "build_request", None)
    assert mode(kind.agent(vendor.url, system="Be brief.", tools=[weather]), "hi").text() == TEXT


@pytest.mark.parametrize("sdk", SDKS)
def test_a_body_is_written_once(sdk: str) -> None:
    for make in SDKS[sdk]:
        assert ready(make(api_key="k"), "/chat", {"a": 1}, {})[1]["content"] == b'{"a":1}'


def _lasting(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in OF_THE_CALL}


class Preset(BaseModel):
    size: int = 3
    shape: str = "round"


def test_what_the_sdks_can_write_of_a_callers_own_they_write(vendor: FakeVendor, kind: Kind, mode: Mode) -> None:
    """A model goes out without what nobody set, a moment as text."""
    day = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
    more = {"preset": Preset(shape="square"), "day": day, "deep": [{"preset": Preset()}]}
    assert mode(kind.agent(vendor.url), "hi", extra_body=more).ok
    sent = vendor.requests[-1]["json"]
    assert {name: sent[name] for name in more} == {
        "preset": {"shape": "square"},
        "day": "2026-11-22T00:00:00+00:00",
        "deep": [{"preset": {}}],
    }


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), object(), Decimal("1.5"), b"abc", {1, 2}], ids=["nan", "inf", "object", "decimal", "bytes", "set"]
)  # fmt: skip
@pytest.mark.parametrize("place", ["extra_body", "tools"])
def test_what_is_no_json_is_said_as_the_sdks_say_it(vendor: FakeVendor, kind: Kind, value: Any, place: str) -> None:
    if place == "extra_body":
        fields: dict[str, Any] = {"extra_body": {"mine": value}}
    else:
        fields = {"tools": (ToolDefinition("weather", "Of a city", {"type": "object", "default": value}),)}
    request = CompletionRequest((Message.user("hi"),), kind.model, max_tokens=9, **fields)
    provider: Any = kind.build(vendor.url)
    _, call = provider._translate(request, stream=False)
    said = []
    for ask in (
        provider.complete,
        lambda _: provider._sync_client().post(path_of(kind), body=call.body, cast_to=object),
    ):
        try:
            ask(request)
            said.append(vendor.requests[-1]["json"])
        except (TypeError, ValueError) as exc:
            said.append((type(exc), str(exc)))
    assert said[0] == said[1]
    provider.close()


def test_half_a_surrogate_pair_is_refused_before_it_is_sent(vendor: FakeVendor, kind: Kind, mode: Mode) -> None:
    answer = mode(kind.agent(vendor.url), "half \ud83d of it")
    assert answer.error is not None
    assert answer.metadata.cost_usd == 0
    assert vendor.requests == []


@pytest.mark.parametrize("unusual", ["byte order mark", "utf-16", "half a pair", "deep"])
def test_unusual_json_is_read_all_the_same(vendor: FakeVendor, kind: Kind, unusual: str) -> None:
    agent = kind.agent(vendor.url)
    first = agent("hi")
    assert first.response is not None
    raw = json.loads(first.response.raw.model_dump_json(exclude_unset=True))
    if unusual == "half a pair":
        raw["more"] = "\ud83d"
    if unusual == "deep":
        raw["more"] = json.loads("[" * 300 + "]" * 300)
    coding = {"byte order mark": "utf-8-sig", "utf-16": "utf-16"}.get(unusual, "utf-8")
    vendor.fail(Fault(status=200, body=json.dumps(raw).encode(coding)))
    second = agent("hi")
    assert (second.text(), second.metadata.cost_usd) == (TEXT, first.metadata.cost_usd)


@pytest.mark.parametrize("text", ["hi", "what is NaN?"])
def test_a_client_of_ones_own_keeps_its_time_and_its_retries(vendor: FakeVendor, kind: Kind, text: str) -> None:
    request = CompletionRequest((Message.user(text),), kind.model, max_tokens=9)
    provider: Any = kind.build(vendor.url)
    given = {"api_key": "test-key-0123456789", "base_url": kind.url(vendor.url)}
    provider._client = SDKS[kind.sdk][0](**given, timeout=0.3, max_retries=0)
    vendor.fail(Fault(hang=1.5))
    with pytest.raises((openai.APITimeoutError, anthropic.APITimeoutError, groq.APITimeoutError)):
        provider.complete(request)
    provider.close()
    provider._client = SDKS[kind.sdk][0](**given, max_retries=2)
    vendor.fail(Fault(status=500), Fault(status=500))
    assert provider.complete(request).content == TEXT
    assert len(vendor.requests) == 4
    provider.close()


def test_a_middleware_of_ones_own_sees_the_body(vendor: FakeVendor) -> None:
    seen = []

    def look(request: Any, call_next: Any) -> Any:
        seen.append((request.url, request.json["model"]))
        return call_next(request)

    kind = KINDS["messages"]
    provider: Any = kind.build(vendor.url)
    provider._client = anthropic.Anthropic(api_key="k" * 20, base_url=kind.url(vendor.url), middleware=[look])
    assert provider.complete(CompletionRequest((Message.user("hi"),), kind.model, max_tokens=9)).content == TEXT
    assert seen == [("/v1/messages", kind.model)]
    provider.close()


def test_a_base_url_with_more_than_an_address_is_the_sdks_to_read(vendor: FakeVendor, kind: Kind) -> None:
    plain = kind.url(vendor.url)
    for url in (plain + "#part", plain.replace("://", "://user:password@"), plain + "/"):
        agent = Agent(kind.model, provider=kind.provider, api_key="k" * 20, base_url=url, **kind.options)
        assert agent("hi").ok
        assert vendor.requests[-1]["path"] == kind.path


def test_the_sdks_errors_go_through_pickle(vendor: FakeVendor) -> None:
    kind = KINDS["messages"]
    provider: Any = kind.build(vendor.url)
    vendor.fail(Fault(status=400))
    with pytest.raises(anthropic.BadRequestError) as caught:
        provider.complete(CompletionRequest((Message.user("hi"),), kind.model, max_tokens=9))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.response.status_code) == (str(caught.value), 400)
    assert again.response.text == caught.value.response.text
    provider.close()
