"""One call on its way into a recording, and the events of a stream on their way out of one."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

from lazybridge.testing.failures import written
from lazybridge.testing.plain import body_of, kept_headers, plain, secrets_in

Entry = dict[str, Any]
TIME = "%Y-%m-%dT%H:%M:%SZ"


class Take:
    """One call that is being recorded; as a context it records what is raised inside, and the end of a stream.

    What ran into the time of its own call is not recorded, nor what was cancelled: that says nothing of the vendor.
    """

    def __init__(
        self, asked: Entry, secrets: tuple[str, ...], limit: float | None, keep: Callable[[Entry], None]
    ) -> None:
        self._asked, self._secrets, self._keep = asked, secrets, keep
        self._began, self._clock, self._limit = time.time(), time.monotonic(), limit
        self._stream: Entry | None = None
        self._done = False

    def __enter__(self) -> Take:
        return self

    def __exit__(self, kind: Any, exc: BaseException | None, trace: Any) -> None:
        if isinstance(exc, (StopIteration, StopAsyncIteration)):
            self._end({**(self._stream or {}), "ended": True})
        elif isinstance(exc, Exception) and (self._limit is None or time.monotonic() - self._clock < self._limit):
            self._end({**(self._stream or {}), "error": written(exc, self._secrets)})
        elif exc is not None:
            self._done = True

    def streams(self, headers: Mapping[str, str]) -> None:
        """Events will follow."""
        self._secrets = (*self._secrets, *secrets_in(headers))
        self._stream = {"status": 200, "headers": kept_headers(headers, self._secrets), "events": []}

    def event(self, event: Any) -> None:
        """One more event, as it is now: its reader may change it."""
        if self._stream is not None:
            self._stream["events"].append(plain(event, self._secrets))

    def left(self) -> None:
        """The reader of the stream has enough."""
        self._end(self._stream or {})

    def answered(self, http: Any) -> None:
        """The whole answer came."""
        secrets = (*self._secrets, *secrets_in(http.headers))
        body = body_of(http.content, secrets) if http.content else {}
        self._end({"status": getattr(http, "status_code", 200), "headers": kept_headers(http.headers, secrets), **body})

    def _end(self, answer: Entry) -> None:
        if not self._done:
            self._done = True
            self._keep({**self._asked, "asked_at": time.strftime(TIME, time.gmtime(self._began)), "answer": answer})


class Listened:
    """An HTTP answer that is recorded when it is read."""

    def __init__(self, http: Any, take: Take) -> None:
        self._http, self._take = http, take

    def read(self) -> Any:
        """The body."""
        with self._take:
            found = self._http.read()
        self._take.answered(self._http)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._http, name)


class Events:
    """The events of a stream, each recorded as it passes."""

    def __init__(self, events: Any, take: Take) -> None:
        self._events, self._take, self.response = events, take, events.response
        take.streams(self.response.headers)

    def __iter__(self) -> Events:
        self._passing = iter(self._events)
        return self

    def __next__(self) -> Any:
        with self._take:
            event = next(self._passing)
        self._take.event(event)
        return event

    def close(self) -> None:
        """Let go of the connection."""
        self._take.left()
        self._events.close()


class AsyncEvents:
    """`Events`, on an event loop."""

    def __init__(self, events: Any, take: Take) -> None:
        self._events, self._take, self.response = events, take, events.response
        take.streams(self.response.headers)

    def __aiter__(self) -> AsyncEvents:
        self._passing = aiter(self._events)
        return self

    async def __anext__(self) -> Any:
        with self._take:
            event = await anext(self._passing)
        self._take.event(event)
        return event

    async def aclose(self) -> None:
        """Let go of the connection."""
        self._take.left()
        close = getattr(self._events, "aclose", None) or self._events.close
        await close()


class Played:
    """The events of a recorded stream, for either kind of loop; `failure` is what follows them."""

    def __init__(self, response: Any, events: list[Any], failure: BaseException | None) -> None:
        self.response = response
        self._events = iter(copy.deepcopy(events))
        self._failure = failure

    def __iter__(self) -> Played:
        return self

    def __aiter__(self) -> Played:
        return self

    def __next__(self) -> Any:
        for event in self._events:
            return event
        if self._failure is not None:
            raise self._failure
        raise StopIteration

    async def __anext__(self) -> Any:
        for event in self._events:
            return event
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    def close(self) -> None:
        """Nothing: there is no connection."""

    async def aclose(self) -> None:
        """Nothing: there is no connection."""
