"""Under any mix of faults, retries, fallbacks, breaks and second requests: every request on the wire is an attempt, and their receipts add up."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from lazybridge import Budget, CircuitOpenError, RateLimit, breaker
from tests.conftest import KINDS
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.four_ways import by_astream, by_call, by_run, by_stream

# Far from each other, so that no request is ended in the moment in which it is sent.
AFTER, SLOW_S = 0.3, 0.9


def faults(dice: random.Random) -> Iterator[Fault]:
    """Half of all requests are well, the others fail, are slow, or both, or break off."""
    at_once = {"headers": {"retry-after": "0"}}
    while True:
        yield dice.choice(
            [
                *[Fault()] * 6,
                Fault(status=500, **at_once),
                Fault(status=503, **at_once),
                Fault(status=429, **at_once),
                Fault(status=500, hang=SLOW_S, **at_once),
                Fault(hang=SLOW_S),
                Fault(drop=True),
                Fault(cut_after=dice.randrange(6)),
            ]
        )


@pytest.mark.parametrize("name", ["responses", "chat", "messages"])
@pytest.mark.parametrize("seed", range(4))
def test_every_request_is_an_attempt(name: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "SECONDS", 0.0)  # so that it opens at times
    dice = random.Random(f"{name} {seed}")
    with closing(FakeVendor()) as first, closing(FakeVendor()) as second:
        for vendor in (first, second):
            vendor.next_fault = faults(random.Random(dice.random())).__next__  # type: ignore[method-assign]
        limit = RateLimit(concurrency=3, rpm=1000)
        other = KINDS["messages" if name != "messages" else "chat"].agent(second.url)
        options: dict[str, Any] = {"fallback": [other], "rate_limit": limit, "max_tokens": 50}
        agents = [
            KINDS[name].agent(first.url, **options, on_break=on_break, max_retries=retries, hedge_after=after)
            for on_break, retries, after in itertools.product(("raise", "restart", "continue"), (0, 2), (None, AFTER))
        ]
        refused = 0
        for ask in dice.sample([by_call, by_run, by_stream, by_astream] * 3, 8):
            before = len(first.requests) + len(second.requests)
            with Budget("100") as budget:
                envelope = ask(dice.choice(agents), "hi")
            attempts = envelope.metadata.attempts
            assert len(first.requests) + len(second.requests) - before == len(attempts)
            assert budget.reserved == 0
            receipts = [attempt.receipt for attempt in attempts]
            spent = sum((receipt.total for receipt in receipts if receipt.total is not None), Decimal(0))
            exact = all(receipt.status == "exact" for receipt in receipts)
            assert (envelope.metadata.receipt.total or 0) == budget.spent == spent
            assert (envelope.metadata.cost_usd is not None) is exact
            assert budget.unknown_calls == sum(receipt.total is None for receipt in receipts)
            assert sorted(attempts, key=lambda attempt: attempt.started) == list(attempts)
            answered = [attempt for attempt in attempts if attempt.error is None]
            assert len(answered) == (1 if envelope.ok else 0)
            if envelope.ok:
                assert TEXT in envelope.text()
                assert answered[0].receipt.total
            else:
                assert envelope.error is not None
                assert envelope.error.attempts == attempts
                refused += isinstance(envelope.error, CircuitOpenError)
            breaker.reset_breakers()
        slots = limit._slots
        assert slots is not None
        assert (slots._free, len(slots._waiting)) == (3, 0)
