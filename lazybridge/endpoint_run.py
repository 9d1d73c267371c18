"""One call of an endpoint that is no conversation: its attempts, its deadline, its budget, its rows in the ledger."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from lazybridge.audience import session_in_use
from lazybridge.core import pricing
from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
from lazybridge.core.errors import (
    LazyBridgeError,
    ProviderError,
    from_exception,
)
from lazybridge.core.errors.secrets import credentials_of
from lazybridge.core.providers import _tape
from lazybridge.core.providers.asking import AsksEndpoints
from lazybridge.core.providers.costing import priced_profile
from lazybridge.core.receipt import FREE, unknown
from lazybridge.core.retry import Deadline
from lazybridge.core.wire.endpoints import Endpoint
from lazybridge.cover import Held, hold
from lazybridge.envelope import Attempt, total_receipt, total_usage
from lazybridge.failing import MAY_HAVE_WORKED, NEVER_SENT
from lazybridge.policy import Policy, ledger_of

Given = TypeVar("Given", bound=EndpointResponse)

# What a vendor says before it has done anything.
_DID_NOTHING = (429, 503, 529)


class EndpointRun:
    """One call, which may take several requests; their attempts stand on the response, and on an error."""

    _endpoint: Endpoint[Any, Any]  # of the attempt that is open

    def __init__(self, provider: AsksEndpoints, policy: Policy, timeout: float | None) -> None:
        self.provider = provider
        self.policy = policy
        self.deadline = Deadline(timeout)
        self.attempts: list[Attempt] = []
        self._session = policy.session or session_in_use.get()
        self._ledger = ledger_of(policy, None if self._session is None else self._session.ledger)
        self._run_id = os.urandom(16).hex()
        self._held: Held | None = None
        self._retries_done = 0

    def ask(self, name: str, request: EndpointRequest, kind: type[Given]) -> Given:
        """One request, tried again where that may help. Raises the neutral error."""
        while True:
            sent = self._begin(name, request)
            try:
                return self._succeeded(self.provider.ask(name, sent, kind))
            except Exception as exc:  # any SDK's exceptions arrive here
                self._check_whose(exc)
                time.sleep(self._failed(exc, request))
            except BaseException:
                self._abandon()
                raise

    async def aask(self, name: str, request: EndpointRequest, kind: type[Given]) -> Given:
        """`ask`, on the running event loop."""
        while True:
            sent = self._begin(name, request)
            try:
                async with asyncio.timeout(None if self._endpoint.self_contained else self.deadline.left()):
                    return self._succeeded(await self.provider.aask(name, sent, kind))
            except Exception as exc:
                self._check_whose(exc)
                await asyncio.sleep(self._failed(exc, request))
            except BaseException:  # cancelled, most likely
                self._abandon()
                raise

    def told(self, response: Given) -> Given:
        """The response with what all the requests together took."""
        response.attempts = tuple(self.attempts)
        response.receipt = total_receipt(self.attempts)
        response.usage = total_usage(self.attempts)
        return response

    def _begin(self, name: str, request: EndpointRequest) -> EndpointRequest:
        endpoint = self._endpoint = self.provider.endpoint_for(name)
        model = self.provider._model_for(endpoint, request)
        try:
            self.deadline.check()
            if not (endpoint.free or self.provider._free):
                self._held = hold(self.policy.budget, self._most(endpoint.most(request), model), model or name)
        except LazyBridgeError as error:
            if self.attempts:  # what was sent before this, and what it cost
                error.attempts, error.receipt = tuple(self.attempts), total_receipt(self.attempts)
            raise
        self.attempts.append(Attempt(self.provider.registered_name(), model or None, started=time.time()))
        return replace(request, timeout=self.deadline.left())

    def _most(self, usage: Any, model: str) -> Decimal | None:
        receipt = unknown() if usage is None else pricing.receipt(priced_profile(self.provider, model), usage)
        return receipt.total if receipt.status == "exact" else None

    def _succeeded(self, response: Given) -> Given:
        attempt = self._closed()
        attempt.usage, attempt.receipt = response.usage, response.receipt or FREE
        attempt.request_id = response.request_id
        asked, attempt.model = attempt.model, response.model or attempt.model
        self._settle(attempt, asked)
        self._retries_done = 0
        return response

    def _failed(self, exc: Exception, request: EndpointRequest) -> float:
        """Seconds to wait before the next attempt. Raises the neutral error where there is none."""
        if isinstance(exc, NEVER_SENT) or (isinstance(exc, LazyBridgeError) and not isinstance(exc, ProviderError)):
            self.attempts.pop()
            if self._held is not None:
                self._held.settle(FREE)
                self._held = None
            raise exc
        attempt = self._closed()
        error = from_exception(
            exc,
            provider=attempt.provider,
            model=attempt.model,
            secrets=credentials_of(self.provider, request.extra_headers),
        )
        attempt.status_code, attempt.error, attempt.request_id = error.status_code, error.kind, error.request_id
        if error.receipt is not None:
            attempt.receipt = error.receipt
        elif error.status_code in MAY_HAVE_WORKED and not error.never_sent and self._costs():
            attempt.receipt = unknown(f"the call broke off ({error.kind}), before anything arrived")
        self._settle(attempt, attempt.model)
        left = self.deadline.left()
        named = self._endpoint.self_contained and error.request_id is not None  # it says where to look for the rest
        if error.kind in ("timeout", "connection") and left is not None and left <= 0.01 and not named:
            late = self.deadline.error()
            late.provider, late.model = error.provider, error.model
            raise self._with_attempts(late) from error.__cause__
        wait = self.policy.retries.delay(error, self._retries_done) if self._may_repeat(error) else None
        if wait is None or (left is not None and wait >= left):
            raise self._with_attempts(error) from error.__cause__
        self._retries_done += 1
        attempt.wait_s = wait
        return _tape.pause(wait)

    def _may_repeat(self, error: ProviderError) -> bool:
        """Whether a second try does and costs nothing twice that it should not."""
        if error.never_sent or error.status_code in _DID_NOTHING:
            return True
        return self._endpoint.repeatable and not (self._endpoint.dear and error.status_code in MAY_HAVE_WORKED)

    def _check_whose(self, exc: Exception) -> None:
        """Raises the exception again where it is the caller's own, out of what was given to be called."""
        if self._endpoint.self_contained and not isinstance(exc, LazyBridgeError):
            self._abandon()
            raise exc

    def _costs(self) -> bool:
        """Whether an attempt that broke off can have cost anything."""
        return not (self.provider._free or (self._endpoint.free and self._endpoint.repeatable))

    def _with_attempts(self, error: ProviderError) -> ProviderError:
        error.attempts = tuple(self.attempts)
        error.receipt = total_receipt(self.attempts)
        return error

    def _abandon(self) -> None:
        attempt = self._closed()
        attempt.error = "cancelled"
        if self._costs():
            attempt.receipt = unknown("the call was left before its end")
        self._settle(attempt, attempt.model)

    def _closed(self) -> Attempt:
        attempt = self.attempts[-1]
        attempt.duration_ms = (time.time() - attempt.started) * 1000
        return attempt

    def _settle(self, attempt: Attempt, asked: str | None) -> None:
        if self._held is not None:
            self._held.settle(attempt.receipt)
            self._held = None
        if self._session is not None:
            self._session.add(attempt.receipt, attempt.usage)
        look = self._endpoint.free and attempt.receipt is FREE  # at a list or a batch: no expense
        if self._ledger is not None and not look:
            self._ledger.add(attempt, agent=self.policy.name, asked=asked, run_id=self._run_id)
