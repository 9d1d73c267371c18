"""`embed` and the providers' `embed`: what the vendors were sent and answered, as recorded; and the whole call."""

from __future__ import annotations

import asyncio
import base64
import json
import traceback
from array import array
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import lazybridge
from lazybridge import BudgetExceeded, ConfigurationError, ProviderError, UnsupportedFeatureError, aembed, embed
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.endpoints.embeddings import EmbeddingRequest
from lazybridge.core.errors import ServerError, from_exception
from lazybridge.core.errors.secrets import chain_of
from lazybridge.core.providers.anthropic import AnthropicProvider
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.wire.endpoints.embeddings import GeminiEmbeddings
from tests.endpoints.conftest import Replay, recorded
from tests.endpoints.vendor import Vendor


def asked(record: dict[str, Any], **more: Any) -> EmbeddingRequest:
    """The neutral request that says what the recorded one says; texts of one's own where it was not kept."""
    sent = record["request_json"] or {}
    if "requests" in sent:
        texts = [item["content"]["parts"][0]["text"] for item in sent["requests"]]
        first = sent["requests"][0]
        purpose = {"RETRIEVAL_QUERY": "query"}.get(first.get("taskType"))
        return EmbeddingRequest(
            inputs=tuple(texts),
            model=first["model"].removeprefix("models/"),
            dimensions=first.get("outputDimensionality"),
            purpose=purpose,  # type: ignore[arg-type]
            **more,
        )
    if "instances" in sent:
        return EmbeddingRequest(
            inputs=tuple(item["content"] for item in sent["instances"]),
            model="text-embedding-004",
            dimensions=sent.get("parameters", {}).get("outputDimensionality"),
            **more,
        )
    texts = sent.get("input", ["a text"] * record["expected"].get("n_vectors", 1))
    return EmbeddingRequest(
        inputs=(texts,) if isinstance(texts, str) else tuple(texts),
        model=sent.get("model"),
        dimensions=sent.get("dimensions"),
        **more,
    )


@pytest.mark.parametrize("record", recorded("openai_embeddings", "embedding") + recorded("google_embed", "embedding"))
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_the_vectors_and_the_usage_are_those_of_the_wire(
    record: dict[str, Any], asynchronous: bool, replay: Replay
) -> None:
    provider, request, expected = replay.provider(record), asked(record), record["expected"]
    found = asyncio.run(_awaited(provider, request)) if asynchronous else provider.embed(request)
    assert len(found.vectors) == expected["n_vectors"]
    assert [len(vector) for vector in found.vectors] == [expected["dims"]] * expected["n_vectors"]
    assert found.vectors[0][:3] == pytest.approx(expected["first_values"], abs=0)
    wire = expected["usage_wire"] or {}
    assert found.usage.input_tokens == wire.get("prompt_tokens", wire.get("promptTokenCount"))
    assert found.model == (expected["model"] or request.model)
    if found.usage.input_tokens is None:
        assert found.cost_usd is None


async def _awaited(provider: Any, request: EmbeddingRequest) -> Any:
    async with provider:
        return await provider.aembed(request)


@pytest.mark.parametrize("record", [p for p in recorded("openai_embeddings", "embedding") + recorded("google_embed", "embedding") if not p.values[0] or p.values[0]["request_json"]])  # fmt: skip
def test_the_request_says_what_the_recorded_one_said(record: dict[str, Any], replay: Replay) -> None:
    sent = record["request_json"]
    if "inline_data" in json.dumps(sent):
        sent["requests"][0]["content"]["parts"] = sent["requests"][0]["content"]["parts"][:1]  # pictures: not offered
    replay.provider(record).embed(asked(record))
    ours = replay.requests[-1]["json"]
    if "input" in sent:
        # The SDKs ask for base64 or say "float", which is what comes unasked.
        sent = {name: value for name, value in sent.items() if name != "encoding_format"}
        sent["input"] = [sent["input"]] if isinstance(sent["input"], str) else sent["input"]
    assert ours == sent


