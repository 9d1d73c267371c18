"""Model and its handles: what they take, what they give back, and how they are composed."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import lazybridge
from lazybridge import (
    AnthropicProvider,
    ChatMessage,
    CompletionRequest,
    ConfigurationError,
    Message,
    Model,
    OpenAiOptions,
    OpenAiProvider,
    ProviderError,
    ProviderOptions,
    StreamChunk,
    StreamTruncated,
)
from lazybridge.core import registry
from lazybridge.core.errors import ProviderTimeoutError, ServerError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.factories import Factories
from lazybridge.model_stream import Asked
from tests.conftest import closing_all
from tests.fake_vendor import TEXT, FakeVendor, Fault

MODEL = "claude-haiku-4-5"


@pytest.fixture
def model(vendor: FakeVendor) -> Iterator[Model]:
    made = AnthropicProvider(MODEL, options=ProviderOptions(api_key="k", base_url=vendor.url))
    yield made
    made.close()


def other(vendor: FakeVendor, **options: Any) -> OpenAiProvider:
    return OpenAiProvider("gpt-4.1-mini", options=OpenAiOptions(api_key="k", base_url=f"{vendor.url}/v1", **options))


# --- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task",
    [
        "Hello",
        Message.user("Hello"),
        [ChatMessage.user("Hello")],
        [{"role": "user", "content": "Hello"}],
        CompletionRequest((Message.user("Hello"),)),
    ],
    ids=["text", "message", "messages", "dicts", "request"],
)
def test_a_question_comes_in_many_shapes(task: Any, model: Model, vendor: FakeVendor) -> None:
    answers = [asyncio.run(_completed(model, task)), model.complete_sync(task, max_tokens=9)]
    assert [answer.content for answer in answers] == [TEXT, TEXT]
    sent = vendor.bodies()
    assert [body["messages"] for body in sent] == [[{"role": "user", "content": "Hello"}]] * 2
    assert [body["model"] for body in sent] == [MODEL] * 2
    assert sent[1]["max_tokens"] == 9


async def _completed(model: Model, task: Any, **settings: Any) -> Any:
    async with model:
        return await model.complete(task, **settings)


def test_an_answer_says_what_it_took(model: Model, vendor: FakeVendor) -> None:
    vendor.fail(Fault(503))
    answer = model.with_retry(1, base_s=0.01).complete_sync("hi")
    assert [attempt.error for attempt in answer.attempts] == ["overloaded", None]
    assert answer.receipt is not None
    assert answer.cost_usd == pytest.approx(float(answer.receipt.total or 0))
    assert answer["content"] == answer.content
    with pytest.raises(KeyError, match="CompletionResponse has no 'text'"):
        _ = answer["text"]


def test_a_failure_raises_with_its_attempts(model: Model, vendor: FakeVendor) -> None:
    vendor.fail(Fault(401))
    with pytest.raises(lazybridge.ProviderError) as caught:
        model.complete_sync("hi")
    assert caught.value.kind == "authentication"
    assert len(caught.value.attempts) == 1


def test_chunks_have_attributes_and_items(model: Model) -> None:
    chunks = list(model.stream("hi"))
    assert "".join(chunk.delta for chunk in chunks) == "".join(chunk["delta"] for chunk in chunks) == TEXT
    assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].cost_usd
    assert len(chunks[-1].response.attempts) == 1  # type: ignore[union-attr]


def test_a_stream_is_iterated_awaited_or_handed_to_a_function(model: Model) -> None:
    async def asynchronously() -> None:
        stream = model.stream("hi")
        assert "".join([chunk.delta async for chunk in stream]) == TEXT
        assert stream.response is not None
        assert stream.response.content == TEXT
        with pytest.raises(RuntimeError, match="iterated already"):
            _ = [chunk async for chunk in stream]

        heard: list[str] = []

        async def listen(chunk: StreamChunk) -> None:
            await asyncio.sleep(0)
            heard.append(chunk.delta)

        assert (await model.stream("hi", listen)).content == "".join(heard) == TEXT
        heard.clear()
        assert (await model.stream("hi", lambda chunk: heard.append(chunk.delta))).content == "".join(heard) == TEXT
        assert (await model.stream("hi")).content == TEXT
        await model.aclose()

    asyncio.run(asynchronously())
    heard: list[str] = []
    assert model.stream_sync("hi", lambda chunk: heard.append(chunk.delta)).content == "".join(heard) == TEXT


def test_a_stream_that_is_left_closes_its_connection(model: Model, vendor: FakeVendor) -> None:
    vendor.fail(Fault(pause=0.2))

    async def leave() -> None:
        async with model, model.stream("hi") as stream:
            async for _ in stream:
                break

    asyncio.run(leave())
    assert vendor.hung_up.wait(5)


def test_a_function_gets_every_chunk_however_the_stream_is_read(model: Model) -> None:
    heard: list[str] = []

    async def later(chunk: StreamChunk) -> None:
        await asyncio.sleep(0)
        heard.append(chunk.delta)

    async def read() -> list[str]:
        async with model:
            return [chunk.delta async for chunk in model.stream("hi", later)]

    assert asyncio.run(read()) == heard
    assert [chunk.delta for chunk in model.stream("hi", later)] == heard[len(heard) // 2 :]
    assert "".join(heard) == TEXT * 2


def test_a_block_closes_a_stream_either_way(model: Model, vendor: FakeVendor) -> None:
    vendor.fail(Fault(pause=0.1, linger=5))

    async def left() -> bool:
        async with model.stream("hi") as stream:
            for _ in stream:
                break
        return vendor.hung_up.wait(3)  # while the stream is still there

    assert asyncio.run(left())


def test_a_cut_stream_raises(model: Model, vendor: FakeVendor) -> None:
    vendor.fail(Fault(end_after=4))
    with pytest.raises(StreamTruncated) as caught:
        list(model.stream("hi"))
    assert caught.value.partial_text


@dataclass
class City:
    name: str


def test_extract_gives_an_object(model: Model, vendor: FakeVendor) -> None:
    vendor.pieces = ('{"name": ', '"Rome"}')
    assert model.extract_sync(City, "Which city?") == City("Rome")

    async def extracted() -> City:
        async with model:
            return await model.extract(City, "Which city?")

    assert asyncio.run(extracted()) == City("Rome")
    vendor.pieces = ("no JSON",)
    with pytest.raises(lazybridge.StructuredOutputError):
        model.extract_sync(City, "Which city?")


# --- building ---------------------------------------------------------------------------------------------------------


def test_options_are_the_agents_options(vendor: FakeVendor) -> None:
    options = ProviderOptions(
        api_key="sk-ant-secret-123456",
        model=MODEL,
        base_url=vendor.url,
        timeout=9,
        max_retries=0,
        headers={"x-team": "a"},
    )
    assert "secret" not in repr(options)
    model = AnthropicProvider(options=options)
    vendor.fail(Fault(503))
    with pytest.raises(ProviderError) as caught:
        model.complete_sync("hi")
    assert len(caught.value.attempts) == 1
    assert model.complete_sync("hi").content == TEXT
    assert vendor.requests[-1]["headers"]["x-team"] == "a"
    assert vendor.requests[-1]["headers"]["authorization"] == "Bearer sk-ant-secret-123456"
    assert model.model_id == MODEL


def test_a_missing_key_fails_at_once_and_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for build, variable in (
        (lambda: lazybridge.OpenAiProvider(), "OPENAI_API_KEY"),
        (lambda: Model.anthropic(), "ANTHROPIC_API_KEY"),
        (lambda: Model.fal(), "FAL_KEY"),
        (lambda: Model.groq(), "GROQ_API_KEY"),
        (lambda: Model.gemini(), "GOOGLE_API_KEY"),
    ):
        with pytest.raises(ConfigurationError, match=variable):
            build()
    monkeypatch.setenv("GROQ_API_KEY", "gsk_test1234")
    assert isinstance(Model.groq(), lazybridge.GroqProvider)


HANDLES = [name for name in lazybridge.__all__ if name.endswith("Provider")]


def test_every_vendor_has_a_handle() -> None:
    asked = {getattr(lazybridge, name).provider_name for name in HANDLES}
    assert asked == set(registry._BUILT_IN) - {"local", "litellm", "vertex", "llamacpp"}  # these have no handle
    factories = {name for name in vars(Factories) if isinstance(vars(Factories)[name], staticmethod)} - {"local"}
    assert len(factories) == len(HANDLES)


@pytest.mark.parametrize("name", HANDLES)
def test_a_handle_is_a_model_of_its_vendor(name: str) -> None:
    cls = getattr(lazybridge, name)
    assert issubclass(cls, Model)
    made = cls("any-model", options=ProviderOptions(api_key="k" * 20, base_url="http://127.0.0.1:9/v1"), **({"region": "us-east-1"} if "Bedrock" in name else {}))  # fmt: skip
    assert made.engine.provider.registered_name() == cls.provider_name
    assert made.model_id == "any-model"
    assert made.engine.provider.base_url == "http://127.0.0.1:9/v1"


def test_wrong_options_are_said() -> None:
    with pytest.raises(ConfigurationError, match=r"write options=ProviderOptions\(api_key"):
        OpenAiProvider(options={"api_key": "k"})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no option 'colour'"):
        OpenAiProvider(api_key="k", colour="red")  # type: ignore[call-arg]


SECRET = "very-secret-key-0123456789"


@pytest.mark.parametrize(
    "build",
    [
        lambda: Model(MODEL, api_key=SECRET, timeut=3),  # type: ignore[call-arg]
        lambda: Model("nonsense", api_key=SECRET),
        lambda: Model.openai("gpt-4.1-mini", api_key=SECRET, max_retries=-1),
        lambda: AnthropicProvider(options={"api_key": SECRET}),  # type: ignore[arg-type]
        lambda: Model(MODEL, options=ProviderOptions(headers={"x-api-key": SECRET}, max_retries=-1)),
        lambda: Model(MODEL, extra_headers={"x-api-key": SECRET}, max_retries=-1),
    ],
)
def test_a_key_is_not_in_the_frames_of_a_failed_construction(build: Callable[[], Model]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build()
    assert SECRET not in str(caught.value)
    frames = caught.value.__traceback__
    while frames is not None and "lazybridge" not in frames.tb_frame.f_globals["__name__"]:
        frames = frames.tb_next
    assert frames is not None
    shown = "".join(
        traceback.TracebackException(ConfigurationError, caught.value, frames, capture_locals=True).format()
    )
    assert SECRET not in shown


def test_a_whole_request_leaves_the_handles_own_to_the_handle(vendor: FakeVendor) -> None:
    vendor.pieces = ('{"name": ', '"Rome"}')
    options = ProviderOptions(
        api_key="k", base_url=vendor.url, headers={"x-team": "a"}, timeout=0.5, max_retries=0, model=MODEL
    )
    request = CompletionRequest((Message.user("Which?"),))
    image = lazybridge.ImageContent(b"\x89PNG\r\n\x1a\n1")
    with AnthropicProvider(options=options, output=City) as model:
        assert model.complete_sync(request, attachments=[image]).parsed == City("Rome")  # type: ignore[call-arg]
        assert vendor.requests[0]["headers"]["x-team"] == "a"
        assert "image" in str(vendor.bodies()[0]["messages"])
        assert "output_config" in vendor.bodies()[0]
        vendor.fail(Fault(hang=2))
        with pytest.raises(ProviderTimeoutError):
            model.complete_sync(request)
        with pytest.raises(ConfigurationError, match="did you mean 'temperature'"):
            model.complete_sync(request, temprature=0)  # type: ignore[call-arg]


def test_a_local_file_is_a_model(model_file: Path) -> None:
    with Model.local(model_file, context_tokens=512) as local:
        answer = local.complete_sync("What is the capital of France?", temperature=0, max_tokens=12)
    assert "Paris" in answer.content
    assert answer.cost_usd == 0.0


# --- fallback ---------------------------------------------------------------------------------------------------------


def test_where_one_fails_the_next_is_asked(model: Model, vendor: FakeVendor) -> None:
    vendor.fail(Fault(529), Fault(529))
    both = model.with_retry(1, base_s=0.01).with_fallback([other(vendor)])
    answer = both.complete_sync("hi")
    assert answer.content == TEXT
    assert [(attempt.provider, attempt.error) for attempt in answer.attempts] == [
        ("anthropic", "overloaded"),
        ("anthropic", "overloaded"),
        ("openai", None),
    ]
    assert len(vendor.requests) == 3
    vendor.fail(Fault(503))
    assert asyncio.run(_completed(both.with_retry(0), "hi")).attempts[-1].provider == "openai"


def test_one_model_may_be_asked_twice(model: Model, vendor: FakeVendor) -> None:
    once = model.with_retry(0)
    vendor.fail(Fault(529), Fault(500))
    answer = once.with_fallback([other(vendor, max_retries=0), once]).complete_sync("hi")
    assert [attempt.provider for attempt in answer.attempts] == ["anthropic", "openai", "anthropic"]


def test_what_is_the_requests_own_fault_does_not_move_on(model: Model, vendor: FakeVendor) -> None:
    vendor.fail(Fault(400))
    with pytest.raises(ProviderError) as caught:
        model.with_fallback([other(vendor)]).complete_sync("hi")
    assert caught.value.kind == "invalid_request"
    assert len(vendor.requests) == 1
    vendor.fail(Fault(401))
    assert model.with_fallback([other(vendor)], on=["authentication"]).complete_sync("hi").content == TEXT


def test_where_all_fail_the_error_has_every_cause(model: Model, vendor: FakeVendor) -> None:
    vendor.fail(Fault(529), Fault(500))
    both = model.with_fallback([other(vendor)]).with_retry(0)
    with pytest.raises(ProviderError) as caught:
        both.complete_sync("hi")
    assert [cause.kind for cause in caught.value.causes] == ["overloaded"]  # type: ignore[attr-defined]
    assert caught.value.kind == "server"
    assert [attempt.provider for attempt in caught.value.attempts] == ["anthropic", "openai"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_moves_on_until_its_first_chunk(model: Model, vendor: FakeVendor, asynchronous: bool) -> None:
    both = model.with_fallback([other(vendor)]).with_retry(0)

    async def pieces() -> list[StreamChunk]:
        async with both:
            return [chunk async for chunk in both.stream("hi")]

    def streamed() -> list[StreamChunk]:
        return asyncio.run(pieces()) if asynchronous else list(both.stream("hi"))

    vendor.fail(Fault(529))
    chunks = streamed()
    assert "".join(chunk.delta for chunk in chunks) == TEXT
    assert [attempt.provider for attempt in chunks[-1].response.attempts] == ["anthropic", "openai"]  # type: ignore[union-attr]
    vendor.fail(Fault(end_after=4))
    with pytest.raises(StreamTruncated):
        streamed()


# --- cache ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "disk"])
def cached(request: pytest.FixtureRequest, model: Model, tmp_path: Path) -> Iterator[Callable[..., Model]]:
    path = tmp_path / "answers" if request.param == "disk" else None
    yield from closing_all(partial(model.with_cache, path=path))


def test_the_same_question_is_asked_once(cached: Callable[..., Model], vendor: FakeVendor) -> None:
    model = cached()
    first, again = model.complete_sync("hi"), model.complete_sync("hi")
    assert (first.cached, again.cached) == (False, True)
    assert again.content == first.content == TEXT
    assert first.cost_usd
    assert again.cost_usd == 0.0
    assert again.attempts == ()
    assert len(vendor.requests) == 1
    assert asyncio.run(_completed(model, "hi")).cached
    assert "".join(chunk.delta for chunk in model.stream("hi")) == TEXT
    assert len(vendor.requests) == 1
    first.tool_calls.append(None)  # type: ignore[arg-type]  # what a caller changes is the caller's
    assert model.complete_sync("hi").tool_calls == []


def test_what_differs_in_anything_sent_is_another_question(cached: Callable[..., Model], vendor: FakeVendor) -> None:
    model = cached()
    image = lazybridge.ImageContent(b"\x89PNG\r\n\x1a\n1")
    for settings in (
        {}, {"system": "Be brief."}, {"max_tokens": 9}, {"stop": "x"}, {"service_tier": "auto"}, {"metadata": {"user_id": "1"}},
        {"attachments": [image]}, {"attachments": [lazybridge.ImageContent(b"\x89PNG\r\n\x1a\n2")]}, {"extra_body": {"a": 1}},
        {"extra_headers": {"anthropic-beta": "one"}}, {"extra_headers": {"anthropic-beta": "two"}},
    ):  # fmt: skip
        assert not model.complete_sync("hi", **settings).cached, settings
    assert len(vendor.requests) == 11
    assert model.complete_sync("hi", timeout=30).cached  # patience is not part of the question


def test_errors_are_not_kept(cached: Callable[..., Model], vendor: FakeVendor) -> None:
    model = cached().with_retry(0)
    vendor.fail(Fault(500))
    with pytest.raises(ProviderError):
        model.complete_sync("hi")
    assert not model.complete_sync("hi").cached


def test_a_kept_answer_ends_with_its_time(cached: Callable[..., Model]) -> None:
    model = cached(ttl_s=0.2)
    model.complete_sync("hi")
    assert model.complete_sync("hi").cached
    threading.Event().wait(0.3)
    assert not model.complete_sync("hi").cached


def test_equal_questions_at_once_are_one_request(cached: Callable[..., Model], vendor: FakeVendor) -> None:
    model = cached()
    vendor.fail(Fault(drip=0.02))

    async def five() -> list[Any]:
        async with model:
            return await asyncio.gather(*(model.complete("hi") for _ in range(5)))

    answers = asyncio.run(five())
    assert [answer.content for answer in answers] == [TEXT] * 5
    assert sorted(answer.cached for answer in answers) == [False, True, True, True, True]
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("asynchronous", [True, False])
def test_equal_streams_at_once_are_one_request(
    cached: Callable[..., Model], vendor: FakeVendor, asynchronous: bool
) -> None:
    """Who comes later gets what has arrived, and then the rest as it comes."""
    model = cached()
    vendor.fail(Fault(pause=0.05))
    found = _streams(model, 5, asynchronous)
    assert len(vendor.requests) == 1
    assert ["".join(chunk.delta for chunk in chunks) for chunks in found] == [TEXT] * 5
    for chunks in found:
        assert len(chunks) > 2
        assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    answers = [chunks[-1].response for chunks in found]
    assert sorted(answer.cached for answer in answers) == [False, True, True, True, True]
    assert sorted(bool(answer.cost_usd) for answer in answers) == [False, False, False, False, True]
    assert len({id(chunk) for chunks in found for chunk in chunks}) == sum(map(len, found))
    assert model.complete_sync("hi").cached
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("asynchronous", [True, False])
def test_one_failed_stream_is_an_error_for_each_and_is_not_kept(
    model: Model, vendor: FakeVendor, asynchronous: bool
) -> None:
    kept = model.with_retry(0).with_cache()
    vendor.fail(Fault(500, hang=0.3))
    errors = _streams(kept, 3, asynchronous)
    assert len(vendor.requests) == 1
    assert {type(error) for error in errors} == {ServerError}
    assert sum(len(error.attempts) for error in errors) == 1  # the request is one's
    assert not kept.complete_sync("hi").cached


def _streams(model: Model, count: int, asynchronous: bool) -> list[Any]:
    """The chunks, or the error, of equal streams, each asked a little after the one before."""

    async def achunks(number: int) -> Any:
        await asyncio.sleep(number * 0.03)
        return [chunk async for chunk in model.stream("hi")]

    async def all_of_them() -> list[Any]:
        async with model:
            return await asyncio.gather(*map(achunks, range(count)), return_exceptions=True)

    if asynchronous:
        return asyncio.run(all_of_them())

    def chunks(number: int) -> Any:
        threading.Event().wait(number * 0.03)
        try:
            return list(model.stream("hi"))
        except ProviderError as error:
            return error

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(chunks, range(count)))


def test_the_first_who_leaves_a_stream_takes_nothing_from_the_others(model: Model, vendor: FakeVendor) -> None:
    kept = model.with_cache()
    vendor.fail(Fault(pause=0.05))
    first, second = iter(kept.stream("hi")), iter(kept.stream("hi"))
    begun = next(first).delta
    assert next(second).delta == begun
    first.close()  # type: ignore[attr-defined]
    assert begun + "".join(chunk.delta for chunk in second) == TEXT
    assert len(vendor.requests) == 1
    assert kept.complete_sync("hi").cached


async def test_the_first_who_is_cancelled_takes_nothing_from_the_others(model: Model, vendor: FakeVendor) -> None:
    kept = model.with_cache()
    vendor.fail(Fault(pause=0.1))
    async with kept:
        first = asyncio.create_task(_text(kept))
        await asyncio.sleep(0.2)
        second = asyncio.create_task(_text(kept))
        await asyncio.sleep(0.1)
        first.cancel()
        assert await second == TEXT
        assert first.cancelled()
    assert len(vendor.requests) == 1


async def _text(model: Model) -> str:
    return "".join([chunk.delta async for chunk in model.stream("hi")])


def test_who_does_not_read_on_holds_nobody_up(model: Model, vendor: FakeVendor) -> None:
    """One thread, or one task, has two of the same: the second is whole while the first rests."""
    kept = model.with_cache()
    vendor.fail(Fault(pause=0.05))
    first = iter(kept.stream("hi"))
    begun = next(first).delta
    assert "".join(chunk.delta for chunk in kept.stream("hi")) == TEXT
    assert begun + "".join(chunk.delta for chunk in first) == TEXT

    async def two() -> None:
        async with kept:
            first = aiter(kept.stream("ho"))
            begun = (await anext(first)).delta
            assert "".join([chunk.delta async for chunk in kept.stream("ho")]) == TEXT
            assert begun + "".join([chunk.delta async for chunk in first]) == TEXT

    asyncio.run(asyncio.wait_for(two(), 20))
    assert len(vendor.requests) == 2


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_stream_that_all_leave_is_stopped_and_not_kept(model: Model, vendor: FakeVendor, asynchronous: bool) -> None:
    kept = model.with_cache()
    vendor.fail(Fault(pause=0.2))

    async def two() -> None:
        async with kept, kept.stream("hi") as one, kept.stream("hi") as two:
            for stream in (one, two):
                assert (await anext(aiter(stream))).delta

    begun = time.monotonic()
    if asynchronous:
        asyncio.run(two())
    else:
        with kept.stream("hi") as one, kept.stream("hi") as other_one:
            assert next(iter(one)).delta == next(iter(other_one)).delta
    assert time.monotonic() - begun < 3
    assert not kept.complete_sync("hi").cached
    assert len(vendor.requests) == 2


def test_who_gives_a_stream_another_time_asks_alone(model: Model, vendor: FakeVendor) -> None:
    """A stream that is timed by its first reader would end too early for one who gave it more."""
    kept = model.with_retry(0).with_cache()
    vendor.fail(Fault(hang=1), Fault(hang=1))  # whichever comes first

    async def both() -> list[Any]:
        async with kept:
            streams = [kept.stream("hi", timeout=0.3), kept.stream("hi")]
            return await asyncio.gather(*streams, return_exceptions=True)

    error, answer = asyncio.run(both())
    assert isinstance(error, ProviderTimeoutError)
    assert answer.content == TEXT


def test_who_reads_along_with_one_who_is_interrupted_is_told() -> None:
    """A stream of a user's own, in which Ctrl-C arrives: the first reader has it, the second no answer that looks whole."""

    class Interrupted(Plain):
        def stream(self, request: CompletionRequest) -> Any:
            yield StreamChunk("begun")
            raise KeyboardInterrupt

    kept = Model(Interrupted(), max_retries=0).with_cache()
    first, second = iter(kept.stream("hi")), iter(kept.stream("hi"))
    assert next(first).delta == next(second).delta == "begun"
    with pytest.raises(KeyboardInterrupt):
        next(first)
    with pytest.raises(StreamTruncated, match="interrupted while it was shared"):
        next(second)
    assert not kept.complete_sync("hi").cached


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_stream_that_is_left_at_its_last_chunk_is_kept(
    cached: Callable[..., Model], vendor: FakeVendor, asynchronous: bool
) -> None:
    model = cached()

    async def left() -> None:
        async with model:
            async for chunk in model.stream("hi"):
                if chunk.is_final:
                    break

    if asynchronous:
        asyncio.run(left())
    else:
        for chunk in model.stream("hi"):
            if chunk.is_final:
                break
    assert model.complete_sync("hi").cached
    assert len(vendor.requests) == 1


