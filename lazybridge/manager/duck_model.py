"""Anything with `complete`, asked as a Model is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import ExitStack
from typing import Any

from lazybridge.agent import Agent
from lazybridge.awaiting import Loop, acall, call
from lazybridge.core.closing import AsyncClosed, closed
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionResponse, StreamChunk
from lazybridge.engine import LLMEngine
from lazybridge.model_stream import Asked
from lazybridge.models import Model

_NONE_LEFT = object()


def model_of(thing: Any) -> Model:
    """The Model that asks what a user registered. Raises ConfigurationError for what cannot be asked."""
    if isinstance(thing, Model):
        return thing
    if isinstance(thing, (str, BaseProvider)):
        return Model(thing)
    if isinstance(thing, Agent):
        if thing._guards or thing._verification or not isinstance(thing.engine, LLMEngine):
            raise ConfigurationError(
                f"{thing!r} has a guard, a judge or an engine of its own, which a Model has not\n"
                "register an object whose complete(task) asks it"
            )
        return Model._of_engine(thing.engine)
    if isinstance(thing, type):
        raise ConfigurationError(f"{thing.__name__} is a class\nwrite {thing.__name__}(...)")
    if callable(getattr(thing, "complete", None)):
        return DuckModel(thing)
    raise ConfigurationError(
        f"{thing!r} cannot be asked\nregister a Model, a provider, an Agent, a model id, or an object with complete(task)"
    )


class DuckModel(Model):
    """An object with `complete(task, **settings)`, and perhaps `stream`, plain or asynchronous.

    It answers with a CompletionResponse, a text, or what its users understand; in a stream with chunks or texts. One
    without `stream` is streamed in one piece.
    """

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    @property
    def model_id(self) -> str:
        """What it calls itself, or its class."""
        return str(getattr(self.thing, "model_id", type(self.thing).__name__))

    def _providers(self) -> list[BaseProvider]:
        return []

    def _patience(self, asked: Asked) -> float | None:
        return None  # of its own it says nothing

    def _complete(self, asked: Asked) -> CompletionResponse:
        return _response(call(self.thing.complete, asked.task, **asked.settings))

    async def _acomplete(self, asked: Asked) -> CompletionResponse:
        return _response(await acall(self.thing.complete, asked.task, **asked.settings))

    def _stream(self, asked: Asked) -> Generator[StreamChunk, None, None]:
        if not hasattr(self.thing, "stream"):
            yield from _in_one_piece(self._complete(asked))
            return
        answer = _Answer()
        with ExitStack() as stack:
            chunks = call(self.thing.stream, asked.task, **asked.settings)
            if not hasattr(chunks, "__iter__"):
                loop = stack.enter_context(Loop())
                for piece in _driven(chunks, loop):
                    yield answer.chunk(piece)
            else:
                for piece in stack.enter_context(closed(chunks)):
                    yield answer.chunk(piece)
        yield from answer.rest()

    async def _astream(self, asked: Asked) -> AsyncGenerator[StreamChunk, None]:
        if not hasattr(self.thing, "stream"):
            for chunk in _in_one_piece(await self._acomplete(asked)):
                yield chunk
            return
        answer = _Answer()
        chunks = await acall(self.thing.stream, asked.task, **asked.settings)
        if hasattr(chunks, "__aiter__"):
            async with AsyncClosed(chunks):
                async for piece in chunks:
                    yield answer.chunk(piece)
        else:
            with closed(chunks):
                pieces = iter(chunks)
                while (piece := await acall(next, pieces, _NONE_LEFT)) is not _NONE_LEFT:
                    yield answer.chunk(piece)
        for chunk in answer.rest():
            yield chunk

    def close(self) -> None:
        """It is its maker's to close."""

    async def aclose(self) -> None:
        """It is its maker's to close."""

    def __repr__(self) -> str:
        return f"DuckModel({self.thing!r})"


class _Answer:
    """What a stream adds up to: its last chunk comes from here where it has none of its own."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._ended = False

    def chunk(self, piece: Any) -> StreamChunk:
        chunk = StreamChunk(piece) if isinstance(piece, str) else piece
        if not isinstance(chunk, StreamChunk):
            raise TypeError(f"a stream has StreamChunks or texts, got {type(piece).__name__}: {piece!r}")
        self._text.append(chunk.delta)
        self._ended = self._ended or chunk.is_final
        if chunk.is_final and chunk.response is None:
            chunk.response = CompletionResponse("".join(self._text), stop_reason=chunk.stop_reason, model=chunk.model)
        return chunk

    def rest(self) -> Iterator[StreamChunk]:
        if not self._ended:
            yield CompletionResponse("".join(self._text)).final_chunk()


def _response(answer: Any) -> CompletionResponse:
    """What it answered; a text becomes a response, and what is neither is left as it is."""
    return CompletionResponse(answer) if isinstance(answer, str) else answer


def _in_one_piece(answer: CompletionResponse) -> Iterator[StreamChunk]:
    if not isinstance(answer, CompletionResponse):
        raise TypeError(f"only a CompletionResponse or a text can be streamed, got {type(answer).__name__}: {answer!r}")
    yield StreamChunk(answer.content, answer.thinking, model=answer.model, media=answer.media)
    yield answer.final_chunk()


def _driven(chunks: AsyncIterator[Any], loop: Loop) -> Iterator[Any]:
    """An asynchronous stream in synchronous code."""
    pieces = aiter(chunks)

    async def following() -> Any:
        return await anext(pieces, _NONE_LEFT)

    async def ended() -> None:
        async with AsyncClosed(chunks):
            pass

    try:
        while (piece := loop.run(following())) is not _NONE_LEFT:
            yield piece
    finally:
        loop.run(ended())
