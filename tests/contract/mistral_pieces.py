"""What the page's example leaves to the reader: the arguments of a streamed call, and the text of a streamed piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

from lazybridge.core.types import CompletionRequest


def fill_in(cls: Any) -> None:
    cls._arguments, cls._texts, cls._atexts = _arguments, staticmethod(_texts), staticmethod(_atexts)


def _arguments(self: Any, request: CompletionRequest) -> dict[str, Any]:
    return {
        "model": self._resolve_model(request),
        "messages": [{"role": str(m.role), "content": m.text} for m in request.messages],
    }


def _texts(events: Any) -> Iterator[SimpleNamespace]:
    for event in events:
        yield from _pieces(event)


async def _atexts(events: Any) -> AsyncIterator[SimpleNamespace]:
    async for event in events:
        for piece in _pieces(event):
            yield piece


def _pieces(event: Any) -> Iterator[SimpleNamespace]:
    for choice in event.data.choices:
        yield SimpleNamespace(text=choice.delta.content or "")
