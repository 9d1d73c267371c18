"""What one call carries through all its turns and attempts: a deadline, the attempts, and what arrived."""

from __future__ import annotations

import os
import time
from copy import copy
from dataclasses import replace

from lazybridge.arrived import Arrived
from lazybridge.broken import Broken
from lazybridge.core.errors import BudgetExceeded, CircuitOpenError, LazyBridgeError, ProviderError
from lazybridge.core.providers.adjusting import fitted
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import receipt_for
from lazybridge.core.receipt import FREE
from lazybridge.core.types import Adjustment, CompletionRequest, CompletionResponse, StreamChunk
from lazybridge.cover import Cover, cover
from lazybridge.envelope import Attempt, total_receipt
from lazybridge.failing import MAY_HAVE_WORKED, NEVER_SENT, neutral
from lazybridge.gate import Gate
from lazybridge.least import note_least, priced
from lazybridge.listening import listening
from lazybridge.nesting import Nest, in_order
from lazybridge.onward import Onward
from lazybridge.patience import Limits, Patience
from lazybridge.policy import Policy, ledger_of


class Run(Onward):
    """What one call carries through all its turns and attempts."""

    def __init__(self, provider: BaseProvider, policy: Policy, limits: Limits) -> None:
        super().__init__(provider, policy)
        self.patience = Patience(limits, cut=policy.hedge_after is not None)
        self.deadline = self.patience.deadline
        self.run_id = os.urandom(16).hex()
        self.events = listening(policy, provider, self.run_id)  # None where nobody listens
        self.ledger = ledger_of(policy, None if self.events is None else self.events.ledger)
        self.attempts: list[Attempt] = []
        self.nested = Nest(self.deadline, policy.budget)  # of the calls that its tools make
        self.responses: list[CompletionResponse] = []
        self.arrived = Arrived()
        self.gate = Gate(policy.breaker, policy.rate_limit)
        self._request: CompletionRequest | None = None  # of the attempt that is open
        self._attempt: Attempt | None = None  # the one that is open, or was the last
        self._cover: Cover | None = None
        self._adjusted: tuple[Adjustment, ...] = ()
        self._broken = Broken(policy.on_break)

    def wanted(self, request: CompletionRequest) -> tuple[CompletionRequest, tuple[Adjustment, ...]]:
        """The request as the one who is asked next gets it."""
        request, adjusted = self._asked.request(self._broken.request(request))
        if self.provider._adjusts_itself:
            return request, adjusted
        request, more = fitted(self.provider, request)
        return request, adjusted + more

    def refused(self, error: CircuitOpenError, request: CompletionRequest) -> None:
        """Go on to another model than the one that is left alone. Raises the error of the whole call where there is none."""
        self._settle(None)
        super().refused(error, request)

    def begin(self, request: CompletionRequest) -> CompletionRequest:
        """The request of the next attempt, with the time that is left."""
        timeout = self.patience.begin()
        self.arrived = Arrived.listening()
        request, self._adjusted = self.wanted(request)
        if timeout is not request.timeout:
            request = replace(request, timeout=timeout)
        self._cover = cover(self.policy.budget, self.provider, request)
        if self._cover is not None:
            request = self._cover.request
            if self._reason == "hedge" and self._cover.adjustments:
                raise BudgetExceeded("a budget does not cover a second request beside the first")
            self._adjusted = (*self._adjusted, *self._cover.adjustments)
        model = self.provider._resolve_model(request)
        attempt = Attempt(self.provider_name, model, started=time.time(), reason=self._reason, agent=self.policy.name)
        self.attempts.append(attempt)
        self._request, self._attempt = request, attempt
        if self.events is not None:
            self.events.requested(self.provider, request, attempt, len(self.responses) + 1)
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
        attempt.status_code = response.status_code
        asked, attempt.model = attempt.model, response.model or attempt.model
        self._settle(attempt, asked)
        if self.events is not None:
            self.events.responded(attempt, response, self.arrived.first_chunk_ms(attempt.started))
        self.responses.append(response)
        self._retries_done, self._reason, self._error = 0, "turn", None
        return response

    def streamed(self) -> StreamChunk:
        """Close the attempt of a stream that ran to its end; its final chunk. Raises StreamTruncated without one."""
        return self.succeeded(self._broken.joined(self.arrived.whole(self.provider_name))).final_chunk()

    def failed(self, exc: BaseException, request: CompletionRequest, *, handed_out: bool = False) -> float:
        """Seconds to wait before the next attempt. Raises the neutral error where there is none.

        What was handed out of a stream cannot be taken back: then `on_break` decides.
        """
        error = self.lost(exc, request)
        if not (handed_out and self.policy.on_break == "raise"):
            wait = self._next(error, self._opened(), request)
            if wait is not None:
                return wait
        raise self._last(error) from error.__cause__

    def lost(self, exc: BaseException, request: CompletionRequest) -> ProviderError:
        """Close the attempt with what went wrong. Raises what no further attempt would do better."""
        if isinstance(exc, NEVER_SENT):
            unsent = self._close()
            self.attempts[:] = [attempt for attempt in self.attempts if attempt is not unsent]
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
        error = neutral(exc, attempt, request, self.provider, self.arrived, self.patience)
        if error.usage is not None:
            attempt.usage, attempt.receipt = error.usage, priced(attempt, self.provider, error.usage)
        # A vendor that refuses what its model wrote has worked for it.
        elif (error.partial_text or error.status_code in MAY_HAVE_WORKED) and not error.never_sent:
            self._broke_off(attempt, request, f"the call broke off ({error.kind})")
        self._settle(attempt, error=error)
        return error

    def _last(self, error: ProviderError) -> ProviderError:
        """The error of the whole call, with all that was handed out."""
        error.partial_text = self._broken.text + error.partial_text
        return super()._last(error)

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
        else:
            self._settle(None)  # what was held for one that was not begun

    def twin(self) -> Run:
        """A second run for one attempt beside this one's; all that is not of the attempt is the same."""
        twin = copy(self)
        twin._asked = self._asked.alone()
        twin.patience, twin.gate = copy(self.patience), Gate(self.policy.breaker, self.policy.rate_limit)
        twin._request = twin._attempt = twin._cover = twin._error = None
        twin._reason = "hedge"
        twin.gate.waiter()  # whom another thread may stop
        return twin

    def adopt(self, twin: Run) -> None:
        """Go on with a twin's attempt in the place of this one's, which is closed."""
        self.patience, self.arrived, self.gate = twin.patience, twin.arrived, twin.gate
        self._request, self._attempt = twin._request, twin._attempt
        self._cover, self._adjusted = twin._cover, twin._adjusted

    def attach(self, error: LazyBridgeError) -> None:
        """Put what the call had onto an error."""
        if isinstance(error, ProviderError) and not error.partial_text:
            error.partial_text = self.arrived.text
        error.attempts = tuple(self.all_attempts())
        error.receipt = total_receipt(error.attempts)

    def all_attempts(self) -> list[Attempt]:
        """Its own and those of the calls inside it, as they were begun."""
        return in_order(self.attempts, self.nested.attempts) if self.nested.attempts else list(self.attempts)

    def _opened(self) -> Attempt:
        assert self._attempt is not None
        return self._attempt

    def _close(self) -> Attempt:
        self._request = None
        attempt = self._opened()
        attempt.duration_ms = (time.time() - attempt.started) * 1000
        return attempt

    def _settle(self, attempt: Attempt | None, asked: str | None = None, error: BaseException | None = None) -> None:
        """Give back what was held for an attempt beyond its cost, and enter it in the ledger; tell of a failed one."""
        self.gate.ended(self.provider, attempt, asked, error)
        if self._cover is not None:
            self._cover.settle(FREE if attempt is None else attempt.receipt)
            self._cover = None
        if self.ledger is not None and attempt is not None:
            self.ledger.add(attempt, agent=self.policy.name, asked=asked or attempt.model, run_id=self.run_id)
        if self.events is not None and attempt is not None and attempt.error is not None:
            self.events.failed(attempt, error)

    def _broke_off(self, attempt: Attempt, request: CompletionRequest, why: str) -> None:
        note_least(attempt, self.provider, request, self.arrived, why)
