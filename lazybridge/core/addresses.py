"""Where a file may be fetched from: public hosts, by an address that was looked at before anything connects to it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

_PORTS = {"https": 443, "http": 80}
# Names that mean this machine or its network wherever they are asked for; the last two are where clouds keep credentials.
_PRIVATE_NAMES = ("localhost", "local", "localdomain", "internal", "metadata")
_EMBEDDING = ipaddress.ip_network("64:ff9b::/96")  # NAT64, RFC 6052: the last four bytes are an IPv4 address
_METADATA = frozenset({"169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23", "100.100.100.200"})  # fmt: skip
_HOW = "only https:// from public hosts is fetched; private=True allows http:// and https:// from a private one"


class Place(NamedTuple):
    """A URL as it is asked for: by an address, with the host's name in the headers and for TLS. `private` is whether it
    lies on this machine or a private network."""

    url: str
    headers: dict[str, str]
    extensions: dict[str, Any]
    private: bool


def found(url: str, *, private: bool = False) -> Place:
    """Where the URL lies. The host is looked up once, and the address that was looked at is the one to connect to.

    Raises ValueError for what is not fetched: another scheme, a name with a password, a host with an address on this
    machine, a private network, a cloud's metadata service or no unicast address at all; `private` allows the first two of
    these hosts. Raises OSError for a host that cannot be found.
    """
    parts = _parts(url)
    return _place(url, parts, _looked_up(parts), private)


async def afound(url: str, *, private: bool = False) -> Place:
    """`found`, on the running event loop."""
    parts = _parts(url)
    return _place(url, parts, await asyncio.to_thread(_looked_up, parts), private)


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody on the internet can be asked at."""
    ip: Any = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    if inner is None and ip.version == 6 and ip in _EMBEDDING:
        inner = ipaddress.ip_address(ip.packed[-4:])
    if inner is not None:
        return is_public(str(inner))
    return bool(ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_link_local or ip.is_unspecified))


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise _refused(url, str(exc)) from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise _refused(url, f"its scheme is {parts.scheme!r}" if parts.scheme not in _PORTS else "it names no host")
    if parts.username is not None or parts.password is not None:
        raise _refused(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), "it has a user's name in it")
    return parts


def _proxied(parts: SplitResult) -> bool:
    """Whether a proxy of the environment does the connecting, and the looking up."""
    proxies = getproxies()
    return bool(proxies.get(parts.scheme) or proxies.get("all")) and not proxy_bypass(parts.hostname or "")


def _looked_up(parts: SplitResult) -> list[str]:
    """The host's addresses, those of IPv4 first; behind a proxy there may be none."""
    port = parts.port or _PORTS[parts.scheme]
    try:
        rows = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        if _proxied(parts):
            return []
        raise
    return [str(row[4][0]) for row in sorted(rows, key=lambda row: row[0] != socket.AF_INET)]


def _place(url: str, parts: SplitResult, addresses: list[str], private: bool) -> Place:
    host = (parts.hostname or "").rstrip(".").lower()
    inside = host.rpartition(".")[2] in _PRIVATE_NAMES or not all(map(is_public, addresses))
    if inside:
        _check_inside(url, addresses, private)
    elif parts.scheme != "https":
        raise _refused(url, "it is not encrypted")
    if _proxied(parts) or not addresses:
        return Place(url, {}, {}, inside)
    address = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    port = "" if parts.port is None else f":{parts.port}"
    name = parts.netloc if ":" not in host else f"[{host}]{port}"
    asked = parts._replace(netloc=f"{address}{port}").geturl()
    return Place(asked, {"Host": name}, {"sni_hostname": host}, inside)


def _check_inside(url: str, addresses: Iterable[str], private: bool) -> None:
    for address in addresses:
        ip: Any = ipaddress.ip_address(address.partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified or str(ip) in _METADATA:
            raise _refused(url, f"it lies at {address}, where no file does")
    if not private:
        where = ", ".join(addresses) or "a private network"
        raise _refused(url, f"it lies at {where}, on this machine or a private network")


def _refused(url: str, why: str) -> ValueError:
    return ValueError(f"{url!r} is not fetched: {why}\n{_HOW}")
