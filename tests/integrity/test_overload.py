"""Hundreds of calls at once against a vendor that has too much to do; `python -m tests.integrity overload` takes thousands.

What came of them is counted on both sides, the server's in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.integrity.overload import Server, flaky, overload

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts what Linux shows in /proc")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with flaky() as found:
        yield found


@pytest.mark.parametrize("name", ["chat", "messages", "groq", "mistral", "gemini"])
def test_every_call_of_a_storm_ends_and_is_counted_once(name: str, server: Server) -> None:
    overload(name, 20, server)  # what is imported and made once
    found = overload(name, 300, server)
    assert (found.errors, found.ok) == ([], 300)
    assert found.attempts == found.hits > 350
    assert found.spent == found.receipts > 0
    assert found.reserved == 0
    assert found.descriptors == 0
    assert found.kept == 0
    assert found.memory < 30
