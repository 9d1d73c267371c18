"""How a request goes through the mistralai SDK without its typed transform.

`Mistral.do_request` is the SDK's own way to send: its hooks (service accounts, user agent, tracing) and its log.
`chat.complete` puts a pydantic transform in front of it and another behind, which cost ten times as much CPU as the rest
(`benchmarks/speed.py`). The SDK's SSE decoder looks at each byte in Python; httpx2, on which the SDK stands, has one
that costs a tenth.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
from mistralai.client import Mistral
from mistralai.client.errors import HTTPValidationError, HTTPValidationErrorData, SDKError
from mistralai.client.models import Security
from mistralai.client.utils import get_security, get_security_from_env

from lazybridge.core.providers._clients import async_http_client, http_client, on_aiohttp
from lazybridge.core.providers._transport import unused_async_client

# What `chat.complete` waits by default (mistralai 3.7.0 `chat.py`), with the shorter wait for a connection of the others.
_TIMEOUT = httpx2.Timeout(300.0, connect=5.0)
_RETIRES_HEADER = "x-model-deprecation-timestamp"


class _Built:
    """A client of the SDK, and the HTTP client under it."""

    def __init__(self, api_key: Callable[[], Any] | None, server_url: str | None, http: Any, other: Any) -> None:
        sync, asynchronous = (http, other) if isinstance(http, httpx2.Client) else (other, http)
        self.http = http
        self.sdk = Mistral(api_key=api_key, server_url=server_url, client=sync, async_client=asynchronous)
        self.base_url = self.sdk.sdk_configuration.get_server_details()[0]

    def request(
        self, verb: str, path: str, options: Mapping[str, Any], accept: str = "application/json", **sent: Any
    ) -> httpx2.Request:
        """The request as the SDK builds one: its server, its user agent, its credentials; the caller's headers win."""
        config = self.sdk.sdk_configuration
        security = config.security() if callable(config.security) else config.security
        credentials, _ = get_security(get_security_from_env(security, Security))
        named = {"accept": accept, "user-agent": config.user_agent, **credentials, **options.get("headers", {})}
        headers = {name.lower(): value for name, value in named.items()}  # the caller's, in whatever case, come last
        if sent.get("files"):  # a form: the HTTP client writes its own boundary into the header
            headers.pop("content-type", None)
        request: httpx2.Request = self.http.build_request(
            verb,
            config.get_server_details()[0] + path,
            params=options.get("params"),
            headers=headers,
            timeout=options.get("timeout", _TIMEOUT),
            **sent,
        )
        return request

    def context(self, operation: str) -> Any:
        """What `do_request` tells the SDK's hooks; the class has no public home."""
        from mistralai.client._hooks import HookContext

        return HookContext(
            config=self.sdk.sdk_configuration,
            base_url=self.sdk.sdk_configuration.get_server_details()[0],
            operation_id=operation,
            oauth2_scopes=None,
            security_source=None,
            tags=None,
            extensions=None,
        )


class Sender(_Built):
    """What `SDKProvider` takes for a synchronous client."""

    def __init__(self, api_key: Callable[[], Any] | None, server_url: str | None) -> None:
        client = http_client()
        client.event_hooks = {**client.event_hooks, "response": [*client.event_hooks["response"], _arrived]}
        super().__init__(api_key, server_url, client, unused_async_client())

    def post(self, path: str, *, body: Any, options: Any, files: Any = None, stream_cls: Any = None, **_: Any) -> Any:
        """The answer, unread, or the events of a stream."""
        request = self.request("POST", path, options, _accept(stream_cls), **_sent(body, files))
        return self._answered(path, request, stream_cls)

    def get(self, path: str, *, options: Any, **_: Any) -> Any:
        """The answer, unread."""
        return self._answered(path, self.request("GET", path, options), None)

    def delete(self, path: str, *, options: Any, **_: Any) -> Any:
        """The answer, unread."""
        return self._answered(path, self.request("DELETE", path, options), None)

    def _answered(self, path: str, request: httpx2.Request, stream_cls: Any) -> Any:
        context = self.context(_operation(path, stream_cls))
        response = self.sdk.do_request(context, request, _refused, stream=True)
        if _refused(response.status_code) or not _expected(response, stream_cls):
            response.read()
            raise _error(response)
        return response if stream_cls is None else stream_cls(response)

    def close(self) -> None:
        """Close the connections; the SDK leaves a client that it was given alone."""
        self.http.close()


