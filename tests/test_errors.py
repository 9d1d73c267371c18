"""One error type for whatever a vendor's SDK raises, and no secret in it."""

from __future__ import annotations

import errno
import importlib
import json
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError

import aiohttp
import anthropic
import httpx2
import openai
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from lazybridge.core import errors
from lazybridge.core.errors import ConfigurationError, LazyBridgeError, ProviderError, StreamTruncated, from_exception
from lazybridge.core.errors.classify import retry_after_seconds
from lazybridge.core.errors.secrets import scrub
from tests.conftest import KINDS, Kind
from tests.fake_vendor import FakeVendor, Fault


def raised(vendor: FakeVendor, kind: Kind, fault: Fault) -> BaseException:
    vendor.fail(fault)
    with pytest.raises(Exception) as caught:  # noqa: PT011  # an SDK's own exception
        kind.build(vendor.url).complete(kind.agent(vendor.url).engine.request("hi"))
    return caught.value


@pytest.mark.parametrize(
    ("status", "expected", "retryable"),
    [
        (400, "invalid_request", False), (401, "authentication", False), (402, "quota", False), (403, "permission", False),
        (404, "not_found", False), (408, "timeout", True), (409, "invalid_request", True), (413, "invalid_request", False),
        (422, "invalid_request", False), (429, "rate_limit", True), (500, "server", True), (502, "server", True),
        (503, "overloaded", True), (504, "timeout", True), (529, "overloaded", True),
    ],
)  # fmt: skip
def test_every_status_has_its_kind(vendor: FakeVendor, kind: Kind, status: int, expected: str, retryable: bool) -> None:
    exc = raised(vendor, kind, Fault(status=status, body={"error": {"message": "no"}}, headers={"retry-after": "3"}))
    error = from_exception(exc, provider=kind.provider, model="m")
    assert (error.kind, error.status_code, error.retryable) == (expected, status, retryable)
    assert (error.provider, error.model, error.request_id, error.retry_after) == (kind.provider, "m", "req_1", 3.0)
    assert error.__cause__ is exc


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, {"error": {"code": "insufficient_quota", "message": "m"}}, "quota"),
        (400, {"error": {"code": "context_length_exceeded", "message": "m"}}, "context_length"),
        (400, {"error": {"code": "content_filter", "message": "m"}}, "content_policy"),
        (404, {"error": {"type": "invalid_request_error", "code": None, "message": "m"}}, "not_found"),
        (500, {"error": {"type": "invalid_request_error", "message": "m"}}, "server"),
        (503, {"error": {"type": "server_error", "message": "m"}}, "overloaded"),
        (401, b"", "authentication"),
        (500, b"<html>", "server"),
        (429, {"detail": "slow"}, "rate_limit"),
        (400, {"error": "a string"}, "invalid_request"),
    ],
)
def test_the_bodys_own_words_come_before_the_status(vendor: FakeVendor, status: int, body: Any, expected: str) -> None:
    exc = raised(vendor, KINDS["chat"], Fault(status=status, body=body))
    assert from_exception(exc, provider="openai").kind == expected


def test_anthropics_long_prompt_is_told_by_its_prefix(vendor: FakeVendor) -> None:
    body = {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "prompt is too long: 2 tokens > 1 maximum"},
    }
    assert (
        from_exception(raised(vendor, KINDS["messages"], Fault(status=400, body=body)), provider="anthropic").kind
        == "context_length"
    )


def test_the_prose_of_a_message_decides_nothing(vendor: FakeVendor) -> None:
    body = {
        "error": {"message": "Retry in 18.403470473s: rate limit, context_length_exceeded, insufficient_quota, 403"}
    }
    assert (
        from_exception(raised(vendor, KINDS["chat"], Fault(status=500, body=body)), provider="openai").kind == "server"
    )


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (httpx2.ConnectError("refused"), "connection"),
        (httpx2.ReadError("reset"), "connection"),
        (httpx2.RemoteProtocolError("peer closed"), "connection"),
        (httpx2.ReadTimeout("slow"), "timeout"),
        (openai.APIConnectionError(request=httpx2.Request("POST", "http://x")), "connection"),
        (openai.APITimeoutError(request=httpx2.Request("POST", "http://x")), "timeout"),
        (anthropic.APITimeoutError(request=httpx2.Request("POST", "http://x")), "timeout"),
        (TimeoutError(), "timeout"),
        (ConnectionResetError("reset"), "connection"),
        (OSError(errno.ENETUNREACH, "unreachable"), "connection"),
        (URLError(ConnectionRefusedError()), "connection"),
    ],
)
def test_transport_failures_are_told_by_their_class(exc: Exception, expected: str) -> None:
    error = from_exception(exc, provider="p")
    assert (error.kind, error.retryable, error.status_code) == (expected, True, None)


