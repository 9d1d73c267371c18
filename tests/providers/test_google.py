"""GoogleProvider on the real google-genai against a loopback server: the path through its private part, Vertex AI, keys."""

from __future__ import annotations

import asyncio
import inspect
import json
import traceback
import warnings
from itertools import chain
from typing import Any

import pytest
from google.genai import _transformers, types
from google.genai._api_client import BaseApiClient, HttpRequest, HttpResponse

from lazybridge import Agent, ConfigurationError
from lazybridge.core import catalogue
from lazybridge.core.catalogue import lifecycle
from lazybridge.core.errors import ProviderError, from_exception
from lazybridge.core.providers import _genai
from lazybridge.core.providers.google import GoogleProvider
from lazybridge.core.types import CompletionRequest, Message
from lazybridge.core.wire.endpoints.gemini import resource
from tests.fake_vendor import TEXT, FakeVendor, Fault

KEY = "AIzaTestKey0123456789"


def asking(**fields: Any) -> CompletionRequest:
    return CompletionRequest((Message.user("hi"),), **fields)


# --- the private part of the SDK --------------------------------------------------------------------------------------


def test_the_private_methods_are_what_they_were() -> None:
    """When this fails, google-genai has changed what `_genai.py` stands on: read its `_api_client.py` anew."""
    found = {name: list(inspect.signature(getattr(BaseApiClient, name)).parameters) for name in _genai.PRIVATE}
    assert found == {
        "_build_request": ["self", "http_method", "path", "request_dict", "http_options"],
        "_request_once": ["self", "http_request", "stream"],
        "_async_request_once": ["self", "http_request", "stream", "implicit_retry"],
    }
    assert [*HttpRequest.__dataclass_fields__] == ["headers", "url", "method", "data", "timeout"]
    assert set(_genai.PRIVATE_READERS) <= vars(HttpResponse).keys()


@pytest.mark.parametrize("vertex", [False, True])
@pytest.mark.parametrize("model", ["gemini-3.8-flash", "models/gemini-3.8-flash", "tunedModels/mine", "publishers/google/models/g", "meta/llama-4"])  # fmt: skip
def test_the_url_is_the_one_of_the_typed_methods(model: str, vertex: bool) -> None:
    class Client:
        vertexai = vertex

    assert resource(model, vertex) == _transformers.t_model(Client(), model)  # type: ignore[arg-type]
    assert "?" not in resource("gemini?key=1", vertex)


def test_the_request_is_the_one_of_the_typed_method(vendor: FakeVendor) -> None:
    from google import genai

    with GoogleProvider(api_key=KEY, base_url=vendor.url) as provider:
        provider.complete(asking(model="gemini-3.8-flash", system="Be brief.", max_tokens=5, temperature=None))
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=vendor.url, api_version="v1beta"))
    config = types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=5)
    client.models.generate_content(model="gemini-3.8-flash", contents="hi", config=config)
    client.close()
    ours, theirs = vendor.requests
    for request in vendor.requests:
        del request["headers"]["content-length"]  # the SDK gives the system instruction a role
    assert (ours["path"], ours["headers"]) == (theirs["path"], theirs["headers"])
    theirs["json"]["systemInstruction"].pop("role")
    assert ours["json"] == theirs["json"]
    assert ours["headers"]["x-goog-api-key"] == KEY


def test_the_sdks_client_is_held_and_loads_no_certificates_for_http(vendor: FakeVendor, monkeypatch: Any) -> None:
    import gc
    import ssl

    with GoogleProvider(api_key=KEY, base_url=vendor.url) as provider:
        monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: pytest.fail("loaded"))
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: pytest.fail("loaded"))
        for _ in range(2):
            assert provider.complete(asking()).content == TEXT
            gc.collect()
    assert vendor.connections == 1


# --- keys, versions, addresses ----------------------------------------------------------------------------------------


def test_a_missing_key_names_both_variables() -> None:
    with pytest.raises(ConfigurationError, match="GOOGLE_API_KEY and GEMINI_API_KEY are not set"):
        GoogleProvider()


def test_google_api_key_wins(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", vendor.url)
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, f"of-{name}")
        assert Agent("gemini")("hi").ok
        assert vendor.requests[-1]["headers"]["x-goog-api-key"] == f"of-{name}"
    assert vendor.requests[-1]["path"] == "/v1beta/models/gemini-3.8-flash:generateContent"


