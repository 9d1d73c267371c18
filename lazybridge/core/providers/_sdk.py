"""The four I/O methods, written once for every provider that wraps a vendor's SDK."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from lazybridge.core import catalogue, pricing
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.clock import TimeLeft
from lazybridge.core.closing import AsyncClosed
from lazybridge.core.errors import ServerError
from lazybridge.core.errors.secrets import credentials_of
from lazybridge.core.providers import _tape
from lazybridge.core.providers._clients import time_left
from lazybridge.core.providers._events import Unbroken, tolerant
from lazybridge.core.providers._files import Files
from lazybridge.core.providers._reading import adrain, answer_class, drain, parsed, read_whole
from lazybridge.core.providers._sending import ready
from lazybridge.core.providers.adjusting import announce, offered
from lazybridge.core.providers.costing import receipt_for
from lazybridge.core.types import CompletionRequest, CompletionResponse, RawAnswer, StreamChunk, UsageStats
from lazybridge.core.usage import watch
from lazybridge.core.wire import Accumulator, SDKCall, Wire


class SDKProvider(Files):
    """A provider over an SDK of the usual shape: `client.post(path, body=…, cast_to=…)`, or `content=` for a body that is written already.

    A subclass is data and two small functions: which SDK, which variables, which wire, how to make the clients.
    """

    _adjusts_itself = True

    @abstractmethod
    def _wire(self, request: CompletionRequest) -> Wire:
        """The wire that speaks for this request."""

    @classmethod
    @abstractmethod
    def _build_raw(cls, raw: Mapping[str, Any], wire: Wire) -> Any:
        """The SDK's own typed object for a whole answer."""

    # --- one call ---------------------------------------------------------------------------------------------------

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        """One whole answer."""
        timeout = time_left(request.timeout)
        wire, call = self._translate(request, stream=False)
        client = self._asked_client()
        path, arguments = self._arguments(client, wire.path, request, call, timeout)
        http = client.post(path, **arguments, stream=True)
        read_whole(http)
        return self._response(request, wire, call, http)

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        """`complete`, on the running event loop."""
        timeout = time_left(request.timeout)
        wire, call = self._translate(request, stream=False)
        client = await self._aasked_client()
        path, arguments = self._arguments(client, wire.path, request, call, timeout)
        http = await client.post(path, **arguments)
        return self._response(request, wire, call, http)

    def stream(self, request: CompletionRequest) -> Generator[StreamChunk, None, None]:
        """The answer in pieces; closing the generator closes the connection."""
        timeout = time_left(request.timeout)
        wire, call = self._translate(request, stream=True)
        state, client = wire.accumulator(), self._asked_client()
        watch(state.counted)
        path, arguments = self._arguments(client, wire.path, request, call, timeout, self._stream_class(False))
        with closing(tolerant(client.post(path, **arguments))) as events:
            with self._unbroken(state, request):
                for event in events:
                    chunk = state.feed(event)
                    if chunk is not None:
                        yield chunk
                    if state.done:
                        break
            yield self._final(request, wire, call, state, events.response)
            drain(events.response, self.http_library)

    async def astream(self, request: CompletionRequest) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, on the running event loop."""
        timeout = time_left(request.timeout)
        wire, call = self._translate(request, stream=True)
        state, client = wire.accumulator(), await self._aasked_client()
        watch(state.counted)
        path, arguments = self._arguments(client, wire.path, request, call, timeout, self._stream_class(True))
        async with AsyncClosed(tolerant(await client.post(path, **arguments))) as events:
            with self._unbroken(state, request):
                async for event in events:
                    chunk = state.feed(event)
                    if chunk is not None:
                        yield chunk
                    if state.done:
                        break
            yield self._final(request, wire, call, state, events.response)
            await adrain(events.response, self.http_library)

    def _unbroken(self, state: Accumulator, request: CompletionRequest) -> Unbroken:
        return Unbroken(state, self.name, credentials_of(self, request.extra_headers))

    def _arguments(
        self, client: Any, path: str, request: CompletionRequest, call: SDKCall, timeout: TimeLeft | None,
        stream_class: Any = None,
    ) -> tuple[str, dict[str, Any]]:  # fmt: skip
        """What `client.post` takes, its path apart: the raw HTTP answer for a whole one, plain JSON events for a stream."""
        options: dict[str, Any] = {}
        if request.extra_headers:
            options["headers"] = dict(request.extra_headers)
        if timeout is not None:
            options["timeout"] = timeout
        path, arguments = ready(client, path, call.body, options)
        if stream_class is not None:
            return path, {**arguments, "cast_to": object, "stream": True, "stream_cls": stream_class}
        return path, {**arguments, "cast_to": answer_class(self.http_library)}

    @abstractmethod
    def _stream_class(self, asynchronous: bool) -> Any:
        """The SDK's `Stream[object]` or `AsyncStream[object]`."""

    def _translate(self, request: CompletionRequest, stream: bool) -> tuple[Wire, SDKCall]:
        request, without = offered(self, request)
        wire = self._wire(request)
        model = self._profile(self._resolve_model(request), request)
        call = wire.to_sdk_kwargs(request, model, stream)
        announce(call.adjustments, request.strict, self.name, model.id)
        return wire, call._replace(adjustments=(*without, *call.adjustments), began=time.time())

    def _profile(self, model: str, request: CompletionRequest) -> ModelProfile:
        """The catalogue's row, and what a subclass says instead."""
        row = catalogue.profile(self.vendor_name(), model)
        said: dict[str, Any] = {} if row.id == model else {"id": model}  # what was asked for is what is sent
        if request.max_tokens is None and self._overrides("get_default_max_tokens"):
            said["max_output_tokens"] = self.get_default_max_tokens(model)
        if self._overrides("supports_vision"):
            said["vision"] = self.supports_vision(model)
        if self._overrides("supports_audio"):
            said["audio"] = self.supports_audio(model)
        return replace(row, **said) if said else row

    def _overrides(self, method: str) -> bool:
        """Whether a class outside lazybridge defines a method of the contract anew."""
        return not getattr(type(self), method).__module__.startswith("lazybridge.")

    def _response(self, request: CompletionRequest, wire: Wire, call: SDKCall, http: Any) -> CompletionResponse:
        raw = parsed(http, self.name, self.request_id_header)
        if not isinstance(raw, Mapping):
            raise ServerError(f"the answer is a JSON {type(raw).__name__}, not an object", provider=self.name)
        response = wire.from_sdk_response(raw)
        if _says_nothing(response, raw):
            raise ServerError("the answer has no content, and no reason why it ended", provider=self.name)
        response.raw = RawAnswer(raw, partial(self._build_raw, wire=wire))
        response.status_code = getattr(http, "status_code", None)  # litellm in process tells none
        return self._finished(request, call, response, http.headers)

    def _final(
        self, request: CompletionRequest, wire: Wire, call: SDKCall, state: Accumulator, http: Any
    ) -> StreamChunk:
        response = state.finish()
        if state.raw is not None:
            response.raw = RawAnswer(state.raw, partial(self._build_raw, wire=wire))
        response.status_code = getattr(http, "status_code", None)
        self._finished(request, call, response, http.headers)
        return response.final_chunk()

    def _finished(
        self, request: CompletionRequest, call: SDKCall, response: CompletionResponse, headers: Mapping[str, str]
    ) -> CompletionResponse:
        response.request_id = headers.get(self.request_id_header) or response.request_id
        response.adjustments = call.adjustments
        usage = response.usage
        if response.content and usage.input_tokens == usage.output_tokens == 0:  # a text was not made of nothing
            usage.input_tokens = usage.output_tokens = None
        model = response.model or self._resolve_model(request)
        response.receipt = receipt_for(self, model, response.usage, _tape.asked_at(headers, call.began))
        response.usage.cost_usd = response.receipt.cost_usd
        return response

    # --- money, limits, senses --------------------------------------------------------------------------------------

    def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """USD for plain tokens by the catalogue; a call is priced with all its token classes."""
        return pricing.receipt(
            catalogue.profile(self.vendor_name(), model), UsageStats(input_tokens, output_tokens)
        ).cost_usd

    def get_default_max_tokens(self, model: str | None = None) -> int:
        """The model's own output limit, by the catalogue."""
        return self._row(model).max_output_tokens or super().get_default_max_tokens(model)

    def _row(self, model: str | None) -> ModelProfile:
        return catalogue.profile(self.vendor_name(), self.resolve_tier(model or self.model or self.default_model))

    @classmethod
    def supports_vision(cls, model: str | None = None) -> bool:
        """Whether the catalogue says that a model takes images."""
        return catalogue.profile(cls.vendor_name(), cls.resolve_tier(model or cls.default_model)).vision is True

    @classmethod
    def supports_audio(cls, model: str | None = None) -> bool:
        """Whether the catalogue says that a model takes audio."""
        return catalogue.profile(cls.vendor_name(), cls.resolve_tier(model or cls.default_model)).audio is True


def _says_nothing(response: CompletionResponse, raw: Mapping[str, Any]) -> bool:
    """Whether a whole answer is none: a gateway's object with every field null, or without choices. What runs in the
    background has a `status`, and what Google would not answer a `promptFeedback`."""
    said = response.content or response.thinking or response.tool_calls or response.media
    return not said and response.stop_reason is None and not (raw.get("status") or raw.get("promptFeedback"))
