"""Budgets: caps in USD that hold among threads, tasks and processes."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import multiprocessing
import os
import pickle
import signal
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lazybridge import (
    Agent,
    Budget,
    BudgetExceeded,
    ConfigurationError,
    LazyBridgeError,
    NativeTool,
    StreamTruncated,
    budget_books,
    budget_file,
    register_model_alias,
    register_price,
)
from lazybridge.budget import check_budget
from lazybridge.core.catalogue import registered
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import CompletionRequest, CompletionResponse, StreamChunk, UsageStats
from tests.conftest import KINDS, PRICED, Kind
from tests.fake_vendor import FakeVendor, Fault

AgentMaker = Callable[..., Agent]


@pytest.fixture(params=PRICED)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Budget]:
    def build(usd: Any, **more: Any) -> Budget:
        return Budget(usd, **more) if request.param == "memory" else Budget(usd, path=tmp_path / "b.sqlite", **more)

    return build


def cap_sent(body: dict[str, Any]) -> int | None:
    body = body | body.get("generationConfig", {})
    names = ("max_output_tokens", "max_completion_tokens", "max_tokens", "maxOutputTokens")
    return next((body[name] for name in names if name in body), None)


# --- one call ---------------------------------------------------------------------------------------------------------


def test_a_call_is_booked_at_its_exact_cost(agent: AgentMaker, make: Callable[..., Budget]) -> None:
    budget = make("1.00")
    with budget:
        envelope = agent()("hi")
    assert envelope.ok
    assert budget.spent == envelope.metadata.receipt.total > 0
    assert budget.reserved == 0
    assert budget.remaining == Decimal("1.00") - budget.spent
    agent()("hi")
    assert budget.spent == envelope.metadata.receipt.total, "it was left"


def test_an_agents_own_budget_holds_for_every_way_to_call(agent: AgentMaker, make: Callable[..., Budget]) -> None:
    budget = make(1)
    subject = agent(budget=budget)
    cost = subject("hi").metadata.receipt.total
    asyncio.run(subject.run("hi"))
    list(subject.stream("hi"))

    async def astream() -> None:
        async for _ in subject.stream("hi"):
            pass

    asyncio.run(astream())
    assert budget.spent == 4 * cost
    assert budget.reserved == 0


def test_no_cap_is_sent_where_the_budget_affords_all_that_the_model_may_write(
    agent: AgentMaker, vendor: FakeVendor, kind: Kind
) -> None:
    envelope = agent(budget=Budget("100"))("hi")
    if kind.provider == "mistral":  # nobody publishes how much its models may write
        assert "no maximum of the model is known" in str(envelope.metadata.adjustments[0])
        return
    assert envelope.metadata.adjustments == ()
    assert cap_sent(vendor.bodies()[0]) == (64_000 if kind.provider == "anthropic" else None)


def test_without_max_tokens_the_output_is_capped_to_what_the_budget_affords(
    agent: AgentMaker, vendor: FakeVendor, kind: Kind
) -> None:
    envelope = agent(budget=Budget("0.005"))("hi")
    assert envelope.ok
    sent = cap_sent(vendor.bodies()[0])
    assert sent is not None
    assert 16 <= sent < 5_000
    (adjustment,) = envelope.metadata.adjustments
    assert adjustment.parameter == "max_tokens"
    assert f"{sent:,}" in adjustment.reason
    assert "$0.005" in adjustment.reason
    worst = agent(max_tokens=sent).estimate("hi").high
    one_more = agent(max_tokens=sent + 1).estimate("hi").high
    assert worst <= Decimal("0.005") < one_more


def test_a_max_tokens_that_does_not_fit_is_refused_before_any_request(agent: AgentMaker, vendor: FakeVendor) -> None:
    budget = Budget("0.005")
    envelope = agent(budget=budget, max_tokens=10_000)("hi")
    error = envelope.error
    assert isinstance(error, BudgetExceeded)
    assert vendor.requests == []
    assert (error.cap, error.spent, error.reserved) == (Decimal("0.005"), 0, 0)
    assert error.cost is not None
    assert error.cost > error.cap
    assert "$0.005" in str(error)
    assert "max_tokens=" in str(error).splitlines()[-1]
    assert (budget.spent, budget.reserved, envelope.metadata.attempts) == (0, 0, ())
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.cost) == (str(error), error.cost)


def test_the_line_to_write_instead_works(agent: AgentMaker) -> None:
    error = agent(budget=Budget("0.005"), max_tokens=10_000)("hi").error
    words = str(error).splitlines()[-1]
    usd = words.split('Budget("')[1].split('"')[0]
    fitting = int(words.split("max_tokens=")[1].split()[0])
    assert agent(budget=Budget(usd), max_tokens=10_000)("hi").ok
    assert agent(budget=Budget("0.005"), max_tokens=fitting)("hi").ok
    assert not agent(budget=Budget("0.005"), max_tokens=fitting + 1)("hi").ok


def test_only_a_budget_that_cannot_pay_a_few_tokens_refuses(agent: AgentMaker, vendor: FakeVendor) -> None:
    least = agent(max_tokens=16).estimate("hi").high
    assert agent(budget=Budget(least))("hi").ok
    assert cap_sent(vendor.bodies()[0]) == 16
    assert isinstance(agent(budget=Budget(least - Decimal("1e-9")))("hi").error, BudgetExceeded)
    assert len(vendor.requests) == 1


def test_streams_raise_it_and_keep_it_in_their_envelope(agent: AgentMaker, vendor: FakeVendor) -> None:
    stream = agent(budget=Budget(0)).stream("hi")
    with pytest.raises(BudgetExceeded):
        list(stream)
    assert stream.envelope is not None
    assert isinstance(stream.envelope.error, BudgetExceeded)
    assert vendor.requests == []


@pytest.mark.parametrize("wrong", ["five", "-1", True, float("nan"), float("inf"), None])
def test_an_amount_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="no amount of USD"):
        Budget(wrong)


# --- what failed, broke off or cannot be known ------------------------------------------------------------------------


def test_a_refused_request_is_given_back(agent: AgentMaker, vendor: FakeVendor, make: Callable[..., Budget]) -> None:
    budget = make(1)
    vendor.fail(Fault(status=401))
    assert not agent(budget=budget)("hi").ok
    assert (budget.spent, budget.reserved, budget.unknown_calls) == (0, 0, 0)


def test_every_retry_is_covered_anew(agent: AgentMaker, vendor: FakeVendor) -> None:
    budget = Budget("0.005")
    vendor.fail(Fault(status=503, headers={"retry-after": "0.01"}), Fault(status=503, headers={"retry-after": "0.01"}))
    envelope = agent(budget=budget)("hi")
    assert len({cap_sent(body) for body in vendor.bodies()}) == 1
    assert budget.spent == envelope.metadata.receipt.total


def test_a_call_that_broke_off_counts_what_had_arrived(agent: AgentMaker, vendor: FakeVendor) -> None:
    budget = Budget(1)
    vendor.fail(Fault(end_after=4))
    stream = agent(budget=budget).stream("hi")
    with pytest.raises(StreamTruncated):
        list(stream)
    assert stream.envelope is not None
    assert budget.spent == stream.envelope.metadata.receipt.total > 0
    assert budget.reserved == 0


def test_a_cancelled_call_is_given_back_and_counted_as_unknown(
    agent: AgentMaker, vendor: FakeVendor, make: Callable[..., Budget]
) -> None:
    budget = make(1)
    vendor.fail(Fault(hang=20))

    async def go() -> None:
        task = asyncio.create_task(agent(budget=budget).run("hi"))
        while not vendor.requests:
            assert not task.done(), task
            await asyncio.sleep(0.01)
        assert budget.reserved > 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())
    assert (budget.spent, budget.reserved, budget.unknown_calls) == (0, 0, 1)


def test_a_stream_that_is_left_is_settled(agent: AgentMaker) -> None:
    budget = Budget(1)
    for _ in agent(budget=budget).stream("hi"):
        break
    assert budget.reserved == 0


UNBOUNDED: dict[str, dict[str, Any]] = {
    "tools of the vendor": {"native_tools": [NativeTool.WEB_SEARCH]},
    "no price": {"model": "gpt-99"},
    "a tier without a price": {"service_tier": "platinum"},
    "another model": {"extra_body": {"model": "gpt-4.1"}},
    "models that may answer instead": {"extra_body": {"models": ["gpt-4.1-mini", "gpt-4.1"]}},
}


@pytest.mark.parametrize("why", UNBOUNDED)
def test_what_has_no_bound_is_refused_unless_allowed(vendor: FakeVendor, why: str) -> None:
    options = dict(UNBOUNDED[why])
    model = options.pop("model", "gpt-4.1-mini")

    def build(budget: Budget) -> Agent:
        return Agent(model, provider="openai", api_key="k", base_url=f"{vendor.url}/v1", budget=budget, **options)

    with build(Budget(1)) as subject:
        error = subject("hi").error
    assert isinstance(error, BudgetExceeded)
    assert 'unknown="allow"' in str(error)
    assert "register_price" in str(error)
    assert vendor.requests == []
    budget = Budget(1, unknown="allow")
    with build(budget) as subject:
        assert subject("hi").ok
    assert budget.reserved == 0
    assert budget.unknown_calls == (why == "no price")
    with build(Budget(0, unknown="allow")) as subject:
        assert isinstance(subject("hi").error, BudgetExceeded)


def test_a_budget_pays_for_a_deployment_when_somebody_says_what_it_is(vendor: FakeVendor) -> None:
    budget = Budget(1)
    options: dict[str, Any] = {"api_key": "k", "base_url": f"{vendor.url}/v1", "budget": budget, "max_tokens": 20}
    with Agent("azure/gpt-4.1-mini", **options) as subject:
        error = subject("hi").error
        assert isinstance(error, BudgetExceeded)
        assert 'register_model_alias("gpt-4.1-mini", "gpt-...", provider="azure")' in str(error)
        assert vendor.requests == []
        register_model_alias("gpt-4.1-mini", "gpt-4.1-mini", provider="azure")
        assert subject("hi").ok
    assert budget.spent > 0


def test_a_registered_price_makes_an_unknown_model_affordable(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registered, "_prices", dict(registered._prices))
    register_price("gpt-99", input=1, output=2, provider="openai")
    budget = Budget("0.10")
    with Agent("gpt-99", provider="openai", api_key="k", base_url=f"{vendor.url}/v1", budget=budget) as subject:
        envelope = subject("hi")
    assert envelope.ok
    assert budget.spent == envelope.metadata.receipt.total > 0
    assert cap_sent(vendor.bodies()[0]) == 4096, "no maximum of this model is known"
    assert "no maximum" in envelope.metadata.adjustments[0].reason


def test_what_is_free_needs_no_budget(model_file: Path) -> None:
    with Agent("local", max_tokens=1, budget=Budget(0)) as subject:
        assert subject("hi").ok


class Broken(BaseProvider):
    """A user's provider whose code fails while its request is weighed."""

    default_model = "broken-1"

    def get_default_max_tokens(self, model: str | None = None) -> int:
        raise RuntimeError("a defect of the user's own")

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        raise AssertionError("nothing is sent")

    acomplete = stream = astream = complete  # type: ignore[assignment]