def test_a_stream_whose_answer_does_not_fit_is_not_kept(cached: Callable[..., Model], vendor: FakeVendor) -> None:
    model = cached()
    vendor.pieces = ('{"name": ', "1}")
    for _ in range(2):
        with pytest.raises(lazybridge.StructuredOutputError):
            list(model._stream(Asked("Which?", {}, City)))
    assert len(vendor.requests) == 2 * 3  # each with two repairs


def test_who_waits_for_one_that_is_cancelled_asks_anew(model: Model, vendor: FakeVendor) -> None:
    kept = model.with_cache()
    vendor.fail(Fault(hang=5))

    async def both() -> Any:
        async with kept:
            first = asyncio.create_task(kept.complete("hi"))
            await asyncio.sleep(0.2)
            second = asyncio.create_task(kept.complete("hi"))
            await asyncio.sleep(0.05)
            first.cancel()
            return await asyncio.wait_for(second, 5)

    assert asyncio.run(both()).content == TEXT


def test_who_waits_has_a_time_of_its_own(model: Model, vendor: FakeVendor) -> None:
    kept = model.with_retry(0).with_cache()
    vendor.fail(Fault(hang=2))

    async def three() -> Any:
        async with kept:
            slow = asyncio.create_task(kept.complete("hi"))
            await asyncio.sleep(0.1)
            late = [asyncio.to_thread(kept.complete_sync, "hi", timeout=0.3), kept.complete("hi", timeout=0.3)]
            late_errors = await asyncio.gather(*late, return_exceptions=True)
            assert not slow.done()
            return [*late_errors, await asyncio.gather(slow, return_exceptions=True)]

    first, second, _ = asyncio.run(three())
    assert {type(first), type(second)} == {ProviderTimeoutError}


