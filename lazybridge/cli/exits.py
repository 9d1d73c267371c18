"""What the exit code of the command says."""

from __future__ import annotations

from enum import IntEnum

from lazybridge.core.errors import ProviderError
from lazybridge.envelope import EnvelopeMetadata


class Exit(IntEnum):
    """The exit codes; docs/command-line.md explains them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    STOPPED = 130
    BROKEN_PIPE = 141


INCOMPLETE_STOPS = frozenset({"max_tokens", "refusal", "content_filter", "pause_turn", "error"})
_INCOMPLETE_KINDS = frozenset({"truncated", "content_policy"})

EPILOG = """\b
Exit codes:
  0    the answer is whole
  1    the call failed
  2    wrong usage or configuration: no key, unknown model, no such file
  3    the answer was cut off or refused; what arrived of it is printed
  130  stopped by Ctrl-C
  141  the reader of stdout has gone (| head)
"""


def exit_code(metadata: EnvelopeMetadata, error: BaseException | None) -> Exit:
    """The code for a call that ended by itself."""
    cut_off = metadata.stop_reason in INCOMPLETE_STOPS
    if error is None:
        return Exit.INCOMPLETE if cut_off else Exit.OK
    if isinstance(error, (ValueError, TypeError, OSError)):  # found before anything was sent
        return Exit.USAGE
    if isinstance(error, ProviderError) and (error.kind in _INCOMPLETE_KINDS or error.partial_text):
        return Exit.INCOMPLETE
    return Exit.INCOMPLETE if cut_off else Exit.FAILED
