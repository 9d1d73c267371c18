"""LLMEngine: which provider, with which settings, for how long."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple, Unpack

from lazybridge import drivers
from lazybridge.core import catalogue, registry, structured
from lazybridge.core.errors import ConfigurationError, LazyBridgeError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.registry import Route, Rule
from lazybridge.core.retry import RetryPolicy
from lazybridge.core.types import (
    TIERS,
    CompletionRequest,
    CompletionResponse,
    NativeTool,
    StreamChunk,
    ToolDefinition,
)
from lazybridge.envelope import Envelope, EnvelopeMetadata, total_usage
from lazybridge.loop import Turns, turns
from lazybridge.run import Run
from lazybridge.settings import SETTING_NAMES, Settings, Task, messages_of, near, refuse_misspelt
from lazybridge.tools import Tool, Toolbox

# `Agent()` takes the first vendor of this order whose key is in the environment, else the local model.
DEFAULT_ORDER: tuple[tuple[str, str], ...] = (("anthropic", "ANTHROPIC_API_KEY"), ("openai", "OPENAI_API_KEY"))


class LLMEngine:
    """Asks one model, runs tools, retries and keeps the time.

    `timeout` is in seconds for the whole call, over all attempts, waits and tool turns. `max_retries` more attempts
    follow a failed one. `fallback=False` keeps a model that is gone or overloaded from being replaced by the
    provider's next one. Keywords that are no setting go to the provider's class (`api="chat"`).
    Raises ConfigurationError for a missing key or package, an unknown model, or a misspelt tier or option.
    """

    _PROVIDER_ALIASES: ClassVar[dict[str, str]] = dict(registry.BUILT_IN_ALIASES)
    _PROVIDER_RULES: ClassVar[list[Rule]] = list(registry.BUILT_IN_RULES)
    _PROVIDER_DEFAULT: ClassVar[str | None] = None

    def __init__(
        self,
        model: str | BaseProvider | None = None,
        *,
        provider: str | type[BaseProvider] | BaseProvider | None = None,
        tier: str | None = None,
        tools: Iterable[Tool | ToolDefinition | Callable[..., Any]] = (),
        native_tools: Iterable[NativeTool] = (),
        output: Any = None,
        api_key: str | None = None,
        base_url: str | None = None,
        strict_native_tools: bool | None = None,
        timeout: float | None = None,
        max_retries: int = 2,
        max_turns: int = 10,
        fallback: bool = True,
        **settings: Any,
    ) -> None:
        if isinstance(model, BaseProvider):
            model, provider = None, model
        if tier is not None and tier not in TIERS:
            raise ConfigurationError(f"no tier is called {tier!r}{near(tier, TIERS)}\ntiers: {', '.join(TIERS)}")
        if model is not None and tier is not None:
            raise ConfigurationError(f"got both the model {model!r} and the tier {tier!r}\nname one of them")
        if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
            raise ConfigurationError(
                f"timeout={timeout!r} is no time\ntimeout is in seconds, above 0; None is no limit"
            )
        for name, count in (("max_retries", max_retries), ("max_turns", max_turns)):
            if not isinstance(count, int) or count < 0:
                raise ConfigurationError(f"{name}={count!r} is no count\n{name} is a whole number, such as 2")
        options = {name: settings.pop(name) for name in list(settings) if name not in SETTING_NAMES}
        for name in options:
            refuse_misspelt(name)
        if api_key is not None:
            options["api_key"] = api_key
        if base_url is not None:
            options["base_url"] = base_url
        if strict_native_tools is not None:
            options["strict_native_tools"] = strict_native_tools
        self.provider, self.model = self._resolve(model, provider, tier, options)
        self.settings: dict[str, Any] = settings
        self.tools = Toolbox(tools)
        self.native_tools = tuple(NativeTool(tool) for tool in native_tools)
        self.output = output
        self.timeout = timeout
        self.retries = RetryPolicy(max_retries)
        self.max_turns = max_turns
        self.fallback = fallback

    # --- routing ----------------------------------------------------------------------------------------------------

    @classmethod
    def register_provider_alias(cls, alias: str, provider: str) -> None:
        """Send the exact model string `alias` (case does not count) to a provider."""
        cls._PROVIDER_ALIASES[alias.lower()] = provider

    @classmethod
    def register_provider_rule(
        cls, pattern: str, provider: str, *, kind: Literal["contains", "startswith"] = "contains"
    ) -> None:
        """Send every model id that contains, or starts with, `pattern` to a provider; the newest rule is asked first."""
        if kind not in ("contains", "startswith"):
            raise ConfigurationError(f'no rule kind is called {kind!r}\nwrite kind="contains" or kind="startswith"')
        cls._PROVIDER_RULES.insert(0, (kind, pattern, provider))

    @classmethod
    def route(cls, model: str) -> Route:
        """Where a model string goes, and why. Raises UnknownModelError where no rule knows it."""
        known = [id for vendor in ("anthropic", "openai") for id in catalogue.rows(vendor)] + list(
            cls._PROVIDER_ALIASES
        )
        return registry.route(model, cls._PROVIDER_ALIASES, cls._PROVIDER_RULES, cls._PROVIDER_DEFAULT, known)

    def _resolve(
        self,
        model: str | None,
        provider: str | type[BaseProvider] | BaseProvider | None,
        tier: str | None,
        options: dict[str, Any],
    ) -> tuple[BaseProvider, str | None]:
        if isinstance(provider, BaseProvider):
            if options:
                raise ConfigurationError(
                    f"{', '.join(options)} cannot be given beside a provider that is built already\n"
                    f"pass it to {type(provider).__name__}(...)"
                )
            wanted = tier or model
            return provider, provider.resolve_tier(wanted) if wanted else None
        if isinstance(provider, str):
            provider = registry.provider_class(self._PROVIDER_ALIASES.get(provider.lower(), provider))
        if provider is None and model is None:
            choice = default_provider()
            print(f"lazybridge: {choice.why}", file=sys.stderr)
            provider = registry.provider_class(choice.name)
        if provider is None:
            assert model is not None
            found = self.route(model)
            provider, model = registry.provider_class(found.provider), found.model
        elif model is not None:
            model = _without_prefix(model, provider)
        wanted = tier or model
        return provider(**options), provider.resolve_tier(wanted) if wanted else None

    # --- one call ---------------------------------------------------------------------------------------------------

    def request(self, task: Task, attachments: Iterable[Any] = (), **overrides: Unpack[Settings]) -> CompletionRequest:
        """The neutral request for a task: a prompt, a message, or a conversation as messages or dicts."""
        for name in overrides:
            if name not in SETTING_NAMES:
                refuse_misspelt(name)
                raise TypeError(f"no setting is called {name!r}; settings: {', '.join(sorted(SETTING_NAMES))}")
        return CompletionRequest(
            messages=messages_of(task, attachments),
            model=self.model,
            tools=self.tools.definitions,
            native_tools=self.native_tools,
            output_schema=None if self.output is None else structured.output_schema(self.output),
            **{**self.settings, **overrides},
        )

    def run(self, request: CompletionRequest) -> Envelope[Any]:
        """The whole answer."""
        call = _Call(self, request)
        try:
            call.response = drivers.drive(call.run, call.turns, self.tools)
        except ConfigurationError:
            raise
        except LazyBridgeError as error:
            call.fail(error)
        return call.envelope()

    async def arun(self, request: CompletionRequest) -> Envelope[Any]:
        """The whole answer, on the running event loop."""
        call = _Call(self, request)
        try:
            call.response = await drivers.adrive(call.run, call.turns, self.tools)
        except ConfigurationError:
            raise
        except LazyBridgeError as error:
            call.fail(error)
        return call.envelope()

    def stream(
        self, request: CompletionRequest, finished: Callable[[Envelope[Any]], None]
    ) -> Generator[StreamChunk, None, None]:
        """The chunks; `finished` is told of the envelope, also where the stream was closed early or failed."""
        call = _Call(self, request)
        try:
            for chunk in drivers.drive_stream(call.run, call.turns, self.tools):
                call.response = chunk.response or call.response
                yield chunk
        except LazyBridgeError as error:
            call.fail(error)
            raise
        finally:
            finished(call.envelope())

    async def astream(
        self, request: CompletionRequest, finished: Callable[[Envelope[Any]], None]
    ) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, on the running event loop."""
        call = _Call(self, request)
        try:
            async with aclosing(drivers.adrive_stream(call.run, call.turns, self.tools)) as chunks:
                async for chunk in chunks:
                    call.response = chunk.response or call.response
                    yield chunk
        except LazyBridgeError as error:
            call.fail(error)
            raise
        finally:
            finished(call.envelope())


