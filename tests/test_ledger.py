"""The ledger: a row for every attempt, whatever happens to the call, the file or the process."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import lazybridge.ledger
from lazybridge import Agent, Attempt, ConfigurationError, Ledger, Receipt, UsageStats
from lazybridge.ledger import LedgerRow
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import Mode
from tests.test_calls import MODES, noop

AGAIN = {"retry-after": "0.01"}
ROOT = Path(__file__).resolve().parents[1]
HEAD = """
import os, sys, threading, time
from decimal import Decimal
from lazybridge import Attempt, Ledger, Receipt

def add(ledger, run_id, usd="0.1"):
    ledger.add(Attempt("p", "m", time.time(), receipt=Receipt(Decimal(usd), "exact")), agent=None, asked="m", run_id=run_id)

path = sys.argv[1]
"""


def script(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    return MODES[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spend.db"


def attempt(usd: str | None = "0.1", *, started: float = 1_790_000_000.0) -> Attempt:
    receipt = Receipt(None, "unknown") if usd is None else Receipt(Decimal(usd), "exact")
    return Attempt("p", "m", started, receipt=receipt)


def add(ledger: Ledger, one: Attempt, run_id: str = "r") -> None:
    ledger.add(one, agent=None, asked="m", run_id=run_id)


# --- rows ---------------------------------------------------------------------------------------------------------------


def test_a_call_is_a_row(agent: Callable[..., Agent], kind: Kind, mode: Mode, path: Path) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    with Ledger(path) as ledger:
        envelope = mode(agent(ledger=ledger, name="triage"), "hi")
        (row,) = ledger.rows()
    meta = envelope.metadata
    assert before <= row.at <= datetime.now(UTC)
    assert (row.agent, row.provider, row.asked, row.served) == ("triage", kind.provider, kind.model, meta.model)
    assert (row.input_tokens, row.cached_input_tokens, row.output_tokens) == (20, 8, 5)
    assert (row.audio_input_tokens, row.web_searches) == (meta.usage.audio_input_tokens, meta.usage.web_searches)
    assert (row.cost_usd, row.cost_status) == (meta.receipt.total, "exact")
    assert row.cost_usd
    assert (row.status, row.status_code, row.run_id) == ("ok", 200, meta.run_id)
    assert row.request_id == meta.request_id
    assert row.latency_ms == meta.attempts[0].duration_ms


def test_an_agent_without_a_name_has_none(vendor: FakeVendor, path: Path) -> None:
    with Ledger(path) as ledger, KINDS["chat"].agent(vendor.url, ledger=ledger) as subject:
        subject("hi")
        assert [row.agent for row in ledger.rows()] == [None]


def test_a_retry_is_two_rows_of_one_run(
    agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor, path: Path
) -> None:
    vendor.fail(Fault(status=429, headers=AGAIN))
    with Ledger(path) as ledger:
        envelope = mode(agent(ledger=ledger), "hi")
        refused, answered = ledger.rows()
    assert envelope.text() == TEXT
    assert (refused.status, refused.status_code, refused.served, refused.request_id) == (
        "rate_limit",
        429,
        None,
        "req_1",
    )
    assert (refused.cost_usd, refused.cost_status, refused.input_tokens) == (Decimal(0), "exact", None)
    assert (answered.status, answered.run_id) == ("ok", refused.run_id)
    assert sum((refused.receipt, answered.receipt)).total == envelope.metadata.receipt.total  # type: ignore[union-attr]


def test_a_failed_call_is_a_row(agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor, path: Path) -> None:
    vendor.fail(Fault(status=401))
    with Ledger(path) as ledger:
        assert not mode(agent(ledger=ledger), "hi").ok
        (row,) = ledger.rows()
    assert (row.status, row.status_code, row.cost_usd) == ("authentication", 401, Decimal(0))


def test_a_connection_that_was_dropped_has_an_unknown_cost(
    agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor, path: Path
) -> None:
    vendor.fail(Fault(drop=True))
    with Ledger(path) as ledger:
        mode(agent(ledger=ledger, max_retries=0), "hi")
        (row,) = ledger.rows()
    assert (row.status, row.cost_usd, row.cost_status) == ("connection", None, "unknown")
    assert row.receipt.cost_usd is None


def test_a_broken_stream_has_a_lower_bound(vendor: FakeVendor, path: Path) -> None:
    vendor.fail(Fault(cut_after=3))
    with Ledger(path) as ledger, KINDS["messages"].agent(vendor.url, ledger=ledger, max_retries=0) as subject:
        envelope = MODES["stream"](subject, "hi")
        (row,) = ledger.rows()
    assert row.status != "ok"
    assert row.cost_status == "lower_bound"
    assert row.cost_usd == envelope.metadata.receipt.total
    assert row.cost_usd


def test_a_stream_that_was_left_is_a_row(vendor: FakeVendor, path: Path) -> None:
    with Ledger(path) as ledger, KINDS["messages"].agent(vendor.url, ledger=ledger) as subject:
        with subject.stream("hi") as stream:
            for _ in stream:
                break
        assert [row.status for row in ledger.rows()] == ["cancelled"]


def test_a_tool_loop_is_a_row_for_each_turn(
    agent: Callable[..., Agent], mode: Mode, vendor: FakeVendor, path: Path
) -> None:
    vendor.tool_call = {"name": "noop", "arguments": {}}
    with Ledger(path) as ledger:
        envelope = mode(agent(ledger=ledger, tools=[noop]), "hi")
        rows = list(ledger.rows())
    assert [row.status for row in rows] == ["ok", "ok"]
    assert {row.run_id for row in rows} == {envelope.metadata.run_id}
    assert sum(row.receipt for row in rows).total == envelope.metadata.receipt.total  # type: ignore[union-attr]


def test_money_is_exact_and_unknown_stays_unknown(path: Path) -> None:
    with Ledger(path) as ledger:
        for _ in range(10):
            add(ledger, attempt("0.1"))
        add(ledger, attempt("0.00000000000000000001"))
        total = sum(row.receipt for row in ledger.rows())
        assert (total.total, total.status) == (Decimal("1.00000000000000000001"), "exact")  # type: ignore[union-attr]
        add(ledger, attempt(None))
        total = sum(row.receipt for row in ledger.rows())
        assert (total.total, total.status) == (Decimal("1.00000000000000000001"), "lower_bound")  # type: ignore[union-attr]


def test_rows_of_a_time(path: Path) -> None:
    day = datetime(2026, 10, 31, tzinfo=UTC)
    with Ledger(path) as ledger:
        for hours in (-1, 0, 23, 24):
            add(ledger, attempt(started=(day + timedelta(hours=hours)).timestamp()), str(hours))

        def found(since: date | None, until: date | None) -> list[str]:
            return [row.run_id for row in ledger.rows(since, until)]

        assert found(date(2026, 10, 31), date(2026, 11, 1)) == ["0", "23"]
        assert found(datetime(2026, 10, 31, 1), None) == ["23", "24"]
        assert found(None, day.astimezone()) == ["-1"]
        assert len(found(None, None)) == 4


def test_many_rows_are_read_while_more_are_written(path: Path) -> None:
    with Ledger(path) as ledger:
        for number in range(1200):
            add(ledger, attempt(), str(number))
        rows = ledger.rows()
        first = next(rows)
        add(ledger, attempt(), "1200")
        assert [first.run_id, *(row.run_id for row in rows)] == [str(number) for number in range(1201)]


def test_a_row_is_frozen(path: Path) -> None:
    with Ledger(path) as ledger:
        add(ledger, attempt())
        (row,) = ledger.rows()
    with pytest.raises(AttributeError):
        row.status = "no"  # type: ignore[misc]
    assert isinstance(row, LedgerRow)


# --- which ledger -------------------------------------------------------------------------------------------------------


def test_the_variable_names_a_ledger(vendor: FakeVendor, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with KINDS["chat"].agent(vendor.url) as subject:
        subject("nobody keeps the books")
        monkeypatch.setenv("LAZYBRIDGE_LEDGER", str(path))
        subject("hi")
        subject("hi")
        monkeypatch.delenv("LAZYBRIDGE_LEDGER")
        subject("nobody keeps the books")
    with Ledger(path) as ledger:
        assert len(list(ledger.rows())) == 2


def test_the_agents_own_ledger_wins(
    vendor: FakeVendor, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYBRIDGE_LEDGER", str(tmp_path / "other.db"))
    with Ledger(path) as ledger, KINDS["chat"].agent(vendor.url, ledger=ledger) as subject:
        subject("hi")
        assert len(list(ledger.rows())) == 1
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize(
    "ask",
    [lambda agent: agent("hi"), lambda agent: asyncio.run(agent.run("hi")), lambda agent: list(agent.stream("hi"))],
    ids=["call", "run", "stream"],
)
def test_a_ledger_of_the_variable_that_cannot_be_opened_is_said_before_anything_is_sent(
    vendor: FakeVendor, ask: Callable[[Agent], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYBRIDGE_LEDGER", str(tmp_path / "missing" / "spend.db"))
    with KINDS["chat"].agent(vendor.url) as subject, pytest.raises(ConfigurationError, match=r"missing/spend\.db"):
        ask(subject)
    assert vendor.requests == []


def test_a_path_is_no_ledger(vendor: FakeVendor, path: Path) -> None:
    subject = KINDS["chat"].agent(vendor.url, ledger=str(path))
    with subject, pytest.raises(ConfigurationError, match=r'write ledger=Ledger\("'):
        subject("hi")
    assert vendor.requests == []


# --- the file -----------------------------------------------------------------------------------------------------------


def test_impossible_files(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, but it is long enough to be taken for one " * 20)
    with sqlite3.connect(tmp_path / "foreign.db") as foreign:
        foreign.execute("CREATE TABLE attempts (id)")
    foreign.close()
    for name, why in {
        "missing/spend.db": "cannot be opened",
        ".": "cannot be opened",
        "text.db": "not a database",
        "foreign.db": "a database of something else",
    }.items():
        with pytest.raises(ConfigurationError, match=why) as caught:
            Ledger(tmp_path / name)
        assert 'Ledger("spend.db")' in str(caught.value).splitlines()[-1]
    assert not list(tmp_path.glob("foreign.db-*"))


def test_a_file_of_a_newer_version(path: Path) -> None:
    Ledger(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version=99")
    newer.close()
    with pytest.raises(ConfigurationError, match=r"newer lazybridge\npip install -U lazybridge"):
        Ledger(path)


def test_a_closed_ledger_opens_again(path: Path) -> None:
    ledger = Ledger(path)
    add(ledger, attempt())
    ledger.close()
    assert sorted(found.name for found in path.parent.iterdir()) == ["spend.db"]
    add(ledger, attempt())
    assert len(list(ledger.rows())) == 2
    ledger.close()


def test_a_ledger_travels_as_its_path(path: Path) -> None:
    assert pickle.loads(pickle.dumps(Ledger(path))).path == str(path)


def test_a_file_that_is_locked_keeps_the_answer_and_the_row(
    vendor: FakeVendor, mode: Mode, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lazybridge.ledger, "PATIENCE", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    with Ledger(path) as ledger, KINDS["chat"].agent(vendor.url, ledger=ledger) as subject:
        other.execute("BEGIN IMMEDIATE")
        with pytest.warns(UserWarning, match=r"ledger .*spend\.db cannot be written: database is locked") as said:
            envelopes = [mode(subject, "hi") for _ in range(2)]
        assert [envelope.text() for envelope in envelopes] == [TEXT, TEXT]
        assert len(said) == 1
        assert list(ledger.rows()) == []
        other.execute("ROLLBACK")
        other.close()
        mode(subject, "hi")
        assert len(list(ledger.rows())) == 3


def test_a_row_that_cannot_be_written_does_not_hold_up_the_others(path: Path) -> None:
    with Ledger(path) as ledger:
        odd = attempt()
        odd.usage = UsageStats(input_tokens=2**70)
        with pytest.warns(UserWarning, match="too large"):
            add(ledger, odd)
        add(ledger, attempt())
        assert len(list(ledger.rows())) == 1


def test_a_full_disk_is_a_warning(path: Path) -> None:
    pytest.importorskip("resource")
    code = """