def test_another_ones_shorter_time_is_not_mine(model: Model, vendor: FakeVendor) -> None:
    kept = model.with_retry(0).with_cache()
    vendor.fail(Fault(hang=1))

    async def both() -> list[Any]:
        async with kept:
            hasty = asyncio.create_task(kept.complete("hi", timeout=0.3))
            await asyncio.sleep(0.05)
            return await asyncio.gather(hasty, kept.complete("hi"), return_exceptions=True)

    error, answer = asyncio.run(both())
    assert isinstance(error, ProviderTimeoutError)
    assert answer.content == TEXT


def test_one_failure_is_an_error_for_each_who_waited(model: Model, vendor: FakeVendor) -> None:
    chain = other(vendor, max_retries=0).with_fallback([model.with_retry(0).with_cache()])
    vendor.fail(Fault(500), Fault(500), Fault(500), Fault(500, hang=1))

    async def three() -> list[Any]:
        async with chain:
            return await asyncio.gather(*(chain.complete("hi") for _ in range(3)), return_exceptions=True)

    errors = asyncio.run(three())
    assert len(vendor.requests) == 4
    assert sum(len(error.attempts) for error in errors) == 4  # each request is somebody's, once
    assert len(set(map(id, errors))) == 3
    assert len({str(error) for error in errors}) == 1


