"""What a vendor offers besides conversations, in one neutral shape: a request goes out, a response comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lazybridge.core.receipt import Receipt
from lazybridge.core.usage import UsageStats

if TYPE_CHECKING:
    from lazybridge.core.types import Adjustment


@dataclass(frozen=True, kw_only=True)
class EndpointRequest:
    """What every endpoint takes.

    `model` None is the endpoint's default. `timeout` is in seconds. `extra_body` is merged into what is sent and
    `extra_headers` into its headers. `strict` raises where a parameter cannot be sent as asked.
    """

    model: str | None = None
    timeout: float | None = None
    extra_body: Mapping[str, Any] | None = None
    extra_headers: Mapping[str, str] | None = field(default=None, repr=False)
    strict: bool = False


@dataclass(kw_only=True)
class EndpointResponse:
    """What every endpoint gives back: which model served, what was used, what it cost. `raw` is the vendor's JSON.

    `attempts` are the requests that it took, `envelope.Attempt`s; it is empty where a provider was called by itself.
    """

    model: str | None = None
    usage: UsageStats = field(default_factory=UsageStats)
    receipt: Receipt | None = None
    request_id: str | None = None
    adjustments: tuple[Adjustment, ...] = ()
    attempts: tuple[Any, ...] = ()
    raw: Any = field(default=None, repr=False)

    @property
    def cost_usd(self) -> float | None:
        """USD, None where it is not exactly known."""
        return self.receipt.cost_usd if self.receipt is not None else None
