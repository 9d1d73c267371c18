"""Whether anybody listens to a call. What tells them is imported only where somebody does."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from lazybridge.audience import everywhere, session_in_use
from lazybridge.core.providers.base import BaseProvider

if TYPE_CHECKING:
    from lazybridge.policy import Policy
    from lazybridge.telling import Events

NOBODY: nullcontext[Any] = nullcontext()  # what a call without listeners runs in


def listening(policy: Policy, provider: BaseProvider, run_id: str) -> Events | None:
    """The events of a run; None where nobody listens."""
    session = policy.session or session_in_use.get()
    if session is None and not everywhere:
        return None
    from lazybridge.telling import Events

    return Events(session, policy, provider, run_id)