def test_a_synchronous_call_does_not_wait_for_its_own_event_loop(model: Model, vendor: FakeVendor) -> None:
    kept = model.with_cache()
    vendor.fail(Fault(hang=0.5))

    async def both() -> list[Any]:
        async with kept:
            first = asyncio.create_task(kept.complete("hi"))
            await asyncio.sleep(0.1)
            return [kept.complete_sync("hi").content, first]

    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.extend(asyncio.run(both())), daemon=True)
    thread.start()
    thread.join(10)
    assert answers[:1] == [TEXT]


def test_who_gave_up_waiting_is_not_told(model: Model, vendor: FakeVendor, caplog: pytest.LogCaptureFixture) -> None:
    kept = model.with_cache()
    vendor.fail(Fault(hang=1))
    thread = threading.Thread(target=kept.complete_sync, args=("hi",))
    thread.start()
    threading.Event().wait(0.2)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(kept.complete("hi"), 0.2))
    thread.join()
    assert not [record for record in caplog.records if record.name == "concurrent.futures"]


def test_who_answers_is_part_of_the_question(model_file: Path, tmp_path: Path) -> None:
    def azure(**options: Any) -> Model:
        return lazybridge.AzureOpenAiProvider("dep", options=lazybridge.AzureOptions(api_key="k", **options))

    def bedrock(region: str) -> Model:
        return lazybridge.BedrockProvider("m", options=lazybridge.BedrockOptions(region=region, api_key="k"))

    one, two = "https://one.openai.azure.com", "https://two.openai.azure.com"
    models = [
        azure(endpoint=one), azure(endpoint=two), azure(endpoint=one, api_version="2024-10-21"),
        bedrock("us-east-1"), bedrock("eu-west-1"),
        Model.local(model_file), Model.local(model_file, backend="candle"), Model.local(model_file, context_tokens=99),
        Model(Plain(model="a")), Model(Plain(model="b")),
    ]  # fmt: skip
    keys = [lazybridge.CachedModel(model)._digest(Asked("hi")) for model in models]
    assert len(set(keys)) == len(models)


