"""Secrets leave an exception before it leaves lazybridge."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

_SECRET_HEADERS = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "set-cookie", "proxy-authorization"}
)
# Shapes of keys as the vendors document them, and any bearer token.
_SECRET_SHAPES = re.compile(
    r"(?i:bearer|key)\s+[A-Za-z0-9._~+/=-]{12,}"
    r"|\b(?:sk|gsk|rk|pk|fw|xai|hf|AIza|AKIA|csk|pplx|r8|fal)[-_][A-Za-z0-9_-]{6,}"
    r"|\bAIza[A-Za-z0-9_-]{20,}"
)
REDACTED = "[redacted]"


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` with every given secret, and everything shaped like a vendor's key, replaced by `[redacted]`."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return _SECRET_SHAPES.sub(REDACTED, text)


def secrets_of(exc: BaseException) -> tuple[str, ...]:
    """The credentials that the failed request carried."""
    found: set[str] = set()
    for holder in _holders(exc):
        for name, value in _header_items(holder):
            if name.lower() in _SECRET_HEADERS:
                found.add(value)
                found.add(value.split(" ", 1)[-1])
    return tuple(sorted((secret for secret in found if len(secret) >= 4), key=len, reverse=True))


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    queue = [exc]
    while queue:
        link = queue.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        queue += [cause for cause in (link.__cause__, link.__context__) if cause is not None]


def _holders(exc: BaseException) -> Iterator[Any]:
    """The request and response objects that hang on an exception and its causes."""
    for link in _chain(exc):
        for name in ("request", "response"):
            try:
                holder = getattr(link, name, None)
            except RuntimeError:  # httpx raises where the exception was built without a request
                continue
            if holder is None:
                continue
            yield holder
            inner = getattr(holder, "_request", None)
            if inner is not None:
                yield inner


def _header_items(holder: Any) -> list[tuple[str, str]]:
    headers: Any = getattr(holder, "headers", None)
    return [(str(name), str(value)) for name, value in headers.items()] if hasattr(headers, "items") else []


def scrub_exception(exc: BaseException, secrets: tuple[str, ...]) -> None:
    """Remove secrets in place from an SDK's exception, its causes and the request and response they hold."""
    for holder in _holders(exc):
        for name, _ in _header_items(holder):
            if name.lower() in _SECRET_HEADERS:
                holder.headers[name] = REDACTED
        if hasattr(holder, "_content") and isinstance(holder._content, bytes):
            text = holder._content.decode("utf-8", "replace")
            if scrub(text, secrets) != text:
                holder._content = scrub(text, secrets).encode()
                holder.__dict__.pop("_text", None)
    for link in _chain(exc):
        link.args = tuple(_scrub_value(arg, secrets) for arg in link.args)
        for name, value in list(vars(link).items()):
            if isinstance(value, (str, dict, list)):
                link.__dict__[name] = _scrub_value(value, secrets)
        # The frames of the SDK and below hold the key in their locals.
        link.__traceback__ = None


def _scrub_value(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return scrub(value, secrets)
    if isinstance(value, dict):
        return {name: _scrub_value(item, secrets) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_scrub_value(item, secrets) for item in value)
    return value