@pytest.mark.parametrize("mode", ["call", "run", "stream", "astream"])
@pytest.mark.timeout(10)
def test_a_defect_while_a_request_is_weighed_ends_the_call_and_holds_nothing(mode: str) -> None:
    budget = Budget(1)
    subject = Agent(Broken(), budget=budget)

    async def streamed() -> None:
        async for _ in subject.stream("hi"):
            pass

    ways: dict[str, Callable[[], Any]] = {
        "call": lambda: subject("hi"),
        "run": lambda: asyncio.run(subject.run("hi")),
        "stream": lambda: list(subject.stream("hi")),
        "astream": lambda: asyncio.run(streamed()),
    }
    with pytest.raises(RuntimeError, match="a defect of the user's own"):
        ways[mode]()
    assert (budget.spent, budget.reserved, budget.unknown_calls) == (0, 0, 0)


class Priced(BaseProvider):
    """A user's provider: one cent for each token of output."""

    default_model = "priced-1"
    asked: list[int | None] = []

    def complete(self, request: CompletionRequest) -> CompletionResponse:
        self.asked.append(request.max_tokens)
        return CompletionResponse("ok", usage=UsageStats(2, 7), stop_reason="end_turn")

    def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
        yield self.complete(request).final_chunk()

    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        return self.complete(request)

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamChunk]:
        yield self.complete(request).final_chunk()

    def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        return output_tokens / 100


