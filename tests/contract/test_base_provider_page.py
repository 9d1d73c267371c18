"""The BaseProvider page runs as printed, but for these substitutions.

- `mistralai.client` for `mistralai`: the SDK moved its class there in version 2.
- The page's `...` placeholders become what its comments ask for: the messages and tools of the request, the same
  arguments again for the streams, and a body for `acomplete`.

The other page, on models and providers, waits for `Model`, `ModelManager` and the async handles. Its Python snippets:
`OpenAiProvider(options=ProviderOptions(...))` and `complete`; `AnthropicProvider`, `FalProvider` and their options;
`async for chunk in model.stream(...)`; `ModelManager` with `register`, `complete` and `get`; `Model.openai(...)`.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazybridge import Agent, ConfigurationError, LLMEngine
from lazybridge.core import registry
from lazybridge.core.providers import base
from tests.fake_vendor import TEXT, FakeVendor

PAGES = Path(__file__).with_name("pages")
SUBSTITUTIONS = (
    ("from mistralai import Mistral", "from mistralai.client import Mistral"),
    (
        "messages=...,                          # convert request.messages",
        "messages=[{'role': str(m.role), 'content': m.text} for m in request.messages],",
    ),
    ("tools=...,                             # convert request.tools", "tools=None,"),
    (
        "        # Use the SDK's async client when available.\n        ...",
        "        import asyncio\n        return await asyncio.to_thread(self.complete, request)",
    ),
    ("self._client.chat.stream(...)", "self._texts(self._client.chat.stream(**self._arguments(request)))"),
    (
        "self._client.chat.astream(...)",
        "self._atexts(await self._client.chat.stream_async(**self._arguments(request)))",
    ),
    (
        "# Register so Agent",
        "from tests.contract.mistral_pieces import fill_in\nfill_in(MistralProvider)\n\n# Register so Agent",
    ),
)


def page(name: str) -> str:
    return (PAGES / f"{name}.txt").read_text()


def example() -> str:
    text = page("base_provider_example")
    for printed, runnable in SUBSTITUTIONS:
        assert printed in text, f"the page no longer prints {printed!r}"
        text = text.replace(printed, runnable)
    return text


@pytest.fixture
def mistral(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> FakeVendor:
    """The real Mistral SDK, whose default server is now on loopback."""
    from mistralai.client import sdkconfiguration

    monkeypatch.setitem(sdkconfiguration.SERVERS, sdkconfiguration.SERVER_GLOBAL, vendor.url)
    monkeypatch.setenv("MISTRAL_API_KEY", "test-key")
    return vendor


def test_the_example_runs_and_routes_by_model_id(mistral: FakeVendor, capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {"__name__": "user_code"}
    exec(example(), namespace)
    assert capsys.readouterr().out == f"{TEXT}\n"
    assert mistral.bodies()[0]["model"] == "mistral-large-latest"
    envelope = Agent("mistral-large-latest")("hello")
    assert envelope.metadata.cost_usd == pytest.approx((20 * 3 + 5 * 9) / 1e6)
    assert Agent.from_provider("mistral", tier="cheap")("hello").metadata.model == "mistral-small-latest"
    assert Agent("mistral")("hello").metadata.model == "mistral-large-latest"
    # codestral-mamba-latest is not in the page's price table, and `or 0.0` does not make it free.
    assert Agent.from_provider("mistral", tier="super_cheap")("hello").metadata.cost_usd is None


def test_the_example_streams(mistral: FakeVendor) -> None:
    exec(example(), {"__name__": "user_code"})
    stream = Agent("mistral-large-latest").stream("hello")
    assert "".join(chunk.delta for chunk in stream) == TEXT
    assert stream.envelope is not None
    assert stream.envelope.metadata.stop_reason == "end_turn"


async def test_the_example_streams_asynchronously(mistral: FakeVendor) -> None:
    exec(example(), {"__name__": "user_code"})
    pieces = [chunk.delta async for chunk in Agent("mistral-large-latest").stream("hello")]
    assert "".join(pieces) == TEXT


def test_base_provider_has_the_printed_signature() -> None:
    namespace: dict[str, Any] = {}
    exec(page("base_provider_signature"), namespace)
    printed, ours = namespace["BaseProvider"], base.BaseProvider
    for name, value in vars(printed).items():
        if name == "_abc_impl" or (name.startswith("__") and name != "__init__"):
            continue
        mine = inspect.getattr_static(ours, name)
        assert type(mine) is type(value), name
        if callable(value) or isinstance(value, classmethod):
            wanted = inspect.signature(getattr(printed, name)).parameters
            got = inspect.signature(getattr(ours, name)).parameters
            assert [(p.name, p.kind, p.default) for p in got.values()] == [
                (p.name, p.kind, p.default) for p in wanted.values()
            ], name
            assert inspect.iscoroutinefunction(mine) == inspect.iscoroutinefunction(value), name
        else:
            assert mine == value, name
    assert ours.__abstractmethods__ == {"complete", "stream", "acomplete", "astream"}
    assert issubclass(base.UnsupportedNativeToolError, ValueError)
    assert issubclass(base.UnsupportedFeatureError, ValueError)


def test_the_printed_registrations_work() -> None:
    exec(page("registrations"), {"LLMEngine": LLMEngine})
    assert LLMEngine.route("MISTRAL").provider == "mistral"
    assert LLMEngine.route("mistral-small-latest").provider == "mistral"
    assert LLMEngine.route("bedrock/amazon.nova").provider == "bedrock"
    assert LLMEngine.route("claude-opus-5-5").provider == "my-proxy"
    with pytest.raises(ConfigurationError, match="my-proxy"):
        Agent("claude-opus-5-5", api_key="k")


def test_the_printed_fixture_restores_the_tables() -> None:
    namespace: dict[str, Any] = {}
    exec(page("restore_fixture").replace("@pytest.fixture\n", ""), namespace)
    before = (dict(LLMEngine._PROVIDER_ALIASES), list(LLMEngine._PROVIDER_RULES))
    steps: Iterator[None] = namespace["restore_provider_rules"]()
    next(steps)
    LLMEngine.register_provider_alias("x", "y")
    LLMEngine.register_provider_rule("x", "y")
    assert next(steps, "done") == "done"
    assert before == (LLMEngine._PROVIDER_ALIASES, LLMEngine._PROVIDER_RULES)


def test_the_newest_user_class_wins_over_a_built_in(mistral: FakeVendor) -> None:
    text = (
        textwrap.dedent(example())
        .replace("class MistralProvider", "class OpenAIProvider")
        .replace("fill_in(MistralProvider)", "fill_in(OpenAIProvider)")
    )
    exec(text.split("# Register so Agent")[0], {"__name__": "user_code"})
    assert registry.provider_class("openai").__module__ == "user_code"
    assert Agent("mistral-large-latest", provider="Open-AI")("hello").text() == TEXT


def test_the_pages_are_those_the_project_was_asked_for() -> None:
    source = Path(__file__).resolve().parents[3] / "shared" / "seeds" / "base-provider.txt"
    if not source.exists():
        pytest.skip("the page itself is not in this checkout")
    for path in PAGES.glob("[!m]*.txt"):  # models_*.txt are those of another page
        assert path.read_text().rstrip() in source.read_text(), path.name
