"""Each call of a batch: what we send beside what the SDK's own typed method sends, and what recorded answers say."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import groq
import openai
import pytest
from google import genai
from google.genai import types
from mistralai.client import Mistral

import lazybridge
from lazybridge import Batch
from lazybridge.core import registry
from lazybridge.core.endpoints.batches import BatchJob, BatchRequest
from lazybridge.core.errors import from_exception
from tests.endpoints import recorded_batches as bytes_of
from tests.endpoints.conftest import Replay, recorded
from tests.endpoints.test_batches import KINDS, TASKS, bench_of
from tests.endpoints.test_batches import closed as closed
from tests.endpoints.vendor import Vendor

_GROQ_ID = "batch_01jh6xa7reempvjyh6n3yst2zw"
_HEADERS = ("accept", "authorization", "x-api-key", "x-goog-api-key", "anthropic-version", "anthropic-beta")

# --- what vendors answered --------------------------------------------------------------------------------------------

_JOBS = [p for p in recorded("batches", "other") if not p.values[0] or '"data"' not in p.values[0]["response_body"]]
_STATUSES = {"cancelling": "canceling", "cancelled": "canceled", "ended": "completed"}


@pytest.mark.parametrize("record", _JOBS)
def test_a_batch_is_what_the_vendor_says(record: dict[str, Any], replay: Replay) -> None:
    wire = json.loads(record["response_body"])
    job = replay.provider(record).ask("batch_job", BatchRequest(id=wire["id"]), BatchJob)
    said = wire.get("status", wire.get("processing_status"))
    assert (job.id, job.status) == (wire["id"], _STATUSES.get(said, said))
    counts = wire["request_counts"]
    assert job.counts.total == counts.get("total", sum(counts.values()))
    assert job.counts.succeeded == counts.get("completed", counts.get("succeeded"))
    assert job.model == wire.get("model")
    assert job.url == wire.get("endpoint")
    assert job.created_at is not None
    assert job.expires_at is not None
    assert (job.ended_at is not None) == (wire.get("completed_at") is not None)
    assert job.files == ((wire["output_file_id"],) if wire.get("output_file_id") else ())
    assert job.raw == wire


@pytest.mark.parametrize("record", recorded("batches", "error"))
def test_a_refusal_has_its_kind(record: dict[str, Any], replay: Replay) -> None:
    provider = replay.provider(record)
    with pytest.raises(anthropic.APIStatusError) as caught:
        provider.ask("batch_job", BatchRequest(id="msgbatch_1"), BatchJob)
    error = from_exception(caught.value, provider="anthropic")
    assert (error.status_code, error.kind) in ((404, "not_found"), (401, "authentication"))


@pytest.mark.parametrize("record", [p for p in _JOBS if not p.values[0] or p.values[0]["id"] == "anthropic-7af32e5aebc6"])  # fmt: skip
def test_a_recorded_submission_is_sent_as_it_was(record: dict[str, Any], replay: Replay) -> None:
    """chatlas asked Anthropic the same two questions; it marks them for the cache, which is said otherwise here."""
    options: dict[str, Any] = {"provider": "anthropic", "api_key": "test-key-1", "base_url": replay.url(record)}
    batch = lazybridge.batch(
        ["What's the capital of France?", "What's the capital of Germany?"],
        "claude-sonnet-4-5",
        max_tokens=4096,
        **options,
    )
    sent = json.loads(json.dumps(record["request_json"]))
    for request in sent["requests"]:
        ((block,),) = [message["content"] for message in request["params"]["messages"]]
        request["params"]["messages"][0]["content"] = block["text"]
    assert replay.requests[-1]["json"] == sent
    assert (batch.id, batch.status) == ("msgbatch_01UdG5AjbCDxdmiyZTybPbWT", "in_progress")


# --- beside the SDKs --------------------------------------------------------------------------------------------------


def groq_batch(status: str) -> dict[str, Any]:
    """The example of https://console.groq.com/docs/batch, in the fields of groq 1.7.0's `BatchRetrieveResponse`."""
    done = status == "completed"
    return {
        "id": _GROQ_ID,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "errors": None,
        "input_file_id": "file_01jh6x76wtemjr74t1fh0faj5t",
        "completion_window": "24h",
        "status": status,
        "output_file_id": "file_01jh6xa97be52b7pg88czwrrwb" if done else None,
        "error_file_id": None,
        "finalizing_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 2 if done else 0, "completed": 2 if done else 0, "failed": 0},
        "metadata": None,
        "created_at": 1794100000,
        "expires_at": 1794186400,
        "cancelling_at": None,
        "completed_at": 1794100060 if done else None,
        "in_progress_at": None,
    }