def test_a_users_price_function_is_honoured() -> None:
    Priced.asked.clear()
    budget = Budget("0.50")
    subject = Agent(Priced(), budget=budget)
    assert subject("hi").ok
    assert subject("hi").ok
    assert Priced.asked == [50, 43]
    assert budget.spent == Decimal("0.14")


# --- nesting, tasks and threads ---------------------------------------------------------------------------------------


def test_nested_budgets_all_hold_and_the_inner_refusal_leaves_nothing(agent: AgentMaker, vendor: FakeVendor) -> None:
    outer, inner = Budget(1), Budget("0.50")
    with outer, inner:
        cost = agent()("hi").metadata.receipt.total
    assert (outer.spent, inner.spent) == (cost, cost)
    with outer, Budget(0) as none, outer:
        assert isinstance(agent(budget=inner)("hi").error, BudgetExceeded)
    assert [(one.spent, one.reserved) for one in (outer, inner, none)] == [(cost, 0), (cost, 0), (0, 0)]
    assert len(vendor.requests) == 1


def test_a_budget_entered_twice_counts_once(agent: AgentMaker, tmp_path: Path) -> None:
    budget = Budget(1)
    with budget, budget:
        cost = agent(budget=budget)("hi").metadata.receipt.total
        with budget:
            pass
        agent()("hi")
    assert budget.spent == 2 * cost
    one, other = (Budget(1, path=tmp_path / "b.sqlite") for _ in range(2))
    with one, other:
        agent()("hi")
    assert one.spent == other.spent == cost


