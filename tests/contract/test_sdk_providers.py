"""What every provider over an SDK promises besides, told by what the loopback vendor saw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from lazybridge.core.errors import StreamTruncated
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, StreamChunk, ToolDefinition
from tests.conftest import Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault

Build = Callable[..., BaseProvider]


def request_for(kind: Kind, **fields: Any) -> CompletionRequest:
    return CompletionRequest(messages=(Message.user("Say hello"),), model=kind.model, max_tokens=16, **fields)


async def collect(provider: BaseProvider, request: CompletionRequest) -> list[StreamChunk]:
    return [chunk async for chunk in provider.astream(request)]


def facts(response: CompletionResponse) -> tuple[Any, ...]:
    usage = response.usage
    return (
        response.content, response.stop_reason, response.model, usage.input_tokens, usage.output_tokens,
        usage.cached_input_tokens, usage.cost_usd, response.request_id,
    )  # fmt: skip


def test_four_methods_read_the_same_facts(build: Build, kind: Kind) -> None:
    provider, request = build(), request_for(kind)

    async def asynchronously() -> tuple[CompletionResponse, list[StreamChunk]]:
        return await provider.acomplete(request), await collect(provider, request)

    whole, chunks = asyncio.run(asynchronously())
    answers = [provider.complete(request), whole]
    for pieces in (list(provider.stream(request)), chunks):
        assert "".join(chunk.delta for chunk in pieces) == TEXT
        assert pieces[-1].response is not None
        answers.append(pieces[-1].response)
    assert {facts(answer) for answer in answers} == {facts(answers[0])}
    assert facts(answers[0])[:3] == (TEXT, "end_turn", kind.model)
    assert answers[0].usage.input_tokens == 20
    assert answers[0].usage.cached_input_tokens == 8
    assert answers[0].usage.cost_usd is not None
    assert answers[0].request_id == "req_1"


def test_tool_calls_arrive_whole(build: Build, kind: Kind, vendor: FakeVendor) -> None:
    vendor.tool_call = {"name": "weather", "arguments": {"city": "Paris"}}
    provider = build()
    request = request_for(kind, tools=(ToolDefinition("weather", "Weather of a city"),))
    streamed = [call for chunk in provider.stream(request) for call in chunk.tool_calls]
    assert [(call.name, dict(call.arguments)) for call in streamed] == [("weather", {"city": "Paris"})]
    answer = provider.complete(request)
    assert [(call.id, call.name, dict(call.arguments)) for call in answer.tool_calls] == [
        (call.id, call.name, dict(call.arguments)) for call in streamed
    ]
    assert answer.stop_reason == "tool_use"


def test_leaving_a_stream_early_hangs_up(build: Build, kind: Kind, vendor: FakeVendor) -> None:
    vendor.fail(Fault(pause=0.02))
    vendor.pieces = ("word ",) * 500
    stream = build().stream(request_for(kind))
    assert next(stream).delta == "word "
    stream.close()  # type: ignore[attr-defined]
    assert vendor.hung_up.wait(5)


async def test_leaving_an_async_stream_early_hangs_up(build: Build, kind: Kind, vendor: FakeVendor) -> None:
    vendor.fail(Fault(pause=0.02))
    vendor.pieces = ("word ",) * 500
    provider = build()
    stream = provider.astream(request_for(kind))
    assert (await anext(stream)).delta == "word "
    await stream.aclose()  # type: ignore[attr-defined]
    assert await asyncio.to_thread(vendor.hung_up.wait, 5)
    await provider.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("end", [{"cut_after": 3}, {"end_after": 3}], ids=["dropped", "ended early"])
def test_a_stream_without_its_end_is_no_answer(
    build: Build, kind: Kind, vendor: FakeVendor, end: dict[str, int]
) -> None:
    vendor.fail(Fault(**end))
    with pytest.raises(Exception) as caught:  # noqa: PT011  # an SDK's own exception, or ours
        list(build().stream(request_for(kind)))
    if "end_after" in end:
        assert isinstance(caught.value, StreamTruncated)
        assert caught.value.partial_text


def test_the_sdk_client_retries_nothing_itself(build: Build, kind: Kind, vendor: FakeVendor) -> None:
    vendor.fail(*[Fault(status=503)] * 3)
    with pytest.raises(Exception, match="503"):
        build().complete(request_for(kind))
    assert len(vendor.requests) == 1


def test_the_timeout_of_a_request_holds(build: Build, kind: Kind, vendor: FakeVendor) -> None:
    vendor.fail(Fault(hang=5))
    started = time.monotonic()
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the SDK's own exception
        build().complete(request_for(kind, timeout=0.3))
    assert "imeout" in type(caught.value).__name__
    assert time.monotonic() - started < 2


def test_raw_is_the_sdks_own_object(build: Build, kind: Kind) -> None:
    raw = build().complete(request_for(kind)).raw
    assert type(raw).__module__.split(".")[0] == kind.sdk
    assert raw.response_id if kind.provider == "google" else raw.id


def test_a_streams_raw_is_the_sdks_own_object_too(build: Build, kind: Kind) -> None:
    response = list(build().stream(request_for(kind)))[-1].response
    assert response is not None
    if kind.chat:
        assert response.raw is None  # chunks do not add up to a completion of the SDK
    elif kind.provider == "google":
        assert (response.raw.text, response.raw.usage_metadata.candidates_token_count) == (TEXT, 3)
    else:
        assert type(response.raw).__module__.split(".")[0] == kind.sdk
        assert response.raw.usage.output_tokens == 5


def test_extra_headers_and_body_reach_the_vendor(build: Build, kind: Kind, vendor: FakeVendor) -> None:
    build().complete(request_for(kind, extra_headers={"x-team": "blue"}, extra_body={"top_k": 3}))
    assert vendor.requests[0]["headers"]["x-team"] == "blue"
    assert vendor.requests[0]["json"]["top_k"] == 3


def test_an_answer_that_is_not_json_is_a_server_error(build: Build, kind: Kind, vendor: FakeVendor) -> None:
    from lazybridge.core.errors import ServerError

    vendor.fail(Fault(status=200, body=b"<html>gateway</html>"))
    with pytest.raises(ServerError, match="not JSON"):
        build().complete(request_for(kind))


def test_calls_and_streams_share_one_connection(build: Build, kind: Kind, vendor: FakeVendor) -> None:
    provider = build()
    for _ in range(3):
        list(provider.stream(request_for(kind)))
        provider.complete(request_for(kind))
    assert vendor.connections == 1


async def test_async_calls_and_streams_share_one_connection(build: Build, kind: Kind, vendor: FakeVendor) -> None:
    provider = build()
    for _ in range(3):
        await collect(provider, request_for(kind))
        await provider.acomplete(request_for(kind))
    await provider.aclose()  # type: ignore[attr-defined]
    assert vendor.connections == 1
