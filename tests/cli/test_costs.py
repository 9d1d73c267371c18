"""`lazybridge costs`: a table, JSON, CSV and a page over one ledger."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lazybridge import Attempt, Ledger, Receipt, UsageStats

EVIL = '<script>alert(1)</script>"&\x1b[31m'


def attempt(day: int, model: str, usd: str | None, **more) -> Attempt:
    status = more.pop("cost_status", "exact" if usd is not None else "unknown")
    receipt = Receipt(None if usd is None else Decimal(usd), status)
    usage = more.pop("usage", UsageStats(input_tokens=1000, cached_input_tokens=400, output_tokens=50))
    started = datetime(2026, 10, day, 12, tzinfo=UTC).timestamp()
    return Attempt("openai", model, started, usage=usage, receipt=receipt, **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two days; on the second one a refused call, a broken one and one of an unknown cost."""
    found = tmp_path / "spend.db"
    with Ledger(found) as ledger:
        for agent, one in (
            ("triage", attempt(29, "gpt-small", "0.1")),
            ("triage", attempt(29, "gpt-small", "0.2")),
            ("triage", attempt(31, "gpt-large", "1.5")),
            (None, attempt(31, "gpt-large", "0", error="rate_limit", status_code=429, usage=None)),
            (None, attempt(31, "gpt-large", "0.25", cost_status="lower_bound", error="truncated", usage=UsageStats())),
            (EVIL, attempt(31, EVIL, None, usage=UsageStats(input_tokens=7, output_tokens=1))),
        ):
            ledger.add(one, agent=agent, asked=one.model, run_id="run")
    return found


def rows_of(text: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}


def test_the_table(lazybridge, path):
    done = lazybridge("costs", LAZYBRIDGE_LEDGER=str(path))
    assert (done.returncode, done.stderr) == (0, "")
    rows = rows_of(done.stdout)
    assert rows["day"] == ["calls", "failed", "input", "cached", "output", "cost"]
    assert rows["2026-10-29"] == ["2", "-", "2.0k", "800", "100", "$0.3000", "█▌"]
    assert rows["2026-10-31"] == ["4", "2", "1.0k+", "400+", "51+", "≥", "$1.75", "█████████"]
    assert rows["total"] == ["6", "2", "3.0k+", "1.2k+", "151+", "≥", "$2.05"]
    assert "at least: the cost of 1 call is unknown and in no sum;\n1 call cost more than is known\n" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("by", ["model", "agent", "provider", "status"])
def test_other_groups(lazybridge, path, by):
    done = lazybridge("costs", "--ledger", str(path), "--by", by)
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout
    expected = {"model": "gpt-large", "agent": "(none)", "provider": "openai", "status": "rate_limit"}
    assert expected[by] in done.stdout


def test_an_unknown_cost_is_never_a_zero(lazybridge, path):
    rows = rows_of(lazybridge("costs", "--ledger", str(path), "--by", "status").stdout)
    assert rows["truncated"][-3:-1] == ["≥", "$0.2500"]
    assert rows["rate_limit"][-1] == "$0"
    models = json.loads(lazybridge("costs", "--ledger", str(path), "--by", "model", "--json").stdout)["groups"]
    evil = next(group for group in models if group["group"] == EVIL)
    assert (evil["cost_usd"], evil["known_cost_usd"], evil["cost_status"]) == (None, None, "unknown")
    table = lazybridge("costs", "--ledger", str(path), "--by", "model").stdout
    assert any(line.endswith("unknown") for line in table.splitlines())


def test_json(lazybridge, path):
    done = lazybridge("costs", "--ledger", str(path), "--json", "--since", "2026-10-31")
    found = json.loads(done.stdout)
    assert (found["schema_version"], found["ledger"], found["by"]) == (1, str(path), "day")
    assert (found["since"], found["until"]) == ("2026-10-31", None)
    assert [group["group"] for group in found["groups"]] == ["2026-10-31"]
    assert found["total"] == {
        "group": None, "calls": 4, "failed": 2, "input_tokens": 1007, "cached_input_tokens": 400, "output_tokens": 51,
        "tokens_complete": False, "cost_usd": None, "known_cost_usd": "1.75", "cost_status": "lower_bound",
        "unknown_cost_calls": 1, "lower_bound_calls": 1,
    }  # fmt: skip


def test_money_is_added_up_exactly(lazybridge, path):
    found = json.loads(lazybridge("costs", "--ledger", str(path), "--json", "--until", "2026-10-30").stdout)
    assert (found["total"]["known_cost_usd"], found["total"]["cost_usd"]) == ("0.3", 0.3)
    assert found["total"]["cost_status"] == "exact"


