"""A way to fail, and what is right to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lazybridge.testing.faults.exchange import Exchange

WireName = Literal["chat", "mistral", "responses", "messages", "gemini"]
WIRES: frozenset[WireName] = frozenset({"chat", "mistral", "responses", "messages", "gemini"})
CHAT: frozenset[WireName] = frozenset({"chat", "mistral"})
Cost = Literal["known", "unknown", "not negative"]


@dataclass(frozen=True)
class Mode:
    """One way to fail. `play` is what the server does with a request; a call is allowed one retry.

    `outcome` are the right ends of a call: "ok" (with exactly the text that was sent), or kinds of errors. `requests` is how
    many requests are right, None where it does not matter. `times` is how many requests get the fault, None for all.
    Times are in seconds: `timeout` is what the call is given, `within` how long it may take, `apart` how long at least
    passes between the first request and the second. `source` is where it was met: an issue, or a standard.
    """

    name: str
    group: str
    does: str
    source: str
    play: Callable[[Exchange], None]
    outcome: frozenset[str]
    requests: int | None = None
    times: int | None = None
    whole: bool = True
    streamed: bool = True
    wires: frozenset[WireName] = WIRES
    timeout: float = 20.0
    within: float = 8.0
    apart: float = 0.0
    cost: Cost | None = None
    # What the model asks the tool `weather` for, as it must arrive; None where there is no tool.
    calls: tuple[str, ...] | None = None
    text: str | None = None  # the right text, where it is not the usual one
    before_request: bool = False  # `play` begins when a connection is made
    secure: bool = False  # the URL says https
    refused: bool = False  # nobody listens


def issue(repository: str, number: int) -> str:
    """The address of a public issue or pull request."""
    return f"https://github.com/{repository}/issues/{number}"
