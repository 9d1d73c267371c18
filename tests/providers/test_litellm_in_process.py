"""litellm in process, in an environment of its own that has none of lazybridge's extras: `litellm_in_process.py` runs there,
real litellm asks the loopback vendor in the vendors' own APIs, and what it printed is looked at here."""

from __future__ import annotations

import json
import os
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lazybridge.cli import app
from lazybridge.core.providers.litellm import LiteLLMProvider
from tests import peers
from tests.fake_vendor import TEXT
from tests.providers.agents import modes
from tests.providers.conftest import cache_of
from tests.providers.litellm_in_process import BROKEN, FAULTS, KEY, modes_of

ROOT = Path(__file__).resolve().parents[2]
GPT, CLAUDE = "openai/gpt-4.1-mini", "anthropic/claude-haiku-4-5"
# What litellm reckons for 12 tokens, 8 cached ones and 5 written, by the list in its own package; USD per million tokens.
COSTS = {
    GPT: (12 * 0.4 + 8 * 0.1 + 5 * 1.6) / 1e6,
    CLAUDE: (12 * 1.0 + 8 * 0.1 + 5 * 5.0) / 1e6,
    "openai/unknown": None,
}


@pytest.fixture(scope="module")
def said(request: pytest.FixtureRequest) -> dict[str, Any]:
    keep = {
        name: value for name, value in os.environ.items() if not name.endswith("_API_KEY") and "LITELLM" not in name
    }
    done = subprocess.run(
        [peers.litellm_python(cache_of(request)), "-m", "tests.providers.litellm_in_process"],
        cwd=ROOT, env={**keep, **peers.LITELLM_OFFLINE, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)  # and litellm printed nothing beside
    return found


def test_it_is_taken_without_a_base_url_and_imported_at_the_first_call(said: dict[str, Any]) -> None:
    assert (said["without base URL"], said["with base URL"], said["imported early"]) == (True, False, False)
    assert said["httpx2"] is False  # of the SDKs that the extras bring


@pytest.mark.parametrize("mode", modes)
@pytest.mark.parametrize("model", COSTS)
def test_an_answer_and_what_litellm_says_that_it_cost(said: dict[str, Any], model: str, mode: str) -> None:
    found = said[f"{model} {mode}"]
    assert (found["text"], found["stop"], found["tokens"], found["attempts"]) == (TEXT, "end_turn", [20, 5], 1)
    assert found["cost"] == (None if COSTS[model] is None else pytest.approx(COSTS[model]))
    assert ("reported by litellm" in found["receipt"]) == (COSTS[model] is not None)


@pytest.mark.parametrize("mode", modes)
def test_the_key_and_the_headers_of_the_call_go_to_the_vendor(said: dict[str, Any], mode: str) -> None:
    gpt, claude = said[f"{GPT} {mode}"]["sent"], said[f"{CLAUDE} {mode}"]["sent"]
    assert (gpt["path"], gpt["headers"]["authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert (claude["path"], claude["headers"]["x-api-key"]) == ("/v1/messages", KEY)
    assert gpt["headers"]["x-team"] == claude["headers"]["x-team"] == "blue"
    assert gpt["json"]["model"] == "gpt-4.1-mini"


@pytest.mark.parametrize("mode", modes)
def test_tools_are_called_and_answered(said: dict[str, Any], mode: str) -> None:
    found = said[f"tool {mode}"]
    assert (found["text"], found["attempts"]) == (TEXT, 2)
    assert found["cost"] == pytest.approx(2 * (COSTS[CLAUDE] or 0))
    *_, call, result = found["sent"]["json"]["messages"]
    assert (call["content"][0]["name"], call["content"][0]["input"]) == ("weather", {"city": "Rome"})
    assert result["content"][0]["content"] == "sunny in Rome"


KINDS = {
    "rate limit": ("rate_limit", 429), "key": ("authentication", 401), "model": ("not_found", 404), "server": ("server", 500),
    "too long": ("context_length", 400), "dropped": ("connection", None), "slow": ("timeout", None),
    "ended": ("truncated", None), "cut": ("truncated", None),
}  # fmt: skip


@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name in FAULTS for mode in modes_of(name)])
def test_a_failure_has_its_kind_and_is_one_request(said: dict[str, Any], name: str, mode: str) -> None:
    """litellm calls a lost connection a 500, its own clock a 408, and ends a stream that broke off with "stop"."""
    found = said[f"{name} {mode}"]
    assert (found["kind"], found["status"]) == KINDS[name]
    assert found["hits"] == found["attempts"] == 1
    assert found["retry_after"] == (7.0 if name == "rate limit" else None)
    assert found["request_id"] == ("req_1" if found["status"] else None)
    assert found["partial"] == ("Hello from " if name in BROKEN else "")
    assert KEY not in found["all"]


def test_there_are_no_other_endpoints(said: dict[str, Any]) -> None:
    assert said["models"] == "litellm has no endpoint for models here\nits endpoints: none"


@pytest.mark.parametrize("mode", ["streamed", "streamed asynchronously"])
@pytest.mark.parametrize("model", [GPT, CLAUDE])
def test_a_stream_that_is_left_hangs_up(said: dict[str, Any], model: str, mode: str) -> None:
    assert said[f"{model} left {mode}"]


@pytest.fixture
def litellm_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of that name that cannot be imported: it is looked for, and left alone."""
    (tmp_path / "litellm").mkdir()
    (tmp_path / "litellm" / "__init__.py").write_text("raise AssertionError")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("litellm_at_hand")
def test_a_base_url_means_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LiteLLMProvider().in_process
    assert not LiteLLMProvider(base_url="http://127.0.0.1:4000").in_process
    monkeypatch.setenv("LITELLM_PROXY_API_BASE", "http://127.0.0.1:4000")
    assert not LiteLLMProvider().in_process
    assert "models" in LiteLLMProvider().endpoints


@pytest.mark.usefixtures("litellm_at_hand")
def test_which_and_doctor_say_which_of_both_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(*arguments: str) -> str:
        return CliRunner().invoke(app.cli, arguments, prog_name="lazybridge", catch_exceptions=False).stdout

    here = shown("which", "litellm/anthropic/claude-haiku-4-5").splitlines()
    assert "package   litellm is not installed, in this process" in here  # found, but of no distribution
    assert "key       the vendor's, which litellm finds" in here
    assert "litellm: usable, with the vendor's key\n  package   litellm" in shown("doctor")
    monkeypatch.setenv("LITELLM_PROXY_API_BASE", "http://127.0.0.1:4000")
    proxy = shown("which", "litellm/anthropic/claude-haiku-4-5").splitlines()
    assert f"package   openai {metadata.version('openai')}" in proxy
    assert "key       LITELLM_PROXY_API_KEY is not set" in proxy
    assert "litellm: usable\n  package   openai" in shown("doctor")
