"""Guards: what may be asked and what may be answered. They fail closed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any

from lazybridge.composed import AnyCall, Ask, Composed, Do, Steps
from lazybridge.core import structured
from lazybridge.core.content import ContentBlock, TextContent
from lazybridge.core.errors import ConfigurationError, GuardError, LazyBridgeError, StructuredOutputError, ToolLoopError
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message
from lazybridge.envelope import Envelope

Guard = Callable[[str], Any]


def checked_guards(guard: Any) -> tuple[Any, ...]:
    """The guards of `guard=`: none, one or several. Raises ConfigurationError for what is no guard."""
    several = isinstance(guard, Iterable) and not isinstance(guard, str) and not callable(guard)
    guards = () if guard is None else tuple(guard) if several else (guard,)
    for one in guards:
        if isinstance(one, type) or not (callable(one) or hasattr(one, "input") or hasattr(one, "output")):
            raise ConfigurationError(
                f"guard={one!r} is no guard\nwrite a function of a text, or an object with input(messages) or output(response)"
            )
    return guards


class GuardedCall(Composed):
    """One call between guards: each one checks, and may change, the messages before and the answer after."""

    def __init__(
        self,
        make: Callable[[CompletionRequest], AnyCall],
        request: CompletionRequest,
        guards: Sequence[Any],
        output: Any = None,
    ) -> None:
        super().__init__(request.timeout)
        self._make, self._request, self._guards, self._output = make, request, guards, output
        # A stream's answer is held back where a guard looks at it.
        self._holds_back = any(hasattr(guard, "output") or not hasattr(guard, "input") for guard in guards)

    def _steps(self) -> Steps:
        request = self._request
        for guard in self._guards:
            request = replace(request, messages=(yield from _messages(guard, request.messages)))
        envelope: Envelope[Any] = yield Ask(lambda: self._make(request), live=not self._holds_back)
        # What a guard added for this call is not said again in the next one.
        asked = request.messages if len(request.messages) == len(self._request.messages) else self._request.messages
        envelope = replace(envelope, messages=(*asked, *envelope.messages[len(request.messages) :]))
        if not self._holds_back:
            return envelope
        response = envelope.response
        if response is None or not (envelope.ok or isinstance(envelope.error, StructuredOutputError)):
            _withhold(envelope.error)
            return replace(envelope, response=None, messages=asked)
        for guard in self._guards:
            response = yield from _response(guard, response)
        if response is envelope.response:
            return envelope
        envelope = replace(envelope, messages=(*envelope.messages[:-1], response.to_message()))
        payload: Any = response.content
        if self._output is not None and not response.tool_calls:
            payload = response.parsed = structured.parse(self._output, response)
        return replace(envelope, response=response, error=None, _payload=payload)


Checked = Generator[Any, Any, Any]


def _asked(guard: Any, function: Callable[..., Any], value: Any, side: str) -> Checked:
    """What a guard says of a value: the value as it is, or another one. Raises GuardError where it blocks."""
    name = getattr(guard, "__name__", type(guard).__name__)
    try:
        said = yield Do(function, (value,))
    except GuardError:
        raise
    except Exception as exc:  # a guard that fails has let nothing pass
        raise GuardError(f"the {side} was blocked by {name}: {exc or type(exc).__name__}") from exc
    if said is False:
        raise GuardError(f"the {side} was blocked by {name}")
    return value if said is None or said is True else said


def _text(guard: Any, text: str, side: str) -> Checked:
    said = yield from _asked(guard, guard, text, side)
    if not isinstance(said, str):
        raise GuardError(f"the {side} was blocked: a guard gives None or a text, got {type(said).__name__}")
    return said


def _messages(guard: Any, messages: tuple[Message, ...]) -> Checked:
    if hasattr(guard, "input"):
        said = yield from _asked(guard, guard.input, messages, "input")
        given = list(said) if isinstance(said, (list, tuple)) else []
        if not given or not all(isinstance(message, Message) for message in given):
            raise GuardError(f"the input was blocked: input(messages) gives None or messages, got {said!r}")
        return tuple(given)
    if hasattr(guard, "output"):
        return messages
    checked = []
    for message in messages:
        blocks: list[ContentBlock] = []
        for block in message.blocks:
            text = (yield from _text(guard, block.text, "input")) if isinstance(block, TextContent) else None
            changed = isinstance(block, TextContent) and text is not None and text != block.text
            blocks.append(replace(block, text=text) if changed else block)  # type: ignore[arg-type]
        checked.append(message if tuple(blocks) == message.blocks else replace(message, content=tuple(blocks)))
    return tuple(checked)


def _response(guard: Any, response: CompletionResponse) -> Checked:
    """The answer that a guard lets pass. Of one that it changed, what may still say the old words is left out."""
    if hasattr(guard, "output"):
        said = yield from _asked(guard, guard.output, response, "output")
        if isinstance(said, str):
            return _rewritten(response, said, response.thinking)
        if not isinstance(said, CompletionResponse):
            raise GuardError("the output was blocked: output(response) gives None, a text or a CompletionResponse")
        return said
    if hasattr(guard, "input"):
        return response
    text = yield from _text(guard, response.content, "output")
    thinking = response.thinking and (yield from _text(guard, response.thinking, "output"))
    changed = (text, thinking) != (response.content, response.thinking)
    return _rewritten(response, text, thinking) if changed else response


def _rewritten(response: CompletionResponse, text: str, thinking: str) -> CompletionResponse:
    return replace(
        response, content=text, thinking=thinking, last_text=None, alternatives=(), citations=(), logprobs=(),
        parsed=None, raw=None, provider_state=None,
    )  # fmt: skip


def _withhold(error: LazyBridgeError | None) -> None:
    """Words that no guard has seen stay out of a failure."""
    if error is not None:
        error.partial_text, error.partial = "", None
    if isinstance(error, ToolLoopError):
        error.messages = ()
