"""fal's applications: asked directly, or put into its queue as jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, TypedDict, Unpack

from lazybridge.core.endpoints.fal import FalResult
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers._fal_attempts import Asking, Place, Sent, atried, checked_timeout, tried
from lazybridge.core.providers._fal_connection import FalConnection
from lazybridge.core.providers._fal_jobs import AsyncFalJob, FalJob
from lazybridge.core.retry import Deadline
from lazybridge.core.wire.endpoints.fal import result_of

_ID = re.compile(r"[\w.-]+(/[\w.-]+)+")


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
        asking = self._starting(application, arguments, timeout, max_retries, extra_headers)

        def ask(sent: Sent) -> FalResult:
            answer = self._fal_client().run(sent, application, arguments, options)
            return result_of(answer.raw, answer.headers, application)

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
        asking = self._starting(application, arguments, timeout, max_retries, extra_headers)

        async def ask(sent: Sent) -> FalResult:
            answer = await (await self._async_fal_client()).run(sent, application, arguments, options)
            return result_of(answer.raw, answer.headers, application)

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
        asking = self._starting(application, arguments, timeout, max_retries, extra_headers)
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
        asking = self._starting(application, arguments, timeout, max_retries, extra_headers)

        async def ask(sent: Sent) -> Place:
            return await (await self._async_fal_client()).submit(sent, application, arguments, options)

        return AsyncFalJob(self, application, await atried(asking, ask), extra_headers)

    def job(self, application: str, request_id: str, *, extra_headers: Mapping[str, str] | None = None) -> FalJob:
        """A job that was submitted before, by its id; nothing is sent."""
        return FalJob(self, application, self._place(application, request_id), extra_headers)

    def ajob(self, application: str, request_id: str, *, extra_headers: Mapping[str, str] | None = None) -> AsyncFalJob:
        """`job`, for the running event loop."""
        return AsyncFalJob(self, application, self._place(application, request_id), extra_headers)

    def _starting(
        self,
        application: str,
        arguments: Mapping[str, Any],
        timeout: float | None,
        max_retries: int,
        headers: Mapping[str, str] | None,
    ) -> Asking:
        _check_application(application)
        if not isinstance(arguments, Mapping):
            example = f'write {{"prompt": "..."}}, as the page of {application} says'
            raise ConfigurationError(f"arguments are a {type(arguments).__name__}, not an object\n{example}")
        deadline = Deadline(checked_timeout(timeout))
        return Asking(self, application, deadline, headers, max_retries=max_retries, repeatable=False)

    def _place(self, application: str, request_id: str) -> Place:
        _check_application(application)
        if not (isinstance(request_id, str) and request_id):
            raise ConfigurationError(f"request_id={request_id!r} is no id\nit is FalJob.request_id, a text")
        self._check_fal_client()
        from lazybridge.core.providers._fal import place_by_id

        return place_by_id(application, request_id)


def _check_application(application: object) -> None:
    if not (isinstance(application, str) and _ID.fullmatch(application)):
        raise ConfigurationError(f'{application!r} is no application of fal\nname it with its owner: "fal-ai/flux/dev"')
