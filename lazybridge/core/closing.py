"""`with` and `async with` for what has `close` and `aclose`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self


class Closing:
    """Closes at the end of its block."""

    @abstractmethod
    def close(self) -> None:
        """Free what synchronous calls hold."""

    @abstractmethod
    async def aclose(self) -> None:
        """Free what the running event loop's calls hold, and the synchronous ones'."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