import resource, warnings
ledger = Ledger(path)
add(ledger, "0")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for number in range(1, 500):
        add(ledger, str(number))
print(len(said), said[0].message)
os._exit(0)
"""
    out = ended(script(code, path))
    assert out.startswith(f"1 the ledger {path} cannot be written: ")
    with Ledger(path) as ledger:
        rows = [row.run_id for row in ledger.rows()]
    assert 0 < len(rows) < 500
    assert rows == [str(number) for number in range(len(rows))]


# --- processes and threads ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_process_loses_no_row(path: Path) -> None:
    code = """
ledger = Ledger(path)
for number in range(1_000_000):
    add(ledger, str(number))
    print(number, flush=True)
"""
    process = script(code, path)
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(300)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    process.communicate()
    last = int(next(line for line in reversed(said) if line.endswith("\n")))
    with Ledger(path) as ledger:
        found = [int(row.run_id) for row in ledger.rows()]
    assert found == list(range(len(found)))
    assert len(found) in (last + 1, last + 2)


def test_two_processes_with_eight_threads_each(path: Path) -> None:
    code = """
sys.stdin.readline()
ledger = Ledger(path)

def work(name):
    for number in range(50):
        add(ledger, f"{sys.argv[2]}.{name}.{number}")

threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
ledger.close()
"""
    processes = [script("import warnings; warnings.simplefilter('error')\n" + code, path, name) for name in "ab"]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        ended(process)
    with Ledger(path) as ledger:
        rows = list(ledger.rows())
    assert len({row.run_id for row in rows}) == len(rows) == 800
    assert sum(row.receipt for row in rows).total == Decimal(80)  # type: ignore[union-attr]


def test_threads_of_agents(vendor: FakeVendor, path: Path) -> None:
    with Ledger(path) as ledger, KINDS["chat"].agent(vendor.url, ledger=ledger) as subject:
        threads = [threading.Thread(target=lambda: [subject("hi") for _ in range(5)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(list(ledger.rows())) == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_writes_through_a_connection_of_its_own(path: Path) -> None:
    code = """
ledger = Ledger(path)
stop = threading.Event()

def work():
    while not stop.is_set():
        add(ledger, "thread")

thread = threading.Thread(target=work)
thread.start()
children = []
for number in range(8):
    child = os.fork()
    if not child:
        for _ in range(20):
            add(ledger, f"child{number}")
        os._exit(0)
    children.append(child)
    add(ledger, f"parent{number}")
stop.set()
thread.join()
ledger.close()
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""
    ended(script("import warnings; warnings.simplefilter('ignore')\n" + code, path))
    with Ledger(path) as ledger:
        found = [row.run_id for row in ledger.rows()]
    for number in range(8):
        assert found.count(f"child{number}") == 20
        assert found.count(f"parent{number}") == 1


def test_a_row_costs_little(path: Path) -> None:
    """The benchmark prints the real figure; this is the alarm for another order of magnitude."""
    with Ledger(path) as ledger:
        times = []
        for _ in range(500):
            one = attempt()
            started = time.perf_counter()
            add(ledger, one)
            times.append(time.perf_counter() - started)
    assert sorted(times)[250] < 0.001
