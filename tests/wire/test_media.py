"""What an answer carries beside its text: images, audio, citations, the probabilities of its tokens.

Expectations are the vendors' own bytes: recorded answers where the shared recordings are at hand, with the counts that
`facts.py` there reads off the wire; the streams of spoken audio are those that users of OpenAI's API show in
https://community.openai.com/t/waiting-for-gpt-4o-audio-preview/970884 and
https://community.openai.com/t/how-to-replace-my-gpt-tts-call-for-better-performance/1004420, with other words.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lazybridge.core import catalogue
from lazybridge.core.content import AudioContent, ImageContent, TokenLogprob
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, StreamChunk
from lazybridge.core.wire import Wire, endpoints, media
from tests.wire.requests import PNG, VENDORS, WAV, WIRES
from tests.wire.sdk_types import body_errors
from tests.wire.test_replay import recorded, records, sse_events

WIRE_OF_API = {
    "openai_chat": "chat",
    "openai_responses": "responses",
    "anthropic_messages": "messages",
    "google_generate": "gemini",
}
# Their annotations are files that OpenRouter has read for the model, not what the answer rests on.
PARSED_FILES = ("openrouter-4ad6cc546cdd", "openrouter-c898e58a350d")


def wire_of(record: Mapping[str, Any]) -> Wire:
    return WIRES[WIRE_OF_API[record["api"]]]


def streamed(wire: Wire, events: list[dict[str, Any]]) -> tuple[CompletionResponse, list[StreamChunk]]:
    state, chunks = wire.accumulator(), []
    for event in events:
        chunk = state.feed(event)
        if chunk is not None:
            chunks.append(chunk)
        if state.done:
            break
    return state.finish(), chunks


def read(record: Mapping[str, Any]) -> tuple[CompletionResponse, list[StreamChunk]]:
    """The answer of a record, and the chunks of a streamed one."""
    if record["streaming"]:
        return streamed(wire_of(record), sse_events(record["response_body"]))
    return wire_of(record).from_sdk_response(json.loads(record["response_body"])), []


def recorded_with(fact: str) -> Iterator[dict[str, Any]]:
    """The recorded answers of which `facts.py` read this fact."""
    for record in records(*WIRE_OF_API):
        whole = record["streaming"] is False or not record["response_body"].lstrip().startswith("[")
        if record["expected"].get(fact) and not record["expected"].get("error") and whole:
            yield record


# --- recorded answers -------------------------------------------------------------------------------------------------


@recorded
@pytest.mark.parametrize("fact", ["n_images", "n_inline_data"])
def test_every_recorded_image_and_sound_comes_out_with_its_bytes(fact: str) -> None:
    seen = 0
    for record in recorded_with(fact):
        response, chunks = read(record)
        assert len(response.media) == record["expected"][fact], record["id"]
        families = [str(block.media_type).partition("/")[0] for block in response.media]
        wanted = [word.partition("/")[0] for word in record["expected"].get("inline_mime", ["image/png"])]
        assert families == wanted, record["id"]
        assert all(block.data for block in response.media)
        if record["streaming"]:
            assert [block for chunk in chunks for block in chunk.media] == list(response.media), record["id"]
        seen += 1
    assert seen > 3


@recorded
@pytest.mark.parametrize("wire", ["chat", "responses", "messages", "gemini"])
def test_every_recorded_citation_comes_out(wire: str) -> None:
    seen, wrong = 0, {}
    for record in recorded_with("n_citations"):
        if WIRE_OF_API[record["api"]] == wire:
            response, _ = read(record)
            seen += 1
            if record["id"] in PARSED_FILES:
                assert response.citations == ()
            elif len(response.citations) != record["expected"]["n_citations"]:
                wrong[record["id"]] = (len(response.citations), record["expected"]["n_citations"])
            for citation in response.citations:
                named = citation.url or citation.title or citation.file_id or citation.text
                assert named or record["provenance"] == "fixture", record["id"]
                if citation.start is not None and citation.end is not None:
                    assert 0 <= citation.start <= citation.end <= len(response.content), record["id"]
    assert wrong == {}
    assert seen > 10


@recorded
def test_the_probability_of_every_recorded_token_comes_out() -> None:
    seen = 0
    for record in recorded_with("n_logprobs"):
        response, _ = read(record)
        assert len(response.logprobs) == record["expected"]["n_logprobs"], record["id"]
        assert "".join(item.token for item in response.logprobs) == response.content, record["id"]
        assert all(item.logprob <= 0 for item in response.logprobs)
        asked = (record["request_json"] or {}).get("top_logprobs") or 0
        assert all(len(item.alternatives) == asked for item in response.logprobs), record["id"]
        seen += 1
    assert seen > 10


@recorded
def test_the_probability_of_every_token_that_gemini_wrote_comes_out() -> None:
    found = [record for record in records("google_generate") if "logprobsResult" in record["response_body"]]
    for record in found:
        response, _ = read(record)
        assert "".join(item.token for item in response.logprobs) == response.content
        asked = record["request_json"]["generationConfig"]["logprobs"]
        assert {len(item.alternatives) for item in response.logprobs} == {asked}
        assert response.logprobs[0].alternatives[0] == TokenLogprob(
            response.logprobs[0].token, response.logprobs[0].logprob
        )
    assert len(found) > 2


@recorded
def test_a_recorded_refusal_is_the_text() -> None:
    seen = 0
    for record in recorded_with("refusal"):
        response, chunks = read(record)
        assert (response.stop_reason, response.content) == ("refusal", record["expected"]["refusal"]), record["id"]
        if record["streaming"]:
            assert "".join(chunk.delta for chunk in chunks) == record["expected"]["refusal"]
        seen += 1
    assert seen > 10


@recorded
def test_the_tokens_of_recorded_images_and_sound_are_in_the_usage() -> None:
    for record in recorded_with("n_inline_data"):
        details = (record["expected"]["usage_wire"] or {}).get("candidatesTokensDetails") or ()
        tokens = {detail["modality"]: detail["tokenCount"] for detail in details}
        usage = read(record)[0].usage
        assert (usage.image_output_tokens, usage.audio_output_tokens) == (tokens.get("IMAGE"), tokens.get("AUDIO"))
    for record in recorded_with("n_images"):
        assert read(record)[0].usage.unpriced_tool_calls == record["expected"]["n_images"]


# --- audio that is spoken (Chat Completions) --------------------------------------------------------------------------


def piece(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-audio-mini", "choices": choices, **fields}


USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 60,
    "completion_tokens_details": {"audio_tokens": 44, "text_tokens": 16, "reasoning_tokens": 0},
}
SAMPLES = bytes(range(100))


def spoken_stream() -> list[dict[str, Any]]:
    first, second = (base64.b64encode(half).decode() for half in (SAMPLES[:50], SAMPLES[50:]))
    return [
        piece({"role": "assistant", "refusal": None}),
        piece({"content": None, "audio": {"id": "audio_1", "transcript": "Hi"}}),
        piece({"audio": {"transcript": " there!"}}),
        piece({"role": "assistant", "content": None, "audio": {"id": "audio_1", "data": first}}),
        piece({"audio": {"data": second}}),
        piece({"audio": {"expires_at": 4102444800}}),
        piece({}, "stop"),
        piece(usage=USAGE),
    ]


def test_the_transcript_of_spoken_audio_is_the_text_piece_by_piece_and_the_audio_comes_once_and_whole() -> None:
    response, chunks = streamed(WIRES["chat"], spoken_stream())
    assert [chunk.delta for chunk in chunks if chunk.delta] == ["Hi", " there!"]
    assert [block for chunk in chunks for block in chunk.media] == list(response.media)
    assert response.media == (AudioContent(data=SAMPLES),)
    assert response.media[0].media_type is None  # bare samples do not say what they are
    assert (response.content, response.stop_reason) == ("Hi there!", "end_turn")
    assert (response.usage.output_tokens, response.usage.audio_output_tokens) == (60, 44)
    assert response.final_chunk().media == ()


def test_base64_that_is_cut_anywhere_is_put_together() -> None:
    text = base64.b64encode(SAMPLES).decode()
    pieces = [text[:5], text[5:6], text[6:77], text[77:]]
    events = [piece({"audio": {"id": "audio_1", "data": part}}) for part in pieces]
    response, _ = streamed(WIRES["chat"], [*events, piece({}, "stop")])
    assert response.media == (AudioContent(data=SAMPLES),)


def whole_spoken() -> CompletionResponse:
    from openai.types.chat import ChatCompletionAudio

    audio = ChatCompletionAudio(
        id="audio_1", data=base64.b64encode(WAV).decode(), expires_at=4102444800, transcript="Hi there!"
    )
    message = {"role": "assistant", "content": None, "refusal": None, "audio": audio.to_dict()}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return WIRES["chat"].from_sdk_response({"model": "gpt-audio-mini", "choices": choices, "usage": USAGE})


def test_a_whole_spoken_answer_has_its_audio_and_its_transcript() -> None:
    response = whole_spoken()
    assert (response.content, response.media) == ("Hi there!", (AudioContent(data=WAV, media_type="audio/wav"),))


def body_after(response: CompletionResponse, wire: str, model: str) -> tuple[dict[str, Any], list[str]]:
    request = CompletionRequest((Message.user("Hi"), response.to_message(), Message.user("Go on")))
    call = WIRES[wire].to_sdk_kwargs(request, catalogue.profile(VENDORS[wire], model), False)
    assert body_errors(wire, call.body) == []
    return call.body, [adjustment.parameter for adjustment in call.adjustments]


def test_spoken_audio_goes_back_to_its_vendor_by_id_and_to_others_as_its_transcript() -> None:
    body, adjusted = body_after(whole_spoken(), "chat", "gpt-audio-mini")
    assert body["messages"][1] == {"role": "assistant", "content": None, "audio": {"id": "audio_1"}}
    assert adjusted == []
    body, adjusted = body_after(whole_spoken(), "chat", "gpt-4.1-mini")  # hears nothing
    assert body["messages"][1] == {"role": "assistant", "content": "Hi there!"}
    assert adjusted == ["audio"]
    body, adjusted = body_after(whole_spoken(), "messages", "claude-haiku-5-5")
    assert body["messages"][1] == {"role": "assistant", "content": "Hi there!"}
    assert adjusted == ["assistant content"]


def test_audio_that_the_vendor_has_forgotten_goes_back_as_its_transcript() -> None:
    stream = [event for event in spoken_stream() if "expires_at" not in json.dumps(event)]
    stream.insert(5, piece({"audio": {"expires_at": 1729447778}}))
    response, _ = streamed(WIRES["chat"], stream)
    body, adjusted = body_after(response, "chat", "gpt-audio-mini")
    assert body["messages"][1] == {"role": "assistant", "content": "Hi there!"}
    assert adjusted == ["audio"]


# --- images -----------------------------------------------------------------------------------------------------------


def test_images_of_gateways_come_out_whole_and_streamed() -> None:
    """The shape of https://openrouter.ai/docs/features/multimodal/image-generation."""
    data_url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    images = [{"type": "image_url", "image_url": {"url": url}} for url in (data_url, "https://example.com/a.png")]
    expected = (ImageContent(data=PNG), ImageContent(url="https://example.com/a.png"))
    message = {"role": "assistant", "content": "Here.", "images": images}
    response = WIRES["chat"].from_sdk_response({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert (response.content, response.media) == ("Here.", expected)
    response, chunks = streamed(
        WIRES["chat"], [piece({"content": "Here."}), piece({"images": images}), piece({}, "stop")]
    )
    assert (response.content, response.media) == ("Here.", expected)
    assert [chunk.media for chunk in chunks] == [(), expected]


@recorded
def test_an_unfinished_image_is_a_preview_and_no_media() -> None:
    record = next(item for item in recorded_with("n_images") if "partial_image" in item["response_body"])
    _, chunks = read(record)
    previews = [chunk.preview for chunk in chunks if chunk.preview is not None]
    assert [preview.media_type for preview in previews] == ["image/webp"]
    assert sum(len(chunk.media) for chunk in chunks) == 1


@recorded
def test_a_recorded_image_goes_back_to_its_vendor_and_is_named_to_another() -> None:
    seen = 0
    for fact in ("n_images", "n_inline_data"):
        for record in recorded_with(fact):
            own = WIRE_OF_API[record["api"]]
            response, _ = read(record)
            body, adjusted = body_after(response, own, response.model or "gemini-2.5-flash-image")
            sent = json.dumps(body)
            assert all(block.base64[:-4] in sent for block in response.media), record["id"]
            assert "assistant content" not in adjusted
            other = "messages" if own == "responses" else "responses"
            body, adjusted = body_after(response, other, "claude-haiku-5-5" if other == "messages" else "gpt-6-luna")
            assert "assistant content" in adjusted, record["id"]
            assert not any(block.base64[:-4] in json.dumps(body) for block in response.media)
            seen += 1
    assert seen > 8


@recorded
def test_a_recorded_picture_that_code_drew_comes_out() -> None:
    seen = 0
    for record in records("openai_responses"):
        if not record["streaming"] and record["id"] in ("openai-f8c0548fb350", "openai-5347bf143b81"):
            (block,) = read(record)[0].media
            assert (type(block), block.media_type) == (ImageContent, "image/png")
            seen += 1
    assert seen == 2


@pytest.mark.parametrize("text", ["UklG.R", "!!!", "UklG-_-_", "Uk==UklG"])
def test_what_is_no_base64_is_left_to_raw_and_said(text: str) -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": text}
    with pytest.warns(UserWarning, match="no base64"):
        response = WIRES["responses"].from_sdk_response({"status": "completed", "output": [item]})
    assert response.media == ()


def test_base64_in_lines_is_base64() -> None:
    wrapped = base64.encodebytes(WAV).decode()
    assert media.decoded([wrapped[:7], wrapped[7:]]) == endpoints.decoded(wrapped) == WAV


def test_an_image_that_failed_is_none() -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "failed", "result": None}
    assert WIRES["responses"].from_sdk_response({"status": "completed", "output": [item]}).media == ()


@recorded
def test_the_tokens_of_geminis_pieces_are_those_of_the_whole() -> None:
    """No stream with them is in the recordings: each piece is taken to have its own tokens, as its text is its own."""
    record = next(item for item in records("google_generate") if "logprobsResult" in item["response_body"])
    whole = json.loads(record["response_body"])
    candidate = whole["candidates"][0]
    tokens = candidate.pop("logprobsResult")
    pieces = []
    for place, chosen in enumerate(tokens["chosenCandidates"]):
        found = {"chosenCandidates": [chosen], "topCandidates": [tokens["topCandidates"][place]]}
        event = of_gemini({"text": chosen["token"]})
        event["candidates"][0]["logprobsResult"] = found
        pieces.append(event)
    response, _ = streamed(WIRES["gemini"], [*pieces, {**whole, "candidates": [{"finishReason": "STOP"}]}])
    assert response.logprobs == read(record)[0].logprobs
    assert len(response.logprobs) > 1


# --- Gemini -----------------------------------------------------------------------------------------------------------


def of_gemini(*parts: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, **({"finishReason": finish} if finish else {})}
    return {"candidates": [candidate], "modelVersion": "gemini-2.5-flash-preview-tts"}


def inline(kind: str, data: bytes, **fields: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": base64.b64encode(data).decode()}, **fields}


PCM = "audio/L16;codec=pcm;rate=24000"  # as google-1d5a0a0d832c of the recordings has it


def test_audio_that_gemini_streams_in_pieces_is_one() -> None:
    pieces = [of_gemini(inline(PCM, SAMPLES[:50])), of_gemini(inline(PCM, SAMPLES[50:]), finish="STOP")]
    response, chunks = streamed(WIRES["gemini"], pieces)
    assert response.media == (AudioContent(data=SAMPLES, media_type=PCM),)
    assert [block for chunk in chunks for block in chunk.media] == list(response.media)


def test_a_file_of_audio_keeps_what_belongs_to_it_and_a_second_one_is_its_own() -> None:
    parts = [inline("audio/wav", data) for data in (WAV, SAMPLES, WAV)]
    found = WIRES["gemini"].from_sdk_response(of_gemini(*parts, finish="STOP")).media
    assert [block.data for block in found] == [WAV + SAMPLES, WAV]


def test_a_draft_among_geminis_thoughts_is_no_image_of_the_answer() -> None:
    parts = [inline("image/png", PNG + b"draft", thought=True), inline("image/png", PNG)]
    response, chunks = streamed(WIRES["gemini"], [of_gemini(*parts, finish="STOP")])
    assert response.media == (ImageContent(data=PNG),)
    assert [chunk.media for chunk in chunks] == [response.media]


def test_gemini_counts_bytes_and_a_citation_counts_characters() -> None:
    text = "Zürich ist schön. Bern auch."
    said = "Bern auch."
    support = {"segment": {"startIndex": 20, "endIndex": 30, "text": said}, "groundingChunkIndices": [0]}
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example"}}],
        "groundingSupports": [support],
    }
    answer = of_gemini({"text": text}, finish="STOP")
    answer["candidates"][0]["groundingMetadata"] = grounding
    first, second = WIRES["gemini"].from_sdk_response(answer).citations
    assert (first.url, first.title, text[first.start : first.end]) == ("https://a.example", "A", said)
    assert (second.url, second.start, second.end) == ("https://b.example", None, None)


def test_places_of_citations_are_those_of_the_whole_answer() -> None:
    note = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 4}
    parts = [
        {"type": "output_text", "text": "First. ", "annotations": []},
        {"type": "output_text", "text": "Rome it is.", "annotations": [note]},
    ]
    output = [{"type": "message", "content": [part]} for part in parts]
    response = WIRES["responses"].from_sdk_response({"status": "completed", "output": output})
    (citation,) = response.citations
    assert response.content[citation.start : citation.end] == "Rome"
