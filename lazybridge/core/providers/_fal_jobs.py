"""Jobs in fal's queue."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from functools import partial
from typing import TypeVar

from lazybridge.core.closing import AsyncClosed
from lazybridge.core.endpoints.fal import Completed, FalResult, FalStatus
from lazybridge.core.errors import InvalidRequestError
from lazybridge.core.providers._fal_attempts import Answer, Asking, Sent, atried, tried
from lazybridge.core.providers._fal_job import Job, pause, query, unless_too_late
from lazybridge.core.wire.endpoints.fal import status_of

T = TypeVar("T")


class FalJob(Job):
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
        asking = self._asking(timeout)
        for status in self._changes(asking, on_update is not None, interval):
            if on_update is not None:
                on_update(status)
        return self._result(asking, status)

    def events(
        self, timeout: float | None = None, *, logs: bool = True, interval: float = 0.5
    ) -> Generator[FalStatus, None, None]:
        """Each new status of the job, up to `Completed`; the `logs` of each are all that there are. Raises as `wait` does."""
        return self._changes(self._asking(timeout), logs, interval)

    def result(self, *, timeout: float | None = None) -> FalResult:
        """What a job that has ended made. Raises InvalidRequestError while it has not; `wait` waits."""
        return self._result(self._asking(timeout), None)

    def cancel(self, *, timeout: float | None = None) -> bool:
        """Ask fal to take the job out of the queue, or to stop it; False where it had ended already."""
        try:
            return self._ask(self._asking(timeout), "PUT", self._place.cancel_url, {}, lambda answer: True)
        except InvalidRequestError as error:
            return unless_too_late(error)

    def _changes(self, asking: Asking, logs: bool, interval: float) -> Generator[FalStatus, None, None]:
        told = None
        while not isinstance(told, Completed):
            status = self._status(asking, logs)
            if status != told:
                yield status
            if not isinstance(status, Completed):
                time.sleep(pause(interval, asking.deadline))
            told = status

    def _status(self, asking: Asking, logs: bool) -> FalStatus:
        return self._ask(asking, "GET", self._place.status_url, query(logs), lambda answer: status_of(answer.raw))

    def _result(self, asking: Asking, ended: FalStatus | None) -> FalResult:
        return self._ask(asking, "GET", self._place.response_url, {}, partial(self._made, ended=ended))

    def _ask(self, asking: Asking, method: str, url: str, query: Mapping[str, str], read: Callable[[Answer], T]) -> T:
        return tried(asking, lambda sent: read(self._provider._fal_client().ask(sent, method, url, query)))


class AsyncFalJob(Job):
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
        asking = self._asking(timeout)
        async with AsyncClosed(self._changes(asking, on_update is not None, interval)) as changes:
            async for status in changes:
                said = None if on_update is None else on_update(status)
                if inspect.isawaitable(said):
                    await said
        return await self._result(asking, status)

    def events(
        self, timeout: float | None = None, *, logs: bool = True, interval: float = 0.5
    ) -> AsyncGenerator[FalStatus, None]:
        """`FalJob.events`, by `async for`."""
        return self._changes(self._asking(timeout), logs, interval)

    async def result(self, *, timeout: float | None = None) -> FalResult:
        """What a job that has ended made. Raises InvalidRequestError while it has not; `wait` waits."""
        return await self._result(self._asking(timeout), None)

    async def cancel(self, *, timeout: float | None = None) -> bool:
        """Ask fal to take the job out of the queue, or to stop it; False where it had ended already."""
        try:
            return await self._ask(self._asking(timeout), "PUT", self._place.cancel_url, {}, lambda answer: True)
        except InvalidRequestError as error:
            return unless_too_late(error)

    async def _changes(self, asking: Asking, logs: bool, interval: float) -> AsyncGenerator[FalStatus, None]:
        told = None
        while not isinstance(told, Completed):
            status = await self._status(asking, logs)
            if status != told:
                yield status
            if not isinstance(status, Completed):
                await asyncio.sleep(pause(interval, asking.deadline))
            told = status

    async def _status(self, asking: Asking, logs: bool) -> FalStatus:
        url = self._place.status_url
        return await self._ask(asking, "GET", url, query(logs), lambda answer: status_of(answer.raw))

    async def _result(self, asking: Asking, ended: FalStatus | None) -> FalResult:
        return await self._ask(asking, "GET", self._place.response_url, {}, partial(self._made, ended=ended))

    async def _ask(
        self, asking: Asking, method: str, url: str, query: Mapping[str, str], read: Callable[[Answer], T]
    ) -> T:
        async def ask(sent: Sent) -> T:
            client = await self._provider._async_fal_client()
            return read(await client.ask(sent, method, url, query))

        return await atried(asking, ask)
