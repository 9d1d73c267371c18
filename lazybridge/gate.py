"""What stands before an attempt: the rate limits and the circuit breaker; and what it holds of them until it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazybridge import breaker
from lazybridge.core.errors import CircuitOpenError, ProviderError, ProviderTimeoutError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.retry import Deadline
from lazybridge.core.types import CompletionRequest, UsageStats
from lazybridge.envelope import Attempt
from lazybridge.limits import Entry, RateLimit, checked_limit, in_order
from lazybridge.waiting import Steps, Waiter, ago, go
from lazybridge.weighing import Weighed

if TYPE_CHECKING:
    from lazybridge.run import Run


class Gate:
    """The gate of one attempt after the other."""

    def __init__(self, breaks: bool, limit: RateLimit | None) -> None:
        self._breaks, self._limit = breaks, limit
        self._entries: list[Entry] = []
        self._probing: tuple[BaseProvider, str | None] | None = None
        self._waiter: Waiter | None = None

    def stands(self, provider: BaseProvider) -> bool:
        """Whether there is anything to pass; where not, `steps` need not be done."""
        return self._limit is not None or provider.rate_limit is not None or (self._breaks and breaker.any_failed())

    def waiter(self) -> Waiter:
        """Who waits here."""
        if self._waiter is None:
            self._waiter = Waiter()
        return self._waiter

    def steps(self, run: Run, request: CompletionRequest) -> Steps[None]:
        """Pass. Raises CircuitOpenError where the model is left alone, ProviderTimeoutError at the end of the call's time."""
        provider, (request, _) = run.provider, run.wanted(request)
        model = provider._resolve_model(request)
        if self._breaks:
            breaker.ask(provider, model)

        def tokens() -> int:
            return Weighed(provider, request).read.expected

        def left() -> float | None:
            seconds = run.deadline.left()
            if seconds is not None and seconds <= 0:
                raise _late(run.deadline, provider, model)
            return seconds

        for limit in in_order(self._limit, checked_limit(provider.rate_limit)):
            self._entries.append((yield from limit.enter(tokens, self.waiter(), left)))
        if self._breaks:
            self._probing = provider, model
            breaker.ask(provider, model, self)

    def ended(
        self, provider: BaseProvider, attempt: Attempt | None, asked: str | None, error: BaseException | None
    ) -> None:
        """The attempt has ended, None where there was none; `asked` is the model that it was sent to, where it was answered."""
        if self._breaks and asked is not None:
            breaker.succeeded(provider, asked)
        elif self._breaks and attempt is not None and isinstance(error, ProviderError):
            breaker.failed(provider, attempt.model, error, self)
        elif self._probing is not None:
            breaker.let_go(*self._probing, self)
        self._probing = None
        for entry in self._entries:
            entry.leave(None if attempt is None else _total(attempt.usage))
        self._entries.clear()


def admit(run: Run, request: CompletionRequest) -> None:
    """Wait until a run may make its next attempt. Raises the error of the whole call where it may not."""
    while run.gate.stands(run.provider):
        try:
            return go(run.gate.steps(run, request), run.gate.waiter())
        except CircuitOpenError as error:
            run.refused(error, request)


async def aadmit(run: Run, request: CompletionRequest) -> None:
    """`admit`, on the running event loop."""
    while run.gate.stands(run.provider):
        try:
            return await ago(run.gate.steps(run, request), run.gate.waiter())
        except CircuitOpenError as error:
            run.refused(error, request)


def _total(usage: UsageStats | None) -> int | None:
    if usage is None or usage.input_tokens is None:
        return None
    return usage.input_tokens + (usage.output_tokens or 0)


def _late(deadline: Deadline, provider: BaseProvider, model: str | None) -> ProviderTimeoutError:
    error = ProviderTimeoutError(
        f"the call was waiting for its rate limit when timeout={deadline.timeout:g} s was over, and nothing was sent",
        provider=provider.registered_name(),
        model=model,
        retryable=False,
    )
    error.never_sent = True
    return error
