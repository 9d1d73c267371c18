"""What every provider over the openai SDK shares: which of its APIs, its streams, its typed answers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers._sdk import SDKProvider
from lazybridge.core.wire import Wire
from lazybridge.core.wire.chat import ChatWire


class OpenAISDK(SDKProvider):
    """The openai SDK's streams and typed answers."""

    sdk = "openai"

    def _stream_class(self, asynchronous: bool) -> Any:
        import openai

        return openai.AsyncStream[object] if asynchronous else openai.Stream[object]

    @classmethod
    def _build_raw(cls, raw: Mapping[str, Any], wire: Wire) -> Any:
        if isinstance(wire, ChatWire):
            from openai.types.chat import ChatCompletion

            return ChatCompletion.construct(**raw)
        from openai.types.responses import Response

        return Response.construct(**raw)


class OverOpenAI(OpenAISDK):
    """A vendor behind the openai SDK. `apis` are those it offers, the default first."""

    extra = "openai"
    apis: ClassVar[tuple[str, ...]] = ("chat",)

    def _init_client(self, *, api: str | None = None, **kwargs: Any) -> None:
        super()._init_client(**kwargs)
        self.api = self.apis[0] if api is None else api
        if self.api not in self.apis:
            offered = " or ".join(f'api="{name}"' for name in self.apis)
            raise ConfigurationError(f"{type(self).__name__} has no api {api!r}\nwrite {offered}")

    @classmethod
    def _options(cls) -> tuple[str, ...]:
        return ("api",)


def custom_header_names() -> list[str]:
    """The names in OPENAI_CUSTOM_HEADERS, which the SDK adds to every client's headers and which are meant for OpenAI."""
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    return [line.partition(":")[0].strip() for line in lines if ":" in line]
