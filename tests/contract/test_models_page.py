"""The page on models and providers runs as printed, but for these substitutions.

- `from lazybridge` for `from blazen`.
- fal has no variable that leads to a server without TLS, so its options get a `base_url`.
- Top-level `await` and `async for` run as the body of a coroutine.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest

from lazybridge import AnthropicProvider, ChatMessage, OpenAiProvider
from tests.fake_vendor import TEXT, FakeVendor

PAGES = Path(__file__).with_name("pages")


def run(name: str, **given: Any) -> dict[str, Any]:
    """Run a snippet of the page; its names."""
    text = (PAGES / f"models_{name}.txt").read_text().replace("from blazen import", "from lazybridge import")
    text = text.replace('api_key="fal-..."', 'api_key="fal-...", base_url=FAL_URL')
    code = compile(text, f"models_{name}.txt", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    namespace: dict[str, Any] = dict(given)

    async def body() -> None:
        pending = eval(code, namespace)
        if inspect.isawaitable(pending):
            await pending

    asyncio.run(body())
    return namespace


@pytest.fixture(autouse=True)
def vendor_at_home(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendors' own variables lead to loopback."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{vendor.url}/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", vendor.url)


@pytest.fixture
def fal_url(vendor: FakeVendor) -> str:
    return f"{vendor.url}/openrouter/router/openai/v1"


def test_construct_a_provider_and_complete(vendor: FakeVendor, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("construct")["resp"].content == TEXT
    assert capsys.readouterr().out == f"{TEXT}\n"
    assert vendor.requests[0]["headers"]["authorization"] == "Bearer sk-..."


def test_anthropic_and_fal_take_their_own_options(vendor: FakeVendor, fal_url: str) -> None:
    names = run("options", FAL_URL=fal_url)
    assert names["resp"].content == TEXT
    assert vendor.requests[0]["headers"]["authorization"] == "Bearer sk-ant-..."
    assert asyncio.run(names["fal"].complete("hi")).content == TEXT
    assert vendor.requests[1]["headers"]["authorization"] == "Key fal-..."


@pytest.mark.parametrize("made_by", ["construct", "factory"])
def test_every_provider_streams(made_by: str, capsys: pytest.CaptureFixture[str]) -> None:
    model = run(made_by)["model"]
    capsys.readouterr()
    assert run("stream", model=model, ChatMessage=ChatMessage)["chunk"].is_final
    assert capsys.readouterr().out == TEXT


def test_the_factory_makes_the_same_class() -> None:
    names = run("factory")
    assert type(names["model"]) is OpenAiProvider
    assert names["resp"].content == TEXT


def test_a_manager_asks_by_name_and_gives_back_what_was_registered(vendor: FakeVendor, fal_url: str) -> None:
    names = run("manager", FAL_URL=fal_url)
    assert names["resp"].content == names["detailed"].content == TEXT
    assert type(names["smart"]) is AnthropicProvider
    assert names["smart"] is asyncio.run(names["mgr"].get("smart"))
    asked = [request["headers"].get("authorization") for request in vendor.requests]
    assert asked == ["Key fal-...", "Bearer sk-ant-..."]


def test_the_snippets_are_those_of_the_page() -> None:
    source = Path(__file__).resolve().parents[3] / "shared" / "seeds" / "models-and-providers.txt"
    if not source.exists():
        pytest.skip("the page itself is not in this checkout")
    for path in PAGES.glob("models_*.txt"):
        assert path.read_text().rstrip() in source.read_text(), path.name
