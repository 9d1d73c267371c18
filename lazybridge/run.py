"""What one call carries through all its turns and attempts: a deadline, the attempts, and what arrived."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import replace

from lazybridge.arrived import Arrived
from lazybridge.broken import Broken
from lazybridge.core.errors import (
    ConfigurationError,
    LazyBridgeError,
    ProviderError,
    StreamTruncated,
    UnsupportedFeatureError,
    UnsupportedNativeToolError,
    from_exception,
)
from lazybridge.core.errors.secrets import credentials_of
from lazybridge.core.providers import _tape
from lazybridge.core.providers.adjusting import fitted
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import receipt_for
from lazybridge.core.receipt import FREE
from lazybridge.core.types import Adjustment, CompletionRequest, CompletionResponse, StreamChunk
from lazybridge.cover import Cover, cover
from lazybridge.envelope import Attempt, AttemptReason, total_receipt
from lazybridge.least import note_least, priced
from lazybridge.listening import listening
from lazybridge.patience import Limits, Patience
from lazybridge.policy import Policy, ledger_of
from lazybridge.succession import Succession

_log = logging.getLogger("lazybridge")

# What the end of the time looks like from below: a cut connection is one, too.
_ENDS_OF_TIME = frozenset({"timeout", "connection", "truncated"})
# No answer, or a gateway's that gave up waiting for one: behind it the vendor may have worked, and charged.
MAY_HAVE_WORKED = (None, 504)
# Raised while a request is translated: nothing was on the wire.
NEVER_SENT = (ConfigurationError, UnsupportedFeatureError, UnsupportedNativeToolError)


class Run:
    """What one call carries through all its turns and attempts."""

    def __init__(self, provider: BaseProvider, policy: Policy, limits: Limits) -> None:
        self._asked = Succession(provider, policy.fallback)
        self.patience = Patience(limits)
        self.deadline = self.patience.deadline
        self.run_id = uuid.uuid4().hex
        self.policy = policy
        self.events = listening(policy, provider, self.run_id)  # None where nobody listens
        self.ledger = ledger_of(policy, None if self.events is None else self.events.ledger)
        self.attempts: list[Attempt] = []
        self.responses: list[CompletionResponse] = []
        self.arrived = Arrived()
        self._request: CompletionRequest | None = None  # of the attempt that is open
        self._cover: Cover | None = None
        self._adjusted: tuple[Adjustment, ...] = ()
        self._retries_done = 0
        self._reason: AttemptReason = "turn"
        self._broken = Broken(policy.on_break)

    @property
    def provider(self) -> BaseProvider:
        """Who is asked."""
        return self._asked.provider

    @property
    def provider_name(self) -> str:
        """The name of who is asked."""
        return self._asked.provider_name

    def begin(self, request: CompletionRequest) -> CompletionRequest:
        """The request of the next attempt, with the time that is left."""
        timeout = self.patience.begin()
        self.arrived = Arrived.listening()
        request, self._adjusted = self._asked.request(self._broken.request(request))
        if not self.provider._adjusts_itself:
            request, adjusted = fitted(self.provider, request)
            self._adjusted += adjusted
        if timeout is not request.timeout:
            request = replace(request, timeout=timeout)
        self._cover = cover(self.policy.budget, self.provider, request)
        if self._cover is not None:
            request = self._cover.request
            self._adjusted = (*self._adjusted, *self._cover.adjustments)
        model = self.provider._resolve_model(request)
        self.attempts.append(Attempt(self.provider_name, model, started=time.time(), reason=self._reason))
        self._request = request
        if self.events is not None:
            self.events.requested(request, self.attempts[-1].model, len(self.responses) + 1)
        return request

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
        if self.events is not None:
            self.events.responded(attempt, response, self.arrived.first_chunk_ms(attempt.started))
        self.responses.append(response)
        self._retries_done, self._reason = 0, "turn"
        return response

    def streamed(self) -> StreamChunk:
        """Close the attempt of a stream that ran to its end; its final chunk. Raises StreamTruncated without one."""
        return self.succeeded(self._broken.joined(self.arrived.whole(self.provider_name))).final_chunk()

    def failed(self, exc: BaseException, request: CompletionRequest, *, handed_out: bool = False) -> float:
        """Seconds to wait before the next attempt. Raises the neutral error where there is none.

        What was handed out of a stream cannot be taken back: then `on_break` decides.
        """
        if isinstance(exc, NEVER_SENT):
            unsent = self._close()
            self.attempts.pop()
            self._settle(None)
            if self.events is not None:
                self.events.failed(unsent, exc)
            raise exc
        attempt = self._close()
        if isinstance(exc, LazyBridgeError) and not isinstance(exc, ProviderError):
            attempt.error = type(exc).__name__
            self._broke_off(attempt, request, "the call broke off")
            self._settle(attempt, error=exc)
            raise exc
        error = self._neutral(exc, attempt, request)
        cause = error.__cause__
        if error.usage is not None:
            attempt.usage, attempt.receipt = error.usage, priced(attempt, self.provider, error.usage)
        # A vendor that refuses what its model wrote has worked for it.
        elif (error.partial_text or error.status_code in MAY_HAVE_WORKED) and not error.never_sent:
            self._broke_off(attempt, request, f"the call broke off ({error.kind})")
        self._settle(attempt, error=error)
        if not (handed_out and self.policy.on_break == "raise"):
            wait = self._next(error, attempt, request)
            if wait is not None:
                return wait
        error.partial_text = self._broken.text + error.partial_text
        error.causes = tuple(self._asked.causes)
        raise error from cause

    def _neutral(self, exc: BaseException, attempt: Attempt, request: CompletionRequest) -> ProviderError:
        """The error that it is, noted on its attempt; where a time limit was met, the one that says which."""
        secrets = credentials_of(self.provider, request.extra_headers)
        error = from_exception(exc, provider=self.provider_name, model=attempt.model, secrets=secrets)
        attempt.status_code, attempt.error, attempt.request_id = error.status_code, error.kind, error.request_id
        error.partial_text = error.partial_text or self.arrived.text
        asked = self.provider.is_retryable(exc)
        if asked is not None:
            error.retryable = asked
        better: ProviderError | None = self.patience.late() if error.kind in _ENDS_OF_TIME else None
        if better is None and error.kind == "connection" and self.arrived.begun:
            better = StreamTruncated(f"the stream broke off: {error.message}", request_id=error.request_id)
        if better is None:
            return error
        better.provider, better.model, better.partial_text = error.provider, error.model, error.partial_text
        better.never_sent, better.usage = error.never_sent, error.usage
        better.__cause__, attempt.error = error.__cause__ or error, better.kind
        return better

    def _next(self, error: ProviderError, attempt: Attempt, request: CompletionRequest) -> float | None:
        """Seconds to wait before the next attempt; None where there is none."""
        left = self.deadline.left()
        if left is not None and left <= 0.01:
            return None
        wait = self.policy.retries.delay(error, self._retries_done)
        if wait is not None and (left is None or wait < left):
            self._retries_done += 1
            self._reason, attempt.wait_s = "retry", wait
            if self.events is not None:
                self.events.retried(error.kind, wait)
            _log.info("retrying %s in %.2f s after %s", self.provider_name, wait, error.kind)
            return _tape.pause(wait)
        failed = f"{self.provider_name}/{attempt.model}"
        if not self._asked.moved(error, request):
            return None
        self._retries_done, self._reason = 0, "fallback"
        to = f"{self.provider_name}/{self._asked.model(request)}"
        if self.events is not None:
            self.events.fell_back(error.kind, attempt.model, self._asked.model(request))
        _log.warning("%s: %s, falling back to %s", failed, error.kind, to)
        return 0.0

    def resume(self, request: CompletionRequest) -> StreamChunk:
        """The chunk that tells a stream's reader that what broke off is taken up again, and how."""
        self._reason = self._broken.resumed(request, self.arrived)
        return StreamChunk(resumed=self._reason)

    def repairs(self) -> StreamChunk:
        """Begin a turn whose answer replaces the one before; the chunk that tells a stream's reader."""
        self._reason = "repair"
        return StreamChunk(resumed="restart")

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
        error.attempts = tuple(self.attempts)
        error.receipt = total_receipt(self.attempts)

    def _close(self) -> Attempt:
        self._request = None
        attempt = self.attempts[-1]
        attempt.duration_ms = (time.time() - attempt.started) * 1000
        return attempt

    def _settle(self, attempt: Attempt | None, asked: str | None = None, error: BaseException | None = None) -> None:
        """Give back what was reserved for an attempt beyond its cost, and enter it in the ledger; tell of a failed one."""
        if self._cover is not None:
            self._cover.settle(FREE if attempt is None else attempt.receipt)
            self._cover = None
        if self.ledger is not None and attempt is not None:
            self.ledger.add(attempt, agent=self.policy.name, asked=asked or attempt.model, run_id=self.run_id)
        if self.events is not None and attempt is not None and attempt.error is not None:
            self.events.failed(attempt, error)

    def _broke_off(self, attempt: Attempt, request: CompletionRequest, why: str) -> None:
        note_least(attempt, self.provider, request, self.arrived, why)
