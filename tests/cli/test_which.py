"""which: where a model goes, and what is known of it."""

from __future__ import annotations

import json
from datetime import date

import pytest

from lazybridge import LLMEngine
from lazybridge.core.catalogue import registered

from .conftest import KEY

pytestmark = pytest.mark.usefixtures("frozen")


def rows_of(done):
    return dict(line.split(None, 1) for line in done.stdout.splitlines() if line[0] != " ")


def test_where_a_model_goes_and_what_it_costs(invoke):
    done = invoke("which", "claude-haiku-5-5")
    assert done.exit_code == 0
    rows = rows_of(done)
    assert rows["provider"] == "anthropic (rule startswith 'claude-')"
    assert rows["class"] == "lazybridge.core.providers.anthropic.AnthropicProvider"
    assert rows["package"].startswith("anthropic ")
    assert rows["key"] == "ANTHROPIC_API_KEY is not set"
    assert rows["tiers"] == "cheap, super_cheap"
    assert rows["price"].startswith("$0.10 in, $0.01 cached in, $0.50 out, $0.125 cache write, $0.20 cache write for 1 h, per million tokens")  # fmt: skip
    assert rows["price"].endswith("; $10.00 per thousand web searches")
    assert "          above 100,000 input tokens: $0.50 in, $0.05 cached in, $2.50 out, " in done.stdout
    assert "          batch: $0.05 in, $0.005 cached in, $0.25 out, " in done.stdout
    assert "source: genai-prices" in done.stdout
    assert rows["senses"] == "images yes, audio no, documents yes"
    assert rows["retires"] == "no date is known"


def test_as_json(invoke, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    done = invoke("which", "gpt", "--json")
    found = json.loads(done.stdout)
    assert KEY not in done.output
    assert (found["schema_version"], found["model"], found["provider"]) == (1, "gpt-6.1-terra", "openai")
    assert (found["rule"], found["key_variable"], found["key_set"]) == ("alias 'gpt'", "OPENAI_API_KEY", True)
    assert found["price"]["source"]
    assert found["price"]["as_of"]
    assert found["price"]["long_context"][0]["above"] == 272_000
    assert found["service_tiers"]["batch"]["input"] == found["price"]["input"] / 2
    assert found["tiers"] == ["medium"]
    assert found["tools"] is True
    assert found["retires"] is None


def test_a_model_without_a_row(invoke):
    found = json.loads(invoke("which", "openai/my-own", "--json").stdout)
    assert (found["model"], found["price"], found["context_window"], found["tiers"]) == ("my-own", None, None, [])
    assert found["vision"] is None
    rows = rows_of(invoke("which", "openai/my-own"))
    assert (rows["price"], rows["senses"]) == ("unknown", "images unknown, audio unknown, documents unknown")


def test_the_local_model(invoke):
    assert json.loads(invoke("which", "local", "--json").stdout)["price"]["output"] == 0.0
    assert "free" in invoke("which", "local").stdout


def test_an_unknown_model(lazybridge):
    done = lazybridge("which", "clawde-haiku")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: no rule knows the model 'clawde-haiku'")


@pytest.mark.parametrize("model", ["google/gemini-4-argon", "gemini-4-argon"])
def test_a_vendor_with_prices_and_no_class(invoke, monkeypatch, model):
    monkeypatch.setattr(LLMEngine, "_PROVIDER_RULES", [])
    monkeypatch.setattr(LLMEngine, "_PROVIDER_ALIASES", {})
    monkeypatch.setattr("lazybridge.core.registry.is_provider", lambda name: name in ("anthropic", "openai", "local"))
    done = invoke("which", model)
    rows = rows_of(done)
    assert (done.exit_code, rows["model"]) == (0, "gemini-4-argon")
    assert rows["provider"] == "google, of which lazybridge has prices but no provider class"
    assert rows["price"].startswith("$2.00 in, $0.10 cached in, $10.00 out")
    assert "          from 2026-12-01: $4.00 in, $0.20 cached in, $20.00 out" in done.stdout
    found = json.loads(invoke("which", model, "--json").stdout)
    assert (found["provider"], found["class"], found["rule"], found["key_set"]) == ("google", None, None, None)
    assert [change["since"] for change in found["price"]["changes"]] == ["2026-12-01"]


def test_a_dated_change_is_the_price_once_its_day_has_come(invoke, frozen):
    frozen("2026-12-01")
    done = invoke("which", "google/gemini-4-argon")
    assert rows_of(done)["price"].startswith("$4.00 in")
    assert "from 2026-12-01" not in done.stdout


def test_an_id_that_a_vendor_does_not_serve(invoke):
    rows = rows_of(invoke("which", "gpt-oss-120b"))
    assert (
        rows["provider"]
        == "none, no rule knows this id; write cerebras/gpt-oss-120b or fireworks/accounts/fireworks/models/gpt-oss-120b or groq/openai/gpt-oss-120b or openrouter/openai/gpt-oss-120b"
    )
    assert rows["price"].startswith("unknown: open weights")


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2026-11-22", "2026-11-30, in 8 days; use claude-sonnet-5-5"),
        ("2026-11-29", "2026-11-30, in 1 day; use claude-sonnet-5-5"),
        ("2026-11-30", "2026-11-30, today; use claude-sonnet-5-5"),
        ("2026-12-02", "2026-11-30, 2 days ago; use claude-sonnet-5-5"),
    ],
)
def test_the_end_of_a_model(invoke, frozen, day, said):
    frozen(day)
    rows = rows_of(invoke("which", "claude-sonnet-4-5-20250929"))
    assert (rows["model"], rows["row"]) == ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5")
    assert rows["retires"] == said


def test_hours_and_a_price_to_come(invoke, monkeypatch):
    assert (
        "          Monday to Friday 01:00 to 04:00 UTC: $0.30 in" in invoke("which", "deepseek/deepseek-flash").stdout
    )
    monkeypatch.setattr(registered, "_prices", {})
    registered.register_price("my-own", provider="openai", input=1, output=2, since=date(2027, 1, 1))
    done = invoke("which", "openai/my-own")
    assert rows_of(done)["price"] == "from 2027-01-01: $1.00 in, $2.00 out, per million tokens"
    found = json.loads(invoke("which", "openai/my-own", "--json").stdout)
    assert (found["price"]["input"], found["price"]["changes"][0]["input"]) == (None, 1.0)
