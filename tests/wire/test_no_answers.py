"""What is no count is not known, and what belongs together may come in another order.

The shapes are those of public issue threads: usage as null, text or a list (run-llama/llama_index#22812, BerriAI/litellm#39618);
the usual objects are checked against the SDKs' own types.
"""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message as AnthropicMessage
from google.genai.types import GenerateContentResponse
from mistralai.client.models import ChatCompletionResponse
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from lazybridge.core.types import CompletionResponse
from lazybridge.core.wire import number
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.gemini import GeminiWire
from lazybridge.core.wire.messages import MessagesWire
from lazybridge.core.wire.responses import ResponsesWire
from lazybridge.testing.faults.answers import STREAM, TEXT, WHOLE, Said
from lazybridge.testing.faults.mode import WireName

WIRES: dict[WireName, Any] = {
    "chat": ChatWire(), "mistral": ChatWire(), "responses": ResponsesWire(), "messages": MessagesWire(), "gemini": GeminiWire(),
}  # fmt: skip
TYPES: dict[WireName, Any] = {
    "chat": ChatCompletion, "mistral": ChatCompletionResponse, "responses": Response, "messages": AnthropicMessage,
    "gemini": GenerateContentResponse,
}  # fmt: skip


def folded(wire: WireName, events: list[Any]) -> CompletionResponse:
    state = WIRES[wire].accumulator()
    for event in events:
        if event != "[DONE]":
            state.feed(event)
    return state.finish()  # type: ignore[no-any-return]


@pytest.mark.parametrize("wire", WIRES)
def test_the_fault_bench_speaks_as_the_sdks_types_do(wire: WireName) -> None:
    TYPES[wire].model_validate(WHOLE[wire](Said()))
    assert WIRES[wire].from_sdk_response(WHOLE[wire](Said())).content == TEXT
    found = folded(wire, [event.data for event in STREAM[wire](Said())])
    assert (found.content, found.usage.input_tokens, found.usage.output_tokens) == (TEXT, 20, 5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, True, "7", None, [7]])
def test_what_is_no_count_is_not_known(value: Any) -> None:
    assert number({"tokens": value}, "tokens") is None
    assert number(value, "tokens") is None


@pytest.mark.parametrize(
    "usage", [None, [1, 2], "20", {"prompt_tokens": None, "input_tokens": "9", "promptTokenCount": "9"}]
)
@pytest.mark.parametrize("wire", WIRES)
def test_usage_that_cannot_be_read_is_not_known(wire: WireName, usage: Any) -> None:
    body = WHOLE[wire](Said())
    body["usageMetadata" if wire == "gemini" else "usage"] = usage
    found = WIRES[wire].from_sdk_response(body)
    assert (found.content, found.usage.input_tokens, found.usage.output_tokens) == (TEXT, None, None)


def test_a_block_whose_start_never_came_keeps_its_text() -> None:
    events = [event.data for event in STREAM["messages"](Said())]
    assert folded("messages", [event for event in events if event["type"] != "content_block_start"]).content == TEXT
