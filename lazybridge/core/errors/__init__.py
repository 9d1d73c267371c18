"""Every error that lazybridge raises, and the one classifier of vendors' exceptions.

LazyBridgeError
├── ConfigurationError(ValueError)      missing key, missing extra, bad tier; the last line says what to write
│   └── UnknownModelError
├── UnsupportedNativeToolError(ValueError)
├── UnsupportedFeatureError(ValueError)
├── ProviderError                       kind provider model status_code request_id retry_after retryable
│   ├── AuthenticationError  PermissionDeniedError  NotFoundError  InvalidRequestError
│   ├── ContextLengthError  ContentPolicyError  RateLimitError  QuotaExceededError
│   ├── OverloadedError  ServerError  ProviderConnectionError  ProviderTimeoutError
│   ├── StreamTruncated
│   └── CircuitOpenError(OverloadedError)   a model that failed again and again was not asked
├── ToolLoopError   ToolError             the latter is yours to raise, in a tool
├── StructuredOutputError
├── ToolServerError                     an MCP server cannot be opened or does not answer
├── GuardError                          a guard blocked the input (nothing was sent) or the output (withheld)
├── VerificationError                   answer reason: no answer passed its judge
└── BudgetExceeded                      cap spent reserved cost: it was not sent
"""

from lazybridge.core.errors.circuit import CircuitOpenError
from lazybridge.core.errors.classify import error_in_body, from_exception
from lazybridge.core.errors.tree import (
    AuthenticationError,
    BudgetExceeded,
    ConfigurationError,
    ContentPolicyError,
    ContextLengthError,
    ErrorKind,
    GuardError,
    InvalidRequestError,
    LazyBridgeError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamTruncated,
    StructuredOutputError,
    ToolError,
    ToolLoopError,
    ToolServerError,
    UnknownModelError,
    UnsupportedFeatureError,
    UnsupportedNativeToolError,
    VerificationError,
)

__all__ = [
    "AuthenticationError",
    "BudgetExceeded",
    "CircuitOpenError",
    "ConfigurationError",
    "ContentPolicyError",
    "ContextLengthError",
    "ErrorKind",
    "GuardError",
    "InvalidRequestError",
    "LazyBridgeError",
    "NotFoundError",
    "OverloadedError",
    "PermissionDeniedError",
    "ProviderConnectionError",
    "ProviderError",
    "ProviderTimeoutError",
    "QuotaExceededError",
    "RateLimitError",
    "ServerError",
    "StreamTruncated",
    "StructuredOutputError",
    "ToolError",
    "ToolLoopError",
    "ToolServerError",
    "UnknownModelError",
    "UnsupportedFeatureError",
    "UnsupportedNativeToolError",
    "VerificationError",
    "error_in_body",
    "from_exception",
]