def test_a_module_that_another_thread_still_imports_is_there_at_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """openai looks for httpx's classes as soon as it is in `sys.modules`, which is before it has them."""
    (tmp_path / "half_imported.py").write_text("import half_imported\nhalf_imported.Timeout\nclass Timeout: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AttributeError, match="partially initialized") as caught:
        importlib.import_module("half_imported")
    assert from_exception(caught.value, provider="p").retryable
    assert not from_exception(AttributeError("no attribute 'x'"), provider="p").retryable


@pytest.mark.parametrize("garbled", [b'{"choices": [{"del', b'{"text": "caf\xc3"}'])
def test_what_cannot_be_read_was_cut_off(garbled: bytes) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # json's and codecs' own
        json.loads(garbled.decode())
    error = from_exception(caught.value, provider="p")
    assert isinstance(error, StreamTruncated)
    assert error.retryable
    assert str(error).startswith("p: what arrived cannot be read: ")


def test_an_error_event_inside_a_stream_keeps_its_kind(vendor: FakeVendor) -> None:
    response = httpx2.Response(200, request=httpx2.Request("POST", "http://x"))
    exc = anthropic.APIStatusError(
        "x", response=response, body={"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    )
    error = from_exception(exc, provider="anthropic")
    assert (error.kind, error.status_code, error.retryable) == ("overloaded", None, True)


def test_a_provider_error_is_returned_as_it_is() -> None:
    error = StreamTruncated("cut")
    assert from_exception(error, provider="p", model="m") is error
    assert (error.provider, error.model, error.kind) == ("p", "m", "truncated")


def test_a_plain_bug_is_not_retried() -> None:
    for bug in (KeyError("x"), FileNotFoundError("x")):
        assert from_exception(bug, provider="p").retryable is False


def test_retry_after_in_each_of_its_forms() -> None:
    assert retry_after_seconds({"retry-after": "1.5"}) == 1.5
    assert retry_after_seconds({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after_seconds({"retry-after": date}) == pytest.approx(30, abs=2)
    assert retry_after_seconds({"retry-after": "soon"}) is None
    assert retry_after_seconds({}) is None


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop",
        "sk-ant-api03-abcdefgh",
        "gsk_abcdefghijkl",
        "Bearer abcdefghijklmnopqrst",
        "AIzaSyA1234567890abcdefghijklm",
    ],
)
def test_whatever_looks_like_a_key_is_replaced(secret: str) -> None:
    assert secret.split(" ")[-1] not in scrub(f"Incorrect API key provided: {secret}. Find yours")


def test_ordinary_words_are_left_alone() -> None:
    text = "risk-averse task-force; the key point of the desk-job, sk- and pk-1"
    assert scrub(text) == text


def test_an_error_survives_pickling_without_its_secrets(vendor: FakeVendor) -> None:
    key = "test-key-0123456789"
    exc = raised(vendor, KINDS["chat"], Fault(status=401, body={"error": {"message": f"bad {key}"}}))
    error = from_exception(exc, provider="openai", model="m")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert key.encode() not in pickle.dumps(error)


def test_the_tree_is_the_documented_one() -> None:
    for name in errors.__all__:
        cls = getattr(errors, name)
        if isinstance(cls, type):
            assert issubclass(cls, LazyBridgeError), name
            assert f" {name}" in (errors.__doc__ or "") or name == "LazyBridgeError"
    kinds = {cls.kind for cls in ProviderError.__subclasses__()}
    assert len(kinds) == len(ProviderError.__subclasses__()) == 13
    assert issubclass(ConfigurationError, ValueError)


def test_every_class_of_the_tree_is_a_name_of_the_package() -> None:
    import lazybridge
    from lazybridge.core import errors

    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, LazyBridgeError)]
    assert len(classes) > 20
    for one in classes:
        assert getattr(lazybridge, one.__name__) is one
        assert one.__name__ in lazybridge.__all__


def test_a_deprecated_property_of_aiohttp_is_left_alone() -> None:
    """It warns when it is read, and a warning may be an error, as it is here."""
    request = aiohttp.RequestInfo(URL("http://127.0.0.1/"), "POST", CIMultiDictProxy(CIMultiDict()))
    error = from_exception(aiohttp.ClientResponseError(request, (), message="Expected HTTP/"), provider="google")
    assert error.kind == "connection"