def groq_line(custom_id: str, text: str) -> dict[str, Any]:
    """A line of the output file in the same example; the answer is one that groq 1.7.0 types as `ChatCompletion`."""
    body = {
        "id": "chatcmpl-f0d0d0c9",
        "object": "chat.completion",
        "created": 1794100050,
        "model": "openai/gpt-oss-20b",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": None, "finish_reason": "stop"}
        ],
        "usage": {
            "queue_time": 0.02,
            "prompt_tokens": 40,
            "prompt_time": 0.01,
            "completion_tokens": 10,
            "completion_time": 0.02,
            "total_tokens": 50,
            "total_time": 0.05,
        },
        "system_fingerprint": "fp_2e8",
        "x_groq": {"id": "req_01j"},
    }
    response = {"status_code": 200, "request_id": "req_01j", "body": body}
    return {"id": "batch_req_123", "custom_id": custom_id, "response": response, "error": None}


def groq_vendor(vendor: Vendor) -> dict[str, Any]:
    path = "/openai/v1"
    content = bytes_of.lines(groq_line("request-1", "Jupiter"), groq_line("request-0", "4"))
    vendor.answers = {
        ("POST", f"{path}/files"): (200, {"id": "file_01jh6x76wtemjr74t1fh0faj5t", "object": "file"}),
        ("POST", f"{path}/batches"): (200, groq_batch("validating")),
        ("GET", f"{path}/batches/{_GROQ_ID}"): (200, groq_batch("completed")),
        ("POST", f"{path}/batches/{_GROQ_ID}/cancel"): (200, groq_batch("cancelling")),
        ("GET", f"{path}/files/file_01jh6xa97be52b7pg88czwrrwb/content"): (200, content),
    }
    return {"provider": "groq", "api_key": "test-key-1", "base_url": vendor.url}


def test_groq_has_openais_batches(loopback: Vendor) -> None:
    options = groq_vendor(loopback)
    batch = lazybridge.batch(TASKS, "openai/gpt-oss-20b", completion_window="7d", **options)
    data = next(part[3] for part in loopback.sent[0].form if part[0] == "file")
    found = [json.loads(line) for line in data.splitlines()]
    agent = lazybridge.Agent("openai/gpt-oss-20b", **options)
    assert [line["body"] for line in found] == [agent.dry_run(task) for task in TASKS]
    assert [line["url"] for line in found] == ["/v1/chat/completions"] * 2
    assert loopback.sent[1].json["completion_window"] == "7d"
    results = batch.wait(every=0.01).results()
    assert [envelope.text() for envelope in results] == ["4", "Jupiter"]
    assert [envelope.metadata.cost_usd for envelope in results] == [3e-6] * 2  # 40 at 0.0375, 10 at 0.15 USD a million
    assert [e.text() for e in Batch.resume(_GROQ_ID, **options).results()] == ["4", "Jupiter"]
    with groq.Groq(api_key="k", base_url=loopback.url) as sdk:
        assert sdk.batches.retrieve(_GROQ_ID).request_counts.completed == 2  # type: ignore[union-attr]  # it fits their type


def typed(vendor: str, url: str, what: str, body: Any) -> None:
    """The SDK's own typed method; `body` is what we sent, for the requests of a submission."""
    id, key = KINDS[vendor].id if vendor in KINDS else _GROQ_ID, "test-key-1"
    if vendor in ("openai", "groq"):
        made: Any = openai.OpenAI(api_key=key, base_url=f"{url}/v1") if vendor == "openai" else groq.Groq(api_key=key, base_url=url)  # fmt: skip
        with made as sdk:
            {
                "create": lambda: sdk.batches.create(**body),
                "find": lambda: sdk.batches.retrieve(id),
                "cancel": lambda: sdk.batches.cancel(id),
            }[what]()
    elif vendor == "anthropic":
        with anthropic.Anthropic(api_key=key, base_url=url) as claude:
            {
                "create": lambda: claude.messages.batches.create(requests=body["requests"]),
                "find": lambda: claude.messages.batches.retrieve(id),
                "cancel": lambda: claude.messages.batches.cancel(id),
            }[what]()
    elif vendor == "mistral":
        with Mistral(api_key=key, server_url=url) as mistral:
            {
                "create": lambda: mistral.batch.jobs.create(**body),
                "find": lambda: mistral.batch.jobs.get(job_id=id),
                "cancel": lambda: mistral.batch.jobs.cancel(job_id=id),
            }[what]()
    else:
        client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url, api_version="v1beta"))
        inline = [
            types.InlinedRequest(
                contents=task,
                metadata={"key": f"request-{place}"},
                config=types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=40),
            )
            for place, task in enumerate(TASKS)
        ]
        {
            "create": lambda: client.batches.create(model="gemini-2.5-flash", src=inline),
            "find": lambda: client.batches.get(name=id),
            "cancel": lambda: client.batches.cancel(name=id),
        }[what]()
        client.close()


