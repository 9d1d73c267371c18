"""What every provider promises, whatever is underneath: an SDK over HTTP or a model in this process."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, StreamChunk, ToolDefinition
from tests.conftest import COMPATIBLE, KINDS
from tests.fake_vendor import FakeVendor


@dataclass
class Subject:
    provider: Any
    model: str
    settings: dict[str, Any] = field(default_factory=dict)

    def request(self, text: str = "Say hello", **fields: Any) -> CompletionRequest:
        return CompletionRequest(
            messages=(Message.user(text),), model=self.model, max_tokens=8, **{**self.settings, **fields}
        )


@pytest.fixture(params=[*KINDS, *COMPATIBLE, "local"])
def subject(request: pytest.FixtureRequest, vendor: FakeVendor) -> Iterator[Subject]:
    if request.param == "local":
        from lazybridge.core.providers.local import LocalOptions, LocalProvider

        path: Path = request.getfixturevalue("model_file")
        provider: Any = LocalProvider(options=LocalOptions(path=path, threads=1))
        made = Subject(provider, "", {"temperature": 0, "seed": 1})
    else:
        kind = {**KINDS, **COMPATIBLE}[request.param]
        provider = kind.build(vendor.url)
        made = Subject(provider, kind.model)
    yield made
    provider.close()


async def collect(subject: Subject, request: CompletionRequest) -> list[StreamChunk]:
    return [chunk async for chunk in subject.provider.astream(request)]


def facts(answer: CompletionResponse) -> tuple[Any, ...]:
    usage = answer.usage
    return (answer.content, answer.stop_reason, answer.model, usage.input_tokens, usage.output_tokens, usage.cost_usd)


def test_four_methods_agree(subject: Subject) -> None:
    request = subject.request()

    async def asynchronously() -> tuple[CompletionResponse, list[StreamChunk]]:
        return await subject.provider.acomplete(request), await collect(subject, request)

    whole, chunks = asyncio.run(asynchronously())
    answers = [subject.provider.complete(request), whole]
    for pieces in (list(subject.provider.stream(request)), chunks):
        answers.append(pieces[-1].response)
        assert "".join(chunk.delta for chunk in pieces) == answers[-1].content != ""
    assert {facts(answer) for answer in answers} == {facts(answers[0])}
    assert answers[0].stop_reason in ("end_turn", "max_tokens")
    assert answers[0].usage.input_tokens
    assert answers[0].usage.output_tokens
    assert answers[0].usage.cost_usd is not None
    assert answers[0].model


def test_a_stream_has_one_final_chunk_and_it_is_the_last(subject: Subject) -> None:
    for chunks in (list(subject.provider.stream(subject.request())), asyncio.run(collect(subject, subject.request()))):
        assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        assert chunks[-1].stop_reason
        assert chunks[-1].usage
        assert chunks[-1].response


def test_the_request_is_left_as_it_was(subject: Subject) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}
    request = subject.request(system="Be brief.", tools=(ToolDefinition("t", "d", schema),), tool_choice="none")
    before = copy.deepcopy(request)
    subject.provider.complete(request)
    list(subject.provider.stream(request))
    assert request == before


def test_leaving_a_stream_early_leaves_the_provider_free(subject: Subject, vendor: FakeVendor) -> None:
    vendor.pieces = ("word ",) * 300
    for _ in range(5):
        stream = subject.provider.stream(subject.request("Count to a thousand"))
        next(stream)
        stream.close()
    vendor.pieces = ("done",)
    assert subject.provider.complete(subject.request()).content


async def test_leaving_an_async_stream_early_leaves_the_provider_free(subject: Subject, vendor: FakeVendor) -> None:
    vendor.pieces = ("word ",) * 300
    for _ in range(5):
        stream = subject.provider.astream(subject.request("Count to a thousand"))
        await anext(stream)
        await stream.aclose()
    vendor.pieces = ("done",)
    assert (await subject.provider.acomplete(subject.request())).content
    await subject.provider.aclose()


def test_two_streams_do_not_mix(subject: Subject, vendor: FakeVendor) -> None:
    alone = "".join(chunk.delta for chunk in subject.provider.stream(subject.request()))
    first = subject.provider.stream(subject.request())
    got = [next(first)]
    vendor.pieces = ("other ", "text")
    second = list(subject.provider.stream(subject.request("What is the capital of France?")))
    got += list(first)
    assert "".join(chunk.delta for chunk in got) == alone
    assert "".join(chunk.delta for chunk in second) not in ("", alone)


def test_one_provider_serves_three_event_loops(subject: Subject) -> None:
    for _ in range(3):
        assert asyncio.run(subject.provider.acomplete(subject.request())).content
        assert asyncio.run(collect(subject, subject.request()))[-1].is_final


def test_one_provider_serves_threads(subject: Subject) -> None:
    answers: list[str] = []

    def work() -> None:
        answers.extend(subject.provider.complete(subject.request()).content for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12
    assert set(answers) == {answers[0]}


async def test_a_synchronous_call_works_inside_a_running_loop(subject: Subject) -> None:
    assert subject.provider.complete(subject.request()).content
