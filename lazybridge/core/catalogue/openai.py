"""OpenAI's models.

Prices: genai-prices 0.2.3 (which cites https://platform.openai.com/docs/pricing), read 2026-11-22; gpt-6.2-* are in
openai 3.54.0's `types/shared/chat_model.py` but not in that table, so their price is not known here.
Efforts and sampling: https://platform.openai.com/docs/guides/latest-model and users' reports of 400 answers, 2026-11;
not checked against the live API. Audio goes to the gpt-audio and gpt-4o-audio models, on Chat Completions.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from lazybridge.core.catalogue import ModelProfile, price

_price = partial(price, web_search="10", source="genai-prices 0.2.3", as_of="2026-11-22")
_long = partial(_price, above=272_000, input_factor="2", output_factor="1.5")
_COMMON: dict[str, Any] = {
    "vendor": "openai",
    "forced_tool_choice": True,
    "vision": True,
    "audio": False,
    "documents": True,
}
_REASONING: dict[str, Any] = {
    **_COMMON, "max_output_tokens": 128_000, "thinking": "effort", "sampling": "without_reasoning",
    "efforts": ("none", "low", "medium", "high", "xhigh"),
}  # fmt: skip
_GPT_6: dict[str, Any] = {
    **_REASONING, "context_window": 1_050_000, "efforts": ("none", "low", "medium", "high", "xhigh", "max"),
}  # fmt: skip
_GPT_6_2: dict[str, Any] = {**_GPT_6, "sampling": "no", "efforts": ("low", "medium", "high", "xhigh", "max")}
_GPT_5_X: dict[str, Any] = {**_REASONING, "context_window": 1_050_000}
_GPT_5: dict[str, Any] = {
    **_REASONING, "context_window": 400_000, "sampling": "no", "efforts": ("minimal", "low", "medium", "high"),
}  # fmt: skip
_PLAIN: dict[str, Any] = {**_COMMON, "thinking": "never", "efforts": (), "sampling": "yes"}
_GPT_4_1: dict[str, Any] = {**_PLAIN, "context_window": 1_000_000, "max_output_tokens": 32_768}
_GPT_4O: dict[str, Any] = {**_PLAIN, "context_window": 128_000, "max_output_tokens": 16_384}
_O_SERIES: dict[str, Any] = {
    **_COMMON, "context_window": 200_000, "max_output_tokens": 100_000, "thinking": "effort", "sampling": "no",
    "efforts": ("low", "medium", "high"),
}  # fmt: skip

MODELS: dict[str, ModelProfile] = {
    row.id: row
    for row in (
        ModelProfile("gpt-6.2-astra", **_GPT_6_2),
        ModelProfile("gpt-6.2-sol", **_GPT_6_2),
        ModelProfile("gpt-6-astra", price=_long("10", "50", "1", "12.5"), **_GPT_6),
        ModelProfile("gpt-6.1-sol", price=_long("2", "10", "0.1", "2.5"), **_GPT_6),
        ModelProfile("gpt-6.1-terra", price=_long("1", "5", "0.05", "1.25"), **_GPT_6),
        ModelProfile("gpt-6-sol", price=_long("2", "10", "0.2", "2.5"), **_GPT_6),
        ModelProfile("gpt-6-luna", price=_long("0.1", "0.5", "0.01", "0.125"), **_GPT_6),
        ModelProfile("gpt-5.6-sol", price=_long("4", "20", "0.4", "5"), **_GPT_5_X),
        ModelProfile("gpt-5.6-terra", price=_long("2", "12", "0.2", "2.5"), **_GPT_5_X),
        ModelProfile("gpt-5.6-luna", price=_long("0.2", "1.2", "0.02", "0.25"), **_GPT_5_X),
        ModelProfile("gpt-5.5", price=_long("5", "30", "0.5"), **_GPT_5_X),
        ModelProfile("gpt-5.4", price=_long("2.5", "15", "0.25"), **_GPT_5_X),
        ModelProfile("gpt-5.4-mini", price=_price("0.75", "4.5", "0.075"), **{**_GPT_5_X, "context_window": 400_000}),
        ModelProfile("gpt-5.4-nano", price=_price("0.2", "1.25", "0.02"), **{**_GPT_5_X, "context_window": 400_000}),
        ModelProfile("gpt-5.2", price=_price("1.75", "14", "0.175"), **{**_GPT_5_X, "context_window": 400_000}),
        ModelProfile(
            "gpt-5.1",
            price=_price("1.25", "10", "0.125"),
            **{**_GPT_5_X, "context_window": 400_000, "efforts": ("none", "low", "medium", "high")},
        ),
        ModelProfile("gpt-5", price=_price("1.25", "10", "0.125"), **_GPT_5),
        ModelProfile("gpt-5-mini", price=_price("0.25", "2", "0.025"), **_GPT_5),
        ModelProfile("gpt-5-nano", price=_price("0.05", "0.4", "0.005"), **_GPT_5),
        ModelProfile("gpt-4.1", price=_price("2", "8", "0.5"), **_GPT_4_1),
        ModelProfile("gpt-4.1-mini", price=_price("0.4", "1.6", "0.1"), **_GPT_4_1),
        ModelProfile("gpt-4o", price=_price("2.5", "10", "1.25"), **_GPT_4O),
        ModelProfile("gpt-4o-mini", price=_price("0.15", "0.6", "0.075"), **_GPT_4O),
        ModelProfile("gpt-4o-audio-preview", **{**_GPT_4O, "vision": False, "audio": True, "documents": False}),
        ModelProfile("gpt-audio-mini", **{**_GPT_4O, "vision": False, "audio": True, "documents": False}),
        ModelProfile("o3", price=_price("2", "8", "0.5"), **_O_SERIES),
        ModelProfile("o4-mini", price=_price("1.1", "4.4", "0.275"), **_O_SERIES),
    )
}
