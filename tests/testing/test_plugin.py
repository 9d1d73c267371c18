"""The pytest plugin, in a pytest of its own that runs tests as a user writes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.fake_vendor import FakeVendor
from tests.test_import import HEAVY, modules_after

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import os
import pytest
from lazybridge import Agent

BASE = os.environ.get("VENDOR", "http://127.0.0.1:9")


def ask(task, **settings):
    with Agent("claude-haiku-4-5", base_url=BASE) as agent:
        return agent(task, **settings).text()


@pytest.mark.parametrize("task", ["a b/c", "d"])
def test_asks(lazybridge_cassette, task):
    assert ask(task) == "Hello from the fake vendor."


class TestGroup:
    @pytest.mark.lazybridge_cassette(path="own/name.json", ignore=["temperature"])
    def test_options(self, lazybridge_cassette):
        assert ask("x", temperature=float(os.environ.get("TEMPERATURE", 0)))


async def test_asynchronously(lazybridge_cassette):
    async with Agent("claude-haiku-4-5", base_url=BASE) as agent:
        assert (await agent.run("hi")).ok


def test_without():
    pass
"""


def run(directory: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """pytest in a process of its own, with the plugin loaded as an installed package's is."""
    known = any(entry.value == "lazybridge.testing.plugin" for entry in entry_points(group="pytest11"))
    plugin = [] if known else ["-p", "lazybridge.testing.plugin"]
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-o", "asyncio_mode=auto", *plugin, *arguments]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "ANTHROPIC_CONFIG_DIR": str(directory), **environment}
    done = subprocess.run(command, cwd=directory, env=variables, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "test_mine.py").write_text(TESTS)
    return tmp_path


def test_record_then_replay(suite: Path, vendor: FakeVendor) -> None:
    code, said = run(suite)
    assert code == 1
    assert "does not exist" in said
    assert "pytest --lazybridge-record=new" in said
    code, said = run(suite, "--lazybridge-record=new", VENDOR=vendor.url, ANTHROPIC_API_KEY="test-key-0123456789")
    assert code == 0, said
    names = sorted(str(path.relative_to(suite)) for path in suite.rglob("*.json"))
    own = [f"cassettes/test_mine/{name}.json" for name in ("test_asks-a-b-c", "test_asks-d", "test_asynchronously")]
    assert names == [*own, "own/name.json"]
    vendor.close()
    code, said = run(suite, TEMPERATURE="1")
    assert code == 0, said
    assert "5 passed" in said


def test_new_keeps_and_all_writes_anew(suite: Path, vendor: FakeVendor) -> None:
    live = {"VENDOR": vendor.url, "ANTHROPIC_API_KEY": "test-key-0123456789"}
    only = ("-k", "test_asynchronously")
    path = suite / "cassettes/test_mine/test_asynchronously.json"
    for mode, expected in (("new", 1), ("new", 1), ("all", 2), ("none", 2)):
        assert run(suite, f"--lazybridge-record={mode}", *only, **live)[0] == 0
        assert len(vendor.requests) == expected
        assert len(json.loads(path.read_text())["calls"]) == 1


def test_a_stale_recording_fails_with_what_differs(suite: Path, vendor: FakeVendor) -> None:
    live = {"VENDOR": vendor.url, "ANTHROPIC_API_KEY": "test-key-0123456789"}
    assert run(suite, "--lazybridge-record=all", "-k", "test_asks", **live)[0] == 0
    (suite / "test_mine.py").write_text(TESTS.replace('"d"]', 'pytest.param("e", id="d")]'))
    code, said = run(suite, "-k", "test_asks")
    assert code == 1
    assert "1 failed, 1 passed" in said  # and no second report of the calls that were not made
    assert "error" not in said.splitlines()[-1]
    assert '-        "content": "d",' in said
    assert '+        "content": "e",' in said


def test_calls_that_were_not_made_fail_a_test_that_passed(suite: Path, vendor: FakeVendor) -> None:
    live = {"VENDOR": vendor.url, "ANTHROPIC_API_KEY": "test-key-0123456789"}
    assert run(suite, "--lazybridge-record=all", "-k", "test_asynchronously", **live)[0] == 0
    (suite / "test_mine.py").write_text(TESTS.replace('assert (await agent.run("hi")).ok', "pass"))
    code, said = run(suite, "-k", "test_asynchronously")
    assert code == 1
    assert "1 of 1 recorded calls were not made" in said


def test_it_costs_nothing_where_nobody_uses_it() -> None:
    before = modules_after("import pytest")
    loaded = modules_after("import pytest, lazybridge.testing.plugin") - before
    assert loaded == {"lazybridge", "lazybridge.names", "lazybridge.testing", "lazybridge.testing.plugin"}
    assert not loaded.intersection(HEAVY)


def test_pytest_finds_it_by_its_entry_point() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"lazybridge": "lazybridge.testing.plugin"}


def test_the_path_needs_no_name(tmp_path: Path, vendor: FakeVendor) -> None:
    (tmp_path / "test_mine.py").write_text(TESTS.replace('(path="own/name.json"', '("own/name.json"'))
    live = {"VENDOR": vendor.url, "ANTHROPIC_API_KEY": "test-key-0123456789"}
    assert run(tmp_path, "--lazybridge-record=all", "-k", "test_options", **live)[0] == 0
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json")] == ["own/name.json"]
