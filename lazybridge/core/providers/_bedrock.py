"""The endpoints of Amazon Bedrock, each behind the SDK's own client for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

from lazybridge.core.providers._clients import async_http_client, http_client
from lazybridge.core.providers._making import one_at_a_time
from lazybridge.core.providers.openai_compatible import nobodys, openais_headers_left_out
from lazybridge.core.wire.messages import MessagesWire

MANTLE, RUNTIME = "mantle", "runtime"

# bedrock-mantle knows models as `maker.model`; inference profiles (`us.…`, `global.…`), ARNs and ids with a version
# (`…-v1:0`) are bedrock-runtime's: https://docs.aws.amazon.com/bedrock/latest/userguide/endpoints.html and
# https://docs.getbifrost.ai/providers/supported-providers/bedrock-mantle, read 2026-11-22.
_RUNTIME_ID = re.compile(r"arn:|(?:global|apac|[a-z]{2}(?:-gov)?)\.|.*(?:-v\d+|:\d+)$")
# The version that InvokeModel wants in the body. anthropic 2.12.0 would send 2026-10-21 instead, which models until
# Opus 4.6 refuse there: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-messages-api.html and
# https://platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock-legacy, read 2026-11-22.
_INVOKE_VERSION = "bedrock-2023-05-31"


def endpoint_of(model: str) -> str:
    """The endpoint that serves an id of this shape."""
    return RUNTIME if _RUNTIME_ID.match(model.lower()) else MANTLE


@dataclass(frozen=True)
class Settings:
    """What every client is made with; None is left to the SDK, which reads the environment."""

    region: str
    profile: str | None
    base_url: str | None
    endpoint: str | None
    api_key: str | None = field(repr=False)
    keys: tuple[str, str, str | None] | None = field(repr=False)


class BedrockClients:
    """A client for each SDK and endpoint that a model needed so far, behind the `post` and `close` of one."""

    def __init__(self, settings: Settings, asynchronous: bool) -> None:
        self._settings, self._asynchronous = settings, asynchronous
        self._made: dict[tuple[str, str], Any] = {}

    def post(self, path: str, *, body: dict[str, Any], **arguments: Any) -> Any:
        """The SDK's `post`, at the endpoint of the body's model; awaitable where the clients are asynchronous."""
        endpoint = self._settings.endpoint or endpoint_of(body["model"])
        sdk = "anthropic" if path == MessagesWire.path else "openai"
        client = self._made.get((sdk, endpoint)) or one_at_a_time(partial(self._make, sdk, endpoint))
        if "stream_cls" in arguments:
            arguments["stream_cls"] = getattr(import_module(sdk), arguments["stream_cls"])[object]
        if (sdk, endpoint) == ("anthropic", RUNTIME):
            body = {"anthropic_version": _INVOKE_VERSION, **body}
        return client.post(path, body=body, **arguments)

    def _make(self, sdk: str, endpoint: str) -> Any:
        if (sdk, endpoint) not in self._made:
            make = self._anthropic if sdk == "anthropic" else self._openai
            self._made[sdk, endpoint] = make(endpoint)
        return self._made[sdk, endpoint]

    def close(self) -> Any:
        """Close what was made; awaitable where the clients are asynchronous."""
        if self._asynchronous:
            return self._aclose()
        for client in self._made.values():
            client.close()

    async def _aclose(self) -> None:
        for client in self._made.values():
            await client.close()

    def _http(self, sdk: Any) -> Any:
        return async_http_client(sdk.DefaultAioHttpClient) if self._asynchronous else http_client()

    def _anthropic(self, endpoint: str) -> Any:
        import anthropic

        name = "AnthropicBedrock" if endpoint == RUNTIME else "AnthropicBedrockMantle"
        make = getattr(anthropic, f"Async{name}" if self._asynchronous else name)
        access_key, secret_key, session_token = self._settings.keys or (None, None, None)
        return make(
            aws_access_key=access_key,
            aws_secret_key=secret_key,
            aws_session_token=session_token,
            aws_region=self._settings.region,
            aws_profile=self._settings.profile,
            api_key=self._settings.api_key,
            base_url=self._settings.base_url,
            max_retries=0,
            http_client=self._http(anthropic),
        )

    def _openai(self, endpoint: str) -> Any:
        import openai
        from openai.providers import bedrock

        access_key, secret_key, session_token = self._settings.keys or (None, None, None)
        given = {"api_key": self._settings.api_key, "base_url": self._settings.base_url}
        provider = bedrock(
            endpoint=endpoint,  # type: ignore[arg-type]
            region=self._settings.region,
            profile=self._settings.profile,
            access_key_id=access_key,
            secret_access_key=secret_key,
            session_token=session_token,
            **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
        )
        make: Any = openai.AsyncOpenAI if self._asynchronous else openai.OpenAI
        headers = openais_headers_left_out(None)
        return nobodys(make(provider=provider, max_retries=0, default_headers=headers, http_client=self._http(openai)))
