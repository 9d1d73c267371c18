"""Amazon Bedrock and Claude on Vertex AI through the real SDKs: what is signed and sent, what comes back, at what cost.

Signatures are held to AWS's published cases, frames of an event stream to botocore's decoder, error names to botocore's
model of the service, answers to recorded traffic of Anthropic's where it is at hand.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from lazybridge import Agent, ConfigurationError, LLMEngine, price
from lazybridge.core import catalogue
from lazybridge.core.errors import from_exception
from lazybridge.core.providers.bedrock import BedrockProvider
from lazybridge.core.providers.vertex import VertexProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, UsageStats
from tests.fake_clouds import (
    ACCESS_KEY,
    SECRET_KEY,
    CloudVendor,
    chunk_frame,
    exception_frame,
    frame,
    signature,
)
from tests.fake_vendor import TEXT, Fault
from tests.wire.test_replay import records, sse_events

RECORDS = Path(__file__).parents[2].parent / "shared" / "conformance" / "open"
recorded = pytest.mark.skipif(not RECORDS.is_dir(), reason="recorded traffic is not in this checkout")

RUNTIME, MANTLE = "us.anthropic.claude-sonnet-4-6", "anthropic.claude-opus-4-8"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0"
OPEN, OPEN_RUNTIME = "openai.gpt-oss-120b", "openai.gpt-oss-120b-1:0"
TOKEN = "FwoGZXIvYXdzEXAMPLEsessionTOKEN//////////wEaDExample"
WAYS = ("complete", "stream", "acomplete", "astream")


@pytest.fixture
def vendor() -> Iterator[CloudVendor]:
    server = CloudVendor()
    yield server
    server.close()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")


def asking(model: str, text: str = "Wie heißt die Hauptstadt? 東京", **fields: Any) -> CompletionRequest:
    return CompletionRequest((Message.user(text),), model=model, max_tokens=16, **fields)


def answer(provider: Any, request: CompletionRequest, way: str) -> CompletionResponse:
    """The response, whichever of the four methods gives it; the provider is closed."""

    async def asynchronously() -> CompletionResponse:
        try:
            if way == "acomplete":
                return await provider.acomplete(request)  # type: ignore[no-any-return]
            return await last(provider.astream(request))
        finally:
            await provider.aclose()

    if way.startswith("a"):
        return asyncio.run(asynchronously())
    with provider:
        if way == "complete":
            return provider.complete(request)  # type: ignore[no-any-return]
        response = list(provider.stream(request))[-1].response
        assert response is not None
        return response  # type: ignore[no-any-return]


async def last(chunks: AsyncIterator[Any]) -> CompletionResponse:
    found = [chunk async for chunk in chunks][-1].response
    assert found is not None
    return found  # type: ignore[no-any-return]


# --- the two formats, against others' truth ---------------------------------------------------------------------------

EMPTY = "20150830/us-east-1/service/aws4_request"
DATE = ("X-Amz-Date", "20150830T123600Z")
HOST = ("Host", "example.amazonaws.com")
FORM = ("Content-Type", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "scope", "published"),
    [
        # https://docs.aws.amazon.com/general/latest/gr/sigv4-calculate-signature.html
        pytest.param(
            "GET", "/", "Action=ListUsers&Version=2010-05-08",
            [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"), ("Host", "iam.amazonaws.com"), DATE],
            b"", "20150830/us-east-1/iam/aws4_request",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7", id="ListUsers",
        ),
        # aws-sig-v4-test-suite: https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html
        pytest.param("GET", "/", "", [HOST, DATE], b"", EMPTY, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", id="get-vanilla"),
        pytest.param("GET", "/", "Param2=value2&Param1=value1", [HOST, DATE], b"", EMPTY, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", id="get-vanilla-query-order-key-case"),
        pytest.param("GET", "/ሴ", "", [HOST, DATE], b"", EMPTY, "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85", id="get-utf8"),
        pytest.param("POST", "/", "", [HOST, DATE], b"", EMPTY, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", id="post-vanilla"),
        pytest.param("POST", "/", "", [FORM, HOST, DATE], b"Param1=value1", EMPTY, "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a", id="post-x-www-form-urlencoded"),
    ],
)  # fmt: skip
def test_the_verifier_makes_awss_published_signatures(
    method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes, scope: str, published: str
) -> None:
    assert signature(method, path, query, headers, body, scope, DATE[1], SECRET_KEY) == published


def test_botocore_reads_the_frames() -> None:
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()
    buffer.add_data(frame({":event-type": "chunk", "a": "ü"}, b"payload") + frame({}, b""))
    first, second = buffer
    assert (first.headers, first.payload) == ({":event-type": "chunk", "a": "ü"}, b"payload")
    assert (second.headers, second.payload) == ({}, b"")


# --- what is signed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("model", "service"),
    [
        (RUNTIME, "bedrock"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "bedrock"),
        (ARN, "bedrock"),
        (MANTLE, "bedrock-mantle"),
        (OPEN, "bedrock-mantle"),
        (OPEN_RUNTIME, "bedrock"),
        ("global.openai.gpt-6-luna", "bedrock"),
    ],
)
def test_what_arrives_is_what_was_signed(
    model: str, service: str, way: str, keys: None, vendor: CloudVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    assert answer(BedrockProvider(base_url=vendor.url), asking(model), way).content == TEXT
    (request,) = vendor.received
    said = request.signed_by()
    key, _date, region, *rest = said["Credential"].split("/")
    assert (key, region, rest) == (ACCESS_KEY, "eu-west-1", [service, "aws4_request"])
    assert request.headers["x-amz-security-token"] == TOKEN
    assert {"content-type", "x-amz-security-token"} <= set(said["SignedHeaders"].split(";"))
    assert said["Signature"] == request.expected_signature(SECRET_KEY)
    assert said["Signature"] != request.expected_signature("another secret")
    assert "東京" in json.loads(request.body)["messages"][0]["content"]
    assert SECRET_KEY not in f"{request.headers} {request.body!r}"
    request.body += b" "
    assert said["Signature"] != request.expected_signature(SECRET_KEY)


def test_headers_of_the_callers_own_are_signed_too(keys: None, vendor: CloudVendor) -> None:
    for model in (RUNTIME, MANTLE, OPEN):
        answer(BedrockProvider(base_url=vendor.url), asking(model, extra_headers={"X-Team": "blue"}), "complete")
    for request in vendor.received:
        assert "x-team" in request.signed_by()["SignedHeaders"].split(";")
        assert request.signed_by()["Signature"] == request.expected_signature(SECRET_KEY)


@pytest.mark.parametrize("model", [RUNTIME, MANTLE, OPEN])
def test_a_profile_has_keys_and_a_region(
    model: str, vendor: CloudVendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = us-west-2\n[profile work]\nregion = ap-southeast-2\n"
        f"aws_access_key_id = AKIDWORK\naws_secret_access_key = {SECRET_KEY}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    answer(BedrockProvider(profile="work", base_url=vendor.url), asking(model), "complete")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_PROFILE", "work")
    answer(BedrockProvider(base_url=vendor.url), asking(model), "acomplete")
    for request in vendor.received:
        assert request.signed_by()["Credential"].split("/")[0::2] == ["AKIDWORK", "ap-southeast-2", "aws4_request"]
        assert request.signed_by()["Signature"] == request.expected_signature(SECRET_KEY)


@pytest.mark.parametrize("model", [RUNTIME, MANTLE, OPEN])
def test_keys_that_change_in_the_environment_are_seen(
    model: str, keys: None, vendor: CloudVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(BedrockProvider(base_url=vendor.url), asking(model), "complete")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDNEW")
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    answer(BedrockProvider(base_url=vendor.url), asking(model), "complete")
    before, after = vendor.received
    assert [request.signed_by()["Credential"].partition("/")[0] for request in (before, after)] == [
        ACCESS_KEY,
        "AKIDNEW",
    ]
    assert [request.headers.get("x-amz-security-token") for request in (before, after)] == [None, TOKEN]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", [RUNTIME, MANTLE, OPEN])
def test_an_api_key_of_bedrocks_signs_nothing(
    model: str, way: str, keys: None, vendor: CloudVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(BedrockProvider(api_key="key-as-option", base_url=vendor.url), asking(model), way)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key-in-environment")
    answer(BedrockProvider(base_url=vendor.url), asking(model), way)
    sent = [request.headers["authorization"] for request in vendor.received]
    assert sent == ["Bearer key-as-option", "Bearer key-in-environment"]
    assert not any("x-amz-date" in request.headers for request in vendor.received)


@pytest.mark.parametrize("model", [RUNTIME, MANTLE, OPEN])
def test_no_other_vendors_key_goes_to_aws(
    model: str, keys: None, vendor: CloudVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "anothers-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Own: anothers-secret")
    answer(BedrockProvider(base_url=vendor.url), asking(model), "complete")
    assert "anothers-secret" not in str(vendor.received)


def test_botocores_own_client_asks_the_same_and_reads_the_frames(keys: None, vendor: CloudVendor) -> None:
    import boto3

    client = boto3.client("bedrock-runtime", region_name="eu-west-1", endpoint_url=vendor.url)
    provider = BedrockProvider(base_url=vendor.url)
    for way in ("complete", "stream"):
        answer(provider, asking(ARN), way)
    bodies = [request.body for request in vendor.received]
    whole = client.invoke_model(modelId=ARN, body=bodies[0])["body"].read()
    stream = client.invoke_model_with_response_stream(modelId=ARN, body=bodies[1])["body"]
    client.close()
    assert json.loads(whole)["content"][0]["text"] == TEXT
    events = [json.loads(event["chunk"]["bytes"]) for event in stream]
    assert "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta") == TEXT
    ours, theirs = vendor.received[:2], vendor.received[2:]
    assert [unquote(request.path) for request in ours] == [unquote(request.path) for request in theirs]
    for request in theirs:
        assert request.signed_by()["Credential"].split("/")[2:] == ["eu-west-1", "bedrock", "aws4_request"]
        assert request.signed_by()["Signature"] == request.expected_signature(SECRET_KEY)


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_each_shape_of_id_goes_to_its_endpoint(keys: None) -> None:
    provider = BedrockProvider(region="us-east-2")
    urls = {}
    for model in (RUNTIME, MANTLE, OPEN, OPEN_RUNTIME):
        wire = provider._wire(asking(model))
        with pytest.raises(TypeError):  # nothing is sent: this is not what `post` takes
            provider._sync_client().post(wire.path, body={"model": model}, nonsense=True)
    for (sdk, endpoint), client in provider._sync_client()._made.items():
        urls[sdk, endpoint] = str(client.base_url)
    provider.close()
    assert urls == {
        ("anthropic", "runtime"): "https://bedrock-runtime.us-east-2.amazonaws.com",
        ("anthropic", "mantle"): "https://bedrock-mantle.us-east-2.api.aws/anthropic/",
        ("openai", "mantle"): "https://bedrock-mantle.us-east-2.api.aws/openai/v1/",
        ("openai", "runtime"): "https://bedrock-runtime.us-east-2.amazonaws.com/openai/v1/",
    }


def test_invoke_model_has_the_model_in_the_url_and_the_version_in_the_body(keys: None, vendor: CloudVendor) -> None:
    for way in ("complete", "stream"):
        answer(BedrockProvider(base_url=vendor.url), asking(ARN), way)
    paths = [request.path for request in vendor.received]
    assert [unquote(path) for path in paths] == [f"/model/{ARN}/invoke", f"/model/{ARN}/invoke-with-response-stream"]
    assert all(path.count("/") == 3 for path in paths)
    # https://docs.aws.amazon.com/bedrock/latest/userguide/inference-messages-api.html
    for request in vendor.received:
        body = json.loads(request.body)
        assert (body["anthropic_version"], body["max_tokens"]) == ("bedrock-2023-05-31", 16)
        assert not {"model", "stream"} & body.keys()
    own = asking(RUNTIME, extra_body={"anthropic_version": "2026-10-21"})
    answer(BedrockProvider(base_url=vendor.url), own, "complete")
    assert json.loads(vendor.received[-1].body)["anthropic_version"] == "2026-10-21"


def test_mantle_speaks_the_messages_api(keys: None, vendor: CloudVendor) -> None:
    answer(BedrockProvider(base_url=f"{vendor.url}/anthropic"), asking(MANTLE), "stream")
    (request,) = vendor.received
    assert request.path == "/anthropic/v1/messages"
    assert (json.loads(request.body)["model"], json.loads(request.body)["stream"]) == (MANTLE, True)
    assert "anthropic_version" not in json.loads(request.body)


def test_the_api_and_the_endpoint_can_be_named(keys: None, vendor: CloudVendor) -> None:
    application = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
    base = vendor.url
    answer(BedrockProvider(base_url=base, api="messages"), asking(application), "complete")
    answer(BedrockProvider(base_url=base, api="responses"), asking(OPEN), "complete")
    answer(BedrockProvider(base_url=base, endpoint="runtime"), asking(MANTLE), "complete")
    assert [unquote(request.path) for request in vendor.received] == [
        f"/model/{application}/invoke",
        "/responses",
        f"/model/{MANTLE}/invoke",
    ]


def test_the_sdks_variables_for_the_base_url_hold(
    keys: None, vendor: CloudVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_BEDROCK_BASE_URL", "ANTHROPIC_BEDROCK_MANTLE_BASE_URL", "AWS_BEDROCK_BASE_URL"):
        monkeypatch.setenv(name, f"{vendor.url}/{name}")
    for model in (RUNTIME, MANTLE, OPEN):
        answer(BedrockProvider(), asking(model), "complete")
    assert [request.path.split("/")[1] for request in vendor.received] == [
        "ANTHROPIC_BEDROCK_BASE_URL",
        "ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
        "AWS_BEDROCK_BASE_URL",
    ]


def test_an_agent_reaches_bedrock_by_prefix(keys: None, vendor: CloudVendor) -> None:
    for model in (RUNTIME, MANTLE, OPEN):
        agent = Agent(f"bedrock/{model}", base_url=vendor.url)
        envelope = agent("hi")
        assert (envelope.text(), envelope.metadata.model, envelope.metadata.provider) == (TEXT, model, "bedrock")
        stream = agent.stream("hi")
        assert "".join(chunk.delta for chunk in stream) == TEXT
        agent.close()
    assert LLMEngine.route(f"bedrock/{ARN}").model == ARN


# --- what comes back --------------------------------------------------------------------------------------------------


def matches(response: CompletionResponse, expected: dict[str, Any]) -> None:
    """An answer says what its record says."""
    assert response.content == (expected["text"] or "")
    assert response.stop_reason == {"model_context_window_exceeded": "max_tokens"}.get(
        expected["finish_reason"], expected["finish_reason"]
    )
    assert [(call.id, call.name) for call in response.tool_calls] == [
        (call["id"], call["name"]) for call in expected["tool_calls"]
    ]
    assert response.usage.input_tokens == expected["usage"]["input_total"]
    assert response.usage.output_tokens == expected["usage"]["output_total"]


def generations(streaming: bool) -> list[dict[str, Any]]:
    found = [record for record in records("anthropic_messages", files="anthropic") if record["status"] == 200]
    return [
        record
        for record in found
        if record["streaming"] == streaming
        and record["expected"]["text"] is not None
        and len(record["expected"]["text"]) < 500  # longer ones are cut off in `expected`
        and not record["expected"].get("error")
        and not record["expected"].get("server_tools")
        and (not streaming or record["expected"]["stream"]["complete"])
    ]


@recorded
def test_recorded_streams_come_through_in_frames(keys: None, vendor: CloudVendor) -> None:
    provider = BedrockProvider(base_url=vendor.url)
    read = 0
    for record in generations(streaming=True):
        events = [json.dumps(event) for event in sse_events(record["response_body"])]
        # InvokeModelWithResponseStream adds its own counts to the last event.
        events[-1] = json.dumps({**json.loads(events[-1]), "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}})
        body = b"".join(map(chunk_frame, events))
        headers = {"content-type": "application/vnd.amazon.eventstream"}
        vendor.fail(*[Fault(status=200, body=body, headers=headers)] * 2)
        matches(list(provider.stream(asking(RUNTIME)))[-1].response, record["expected"])  # type: ignore[arg-type]
        matches(asyncio.run(last(provider.astream(asking(RUNTIME)))), record["expected"])
        read += 1
    provider.close()
    assert read > 80


@recorded
@pytest.mark.parametrize("model", [RUNTIME, MANTLE, "vertex"])
def test_recorded_answers_come_through_whole(model: str, keys: None, vendor: CloudVendor) -> None:
    provider: Any = BedrockProvider(base_url=vendor.url)
    if model == "vertex":
        model, provider = "claude-sonnet-4-6", on_vertex(vendor)
    read = 0
    for record in generations(streaming=False)[::3]:
        vendor.fail(Fault(status=200, body=record["response_body"].encode()))
        matches(provider.complete(asking(model)), record["expected"])
        read += 1
    provider.close()
    assert read > 40


# Of botocore's model of InvokeModel; the statuses are there too.
KINDS = {
    "AccessDeniedException": "permission",
    "ResourceNotFoundException": "not_found",
    "ThrottlingException": "rate_limit",
    "ModelTimeoutException": "timeout",
    "InternalServerException": "server",
    "ServiceUnavailableException": "overloaded",
    "ModelStreamErrorException": "server",
    "ValidationException": "invalid_request",
    "ServiceQuotaExceededException": "rate_limit",
    "ModelNotReadyException": "overloaded",
    "ModelErrorException": "server",
}
# https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
COMMON = {
    "UnrecognizedClientException": "authentication",
    "InvalidSignatureException": "authentication",
    "ExpiredTokenException": "authentication",
    "IncompleteSignature": "authentication",
}


def service() -> dict[str, Any]:
    from botocore.loaders import Loader

    return Loader().load_service_model("bedrock-runtime", "service-2")  # type: ignore[no-any-return]


def failure(provider: Any, request: CompletionRequest, way: str) -> Any:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the SDK's own exception
        answer(provider, request, way)
    return from_exception(caught.value, provider="bedrock", model=request.model)


def test_every_error_of_the_service_has_its_kind(keys: None, vendor: CloudVendor) -> None:
    model = service()
    statuses = {
        error["shape"]: model["shapes"][error["shape"]]["error"]["httpStatusCode"]
        for operation in ("InvokeModel", "InvokeModelWithResponseStream")
        for error in model["operations"][operation]["errors"]
    }
    assert statuses.keys() == KINDS.keys()
    for name, kind in {**KINDS, **COMMON}.items():
        header = f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"
        fault = Fault(status=statuses.get(name, 403), body={"message": "no"}, headers={"x-amzn-errortype": header})
        for asked in (RUNTIME, MANTLE, OPEN):
            vendor.fail(fault)
            error = failure(BedrockProvider(base_url=vendor.url), asking(asked), "complete")
            assert (error.kind, error.message, error.request_id) == (kind, "no", "req_1"), (name, asked)
            assert error.code == name
            assert error.retryable == (kind in ("rate_limit", "timeout", "server", "overloaded")), (name, asked)


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_every_exception_within_a_stream_has_its_kind(way: str, keys: None, vendor: CloudVendor) -> None:
    names = service()["shapes"]["ResponseStream"]["members"].keys() - {"chunk"}
    assert len(names) >= 6
    start = json.dumps({"type": "message_start", "message": {"usage": {"input_tokens": 3}, "content": []}})
    for name in names:
        vendor.fail(Fault(status=200, body=chunk_frame(start) + exception_frame(name, "slow down")))
        error = failure(BedrockProvider(base_url=vendor.url), asking(RUNTIME), way)
        kind = {shape.lower(): kind for shape, kind in KINDS.items()}[name.lower()]
        assert (error.kind, error.message) == (kind, "slow down"), name


def test_a_prompt_that_is_too_long_is_told_from_other_bad_requests(keys: None, vendor: CloudVendor) -> None:
    words = {"x-amzn-errortype": "ValidationException"}
    vendor.fail(Fault(status=400, body={"message": "Input is too long for requested model."}, headers=words))
    assert failure(BedrockProvider(base_url=vendor.url), asking(RUNTIME), "complete").kind == "context_length"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", [RUNTIME, MANTLE, OPEN])
def test_no_secret_is_in_an_error_or_a_repr(
    model: str, way: str, keys: None, vendor: CloudVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    # AWS quotes the canonical request in the message, the token with it.
    echo = f"The Canonical String for this request should have been 'POST\n/\n\nx-amz-security-token:{TOKEN}\n'"
    echo = echo.replace("\n", "\\n")
    fault = Fault(status=403, body={"message": echo}, headers={"x-amzn-errortype": "InvalidSignatureException"})
    vendor.fail(fault)
    error = failure(BedrockProvider(base_url=vendor.url), asking(model), way)
    assert error.kind == "authentication"
    shown = f"{error!r} {error} {vars(error)} {vars(error.__cause__)} {error.__cause__.response.text} "
    shown += f"{error.__cause__.request.headers} {''.join(traceback.format_exception(error))}"
    shown += repr(BedrockProvider(api_key="bedrock-api-key-0123456789"))
    for secret in (SECRET_KEY, TOKEN, "bedrock-api-key-0123456789"):
        assert secret not in shown


def test_a_bearer_token_that_aws_echoes_is_not_in_the_envelope(keys: None, vendor: CloudVendor) -> None:
    key = "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t"
    vendor.fail(Fault(status=403, body={"message": f"no such key: {key}"}))
    envelope = Agent(f"bedrock/{RUNTIME}", api_key=key, base_url=vendor.url)("hi")
    assert envelope.error is not None
    assert envelope.error.kind == "permission"  # type: ignore[attr-defined]
    assert key not in f"{envelope!r} {envelope.error} {vars(envelope.error)}"


# --- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "row"),
    [
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "global.anthropic.claude-haiku-4-5-20251001"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-haiku-4-5-20251001"),
        (ARN, "anthropic.claude-haiku-4-5-20251001"),
        (MANTLE, "anthropic.claude-opus-4-8"),
        (OPEN_RUNTIME, "openai.gpt-oss-120b-1"),
    ],
)
@pytest.mark.parametrize("way", ["complete", "stream"])
def test_a_call_costs_what_its_id_costs(model: str, row: str, way: str, keys: None, vendor: CloudVendor) -> None:
    # The answer names the model as its maker does; genai-prices has a price for each region's prefix.
    response = answer(BedrockProvider(base_url=vendor.url), asking(model), way)
    assert response.model == model
    assert response.receipt is not None
    assert {line.model for line in response.receipt.lines} == {row}
    price = catalogue.rows("bedrock")[row].price()
    assert price is not None
    assert price.source == "genai-prices 0.2.3"
    assert response.receipt.lines[0].rate == price.rates["input"]


def test_global_profiles_are_cheaper_than_regional_ones(keys: None, vendor: CloudVendor) -> None:
    costs = [
        answer(BedrockProvider(base_url=vendor.url), asking(f"{place}anthropic.claude-opus-4-8"), "complete").usage.cost_usd
        for place in ("global.", "us.", "eu.", "")
    ]  # fmt: skip
    assert costs[0] is not None
    assert costs[1:] == [pytest.approx(costs[0] * 1.1)] * 3


def test_nobody_guesses_the_price_of_an_application_profile(keys: None, vendor: CloudVendor) -> None:
    application = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
    response = answer(BedrockProvider(base_url=vendor.url, api="messages"), asking(application), "complete")
    assert response.usage.cost_usd is None


def test_what_the_maker_says_of_a_model_holds_on_the_clouds() -> None:
    for vendor, id in (
        ("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("bedrock", ARN),
        ("vertex", "claude-haiku-4-5@20251001"),
    ):
        row, makers = catalogue.profile(vendor, id), catalogue.profile("anthropic", "claude-haiku-4-5")
        assert row.known
        for name in ("max_output_tokens", "thinking", "vision", "documents", "efforts", "forced_tool_choice"):
            assert getattr(row, name) == getattr(makers, name), (id, name)
    assert (
        catalogue.profile("bedrock", "openai.gpt-6-luna").thinking == catalogue.profile("openai", "gpt-6-luna").thinking
    )


# --- what is missing --------------------------------------------------------------------------------------------------


def test_missing_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r'set AWS_REGION in the environment, or pass region="us-east-1"'):
        Agent("bedrock/anthropic.claude-opus-4-8")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(
        ConfigurationError,
        match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or AWS_BEARER_TOKEN_BEDROCK",
    ):
        Agent("bedrock/anthropic.claude-opus-4-8")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "k")
    BedrockProvider().close()
    with pytest.raises(ConfigurationError, match=r"leave out profile=, or api_key= and AWS_BEARER_TOKEN_BEDROCK"):
        BedrockProvider(profile="work")
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK")
    with pytest.raises(ConfigurationError, match=r"The config profile \(work\) could not be found"):
        BedrockProvider(profile="work")
    with pytest.raises(
        ConfigurationError, match='no endpoint \'converse\'\nwrite endpoint="mantle" or endpoint="runtime"'
    ):
        BedrockProvider(api_key="k", endpoint="converse")
    with pytest.raises(ConfigurationError, match=r"no api 'converse'"):
        BedrockProvider(api_key="k", api="converse")
    with pytest.raises(ConfigurationError, match="no option 'regoin'\nits options: .*region, profile, api, endpoint"):
        BedrockProvider(api_key="k", regoin="us-east-1")
    with pytest.raises(ConfigurationError, match="has no default model"):
        BedrockProvider(api_key="k").complete(CompletionRequest((Message.user("hi"),)))


@pytest.mark.parametrize(
    ("package", "model", "options", "extra"),
    [
        ("boto3", "bedrock/m", {"api_key": "k", "region": "us-east-1"}, "bedrock"),
        ("openai", "bedrock/m", {"api_key": "k", "region": "us-east-1"}, "bedrock"),
        ("anthropic", "bedrock/m", {"api_key": "k", "region": "us-east-1"}, "bedrock"),
        ("anthropic", "vertex/m", {"project": "p", "region": "global"}, "vertex"),
        ("google.auth", "vertex/m", {"project": "p", "region": "global"}, "vertex"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    package: str, model: str, options: dict[str, Any], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, parent=None: None if name == package else real(name, parent)
    )
    named = package.replace("google.auth", "google-auth")
    with pytest.raises(
        ConfigurationError, match=rf'the package {named} is not installed\npip install "lazybridge\[{extra}\]"'
    ):
        Agent(model, **options)


def test_neither_boto_nor_google_auth_is_needed_or_loaded_by_others() -> None:
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("boto3", "botocore") or name.startswith("google.auth"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import lazybridge, lazybridge.core.providers.bedrock, lazybridge.core.providers.vertex
for model in ("gpt-6-luna", "claude-haiku-5-5"):
    lazybridge.Agent(model, api_key="k").close()
try:
    lazybridge.Agent("bedrock/m", api_key="k", region="us-east-1")
except lazybridge.ConfigurationError as exc:
    print(exc)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == 'the package boto3 is not installed\npip install "lazybridge[bedrock]"\n'


# --- Vertex AI --------------------------------------------------------------------------------------------------------


def on_vertex(vendor: CloudVendor, region: str = "global", **options: Any) -> VertexProvider:
    options = {"project": "my-project", "access_token": "ya29.secret-token-0123456789", **options}
    return VertexProvider(region=region, base_url=f"{vendor.url}/v1", **options)


@pytest.mark.parametrize("way", WAYS)
def test_vertex_has_the_model_in_the_url(way: str, vendor: CloudVendor) -> None:
    response = answer(on_vertex(vendor, "europe-west1"), asking("claude-sonnet-4-5@20250929"), way)
    assert response.content == TEXT
    (request,) = vendor.received
    verb = "streamRawPredict" if "stream" in way else "rawPredict"
    assert unquote(request.path) == (
        f"/v1/projects/my-project/locations/europe-west1/publishers/anthropic/models/claude-sonnet-4-5@20250929:{verb}"
    )
    assert request.headers["authorization"] == "Bearer ya29.secret-token-0123456789"
    body = json.loads(request.body)
    assert "model" not in body
    assert body["anthropic_version"]
    assert body.get("stream", False) == ("stream" in way)


def test_vertex_is_sent_the_version_that_the_caller_names(vendor: CloudVendor) -> None:
    asked = asking("claude-opus-4-8", extra_body={"anthropic_version": "vertex-2023-10-16"})
    answer(on_vertex(vendor), asked, "complete")
    assert json.loads(vendor.received[0].body)["anthropic_version"] == "vertex-2023-10-16"


def test_vertex_takes_credentials_of_google_auth_and_the_sdks_variables(
    vendor: CloudVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.oauth2.credentials import Credentials

    monkeypatch.setenv("ANTHROPIC_VERTEX_PROJECT_ID", "from-environment")
    monkeypatch.setenv("CLOUD_ML_REGION", "global")
    monkeypatch.setenv("ANTHROPIC_VERTEX_BASE_URL", f"{vendor.url}/v1")
    credentials = Credentials(token="ya29.of-google-auth")  # type: ignore[no-untyped-call]
    for way in ("complete", "astream"):
        answer(VertexProvider(credentials=credentials), asking("claude-opus-4-8"), way)
    for request in vendor.received:
        assert request.headers["authorization"] == "Bearer ya29.of-google-auth"
        assert request.path.startswith("/v1/projects/from-environment/locations/global/")


def test_vertex_says_what_is_missing(vendor: CloudVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ConfigurationError, match='set ANTHROPIC_VERTEX_PROJECT_ID in the environment, or pass project="'
    ):
        Agent("vertex/claude-opus-4-8", region="global")
    with pytest.raises(ConfigurationError, match='set CLOUD_ML_REGION in the environment, or pass region="global"'):
        Agent("vertex/claude-opus-4-8", project="p")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file.json")
    error = failure(on_vertex(vendor, access_token=None), asking("claude-opus-4-8"), "complete")
    assert error.kind == "authentication"
    assert vendor.received == []


@pytest.mark.parametrize("way", WAYS)
def test_vertexs_token_is_in_no_error_or_repr(way: str, vendor: CloudVendor) -> None:
    token = "ya29.secret-token-0123456789"
    status = {"error": {"code": 403, "message": f"denied {token}", "status": "PERMISSION_DENIED"}}
    vendor.fail(Fault(status=403, body=status))
    provider = on_vertex(vendor)
    assert token not in repr(provider)
    assert token not in repr(provider.api_key)
    error = failure(provider, asking("claude-opus-4-8"), way)
    assert error.kind == "permission"
    shown = f"{error!r} {vars(error)} {vars(error.__cause__)} {error.__cause__.response.text} {error.__cause__.request.headers}"
    assert token not in shown


def test_only_the_global_endpoint_of_vertex_has_a_price(vendor: CloudVendor) -> None:
    asked = asking("claude-haiku-4-5@20251001")
    known = answer(on_vertex(vendor), asked, "complete")
    assert known.receipt is not None
    assert (known.receipt.status, known.receipt.lines[0].model) == ("exact", "claude-haiku-4-5")
    unknown = answer(on_vertex(vendor, "us-east5"), asked, "stream")
    assert unknown.usage.cost_usd is None
    assert unknown.receipt is not None
    assert "regional and multi-region endpoints of Vertex AI cost more" in " ".join(unknown.receipt.reasons)


def test_a_registered_price_holds_in_every_region_of_vertex(vendor: CloudVendor) -> None:
    from lazybridge import register_price

    register_price("claude-haiku-4-5", provider="vertex", input=1.1, output=5.5, cached_input=0.11)
    response = answer(on_vertex(vendor, "us-east5"), asking("claude-haiku-4-5"), "complete")
    assert response.usage.cost_usd == pytest.approx((12 * 1.1 + 8 * 0.11 + 5 * 5.5) / 1_000_000)


def test_vertexs_models_are_claude_at_googles_prices() -> None:
    assert {id.partition("-")[0] for id in catalogue.ids("vertex")} == {"claude"}
    row = catalogue.profile("vertex", "claude-haiku-4-5@20251001")
    assert row.vendor == "vertex"
    assert row.prices == catalogue.profile("google", "claude-haiku-4-5").prices
    assert (
        price("vertex/gemini-3.8-flash", UsageStats(10, 10)).total
        == price("google/gemini-3.8-flash", UsageStats(10, 10)).total
    )
