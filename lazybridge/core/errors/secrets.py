"""Secrets leave an exception before it leaves lazybridge."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# Names of headers that carry credentials, whoever invented them.
_SECRET_HEADER = re.compile(
    r"(?:^|[-_])(?:auth\w*|token|secret|cookie|password)(?:$|[-_])|api-?key|authorization", re.I
)
# Shapes of keys as the vendors document them, and any bearer token.
_SECRET_SHAPES = re.compile(
    r"(?i:bearer)\s+[A-Za-z0-9._~+/=-]{12,}"
    r"|\b(?:sk|pk|rk|csk|xai|pplx)-(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{8,}"
    r"|\bgsk_[A-Za-z0-9]{8,}"
    r"|\b(?:hf|r8|fw)_(?=[A-Za-z0-9_-]*[\dA-Z])[A-Za-z0-9_-]{8,}"
    r"|\bsk-(?:proj|ant)-[A-Za-z0-9_-]{6,}"
    r"|\b(?:AIza|AKIA)[A-Za-z0-9_-]{12,}"
)
REDACTED = "[redacted]"


class Secret(str):
    """A key that a traceback with locals, or a repr, does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(REDACTED)


def is_secret(header: str, value: str) -> bool:
    """Whether a header of the caller's own is a credential: by its name, or by a value that looks like one."""
    return bool(_SECRET_HEADER.search(header)) or (len(value) >= 12 and " " not in value)


def concealed(headers: Mapping[str, str] | None) -> dict[str, str]:
    """A caller's own headers, with credentials that a traceback with locals does not show."""
    return {name: Secret(value) if isinstance(value, str) and is_secret(name, value) else value for name, value in (headers or {}).items()}  # fmt: skip


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
            if _SECRET_HEADER.search(name):
                found.add(value)
                found.add(value.split(" ", 1)[-1])
    return tuple(sorted((secret for secret in found if len(secret) >= 4), key=len, reverse=True))


def chain_of(exc: BaseException) -> Iterator[BaseException]:
    """An exception and all that caused it."""
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
    for link in chain_of(exc):
        for name in ("request", "response", "raw_response"):
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
        for name, value in _header_items(holder):
            if _SECRET_HEADER.search(name) or any(secret in value for secret in secrets):
                holder.headers[name] = REDACTED
        if hasattr(holder, "_content") and isinstance(holder._content, bytes):
            text = holder._content.decode("utf-8", "replace")
            if scrub(text, secrets) != text:
                holder._content = scrub(text, secrets).encode()
                holder.__dict__.pop("_text", None)
    for link in chain_of(exc):
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
    if isinstance(value, list):
        return [_scrub_value(item, secrets) for item in value]
    if isinstance(value, tuple):  # a named one becomes a plain one: its constructor is not ours to call
        return tuple(_scrub_value(item, secrets) for item in value)
    return value


def credentials_of(provider: object, headers: Mapping[str, str] | None) -> tuple[str, ...]:
    """Credentials of a provider and of a call's own headers, which an answer or an exception may echo."""
    key = getattr(provider, "api_key", None)
    names = (getattr(provider, "key_variable", None), *getattr(provider, "other_key_variables", ()))
    keys = (key if isinstance(key, str) else None, *(os.environ.get(name) for name in names if name))
    own = (value for name, value in (headers or {}).items() if is_secret(name, value))
    return tuple(str(secret) for secret in (*keys, *own) if secret)
