"""What a job in fal's queue is to synchronous and asynchronous callers alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lazybridge.core.endpoints.fal import Completed, FalResult, FalStatus
from lazybridge.core.errors import InvalidRequestError, ProviderTimeoutError
from lazybridge.core.providers._fal_attempts import Answer, Asking, Place
from lazybridge.core.retry import Deadline, checked_timeout

if TYPE_CHECKING:
    from lazybridge.core.providers._fal_queue import FalApplications


class _JobDeadline(Deadline):
    request_id: str | None = None

    def error(self) -> ProviderTimeoutError:
        return ProviderTimeoutError(
            f"the job has not ended within timeout={self.timeout:g} s; it goes on at fal\nwait() again, or cancel() it",
            request_id=self.request_id,
            retryable=False,
        )


class Job:
    """A job's id, and how it is asked about.

    It goes on at fal whatever becomes of this object.
    """

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

    def _made(self, answer: Answer, ended: FalStatus | None) -> FalResult:
        if answer.status_code == 202:  # a status, in place of what there is not yet
            raise InvalidRequestError("the job has not ended\nwait() for it", request_id=self.request_id)
        result = self._provider._made(answer, self.application)
        result.request_id = self.request_id
        result.metrics = ended.metrics if isinstance(ended, Completed) else None
        return result


def query(logs: bool) -> dict[str, str]:
    """What stands in the address of a status."""
    return {"logs": "1"} if logs else {}


def pause(interval: float, deadline: Deadline) -> float:
    """Seconds until the next question, none of them after the end."""
    left = deadline.left()
    return interval if left is None else min(interval, left)


def unless_too_late(error: InvalidRequestError) -> bool:
    """False where fal says that the job had ended; any other refusal is raised."""
    if error.code == "ALREADY_COMPLETED":
        return False
    raise error
