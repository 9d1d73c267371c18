"""How a request asks for thinking and for caching, in more than one word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
Summary = Literal["auto", "concise", "detailed", "none"]
SUMMARIES: tuple[Summary, ...] = ("auto", "concise", "detailed", "none")
LIFETIMES = ("5m", "1h")
# What an effort is worth in tokens where a model takes a budget alone, as Google's OpenAI-compatible endpoint says for
# Gemini 2.5 (https://ai.google.dev/gemini-api/docs/openai, read 2026-11-22); above "high" it is the model's most.
BUDGETS: dict[str, int] = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}


@dataclass(frozen=True)
class ThinkingConfig:
    """How a model thinks: a budget in tokens or an effort, and how much of it is shown.

    `summary="none"` hides the thinking where the vendor can; "concise" and "detailed" are OpenAI's.
    Raises ValueError for a value that there is not.
    """

    budget_tokens: int | None = None
    effort: Effort | None = None
    summary: Summary = "auto"

    def __post_init__(self) -> None:
        budget = self.budget_tokens
        if budget is not None and (type(budget) is not int or budget < 1):
            raise ValueError(f"budget_tokens must be a whole number above 0, got {budget!r}; write 4000")
        if self.effort is not None and self.effort not in EFFORTS:
            raise ValueError(f"unknown effort {self.effort!r}; use one of {', '.join(EFFORTS)}")
        if self.summary not in SUMMARIES:
            raise ValueError(f"unknown summary {self.summary!r}; use one of {', '.join(SUMMARIES)}")


Thinking = bool | int | Effort | ThinkingConfig | None


class Thought(NamedTuple):
    """What a request asks about thinking: `on` is False, True, or the budget in tokens; None where nobody said."""

    on: bool | int | None
    effort: Effort | None
    summary: Summary


def thought(thinking: Thinking, effort: Effort | None) -> Thought:
    """The same for every way to ask. An effort within `thinking` counts before `effort`; "none" there is False."""
    if isinstance(thinking, ThinkingConfig):
        if thinking.effort == "none":
            return Thought(False, None, thinking.summary)
        return Thought(thinking.budget_tokens or True, thinking.effort or effort, thinking.summary)
    if isinstance(thinking, str):
        return Thought(False, None, "auto") if thinking == "none" else Thought(True, thinking, "auto")
    return Thought(False if thinking == 0 else thinking, effort, "auto")


def without_effort(thinking: Thinking) -> Thinking:
    """What is left of `thinking` where an effort is named beside it, for one call."""
    if isinstance(thinking, ThinkingConfig):
        return replace(thinking, effort=None)
    return None if thinking == "none" else True if isinstance(thinking, str) else thinking


@dataclass(frozen=True)
class CacheConfig:
    """How long a prompt is cached, and under which key.

    `ttl` is the lifetime that Anthropic sells; None is the vendor's usual one. `key` is the `prompt_cache_key` of OpenAI
    and Mistral, by which prompts with one beginning find one another. Raises ValueError for another `ttl`.
    """

    ttl: Literal["5m", "1h"] | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if self.ttl not in (None, *LIFETIMES):
            raise ValueError(f"unknown ttl {self.ttl!r}; use '5m' or '1h'")
        if self.key is not None and (not isinstance(self.key, str) or not self.key):
            raise ValueError(f"a cache key is a text, got {self.key!r}")


CacheHint = bool | Literal["5m", "1h"] | CacheConfig | None


def lifetime(hint: CacheHint) -> Literal["5m", "1h"] | None:
    """The lifetime that a hint asks for; None is the vendor's usual one."""
    found = hint.ttl if isinstance(hint, CacheConfig) else hint
    return found if isinstance(found, str) else None


def cache_key(hint: CacheHint) -> str | None:
    """The key that a hint names."""
    return hint.key if isinstance(hint, CacheConfig) else None


def check_hints(thinking: Thinking, effort: str | None, cache: CacheHint) -> None:
    """Raise ValueError for a word that there is not."""
    words = ", ".join(EFFORTS)
    if effort is not None and effort not in EFFORTS:
        raise ValueError(f"unknown effort {effort!r}; use one of {words}")
    if isinstance(thinking, str) and thinking not in EFFORTS:
        raise ValueError(f"thinking is True, False, a number of tokens or one of {words}, got {thinking!r}")
    if isinstance(thinking, int) and thinking < 0:
        raise ValueError(f"thinking in tokens is not below 0, got {thinking!r}; write 4000, or True")
    if not isinstance(cache, CacheConfig) and cache not in (None, True, False, *LIFETIMES):
        raise ValueError(f"unknown cache {cache!r}; use True, '5m' or '1h', or CacheConfig(ttl='1h')")
