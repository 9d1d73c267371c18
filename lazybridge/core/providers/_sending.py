"""What `post` of an SDK's client is given: as much as it takes ready-made, since what it makes itself costs more.

A body that is not given as bytes is copied by the SDKs before it is written; what is not said of the options they look up and
copy, and a path they take for a URL twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# The clients for the SDKs' own vendors. Those for clouds make addresses and signatures from the parts of a body.
_PLAIN = frozenset(
    {
        ("openai", "OpenAI"),
        ("openai", "AsyncOpenAI"),
        ("anthropic", "Anthropic"),
        ("anthropic", "AsyncAnthropic"),
        ("groq", "Groq"),
        ("groq", "AsyncGroq"),
    }
)
# As the SDKs write it (`_utils/_json.py` of openai 3.54.0, anthropic 2.12.0 and groq 1.7.0), but for the types of their own.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def ready(client: Any, path: str, body: Mapping[str, Any], options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The path for `client.post`, and the arguments that say what is sent."""
    kind = type(client)
    plain = (kind.__module__, kind.__name__) in _PLAIN and not getattr(client, "middleware", ())
    content = written(body) if plain else None
    if content is None:
        return path, {"body": body, "options": options}
    retries, base = client.max_retries, str(client.base_url)
    if not ("?" in base or "#" in base or "@" in base):  # more than an address the SDK must read itself
        path = f"{base.removesuffix('/')}/{path.removeprefix('/')}"
    usual: dict[str, Any] = {"headers": {}, "params": {}, "timeout": client.timeout, "max_retries": retries}
    if not retries:
        usual["idempotency_key"] = ""  # else one is made for requests that are sent again
    return path, {"content": content, "options": {**usual, **options}}


def written(body: Mapping[str, Any]) -> bytes | None:
    """A body as JSON; None where it is none: the SDKs can write some types more, and say what is wrong with the rest."""
    try:
        return _JSON.encode(body).encode()
    except (TypeError, ValueError, RecursionError):
        return None
