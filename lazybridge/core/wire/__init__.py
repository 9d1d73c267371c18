"""Wires: pure translation to and from one API family, plain JSON in and out. No SDK, no I/O, no state between calls."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.types import (
    Adjustment,
    CompletionRequest,
    CompletionResponse,
    Effort,
    Message,
    ProviderState,
    StopReason,
    StreamChunk,
)


class SDKCall(NamedTuple):
    """The JSON body of one call, and what of the request could not be put into it."""

    body: dict[str, Any]
    adjustments: tuple[Adjustment, ...]


class Accumulator(Protocol):
    """Folds the events of one stream. `done` is True once the terminal event was seen and nothing more is worth reading."""

    done: bool

    def feed(self, event: Mapping[str, Any]) -> StreamChunk | None:
        """A piece to hand out, or None; raises ProviderError for an error inside the stream."""

    def finish(self) -> CompletionResponse:
        """The whole answer; raises StreamTruncated where the terminal event never came."""


class Wire(Protocol):
    """One API family."""

    @property
    def path(self) -> str:
        """Where the SDK's `post` sends it."""

    def to_sdk_kwargs(self, request: CompletionRequest, model: ModelProfile, stream: bool) -> SDKCall:
        """The body to send for a request."""

    def from_sdk_response(self, raw: Mapping[str, Any]) -> CompletionResponse:
        """What a whole answer says."""

    def accumulator(self) -> Accumulator:
        """A fresh fold for one stream."""


class Adjuster:
    """Collects what could not be sent, while a body is built."""

    def __init__(self, model: ModelProfile) -> None:
        self.model = model
        self.found: list[Adjustment] = []

    def add(self, parameter: str, reason: str) -> None:
        """Note that `parameter` was left out or changed."""
        self.found.append(Adjustment(parameter, reason))

    def unavailable(self, request: CompletionRequest, reasons: Mapping[str, str]) -> None:
        """Note every parameter of `reasons` that the request carries."""
        for parameter, reason in reasons.items():
            if getattr(request, parameter) not in (None, ()):
                self.add(parameter, reason)

    def sampling(self, request: CompletionRequest, effort: str | None) -> dict[str, float]:
        """`temperature` and `top_p`, where this model takes them."""
        given = {name: value for name in ("temperature", "top_p") if (value := getattr(request, name)) is not None}
        rule = self.model.sampling
        if rule in (None, "yes") or (rule == "without_reasoning" and effort == "none"):
            return given
        advice = "; effort='none' allows it" if rule == "without_reasoning" else ""
        for name in given:
            self.add(name, f"{self.model.id} does not take it{advice}")
        return {}

    def effort(self, request: CompletionRequest) -> Effort | None:
        """The effort to send: the asked one, else the nearest that this model knows, else None."""
        wanted: Effort | None = request.effort
        if wanted is None and request.thinking is False and self.model.efforts and "none" in self.model.efforts:
            return "none"
        if wanted is None or self.model.efforts is None or wanted in self.model.efforts:
            return wanted
        if not self.model.efforts:
            self.add("effort", f"{self.model.id} has no effort levels")
            return None
        order: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
        nearest = min(
            (level for level in order if level in self.model.efforts),
            key=lambda level: abs(order.index(level) - order.index(wanted)),
        )
        self.add("effort", f"{self.model.id} has no {wanted!r}; sent {nearest!r}")
        return nearest

    def blind(self, kind: str) -> bool:
        """Whether this model is known not to take images, audio or documents; the block is then left out."""
        known = {"image": self.model.vision, "audio": self.model.audio, "document": self.model.documents}[kind]
        if known is False:
            self.add(kind, f"{self.model.id} cannot take {kind} input; it was left out")
            return True
        return False


def state_for(message: Message, vendor: str, wire: str) -> tuple[Any, ...] | None:
    """The blocks to replay verbatim, where this very vendor and wire made them."""
    state: ProviderState | None = message.provider_state
    return state.items if state is not None and (state.vendor, state.wire) == (vendor, wire) else None


def number(source: Mapping[str, Any] | None, *names: str) -> int | None:
    """The first of these fields that holds a number."""
    for name in names:
        value = (source or {}).get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return int(value)
    return None


def joined(parts: Iterable[str]) -> str:
    """Text parts as one text, without a separator, as the SDKs' own helpers join them."""
    return "".join(parts)


def stop_reason(word: str | None, known: Mapping[str, StopReason], vendor: str) -> StopReason | None:
    """The neutral stop reason for a vendor's word; a word nobody has mapped yet warns and is None."""
    if word is not None and word not in known:
        warnings.warn(f"{vendor} ended with {word!r}, which lazybridge does not know yet", UserWarning, stacklevel=2)
    return known.get(word or "")
