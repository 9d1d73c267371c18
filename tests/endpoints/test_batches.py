"""Batches from their submission to their results, of vendors that answer as recorded ones did, through the real SDKs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import lazybridge
from lazybridge import Batch, Budget, BudgetExceeded, Envelope, Ledger, Message, ProviderError, abatch
from lazybridge.core.errors import (
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    ProviderTimeoutError,
    ServerError,
    StructuredOutputError,
    UnsupportedFeatureError,
)
from tests.endpoints import recorded_batches as bytes_of
from tests.endpoints.vendor import Sent, Vendor

TASKS = ["What is 2 + 2? Just the number.", "Name the largest planet in our solar system. One word."]


@dataclass
class Kind:
    """A vendor's batches: where they stand, what it says of them, and what the two answers cost in USD."""

    model: str
    path: str
    states: tuple[Any, ...]
    cost: tuple[str, str]
    base: str = ""
    id: str = ""
    content: bytes = b""
    options: dict[str, Any] | None = None

    @property
    def place(self) -> str:
        return self.path.rpartition("/models/")[0] + f"/{self.id}" if ":" in self.path else f"{self.path}/{self.id}"


_DONE = ("in_progress", "completed")
KINDS = {
    # gpt-5-nano at 0.05 and 0.4 USD a million tokens, claude-haiku-4-5 at 1 and 5, mistral-small at 0.15 and 0.6,
    # gemini-2.5-flash at 0.3 and 2.5, gpt-oss-20b at 0.075 and 0.3, and half of it for batches.
    "openai": Kind(
        "gpt-5-nano",
        "/v1/batches",
        tuple(map(bytes_of.openai_batch, ("validating", *_DONE))),
        ("0.00001325", "0.00003005"),
        "/v1",
        "batch_6aa151873e98819080407a06f426d139",
        bytes_of.lines(*reversed(bytes_of.OPENAI_LINES)),
    ),
    "anthropic": Kind(
        "claude-haiku-4-5",
        "/v1/messages/batches",
        tuple(map(bytes_of.anthropic_batch, ("in_progress", "in_progress", "ended"))),
        ("0.0000225", "0.0000195"),
        "",
        bytes_of.ANTHROPIC_ID,
        bytes_of.lines(*bytes_of.ANTHROPIC_LINES),
    ),
    "mistral": Kind(
        "mistral-small-latest",
        "/v1/batch/jobs",
        tuple(map(bytes_of.mistral_batch, ("QUEUED", "RUNNING", "SUCCESS"))),
        ("0.000002625", "0.000002925"),
        "",
        bytes_of.MISTRAL_ID,
    ),
    "google": Kind(
        "gemini-2.5-flash",
        "/v1beta/models/gemini-2.5-flash:batchGenerateContent",
        tuple(map(bytes_of.google_batch, ("PENDING", "RUNNING", "SUCCEEDED"))),
        ("0.00007695", "0.0000732"),
        "",
        bytes_of.GOOGLE_ID,
    ),
}


