"""Fixtures that every test may use."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anthropic  # noqa: F401  # loaded once, so that no test's clock pays for it
import google.genai.types  # noqa: F401
import groq  # noqa: F401
import mistralai.client.models  # noqa: F401
import openai  # noqa: F401
import pytest

from lazybridge import Agent, LLMEngine, reset_breakers
from lazybridge.core import registry, tiers
from lazybridge.core.catalogue import lifecycle, registered
from lazybridge.core.providers import adjusting
from lazybridge.core.providers.base import BaseProvider
from tests.fake_vendor import FakeVendor
from tests.four_ways import FOUR_WAYS, Mode


@pytest.fixture(autouse=True)
def clean_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Registrations, warnings said once and the environment's keys stay in the test that made them."""
    monkeypatch.setattr(LLMEngine, "_PROVIDER_ALIASES", dict(LLMEngine._PROVIDER_ALIASES))
    monkeypatch.setattr(LLMEngine, "_PROVIDER_RULES", list(LLMEngine._PROVIDER_RULES))
    monkeypatch.setattr(registry, "_user_classes", dict(registry._user_classes))
    monkeypatch.setattr(adjusting, "_announced", set())
    monkeypatch.setattr(lifecycle, "_warned", set())
    reset_breakers()
    for table in (registered, tiers):
        for name in ("_prices", "_aliases", "_registered"):
            if hasattr(table, name):
                monkeypatch.setattr(table, name, dict(getattr(table, name)))
    for name in list(os.environ):
        vendors = ("LAZYBRIDGE_", "FAL_", "GROQ_", "OPENAI_", "AZURE_OPENAI_", "LITELLM_PROXY_", "HF_TOKEN", "AWS_")
        if name.endswith(("_API_KEY", "_AUTH_TOKEN", "_BASE_URL")) or name.startswith(vendors):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "no-profiles"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "no-profiles"))


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    server = FakeVendor()
    yield server
    server.close()


@pytest.fixture(params=FOUR_WAYS.values(), ids=FOUR_WAYS)
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param  # type: ignore[no-any-return]


@dataclass
class Kind:
    """One way to reach a vendor through an SDK."""

    provider: str
    model: str
    path: str
    options: dict[str, Any]

    def url(self, base: str) -> str:
        """The base URL: what the path has before what the SDK adds."""
        own = {
            "anthropic": "/v1/messages",
            "groq": "/openai/v1/chat/completions",
            "mistral": "/v1/chat/completions",
            "google": f"/v1beta/models/{self.model}:generateContent",
        }
        added = own.get(self.provider)
        if added is None:
            added = "/responses" if self.path.endswith("/responses") else "/chat/completions"
        return base + self.path.partition("/deployments/")[0].removesuffix(added)

    @property
    def chat(self) -> bool:
        return self.path.endswith("/chat/completions")

    @property
    def sdk(self) -> str:
        return str(registry.provider_class(self.provider).sdk).partition(".")[0]  # type: ignore[attr-defined]

    def build(self, base: str, **more: Any) -> BaseProvider:
        return registry.provider_class(self.provider)(
            api_key="test-key-0123456789", base_url=self.url(base), **self.options, **more
        )

    def agent(self, base: str, **more: Any) -> Agent:
        return Agent(
            self.model,
            provider=self.provider,
            api_key="test-key-0123456789",
            base_url=self.url(base),
            **{**self.options, **more},
        )


KINDS = {
    "responses": Kind("openai", "gpt-4.1-mini", "/v1/responses", {}),
    "chat": Kind("openai", "gpt-4.1-mini", "/v1/chat/completions", {"api": "chat"}),
    "messages": Kind("anthropic", "claude-haiku-4-5", "/v1/messages", {}),
    "groq": Kind("groq", "qwen/qwen3.8-27b", "/openai/v1/chat/completions", {}),
    "fal": Kind("fal", "openai/gpt-6-luna", "/openrouter/router/openai/v1/chat/completions", {}),
    "mistral": Kind("mistral", "mistral-medium-3-5", "/mistral/v1/chat/completions", {}),
    "gemini": Kind("google", "gemini-3.8-flash", "/v1beta/models/gemini-3.8-flash:generateContent", {}),
}
# Other vendors through the same SDK: the contract suite alone asks them all.
COMPATIBLE = {
    "fal-responses": Kind(
        "fal",
        "openai/gpt-6-luna",
        "/openrouter/router/openai/v1/responses",
        {"endpoint": "openai_responses"},
    ),
    "openrouter": Kind("openrouter", "openai/gpt-4.1-mini", "/v1/chat/completions", {}),
    "deepseek": Kind("deepseek", "deepseek-flash", "/v1/chat/completions", {}),
    "ollama": Kind("ollama", "llama3.2:3b", "/v1/chat/completions", {}),
    "azure": Kind("azure", "gpt-4.1-mini", "/v1/responses", {}),
    "azure-chat": Kind(
        "azure",
        "gpt-4.1-mini",
        "/v1/deployments/gpt-4.1-mini/chat/completions",
        {"api": "chat", "api_version": "2024-10-21"},
    ),
}


# fal tells the price with the answer, not before: what it costs is tests/providers/test_fal.py's.
PRICED = [name for name in KINDS if name != "fal"]


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def closing_all(make: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """`make`, whose every result is closed at the end."""
    made: list[Any] = []

    def build(**options: Any) -> Any:
        made.append(make(**options))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture
def build(vendor: FakeVendor, kind: Kind) -> Iterator[Callable[..., BaseProvider]]:
    """Build providers of this kind on the fake vendor; they are closed at the end."""
    yield from closing_all(partial(kind.build, vendor.url))


@pytest.fixture
def agent(vendor: FakeVendor, kind: Kind) -> Iterator[Callable[..., Agent]]:
    """Build agents of this kind on the fake vendor; they are closed at the end."""
    yield from closing_all(partial(kind.agent, vendor.url))


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The small local model, fetched once."""
    from lazybridge.core.providers.local import weights

    return weights.find() or weights.pull()


@dataclass
class LlamaServer:
    url: str
    key: str


@pytest.fixture(scope="session")
def llama_server(model_file: Path) -> Iterator[LlamaServer]:
    """llama.cpp's own server in a child process: Chat Completions, Responses and Messages that no one here wrote."""
    with _llama_server(model_file) as server:
        yield server


@pytest.fixture
def embedding_server(model_file: Path) -> Iterator[LlamaServer]:
    """llama.cpp's own server, started to embed."""
    with _llama_server(model_file, "embeddings") as server:
        yield server


@contextmanager
def _llama_server(model_file: Path, *wanted: str) -> Iterator[LlamaServer]:
    key = secrets.token_hex(8)
    code = Path(__file__).with_name("llama_server.py")
    command = [sys.executable, str(code), str(model_file), key, *wanted]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        _wait_until_healthy(f"http://127.0.0.1:{port}/health")
        yield LlamaServer(f"http://127.0.0.1:{port}", key)
    finally:
        child.kill()
        child.communicate()


def _wait_until_healthy(url: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
