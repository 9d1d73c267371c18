"""Wires: pure translation to and from one API family, plain JSON in and out. No SDK, no I/O, no state between calls."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import inf
from typing import Any, NamedTuple, Protocol

from lazybridge.core import structured
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import ContentBlock, TextContent
from lazybridge.core.hints import BUDGETS, lifetime
from lazybridge.core.types import (
    EFFORTS,
    Adjustment,
    CompletionRequest,
    CompletionResponse,
    Effort,
    Message,
    OutputSchema,
    ProviderState,
    StopReason,
    StreamChunk,
    UsageStats,
)


class SDKCall(NamedTuple):
    """The JSON body of one call, and what of the request could not be put into it; `began` is when it was asked for, in
    seconds since the epoch."""

    body: dict[str, Any]
    adjustments: tuple[Adjustment, ...]
    began: float = 0.0


class Accumulator(Protocol):
    """Folds the events of one stream.

    `done` is True once the terminal event was seen and nothing more is worth reading; `raw` is then the whole answer as
    the vendor's JSON, where the wire's events add up to one.
    """

    done: bool

    @property
    def raw(self) -> Mapping[str, Any] | None:
        """The whole answer as JSON, or None."""
        ...

    def feed(self, event: Mapping[str, Any]) -> StreamChunk | None:
        """A piece to hand out, or None; raises ProviderError for an error inside the stream."""
        ...

    def counted(self) -> UsageStats:
        """What the vendor has counted so far; nothing is known before it says so."""
        ...

    def finish(self) -> CompletionResponse:
        """The whole answer; raises StreamTruncated where the terminal event never came."""
        ...


class Wire(Protocol):
    """One API family."""

    @property
    def path(self) -> str:
        """Where the SDK's `post` sends it."""
        ...

    def to_sdk_kwargs(self, request: CompletionRequest, model: ModelProfile, stream: bool) -> SDKCall:
        """The body to send for a request."""
        ...

    def from_sdk_response(self, raw: Mapping[str, Any]) -> CompletionResponse:
        """What a whole answer says."""
        ...

    def accumulator(self) -> Accumulator:
        """A fresh fold for one stream."""
        ...


class Adjuster:
    """Collects what could not be sent, while a body is built."""

    def __init__(self, model: ModelProfile, refused: Iterable[str] = ()) -> None:
        self.model = model
        self.refused = refused  # media that the API takes from no model
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
        return {name: value for name, value in given.items() if self._samples(name, effort)}

    def logprobs(self, request: CompletionRequest, effort: str | None) -> int | None:
        """How many alternatives to each token to ask for; None is not to ask."""
        return request.logprobs if request.logprobs is not None and self._samples("logprobs", effort) else None

    def _samples(self, name: str, effort: str | None) -> bool:
        """Whether this model takes a parameter of sampling."""
        rule = self.model.sampling
        if rule in (None, "yes") or (rule == "without_reasoning" and effort == "none"):
            return True
        advice = "; effort='none' allows it" if rule == "without_reasoning" else ""
        self.add(name, f"{self.model.id} does not take it{advice}")
        return False

    def thinking_off(self, request: CompletionRequest, effort: str | None) -> None:
        """Note where `thinking=False` could not be said; effort "none" says it, by name or as what was asked."""
        if request.thought.on is False and effort != "none" and self.model.thinking != "never":
            known = "cannot stop thinking" if self.model.thinking else "is not known to stop thinking"
            self.add("thinking", f"{self.model.id} {known}; effort sets how long")

    def cache_lifetime(self, request: CompletionRequest, who: str = "") -> None:
        """Note a cache lifetime, on the request or on a block, for a vendor that caches by itself."""
        if any(map(lifetime, request.cache_hints)):
            who = who or ("OpenAI caches by itself and sells" if self.model.vendor == "openai" else "this API takes")
            self.add("cache", f"{who} no such lifetime; nothing was sent")

    def effort(self, request: CompletionRequest, words: tuple[str, ...] | None = None) -> Effort | None:
        """The effort to send: the asked one, else the nearest that this model knows, else None.

        `words` are those of the API, for a model whose own levels are not known.
        """
        wanted: Effort | None = request.thought.effort
        known = words if self.model.efforts is None else self.model.efforts
        if wanted is None and request.thought.on is False and self.model.efforts and "none" in self.model.efforts:
            return "none"
        if wanted is None or known is None or wanted in known:
            return wanted
        if not known:
            if wanted != "none" and not (self.model.thinking == "budget" and request.thought.on is True):
                self.add("effort", f"{self.model.id} has no effort levels")
            return None
        # "none" is a switch, not the least of the levels: who asks for little thinking does not ask for none.
        levels: list[Effort] = [level for level in EFFORTS if level in known and level != "none"]
        nearest = min(levels, key=lambda level: abs(EFFORTS.index(level) - EFFORTS.index(wanted)))
        self.add("effort", f"{self.model.id} has no {wanted!r}; sent {nearest!r}")
        return nearest

    def budget(self, request: CompletionRequest) -> int | None:
        """The tokens to think with, for a model that takes a budget alone: what was asked for, or what the effort is worth.
        None leaves it to the model."""
        wanted, effort, _ = request.thought
        if wanted is not True or effort in (None, "none") or self.model.efforts:
            return None if wanted is True else wanted or None
        most = self.model.thinking_budget[1] if self.model.thinking_budget else BUDGETS["high"]
        tokens = BUDGETS.get(effort or "", most)
        self.add("thinking", f"{self.model.id} takes a budget in tokens; effort {effort!r} was sent as {tokens}")
        return tokens

    def text_alone(self, message: Message) -> None:
        """Note what else than text stands in an assistant's message: only who made it takes it back, by its state."""
        if not all(isinstance(block, TextContent) for block in message.blocks):
            self.add("assistant content", "an assistant's message is sent as text; its media was left out")

    def compiled(self, output: OutputSchema, dialect: structured.Dialect) -> structured.Compiled:
        """The schema as an API enforces it, with a note of what that leaves to be checked here."""
        made = structured.compiled(output, dialect)
        if made.losses:
            how = "the model was told in a description" if made.enforced else _HOW[dialect.otherwise]
            self.add("output_schema", f"{dialect.name} cannot say {made.lost}; {how}, and it is checked here")
        return made

    def without_tools(self, request: CompletionRequest) -> None:
        """Note a forced choice among no tools."""
        if request.tool_choice not in (None, "auto", "none"):
            self.add("tool_choice", f"there are no tools to choose {request.tool_choice!r} from")

    def blind(self, kind: str) -> bool:
        """Whether this model is known not to take images, audio or documents; the block is then left out."""
        known = {"image": self.model.vision, "audio": self.model.audio, "document": self.model.documents}.get(kind)
        if known is False or kind in self.refused:
            who = self.model.id if known is False else "this API"
            self.add(kind, f"{who} cannot take {kind} input; it was left out")
            return True
        return False


