"""Whose host a base URL is: a key of the environment is sent to its own vendor alone, or to a server that is nobody's here."""

from __future__ import annotations

from urllib.parse import urlsplit

# A host, and those below it. The defaults of openai 3.54.0, anthropic 2.12.0, groq 1.7.0, mistralai 3.7.0, google-genai 3.4.0
# and fal-client 1.0.3, the addresses in `compatible.py`, https://docs.claude.com/en/docs/build-with-claude/claude-on-vertex-ai
# and https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle, read 2026-11-22.
_OWNERS: dict[str, tuple[str, ...]] = {
    "api.openai.com": ("openai",),
    "api.anthropic.com": ("anthropic",),
    "api.groq.com": ("groq",),
    "mistral.ai": ("mistral",),
    "generativelanguage.googleapis.com": ("google",),
    "aiplatform.googleapis.com": ("google", "vertex"),
    "amazonaws.com": ("bedrock",),
    "api.aws": ("bedrock",),
    "openai.azure.com": ("azure",),
    "services.ai.azure.com": ("azure",),
    "cognitiveservices.azure.com": ("azure",),
    "fal.run": ("fal",),
    "fal.ai": ("fal",),
    "openrouter.ai": ("openrouter",),
    "deepseek.com": ("deepseek",),
    "x.ai": ("xai",),
    "together.xyz": ("together",),
    "together.ai": ("together",),
    "cerebras.ai": ("cerebras",),
    "perplexity.ai": ("perplexity",),
    "huggingface.co": ("huggingface",),
    "z.ai": ("zai",),
    "fireworks.ai": ("fireworks",),
    "moonshot.ai": ("moonshot",),
    "cohere.ai": ("cohere",),
    "cohere.com": ("cohere",),
    "ollama.com": ("ollama",),
}
_KNOWN = frozenset(name for names in _OWNERS.values() for name in names)


def owners_of(url: str) -> tuple[str, ...]:
    """The vendors whose host this is, by their names here; nobody's where it is not known."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    while host:
        if host in _OWNERS:
            return _OWNERS[host]
        host = host.partition(".")[2]
    return ()


def is_anothers(url: str, vendor: str) -> bool:
    """Whether the host is known to be another vendor's than this one, which has hosts of its own."""
    owners = owners_of(url)
    return bool(owners) and vendor in _KNOWN and vendor not in owners
