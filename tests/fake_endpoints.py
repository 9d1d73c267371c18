"""What the loopback vendor answers besides conversations, by the last part of the path, in the shapes of the recordings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """A vector that holds the length of its text; a token is a letter."""
    items = [{"object": "embedding", "index": place, "embedding": [float(len(text)), 0.5]} for place, text in enumerate(body["input"])]  # fmt: skip
    tokens = sum(map(len, body["input"]))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": items, "model": body["model"], "usage": usage}


def _models(body: dict[str, Any]) -> dict[str, Any]:
    names = ("small-1", "large-1")
    return {"object": "list", "data": [{"id": id, "object": "model", "owned_by": "fake"} for id in names]}


def _count(body: dict[str, Any]) -> dict[str, Any]:
    return {"input_tokens": 14}


ANSWERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "embeddings": _embeddings,
    "models": _models,
    "count_tokens": _count,
    "input_tokens": _count,
}
