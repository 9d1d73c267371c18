"""What stands in for the SDKs' clients: it records each call, or answers it from a recording."""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

from lazybridge.core.providers._endpoints import Endpoints
from lazybridge.core.providers._tape import ASKED_AT
from lazybridge.testing.failures import rebuilt
from lazybridge.testing.plain import content_of, plain, secrets_for
from lazybridge.testing.takes import TIME, AsyncEvents, Entry, Events, Listened, Played, Take


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
        at = calendar.timegm(time.strptime(entry["asked_at"], TIME))
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