class _Call:
    """One call from its request to its envelope."""

    def __init__(self, engine: LLMEngine, request: CompletionRequest) -> None:
        self.engine = engine
        self.run = Run(engine.provider, timeout=engine.timeout, retries=engine.retries, fallback=engine.fallback)
        self.turns: Turns = turns(request, runnable=engine.tools.runnable, max_turns=engine.max_turns)
        self.response: CompletionResponse | None = None
        self.error: LazyBridgeError | None = None
        self.started = time.perf_counter()

    def fail(self, error: LazyBridgeError) -> None:
        self.run.attach(error)
        self.error = error

    def envelope(self) -> Envelope[Any]:
        response = self.response or (self.run.responses[-1] if self.run.responses else None)
        payload: Any = response.content if response is not None else ""
        if self.error is None and response is not None and self.engine.output is not None and not response.tool_calls:
            try:
                payload = response.parsed = structured.parse(self.engine.output, response)
            except LazyBridgeError as error:
                self.fail(error)
        return Envelope(self._metadata(response), response, self.error, payload)

    def _metadata(self, response: CompletionResponse | None) -> EnvelopeMetadata:
        usage = total_usage(self.run.attempts)
        attempts = self.run.attempts
        adjustments = {adjustment: None for answer in self.run.responses for adjustment in answer.adjustments}
        return EnvelopeMetadata(
            model=(response.model if response is not None else None) or (attempts[-1].model if attempts else None),
            provider=self.run.provider_name,
            cost_usd=usage.cost_usd,
            input_tokens=usage.input_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            output_tokens=usage.output_tokens,
            thinking_tokens=usage.thinking_tokens,
            stop_reason=response.stop_reason if response is not None else None,
            latency_ms=(time.perf_counter() - self.started) * 1000,
            run_id=uuid.uuid4().hex,
            turns=len(self.run.responses),
            request_id=response.request_id if response is not None else None,
            attempts=tuple(replace(attempt) for attempt in attempts),
            adjustments=tuple(adjustments),
            usage=usage,
        )


class Choice(NamedTuple):
    """A provider and the sentence that says why it is taken."""

    name: str
    why: str


def default_provider() -> Choice:
    """What `Agent()` takes where neither a model nor a provider is named."""
    registered = LLMEngine._PROVIDER_DEFAULT
    if registered:
        return Choice(registered, f"using {registered}, the registered default")
    for name, variable in DEFAULT_ORDER:
        if os.environ.get(variable):
            return Choice(name, f"using {name}, because {variable} is set")
    variables = " nor ".join(variable for _, variable in DEFAULT_ORDER)
    return Choice("local", f"using the local model, because neither {variables} is set")


def _without_prefix(model: str, provider: type[BaseProvider]) -> str:
    """`openai/gpt-6-luna` with provider openai means `gpt-6-luna`; any other id is the server's own."""
    vendor, slash, rest = model.partition("/")
    return rest if slash and rest and provider.name and registry.key_of(vendor) == provider.name else model
