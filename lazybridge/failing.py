"""What went wrong in an attempt, in the neutral words."""

from __future__ import annotations

from lazybridge.arrived import Arrived
from lazybridge.core.errors import (
    ConfigurationError,
    ProviderError,
    StreamTruncated,
    UnsupportedFeatureError,
    UnsupportedNativeToolError,
    from_exception,
)
from lazybridge.core.errors.secrets import credentials_of
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest
from lazybridge.envelope import Attempt
from lazybridge.patience import Patience

# What the end of the time looks like from below: a cut connection is one, too.
_ENDS_OF_TIME = frozenset({"timeout", "connection", "truncated"})
# No answer, or a gateway's that gave up waiting for one: behind it the vendor may have worked, and charged.
MAY_HAVE_WORKED = (None, 504)
# Raised while a request is translated: nothing was on the wire.
NEVER_SENT = (ConfigurationError, UnsupportedFeatureError, UnsupportedNativeToolError)


def neutral(
    exc: BaseException,
    attempt: Attempt,
    request: CompletionRequest,
    provider: BaseProvider,
    arrived: Arrived,
    patience: Patience,
) -> ProviderError:
    """The error that it is, noted on its attempt; where a time limit was met, the one that says which."""
    secrets = credentials_of(provider, request.extra_headers)
    error = from_exception(exc, provider=attempt.provider, model=attempt.model, secrets=secrets)
    attempt.status_code, attempt.error, attempt.request_id = error.status_code, error.kind, error.request_id
    error.partial_text = error.partial_text or arrived.text
    asked = provider.is_retryable(exc)
    if asked is not None:
        error.retryable = asked
    better: ProviderError | None = patience.late() if error.kind in _ENDS_OF_TIME else None
    if better is None and error.kind == "connection" and arrived.begun:
        better = StreamTruncated(f"the stream broke off: {error.message}", request_id=error.request_id)
    if better is None:
        return error
    better.provider, better.model, better.partial_text = error.provider, error.model, error.partial_text
    better.never_sent, better.usage = error.never_sent, error.usage
    better.__cause__, attempt.error = error.__cause__ or error, better.kind
    return better