class Plain(BaseProvider):
    """A class that does not show what it sends."""

    default_model = "m"

    def complete(self, request: CompletionRequest) -> Any:
        return lazybridge.CompletionResponse(request.system or "")

    async def acomplete(self, request: CompletionRequest) -> Any:
        return self.complete(request)

    def stream(self, request: CompletionRequest) -> Any:
        raise NotImplementedError

    def astream(self, request: CompletionRequest) -> Any:
        raise NotImplementedError


def test_equal_questions_to_any_class_are_equal() -> None:
    kept = Model(Plain()).with_cache()
    text = "to be brief"
    assert not kept.complete_sync(text, system=text).cached
    assert kept.complete_sync(text, system="".join(["to be", " brief"])).cached
    assert not kept.complete_sync(text, system=text, metadata=MappingProxyType({"a": "b"})).cached
    assert kept.complete_sync(text, system=text, metadata={"a": "b"}).cached


def test_a_kept_answer_is_an_object_again(cached: Callable[..., Model], vendor: FakeVendor) -> None:
    vendor.pieces = ('{"name": ', '"Rome"}')
    model = cached()
    assert model.extract_sync(City, "Which?") == model.extract_sync(City, "Which?") == City("Rome")
    assert len(vendor.requests) == 1
    assert not model.complete_sync("Which?").cached  # a text is another question


