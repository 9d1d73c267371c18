"""The words on stderr."""

import io
import warnings

import pytest

from lazybridge.cli import notes
from lazybridge.cli.exits import Exit, exit_code
from lazybridge.core.errors import ConfigurationError, ContentPolicyError, RateLimitError, StructuredOutputError
from lazybridge.envelope import Attempt, EnvelopeMetadata


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (None, "cost unknown"),
        (0.0, "free"),
        (0.0041, "$0.0041"),
        (0.00000432, "$0.0000043"),
        (0.1, "$0.1000"),
        (12.345, "$12.35"),
        (0.0000999, "$0.00010"),
    ],
)
def test_cost(usd, shown):
    assert notes.cost(usd) == shown


def test_footer():
    attempt = Attempt("anthropic", "claude-haiku-5-5", started=0.0)
    meta = EnvelopeMetadata(
        model="claude-haiku-5-5", cost_usd=0.0041, input_tokens=1204, cached_input_tokens=1000, output_tokens=310,
        latency_ms=1810.0, attempts=(attempt,),
    )  # fmt: skip
    assert notes.footer(meta) == "claude-haiku-5-5 · 1,204 in (1,000 cached) / 310 out · $0.0041 · 1.8 s · 1 attempt"
    meta.attempts, meta.cached_input_tokens, meta.output_tokens = (attempt, attempt), 0, None
    assert notes.footer(meta, "failed") == "claude-haiku-5-5 · failed · 1,204 in / ? out · $0.0041 · 1.8 s · 2 attempts"
    assert notes.footer(EnvelopeMetadata()) == "model unknown · tokens unknown · cost unknown · 0.0 s · 0 attempts"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "shown"), [("", "\x1b[2mm · free\x1b[0m\n"), ("1", "m · free\n")])
def test_the_footer_is_dim_on_a_terminal_alone(monkeypatch, no_color, shown):
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    terminal = _Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    notes.show_footer("m · free")
    assert terminal.getvalue() == shown


def test_a_warning_is_one_line(capsys):
    with notes.plain_warnings():
        warnings.simplefilter("default")
        warnings.warn("openai/m: seed: not taken", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "lazybridge: warning: openai/m: seed: not taken\n"


def _partial(error):
    error.partial_text = "half"
    return error


@pytest.mark.parametrize(
    ("stop_reason", "error", "code"),
    [
        ("end_turn", None, Exit.OK),
        (None, None, Exit.OK),
        ("max_tokens", None, Exit.INCOMPLETE),
        ("refusal", None, Exit.INCOMPLETE),
        (None, RateLimitError("slow down"), Exit.FAILED),
        (None, _partial(RateLimitError("slow down")), Exit.INCOMPLETE),
        (None, ContentPolicyError("no"), Exit.INCOMPLETE),
        ("end_turn", _partial(StructuredOutputError("no fit")), Exit.FAILED),
        ("max_tokens", StructuredOutputError("cut"), Exit.INCOMPLETE),
        (None, ConfigurationError("no key"), Exit.USAGE),
        (None, FileNotFoundError("no file"), Exit.USAGE),
    ],
)
def test_exit_codes(stop_reason, error, code):
    assert exit_code(EnvelopeMetadata(stop_reason=stop_reason), error) is code
