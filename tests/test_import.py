"""What `import lazybridge` does, and above all what it does not."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lazybridge

HEAVY = (
    "openai",
    "anthropic",
    "groq",
    "mistralai",
    "google.genai",
    "fal_client",
    "xllamacpp",
    "llama_cpp",
    "mistralrs",
    "candle",
    "tokenizers",
    "pydantic",
    "httpx",
    "httpx2",
    "aiohttp",
    "asyncio",
    "click",
    "rich",
)


def modules_after(code: str) -> set[str]:
    check = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_loads_nothing_heavy() -> None:
    assert not modules_after("import lazybridge").intersection(HEAVY)


def test_importing_the_agent_loads_no_sdk_and_no_pydantic() -> None:
    loaded = modules_after("from lazybridge import Agent, LLMEngine, Tool, Envelope, CompletionRequest")
    assert not loaded.intersection({*HEAVY, "sqlite3", "genai_prices", "tiktoken"} - {"asyncio"})


def test_building_an_agent_loads_no_sdk() -> None:
    loaded = modules_after(
        "from lazybridge import Agent\nAgent('gpt-6-luna', api_key='k')\nAgent('claude-haiku-5-5', api_key='k')\n"
        "Agent('groq', api_key='k')\nAgent('fal', api_key='k')"
    )
    assert not loaded.intersection(("openai", "anthropic", "groq", "pydantic", "httpx", "httpx2"))


def test_importing_opens_no_socket() -> None:
    code = "import sys\nsys.addaudithook(lambda event, args: event.startswith('socket.') and sys.exit(event))\nimport lazybridge\nfrom lazybridge import Agent"
    assert subprocess.run([sys.executable, "-c", code], check=True).returncode == 0


ALIASES = {"ChatMessage": "Message", "ModelResponse": "CompletionResponse"}


def test_every_public_name_is_there_and_sorted() -> None:
    assert lazybridge.__all__ == sorted(lazybridge.__all__)
    for name in lazybridge.__all__:
        assert getattr(lazybridge, name).__name__ == ALIASES.get(name, name)
    assert set(lazybridge.__all__) <= set(dir(lazybridge))
    with pytest.raises(AttributeError, match="no attribute 'Agnt'"):
        lazybridge.Agnt  # type: ignore[attr-defined]


def test_type_checkers_see_the_same_names_from_the_same_homes() -> None:
    stub = Path(lazybridge.__file__).with_suffix(".pyi").read_text()
    found = dict(re.findall(r"^from (?:\S+) import (\w+) as (\w+)$", stub, re.M))
    assert found == {name: name for name in lazybridge.__all__}
    for module, name in re.findall(r"^from (\S+) import (\w+) as", stub, re.M):
        assert getattr(importlib.import_module(module), name) is getattr(lazybridge, name)