def test_a_cache_on_disk_outlives_its_process(model: Model, vendor: FakeVendor, tmp_path: Path) -> None:
    with model.with_cache(path=tmp_path / "answers") as first:
        first.complete_sync("hi")
    with model.with_cache(path=tmp_path / "answers") as second:
        assert second.complete_sync("hi").cached
        second.clear()
        assert not second.complete_sync("hi").cached


def test_memory_has_an_end(model: Model) -> None:
    kept = model.with_cache(max_entries=2)
    for task in ("one", "two", "three"):
        kept.complete_sync(task)
    assert [kept.complete_sync(task).cached for task in ("three", "two", "one")] == [True, True, False]


def test_they_compose_in_any_order(model: Model, vendor: FakeVendor) -> None:
    inside = model.with_cache().with_retry(0).with_fallback([other(vendor)])
    outside = model.with_fallback([other(vendor)]).with_retry(0).with_cache()
    for composed in (inside, outside):
        assert composed.model_id == MODEL
        vendor.fail(Fault(529))
        assert composed.complete_sync("hi").attempts[-1].provider == "openai"
    assert outside.complete_sync("hi").cached
    assert not inside.complete_sync("hi").cached
    assert inside.complete_sync("hi").cached


def test_wrong_words_are_said(model: Model) -> None:
    for build, said in (
        (lambda: model.with_retry(-1), "max_retries=-1"),
        (lambda: model.with_cache(ttl_s=0), "ttl_s=0"),
        (lambda: model.with_cache(max_entries=0), "max_entries=0"),
        (lambda: lazybridge.FallbackModel([]), "no model to fall back to"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            build()
