"""The promises of test_sdk_providers, by the clouds that serve Anthropic's and OpenAI's models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lazybridge import Agent
from lazybridge.core import registry
from lazybridge.core.providers.base import BaseProvider
from tests.conftest import Kind, closing_all
from tests.contract.test_sdk_providers import *  # noqa: F403  # every test of it, with the fixtures below
from tests.fake_clouds import ACCESS_KEY, SECRET_KEY, CloudVendor


@dataclass
class Cloud(Kind):
    """A cloud has credentials of its own instead of a key."""

    def url(self, base: str) -> str:
        return base + self.path

    def build(self, base: str, **more: Any) -> BaseProvider:
        return registry.provider_class(self.provider)(base_url=self.url(base), **self.options, **more)

    def agent(self, base: str, **more: Any) -> Agent:
        return Agent(self.model, provider=self.provider, base_url=self.url(base), **{**self.options, **more})

    @property
    def chat(self) -> bool:
        return self.options.get("api") == "chat"

    @property
    def sdk(self) -> str:
        return "openai" if "openai" in self.model else "anthropic"


AWS = {"region": "us-east-1"}
CLOUDS = {
    "bedrock-runtime": Cloud("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "", AWS),
    "bedrock-mantle": Cloud("bedrock", "anthropic.claude-opus-4-8", "/anthropic", AWS),
    "bedrock-mantle-key": Cloud(
        "bedrock", "anthropic.claude-opus-4-8", "/anthropic", {**AWS, "api_key": "bedrock-api-key"}
    ),
    "bedrock-openai": Cloud("bedrock", "openai.gpt-6-luna", "/openai/v1", {**AWS, "api": "responses"}),
    "bedrock-openai-chat": Cloud("bedrock", "openai.gpt-oss-120b-1:0", "/openai/v1", {**AWS, "api": "chat"}),
    "vertex": Cloud(
        "vertex",
        "claude-haiku-4-5@20251001",
        "/v1",
        {"project": "p", "region": "global", "access_token": "ya29.token"},
    ),
}


@pytest.fixture(params=list(CLOUDS))
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return CLOUDS[request.param]


@pytest.fixture
def vendor() -> Iterator[CloudVendor]:
    server = CloudVendor()
    yield server
    server.close()


@pytest.fixture
def build(vendor: CloudVendor, kind: Cloud) -> Iterator[Callable[..., BaseProvider]]:
    yield from closing_all(lambda **more: kind.build(vendor.url, **more))
