"""Who answers where neither a model nor a provider is named."""

from __future__ import annotations

import os
from typing import NamedTuple

# `Agent()` takes the first vendor of this order whose key is in the environment, else the local model: the vendors with an
# SDK of their own, then the makers who speak Chat Completions, then who hosts others' models. Each has a default model and
# every tier. Hugging Face and fal are not among them: their keys are set for more than language models.
DEFAULT_ORDER: tuple[tuple[str, str], ...] = (
    ("anthropic", "ANTHROPIC_API_KEY"),
    ("openai", "OPENAI_API_KEY"),
    ("google", "GOOGLE_API_KEY"),
    ("google", "GEMINI_API_KEY"),
    ("mistral", "MISTRAL_API_KEY"),
    ("groq", "GROQ_API_KEY"),
    ("xai", "XAI_API_KEY"),
    ("deepseek", "DEEPSEEK_API_KEY"),
    ("zai", "ZAI_API_KEY"),
    ("cerebras", "CEREBRAS_API_KEY"),
    ("openrouter", "OPENROUTER_API_KEY"),
)


class Choice(NamedTuple):
    """A provider and the sentence that says why it is taken."""

    name: str
    why: str


def default_provider(registered: str | None) -> Choice:
    """What `Agent()` takes where neither a model nor a provider is named; `registered` is the name that was, for this."""
    if registered:
        return Choice(registered, f"using {registered}, the registered default")
    for name, variable in DEFAULT_ORDER:
        if os.environ.get(variable):
            return Choice(name, f"using {name}, because {variable} is set")
    variables = ", ".join(variable for _, variable in DEFAULT_ORDER)
    return Choice("local", f"using the local model, because none of {variables} is set")
