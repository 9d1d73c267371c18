"""litellm in this process, with the shape of the SDKs' clients: `post(path, body=…)`.

It is imported at the first call: that takes seconds. Its own retries are off, and so is what it prints with each error
and, where nobody else imported it or set LITELLM_LOG, what it logs below an error.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from copy import deepcopy
from importlib import import_module
from typing import Any

from lazybridge.core.clock import TimeLeft
from lazybridge.core.providers._litellm_errors import understood


class Answer:
    """What `SDKProvider` reads of an HTTP answer; nothing is left to be read or closed."""

    is_closed = True
    extensions: Mapping[str, Any] = {}

    def __init__(self, found: Any, content: bytes = b"") -> None:
        hidden = found._hidden_params  # where litellm's documentation says that the cost is
        headers = hidden.get("additional_headers") or {}
        self.headers = {name.lower().removeprefix("llm_provider-"): str(value) for name, value in headers.items()}
        self.content = content
        if content and hidden.get("response_cost") is not None:
            self.headers["x-litellm-response-cost"] = str(hidden["response_cost"])

    def read(self) -> bytes:
        """The body."""
        return self.content

    def close(self) -> None:
        """Nothing: the connection is litellm's."""


class Events:
    """The events of a stream as JSON; the usage in the last says what litellm reckons that it cost."""

    def __init__(self, stream: Any, timeout: TimeLeft | None) -> None:
        self.stream, self.timeout = stream, timeout
        self.response = Answer(stream)

    def __iter__(self) -> Iterator[Any]:
        with understood():
            for chunk in self.stream:
                if self.timeout is not None and self.timeout.left() < 0:
                    raise TimeoutError("the answer took longer than it was given")
                if _made_up(self.stream, chunk):
                    return
                yield _json(chunk)

    def close(self) -> None:
        """Hang up."""
        close = getattr(self.stream.completion_stream, "close", None)
        if close is not None:
            close()


class AsyncEvents:
    """`Events`, on an event loop."""

    def __init__(self, stream: Any, timeout: TimeLeft | None) -> None:
        self.stream = stream
        self.response = Answer(stream)

    async def __aiter__(self) -> AsyncIterator[Any]:
        with understood():
            async for chunk in self.stream:
                if _made_up(self.stream, chunk):
                    return
                yield _json(chunk)

    async def close(self) -> None:
        """Hang up."""
        await self.stream.aclose()


class InProcess:
    """What `SDKProvider` takes for a synchronous client."""

    def __init__(self, api_key: Any) -> None:
        self.api_key = api_key

    def post(self, path: str, *, body: Any, headers: Any, timeout: TimeLeft | None, stream_cls: Any, **_: Any) -> Any:
        """The answer, or the events of a stream."""
        key = self.api_key() if callable(self.api_key) else self.api_key
        library = _library()
        with understood():
            found = library.completion(**_asked(body, headers, timeout, key))
        return Answer(found, _bytes(found)) if stream_cls is None else stream_cls(found, timeout)

    def close(self) -> None:
        """Nothing: litellm keeps its connections for all its callers."""


class AsyncInProcess:
    """What `SDKProvider` takes for an asynchronous client."""

    def __init__(self, api_key: Any) -> None:
        self.api_key = api_key

    async def post(
        self, path: str, *, body: Any, headers: Any, timeout: TimeLeft | None, stream_cls: Any, **_: Any
    ) -> Any:
        """The answer, or the events of a stream."""
        key = self.api_key() if callable(self.api_key) else self.api_key
        key = await key if inspect.isawaitable(key) else key
        library = await asyncio.to_thread(_library)
        with understood():
            found = await library.acompletion(**_asked(body, headers, timeout, key))
        return Answer(found, _bytes(found)) if stream_cls is None else stream_cls(found, timeout)

    async def close(self) -> None:
        """Nothing: litellm keeps its connections for all its callers."""


def _library() -> Any:
    if "litellm" not in sys.modules and not os.environ.get("LITELLM_LOG"):
        logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    library: Any = import_module("litellm")
    library.suppress_debug_info = True
    return library


def _asked(body: Any, headers: Any, timeout: TimeLeft | None, key: Any) -> dict[str, Any]:
    """The arguments of `litellm.completion`, which may change what it is given."""
    arguments: dict[str, Any] = {"num_retries": 0, "max_retries": 0}
    if key is not None:
        arguments["api_key"] = key
    if headers:
        arguments["extra_headers"] = dict(headers)
    if timeout is not None:
        arguments["timeout"] = float(timeout)
    return {**arguments, **deepcopy(body)}


def _bytes(response: Any) -> bytes:
    written: str = response.model_dump_json(warnings=False)
    return written.encode()


def _json(chunk: Any) -> Any:
    return chunk.model_dump(mode="json", warnings=False)


def _made_up(stream: Any, chunk: Any) -> bool:
    """Whether this is the "stop" that litellm puts at the end of a stream in which the vendor gave no reason to end."""
    given = stream.received_finish_reason or stream.intermittent_finish_reason
    return given is None and any(choice.finish_reason is not None for choice in chunk.choices)
