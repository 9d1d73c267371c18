"""The tool loop as a generator: it yields what it wants done and is sent the result. It knows no provider."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lazybridge.core.content import Citation
from lazybridge.core.errors import ToolLoopError
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, ProviderState, ToolCall


@dataclass(frozen=True)
class Ask:
    """Send this request; the answer is a CompletionResponse."""

    request: CompletionRequest


@dataclass(frozen=True)
class RunTools:
    """Run these calls; the answer is one tool message for each, in order."""

    calls: Sequence[ToolCall]


Turns = Generator[Ask | RunTools, Any, CompletionResponse]


def turns(request: CompletionRequest, *, runnable: Collection[str], max_turns: int) -> Turns:
    """Ask until the model answers without a call that can be run.

    `runnable` are the tools that have a function here. An answer that calls another one, or whose call was cut off at the
    token limit and would be again, is returned as it is; a tool that nobody knows goes back to the model. Raises ToolLoopError, with the messages so far, where
    `max_turns` requests did not bring an answer.
    """
    paused: CompletionResponse | None = None
    left_to_caller = {tool.name for tool in request.tools}.difference(runnable)
    for _ in range(max_turns):
        response: CompletionResponse = yield Ask(request)
        if response.stop_reason == "pause_turn":  # the vendor wants its own turn back to go on
            paused = _continued(paused, response)
            request = replace(request, messages=(*request.messages, response.to_message()))
            continue
        cut_off = response.stop_reason == "max_tokens" and any(call.error for call in response.tool_calls)
        ours = bool(runnable) and all(
            call.name not in left_to_caller and not call.native for call in response.tool_calls
        )
        if not response.tool_calls or cut_off or not ours:
            return _continued(paused, response)
        results: Sequence[Message] = yield RunTools(response.tool_calls)
        request = replace(
            request,
            messages=(*request.messages, response.to_message(), *results),
            # A forced choice was obeyed; forcing it again would never end.
            tool_choice=None if request.tool_choice in (None, "auto") else "auto",
        )
        paused = None
    error = ToolLoopError(f"no answer after max_turns={max_turns}; raise max_turns or look at error.messages")
    error.messages = request.messages
    raise error


def _continued(paused: CompletionResponse | None, response: CompletionResponse) -> CompletionResponse:
    """A paused answer and what continues it, as the one answer they are."""
    if paused is None:
        return response
    content, calls = paused.content + response.content, [*paused.tool_calls, *response.tool_calls]
    state, before = response.provider_state, paused.provider_state
    if state is not None and before is not None:
        state = ProviderState(state.vendor, state.wire, (*before.items, *state.items), (content, tuple(calls)))
    return replace(
        response,
        content=content,
        thinking=paused.thinking + response.thinking,
        tool_calls=calls,
        last_text=response.last_text or response.content,
        citations=paused.citations + tuple(_moved(citation, len(paused.content)) for citation in response.citations),
        search_queries=tuple(dict.fromkeys(paused.search_queries + response.search_queries)),
        media=paused.media + response.media,
        logprobs=paused.logprobs + response.logprobs,
        provider_state=state,
    )


def _moved(citation: Citation, by: int) -> Citation:
    if citation.start is None or citation.end is None:
        return citation
    return replace(citation, start=citation.start + by, end=citation.end + by)
