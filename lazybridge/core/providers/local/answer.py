"""One call of a local model: the body to send, and the fold of the events that come back."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.errors import LazyBridgeError, ProviderTimeoutError, UnsupportedFeatureError
from lazybridge.core.providers.adjusting import announce
from lazybridge.core.providers.local.constrained import Plan
from lazybridge.core.providers.local.engine import Engine
from lazybridge.core.providers.local.run import Item, Run
from lazybridge.core.receipt import Receipt
from lazybridge.core.types import Adjustment, StreamChunk, UsageStats
from lazybridge.core.wire.chat import ChatWire

_WIRE = ChatWire(vendor="local", max_tokens_field="max_tokens", reasoning_effort=False)
# Where Ctrl-C does not interrupt a wait (Windows), it arrives after this many seconds.
_TICK_SECONDS = 1.0
_UNUSED = {
    "metadata": "a model in this process keeps none",
    "service_tier": "a model in this process has no tiers",
    "extra_headers": "a model in this process is not called over HTTP",
}


class Answer:
    """One call: the body to send, and the fold of the events that come back."""

    def __init__(
        self,
        planned: Plan,
        model: str,
        kind: type[Engine],
        engine: Callable[[], Engine],
        priced: Callable[[str, UsageStats], Receipt],
    ) -> None:
        asked = planned.asked
        if planned.schema is not None and not kind.constrained:
            raise UnsupportedFeatureError(
                f"the backend {kind.backend!r} has no output schemas and no tools\n"
                'LocalProvider(backend="llamacpp") or LocalProvider(backend="mistralrs") has'
            )
        profile = ModelProfile(
            model, "local", vision=False, audio=False, documents=False, thinking="never", efforts=(), sampling="yes"
        )
        without: dict[str, Any] = dict.fromkeys(kind.left_out)
        call = _WIRE.to_sdk_kwargs(replace(planned.request, **without), profile, stream=True)
        unused = {**_UNUSED, **kind.left_out}
        extra = [Adjustment(name, why) for name, why in unused.items() if getattr(asked, name) is not None]
        if planned.hidden and asked.parallel_tool_calls:
            extra.append(Adjustment("parallel_tool_calls", "one tool is called at a time"))
        self.adjustments = (*call.adjustments, *extra)
        announce(self.adjustments, asked.strict, "local", model)
        self.body = dict(call.body)
        if planned.schema is not None:
            self.body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": planned.schema},
            }
        self.model = model
        self.deadline = None if asked.timeout is None else time.monotonic() + asked.timeout
        self._plan = planned
        self._engine = engine
        self._priced = priced
        self._fold = _WIRE.accumulator()
        self._last: dict[str, Any] = {}

    def start(self, deliver: Callable[[Item], object]) -> Run:
        """Begin to generate, in a thread; `deliver` is called there with every event."""
        return Run(self.body, self._engine, deliver, self.deadline)

    def next(self, box: queue.SimpleQueue[Item]) -> Item:
        """The next item of the run. Raises ProviderTimeoutError past the deadline."""
        while True:
            left = _TICK_SECONDS if self.deadline is None else max(0.0, self.deadline - time.monotonic())
            try:
                return box.get(timeout=min(_TICK_SECONDS, left))
            except queue.Empty:
                if not left:
                    raise self.timed_out() from None

    async def anext(self, box: asyncio.Queue[Item]) -> Item:
        """`next`, without blocking the event loop."""
        left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        try:
            async with asyncio.timeout(left):
                return await box.get()
        except TimeoutError:
            raise self.timed_out() from None

    def feed(self, item: dict[str, Any] | BaseException) -> StreamChunk | None:
        """A piece to hand out, or None; raises what went wrong."""
        try:
            if isinstance(item, TimeoutError):
                raise self.timed_out() from item
            if isinstance(item, BaseException):
                raise item
            self._last = item
            chunk = self._fold.feed(item)
        except LazyBridgeError as exc:
            exc.partial_text = str(self._fold.text)
            raise
        return None if self._plan.hidden else chunk

    def timed_out(self) -> ProviderTimeoutError:
        """The error for a call that took too long, with what had arrived."""
        error = ProviderTimeoutError(
            f"no whole answer after {self._plan.asked.timeout} s", provider="local", model=self.model
        )
        error.partial_text = str(self._fold.text)
        return error

    def finish(self) -> Generator[StreamChunk, None, None]:
        """The final chunk, and before it what was held back."""
        response = self._fold.finish()
        response.model, response.raw, response.adjustments = self.model, self._last, self.adjustments
        response.receipt = self._priced(self.model, response.usage)
        response.usage.cost_usd = response.receipt.cost_usd
        self._plan.read(response)
        if self._plan.hidden and response.content:
            yield StreamChunk(delta=response.content, model=response.model)
        yield response.final_chunk()
