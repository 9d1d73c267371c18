"""Providers as they are here: their packages and their variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import metadata
from urllib.parse import urlsplit

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.errors.secrets import scrub
from lazybridge.core.providers._connection import Connection
from lazybridge.core.providers.base import BaseProvider


@dataclass(frozen=True)
class ProviderFacts:
    """What can be said of a provider class without a call. Keys are never read, only looked for.

    `in_process`: no server is asked but the package itself, which finds the vendors' keys.
    """

    provider: str
    cls: str
    sdk: str | None
    sdk_version: str | None
    key_variable: str | None
    key_set: bool | None
    url_variable: str | None
    url_host: str | None
    problem: str | None
    in_process: bool = False

    @property
    def package(self) -> str | None:
        """The SDK and its version in words; None where there is none."""
        if self.sdk is None:
            return None
        return f"{self.sdk} {self.sdk_version or 'is not installed'}{', in this process' if self.in_process else ''}"


def facts(cls: type[BaseProvider]) -> ProviderFacts:
    """The facts of a provider class; no SDK is imported. `problem` says why it cannot be built, None where it can."""
    name = cls.registered_name()
    sdk = cls.sdk_here() if issubclass(cls, Connection) else getattr(cls, "sdk", None)
    in_process = sdk != getattr(cls, "sdk", None)
    key_variable, url_variable = getattr(cls, "key_variable", None) or None, getattr(cls, "url_variable", None)
    for other in getattr(cls, "other_key_variables", ()):
        key_variable = other if os.environ.get(other) and not os.environ.get(str(key_variable)) else key_variable
    key_variable = None if in_process else key_variable
    return ProviderFacts(
        provider=name,
        cls=f"{cls.__module__}.{cls.__qualname__}",
        sdk=sdk,
        sdk_version=None if sdk is None else _version(sdk),
        key_variable=key_variable,
        key_set=None if key_variable is None else bool(os.environ.get(key_variable)),
        url_variable=url_variable,
        url_host=None if url_variable is None else _host(os.environ.get(url_variable)),
        problem=_problem(cls),
        in_process=in_process,
    )


def _version(sdk: str) -> str | None:
    try:
        return metadata.version(sdk.replace(".", "-"))
    except metadata.PackageNotFoundError:
        return None


def _host(url: str | None) -> str | None:
    """The host alone: a URL can carry credentials."""
    if not url:
        return None
    try:
        parts = urlsplit(url if "/" in url else f"//{url}")  # fal's variable is a host
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or "not a URL"
    except ValueError:
        return "not a URL"


def _problem(cls: type[BaseProvider]) -> str | None:
    try:
        cls()
    except ConfigurationError as exc:
        return str(exc)
    except Exception as exc:  # whatever a class of the user's raises; the others are still to be told
        return scrub(f"{cls.__name__}() raises {type(exc).__name__}: {exc}")
    return None
