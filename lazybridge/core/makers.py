"""What the makers' own model ids begin with: the rules that route a bare id."""

from __future__ import annotations

Rule = tuple[str, str, str]

# The names that Mistral's ids begin with: https://github.com/mistralai/platform-docs-public src/schema/models/models,
# read 2026-11-22.
_MISTRAL = (
    "mistral",
    "ministral",
    "codestral",
    "magistral",
    "devstral",
    "pixtral",
    "voxtral",
    "open-mistral",
    "open-mixtral",
    "open-codestral",
    "labs-devstral",
)
# The ids of openai 3.54.0 `types/shared/chat_model.py`, anthropic 2.12.0 `types/model.py` and google-genai 3.4.0
# `_gaos/types/interactions/model.py`, read 2026-11-22.
# `gpt-oss-…` is absent on purpose: other vendors host it, OpenAI's API does not.
BUILT_IN_RULES: tuple[Rule, ...] = (
    ("startswith", "claude-", "anthropic"),
    *(("startswith", f"gpt-{digit}", "openai") for digit in range(3, 10)),
    *(
        ("startswith", f"gpt-{word}", "openai")
        for word in ("audio", "chat-", "daybreak-", "image-", "realtime", "rosalind-")
    ),
    ("startswith", "chatgpt-", "openai"),
    *(("startswith", f"text-embedding-{word}-", "openai") for word in ("3", "ada")),
    # openai 3.54.0 `types/image_model.py`, `types/audio_model.py`; `whisper-large-v3` is groq 1.7.0's; read 2026-11-22.
    *(("startswith", prefix, "openai") for prefix in ("gpt-transcribe", "dall-e-", "tts-1", "whisper-1")),
    ("startswith", "whisper-large-v3", "groq"),
    ("startswith", "text-embedding-00", "google"),
    ("startswith", "codex-", "openai"),
    ("startswith", "computer-use", "openai"),
    ("startswith", "o1", "openai"),
    ("startswith", "o3", "openai"),
    ("startswith", "o4-", "openai"),
    ("startswith", "compound-beta", "groq"),
    *(("startswith", f"{name}-", "mistral") for name in _MISTRAL),
    ("startswith", "gemini-", "google"),
    *(("startswith", prefix, "google") for prefix in ("gemma-", "imagen-")),
    ("startswith", "local:", "local"),
    # The makers' own ids, by the catalogue; other hosts write `deepseek-ai/…` and `deepseek-r1-distill-…`.
    *(("startswith", f"deepseek-{word}", "deepseek") for word in ("chat", "reasoner", "flash", "v3", "v4")),
    ("startswith", "grok-", "xai"),
    ("startswith", "sonar", "perplexity"),
    ("startswith", "glm-", "zai"),
    *(("startswith", f"{name}-", "moonshot") for name in ("kimi", "moonshot")),
    *(("startswith", name, "cohere") for name in ("command", "embed-v4")),
)


def matches(rule: Rule, model: str) -> bool:
    """Whether a rule of kind `contains` or `startswith` is about a model, named in lower case.

    The makers' prefixes are whole words of bare ids: neither `sonarqube` nor `mistral-community/pixtral-12b`, a name on
    Hugging Face, is a maker's id.
    """
    kind, pattern, _ = rule
    pattern = pattern.lower()
    if kind != "startswith":
        return pattern in model
    if not model.startswith(pattern) or rule not in BUILT_IN_RULES or pattern.endswith(":"):
        return model.startswith(pattern)
    rest = model[len(pattern) :]
    return "/" not in rest and not (pattern[-1].isalpha() and rest[:1].isalnum())
