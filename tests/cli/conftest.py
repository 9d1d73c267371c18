"""The command in a process of its own, asking the fake vendor."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lazybridge.cli import app
from lazybridge.core.catalogue import lifecycle
from tests.fake_vendor import FakeVendor

ROOT = Path(__file__).parents[2]
KEY = "sk-this-key-must-never-be-printed-1234567890"


@dataclass
class Command:
    """`lazybridge` without the keys and caches of whoever runs the tests."""

    environment: dict[str, str]

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "lazybridge.cli", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.environment, **environment},
            text=True,
            encoding="utf-8",
        )

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(stdin, timeout=60)
        assert "Traceback" not in err
        assert KEY not in out + err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def lazybridge(tmp_path: Path) -> Command:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    return Command({**kept, **home, "PYTHONUTF8": "1"})


@pytest.fixture
def asking(lazybridge: Command, vendor: FakeVendor) -> Command:
    """The command with the vendors' keys and addresses set, so that it asks the fake vendor."""
    openai = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{vendor.url}/v1"}
    return Command({**lazybridge.environment, **openai, "ANTHROPIC_BASE_URL": vendor.url})


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command in this process, without a key."""
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "LAZYBRIDGE_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    return lambda *arguments: CliRunner().invoke(app.cli, arguments, prog_name="lazybridge")


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make it another day; until then it is 2026-11-22."""

    def on(day: str) -> None:
        monkeypatch.setattr(lifecycle, "today", lambda: date.fromisoformat(day))

    on("2026-11-22")
    return on
