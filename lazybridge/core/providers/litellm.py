"""LiteLLM: a proxy, or the package in this process."""

from __future__ import annotations

import os
from typing import Any

from lazybridge.core.clock import TimeLeft
from lazybridge.core.providers._clients import installed
from lazybridge.core.providers.openai_compatible import OpenAICompatibleProvider
from lazybridge.core.types import CompletionRequest
from lazybridge.core.wire import SDKCall
from lazybridge.core.wire.chat import ChatWire


class LiteLLMProvider(OpenAICompatibleProvider):
    """LiteLLM, which says what its answers cost. With a base URL it is a proxy; without one it is the package litellm in
    this process where that is installed, else a proxy at port 4000.

    In process `api_key` is the key of the vendor that litellm asks, and there are no `endpoints`.
    """

    # https://docs.litellm.ai/docs/providers/litellm_proxy; https://docs.litellm.ai/docs/proxy/cost_tracking;
    # litellm 1.106.2 `main.py`; read 2026-11-22
    name, key_variable, url_variable = "litellm", "LITELLM_PROXY_API_KEY", "LITELLM_PROXY_API_BASE"
    url, apis, cost_header = "http://127.0.0.1:4000", ("chat",), "x-litellm-response-cost"
    dialect = ChatWire(max_tokens_field="max_tokens")
    in_process = False

    def _init_client(self, **kwargs: Any) -> None:
        super()._init_client(**kwargs)
        self.in_process = not self._own_url() and installed("litellm")
        if self.in_process:
            self.endpoints = {}

    @classmethod
    def sdk_here(cls) -> str:
        """litellm where it is asked in this process."""
        return "litellm" if installed("litellm") and not os.environ.get(cls.url_variable) else cls.sdk

    def _make_client(self, asynchronous: bool) -> Any:
        if not self.in_process:
            return super()._make_client(asynchronous)
        from lazybridge.core.providers._litellm import AsyncInProcess, InProcess

        return (AsyncInProcess if asynchronous else InProcess)(self.api_key)

    def _stream_class(self, asynchronous: bool) -> Any:
        if not self.in_process:
            return super()._stream_class(asynchronous)
        from lazybridge.core.providers._litellm import AsyncEvents, Events

        return AsyncEvents if asynchronous else Events

    def _arguments(
        self, client: Any, path: str, request: CompletionRequest, call: SDKCall, timeout: TimeLeft | None,
        stream_class: Any = None,
    ) -> tuple[str, dict[str, Any]]:  # fmt: skip
        if not self.in_process:
            return super()._arguments(client, path, request, call, timeout, stream_class)
        more = {"headers": request.extra_headers, "timeout": timeout, "stream_cls": stream_class}
        return path, {"body": call.body, **more}
