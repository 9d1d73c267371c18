"""How the events of a call get to those who hear them: in order, cleaned of secrets, and never in the way of the call."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lazybridge.audience import Audience, Listener, everywhere
from lazybridge.awaiting import wait
from lazybridge.core.errors.secrets import credentials_of, scrub
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, ToolCall
from lazybridge.event_facts import kind_of, server_of, settings_of, shown, texts
from lazybridge.events import (  # fmt: skip
    AgentEnded,
    AgentStarted,
    AttemptFailed,
    Event,
    FellBack,
    Messages,
    RequestSent,
    ResponseReceived,
    Retried,
    ToolCalled,
    ToolReturned,
    TurnStarted,
)
from lazybridge.heard import Heard, in_tool, running

if TYPE_CHECKING:
    from lazybridge.drivers import ToolRunner
    from lazybridge.envelope import Attempt, Envelope
    from lazybridge.ledger import Ledger
    from lazybridge.policy import Policy


class Events:
    """The events of one run, told one after the other in the order in which they are numbered."""

    def __init__(self, session: Audience | None, policy: Policy, provider: BaseProvider, run_id: str) -> None:
        self._audiences = audiences = [*everywhere, *([session] if session is not None else [])]
        self.session = session
        self._provider = provider
        parent = running.get()
        self._common: dict[str, Any] = {
            "run_id": run_id,
            "parent_run_id": None if parent is None else parent._common["run_id"],
            "session_id": None if session is None else session.session_id,
            "agent": policy.name,
            "provider": provider.registered_name(),
        }
        self._payloads = any(audience.payloads for audience in audiences)
        self._lock = threading.RLock()
        self._numbers, self._calls = itertools.count(1), itertools.count(1)
        self._secrets: tuple[str, ...] = ()
        self._request: CompletionRequest | None = None
        self._streamed, self._turn = False, 0
        self._attempts: list[Attempt] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = deque[tuple[Awaitable[object], Audience, Listener]]()
        self._listening: asyncio.Task[None] | None = None

    @property
    def ledger(self) -> Ledger | None:
        """The session's, for agents without one of their own."""
        return None if self.session is None else self.session.ledger

    # --- a run ------------------------------------------------------------------------------------------------------

    def around(self, tools: ToolRunner, request: CompletionRequest) -> ToolRunner:
        """The tools of a call of this request; calls that they make know whose they are."""
        self._request, self._secrets = request, credentials_of(self._provider, request.extra_headers)
        for name in ("session_id", "agent"):  # the user's words; the others are ours
            self._common[name] = texts(self._common[name], self._scrubbed)
        return Heard(tools, self)

    @contextmanager
    def of_call(self, envelope: Callable[[], Envelope[Any]], streamed: bool) -> Iterator[None]:
        """A run from its first event to its last."""
        assert self._request is not None
        self._streamed = streamed
        model = self._provider._resolve_model(self._request)
        self._tell(AgentStarted, model=model, streamed=streamed, prompt=self._prompt(self._request))
        interrupted: BaseException | None = None
        try:
            yield
        except BaseException as exc:
            interrupted = exc
            raise
        finally:
            self._ended(envelope(), interrupted)

    def _ended(self, envelope: Envelope[Any], interrupted: BaseException | None) -> None:
        error: BaseException | None = envelope.error or (interrupted if envelope.response is None else None)
        metadata = envelope.metadata
        self._tell(
            AgentEnded,
            model=metadata.model,
            error=None if error is None else kind_of(error),
            stop_reason=metadata.stop_reason,
            turns=metadata.turns,
            attempts=len(metadata.attempts),
            usage=metadata.usage,
            receipt=metadata.receipt,
            duration_ms=metadata.latency_ms,
            answer=envelope.response.content if self._payloads and error is None and envelope.response else None,
            message=str(error) if self._payloads and error is not None else None,
        )

    async def __aenter__(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def __aexit__(self, *exc_info: object) -> None:
        if self._waiting or self._listening is not None:  # asynchronous listeners hear all before the call returns
            await asyncio.shield(self._listen())

    # --- an attempt -------------------------------------------------------------------------------------------------

    def requested(self, provider: BaseProvider, request: CompletionRequest, attempt: Attempt, turn: int) -> None:
        """An attempt begins."""
        if provider is not self._provider:  # after a fallback
            self._provider, self._common["provider"] = provider, provider.registered_name()
            self._secrets += credentials_of(provider, request.extra_headers)
        if turn != self._turn:
            self._turn = turn
            self._tell(TurnStarted, turn=turn)
        self._attempts.append(attempt)
        self._tell(
            RequestSent,
            turn=turn,
            attempt=len(self._attempts),
            model=attempt.model,
            streamed=self._streamed,
            settings=settings_of(request),
            server=server_of(self._provider),
            prompt=self._prompt(request),
        )

    def responded(self, attempt: Attempt, response: CompletionResponse, first_chunk_ms: float | None) -> None:
        """An attempt was answered."""
        answer = None
        if self._payloads:
            answer = {**shown(response.to_message()), "finish_reason": response.stop_reason}
        self._tell(
            ResponseReceived,
            **self._of(attempt),
            stop_reason=response.stop_reason,
            tool_calls=tuple(call.name for call in response.tool_calls),
            first_chunk_ms=first_chunk_ms,
            answer=answer,
        )

    def failed(self, attempt: Attempt, error: BaseException | None) -> None:
        """An attempt failed or was left; an error that stopped it before it was sent is its own kind."""
        kind = attempt.error or ("cancelled" if error is None else kind_of(error))
        message = str(error) if self._payloads and error is not None else None
        self._tell(AttemptFailed, **self._of(attempt), error=kind, status_code=attempt.status_code, message=message)

    def retried(self, error: str, wait_s: float) -> None:
        """The attempt is tried again."""
        self._tell(Retried, attempt=len(self._attempts), error=error, wait_s=wait_s)

    def fell_back(self, error: str, model: str | None, to: str | None) -> None:
        """Another model is asked."""
        self._tell(FellBack, attempt=len(self._attempts), error=error, model=model, to=to)

    @contextmanager
    def tool(self, call: ToolCall) -> Iterator[list[Message]]:
        """A tool from its call to its result, which is put into the list."""
        number, started, results, name = next(self._calls), time.perf_counter(), list[Message](), call.name
        arguments = dict(call.arguments) if self._payloads else None
        self._tell(ToolCalled, tool=name, tool_call_id=call.id, call=number, arguments=arguments)
        token, error = in_tool.set(call), None
        try:
            yield results
        except BaseException as exc:
            error = kind_of(exc)
            raise
        finally:
            in_tool.reset(token)
            if results and results[0].is_error:
                error = "tool_error"
            result = results[0].text if results and self._payloads else None
            lasted = (time.perf_counter() - started) * 1000
            self._tell(ToolReturned, tool=name, tool_call_id=call.id, call=number, duration_ms=lasted, error=error, result=result)  # fmt: skip

    def _of(self, attempt: Attempt) -> dict[str, Any]:
        return {
            "turn": self._turn,
            "attempt": next(at for at, each in enumerate(self._attempts, 1) if each is attempt),
            "model": attempt.model,
            "request_id": attempt.request_id,
            "usage": attempt.usage,
            "receipt": attempt.receipt,
            "duration_ms": attempt.duration_ms,
        }

    def _prompt(self, request: CompletionRequest) -> Messages | None:
        if not self._payloads:
            return None
        system = (Message.system(request.system),) if request.system else ()
        return tuple(map(shown, (*system, *request.messages)))

    # --- telling ----------------------------------------------------------------------------------------------------

    def _tell(self, kind: type[Event], **facts: Any) -> None:
        facts = {name: texts(value, self._scrubbed) for name, value in facts.items()}
        with self._lock:
            event = kind(at=datetime.now(UTC), number=next(self._numbers), **self._common, **facts)
            for audience in self._audiences:
                told = audience.told(event)
                for listener in audience.listeners:
                    try:
                        pending = listener(told)
                        if inspect.isawaitable(pending):
                            self._await(pending, audience, listener)
                    except (Exception, asyncio.CancelledError) as exc:  # a user's: the call has nothing to do with it
                        audience.complain(listener, exc)

    def _await(self, pending: Awaitable[object], audience: Audience, listener: Listener) -> None:
        """In an asynchronous call on its own loop, after what waits there; in a synchronous one at once."""
        if self._loop is None:
            wait(pending)
        else:
            self._waiting.append((pending, audience, listener))
            self._loop.call_soon_threadsafe(self._listen)  # a tool may tell from a thread

    def _listen(self) -> asyncio.Task[None]:
        if self._listening is None or self._listening.done():
            self._listening = asyncio.ensure_future(self._heard())
        return self._listening

    async def _heard(self) -> None:
        while self._waiting:
            pending, audience, listener = self._waiting.popleft()
            try:
                await pending
            except (Exception, asyncio.CancelledError) as exc:  # nobody cancels this task
                audience.complain(listener, exc)

    def _scrubbed(self, text: str) -> str:
        return scrub(text, self._secrets)
