"""An SDK's exceptions in a recording, and back as the SDK's own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from lazybridge.testing.plain import body_of, content_of, kept_headers, plain, secrets_in

# Whose exceptions a recording may name.
_SDKS = frozenset({"openai", "anthropic", "groq", "mistralai", "google", "httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "botocore", "litellm", "builtins", "json", "socket", "ssl", "lazybridge"})  # fmt: skip
_SIMPLE = (str, int, float, bool, dict, list, type(None))
_RESPONSE, _REQUEST, _HEADERS = "$response", "$request", "$headers"


def written(exc: BaseException, secrets: tuple[str, ...]) -> dict[str, Any]:
    """An exception as JSON: its classes, its texts, the answer that it holds, and what caused it."""
    answer = next((value for value in vars(exc).values() if hasattr(value, "status_code")), None)
    found: dict[str, Any] = {"kinds": [f"{cls.__module__}.{cls.__qualname__}" for cls in type(exc).__mro__[:-2]]}
    if answer is not None:
        secrets = (*secrets, *secrets_in(answer.headers))
        body = body_of(answer.content, secrets) if answer.content else {}
        found |= {"status": answer.status_code, "headers": kept_headers(answer.headers, secrets), **body}
    texts = [arg for arg in exc.args if isinstance(arg, str)]
    found["args"] = plain(texts if len(texts) == len(exc.args) else [str(exc)], secrets)
    held = {name: _held(value, answer, secrets) for name, value in vars(exc).items() if name != "__notes__"}
    found["attributes"] = {name: value for name, value in held.items() if value is not ...}
    cause = exc.__cause__ or exc.__context__
    if cause is not None and cause is not exc:
        found["cause"] = written(cause, secrets)
    return found


def _held(value: Any, answer: Any, secrets: tuple[str, ...]) -> Any:
    if answer is not None and value is answer:
        return _RESPONSE
    if answer is not None and value is answer.headers:
        return _HEADERS
    if type(value).__name__ == "Request":
        return _REQUEST
    return plain(value, secrets) if isinstance(value, _SIMPLE) else ...


def rebuilt(entry: Mapping[str, Any], library: str, path: str) -> BaseException:
    """The exception of a recording: of the SDK's own class where that is installed; `library` is its HTTP library."""
    http = import_module(library)
    request = http.Request("POST", f"https://recorded.invalid/{path.lstrip('/')}")
    answer = None
    if "status" in entry:
        content = content_of(entry) if {"json", "text", "base64"} & set(entry) else b""
        answer = http.Response(entry["status"], headers=entry["headers"], content=content, request=request)
    things = {_RESPONSE: answer, _REQUEST: request, _HEADERS: answer.headers if answer is not None else None}
    state = {
        name: things[value] if isinstance(value, str) and value in things else value
        for name, value in entry["attributes"].items()
    }
    exc = _made(entry["kinds"], entry["args"], state)
    if "cause" in entry:
        exc.__cause__ = rebuilt(entry["cause"], library, path)
    return exc


def _made(kinds: list[str], args: list[str], state: dict[str, Any]) -> BaseException:
    cls = _class(kinds[0])
    if cls is not None:
        exc = cls.__new__(cls)
        exc.args = tuple(args)
        vars(exc).update(state)
        try:
            str(exc)
        except (AttributeError, TypeError):  # it tells of things that only a live one has
            pass
        else:
            return exc
    stand_in: type[BaseException] = Exception
    for kind in reversed(kinds):
        module, _, name = kind.rpartition(".")
        stand_in = type(name, (stand_in,), {"__module__": module})
    exc = stand_in(*args)
    vars(exc).update(state)
    return exc


def _class(kind: str) -> type[BaseException] | None:
    module, _, name = kind.rpartition(".")
    if module.partition(".")[0] not in _SDKS:
        return None
    try:
        found = getattr(import_module(module), name, None)
    except ImportError:
        return None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None
