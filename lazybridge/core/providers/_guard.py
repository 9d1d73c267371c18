"""What every HTTP client under an SDK is watched for: where its requests end, which credentials they carry, what is logged."""

from __future__ import annotations

import logging
from typing import Any

from lazybridge.core.errors import ServerError
from lazybridge.core.errors.secrets import note_sent, scrub

# Who logs requests, answers or what they are signed with: openai 3.54.0, anthropic 2.12.0, groq 1.7.0, mistralai 3.7.0,
# google-genai 3.4.0, fal-client 1.0.3, httpx 0.28.1, httpx2 2.16.2, aiohttp, botocore 1.44.5; a test holds them to it. A filter
# is asked for the records of its own logger alone, not for those of the loggers below it.
_LOGGERS = (
    "openai", "openai._base_client", "openai._response", "openai._legacy_response", "anthropic", "anthropic._base_client",
    "anthropic._response", "anthropic._legacy_response", "groq", "groq._base_client", "groq._response", "mistralai",
    "mistralai.client.utils.logger", "google_genai", "google_genai._api_client", "google_genai.models", "fal_client",
    "fal_client.client", "httpx", "httpx2", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy",
    "httpcore.socks", "httpcore2.connection", "httpcore2.http11", "httpcore2.http2", "httpcore2.proxy", "httpcore2.socks",
    "aiohttp.client", "aiohttp.internal", "botocore.auth", "botocore.credentials", "botocore.endpoint", "botocore.hooks",
    "botocore.parsers", "botocore.httpsession", "urllib3.connectionpool", "google.auth._default", "google.auth._helpers",
    "google.auth.transport.requests", "asyncio",
)  # fmt: skip


class _Clean(logging.Filter):
    """Replaces credentials in a record, and an exception in it by its text: its frames have the key."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        clean = scrub(text)
        if clean != text:
            record.msg, record.args = clean, None
        if record.exc_info:
            record.exc_text = scrub(record.exc_text or logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


_clean = _Clean()


def clean_logs() -> None:
    """Keep credentials out of what the SDKs and their HTTP libraries log, at every level."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_clean)  # once: a logger has a filter or not


def guarded(client: Any) -> Any:
    """A client of httpx or httpx2 that follows no redirect to another host, and whose credentials are known from then on."""
    asked, moved = (_asked, _moved) if hasattr(client, "aclose") else (note_sent, _stays)
    if asked not in client.event_hooks["request"]:
        clean_logs()
        client.event_hooks = {"request": [asked], "response": [moved]}
    return client


def _stays(response: Any) -> None:
    """HTTP libraries take `Authorization` off a request that moves to another host, but no header of a vendor's own
    (`x-api-key`, `api-key`, `x-goog-api-key`), and never the body."""
    if not response.has_redirect_location:
        return
    here = response.request.url
    to: Any = here.join(response.headers["location"])
    same = (to.scheme, to.host, to.port) == (here.scheme, here.host, here.port)
    if not (same or (here.scheme == "http" and to.scheme == "https" and to.host == here.host)):
        where = scrub(f"{to.scheme}://{to.host}" + ("" if to.port is None else f":{to.port}"))
        raise ServerError(
            f"{here.host} moved the request to {where} (HTTP {response.status_code}), which was not followed: the key would go there"
            "\nif it is meant to, name that server as base_url=",
            retryable=False,
        )


async def _asked(request: Any) -> None:
    note_sent(request)


async def _moved(response: Any) -> None:
    _stays(response)
