"""What one call carries through all its turns and attempts: a deadline, the attempts, and what arrived."""

from __future__ import annotations

import logging
import os
import time
import warnings
from dataclasses import replace

from lazybridge.core.errors import (
    ConfigurationError,
    LazyBridgeError,
    ProviderError,
    StreamTruncated,
    UnsupportedFeatureError,
    UnsupportedNativeToolError,
    from_exception,
)
from lazybridge.core.errors.secrets import is_secret
from lazybridge.core.providers.adjusting import fitted
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.retry import Deadline, RetryPolicy
from lazybridge.core.types import Adjustment, CompletionRequest, CompletionResponse, StreamChunk, ToolCall, UsageStats
from lazybridge.envelope import Attempt

_log = logging.getLogger("lazybridge")

# A model that is gone or has no capacity may be replaced by its neighbour; a rate limit is the caller's own.
_FALLBACK_KINDS = frozenset({"not_found", "overloaded"})
# What the end of the time looks like from below: a cut connection is one, too.
_ENDS_OF_TIME = frozenset({"timeout", "connection", "truncated"})
# Raised while a request is translated: nothing was on the wire.
_NEVER_SENT = (ConfigurationError, UnsupportedFeatureError, UnsupportedNativeToolError)


class Arrived:
    """The chunks of the attempt that is running: what a failure keeps, and the whole answer where the final chunk of a
    user's provider does not carry it."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[ToolCall] = []
        self._final: StreamChunk | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    def add(self, chunk: StreamChunk) -> None:
        """Take one more chunk."""
        self._text.append(chunk.delta)
        self._thinking.append(chunk.thinking_delta)
        self._calls += chunk.tool_calls
        if chunk.is_final:
            self._final = chunk

    def whole(self, provider: str) -> CompletionResponse:
        """The whole answer. Raises StreamTruncated where no final chunk came."""
        final = self._final
        if final is None:
            raise StreamTruncated("the stream ended without a final chunk", provider=provider)
        return final.response or CompletionResponse(
            self.text,
            "".join(self._thinking),
            self._calls,
            final.stop_reason,
            final.model,
            final.usage or UsageStats(),
        )


class Run:
    """What one call carries through all its turns and attempts."""

    def __init__(self, provider: BaseProvider, *, timeout: float | None, retries: RetryPolicy, fallback: bool) -> None:
        self.provider = provider
        self.provider_name = provider.registered_name()
        self.deadline = Deadline(timeout)
        self.retries = retries
        self.fallback = fallback
        self.attempts: list[Attempt] = []
        self.responses: list[CompletionResponse] = []
        self.arrived = Arrived()
        self._open = False
        self._adjusted: tuple[Adjustment, ...] = ()
        self._retries_done = 0
        self._replacement: str | None = None

    def begin(self, request: CompletionRequest) -> CompletionRequest:
        """The request of the next attempt, with the time that is left."""
        self.deadline.check()
        self.arrived = Arrived()
        if not self.provider._adjusts_itself:
            request, self._adjusted = fitted(self.provider, request)
        model = self._replacement or request.model
        self.attempts.append(Attempt(self.provider_name, self._model(request), started=time.time()))
        self._open = True
        timeout = self.deadline.left()
        if (model, timeout) == (request.model, request.timeout):
            return request
        return replace(request, model=model, timeout=timeout)

    def _model(self, request: CompletionRequest) -> str | None:
        return self._replacement or self.provider._resolve_model(request)

    def succeeded(self, response: CompletionResponse) -> CompletionResponse:
        """Close the attempt with what it took."""
        self._fill_cost(response)
        if self._adjusted:
            response.adjustments = (*self._adjusted, *response.adjustments)
        attempt = self._close()
        attempt.usage, attempt.request_id = response.usage, response.request_id
        attempt.model = response.model or attempt.model
        self.responses.append(response)
        self._retries_done = 0
        return response

    def streamed(self) -> StreamChunk:
        """Close the attempt of a stream that ran to its end; its final chunk. Raises StreamTruncated without one."""
        return self.succeeded(self.arrived.whole(self.provider_name)).final_chunk()

    def failed(self, exc: BaseException, request: CompletionRequest, *, final: bool = False) -> float:
        """Seconds to wait before the next attempt. Raises the neutral error where there is none, or where `final`."""
        if isinstance(exc, _NEVER_SENT):
            self.attempts.pop()
            self._open = False
            raise exc
        attempt = self._close()
        if isinstance(exc, LazyBridgeError) and not isinstance(exc, ProviderError):
            attempt.error, attempt.usage = type(exc).__name__, self._unknown_usage()
            raise exc
        model = self._model(request)
        error = from_exception(exc, provider=self.provider_name, model=model, secrets=self._secrets(request))
        attempt.status_code, attempt.error, attempt.request_id = error.status_code, error.kind, error.request_id
        error.partial_text = error.partial_text or self.arrived.text
        if error.status_code is None and not error.never_sent:
            attempt.usage = (
                self._unknown_usage()
            )  # the vendor may have worked, and charged: that is unknown, not nothing
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

    def abandon(self) -> None:
        """Close an attempt that nobody waits for any more: what it used is not known."""
        if self._open:
            attempt = self._close()
            attempt.error, attempt.usage = "cancelled", self._unknown_usage()

    def attach(self, error: LazyBridgeError) -> None:
        """Put what the call had onto an error."""
        if isinstance(error, ProviderError) and not error.partial_text:
            error.partial_text = self.arrived.text
        error.attempts = tuple(self.attempts)

    def _next_model(self, request: CompletionRequest) -> bool:
        first = self.provider._resolve_model(request)
        chain = [first, *self.provider._FALLBACKS.get(first, [])]
        place = chain.index(self._replacement or first) + 1
        if place >= len(chain):
            return False
        self._replacement, self._retries_done = chain[place], 0
        return True

    def _close(self) -> Attempt:
        self._open = False
        attempt = self.attempts[-1]
        attempt.duration_ms = (time.time() - attempt.started) * 1000
        return attempt

    def _unknown_usage(self) -> UsageStats:
        """Of an attempt that broke off: what it took is not known, unless nothing costs anything."""
        return UsageStats(cost_usd=0.0 if self.provider._free else None)

    def _secrets(self, request: CompletionRequest) -> tuple[str, ...]:
        """Credentials that an answer or an exception may echo."""
        key = getattr(self.provider, "api_key", None)
        variable = getattr(self.provider, "key_variable", None)
        keys = (key if isinstance(key, str) else None, os.environ.get(variable) if variable else None)
        headers = (value for name, value in (request.extra_headers or {}).items() if is_secret(name, value))
        return tuple(str(secret) for secret in (*keys, *headers) if secret)

    def _fill_cost(self, response: CompletionResponse) -> None:
        """The cost by the `_compute_cost` of a user's provider that left it out, or wrote 0.0 for "not known"."""
        usage = response.usage
        if usage.cost_usd or self.provider._adjusts_itself:
            return
        if type(self.provider)._compute_cost is BaseProvider._compute_cost:
            return
        if usage.input_tokens is None or usage.output_tokens is None:
            usage.cost_usd = None
            return
        model = response.model or self.attempts[-1].model or ""
        try:
            usage.cost_usd = self.provider._compute_cost(model, usage.input_tokens, usage.output_tokens)
        except Exception as exc:  # a price table without this model must not cost the answer that is there
            warnings.warn(f"{type(self.provider).__name__}._compute_cost failed: {exc!r}", UserWarning, stacklevel=2)
            usage.cost_usd = None
