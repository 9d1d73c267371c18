"""What one call carries through all its turns and attempts: a deadline, the attempts, and what arrived."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from lazybridge.core.errors import (
    ConfigurationError,
    LazyBridgeError,
    ProviderError,
    UnsupportedFeatureError,
    UnsupportedNativeToolError,
    from_exception,
)
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.retry import Deadline, RetryPolicy
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk, UsageStats
from lazybridge.envelope import Attempt

_log = logging.getLogger("lazybridge")

# A model that is gone or has no capacity may be replaced by its neighbour; a rate limit is the caller's own.
_FALLBACK_KINDS = frozenset({"not_found", "overloaded"})
# What the end of the time looks like from below: a cut connection is one, too.
_ENDS_OF_TIME = frozenset({"timeout", "connection", "truncated"})
# The vendor may have worked, and charged, before such an attempt ended: its usage is unknown, not nothing.
_MAY_HAVE_COST = frozenset({"timeout", "truncated"})
# Raised while a request is translated: nothing was on the wire.
_NEVER_SENT = (ConfigurationError, UnsupportedFeatureError, UnsupportedNativeToolError)


class Run:
    """What one call carries through all its turns and attempts."""

    def __init__(self, provider: BaseProvider, *, timeout: float | None, retries: RetryPolicy, fallback: bool) -> None:
        self.provider = provider
        self.provider_name = provider.name or type(provider).__name__.removesuffix("Provider").lower()
        self.deadline = Deadline(timeout)
        self.retries = retries
        self.fallback = fallback
        self.attempts: list[Attempt] = []
        self.responses: list[CompletionResponse] = []
        self._pieces: list[str] = []
        self._retries_done = 0
        self._replacement: str | None = None

    def begin(self, request: CompletionRequest) -> CompletionRequest:
        """The request of the next attempt, with the time that is left."""
        self.deadline.check()
        self._pieces = []
        model = self._replacement or request.model
        self.attempts.append(Attempt(self.provider_name, self._model(request), started=time.time()))
        timeout = self.deadline.left()
        if (model, timeout) == (request.model, request.timeout):
            return request
        return replace(request, model=model, timeout=timeout)

    def _model(self, request: CompletionRequest) -> str | None:
        return self._replacement or self.provider._resolve_model(request)

    def heard(self, chunk: StreamChunk) -> None:
        """Note a piece that arrived, so that a failure keeps it."""
        self._pieces.append(chunk.delta)

    @property
    def partial_text(self) -> str:
        """What arrived of the attempt that is running."""
        return "".join(self._pieces)

    def succeeded(self, response: CompletionResponse) -> CompletionResponse:
        """Close the attempt with what it took."""
        self._honest_cost(response)
        attempt = self._close()
        attempt.usage, attempt.request_id = response.usage, response.request_id
        attempt.model = response.model or attempt.model
        self.responses.append(response)
        self._retries_done = 0
        return response

    def failed(self, exc: BaseException, request: CompletionRequest, *, final: bool = False) -> float:
        """Seconds to wait before the next attempt. Raises the neutral error where there is none, or where `final`."""
        if isinstance(exc, _NEVER_SENT):
            self.attempts.pop()
            raise exc
        attempt = self._close()
        if isinstance(exc, LazyBridgeError) and not isinstance(exc, ProviderError):
            attempt.error = type(exc).__name__
            raise exc
        error = from_exception(exc, provider=self.provider_name, model=self._model(request))
        attempt.status_code, attempt.error, attempt.request_id = error.status_code, error.kind, error.request_id
        error.partial_text = error.partial_text or self.partial_text
        if error.partial_text or error.kind in _MAY_HAVE_COST:
            attempt.usage = UsageStats()
        asked = self.provider.is_retryable(exc)
        if asked is not None:
            error.retryable = asked
        left = self.deadline.left()
        if error.kind in _ENDS_OF_TIME and left is not None and left <= 0.01:
            late = self.deadline.error()
            late.provider, late.model, late.partial_text = error.provider, error.model, error.partial_text
            raise late from exc
        wait = None if final else self.retries.delay(error, self._retries_done)
        if wait is not None and (left is None or wait < left):
            self._retries_done += 1
            attempt.wait_s = wait
            _log.info("retrying %s in %.2f s after %s", self.provider_name, wait, error.kind)
            return wait
        if not final and self.fallback and error.kind in _FALLBACK_KINDS and self._next_model(request):
            _log.warning(
                "%s: %s is %s, falling back to %s", self.provider_name, attempt.model, error.kind, self._replacement
            )
            return 0.0
        raise error from (exc if exc is not error else exc.__cause__)

    def _next_model(self, request: CompletionRequest) -> bool:
        first = self.provider._resolve_model(request)
        chain = [first, *self.provider._FALLBACKS.get(first, [])]
        place = chain.index(self._replacement or first) + 1
        if place >= len(chain):
            return False
        self._replacement, self._retries_done = chain[place], 0
        return True

    def _close(self) -> Attempt:
        attempt = self.attempts[-1]
        attempt.duration_ms = (time.time() - attempt.started) * 1000
        return attempt

    def _honest_cost(self, response: CompletionResponse) -> None:
        """A provider whose price table says None but which reports 0.0 (`cost or 0.0`) does not know the cost."""
        usage = response.usage
        if usage.cost_usd == 0.0 and type(self.provider)._compute_cost is not BaseProvider._compute_cost:
            known = self.provider._compute_cost(response.model or "", usage.input_tokens or 0, usage.output_tokens or 0)
            usage.cost_usd = 0.0 if known is not None else None

    def attach(self, error: LazyBridgeError) -> None:
        """Put what the call had onto an error."""
        if isinstance(error, ProviderError) and not error.partial_text:
            error.partial_text = self.partial_text
        error.attempts = tuple(self.attempts)