def state_for(message: Message, vendor: str, wire: str) -> list[Any] | None:
    """The blocks to replay verbatim, where this very vendor and wire made them."""
    state: ProviderState | None = message.provider_state
    if state is None or (state.vendor, state.wire) != (vendor, wire):
        return None
    if state.said is not None and state.said != (message.text, message.tool_calls):
        return None  # edited since: what it says now counts
    return [plain(item) for item in state.items]


_HOW = {"guide": "the schema was sent as a guide", "told": "the schema went into the instructions"}


def told_schema(output: OutputSchema) -> str:
    """A schema in words, for the instructions; JSON mode wants its name in there, and gets it in small letters."""
    return f"Give the final answer as JSON alone, of this json schema:\n{json.dumps(plain(output.schema))}"


_SCALARS = frozenset({str, int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """A JSON value of its own: a body shares nothing with the request, so whoever changes one leaves the other alone."""
    kind = type(value)
    if kind in _SCALARS:  # most of a body; the checks below cost ten times as much
        return value
    if kind is dict or isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def content_of(
    message: Message, part: Callable[[ContentBlock, Adjuster], dict[str, Any] | None], adjust: Adjuster
) -> str | list[dict[str, Any]]:
    """A message's content in the vendor's parts. Where all of it was left out a note stands for it, for the vendors
    refuse an empty message."""
    if isinstance(message.content, str):
        return message.content
    parts = [made for block in message.content if (made := part(block, adjust)) is not None]
    if parts or all(isinstance(block, TextContent) for block in message.content):
        return parts
    return "(an attachment was left out)"


def number(source: Any, *names: str) -> int | None:
    """The first of these fields that holds a count: a number from 0 on, and not infinite."""
    found = counts(source)
    for name in names:
        value = found.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < inf:
            return int(value)
    return None


def counts(value: Any) -> Mapping[str, Any]:
    """A vendor's usage; nothing where it is no object."""
    return value if type(value) is dict or isinstance(value, Mapping) else _NOTHING


_NOTHING: Mapping[str, Any] = {}


def reported_cost(usage: Mapping[str, Any]) -> Decimal | None:
    """What the vendor says the answer cost, in USD: `cost` (OpenRouter; an object with `total_cost` at Perplexity), or
    `cost_in_usd_ticks` of 1e-10 USD (xAI), which Azure fills with 0 for models that it does bill.

    With a key of one's own (`is_byok`) OpenRouter's `cost` is its fee alone, and the upstream vendor bills the rest.
    """
    cost = usage.get("cost")
    if isinstance(cost, Mapping):
        cost = cost.get("total_cost")
    if isinstance(cost, (int, float)) and not isinstance(cost, bool):
        upstream = (usage.get("cost_details") or {}).get("upstream_inference_cost") if usage.get("is_byok") else None
        return Decimal(str(cost)) + Decimal(str(upstream or 0))
    ticks = number(usage, "cost_in_usd_ticks")
    return Decimal(ticks).scaleb(-10) if ticks else None


def joined(parts: Iterable[str]) -> str:
    """Text parts as one text, without a separator, as the SDKs' own helpers join them."""
    return "".join(parts)


def stop_reason(word: str | None, known: Mapping[str, StopReason], vendor: str) -> StopReason | None:
    """The neutral stop reason for a vendor's word; a word nobody has mapped yet warns and is None."""
    if word is not None and word not in known:
        warnings.warn(f"{vendor} ended with {word!r}, which lazybridge does not know yet", UserWarning, stacklevel=2)
    return known.get(word or "")
