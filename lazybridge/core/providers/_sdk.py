"""The four I/O methods, written once for every provider that wraps a vendor's SDK."""

from __future__ import annotations

import importlib.util
import json
import os
import threading
import time
import warnings
import weakref
from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import Any, ClassVar, Self

from lazybridge.core import catalogue, pricing
from lazybridge.core.errors import ConfigurationError, ServerError, UnsupportedFeatureError
from lazybridge.core.providers._clients import LoopClients, adrain, cut_off, drain
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import Adjustment, CompletionRequest, CompletionResponse, RawAnswer, StreamChunk, UsageStats
from lazybridge.core.wire import Accumulator, SDKCall, Wire

_announced: set[tuple[str, str, str]] = set()


class SDKProvider(BaseProvider):
    """A provider over an SDK of the usual shape: `client.post(path, body=…, cast_to=…)`.

    A subclass is data and two small functions: which SDK, which variables, which wire, how to make the clients.
    The SDK client is made on first use; `_client` may be set to another one before that.
    """

    sdk: ClassVar[str]
    key_variable: ClassVar[str]
    url_variable: ClassVar[str]
    request_id_header: ClassVar[str] = "x-request-id"
    _client: Any = None

    @abstractmethod
    def _make_client(self, asynchronous: bool) -> Any:
        """The SDK's client, with its own retries off."""

    @abstractmethod
    def _wire(self, request: CompletionRequest) -> Wire:
        """The wire that speaks for this request."""

    @abstractmethod
    def _build_raw(self, raw: Mapping[str, Any], wire: Wire) -> Any:
        """The SDK's own typed object for a whole answer."""

    def _init_client(self, *, base_url: str | None = None, **unknown: Any) -> None:
        """Resolve the key and the base URL. Raises ConfigurationError for a missing SDK, key or a misspelt option."""
        if unknown:
            known = "api_key, model, base_url, strict_native_tools" + "".join(f", {name}" for name in self._options())
            raise ConfigurationError(
                f"{type(self).__name__} has no option {', '.join(map(repr, unknown))}\nits options: {known}"
            )
        if importlib.util.find_spec(self.sdk) is None:
            raise ConfigurationError(f'the package {self.sdk} is not installed\npip install "lazybridge[{self.name}]"')
        for option, value in (("api_key", self.api_key), ("base_url", base_url)):
            if value is not None and not isinstance(value, str) and not callable(value):
                raise ConfigurationError(f"{option} is a {type(value).__name__}\n{option} is a text")
        self.base_url = base_url
        if not self._has_credentials():
            raise ConfigurationError(
                f"{type(self).__name__} has no API key: {self.key_variable} is not set\n"
                f'set {self.key_variable} in the environment, or pass api_key="..."'
            )
        self._client = None
        self._client_lock = threading.Lock()
        self._loop_clients = LoopClients(lambda: self._make_client(asynchronous=True))

    @classmethod
    def _options(cls) -> tuple[str, ...]:
        """The names of options beyond those every provider has."""
        return ()

    def _has_credentials(self) -> bool:
        """Whether a key is at hand; a server at a base URL of one's own may do without."""
        return bool(self.api_key or self._environment_key() or self._own_url())

    def _environment_key(self) -> str | None:
        return os.environ.get(self.key_variable) or None

    def _own_url(self) -> str | None:
        return self.base_url or os.environ.get(self.url_variable)

    # --- one call ---------------------------------------------------------------------------------------------------

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        """One whole answer."""
        wire, call = self._translate(request, stream=False)
        at = _end_of(request)
        http = self._sync_client().post(wire.path, **_arguments(request, call), stream=True)
        with closing(http), cut_off(http, at):
            http.read()
        return self._response(request, wire, call, http)

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        """`complete`, on the running event loop."""
        wire, call = self._translate(request, stream=False)
        client = await self._loop_clients.get()
        http = await client.post(wire.path, **_arguments(request, call))
        return self._response(request, wire, call, http)

    def stream(self, request: CompletionRequest) -> Generator[StreamChunk, None, None]:
        """The answer in pieces; closing the generator closes the connection."""
        wire, call = self._translate(request, stream=True)
        state = wire.accumulator()
        at = _end_of(request)
        arguments = _arguments(request, call, self._stream_class(False))
        with closing(self._sync_client().post(wire.path, **arguments)) as events, cut_off(events.response, at):
            for event in events:
                chunk = state.feed(event)
                if chunk is not None:
                    yield chunk
                if state.done:
                    break
            yield self._final(request, wire, call, state, events.response.headers)
            drain(events.response)

    async def astream(self, request: CompletionRequest) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, on the running event loop."""
        wire, call = self._translate(request, stream=True)
        state = wire.accumulator()
        client = await self._loop_clients.get()
        async with _closing(
            await client.post(wire.path, **_arguments(request, call, self._stream_class(True)))
        ) as events:
            async for event in events:
                chunk = state.feed(event)
                if chunk is not None:
                    yield chunk
                if state.done:
                    break
            yield self._final(request, wire, call, state, events.response.headers)
            await adrain(events.response)

    @abstractmethod
    def _stream_class(self, asynchronous: bool) -> Any:
        """The SDK's `Stream[object]` or `AsyncStream[object]`."""

    def _sync_client(self) -> Any:
        if self._client is None:
            with self._client_lock:
                if self._client is None:
                    self._client = self._make_client(asynchronous=False)
                    weakref.finalize(self, self._client.close)
        return self._client

    def _translate(self, request: CompletionRequest, stream: bool) -> tuple[Wire, SDKCall]:
        supported = tuple(self._check_native_tools(request.native_tools)) if request.native_tools else ()
        if supported != request.native_tools:
            request = replace(request, native_tools=supported)
        wire = self._wire(request)
        model = catalogue.profile(self.name, self._resolve_model(request))
        call = wire.to_sdk_kwargs(request, model, stream)
        announce(call.adjustments, request, self.name, model.id)
        return wire, call

    def _response(self, request: CompletionRequest, wire: Wire, call: SDKCall, http: Any) -> CompletionResponse:
        try:
            raw = json.loads(http.content)
        except ValueError as exc:
            raise ServerError(
                "the answer is not JSON",
                provider=self.name,
                status_code=None,
                request_id=http.headers.get(self.request_id_header),
            ) from exc
        if not isinstance(raw, Mapping):
            raise ServerError(f"the answer is a JSON {type(raw).__name__}, not an object", provider=self.name)
        response = wire.from_sdk_response(raw)
        response.raw = RawAnswer(raw, lambda json: self._build_raw(json, wire))
        return self._finished(request, call, response, http.headers)

    def _final(
        self, request: CompletionRequest, wire: Wire, call: SDKCall, state: Accumulator, headers: Mapping[str, str]
    ) -> StreamChunk:
        response = state.finish()
        if state.raw is not None:
            response.raw = RawAnswer(state.raw, lambda json: self._build_raw(json, wire))
        self._finished(request, call, response, headers)
        return StreamChunk(
            tool_calls=response.tool_calls,
            stop_reason=response.stop_reason,
            usage=response.usage,
            is_final=True,
            model=response.model,
            response=response,
        )

    def _finished(
        self, request: CompletionRequest, call: SDKCall, response: CompletionResponse, headers: Mapping[str, str]
    ) -> CompletionResponse:
        response.request_id = headers.get(self.request_id_header)
        response.adjustments = call.adjustments
        response.usage.cost_usd = self._cost(response.model or self._resolve_model(request), response)
        return response

    # --- money, limits, senses --------------------------------------------------------------------------------------

    def _cost(self, model: str, response: CompletionResponse) -> float | None:
        usage = response.usage
        if type(self)._compute_cost is not SDKProvider._compute_cost:
            if usage.input_tokens is None or usage.output_tokens is None:
                return None
            return self._compute_cost(model, usage.input_tokens, usage.output_tokens)
        return pricing.cost_usd(catalogue.profile(self.name, model), usage)

    def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """USD for plain tokens by the catalogue; a call is priced with all its token classes."""
        return pricing.cost_usd(catalogue.profile(self.name, model), UsageStats(input_tokens, output_tokens))

    def get_default_max_tokens(self, model: str | None = None) -> int:
        """The model's own output limit, by the catalogue."""
        known = catalogue.profile(
            self.name, self.resolve_tier(model or self.model or self.default_model)
        ).max_output_tokens
        return known or super().get_default_max_tokens(model)

    @classmethod
    def supports_vision(cls, model: str | None = None) -> bool:
        """Whether the catalogue says that a model takes images."""
        return catalogue.profile(cls.name, cls.resolve_tier(model or cls.default_model)).vision is True

    @classmethod
    def supports_audio(cls, model: str | None = None) -> bool:
        """Whether the catalogue says that a model takes audio."""
        return catalogue.profile(cls.name, cls.resolve_tier(model or cls.default_model)).audio is True

    # --- lifecycle --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the synchronous client; the next call makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the running loop's client and the synchronous one."""
        await self._loop_clients.aclose()
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