def test_the_api_version_is_the_caller_s_to_choose(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with GoogleProvider(api_key=KEY, base_url=vendor.url, api_version="v1") as provider:
        provider.complete(asking())
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v1alpha")
    with GoogleProvider(api_key=KEY, base_url=vendor.url) as provider:
        list(provider.stream(asking()))
    assert [request["path"].split("/")[1] for request in vendor.requests] == ["v1", "v1alpha"]


@pytest.mark.parametrize("model", ["gemini-flash-latest", "gemini-2.5-flash-preview-09-2025"])
def test_an_alias_is_sent_as_it_was_asked_for(model: str, vendor: FakeVendor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Agent(model, api_key=KEY, base_url=vendor.url)("hi").ok
    assert vendor.bodies()[0]["model"] == model


def test_no_tier_or_fallback_names_a_model_that_retires_within_90_days() -> None:
    named = {*GoogleProvider._TIER_ALIASES.values(), *chain(*GoogleProvider._FALLBACKS.values())}
    for id in named:
        row = catalogue.profile("google", id)
        assert row.prices, id
        assert not lifecycle.is_retired(row, lifecycle.today()), id
        assert not lifecycle.is_retiring(row, lifecycle.today(), within=90), id


# --- Vertex AI --------------------------------------------------------------------------------------------------------


def credentials() -> Any:
    from google.oauth2.credentials import Credentials

    return Credentials(token="ya29.secret-token-0123456789", quota_project_id="billed")  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("stream", [False, True])
def test_vertex_is_asked_at_its_own_address_with_google_clouds_credentials(vendor: FakeVendor, stream: bool) -> None:
    options = {"vertexai": True, "project": "p1", "location": "europe-west4", "credentials": credentials()}
    with GoogleProvider(base_url=vendor.url, **options) as provider:
        if stream:
            assert "".join(chunk.delta for chunk in provider.stream(asking())) == TEXT
        else:
            assert provider.complete(asking()).content == TEXT
            assert asyncio.run(provider.acomplete(asking())).content == TEXT
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    place = "projects/p1/locations/europe-west4/publishers/google/models"
    assert vendor.requests[0]["path"] == f"/v1beta1/{place}/gemini-3.8-flash:{method}"
    headers = vendor.requests[-1]["headers"]
    assert headers["authorization"] == "Bearer ya29.secret-token-0123456789"
    assert headers["x-goog-user-project"] == "billed"
    assert "x-goog-api-key" not in headers


def test_vertex_without_a_project_says_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with pytest.raises(ConfigurationError, match="GOOGLE_CLOUD_PROJECT"):
        GoogleProvider(vertexai=True)
    with pytest.raises(ConfigurationError, match="vertexai=True"):
        GoogleProvider(api_key=KEY, project="p1")


def test_credentials_that_google_auth_cannot_renew_are_an_authentication_error() -> None:
    from google.auth.exceptions import RefreshError

    assert from_exception(RefreshError("gone"), provider="google").kind == "authentication"  # type: ignore[no-untyped-call]


# --- errors -----------------------------------------------------------------------------------------------------------


def body(code: int, status: str, message: str = "No.", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


REASON = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
DAILY = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
MINUTE = {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]}
TOO_LONG = "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)."


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (400, body(400, "INVALID_ARGUMENT"), "invalid_request"),
        (400, body(400, "INVALID_ARGUMENT", "No.", REASON), "authentication"),
        (400, body(400, "INVALID_ARGUMENT", TOO_LONG), "context_length"),
        (403, body(403, "PERMISSION_DENIED"), "permission"),
        (404, body(404, "NOT_FOUND"), "not_found"),
        (429, body(429, "RESOURCE_EXHAUSTED", "No.", MINUTE), "rate_limit"),
        (429, body(429, "RESOURCE_EXHAUSTED", "No.", DAILY), "quota"),
        (500, body(500, "INTERNAL"), "server"),
        (503, body(503, "UNAVAILABLE"), "overloaded"),
        (504, body(504, "DEADLINE_EXCEEDED"), "timeout"),
        (502, b"<html>bad gateway</html>", "server"),
    ],
)
def test_an_error_is_what_google_calls_it(status: int, answer: Any, kind: str, vendor: FakeVendor) -> None:
    with GoogleProvider(api_key=KEY, base_url=vendor.url) as provider:
        for call in (provider.complete, lambda request: list(provider.stream(request)), lambda request: asyncio.run(provider.acomplete(request))):  # fmt: skip
            vendor.fail(Fault(status=status, body=answer))
            with pytest.raises(Exception) as caught:  # noqa: PT011  # the SDK's own
                call(asking())
            error = from_exception(caught.value, provider="google")
            assert (error.kind, error.status_code) == (kind, status)


def test_the_wait_that_google_names_in_the_body_is_kept(vendor: FakeVendor) -> None:
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31.5s"}
    vendor.fail(Fault(status=429, body=body(429, "RESOURCE_EXHAUSTED", "No.", delay)))
    with GoogleProvider(api_key=KEY, base_url=vendor.url) as provider, pytest.raises(Exception) as caught:  # noqa: PT011
        provider.complete(asking())
    assert from_exception(caught.value, provider="google").retry_after == 31.5


def test_no_key_is_in_an_error_its_cause_or_its_traceback(vendor: FakeVendor) -> None:
    vendor.fail(*[Fault(status=400, body=body(400, "INVALID_ARGUMENT", f"API key {KEY} not valid"))] * 2)
    agent = Agent("gemini-3.8-flash", api_key=KEY, base_url=vendor.url, fallback=False)
    for envelope in (agent("hi"), asyncio.run(agent.run("hi"))):
        error = envelope.error
        assert isinstance(error, ProviderError)
        cause = error.__cause__
        assert cause is not None
        shown = [str(error), repr(error), str(cause), repr(vars(cause)), str(cause.response.request.headers), cause.response.text]  # type: ignore[attr-defined]  # fmt: skip
        shown += traceback.TracebackException.from_exception(error, capture_locals=True).format()
        assert not any(KEY in text for text in shown)
    agent.close()


def test_a_stream_that_stops_inside_an_event_is_cut() -> None:
    from lazybridge.core.errors import StreamTruncated

    class Found:
        response_stream = None

        def _iter_response_stream(self) -> Any:
            yield json.dumps({"candidates": [{"content": {"parts": [{"text": "Half"}]}}]})
            yield '{"candidates": [{"content": {"par'

    from lazybridge.core.wire.gemini import GeminiWire

    state = GeminiWire().accumulator()
    for event in _genai.Events(Found()):
        state.feed(event)
    with pytest.raises(StreamTruncated, match="finish reason"):
        state.finish()
