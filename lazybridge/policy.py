"""What holds for every call of an agent."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazybridge.broken import OnBreak
from lazybridge.budget import Budget
from lazybridge.core.retry import RetryPolicy
from lazybridge.limits import RateLimit
from lazybridge.succession import NOBODY, Fallback

if TYPE_CHECKING:
    from lazybridge.audience import Audience
    from lazybridge.ledger import Ledger


@dataclass(frozen=True)
class Policy:
    """How often a call may try, how fast, what it may cost, and who keeps the books; `name` is the agent's."""

    retries: RetryPolicy
    fallback: Fallback = NOBODY
    max_turns: int = 0
    name: str | None = None
    budget: Budget | None = None
    ledger: Ledger | None = None
    on_break: OnBreak = "raise"
    max_tool_errors: int = 3
    max_repairs: int = 2
    session: Audience | None = None
    breaker: bool = True
    rate_limit: RateLimit | None = None
    hedge_after: float | None = None


def ledger_of(policy: Policy, of_session: Ledger | None = None) -> Ledger | None:
    """The ledger in use, the agent's own before its session's; its module, and SQLite, are imported only where there is one."""
    own = policy.ledger or of_session
    if own is None and not os.environ.get("LAZYBRIDGE_LEDGER"):
        return None
    from lazybridge.ledger import ledger_in_use

    return ledger_in_use(own)
