"""Routing over every vendor: the catalogue's ids, the makers' own ids, and providers that other distributions bring."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lazybridge import Agent, ConfigurationError, LLMEngine, UnknownModelError
from lazybridge.core import catalogue, registry
from lazybridge.core.catalogue import tables
from tests.fake_vendor import TEXT, FakeVendor

WITH_CLASS = [vendor for vendor in tables.vendors() if registry.is_provider(vendor)]


def ids_of(vendor: str) -> list[str]:
    return [*tables.ids(vendor), *(alias for row in catalogue.rows(vendor).values() for alias in row.aliases)]


@pytest.mark.parametrize("vendor", WITH_CLASS)
def test_a_vendors_name_before_an_id_goes_there_with_the_id_intact(vendor: str) -> None:
    for id in ids_of(vendor):
        found = LLMEngine.route(f"{vendor}/{id}")
        assert (found.provider, found.model) == (vendor, id)


# Who made what such an id names, written down here apart from the rules: the vendors' own pages and SDKs, read 2026-11-22.
MAKERS = {
    "claude": "anthropic", "gpt-": "openai", "chatgpt-": "openai", "o1": "openai", "o3": "openai", "o4-": "openai", "codex-": "openai",
    "text-embedding-3-": "openai", "text-embedding-ada-": "openai", "text-embedding-00": "google",
    "gemini-": "google", "gemma-": "google", "mistral-": "mistral", "ministral-": "mistral", "codestral-": "mistral", "devstral-": "mistral",
    "magistral-": "mistral", "pixtral-": "mistral", "grok-": "xai", "deepseek-": "deepseek", "sonar": "perplexity", "glm-": "zai", "kimi-": "moonshot", "moonshot-": "moonshot",
    "command": "cohere", "embed-v4": "cohere",
}  # fmt: skip
# What stands before the slash in the ids of other vendors, where a provider has that name.
NAMES = {"anthropic", "openai", "google", "mistral", "mistralai", "deepseek", "perplexity", "cerebras", "groq", "fireworks", "x-ai", "z-ai", "together", "cohere"}  # fmt: skip
# The ids in a maker's table that others serve, or that have no prefix of their own: the error says what to write.
TO_NAME = {
    "anthropic": (),
    "openai": (
        "gpt-oss-",
        "ada",
        "babbage",
        "chat-latest",
        "curie",
        "davinci",
        "text-babbage",
        "text-curie",
        "text-davinci",
        "text-embedding-ada",
        "text-moderation",
    ),
    "mistral": ("mixtral-", "zai-glm-"),
    "deepseek": ("deepseek-r1",),
    "xai": (),
    "zai": (),
    "moonshot": (),
    "cohere": ("c4ai-",),
    "perplexity": ("llama-", "pplx-", "r1-"),
}
NAMED = re.compile(r'Agent\("([^"/]+)/([^"]+)"\)')


def maker_of(id: str) -> str | None:
    return next((maker for prefix, maker in MAKERS.items() if id.startswith(prefix)), None)


@pytest.mark.parametrize("vendor", tables.vendors())
def test_a_bare_id_goes_to_its_maker_or_says_whom_to_name(vendor: str) -> None:
    for id in ids_of(vendor):
        before, slash, _ = id.partition("/")
        try:
            found = LLMEngine.route(id)
        except UnknownModelError as exc:
            named = NAMED.findall(str(exc))
            assert named or not registry.is_provider(vendor), id
            for name, sent in named:  # what it says to write goes to who has it
                assert tables.row(tables.name_of(name), sent.lower()) is not None, (id, name)
                assert LLMEngine.route(f"{name}/{sent}")[:2] == (name, sent)
        else:
            if slash and before in NAMES:
                assert registry.key_of(found.provider) == registry.key_of(
                    {"mistralai": "mistral"}.get(before, before)
                ), id
            else:
                assert found.provider in (vendor, maker_of(id)), id
                assert found.model == id


@pytest.mark.parametrize("vendor", TO_NAME)
def test_a_makers_bare_ids_go_to_it(vendor: str) -> None:
    for id in tables.ids(vendor):
        if maker_of(id) in (vendor, None) and not id.startswith(TO_NAME[vendor] or "-"):
            assert LLMEngine.route(id).provider == vendor, id


def test_every_vendor_of_the_catalogue_has_a_class() -> None:
    assert list(tables.vendors()) == WITH_CLASS


def test_that_was_every_id_of_the_catalogue_in_both_forms() -> None:
    ids = sum(len(ids_of(vendor)) for vendor in tables.vendors())
    print(f"{ids} ids of {len(tables.vendors())} vendors, {2 * ids} strings")
    assert ids > 2000


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gemini-3.8-flash", "google"), ("gemma-4-31b-it", "google"), ("mistral-large-latest", "mistral"), ("codestral-latest", "mistral"),
        ("open-mixtral-8x22b", "mistral"), ("labs-devstral-small-2512", "mistral"), ("grok-4.7", "xai"), ("deepseek-v4-pro", "deepseek"),
        ("sonar-reasoning-pro", "perplexity"), ("glm-5.3", "zai"), ("gpt-audio", "openai"), ("command-a-03-2025", "cohere"), ("embed-v4.0", "cohere"), ("gpt-realtime-2", "openai"), ("gpt-image-2", "openai"),
    ],
)  # fmt: skip
def test_a_bare_id_that_a_user_writes(model: str, provider: str) -> None:
    assert LLMEngine.route(model)[:2] == (provider, model)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("gpt-oss-120b", 'Agent("groq/openai/gpt-oss-120b")'),
        ("minimax-m3", 'Agent("openrouter/minimax/minimax-m3")'),
        ("llama-3.3-70b-versatile", 'Agent("groq/llama-3.3-70b-versatile")'),
        ("mixtral-8x7b", 'Agent("mistral/mixtral-8x7b")'),
        ("c4ai-aya-expanse-32b", 'Agent("cohere/c4ai-aya-expanse-32b")'),
    ],
)  # fmt: skip
def test_an_id_of_the_catalogue_that_no_rule_knows_says_what_to_write(model: str, said: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        LLMEngine.route(model)
    assert said in str(caught.value)
    assert 'Agent("openai/' not in str(caught.value)


@pytest.mark.parametrize(
    "model", ["sonarqube", "commander-7b", "gpt-audiobook", "mistral-community/pixtral-12b", "glm-fans/glm-5"]
)
def test_a_makers_prefix_is_a_whole_word_of_a_bare_id(model: str) -> None:
    with pytest.raises(UnknownModelError):
        LLMEngine.route(model)
    LLMEngine.register_provider_rule(model[:5], "my-proxy", kind="startswith")  # one's own may be anything
    assert LLMEngine.route(model).provider == "my-proxy"


@pytest.mark.parametrize(
    ("model", "provider", "sent"),
    [
        ("openrouter/anthropic/claude-opus-5.5", "openrouter", "anthropic/claude-opus-5.5"),
        ("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("google/gemini-3.8-flash", "google", "gemini-3.8-flash"),
        ("together/meta-llama/Llama-3.3-70B-Instruct-Turbo", "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("huggingface/openai/gpt-oss-120b:groq", "huggingface", "openai/gpt-oss-120b:groq"),
        ("hf/openai/gpt-oss-120b:groq", "huggingface", "openai/gpt-oss-120b:groq"),
        ("azure/gpt-4o", "azure", "gpt-4o"),
        ("ollama/llama3.2:3b", "ollama", "llama3.2:3b"),
        ("lm-studio/qwen/qwen3-4b", "lm-studio", "qwen/qwen3-4b"),
        ("llama.cpp/any", "llamacpp", "any"),
        ("vllm/Qwen/Qwen3-8B", "vllm", "Qwen/Qwen3-8B"),
        ("litellm/anthropic/claude-x", "litellm", "anthropic/claude-x"),
        ("compatible/openai/gpt-oss-20b", "compatible", "openai/gpt-oss-20b"),
        ("x-ai/grok-4.3", "x-ai", "grok-4.3"),
        ("grok-4.3", "xai", "grok-4.3"),
        ("deepseek-flash", "deepseek", "deepseek-flash"),
        ("sonar-pro", "perplexity", "sonar-pro"),
        ("perplexity/kimi-k3", "perplexity", "perplexity/kimi-k3"),
        ("glm-5.3", "zai", "glm-5.3"),
        ("kimi-k3", "moonshot", "kimi-k3"),
        ("cohere/command-a", "cohere", "command-a"),
        ("openrouter/cohere/command-a", "openrouter", "cohere/command-a"),
        ("cohere", "cohere", None),
        ("fireworks/accounts/fireworks/models/glm-5p3", "fireworks", "accounts/fireworks/models/glm-5p3"),
        ("grok", "xai", None),
        ("deepseek", "deepseek", None),
        ("z.ai", "zai", None),
        ("kimi", "moonshot", None),
        ("fireworks-ai", "fireworks", None),
    ],
)
def test_where_a_compatible_model_goes(model: str, provider: str, sent: str | None) -> None:
    found = LLMEngine.route(model)
    assert (found.provider, found.model) == (provider, sent)
    assert registry.is_provider(found.provider)


@pytest.mark.parametrize(
    "model",
    [
        "deepseek-ai/DeepSeek-V3",
        "deepseek-r1-distill-llama-70b",
        "zai-org/GLM-4.6",
        "moonshotai/Kimi-K2-Instruct",
        "meta-llama/Llama-3",
    ],
)
def test_an_id_that_many_hosts_serve_goes_to_none_by_itself(model: str) -> None:
    with pytest.raises(UnknownModelError):
        LLMEngine.route(model)


# --- a distribution of someone else's ---------------------------------------------------------------------------------

MODULE = """
from lazybridge.core.providers.openai_compatible import OpenAICompatibleProvider

