"""Amazon Bedrock: Anthropic's models through the anthropic SDK, OpenAI's and all others through the openai SDK."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.errors.secrets import Secret, note
from lazybridge.core.providers._anthropic_sdk import AnthropicSDK
from lazybridge.core.providers._bedrock import MANTLE, RUNTIME, BedrockClients, Settings
from lazybridge.core.providers._clients import installed
from lazybridge.core.providers._openai_sdk import OpenAISDK
from lazybridge.core.types import CompletionRequest, CompletionResponse
from lazybridge.core.wire import SDKCall, Wire
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.messages import MessagesWire
from lazybridge.core.wire.responses import ResponsesWire

_WIRES: dict[str, Wire] = {
    "messages": MessagesWire(vendor="bedrock", automatic_cache=False),
    "chat": ChatWire(vendor="bedrock"),
    "responses": ResponsesWire(vendor="bedrock"),
}
_ENDPOINTS = (MANTLE, RUNTIME)
# An id names the maker of its model, after the region of an inference profile or in the last part of an ARN: the pattern
# of `InvokeModelIdentifier` in botocore 1.44.5 `data/bedrock-runtime`, and the ids of genai-prices 0.2.3, read 2026-11-22.
_ANTHROPICS = re.compile(r"(?:^|[./])anthropic\.", re.IGNORECASE)


class BedrockProvider(AnthropicSDK):
    """Models on Amazon Bedrock, in `region`, with the credentials of the AWS chain, `profile=`, or an API key of Bedrock's.

    The id decides the API (`messages` for Anthropic's, `chat` for all others) and the endpoint (bedrock-mantle for
    `maker.model`, bedrock-runtime for inference profiles, ARNs and versioned ids); `api=` and `endpoint=` overrule it.
    """

    name = "bedrock"
    calls_for_key = False
    key_variable = "AWS_BEARER_TOKEN_BEDROCK"
    url_variable = "AWS_BEDROCK_BASE_URL"
    request_id_header = "x-amzn-requestid"
    secret_variables = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")

    def _init_client(
        self,
        *,
        region: str | None = None,
        profile: str | None = None,
        api: str | None = None,
        endpoint: str | None = None,
        **kwargs: Any,
    ) -> None:
        for package in ("boto3", "openai"):
            if not installed(package):
                raise ConfigurationError(f'the package {package} is not installed\npip install "lazybridge[bedrock]"')
        for option, value, known in (("api", api, tuple(_WIRES)), ("endpoint", endpoint, _ENDPOINTS)):
            if value is not None and value not in known:
                offered = " or ".join(f'{option}="{word}"' for word in known)
                raise ConfigurationError(f"BedrockProvider has no {option} {value!r}\nwrite {offered}")
        self.profile, self.api, self.endpoint = profile, api, endpoint
        self.region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        super()._init_client(**kwargs)

    @classmethod
    def _options(cls) -> tuple[str, ...]:
        return ("region", "profile", "api", "endpoint")

    def _has_credentials(self) -> bool:
        key = self.api_key or self._environment_key()
        if key and self.profile:
            raise ConfigurationError(
                f"BedrockProvider has a profile and an API key\nleave out profile=, or api_key= and {self.key_variable}"
            )
        self.region = self.region or self._chain(credentials=False) or ""
        if not self.region:
            raise ConfigurationError(
                "BedrockProvider has no region: AWS_REGION is not set\n"
                'set AWS_REGION in the environment, or pass region="us-east-1"'
            )
        if not (key or self._keys() or self._chain(credentials=True)):
            raise ConfigurationError(
                "BedrockProvider found no AWS credentials\n"
                f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or {self.key_variable} in the "
                'environment, or pass profile="..." or api_key="..."'
            )
        return True

    def _keys(self) -> tuple[str, str, str | None] | None:
        """The keys of the environment, which come first in the chain. The anthropic SDK looks for credentials once in a
        process and region, so keys that change there are seen only where it is handed them."""
        if self.profile or self.api_key or self._environment_key():
            return None
        key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        token = os.environ.get("AWS_SESSION_TOKEN") or os.environ.get("AWS_SECURITY_TOKEN")
        note((secret, token))  # botocore logs what it signs before anything is sent
        return (Secret(key), Secret(secret), Secret(token) if token else None) if key and secret else None

    def _chain(self, *, credentials: bool) -> Any:
        """What botocore finds: the credentials (at last it asks the machine's metadata, over HTTP), or the region."""
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        session = Session(profile=self.profile)
        try:
            return session.get_credentials() if credentials else session.get_config_variable("region")
        except BotoCoreError as exc:  # a profile that is not there, or half of one
            raise ConfigurationError(f'BedrockProvider: {exc}\ncheck AWS_PROFILE, or pass profile="..."') from exc

    def _wire(self, request: CompletionRequest) -> Wire:
        return _WIRES[self.api or ("messages" if _ANTHROPICS.search(self._resolve_model(request)) else "chat")]

    def _make_client(self, asynchronous: bool) -> Any:
        settings = Settings(self.region, self.profile, self.base_url, self.endpoint, self.api_key, self._keys())
        return BedrockClients(settings, asynchronous)

    def _stream_class(self, asynchronous: bool) -> str:
        return "AsyncStream" if asynchronous else "Stream"  # of the SDK that the path calls for

    def _finished(
        self, request: CompletionRequest, call: SDKCall, response: CompletionResponse, headers: Mapping[str, str]
    ) -> CompletionResponse:
        # An answer names the model without its region, on which the price hangs.
        response.model = self._resolve_model(request)
        return super()._finished(request, call, response, headers)

    @classmethod
    def _build_raw(cls, raw: Mapping[str, Any], wire: Wire) -> Any:
        return super()._build_raw(raw, wire) if isinstance(wire, MessagesWire) else OpenAISDK._build_raw(raw, wire)
