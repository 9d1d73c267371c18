"""Many conversations handed in at once, answered within a day at a lower price."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
from lazybridge.core.errors import ProviderError

BatchStatus = Literal[
    "validating", "in_progress", "finalizing", "completed", "failed", "expired", "canceling", "canceled"
]
ENDED: frozenset[BatchStatus] = frozenset({"completed", "failed", "expired", "canceled"})


def custom_id(place: int) -> str:
    """What a vendor calls a request of a batch: its place says where its answer belongs, whoever reads it."""
    return f"request-{place}"


@dataclass(frozen=True)
class BatchCounts:
    """How many requests of a batch are where; what the vendor does not say is None."""

    total: int | None = None
    processing: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    expired: int | None = None
    canceled: int | None = None


@dataclass(frozen=True, kw_only=True)
class BatchCreation(EndpointRequest):
    """Conversations to hand in: `bodies` is what each would send by itself, `url` the vendor's name for their API.
    `file_id` is the file that holds them, for a vendor that reads one. Raises ValueError where there are none, or for a
    `completion_window` that is no time such as "24h" or "7d"."""

    bodies: tuple[Mapping[str, Any], ...] = field(repr=False)
    url: str = ""
    file_id: str | None = None
    metadata: Mapping[str, str] | None = None
    completion_window: str | None = None

    def __post_init__(self) -> None:
        if not self.bodies:
            raise ValueError('there is nothing to ask\nwrite batch(["a prompt", "another"], model=...)')
        window = self.completion_window
        if window is not None and not re.fullmatch(r"[1-9]\d*[hd]", str(window)):
            raise ValueError(f'completion_window={window!r} is no time\nwrite hours or days, such as "24h" or "7d"')


@dataclass(frozen=True, kw_only=True)
class BatchRequest(EndpointRequest):
    """A batch that the vendor has. Raises ValueError where the id is none."""

    id: str

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id:
            raise ValueError(f"{self.id!r} is no id of a batch\nwrite the .id of what batch() gave")


@dataclass(kw_only=True)
class BatchJob(EndpointResponse):
    """A batch at the vendor's. `errors` are what the vendor says is wrong with the whole of it; `files` hold the answers,
    for a vendor that writes them into files. Times are in UTC."""

    id: str
    status: BatchStatus
    counts: BatchCounts = field(default_factory=BatchCounts)
    created_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    url: str | None = None
    files: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(kw_only=True)
class BatchCanceled(EndpointResponse):
    """The vendor was told to stop."""


@dataclass(frozen=True)
class BatchAnswer:
    """What became of one request: the answer that its conversation would have got, or the error."""

    custom_id: str | None
    body: Mapping[str, Any] | None = None
    error: ProviderError | None = None


@dataclass(kw_only=True)
class BatchAnswers(EndpointResponse):
    """What became of the requests, in the vendor's order."""

    answers: list[BatchAnswer] = field(repr=False)
