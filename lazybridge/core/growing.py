"""A text that arrives in pieces."""

from __future__ import annotations

from io import StringIO


class GrowingText(StringIO):
    """Pieces as one text, without a separator; what is kept is the text, not an object for each piece."""

    def append(self, piece: str) -> None:
        """Add what comes next."""
        self.write(piece)

    def __str__(self) -> str:
        return self.getvalue()
