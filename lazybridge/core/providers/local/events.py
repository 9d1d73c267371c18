"""Chat Completions' chunks for engines that do not write them themselves."""

from __future__ import annotations

from typing import Any


def piece(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    """A piece of text; with a `finish_reason` the last one."""
    delta = {"content": text} if text else {}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def counted(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """What was read and written, after the last piece."""
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    return {"choices": [], "usage": {**usage, "total_tokens": prompt_tokens + completion_tokens}}
