"""doctor, pull, completion and help."""

import json
import sys
from pathlib import Path

import pytest

import lazybridge as package
from lazybridge.cli import app, inputs
from lazybridge.core import registry
from lazybridge.core.catalogue import tables
from lazybridge.core.providers.local import weights
from lazybridge.testing import ScriptedProvider

from .conftest import KEY

SDKS = ("openai", "anthropic", "groq", "httpx", "httpx2", "pydantic", "xllamacpp")


def test_doctor_without_anything(lazybridge):
    done = lazybridge("doctor")
    assert (done.returncode, done.stderr) == (1, "")
    assert f"lazybridge {package.__version__}, Python {sys.version.split()[0]}" in done.stdout
    assert "OPENAI_API_KEY is not set" in done.stdout
    assert "lazybridge pull" in done.stdout
    assert "Agent() without a model: using the local model, because " in done.stdout


def test_doctor_with_a_key(lazybridge):
    environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"https://me:{KEY}@models.example:8443/v1/{KEY}"}
    done = lazybridge("doctor", "--json", **environment)
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["schema_version"], report["ok"]) == (0, "", 1, True)
    assert report["default"] == {"provider": "openai", "why": "using openai, because OPENAI_API_KEY is set"}
    rows = {row["provider"]: row for row in report["providers"]}
    assert (rows["openai"]["usable"], rows["openai"]["key_set"]) == (True, True)
    assert rows["openai"]["url_host"] == "models.example:8443"
    assert (rows["anthropic"]["usable"], rows["anthropic"]["key_set"]) == (False, False)
    assert rows["anthropic"]["problem"].startswith("AnthropicProvider has no API key")
    assert rows["local"]["sdk"] == "xllamacpp"
    assert "host models.example:8443" in lazybridge("doctor", **environment).stdout


def test_doctor_says_what_a_users_class_raises_and_goes_on(invoke):
    class Fussy(ScriptedProvider):
        def __init__(self, region):
            super().__init__([region])

    done = invoke("doctor")
    assert "fussy: not usable\n  problem   Fussy() raises TypeError: " in done.stdout
    assert "openai: not usable" in done.stdout


def test_doctor_takes_the_other_variable_of_a_key(lazybridge):
    report = json.loads(lazybridge("doctor", "--json", GEMINI_API_KEY=KEY, OPENROUTER_API_KEY=KEY).stdout)
    assert report["default"] == {"provider": "google", "why": "using google, because GEMINI_API_KEY is set"}
    row = next(row for row in report["providers"] if row["provider"] == "google")
    assert (row["key_variable"], row["key_set"], row["usable"]) == ("GEMINI_API_KEY", True, True)


def test_doctor_sees_the_local_model(lazybridge, tmp_path):
    model = tmp_path / "tiny.gguf"
    model.write_bytes(b"GGUF")
    found = json.loads(lazybridge("doctor", "--json", LAZYBRIDGE_MODEL=str(model)).stdout)
    local = next(row for row in found["providers"] if row["provider"] == "local")
    assert (local["model_file"], local["usable"]) == (str(model), True)
    absent = lazybridge("doctor", LAZYBRIDGE_MODEL=str(tmp_path / "absent.gguf"))
    assert absent.returncode == 1
    assert "LAZYBRIDGE_MODEL names no file" in absent.stdout


def test_pull_prints_the_path(invoke, monkeypatch):
    asked: list[bool] = []
    monkeypatch.setattr(weights, "pull", lambda force=False: asked.append(force) or Path("/cache/model.gguf"))
    assert invoke("pull").stdout == f"{Path('/cache/model.gguf')}\n"
    assert invoke("pull", "--force").exit_code == 0
    assert asked == [False, True]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(invoke, shell):
    done = invoke("completion", shell)
    assert done.exit_code == 0
    assert "_LAZYBRIDGE_COMPLETE" in done.stdout


def test_completion_knows_commands_options_and_models(lazybridge):
    def complete(words: str) -> str:
        count = str(len(words.split()) - (not words.endswith(" ")))
        return lazybridge(_LAZYBRIDGE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=count).stdout

    assert "plain,doctor" in complete("lazybridge do")
    assert "plain,--schema" in complete("lazybridge --sch")
    assert "plain,--schema" in complete("lazybridge hi --sch")
    assert "plain,claude-haiku-5-5" in complete("lazybridge -m claude-h")
    assert "plain,gpt-6-luna" in complete("lazybridge which gpt-6-l")
    assert "plain,gpt-6-luna" in complete("lazybridge price gpt-6-l")


def test_completion_reads_only_the_tables_of_providers_with_a_class(monkeypatch):
    read: list[str] = []
    monkeypatch.setattr(tables, "ids", lambda vendor: read.append(vendor) or [])
    monkeypatch.setattr(tables, "row", None)
    assert inputs.model_ids(None, None, "") == []
    assert read == registry.provider_names()


def test_no_arguments_on_a_terminal_show_the_help(invoke, monkeypatch):
    monkeypatch.setattr(inputs, "stdin_is_terminal", lambda: True)
    done = invoke()
    assert done.exit_code == 0
    assert done.stdout == invoke("--help").stdout == invoke("-h").stdout
    assert "--schema" in done.stdout
    assert "Exit codes:" in done.stdout


def test_version(lazybridge):
    assert lazybridge("--version").stdout == f"lazybridge {package.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("which", "gpt-6-luna"), ("price", "gpt-6-luna"), ("models",), ("doctor",), ("--version",)],
)
def test_no_sdk_is_imported(lazybridge, arguments):
    done = lazybridge(*arguments, PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "click" in imported
    assert not imported.intersection(SDKS)


def test_every_exit_code_and_key_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
    from lazybridge.cli.exits import Exit
    from lazybridge.cli.record import record

    assert all(f"| {int(code)} |" in page for code in Exit)
    assert all(f"`{key}`" in page for key in record(None, None, with_payload=False))
    prompt = app.cli.commands["prompt"]
    assert all(f"`{option}`" in page for item in prompt.params for option in item.opts if option.startswith("--"))
