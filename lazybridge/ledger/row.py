"""One row of the ledger."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from lazybridge.core.receipt import Receipt, Status, plain
from lazybridge.core.usage import UsageStats
from lazybridge.envelope import Attempt


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One attempt. `at` is when it began, in UTC; `asked` and `served` are model ids; `status` is "ok" or the kind of
    the error. None is unknown. `cost_usd` is exact to the last digit; `cost_status` says whether that is all it cost
    ("exact"), what it cost at least ("lower_bound"), or "unknown"."""

    at: datetime
    agent: str | None
    provider: str
    asked: str | None
    served: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int | None
    thinking_tokens: int | None
    audio_input_tokens: int | None
    audio_output_tokens: int | None
    web_searches: int | None
    cost_usd: Decimal | None
    cost_status: Status
    status: str
    status_code: int | None
    request_id: str | None
    latency_ms: float
    run_id: str

    @property
    def receipt(self) -> Receipt:
        """The cost as a receipt without lines; `sum(row.receipt for row in rows)` keeps unknown parts visible."""
        return Receipt(self.cost_usd, self.cost_status)


_COLUMNS = tuple(item.name for item in fields(LedgerRow))
_COUNTS = _COLUMNS[_COLUMNS.index("input_tokens") : _COLUMNS.index("cost_usd")]
_COST = _COLUMNS.index("cost_usd")
PAGE = 500
INSERT = f"INSERT INTO attempts (epoch, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(_COLUMNS)})"
SELECT = f"""SELECT id, {", ".join(_COLUMNS)} FROM attempts
    WHERE id > ? AND epoch >= ? AND epoch < ? ORDER BY id LIMIT {PAGE}"""


def values_of(attempt: Attempt, agent: str | None, asked: str | None, run_id: str) -> tuple[object, ...]:
    """An attempt as the values of INSERT."""
    usage, receipt = attempt.usage or UsageStats(), attempt.receipt
    return (
        attempt.started,
        datetime.fromtimestamp(attempt.started, UTC).isoformat(timespec="milliseconds"),
        agent,
        attempt.provider,
        asked,
        attempt.model if attempt.error is None else None,
        *[getattr(usage, name) for name in _COUNTS],
        None if receipt.total is None else plain(receipt.total),
        receipt.status,
        attempt.error or "ok",
        attempt.status_code,
        attempt.request_id,
        attempt.duration_ms,
        run_id,
    )


def row_of(values: tuple[Any, ...]) -> LedgerRow:
    """The row behind the values of SELECT."""
    _, at, *rest = values
    cost = rest[_COST - 1]
    rest[_COST - 1] = None if cost is None else Decimal(cost)
    return LedgerRow(datetime.fromisoformat(at), *rest)
