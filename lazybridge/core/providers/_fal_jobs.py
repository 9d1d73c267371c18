"""Jobs in fal's queue."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from lazybridge.core.endpoints.fal import Completed, FalResult, FalStatus
from lazybridge.core.errors import InvalidRequestError, ProviderTimeoutError
from lazybridge.core.providers._fal_attempts import Answer, Asking, Place, Sent, atried, checked_timeout, tried
from lazybridge.core.retry import Deadline
from lazybridge.core.wire.endpoints.fal import result_of, status_of

if TYPE_CHECKING:
    from lazybridge.core.providers._fal_queue import FalApplications

T = TypeVar("T")


class _JobDeadline(Deadline):
    request_id: str | None = None

    def error(self) -> ProviderTimeoutError:
        return ProviderTimeoutError(
            f"the job has not ended within timeout={self.timeout:g} s; it goes on at fal\nwait() again, or cancel() it",
            request_id=self.request_id,
            retryable=False,
        )


class _Job:
    def __init__(
        self, provider: FalApplications, application: str, place: Place, headers: Mapping[str, str] | None
    ) -> None:
        self.application = application
        self.request_id = place.request_id
        self._provider = provider
        self._place = place
        self._headers = headers

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.application!r}, {self.request_id!r})"

    def _asking(self, timeout: float | None) -> Asking:
        deadline = _JobDeadline(checked_timeout(timeout))
        deadline.request_id = self.request_id
        return Asking(self._provider, self.application, deadline, self._headers, repeatable=True)

    def _made(self, answer: Answer, ended: Completed | None) -> FalResult:
        if answer.status_code == 202:  # a status, in place of what there is not yet
            raise InvalidRequestError("the job has not ended\nwait() for it", request_id=self.request_id)
        result = result_of(answer.raw, answer.headers, self.application)
        result.request_id = self.request_id
        result.metrics = None if ended is None else ended.metrics
        return result


class FalJob(_Job):
    """A job in fal's queue, known by `application` and `request_id`.

    It goes on at fal whatever becomes of this object, and `FalProvider.job(application, request_id)` finds it again.
    `timeout` is in seconds. A question that fails is asked again where that may help, twice; then the methods raise
    ProviderError.
    """

    def status(self, *, logs: bool = False, timeout: float | None = None) -> FalStatus:
        """Where the job stands: `Queued`, `InProgress` or `Completed`."""
        return self._status(self._asking(timeout), logs)

    def wait(
        self,
        timeout: float | None = None,
        *,
        on_update: Callable[[FalStatus], object] | None = None,
        interval: float = 0.5,
    ) -> FalResult:
        """What the job made, once it has ended.

        `on_update` is called with each new status, logs included; `interval` is the seconds between two questions.
        Raises ProviderTimeoutError where the time is up, and the job goes on.
        """
        asking, told = self._asking(timeout), None
        while True:
            status = self._status(asking, logs=on_update is not None)
            if on_update is not None and status != told:
                on_update(status)
            if isinstance(status, Completed):
                return self._result(asking, status)
            told = status
            time.sleep(_pause(interval, asking.deadline))

    def result(self, *, timeout: float | None = None) -> FalResult:
        """What a job that has ended made. Raises InvalidRequestError while it has not; `wait` waits."""
        return self._result(self._asking(timeout), None)

    def cancel(self, *, timeout: float | None = None) -> bool:
        """Ask fal to take the job out of the queue, or to stop it; False where it had ended already."""
        try:
            return self._ask(self._asking(timeout), "PUT", self._place.cancel_url, {}, lambda answer: True)
        except InvalidRequestError as error:
            return _unless_too_late(error)

    def _status(self, asking: Asking, logs: bool) -> FalStatus:
        return self._ask(asking, "GET", self._place.status_url, _query(logs), lambda answer: status_of(answer.raw))

    def _result(self, asking: Asking, ended: Completed | None) -> FalResult:
        return self._ask(asking, "GET", self._place.response_url, {}, partial(self._made, ended=ended))

    def _ask(self, asking: Asking, method: str, url: str, query: Mapping[str, str], read: Callable[[Answer], T]) -> T:
        return tried(asking, lambda sent: read(self._provider._fal_client().ask(sent, method, url, query)))


class AsyncFalJob(_Job):
    """`FalJob`, on the running event loop: the same methods, awaited."""

    async def status(self, *, logs: bool = False, timeout: float | None = None) -> FalStatus:
        """Where the job stands: `Queued`, `InProgress` or `Completed`."""
        return await self._status(self._asking(timeout), logs)

    async def wait(
        self,
        timeout: float | None = None,
        *,
        on_update: Callable[[FalStatus], object] | None = None,
        interval: float = 0.5,
    ) -> FalResult:
        """`FalJob.wait`; `on_update` may be a coroutine function."""
        asking, told = self._asking(timeout), None
        while True:
            status = await self._status(asking, logs=on_update is not None)
            if on_update is not None and status != told:
                said = on_update(status)
                if inspect.isawaitable(said):
                    await said
            if isinstance(status, Completed):
                return await self._result(asking, status)
            told = status
            await asyncio.sleep(_pause(interval, asking.deadline))

    async def result(self, *, timeout: float | None = None) -> FalResult:
        """What a job that has ended made. Raises InvalidRequestError while it has not; `wait` waits."""
        return await self._result(self._asking(timeout), None)

    async def cancel(self, *, timeout: float | None = None) -> bool:
        """Ask fal to take the job out of the queue, or to stop it; False where it had ended already."""
        try:
            return await self._ask(self._asking(timeout), "PUT", self._place.cancel_url, {}, lambda answer: True)
        except InvalidRequestError as error:
            return _unless_too_late(error)

    async def _status(self, asking: Asking, logs: bool) -> FalStatus:
        url = self._place.status_url
        return await self._ask(asking, "GET", url, _query(logs), lambda answer: status_of(answer.raw))

    async def _result(self, asking: Asking, ended: Completed | None) -> FalResult:
        return await self._ask(asking, "GET", self._place.response_url, {}, partial(self._made, ended=ended))

    async def _ask(
        self, asking: Asking, method: str, url: str, query: Mapping[str, str], read: Callable[[Answer], T]
    ) -> T:
        async def ask(sent: Sent) -> T:
            client = await self._provider._async_fal_client()
            return read(await client.ask(sent, method, url, query))

        return await atried(asking, ask)


def _query(logs: bool) -> dict[str, str]:
    return {"logs": "1"} if logs else {}


def _pause(interval: float, deadline: Deadline) -> float:
    """Seconds until the next question, none of them after the end."""
    left = deadline.left()
    return interval if left is None else min(interval, left)


def _unless_too_late(error: InvalidRequestError) -> bool:
    """False where fal says that the job had ended; any other refusal is raised."""
    if error.code == "ALREADY_COMPLETED":
        return False
    raise error
