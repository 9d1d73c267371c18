"""Tokens as Chat Completions' chunks, for engines that hand out tokens."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from lazybridge.core.providers.local import events
from lazybridge.core.providers.local.run import Run
from lazybridge.core.providers.local.vocabulary import Held


def write(
    tokens: Generator[int, Any, None],
    ends: Callable[[int], bool],
    read: Callable[[int], str],
    body: dict[str, Any],
    run: Run,
    prompt_tokens: int,
    limit: int,
) -> None:
    """Hand over an answer: until a token `ends` it, at a stop sequence of `body`, after `limit` tokens, or when nobody
    waits for it any more. `read` says the text that a token completes."""
    held = Held(body.get("stop"))
    reason = "length"
    written = 0
    with closing(tokens):
        for token in tokens:
            written += 1
            if ends(token):
                reason = "stop"
                break
            if run.on_event(events.piece(held.feed(read(token)))):
                return
            if held.stopped:
                reason = "stop"
                break
            if written == limit:
                break
    run.on_event(events.piece(held.rest(), reason))
    run.on_event(events.counted(prompt_tokens, written))