@pytest.fixture(params=list(KINDS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Bench:
    """A vendor that has the recorded batch."""

    vendor: Vendor
    name: str
    states: list[Any]
    content: bytes

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    @property
    def options(self) -> dict[str, Any]:
        return {"provider": self.name, "api_key": "test-key-1", "base_url": self.vendor.url + self.kind.base}

    def begin(self, tasks: Any = TASKS, **more: Any) -> Batch:
        return lazybridge.batch(tasks, self.kind.model, **{**self.options, **more})

    def resume(self, **more: Any) -> Batch:
        return Batch.resume(self.kind.id, **{**self.options, **more})

    def state(self, sent: Sent) -> Any:
        return 200, (self.states.pop(0) if len(self.states) > 1 else self.states[0])

    def calls(self, method: str, ending: str = "") -> list[Sent]:
        return [sent for sent in self.vendor.sent if sent.method == method and sent.path.endswith(ending)]


def bench_of(vendor: Vendor, name: str) -> Bench:
    kind = KINDS[name]
    made = Bench(vendor, name, list(kind.states), kind.content)
    begins = made.states[0]
    vendor.answers = {
        ("POST", kind.path): lambda sent: made.state(sent) if made.states[0] is begins else (200, begins),
        ("GET", kind.place): made.state,
        ("GET", f"{kind.place}/results"): lambda sent: (200, made.content, {"content-type": "application/x-jsonl"}),
        ("POST", "/v1/files"): (
            200,
            {"object": "file", "id": "file-8WD6PA3kXmy5Hru9A7FTCU", "purpose": "batch", "bytes": 446},
        ),
        ("GET", "/v1/files/file-314FMnvRAMWTHco9KDCAUv/content"): lambda sent: (
            200,
            made.content,
            {"content-type": "application/octet-stream"},
        ),
        ("POST", f"{kind.place}/cancel"): (200, {}),
        ("POST", f"{kind.place}:cancel"): (200, {}),
    }
    return made


@pytest.fixture
def bench(loopback: Vendor, name: str) -> Bench:
    return bench_of(loopback, name)


@pytest.fixture
def openai_bench(loopback: Vendor) -> Bench:
    return bench_of(loopback, "openai")


@pytest.fixture
def anthropic_bench(loopback: Vendor) -> Bench:
    return bench_of(loopback, "anthropic")


# --- the whole way ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_batch_gives_the_answers_in_the_order_of_the_tasks(bench: Bench, asynchronous: bool) -> None:
    batch, found = asyncio.run(_awaited(bench)) if asynchronous else _waited(bench)
    kind = bench.kind
    assert batch.id == kind.id
    assert batch.status == "completed"
    assert (batch.counts.total, batch.counts.succeeded) == (2, 2)
    assert [envelope.text() for envelope in found] == ["4", "Jupiter"]
    assert all(envelope.ok for envelope in found)
    for envelope, cost in zip(found, kind.cost, strict=True):
        meta = envelope.metadata
        assert meta.receipt.total == Decimal(cost)
        assert meta.cost_usd == float(cost)
        assert meta.usage.service_tier == "batch"
        assert meta.provider == bench.name
        assert meta.stop_reason == "end_turn"
        assert meta.turns == 1
        assert meta.latency_ms > 30_000
    assert batch.receipt is not None
    assert batch.receipt.total == sum(map(Decimal, kind.cost))
    assert found is (asyncio.run(batch.aresults()) if asynchronous else batch.results())
    assert [attempt.error for attempt in batch.attempts] == [None] * len(bench.vendor.sent)


def _waited(bench: Bench) -> tuple[Batch, list[Envelope[Any]]]:
    batch = bench.begin()
    assert batch.status in ("validating", "in_progress")
    assert not batch.ended
    assert batch.wait(timeout=30, every=0.01) is batch
    return batch, batch.results()


async def _awaited(bench: Bench) -> tuple[Batch, list[Envelope[Any]]]:
    batch = await abatch(TASKS, bench.kind.model, **bench.options)
    assert await batch.await_(timeout=30, every=0.01) is batch
    return batch, await batch.aresults()


def test_a_batch_outlives_the_process_that_handed_it_in(bench: Bench) -> None:
    """Killed right after the submission, it has kept nothing but the id that it printed."""
    code = f"""if True:
        import lazybridge, os, signal
        batch = lazybridge.batch({TASKS!r}, {bench.kind.model!r}, **{bench.options!r})
        print(batch.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert died.returncode == -9
    batch = Batch.resume(died.stdout.strip(), **bench.options)
    assert [envelope.text() for envelope in batch.wait(every=0.01).results()] == ["4", "Jupiter"]


def test_a_batch_goes_on_by_its_id(bench: Bench) -> None:
    bench.states[:] = bench.states[-1:]
    batch = bench.resume()
    assert batch.ended
    assert [envelope.text() for envelope in batch.results()] == ["4", "Jupiter"]
    assert [envelope.metadata.receipt.total for envelope in batch.results()] == list(map(Decimal, bench.kind.cost))
    again = asyncio.run(Batch.aresume(bench.kind.id, **bench.options))
    assert [envelope.text() for envelope in again.results()] == ["4", "Jupiter"]
    assert bench.calls("POST") == []


def test_results_are_asked_for_when_there_are_any(bench: Bench) -> None:
    batch = bench.begin()
    with pytest.raises(InvalidRequestError, match=r"it has no results yet\nwrite batch\.wait\(\)") as caught:
        batch.results()
    assert caught.value.batch_id == bench.kind.id
    assert [envelope.ok for envelope in batch.results()] == [True, True]  # it has ended meanwhile


def test_a_wait_that_is_over_loses_nothing(bench: Bench) -> None:
    bench.states[:] = bench.states[:1]
    batch = bench.begin()
    with pytest.raises(ProviderTimeoutError, match="it goes on\nwait again, or write Batch.resume") as caught:
        batch.wait(timeout=0.1, every=0.03)
    assert caught.value.batch_id == batch.id == bench.kind.id
    assert caught.value.provider == bench.name
    with pytest.raises(ProviderTimeoutError):
        asyncio.run(batch.await_(timeout=0.1, every=0.03))
    bench.states[:] = [bench.kind.states[-1]]
    assert [envelope.text() for envelope in batch.wait(every=0.01).results()] == ["4", "Jupiter"]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_wait_is_over_although_the_vendor_hangs(
    bench: Bench, asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazybridge.batch_jobs.state._LEAST_LOOK", 0.3)
    batch = bench.begin()
    free = Event()
    bench.vendor.answers["GET", bench.kind.place] = lambda sent: (free.wait(20) and None) or bench.state(sent)
    began = time.monotonic()
    with pytest.raises(ProviderTimeoutError) as caught:
        asyncio.run(batch.await_(0.2, every=0.05)) if asynchronous else batch.wait(0.2, every=0.05)
    free.set()
    assert time.monotonic() - began < 10
    assert caught.value.batch_id == bench.kind.id


def test_a_poll_that_fails_is_tried_again(bench: Bench) -> None:
    batch = bench.begin()
    before = len(batch.attempts)
    bench.vendor.faults.extend([503, 503])
    batch.refresh()
    assert [attempt.status_code for attempt in batch.attempts[before:]] == [503, 503, None]
    bench.vendor.faults.extend([503] * 3)
    with pytest.raises(ProviderError) as caught:
        batch.refresh()
    assert caught.value.kind == "overloaded"
    assert caught.value.batch_id == bench.kind.id
    assert len(caught.value.attempts) == 3


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_batch_is_canceled(bench: Bench, asynchronous: bool) -> None:
    batch = bench.begin()
    assert (asyncio.run(batch.acancel()) if asynchronous else batch.cancel()) is batch
    ending = ":cancel" if bench.name == "google" else "/cancel"
    assert len(bench.calls("POST", ending)) == 1
    assert bench.vendor.sent[-1].method == "GET"


# --- what is sent -----------------------------------------------------------------------------------------------------


def bodies_of(bench: Bench) -> list[Any]:
    """The requests as the vendor got them, whichever way, in order of their ids."""
    if bench.name == "openai":
        (form,) = [sent.form for sent in bench.calls("POST", "/files")]
        data = next(part[3] for part in form if part[0] == "file")
        found = [json.loads(line) for line in data.splitlines()]
        assert {(line["method"], line["url"]) for line in found} == {("POST", "/v1/responses")}
        pairs = [(line["custom_id"], line["body"]) for line in found]
    else:
        (sent,) = bench.calls("POST")
        body = sent.json
        if bench.name == "google":
            inline = body["batch"]["inputConfig"]["requests"]["requests"]
            pairs = [(item["metadata"]["key"], item["request"]) for item in inline]
        else:
            pairs = [(item["custom_id"], item.get("params") or item["body"]) for item in body["requests"]]
    assert [id for id, _ in pairs] == [f"request-{place}" for place in range(len(pairs))]
    return [body for _, body in pairs]


def test_each_request_is_what_an_agent_would_send(bench: Bench) -> None:
    """An agent's bodies are held to recorded requests and to the SDKs' types elsewhere."""
    settings: dict[str, Any] = {"system": "Be brief.", "max_tokens": 40}
    tasks = [
        TASKS[0],
        Message.user(["Look.", lazybridge.ImageContent(data=b"\x89PNG\r\n\x1a\n picture")]),
        [Message.user("a"), Message.assistant("b"), {"role": "user", "content": "c"}],
    ]
    bench.begin(tasks, **settings, output=int)
    agent = lazybridge.Agent(bench.kind.model, **bench.options, **settings, output=int)
    expected = [agent.dry_run(task) for task in tasks]  # type: ignore[arg-type]
    if bench.name in ("mistral", "google"):  # the model stands beside the requests there
        assert all(body.pop("model") == bench.kind.model for body in expected)
    assert bodies_of(bench) == expected


def test_tools_are_offered_and_their_calls_given_back(anthropic_bench: Bench) -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return city

    line = bytes_of.anthropic_line("request-0", "Let me look.", 20, 5)
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
    line["result"]["message"]["content"].append(call)
    line["result"]["message"]["stop_reason"] = "tool_use"
    anthropic_bench.content = bytes_of.lines(line)
    batch = anthropic_bench.begin(TASKS[:1], tools=[weather])
    assert [tool["name"] for tool in bodies_of(anthropic_bench)[0]["tools"]] == ["weather"]
    (envelope,) = batch.wait(every=0.01).results()
    assert [(call.name, call.arguments) for call in envelope.tool_calls] == [("weather", {"city": "Rome"})]


@pytest.mark.parametrize("output", [int, {"type": "object", "properties": {"value": {"type": "integer"}}, "required": ["value"]}], ids=["type", "schema"])  # fmt: skip
def test_answers_are_read_as_the_asked_type(anthropic_bench: Bench, output: Any) -> None:
    good, bad = (
        bytes_of.anthropic_line("request-1", '{"value": 4}', 20, 5),
        bytes_of.anthropic_line("request-0", "four", 20, 5),
    )
    anthropic_bench.content = bytes_of.lines(good, bad)
    for batch in (anthropic_bench.begin(output=output), anthropic_bench.resume(output=output)):
        wrong, right = batch.wait(every=0.01).results()
        assert right.payload == (4 if output is int else {"value": 4})
        assert right.response is not None
        assert right.response.parsed == right.payload
        assert isinstance(wrong.error, StructuredOutputError)
        assert wrong.metadata.cost_usd == 0.0000225  # it was answered, and paid for
        assert wrong.error.receipt is wrong.metadata.receipt


def test_the_answer_is_there_in_the_sdks_own_type(bench: Bench) -> None:
    envelope = bench.begin().wait(every=0.01).results()[0]
    assert envelope.response is not None
    kinds = {"openai": "Response", "anthropic": "Message", "mistral": "ChatCompletionResponse", "google": "GenerateContentResponse"}  # fmt: skip
    assert type(envelope.response.raw).__name__ == kinds[bench.name]


def test_openai_may_be_asked_through_chat_completions(openai_bench: Bench) -> None:
    """The line is the one of https://developers.openai.com/api/docs/guides/batch."""
    body = {
        "id": "chatcmpl-123",
        "object": "chat.completion",
        "created": 1711652795,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello."},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 22, "completion_tokens": 2, "total_tokens": 24},
        "system_fingerprint": "fp_123",
    }
    response = {"status_code": 200, "request_id": "req_123", "body": body}
    openai_bench.content = bytes_of.lines(
        {"id": "batch_req_123", "custom_id": "request-0", "response": response, "error": None}
    )
    openai_bench.states[:] = [bytes_of.openai_batch("completed", endpoint="/v1/chat/completions")]
    batch = openai_bench.begin(TASKS[:1], api="chat")
    assert openai_bench.calls("POST", "/batches")[0].json["endpoint"] == "/v1/chat/completions"
    data = next(part[3] for part in openai_bench.calls("POST", "/files")[0].form if part[0] == "file")
    assert json.loads(data)["url"] == "/v1/chat/completions"
    assert json.loads(data)["body"]["messages"] == [{"role": "user", "content": TASKS[0]}]
    assert [envelope.text() for envelope in batch.results()] == ["Hello."]
    # Whoever goes on with it need not know which API it was.
    openai_bench.states[0]["request_counts"]["total"] = 1
    assert [envelope.text() for envelope in openai_bench.resume().results()] == ["Hello."]


def test_what_a_vendor_has_no_word_for_is_an_adjustment(anthropic_bench: Bench) -> None:
    with pytest.warns(UserWarning, match="seed|metadata|completion_window") as told:
        batch = anthropic_bench.begin(metadata={"run": "7"}, completion_window="7d", seed=3)
    assert len(told) == 3
    assert [change.parameter for change in batch.adjustments] == ["seed", "metadata", "completion_window"]
    anthropic_bench.vendor.sent.clear()
    with pytest.raises(UnsupportedFeatureError, match="metadata"):
        anthropic_bench.begin(metadata={"run": "7"}, strict=True)
    assert anthropic_bench.vendor.sent == []


@pytest.mark.parametrize(
    ("tasks", "options", "error", "match"),
    [
        ([], {}, ValueError, "there is nothing to ask\nwrite batch"),
        ("one", {}, TypeError, "tasks are a list, got str: 'one'"),
        ({"one": 1}, {}, TypeError, "tasks are a list, got dict"),
        ({"one"}, {}, TypeError, "tasks are a list, got set"),
        ([""], {}, ValueError, "the prompt is empty"),
        (TASKS, {"completion_window": "a day"}, ValueError, 'write hours or days, such as "24h" or "7d"'),
        (TASKS, {"max_tokens": "9"}, ConfigurationError, "max_tokens is a whole number"),
        (TASKS, {"max_token": 9}, ConfigurationError, "did you mean 'max_tokens'"),
        (TASKS, {"provider": "ollama"}, UnsupportedFeatureError, "ollama has no endpoint for batch here"),
        (TASKS, {"provider": "local", "base_url": None}, UnsupportedFeatureError, "local has no endpoint for batch"),
    ],
)
def test_what_cannot_be_handed_in_is_said_before_anything_is_sent(
    openai_bench: Bench, tasks: Any, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        openai_bench.begin(tasks, **options)
    assert openai_bench.vendor.sent == []


@pytest.mark.parametrize("id", ["", None])
def test_an_id_is_wanted(openai_bench: Bench, id: Any) -> None:
    with pytest.raises(ValueError, match="is no id of a batch\nwrite the .id of what batch"):
        Batch.resume(id, **openai_bench.options)


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_what_dies_between_the_file_and_the_batch_is_no_batch(openai_bench: Bench) -> None:
    openai_bench.vendor.faults.extend([200, 400])
    with pytest.raises(InvalidRequestError) as caught:
        openai_bench.begin()
    assert [attempt.status_code for attempt in caught.value.attempts] == [None, 400]
    assert openai_bench.begin().id == openai_bench.kind.id
    assert [sent.path for sent in openai_bench.calls("POST")] == ["/v1/files", "/v1/batches"] * 2


def test_a_busy_vendor_is_asked_again(bench: Bench) -> None:
    bench.vendor.faults.extend([200, 503] if bench.name == "openai" else [503])
    assert bench.begin().id == bench.kind.id


@pytest.mark.parametrize("fault", [None, 500, 504])
def test_a_batch_that_may_have_begun_is_not_begun_again(bench: Bench, fault: int | None) -> None:
    """A second one would cost as much again."""
    bench.vendor.faults.extend([200, fault] if bench.name == "openai" else [fault])
    with Budget("5", unknown="allow") as budget, pytest.raises(ProviderError) as caught:
        bench.begin(max_tokens=50)
    assert len([sent for sent in bench.calls("POST") if not sent.path.endswith("/files")]) == 1
    assert budget.reserved == 0
    assert budget.unknown_calls == (0 if fault == 500 else 1)
    assert caught.value.receipt is not None
    assert caught.value.receipt.status == ("exact" if fault == 500 else "unknown")


def test_a_batch_that_failed_validation_says_why(openai_bench: Bench) -> None:
    """The errors are those of https://developers.openai.com/api/docs/guides/batch and of the SDK's `BatchError`."""
    wrong = {"code": "invalid_json_line", "line": 2, "message": "This line is not parseable as valid JSON.", "param": None}  # fmt: skip
    failed = bytes_of.openai_batch("failed", failed_at=1794141070, errors={"object": "list", "data": [wrong]})
    failed["request_counts"]["total"] = 0
    openai_bench.states[:] = [openai_bench.states[0], failed]
    budget = Budget("5")
    batch = openai_bench.begin(max_tokens=50, budget=budget)
    assert budget.reserved > 0
    assert batch.error is None
    batch.wait(every=0.01)
    assert batch.status == "failed"
    assert "the batch failed: line 2: This line is not parseable as valid JSON." in str(batch.error)
    with pytest.raises(InvalidRequestError, match="line 2: This line") as caught:
        batch.results()
    assert caught.value.code == "batch_failed"
    assert (budget.reserved, budget.spent) == (0, 0)


def test_answers_that_are_gone_are_not_found(openai_bench: Bench, anthropic_bench: Bench) -> None:
    for name in ("openai", "anthropic"):
        bench = bench_of(openai_bench.vendor, name)
        bench.states[:] = bench.states[-1:]
        for path in ("/v1/files/file-314FMnvRAMWTHco9KDCAUv/content", f"{bench.kind.place}/results"):
            del bench.vendor.answers["GET", path]
        with pytest.raises(NotFoundError) as caught:
            bench.resume().results()
        assert caught.value.batch_id == bench.kind.id


def test_answers_that_are_no_lines_are_the_vendors_fault(anthropic_bench: Bench) -> None:
    good = anthropic_bench.content
    for broken, match in ((good[:-20], "line 2 of the results is not JSON"), (b"3\n", "line 1 of the results is no")):
        anthropic_bench.content = broken
        with pytest.raises(ServerError, match=match):
            anthropic_bench.begin().wait(every=0.01).results()
    # What Unicode calls the end of a line is none of JSON's.
    strange = json.dumps(bytes_of.anthropic_line("request-0", "a\u2028b", 1, 1), ensure_ascii=False).encode()
    anthropic_bench.content = strange + b"\r\n\n"
    assert anthropic_bench.begin(TASKS[:1]).wait(every=0.01).results()[0].text() == "a\u2028b"


def test_every_way_for_a_request_of_openai_to_fail(openai_bench: Bench) -> None:
    """The shapes of https://developers.openai.com/api/docs/guides/batch, of its output and of its error file."""
    refused = {
        "message": "Unsupported value: 'temperature'.",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": "unsupported_value",
    }
    openai_bench.content = bytes_of.lines({**bytes_of.OPENAI_LINES[0], "custom_id": "request-3"})
    failures = bytes_of.lines(
        {"id": "b1", "custom_id": "request-4", "response": {"status_code": 400, "request_id": "r1", "body": {"error": refused}}, "error": None},
        {"id": "b2", "custom_id": "request-1", "response": None, "error": {"code": "batch_expired", "message": "This request could not be executed before the completion window expired."}},
        {"id": "b3", "custom_id": "request-0", "response": {"status_code": 429, "body": {"error": {"message": "slow", "type": "tokens", "code": "rate_limit_exceeded"}}}, "error": None},
        {"id": "b4", "custom_id": "request-5", "response": None, "error": {"code": "batch_cancelled", "message": "no"}},
        {"id": "b6", "custom_id": "request-8", "response": {"status_code": 422, "body": {"detail": "no"}}, "error": None},
        {"id": "b5", "custom_id": "request-6", "response": None, "error": {"code": "odd", "message": "something else"}},
    )  # fmt: skip
    openai_bench.vendor.answers["GET", "/v1/files/file-errors/content"] = 200, failures
    done = bytes_of.openai_batch(
        "expired", output_file_id="file-314FMnvRAMWTHco9KDCAUv", error_file_id="file-errors", expired_at=1794227463
    )
    done["request_counts"]["total"] = 9
    openai_bench.states[:] = [done]
    found = openai_bench.resume().results()
    errors = [envelope.error for envelope in found]
    kinds = [
        "rate_limit",
        "timeout",
        "timeout",
        None,
        "invalid_request",
        "server",
        "server",
        "timeout",
        "invalid_request",
    ]
    assert [getattr(error, "kind", None) for error in errors] == kinds
    codes = ["rate_limit_exceeded", "expired", "expired", None, "unsupported_value", "canceled", "odd", "expired", None]
    assert [getattr(error, "code", None) for error in errors] == codes
    assert [getattr(error, "status_code", None) for error in errors] == [
        429,
        None,
        None,
        None,
        400,
        None,
        None,
        None,
        422,
    ]
    assert found[3].text() == "4"
    assert {envelope.metadata.cost_usd for envelope in found if not envelope.ok} == {0.0}  # nobody pays for these
    for envelope in found:
        if envelope.error is not None:
            assert isinstance(envelope.error, ProviderError)
            assert (envelope.error.provider, envelope.error.batch_id) == ("openai", openai_bench.kind.id)
            with pytest.raises(ProviderError):
                envelope.text()


def test_every_way_for_a_request_of_anthropic_to_fail(anthropic_bench: Bench) -> None:
    """The shapes of anthropic 2.12.0 `types/messages/message_batch_*_result.py`."""
    refused = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: 0"}, "request_id": "req_7"}  # fmt: skip
    anthropic_bench.content = bytes_of.lines(
        {"custom_id": "request-3", "result": {"type": "expired"}},
        {"custom_id": "request-1", "result": {"type": "errored", "error": refused}},
        {"custom_id": "request-2", "result": {"type": "canceled"}},
        bytes_of.anthropic_line("request-0", "4", 20, 5),
    )
    anthropic_bench.states[:] = [bytes_of.anthropic_batch("ended", succeeded=1, errored=1, canceled=1, expired=2)]
    batch = anthropic_bench.resume()
    assert batch.status == "canceled"
    found = batch.results()
    assert [getattr(envelope.error, "code", None) for envelope in found] == [
        None,
        "invalid_request_error",
        "canceled",
        "expired",
        "canceled",  # not a word about it
    ]
    assert isinstance(found[1].error, InvalidRequestError)
    assert found[1].metadata.request_id == "req_7"


def test_a_request_without_a_word_has_an_unknown_cost(bench: Bench) -> None:
    done = bench.kind.states[-1]
    bench.content = bench.content.splitlines(keepends=True)[0] if bench.content else b""
    if bench.name == "mistral":
        done = {**done, "outputs": done["outputs"][1:]}
    elif bench.name == "google":
        done = bytes_of.google_batch("SUCCEEDED", bytes_of.GOOGLE_LINES[1:])
    bench.states[:] = [bench.states[0], done]
    lost, there = bench.begin().wait(every=0.01).results()
    assert there.text() == "Jupiter"
    assert isinstance(lost.error, ServerError)
    assert lost.error.code == "missing"
    assert not lost.error.retryable
    assert lost.metadata.cost_usd is None
    assert lost.metadata.receipt.status == "unknown"


def test_who_reads_at_the_same_time_books_once(anthropic_bench: Bench, tmp_path: Path) -> None:
    with Budget(1) as budget, Ledger(tmp_path / "spend.db") as ledger:
        batch = anthropic_bench.begin(max_tokens=50, ledger=ledger).wait(every=0.01)

        async def twice() -> tuple[Any, Any]:
            return await asyncio.gather(batch.aresults(), batch.aresults())  # type: ignore[return-value]

        first, second = asyncio.run(twice())
    assert first is second
    assert budget.spent == batch.receipt.total  # type: ignore[union-attr]


def test_an_answer_too_many_moves_no_other(anthropic_bench: Bench) -> None:
    first, second = (
        bytes_of.anthropic_line("request-0", "4", 20, 5),
        bytes_of.anthropic_line("request-1", "Jupiter", 19, 4),
    )
    for more in ("request-1", "request-7", "another", None):
        again = {**bytes_of.anthropic_line("request-1", "Saturn", 19, 4), "custom_id": more}
        anthropic_bench.states[:] = list(anthropic_bench.kind.states)
        anthropic_bench.content = bytes_of.lines(second, again, first)
        envelopes = anthropic_bench.begin().wait(every=0.01).results()
        assert [envelope.text() for envelope in envelopes] == ["4", "Jupiter", "Saturn"]
        assert len({envelope.metadata.run_id for envelope in envelopes}) == 3


def test_an_answer_that_is_garbled_costs_no_other(anthropic_bench: Bench) -> None:
    first, second = (
        bytes_of.anthropic_line("request-0", "4", 20, 5),
        bytes_of.anthropic_line("request-1", "Jupiter", 19, 4),
    )
    first["result"]["message"]["content"] = "4"
    anthropic_bench.content = bytes_of.lines(first, second)
    with Budget(1, unknown="allow") as budget:
        garbled, good = anthropic_bench.begin(max_tokens=50).wait(every=0.01).results()
    assert good.text() == "Jupiter"
    assert isinstance(garbled.error, ServerError)
    assert garbled.error.batch_id == anthropic_bench.kind.id
    assert garbled.metadata.cost_usd is None
    assert budget.reserved == 0


def test_google_keeps_the_order_where_it_names_nobody(loopback: Vendor) -> None:
    bench = bench_of(loopback, "google")
    bare = tuple({"response": line["response"]} for line in bytes_of.GOOGLE_LINES)
    refused = {"error": {"code": 400, "message": "no such thing", "status": "INVALID_ARGUMENT"}}
    bench.states[:] = [bytes_of.google_batch("SUCCEEDED", (bare[0], refused, bare[1]))]
    first, failed, last = bench.resume().results()
    assert (first.text(), last.text()) == ("4", "Jupiter")
    assert isinstance(failed.error, InvalidRequestError)


def test_a_batch_with_other_names_comes_as_the_vendor_gives_it(anthropic_bench: Bench) -> None:
    """What another program handed in has the names that it chose."""
    anthropic_bench.content = bytes_of.lines(
        bytes_of.anthropic_line("planet", "Jupiter", 19, 4), bytes_of.anthropic_line("request-0", "4", 20, 5)
    )
    anthropic_bench.states[:] = anthropic_bench.states[-1:]
    assert [envelope.text() for envelope in anthropic_bench.resume().results()] == ["Jupiter", "4"]


def test_names_that_only_look_like_places_are_none(anthropic_bench: Bench) -> None:
    """The vendors' own examples count from one."""
    anthropic_bench.content = bytes_of.lines(
        bytes_of.anthropic_line("request-1", "4", 20, 5), bytes_of.anthropic_line("request-2", "Jupiter", 19, 4)
    )
    anthropic_bench.states[:] = anthropic_bench.states[-1:]
    assert [envelope.text() for envelope in anthropic_bench.resume().results()] == ["4", "Jupiter"]


def test_a_status_that_nobody_knows_is_loud(openai_bench: Bench) -> None:
    openai_bench.states[:] = [bytes_of.openai_batch("pondering")]
    with pytest.raises(ServerError, match="the batch is 'pondering', which is not known here"):
        openai_bench.resume()
    openai_bench.states[:] = [{"object": "batch"}]
    with pytest.raises(ServerError, match="the answer has no id of a batch"):
        openai_bench.resume()


# --- money ------------------------------------------------------------------------------------------------------------


def test_each_answer_is_entered_into_the_ledger_once(bench: Bench, tmp_path: Path) -> None:
    with Ledger(tmp_path / "spend.db") as ledger:
        batch = bench.begin(ledger=ledger)
        batch.wait(every=0.01)
        assert list(ledger.rows()) == []  # looking costs nothing
        batch.results()
        batch.results()
        rows = list(ledger.rows())
        assert [row.cost_usd for row in rows] == list(map(Decimal, bench.kind.cost))
        assert [row.run_id for row in rows] == [f"{batch.id}/request-0", f"{batch.id}/request-1"]
        assert {row.asked for row in rows} == {bench.kind.model}
        assert {(row.provider, row.status) for row in rows} == {(bench.name, "ok")}
        bench.resume(ledger=ledger).results()  # a second reader enters nothing
        assert len(list(ledger.rows())) == 2


def test_answers_are_not_lost_to_a_ledger_that_is_gone(anthropic_bench: Bench, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "spend.db")
    batch = anthropic_bench.begin(ledger=ledger).wait(every=0.01)
    ledger.close()
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / "spend.db").write_bytes(b"no database" * 500)
    with pytest.warns(UserWarning, match="cannot be written"):
        assert [envelope.text() for envelope in batch.results()] == ["4", "Jupiter"]


def test_a_broken_off_beginning_stands_in_the_ledger(anthropic_bench: Bench, tmp_path: Path) -> None:
    anthropic_bench.vendor.faults.append(None)
    with Ledger(tmp_path / "spend.db") as ledger:
        with pytest.raises(ProviderError):
            anthropic_bench.begin(ledger=ledger)
        assert [(row.status, row.cost_status) for row in ledger.rows()] == [("connection", "unknown")]


def test_the_worst_case_of_all_tasks_is_reserved_until_they_are_read(bench: Bench) -> None:
    with Budget("1") as budget:
        batch = bench.begin(max_tokens=100)
        one = lazybridge.Agent(bench.kind.model, **bench.options, max_tokens=100).estimate(TASKS[1]).high
        assert one is not None
        assert 0 < budget.reserved < 2 * one  # two of them, at half the price
        batch.wait(every=0.01)
        assert budget.spent == 0
        batch.results()
    assert budget.reserved == 0
    assert budget.spent == sum(map(Decimal, bench.kind.cost))


def test_a_batch_that_a_budget_cannot_pay_for_is_not_handed_in(bench: Bench) -> None:
    budget = Budget("0.0001")
    with pytest.raises(BudgetExceeded, match="this call could cost"):
        bench.begin(TASKS * 20, max_tokens=500, budget=budget)
    assert (budget.reserved, budget.spent) == (0, 0)
    assert bench.vendor.sent == []


def test_a_model_without_a_price_for_batches_is_refused(openai_bench: Bench) -> None:
    with pytest.raises(BudgetExceeded, match="nobody can say what this call of gpt-4o-audio-preview costs at most"):
        lazybridge.batch(TASKS, "gpt-4o-audio-preview", **openai_bench.options, max_tokens=9, budget=Budget("9"))
    with Budget("9", unknown="allow") as budget:
        lazybridge.batch(TASKS, "gpt-4o-audio-preview", **openai_bench.options, max_tokens=9)
        assert budget.reserved == 0


def test_who_goes_on_with_a_batch_books_what_it_cost(bench: Bench) -> None:
    bench.states[:] = bench.states[-1:]
    with Budget("0") as budget:  # it is spent already
        bench.resume().results()
    assert budget.spent == sum(map(Decimal, bench.kind.cost))


def test_the_price_is_that_of_the_day_it_was_handed_in(openai_bench: Bench) -> None:
    lazybridge.register_price("gpt-5-nano-2025-08-07", input=1, output=1, provider="openai", tier="batch", since=date(2026, 11, 10))  # fmt: skip
    openai_bench.states[:] = openai_bench.states[-1:]
    found = openai_bench.resume().results()  # of 2026-11-08
    assert found[0].metadata.cost_usd == float(openai_bench.kind.cost[0])


# --- the public face --------------------------------------------------------------------------------------------------


def test_the_module_and_the_function_do_not_meet() -> None:
    import lazybridge.batch_jobs

    assert callable(lazybridge.batch)
    assert lazybridge.Batch.resume.__doc__


def test_a_batch_shows_what_it_is_and_no_key(openai_bench: Bench) -> None:
    batch = openai_bench.begin()
    assert repr(batch) == f"Batch('{openai_bench.kind.id}', provider='openai', status='validating')"
    assert batch.expires_at is not None
    assert batch.created_at is not None
    assert batch.raw["object"] == "batch"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Providers that calls share are closed with their test."""
    from lazybridge import endpoint_call

    yield
    endpoint_call._kept.cache_clear()
