"""Agent: one line for any model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import Any, Self, Unpack

from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, NativeTool, StreamChunk, ToolDefinition
from lazybridge.engine import LLMEngine
from lazybridge.envelope import Envelope
from lazybridge.settings import Settings, Task
from lazybridge.tools import Tool


class Agent:
    """`Agent("claude-haiku-5-5")("hi").text()`.

    `model` is a model id, `vendor/model`, a provider's name or alias (its default model), or a provider you built.
    Without one, the first vendor whose key is set answers, else the local model; stderr says which and why.
    `output` is the type of the payload. Every setting of `Settings`, and every option of `LLMEngine`, is a keyword.
    Raises ConfigurationError for a missing key or package, an unknown model, or a misspelt tier or option.
    """

    def __init__(
        self,
        model: str | BaseProvider | None = None,
        *,
        engine: LLMEngine | None = None,
        provider: str | type[BaseProvider] | BaseProvider | None = None,
        tier: str | None = None,
        tools: Iterable[Tool | ToolDefinition | Callable[..., Any]] = (),
        native_tools: Iterable[NativeTool] = (),
        output: Any = None,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        max_retries: int = 2,
        max_turns: int = 10,
        fallback: bool = True,
        **settings: Any,
    ) -> None:
        self.engine = engine or LLMEngine(
            model,
            provider=provider,
            tier=tier,
            tools=tools,
            native_tools=native_tools,
            output=output,
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            max_turns=max_turns,
            fallback=fallback,
            **settings,
        )

    @classmethod
    def from_provider(cls, name: str, *, tier: str | None = None, model: str | None = None, **options: Any) -> Self:
        """An agent of one vendor: its `tier` ("top", "expensive", "medium", "cheap", "super_cheap"), a model id, or its
        default model."""
        return cls(model, provider=name, tier=tier, **options)

    def __call__(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> Envelope[Any]:
        """Ask and wait for the answer; also inside a running event loop. `attachments` are paths, URLs, bytes or blocks.

        A failed call returns an envelope whose `ok` is False; only bad arguments and ConfigurationError raise.
        """
        return self.engine.run(self.engine.request(task, attachments, **settings))

    async def run(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> Envelope[Any]:
        """Ask without blocking the event loop."""
        return await self.engine.arun(self.engine.request(task, attachments, **settings))

    def stream(self, task: Task, *, attachments: Iterable[Any] = (), **settings: Unpack[Settings]) -> AgentStream:
        """The answer in pieces: `for chunk in agent.stream(...)` or `async for chunk in agent.stream(...)`."""
        return AgentStream(self.engine, self.engine.request(task, attachments, **settings))

    def close(self) -> None:
        """Close the connections that synchronous calls opened."""
        _close = getattr(self.engine.provider, "close", None)
        if _close is not None:
            _close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, and the synchronous ones."""
        _aclose = getattr(self.engine.provider, "aclose", None)
        if _aclose is not None:
            await _aclose()

    def __repr__(self) -> str:
        provider = self.engine.provider
        return f"Agent({self.engine.model or provider.model or provider.default_model!r}, provider={type(provider).__name__})"


class AgentStream:
    """Iterate once, either way; `envelope` is there when it has ended, also where it was closed early or failed."""

    def __init__(self, engine: LLMEngine, request: CompletionRequest) -> None:
        self._engine = engine
        self._request = request
        self._chunks: Generator[StreamChunk, None, None] | None = None
        self._achunks: AsyncGenerator[StreamChunk, None] | None = None
        self.envelope: Envelope[Any] | None = None

    def _finished(self, envelope: Envelope[Any]) -> None:
        self.envelope = envelope

    def __iter__(self) -> Iterator[StreamChunk]:
        self._once()
        self._chunks = self._engine.stream(self._request, self._finished)
        return self._chunks

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        self._once()
        self._achunks = self._engine.astream(self._request, self._finished)
        return self._achunks

    def _once(self) -> None:
        if self._chunks is not None or self._achunks is not None:
            raise RuntimeError("this stream was iterated already; call agent.stream(...) again for a new one")

    def close(self) -> None:
        """Stop early and free the connection."""
        if self._chunks is not None:
            self._chunks.close()

    async def aclose(self) -> None:
        """Stop early and free the connection."""
        if self._achunks is not None:
            await self._achunks.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
