"""Audience: who hears the events of calls, and how much of them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.errors.secrets import REDACTED
from lazybridge.event_facts import said

if TYPE_CHECKING:
    from lazybridge.core.receipt import Receipt
    from lazybridge.core.usage import UsageStats
    from lazybridge.events import Event
    from lazybridge.ledger import Ledger

Listener = Callable[["Event"], object]

_log = logging.getLogger("lazybridge")


class Audience:
    """Listeners who are told the same: with payloads or without, and those cleaned by `redact`."""

    session_id: str | None = None
    ledger: Ledger | None = None

    def __init__(
        self, listeners: Iterable[Listener], payloads: bool = False, redact: Callable[[str], str] | None = None
    ) -> None:
        self.listeners = tuple(listeners)
        self.payloads = payloads
        self.redact = redact
        self._complained: set[int] = set()

    def told(self, event: Event) -> Event:
        """What this audience may know of an event."""
        if not self.payloads:
            return event.without_payload()
        if self.redact is None or not event.payload:
            return event
        return replace(event, **{name: said(getattr(event, name), self._redacted) for name in event.payload})

    def _redacted(self, text: str) -> str:
        assert self.redact is not None
        try:
            return str(self.redact(text))
        except Exception as exc:  # a user's function: what it fails on is not shown
            self.complain(self.redact, exc)
            return REDACTED

    def add(self, receipt: Receipt, usage: UsageStats | None) -> None:
        """Count what a call without events has cost; only a session does."""

    def complain(self, listener: object, exc: BaseException) -> None:
        """Log, once for each listener, that it raised; not what: that may hold what it was told."""
        if id(listener) not in self._complained:
            self._complained.add(id(listener))
            where = traceback.extract_tb(exc.__traceback__)[-1]
            _log.warning(
                "%r raised %s (%s:%s); the call goes on", listener, type(exc).__name__, where.filename, where.lineno
            )


everywhere: list[Audience] = []  # who hears every call of this process
session_in_use: ContextVar[Audience | None] = ContextVar("lazybridge_session", default=None)


def check_session(session: object) -> Any:
    """The session. Raises ConfigurationError for what is none."""
    if session is not None and not isinstance(session, Audience):
        raise ConfigurationError(f"session={session!r} is no Session\nwrite session=Session()")
    return session
