"""The four I/O methods, written once for every provider that wraps a vendor's SDK."""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

from lazybridge.core import catalogue, pricing
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.closing import AsyncClosed, Closing
from lazybridge.core.errors import ConfigurationError, ServerError
from lazybridge.core.providers._clients import LoopClients, forget_after_fork, installed
from lazybridge.core.providers._reading import adrain, cut_off, drain
from lazybridge.core.providers.adjusting import announce
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import receipt_for
from lazybridge.core.types import CompletionRequest, CompletionResponse, RawAnswer, StreamChunk, UsageStats
from lazybridge.core.usage import watch
from lazybridge.core.wire import Accumulator, SDKCall, Wire


class SDKProvider(Closing, BaseProvider):
    """A provider over an SDK of the usual shape: `client.post(path, body=…, cast_to=…)`.

    A subclass is data and two small functions: which SDK, which variables, which wire, how to make the clients.
    The SDK client is made on first use; `_client` may be set to another one before that.
    """

    sdk: ClassVar[str]
    extra: ClassVar[str] = ""
    key_variable: ClassVar[str]
    other_key_variables: ClassVar[tuple[str, ...]] = ()
    url_variable: ClassVar[str]
    request_id_header: ClassVar[str] = "x-request-id"
    http_library: ClassVar[str] = "httpx2"
    calls_for_key: ClassVar[bool] = True
    _adjusts_itself = True
    _client: Any = None
    _client_lock: threading.Lock
    _finalizer: weakref.finalize[..., Any] | None = None

    @abstractmethod
    def _make_client(self, asynchronous: bool) -> Any:
        """The SDK's client, with its own retries off."""

    @abstractmethod
    def _wire(self, request: CompletionRequest) -> Wire:
        """The wire that speaks for this request."""

    @classmethod
    @abstractmethod
    def _build_raw(cls, raw: Mapping[str, Any], wire: Wire) -> Any:
        """The SDK's own typed object for a whole answer."""

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
        self.base_url = base_url
        if not self._has_credentials():
            names = (self.key_variable, *self.other_key_variables)
            raise ConfigurationError(
                f"{type(self).__name__} has no API key: {' and '.join(names)} {'are' if names[1:] else 'is'} not set\n"
                f'set {self.key_variable} in the environment, or pass api_key="..."'
            )
        self._forget_clients()
        forget_after_fork(self)

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

    # --- one call ---------------------------------------------------------------------------------------------------

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        """One whole answer."""
        at = _end_of(request)
        wire, call = self._translate(request, stream=False)
        http = self._sync_client().post(wire.path, **self._arguments(request, call, at), stream=True)
        with closing(http), cut_off(http, at):
            http.read()
        return self._response(request, wire, call, http)

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        """`complete`, on the running event loop."""
        at = _end_of(request)
        wire, call = self._translate(request, stream=False)
        client = await self._loop_clients.get()
        http = await client.post(wire.path, **self._arguments(request, call, at))
        return self._response(request, wire, call, http)

    def stream(self, request: CompletionRequest) -> Generator[StreamChunk, None, None]:
        """The answer in pieces; closing the generator closes the connection."""
        at = _end_of(request)
        wire, call = self._translate(request, stream=True)
        state, client = wire.accumulator(), self._sync_client()
        watch(state.counted)
        arguments = self._arguments(request, call, at, self._stream_class(False))
        with closing(client.post(wire.path, **arguments)) as events, cut_off(events.response, at):
            for event in events:
                chunk = state.feed(event)
                if chunk is not None:
                    yield chunk
                if state.done:
                    break
            yield self._final(request, wire, call, state, events.response.headers)
            drain(events.response, self.http_library)

    async def astream(self, request: CompletionRequest) -> AsyncGenerator[StreamChunk, None]:
        """`stream`, on the running event loop."""
        at = _end_of(request)
        wire, call = self._translate(request, stream=True)
        state, client = wire.accumulator(), await self._loop_clients.get()
        watch(state.counted)
        arguments = self._arguments(request, call, at, self._stream_class(True))
        async with AsyncClosed(await client.post(wire.path, **arguments)) as events:
            async for event in events:
                chunk = state.feed(event)
                if chunk is not None:
                    yield chunk
                if state.done:
                    break
            yield self._final(request, wire, call, state, events.response.headers)
            await adrain(events.response, self.http_library)

    def _arguments(
        self, request: CompletionRequest, call: SDKCall, at: float | None, stream_class: Any = None
    ) -> dict[str, Any]:
        """What `client.post` takes: the raw HTTP answer for a whole one, plain JSON events for a stream."""
        options: dict[str, Any] = {}
        if request.extra_headers:
            options["headers"] = dict(request.extra_headers)
        if at is not None:
            options["timeout"] = max(at - time.monotonic(), 0.001)
        if stream_class is not None:
            return {
                "body": call.body,
                "options": options,
                "cast_to": object,
                "stream": True,
                "stream_cls": stream_class,
            }
        return {"body": call.body, "options": options, "cast_to": import_module(self.http_library).Response}

    @abstractmethod
    def _stream_class(self, asynchronous: bool) -> Any:
        """The SDK's `Stream[object]` or `AsyncStream[object]`."""

    def _sync_client(self) -> Any:
        if self._client is None:
            with self._client_lock:
                if self._client is None:
                    self._client = self._make_client(asynchronous=False)
                    self._finalizer = weakref.finalize(self, self._client.close)
        return self._client

    def _translate(self, request: CompletionRequest, stream: bool) -> tuple[Wire, SDKCall]:
        supported = tuple(self._check_native_tools(request.native_tools)) if request.native_tools else ()
        if supported != request.native_tools:
            request = replace(request, native_tools=supported)
        wire = self._wire(request)
        model = self._profile(self._resolve_model(request), request)
        call = wire.to_sdk_kwargs(request, model, stream)
        announce(call.adjustments, request, self.name, model.id)
        return wire, call._replace(began=time.time())

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
        response.raw = RawAnswer(raw, partial(self._build_raw, wire=wire))
        return self._finished(request, call, response, http.headers)

    def _final(
        self, request: CompletionRequest, wire: Wire, call: SDKCall, state: Accumulator, headers: Mapping[str, str]
    ) -> StreamChunk:
        response = state.finish()
        if state.raw is not None:
            response.raw = RawAnswer(state.raw, partial(self._build_raw, wire=wire))
        self._finished(request, call, response, headers)
        return response.final_chunk()

    def _finished(
        self, request: CompletionRequest, call: SDKCall, response: CompletionResponse, headers: Mapping[str, str]
    ) -> CompletionResponse:
        response.request_id = headers.get(self.request_id_header) or response.request_id
        response.adjustments = call.adjustments
        model = response.model or self._resolve_model(request)
        response.receipt = receipt_for(self, model, response.usage, call.began)
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
        self._client_lock = threading.Lock()
        self._loop_clients = LoopClients(partial(self._make_client, asynchronous=True))


def _end_of(request: CompletionRequest) -> float | None:
    """When a request's time is up, as `time.monotonic` counts."""
    return None if request.timeout is None else time.monotonic() + request.timeout
