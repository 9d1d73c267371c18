"""What litellm raises, as an SDK of a vendor would have said it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.errors.secrets import chain_of

# What it calls a failure for which a vendor's word stands in `core/errors/words.py` (litellm 1.106.2 `exceptions.py`).
_WORDS = {
    "ContextWindowExceededError": "context_length_exceeded",
    "ContentPolicyViolationError": "content_policy_violation",
}
_TRANSPORTS = ("httpx", "httpcore", "aiohttp")


@contextmanager
def understood() -> Iterator[None]:
    """litellm's exceptions, with what it keeps beside them: the vendor's headers, and the kind that only its class names.

    It calls a lost connection a 500 of the vendor's, and its own clock a 408. Raises ConnectionError and TimeoutError;
    ConfigurationError where it lacks a package for what was asked.
    """
    import openai

    try:
        yield
    except ModuleNotFoundError as exc:
        package = str(exc.name).partition(".")[0]
        raise ConfigurationError(f"litellm needs the package {package} for this\npip install {package}") from exc
    except openai.OpenAIError as exc:
        said: Any = exc
        headers = getattr(exc, "litellm_response_headers", None)
        if headers is not None:
            said.response = import_module("httpx").Response(said.status_code, headers=headers)
        elif isinstance(exc, openai.APITimeoutError):
            raise TimeoutError(str(exc)) from exc
        elif _lost(exc):
            raise ConnectionError(str(exc)) from exc
        said.code = _WORDS.get(type(exc).__name__) or getattr(exc, "code", None)
        raise


def _lost(exc: BaseException) -> bool:
    """Whether a transport failed, and no server answered."""
    for link in chain_of(exc):
        names = {cls.__name__ for cls in type(link).__mro__}
        if type(link).__module__.partition(".")[0] in _TRANSPORTS and not names & {"HTTPStatusError", "ClientResponseError"}:  # fmt: skip
            return True
    return False
