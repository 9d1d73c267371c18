"""Several models as one: where one fails, the next is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import aclosing, closing
from typing import Any, Self

from lazybridge.core.errors import ConfigurationError, LazyBridgeError, ProviderError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionResponse, StreamChunk
from lazybridge.engine import LLMEngine
from lazybridge.envelope import Attempt, total_receipt
from lazybridge.model_stream import Asked
from lazybridge.models import Model
from lazybridge.succession import checked_kinds


class FallbackModel(Model):
    """`first.with_fallback(["gpt-6-luna", local])`: each is asked with its own patience, in this order.

    Errors whose kind is in `on` move on (`MOVES_ON` by default), others are raised; so is the last one, with the
    attempts and the cost of all; `error.causes` are those before it. A stream moves on until its first chunk.
    """

    def __init__(self, models: Iterable[Model | str], *, on: Iterable[str] | None = None) -> None:
        self.models = [model if isinstance(model, Model) else Model(model) for model in models]
        if not self.models:
            raise ConfigurationError("there is no model to fall back to\nwrite model.with_fallback(['gpt-6-luna'])")
        self.moves_on = checked_kinds(on)

    @property
    def model_id(self) -> str:
        """The id of the first."""
        return self.models[0].model_id

    def _complete(self, asked: Asked) -> CompletionResponse:
        tries = _Tries(self)
        for place, model in enumerate(self.models):
            try:
                return tries.told(model._complete(asked))
            except LazyBridgeError as error:
                tries.failed(error, place)
        raise AssertionError("the last failure is raised")

    async def _acomplete(self, asked: Asked) -> CompletionResponse:
        tries = _Tries(self)
        for place, model in enumerate(self.models):
            try:
                return tries.told(await model._acomplete(asked))
            except LazyBridgeError as error:
                tries.failed(error, place)
        raise AssertionError("the last failure is raised")

    def _stream(self, asked: Asked) -> Generator[StreamChunk, None, None]:
        tries = _Tries(self)
        for place, model in enumerate(self.models):
            try:
                with closing(model._stream(asked)) as chunks:
                    for chunk in chunks:
                        yield tries.chunk(chunk)
                return
            except LazyBridgeError as error:
                tries.failed(error, place)

    async def _astream(self, asked: Asked) -> AsyncGenerator[StreamChunk, None]:
        tries = _Tries(self)
        for place, model in enumerate(self.models):
            try:
                async with aclosing(model._astream(asked)) as chunks:
                    async for chunk in chunks:
                        yield tries.chunk(chunk)
                return
            except LazyBridgeError as error:
                tries.failed(error, place)

    def _key(self, asked: Asked) -> Any:
        return [model._key(asked) for model in self.models]

    def _patience(self, asked: Asked) -> float | None:
        each = [model._patience(asked) for model in self.models]
        return None if None in each else sum(filter(None, each))

    def _output(self, asked: Asked) -> Any:
        return self.models[0]._output(asked)

    def _providers(self) -> list[BaseProvider]:
        return [provider for model in self.models for provider in model._providers()]

    def _mapped(self, change: Callable[[LLMEngine], LLMEngine]) -> Self:
        return type(self)([model._mapped(change) for model in self.models], on=self.moves_on)

    def close(self) -> None:
        """Close the connections that synchronous calls of all models opened."""
        for model in self.models:
            model.close()

    async def aclose(self) -> None:
        """Close the connections of all models."""
        for model in self.models:
            await model.aclose()

    def __repr__(self) -> str:
        return f"FallbackModel({self.models!r})"


class _Tries:
    """What the models of one call took so far."""

    def __init__(self, model: FallbackModel) -> None:
        self._model = model
        self._attempts: tuple[Attempt, ...] = ()
        self._errors: list[LazyBridgeError] = []
        self._handed_out = False

    def told(self, response: CompletionResponse) -> CompletionResponse:
        if self._attempts:
            response.attempts = (*self._attempts, *response.attempts)
            response.receipt = total_receipt(response.attempts)
        return response

    def chunk(self, chunk: StreamChunk) -> StreamChunk:
        self._handed_out = True
        if chunk.response is not None:
            self.told(chunk.response)
        return chunk

    def failed(self, error: LazyBridgeError, place: int) -> None:
        """Remember what it took, and raise it where no other model may help."""
        self._attempts = (*self._attempts, *error.attempts)
        error.attempts, error.receipt = self._attempts, total_receipt(self._attempts)
        moves_on = isinstance(error, ProviderError) and error.kind in self._model.moves_on
        if not moves_on or self._handed_out or place == len(self._model.models) - 1:
            error.causes = tuple(self._errors)
            raise error
        self._errors.append(error)
