"""Images, audio, video and token probabilities through the agent: in with a message, out with the answer, and back.

Answers are recorded ones of OpenAI and Google where the shared recordings are at hand, served on loopback and read by the
real SDKs; else those of the fake vendor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from lazybridge import Agent, ImageContent, Message, NativeTool, StreamChunk, VideoContent
from lazybridge.core.content import Citation
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, StopReason, UsageStats
from lazybridge.loop import turns
from lazybridge.needs import needs_of
from tests.conftest import KINDS
from tests.fake_vendor import FakeVendor, Fault
from tests.wire.requests import MP4, PNG
from tests.wire.test_replay import recorded, records

WHOLE = {"openai-2e790cd82b75": "responses", "vertex-b9c31ec1f30e": "gemini", "google-1d5a0a0d832c": "gemini"}
STREAMED = {"openai-bb53d963cab3": "responses", "vertex-b987d768402d": "gemini"}


def serve(vendor: FakeVendor, id: str) -> dict[str, Any]:
    """Let the vendor answer the next request as it was recorded."""
    record = next(item for item in records("openai_responses", "google_generate") if item["id"] == id)
    kind = "text/event-stream" if record["streaming"] else "application/json"
    vendor.fail(Fault(status=200, body=record["response_body"].encode(), headers={"content-type": kind}))
    return record


@recorded
@pytest.mark.parametrize("id", WHOLE)
def test_a_recorded_image_or_sound_is_on_the_envelope_and_goes_back_with_the_conversation(
    id: str, vendor: FakeVendor
) -> None:
    agent = KINDS[WHOLE[id]].agent(vendor.url)
    serve(vendor, id)
    envelope = agent("Draw an otter.")
    assert envelope.response is not None
    assert envelope.media == envelope.response.media
    (block,) = envelope.media
    assert block.data
    answer = envelope.response.to_message()
    assert answer.blocks[-1] == block
    agent([Message.user("Draw an otter."), answer, Message.user("And now a seal.")])
    assert block.base64 in str(vendor.bodies()[-1])
    agent.close()


@recorded
@pytest.mark.parametrize("id", STREAMED)
def test_a_streamed_image_comes_once_whole_and_stays_on_the_envelope(id: str, vendor: FakeVendor) -> None:
    agent = KINDS[STREAMED[id]].agent(vendor.url)

    async def collect() -> tuple[list[StreamChunk], Any]:
        stream = agent.stream("Draw an otter.")
        return [chunk async for chunk in stream], stream.envelope

    serve(vendor, id)
    stream = agent.stream("Draw an otter.")
    synchronous = list(stream), stream.envelope
    serve(vendor, id)
    for chunks, envelope in (synchronous, asyncio.run(collect())):
        media = [block for chunk in chunks for block in chunk.media]
        assert len(media) == 1
        assert tuple(media) == envelope.media
        assert chunks[-1].is_final
        assert chunks[-1].media == ()
    agent.close()


def test_media_of_a_users_own_provider_stay_on_the_envelope() -> None:
    class Painter(BaseProvider):
        default_model = "painter-1"

        def complete(self, request: CompletionRequest) -> CompletionResponse:
            raise NotImplementedError

        def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
            yield StreamChunk(delta="Here.", media=(ImageContent(data=PNG),))
            yield StreamChunk(is_final=True, stop_reason="end_turn", usage=UsageStats())

        async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
            raise NotImplementedError

        def astream(self, request: CompletionRequest) -> AsyncIterator[StreamChunk]:
            raise NotImplementedError

    stream = Agent(provider=Painter()).stream("Draw an otter.")
    assert [chunk.media for chunk in stream if chunk.media] == [(ImageContent(data=PNG),)]
    assert (stream.envelope.text(), stream.envelope.media) == ("Here.", (ImageContent(data=PNG),))


def test_an_answer_without_media_has_none(agent: Callable[..., Agent]) -> None:
    envelope = agent()("hi")
    assert envelope.media == ()
    assert envelope.response is not None
    assert envelope.response.to_message().content == envelope.text()


def test_the_image_of_an_answer_asks_nothing_of_the_next_model() -> None:
    answer = CompletionResponse("Here.", media=(ImageContent(data=PNG),)).to_message()
    assert needs_of(CompletionRequest((Message.user("Draw."), answer, Message.user("Thanks.")))) == set()
    assert needs_of(CompletionRequest((Message.user([ImageContent(data=PNG)]),))) == {"vision"}


def test_another_vendor_is_told_of_the_image_in_words_alone(vendor: FakeVendor) -> None:
    answer = CompletionResponse("Here.", media=(ImageContent(data=PNG),)).to_message()
    agent = KINDS["messages"].agent(vendor.url)
    with pytest.warns(UserWarning, match="media was left out"):
        envelope = agent([Message.user("Draw."), answer, Message.user("Thanks.")])
    assert [adjustment.parameter for adjustment in envelope.metadata.adjustments] == ["assistant content"]
    assert vendor.bodies()[0]["messages"][1] == {"role": "assistant", "content": "Here."}
    agent.close()


def test_an_answer_that_was_paused_keeps_what_it_carried_before() -> None:
    def part(text: str, reason: StopReason) -> CompletionResponse:
        citation = Citation("https://a.example", start=0, end=len(text))
        return CompletionResponse(text, stop_reason=reason, citations=(citation,), media=(ImageContent(data=PNG),))

    loop = turns(CompletionRequest((Message.user("hi"),)), runnable=(), max_turns=2)
    next(loop)
    loop.send(part("First. ", "pause_turn"))
    with pytest.raises(StopIteration) as stopped:
        loop.send(part("Then.", "end_turn"))
    response = stopped.value.value
    assert [response.content[item.start : item.end] for item in response.citations] == ["First. ", "Then."]
    assert len(response.media) == 2


def test_an_image_that_goes_back_is_weighed_as_an_image_and_not_by_its_letters(vendor: FakeVendor) -> None:
    agent = KINDS["responses"].agent(vendor.url, native_tools=[NativeTool.IMAGE_GENERATION])
    draw = Message.user("Draw an otter.")
    answer = agent([draw]).response
    assert answer is not None
    assert answer.provider_state is not None
    (item, *rest) = answer.provider_state.items
    large = {**item, "result": item["result"] + "A" * 1_000_000}
    state = replace(answer.provider_state, items=(large, *rest))
    turn = replace(answer.to_message(), provider_state=state)
    other = KINDS["responses"].agent(vendor.url)
    estimate = other.estimate([draw, turn, Message.user("Now a seal.")])
    other.close()
    assert estimate.input_tokens.high is not None
    assert estimate.input_tokens.high < 100_000
    agent.close()


# --- what a message carries -------------------------------------------------------------------------------------------


def test_a_video_goes_to_google_and_is_left_out_for_others(vendor: FakeVendor) -> None:
    agent = KINDS["gemini"].agent(vendor.url)
    agent("What happens?", attachments=[MP4, "https://youtu.be/lCdaVNyHtjU"])
    parts = vendor.bodies()[0]["contents"][0]["parts"]
    assert [part.keys() - {"text"} for part in parts] == [set(), {"inlineData"}, {"fileData"}]
    agent.close()
    other = KINDS["responses"].agent(vendor.url)
    with pytest.warns(UserWarning, match="takes no video"):
        envelope = other("What happens?", attachments=[VideoContent(data=MP4)])
    assert [adjustment.parameter for adjustment in envelope.metadata.adjustments] == ["video"]
    other.close()


def test_a_tool_may_answer_with_a_video(vendor: FakeVendor) -> None:
    def film(city: str) -> VideoContent:
        """A film of a city."""
        return VideoContent(data=MP4)

    vendor.tool_call = {"name": "film", "arguments": {"city": "Rome"}}
    agent = KINDS["gemini"].agent(vendor.url, tools=[film])
    with pytest.warns(UserWarning, match="follows as a user's message"):
        agent("Show me Rome.")
    assert "inlineData" in vendor.bodies()[1]["contents"][-1]["parts"][0]
    agent.close()


# --- token probabilities ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["responses", "chat"])
def test_logprobs_are_a_setting_of_an_agent_and_of_a_call(kind: str, vendor: FakeVendor) -> None:
    agent = KINDS[kind].agent(vendor.url, logprobs=0)
    agent("hi")
    agent("hi", logprobs=2)
    agent("hi", logprobs=None)
    assert [body.get("top_logprobs") for body in vendor.bodies()] == [None, 2, None]
    asked = [bool(body.get("logprobs") or body.get("include")) for body in vendor.bodies()]
    assert asked == [True, True, False]
    agent.close()


@pytest.mark.parametrize(("value", "error"), [(-1, ValueError), (True, TypeError), ("2", TypeError)])
def test_a_number_of_alternatives_that_is_none_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="logprobs"):
        CompletionRequest((Message.user("hi"),), logprobs=value)


def test_an_image_tool_is_asked_for_by_name(vendor: FakeVendor) -> None:
    agent = KINDS["responses"].agent(vendor.url, native_tools=[NativeTool.IMAGE_GENERATION])
    agent("Draw an otter.")
    assert vendor.bodies()[0]["tools"] == [{"type": "image_generation"}]
    agent.close()
