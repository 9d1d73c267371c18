"""USD caps that hold while calls run side by side: the worst case is reserved before a request, and settled after it."""

from __future__ import annotations

import os
from contextvars import ContextVar
from decimal import Decimal, InvalidOperation
from typing import Literal, Self

from lazybridge.budget_books import Book, MemoryBook, State
from lazybridge.budget_file import FileBook
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.receipt import MONEY, plain

_ZERO = Decimal(0)


class Budget:
    """A cap in USD: `with Budget("0.50"):`, or `Agent(budget=...)`.

    Before every request its worst case is reserved, afterwards its cost is booked and the rest given back; where that
    does not fit, the call fails with BudgetExceeded and nothing is sent. Where no `max_tokens` was given, the output is
    capped at what the budget affords. A request without an upper bound or a price is refused, unless `unknown="allow"`.
    `with` holds for what runs inside, asyncio tasks and `asyncio.to_thread` included, but not for a `threading.Thread` that
    you start; a stream is covered where it is read. With `path`, a SQLite file holds the sums of budget `name`, for
    every process that uses it. Raises ConfigurationError for an amount that is none, or a file that cannot be used; a
    file that becomes unusable later makes calls fail, and the sums raise, with LazyBridgeError.
    """

    def __init__(
        self,
        usd: str | int | float | Decimal,
        *,
        path: str | os.PathLike[str] | None = None,
        name: str = "default",
        unknown: Literal["refuse", "allow"] = "refuse",
    ) -> None:
        try:
            cap = Decimal("nan") if isinstance(usd, bool) else Decimal(str(usd))
        except InvalidOperation:
            cap = Decimal("nan")
        if not (cap.is_finite() and cap >= 0):
            raise ConfigurationError(f'{usd!r} is no amount of USD\nwrite Budget("0.50")')
        if unknown not in ("refuse", "allow"):
            raise ConfigurationError(f'unknown={unknown!r} is neither\nwrite unknown="refuse" or unknown="allow"')
        self.cap, self.unknown = cap, unknown
        self.book: Book = MemoryBook() if path is None else FileBook(path, name)

    @property
    def spent(self) -> Decimal:
        """USD that ended calls cost, as far as that is known."""
        return self.book.state().spent

    @property
    def reserved(self) -> Decimal:
        """USD set aside for calls in flight."""
        return self.book.state().reserved

    @property
    def remaining(self) -> Decimal:
        """USD that a new call may still reserve; never below 0."""
        return self.left(self.book.state())

    def left(self, state: State) -> Decimal:
        """What of the cap a state leaves."""
        return max(_ZERO, MONEY.subtract(self.cap, MONEY.add(state.spent, state.reserved)))

    @property
    def unknown_calls(self) -> int:
        """How many requests cost something that nobody knows; `spent` lacks them."""
        return self.book.state().unknown_calls

    def __enter__(self) -> Self:
        _in_force.set((*_in_force.get(), self))
        return self

    def __exit__(self, *exc: object) -> None:
        entered = list(_in_force.get())
        if self in entered:  # another context than it was entered in has nothing to leave
            del entered[len(entered) - 1 - entered[::-1].index(self)]
            _in_force.set(tuple(entered))

    def __repr__(self) -> str:
        state = self.book.state()
        return f"Budget({plain(self.cap)!r}, spent={plain(state.spent)!r}, reserved={plain(state.reserved)!r})"


_in_force: ContextVar[tuple[Budget, ...]] = ContextVar("lazybridge_budgets", default=())


def check_budget(value: object) -> Budget | None:
    """What `budget=` was given. Raises ConfigurationError where that is neither a Budget nor None."""
    if value is None or isinstance(value, Budget):
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        amount = '"0.50"'
    else:
        amount = str(value) if isinstance(value, (int, float)) else f'"{value}"'
    raise ConfigurationError(f"budget={value!r} is no Budget\nwrite budget=Budget({amount})")


def budgets_in_force(own: Budget | None) -> tuple[Budget, ...]:
    """An agent's own budget and those that were entered; of two over the same sums the lower cap."""
    own, entered = check_budget(own), _in_force.get()
    if own is None and len(entered) < 2:
        return entered
    found: dict[object, Budget] = {}
    for budget in (*entered, *(() if own is None else (own,))):
        other = found.setdefault(budget.book.key, budget)
        if budget.cap < other.cap:
            found[budget.book.key] = budget
    return tuple(found.values())
