"""What a vendor made, from where it lies into a file: as a stream, up to a size, whole or not at all."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, ClassVar
from urllib.parse import unquote, urljoin, urlsplit

from lazybridge.core.addresses import afound, found
from lazybridge.core.content import _Media
from lazybridge.core.errors import ConfigurationError, ProviderTimeoutError, ServerError, from_exception

MAX_BYTES = 500_000_000
# A stalled server; `timeout` is for the whole.
_SILENCE_SECONDS = 60.0
_REDIRECTS = 5
Target = str | os.PathLike[str]


class Saves:
    """A result with one file, which `save` writes to disk."""

    _saved: ClassVar[str]

    def save(
        self, path: Target, *, max_bytes: int = MAX_BYTES, timeout: float | None = None, private: bool = False
    ) -> Path:
        """Write the file to `path`, in place of what is there, or into the folder `path` under its own name; gives where.

        It is fetched as a stream, and what is longer than `max_bytes` is given up; `path` then stays as it was. `timeout` is
        in seconds for all of it. It is fetched over https:// from a public host; `private=True` is for a server of one's
        own on this machine or a private network, http:// too. Raises ValueError for a file that is too long or lies where
        it is not fetched from, ProviderError for one that cannot be had, OSError for a path that cannot be written.
        """
        return save(getattr(self, self._saved), path, max_bytes=max_bytes, timeout=timeout, private=private)

    async def asave(
        self, path: Target, *, max_bytes: int = MAX_BYTES, timeout: float | None = None, private: bool = False
    ) -> Path:
        """`save`, on the running event loop."""
        return await asave(getattr(self, self._saved), path, max_bytes=max_bytes, timeout=timeout, private=private)


def save(
    content: _Media, path: Target, *, max_bytes: int = MAX_BYTES, timeout: float | None = None, private: bool = False
) -> Path:
    """`Saves.save`, of any image, audio, video or document that has bytes or a URL."""
    target, url = _target(content, path), _url(content)
    with _whole(target, max_bytes) as file:
        if url is None:
            file.write(content.data or b"")
            return target
        until = _until(timeout)
        library = _library()
        with import_module(library).Client(follow_redirects=False) as client, _neutral(url, library):
            for _ in range(_REDIRECTS):
                place = found(url, private=private)
                asked = {"headers": {**_HEADERS, **place.headers}, "extensions": place.extensions}
                with client.stream("GET", place.url, timeout=_left(until), **asked) as answer:
                    if answer.is_redirect:
                        url, private = urljoin(url, answer.headers["location"]), place.private
                        continue
                    file.expect(answer)
                    limits = answer.request.extensions["timeout"]
                    for chunk in answer.iter_bytes():
                        file.write(chunk)
                        limits["read"] = _left(until)
                    return target
            raise _lost()


async def asave(
    content: _Media, path: Target, *, max_bytes: int = MAX_BYTES, timeout: float | None = None, private: bool = False
) -> Path:
    """`save`, on the running event loop."""
    target, url = _target(content, path), _url(content)
    with _whole(target, max_bytes) as file:
        if url is None:
            file.write(content.data or b"")
            return target
        until = _until(timeout)
        library = _library()
        async with import_module(library).AsyncClient(follow_redirects=False) as client:
            with _neutral(url, library):
                async with asyncio.timeout(timeout):
                    for _ in range(_REDIRECTS):
                        place = await afound(url, private=private)
                        asked = {"headers": {**_HEADERS, **place.headers}, "extensions": place.extensions}
                        async with client.stream("GET", place.url, timeout=_left(until), **asked) as answer:
                            if answer.is_redirect:
                                url, private = urljoin(url, answer.headers["location"]), place.private
                                continue
                            file.expect(answer)
                            async for chunk in answer.aiter_bytes():
                                file.write(chunk)
                            return target
                    raise _lost()


# The size that is limited is the one on disk.
_HEADERS = {"Accept-Encoding": "identity"}


class _Part:
    """A file that grows up to a size."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._bytes = 0

    def expect(self, answer: Any) -> None:
        """Look at what the server says of the file."""
        answer.raise_for_status()
        length = answer.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_bytes:
            raise self._too_long(f"{int(length):,} bytes")

    def write(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        if self._bytes > self._max_bytes:
            raise self._too_long("longer")
        self._file.write(chunk)

    def _too_long(self, how_long: str) -> ValueError:
        return ValueError(
            f"the file is {how_long}, with max_bytes={self._max_bytes:,}\nnothing was saved; allow it more"
        )


@contextmanager
def _whole(target: Path, max_bytes: int) -> Iterator[_Part]:
    """A file beside the target that takes its place once it is whole."""
    if type(max_bytes) is not int or max_bytes < 1:
        raise ValueError(f"max_bytes={max_bytes!r} is no size\nmax_bytes is a whole number, such as 50_000_000")
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("xb") as file:
            yield _Part(file, max_bytes)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _target(content: _Media, path: Target) -> Path:
    target = Path(path)
    if not target.is_dir():
        return target
    named = getattr(content, "name", None) or unquote(urlsplit(content.url or "").path)
    name = re.sub(r"[^\w.-]", "_", re.split(r"[/\\]", named)[-1]).lstrip(".")
    if not name:
        raise ValueError(f"{str(target)!r} is a folder, and the file has no name of its own\nname a file in it")
    return target / name


def _url(content: _Media) -> str | None:
    if content.file_id is not None:
        raise ValueError(f"{content.file_id!r} is a file id, with neither bytes nor a URL")
    return content.url


def _library() -> str:
    for name in ("httpx2", "httpx"):
        if importlib.util.find_spec(name) is not None:
            return name
    raise ConfigurationError('fetching a file needs httpx2\npip install "lazybridge[openai]", or any other vendor\'s')


def _until(timeout: float | None) -> float | None:
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise ValueError(f"timeout={timeout!r} is no time\ntimeout is in seconds, above 0; None is no limit")
    return None if timeout is None else time.monotonic() + timeout


def _left(until: float | None) -> float:
    """Seconds that the next piece may take. Raises TimeoutError once the time is up."""
    if until is None:
        return _SILENCE_SECONDS
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(left, _SILENCE_SECONDS)


@contextmanager
def _neutral(url: str, library: str) -> Iterator[None]:
    host = urlsplit(url).hostname or url
    try:
        yield
    except TimeoutError as exc:
        raise ProviderTimeoutError("fetching the file took longer than it was given", provider=host) from exc
    except (import_module(library).HTTPError, socket.gaierror) as exc:
        failure = from_exception(exc, provider=host)
    else:
        return
    raise failure from failure.__cause__


def _lost() -> ServerError:
    return ServerError(f"the file was moved more than {_REDIRECTS} times")
