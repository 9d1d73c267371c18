"""The one classifier: what a vendor's SDK raised, as a ProviderError."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lazybridge.core.errors.secrets import chain_of, scrub, scrub_exception, secrets_of
from lazybridge.core.errors.tree import ErrorKind, ProviderError
from lazybridge.core.errors.waits import details_of, retry_after_seconds
from lazybridge.core.errors.words import BY_MESSAGE_PREFIX, BY_STATUS, BY_WORD, FAILED_GENERATIONS

_CLASSES: dict[ErrorKind, type[ProviderError]] = {cls.kind: cls for cls in ProviderError.__subclasses__()}

_TIMEOUT_CLASSES = frozenset({"TimeoutException", "APITimeoutError", "ConnectTimeout", "ReadTimeout"})
# google-auth, or botocore, found no credentials, or could not renew them.
_AUTHENTICATION_CLASSES = frozenset({"DefaultCredentialsError", "RefreshError", "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "SSOError", "TokenRetrievalError"})  # fmt: skip
_CONNECTION_CLASSES = frozenset({"gaierror", "herror", "SSLError", "URLError", "APIConnectionError", "TransportError"})
_CONNECTION_ERRNOS = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
# Failures before a byte of the request was on the wire.
_UNSENT_CLASSES = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ConnectionRefusedError", "gaierror", "UnicodeEncodeError"})  # fmt: skip
_GARBLED = (json.JSONDecodeError, UnicodeDecodeError)  # what the SDKs raise for an event that arrived in pieces
_REQUEST_ID_HEADERS = ("x-fal-request-id", "x-request-id", "request-id", "mistral-correlation-id", "x-amzn-requestid")
_TRANSPORT_MODULES = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "requests", "urllib3"})


def from_exception(
    exc: BaseException, *, provider: str, model: str | None = None, secrets: Iterable[str] = ()
) -> ProviderError:
    """The neutral error for whatever a vendor's SDK raised; a ProviderError is returned as it is.

    It reads the HTTP status, the class and the body's own `type` and `code`, never the prose of a message but for
    the few sourced prefixes of bodies that carry no code. The SDK's exception becomes `__cause__`, without its
    traceback and with every secret in its text, headers and body replaced: those of its request, and `secrets`.
    """
    known = tuple(secret for secret in secrets if len(secret) >= 4)
    ours = next((link for link in chain_of(exc) if isinstance(link, ProviderError)), None)
    if ours is not None:  # an SDK may have wrapped it
        ours.provider = ours.provider or provider
        ours.model = ours.model or model
        ours.message, ours.partial_text = scrub(ours.message, known), scrub(ours.partial_text, known)
        ours.request_id, ours.code = _clean(ours.request_id, known), _clean(ours.code, known)
        ours.args = (ours.message,)
        for below in (exc, ours.__cause__, ours.__context__):
            if below is not None and below is not ours:
                scrub_exception(below, known)
        ours.__traceback__ = None  # the frames that read the answer hold its body
        return ours
    status = _status(exc)
    headers = _headers(exc)
    body = _error_body(exc)
    aws = headers.get("x-amzn-errortype", "").partition(":")[0] or None
    words = [word for word in (*_words_of(body), vars(exc).get("code"), aws) if isinstance(word, str)]
    message = _text(body.get("message")) or str(exc) or type(exc).__name__
    message = f"what arrived cannot be read: {message}" if isinstance(exc, _GARBLED) else message
    kind = _kind(exc, status, words, message)
    found = (*secrets_of(exc), *known)
    request_id = getattr(exc, "request_id", None) or next(filter(None, map(headers.get, _REQUEST_ID_HEADERS)), None)
    error = _CLASSES[kind](
        scrub(message, found),
        provider=provider,
        model=model,
        status_code=status if status is None or status >= 400 else None,
        request_id=_clean(request_id, found),
        retry_after=retry_after_seconds(headers, body),
        retryable=_retryable(kind, status, headers, exc, words),
        code=_clean(words[0], found) if words else None,
    )
    error.partial_text = scrub(_text(body.get("failed_generation")), found)
    error.never_sent = _never_sent(exc)
    scrub_exception(exc, found)
    error.__cause__ = exc
    return error


def _clean(text: str | None, secrets: tuple[str, ...]) -> str | None:
    return None if text is None else scrub(text, secrets)


def error_in_body(error: Any, *, provider: str, model: str | None = None, status: int | None = None) -> ProviderError:
    """The neutral error for an `error` that a vendor sent inside a 200 answer or stream; `status` is the HTTP status it names."""
    body: Mapping[str, Any] = error if isinstance(error, Mapping) else {"message": error}
    words = [word for word in _words_of(body) if isinstance(word, str)]
    message = _text(body.get("message")) or "the vendor sent an error without a message"
    kind, code = _kind(None, status, words, message), words[0] if words else None
    made = _CLASSES[kind](scrub(message, ()), provider=provider, model=model, status_code=status, code=code)
    made.retryable = made.retryable or not FAILED_GENERATIONS.isdisjoint(words)
    made.partial_text = scrub(_text(body.get("failed_generation")), ())
    return made


def _words_of(body: Mapping[str, Any]) -> Iterator[Any]:
    """What an error calls itself; of Google's, the reasons and quotas in `details`, of fal's, the types in `detail`."""
    yield from (body.get("code"), body.get("type"), body.get("error_type"))
    for detail in details_of(body):
        yield from (detail.get("reason"), detail.get("type"))
        for violation in detail.get("violations") or ():
            if isinstance(violation, Mapping) and "PerDay" in str(violation.get("quotaId")):
                yield "quota_per_day"
    yield body.get("status")


def _kind(exc: BaseException | None, status: int | None, words: Iterable[str], message: str) -> ErrorKind:
    if exc is not None:
        by_class = _kind_of_class(exc)
        if by_class is not None:
            return by_class
    for prefix, kind in BY_MESSAGE_PREFIX:
        if message.startswith(prefix):
            return kind
    # A generic word (`invalid_request_error` on a 404) must not hide what the status says.
    named: list[ErrorKind] = [BY_WORD[word.lower()] for word in words if word.lower() in BY_WORD]
    vague = ["invalid_request", "server"]
    if status == 413:
        vague.append("rate_limit")  # more than a minute's limit at once (Groq): waiting does not help
    specific: list[ErrorKind] = [kind for kind in named if kind not in vague]
    if specific:
        return specific[0]
    if status is not None and status >= 400:
        return BY_STATUS.get(status, "server" if status >= 500 else "invalid_request")
    return named[0] if named else "server"


def _kind_of_class(exc: BaseException) -> ErrorKind | None:
    """Transport failures have no status; their class is what there is.

    The SDKs' aiohttp transport calls every lost connection a connect timeout, so aiohttp's own exception is asked first.
    """
    below = _aiohttp_names(exc)
    if "ClientConnectionError" in below:
        return "timeout" if "ServerTimeoutError" in below else "connection"
    names = [cls.__name__ for cls in type(exc).__mro__]
    if isinstance(exc, _GARBLED):
        return "truncated"
    if isinstance(exc, UnicodeEncodeError):  # half a surrogate pair, which no JSON says
        return "invalid_request"
    if isinstance(exc, TimeoutError) or _TIMEOUT_CLASSES.intersection(names):
        return "timeout"
    if _AUTHENTICATION_CLASSES.intersection(names):
        return "authentication"
    unreachable = isinstance(exc, OSError) and exc.errno in _CONNECTION_ERRNOS
    if unreachable or isinstance(exc, ConnectionError) or _CONNECTION_CLASSES.intersection(names):
        return "connection"
    refused = names[0] in ("HTTPStatusError", "HTTPError")
    if type(exc).__module__.split(".")[0] in _TRANSPORT_MODULES and not refused:
        return "connection"
    return None


def _aiohttp_names(exc: BaseException) -> set[str]:
    """The class names of the aiohttp exception underneath, if there is one."""
    for link in chain_of(exc):
        if type(link).__module__.partition(".")[0] == "aiohttp":
            return {cls.__name__ for cls in type(link).__mro__}
    return set()


def _never_sent(exc: BaseException) -> bool:
    below = _aiohttp_names(exc)
    if below:
        return bool(below & {"ClientConnectorError", "ConnectionTimeoutError"})
    return any(_UNSENT_CLASSES.intersection(cls.__name__ for cls in type(link).__mro__) for link in chain_of(exc))


def _retryable(
    kind: ErrorKind, status: int | None, headers: Mapping[str, str], exc: BaseException, words: Iterable[str]
) -> bool:
    asked = headers.get("x-should-retry", headers.get("x-fal-retryable"))
    if asked in ("true", "false"):
        return asked == "true" and kind != "quota"
    if isinstance(exc, AttributeError) and str(exc).startswith("partially initialized module"):
        return True  # openai 3.54.0 (`_httpx2.py`) looks for classes of httpx while another thread imports it
    if kind == "server" and status is None and not _from_sdk(exc):
        return False  # a bug in a provider's own code comes back unchanged however often it is called
    if not FAILED_GENERATIONS.isdisjoint(words):
        return True
    return _CLASSES[kind].retryable_by_default or status == 409


def _from_sdk(exc: BaseException) -> bool:
    return any(hasattr(exc, name) for name in ("status_code", "body", "response"))


def _status(exc: BaseException) -> int | None:
    for value in (getattr(exc, "status_code", None), getattr(getattr(exc, "response", None), "status_code", None)):
        if isinstance(value, int):
            return value
    return None


def _headers(exc: BaseException) -> Mapping[str, str]:
    for holder in (getattr(exc, "response", None), exc):
        headers = getattr(holder, "headers", None) or getattr(holder, "response_headers", None)
        if headers is not None:
            return {str(name).lower(): str(value) for name, value in dict(headers).items()}
    return {}


def _error_body(exc: BaseException) -> Mapping[str, Any]:
    """What the vendor says went wrong: under `error`, as the whole body, or as `detail`."""
    body = getattr(exc, "body", None) or getattr(exc, "details", None)  # google-genai calls it `details`
    if isinstance(body, str):  # mistralai keeps it as text
        try:
            body = json.loads(body)
        except ValueError:
            return {}
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    if isinstance(inner, Mapping):
        return inner
    if isinstance(inner, str):
        return {**body, "message": inner}
    return body if isinstance(body.get("message"), str) else {**body, "message": _detail(body)}


def _detail(body: Mapping[str, Any]) -> str | None:
    """FastAPI's `detail`, as Mistral (at times within `message`) and fal send it: a text, or each field's fault."""
    detail = body.get("detail")
    for holder in (body.get("message"), detail):
        if isinstance(holder, Mapping):
            detail = holder.get("detail", detail)
    if isinstance(detail, list):
        found = [item for item in detail if isinstance(item, Mapping)]
        return "; ".join(f"{'.'.join(map(str, item.get('loc') or ()))}: {item.get('msg')}" for item in found) or None
    return detail if isinstance(detail, str) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
