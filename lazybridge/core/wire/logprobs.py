"""How probable an answer's tokens were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from lazybridge.core.content import TokenLogprob


def of_tokens(tokens: Iterable[Mapping[str, Any]] | None) -> tuple[TokenLogprob, ...]:
    """OpenAI's list of tokens, each with its `top_logprobs`."""
    return tuple(
        TokenLogprob(item.get("token") or "", float(item["logprob"]), of_tokens(item.get("top_logprobs")))
        for item in tokens or ()
        if item.get("logprob") is not None
    )


def of_choice(choice: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
    """What a choice of Chat Completions says of its text, or of its refusal."""
    found = choice.get("logprobs") or {}
    return of_tokens(found.get("content") or found.get("refusal"))


def of_candidate(candidate: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
    """A Gemini candidate's `logprobsResult`."""
    found = candidate.get("logprobsResult") or {}
    pairs = zip_longest(found.get("chosenCandidates") or (), found.get("topCandidates") or ())
    return tuple(
        _gemini(chosen, tuple(_gemini(other) for other in (top or {}).get("candidates") or ()))
        for chosen, top in pairs
        if chosen is not None
    )


def _gemini(item: Mapping[str, Any], alternatives: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
    """A probability of 1 has the logarithm 0, which is not sent."""
    return TokenLogprob(item.get("token") or "", float(item.get("logProbability") or 0), alternatives)
