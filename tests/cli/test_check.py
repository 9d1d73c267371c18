"""check: model ids in source files, as of a frozen day."""

from __future__ import annotations

import json
import time
from datetime import date

import pytest

from lazybridge.cli.scan import Scanner
from lazybridge.core import catalogue
from lazybridge.core.catalogue import ModelProfile, lifecycle

DAY = date(2026, 11, 22)
pytestmark = pytest.mark.usefixtures("frozen")


def found_in(text, path="app.txt"):
    return [(finding.line, finding.model, finding.status) for finding in Scanner(DAY).scan_text(text, path)]


def models_in(text, path="app.txt"):
    return [model for _, model, _ in found_in(text, path)]


# --- the command -----------------------------------------------------------------------------------------------------


def test_retired_retiring_and_unknown(invoke, tmp_path):
    source = tmp_path / "app.py"
    source.write_text(
        "from lazybridge import Agent\n"
        'Agent("claude-sonnet-4-5")\n'
        'Agent("claude-opus-4-1-20250805")\n'
        'Agent("claude-sonet-5-5")\n'
        'Agent("claude-haiku-5-5")\n'
    )
    opus = catalogue.profile("anthropic", "claude-opus-4-1")
    done = invoke("check", str(tmp_path))
    assert done.exit_code == 1
    retiring, retired, unknown = done.stdout.splitlines()
    assert retiring == f"{source}:2: claude-sonnet-4-5 retires on 2026-11-30, use claude-sonnet-5-5"
    assert retired == f"{source}:3: {lifecycle.notice(opus, DAY, name='claude-opus-4-1-20250805')}"
    assert unknown.startswith(f"{source}:4: claude-sonet-5-5 is no known model; did you mean 'claude-sonnet-5-5' or ")
    assert "claude-sonnet-4-5" not in unknown  # retires itself
    assert done.stderr == "lazybridge: 1 file: 1 retired, 1 retiring within 60 days, 1 unknown\n"


def test_as_json(invoke, tmp_path):
    source = tmp_path / "settings.toml"
    source.write_text('model = "claude-sonnet-4-5"\nother = "gpt-9-nova"\n')
    done = invoke("check", str(source), "--json")
    report = json.loads(done.stdout)
    assert (done.exit_code, done.stderr) == (1, "")
    assert (report["schema_version"], report["ok"], report["on"], report["days"], report["files"]) == (
        1, False, "2026-11-22", 60, 1,
    )  # fmt: skip
    assert report["findings"][0] == {
        "file": str(source),
        "line": 1,
        "model": "claude-sonnet-4-5",
        "status": "retiring",
        "message": "claude-sonnet-4-5 retires on 2026-11-30, use claude-sonnet-5-5",
        "provider": "anthropic",
        "retires": "2026-11-30",
        "days_left": 8,
        "replacement": "claude-sonnet-5-5",
    }
    assert (report["findings"][1]["status"], report["findings"][1]["retires"]) == ("unknown", None)


def test_what_is_unknown_is_no_failure(invoke, tmp_path):
    (tmp_path / "app.py").write_text('MODEL = "gpt-9-nova"\n')
    done = invoke("check", str(tmp_path))
    assert (done.exit_code, done.stdout.count("is no known model")) == (0, 1)


def test_days(invoke, frozen, tmp_path):
    (tmp_path / "app.py").write_text('MODEL = "claude-sonnet-4-5"\n')

    def code(*arguments):
        return invoke("check", str(tmp_path), *arguments).exit_code

    assert [code("--days", days) for days in ("0", "7", "8")] == [0, 0, 1]
    frozen("2026-09-30")
    assert [code(), code("--days", "61")] == [0, 1]
    frozen("2026-10-01")
    assert code() == 1
    frozen("2026-11-30")
    assert code("--days", "0") == 1
    frozen("2026-12-01")
    assert code("--days", "0") == 1


