"""Secrets leave an exception before it leaves lazybridge."""

from __future__ import annotations

import operator
import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
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
    r"|(?<=x-amz-security-token:)[^\s'\"\\]+"
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


# The credentials that went out last, whoever made them: a key from a function, a cloud's token, a header of the caller's.
_sent: OrderedDict[str, None] = OrderedDict()
_MOST_SENT, _SHORTEST_SENT = 256, 8


@lru_cache(256)
def _names_a_secret(header: str | bytes) -> bool:
    return bool(_SECRET_HEADER.search(header if isinstance(header, str) else header.decode("latin-1")))


def note_sent(request: Any) -> None:
    """Remember the credentials of an HTTP request that goes out, so that nothing shows them that comes back."""
    url = request.url
    sent = request.headers.raw  # its `items()` decodes every value
    found = [value.decode("latin-1") for name, value in sent if _names_a_secret(name)]
    if url.userinfo:
        found += [url.password, url.userinfo.decode("ascii", "replace")]
    note(text for value in found for text in (value, value.partition(" ")[2]))


def note(credentials: Iterable[str | None]) -> None:
    """Remember credentials, so that nothing shows them that comes back or is logged."""
    for text in credentials:
        if text is not None and len(text) >= _SHORTEST_SENT and text not in _sent:
            _sent[str(text)] = None
            while len(_sent) > _MOST_SENT:
                with suppress(KeyError):  # another thread took it away
                    _sent.popitem(last=False)


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` with every given secret, every credential that was sent, and everything shaped like a vendor's key, replaced
    by `[redacted]`."""
    for secret in sorted({*secrets, *tuple(_sent)}, key=len, reverse=True):
        if secret in text:
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
            yield from getattr(holder, "history", None) or ()
            yield from filter(None, (getattr(holder, name, None) for name in ("_request", "next_request")))


def _header_items(holder: Any) -> list[tuple[str, str]]:
    headers: Any = getattr(holder, "headers", None)
    return [(str(name), str(value)) for name, value in headers.items()] if hasattr(headers, "items") else []


_HTTP = frozenset({"httpx", "httpx2"})
_PLAIN = (type(None), bool, int, float)


def scrub_exception(exc: BaseException, secrets: tuple[str, ...]) -> None:
    """Remove secrets in place from an SDK's exception, its causes and the request and response they hold."""
    for holder in _holders(exc):
        _scrub_holder(holder, secrets)
    for link in chain_of(exc):
        if type(link).__module__.partition(".")[0] in _HTTP and link is not exc:  # the SDK's exception has its request
            vars(link).clear()
            vars(link)["_request"] = None
        link.args = tuple(_scrub_value(arg, secrets) for arg in link.args)
        for name, value in list(vars(link).items()):
            link.__dict__[name] = _scrub_value(value, secrets)
        # The frames of the SDK and below hold the key in their locals.
        link.__traceback__ = None


def _scrub_holder(holder: Any, secrets: tuple[str, ...]) -> None:
    """Remove secrets in place from a request or a response of httpx, of either name."""
    for name, value in _header_items(holder):
        if _SECRET_HEADER.search(name) or scrub(f"{name}: {value}", secrets) != f"{name}: {value}":
            if scrub(name, secrets) != name:
                del holder.headers[name]
            else:
                holder.headers[name] = REDACTED
    content = getattr(holder, "_content", None)
    if isinstance(content, bytes):
        text = content.decode("utf-8", "replace")
        if scrub(text, secrets) != text:
            holder._content = scrub(text, secrets).encode()
            holder.__dict__.pop("_text", None)
    given = vars(holder) if hasattr(holder, "__dict__") else {}
    if "url" in given and (holder.url.userinfo or scrub(str(holder.url), secrets) != str(holder.url)):
        holder.url = holder.url.copy_with(username=None, password=None, raw_path=b"/")
        if scrub(str(holder.url), secrets) != str(holder.url):
            holder.url = type(holder.url)("http://redacted.invalid/")


def _scrub_value(value: Any, secrets: tuple[str, ...]) -> Any:
    """A value without secrets: the very same where it has none, its text where it is of a kind that is not known here."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, str):
        return scrub(value, secrets)
    if isinstance(value, Mapping):
        clean: Any = {
            _scrub_value(name, secrets): REDACTED if _is_header(name, item) else _scrub_value(item, secrets)
            for name, item in value.items()
        }
        return value if clean == dict(value) else clean
    if isinstance(value, (list, tuple)):
        items = [_scrub_value(item, secrets) for item in value]
        if all(map(operator.is_, items, value)):
            return value
        named: Any = value
        if hasattr(value, "_replace"):
            return named._replace(**dict(zip(named._fields, items, strict=True)))
        return tuple(items) if isinstance(value, tuple) else items
    text = repr(value)
    return value if scrub(text, secrets) == text else scrub(text, secrets)


def _is_header(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, str) and _names_a_secret(name)


def credentials_of(provider: object, headers: Mapping[str, str] | None) -> tuple[str, ...]:
    """Credentials of a provider and of a call's own headers, which an answer or an exception may echo."""
    key = getattr(provider, "api_key", None)
    names = (getattr(provider, "key_variable", None), *getattr(provider, "other_key_variables", ()), *getattr(provider, "secret_variables", ()))  # fmt: skip
    keys = (key if isinstance(key, str) else None, *(os.environ.get(name) for name in names if name))
    own = (value for name, value in (headers or {}).items() if is_secret(name, value))
    return tuple(str(secret) for secret in (*keys, *own) if secret)
