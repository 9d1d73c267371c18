"""An assistant's turn as its vendor wrote it, kept where it must go back unchanged."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from lazybridge.core.types import CompletionResponse, Message, ProviderState
from lazybridge.core.wire import Adjuster, plain, state_for

WIRE = "chat"


class KeptContent:
    """Folds the contents of a stream's deltas into the content of the whole message."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Any]] = []

    def add(self, content: Any) -> None:
        """A delta's content: text, or a list of typed parts."""
        if isinstance(content, str) and content:
            self._add({"type": "text", "text": content})
        elif isinstance(content, list):
            for part in content:
                self._add(plain(part) if isinstance(part, Mapping) else {"type": "text", "text": str(part)})

    def _add(self, part: dict[str, Any]) -> None:
        last = self.parts[-1] if self.parts else {}
        kind = part.get("type")
        # `closed` ends nothing here: in recorded streams it stands on most pieces of one thought.
        if kind != last.get("type") or kind not in ("text", "thinking"):
            self.parts.append(part)
        elif kind == "text":
            last["text"] = f"{last.get('text') or ''}{part.get('text') or ''}"
        else:
            last["thinking"] = _joined(last.get("thinking") or [], part.get("thinking") or [])
            last |= {name: part[name] for name in ("signature", "closed") if part.get(name) is not None}


def _joined(before: Sequence[Any], after: Sequence[Any]) -> list[Any]:
    """Pieces of thinking, with neighbouring texts made one."""
    pieces = list(before)
    for piece in after:
        if pieces and piece.get("type") == "text" == pieces[-1].get("type"):
            pieces[-1] = {**pieces[-1], "text": f"{pieces[-1].get('text') or ''}{piece.get('text') or ''}"}
        else:
            pieces.append(piece)
    return pieces


def keep(response: CompletionResponse, vendor: str, content: Any) -> None:
    """Put the content on the answer where it has thinking in it; `replay` puts it back into the turn."""
    if not isinstance(content, list) or not any(_thinks(part) for part in content):
        return
    said = (response.content, tuple(response.tool_calls))
    response.provider_state = ProviderState(vendor, WIRE, (content,), said)


def keep_audio(response: CompletionResponse, vendor: str, audio: Mapping[str, Any]) -> None:
    """Put on the answer what stands for its spoken audio in the next turn; `spoken` puts it there."""
    if audio.get("id"):
        items = response.provider_state.items if response.provider_state else ()
        said = (response.content, tuple(response.tool_calls))
        item = {"audio": {"id": audio["id"]}, "expires_at": audio.get("expires_at")}
        response.provider_state = ProviderState(vendor, WIRE, (*items, item), said)


def spoken(message: Message, vendor: str, adjust: Adjuster) -> dict[str, Any] | None:
    """What stands for the audio that this vendor spoke in a turn: its id, or nothing where the text alone can go back.
    None where the vendor spoke no audio there."""
    for item in state_for(message, vendor, WIRE) or ():
        if isinstance(item, Mapping) and "audio" in item:
            expires = item.get("expires_at")
            if adjust.model.audio is False:
                adjust.add("audio", f"{adjust.model.id} hears none; the transcript of what was spoken was sent")
            elif expires is not None and expires <= time.time():
                adjust.add("audio", "the vendor has forgotten what it spoke; the transcript was sent")
            else:
                return {"content": None, "audio": item["audio"]}  # it says the text
            return {}
    return None


def replay(message: Message, vendor: str) -> list[Any] | None:
    """The content that this vendor wrote, where the message still says the same."""
    state = state_for(message, vendor, WIRE)
    return None if state is None else [part for content in state for part in content]


def _thinks(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "thinking"
