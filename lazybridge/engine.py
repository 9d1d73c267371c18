"""LLMEngine: which provider, with which settings, for how long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack, cast

from lazybridge.audience import Audience, check_session
from lazybridge.broken import ON_BREAK, OnBreak
from lazybridge.budget import Budget, check_budget
from lazybridge.call import Call
from lazybridge.composed import AnyCall
from lazybridge.core import structured, tiers
from lazybridge.core.catalogue import lifecycle
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.errors.secrets import Secret
from lazybridge.core.native_tools import AnyNativeTool
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.retry import RetryPolicy, checked_count, checked_timeout
from lazybridge.core.types import Adjustment, CompletionRequest, Message, NativeTool, Tier
from lazybridge.envelope import Envelope
from lazybridge.limits import RateLimit, checked_limit
from lazybridge.needs import rung_for
from lazybridge.policy import Policy
from lazybridge.routing import Routing
from lazybridge.settings import (
    SETTING_NAMES,
    Settings,
    Task,
    beside,
    check_native_tools,
    check_setting,
    messages_of,
    refuse_misspelt,
)
from lazybridge.succession import fallback_of
from lazybridge.tool_sources import AnyTool, SourcedCall, ToolSource, sorted_out
from lazybridge.tools import Tool, Toolbox

if TYPE_CHECKING:
    from lazybridge.ledger import Ledger


class LLMEngine(Routing):
    """Asks one model, runs tools, retries and keeps the time.

    `timeout` is in seconds for the whole call, over all attempts, waits and tool turns; `ttft` for an attempt's first
    token, `idle` between its chunks. `max_retries` more attempts follow a failed one. An answer that does not
    fit `output` is asked for again, with what is wrong, up to `max_repairs` times; each is a turn that is paid for. A call ends after `max_turns` requests,
    or after `max_tool_errors` turns in a row in which no tool could be run; `max_parallel_tools` calls of one turn run at
    once, each for `tool_timeout` seconds. `fallback` names who is asked where retries do not help: models, tiers or agents,
    in order, where the kind of the error is in `fallback_on` (`succession.MOVES_ON`); True is the provider's own next model,
    where one is gone or overloaded, False nobody. `on_break` says what becomes of a stream that breaks off after its first
    chunk: "raise", "restart" or "continue", of which a chunk's `resumed` tells.
    A model that failed again and again is left alone for a while, unless `breaker=False`; `rate_limit` is what an attempt waits
    for; where one has not answered after `hedge_after` seconds, a second request is sent beside it, and the first answer counts.
    `allow_dangerous_native_tools=True` lets the model run code at the vendor, and a computer. Keywords that are no setting go to the
    provider's class (`api="chat"`).
    Raises ConfigurationError for a missing key or package, an unknown model, or a misspelt tier or option.
    """

    def __init__(
        self,
        model: str | BaseProvider | None = None,
        *,
        provider: str | type[BaseProvider] | BaseProvider | None = None,
        tier: str | None = None,
        tools: Iterable[AnyTool | ToolSource] = (),
        native_tools: Iterable[AnyNativeTool] = (),
        output: Any = None,
        api_key: str | None = None,
        base_url: str | None = None,
        strict_native_tools: bool | None = None,
        allow_dangerous_native_tools: bool = False,
        timeout: float | None = None,
        max_retries: int = 2,
        max_turns: int = 10,
        max_repairs: int = 2,
        max_tool_errors: int = 3,
        max_parallel_tools: int = 8,
        tool_timeout: float | None = None,
        fallback: bool | str | Iterable[Any] = True,
        fallback_on: Iterable[str] | None = None,
        on_break: OnBreak = "raise",
        name: str | None = None,
        budget: Budget | None = None,
        ledger: Ledger | None = None,
        session: Audience | None = None,
        breaker: bool = True,
        rate_limit: RateLimit | None = None,
        hedge_after: float | None = None,
        **settings: Any,
    ) -> None:
        api_key = Secret(api_key) if isinstance(api_key, str) else api_key
        if isinstance(model, BaseProvider):
            model, provider = None, model
        checked_timeout(timeout)
        if tier is not None:
            tiers.check(tier)
        if model is not None and tier is not None:
            raise ConfigurationError(f"got both the model {model!r} and the tier {tier!r}\nname one of them")
        for word, count in (("max_retries", max_retries), ("max_turns", max_turns), ("max_repairs", max_repairs)):
            checked_count(word, count)
        for word, count in (("max_tool_errors", max_tool_errors), ("max_parallel_tools", max_parallel_tools)):
            checked_count(word, count, least=1)
        options = {word: settings.pop(word) for word in list(settings) if word not in SETTING_NAMES}
        for word in options:
            refuse_misspelt(word)
        given = {"api_key": api_key, "base_url": base_url, "strict_native_tools": strict_native_tools}
        options |= {word: value for word, value in given.items() if value is not None}
        check_budget(budget)
        chosen, self.model = self.chosen(model, provider, tier, options)
        self.provider = chosen if isinstance(chosen, BaseProvider) else chosen(**options)
        if self.model is not None:
            self.model = self.provider.resolve_tier(self.model)
        self.tier = tier
        lifecycle.warn(
            self.provider.registered_name(), self.model or self.provider.model or self.provider.default_model
        )
        self.sorted = sorted_out(tools)
        self.tools = Toolbox(self.sorted.known, timeout=tool_timeout, max_parallel=max_parallel_tools)
        self.output = output
        self._allowed = allow_dangerous_native_tools
        self._template = self._checked({**settings, "timeout": timeout}, native_tools)
        if on_break not in ON_BREAK:
            raise ConfigurationError(f"unknown on_break {on_break!r}\nwrite one of {', '.join(ON_BREAK)}")
        follow = fallback_of(fallback, fallback_on, self, LLMEngine)
        self.policy = Policy(
            RetryPolicy(max_retries),
            follow,
            name=name,
            max_turns=max_turns,
            max_tool_errors=max_tool_errors,
            max_repairs=max_repairs,
            on_break=on_break,
            budget=budget,
            ledger=ledger,
            session=check_session(session),
            breaker=breaker,
            rate_limit=checked_limit(rate_limit),
            hedge_after=checked_timeout(hedge_after, "hedge_after"),
        )

    def _checked(self, settings: dict[str, Any], native_tools: Iterable[AnyNativeTool]) -> CompletionRequest:
        """The request of every call but for its messages; what is wrong with a setting is said when the agent is built."""
        try:
            request = CompletionRequest(
                messages=(Message.user("…"),),
                model=self.model,
                tools=self.tools.definitions,
                native_tools=native_tools,  # type: ignore[arg-type]  # the request makes them a tuple
                output_schema=None if self.output is None else structured.output_schema(self.output),
                **settings,
            )
        except (TypeError, ValueError) as exc:
            hint = f"\nnative tools: {', '.join(NativeTool)}" if "NativeTool" in str(exc) else ""
            raise ConfigurationError(f"{exc}{hint}") from exc
        check_native_tools(request.native_tools, self._allowed, self.provider)
        return request

    # --- one call ---------------------------------------------------------------------------------------------------

    def request(self, task: Task, attachments: Iterable[Any] = (), **overrides: Unpack[Settings]) -> CompletionRequest:
        """The neutral request for a task: a prompt, a message, or a conversation as messages or dicts."""
        for name in overrides:
            check_setting(name)
        messages = messages_of(task, attachments)
        if not overrides:
            return self._template.with_messages(messages)
        changes: dict[str, Any] = {**overrides} | beside(self._template.thinking, overrides)
        return replace(self._template, messages=messages, **changes)

    def filled(
        self, request: CompletionRequest, attachments: Iterable[Any] = (), **overrides: Unpack[Settings]
    ) -> CompletionRequest:
        """A whole request, overridden; the model, output schema, headers and time that it leaves out are the engine's."""
        for name in overrides:
            check_setting(name)
        check_native_tools(request.native_tools, self._allowed, self.provider)
        changes: dict[str, Any] = {"messages": messages_of(request.messages, attachments), **overrides}
        changes |= beside(request.thinking, overrides)
        request = replace(request, **changes)
        left_out = [name for name in _OF_THE_ENGINE if getattr(request, name) is None and name not in overrides]
        return replace(request, **{name: getattr(self._template, name) for name in left_out})

    def run(self, request: CompletionRequest) -> Envelope[Any]:
        """The whole answer."""
        return self.call(request).whole()

    async def arun(self, request: CompletionRequest) -> Envelope[Any]:
        """The whole answer, on the running event loop."""
        return await self.call(request).awhole()

    def call(self, request: CompletionRequest, output: Any = None) -> AnyCall:
        """One call, yet to be made; `output` is another type of its payload than the engine's."""
        wanted = self.output if output is None else output

        def made(request: CompletionRequest, listed: Sequence[Tool] = ()) -> Call:
            return Call(self.provider, *self.on_a_rung(request), self.policy, self.tools.and_more(listed), wanted)

        return SourcedCall(made, request, self.sorted) if self.sorted.sources else made(request)

    def close(self) -> None:
        """Close what synchronous calls of its provider opened; a user's provider need not have `close`."""
        for provider in self._providers():
            close = getattr(provider, "close", None)
            if close is not None:
                close()

    async def aclose(self) -> None:
        """Close what its provider opened on the running event loop, and for synchronous calls."""
        for provider in self._providers():
            aclose = getattr(provider, "aclose", None)
            if aclose is not None:
                await aclose()

    def _providers(self) -> Iterable[BaseProvider]:
        return {id(each): each for each in (self.provider, *self.policy.fallback.providers)}.values()

    def on_a_rung(self, request: CompletionRequest) -> tuple[CompletionRequest, tuple[Adjustment, ...]]:
        """The request for the model that will be asked: where a tier was named, the rung that has what it needs; and
        what to say about it."""
        if self.tier is None or self.model is None or request.model != self.model:
            return request, ()
        model, notes = rung_for(self.provider, cast(Tier, self.tier), self.model, request)
        return (request if model == self.model else replace(request, model=model)), notes


_OF_THE_ENGINE = ("model", "output_schema", "extra_headers", "timeout")
