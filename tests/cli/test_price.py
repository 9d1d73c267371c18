"""price: what a model costs, and the receipt of typed token counts."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

import lazybridge as package
from lazybridge.core.types import UsageStats

pytestmark = pytest.mark.usefixtures("frozen")


def test_the_receipt_is_the_librarys_own(invoke):
    usage = UsageStats(input_tokens=1204, cached_input_tokens=1000, output_tokens=310, web_searches=2)
    done = invoke("price", "claude-haiku-5-5", "--in", "1204", "--cached", "1000", "--out", "310", "--searches", "2")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"{package.price('claude-haiku-5-5', usage)}\n"
    # 204 x 0.10 + 1,000 x 0.01 + 310 x 0.50 per million, and 2 x 10 per thousand
    assert done.stdout.splitlines()[-1].split() == ["total", "$0.0201854", "exact"]


def test_the_receipt_as_json(invoke):
    done = invoke(
        "price", "claude-haiku-5-5", "--in", "1000", "--cache-write-1h", "400", "--cache-write", "600", "--out", "10",
        "--thinking", "4", "--json",
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["schema_version"], found["model"], found["provider"]) == (1, "claude-haiku-5-5", "anthropic")
    assert (found["status"], found["reasons"]) == ("exact", [])
    assert [(line["unit"], line["quantity"]) for line in found["lines"]] == [
        ("input_tokens", 400), ("cache_write_tokens", 200), ("cache_write_1h_tokens", 400), ("output_tokens", 10),
    ]  # fmt: skip
    assert sum(Decimal(str(line["amount"])) for line in found["lines"]) == Decimal(str(found["total_usd"]))


def test_cache_writes_for_an_hour_are_cache_writes(invoke):
    found = json.loads(invoke("price", "claude-haiku-5-5", "--in", "9", "--cache-write-1h", "4", "--json").stdout)
    assert [(line["unit"], line["quantity"]) for line in found["lines"]] == [
        ("input_tokens", 5), ("cache_write_1h_tokens", 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("at", "usd"), [("2026-11-30", "$2"), ("2026-11-30T23:59:59", "$2"), ("2026-12-01", "$4"), ("2026-12-01T00:30+01:00", "$2")]
)  # fmt: skip
def test_a_price_of_its_time(invoke, at, usd):
    done = invoke("price", "google/gemini-4-argon", "--in", "1_000_000", "--at", at)
    assert done.stdout.splitlines()[-1].split() == ["total", usd, "exact"]


def test_a_service_tier_and_audio(invoke):
    plain = json.loads(invoke("price", "gpt-6-luna", "--in", "1000000", "--json").stdout)["total_usd"]
    batch = json.loads(invoke("price", "gpt-6.1-terra", "--in", "1000", "--tier", "batch", "--json").stdout)
    assert {line["tier"] for line in batch["lines"]} == {"batch"}
    assert float(plain) > 0
    heard = invoke("price", "gpt-audio", "--in", "100", "--audio-in", "60", "--out", "50", "--audio-out", "50")
    assert "audio_input_tokens   60 x" in heard.stdout
    assert "audio_output_tokens  50 x" in heard.stdout


def test_the_price_rows(invoke):
    done = invoke("price", "gpt-6.1-terra")
    lines = done.stdout.splitlines()
    assert lines[0] == "model     openai/gpt-6.1-terra"
    assert lines[1].startswith("standard  $1.00 in, $0.05 cached in, $5.00 out, ")
    assert lines[2].startswith("          above 272,000 input tokens: $2.00 in, $0.10 cached in, $7.50 out")
    assert {line.split()[0] for line in lines if line[0] != " "} == {
        "model",
        "standard",
        "flex",
        "priority",
        "fast",
        "batch",
    }
    assert any(line.strip().startswith("source: ") for line in lines)
    only = invoke("price", "gpt-6.1-terra", "--tier", "batch").stdout
    assert "batch     $0.50 in" in only
    assert "standard" not in only
    assert invoke("price", "gpt-6.1-terra", "--tier", "default").stdout.splitlines()[1] == lines[1]


def test_the_rows_of_a_day(invoke):
    assert "standard  $2.00 in" in invoke("price", "gemini-4-argon").stdout
    assert "          from 2026-12-01: $4.00 in" in invoke("price", "gemini-4-argon").stdout
    assert "standard  $4.00 in" in invoke("price", "gemini-4-argon", "--at", "2026-12-24").stdout
    found = json.loads(invoke("price", "gemini-4-argon", "--json").stdout)
    assert (found["provider"], found["prices"]["standard"]["output"]) == ("google", 10.0)
    assert found["prices"]["batch"]["changes"][0]["since"] == "2026-12-01"


def test_the_local_model_is_free(invoke):
    assert invoke("price", "local", "--in", "10").stdout.split() == ["total", "$0", "exact"]
    assert "free" in invoke("price", "local").stdout
    assert json.loads(invoke("price", "local", "--json").stdout)["prices"]["standard"]["input"] == 0.0


def test_a_provider_and_its_tiers(invoke):
    assert "anthropic/claude-haiku-5-5" in invoke("price", "cheap", "--provider", "claude").stdout
    assert "azure/gpt-4o" in invoke("price", "gpt-4o", "--provider", "azure").stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("clawde-haiku-5-5",), "did you mean 'claude-haiku-5-5'"),
        (("clawde-haiku-5-5", "--in", "5"), "no price is known for clawde-haiku-5-5"),
        (("gpt-6-luna", "--tier", "flexx"), "no price of openai/gpt-6-luna is known for the service tier 'flexx'"),
        (("gpt-6-luna", "--tier", "flexx", "--in", "5"), "service tier 'flexx'"),
        (("gpt-oss-120b",), "open weights"),
        (("my-own", "--provider", "openai"), "no price is known for openai/my-own"),
    ],
)
def test_what_is_not_known(lazybridge, arguments, reason):
    done = lazybridge("price", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert reason in done.stderr
    failed = lazybridge("price", *arguments, "--json")
    assert (failed.returncode, failed.stderr) == (1, done.stderr)
    found = json.loads(failed.stdout)
    assert found.get("total_usd") is None
    assert not found.get("prices")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--in", "5", "--cached", "7"), "--in counts all of them: --cached cannot be 7 of 5"),
        (("--in", "5", "--cached", "4", "--cache-write", "3"), "--cached and --cache-write cannot be 7 of 5"),
        (("--out", "5", "--thinking", "7"), "--out counts all of them: --thinking cannot be 7 of 5"),
        (("--in", "-1"), "--in"),
        (("--at", "tomorrow"), "write 2026-12-01 or 2026-12-01T09:30Z"),
        (("--provider", "antropic"), "no provider is called 'antropic'; did you mean 'anthropic'?"),
    ],
)
def test_wrong_usage(invoke, arguments, said):
    done = invoke("price", "claude-haiku-5-5", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_date_is_midnight_in_utc(invoke):
    usage = UsageStats(input_tokens=5, output_tokens=0)
    expected = package.price("deepseek-flash", usage, at=date(2026, 11, 23))
    assert invoke("price", "deepseek-flash", "--in", "5", "--at", "2026-11-23").stdout == f"{expected}\n"
    dearer = invoke("price", "deepseek-flash", "--in", "1000000", "--at", "2026-11-23T02:00Z").stdout
    assert dearer.splitlines()[-1].split() == ["total", "$0.3", "exact"]
