"""What a request needs of a model, and the rung of a tier table that has it."""

from __future__ import annotations

from lazybridge.core import catalogue
from lazybridge.core.content import AudioContent, ContentBlock, DocumentContent, ImageContent
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import ASSISTANT, TIERS, Adjustment, CompletionRequest, Tier

_NEEDS: dict[type[ContentBlock], str] = {ImageContent: "vision", AudioContent: "audio", DocumentContent: "documents"}


def needs_of(request: CompletionRequest) -> set[str]:
    """The senses that a request's content needs: "vision", "audio", "documents"; and "tools"."""
    asked = (message for message in request.messages if message.role is not ASSISTANT)  # what it said goes back as text
    contents = [message.content for message in asked if not isinstance(message.content, str)]
    found = {_NEEDS[type(block)] for content in contents for block in content if type(block) in _NEEDS}
    return found | {"tools"} if request.tools else found


def rung_for(
    provider: BaseProvider, tier: Tier, model: str, request: CompletionRequest
) -> tuple[str, tuple[Adjustment, ...]]:
    """The model to ask where a tier was asked for: its own, or that of the nearest higher rung (then lower) that has
    what the request needs; and what to say about it."""
    needs = needs_of(request)
    lacking = sorted(need for need in needs if _can(provider, model, need) is False)
    if not lacking:
        return model, ()
    place = TIERS.index(tier)
    for other in (*reversed(TIERS[:place]), *TIERS[place + 1 :]):
        found = _rung(provider, other)
        if found and found != model and all(_can(provider, found, need) for need in needs):
            return found, (
                Adjustment("tier", f"{tier} is {model}, which lacks {', '.join(lacking)}; asked {other}: {found}"),
            )
    why = (
        f"{tier} is {model}, which lacks {', '.join(lacking)}, and no other tier of {provider.registered_name()} has it"
    )
    return model, (Adjustment("tier", why),)


def _rung(provider: BaseProvider, tier: Tier) -> str | None:
    try:
        return provider.resolve_tier(tier)
    except ConfigurationError:
        return None


def _can(provider: BaseProvider, model: str, need: str) -> bool | None:
    """Whether a model has an ability; None is not known. A user's class says itself what it sees and hears."""
    if need == "vision" and not provider._adjusts_itself:
        return provider.supports_vision(model)
    if need == "audio" and not provider._adjusts_itself:
        return provider.supports_audio(model)
    known: bool | None = getattr(catalogue.profile(provider.vendor_name(), model), need)
    return known
