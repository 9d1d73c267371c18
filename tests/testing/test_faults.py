"""The fault bench: lazybridge passes all of it, through the real SDKs; and the bench would notice if it did not.

What the server says in its healthy moments is checked against the SDKs' own types in tests/wire/test_no_answers.py.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lazybridge import Agent
from lazybridge.core.errors.tree import ERROR_KINDS
from lazybridge.testing.faults import MODES, FaultServer
from lazybridge.testing.faults.__main__ import main, scoreboard
from lazybridge.testing.faults.bench import VENDORS, cases, run
from lazybridge.testing.faults.judging import Seen, judged
from lazybridge.testing.faults.leaks import leaks

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = frozenset(
    {"outcome", "requests", "attempts", "time", "secret", "connection", "next call", "cost", "receipt"}
)


@pytest.mark.filterwarnings("default")  # of what a fault makes the SDKs leave behind
@pytest.mark.timeout(600)
@pytest.mark.parametrize("vendor", VENDORS)
def test_every_fault_ends_as_it_should(vendor: str) -> None:
    results = list(run(cases([vendor], MODES)))
    assert len(results) > 300
    assert all(result.passed for result in results), scoreboard(results)


def test_the_ways_to_fail_are_many_named_and_cited() -> None:
    assert len(MODES) >= 60
    for name, mode in MODES.items():
        assert re.fullmatch(r"[a-z0-9-]+", name)
        assert mode.source.startswith("https://")
        assert mode.outcome <= {"ok", *ERROR_KINDS}
        assert mode.whole or mode.streamed


def test_a_server_is_a_vendor_for_tests_of_one_s_own() -> None:
    with FaultServer("503-once") as server:
        envelope = Agent("gpt-6-luna", api_key="test-key", base_url=server.url + "/v1")("hi")
        assert envelope.ok
        assert len(server.requests) == len(envelope.metadata.attempts) == 2
    with pytest.raises(KeyError):
        FaultServer("no-such-fault")


def test_a_call_that_goes_wrong_is_noticed() -> None:
    mode = MODES["401-echoes-key"]
    with FaultServer(mode) as server:
        wrong = Seen(9.0, text="made up", leaks=["the log"], again=None, attempts=3, receipt="", cost=-1.0)
        found = {failure.check for failure in judged(mode, wrong, server, 2, False, EVERYTHING)}
    assert found == EVERYTHING - {"cost"}
    with FaultServer("no-usage") as server:
        wrong = Seen(0.1, text="made up", again="made up", attempts=1, receipt="exact", cost=0.0)
        found = {failure.check for failure in judged(MODES["no-usage"], wrong, server, 1, True, EVERYTHING)}
    assert found == {"outcome", "next call", "cost"}


def test_a_key_is_found_wherever_an_exception_has_it() -> None:
    def raised() -> BaseException:
        local = "canary"
        try:
            try:
                raise OSError(f"no {local}")
            except OSError as exc:
                raise ValueError("failed") from exc
        except ValueError as exc:
            return exc

    found = leaks(raised(), "canary")
    assert "the text of OSError" in found
    assert any(place.startswith("a local in raised") for place in found)
    assert leaks(ValueError("clean"), "canary", __file__) == []


def test_the_server_says_what_a_vendor_says(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer("401-echoes-key") as server:
        body = json.dumps({"model": "m", "messages": []}).encode()
        request = urllib.request.Request(server.url + "/v1/messages", body, {"x-api-key": "the-key"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=5)
        assert json.load(caught.value)["error"]["type"] == "authentication_error"


def test_the_command_prints_a_score_and_says_so_when_it_is_not_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--provider", "openai", "--mode", "404"]) == 0
    assert re.search(r"openai +4 / 4\n", capsys.readouterr().out)
    assert main(["--provider", "openai", "--mode", "404", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {entry["form"] for entry in found} == {"call", "run", "stream", "astream"}
    assert main(["--list"]) == 0
    assert "tls-garbage" in capsys.readouterr().out
