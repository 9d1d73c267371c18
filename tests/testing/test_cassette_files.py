"""The files of recordings: what is in them and what never is, and what a call that does not fit is told."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from lazybridge import Agent, register_price
from lazybridge.core.errors import ConfigurationError
from lazybridge.testing import Cassette, CassetteError, record, replay
from tests.conftest import KINDS, Kind
from tests.fake_vendor import FakeVendor, Fault

KEY = "test-key-0123456789"
CANARIES = {
    "key": KEY,
    "organisation": "org-9CanaryOrganisation",
    "project": "proj_9CanaryProject0000",
    "cookie": "canary-cookie-4711-crumb",
    "account": "acct-canary-4711-0815",
    "own header": "canary-own-header-4711",
    "foreign key": "sk-proj-canary4711canary",
}


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "tape.json"


def asked(tape: Path, kind: Kind, url: str, *tasks: str) -> None:
    with record(tape), kind.agent(url) as agent:
        for task in tasks:
            assert agent(task).ok


def keyless(kind: Kind, **more: object) -> Agent:
    return Agent(kind.model, provider=kind.provider, base_url="http://127.0.0.1:9/v1", **{**kind.options, **more})


def test_no_secret_reaches_the_file(
    kind: Kind, vendor: FakeVendor, tape: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In headers, in the text of the question, echoed in answers, events and errors, in exceptions and their causes."""
    monkeypatch.setenv("OPENAI_ORG_ID", CANARIES["organisation"])
    headers = {
        "set-cookie": f"session={CANARIES['cookie']}; path=/",
        "openai-organization": CANARIES["account"],
        "openai-project": CANARIES["project"],
        "anthropic-organization-id": CANARIES["account"],
    }
    everything = " ".join(CANARIES.values())
    question = " ".join(secret for name, secret in CANARIES.items() if name not in ("cookie", "account"))
    error = {
        "error": {"message": f"bad: {everything}", "type": "x", "code": "y"},
        "message": everything,
        "detail": everything,
    }
    vendor.pieces = (everything, " and so on")
    vendor.fail(Fault(headers=headers), Fault(headers=headers), Fault(status=400, body=error, headers=headers))
    with record(tape), kind.agent(vendor.url, extra_headers={"x-gateway-auth": CANARIES["own header"]}) as agent:
        agent(question)
        list(agent.stream(question))
        assert not agent(question).ok
    text = tape.read_text()
    assert len(json.loads(text)["calls"]) == 3
    assert "[redacted]" in text
    assert "and so on" in text
    assert "openai-organization" not in text
    assert [name for name, secret in CANARIES.items() if secret in text] == []


def test_the_file_is_stable_and_reads_well(vendor: FakeVendor, tape: Path) -> None:
    with record(tape), KINDS["messages"].agent(vendor.url) as agent:
        agent("Sag guten Tag, Jürgen")
        list(agent.stream("two"))
    text = tape.read_text("utf-8")
    found = json.loads(text)
    assert found["lazybridge_cassette"] == 1
    assert "Jürgen" in text
    assert text.endswith("}\n")
    call = found["calls"][0]
    assert list(call) == ["provider", "method", "path", "body", "asked_at", "answer"]
    assert (call["provider"], call["method"], call["path"]) == ("anthropic", "post", "/v1/messages")
    assert call["answer"]["json"]["content"][0]["text"]
    assert set(call["answer"]["headers"]) == {"content-type", "mistral-correlation-id", "request-id", "x-request-id"}
    assert '"role": "user"' in [line.strip().rstrip(",") for line in text.splitlines()]
    events = found["calls"][1]["answer"]["events"]
    lines = [line.strip().rstrip(",") for line in text.splitlines()]
    assert all(json.dumps(event, ensure_ascii=False) in lines for event in events)  # one line for each
    assert stat.S_IMODE(os.stat(tape).st_mode) == 0o644
    assert [path.name for path in tape.parent.iterdir()] == ["tape.json"]
    before = text
    with Cassette(tape, "new"), KINDS["messages"].agent(vendor.url) as agent:
        agent("Sag guten Tag, Jürgen")
        list(agent.stream("two"))
    assert tape.read_text("utf-8") == before


