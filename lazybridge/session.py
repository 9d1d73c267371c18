"""Session: the calls of one piece of work, what they cost together, and who hears of them."""

from __future__ import annotations

import json
import logging
import os
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lazybridge.audience import Audience, Listener, session_in_use
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.receipt import FREE, Receipt
from lazybridge.core.usage import UsageStats
from lazybridge.events import AgentEnded, AttemptFailed, Event, ResponseReceived

if TYPE_CHECKING:
    from lazybridge.ledger import Ledger

_FAILURES = ("error", "retry", "fallback")


class Session(Audience):
    """`with Session(JsonLines("events.jsonl")) as session:` hears every call that the block makes; `Agent(session=session)`
    those of one agent, wherever it is called.

    `listeners` are functions of one `Event`, plain or asynchronous, or a `logging.Logger`. They are told without what was
    said in a call; `payloads=True` tells that, too, and `redact` is a function that gets every text of it and gives what
    is told instead. `ledger` is for agents that have none of their own. A session may be used from many threads.
    Raises ConfigurationError for a listener that cannot be called.
    """

    session_id: str

    def __init__(
        self,
        *listeners: Listener | logging.Logger,
        id: str | None = None,
        payloads: bool = False,
        redact: Callable[[str], str] | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        for listener in listeners:
            if not isinstance(listener, logging.Logger) and not callable(listener):
                raise ConfigurationError(
                    f"{listener!r} cannot listen\nwrite a function of one event, a logging.Logger or JsonLines(path)"
                )
        functions = [Log(given) if isinstance(given, logging.Logger) else given for given in listeners]
        super().__init__((self._count, *functions), payloads, redact)
        self.session_id = uuid.uuid4().hex if id is None else id
        self.ledger = ledger
        self._lock = threading.Lock()
        self._receipt, self._usage, self._calls = FREE, list[UsageStats](), 0
        self._tokens: list[Token[Audience | None]] = []

    @property
    def id(self) -> str:
        """What its events carry as `session_id`."""
        return self.session_id

    @property
    def receipt(self) -> Receipt:
        """What all attempts so far have cost, those of agents inside tools and of functions such as `embed` among them."""
        return self._receipt

    @property
    def cost_usd(self) -> float | None:
        """USD so far, None where it is not exactly known."""
        return self._receipt.cost_usd

    @property
    def usage(self) -> UsageStats:
        """The usage of all attempts so far; a count that is unknown of one is unknown."""
        with self._lock:
            if len(self._usage) > 1:
                self._usage = [sum(self._usage[1:], self._usage[0])]
            return self._usage[0] if self._usage else UsageStats()

    @property
    def calls(self) -> int:
        """How many calls of agents and models have ended."""
        return self._calls

    def _count(self, event: Event) -> None:
        if isinstance(event, (ResponseReceived, AttemptFailed)):
            self.add(event.receipt, event.usage)
        elif isinstance(event, AgentEnded):
            with self._lock:
                self._calls += 1

    def add(self, receipt: Receipt, usage: UsageStats | None = None) -> None:
        """Count what something else of this piece of work has cost."""
        with self._lock:
            if receipt is not FREE:
                self._receipt = receipt if self._receipt is FREE else self._receipt + receipt
            if usage is not None:
                self._usage.append(usage)

    def close(self) -> None:
        """Close the files that its listeners have open; they are opened again for a further event."""
        for listener in self.listeners:
            if isinstance(listener, JsonLines):
                listener.close()

    def __enter__(self) -> Self:
        self._tokens.append(session_in_use.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for token in reversed(self._tokens):  # several tasks and threads may be inside
            with suppress(ValueError):  # another context's; one that is left elsewhere ends with its task
                session_in_use.reset(token)
                self._tokens.remove(token)
                break
        self.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, exc, traceback)

    def __repr__(self) -> str:
        return f"Session({self.id!r}, calls={self.calls}, cost_usd={self.cost_usd!r})"


class JsonLines:
    """A listener that appends every event to a file, as one line of JSON. Threads and processes may share the file, which
    only its owner may read. Raises ConfigurationError where it cannot be opened."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.path.expanduser(os.fspath(path)))
        self._lock = threading.Lock()
        try:
            self._file: int | None = self._opened()
        except OSError as exc:
            raise ConfigurationError(
                f"{self.path} cannot be opened: {exc}\nname a file in a directory that exists"
            ) from exc

    def __call__(self, event: Event) -> None:
        """Write one event. Raises OSError where that fails."""
        line = (json.dumps(event.to_dict(), default=str, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        with self._lock:
            if self._file is None:
                self._file = self._opened()
            while line:  # at once, but on a disk that is full
                line = line[os.write(self._file, line) :]

    def close(self) -> None:
        """Close the file; a further event opens it again."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _opened(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()

    def __repr__(self) -> str:
        return f"JsonLines({self.path!r})"


class Log:
    """A listener that logs every event: one line of its facts at INFO, at WARNING for what failed; the event itself is
    the record's `event`."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger

    def __call__(self, event: Event) -> None:
        """Log one event."""
        failed = event.kind in _FAILURES or (isinstance(event, AgentEnded) and not event.ok)
        level = logging.WARNING if failed else logging.INFO
        if self.logger.isEnabledFor(level):
            facts = event.without_payload().to_dict()
            told = " ".join(f"{name}={value}" for name, value in facts.items() if name not in ("event", "at"))
            self.logger.log(level, "%s %s", event.kind, told, extra={"event": event})

    def __repr__(self) -> str:
        return f"Log({self.logger.name!r})"
