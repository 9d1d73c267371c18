"""The tool loop as a generator: it yields what it wants done and is sent the result. It knows no provider."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lazybridge.core.content import Citation
from lazybridge.core.errors import ToolLoopError
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, ProviderState, ToolCall
from lazybridge.tools.results import Refused


@dataclass(frozen=True)
class Ask:
    """Send this request; the answer is a CompletionResponse. `repair`: what was answered before does not count."""

    request: CompletionRequest
    repair: bool = False


@dataclass(frozen=True)
class RunTools:
    """Run these calls; the answer is one tool message for each, in order."""

    calls: Sequence[ToolCall]


Turns = Generator[Ask | RunTools, Any, CompletionResponse]


Check = Callable[[CompletionResponse], str | None]


def turns(
    request: CompletionRequest,
    *,
    runnable: Collection[str],
    max_turns: int,
    max_tool_errors: int = 3,
    check: Check | None = None,
    max_repairs: int = 0,
) -> Turns:
    """Ask until the model answers without a call that can be run.

    `runnable` are the tools that have a function here. An answer that calls another one, or whose call was cut off at the
    token limit and would be again, is returned as it is; a tool that nobody knows goes back to the model. `check` says what
    is wrong with an answer, which is then asked for again, with those words, `max_repairs` times at most; these turns are
    beyond `max_turns`. Raises ToolLoopError, with the messages so far, where `max_turns` requests did not bring an answer, or
    where in `max_tool_errors` turns in a row no call could be run.
    """
    paused: CompletionResponse | None = None
    refusals = 0
    left_to_caller = {tool.name for tool in request.tools}.difference(runnable)
    turns_left, repairs_left, repairing = max_turns, max_repairs, False
    while turns_left > 0:
        turns_left -= 1
        response: CompletionResponse = yield Ask(request, repair=repairing)
        repairing = False
        if response.stop_reason == "pause_turn":  # the vendor wants its own turn back to go on
            paused = continued(paused, response)
            request = _obeyed(request, response.to_message())
            continue
        cut_off = response.stop_reason == "max_tokens" and any(call.error for call in response.tool_calls)
        ours = bool(runnable) and all(
            call.name not in left_to_caller and not call.native for call in response.tool_calls
        )
        if not response.tool_calls or cut_off or not ours:
            answer = continued(paused, response)
            wrong = check(answer) if check is not None and repairs_left > 0 and not answer.tool_calls else None
            if wrong is None:
                return answer
            repairs_left, turns_left, repairing, paused = repairs_left - 1, turns_left + 1, True, None
            said = (response.to_message(),) if response.content else ()  # vendors refuse an empty message
            request = request.with_messages((*request.messages, *said, Message.user(wrong)))
            continue
        results: Sequence[Message] = yield RunTools(response.tool_calls)
        request = _obeyed(request, response.to_message(), *results)
        paused = None
        refusals = refusals + 1 if all(isinstance(result, Refused) for result in results) else 0
        if refusals >= max_tool_errors:
            why = f"no call could be run in {refusals} turns in a row (max_tool_errors={max_tool_errors}); the last one"
            raise _ended(f"{why}: {results[-1].text}", request)
    raise _ended(f"no answer after max_turns={max_turns}; raise max_turns or look at error.messages", request)


def _obeyed(request: CompletionRequest, *said: Message) -> CompletionRequest:
    """The request that goes on; a forced choice was obeyed, and forcing it again would never end."""
    messages = (*request.messages, *said)
    if request.tool_choice in ("none", "auto", None):
        return request.with_messages(messages)
    return replace(request, messages=messages, tool_choice="auto")


def _ended(why: str, request: CompletionRequest) -> ToolLoopError:
    error = ToolLoopError(why)
    error.messages = request.messages
    return error


def continued(paused: CompletionResponse | None, response: CompletionResponse) -> CompletionResponse:
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
