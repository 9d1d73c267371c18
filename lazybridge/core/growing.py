"""A text that arrives in pieces."""

from __future__ import annotations

_JOINED_AT = 1000


class GrowingText:
    """Pieces as one text, without a separator; what is kept is the text, not an object for each piece."""

    __slots__ = ("_blocks", "_pieces")

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._pieces: list[str] = []

    def write(self, piece: str) -> None:
        """Add what comes next."""
        self._pieces.append(piece)
        if len(self._pieces) == _JOINED_AT:
            self._blocks.append("".join(self._pieces))
            self._pieces.clear()

    def __str__(self) -> str:
        return "".join(self._blocks) + "".join(self._pieces)