def test_tasks_and_to_thread_inherit_a_budget_and_other_tasks_do_not(agent: AgentMaker) -> None:
    budget, subject = Budget(1), agent()

    async def go() -> None:
        outside = asyncio.Event()

        async def other() -> Any:
            await outside.wait()
            return await subject.run("hi")

        task = asyncio.create_task(other())
        with budget:
            outside.set()
            await asyncio.gather(subject.run("hi"), asyncio.to_thread(subject, "hi"), task)

    asyncio.run(go())
    assert budget.spent == 2 * subject("hi").metadata.receipt.total


def test_64_threads_never_pass_the_cap() -> None:
    budget, step = Budget("1"), Decimal("0.001")
    seen: list[Decimal] = []

    def work(number: int) -> int:
        done = 0
        for turn in range(1_000):
            reservation = budget.book.reserve(budget.cap, step * 20)
            if reservation is None:
                continue
            state = budget.book.state()
            if state.spent + state.reserved > budget.cap:
                seen.append(state.spent + state.reserved)
            spends = (number + turn) % 50 == 0
            budget.book.settle(reservation, step if spends else Decimal(0))
            done += spends
        return done

    with ThreadPoolExecutor(64) as pool:
        done = sum(pool.map(work, range(64)))
    assert seen == []
    assert budget.spent == done * step <= budget.cap
    assert budget.reserved == 0
    assert done > 0
    assert budget.book.reserve(budget.cap, budget.remaining) is not None, "all that was not spent came back"
    assert budget.book.reserve(budget.cap, Decimal("1e-12")) is None


