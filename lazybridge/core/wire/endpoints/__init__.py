"""Wires of the endpoints that are no conversation: a neutral request as one HTTP call, the vendor's answer as a response."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
from lazybridge.core.errors import ServerError
from lazybridge.core.types import Adjustment
from lazybridge.core.usage import UsageStats

Asked = TypeVar("Asked", bound=EndpointRequest)
Given = TypeVar("Given", bound=EndpointResponse)


class HTTPCall(NamedTuple):
    """One HTTP request. `query` stands in the URL; with `files` (field, (name, bytes, media type)) the body is a form."""

    path: str
    body: Mapping[str, Any] | None = None
    method: Literal["get", "post", "delete"] = "post"
    query: Mapping[str, Any] | None = None
    files: tuple[tuple[str, tuple[str, bytes, str]], ...] = ()
    headers: Mapping[str, str] | None = None
    adjustments: tuple[Adjustment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Endpoint(Generic[Asked, Given]):
    """One kind of call of one API family; a vendor's dialect is its fields.

    `default_model` is asked where a request names none; `sold_by` is what it costs by, where that is not tokens alone.
    """

    binary: ClassVar[bool] = False  # the answer is bytes, not JSON
    free: ClassVar[bool] = False
    needs_model: ClassVar[bool] = True
    sold_by: ClassVar[str] = ""
    self_contained: ClassVar[bool] = False  # the provider keeps the time of the call, and raises neutral errors itself
    repeatable: ClassVar[bool] = True  # a second try of a call that broke off does nothing twice
    dear: ClassVar[bool] = False  # a call that broke off may be billed, and a second try would be billed again
    default_model: str | None = None

    def call(self, request: Asked, model: ModelProfile) -> HTTPCall:
        """The HTTP request to send. Raises UnsupportedFeatureError for what the vendor cannot do at all."""
        raise NotImplementedError

    def response(self, request: Asked, raw: Any) -> Given:
        """What the answer says; `raw` is JSON, or bytes where the endpoint is binary."""
        raise NotImplementedError

    def most(self, request: Asked) -> UsageStats | None:
        """The most that a request can use; None where nobody can say."""
        return None


def with_extra(body: dict[str, Any], request: EndpointRequest) -> dict[str, Any]:
    """The body, and over it what the caller adds."""
    return {**body, **(request.extra_body or {})}


def listed(raw: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects under a name of an answer. Raises ServerError where the answer has none."""
    found = raw.get(name) if isinstance(raw, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise ServerError(f"the answer has no list {name!r}")
    return found


def decoded(text: Any) -> bytes:
    """The bytes that stand as base64 in an answer. Raises ServerError where there are none."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (AttributeError, TypeError, ValueError) as exc:
        raise ServerError("the answer holds no base64 where its bytes should stand") from exc
    if not data:
        raise ServerError("the answer has no bytes")
    return data
