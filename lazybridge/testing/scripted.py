"""A provider that says what a script says."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import computes
from lazybridge.core.receipt import FREE, stated
from lazybridge.core.types import CompletionRequest, CompletionResponse, NativeTool, StreamChunk, UsageStats
from lazybridge.testing.asked import check_fields, check_texts, shown_request
from lazybridge.testing.script import ScriptError, Turn, turn


class ScriptedProvider(BaseProvider):
    """`Agent(ScriptedProvider(["hi"]))("x").text() == "hi"`: each call gets the next line of the script.

    A line is a text, a `CompletionResponse`, a `ToolCall` or a list of them, a dict or an object for structured output, an
    exception (raised), a `Stream`, `Later(seconds, answer)`, or a function that is given the request and returns such a
    line; one function in place of the list answers every call. `model` is the name that answers carry. `usage` is what
    each answer used, where it does not say so itself; else tokens are counted roughly. `cost_usd` is what each answer
    costs in USD; None leaves it to `register_price`. `requests` are the `CompletionRequest`s that were asked, in order.

    `with ScriptedProvider([...]) as provider:` raises ScriptError at the end for answers that nobody asked for; a call
    after the last answer raises it, too.
    """

    name = "scripted"
    default_model = "scripted"
    supported_native_tools = frozenset(NativeTool)  # with the two below: what is asked arrives as it is

    def __init__(
        self,
        script: Iterable[Any] | Callable[[CompletionRequest], Any],
        *,
        model: str = "scripted",
        usage: UsageStats | None = None,
        cost_usd: float | None = 0.0,
    ) -> None:
        if isinstance(script, (str, bytes, Mapping, CompletionResponse, BaseException)):
            raise ScriptError(f"a script is a list of answers, got {script!r}\nwrite ScriptedProvider([{script!r}])")
        super().__init__(None, model)
        self.requests: list[CompletionRequest] = []
        self._usage, self._cost_usd = usage, cost_usd
        self._always = script if callable(script) else None
        self._planned = list(script) if isinstance(script, Sequence) else None
        self._rest: Iterator[Any] = iter(() if callable(script) else self._planned or script)
        self._free = cost_usd == 0
        self._lock = threading.Lock()

    @classmethod
    def supports_vision(cls, model: str | None = None) -> bool:
        """True."""
        return True

    @classmethod
    def supports_audio(cls, model: str | None = None) -> bool:
        """True."""
        return True

    # --- the four methods -------------------------------------------------------------------------------------------

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        """The next answer."""
        answer = self._now(request)
        _sleep(answer.delay + answer.pause * len(answer.chunks), request)
        return _whole(answer)

    def stream(self, request: CompletionRequest) -> Generator[StreamChunk, None, None]:
        """The next answer, in pieces."""
        answer = self._now(request)
        _sleep(answer.delay, request)
        for chunk in answer.chunks:
            _sleep(answer.pause, request)
            yield chunk
        yield _whole(answer).final_chunk()

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        """`complete`, on the running event loop."""
        answer = await self._soon(request)
        await _asleep(answer.delay + answer.pause * len(answer.chunks), request)
        return _whole(answer)

    async def astream(self, request: CompletionRequest) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, on the running event loop."""
        answer = await self._soon(request)
        await _asleep(answer.delay, request)
        for chunk in answer.chunks:
            await _asleep(answer.pause, request)
            yield chunk
        yield _whole(answer).final_chunk()

    def _now(self, request: CompletionRequest) -> Turn:
        said = self._said(request)
        if inspect.isawaitable(said):
            if inspect.iscoroutine(said):
                said.close()
            raise ScriptError("an asynchronous function of the script was asked synchronously\nwrite `def`, or `await agent.run(...)`")  # fmt: skip
        return self._turn(said, request)

    async def _soon(self, request: CompletionRequest) -> Turn:
        said = self._said(request)
        return self._turn(await said if inspect.isawaitable(said) else said, request)

    def _said(self, request: CompletionRequest) -> Any:
        """The next line of the script, or what its function returns."""
        with self._lock:
            self.requests.append(request)
            said = self._always or next(self._rest, self)
        if said is self:
            raise ScriptError(
                f"the script is over after {len(self.requests) - 1} calls; this one asks for one more answer:\n"
                f"{shown_request(request)}\nadd an answer to ScriptedProvider([...])"
            )
        return said(request) if callable(said) and not isinstance(said, type) else said

    def _turn(self, said: Any, request: CompletionRequest) -> Turn:
        answer = turn(said, request, self._resolve_model(request), self._usage)
        response = answer.response
        if response is not None:
            if response.receipt is None and response.usage.cost_usd is not None:
                response.receipt = stated(response.usage.cost_usd, response.model or "", "the script")
            elif response.receipt is None and self._cost_usd is not None and not computes(self):
                response.receipt = stated(self._cost_usd, response.model or "", "the script") if self._cost_usd else FREE  # fmt: skip
            if response.receipt is not None:
                response.usage.cost_usd = response.receipt.cost_usd
        return answer

    # --- what was asked ---------------------------------------------------------------------------------------------

    def assert_asked(self, *texts: str, times: int | None = None, call: int = -1, **fields: Any) -> None:
        """Raise AssertionError, with what differs, unless the provider was asked so.

        `texts` are all that a user said, in order (requests that bring results of tools do not count); `times` is the
        number of requests; `fields` are those of one `CompletionRequest`, by default the last: `system="Be brief."`,
        `temperature=0`, `tools=["weather"]`. `call` is its place in `requests`.
        """
        if times is not None and len(self.requests) != times:
            raise AssertionError(f"asked {len(self.requests)} times, not {times}{self._listed()}")
        if texts:
            check_texts(self.requests, texts)
        if fields:
            if not -len(self.requests) <= call < len(self.requests):
                raise AssertionError(f"there is no call {call}: the provider was asked {len(self.requests)} times")
            check_fields(self.requests[call], fields)
        if not (texts or fields or times is not None or self.requests):
            raise AssertionError("the provider was asked nothing")

    def assert_finished(self) -> None:
        """Raise ScriptError where the list of the script has answers left."""
        left = [] if self._planned is None else self._planned[len(self.requests) :]
        if left:
            shown = "\n".join(f"  {said!r}" for said in left)
            raise ScriptError(f"{len(left)} answers of the script were not asked for:\n{shown}{self._listed()}")

    def _listed(self) -> str:
        return "".join(f"\n{place}. {shown_request(request)}" for place, request in enumerate(self.requests, 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, exc: object, trace: object) -> None:
        if exc is None:
            self.assert_finished()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.__exit__(*exc_info)


def _whole(answer: Turn) -> CompletionResponse:
    if answer.error is not None:
        raise answer.error
    assert answer.response is not None
    return answer.response


def _patience(seconds: float, request: CompletionRequest) -> float:
    return seconds if request.timeout is None else min(seconds, request.timeout)


def _check_time(seconds: float, request: CompletionRequest) -> None:
    if _patience(seconds, request) < seconds:
        raise TimeoutError(f"the script answers after {seconds:g} s")


def _sleep(seconds: float, request: CompletionRequest) -> None:
    if seconds:
        time.sleep(_patience(seconds, request))
        _check_time(seconds, request)


async def _asleep(seconds: float, request: CompletionRequest) -> None:
    if seconds:
        await asyncio.sleep(_patience(seconds, request))
        _check_time(seconds, request)