@pytest.mark.parametrize("what", ["create", "find", "cancel"])
@pytest.mark.parametrize("vendor", [*KINDS, "groq"])
def test_the_request_is_the_one_of_the_sdks_typed_method(vendor: str, what: str, loopback: Vendor) -> None:
    if vendor == "groq":
        model, options = "openai/gpt-oss-20b", groq_vendor(loopback)
    else:
        bench = bench_of(loopback, vendor)
        model, options = bench.kind.model, bench.options
        if what == "cancel":
            loopback.answers |= {("POST", f"{bench.kind.place}/cancel"): (200, bench.kind.states[0])}
    more: dict[str, Any] = {} if vendor in ("anthropic", "google") else {"metadata": {"run": "7"}}
    if vendor == "mistral":
        more["completion_window"] = "2d"
    batch = lazybridge.batch(TASKS, model, system="Be brief.", max_tokens=40, **more, **options)
    sent = loopback.sent[-1]
    body = sent.json
    if what == "find":
        batch.refresh()
        sent = loopback.sent[-1]
    elif what == "cancel":
        batch.cancel()
        sent = loopback.sent[-2]  # and a look at it
    typed(vendor, loopback.url, what, body)
    theirs = loopback.sent[-1]
    assert (sent.method, sent.path) == (theirs.method, theirs.path)
    for name in _HEADERS:
        assert sent.headers.get(name) == theirs.headers.get(name), name
    if vendor == "google" and what == "create":
        assert simplified(sent.json) == simplified(theirs.json)
    else:
        assert (sent.json or None) == (theirs.json or None)


def simplified(body: Any) -> Any:
    """Google's SDK says of instructions that the user gives them, and leaves out nothing that is empty."""
    for item in body["batch"]["inputConfig"]["requests"]["requests"]:
        item["request"].get("systemInstruction", {}).pop("role", None)
    return body


def test_the_results_are_fetched_as_the_sdk_does(loopback: Vendor) -> None:
    bench = bench_of(loopback, "anthropic")
    bench.states[:] = [{**bench.states[-1], "results_url": f"{loopback.url}{bench.kind.place}/results"}]
    bench.resume().results()
    sent = loopback.sent[-1]
    with anthropic.Anthropic(api_key="test-key-1", base_url=loopback.url) as claude:
        theirs = list(claude.messages.batches.results(bench.kind.id))
    assert [line.custom_id for line in theirs] == ["request-1", "request-0"]  # as they came
    assert (sent.method, sent.path) == (loopback.sent[-1].method, loopback.sent[-1].path)
    assert [sent.headers.get(name) for name in _HEADERS] == [loopback.sent[-1].headers.get(name) for name in _HEADERS]


def test_the_outputs_are_asked_for_as_the_sdk_does(loopback: Vendor) -> None:
    bench = bench_of(loopback, "mistral")
    bench.states[:] = bench.states[-1:]
    bench.resume().results()
    sent = loopback.sent[-1]
    with Mistral(api_key="test-key-1", server_url=loopback.url) as mistral:
        theirs = mistral.batch.jobs.get(job_id=bench.kind.id, inline=True)
    assert [output["custom_id"] for output in theirs.outputs] == ["request-0", "request-1"]  # type: ignore[union-attr]
    assert (sent.method, sent.path) == (loopback.sent[-1].method, loopback.sent[-1].path)


def test_the_recorded_batches_fit_the_sdks_types() -> None:
    """What stands in recorded_batches.py, read by those who know."""
    for state in KINDS["google"].states:
        read = types.BatchJob.model_validate(genai.batches._BatchJob_from_mldev(state), extra="allow")
        assert read.name == bytes_of.GOOGLE_ID
    assert [answer.response.text for answer in read.dest.inlined_responses] == ["4", "Jupiter"]  # type: ignore[union-attr]
    for state in KINDS["openai"].states:
        openai.types.Batch.model_validate(state)
    for state in KINDS["anthropic"].states:
        anthropic.types.messages.MessageBatch.model_validate(state)
    for line in bytes_of.ANTHROPIC_LINES:
        anthropic.types.messages.MessageBatchIndividualResponse.model_validate(line)


def test_vertex_has_no_batches() -> None:
    """Its batches read and write buckets."""
    provider: Any = registry.provider_class("google")(vertexai=True, project="p", location="l", api_key=None)
    assert "batch" not in provider.endpoints
