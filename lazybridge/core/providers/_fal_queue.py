"""fal's applications: asked directly, or put into its queue as jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import closing
from typing import Any, Literal, TypedDict, Unpack

from lazybridge.core.closing import AsyncClosed
from lazybridge.core.endpoints.fal import FalResult
from lazybridge.core.errors.secrets import concealed
from lazybridge.core.providers._fal_attempts import FAILURES, Answer, Asking, Place, Sent, atried, tried
from lazybridge.core.providers._fal_connection import FalConnection
from lazybridge.core.providers._fal_jobs import AsyncFalJob, FalJob
from lazybridge.core.wire.endpoints.fal import result_of


class RunOptions(TypedDict, total=False):
    """What fal-client takes besides: a `path` below the application, a `hint` which runner should serve, and
    `start_timeout`, the seconds that may pass at fal before it begins."""

    path: str
    hint: str
    start_timeout: float


class SubmitOptions(RunOptions, total=False):
    """And for a job: where fal sends the result (`webhook_url`), and whether others go first (`priority="low"`)."""

    webhook_url: str
    priority: Literal["normal", "low"]


class FalApplications(FalConnection):
    """`run`, `submit` and `job`."""

    def run(
        self,
        application: str,
        arguments: Mapping[str, Any],
        *,
        timeout: float | None = None,
        max_retries: int = 2,
        extra_headers: Mapping[str, str] | None = None,
        **options: Unpack[RunOptions],
    ) -> FalResult:
        """What an application makes of its arguments, asked directly; `submit` is for what takes long.

        `timeout` is in seconds, None is no limit. Asked again, `max_retries` times, is only what cannot have begun. Raises
        ProviderError, and ConfigurationError for what is no application.
        """
        extra_headers = concealed(extra_headers)
        asking = self._starting(application, arguments, timeout, max_retries, extra_headers)

        def ask(sent: Sent) -> FalResult:
            answer = self._fal_client().run(sent, application, arguments, options)
            return self._made(answer, application)

        return tried(asking, ask)

    async def arun(
        self,
        application: str,
        arguments: Mapping[str, Any],
        *,
        timeout: float | None = None,
        max_retries: int = 2,
        extra_headers: Mapping[str, str] | None = None,
        **options: Unpack[RunOptions],
    ) -> FalResult:
        """`run`, on the running event loop."""
        extra_headers = concealed(extra_headers)
        asking = self._starting(application, arguments, timeout, max_retries, extra_headers)

        async def ask(sent: Sent) -> FalResult:
            answer = await (await self._async_fal_client()).run(sent, application, arguments, options)
            return self._made(answer, application)

        return await atried(asking, ask)

    def submit(
        self,
        application: str,
        arguments: Mapping[str, Any],
        *,
        timeout: float | None = None,
        max_retries: int = 2,
        extra_headers: Mapping[str, str] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> FalJob:
        """Put a job into the queue. `timeout` is in seconds, for this alone; the job's questions carry `extra_headers` too.

        Asked again, `max_retries` times, is only what cannot have begun. Raises as `run` does.
        """
        extra_headers = concealed(extra_headers)
        asking = self._starting(application, arguments, timeout, max_retries, extra_headers, queue=True)
        place = tried(asking, lambda sent: self._fal_client().submit(sent, application, arguments, options))
        return FalJob(self, application, place, extra_headers)

    async def asubmit(
        self,
        application: str,
        arguments: Mapping[str, Any],
        *,
        timeout: float | None = None,
        max_retries: int = 2,
        extra_headers: Mapping[str, str] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> AsyncFalJob:
        """`submit`, on the running event loop."""
        extra_headers = concealed(extra_headers)
        asking = self._starting(application, arguments, timeout, max_retries, extra_headers, queue=True)

        async def ask(sent: Sent) -> Place:
            return await (await self._async_fal_client()).submit(sent, application, arguments, options)

        return AsyncFalJob(self, application, await atried(asking, ask), extra_headers)

    def events(
        self,
        application: str,
        arguments: Mapping[str, Any],
        *,
        timeout: float | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> Generator[FalResult, None, None]:
        """What an application makes, as it grows, where it streams: each event a result, the last one the whole.

        Closing the generator closes the connection. `timeout` is in seconds, for all of it. Raises as `run` does; what has
        begun is not asked again.
        """
        extra_headers = concealed(extra_headers)
        return self._events(self._starting(application, arguments, timeout, 0, extra_headers), application, arguments)

    def aevents(
        self,
        application: str,
        arguments: Mapping[str, Any],
        *,
        timeout: float | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[FalResult, None]:
        """`events`, on the running event loop."""
        extra_headers = concealed(extra_headers)
        return self._aevents(self._starting(application, arguments, timeout, 0, extra_headers), application, arguments)

    def job(self, application: str, request_id: str, *, extra_headers: Mapping[str, str] | None = None) -> FalJob:
        """A job that was submitted before, by its id; nothing is sent."""
        return FalJob(self, application, self._place(application, request_id), concealed(extra_headers))

    def ajob(self, application: str, request_id: str, *, extra_headers: Mapping[str, str] | None = None) -> AsyncFalJob:
        """`job`, for the running event loop."""
        return AsyncFalJob(self, application, self._place(application, request_id), concealed(extra_headers))

    def _made(self, answer: Answer, application: str) -> FalResult:
        """What an application answered, priced where a unit of it has a price."""
        return result_of(answer.raw, answer.headers, application, self.unit_prices.get(application))

    def _events(
        self, asking: Asking, application: str, arguments: Mapping[str, Any]
    ) -> Generator[FalResult, None, None]:
        with closing(self._fal_client().events(asking.begin(), application, arguments)) as events:
            while True:
                try:
                    answer = next(events, None)
                    result = None if answer is None else self._made(answer, application)
                except FAILURES as exc:
                    failure = exc
                    break
                if result is None:
                    return
                yield result
        asking.failed(failure)

    async def _aevents(
        self, asking: Asking, application: str, arguments: Mapping[str, Any]
    ) -> AsyncGenerator[FalResult, None]:
        client = await self._async_fal_client()
        async with AsyncClosed(client.events(asking.begin(), application, arguments)) as events:
            while True:
                try:
                    async with asyncio.timeout(asking.deadline.left()):
                        answer = await anext(events, None)
                    result = None if answer is None else self._made(answer, application)
                except FAILURES as exc:
                    failure = exc
                    break
                if result is None:
                    return
                yield result
        asking.failed(failure)
