"""Anthropic's models.

Prices: genai-prices 0.2.3 (which cites https://claude.com/pricing), read 2026-11-22. Limits: `types/model.py` of
anthropic 2.12.0 and https://platform.claude.com/docs/en/about-claude/models, read 2026-11-22.
Rules on thinking, effort and tool_choice: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking and
/effort, as reported by users of the API, 2026-11; not checked against the live API.
The Messages API has no temperature or top_p since its version 2026-10-21, which the SDK sends.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from lazybridge.core.catalogue import ModelProfile, price

_price = partial(price, web_search="10", source="genai-prices 0.2.3", as_of="2026-11-22")
_LEVELS = ("low", "medium", "high", "max")
_ALL_LEVELS = ("low", "medium", "high", "xhigh", "max")
_COMMON: dict[str, Any] = {"vendor": "anthropic", "sampling": "no", "vision": True, "audio": False, "documents": True}
_CURRENT: dict[str, Any] = {
    **_COMMON, "context_window": 1_000_000, "max_output_tokens": 128_000, "thinking": "adaptive", "efforts": _ALL_LEVELS, "forced_tool_choice": True,
}  # fmt: skip
_BOUND: dict[str, Any] = {**_CURRENT, "thinking": "always", "forced_tool_choice": False}
_ALWAYS: dict[str, Any] = {**_CURRENT, "thinking": "always"}
_BUDGET: dict[str, Any] = {
    **_COMMON, "context_window": 200_000, "max_output_tokens": 64_000, "thinking": "budget", "efforts": (), "forced_tool_choice": True,
}  # fmt: skip

MODELS: dict[str, ModelProfile] = {
    row.id: row
    for row in (
        ModelProfile("claude-fable-5-2", price=_price("8", "40", "0.2", "10", "16"), **_BOUND),
        ModelProfile("claude-mythos-5-2", price=_price("8", "40", "0.2", "10", "16"), **_BOUND),
        ModelProfile("claude-fable-5-1", price=_price("10", "50", "0.25", "12.5", "20"), **_BOUND),
        ModelProfile("claude-mythos-5-1", **_BOUND),
        ModelProfile("claude-fable-5", price=_price("10", "50", "1", "12.5", "20"), **_ALWAYS),
        ModelProfile("claude-mythos-5", **_ALWAYS),
        ModelProfile("claude-opus-5-5", price=_price("4", "20", "0.2", "5", "8"), **_BOUND),
        ModelProfile("claude-opus-5", price=_price("5", "25", "0.5", "6.25", "10"), **_CURRENT),
        ModelProfile("claude-sonnet-5-5", price=_price("2", "10", "0.1", "2.5", "4"), **_CURRENT),
        ModelProfile("claude-sonnet-5", price=_price("2", "10", "0.2", "2.5", "4"), **_CURRENT),
        ModelProfile(
            "claude-haiku-5-5",
            price=_price("0.1", "0.5", "0.01", "0.125", "0.2", above=100_000, input_factor="5", output_factor="5"),
            **_CURRENT,
        ),
        ModelProfile("claude-opus-4-8", price=_price("5", "25", "0.5", "6.25", "10"), **_CURRENT),
        ModelProfile("claude-opus-4-7", price=_price("5", "25", "0.5", "6.25", "10"), **_CURRENT),
        ModelProfile(
            "claude-opus-4-6", price=_price("5", "25", "0.5", "6.25", "10"), **{**_CURRENT, "efforts": _LEVELS}
        ),
        ModelProfile(
            "claude-sonnet-4-6",
            price=_price("3", "15", "0.3", "3.75", "6"),
            **{**_CURRENT, "max_output_tokens": 64_000, "efforts": _LEVELS},
        ),
        ModelProfile(
            "claude-opus-4-5", price=_price("5", "25", "0.5", "6.25", "10"), **{**_BUDGET, "efforts": _LEVELS}
        ),
        ModelProfile(
            "claude-sonnet-4-5",
            price=_price("3", "15", "0.3", "3.75", "6", above=200_000, input_factor="2", output_factor="1.5"),
            **_BUDGET,
        ),
        ModelProfile("claude-haiku-4-5", price=_price("1", "5", "0.1", "1.25", "2"), **_BUDGET),
    )
}
