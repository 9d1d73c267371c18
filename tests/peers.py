"""Third-party fakes of the vendors, each in an environment of its own below pytest's cache, made once.

- llmock (PyPI, MIT) writes answers and breaks them on demand: errors in the vendor's own shape, cut and stalled streams.
- aimock (npm, MIT) says what its fixtures say: thinking with signatures, what an answer cost, thoughts, deployments.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LLMOCK, AIMOCK = "llmock==0.2.2", "@copilotkit/aimock@1.43.0"


@dataclass
class Peer:
    """A running fake; `post` and `get` speak with its own pages, not with the vendors it plays."""

    url: str

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any = None) -> Any:
        data = json.dumps(body or {}).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


class LLMock(Peer):
    def behave(self, *behaviors: dict[str, Any]) -> None:
        """From now on nothing is remembered, and the next requests get these."""
        self.post("/_llmock/reset")
        if behaviors:
            self.post("/_llmock/scenario", {"behaviors": behaviors})

    def requests(self) -> list[dict[str, Any]]:
        """What arrived since, oldest first."""
        found: list[dict[str, Any]] = self.get("/_llmock/requests")["requests"]
        return found


class AIMock(Peer):
    def forget(self) -> None:
        self.post("/__aimock/reset/journal")

    def bodies(self) -> list[dict[str, Any]]:
        """What was asked since, oldest first."""
        return [entry["body"] for entry in self.get("/__aimock/journal")]


@contextmanager
def llmock(cache: Path) -> Iterator[LLMock]:
    def install(folder: Path) -> None:
        venv.create(folder, with_pip=True, clear=True)
        _run([_python(folder), "-m", "pip", "install", "-q", "--disable-pip-version-check", LLMOCK])

    folder = _made(cache, f"{LLMOCK}-py{sys.version_info.major}.{sys.version_info.minor}", install)
    code = "import llmock.cli; llmock.cli.app()"
    command = [_python(folder), "-I", "-c", code, "serve", "--log-level", "error", "--port"]
    with _running(command, "/health") as url:
        yield LLMock(url)


def npm() -> str | None:
    """The npm command, None where it is not installed."""
    return shutil.which("npm")


@contextmanager
def aimock(cache: Path, fixtures: Path, fal_queue: dict[str, int] | None = None) -> Iterator[AIMock]:
    """`fal_queue` says how many questions a job of fal's stays where it is: `{"pollsBeforeInProgress": 2, ...}`."""

    def install(folder: Path) -> None:
        _run([str(npm()), "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", AIMOCK])

    built = _made(cache, AIMOCK, install) / "node_modules" / "@copilotkit" / "aimock" / "dist"
    command = ["node", str(built / "cli.js"), "--strict", "--log-level", "warn", "--fixtures", str(fixtures), "--port"]
    if fal_queue is not None:  # its command has no option for it
        options = f"{{port: Number(process.argv[1]), strict: true, falQueue: {json.dumps(fal_queue)}}}"
        code = (
            f"import {{LLMock}} from {json.dumps((built / 'index.js').as_uri())};"
            f"const mock = new LLMock({options}); mock.loadFixtureFile({json.dumps(str(fixtures))}); await mock.start();"
        )
        command = ["node", "--input-type=module", "-e", code]
    with _running(command, "/health") as url:
        yield AIMock(url)


def _made(cache: Path, name: str, install: Callable[[Path], None]) -> Path:
    folder = cache / name.replace("/", "-").strip("@")
    done = folder / "installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        done.touch()
    return folder


def _python(folder: Path) -> str:
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


@contextmanager
def _running(command: list[str], health: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mocks = ("LLMOCK_", "AIMOCK_", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(mocks)}
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen([*command, str(port)], env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            until = time.monotonic() + 60
            while not _answers(url + health):
                if child.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise AssertionError(f"{' '.join(command)} did not start\n{log.read()}")
                time.sleep(0.05)
            yield url
        finally:
            child.terminate()
            child.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False