class AsyncSender(_Built):
    """What `SDKProvider` takes for an asynchronous client."""

    def __init__(self, api_key: Callable[[], Any] | None, server_url: str | None) -> None:
        client = async_http_client(on_aiohttp())
        client.event_hooks = {**client.event_hooks, "response": [*client.event_hooks["response"], _aarrived]}
        super().__init__(api_key, server_url, client, http_client())

    async def post(self, path: str, *, body: Any, options: Any, files: Any = None, stream_cls: Any = None, **_: Any) -> Any:  # fmt: skip
        """The answer, or the events of a stream."""
        request = self.request("POST", path, options, _accept(stream_cls), **_sent(body, files))
        return await self._answered(path, request, stream_cls)

    async def get(self, path: str, *, options: Any, **_: Any) -> Any:
        """The answer."""
        return await self._answered(path, self.request("GET", path, options), None)

    async def delete(self, path: str, *, options: Any, **_: Any) -> Any:
        """The answer."""
        return await self._answered(path, self.request("DELETE", path, options), None)

    async def _answered(self, path: str, request: httpx2.Request, stream_cls: Any) -> Any:
        stream = stream_cls is not None
        context = self.context(_operation(path, stream_cls))
        response = await self.sdk.do_request_async(context, request, _refused, stream=stream)
        if _refused(response.status_code) or not _expected(response, stream_cls):
            await response.aread()
            raise _error(response)
        return stream_cls(response) if stream else response

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()


def _sent(body: Any, files: Any) -> dict[str, Any]:
    return {"json": body} if files is None else {"data": dict(body or {}), "files": files}


def _operation(path: str, stream_cls: Any) -> str:
    """The SDK's name for a conversation, which its hooks and traces know; other calls go by their path."""
    if not path.endswith("/chat/completions"):
        return path
    return "chat_completion_v1_chat_completions_post" if stream_cls is None else "stream_chat"


def _accept(stream_cls: Any) -> str:
    return "application/json" if stream_cls is None else "text/event-stream"


def _refused(status: int) -> bool:
    return status >= 400


def _expected(response: httpx2.Response, stream_cls: Any) -> bool:
    """Whether what came can be read: the decoder takes nothing but events."""
    return stream_cls is None or "text/event-stream" in response.headers.get("content-type", "")


def _error(response: httpx2.Response) -> Exception:
    """The SDK's own exception, as its generated methods choose it."""
    if not _refused(response.status_code):
        return SDKError("Unexpected response received", response)
    if response.status_code == 422:
        try:
            return HTTPValidationError(HTTPValidationErrorData.model_validate_json(response.content), response)
        except ValueError:  # another shape
            pass
    return SDKError("API error occurred", response, response.text)


def _tell_retirement(response: httpx2.Response) -> None:
    """Say what the vendor says of a model on its way out; the SDK's own hook would read the body of a stream for it."""
    when = response.headers.pop(_RETIRES_HEADER, None)
    if when is not None:
        warnings.warn(f"mistral: the vendor says that this model retires on {when}", UserWarning, stacklevel=2)


def _arrived(response: httpx2.Response) -> None:
    """What happens to every answer before the SDK's hooks see it: they want to read the body of an error."""
    if _refused(response.status_code):
        response.read()
    _tell_retirement(response)


async def _aarrived(response: httpx2.Response) -> None:
    if _refused(response.status_code):
        await response.aread()
    _tell_retirement(response)