def test_a_process_of_its_own_and_a_clean_tree(lazybridge, tmp_path):
    (tmp_path / "app.py").write_text('Agent("claude-haiku-5-5")\n')
    done = lazybridge("check", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "lazybridge: 1 file: 0 retired, 0 retiring within 60 days, 0 unknown\n"


def test_a_path_that_is_not_there(lazybridge, tmp_path):
    done = lazybridge("check", str(tmp_path / "absent"))
    assert (done.returncode, done.stdout) == (2, "")
    assert lazybridge("check").returncode == 2


def test_which_files_are_read(invoke, tmp_path):
    read = ["app.py", "notes.ipynb", "web/app.ts", ".env", ".env.local", "Dockerfile", "go/main.go", "ci.yaml"]
    skipped = [
        ".git/config.toml", ".venv/a.py", "node_modules/x/index.js", "build/a.py", "dist/a.py", "my_env/lib/a.py",
        "__pycache__/a.py", "x.egg-info/a.txt", "picture.png",
    ]  # fmt: skip
    for name in (*read, *skipped):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('x = "claude-sonnet-4-5"\n')
    (tmp_path / "my_env" / "pyvenv.cfg").write_text("")
    (tmp_path / "binary.py").write_bytes(b'\0"claude-sonnet-4-5"')
    (tmp_path / "large.json").write_text('"claude-sonnet-4-5"' + " " * 2_000_000)
    report = json.loads(invoke("check", str(tmp_path), "--json").stdout)
    assert {finding["file"] for finding in report["findings"]} == {str(tmp_path / name) for name in read}
    named = json.loads(invoke("check", str(tmp_path / "picture.png"), str(tmp_path / ".venv"), "--json").stdout)
    assert len(named["findings"]) == 2


# --- Python ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        'Agent("claude-sonnet-4-5")',
        "Agent('claude-sonnet-4-5-20250929')",
        'Agent("anthropic/claude-sonnet-4-5")',
        'Agent("anthropic:claude-sonnet-4-5")',
        'Agent(f"{vendor}/claude-sonnet-4-5")',
        'Agent(f"anthropic/claude-sonnet-4-5")',
        'text = """\nmodel: claude-sonnet-4-5\n"""',
        'command = "lazybridge -m claude-sonnet-4-5 hi"',
        "MODELS = {'o1': 1}",
    ],
)
def test_python_strings(code):
    assert len(found_in(code, "app.py")) == 1


@pytest.mark.parametrize(
    "code",
    [
        "# claude-sonnet-4-5 was slower",
        'x = 1  # "claude-sonnet-4-5"',
        'Agent("claude-sonnet-4-5")  # lazybridge: ignore',
        'model.startswith("gpt-4")',
        'f"gpt-4{suffix}"',
        '"my-gpt-4-fork"',
        '"docs/gpt-4.md"',
        '"gpt-4-"',
        '"GPT-4"',
        '"https://example.org/models/gpt-4"',
        '"use o1 now"',
        '"sonar"',
        '"claude-haiku-5-5"',
    ],
)
def test_python_without_findings(code):
    assert found_in(code, "app.py") == []


def test_the_line_of_a_long_string():
    code = 'a = 1\ntext = """\nfirst\n  model: claude-sonnet-4-5\n\n  model: claude-sonnet-4-5  # lazybridge: ignore\n"""\n'
    assert found_in(code, "app.py") == [(4, "claude-sonnet-4-5", "retiring")]


def test_once_for_each_line():
    assert len(found_in('("gpt-4", "gpt-4")\n("gpt-4",)\n', "app.py")) == 2


def test_python_that_does_not_parse():
    assert models_in('print "gpt-4"\n)))\n"""', "app.py") == ["gpt-4"]


# --- other text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("model: claude-sonnet-4-5\n", "claude-sonnet-4-5"),
        ("MODEL=claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("model: o1  # small\n", "o1"),
        ('{"model": "gpt-4"}', "gpt-4"),
        ('"source": ["Agent(\\"gpt-4\\")\\n"]', "gpt-4"),
        ('"source": ["x\\ngpt-4-turbo is"]', "gpt-4-turbo"),
        ("Use `gpt-4`, or **gpt-4-turbo**.", "gpt-4"),
        ("<code>gpt-4-turbo</code>", "gpt-4-turbo"),
        ("const m = 'openai/gpt-4' // c", "openai/gpt-4"),
        ("const m = `${vendor}/gpt-4`", "gpt-4"),
        ("models/gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("groq/llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
        ("claude-opus-4-1@20250805", "claude-opus-4-1@20250805"),
    ],
)
def test_text(text, model):
    assert models_in(text)[0] == model