@pytest.mark.parametrize("side", ["threads", "tasks"])
def test_many_calls_at_once_never_pass_the_cap(agent: AgentMaker, side: str, make: Callable[..., Budget]) -> None:
    subject = agent(max_tokens=100)
    worst = subject.estimate("hi").high
    cost = subject("hi").metadata.receipt.total
    budget = make(worst + 9 * cost)

    def threads() -> list[Any]:
        def call(_: int) -> Any:
            with budget:
                return subject("hi")

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(call, range(40)))

    async def tasks() -> list[Any]:
        with budget:
            return await asyncio.gather(*(subject.run("hi") for _ in range(40)))

    envelopes = threads() if side == "threads" else asyncio.run(tasks())
    done = sum(envelope.ok for envelope in envelopes)
    assert all(envelope.ok or isinstance(envelope.error, BudgetExceeded) for envelope in envelopes)
    assert done >= 1
    assert budget.spent == done * cost <= budget.cap
    assert budget.reserved == 0


# --- processes --------------------------------------------------------------------------------------------------------

STEP = Decimal("0.01")


def spend(path: str, turns: int, results: Any) -> None:
    budget, done = Budget("0.50", path=path), 0
    for _ in range(turns):
        reservation = budget.book.reserve(budget.cap, STEP * 2)
        if reservation is not None:
            state = budget.book.state()
            assert state.spent + state.reserved <= budget.cap
            budget.book.settle(reservation, STEP)
            done += 1
    results.put(done)


def hold(path: str, held: Any) -> None:
    budget = Budget("1", path=path)
    budget.book.reserve(budget.cap, Decimal("0.75"))
    held.set()
    time.sleep(60)


