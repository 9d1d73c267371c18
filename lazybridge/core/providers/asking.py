"""What a provider with endpoints beside its conversations can be asked, whoever runs them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lazybridge.core.providers.base import BaseProvider

if TYPE_CHECKING:
    from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
    from lazybridge.core.wire.endpoints import Endpoint

Given = TypeVar("Given", bound="EndpointResponse")


def deferred(make: Callable[[], Mapping[str, Endpoint[Any, Any]]]) -> Mapping[str, Endpoint[Any, Any]]:
    """A class's endpoints, made when somebody looks at them: most programs never do, and a first call is to import only what
    it needs."""
    return cast("Mapping[str, Endpoint[Any, Any]]", _Deferred(make))


class _Deferred:
    def __init__(self, make: Callable[[], Mapping[str, Endpoint[Any, Any]]]) -> None:
        self._make = cache(make)

    def __get__(self, instance: object, owner: type | None = None) -> Mapping[str, Endpoint[Any, Any]]:
        return self._make()


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