@pytest.mark.parametrize("record", recorded("google_predict", "other"))
def test_vertex_answers_with_predictions(record: dict[str, Any], replay: Replay) -> None:
    found = replay.provider(record).embed(asked(record))
    wire = json.loads(record["response_body"])["predictions"]
    assert found.vectors == [item["embeddings"]["values"] for item in wire]
    assert found.usage.input_tokens == sum(item["embeddings"]["statistics"]["token_count"] for item in wire)
    assert replay.requests[-1]["json"] == record["request_json"]
    assert replay.requests[-1]["path"].endswith("/publishers/google/models/text-embedding-004:predict")


@pytest.mark.parametrize("record", recorded("openai_embeddings", "error"))
def test_a_refusal_has_its_kind(record: dict[str, Any], replay: Replay) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # any SDK's own
        replay.provider(record).embed(asked(record))
    error = from_exception(caught.value, provider=record["provider"])
    assert error.status_code == record["status"]
    assert error.kind == "not_found"  # both name a model that is not there


@pytest.mark.parametrize("record", [p for p in recorded("openai_embeddings", "embedding") if not p.values[0] or p.values[0]["id"] == "openai-9e733e0f8af7"])  # fmt: skip
def test_the_whole_call_is_priced(record: dict[str, Any], replay: Replay) -> None:
    texts = list(asked(record).inputs)
    found = embed(texts, "text-embedding-3-small", api_key="sk-test-1", base_url=replay.url(record))
    assert found.cost_usd == pytest.approx(20 * 0.02 / 1e6)  # 20 tokens at 0.02 USD a million
    assert [attempt.usage.input_tokens for attempt in found.attempts if attempt.usage] == [20]
    assert found.receipt is not None
    assert found.receipt.status == "exact"
    with pytest.raises(ValueError, match=r"2 vectors\nread \.vectors"):
        _ = found.vector


# --- a vendor on loopback ---------------------------------------------------------------------------------------------


