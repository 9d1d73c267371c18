"""Every code block of README and docs runs, against the loopback vendor; tables and links are checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazybridge.core import download
from lazybridge.core.addresses import Place
from lazybridge.core.providers.fal import FalProvider
from tests import provider_table
from tests.fake_fal import FILES, FakeFal
from tests.fake_vendor import FakeVendor

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def blocks(page: Path, language: str) -> list[str]:
    return [code for found, code in BLOCK.findall(page.read_text()) if found == language]


@pytest.fixture
def keys(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> FakeVendor:
    for name, url in (("OPENAI", f"{vendor.url}/v1"), ("ANTHROPIC", vendor.url)):
        monkeypatch.setenv(f"{name}_API_KEY", "test-key")
        monkeypatch.setenv(f"{name}_BASE_URL", url)
    monkeypatch.setenv("GOOGLE_API_KEY", "test-key")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", vendor.url)
    return vendor


@pytest.fixture(autouse=True)
def fal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = FakeFal()
    monkeypatch.setenv("FAL_KEY", "test-key")
    monkeypatch.setattr(FalProvider, "run_url", server.run_url)
    monkeypatch.setattr(FalProvider, "queue_url", server.queue_url)
    monkeypatch.setattr(FalProvider, "api_url", server.api_url)
    monkeypatch.setattr(
        download, "found", lambda url, private: Place(url.replace(FILES, server.run_url), {}, {}, False)
    )
    yield
    server.close()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_the_pages_python_runs(
    page: Path,
    keys: FakeVendor,
    capsys: pytest.CaptureFixture[str],
    model_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # some pages write files
    # A model of the page's own: one that read other tests' prompts rounds differently, and writes another of two close words.
    (own := tmp_path / model_file.name).symlink_to(model_file)
    monkeypatch.setenv("LAZYBRIDGE_MODEL", str(own))
    namespace: dict[str, Any] = {"__name__": page.stem}
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), namespace)
    printed = capsys.readouterr().out
    for expected in blocks(page, "text"):
        if "├" not in expected:
            assert expected in printed


def test_the_provider_table_is_what_the_classes_say() -> None:
    assert provider_table.PAGE.read_text() == provider_table.page_with_table()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_readmes_test_command_is_the_one_that_ci_runs() -> None:
    command = next(line for line in blocks(ROOT / "README.md", "sh")[1].splitlines() if "pytest" in line)
    assert command in (ROOT / ".ci" / "run").read_text()
