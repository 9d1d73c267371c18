"""MistralProvider on the real SDK: what it keeps of the SDK, and what it does for itself."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import logging
import traceback
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import HTTPValidationError, MistralError, SDKError
from mistralai.client.models import ChatCompletionResponse

from lazybridge import Agent
from lazybridge.core.errors import ConfigurationError, ProviderTimeoutError, from_exception
from lazybridge.core.providers.mistral import MistralProvider
from lazybridge.core.types import CompletionRequest, Message, ToolDefinition
from tests.conftest import KINDS
from tests.fake_vendor import TEXT, FakeVendor, Fault

KEY = "abcdefghijklmnopqrstuvwxyz012345"  # the shape of Mistral's keys: nothing tells them from a word
MODES = ("complete", "acomplete", "stream", "astream")


@pytest.fixture
def provider(vendor: FakeVendor) -> Iterator[MistralProvider]:
    made = MistralProvider(api_key=KEY, base_url=f"{vendor.url}/mistral")
    yield made
    made.close()


def request(**fields: Any) -> CompletionRequest:
    return CompletionRequest((Message.user("Hi"),), model="mistral-small-2603", **fields)


def ask(provider: MistralProvider, mode: str, asked: CompletionRequest) -> Any:
    """The answer, by any of the four methods."""

    async def asynchronously() -> Any:
        try:
            if mode == "acomplete":
                return await provider.acomplete(asked)
            return [chunk async for chunk in provider.astream(asked)][-1].response
        finally:
            await provider.aclose()

    if mode == "complete":
        return provider.complete(asked)
    if mode == "stream":
        return list(provider.stream(asked))[-1].response
    return asyncio.run(asynchronously())


# --- what the SDK would have done -------------------------------------------------------------------------------------


def test_the_request_is_the_one_that_the_sdk_sends(provider: MistralProvider, vendor: FakeVendor) -> None:
    tool = ToolDefinition("weather", "Weather of a city")
    provider.complete(request(temperature=0.0, seed=1, max_tokens=9, stop=("END",), tools=(tool,)))
    list(provider.stream(request()))
    sdk = Mistral(api_key=KEY, server_url=f"{vendor.url}/mistral")
    with sdk:
        sdk.chat.complete(
            model="mistral-small-2603",
            messages=[{"role": "user", "content": "Hi"}],
            temperature=0.0,
            random_seed=1,
            max_tokens=9,
            stop=["END"],
            tools=[{"type": "function", "function": {"name": "weather", "description": "Weather of a city",
                                                     "parameters": {"type": "object", "properties": {}}}}],
        )  # fmt: skip
        for _ in sdk.chat.stream(model="mistral-small-2603", messages=[{"role": "user", "content": "Hi"}]):
            pass
    ours, our_stream, theirs, their_stream = vendor.requests
    for mine, other in ((ours, theirs), (our_stream, their_stream)):
        assert mine["path"] == other["path"]
        assert mine["json"] == {name: value for name, value in other["json"].items() if name != "stream" or value}
        for name in ("authorization", "user-agent", "accept", "content-type"):
            assert mine["headers"][name] == other["headers"][name]


@pytest.mark.parametrize("mode", MODES)
def test_errors_are_the_sdks_own(provider: MistralProvider, vendor: FakeVendor, mode: str) -> None:
    bad = {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required"}]}
    vendor.fail(Fault(status=422, body=bad), Fault(status=422, body={"detail": "no"}), Fault(status=400))
    with pytest.raises(HTTPValidationError) as caught:
        ask(provider, mode, request())
    assert caught.value.data.detail
    assert from_exception(caught.value, provider="mistral").message == "body.model: Field required"
    with pytest.raises(SDKError) as other:
        ask(provider, mode, request())
    assert (other.value.status_code, json.loads(other.value.body)) == (422, {"detail": "no"})
    with pytest.raises(SDKError, match="injected 400"):
        ask(provider, mode, request())


def test_a_stream_that_is_answered_with_something_else_is_an_error(
    provider: MistralProvider, vendor: FakeVendor
) -> None:
    for mode in ("stream", "astream"):
        vendor.fail(Fault(status=200, body={"object": "list"}))
        with pytest.raises(SDKError, match=r"Unexpected response received.*list"):
            ask(provider, mode, request())


def test_the_tools_of_the_sdk_that_it_stands_on_are_there() -> None:
    """`HookContext` is the one private name; what `do_request` takes and which operations it knows is pinned here."""
    from mistralai.client import chat
    from mistralai.client._hooks import HookContext

    taken = set(inspect.signature(HookContext.__init__).parameters) - {"self"}
    assert taken == {"config", "base_url", "operation_id", "oauth2_scopes", "security_source", "tags", "extensions"}
    for method in (Mistral.do_request, Mistral.do_request_async):
        assert list(inspect.signature(method).parameters)[1:] == [
            "hook_ctx", "request", "is_error_status_code", "stream", "retry_config",
        ]  # fmt: skip
    source = inspect.getsource(chat)
    for operation in ("chat_completion_v1_chat_completions_post", "stream_chat"):
        assert f'operation_id="{operation}"' in source


# --- credentials ------------------------------------------------------------------------------------------------------


def test_without_a_key_it_is_refused_when_built() -> None:
    with pytest.raises(ConfigurationError, match="MISTRAL_API_KEY is not set") as caught:
        MistralProvider()
    assert str(caught.value).splitlines()[-1].startswith("set MISTRAL_API_KEY")
    with pytest.raises(ConfigurationError, match="MISTRAL_API_KEY"):
        Agent("mistral-large-4")


def test_the_key_of_the_environment_is_the_sdks_to_read(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    with MistralProvider(base_url=f"{vendor.url}/mistral") as provider:
        provider.complete(request())
        provider.complete(request(extra_headers={"authorization": "Bearer mine"}))
    assert [sent["headers"]["authorization"] for sent in vendor.requests] == [f"Bearer {KEY}", "Bearer mine"]


def test_a_service_accounts_token_is_enough(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("service-token\n")
    monkeypatch.setenv("MISTRAL_SA_TOKEN_PATH", str(tmp_path / "token"))
    MistralProvider()
    with MistralProvider(base_url=f"{vendor.url}/mistral") as provider:
        provider.complete(request())
        asyncio.run(provider.acomplete(request()))
    assert {sent["headers"]["authorization"] for sent in vendor.requests} == {"Bearer service-token"}


def test_a_key_may_be_a_function(vendor: FakeVendor) -> None:
    keys = iter(["first", "second"])
    with MistralProvider(api_key=lambda: next(keys), base_url=f"{vendor.url}/mistral") as provider:  # type: ignore[arg-type]
        for _ in range(2):
            provider.complete(request())
    assert [sent["headers"]["authorization"] for sent in vendor.requests] == ["Bearer first", "Bearer second"]


def test_a_server_of_ones_own_may_do_without_a_key(vendor: FakeVendor) -> None:
    with MistralProvider(base_url=f"{vendor.url}/mistral") as provider:
        assert provider.complete(request()).content == TEXT
    assert "authorization" not in vendor.requests[0]["headers"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", ["text", "detail", "message"])
def test_a_key_that_the_server_echoes_is_gone(
    provider: MistralProvider, vendor: FakeVendor, mode: str, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bodies = {"text": f"bad {KEY}".encode(), "detail": {"detail": f"bad {KEY}"}, "message": {"message": f"bad {KEY}"}}
    vendor.fail(Fault(status=401, body=bodies[shape], headers={"x-echo": KEY}))
    with pytest.raises(SDKError) as caught:
        ask(provider, mode, request())
    error = from_exception(caught.value, provider="mistral")
    cause: Any = error.__cause__
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)) + repr(vars(cause))
    shown += repr(cause.args) + cause.raw_response.text + repr(dict(cause.raw_response.request.headers))
    shown += repr(dict(cause.raw_response.headers)) + repr(provider) + repr(vars(provider))
    # httpcore2 tells what the server sent at DEBUG; that the key was sent it does not tell.
    shown += "".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpcore2"))
    assert KEY not in shown
    assert error.kind == "authentication"
    assert "[redacted]" in str(error)


def test_a_key_is_not_in_the_repr_of_the_sdks_objects(provider: MistralProvider) -> None:
    provider.complete(request())
    assert KEY not in repr(provider._client.sdk.sdk_configuration)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "param": None, "code": "1500",
               "raw_status_code": 400}, "not_found", "Invalid model: x"),
        (400, {"object": "error", "message": "Unexpected role 'user' after role 'tool'",
               "type": "invalid_request_message_order", "param": None, "code": "3230"}, "invalid_request", "Unexpected"),
        (429, {"object": "error", "message": "Too many requests", "type": "rate_limited", "param": None, "code": "1300"},
         "rate_limit", "Too many requests"),
        (401, {"detail": "Invalid API Key"}, "authentication", "Invalid API Key"),
        (401, {"message": "Unauthorized", "request_id": "r"}, "authentication", "Unauthorized"),
        (422, {"object": "error", "message": {"detail": [{"loc": ["body", "n"], "msg": "too many"}]},
               "type": "invalid_request_error"}, "invalid_request", "body.n: too many"),
        (500, {"object": "error", "message": "Service unavailable.", "type": "internal_server_error", "code": "1000"},
         "server", "Service unavailable."),
        (502, b"<html>", "server", "<html>"),
    ],
)  # fmt: skip
def test_the_shapes_of_its_errors(
    provider: MistralProvider, vendor: FakeVendor, status: int, body: Any, kind: str, message: str
) -> None:
    vendor.fail(Fault(status=status, body=body))
    with pytest.raises(MistralError) as caught:
        provider.complete(request())
    error = from_exception(caught.value, provider="mistral")
    assert (error.kind, error.status_code, error.request_id) == (kind, status, "req_1")
    assert message in error.message


def test_a_lost_connection_is_one(provider: MistralProvider, vendor: FakeVendor) -> None:
    for mode in MODES:
        vendor.fail(Fault(drop=True))
        with pytest.raises(httpx2.TransportError) as caught:
            ask(provider, mode, request())
        assert from_exception(caught.value, provider="mistral").kind == "connection"
    gone = MistralProvider(api_key=KEY, base_url="http://127.0.0.1:9")
    with pytest.raises(httpx2.ConnectError) as refused:
        gone.complete(request())
    assert from_exception(refused.value, provider="mistral").never_sent


@pytest.mark.parametrize("mode", MODES)
def test_a_request_has_its_time(provider: MistralProvider, vendor: FakeVendor, mode: str) -> None:
    vendor.fail(Fault(hang=5))
    with pytest.raises((httpx2.TimeoutException, ProviderTimeoutError)):
        ask(provider, mode, request(timeout=0.3))


def test_by_default_it_waits_as_long_as_the_sdk(provider: MistralProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    def send(self: Any, sent: httpx2.Request, **_: Any) -> httpx2.Response:
        waited.append(sent.extensions["timeout"])
        raise httpx2.ConnectError("no", request=sent)

    monkeypatch.setattr(httpx2.Client, "send", send)
    for asked in (request(), request(timeout=700)):
        with pytest.raises(httpx2.ConnectError):
            provider.complete(asked)
    assert waited[0] == {"connect": 5.0, "read": 300.0, "write": 300.0, "pool": 300.0}
    assert waited[1]["read"] == pytest.approx(700, abs=1)


# --- a model on its way out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_the_vendors_word_on_a_retiring_model_is_heard(
    provider: MistralProvider, vendor: FakeVendor, mode: str
) -> None:
    vendor.fail(Fault(headers={"x-model-deprecation-timestamp": "2026-12-31T12:00:00Z"}))
    with pytest.warns(UserWarning, match="this model retires on 2026-12-31"):
        assert ask(provider, mode, request()).content == TEXT


def test_the_sdk_itself_stumbles_over_it_in_a_stream(vendor: FakeVendor) -> None:
    """Why the header is taken out on the way; when this fails the detour can go."""
    vendor.fail(Fault(headers={"x-model-deprecation-timestamp": "2026-12-31T12:00:00Z"}))
    with (
        Mistral(api_key=KEY, server_url=f"{vendor.url}/mistral") as sdk,
        pytest.raises(httpx2.ResponseNotRead),
    ):
        sdk.chat.stream(model="m", messages=[{"role": "user", "content": "Hi"}])


# --- clients ----------------------------------------------------------------------------------------------------------


def test_a_provider_that_nobody_holds_goes(vendor: FakeVendor) -> None:
    provider = MistralProvider(api_key=KEY, base_url=f"{vendor.url}/mistral")
    provider.complete(request())
    http = provider._client.http
    gone = weakref.ref(provider)
    del provider
    gc.collect()
    assert gone() is None
    assert http.is_closed


def test_no_client_is_made_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = MistralProvider(api_key=KEY)
    assert provider._client is None
    provider.close()


def test_raw_is_the_sdks_answer_also_where_a_gateway_left_a_field_out(
    provider: MistralProvider, vendor: FakeVendor
) -> None:
    whole = provider.complete(request()).raw
    assert type(whole) is ChatCompletionResponse
    assert whole.choices[0].message.content == TEXT
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
    vendor.fail(Fault(status=200, body={"choices": [choice]}))
    short = provider.complete(request())
    assert type(short.raw) is ChatCompletionResponse
    assert (short.content, short.usage.input_tokens) == ("Hi", None)


def test_the_built_in_answers_to_its_names(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    for name in ("mistral", "mistralai", "mistral-large-2512", "mistralai/mistral-large-2512"):
        engine = Agent(name).engine
        assert type(engine.provider) is MistralProvider
        assert (engine.model or engine.provider.default_model) == "mistral-large-2512"
    assert KINDS["mistral"].agent(vendor.url)("hi").metadata.model == "mistral-medium-3-5"