def announce(adjustments: tuple[Adjustment, ...], request: CompletionRequest, provider: str, model: str) -> None:
    """Say once what could not be sent as asked; under `strict` raise UnsupportedFeatureError instead."""
    if not adjustments:
        return
    if request.strict:
        raise UnsupportedFeatureError(f"{provider}/{model}: {'; '.join(map(str, adjustments))}")
    for adjustment in adjustments:
        key = (provider, model, adjustment.parameter)
        if key not in _announced:
            _announced.add(key)
            warnings.warn(f"{provider}/{model}: {adjustment}", UserWarning, stacklevel=2)


def _end_of(request: CompletionRequest) -> float | None:
    """When a request's time is up, as `time.monotonic` counts."""
    return None if request.timeout is None else time.monotonic() + request.timeout


def _arguments(request: CompletionRequest, call: SDKCall, stream_class: Any = None) -> dict[str, Any]:
    """What `client.post` takes: the raw HTTP answer for a whole one, plain JSON events for a stream."""
    options: dict[str, Any] = {}
    if request.extra_headers:
        options["headers"] = dict(request.extra_headers)
    if request.timeout is not None:
        options["timeout"] = request.timeout
    if stream_class is not None:
        return {"body": call.body, "options": options, "cast_to": object, "stream": True, "stream_cls": stream_class}
    import httpx2

    return {"body": call.body, "options": options, "cast_to": httpx2.Response}


@asynccontextmanager
async def _closing(stream: Any) -> AsyncGenerator[Any, None]:
    """`contextlib.aclosing` for the SDKs' streams, whose closing method is called `close`."""
    try:
        yield stream
    finally:
        await stream.close()
