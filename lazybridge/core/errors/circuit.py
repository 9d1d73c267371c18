"""The error of a request that was not even sent."""

from __future__ import annotations

from lazybridge.core.errors.tree import OverloadedError


class CircuitOpenError(OverloadedError):
    """The model failed again and again and is left alone for a while; nothing was sent, and it is no attempt.

    `retry_after` is the rest of that in seconds, None where one request is just finding out whether it is over.
    """

    never_sent = True
    retryable_by_default = False
