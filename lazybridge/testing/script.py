"""What a script may say, and what comes of it: answers, chunks, errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any

from lazybridge.core import tokens
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk, ToolCall, UsageStats

_PIECES = re.compile(r"\s*\S+\s*")


class ScriptError(ConfigurationError, AssertionError):
    """The script is over, has answers left, or says something that is no answer."""


@dataclass(frozen=True)
class Stream:
    """An answer in these pieces: texts, `StreamChunk`s and `ToolCall`s, and the seconds to wait before each.

    `error` is raised after the last piece, in place of the end; asked for a whole answer, it is raised at once.
    """

    pieces: Iterable[str | StreamChunk | ToolCall]
    error: BaseException | type[BaseException] | None = None
    pause: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.pieces, str):
            raise ScriptError(f"the pieces of a Stream are a list\nwrite Stream([{self.pieces!r}])")
        object.__setattr__(self, "pieces", tuple(self.pieces))


@dataclass(frozen=True)
class Later:
    """`answer`, after so many seconds; a request with less `timeout` runs into it."""

    seconds: float
    answer: Any


@dataclass(frozen=True)
class Turn:
    """What one call gets: waits, chunks (all but the final one), and the whole answer or an error."""

    delay: float
    pause: float
    chunks: tuple[StreamChunk, ...]
    response: CompletionResponse | None
    error: BaseException | None


def turn(said: Any, request: CompletionRequest, model: str, usage: UsageStats | None) -> Turn:
    """What a line of the script comes to. Raises ScriptError for what is no answer."""
    delay = 0.0
    while isinstance(said, Later):
        delay, said = delay + said.seconds, said.answer
    if isinstance(said, type) and issubclass(said, BaseException):
        said = said()
    if isinstance(said, BaseException):
        return Turn(delay, 0.0, (), None, said)
    if isinstance(said, Stream):
        return _streamed(said, request, model, usage, delay)
    response = _filled(_response(said), request, model, usage)
    return Turn(delay, 0.0, tuple(_chunks(response)), response, None)


def _response(said: Any) -> CompletionResponse:
    if isinstance(said, CompletionResponse):
        return replace(said, usage=replace(said.usage), tool_calls=[*said.tool_calls])
    if isinstance(said, str):
        return CompletionResponse(said)
    if isinstance(said, ToolCall):
        return CompletionResponse(tool_calls=[said])
    if isinstance(said, (list, tuple)) and said and all(isinstance(item, ToolCall) for item in said):
        return CompletionResponse(tool_calls=list(said))
    if hasattr(said, "model_dump_json"):
        return CompletionResponse(said.model_dump_json())
    if is_dataclass(said) and not isinstance(said, (type, StreamChunk)):
        return CompletionResponse(json.dumps(asdict(said)))
    if isinstance(said, Mapping):
        return CompletionResponse(json.dumps(dict(said), ensure_ascii=False))
    raise ScriptError(
        f"{said!r} is no answer\nan answer is a text, a CompletionResponse, ToolCalls, a dict or object for structured "
        "output, an exception, a Stream, Later(seconds, answer), or a function of the request"
    )


def _filled(
    response: CompletionResponse, request: CompletionRequest, model: str, usage: UsageStats | None
) -> CompletionResponse:
    """The answer with what it does not say itself: its model, why it stopped, and what it used."""
    response.model = response.model or model
    if response.stop_reason is None:
        response.stop_reason = "tool_use" if response.tool_calls else "end_turn"
    own = response.usage
    if own.input_tokens is None and own.output_tokens is None:
        counted = replace(usage) if usage is not None else UsageStats()
        if counted.input_tokens is None:
            counted.input_tokens = tokens.at_least(
                " ".join([request.system or "", *(m.text for m in request.messages)])
            )
        if counted.output_tokens is None:
            wrote = [response.content, response.thinking, *(str(dict(call.arguments)) for call in response.tool_calls)]
            counted.output_tokens = tokens.at_least(" ".join(wrote))
        if own.cost_usd is not None:
            counted.cost_usd = own.cost_usd
        response.usage = counted
    return response


def _chunks(response: CompletionResponse) -> Iterable[StreamChunk]:
    """The answer word by word, its thinking first."""
    for piece in _PIECES.findall(response.thinking) or [response.thinking] * bool(response.thinking):
        yield StreamChunk(thinking_delta=piece, model=response.model)
    for piece in _PIECES.findall(response.content) or [response.content] * bool(response.content):
        yield StreamChunk(delta=piece, model=response.model)
    if response.media:
        yield StreamChunk(media=response.media, model=response.model)


def _streamed(stream: Stream, request: CompletionRequest, model: str, usage: UsageStats | None, delay: float) -> Turn:
    whole, chunks = CompletionResponse(), []
    for piece in stream.pieces:
        if isinstance(piece, ToolCall):
            whole.tool_calls.append(piece)
            continue
        if not isinstance(piece, (str, StreamChunk)):
            raise ScriptError(f"{piece!r} is no piece of a Stream\na piece is a text, a StreamChunk or a ToolCall")
        chunk = StreamChunk(piece) if isinstance(piece, str) else piece
        whole.content += chunk.delta
        whole.thinking += chunk.thinking_delta
        whole.tool_calls += chunk.tool_calls
        whole.media += chunk.media
        whole.stop_reason = chunk.stop_reason or whole.stop_reason
        whole.usage = replace(chunk.usage) if chunk.usage is not None else whole.usage
        whole.model = chunk.model or whole.model
        shown = replace(chunk, tool_calls=[], stop_reason=None, usage=None, is_final=False, model=chunk.model or model)
        if chunk.is_final and chunk.response is not None:
            whole = _response(chunk.response)
        if shown.delta or shown.thinking_delta or shown.media or shown.preview:
            chunks.append(replace(shown, response=None))
    if stream.error is not None:
        error = stream.error() if isinstance(stream.error, type) else stream.error
        return Turn(delay, stream.pause, tuple(chunks), None, error)
    return Turn(delay, stream.pause, tuple(chunks), _filled(whole, request, model, usage), None)
