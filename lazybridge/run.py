"""What one call carries through all its turns and attempts: a deadline, the attempts, and what arrived."""

from __future__ import annotations

import logging
import os
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lazybridge.arrived import Arrived
from lazybridge.budget import Budget
from lazybridge.core.errors import (
    ConfigurationError,
    LazyBridgeError,
    ProviderError,
    UnsupportedFeatureError,
    UnsupportedNativeToolError,
    from_exception,
)
from lazybridge.core.errors.secrets import credentials_of
from lazybridge.core.providers.adjusting import fitted
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import receipt_for
from lazybridge.core.receipt import FREE, Receipt, unknown
from lazybridge.core.retry import RetryPolicy
from lazybridge.core.types import Adjustment, CompletionRequest, CompletionResponse, StreamChunk, UsageStats
from lazybridge.cover import Cover, cover
from lazybridge.envelope import Attempt, total_receipt
from lazybridge.nesting import Nest, deadline_within, in_order

if TYPE_CHECKING:
    from lazybridge.ledger import Ledger

_log = logging.getLogger("lazybridge")

# A model that is gone or has no capacity may be replaced by its neighbour; a rate limit is the caller's own.
_FALLBACK_KINDS = frozenset({"not_found", "overloaded"})
# What the end of the time looks like from below: a cut connection is one, too.
_ENDS_OF_TIME = frozenset({"timeout", "connection", "truncated"})
# No answer, or a gateway's that gave up waiting for one: behind it the vendor may have worked, and charged.
MAY_HAVE_WORKED = (None, 504)
# Raised while a request is translated: nothing was on the wire.
NEVER_SENT = (ConfigurationError, UnsupportedFeatureError, UnsupportedNativeToolError)


@dataclass(frozen=True)
class Policy:
    """How often a call may try, what it may cost, and who keeps the books; `name` is the agent's."""

    retries: RetryPolicy
    fallback: bool
    max_turns: int
    name: str | None = None
    budget: Budget | None = None
    ledger: Ledger | None = None


