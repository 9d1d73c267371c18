"""Routing: which provider a model string goes to, and why."""

from __future__ import annotations

import pytest

from lazybridge import LLMEngine, UnknownModelError
from lazybridge.core import registry
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.registry import route


@pytest.mark.parametrize(
    ("model", "provider", "sent"),
    [
        ("claude-haiku-5-5", "anthropic", "claude-haiku-5-5"),
        ("CLAUDE-HAIKU-5-5", "anthropic", "CLAUDE-HAIKU-5-5"),
        ("gpt-6-luna", "openai", "gpt-6-luna"),
        ("gpt-5-mini-2025-08-07", "openai", "gpt-5-mini-2025-08-07"),
        ("o4-mini", "openai", "o4-mini"),
        ("codex-mini-latest", "openai", "codex-mini-latest"),
        ("computer-use-preview", "openai", "computer-use-preview"),
        ("chatgpt-4o-latest", "openai", "chatgpt-4o-latest"),
        ("openai/gpt-6-luna", "openai", "gpt-6-luna"),
        ("openai/anything-at-all", "openai", "anything-at-all"),
        ("anthropic/claude-x", "anthropic", "claude-x"),
        ("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("groq/compound", "groq", "groq/compound"),
        ("groq/compound-mini", "groq", "groq/compound-mini"),
        ("groq/groq/compound", "groq", "groq/compound"),
        ("compound-beta-mini", "groq", "compound-beta-mini"),
        ("fal/anthropic/claude-opus-5.5", "fal", "anthropic/claude-opus-5.5"),
        *(
            (id, "openai", id)
            for id in (
                "gpt-image-2.5-flare",
                "chatgpt-image-latest",
                "dall-e-3",
                "tts-1-hd",
                "gpt-4o-mini-tts",
                "whisper-1",
                "gpt-4o-transcribe-diarize",
                "gpt-transcribe",
            )
        ),
        ("whisper-large-v3-turbo", "groq", "whisper-large-v3-turbo"),
        ("voxtral-mini-tts-3-0", "mistral", "voxtral-mini-tts-3-0"),
        ("gemini-3.8-flash-tts", "google", "gemini-3.8-flash-tts"),
        ("imagen-4.0-generate-001", "google", "imagen-4.0-generate-001"),
        ("Groq", "groq", None),
        ("fal", "fal", None),
        ("local:/models/a.gguf", "local", "local:/models/a.gguf"),
        ("claude", "anthropic", None),
        ("gpt", "openai", None),
        ("OPENAI", "openai", None),
        ("local", "local", None),
        ("mistral", "mistral", None),
        ("MistralAI", "mistral", None),
        ("mistralai/claude-like", "mistral", "claude-like"),
        *(
            (id, "mistral", id)
            for id in (
                "mistral-large-4",
                "ministral-3b-2512",
                "codestral-2508",
                "magistral-medium-latest",
                "devstral-2512",
                "pixtral-12b",
                "open-mistral-nemo",
                "voxtral-small-latest",
            )
        ),
    ],
)
def test_where_a_model_goes(model: str, provider: str, sent: str | None) -> None:
    found = LLMEngine.route(model)
    assert (found.provider, found.model) == (provider, sent)
    assert found.why


@pytest.mark.parametrize(
    "model",
    [
        "gpt-oss-20b",
        "qwen/qwen3.8-27b",
        "elsewhere/anthropic.claude-opus-4-5",
        "my-gpt-4-finetune",
        "someone/claude-like",
        "gptfoo",
        "mistral.mistral-large-2402",
        "mistralfoo",
        "claudette",
    ],
)
def test_a_name_inside_another_name_is_not_a_match(model: str) -> None:
    with pytest.raises(UnknownModelError):
        LLMEngine.route(model)


def test_an_unknown_model_lists_what_is_near_and_the_way_out() -> None:
    with pytest.raises(UnknownModelError) as caught:
        LLMEngine.route("claud-haiku-5-5")
    assert "'claude-haiku-5-5'" in str(caught.value)
    assert 'provider="openai"' in str(caught.value)


def test_the_order_is_alias_then_rules_then_prefix_then_default() -> None:
    rules = [("contains", "x", "by-rule")]
    assert route("x", {"X": "by-alias"}, rules, "default").provider == "by-alias"
    assert route("openai/x", {}, rules, "default").provider == "by-rule"
    assert route("openai/y", {}, rules, "default").provider == "openai"
    assert route("y", {}, rules, "default").provider == "default"


def test_a_new_rule_is_asked_before_older_ones() -> None:
    LLMEngine.register_provider_rule("claude-opus-5", "my-proxy")
    LLMEngine.register_provider_rule("claude-opus-5-5", "newest")
    assert LLMEngine.route("claude-opus-5-5").provider == "newest"
    assert LLMEngine.route("claude-opus-5").provider == "my-proxy"
    assert LLMEngine.route("claude-haiku-5-5").provider == "anthropic"


def test_a_rule_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="contains"):
        LLMEngine.register_provider_rule("x", "y", kind="endswith")  # type: ignore[arg-type]


def test_an_alias_is_case_insensitive() -> None:
    LLMEngine.register_provider_alias("My-Model", "openai")
    assert LLMEngine.route("my-MODEL").provider == "openai"


def test_a_name_is_found_whatever_its_case_and_dashes() -> None:
    assert registry.provider_class("Open-AI") is registry.provider_class("open_ai") is registry.provider_class("openai")


def test_an_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean 'anthropic'(.|\n)*openai"):
        registry.provider_class("antropic")