@pytest.mark.parametrize(
    "text",
    ["o1 and o3", "`sonar`", "a/gpt-4/b", "gpt-4.md", "gpt-4*", "xgpt-4", "gpt_4", "gpt-4 // lazybridge: ignore", "azure/gpt-4-mine"],
)  # fmt: skip
def test_text_without_findings(text):
    assert found_in(text) == []


@pytest.mark.parametrize(
    "id",
    ["gpt-9", "gpt-9-nova", "gpt-5-minni", "claude-sonet-5-5", "claude-opus-9", "claude-9-sonnet", "gemini-9-pro", "o9-mini", "mistral-large-9999", "openai/gpt-9-nova", "gpt-9-2027-01-01"],
)  # fmt: skip
def test_unknown_ids(id):
    assert found_in(f'"{id}"') == [(1, id, "unknown")]
    assert found_in(f"model: {id}") == [(1, id, "unknown")]
    assert found_in(f"a {id} in prose") == []


@pytest.mark.parametrize(
    "id",
    [
        "claude-code", "claude-code-2", "claude-code-20250219", "claude-cli", "gpt-index", "gpt-3-encoder", "gpt-engineer",
        "gemini-cli", "gemini-2.5.json", "o9", "mistral-7b-instruct", "gpt-4-like", "gpt-neox-20b", "gpt-9-transcribe",
        "azure/gpt-9", "claude-sonnet", "gpt-9.2.1", "Qwen/Qwen3-32B", "ft:gpt-4o-mini:acme::x",
    ],
)  # fmt: skip
def test_words_that_are_no_ids(id):
    assert found_in(f'"{id}"') == []


def test_a_host_counts_only_under_its_name_where_others_still_serve_the_model():
    assert catalogue.profile("groq", "qwen/qwen3-32b").retires
    assert catalogue.profile("openrouter", "qwen/qwen3-32b").known
    assert models_in('"qwen/qwen3-32b"') == []
    assert models_in('"groq/qwen/qwen3-32b"') == ["groq/qwen/qwen3-32b"]


def test_every_row_with_a_date_is_found_under_every_name():
    scanner = Scanner(date(2100, 1, 1))
    for vendor in ("openai", "anthropic", "google", "mistral", "groq", "cerebras", "deepseek", "xai"):
        for row in catalogue.rows(vendor).values():
            for id in (row.id, *row.aliases) if row.retires else ():
                assert [found.status for found in scanner.scan_text(f'"{vendor}/{id}"', "a.txt")] == ["retired"], id


@pytest.mark.parametrize(("id", "count"), [("gpt-haystack", 0), ("gpt-4", 20_000)])
def test_a_large_file_is_quick(id, count):
    text = f'value = compute("alpha", "beta-2", other=["{id}", 3])  # a line like any other\n' * 20_000
    started = time.perf_counter()
    assert len(found_in(text)) == count
    assert time.perf_counter() - started < 3


# --- lifecycle -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "left", "said"),
    [
        ("2026-09-30", 61, None),
        ("2026-10-01", 60, "m retires on 2026-11-30, use n"),
        ("2026-11-30", 0, "m retires on 2026-11-30, use n"),
        ("2026-12-01", -1, "m retired on 2026-11-30, use n"),
    ],
)
def test_days_left(on, left, said):
    profile = ModelProfile("m", retires=date(2026, 11, 30), replacement="n")
    day = date.fromisoformat(on)
    assert lifecycle.days_left(profile, day) == left
    assert lifecycle.notice(profile, day) == said
    assert (lifecycle.is_retired(profile, day), lifecycle.is_retiring(profile, day)) == (left < 0, 0 <= left <= 60)


def test_a_model_without_an_end():
    profile = ModelProfile("m")
    assert lifecycle.days_left(profile, DAY) is None
    assert lifecycle.notice(profile, DAY) is None
    assert lifecycle.notice(ModelProfile("m", retires=DAY), DAY, name="mine") == "mine retires on 2026-11-22"
    assert not lifecycle.is_retired(profile, DAY)
