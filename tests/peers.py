"""Third-party software that plays the vendors, each in an environment of its own below pytest's cache, made once.

- llmock (PyPI, MIT) writes answers and breaks them on demand: errors in the vendor's own shape, cut and stalled streams.
- aimock (npm, MIT) says what its fixtures say: thinking with signatures, what an answer cost, thoughts, deployments.

LiteLLM (PyPI, MIT) is no fake but stands between; its dependencies do not install beside the SDKs that are tested here.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LLMOCK, AIMOCK, LITELLM = "llmock==0.2.2", "@copilotkit/aimock@1.43.0", "litellm[proxy]==1.106.2"


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

    def verdict(self, *, strict: bool = True) -> list[dict[str, Any]]:
        """What it finds wrong with how its faults were taken; `strict` is with warnings."""
        found: list[dict[str, Any]] = self.get("/_llmock/verdict")["findings"]
        return [finding for finding in found if strict or finding["severity"] == "error"]


class AIMock(Peer):
    def forget(self) -> None:
        self.post("/__aimock/reset/journal")

    def bodies(self) -> list[dict[str, Any]]:
        """What was asked since, oldest first."""
        return [entry["body"] for entry in self.get("/__aimock/journal")]


@contextmanager
def llmock(cache: Path) -> Iterator[LLMock]:
    code = "import llmock.cli; llmock.cli.app()"
    command = [_installed(cache, LLMOCK), "-I", "-c", code, "serve", "--log-level", "error"]
    # aiohttp forgets what it had read when it learns, in one turn of its loop, that the connection is lost.
    command += ["--stream-chunk-delay-ms", "5", "--port"]
    with _running(command, "/health") as url:
        yield LLMock(url)


def litellm_python(cache: Path) -> str:
    """The Python of an environment that has litellm and its proxy, and none of the SDKs that are tested here."""
    return _installed(cache, LITELLM)


# litellm's import reads `.env` files and fetches its prices, unless it is told not to.
LITELLM_OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}


@contextmanager
def litellm_proxy(cache: Path, config: str) -> Iterator[Peer]:
    """A proxy with this configuration, in YAML."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.yaml").write_text(config)
        code = "import litellm; litellm.run_server()"
        command = [litellm_python(cache), "-I", "-c", code, "--config", f"{folder}/config.yaml", "--host", "127.0.0.1", "--port"]  # fmt: skip
        with _running(command, "/health/liveliness", LITELLM_OFFLINE, 120) as url:
            yield Peer(url)


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


def _installed(cache: Path, distribution: str) -> str:
    """The Python of an environment for this distribution of PyPI."""

    def install(folder: Path) -> None:
        venv.create(folder, with_pip=True, clear=True, symlinks=os.name != "nt")
        _run([_python(folder), "-m", "pip", "install", "-q", "--disable-pip-version-check", distribution])

    return _python(_made(cache, f"{distribution}-py{sys.version_info.major}.{sys.version_info.minor}", install))


def _python(folder: Path) -> str:
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


@contextmanager
def _running(command: list[str], health: str, more: Mapping[str, str] = {}, seconds: float = 60) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = ("LLMOCK_", "AIMOCK_", "LITELLM_", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)} | dict(more)
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen([*command, str(port)], env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            until = time.monotonic() + seconds
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
