"""Calls as plain JSON, without secrets."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from lazybridge.core.errors.secrets import REDACTED, credentials_of, scrub

# What is known of an answer without its body; every other header stays out of a recording.
_KEPT_HEADERS = re.compile(
    r"content-type|retry-after(-ms)?|.*request-?id|.*correlation-id|x-should-retry|.*ratelimit.*|.*service-tier|.*-cost"
    r"|x-amzn-errortype|x-fal-retryable|x-model-deprecation-timestamp"
)
# Headers of an answer that name the account: their values are secrets wherever else they stand.
_ACCOUNT_HEADERS = re.compile(r".*(organi[sz]ation|project|account|workspace|tenant).*|(set-)?cookie")
_ACCOUNT_VARIABLES = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")  # fmt: skip
# OpenAI's accounts, as its error messages spell them.
_ACCOUNT_SHAPES = re.compile(r"\b(?:org|proj|user)[-_](?=[A-Za-z]*\d)[A-Za-z0-9]{12,}\b")
_BASE64 = re.compile(r"(data:[^;,]{1,80}(;[^;,]{1,80})*;base64,)?[A-Za-z0-9+/_-]{256,}={0,2}")
_LEAST_SECRET = 6  # a shorter one would tear words apart


def secrets_for(provider: object, headers: Mapping[str, str] | None) -> tuple[str, ...]:
    """The credentials and account names that one call may carry, the longest first."""
    named = map(os.environ.get, _ACCOUNT_VARIABLES)
    return _long_enough((*credentials_of(provider, headers), *filter(None, named)))


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The account ids that an answer's headers give away, and its cookies; an account's plain name is no secret, and may
    stand in any answer."""
    found: list[str] = []
    for name, value in headers.items():
        if _ACCOUNT_HEADERS.fullmatch(name.lower()):
            found += [value, value.partition(";")[0].partition("=")[2]]
    return _long_enough(text for text in found if len(text) >= 12 and any(map(str.isdigit, text)))


def kept_headers(headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """The headers that a replay needs, in an order that does not depend on the server."""
    kept = {name.lower(): clean(str(value), secrets) for name, value in headers.items()}
    return {name: value for name, value in sorted(kept.items()) if _KEPT_HEADERS.fullmatch(name)}


def clean(text: str, secrets: Iterable[str]) -> str:
    """A text without keys and account names."""
    return _ACCOUNT_SHAPES.sub(REDACTED, scrub(text, secrets))


def plain(value: Any, secrets: tuple[str, ...], *, media: bool = False) -> Any:
    """A value as JSON has it, without secrets. With `media` bytes, and base64 of some length, become their hash."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        if media and len(value) >= 256 and _BASE64.fullmatch(value):
            return _hashed(value.encode())
        return clean(value, secrets)
    if isinstance(value, (bytes, bytearray)):
        return _hashed(bytes(value)) if media else {"base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {str(name): plain(item, secrets, media=media) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, secrets, media=media) for item in value]
    return clean(repr(value), secrets)


def body_of(content: bytes, secrets: tuple[str, ...]) -> dict[str, Any]:
    """The body of an answer: as JSON where it is that, else as text, else in base64."""
    try:
        return {"json": plain(json.loads(content), secrets)}
    except ValueError:
        pass
    try:
        return {"text": clean(content.decode(), secrets)}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def content_of(answer: Mapping[str, Any]) -> bytes:
    """The bytes of a recorded body."""
    if "base64" in answer:
        return base64.b64decode(answer["base64"])
    return answer["text"].encode() if "text" in answer else json.dumps(answer.get("json")).encode()


def _hashed(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()} ({len(data)} bytes)"


def _long_enough(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({text for text in secrets if len(text) >= _LEAST_SECRET}, key=len, reverse=True))