def test_media_are_kept_as_a_hash(kind: Kind, vendor: FakeVendor, tape: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
    task = "What is this?"
    if kind.provider == "groq":
        kind = Kind("groq", "meta-llama/llama-4-maverick-17b-128e-instruct", kind.path, {})
    with record(tape), kind.agent(vendor.url) as agent:
        first = agent(task, attachments=[picture])
    text = tape.read_text()
    if not first.metadata.adjustments:
        assert "sha256:" in text
        assert base64.b64encode(picture).decode()[:400] not in text
        with replay(tape):
            assert keyless(kind)(task, attachments=[picture]).text() == first.text()
        with pytest.raises(CassetteError, match=r"- .*sha256"), replay(tape):
            keyless(kind)(task, attachments=[picture + b"x"])


def test_a_changed_call_shows_what_differs(vendor: FakeVendor, tape: Path) -> None:
    kind = KINDS["chat"]
    asked(tape, kind, vendor.url, "What is the capital of France?", "Something else altogether")
    with pytest.raises(CassetteError) as caught, replay(tape):
        keyless(kind)("What is the capital of Italy?")
    said = str(caught.value)
    assert '-        "content": "What is the capital of France?",' in said
    assert '+        "content": "What is the capital of Italy?",' in said
    assert "Something else" not in said
    for part in (str(tape), "openai POST /chat/completions (gpt-4.1-mini)", "--lazybridge-record=new", "ignore=["):
        assert part in said


def test_it_is_loud_in_every_mode(vendor: FakeVendor, tape: Path) -> None:
    kind = KINDS["messages"]
    asked(tape, kind, vendor.url, "one")
    with replay(tape, allow_unused=True):
        agent = keyless(kind)
        with pytest.raises(CassetteError):
            agent("other")
        with pytest.raises(CassetteError):
            list(agent.stream("one"))  # recorded whole, not streamed
        with pytest.raises(CassetteError):
            asyncio.run(agent.run("other"))


def test_one_call_more_than_recorded(vendor: FakeVendor, tape: Path) -> None:
    kind = KINDS["chat"]
    asked(tape, kind, vendor.url, "one")
    with replay(tape):
        agent = keyless(kind)
        agent("one")
        with pytest.raises(CassetteError, match="recorded 1 time and is made once more"):
            agent("one")


def test_calls_that_are_not_made_are_told(vendor: FakeVendor, tape: Path) -> None:
    kind = KINDS["chat"]
    asked(tape, kind, vendor.url, "one", "two")
    with pytest.raises(CassetteError, match=r"(?s)1 of 2 recorded calls were not made:\n  openai POST"), replay(tape):
        keyless(kind)("one")
    with replay(tape, allow_unused=True):
        keyless(kind)("one")
    with pytest.raises(ZeroDivisionError), replay(tape):
        1 / 0


def test_fields_may_be_left_out(vendor: FakeVendor, tape: Path) -> None:
    kind = KINDS["chat"]
    with record(tape), kind.agent(vendor.url) as agent:
        agent("one", temperature=0, metadata={"user": "ada"})
    with replay(tape, ignore=["temperature", "metadata.user"]):
        keyless(kind)("one", temperature=1, metadata={"user": "bob"})
    with replay(tape, ignore="messages.content", allow_unused=True):
        keyless(kind)("else", temperature=0, metadata={"user": "ada"})
    with pytest.raises(CassetteError, match=r'\+ .*"bob"'), replay(tape, ignore=["temperature"]):
        keyless(kind)("one", metadata={"user": "bob"})


def test_new_adds_what_is_missing_and_asks_for_nothing_else(vendor: FakeVendor, tape: Path) -> None:
    kind = KINDS["messages"]
    asked(tape, kind, vendor.url, "one")
    with Cassette(tape, "new") as cassette, kind.agent(vendor.url) as agent:
        agent("one")
        agent("two")
    assert len(vendor.requests) == 2
    assert len(cassette.calls) == 2
    with replay(tape):
        agent = keyless(kind)
        assert agent("one").ok
        assert agent("two").ok


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "does not exist"),
        ("{", "is not JSON"),
        ('{"lazybridge_cassette": 99, "calls": []}', "of version 99"),
        ("[]", "of version None"),
        ('{"lazybridge_cassette": 1, "calls": []}', "has no calls"),
    ],
)
def test_a_file_that_cannot_be_used(tape: Path, text: str | None, said: str) -> None:
    if text is not None:
        tape.write_text(text)
    with pytest.raises(CassetteError, match=said), replay(tape):
        keyless(KINDS["chat"])("x")


def test_a_key_is_needed_as_soon_as_nobody_replays(tape: Path) -> None:
    with record(tape), pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        Agent("gpt-6-luna")
    with pytest.raises(ConfigurationError, match="mode='some'"):
        Cassette(tape, "some")  # type: ignore[arg-type]


def test_a_call_that_runs_out_of_time_is_not_recorded(vendor: FakeVendor, tape: Path) -> None:
    vendor.fail(Fault(hang=3))
    with record(tape) as cassette, KINDS["messages"].agent(vendor.url) as agent:
        assert not agent("one", timeout=0.3).ok
    assert cassette.calls == []


def test_threads_record_and_replay(vendor: FakeVendor, tape: Path) -> None:
    kind = KINDS["chat"]
    tasks = [str(number) for number in range(24)]
    with record(tape), kind.agent(vendor.url) as agent, ThreadPoolExecutor(6) as pool:
        assert all(envelope.ok for envelope in pool.map(agent, tasks))
    with replay(tape), ThreadPoolExecutor(6) as pool:
        assert all(envelope.ok for envelope in pool.map(keyless(kind), tasks))


def test_prices_are_those_of_the_day_of_the_recording(vendor: FakeVendor, tape: Path) -> None:
    register_price("claude-haiku-4-5", provider="anthropic", input=1, output=0)
    register_price("claude-haiku-4-5", provider="anthropic", input=2, output=0, since=date(2030, 1, 1))
    kind = KINDS["messages"]
    with record(tape), kind.agent(vendor.url) as agent:
        now = agent("one").metadata.cost_usd
    assert now
    text = tape.read_text()
    asked_at = json.loads(text)["calls"][0]["asked_at"]
    for day, factor in ((asked_at, 1), ("2031-01-02T03:04:05Z", 2)):
        tape.write_text(text.replace(asked_at, day))
        with replay(tape):
            agent = keyless(kind)
            assert agent("one").metadata.cost_usd == pytest.approx(now * factor)