def test_processes_share_a_file_and_never_pass_the_cap(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results, path = context.Queue(), str(tmp_path / "b.sqlite")
    workers = [context.Process(target=spend, args=(path, 30, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    done = sum(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    results.close()
    results.join_thread()
    budget = Budget("0.50", path=path)
    assert budget.spent == done * STEP <= budget.cap
    assert budget.spent >= Decimal("0.49") - STEP
    assert budget.reserved == 0


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a reservation is given back after an hour")
def test_what_a_killed_process_had_reserved_is_given_back(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, path = context.Event(), str(tmp_path / "b.sqlite")
    worker = context.Process(target=hold, args=(path, held))
    worker.start()
    assert held.wait(30)
    budget = Budget("1", path=path)
    assert budget.reserved == Decimal("0.75")
    assert budget.book.reserve(budget.cap, Decimal("0.50")) is None
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(30)
    assert budget.book.reserve(budget.cap, Decimal("0.50")) is not None
    assert (budget.reserved, budget.unknown_calls) == (Decimal("0.50"), 1)


def test_a_process_id_that_is_used_again_is_not_the_one_that_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not budget_file._born(os.getpid()):
        pytest.skip("this system does not say when a process started")
    monkeypatch.setattr(budget_file, "_born", lambda pid, real=budget_file._born: "1")
    budget = Budget("1", path=tmp_path / "b.sqlite")
    budget.book.reserve(budget.cap, STEP)
    monkeypatch.undo()
    assert budget.reserved == 0


def test_a_reservation_of_another_machine_is_given_back_after_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_file, "_place", lambda: "elsewhere")
    budget = Budget("1", path=tmp_path / "b.sqlite")
    budget.book.reserve(budget.cap, STEP)
    monkeypatch.undo()
    assert budget.reserved == STEP
    now = time.time()
    monkeypatch.setattr(budget_file.time, "time", lambda: now + 3_700)
    assert budget.reserved == 0


def test_sums_stay_in_the_file_by_name(tmp_path: Path, agent: AgentMaker) -> None:
    path = tmp_path / "b.sqlite"
    cost = agent(budget=Budget(1, path=path, name="day"))("hi").metadata.receipt.total
    assert Budget(2, path=path, name="day").spent == cost
    assert Budget(2, path=path).spent == 0


def test_a_file_that_cannot_be_used_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Budget(1, path=tmp_path / "no" / "folder" / "b.sqlite")
    (tmp_path / "text").write_text("this is no database at all, not even a small one")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Budget(1, path=tmp_path / "text")


def test_a_thread_started_by_hand_enters_the_budget_itself(vendor: FakeVendor) -> None:
    budget = Budget(1)

    def work() -> None:
        with KINDS["responses"].agent(vendor.url) as subject, budget:
            subject("hi")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert budget.spent > 0


# --- what happens inside a budget, and to its file --------------------------------------------------------------------


def test_the_garbage_collector_may_settle_inside_a_transaction(
    make: Callable[..., Budget], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It closes an abandoned stream in the middle of `reserve` and `state`, of this budget and of another in its file."""
    budget = make(1)
    budgets = [budget, make(1, name="other")]
    pending = [(one.book, one.book.reserve(one.cap, STEP)) for one in budgets for _ in range(4)]
    module = budget_books if isinstance(budget.book, budget_books.MemoryBook) else budget_file

    class Collecting:
        """Arithmetic during which garbage is collected."""

        def __getattr__(self, name: str) -> Any:
            if pending:
                book, reservation = pending.pop()
                book.settle(reservation, STEP)
            return getattr(real, name)

    real = module.MONEY
    monkeypatch.setattr(module, "MONEY", Collecting())
    late = threading.Timer(20, os._exit, (70,))  # a deadlock ends the run, and does not hang it
    late.start()
    for _ in range(10):
        reservation = budget.book.reserve(budget.cap, STEP)
        assert reservation is not None
        budget.book.settle(reservation, Decimal(0))
    late.cancel()
    assert pending == []
    assert [(one.spent, one.reserved, one.unknown_calls) for one in budgets] == [(4 * STEP, 0, 0)] * len(budgets)


def test_abandoned_streams_in_reference_cycles_are_settled(vendor: FakeVendor, tmp_path: Path) -> None:
    budget = Budget(5, path=tmp_path / "b.sqlite")
    with KINDS["chat"].agent(vendor.url, budget=budget, max_tokens=10) as subject:
        late = threading.Timer(30, os._exit, (70,))
        late.start()
        for _ in range(150):
            chunks = iter(subject.stream("hi"))
            next(chunks)
            box: list[Any] = [chunks]
            box.append(box)
            del chunks, box
        late.cancel()
        gc.collect()
    assert budget.reserved == 0


def test_a_settle_waits_for_nobody(make: Callable[..., Budget]) -> None:
    """Whoever holds the lock books it when leaving; else two threads could wait for each other's locks."""
    budget = make(1)
    reservation = budget.book.reserve(budget.cap, STEP)
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with budget.book._alone():
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=stay)
    thread.start()
    assert inside.wait(20)
    began = time.monotonic()
    budget.book.settle(reservation, STEP)
    assert time.monotonic() - began < 5
    leave.set()
    thread.join()
    assert not budget.book._waiting
    assert (budget.spent, budget.reserved) == (STEP, 0)


@pytest.mark.parametrize("cost", ["NaN", "sNaN", "Infinity", "-Infinity", "-0.01"])
def test_what_is_no_amount_never_enters_a_book(make: Callable[..., Budget], cost: str) -> None:
    budget = make(1)
    budget.book.settle(budget.book.reserve(budget.cap, STEP), Decimal(cost))
    assert (budget.spent, budget.reserved, budget.unknown_calls) == (0, 0, 1)


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1.0])
def test_a_users_price_function_that_says_no_amount_is_refused(price: float) -> None:
    class Odd(Priced):
        def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
            return price

    budget = Budget(1)
    assert isinstance(Agent(Odd(), budget=budget)("hi").error, BudgetExceeded)
    assert (budget.spent, budget.reserved) == (0, 0)


def test_a_reservation_is_settled_once(make: Callable[..., Budget]) -> None:
    budget = make(1)
    reservation = budget.book.reserve(budget.cap, STEP)
    budget.book.settle(reservation, STEP)
    budget.book.settle(reservation, STEP)
    assert (budget.spent, budget.reserved) == (STEP, 0)


def test_a_file_that_becomes_unusable_fails_the_call_and_leaves_nothing_reserved(
    agent: AgentMaker, vendor: FakeVendor, tmp_path: Path
) -> None:
    path = tmp_path / "b.sqlite"
    memory, file = Budget(1), Budget(1, path=path)
    subject = agent(max_tokens=10)
    path.write_bytes(b"this is no database any more, and has more than a hundred bytes" * 4)
    with memory, file:
        envelope = subject("hi")
    assert type(envelope.error) is LazyBridgeError
    assert "b.sqlite" in str(envelope.error)
    assert isinstance(envelope.error.__cause__, sqlite3.Error)
    assert vendor.requests == []
    assert (memory.spent, memory.reserved, memory.unknown_calls) == (0, 0, 0)
    with pytest.raises(LazyBridgeError, match="cannot be used"):
        print(file.spent)


def test_a_cost_that_could_not_be_booked_is_booked_later(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    budget = Budget(1, path=path)
    reservation = budget.book.reserve(budget.cap, STEP * 2)
    kept = path.read_bytes()
    path.write_bytes(b"no database" * 100)
    with pytest.warns(UserWarning, match="not yet booked"):
        budget.book.settle(reservation, STEP)
    path.write_bytes(kept)
    assert (budget.spent, budget.reserved) == (STEP, 0)


def test_a_warning_that_is_an_error_leaves_nothing_reserved_elsewhere(tmp_path: Path) -> None:
    from lazybridge.core.receipt import FREE
    from lazybridge.core.types import CompletionRequest
    from lazybridge.cover import Cover

    path = tmp_path / "b.sqlite"
    memory, file = Budget(1), Budget(1, path=path)
    held = [(one.book, one.book.reserve(one.cap, STEP)) for one in (memory, file)]
    path.write_bytes(b"no database" * 100)
    with pytest.raises(UserWarning):
        Cover(CompletionRequest(messages="hi"), held).settle(FREE)  # type: ignore[arg-type]
    assert memory.reserved == 0


def test_the_tables_are_made_once_and_again_where_the_file_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, said = tmp_path / "b.sqlite", []
    real = sqlite3.connect

    def connect(*args: Any, **more: Any) -> sqlite3.Connection:
        connection = real(*args, **more)
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    budget = Budget(1, path=path)
    earlier = budget.book.reserve(budget.cap, STEP)
    made = sum("CREATE TABLE" in statement for statement in said)
    assert made == 2
    path.unlink()
    later = budget.book.reserve(budget.cap, STEP)
    assert sum("CREATE TABLE" in statement for statement in said) == 2 * made
    budget.book.settle(earlier, STEP)
    assert (budget.spent, budget.reserved) == (STEP, STEP)
    budget.book.settle(later, STEP)
    assert (budget.spent, budget.reserved) == (2 * STEP, 0)


def test_a_home_directory_and_a_link_name_the_same_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    home = Budget(1, path="~/b.sqlite")
    assert (tmp_path / "b.sqlite").exists()
    (tmp_path / "link").symlink_to(tmp_path / "b.sqlite")
    assert home.book.key == Budget(1, path=tmp_path / "link").book.key


# --- forks ------------------------------------------------------------------------------------------------------------

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def in_child(work: Callable[[], bool]) -> bool:
    """Whether it was true in a forked child, which has half a minute."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


@forks
def test_a_child_that_is_forked_while_a_thread_is_inside_does_not_hang(make: Callable[..., Budget]) -> None:
    budget, stop = make(10), threading.Event()

    def churn() -> None:
        while not stop.is_set():
            budget.book.settle(budget.book.reserve(budget.cap, STEP), Decimal(0))
            time.sleep(0.002)  # SQLite serves whoever comes first, and the child waits for the file, too

    def work() -> bool:
        budget.book.settle(budget.book.reserve(budget.cap, STEP), Decimal(0))
        return budget.book.state() is not None

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert all(in_child(work) for _ in range(20))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert budget.reserved == 0


@forks
def test_a_child_has_no_part_in_its_parents_calls(make: Callable[..., Budget]) -> None:
    budget = make(1)
    budget.book.settle(budget.book.reserve(budget.cap, STEP), STEP)
    reservation = budget.book.reserve(budget.cap, STEP * 50)
    shared = isinstance(budget.book, budget_file.FileBook)

    def work() -> bool:
        budget.book.settle(reservation, STEP)  # what a copy of the parent's stream does when it is collected
        return (budget.spent, budget.reserved) == (STEP, STEP * 50 if shared else 0)

    assert in_child(work)
    budget.book.settle(reservation, STEP)
    assert (budget.spent, budget.reserved) == (2 * STEP, 0)


# --- what is written wrongly ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (0.5, "budget=Budget(0.5)"),
        ("0.50", 'budget=Budget("0.50")'),
        (Decimal("0.1"), 'budget=Budget("0.1")'),
        (True, 'budget=Budget("0.50")'),
        ([], 'budget=Budget("0.50")'),
    ],
)
def test_what_is_no_budget_is_said_with_the_line_to_write(wrong: Any, line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_budget(wrong)
    assert str(caught.value).splitlines()[-1] == f"write {line}"
    with pytest.raises(ConfigurationError, match="is no Budget"):
        Agent("claude-haiku-4-5", api_key="k", budget=wrong)("hi")


def test_the_line_for_a_budget_of_nothing_that_allows_the_unknown_works(vendor: FakeVendor) -> None:
    options: dict[str, Any] = {"provider": "openai", "api_key": "k", "base_url": f"{vendor.url}/v1"}
    with Agent("gpt-99", **options, budget=Budget("0", unknown="allow")) as subject:
        line = str(subject("hi").error).splitlines()[-1]
    assert line == 'write Budget("0.01", unknown="allow")'
    with Agent("gpt-99", **options, budget=Budget("0.01", unknown="allow")) as subject:
        assert subject("hi").ok


def test_a_budget_may_be_left_in_another_context() -> None:
    budget = Budget(1)
    contextvars.copy_context().run(budget.__enter__)
    budget.__exit__(None, None, None)
    with budget:
        pass


ODD: list[dict[str, Any]] = [
    {"n": "x"},
    {"n": [2]},
    {"reasoning": "high"},
    {"thinking": "yes"},
    {"tools": 5},
    {"service_tier": ["flex"]},
    {"service_tier": {"a": 1}},
]


@pytest.mark.parametrize("extra", ODD, ids=str)
def test_odd_values_are_refused_with_a_reason(
    agent: AgentMaker, vendor: FakeVendor, kind: Kind, extra: dict[str, Any]
) -> None:
    if kind.provider == "groq" and "n" in extra:
        with pytest.warns(UserWarning, match="n: this API does not take it"):
            envelope = agent(budget=Budget(1), max_tokens=10)("hi", extra_body=extra)
        assert "n" not in vendor.requests[0]["json"]
        assert envelope.ok
        return
    error = agent(budget=Budget(1), max_tokens=10)("hi", extra_body=extra).error
    assert isinstance(error, BudgetExceeded)
    assert "nobody can say" in str(error)
    assert vendor.requests == []
    assert agent(max_tokens=10).estimate("hi", extra_body=extra).high is None
    agent(budget=Budget(1, unknown="allow"), max_tokens=10)("hi", extra_body=extra)
    assert vendor.requests  # some vendors refuse such a body themselves
