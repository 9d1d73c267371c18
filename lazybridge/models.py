"""Model: one model under a name, asked asynchronously first; it raises where an Agent returns an envelope."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import aclosing, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, Unpack

from lazybridge.composed import AnyCall
from lazybridge.core import structured
from lazybridge.core.closing import Closing
from lazybridge.core.errors import ConfigurationError, UnsupportedFeatureError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.retry import RetryPolicy, checked_count
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk
from lazybridge.engine import LLMEngine
from lazybridge.envelope import Envelope
from lazybridge.estimate import payload
from lazybridge.factories import Factories
from lazybridge.model_stream import Asked, ModelStream, OnChunk, hand_over
from lazybridge.options import ProviderOptions, conceal
from lazybridge.settings import Options, Settings, Task

if TYPE_CHECKING:
    from lazybridge.cached import CachedModel
    from lazybridge.fallback import FallbackModel

T = TypeVar("T")
# What a provider may have that decides who answers, beside the request; `options` are a local model's.
_ADDRESSES = (
    "base_url", "api", "endpoint", "api_version", "region", "profile", "vertexai", "project", "location", "options",
)  # fmt: skip


class Model(Factories, Closing):
    """`await Model("claude-haiku-5-5").complete("hi")`, `async for chunk in model.stream("hi")`.

    `model` is what an Agent takes: a model id, `vendor/model`, a provider's name, or a provider you built. `options` are
    those of a vendor (`ProviderOptions`); every setting and option of an Agent is a keyword. The factories
    `Model.openai(...)`, `Model.anthropic(...)` and so on return the vendor's own handle, which is a Model, too.
    Raises ConfigurationError for a missing key or package, an unknown model, or a misspelt option.
    """

    provider_name: ClassVar[str | None] = None

    def __init__(
        self,
        model: str | BaseProvider | None = None,
        *,
        options: ProviderOptions | None = None,
        **settings: Unpack[Options],
    ) -> None:
        if options is not None and not isinstance(options, ProviderOptions):
            kind, options = type(options).__name__, None  # it may hold a key
            raise ConfigurationError(f"options= got a {kind}\nwrite options=ProviderOptions(api_key=...)")
        conceal(settings)
        given: dict[str, Any] = {**(options.keywords() if options is not None else {}), **settings}
        if self.provider_name is not None:
            given.setdefault("provider", self.provider_name)
        self.engine = LLMEngine(model or (options.model if options is not None else None), **given)

    @classmethod
    def _of_engine(cls, engine: LLMEngine) -> Self:
        """A model on an engine that is there already, such as an Agent's: its tools, budget and settings are kept."""
        made = cls.__new__(cls)
        made.engine = engine
        return made

    # --- asking -----------------------------------------------------------------------------------------------------

    async def complete(self, task: Task | CompletionRequest, **settings: Unpack[Settings]) -> CompletionResponse:
        """The answer to a prompt, messages, dicts or a whole request. Raises LazyBridgeError, with `.attempts` and
        `.receipt`, for a failed call; the response has those of a good one."""
        return await self._acomplete(Asked(task, settings))

    def complete_sync(self, task: Task | CompletionRequest, **settings: Unpack[Settings]) -> CompletionResponse:
        """`complete`, for code without an event loop; also inside a running one, which it blocks."""
        return self._complete(Asked(task, settings))

    def stream(
        self, task: Task | CompletionRequest, on_chunk: OnChunk | None = None, **settings: Unpack[Settings]
    ) -> ModelStream:
        """The answer in pieces: `async for chunk in model.stream(...)`, or `for chunk in ...`.

        `await model.stream(task, on_chunk)` hands every chunk to a function, plain or asynchronous, and returns the
        whole answer.
        """
        return ModelStream(self, Asked(task, settings), on_chunk)

    def stream_sync(
        self, task: Task | CompletionRequest, on_chunk: Callable[[StreamChunk], None], **settings: Unpack[Settings]
    ) -> CompletionResponse:
        """Hand every chunk to a function and return the whole answer, without an event loop."""
        return hand_over(self, Asked(task, settings), on_chunk)

    async def extract(self, output: type[T], task: Task | CompletionRequest, **settings: Unpack[Settings]) -> T:
        """The answer as an object of a type: a pydantic model, a dataclass, `list[int]`.

        Raises StructuredOutputError, which holds the text, where the answer does not fit.
        """
        response = await self._acomplete(Asked(task, settings, output))
        result: T = response.parsed
        return result

    def extract_sync(self, output: type[T], task: Task | CompletionRequest, **settings: Unpack[Settings]) -> T:
        """`extract`, for code without an event loop."""
        result: T = self._complete(Asked(task, settings, output)).parsed
        return result

    # --- composing --------------------------------------------------------------------------------------------------

    def with_retry(self, max_retries: int = 2, *, base_s: float = 0.5, cap_s: float = 8.0) -> Self:
        """The same model with another patience: waits grow from `base_s` to at most `cap_s` seconds, with jitter."""
        policy = RetryPolicy(checked_count("max_retries", max_retries), base_s, cap_s)
        return self._mapped(lambda engine: _with_policy(engine, policy))

    def with_fallback(self, others: Iterable[Model | str], *, on: Iterable[str] | None = None) -> FallbackModel:
        """This model, and where it fails the next; `on` are the error kinds that move on (`fallback.MOVES_ON`)."""
        from lazybridge.fallback import FallbackModel

        return FallbackModel([self, *others], on=on)

    def with_cache(
        self, *, ttl_s: float | None = None, max_entries: int = 1000, path: str | None = None
    ) -> CachedModel:
        """This model, and for a question that was answered before the same answer, at no cost: in memory, or with
        `path` in a SQLite file. Errors are never kept."""
        from lazybridge.cached import CachedModel

        return CachedModel(self, ttl_s=ttl_s, max_entries=max_entries, path=path)

    # --- what a composed model does in its own way --------------------------------------------------------------------

    def _complete(self, asked: Asked) -> CompletionResponse:
        return _answer(self._call(asked).whole())

    async def _acomplete(self, asked: Asked) -> CompletionResponse:
        return _answer(await self._call(asked).awhole())

    def _stream(self, asked: Asked) -> Generator[StreamChunk, None, None]:
        call = self._call(asked)
        with closing(call.stream()) as chunks:
            for chunk in chunks:
                yield _told(chunk, call)

    async def _astream(self, asked: Asked) -> AsyncGenerator[StreamChunk, None]:
        call = self._call(asked)
        async with aclosing(call.astream()) as chunks:
            async for chunk in chunks:
                yield _told(chunk, call)

    def _providers(self) -> list[BaseProvider]:
        """Who may be asked."""
        return [self.engine.provider]

    def _mapped(self, change: Callable[[LLMEngine], LLMEngine]) -> Self:
        """A copy whose engines are changed; the providers, and their connections, are shared."""
        made = copy.copy(self)
        made.engine = change(self.engine)
        return made

    def _request(self, asked: Asked) -> CompletionRequest:
        settings = dict(asked.settings)
        attachments = settings.pop("attachments", ())
        if isinstance(asked.task, CompletionRequest):
            request = self.engine.filled(asked.task, attachments, **settings)
        else:
            request = self.engine.request(asked.task, attachments, **settings)
        if asked.output is not None:
            request = replace(request, output_schema=structured.output_schema(asked.output))
        return request

    def _key(self, asked: Asked) -> Any:
        """All that decides an answer."""
        request, provider = self._request(asked), self.engine.provider
        request, _ = self.engine.on_a_rung(replace(request, timeout=None))
        try:
            sent: Any = payload(provider, request)
        except UnsupportedFeatureError:  # a class that does not show what it sends
            sent = [provider._resolve_model(request), request]
        where = [provider.registered_name(), *(getattr(provider, name, None) for name in _ADDRESSES)]
        where += [str(source) for source in self.engine.sorted.sources]  # whose tools are listed later
        return [where, sent, request.extra_headers, str(self._output(asked))]

    def _patience(self, asked: Asked) -> float | None:
        """How many seconds the whole call may take."""
        return self._request(asked).timeout

    def _output(self, asked: Asked) -> Any:
        """The type that an answer is parsed into; None for a text."""
        return self.engine.output if asked.output is None else asked.output

    def _call(self, asked: Asked) -> AnyCall:
        return self.engine.call(self._request(asked), asked.output)

    # --- lifecycle --------------------------------------------------------------------------------------------------

    @property
    def model_id(self) -> str:
        """The id that is asked, unless a call names another one."""
        provider = self.engine.provider
        return provider.resolve_tier(self.engine.model or provider.model or provider.default_model)

    def close(self) -> None:
        """Close the connections that synchronous calls opened."""
        self.engine.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, and the synchronous ones."""
        await self.engine.aclose()

    def __repr__(self) -> str:
        built = bool(vars(self))  # a failed construction is shown, too
        return f"{type(self).__name__}({self.model_id!r})" if built else f"{type(self).__name__}()"


def _answer(envelope: Envelope[Any]) -> CompletionResponse:
    """The response, with what all its attempts took."""
    if envelope.error is not None:
        raise envelope.error
    assert envelope.response is not None
    envelope.response.attempts = envelope.metadata.attempts
    envelope.response.receipt = envelope.metadata.receipt
    return envelope.response


def _told(chunk: StreamChunk, call: AnyCall) -> StreamChunk:
    if chunk.is_final and chunk.response is not None:
        metadata = call.envelope().metadata
        chunk.response.attempts, chunk.response.receipt = metadata.attempts, metadata.receipt
    return chunk


def _with_policy(engine: LLMEngine, retries: RetryPolicy) -> LLMEngine:
    made = copy.copy(engine)
    made.policy = replace(engine.policy, retries=retries)
    return made
