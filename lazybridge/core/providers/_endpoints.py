"""What a vendor's SDK is asked besides conversations: one HTTP call each, written once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from lazybridge.core import catalogue
from lazybridge.core.clock import TimeLeft
from lazybridge.core.errors import (
    ConfigurationError,
    ProviderError,
    ServerError,
    UnsupportedFeatureError,
    error_in_body,
)
from lazybridge.core.providers import _tape
from lazybridge.core.providers._clients import time_left
from lazybridge.core.providers._connection import Connection
from lazybridge.core.providers._reading import answer_class, parsed, read_whole
from lazybridge.core.providers.adjusting import announce
from lazybridge.core.providers.asking import Given
from lazybridge.core.providers.costing import receipt_for
from lazybridge.core.receipt import FREE
from lazybridge.core.types import CompletionRequest

if TYPE_CHECKING:
    from lazybridge.core.endpoints import EndpointRequest
    from lazybridge.core.endpoints.embeddings import EmbeddingRequest, Embeddings
    from lazybridge.core.endpoints.models import ModelList
    from lazybridge.core.endpoints.tokens import TokenCount
    from lazybridge.core.wire.endpoints import Endpoint, HTTPCall


class Endpoints(Connection):
    """The endpoints of a vendor beside its conversations; `endpoints` says which there are.

    The methods raise UnsupportedFeatureError where the vendor has no such endpoint; the SDK's own exceptions pass through.
    """

    http_library: ClassVar[str] = "httpx2"
    request_id_header: ClassVar[str] = "x-request-id"

    def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Texts as vectors."""
        from lazybridge.core.endpoints.embeddings import Embeddings

        return self.ask("embeddings", request, Embeddings)

    async def aembed(self, request: EmbeddingRequest) -> Embeddings:
        """`embed`, on the running event loop."""
        from lazybridge.core.endpoints.embeddings import Embeddings

        return await self.aask("embeddings", request, Embeddings)

    def models(self) -> ModelList:
        """The models that this key may use, as the vendor lists them."""
        from lazybridge.core.endpoints.models import ModelList, ModelListRequest

        found = self.ask("models", ModelListRequest(), ModelList)
        while found.after is not None:
            page = self.ask("models", ModelListRequest(after=found.after), ModelList)
            found.add(page)
        return found

    async def amodels(self) -> ModelList:
        """`models`, on the running event loop."""
        from lazybridge.core.endpoints.models import ModelList, ModelListRequest

        found = await self.aask("models", ModelListRequest(), ModelList)
        while found.after is not None:
            page = await self.aask("models", ModelListRequest(after=found.after), ModelList)
            found.add(page)
        return found

    def count_tokens(self, request: CompletionRequest) -> TokenCount:
        """How many input tokens a conversation has, by the vendor's own count."""
        from lazybridge.core.endpoints.tokens import TokenCount, TokenCountRequest

        return self.ask("token_count", TokenCountRequest.of(request), TokenCount)

    async def acount_tokens(self, request: CompletionRequest) -> TokenCount:
        """`count_tokens`, on the running event loop."""
        from lazybridge.core.endpoints.tokens import TokenCount, TokenCountRequest

        return await self.aask("token_count", TokenCountRequest.of(request), TokenCount)

    # --- one call ---------------------------------------------------------------------------------------------------

    def _asked_client(self) -> Any:
        """What a synchronous call goes through: the SDK's client, or a recording."""
        return self._sync_client() if _tape.current is None else _tape.current.client(self)

    async def _aasked_client(self) -> Any:
        """What a call on the running event loop goes through."""
        return await self._loop_clients.get() if _tape.current is None else _tape.current.async_client(self)

    def endpoint_for(self, name: str) -> Endpoint[Any, Any]:
        """The vendor's endpoint of this name. Raises UnsupportedFeatureError, with those it has, where there is none."""
        if name not in self.endpoints:
            has = ", ".join(self.endpoints) or "none"
            raise UnsupportedFeatureError(f"{self.name} has no endpoint for {name} here\nits endpoints: {has}")
        return self.endpoints[name]

    def ask(self, name: str, request: EndpointRequest, kind: type[Given]) -> Given:
        """One call of the endpoint `name`; `kind` is what it gives."""
        endpoint, model, call, timeout = self._prepared(name, request)
        began = time.time()
        http = self._called(self._asked_client(), request, call, timeout, wait_for_body=False)
        read_whole(http)
        return self._given(endpoint, model, request, call, http, began, kind)

    async def aask(self, name: str, request: EndpointRequest, kind: type[Given]) -> Given:
        """`ask`, on the running event loop."""
        endpoint, model, call, timeout = self._prepared(name, request)
        began = time.time()
        http = await self._called(await self._aasked_client(), request, call, timeout, wait_for_body=True)
        return self._given(endpoint, model, request, call, http, began, kind)

    def _prepared(
        self, name: str, request: EndpointRequest
    ) -> tuple[Endpoint[Any, Any], str, HTTPCall, TimeLeft | None]:
        endpoint = self.endpoint_for(name)
        model = self._model_for(endpoint, request)
        row = catalogue.profile(self.vendor_name(), model)
        call = endpoint.call(request, row if row.id == model else replace(row, id=model))  # what was asked for is sent
        announce(call.adjustments, request.strict, self.name, model)
        return endpoint, model, call, time_left(request.timeout)

    def _model_for(self, endpoint: Endpoint[Any, Any], request: EndpointRequest) -> str:
        from lazybridge.core.endpoints.tokens import TokenCountRequest

        if isinstance(request, TokenCountRequest):
            return self._resolve_model(request.request)
        model = request.model or endpoint.default_model
        if model is None and endpoint.needs_model:
            raise ConfigurationError(f'{type(self).__name__} has no default model for this\nname one: model="model-id"')
        return model or ""

    def _called(
        self, client: Any, request: EndpointRequest, call: HTTPCall, timeout: float | None, *, wait_for_body: bool
    ) -> Any:
        """What the SDK's method of this HTTP verb returns: the raw answer, or what is awaited for it."""
        headers = {**(call.headers or {}), **(request.extra_headers or {})}
        options: dict[str, Any] = {"params": dict(call.query)} if call.query else {}
        arguments: dict[str, Any] = {"options": options, "cast_to": answer_class(self.http_library)}
        if call.files:
            headers = {"Content-Type": "multipart/form-data", **headers}
            arguments["files"] = list(call.files)
        if headers:
            options["headers"] = headers
        if timeout is not None:
            options["timeout"] = timeout
        if call.method == "post":
            arguments["body"] = call.body
        if not wait_for_body and call.method != "delete":  # its answer is short, and the SDKs read it at once
            arguments["stream"] = True
        return getattr(client, call.method)(call.path, **arguments)

    def _given(
        self, endpoint: Endpoint[Any, Any], model: str, request: EndpointRequest, call: HTTPCall, http: Any,
        began: float, kind: type[Given],
    ) -> Given:  # fmt: skip
        if http.status_code == 204:  # nothing to say
            raw: Any = b"" if endpoint.binary else {}
        else:
            raw = http.content if endpoint.binary else parsed(http, self.name, self.request_id_header)
        response: Given = self._read(endpoint, request, raw)
        response.model = response.model or model or None
        response.request_id = http.headers.get(self.request_id_header) or response.request_id
        response.adjustments = (*call.adjustments, *response.adjustments)
        response.raw = raw
        began = _tape.asked_at(http.headers, began)
        response.receipt = FREE if endpoint.free else receipt_for(self, response.model or model, response.usage, began)
        if response.receipt.status == "unknown" and endpoint.sold_by:
            response.receipt = response.receipt.at_least(f"prices by the {endpoint.sold_by} are not known here")
        response.usage.cost_usd = response.receipt.cost_usd
        return response

    def _read(self, endpoint: Endpoint[Any, Any], request: EndpointRequest, raw: Any) -> Any:
        """What the answer says. Raises the vendor's error where an answer of HTTP 200 holds that instead."""
        try:
            return endpoint.response(request, raw)
        except ProviderError as error:
            said = raw.get("error") if isinstance(raw, Mapping) and type(error) is ServerError else None
            if not said:
                error.provider = self.name
                raise
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise ServerError("the answer has a shape that is not known here", provider=self.name, retryable=False) from exc  # fmt: skip
        raise error_in_body(said, provider=self.name)
