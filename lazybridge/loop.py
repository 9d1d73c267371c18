"""The tool loop as a generator: it yields what it wants done and is sent the result. It knows no provider."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lazybridge.core.errors import ToolLoopError
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, ToolCall


@dataclass(frozen=True)
class Ask:
    """Send this request; the answer is a CompletionResponse."""

    request: CompletionRequest


@dataclass(frozen=True)
class RunTools:
    """Run these calls; the answer is one tool message for each, in order."""

    calls: Sequence[ToolCall]


Turns = Generator[Ask | RunTools, Any, CompletionResponse]


def turns(request: CompletionRequest, *, runnable: bool, max_turns: int) -> Turns:
    """Ask until the model answers without calling a tool.

    With `runnable` False the calls are left to the caller. Raises ToolLoopError, with the messages so far, where
    `max_turns` requests did not bring an answer.
    """
    for _ in range(max_turns):
        response: CompletionResponse = yield Ask(request)
        if response.stop_reason == "pause_turn":  # the vendor wants its own turn back to go on
            request = replace(request, messages=(*request.messages, response.to_message()))
            continue
        if not response.tool_calls or not runnable:
            return response
        results: Sequence[Message] = yield RunTools(response.tool_calls)
        request = replace(
            request,
            messages=(*request.messages, response.to_message(), *results),
            # A forced choice was obeyed; forcing it again would never end.
            tool_choice=None if request.tool_choice in (None, "auto") else "auto",
        )
    error = ToolLoopError(f"no answer after max_turns={max_turns}; raise max_turns or look at error.messages")
    error.messages = request.messages
    raise error