class EmbeddingVendor:
    """OpenAI's `/embeddings`: the vector of a text is its length, and a token is a letter."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.order = 1
        self.as_base64 = False
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                owner.requests.append(body)
                status = owner.statuses.pop(0) if owner.statuses else 200
                answer = owner.answer(body) if status == 200 else {"error": {"message": "no", "type": "server_error"}}
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        def vector(text: str) -> Any:
            numbers = [float(len(text)), 0.5]
            return base64.b64encode(array("f", numbers).tobytes()).decode() if self.as_base64 else numbers

        items = [{"index": place, "embedding": vector(text)} for place, text in enumerate(body["input"])]
        tokens = sum(map(len, body["input"]))
        return {
            "data": items[:: self.order],
            "model": body["model"],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def vendor() -> Iterator[EmbeddingVendor]:
    made = EmbeddingVendor()
    yield made
    made.close()


def options(vendor: EmbeddingVendor) -> dict[str, Any]:
    return {"model": "text-embedding-3-small", "api_key": "sk-test-1", "base_url": vendor.url}


def test_many_texts_go_out_in_portions_and_come_back_in_order(vendor: EmbeddingVendor) -> None:
    texts = ["x" * (1 + place % 50) for place in range(5000)]
    vendor.order = -1  # the vendor may answer in any order
    found = embed(texts, **options(vendor))
    assert [len(body["input"]) for body in vendor.requests] == [2048, 2048, 904]
    assert [vector[0] for vector in found.vectors] == [len(text) for text in texts]
    assert len(found.attempts) == 3
    tokens = sum(map(len, texts))
    assert found.usage.input_tokens == tokens
    assert found.cost_usd == pytest.approx(tokens * 0.02 / 1e6)
    assert asyncio.run(aembed(texts, **options(vendor))).vectors == found.vectors


def test_long_texts_go_out_in_portions_too(vendor: EmbeddingVendor) -> None:
    embed(["y" * 200_000, "z" * 200_000, "a"], **options(vendor))
    assert [len(body["input"]) for body in vendor.requests] == [1, 2]


def test_one_text_has_one_vector(vendor: EmbeddingVendor) -> None:
    vendor.as_base64 = True
    assert embed("four", **options(vendor), extra_body={"encoding_format": "base64"}).vector == [4.0, 0.5]
    assert vendor.requests[-1] == {
        "model": "text-embedding-3-small",
        "input": ["four"],
        "encoding_format": "base64",
    }


def test_a_failed_attempt_is_tried_again_and_stands_in_the_list(vendor: EmbeddingVendor) -> None:
    vendor.statuses = [503]
    found = embed("hi", **options(vendor))
    assert [attempt.error for attempt in found.attempts] == ["overloaded", None]
    assert len(vendor.requests) == 2
    vendor.statuses = [503] * 3
    with pytest.raises(ProviderError) as caught:
        embed("hi", **options(vendor))
    assert caught.value.kind == "overloaded"
    assert [attempt.status_code for attempt in caught.value.attempts] == [503, 503, 503]
    assert len(vendor.requests) == 5
    vendor.statuses = [503]
    with pytest.raises(ProviderError) as caught:
        embed("hi", **options(vendor), max_retries=0)
    assert len(caught.value.attempts) == 1


def test_what_was_paid_before_a_failure_is_on_the_error(vendor: EmbeddingVendor) -> None:
    vendor.statuses = [200, 400]
    with pytest.raises(ProviderError) as caught:
        embed(["y" * 200_000, "z" * 200_000], **options(vendor))
    assert caught.value.receipt is not None
    assert caught.value.receipt.total == Decimal("0.004")  # 200,000 letters at 0.02 USD a million
    assert caught.value.partial.vectors == [[200_000.0, 0.5]]


def test_a_budget_holds(vendor: EmbeddingVendor) -> None:
    with lazybridge.Budget("0.01") as budget:
        embed("x" * 1000, **options(vendor))
        assert budget.spent == Decimal("0.00002")
        assert budget.reserved == 0
        with pytest.raises(BudgetExceeded, match="this call could cost"):
            embed("x" * 600_000, **options(vendor))
    assert len(vendor.requests) == 1
    with pytest.raises(BudgetExceeded, match="nobody can say"):
        embed("x", "nobody-knows-it", provider="openai", api_key="k", base_url=vendor.url, budget=lazybridge.Budget(1))
    found = embed(
        "x",
        "nobody-knows-it",
        provider="openai",
        api_key="k",
        base_url=vendor.url,
        budget=lazybridge.Budget(1, unknown="allow"),
    )
    assert found.cost_usd is None


@pytest.mark.parametrize("extra", [{"model": "text-embedding-3-large"}, {"input": ["x" * 100_000]}])
def test_a_budget_is_not_passed_in_extra_body(extra: dict[str, Any], vendor: EmbeddingVendor) -> None:
    with pytest.raises(BudgetExceeded, match="nobody can say"):
        embed("a", **options(vendor), extra_body=extra, budget=lazybridge.Budget("0.000001"))
    assert vendor.requests == []
    embed("a", **options(vendor), extra_body={"user": "u-1"}, budget=lazybridge.Budget("0.000001"))


def test_what_was_paid_before_the_budget_was_used_up_is_on_the_error(vendor: EmbeddingVendor) -> None:
    texts = ["y" * 200_000, "z" * 200_000]
    with pytest.raises(BudgetExceeded) as exceeded:
        embed(texts, **options(vendor), budget=lazybridge.Budget("0.005"))
    assert exceeded.value.receipt is not None
    assert exceeded.value.receipt.total == Decimal("0.004")
    assert len(exceeded.value.attempts) == 1


def test_the_ledger_has_a_row_for_every_attempt(vendor: EmbeddingVendor, tmp_path: Path) -> None:
    vendor.statuses = [503]
    with lazybridge.Ledger(tmp_path / "spend.db") as ledger:
        embed("hello", **options(vendor), ledger=ledger)
        rows = list(ledger.rows())
    assert [(row.asked, row.status, row.input_tokens) for row in rows] == [
        ("text-embedding-3-small", "overloaded", None),
        ("text-embedding-3-small", "ok", 5),
    ]


def test_an_answer_that_lacks_a_vector_is_an_error(vendor: EmbeddingVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = vendor.answer
    monkeypatch.setattr(vendor, "answer", lambda body: {**whole(body), "data": whole(body)["data"][:1]})
    with pytest.raises(ServerError, match="2 texts came back"):
        embed(["a", "b"], **options(vendor), max_retries=0)


def test_what_is_added_for_vertex_stands_beside_what_was_asked() -> None:
    # google-genai 3.4.0 `models.py` writes both, as `outputDimensionality` and `autoTruncate`, into `parameters`.
    request = EmbeddingRequest(inputs=("a",), dimensions=256, extra_body={"parameters": {"autoTruncate": False}})
    call = GeminiEmbeddings(vertex=True).call(request, ModelProfile("gemini-embedding-001"))
    assert call.body is not None
    assert call.body["parameters"] == {"outputDimensionality": 256, "autoTruncate": False}


@pytest.mark.parametrize("vector", [[0.5, None], [0.5, "1"], "%%%", "AAAAAAA=", [[0.5]]])
def test_a_vector_that_is_none_is_an_error(
    vector: Any, vendor: EmbeddingVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = vendor.answer
    monkeypatch.setattr(vendor, "answer", lambda body: {**whole(body), "data": [{"index": 0, "embedding": vector}]})
    with pytest.raises(ServerError, match="openai/text-embedding-3-small: the answer h"):
        embed("a", **options(vendor), max_retries=0)


@pytest.mark.parametrize("error", [{"message": "no credits left", "code": "insufficient_quota"}, "no credits left"])
def test_an_error_with_http_200_is_the_vendors_error(
    error: Any, vendor: EmbeddingVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The body of the recorded refusals, with the status of an answer.
    monkeypatch.setattr(vendor, "answer", lambda body: {"error": error})
    with pytest.raises(ProviderError, match="no credits left") as caught:
        embed("a", **options(vendor), max_retries=0)
    assert caught.value.kind == ("server" if isinstance(error, str) else "quota")
    assert caught.value.provider == "openai"


class Own(BaseProvider):
    complete = stream = acomplete = astream = None  # type: ignore[assignment]


def test_what_nobody_can_embed_is_said_before_anything_is_sent(vendor: EmbeddingVendor) -> None:
    for texts, said in (([], "no text"), (["a", ""], "text 1 is empty"), ([1], "no texts")):
        with pytest.raises(ValueError, match=said):
            embed(texts, **options(vendor))  # type: ignore[arg-type]  # what a user may pass all the same
    for strange in (None, 3, b"a text", {"a": 1}, {"a"}):
        with pytest.raises(TypeError, match="texts are a text or a list of them"):
            embed(strange, **options(vendor))  # type: ignore[arg-type]
    for timeout in (0, float("inf"), float("nan")):
        with pytest.raises(ConfigurationError, match="is no time"):
            embed("a", timeout=timeout, **options(vendor))
    with pytest.raises(ValueError, match="dimensions=0"):
        embed("a", dimensions=0, **options(vendor))
    with pytest.raises(ValueError, match="purpose='find'"):
        embed("a", purpose="find", **options(vendor))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match='write embed\\("a text", model='):
        embed("a")
    with pytest.raises(UnsupportedFeatureError, match="anthropic has no endpoint for embeddings"):
        embed("a", provider=AnthropicProvider(api_key="k"))
    with pytest.raises(UnsupportedFeatureError, match="conversations alone"):
        embed("a", provider=Own())
    with pytest.raises(ConfigurationError, match="did you mean 'timeout'"):
        embed("a", timeuot=3, **options(vendor))  # type: ignore[call-arg]
    assert vendor.requests == []


def test_a_purpose_that_the_vendor_does_not_know_is_an_adjustment(vendor: EmbeddingVendor) -> None:
    with pytest.warns(UserWarning, match="one kind of vector"):
        found = embed("a", purpose="query", **options(vendor))
    assert [adjustment.parameter for adjustment in found.adjustments] == ["purpose"]
    with pytest.raises(UnsupportedFeatureError, match="one kind of vector"):
        embed("a", purpose="query", strict=True, **options(vendor))


def test_the_key_is_in_no_error(vendor: EmbeddingVendor) -> None:
    vendor.statuses = [401]
    with pytest.raises(ProviderError) as caught:
        embed("a", "text-embedding-3-small", api_key="sk-verysecret123456", base_url=vendor.url)
    assert "verysecret" not in repr(caught.value) + str(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize(
    "call",
    [
        lambda **words: embed("a", "text-embedding-3-small", **words),
        lambda **words: embed(None, "text-embedding-3-small", **words),
        lambda **words: asyncio.run(aembed("a", "text-embedding-3-small", **words)),
        lambda **words: lazybridge.generate_image("a", "gpt-image-1.5", **words),
        lambda **words: lazybridge.generate_image("a", "gpt-image-1.5", images="nothing-here.png", **words),
        lambda **words: lazybridge.speak("a", "gpt-4o-mini-tts", **words),
        lambda **words: lazybridge.transcribe("nothing-here.mp3", "gpt-4o-transcribe", **words),
        lambda **words: lazybridge.batch(["a"], "gpt-6-luna", **words),
        lambda **words: lazybridge.batch([], "gpt-6-luna", **words),
        lambda **words: lazybridge.Batch.resume("batch_1", provider="openai", **words),
    ],
)
def test_the_key_is_in_no_frame(call: Any, vendor: EmbeddingVendor) -> None:
    vendor.statuses = [401]
    words = {"api_key": "sk-verysecret123456", "extra_headers": {"X-Api-Key": "sk-verysecret654321"}, "max_retries": 0}
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of whatever kind, its frames are shown
        call(base_url=vendor.url, **words)
    links = list(chain_of(caught.value))
    frames = [frame for link in links for frame, _ in traceback.walk_tb(link.__traceback__)]
    ours = [frame for frame in frames if Path(lazybridge.__file__).parent in Path(frame.f_code.co_filename).parents]
    shown = [name for frame in ours for name, value in frame.f_locals.items() if "verysecret" in repr(value)]
    assert ours
    assert shown == []


def test_what_changes_in_the_environment_holds_for_the_next_call(
    loopback: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # openai 3.54.0 `_client.py`: OPENAI_PROJECT_ID says who pays, and is read when a client is made.
    loopback.answers["POST", "/v1/embeddings"] = (200, {"data": [{"index": 0, "embedding": [0.5]}]})
    for project in ("proj_a", "proj_b"):
        monkeypatch.setenv("OPENAI_PROJECT_ID", project)
        embed("a", "text-embedding-3-small", api_key="k", base_url=f"{loopback.url}/v1")
        assert loopback.sent[-1].headers["openai-project"] == project


def test_a_model_id_finds_its_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    for model, provider in (
        ("text-embedding-3-small", "openai"),
        ("text-embedding-ada-002", "openai"),
        ("mistral-embed", "mistral"),
        ("codestral-embed", "mistral"),
        ("gemini-embedding-001", "google"),
        ("text-embedding-005", "google"),
    ):
        assert lazybridge.LLMEngine.route(model).provider == provider
