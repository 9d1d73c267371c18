"""All that a program, a log or a crash reporter would show of an exception."""

from __future__ import annotations

import copy
import io
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from lazybridge.core.errors.secrets import chain_of

_TESTS = Path(__file__).parent


def frames_of(error: BaseException) -> Iterator[FrameType]:
    """The frames of an exception and all that caused it, but for those of the tests."""
    for link in chain_of(error):
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if _TESTS not in Path(frame.f_code.co_filename).parents:
                yield frame


def shown(error: BaseException) -> dict[str, str]:
    """What each way of looking at an exception shows."""
    found: dict[str, str] = {"str": f"{error} {error!r}"}
    for number, link in enumerate(chain_of(error)):
        name = f"{number} {type(link).__name__}"
        found[f"{name} text"] = f"{link} {link!r} {link.args!r} {getattr(link, '__notes__', ())!r}"
        for attribute, value in vars(link).items():
            found[f"{name}.{attribute}"] = repr(value)
        for holder in ("request", "response", "raw_response"):
            try:
                held = getattr(link, holder, None)
            except RuntimeError:
                continue
            if held is not None:
                found[f"{name}.{holder}"] = _http(held)
        try:
            found[f"{name} pickled"] = pickle.dumps(link).decode("latin-1")
        except Exception as exc:  # noqa: BLE001  # whatever it is, it is looked at
            found[f"{name} not pickled"] = repr(exc)
    for frame in frames_of(error):
        place = f"{'/'.join(Path(frame.f_code.co_filename).parts[-2:])}:{frame.f_code.co_name}"
        for name, value in list(frame.f_locals.items()):
            found[f"local {place} {name}"] = _look(value)
    for how in (copy.copy, copy.deepcopy):
        try:
            found[how.__name__] = repr(vars(how(error)))
        except Exception as exc:  # noqa: BLE001
            found[how.__name__] = repr(exc)
    found["traceback"] = "".join(traceback.format_exception(error))
    return found


def _look(value: Any) -> str:
    try:
        return repr(value)
    except Exception as exc:  # noqa: BLE001
        return repr(exc)


def _http(held: Any) -> str:
    text = f"{held!r} {dict(held.headers)!r} {getattr(held, 'url', '')}"
    for name in ("content", "text", "history"):
        try:
            text += repr(getattr(held, name, ""))
        except Exception as exc:  # noqa: BLE001
            text += repr(exc)
    extensions = getattr(held, "extensions", {})
    return text + repr(extensions)


def rich(error: BaseException) -> str:
    """A traceback as rich draws it, with every local."""
    from rich.console import Console
    from rich.traceback import Traceback

    out = io.StringIO()
    Console(file=out, width=400).print(
        Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True, locals_max_string=None, locals_max_length=None)
    )  # fmt: skip
    return out.getvalue()
