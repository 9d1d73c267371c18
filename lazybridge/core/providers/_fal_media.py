"""fal's applications as endpoints: one call each, directly or through the queue; and what they cost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
from lazybridge.core.endpoints.fal import FalPrice, FalResult
from lazybridge.core.errors import ConfigurationError, ProviderError
from lazybridge.core.providers._endpoints import Endpoints
from lazybridge.core.providers._fal_attempts import Answer, Asking, Sent, atried, tried
from lazybridge.core.providers._fal_connection import check_application
from lazybridge.core.providers._fal_jobs import AsyncFalJob, FalJob
from lazybridge.core.providers._fal_queue import FalApplications
from lazybridge.core.receipt import unknown
from lazybridge.core.retry import Deadline, checked_timeout
from lazybridge.core.wire.endpoints import Endpoint, HTTPCall
from lazybridge.core.wire.endpoints.fal import FalEndpoint, price_in

Given = TypeVar("Given", bound=EndpointResponse)

_PRICES = "https://api.fal.ai/v1/models/pricing"


class FalMedia(FalApplications, Endpoints):
    """`ask` and `price_of`."""

    def price_of(self, application: str, *, timeout: float | None = None) -> FalPrice:
        """What fal takes for one unit of an application, with this key; results that follow are priced by it.

        Raises NotFoundError where fal names no price, ProviderError where it cannot be asked.
        """
        asking = self._asking_for_price(application, timeout)

        def ask(sent: Sent) -> FalPrice:
            return self._price(application, self._fal_client().ask(sent, "GET", _PRICES, {"endpoint_id": application}))

        return tried(asking, ask)

    async def aprice_of(self, application: str, *, timeout: float | None = None) -> FalPrice:
        """`price_of`, on the running event loop."""
        asking = self._asking_for_price(application, timeout)

        async def ask(sent: Sent) -> FalPrice:
            client = await self._async_fal_client()
            return self._price(application, await client.ask(sent, "GET", _PRICES, {"endpoint_id": application}))

        return await atried(asking, ask)

    def ask(self, name: str, request: EndpointRequest, kind: type[Given]) -> Given:
        """One call of the endpoint `name`. What goes through the queue is waited for; where that fails, the error's
        `request_id` is the job's, and it goes on at fal."""
        endpoint, model, call = self._application(name, request)
        if not endpoint.queued:
            with _once():
                found = self.run(model, call.body or {}, **_of(request))
            return self._answered(endpoint, request, call, found, kind)
        deadline = Deadline(request.timeout)
        with _once():
            job = self.submit(model, call.body or {}, **_of(request))
        with _remembered(job):
            found = job.wait(_rest(deadline), on_update=getattr(request, "on_update", None))
            return self._answered(endpoint, request, call, found, kind)

    async def aask(self, name: str, request: EndpointRequest, kind: type[Given]) -> Given:
        """`ask`, on the running event loop."""
        endpoint, model, call = self._application(name, request)
        if not endpoint.queued:
            with _once():
                found = await self.arun(model, call.body or {}, **_of(request))
            return self._answered(endpoint, request, call, found, kind)
        deadline = Deadline(request.timeout)
        with _once():
            job = await self.asubmit(model, call.body or {}, **_of(request))
        with _remembered(job):
            found = await job.wait(_rest(deadline), on_update=getattr(request, "on_update", None))
            return self._answered(endpoint, request, call, found, kind)

    def _application(self, name: str, request: EndpointRequest) -> tuple[FalEndpoint[Any, Any], str, HTTPCall]:
        endpoint, model, call, _ = self._prepared(name, request)
        assert isinstance(endpoint, FalEndpoint)  # all of fal's are
        return endpoint, model, call

    def _answered(
        self,
        endpoint: Endpoint[Any, Any],
        request: EndpointRequest,
        call: HTTPCall,
        found: FalResult,
        kind: type[Given],
    ) -> Given:
        response: Given = endpoint.response(request, found.raw)
        response.model, response.request_id, response.raw = found.model, found.request_id, found.raw
        response.adjustments = (*call.adjustments, *response.adjustments)
        response.receipt, response.usage.cost_usd = found.receipt, found.cost_usd
        return response

    def _asking_for_price(self, application: str, timeout: float | None) -> Asking:
        check_application(application)
        if self.api_url is None and (self.base_url or self.run_url or self.queue_url):
            raise ConfigurationError(
                "the key is for another server; it does not say where the prices are"
                '\nname that too: FalProvider(..., api_url="https://api.fal.ai")'
            )
        return Asking(self, application, Deadline(checked_timeout(timeout)), None, repeatable=True)

    def _price(self, application: str, answer: Answer) -> FalPrice:
        self.unit_prices[application] = found = price_in(answer.raw, application)
        return found


def _of(request: EndpointRequest) -> Any:
    return {"timeout": request.timeout, "max_retries": 0, "extra_headers": request.extra_headers}


def _rest(deadline: Deadline) -> float | None:
    left = deadline.left()
    return None if left is None else max(left, 0.001)


@contextmanager
def _once() -> Iterator[None]:
    """Leave to the caller to ask again only what cannot have begun."""
    try:
        yield
    except ProviderError as error:
        error.retryable = error.retryable and (error.never_sent or error.status_code == 429)
        raise


@contextmanager
def _remembered(job: FalJob | AsyncFalJob) -> Iterator[None]:
    """Say which job goes on at fal, where it is no longer waited for; another one would be billed beside it."""
    try:
        yield
    except ProviderError as error:
        error.retryable, error.never_sent = False, False
        error.request_id = job.request_id
        error.receipt = unknown(f"fal may bill the job {job.request_id}")
        raise
    finally:
        left = sys.exception()
        if left is not None:  # cancelled, interrupted, failed, or the caller's own
            left.add_note(_where(job))


def _where(job: FalJob | AsyncFalJob) -> str:
    return f"the job at fal: FalProvider().job({job.application!r}, {job.request_id!r})"