class NebulaProvider(OpenAICompatibleProvider):
    name, key_variable, url_variable = "nebula", "NEBULA_API_KEY", "NEBULA_BASE_URL"
    url, needs_key, default_model = "https://api.nebula.example/v1", True, "nebula-1"

not_a_class = 3
"""
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "lazybridge-nebula"
version = "1"
[project.entry-points."lazybridge.providers"]
nebula = "lazybridge_nebula:NebulaProvider"
nebula-broken = "lazybridge_nebula:Missing"
nebula-wrong = "lazybridge_nebula:not_a_class"
openai = "lazybridge_nebula:NebulaProvider"
"""


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real distribution, built and unpacked as an installer does it, in a directory of its own."""
    import zipfile

    from hatchling.builders.wheel import WheelBuilder

    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "lazybridge_nebula.py").write_text(MODULE)
    (wheel,) = WheelBuilder(str(source)).build(directory=str(source / "dist"), versions=["standard"])
    zipfile.ZipFile(wheel).extractall(site)
    return site


@pytest.fixture
def installed(distribution: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(distribution))
    monkeypatch.delitem(sys.modules, "lazybridge_nebula", raising=False)


@pytest.mark.usefixtures("installed")
def test_a_provider_of_another_distribution_is_found(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nebula" in registry.provider_names()
    assert "lazybridge_nebula" not in sys.modules  # nothing is imported to know its name
    with pytest.raises(ConfigurationError, match="NEBULA_API_KEY"):
        Agent("nebula")
    monkeypatch.setenv("NEBULA_API_KEY", "nebula-key")
    agent = Agent("nebula/nebula-2", base_url=f"{vendor.url}/v1")
    assert agent("hi").text() == TEXT
    assert vendor.bodies()[0]["model"] == "nebula-2"
    assert vendor.requests[0]["headers"]["authorization"] == "Bearer nebula-key"
    agent.close()


@pytest.mark.usefixtures("installed")
def test_it_takes_no_name_that_is_known_already() -> None:
    assert registry.provider_class("openai").__module__ == "lazybridge.core.providers.openai"


@pytest.mark.usefixtures("installed")
def test_one_that_cannot_be_loaded_is_said() -> None:
    with pytest.raises(ConfigurationError, match=r"lazybridge_nebula:Missing cannot be loaded"):
        registry.provider_class("nebula-broken")
    with pytest.raises(ConfigurationError, match="no subclass of BaseProvider"):
        registry.provider_class("nebula-wrong")


def test_it_is_gone_with_its_distribution() -> None:
    with pytest.raises(ConfigurationError, match="no provider is called 'nebula'"):
        registry.provider_class("nebula")


def test_installed_distributions_are_read_for_unknown_names_alone() -> None:
    code = (
        "import sys; from lazybridge import Agent; Agent('gpt-6-luna', api_key='k'); Agent('ollama/x');"
        "print('importlib.metadata' in sys.modules and bool(sys.modules['lazybridge.core.registry']._installed.cache_info().misses))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n", done.stderr
