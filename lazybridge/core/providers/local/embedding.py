"""Vectors from a local model, with the shape of the vendors' endpoints."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.endpoints import EndpointRequest
from lazybridge.core.errors import ContextLengthError, ProviderTimeoutError, UnsupportedFeatureError, error_in_body
from lazybridge.core.providers.adjusting import announce
from lazybridge.core.providers.asking import AsksEndpoints, Given
from lazybridge.core.providers.local import weights
from lazybridge.core.providers.local.options import LocalOptions
from lazybridge.core.receipt import FREE
from lazybridge.core.wire.endpoints import Endpoint
from lazybridge.core.wire.endpoints.embeddings import OpenAIEmbeddings

if TYPE_CHECKING:
    from lazybridge.core.providers.local.engine import Engine


class LocalEndpoints(AsksEndpoints):
    """What `embed` asks of a provider, answered in this process by an engine of its own beside the one that writes."""

    # llama.cpp answers like OpenAI; a small portion of texts lets a call end in time.
    endpoints: Mapping[str, Endpoint[Any, Any]] = {
        "embeddings": OpenAIEmbeddings(dimensions_field=None, most_inputs=64, default_model=weights.MODEL)
    }
    options: LocalOptions
    _kind: type[Engine]

    @abstractmethod
    def _embedder(self, model: str) -> Engine:
        """The engine that embeds with this model, loaded."""

    def endpoint_for(self, name: str) -> Endpoint[Any, Any]:
        """The endpoint of this name. Raises UnsupportedFeatureError for any but embeddings, and where the backend makes none."""
        if name not in self.endpoints or not self._kind.embeds:
            has = 'embeddings, with backend="llamacpp"'
            raise UnsupportedFeatureError(f"local has no endpoint for {name} here\nits endpoints: {has}")
        return self.endpoints[name]

    def _model_for(self, endpoint: Endpoint[Any, Any], request: EndpointRequest) -> str:
        return self.resolve_tier(request.model or self.model or self.default_model)

    def ask(self, name: str, request: EndpointRequest, kind: type[Given]) -> Given:
        """One call, in this thread. Raises ConfigurationError where the model cannot be loaded, ContextLengthError for a text
        that is longer than the context, ProviderTimeoutError past `request.timeout` seconds, when a text is done, and
        ProviderConnectionError where the model is unloaded meanwhile."""
        endpoint = self.endpoint_for(name)
        model = self._model_for(endpoint, request)
        call = endpoint.call(request, ModelProfile(model, "local"))
        announce(call.adjustments, request.strict, "local", model)
        raw = self._vectors(self._embedder(model), dict(call.body or {}), request.timeout)
        if "error" in raw:
            texts = (call.body or {}).get("input", ())
            longest = max((len(text.encode()) for text in texts), default=0)
            if longest >= self.options.context_tokens:  # the one thing that the engine calls an error of its own
                raise ContextLengthError(str(raw["error"].get("message")), provider="local", model=model)
            raise error_in_body(raw["error"], provider="local", model=model)
        response: Given = endpoint.response(request, raw)
        response.model, response.raw, response.receipt = model, raw, FREE
        response.adjustments = call.adjustments
        response.usage.cost_usd = 0.0
        return response

    def _vectors(self, engine: Engine, body: dict[str, Any], timeout: float | None) -> dict[str, Any]:
        """What the engine says to one text after the other: between two of them it can be unloaded, and time can be up."""
        deadline = None if timeout is None else time.monotonic() + timeout
        found: list[dict[str, Any]] = []
        read = 0
        for text in body["input"]:
            if _late(deadline):
                raise _timed_out()
            try:
                raw = engine.embed({**body, "input": [text]}, partial(_late, deadline))
            except TimeoutError as exc:
                raise _timed_out() from exc
            if "error" in raw:
                return raw
            found += ({**one, "index": len(found)} for one in raw["data"])
            read += raw["usage"]["prompt_tokens"]
        return {**raw, "data": found, "usage": {"prompt_tokens": read, "total_tokens": read}}

    async def aask(self, name: str, request: EndpointRequest, kind: type[Given]) -> Given:
        """`ask`, in a thread; past `request.timeout` the wait ends, and the engine finishes the text that it has begun."""
        try:
            async with asyncio.timeout(request.timeout):
                return await asyncio.to_thread(self.ask, name, request, kind)
        except TimeoutError as exc:
            raise _timed_out() from exc


def _late(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def _timed_out() -> ProviderTimeoutError:
    return ProviderTimeoutError("the model took longer than it was given", provider="local")


def embedding(options: LocalOptions) -> LocalOptions:
    """The same options for an engine that embeds."""
    return replace(options, embedding=True, parallel=1)
