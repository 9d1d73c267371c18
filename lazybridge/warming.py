"""`warm`: what the first call of a process would wait for, done in the background before it."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from threading import Thread
from typing import Any

from lazybridge.agent import Agent
from lazybridge.core.providers import _tape
from lazybridge.core.providers._clients import ssl_context
from lazybridge.core.providers._endpoints import Endpoints
from lazybridge.core.providers._making import one_at_a_time
from lazybridge.core.providers.base import BaseProvider
from lazybridge.engine import LLMEngine
from lazybridge.models import Model


class Warming(Thread):
    """What `warm` began. `join(timeout)` waits for its end, `errors` says what did not work, by the name of what was
    asked for."""

    def __init__(self, asked: tuple[Any, ...]) -> None:
        super().__init__(name="lazybridge-warm", daemon=True)
        self._asked = asked
        self.errors: dict[str, Exception] = {}

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end, or for `timeout` seconds."""
        if self.ident is not None:  # of a thread that could be started
            super().join(timeout)

    def run(self) -> None:
        """Warm one after the other."""
        for asked in self._asked:
            try:
                _warm(asked)
            except Exception as exc:  # the call itself will say so; what only makes it faster must not fail it
                self.errors[asked if isinstance(asked, str) else type(asked).__name__] = exc


def warm(*asked: str | Agent[Any] | Model | BaseProvider) -> Warming:
    """Load what a first call needs, in a background thread: of a vendor's name or a model id the SDK and the certificates
    that all clients share; of an Agent, a Model or a provider that you built also its client for synchronous calls, connected
    to the vendor by a HEAD without credentials.

    Returns at once and raises nothing: `warm("anthropic").join(timeout=10)` waits, `.errors` says what did not work.
    """
    warming = Warming(asked)
    try:
        warming.start()
    except RuntimeError as exc:  # no thread can be started: too many, or the interpreter is ending
        warming.errors["thread"] = exc
    return warming


def _warm(asked: str | Agent[Any] | Model | BaseProvider) -> None:
    if isinstance(asked, str):
        chosen = LLMEngine.chosen(asked, None, None, {})[0]
        return _load(chosen if isinstance(chosen, type) else type(chosen))
    for provider in (asked,) if isinstance(asked, BaseProvider) else asked.engine._providers():
        _load(type(provider))
        if isinstance(provider, Endpoints) and _tape.current is None:
            _connect(provider._sync_client())
    return None


def _load(provider: type[BaseProvider]) -> None:
    if issubclass(provider, Endpoints):
        one_at_a_time(partial(import_module, provider.sdk_here()))
        ssl_context(provider.http_library)


def _connect(client: Any) -> None:
    """Open a connection of the SDK's client and leave it in its pool. The SDKs keep the HTTP client that they were given in
    an attribute of their own, and the clients made here in `http`."""
    url = getattr(client, "base_url", None)
    if url is not None:
        (client.http if hasattr(client, "http") else client._client).head(str(url), timeout=5.0)
