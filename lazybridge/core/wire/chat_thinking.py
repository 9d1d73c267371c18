"""How the dialects of Chat Completions ask for thinking, and what of an answer's thinking goes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.types import CompletionRequest, Effort, ProviderState, ToolCall
from lazybridge.core.wire import Adjuster, joined

Words = tuple[str, ...] | None


class Asked(NamedTuple):
    """The fields that ask for thinking, and the effort in force: "none" is no thinking, None is not known."""

    body: Mapping[str, Any] = {}
    effort: str | None = None


def forced(request: CompletionRequest) -> bool:
    """Whether the request makes the model call a tool."""
    return bool(request.tools) and request.tool_choice not in (None, "auto", "none")


def thinks(model: ModelProfile) -> bool:
    """Whether this model is known to think."""
    return model.thinking not in (None, "never")


def by_effort(
    request: CompletionRequest,
    model: ModelProfile,
    adjust: Adjuster,
    words: Words,
    switch: Effort | None = None,
    format: str | None = None,
) -> Asked:
    """OpenAI's way: `reasoning_effort`. `switch` is the effort that turns thinking on, `format` the word that shows it."""
    effort = adjust.effort(request, words)
    budget = bool(request.thought.on) and request.thought.on is not True
    if _never(request, model, adjust):
        pass
    elif format is not None:
        if budget:
            adjust.add("thinking", "this API takes no budget in tokens; set effort instead")
    elif request.thought.on and switch:
        effort = effort or switch
        if budget:
            adjust.add("thinking", f"this API takes no budget; sent effort {effort!r}")
    elif request.thought.on and (budget or effort is None):
        adjust.add("thinking", "Chat Completions has no switch and no budget for it; set effort instead")
    adjust.thinking_off(request, effort)
    body: dict[str, Any] = {} if effort is None else {"reasoning_effort": effort}
    return Asked(body | _shown(request, model, effort, format), effort)


def _shown(request: CompletionRequest, model: ModelProfile, effort: str | None, format: str | None) -> dict[str, Any]:
    """Thinking apart from the text, of a model known to think or where it was asked for."""
    if format is None or effort == "none" or "include_reasoning" in (request.extra_body or ()):
        return {}
    return {"reasoning_format": format} if request.thought.on or thinks(model) else {}


def by_switch(request: CompletionRequest, model: ModelProfile, adjust: Adjuster, words: Words, off: bool) -> Asked:
    """`thinking: {"type": ...}`, with `reasoning_effort` beside it. `off` wants it off where nobody asked for it."""
    effort = adjust.effort(request, words)
    if _never(request, model, adjust):
        return Asked({}, "none")
    if request.thought.on is False or effort == "none":
        return Asked({"thinking": {"type": "disabled"}}, "none")
    if request.thought.on is not None and request.thought.on is not True:
        adjust.add("thinking", "this API takes no budget in tokens; thinking was switched on, set effort instead")
    if request.thought.on or effort is not None:
        level = {} if effort is None else {"reasoning_effort": effort}
        return Asked({"thinking": {"type": "enabled"}, **level}, effort)
    if off:
        adjust.add("thinking", f"{model.id} thinks unless told not to, and cannot be made to call a tool while it does; switched off")  # fmt: skip
        return Asked({"thinking": {"type": "disabled"}}, "none")
    return Asked()


def by_object(request: CompletionRequest, model: ModelProfile, adjust: Adjuster, words: Words) -> Asked:
    """`reasoning: {...}`, with an effort, a budget in tokens or a plain switch."""
    effort = adjust.effort(request, words)
    if _never(request, model, adjust):
        return Asked({}, "none")
    if request.thought.on is False or effort == "none":
        return Asked({"reasoning": {"effort": "none"}}, "none")
    if request.thought.on is not None and request.thought.on is not True:
        if effort is not None:
            adjust.add("effort", "this API takes a budget or an effort; the budget was sent")
        return Asked({"reasoning": {"max_tokens": request.thought.on}}, effort)
    if effort is not None:
        return Asked({"reasoning": {"effort": effort}}, effort)
    return Asked({"reasoning": {"enabled": True}} if request.thought.on else {})


def _never(request: CompletionRequest, model: ModelProfile, adjust: Adjuster) -> bool:
    if model.thinking != "never":
        return False
    if request.thought.on:
        adjust.add("thinking", f"{model.id} does not think")
    return True


class Thoughts:
    """The fields of an answer that the vendor wants back, whole or from the pieces of a stream."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        self.found: dict[str, list[Any]] = {}

    def add(self, message: Mapping[str, Any]) -> None:
        """Take what a message or delta says."""
        for name in self.fields:
            value = message.get(name)
            if isinstance(value, str) and value:
                self.found.setdefault(name, []).append(value)
            elif isinstance(value, list):
                kept = self.found.setdefault(name, [])
                for item in value:
                    _merge(kept, item)

    def state(self, vendor: str, text: str, calls: list[ToolCall]) -> ProviderState | None:
        """What goes back with this turn; None where there is nothing."""
        for name in self.fields:
            pieces = self.found.get(name)
            if pieces:
                value = joined(pieces) if isinstance(pieces[0], str) else pieces
                return ProviderState(vendor, "chat", ({name: value},), (text, tuple(calls)))
        return None


# What a stream cuts into pieces: OpenRouter's `reasoning_details`
# (https://openrouter.ai/docs/use-cases/reasoning-tokens, and recorded streams).
_CUT = ("text", "summary", "data")


def _merge(kept: list[Any], item: Any) -> None:
    """Add a block, or a further piece of the block at the same index."""
    if isinstance(item, Mapping) and item.get("index") is not None:
        for block in kept:
            if (block.get("index"), block.get("type")) == (item["index"], item.get("type")):
                for name, value in item.items():
                    cut = name in _CUT and isinstance(block.get(name), str) and isinstance(value, str)
                    if value is not None:
                        block[name] = block[name] + value if cut else value
                return
    kept.append(dict(item) if isinstance(item, Mapping) else item)
