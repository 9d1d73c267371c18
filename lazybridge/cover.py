"""What is reserved for one attempt before it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from lazybridge.budget import Budget, budgets_in_force
from lazybridge.budget_books import Book, known
from lazybridge.core.errors import BudgetExceeded
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.providers.costing import computes
from lazybridge.core.receipt import MONEY, Receipt, plain
from lazybridge.core.types import Adjustment, CompletionRequest
from lazybridge.weighing import Weighed

_ZERO = Decimal(0)
_NO_CAP = Decimal("Infinity")
# OpenAI's Responses API takes no smaller max_output_tokens (openai 3.54.0, read 2026-11-22), and less is no answer.
_LEAST_OUTPUT = 16
# What to propose in USD where nobody knows what a call costs.
_LEAST_BUDGET = Decimal("0.01")


class Held:
    """What is reserved for one attempt, in every budget that is in force."""

    def __init__(self, held: Sequence[tuple[Book, int]]) -> None:
        self._held = list(held)

    def settle(self, receipt: Receipt) -> None:
        """Put the cost in the place of what was reserved."""
        _settle(self._held, receipt.total)


class Cover(Held):
    """What is reserved for a conversation, and the request that it pays for."""

    def __init__(
        self, request: CompletionRequest, held: Sequence[tuple[Book, int]], adjustments: tuple[Adjustment, ...] = ()
    ) -> None:
        super().__init__(held)
        self.request = request
        self.adjustments = adjustments


def hold(own: Budget | None, cost: Decimal | None, what: str) -> Held | None:
    """Reserve what a call costs at most, None where nobody can say; `what` is the call's model. None where no budget is in force.

    Raises BudgetExceeded where a budget cannot pay for it.
    """
    budgets = budgets_in_force(own)
    if not budgets:
        return None
    if cost is None:
        _refuse_unknown(budgets, what, ())
    tightest = min(budgets, key=lambda budget: budget.remaining)
    held = _reserve(budgets, cost or _ZERO) if cost is not None or tightest.remaining else None
    if held is None:
        state = tightest.book.state()
        enough = MONEY.add(MONEY.add(state.spent, state.reserved), cost or _LEAST_BUDGET)
        could = "nobody can say what it costs" if cost is None else f"this call could cost ${plain(cost)}"
        raise _facts(tightest, cost, f'{could}\nwrite Budget("{plain(max(enough, tightest.cap))}")')
    return Held(held)


def spend(own: Budget | None, receipt: Receipt) -> None:
    """Enter a cost that nothing was reserved for, into every budget that is in force: it is spent, whatever their caps."""
    for budget in budgets_in_force(own):
        reservation = budget.book.reserve(_NO_CAP, _ZERO)
        if reservation is not None:
            budget.book.settle(reservation, receipt.total)


def cover(own: Budget | None, provider: BaseProvider, request: CompletionRequest) -> Cover | None:
    """Reserve the worst case of a request; None where no budget is in force, or where it is free.

    Raises BudgetExceeded where a budget cannot pay for it.
    """
    budgets = budgets_in_force(own)
    if not budgets or (provider._free and not computes(provider)):
        return None
    weighed = Weighed(provider, request)
    unknown = (*(weighed.problems() if weighed.read.high is None else ()), *weighed.unpriced())
    if unknown:
        return _unbounded(budgets, weighed, request, unknown)
    while True:
        cost = None if weighed.most is None else weighed.worst(weighed.most)
        if cost is not None and (held := _reserve(budgets, cost)) is not None:
            return Cover(request, held)
        tightest, left = min(((budget, budget.remaining) for budget in budgets), key=lambda pair: pair[1])
        tokens = _affordable(weighed, left, weighed.limit)
        if request.max_tokens is not None or tokens < _LEAST_OUTPUT:
            raise _exceeded(tightest, weighed, cost, tokens)
        capped = replace(request, max_tokens=tokens)
        again = Weighed(provider, capped)
        cost_capped = None if again.most is None else again.worst(again.most)
        if cost_capped is None or cost_capped > left:  # extra_body sets a cap of its own
            raise _exceeded(tightest, weighed, cost, tokens)
        if (held := _reserve(budgets, cost_capped)) is not None:
            return Cover(capped, held, (_capped(tightest, weighed, left, tokens),))


def _reserve(budgets: Sequence[Budget], amount: Decimal) -> list[tuple[Book, int]] | None:
    """Set an amount aside in all of them, or in none, also where one of them fails."""
    held: list[tuple[Book, int]] = []
    try:
        for budget in budgets:
            reservation = budget.book.reserve(budget.cap, amount)
            if reservation is None:
                return None
            held.append((budget.book, reservation))
        complete, held = held, []
        return complete
    finally:
        _settle(held, _ZERO)


def _settle(held: list[tuple[Book, int]], cost: Decimal | None) -> None:
    if held:
        book, reservation = held.pop()
        try:
            book.settle(reservation, cost)
        finally:  # a warning that was made an error leaves nothing reserved elsewhere
            _settle(held, cost)


def _unbounded(
    budgets: Sequence[Budget], weighed: Weighed, request: CompletionRequest, reasons: Sequence[str]
) -> Cover:
    """Cover for a request that nobody can say the worst case of: where all budgets allow it, of what it probably costs."""
    _refuse_unknown(budgets, weighed.model, reasons)
    probably = known(weighed.receipt(weighed.count.tokens.expected, _LEAST_OUTPUT).total) or _ZERO
    tightest = min(budgets, key=lambda budget: budget.remaining)
    held = _reserve(budgets, probably) if tightest.remaining else None
    if held is None:
        state = tightest.book.state()
        enough = MONEY.add(MONEY.add(state.spent, state.reserved), max(probably, _LEAST_BUDGET))
        raise _facts(
            tightest,
            None,
            f'nobody can say what this call costs at most\nwrite Budget("{plain(max(enough, tightest.cap))}", unknown="allow")',
        )
    return Cover(request, held)


def _refuse_unknown(budgets: Sequence[Budget], model: str, reasons: Sequence[str]) -> None:
    """Raise BudgetExceeded where one of the budgets pays for no call of unknown cost."""
    for budget in budgets:
        if budget.unknown == "refuse":
            because = f": {'; '.join(reasons)}" if reasons else ""
            raise _facts(
                budget,
                None,
                f"nobody can say what this call of {model} costs at most{because}\n"
                'write Budget(..., unknown="allow") to let it pass, or lazybridge.register_price(...) for a missing price',
            )


def _affordable(weighed: Weighed, left: Decimal, limit: int) -> int:
    """The most output tokens, up to the limit, with which the worst case fits into what is left."""

    def fits(tokens: int) -> bool:
        cost = weighed.worst(tokens * weighed.choices)
        return cost is not None and cost <= left

    low, high = 0, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _capped(budget: Budget, weighed: Weighed, left: Decimal, tokens: int) -> Adjustment:
    most = "no maximum of the model is known" if weighed.most is None else f"the model may write {weighed.most:,}"
    return Adjustment(
        "max_tokens",
        f"sent {tokens:,}: {most}, and the budget of ${plain(budget.cap)} had ${plain(left)} left for this call",
    )


def _exceeded(budget: Budget, weighed: Weighed, cost: Decimal | None, tokens: int) -> BudgetExceeded:
    needed = cost if cost is not None else weighed.worst(_LEAST_OUTPUT * weighed.choices)
    could = (
        "nobody can say what this call costs at most" if needed is None else f"this call could cost ${plain(needed)}"
    )
    state = budget.book.state()
    enough = MONEY.add(MONEY.add(state.spent, state.reserved), needed or _ZERO)
    write = f'write Budget("{plain(max(enough, budget.cap))}")'
    if tokens >= _LEAST_OUTPUT:
        write += f", or max_tokens={tokens} here"
    return _facts(budget, needed, f"{could}\n{write}")


def _facts(budget: Budget, cost: Decimal | None, why: str) -> BudgetExceeded:
    state = budget.book.state()
    error = BudgetExceeded(
        f"the budget of ${plain(budget.cap)} has ${plain(budget.left(state))} left (spent ${plain(state.spent)}, "
        f"reserved by calls in flight ${plain(state.reserved)}); {why}"
    )
    error.cap, error.spent, error.reserved, error.cost = budget.cap, state.spent, state.reserved, cost
    return error
