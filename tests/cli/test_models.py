"""models: what the catalogue knows, as a table."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from lazybridge.cli import models
from lazybridge.core import catalogue, registry
from lazybridge.core.catalogue import tables

pytestmark = pytest.mark.usefixtures("frozen")


def listed(invoke, *arguments):
    done = invoke("models", *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["models"]


def test_the_table_when_piped(lazybridge):
    done = lazybridge("models")
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = (line.split() for line in done.stdout.splitlines())
    assert head == ["model", "provider", "tiers", "in_$/M", "cached_$/M", "out_$/M", "context", "max_output", "senses", "retires"]  # fmt: skip
    assert all(len(row) == len(head) for row in rows)
    haiku = next(row for row in rows if row[0] == "claude-haiku-5-5")
    assert haiku[1:] == ["anthropic", "cheap,super_cheap", "0.10", "0.01", "0.50", "1,000,000", "128,000", "vision,documents", "-"]  # fmt: skip
    assert "\x1b" not in done.stdout


def test_providers_with_a_class_and_every_row_of_theirs(invoke):
    found = listed(invoke)
    assert {row["provider"] for row in found} >= {"anthropic", "openai", "local"}
    assert {row["model"] for row in found if row["provider"] == "openai"} >= set(catalogue.rows("openai"))
    local = [row for row in found if row["provider"] == "local"]
    assert [row["price"]["input"] for row in local] == [0.0]


def test_the_retired_stand_last_and_the_newest_first(invoke, frozen):
    names = [row["model"] for row in listed(invoke, "--provider", "anthropic")]
    assert names.index("claude-opus-5-5") < names.index("claude-opus-5") < names.index("claude-opus-4-8")
    assert names.index("claude-sonnet-4-5") < names.index("claude-opus-4-1")
    frozen("2026-12-01")
    later = [row["model"] for row in listed(invoke, "--provider", "anthropic")]
    assert later.index("claude-sonnet-4-5") > later.index("claude-3-haiku")


def test_any_vendor_with_a_table(invoke):
    for vendor in tables.vendors():
        assert {row["provider"] for row in listed(invoke, "--provider", vendor)} == {vendor}
    assert listed(invoke, "--provider", "Gemini") == listed(invoke, "--provider", "google")


def test_what_a_tier_points_to(invoke):
    found = {row["provider"]: row["model"] for row in listed(invoke, "--tier", "cheap")}
    assert found["anthropic"] == "claude-haiku-5-5"
    assert found["openai"] == registry.provider_class("openai").resolve_tier("cheap")
    assert [row["model"] for row in listed(invoke, "--tier", "cheap", "--provider", "claude")] == ["claude-haiku-5-5"]


def test_unknown_is_not_yes(invoke):
    found = listed(invoke, "--needs", "vision,tools", "--needs", "thinking")
    assert found
    assert all(row["vision"] is True and row["tools"] is True for row in found)
    assert {"never", None}.isdisjoint({row["thinking"] for row in found})
    assert "SmolLM2-135M-Instruct" not in {row["model"] for row in found}
    assert listed(invoke, "--needs", "structured-output", "--provider", "anthropic")


def test_nothing_fits(lazybridge):
    done = lazybridge("models", "--provider", "local", "--needs", "vision")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "lazybridge: no such model is known\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--provider", "gogle"), "no provider is called 'gogle'; did you mean 'google'?"),
        (("--tier", "chep"), "no tier is called 'chep'; did you mean 'cheap'"),
        (("--needs", "tools,vison"), "no ability is called 'vison'; did you mean 'vision'?"),
        (("--needs", "wings"), "known: vision, tools, audio, documents, thinking, structured_output"),
    ],
)
def test_wrong_usage(lazybridge, arguments, said):
    done = lazybridge("models", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_table_on_a_terminal(lazybridge):
    import pty

    ours, theirs = pty.openpty()
    environment = {**lazybridge.environment, "COLUMNS": "160", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "lazybridge.cli", "models", "--tier", "cheap"]
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    assert process.returncode == 0
    assert b"claude-haiku-5-5" in shown
    assert "─".encode() in shown


def test_versions_are_numbers():
    ids = ["claude-opus-5", "claude-opus-4-8", "claude-opus-10", "claude-opus-5-5", "mistral-large-2512", "sonar"]
    assert sorted(ids, key=models._age) == [
        "claude-opus-10", "claude-opus-5-5", "claude-opus-5", "claude-opus-4-8", "mistral-large-2512", "sonar",
    ]  # fmt: skip
    assert models._age("gpt-4o-2024-05-13")[0] == models._age("gpt-4o")[0]


# --- the files of this machine ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, model_file):
    """A real model, one that the gguf package wrote, and one that is none."""
    import gguf

    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "smol.gguf").symlink_to(model_file)
    writer = gguf.GGUFWriter(tmp_path / "bare.gguf", "qwen3")
    writer.add_context_length(40960)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    (tmp_path / "poem.gguf").write_text("I am a poem.")
    (tmp_path / "notes.txt").write_text("GGUF")
    return tmp_path


def test_what_the_files_of_a_folder_say(invoke, folder):
    done = invoke("models", "--local", str(folder))
    assert done.exit_code == 0
    head, bare, smol = done.stdout.splitlines()
    assert head.split() == ["file", "size_MB", "context", "quantisation", "architecture", "template", "licence", "name"]
    assert bare.split() == [str(folder / "bare.gguf"), "0", "40,960", "Q4_K_M", "qwen3", "no", "?", "?"]
    assert smol.split()[1:7] == ["98", "8,192", "Q4_1", "llama", "yes", "apache-2.0"]
    assert smol.endswith("Smollm2 135M 8k Lc100K Mix1 Ep2")
    assert "poem.gguf' is not a GGUF file that can be read" in done.stderr


def test_one_file_as_json(invoke, model_file):
    done = invoke("models", "--local", str(model_file), "--json")
    (file,) = json.loads(done.stdout)["files"]
    assert file == {
        "path": str(model_file),
        "size_bytes": model_file.stat().st_size,
        "name": "Smollm2 135M 8k Lc100K Mix1 Ep2",
        "architecture": "llama",
        "quantisation": "Q4_1",
        "context_window": 8192,
        "chat_template": True,
        "licence": "apache-2.0",
    }


def test_the_file_that_the_local_provider_uses(invoke, model_file, monkeypatch):
    monkeypatch.setenv("LAZYBRIDGE_MODEL", str(model_file))
    done = invoke("models", "--local")
    assert done.stdout.splitlines()[1].split()[0] == str(model_file)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--local", "/no/such"), 2, "there is no file or folder '/no/such'"),
        (("--local", "{folder}/poem.gguf"), 2, "poem.gguf' is not a GGUF file that can be read"),
        (("--local", "--tier", "cheap"), 2, "--local lists files"),
    ],
)
def test_files_that_cannot_be_listed(lazybridge, folder, arguments, code, said):
    done = lazybridge("models", *(word.format(folder=folder) for word in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
