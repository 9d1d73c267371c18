"""What Moonshot and Fireworks answered to others, read through the real SDK: bodies that were recorded of the vendors.

Moonshot's are of 2026-08, in https://github.com/vercel/ai `packages/moonshotai/src/__fixtures__`; Fireworks' of 2026-04, in
https://github.com/justintanner/apicity `tests/recordings/fireworks_626462085`, and its error in
https://github.com/musistudio/claude-code-router/issues/377. Texts and streams are shortened here. Read 2026-11-22.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lazybridge import Agent
from lazybridge.core.errors import ProviderError
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message
from tests.fake_vendor import FakeVendor, Fault
from tests.providers.agents import modes

KIMI_USAGE = {
    "prompt_tokens": 90, "completion_tokens": 34, "total_tokens": 124, "cached_tokens": 90,
    "completion_tokens_details": {"reasoning_tokens": 17}, "prompt_tokens_details": {"cached_tokens": 90},
}  # fmt: skip
# moonshotai-usage-live.json
KIMI_SAID = {"role": "assistant", "content": "OK", "reasoning_content": "We need answer exactly OK."}
KIMI = {
    "id": "chatcmpl-16d8646e-d5e3-9a7b-a9f3-643d7124f8b4", "object": "chat.completion", "created": 1787771085,
    "model": "kimi-k3", "choices": [{"index": 0, "message": KIMI_SAID, "finish_reason": "stop"}], "usage": KIMI_USAGE,
}  # fmt: skip
# moonshotai-usage-live.chunks.txt, with the usage of the whole answer: it stands in the last choice, and again in a chunk of its own
KIMI_CHOICES: list[list[dict[str, Any]]] = [
    [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
    [{"index": 0, "delta": {"reasoning_content": "We need "}, "finish_reason": None}],
    [{"index": 0, "delta": {"reasoning_content": "answer exactly OK."}, "finish_reason": None}],
    [{"index": 0, "delta": {"reasoning_content": ""}, "finish_reason": None}],
    [{"index": 0, "delta": {"content": "OK"}, "finish_reason": None}],
    [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": KIMI_USAGE}],
    [],
]
# moonshotai-k3-required-tool-choice.json
KIMI_CALLS = {
    "id": "chatcmpl-b9bdcec6-cb90-9694-b3ca-9249582f78c0", "object": "chat.completion", "created": 1787685097,
    "model": "kimi-k3", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": "", "reasoning_content": "The user asked me to call the ping tool. I'll do that now.",
        "tool_calls": [{"index": 0, "id": "ping_0", "type": "function", "function": {"name": "ping", "arguments": "{}"}}],
    }}],
    "usage": {"prompt_tokens": 189, "completion_tokens": 51, "total_tokens": 240, "completion_tokens_details": {"reasoning_tokens": 15}},
}  # fmt: skip
# moonshotai-required-tool-choice-error.json, -kimi-k3-temperature-rejection.json, -error-live-message-only.json
KIMI_REFUSES = [
    (400, "tool_choice 'required' is incompatible with thinking enabled", "invalid_request_error", "invalid_request"),
    (400, "invalid temperature: only 1 is allowed for this model", "invalid_request_error", "invalid_request"),
    (404, "Not found the model x or Permission denied", "resource_not_found_error", "not_found"),
]

LLAMA = "accounts/fireworks/models/llama-v3p3-70b-instruct"
LLAMA_USAGE = {"prompt_tokens": 41, "total_tokens": 67, "completion_tokens": 26, "prompt_tokens_details": {"cached_tokens": 40}}  # fmt: skip
# chat-hello
FIREWORKS = {
    "id": "chatcmpl-66d7d70647ec44d38c0a185ccc9a8dd3", "object": "chat.completion", "created": 1776323966, "model": LLAMA,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello, it's nice."}, "finish_reason": "stop"}],
    "usage": LLAMA_USAGE,
}  # fmt: skip
# chat-stream-hello: usage without being asked for, in the chunk that ends
FIREWORKS_CHUNKS = [
    {"model": LLAMA, "choices": [{"index": 0, "delta": delta, "finish_reason": end}], "usage": usage}
    for delta, end, usage in [
        ({"role": "assistant"}, None, None),
        ({"content": "Hello,"}, None, None),
        ({"content": " it's nice."}, None, None),
        ({}, "stop", LLAMA_USAGE),
    ]
]
FIREWORKS_REFUSES = {
    "object": "error", "type": "invalid_request_error", "code": "invalid_request_error",
    "message": "Extra inputs are not permitted, field: 'messages[0].content.list[ChatMessageContent][0].cache_control'",
}  # fmt: skip


def events(*chunks: dict[str, Any]) -> Fault:
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Fault(status=200, body=text.encode(), headers={"content-type": "text/event-stream"})


@pytest.fixture
def kimi(vendor: FakeVendor) -> Iterator[Any]:
    made: list[Agent] = []

    def build(model: str = "kimi-k3", **options: Any) -> Agent:
        made.append(Agent(model, api_key="k", base_url=f"{vendor.url}/v1", max_retries=0, **options))
        return made[-1]

    yield build
    for agent in made:
        agent.close()


def both(agent: Agent, model: str) -> list[CompletionResponse]:
    provider, request = agent.engine.provider, CompletionRequest((Message.user("hi"),), model=model)
    streamed = list(provider.stream(request))[-1].response
    assert streamed is not None
    return [streamed, provider.complete(request)]


def test_kimi_thinks_and_is_priced(vendor: FakeVendor, kimi: Any) -> None:
    chunks = [{"model": "kimi-k3", "choices": choices} for choices in KIMI_CHOICES]
    chunks[-1]["usage"] = KIMI_USAGE
    vendor.fail(events(*chunks), Fault(status=200, body=KIMI))
    for answer in both(kimi(), "kimi-k3"):
        assert (answer.content, answer.thinking, answer.stop_reason) == ("OK", "We need answer exactly OK.", "end_turn")
        usage = answer.usage
        assert (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens) == (90, 90, 34)
        assert usage.thinking_tokens == 17
        assert usage.cost_usd == pytest.approx((90 * 0.3 + 34 * 15) / 1e6)
    assert [request["path"] for request in vendor.requests] == ["/v1/chat/completions"] * 2


def test_kimi_gets_its_thinking_back(vendor: FakeVendor, kimi: Any) -> None:
    def ping() -> str:
        """Ping."""
        return "pong"

    vendor.fail(Fault(status=200, body=KIMI_CALLS), Fault(status=200, body=KIMI))
    envelope = kimi(tools=[ping])("Ping, please.", tool_choice="required")
    assert envelope.text() == "OK"
    first, second = vendor.bodies()
    assert first["tool_choice"] == "required"
    turn = second["messages"][1]
    assert turn["reasoning_content"] == "The user asked me to call the ping tool. I'll do that now."
    assert turn["tool_calls"] == [{"id": "ping_0", "type": "function", "function": {"name": "ping", "arguments": "{}"}}]


def test_kimi_is_not_sent_what_it_refuses(vendor: FakeVendor, kimi: Any) -> None:
    vendor.fail(*[Fault(status=200, body=KIMI)] * 2)
    with pytest.warns(UserWarning, match="kimi-k3 does not take it"):
        kimi()("hi", temperature=0.2, effort="low", max_tokens=100)
    kimi("kimi-k2.6")("hi", extra_body={"thinking": {"type": "disabled"}})
    messages = [{"role": "user", "content": "hi"}]
    assert vendor.bodies() == [
        {"model": "kimi-k3", "messages": messages, "max_completion_tokens": 100, "reasoning_effort": "low"},
        {"model": "kimi-k2.6", "messages": messages, "thinking": {"type": "disabled"}},
    ]


@pytest.mark.parametrize(("status", "message", "type", "kind"), KIMI_REFUSES)
@pytest.mark.parametrize("mode", ["whole", "streamed"])
def test_kimi_says_what_is_wrong(
    vendor: FakeVendor, kimi: Any, mode: str, status: int, message: str, type: str, kind: str
) -> None:
    vendor.fail(Fault(status=status, body={"error": {"message": message, "type": type}}))
    error = modes[mode](kimi("kimi-k2.6", fallback=False), "hi").error
    assert isinstance(error, ProviderError)
    assert (error.kind, error.status_code) == (kind, status)
    assert message in str(error)


def test_fireworks_answers(vendor: FakeVendor) -> None:
    vendor.fail(events(*FIREWORKS_CHUNKS), Fault(status=200, body=FIREWORKS))
    agent = Agent(f"fireworks/{LLAMA}", api_key="k", base_url=f"{vendor.url}/inference/v1", max_retries=0)
    for answer in both(agent, LLAMA):
        assert (answer.content, answer.stop_reason, answer.model) == ("Hello, it's nice.", "end_turn", LLAMA)
        usage = answer.usage
        assert (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens) == (41, 40, 26)
        assert usage.cost_usd is None  # this model is in no price table of today
    assert vendor.requests[0]["path"] == "/inference/v1/chat/completions"
    vendor.fail(Fault(status=400, body={"error": FIREWORKS_REFUSES}))
    error = agent("hi").error
    assert isinstance(error, ProviderError)
    assert (error.kind, error.status_code) == ("invalid_request", 400)
    assert "Extra inputs are not permitted" in str(error)
    agent.close()


def test_fireworks_is_priced_by_the_catalogue(vendor: FakeVendor) -> None:
    model = "accounts/fireworks/models/gpt-oss-120b"
    vendor.fail(Fault(status=200, body={**FIREWORKS, "model": model}))
    agent = Agent("fireworks", api_key="k", base_url=f"{vendor.url}/inference/v1")
    assert agent("hi").metadata.cost_usd == pytest.approx((1 * 0.15 + 40 * 0.015 + 26 * 0.6) / 1e6)
    assert vendor.bodies()[0]["model"] == model
    agent.close()
