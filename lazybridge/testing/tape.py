"""What stands in for the SDKs' clients: it records each call, or answers it from a recording."""

from __future__ import annotations

import calendar
import copy
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

from lazybridge.core.providers._endpoints import Endpoints
from lazybridge.core.providers._tape import ASKED_AT
from lazybridge.testing.failures import rebuilt, written
from lazybridge.testing.plain import body_of, content_of, kept_headers, plain, secrets_for, secrets_in

Entry = dict[str, Any]
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Recordings(Protocol):
    """The calls of a cassette."""

    def answer_to(self, asked: Entry) -> Entry | None:
        """The recorded call, or None where it is to be made. Raises CassetteError where it is neither."""
        ...

    def slot(self) -> Callable[[Entry], None]:
        """A place for a call that begins now, and the function that fills it."""
        ...

    def too_far(self, entry: Entry) -> Exception:
        """What to raise where a stream is read beyond what was recorded of it."""
        ...


class _Client:
    """What both clients share."""

    def __init__(self, recordings: Recordings, provider: Endpoints) -> None:
        self._recordings, self._provider = recordings, provider

    def _taken(self, method: str, path: str, arguments: Mapping[str, Any]) -> tuple[Any, Take | None]:
        """The recorded answer; or None, and who records the real one."""
        options = arguments.get("options") or {}
        headers = {**(options.get("headers") or {}), **(arguments.get("headers") or {})}
        secrets = secrets_for(self._provider, headers)
        asked: Entry = {"provider": self._provider.registered_name(), "method": method, "path": path}
        if arguments.get("stream_cls") is not None:
            asked["stream"] = True
        sent = {"query": options.get("params"), "body": arguments.get("body"), "files": arguments.get("files")}
        asked |= {name: value for name, value in sent.items() if value}
        asked = plain(asked, secrets, media=True)
        entry = self._recordings.answer_to(asked)
        if entry is None:
            return None, Take(asked, secrets, options.get("timeout"), self._recordings.slot())
        return self._played(entry, path), None

    def _played(self, entry: Entry, path: str) -> Any:
        answer, library = entry["answer"], self._provider.http_library
        if "error" in answer and "events" not in answer:
            raise rebuilt(answer["error"], library, path)
        http = import_module(library)
        at = calendar.timegm(time.strptime(entry["asked_at"], _TIME))
        response = http.Response(
            answer["status"],
            headers={**answer["headers"], ASKED_AT: str(at)},
            content=content_of(answer) if "events" not in answer and answer["status"] != 204 else b"",
            request=http.Request(entry["method"].upper(), f"https://recorded.invalid/{path.lstrip('/')}"),
        )
        if "events" not in answer:
            return response
        failure = rebuilt(answer["error"], library, path) if "error" in answer else None
        if failure is None and not answer.get("ended"):
            failure = self._recordings.too_far(entry)
        return Played(response, answer["events"], failure)


class Client(_Client):
    """For synchronous calls."""

    def post(self, path: str, **arguments: Any) -> Any:
        """The answer, or the events of a stream."""
        return self._call("post", path, arguments)

    def get(self, path: str, **arguments: Any) -> Any:
        """The answer."""
        return self._call("get", path, arguments)

    def delete(self, path: str, **arguments: Any) -> Any:
        """The answer."""
        return self._call("delete", path, arguments)

    def _call(self, method: str, path: str, arguments: dict[str, Any]) -> Any:
        played, take = self._taken(method, path, arguments)
        if take is None:
            return played
        with take:
            answer = getattr(self._provider._sync_client(), method)(path, **arguments)
        return Listened(answer, take) if arguments.get("stream_cls") is None else Events(answer, take)


class AsyncClient(_Client):
    """For calls on an event loop."""

    async def post(self, path: str, **arguments: Any) -> Any:
        """The answer, or the events of a stream."""
        return await self._call("post", path, arguments)

    async def get(self, path: str, **arguments: Any) -> Any:
        """The answer."""
        return await self._call("get", path, arguments)

    async def delete(self, path: str, **arguments: Any) -> Any:
        """The answer."""
        return await self._call("delete", path, arguments)

    async def _call(self, method: str, path: str, arguments: dict[str, Any]) -> Any:
        played, take = self._taken(method, path, arguments)
        if take is None:
            return played
        with take:
            client = await self._provider._loop_clients.get()
            answer = await getattr(client, method)(path, **arguments)
        if arguments.get("stream_cls") is not None:
            return AsyncEvents(answer, take)
        take.answered(answer)
        return answer


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
            self._keep({**self._asked, "asked_at": time.strftime(_TIME, time.gmtime(self._began)), "answer": answer})


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
