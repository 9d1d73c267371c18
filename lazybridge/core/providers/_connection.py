"""Who is asked, and with what: an SDK's clients, their key and their base URL."""

from __future__ import annotations

import os
import weakref
from abc import abstractmethod
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

from lazybridge.core.closing import Closing
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.errors.secrets import Secret, note
from lazybridge.core.providers import _tape
from lazybridge.core.providers._clients import LoopClients, closed_with, forget_after_fork, installed
from lazybridge.core.providers._hosts import is_anothers, owners_of
from lazybridge.core.providers._making import one_at_a_time
from lazybridge.core.providers.asking import AsksEndpoints


class Connection(Closing, AsksEndpoints):
    """A vendor's SDK: one synchronous client, and one for each event loop.

    The SDK client is made on first use; `_client` may be set to another one before that.
    """

    sdk: ClassVar[str]
    extra: ClassVar[str] = ""
    key_variable: ClassVar[str]
    other_key_variables: ClassVar[tuple[str, ...]] = ()
    secret_variables: ClassVar[tuple[str, ...]] = ()  # of further credentials
    url_variable: ClassVar[str]
    calls_for_key: ClassVar[bool] = True
    _client: Any = None
    _finalizer: weakref.finalize[..., Any] | None = None

    @abstractmethod
    def _make_client(self, asynchronous: bool) -> Any:
        """The SDK's client, with its own retries off."""

    def _init_client(self, *, base_url: str | None = None, **unknown: Any) -> None:
        """Resolve the key and the base URL. Raises ConfigurationError for a missing SDK, key or a misspelt option."""
        if unknown:
            known = "api_key, model, base_url, strict_native_tools" + "".join(f", {name}" for name in self._options())
            raise ConfigurationError(
                f"{type(self).__name__} has no option {', '.join(map(repr, unknown))}\nits options: {known}"
            )
        if not installed(self.sdk):
            extra = self.extra or self.name
            raise ConfigurationError(f'the package {self.sdk} is not installed\npip install "lazybridge[{extra}]"')
        for option, value in (("api_key", self.api_key), ("base_url", base_url)):
            if value is not None and not isinstance(value, str) and not (callable(value) and self.calls_for_key):
                raise ConfigurationError(f"{option} is a {type(value).__name__}\n{option} is a text")
        self.base_url = base_url = _concealed_url(base_url)
        self._check_hosts()
        if not (_tape.replaying() or self._has_credentials()):
            names = (self.key_variable, *self.other_key_variables)
            raise ConfigurationError(
                f"{type(self).__name__} has no API key: {' and '.join(names)} {'are' if names[1:] else 'is'} not set\n"
                f'set {self.key_variable} in the environment, or pass api_key="..."'
            )
        self._forget_clients()
        forget_after_fork(self)

    def _check_hosts(self) -> None:
        """Raises ConfigurationError where a key of the environment would go to another vendor; one that was passed may."""
        key = None if self.api_key else self._environment_key()
        given = (
            self.base_url,
            *(getattr(self, option, None) for option in ("endpoint", "run_url", "queue_url", "api_url")),
        )
        for url in given:
            if key and isinstance(url, str) and "://" in url and is_anothers(url, self.vendor_name()):
                owner = owners_of(url)[0]
                raise ConfigurationError(
                    f"{urlsplit(url).hostname} is a host of {owner}'s, and the key in the environment is {self.vendor_name()}'s\n"
                    f'pass the key that goes there, api_key="...", or ask that vendor: provider="{owner}"'
                )

    @classmethod
    def sdk_here(cls) -> str:
        """The package that is asked with the environment as it is."""
        return cls.sdk

    @classmethod
    def _options(cls) -> tuple[str, ...]:
        """The names of options beyond those every provider has."""
        return ()

    def _has_credentials(self) -> bool:
        """Whether a key is at hand; a server at a base URL of one's own may do without."""
        return bool(self.api_key or self._environment_key() or self._own_url())

    def _environment_key(self) -> str | None:
        found = map(os.environ.get, (self.key_variable, *self.other_key_variables))
        return next(filter(None, found), None)

    def _own_url(self) -> str | None:
        return self.base_url or os.environ.get(self.url_variable)

    def _sync_client(self) -> Any:
        client = self._client
        return one_at_a_time(self._made_client) if client is None else client

    def _made_client(self) -> Any:
        if self._client is None:
            self._client = self._make_client(asynchronous=False)
            self._finalizer = closed_with(self, self._client)
        return self._client

    # --- lifecycle --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the synchronous client; the next call makes a new one."""
        client, self._client = self._client, None
        if self._finalizer is not None:
            self._finalizer.detach()
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the running loop's client and the synchronous one."""
        await self._loop_clients.aclose()
        self.close()

    def _forget_clients(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()
        self._client = None
        self._finalizer = None
        self._loop_clients = LoopClients(partial(self._make_client, asynchronous=True))


def _concealed_url(url: Any) -> Any:
    """A base URL with a password in it, which no repr shows."""
    if not isinstance(url, str) or "@" not in url:
        return url
    note((urlsplit(url).password, urlsplit(url).netloc.rpartition("@")[0]))
    return Secret(url)
