"""`lazybridge models --local`: what the GGUF files of this machine say of themselves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lazybridge.cli import tables
from lazybridge.cli.notes import note
from lazybridge.cli.record import SCHEMA_VERSION, print_json
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers.local import metadata, weights

_COLUMNS = ("file", "size MB", "context", "quantisation", "architecture", "template", "licence", "name")
_NUMBERS = frozenset(_COLUMNS[1:3])


@dataclass(frozen=True)
class ModelFile:
    """A GGUF file, by its own head; None is what the head does not say. `context_window` is in tokens."""

    path: str
    size_bytes: int
    name: str | None
    architecture: str | None
    quantisation: str | None
    context_window: int | None
    chat_template: bool
    licence: str | None


def run(place: str, as_json: bool) -> None:
    """Print the files of a folder, one file, or, for an empty `place`, those that the local provider uses.

    Raises ConfigurationError where there is no such place, or the one file is no GGUF file.
    """
    files = find(place)
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "files": [asdict(file) for file in files]})
    elif files:
        tables.show(_COLUMNS, _NUMBERS, [_cells(file) for file in files])
    else:
        note("no GGUF file is there; `lazybridge pull` fetches the built-in model")


def find(place: str) -> list[ModelFile]:
    """The files that `run` prints. What is no GGUF file in a folder is said on stderr."""
    given = Path(place).expanduser() if place else None
    if given is not None and not given.is_dir():
        if not given.is_file():
            raise ConfigurationError(f"there is no file or folder {place!r}\nlazybridge models --local /path/to/models")
        try:
            return [_read(given)]
        except ValueError as exc:
            raise ConfigurationError(f"{exc}\nlazybridge models --local /path/to/model.gguf") from exc
    found = []
    for path in sorted(given.rglob("*.gguf")) if given is not None else _own():
        try:
            found.append(_read(path))
        except (ValueError, OSError) as exc:
            note(exc)
    return found


def _own() -> list[Path]:
    """The file that the local provider would load, and what else is in the cache beside it."""
    used = weights.find()
    return list(dict.fromkeys([*([used] if used else []), *sorted(weights.cached_path().parent.glob("*.gguf"))]))


def _read(path: Path) -> ModelFile:
    facts: dict[str, Any] = metadata.read(path)
    return ModelFile(
        path=str(path),
        size_bytes=path.stat().st_size,
        name=facts.get("general.name"),
        architecture=facts.get("general.architecture"),
        quantisation=metadata.quantisation(facts),
        context_window=metadata.of_architecture(facts, "context_length"),
        chat_template="tokenizer.chat_template" in facts,
        licence=facts.get("general.license"),
    )


def _cells(file: ModelFile) -> tuple[str, ...]:
    return (
        file.path,
        f"{file.size_bytes / 1e6:,.0f}",
        "?" if file.context_window is None else f"{file.context_window:,}",
        file.quantisation or "?",
        file.architecture or "?",
        "yes" if file.chat_template else "no",
        file.licence or "?",
        file.name or "?",
    )
