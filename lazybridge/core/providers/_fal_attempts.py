"""One question to fal: what is sent, what comes back, and whether a failed one is asked again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from lazybridge.core.errors import ProviderError, from_exception
from lazybridge.core.errors.secrets import credentials_of
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.receipt import FREE, unknown
from lazybridge.core.retry import Deadline, RetryPolicy, checked_count

T = TypeVar("T")


class GaveUp(Exception):
    """A request of fal-client's failed; `__cause__` is what fal-client would have answered with another one."""


class Sent(NamedTuple):
    """What goes with one request: the time of `time.monotonic` when it is late, and headers of the caller's own."""

    at: float | None
    headers: Mapping[str, str]


class Answer(NamedTuple):
    """An answer of fal's that is no refusal."""

    raw: Any
    headers: Mapping[str, str]
    status_code: int


class Place(NamedTuple):
    """A job's id, and its addresses."""

    request_id: str
    status_url: str
    response_url: str
    cancel_url: str


class Asking:
    """The attempts of one question. One that starts work (`repeatable` False) is asked again only where none can have
    begun: fal was not reached, or refused it for the rate (HTTP 429). Any other is, wherever that may help."""

    def __init__(
        self,
        provider: BaseProvider,
        application: str,
        deadline: Deadline,
        headers: Mapping[str, str] | None,
        *,
        max_retries: int = 2,
        repeatable: bool,
    ) -> None:
        self.deadline = deadline
        self._provider = provider
        self._application = application
        self._headers = headers
        self._policy = RetryPolicy(checked_count("max_retries", max_retries))
        self._repeatable = repeatable
        self._retries_done = 0

    def begin(self) -> Sent:
        """What the next request is sent with. Raises ProviderTimeoutError once the time is up."""
        self.deadline.check()
        return Sent(self.deadline.at, self._headers or {})

    def answered(self, answer: T) -> T:
        """The answer; the next question, where there is one, has all its attempts again."""
        self._retries_done = 0
        return answer

    def failed(self, failure: Exception) -> float:
        """Seconds to wait before the next attempt. Raises the neutral error where there is none."""
        failure.__traceback__ = None  # the frames of the HTTP client hold the key
        cause = failure.__cause__ if isinstance(failure, GaveUp) else failure
        assert cause is not None
        error = from_exception(
            cause,
            provider=self._provider.registered_name(),
            model=self._application,
            secrets=credentials_of(self._provider, self._headers),
        )
        left = self.deadline.left()
        if error.kind in ("timeout", "connection") and left is not None and left <= 0.01:
            late = self.deadline.error()
            late.provider, late.model, late.receipt = error.provider, error.model, self._cost(error)
            raise late from error.__cause__
        may_repeat = self._repeatable or error.never_sent or error.status_code == 429
        wait = self._policy.delay(error, self._retries_done) if may_repeat else None
        if wait is None or (left is not None and wait >= left):
            error.receipt = self._cost(error)
            raise error from error.__cause__
        self._retries_done += 1
        return wait

    def _cost(self, error: ProviderError) -> Any:
        if self._repeatable or error.never_sent or error.status_code not in (None, 504):
            return FREE
        return unknown(f"the call broke off ({error.kind}), and fal may have worked")


FAILURES = (GaveUp, ProviderError, TimeoutError)


def tried(asking: Asking, ask: Callable[[Sent], T]) -> T:
    """What comes back, after as many attempts as it takes."""
    while True:
        sent = asking.begin()
        try:
            return asking.answered(ask(sent))
        except FAILURES as exc:
            failure = exc  # raised again outside, so that the new error has no context
        time.sleep(asking.failed(failure))


async def atried(asking: Asking, ask: Callable[[Sent], Awaitable[T]]) -> T:
    """`tried`, on the running event loop."""
    while True:
        sent = asking.begin()
        try:
            return asking.answered(await ask(sent))
        except FAILURES as exc:
            failure = exc
        await asyncio.sleep(asking.failed(failure))
