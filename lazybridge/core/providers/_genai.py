"""google-genai with the shape of the other SDKs: `post(path, body=…, cast_to=…)`.

Its typed `generate_content` copies every part through pydantic, and it has no public way around that which streams. So
this module, and no other, uses its private `client._api_client`: `_build_request` (URL, key, headers) and `_request_once`
(Vertex credentials, the injected HTTP client, its error classes). `PRIVATE` lists them, `PRIVATE_READERS` those of its
decoder; a test holds them to their shape.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from lazybridge.core.providers._clients import async_http_client, http_client, http_timeout, on_aiohttp
from lazybridge.core.providers._transport import unused_async_client
from lazybridge.core.wire.endpoints.gemini import resource

GENERATE = "generateContent"
PRIVATE = ("_build_request", "_request_once", "_async_request_once")
# The lines of a stream that its decoder hands out, before it takes each for JSON.
PRIVATE_READERS = ("_iter_response_stream", "_aiter_response_stream")
_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # has no certificates, and so trusts nobody


class _Client:
    """What both clients share: the SDK's client, which is kept, since one that is let go of closes its connections."""

    def __init__(
        self, sync_http: Any, async_http: Any, options: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> None:
        from google import genai
        from google.genai import types

        self.client = genai.Client(
            **options,
            http_options=types.HttpOptions(
                httpx_client=sync_http,
                httpx_async_client=async_http,
                async_client_args={"ssl": _NOBODY},  # else it loads the certificates for sockets that are never opened
                **settings,
            ),
        )
        self.base_url = self.client._api_client._http_options.base_url

    def _generation(self, path: str, body: Mapping[str, Any], options: Mapping[str, Any], stream: bool) -> Any:
        """The SDK's request; a conversation's model stands in its body, and is sent in the URL."""
        if path == GENERATE:
            method = "streamGenerateContent?alt=sse" if stream else path
            path = f"{resource(body['model'], bool(self.client.vertexai))}:{method}"
            body = {name: value for name, value in body.items() if name != "model"}
        return self._request("post", path, body, options)

    def _request(self, verb: str, path: str, body: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """The SDK's request, with what one call says of headers and time."""
        query = options.get("params")
        request: Any = self.client._api_client._build_request(
            verb, f"{path}?{urlencode(query)}" if query else path, dict(body)
        )
        more = {name.lower(): value for name, value in (options.get("headers") or {}).items()}
        request.headers = {name: value for name, value in request.headers.items() if name.lower() not in more} | more
        request.timeout = options.get("timeout") or http_timeout()  # None would be no limit at all
        return request


class GenaiClient(_Client):
    """The synchronous client."""

    def __init__(self, options: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self.http = http_client()
        super().__init__(self.http, unused_async_client(), options, settings)

    def post(self, path: str, *, body: Mapping[str, Any], options: Mapping[str, Any], stream_cls: Any = None, **_: Any) -> Any:  # fmt: skip
        """The HTTP answer, its body unread; or, with `stream_cls`, its events."""
        request = self._generation(path, body, options, stream_cls is not None)
        found = self.client._api_client._request_once(request, stream=True)
        return found.response_stream if stream_cls is None else stream_cls(found)

    def get(self, path: str, *, options: Mapping[str, Any], **_: Any) -> Any:
        """The HTTP answer, its body unread."""
        request = self._request("get", path, {}, options)
        return self.client._api_client._request_once(request, stream=True).response_stream

    def close(self) -> None:
        """Close the connections; the SDK leaves those of an injected client open."""
        self.client.close()
        self.http.close()


class AsyncGenaiClient(_Client):
    """The client of one event loop."""

    def __init__(self, options: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self.http = async_http_client(on_aiohttp())
        self._unused = http_client()
        super().__init__(self._unused, self.http, options, settings)

    async def post(self, path: str, *, body: Mapping[str, Any], options: Mapping[str, Any], stream_cls: Any = None, **_: Any) -> Any:  # fmt: skip
        """The HTTP answer, read; or, with `stream_cls`, its events."""
        request = self._generation(path, body, options, stream_cls is not None)
        if stream_cls is not None:
            return stream_cls(await self.client._api_client._async_request_once(request, stream=True))
        return await self._read(request)

    async def get(self, path: str, *, options: Mapping[str, Any], **_: Any) -> Any:
        """The HTTP answer, read."""
        return await self._read(self._request("get", path, {}, options))

    async def _read(self, request: Any) -> Any:
        found: Any = await self.client._api_client._async_request_once(request, stream=True)
        try:
            await found.response_stream.aread()
        finally:
            await found.response_stream.aclose()
        return found.response_stream

    async def close(self) -> None:
        """Close the connections."""
        self._unused.close()
        await self.client.aio.aclose()
        await self.http.aclose()


class Events:
    """The events of a stream as JSON, from the SDK's own decoder: it knows Google's errors that follow the events raw."""

    def __init__(self, found: Any) -> None:
        self.found = found
        self.response = found.response_stream

    def __iter__(self) -> Iterator[Any]:
        for text in self.found._iter_response_stream():
            event = _event(text)
            if event is _BROKEN:
                return
            if event is not None:
                yield event

    def close(self) -> None:
        """Hang up."""
        self.response.close()


class AsyncEvents:
    """`Events`, on an event loop."""

    def __init__(self, found: Any) -> None:
        self.found = found
        self.response = found.response_stream

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for text in self.found._aiter_response_stream():
            event = _event(text)
            if event is _BROKEN:
                return
            if event is not None:
                yield event

    async def close(self) -> None:
        """Hang up."""
        await self.response.aclose()


_BROKEN = object()


def _event(text: str) -> Any:
    """What the decoder took for an event: it hands out comments, `id:` and `retry:` as well, which are none, and the first
    line with its byte order mark. Where a stream ended inside one, the wire says what is missing."""
    text = text.removeprefix("\ufeff").removeprefix("data:").lstrip()
    if not text.startswith("{"):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return _BROKEN
