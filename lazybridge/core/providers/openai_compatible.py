"""Vendors and servers that speak OpenAI's Chat Completions, through the openai SDK: what their classes share."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar
from urllib.parse import urlsplit

from lazybridge.core import structured
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers._clients import async_http_client, http_client
from lazybridge.core.providers._openai_sdk import OverOpenAI, custom_header_names
from lazybridge.core.types import CompletionRequest, CompletionResponse
from lazybridge.core.wire import SDKCall, Wire
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.endpoints import Endpoint
from lazybridge.core.wire.endpoints.embeddings import OpenAIEmbeddings
from lazybridge.core.wire.endpoints.models import ModelListEndpoint
from lazybridge.core.wire.responses import ResponsesWire


class OpenAICompatibleProvider(OverOpenAI):
    """Any server that speaks Chat Completions: `Agent("compatible/model", base_url="http://127.0.0.1:8080/v1")`.

    A vendor is a subclass with these attributes: its `name`, `url`, the variables of its key and base URL, and its
    `dialect` (and `responses`, where `apis` has them). `needs_key` is whether it answers nobody without one: such a vendor
    says which `endpoints` it has, a server of one's own has both. With `_free` a call costs 0.0, but at `priced_hosts`. `cost_header` is the header of an answer that says what it cost, in USD.
    """

    name = "compatible"
    key_variable = "COMPATIBLE_API_KEY"
    url_variable = "COMPATIBLE_BASE_URL"
    url: ClassVar[str] = ""
    apis: ClassVar[tuple[str, ...]] = ("chat", "responses")
    needs_key: ClassVar[bool] = False
    dialect: ClassVar[ChatWire] = ChatWire(
        vendor="compatible", max_tokens_field="max_tokens", schema_dialect=structured.SERVER
    )
    responses: ClassVar[ResponsesWire] = ResponsesWire(vendor="compatible")
    cost_header: ClassVar[str] = ""
    priced_hosts: ClassVar[tuple[str, ...]] = ()
    endpoints: Mapping[str, Endpoint[Any, Any]] = {"embeddings": OpenAIEmbeddings(), "models": ModelListEndpoint()}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        cls.name = cls.registered_name()
        cls.dialect, cls.responses = replace(cls.dialect, vendor=cls.name), replace(cls.responses, vendor=cls.name)
        super().__init_subclass__(**kwargs)

    def _init_client(self, **kwargs: Any) -> None:
        super()._init_client(**kwargs)
        if not self._address():
            raise ConfigurationError(
                f"{type(self).__name__} has no base URL: {self.url_variable} is not set\n"
                f'set {self.url_variable} in the environment, or pass base_url="http://127.0.0.1:8080/v1"'
            )
        if urlsplit(self._address()).hostname in self.priced_hosts:
            self._free = False

    def _address(self) -> str:
        return self._own_url() or self.url

    def _has_credentials(self) -> bool:
        return not self.needs_key or super()._has_credentials()

    def _wire(self, request: CompletionRequest) -> Wire:
        return self.dialect if self.api == "chat" else self.responses

    def _make_client(self, asynchronous: bool) -> Any:
        import openai

        key = self.api_key or self._environment_key() or "no-key"  # the SDK refuses to be built without one
        options: dict[str, Any] = {"base_url": self._address(), "max_retries": 0}
        options["default_headers"] = openais_headers_left_out(key)
        client: Any
        if asynchronous:
            http: Any = async_http_client(openai.DefaultAioHttpClient)
            client = openai.AsyncOpenAI(api_key=key, http_client=http, **options)
        else:
            client = openai.OpenAI(api_key=key, http_client=http_client(), **options)
        return nobodys(client)

    def _finished(
        self, request: CompletionRequest, call: SDKCall, response: CompletionResponse, headers: Mapping[str, str]
    ) -> CompletionResponse:
        said = headers.get(self.cost_header) if self.cost_header else None
        if said is not None and response.usage.reported_cost_usd is None:
            with suppress(InvalidOperation):  # "None", where the proxy does not know
                response.usage.reported_cost_usd = Decimal(said)
        return super()._finished(request, call, response, headers)


def openais_headers_left_out(key: Any) -> dict[str, Any]:
    """What keeps the headers of OPENAI_CUSTOM_HEADERS, which the SDK adds to every client's, from other hosts."""
    import openai

    names = custom_header_names()
    left_out: dict[str, Any] = {name: openai.Omit() for name in names if name.lower() != "authorization"}
    if len(left_out) < len(set(names)):
        left_out["Authorization"] = f"Bearer {key}" if key else openai.Omit()
    return left_out


def nobodys(client: Any) -> Any:
    """The SDK's client without the account that OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_ADMIN_KEY gave it."""
    client.organization = client.project = client.admin_api_key = client.webhook_secret = None
    return client
