"""Sockets that heed a moment in time: the wall clock for synchronous requests.

A socket's own timeout begins anew with every byte, so a server that drips headers or a body would never meet it.
httpcore's pool takes a `network_backend`, but httpx and httpx2, which make the pool, hand none on; `heed_time` is the one
place that reaches it through their attributes (httpx 0.28.1, httpx2 2.16.2, fal-client 1.0.3), and a test holds it to their shape. Where a
pool has none, requests keep the library's own timeouts.
"""

from __future__ import annotations

import atexit
import queue
import socket
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from ipaddress import ip_address
from typing import Any

from lazybridge.core.clock import TimeLeft

_WRITTEN_AT_ONCE = 256 * 1024


def heed_time(client: Any) -> Any:
    """Make the connections of a synchronous httpx or httpx2 client end at the `TimeLeft` that a request was given."""
    for transport in (client._transport, *client._mounts.values()):
        if hasattr(transport, "_client"):  # fal-client's, which stands on a client of its own
            heed_time(transport._client)
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            library = import_module(type(pool).__module__.partition(".")[0])
            pool._network_backend = _Backend(pool._network_backend, library)
            close_at_exit(pool, _close_idle)
    return client


_pools: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()
forget_pools = _pools.clear


def close_at_exit(pool: Any, close: Callable[[Any], None]) -> None:
    """Close what is idle of a pool at the end of the process; what a daemon thread still reads ends with the process, and not
    with an error in that thread."""
    _pools[pool] = close


@atexit.register
def _close_pools() -> None:
    for pool, close in list(_pools.items()):
        close(pool)


def _close_idle(pool: Any) -> None:
    for connection in pool.connections:
        if connection.is_idle():
            connection.close()


class _Backend:
    def __init__(self, inner: Any, library: Any) -> None:
        self._inner, self._library = inner, library

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> _Stream:
        connect = partial(self._inner.connect_tcp, local_address=local_address, socket_options=socket_options)
        failure: Exception = self._library.ConnectError(f"{host} has no address")
        for address in addresses(host, port, timeout, self._library):
            try:
                seconds = seconds_of(timeout, self._library.ConnectTimeout)
                return _Stream(connect(address, port, seconds), self._library)
            except (self._library.ConnectError, self._library.ConnectTimeout) as exc:
                failure = exc
        raise failure

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> _Stream:
        seconds = seconds_of(timeout, self._library.ConnectTimeout)
        return _Stream(self._inner.connect_unix_socket(path, seconds, socket_options), self._library)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class Cuttable(ABC):
    """A connection whose request may be ended from another thread."""

    def __init__(self) -> None:
        self._whose: object = None  # the time of the request that has this connection now
        self._lock = threading.Lock()

    @abstractmethod
    def socket(self) -> Any:
        """What the connection stands on."""

    def take(self, timeout: float | None) -> None:
        """From now on this time is the connection's."""
        if timeout is self._whose:
            return
        with self._lock:
            self._whose = timeout
        if isinstance(timeout, TimeLeft):
            timeout.used_by(self)

    def cut(self, whose: TimeLeft) -> None:
        """End what is being read or written, unless another request has the connection by now."""
        with self._lock:
            connection = self.socket() if self._whose is whose else None
            if isinstance(connection, socket.socket):
                with suppress(OSError):  # it was closed already
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # and not TLS's own, which forgets its state


class _Stream(Cuttable):
    def __init__(self, inner: Any, library: Any) -> None:
        super().__init__()
        self._inner, self._library = inner, library
        self.close = inner.close
        self.get_extra_info = inner.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.take(timeout)
        read: bytes = self._inner.read(max_bytes, seconds_of(timeout, self._library.ReadTimeout))
        return read

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.take(timeout)
        for part in written_at_once(buffer):
            self._inner.write(part, seconds_of(timeout, self._library.WriteTimeout))

    def socket(self) -> Any:
        return self.get_extra_info("socket")

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        seconds = seconds_of(timeout, self._library.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, seconds), self._library)


def written_at_once(data: bytes) -> Iterator[bytes]:
    """Data in parts so small that the time is looked at between them."""
    return (data[start : start + _WRITTEN_AT_ONCE] for start in range(0, len(data), _WRITTEN_AT_ONCE))


def addresses(host: str, port: int, timeout: float | None, library: Any) -> Iterable[str]:
    """Where a request with a time of its own goes: looking a name up knows no timeout, and each address of it would
    have the whole of this one."""
    if not isinstance(timeout, TimeLeft) or _is_address(host):
        return (host,)
    found: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put(list(dict.fromkeys(str(row[4][0]) for row in rows)))
        except (OSError, UnicodeError) as exc:
            found.put(exc)

    threading.Thread(target=look_up, name="lazybridge-dns", daemon=True).start()
    seconds = seconds_of(timeout, library.ConnectTimeout)
    try:
        addresses = found.get(timeout=seconds)
    except queue.Empty:
        raise library.ConnectTimeout(f"no address of {host} was found in time") from None
    if isinstance(addresses, Exception):
        raise library.ConnectError(str(addresses)) from addresses
    return addresses


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def seconds_of(timeout: float | None, late: type[Exception]) -> float | None:
    """A timeout as a socket takes it. Raises `late` where the time is up."""
    if not isinstance(timeout, TimeLeft):
        return timeout
    left = timeout.left()
    if left <= 0:
        raise late("the time that the request was given is up")
    # A moment may be moved further than the number that was handed out; an infinite one leaves the number.
    return float(timeout) if left > 1e9 else left
