"""What a batch's answers cost, in the budgets and the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from lazybridge.audience import session_in_use
from lazybridge.core.errors import ConfigurationError
from lazybridge.cover import Held, spend
from lazybridge.envelope import Attempt, Envelope, total_receipt, total_usage
from lazybridge.policy import Policy, ledger_of


def enter(
    envelopes: Sequence[Envelope[Any]], policy: Policy, held: Held | None, *, asked: str | None, since: datetime | None
) -> None:
    """Enter the cost in the place of what was reserved, or into the budgets in force, and in the session; and each answer into the ledger,
    where it does not stand there since the batch began."""
    cost = total_receipt(attempts_of(envelopes))
    if held is not None:
        held.settle(cost)
    else:
        spend(policy.budget, cost)
    session = policy.session or session_in_use.get()
    if session is not None:
        session.add(cost, total_usage(attempts_of(envelopes)))
    ledger = ledger_of(policy, None if session is None else session.ledger)
    if ledger is None:
        return
    try:
        entered = {row.run_id for row in ledger.rows(since=since)}
    except ConfigurationError:  # it cannot be read; where it cannot be written, it warns
        entered = set()
    for envelope in envelopes:
        (attempt,), run_id = envelope.metadata.attempts, envelope.metadata.run_id
        if run_id not in entered:
            ledger.add(attempt, agent=policy.name, asked=asked, run_id=run_id)


def attempts_of(envelopes: Iterable[Envelope[Any]]) -> list[Attempt]:
    """The attempt of each."""
    return [attempt for envelope in envelopes for attempt in envelope.metadata.attempts]