def test_csv(lazybridge, path):
    done = lazybridge("costs", "--ledger", str(path), "--csv", "--by", "model")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["model"] for row in rows] == [
        "gpt-large",
        "gpt-small",
        EVIL.replace("\x1b", "\N{REPLACEMENT CHARACTER}"),
    ]
    assert [row["known_cost_usd"] for row in rows] == ["1.75", "0.3", ""]
    assert [row["calls"] for row in rows] == ["3", "2", "1"]


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        (("--since", "2026-10-30"), 4),
        (("--until", "2026-10-31"), 6),
        (("--until", "2026-10-30"), 2),
        (("--until", "2026-10-31T12:00"), 2),
        (("--since", "2026-10-31T14:00+02:00"), 4),
        (("--since", "2027-01-01"), 0),
    ],
)
def test_since_and_until(lazybridge, path, arguments, calls):
    assert (
        json.loads(lazybridge("costs", "--ledger", str(path), "--json", *arguments).stdout)["total"]["calls"] == calls
    )


def test_no_calls_are_a_true_zero(lazybridge, path):
    total = json.loads(lazybridge("costs", "--ledger", str(path), "--json", "--since", "2027-01-01").stdout)["total"]
    assert (total["calls"], total["cost_usd"], total["cost_status"]) == (0, 0.0, "exact")
    assert rows_of(lazybridge("costs", "--ledger", str(path), "--since", "2027-01-01").stdout)["total"][-1] == "$0"


class Page(HTMLParser):
    """What a browser would make of it: tags that match, and the text."""

    void = frozenset({"meta"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page(lazybridge, path, tmp_path):
    done = lazybridge("costs", "--ledger", str(path), "--html", str(tmp_path / "costs.html"))
    assert (done.returncode, done.stdout) == (0, "")
    assert f"wrote {tmp_path / 'costs.html'}" in done.stderr
    text = (tmp_path / "costs.html").read_text("utf-8")
    page = Page(text)
    shown = " ".join(page.text)
    assert not {"script", "link", "img", "iframe", "a"} & {tag for tag, _ in page.tags}
    assert "://" not in text
    assert '<script>alert(1)</script>"&' in shown
    assert "\x1b" not in text
    titles = ("Cost by day", "Cost by model", "Cost by provider", "Cost by agent", "Failures", "Tokens by day")
    assert all(title in shown for title in titles)
    assert "at least $2.05" in shown
    assert "2026-10-30: $0, 0 calls" in shown  # a day without calls is a gap in the chart, not left out of it
    assert "prefers-color-scheme: dark" in text
    assert sum(tag == "svg" for tag, _ in page.tags) == 2


def test_a_page_of_nothing_and_one_of_years(lazybridge, path, tmp_path):
    arguments = ("costs", "--ledger", str(path), "--html", str(tmp_path / "costs.html"))
    assert lazybridge(*arguments, "--since", "2027-01-01").returncode == 0
    assert "Nothing to show." in (tmp_path / "costs.html").read_text("utf-8")
    with Ledger(path) as ledger:
        old = attempt(1, "gpt-old", "0.000012")
        old.started -= 86400 * 700
        ledger.add(old, agent=None, asked="gpt-old", run_id="old")
    assert lazybridge(*arguments).returncode == 0
    shown = " ".join(Page((tmp_path / "costs.html").read_text("utf-8")).text)
    assert "Cost by month" in shown
    assert "2026-10: at least $2.05" in shown


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "write lazybridge costs --ledger spend.db"),
        (("--ledger", "missing.db"), "there is no ledger at missing.db"),
        (("--ledger", __file__), "cannot be opened"),
        (("--ledger", "{path}", "--json", "--csv"), "one choice of three"),
        (("--ledger", "{path}", "--since", "yesterday"), "write a day such as"),
        (("--ledger", "{path}", "--html", "/nowhere/costs.html"), "cannot write /nowhere/costs.html"),
    ],
)
def test_wrong_usage(lazybridge, path, arguments, why):
    done = lazybridge("costs", *(argument.format(path=path) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr


def test_what_the_command_asked_is_in_the_ledger(asking, tmp_path):
    path = str(tmp_path / "mine.db")
    assert asking("hi", "-m", "gpt-4.1-mini", "-o", "name=shell", LAZYBRIDGE_LEDGER=path).returncode == 0
    (group,) = json.loads(asking("costs", "--by", "agent", "--json", LAZYBRIDGE_LEDGER=path).stdout)["groups"]
    assert (group["group"], group["calls"], group["input_tokens"], group["cost_status"]) == ("shell", 1, 20, "exact")
    assert Decimal(group["known_cost_usd"]) > 0


def test_letters_that_the_terminal_lacks(lazybridge, path):
    done = lazybridge("costs", "--ledger", str(path), PYTHONIOENCODING="ascii")
    rows = rows_of(done.stdout)
    assert rows["2026-10-31"][-3:] == [">=", "$1.75", "#########"]
