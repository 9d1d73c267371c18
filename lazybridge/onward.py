"""What follows an attempt that failed: another one of the same model, another model, or nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lazybridge import breaker
from lazybridge.core.errors import CircuitOpenError, ProviderError
from lazybridge.core.providers import _tape
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.retry import Deadline
from lazybridge.core.types import CompletionRequest
from lazybridge.envelope import Attempt, AttemptReason
from lazybridge.policy import Policy
from lazybridge.succession import Succession

if TYPE_CHECKING:
    from lazybridge.telling import Events

_log = logging.getLogger("lazybridge")


class Onward:
    """Who is asked, how often that was tried, and why the next attempt is made."""

    def __init__(self, provider: BaseProvider, policy: Policy) -> None:
        self.policy = policy
        self._asked = Succession(provider, policy.fallback)
        self._retries_done = 0
        self._reason: AttemptReason = "turn"
        self._error: ProviderError | None = None  # of the attempt that is tried again

    deadline: Deadline
    events: Events | None

    @property
    def provider(self) -> BaseProvider:
        """Who is asked."""
        return self._asked.provider

    @property
    def provider_name(self) -> str:
        """The name of who is asked."""
        return self._asked.provider_name

    def refused(self, error: CircuitOpenError, request: CompletionRequest) -> None:
        """Go on to another model than the one that is left alone. Raises the error of the whole call where there is none."""
        reason = self._error or error
        if not self._moved(reason, request):
            raise self._last(reason)

    def _last(self, error: ProviderError) -> ProviderError:
        """The error of the whole call."""
        error.causes = tuple(self._asked.causes)
        return error

    def _next(self, error: ProviderError, attempt: Attempt, request: CompletionRequest) -> float | None:
        """Seconds to wait before the next attempt; None where there is none."""
        left = self.deadline.left()
        if left is not None and left <= 0.01:
            return None
        wait = self.policy.retries.delay(error, self._retries_done)
        if wait is not None and (left is None or wait < left) and not self._left_alone(request):
            self._retries_done += 1
            self._reason, self._error, attempt.wait_s = "retry", error, wait
            if self.events is not None:
                self.events.retried(error.kind, wait)
            _log.info("retrying %s in %.2f s after %s", self.provider_name, wait, error.kind)
            return _tape.pause(wait)
        return 0.0 if self._moved(error, request) else None

    def _left_alone(self, request: CompletionRequest) -> bool:
        return self.policy.breaker and breaker.is_open(self.provider, self._asked.model(request))

    def _moved(self, error: ProviderError, request: CompletionRequest) -> bool:
        """Whether there is another to ask, who is the one from here on."""
        name, model = self.provider_name, self._asked.model(request)
        if not self._asked.moved(error, request):
            return False
        self._retries_done, self._reason, self._error = 0, "fallback", None
        to = self._asked.model(request)
        if self.events is not None:
            self.events.fell_back(error.kind, model, to)
        _log.warning("%s/%s: %s, falling back to %s/%s", name, model, error.kind, self.provider_name, to)
        return True
