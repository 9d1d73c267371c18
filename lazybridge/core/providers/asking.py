"""What a provider with endpoints beside its conversations can be asked, whoever runs them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.wire.endpoints import Endpoint

Given = TypeVar("Given", bound=EndpointResponse)


class AsksEndpoints(BaseProvider):
    """A provider of which `endpoints` says what there is beside conversations."""

    endpoints: Mapping[str, Endpoint[Any, Any]] = {}

    @abstractmethod
    def endpoint_for(self, name: str) -> Endpoint[Any, Any]:
        """The endpoint of this name. Raises UnsupportedFeatureError, with those there are, where there is none."""

    @abstractmethod
    def _model_for(self, endpoint: Endpoint[Any, Any], request: EndpointRequest) -> str:
        """The model that a request asks; "" for an endpoint that needs none."""

    @abstractmethod
    def ask(self, name: str, request: EndpointRequest, kind: type[Given]) -> Given:
        """One call of the endpoint `name`; `kind` is what it gives."""

    @abstractmethod
    async def aask(self, name: str, request: EndpointRequest, kind: type[Given]) -> Given:
        """`ask`, on the running event loop."""