class Run:
    """What one call carries through all its turns and attempts."""

    def __init__(self, provider: BaseProvider, policy: Policy, *, timeout: float | None) -> None:
        self.provider = provider
        self.provider_name = provider.registered_name()
        self.deadline = deadline_within(timeout)
        self.run_id = uuid.uuid4().hex
        self.policy = policy
        self.ledger = ledger_of(policy)
        self.attempts: list[Attempt] = []
        self.nested = Nest(self.deadline, policy.budget)  # of the calls that its tools make
        self.responses: list[CompletionResponse] = []
        self.arrived = Arrived()
        self._request: CompletionRequest | None = None  # of the attempt that is open
        self._cover: Cover | None = None
        self._adjusted: tuple[Adjustment, ...] = ()
        self._retries_done = 0
        self._replacement: str | None = None

    def begin(self, request: CompletionRequest) -> CompletionRequest:
        """The request of the next attempt, with the time that is left."""
        self.deadline.check()
        self.arrived, self._adjusted = Arrived.listening(), ()
        if not self.provider._adjusts_itself:
            request, self._adjusted = fitted(self.provider, request)
        model, timeout = self._replacement or request.model, self.deadline.left()
        if (model, timeout) != (request.model, request.timeout):
            request = replace(request, model=model, timeout=timeout)
        self._cover = cover(self.policy.budget, self.provider, request)
        if self._cover is not None:
            request = self._cover.request
            self._adjusted = (*self._adjusted, *self._cover.adjustments)
        self.attempts.append(
            Attempt(self.provider_name, self._model(request), started=time.time(), agent=self.policy.name)
        )
        self._request = request
        return request

    def _model(self, request: CompletionRequest) -> str | None:
        return self._replacement or self.provider._resolve_model(request)

    def succeeded(self, response: CompletionResponse) -> CompletionResponse:
        """Close the attempt with what it took."""
        attempt = self._close()
        if response.receipt is None:
            model = response.model or attempt.model or ""
            response.receipt = receipt_for(self.provider, model, response.usage, attempt.started)
            response.usage.cost_usd = response.receipt.cost_usd
        if self._adjusted:
            response.adjustments = (*self._adjusted, *response.adjustments)
        attempt.receipt = response.receipt
        attempt.usage, attempt.request_id = response.usage, response.request_id
        asked, attempt.model = attempt.model, response.model or attempt.model
        self._settle(attempt, asked)
        self.responses.append(response)
        self._retries_done = 0
        return response

    def streamed(self) -> StreamChunk:
        """Close the attempt of a stream that ran to its end; its final chunk. Raises StreamTruncated without one."""
        return self.succeeded(self.arrived.whole(self.provider_name)).final_chunk()

    def failed(self, exc: BaseException, request: CompletionRequest, *, final: bool = False) -> float:
        """Seconds to wait before the next attempt. Raises the neutral error where there is none, or where `final`."""
        if isinstance(exc, NEVER_SENT):
            self.attempts.pop()
            self._request = None
            self._settle(None)
            raise exc
        attempt = self._close()
        if isinstance(exc, LazyBridgeError) and not isinstance(exc, ProviderError):
            attempt.error = type(exc).__name__
            self._broke_off(attempt, request, "the call broke off")
            self._settle(attempt)
            raise exc
        model = self._model(request)
        error = from_exception(
            exc, provider=self.provider_name, model=model, secrets=credentials_of(self.provider, request.extra_headers)
        )
        attempt.status_code, attempt.error, attempt.request_id = error.status_code, error.kind, error.request_id
        error.partial_text = error.partial_text or self.arrived.text
        if error.usage is not None:
            attempt.usage, attempt.receipt = error.usage, self._priced(attempt, error.usage)
        # A vendor that refuses what its model wrote has worked for it.
        elif (error.partial_text or error.status_code in MAY_HAVE_WORKED) and not error.never_sent:
            self._broke_off(attempt, request, f"the call broke off ({error.kind})")
        self._settle(attempt)
        asked = self.provider.is_retryable(exc)
        if asked is not None:
            error.retryable = asked
        left = self.deadline.left()
        if error.kind in _ENDS_OF_TIME and left is not None and left <= 0.01:
            late = self.deadline.error()
            late.provider, late.model, late.partial_text = error.provider, error.model, error.partial_text
            raise late from exc
        wait = None if final else self.policy.retries.delay(error, self._retries_done)
        if wait is not None and (left is None or wait < left):
            self._retries_done += 1
            attempt.wait_s = wait
            _log.info("retrying %s in %.2f s after %s", self.provider_name, wait, error.kind)
            return wait
        if not final and self.policy.fallback and error.kind in _FALLBACK_KINDS and self._next_model(request):
            _log.warning(
                "%s: %s is %s, falling back to %s", self.provider_name, attempt.model, error.kind, self._replacement
            )
            return 0.0
        raise error from (exc if exc is not error else exc.__cause__)

    def abandon(self) -> None:
        """Close an attempt that nobody waits for any more: what it used is not known."""
        request = self._request
        if request is not None:
            attempt = self._close()
            attempt.error = "cancelled"
            self._broke_off(attempt, request, "the call was left before its end")
            self._settle(attempt)

    def attach(self, error: LazyBridgeError) -> None:
        """Put what the call had onto an error."""
        if isinstance(error, ProviderError) and not error.partial_text:
            error.partial_text = self.arrived.text
        error.attempts = tuple(self.all_attempts())
        error.receipt = total_receipt(error.attempts)

    def all_attempts(self) -> list[Attempt]:
        """Its own and those of the calls inside it, as they were begun."""
        return in_order(self.attempts, self.nested.attempts) if self.nested.attempts else list(self.attempts)

    def _next_model(self, request: CompletionRequest) -> bool:
        first = self.provider._resolve_model(request)
        chain = [first, *self.provider._FALLBACKS.get(first, [])]
        place = chain.index(self._replacement or first) + 1
        if place >= len(chain):
            return False
        self._replacement, self._retries_done = chain[place], 0
        return True

    def _close(self) -> Attempt:
        self._request = None
        attempt = self.attempts[-1]
        attempt.duration_ms = (time.time() - attempt.started) * 1000
        return attempt

    def _settle(self, attempt: Attempt | None, asked: str | None = None) -> None:
        """Give back what was reserved for an attempt beyond its cost, and enter it in the ledger."""
        if self._cover is not None:
            self._cover.settle(FREE if attempt is None else attempt.receipt)
            self._cover = None
        if self.ledger is not None and attempt is not None:
            self.ledger.add(attempt, agent=self.policy.name, asked=asked or attempt.model, run_id=self.run_id)

    def _broke_off(self, attempt: Attempt, request: CompletionRequest, why: str) -> None:
        """Note what an attempt cost at least: the vendor may have worked, and charged, for more than what arrived."""
        if self.provider._free:
            attempt.usage = UsageStats(cost_usd=0.0)
            return
        used = self.arrived.usage(request)
        attempt.usage = UsageStats()
        if used is None:
            attempt.receipt = unknown(f"{why}, before anything arrived")
            return
        # Which tier served is said at the end: of those that are possible, the cheapest.
        possible = (used.service_tier,) if used.service_tier else (None, "flex")
        bounds = [self._priced(attempt, replace(used, service_tier=tier)) for tier in possible]
        least = min(bounds, key=lambda bound: (bound.total is None, bound.total or 0))
        attempt.receipt = least.at_least(f"{why}; this is what had arrived")

    def _priced(self, attempt: Attempt, usage: UsageStats) -> Receipt:
        return receipt_for(self.provider, attempt.model or "", usage, attempt.started)


def ledger_of(policy: Policy) -> Ledger | None:
    """The ledger in use; its module, and SQLite, are imported only where there is one."""
    if policy.ledger is None and not os.environ.get("LAZYBRIDGE_LEDGER"):
        return None
    from lazybridge.ledger import ledger_in_use

    return ledger_in_use(policy.ledger)
