"""The classes; the tree is drawn in the package's docstring."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Literal, get_args

from lazybridge.core.receipt import Receipt
from lazybridge.core.usage import UsageStats

ErrorKind = Literal[
    "authentication",
    "permission",
    "not_found",
    "invalid_request",
    "context_length",
    "content_policy",
    "rate_limit",
    "quota",
    "overloaded",
    "server",
    "connection",
    "timeout",
    "truncated",
]
ERROR_KINDS: frozenset[str] = frozenset(get_args(ErrorKind))


class LazyBridgeError(Exception):
    """Base of every error here.

    A failed call keeps what it had: `attempts` (one entry for each request sent, with what it used), `receipt` (what
    they cost together, or at least) and `partial_text` (what had arrived of the answer). Where several models were
    asked in turn, `causes` are the errors of those before; `partial` is what had come back that is no text.
    """

    attempts: tuple[Any, ...] = ()
    receipt: Receipt | None = None
    partial_text: str = ""
    causes: tuple[LazyBridgeError, ...] = ()
    partial: Any = None


class ConfigurationError(LazyBridgeError, ValueError):
    """Something is missing or misspelt; the last line of the message is what to write instead."""


class UnknownModelError(ConfigurationError):
    """No routing rule knows this model id; the message lists the nearest known ones."""


class UnsupportedNativeToolError(LazyBridgeError, ValueError):
    """A provider-hosted tool that this provider does not offer, under `strict_native_tools=True`."""


class UnsupportedFeatureError(LazyBridgeError, ValueError):
    """A parameter or content block that this model or API cannot take, under `strict=True`."""


class ToolLoopError(LazyBridgeError):
    """The tool loop reached `max_turns`, or `max_tool_errors` turns in a row whose calls could not be run; `messages`
    holds the conversation so far."""

    messages: tuple[Any, ...] = ()


class ToolError(LazyBridgeError):
    """Raised by a tool of yours: its message goes to the model as it is, without the name of a class."""


class StructuredOutputError(LazyBridgeError):
    """There is no object of the asked type; `partial_text` is the last answer, `__cause__` says why it does not fit.

    `reason` is "invalid" (it does not fit, after all repairs), "truncated" (it was cut off at `max_tokens`), "refused", or
    "schema" (the given JSON schema is wrong itself). `errors` has what does not fit, one dict each: `loc` (the path), `msg`,
    `type`, and `input` where there is one.
    """

    reason: str = "invalid"
    errors: tuple[dict[str, Any], ...] = ()


class ToolServerError(LazyBridgeError):
    """An MCP server cannot be opened, has gone away or does not answer; the message says which."""


class GuardError(LazyBridgeError):
    """A guard blocked what was asked, and nothing was sent, or what was answered, and that is withheld; `__cause__` is what
    the guard raised, None where it said False."""


class VerificationError(LazyBridgeError):
    """No answer passed its judge. `answer` is the last one (text or object, as `payload`), `partial_text` its text, and
    `reason` what the judge said of it."""

    answer: Any = None
    reason: str = ""


class BudgetExceeded(LazyBridgeError):
    """A budget cannot pay for a call, and it was not sent. In USD: `cap`, `spent`, `reserved` by calls in flight, and
    `cost`, which the call could have reached (None where nobody can say)."""

    cap: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    cost: Decimal | None = None


class ProviderError(LazyBridgeError):
    """A vendor refused or failed. `__cause__` is the SDK's own exception, with secrets removed.

    `kind` is one word of `ErrorKind`; `status_code` is the HTTP status or None; `retry_after` is in seconds, as
    the vendor sent it; `retryable` says whether the same request may succeed later; `code` is the vendor's own
    machine-readable word; `never_sent` says that no connection was made, so that nothing can have been charged; `usage`
    is what the vendor counted for a request that failed all the same; `batch_id` is the batch that it is about.
    """

    kind: ErrorKind = "server"
    never_sent: bool = False
    usage: UsageStats | None = None
    batch_id: str | None = None
    retryable_by_default: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.status_code = status_code
        self.request_id = request_id
        self.retry_after = retry_after
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.code = code

    def __str__(self) -> str:
        where = "/".join(part for part in (self.provider, self.model) if part)
        facts = [self.kind if self.status_code is None else f"{self.kind}, HTTP {self.status_code}"]
        if self.request_id:
            facts.append(f"request {self.request_id}")
        return f"{where + ': ' if where else ''}{self.message} ({', '.join(facts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, dict(self.__dict__)))


def _rebuild(cls: type[ProviderError], message: str, state: dict[str, Any]) -> ProviderError:
    error = cls(message)
    error.__dict__.update(state)
    return error


class AuthenticationError(ProviderError):
    """The key is missing, wrong or expired."""

    kind = "authentication"


class PermissionDeniedError(ProviderError):
    """The key is right but may not do this."""

    kind = "permission"


class NotFoundError(ProviderError):
    """No such model, file or endpoint."""

    kind = "not_found"


class InvalidRequestError(ProviderError):
    """The vendor could not accept the request as it was written."""

    kind = "invalid_request"


class ContextLengthError(ProviderError):
    """The prompt is longer than the model reads."""

    kind = "context_length"


class ContentPolicyError(ProviderError):
    """The vendor's policy refused the request."""

    kind = "content_policy"


class RateLimitError(ProviderError):
    """Too many requests or tokens in a window of time."""

    kind = "rate_limit"
    retryable_by_default = True


class QuotaExceededError(ProviderError):
    """The account has no credit left or has met its spend limit; waiting does not help."""

    kind = "quota"


class OverloadedError(ProviderError):
    """The vendor has no capacity right now."""

    kind = "overloaded"
    retryable_by_default = True


class ServerError(ProviderError):
    """The vendor failed."""

    kind = "server"
    retryable_by_default = True


class ProviderConnectionError(ProviderError):
    """No answer arrived: refused, reset, DNS, TLS."""

    kind = "connection"
    retryable_by_default = True


class ProviderTimeoutError(ProviderError):
    """The answer took longer than it was given."""

    kind = "timeout"
    retryable_by_default = True


class StreamTruncated(ProviderError):
    """A stream ended without the vendor's terminal event, or with one that cannot be read: what arrived is in
    `partial_text`, not an answer."""

    kind = "truncated"
    retryable_by_default = True
