"""lock: what the tiers mean today, pinned."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_it_writes_says_what_changed_and_is_idempotent(invoke, tmp_path):
    first = invoke("lock")
    assert first.exit_code == 0
    assert "anthropic cheap: nothing -> claude-haiku-5-5 ($0.1 in, $0.5 out)" in first.stdout
    tiers = json.loads((tmp_path / "lazybridge.lock").read_text())["tiers"]
    assert tiers["openai"]["top"] == {"model": "gpt-6-astra", "input": "10", "output": "50"}
    assert tiers["anthropic"]["default"]["model"] == "claude-sonnet-5-5"
    again = invoke("lock", "--diff")
    assert (again.exit_code, again.stdout) == (0, "lazybridge.lock is up to date\n")


def test_a_difference_is_shown_and_left_until_it_is_written(invoke, tmp_path):
    invoke("lock")
    path = tmp_path / "lazybridge.lock"
    path.write_text(path.read_text().replace("claude-haiku-5-5", "claude-haiku-4-5"))
    shown = invoke("lock", "--diff")
    assert shown.exit_code == 1
    assert "anthropic cheap: claude-haiku-4-5 ($0.1 in, $0.5 out) -> claude-haiku-5-5" in shown.stdout
    assert "claude-haiku-4-5" in path.read_text()
    assert invoke("lock").exit_code == 0
    assert "claude-haiku-4-5" not in path.read_text()


def test_a_damaged_file_is_written_anew(invoke, tmp_path):
    path = tmp_path / "lazybridge.lock"
    path.write_text('{"tiers": ')
    done = invoke("lock")
    assert done.exit_code == 0
    assert "is no lock file" in done.stderr
    assert json.loads(path.read_text())["tiers"]


def test_a_directory_that_is_not_there_is_said_before_anything_else(invoke):
    done = invoke("lock", "--file", "nowhere/x.lock")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no directory is called 'nowhere'" in done.stderr
