"""ModelManager: names, budgets, and who is in memory when many ask at once.

The local models here are objects of a user's own with load, unload and complete, which is what the manager takes; two
tests at the end load real ones.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import lazybridge
from lazybridge import (
    Agent,
    AnthropicProvider,
    CompletionRequest,
    CompletionResponse,
    ConfigurationError,
    Message,
    Model,
    ModelManager,
    ModelStatus,
    ProviderError,
    ProviderOptions,
    StreamChunk,
    UnknownModelError,
)
from lazybridge.core.errors import ProviderTimeoutError, ServerError
from lazybridge.core.providers.local import LocalProvider
from tests.fake_vendor import TEXT, FakeVendor, Fault

GIB = 1024**3
MODEL = "claude-haiku-4-5"


class Local:
    """A local model of a user's own. While `gate` is clear, a load waits; while `answering` is, an answer does."""

    def __init__(self, gib: float = 1, device: str = "cpu") -> None:
        self.memory_bytes: int | None = int(gib * GIB)
        self.device = device
        self.is_loaded = False
        self.loads = self.unloads = self.answers = 0
        self.fault: BaseException | None = None
        self.gate, self.answering = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.answering.set()

    async def load(self) -> None:
        self.loads += 1
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.is_loaded = True

    async def unload(self) -> None:
        assert not self.answers, "unloaded while it answered"
        self.unloads += 1
        await asyncio.sleep(0)
        self.is_loaded = False

    async def complete(self, task: Any, **settings: Any) -> str:
        assert self.is_loaded
        self.answers += 1
        try:
            await self.answering.wait()
            return f"to {task}"
        finally:
            self.answers -= 1

    async def stream(self, task: Any, **settings: Any) -> AsyncIterator[str]:
        assert self.is_loaded
        self.answers += 1
        try:
            for piece in ("to ", str(task)):
                yield piece
                await self.answering.wait()
        finally:
            self.answers -= 1


async def soon(*times: None) -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def claude(vendor: FakeVendor) -> Iterator[AnthropicProvider]:
    made = AnthropicProvider(MODEL, options=ProviderOptions(api_key="k", base_url=vendor.url))
    yield made
    made.close()


# --- names ------------------------------------------------------------------------------------------------------------


async def test_get_gives_back_the_very_object(claude: AnthropicProvider) -> None:
    mgr = ModelManager()
    agent, provider, duck = Agent(claude.engine.provider), claude.engine.provider, Local()
    composed = claude.with_fallback([claude])
    for id, thing in {"handle": claude, "agent": agent, "provider": provider, "duck": duck, "both": composed}.items():
        await mgr.register(id, thing)
        assert await mgr.get(id) is thing
        assert mgr.get_sync(id) is thing
    assert mgr.ids == list(mgr) == ["handle", "agent", "provider", "duck", "both"]
    assert len(mgr) == 5
    assert "duck" in mgr
    assert "goose" not in mgr


async def test_whatever_can_be_asked_answers(claude: AnthropicProvider, vendor: FakeVendor) -> None:
    mgr = ModelManager()
    for thing in (
        claude,
        claude.engine.provider,
        Agent(claude.engine.provider, system="Be brief."),
        claude.with_cache(),
    ):
        await mgr.register("it", thing)
        answer = await mgr.complete("it", "hi", max_tokens=9)
        assert answer.content == TEXT
        assert answer.cost_usd
        assert vendor.bodies()[-1]["max_tokens"] == 9
    assert "Be brief." in str(vendor.bodies()[2])
    await claude.aclose()


async def test_a_model_id_is_made_a_model(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", vendor.url)
    async with ModelManager() as mgr:
        await mgr.register("smart", MODEL)
        assert isinstance(await mgr.get("smart"), Model)
        assert (await mgr.complete("smart", "hi")).content == TEXT


def test_without_an_event_loop(claude: AnthropicProvider, vendor: FakeVendor) -> None:
    with ModelManager(cpu_ram_gb=10) as mgr:
        duck = Local()
        mgr.register_sync("claude", claude)
        mgr.register_sync("duck", duck)
        assert mgr.complete_sync("claude", "hi").content == TEXT
        assert mgr.complete_sync("duck", "hi").content == "to hi"
        heard: list[str] = []
        for id, text in {"claude": TEXT, "duck": "to hi"}.items():
            heard.clear()
            assert mgr.stream_sync(id, "hi", lambda chunk: heard.append(chunk.delta)).content == "".join(heard) == text
            assert "".join(chunk.delta for chunk in mgr.stream(id, "hi")) == text
        assert mgr.is_loaded_sync("duck")
        assert (mgr.used_bytes_sync(), mgr.available_bytes_sync()) == (GIB, 9 * GIB)
        mgr.unload_sync("duck")
        assert not duck.is_loaded
        mgr.load_sync("duck")
        mgr.ensure_loaded_sync("duck")
        assert duck.loads == 2
        assert [status.id for status in mgr.status_sync()] == ["claude", "duck"]
        mgr.unregister_sync("claude")
        assert mgr.ids == ["duck"]
    assert not duck.is_loaded  # at the end of the block


async def test_the_synchronous_twins_work_inside_a_running_loop() -> None:
    mgr = ModelManager()
    mgr.register_sync("duck", Local())
    assert mgr.complete_sync("duck", "hi").content == "to hi"
    assert "".join(chunk.delta for chunk in mgr.stream("duck", "hi")) == "to hi"


async def test_a_synchronous_call_does_not_wait_for_its_own_event_loop() -> None:
    mgr, duck = ModelManager(), Local()
    await mgr.register("duck", duck)
    duck.gate.clear()
    loading = asyncio.create_task(mgr.load("duck"))
    await soon()
    with pytest.raises(ConfigurationError, match="write await mgr.complete"):
        mgr.complete_sync("duck", "hi")
    threaded = asyncio.create_task(asyncio.to_thread(mgr.complete_sync, "duck", "hi"))
    duck.gate.set()
    await loading
    assert (await threaded).content == "to hi"
    assert duck.loads == 1


async def test_an_unknown_id_names_the_near_ones() -> None:
    mgr = ModelManager()
    with pytest.raises(UnknownModelError, match=r"no model is registered\nwrite await mgr.register\('fast', model\)"):
        await mgr.complete("fast", "hi")
    await mgr.register("Fast", Local())
    await mgr.register("slow", Local())
    for ask in (mgr.complete("fats", "hi"), mgr.get("fats"), mgr.load("fats"), mgr.unload("fats"), mgr.is_loaded("fats"), mgr.unregister("fats")):  # fmt: skip
        with pytest.raises(UnknownModelError, match=r"'fats'; did you mean 'Fast'\?\nregistered: 'Fast', 'slow'"):
            await ask
    with pytest.raises(UnknownModelError):
        mgr.stream("fats", "hi")
    assert issubclass(UnknownModelError, ConfigurationError)


async def test_none_means_the_default() -> None:
    mgr = ModelManager()
    assert mgr.default is None
    first, second = Local(), Local()
    await mgr.register("first", first)
    await mgr.register("second", second)
    assert mgr.default == "first"
    assert await mgr.get() is first
    mgr.default = "second"
    assert (await mgr.complete(None, "hi")).content == "to hi"
    assert (first.loads, second.loads) == (0, 1)
    await mgr.unregister("second")
    assert mgr.default == "first"
    with pytest.raises(UnknownModelError):
        mgr.default = "second"


async def test_unregistering_unloads() -> None:
    mgr, duck = ModelManager(), Local()
    await mgr.register("duck", duck)
    await mgr.load("duck")
    await mgr.unregister("duck")
    assert not duck.is_loaded
    assert "duck" not in mgr
    assert await mgr.used_bytes() == 0


async def test_replacing_unloads_the_old_one() -> None:
    mgr, old, new = ModelManager(), Local(2), Local(3)
    await mgr.register("it", old)
    await mgr.load("it")
    await mgr.register("it", new)
    assert not old.is_loaded
    assert await mgr.used_bytes() == 0
    await mgr.load("it")
    assert await mgr.used_bytes() == 3 * GIB
    await mgr.register("it", new)  # the same one stays
    assert new.is_loaded
    assert (new.loads, new.unloads) == (1, 0)


async def test_what_is_replaced_in_use_ends_its_answer_first() -> None:
    mgr, old, new = ModelManager(), Local(), Local()
    await mgr.register("it", old)
    old.answering.clear()
    answer = asyncio.create_task(mgr.complete("it", "old"))
    await soon()
    replacing = asyncio.create_task(mgr.register("it", new))
    await soon()
    assert old.is_loaded
    assert (await mgr.complete("it", "new")).content == "to new"
    assert not replacing.done()
    old.answering.set()
    await replacing
    assert (await answer).content == "to old"
    assert not old.is_loaded


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((7, Local()), "7 is no name"),
        (("x", object()), "cannot be asked"),
        (("x", AnthropicProvider), r"is a class\nwrite AnthropicProvider\(\.\.\.\)"),
        (("x", None), "cannot be asked"),
    ],
)
async def test_what_cannot_be_registered_is_said(given: tuple[Any, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        await ModelManager().register(*given)


# --- objects of a user's own ------------------------------------------------------------------------------------------


class Plain:
    """Nothing but a plain `complete`."""

    def complete(self, task: Any) -> CompletionResponse:
        return CompletionResponse(f"plainly {task}")


class Pieces(Plain):
    def stream(self, task: Any) -> Iterator[StreamChunk]:
        yield StreamChunk("plainly ")
        yield StreamChunk(str(task))


@pytest.mark.parametrize(("thing", "text"), [(Plain(), "plainly hi"), (Pieces(), "plainly hi"), (Local(), "to hi")])
async def test_any_object_streams(thing: Any, text: str) -> None:
    mgr = ModelManager()
    await mgr.register("it", thing)
    chunks = [chunk async for chunk in mgr.stream("it", "hi")]
    assert "".join(chunk.delta for chunk in chunks) == text
    assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    heard: list[str] = []

    async def listen(chunk: StreamChunk) -> None:
        heard.append(chunk.delta)

    assert (await mgr.stream("it", "hi", listen)).content == "".join(heard) == text
    assert (await mgr.stream("it", "hi", lambda chunk: heard.append(chunk.delta))).content == text


async def test_a_plain_function_does_not_block_the_loop_and_is_in_use_until_it_ends() -> None:
    class Slow(Local):
        def complete(self, task: Any) -> str:  # type: ignore[override]
            self.answers += 1
            time.sleep(0.3)
            self.answers -= 1
            return "late"

    mgr, slow = ModelManager(), Slow()
    await mgr.register("slow", slow)
    asking = asyncio.create_task(mgr.complete("slow", "hi"))
    ticks = 0
    while not slow.answers:
        await asyncio.sleep(0.01)
        ticks += 1
    asking.cancel()
    await mgr.unload("slow")  # asserts that nothing answers
    assert asking.cancelled()


def test_a_stream_without_a_loop_is_closed_where_it_is_left() -> None:
    mgr, duck = ModelManager(), Local()
    mgr.register_sync("duck", duck)
    with mgr.stream("duck", "hi") as stream:
        for _ in stream:
            assert duck.answers == 1
            break
    assert duck.answers == 0
    mgr.unload_sync("duck", timeout=5)


async def test_failures_are_as_the_model_raises_them(claude: AnthropicProvider, vendor: FakeVendor) -> None:
    mgr = ModelManager()
    await mgr.register("it", claude.with_retry(0))
    vendor.fail(Fault(401), Fault(401))
    with pytest.raises(ProviderError) as caught:
        await mgr.complete("it", "hi")
    assert caught.value.kind == "authentication"
    with pytest.raises(ProviderError) as caught:
        await mgr.stream("it", "hi", print)
    assert caught.value.kind == "authentication"
    assert (await mgr.status())[0].in_use == 0
    await claude.aclose()


# --- budgets ----------------------------------------------------------------------------------------------------------


async def test_remote_models_take_nothing(claude: AnthropicProvider) -> None:
    mgr = ModelManager(cpu_ram_gb=0, gpu_vram_gb=0)
    await mgr.register("claude", claude, memory_estimate_bytes=0)
    await mgr.load("claude")
    await mgr.unload("claude")
    assert await mgr.is_loaded("claude")
    assert (await mgr.complete("claude", "hi")).content == TEXT
    (status,) = await mgr.status()
    assert status == ModelStatus("claude", True, 0, "remote", 0, status.last_used)
    assert await mgr.used_bytes() == await mgr.used_bytes("remote") == 0
    with pytest.raises(ConfigurationError, match="takes no memory here"):
        await mgr.register("claude", claude, memory_estimate_bytes=5)
    await claude.aclose()


async def test_remote_calls_run_side_by_side(claude: AnthropicProvider, vendor: FakeVendor) -> None:
    mgr = ModelManager()
    await mgr.register("claude", claude)
    vendor.fail(*[Fault(pause=0.3)] * 8)
    started = time.monotonic()
    await asyncio.gather(*(mgr.complete("claude", "hi") for _ in range(8)))
    assert time.monotonic() - started < 0.3 * 8
    await claude.aclose()


async def test_the_one_used_longest_ago_goes_first_and_other_pools_stay() -> None:
    mgr = ModelManager(cpu_ram_gb=10, pool_budgets={"gpu:0": 10 * GIB, "gpu:1": 4 * GIB})
    things = {"a": Local(4), "b": Local(4), "c": Local(4), "g": Local(4, "cuda"), "h": Local(4, "cuda:1")}
    for id, thing in things.items():
        await mgr.register(id, thing)
    for id in "abgh":
        await mgr.load(id)
    await mgr.ensure_loaded("a")
    await mgr.load("c")
    assert [status.loaded for status in await mgr.status()] == [True, False, True, True, True]
    assert [status.pool for status in await mgr.status()] == ["cpu", "cpu", "cpu", "gpu:0", "gpu:1"]
    assert await mgr.used_bytes() == 8 * GIB
    assert await mgr.available_bytes("CPU") == 2 * GIB
    assert (await mgr.used_bytes("gpu"), await mgr.available_bytes("gpu:1")) == (4 * GIB, 0)
    await mgr.complete("a", "hi")  # an answer is a use, too
    await mgr.load("b")
    assert not things["c"].is_loaded


async def test_a_model_that_is_asked_is_loaded_and_says_when() -> None:
    mgr, duck = ModelManager(cpu_ram_gb=2), Local()
    await mgr.register("duck", duck)
    assert (await mgr.status())[0] == ModelStatus("duck", False, GIB, "cpu", 0, None)
    duck.answering.clear()
    asking = [asyncio.create_task(mgr.complete("duck", "hi")) for _ in range(2)]
    before = time.time()
    await soon()
    status = (await mgr.status())[0]
    assert status == ModelStatus("duck", True, GIB, "cpu", 2, status.last_used)
    assert before - 60 < (status.last_used or 0) <= time.time()
    duck.answering.set()
    await asyncio.gather(*asking)
    assert (await mgr.status())[0].in_use == 0


async def test_without_a_budget_nothing_is_evicted() -> None:
    mgr = ModelManager(gpu_vram_gb=1)  # says nothing of the cpu
    for number in range(5):
        await mgr.register(str(number), Local(1000))
        await mgr.load(str(number))
    assert await mgr.used_bytes() == 5000 * GIB
    assert await mgr.available_bytes() is None
    assert await mgr.available_bytes("gpu:3") == GIB  # each GPU has it


@pytest.mark.parametrize(
    ("budget", "line"),
    [({"cpu_ram_gb": 10}, "cpu_ram_gb=20"), ({"pool_budgets": {"cpu": 10 * GIB}}, "cpu_ram_gb=20")],
)
async def test_what_is_larger_than_its_pool_is_said(budget: dict[str, Any], line: str) -> None:
    mgr = ModelManager(**budget)
    with pytest.raises(ConfigurationError, match=rf"'big' takes 20.0 GiB, and the pool cpu holds at most 10.0 GiB\nwrite ModelManager\({line}\)"):  # fmt: skip
        await mgr.register("big", Local(20))
    assert "big" not in mgr
    with pytest.raises(ConfigurationError, match=r"write ModelManager\(gpu_vram_gb=3\)"):
        await ModelManager(gpu_vram_gb=2).register("big", Local(2.5, "cuda:0"))
    with pytest.raises(ConfigurationError, match=r"write ModelManager\(pool_budgets=\{'gpu:1': 3221225472\}\)"):
        await ModelManager(pool_budgets={"gpu:1": GIB}).register("big", Local(2.5, "cuda:1"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pool_budgets": {"npu": 1}}, r"no pool is called 'npu'\npools: 'cpu', 'gpu'"),
        ({"pool_budgets": {"cpu:1": 1}}, "no pool is called 'cpu:1'"),
        ({"cpu_ram_gb": -1}, "cpu_ram_gb=-1 is no size"),
        ({"cpu_ram_gb": float("nan")}, "cpu_ram_gb=nan is no size"),
        ({"gpu_vram_gb": "16"}, "gpu_vram_gb='16' is no size"),
    ],
)
def test_a_wrong_budget_is_said(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ModelManager(**options)


async def test_wrong_words_are_said() -> None:
    mgr = ModelManager()
    for wrong, said in (
        (mgr.used_bytes("npu"), "no pool is called 'npu'"),
        (mgr.available_bytes("gpu:x"), "no pool is called 'gpu:x'"),
        (mgr.register("x", Local(1, "npu:0")), r"no pool is known for the device 'npu:0'\nwrite register\(..., pool="),
        (mgr.register("x", Local(), pool="disk"), "no pool is called 'disk'"),
        (mgr.register("x", Local(), memory_estimate_bytes=-1), "memory_estimate_bytes=-1 is no size"),
        (mgr.register("x", Local(), memory_estimate_bytes=1.5), "memory_estimate_bytes=1.5 is no size"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigurationError, match=said):
            await wrong
    await mgr.register("x", Local())
    with pytest.raises(ConfigurationError, match="timeout=0 is no time"):
        await mgr.complete("x", "hi", timeout=0)


async def test_what_was_measured_corrects_the_estimate() -> None:
    class Grows(Local):
        async def load(self) -> None:
            await super().load()
            self.memory_bytes = 6 * GIB

    mgr, small, grows = ModelManager(cpu_ram_gb=10), Local(5), Grows()
    await mgr.register("small", small)
    await mgr.register("grows", grows, memory_estimate_bytes=4 * GIB, pool="cpu")
    await mgr.load("small")
    await mgr.load("grows")
    assert not small.is_loaded  # 5 and 4 GiB have room, 5 and 6 have not
    assert await mgr.used_bytes() == 6 * GIB
    await mgr.unload("grows")
    assert (await mgr.status())[1].memory_bytes == 6 * GIB

    narrow = ModelManager(cpu_ram_gb=5)
    await narrow.register("grows", Grows(), memory_estimate_bytes=4 * GIB)
    with pytest.raises(ConfigurationError, match="takes 6.0 GiB, and the pool cpu holds at most 5.0 GiB"):
        await narrow.load("grows")
    assert await narrow.used_bytes() == 0
    assert not await narrow.is_loaded("grows")


async def test_the_first_use_may_show_its_real_size() -> None:
    class Lazy(Local):
        async def complete(self, task: Any, **settings: Any) -> str:
            self.memory_bytes = 3 * GIB
            return "hi"

    mgr = ModelManager()
    await mgr.register("lazy", Lazy())
    await mgr.complete("lazy", "hi")
    assert await mgr.used_bytes() == 3 * GIB


async def test_a_model_that_fails_to_say_its_size_is_not_in_use_for_ever() -> None:
    class Lost(Local):
        def memory(self) -> int:
            raise OSError("gone")

        async def complete(self, task: Any, **settings: Any) -> str:
            self.memory_bytes = self.memory  # type: ignore[assignment]
            return "hi"

    mgr = ModelManager()
    await mgr.register("lost", Lost())
    with pytest.raises(OSError, match="gone"):
        await mgr.complete("lost", "hi")
    assert [status.in_use for status in await mgr.status()] == [0]
    await mgr.unload("lost", timeout=1)


async def test_where_nobody_knows_the_memory_a_budget_asks_for_it() -> None:
    duck = Local()
    duck.memory_bytes = None
    free = ModelManager()
    await free.register("duck", duck)
    await free.load("duck")
    assert (await free.status())[0].memory_bytes is None
    await free.aclose()
    tight = ModelManager(cpu_ram_gb=1)
    await tight.register("duck", duck)
    with pytest.raises(ConfigurationError, match=r"write register\('duck', ..., memory_estimate_bytes=...\)"):
        await tight.load("duck")
    duck.memory_bytes = 5
    await tight.load("duck")
    assert await tight.used_bytes() == 5


async def test_what_was_loaded_before_counts() -> None:
    mgr, there, other = ModelManager(cpu_ram_gb=10), Local(6), Local(6)
    await there.load()
    await mgr.register("other", other)
    await mgr.load("other")
    await mgr.register("there", there)
    assert await mgr.used_bytes() == 6 * GIB
    assert not other.is_loaded


async def test_two_names_of_one_model_are_one_in_memory() -> None:
    mgr, duck = ModelManager(cpu_ram_gb=1), Local(1)
    await mgr.register("a", duck)
    await mgr.register("b", duck)
    await mgr.load("a")
    await mgr.complete("b", "hi")
    assert await mgr.used_bytes() == GIB
    await mgr.unregister("a")
    assert duck.is_loaded
    await mgr.unregister("b")
    assert not duck.is_loaded
    assert (duck.loads, duck.unloads) == (1, 1)


async def test_local_models_that_are_composed_are_loaded_together(model_file: Path) -> None:
    """llama.cpp with SmolLM2; nothing is loaded but by the manager."""
    one, two = Model.local(model_file, context_tokens=256), Model.local(model_file, context_tokens=512)
    async with ModelManager(cpu_ram_gb=2) as mgr:
        await mgr.register("both", one.with_fallback([two]))
        await mgr.register("kept", one.with_fallback([two]).with_cache())
        estimate = (await mgr.status())[0].memory_bytes
        assert estimate is not None
        assert estimate > 2 * model_file.stat().st_size
        await mgr.load("both")
        assert [status.loaded for status in await mgr.status()] == [True, True]
        with pytest.raises(ConfigurationError, match="'one' and 'both' have some of their local models in common"):
            await mgr.register("one", one)
        assert "one" not in mgr
    assert await mgr.used_bytes() == 0


# --- many at once -----------------------------------------------------------------------------------------------------


async def test_five_at_once_load_once() -> None:
    mgr, duck = ModelManager(cpu_ram_gb=10), Local()
    duck.gate.clear()
    await mgr.register("duck", duck)
    five = [asyncio.create_task(mgr.load("duck")) for _ in range(5)]
    await soon()
    assert await mgr.used_bytes() == GIB  # reserved before it is there
    assert not await mgr.is_loaded("duck")
    duck.gate.set()
    await asyncio.gather(*five)
    assert duck.loads == 1


async def test_six_and_six_are_never_both_in_ten() -> None:
    mgr, one, two = ModelManager(cpu_ram_gb=10), Local(6), Local(6)
    await mgr.register("one", one)
    await mgr.register("two", two)
    one.gate.clear()
    both = [asyncio.create_task(mgr.load(id)) for id in ("one", "two")]
    await soon()
    assert (one.loads, two.loads) == (1, 0)
    one.gate.set()
    await asyncio.gather(*both)
    assert (one.is_loaded, two.is_loaded) == (False, True)
    assert await mgr.used_bytes() == 6 * GIB


async def test_a_second_wish_for_one_model_costs_no_second_victim() -> None:
    mgr = ModelManager(cpu_ram_gb=10)
    things = {"a": Local(4), "b": Local(4), "c": Local(4)}
    for id, thing in things.items():
        await mgr.register(id, thing)
    await mgr.load("a")
    await mgr.load("b")
    await asyncio.gather(*(mgr.load("c") for _ in range(5)))
    assert [thing.is_loaded for thing in things.values()] == [False, True, True]


async def test_what_is_in_use_is_passed_over() -> None:
    mgr = ModelManager(cpu_ram_gb=10)
    busy, idle, new = Local(4), Local(4), Local(4)
    for id, thing in {"busy": busy, "idle": idle, "new": new}.items():
        await mgr.register(id, thing)
    async with mgr.stream("busy", "hi") as stream:
        reading = aiter(stream)  # held, or the stream would end
        await anext(reading)
        await mgr.load("idle")
        await mgr.load("new")
        assert (busy.is_loaded, idle.is_loaded) == (True, False)
    await mgr.load("idle")
    assert busy.is_loaded != new.is_loaded


async def test_a_stream_in_flight_survives_an_eviction() -> None:
    mgr, busy, new = ModelManager(cpu_ram_gb=10), Local(6), Local(6)
    await mgr.register("busy", busy)
    await mgr.register("new", new)
    busy.answering.clear()
    pieces: list[str] = []
    streaming = asyncio.ensure_future(mgr.stream("busy", "the end", lambda chunk: pieces.append(chunk.delta)))
    await soon()
    loading, unloading = asyncio.create_task(mgr.load("new")), asyncio.create_task(mgr.unload("busy"))
    await soon()
    assert not loading.done()
    assert not unloading.done()
    assert busy.is_loaded
    busy.answering.set()
    assert (await streaming).content == "".join(pieces) == "to the end"
    await asyncio.gather(loading, unloading)
    assert (busy.is_loaded, new.is_loaded) == (False, True)


async def _load_sync(mgr: ModelManager) -> None:
    mgr.load_sync("new", timeout=0.1)


async def _complete_sync(mgr: ModelManager) -> None:
    mgr.complete_sync("new", "hi", timeout=0.1)


@pytest.mark.parametrize(
    "ask",
    [
        lambda mgr: mgr.load("new", timeout=0.1),
        lambda mgr: mgr.complete("new", "hi", timeout=0.1),
        lambda mgr: mgr.stream("new", "hi", timeout=0.1),
        _load_sync,
        _complete_sync,
    ],
    ids=["load", "complete", "stream", "load_sync", "complete_sync"],
)
async def test_who_waits_too_long_hears_who_holds_what(ask: Callable[[ModelManager], Awaitable[Any]]) -> None:
    mgr = ModelManager(cpu_ram_gb=10)
    await mgr.register("busy", Local(6))
    await mgr.register("new", Local(6))
    async with mgr.stream("busy", "hi") as stream:
        reading = aiter(stream)  # held, or the stream would end
        await anext(reading)
        with pytest.raises(ProviderTimeoutError, match=r"'new' got no turn within 0.1 s: it takes 6.0 GiB of the 10.0 GiB in pool cpu: 'busy' holds 6.0 GiB, in use by 1 call"):  # fmt: skip
            await ask(mgr)
        with pytest.raises(ProviderTimeoutError, match="'busy' got no turn within 0.1 s: it is in use by 1 call"):
            await mgr.unload("busy", timeout=0.1)
        with pytest.raises(ProviderTimeoutError):
            await mgr.unregister("busy", timeout=0.1)
    await mgr.load("new", timeout=5)  # what has no name any more is evicted, too
    assert await mgr.used_bytes() == 6 * GIB


async def test_waiting_is_taken_off_the_calls_time() -> None:
    given: list[float] = []

    class Timed(Local):
        async def complete(self, task: Any, **settings: Any) -> str:
            given.append(settings["timeout"])
            return "hi"

    mgr, timed = ModelManager(), Timed()
    await mgr.register("timed", timed)
    timed.gate.clear()
    asyncio.get_running_loop().call_later(0.2, timed.gate.set)
    await mgr.complete("timed", "hi", timeout=5)
    assert 4 < given[0] < 4.9
    await mgr.complete("timed", CompletionRequest((Message.user("hi"),), timeout=5))
    assert 4 < given[1] < 5
    timed.is_loaded = False
    await mgr.unload("timed")
    timed.gate.clear()
    with pytest.raises(ProviderTimeoutError, match="'timed' got no turn within 0.1 s"):
        await mgr.load("timed", timeout=0.1)
    with pytest.raises(ProviderTimeoutError, match="'timed' got no turn within 0.1 s"):
        await mgr.complete("timed", CompletionRequest((Message.user("hi"),), timeout=0.1))
    assert await mgr.used_bytes() == 0


@pytest.mark.parametrize(
    "composed", [lambda model: model, lambda model: model.with_cache(), lambda model: model.with_retry(1)]
)
async def test_a_models_own_time_is_for_its_wait_too(model_file: Path, composed: Callable[[Model], Model]) -> None:
    """The model that runs in this process, real, and kept waiting by another one."""
    mgr = ModelManager(cpu_ram_gb=10)
    await mgr.register("busy", Local(10))
    hasty = composed(Model("local", options=lazybridge.ProviderOptions(timeout=0.2)))
    await mgr.register("hasty", hasty)
    async with mgr.stream("busy", "hi") as stream:
        reading = aiter(stream)  # held, or the stream would end
        await anext(reading)
        with pytest.raises(ProviderTimeoutError, match="'hasty' got no turn within 0.2 s"):
            await mgr.complete("hasty", "hi")
        with pytest.raises(ProviderTimeoutError, match="'hasty' got no turn within 0.2 s"):
            await mgr.stream("hasty", "hi")
        with pytest.raises(ProviderTimeoutError, match="'hasty' got no turn within 0.2 s"):
            await asyncio.to_thread(mgr.complete_sync, "hasty", "hi")
        with pytest.raises(ProviderTimeoutError, match="'hasty' got no turn within 0.1 s"):
            await mgr.complete("hasty", "hi", timeout=0.1)  # the call's comes first
    assert not await mgr.is_loaded("hasty")


async def test_what_the_wait_leaves_of_a_models_own_time_is_the_calls(model_file: Path) -> None:
    options = lazybridge.LocalOptions(path=model_file, context_tokens=96, threads=1)
    provider = lazybridge.core.providers.local.LocalProvider(options=options)
    mgr, busy = ModelManager(cpu_ram_gb=10), Local(10)
    await mgr.register("busy", busy)
    await mgr.register("timed", Model(provider, timeout=30, max_tokens=1))
    stream = mgr.stream("busy", "hi")
    reading = aiter(stream)  # held, or the stream would end
    await anext(reading)
    asyncio.get_running_loop().call_later(0.3, lambda: asyncio.ensure_future(stream.aclose()))
    seen: list[float | None] = []
    real = provider.astream
    provider.astream = lambda request: (seen.append(request.timeout), real(request))[1]  # type: ignore[method-assign, func-returns-value]
    await mgr.complete("timed", "hi")
    assert 20 < seen[0] < 29.8  # type: ignore[operator]
    await mgr.aclose()


async def test_a_failed_load_rolls_back_and_keeps_its_cause() -> None:
    mgr, good, bad = ModelManager(cpu_ram_gb=10), Local(4), Local(4)
    bad.fault = RuntimeError("out of memory")
    await mgr.register("good", good)
    await mgr.register("bad", bad)
    await mgr.load("good")
    results = await asyncio.gather(*(mgr.complete("bad", "hi") for _ in range(3)), return_exceptions=True)
    assert bad.loads == 1
    for error in results:
        assert isinstance(error, ServerError)
        assert error.__cause__ is bad.fault
        assert str(error).startswith("bad: 'bad' could not be loaded: RuntimeError: out of memory")
        assert not error.retryable
    assert good.is_loaded
    assert await mgr.used_bytes() == 4 * GIB
    bad.fault = ConfigurationError("no such file")
    with pytest.raises(ConfigurationError, match="no such file"):
        await mgr.load("bad")
    bad.fault = None
    assert (await mgr.complete("bad", "hi")).content == "to hi"


async def test_nobody_is_evicted_where_that_would_not_be_enough() -> None:
    mgr, idle = ModelManager(cpu_ram_gb=10), Local(3)
    for id, thing in {"busy": Local(4), "idle": idle, "new": Local(7)}.items():
        await mgr.register(id, thing)
    await mgr.load("idle")
    async with mgr.stream("busy", "hi") as stream:
        reading = aiter(stream)  # held, or the stream would end
        await anext(reading)
        with pytest.raises(ProviderTimeoutError):
            await mgr.load("new", timeout=0.1)
    assert idle.is_loaded


async def test_a_model_that_says_nothing_of_itself_is_not_there_after_a_failed_load() -> None:
    class Quiet:
        async def load(self) -> None:
            raise RuntimeError("no")

        async def unload(self) -> None: ...

        async def complete(self, task: Any) -> str:
            return "hi"

    mgr = ModelManager(cpu_ram_gb=1)
    await mgr.register("quiet", Quiet(), memory_estimate_bytes=5)
    with pytest.raises(ServerError):
        await mgr.load("quiet")
    assert not await mgr.is_loaded("quiet")
    assert await mgr.used_bytes() == 0


async def test_a_failed_unload_is_said_and_the_next_victim_is_another() -> None:
    class Stuck(Local):
        async def unload(self) -> None:
            raise OSError("busy device")

    mgr = ModelManager(cpu_ram_gb=10)
    stuck, idle, new = Stuck(4), Local(4), Local(4)
    for id, thing in {"stuck": stuck, "idle": idle, "new": new}.items():
        await mgr.register(id, thing)
    await mgr.load("stuck")
    await mgr.load("idle")
    with pytest.raises(ServerError, match="'stuck' could not be unloaded to make room for 'new': OSError: busy device"):
        await mgr.load("new")
    assert await mgr.used_bytes() == 8 * GIB
    await mgr.load("new")
    assert not idle.is_loaded


async def test_a_cancelled_load_leaves_the_books_as_they_were_and_who_waits_loads_anew() -> None:
    mgr, duck = ModelManager(cpu_ram_gb=10), Local()
    await mgr.register("duck", duck)
    duck.gate.clear()
    first = asyncio.create_task(mgr.load("duck"))
    await soon()
    first.cancel()
    await soon()
    assert await mgr.used_bytes() == 0
    first, second = (asyncio.create_task(mgr.load("duck")) for _ in range(2))
    await soon()
    first.cancel()
    await soon()
    duck.gate.set()
    await second
    assert duck.loads == 3
    assert await mgr.is_loaded("duck")


async def test_a_plain_load_runs_in_a_thread_and_to_its_end() -> None:
    class Threaded(Plain):
        memory_bytes = GIB
        loads = 0
        gate = threading.Event()

        def load(self) -> None:
            self.loads += 1
            assert self.gate.wait(5)

        def unload(self) -> None: ...

    mgr, duck = ModelManager(cpu_ram_gb=1), Threaded()
    await mgr.register("duck", duck)
    first, second = (asyncio.create_task(mgr.load("duck")) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    await soon()
    assert first.cancelled()
    assert await mgr.used_bytes() == GIB  # a thread cannot be stopped: the memory is being taken
    duck.gate.set()
    await second
    assert duck.loads == 1


async def test_what_load_returns_is_awaited() -> None:
    class Returns(Local):
        def load(self) -> Any:  # type: ignore[override]
            return self._later()

        async def _later(self) -> None:
            await asyncio.sleep(0.01)
            self.is_loaded = True

    mgr, duck = ModelManager(), Returns()
    await mgr.register("duck", duck)
    await mgr.load("duck")
    assert duck.is_loaded


async def test_an_unload_is_not_cut_off() -> None:
    class Careful(Local):
        async def unload(self) -> None:
            await asyncio.sleep(0.1)
            await super().unload()

    mgr, duck = ModelManager(), Careful()
    await mgr.register("duck", duck)
    await mgr.load("duck")
    unloading = asyncio.create_task(mgr.unload("duck"))
    await soon()
    unloading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unloading
    assert not duck.is_loaded
    assert await mgr.used_bytes() == 0


def test_threads_and_loops_share_one_manager() -> None:
    """Six threads, half with loops of their own, and four models of 4 units in a pool of 10."""
    lock, inside = threading.Lock(), [0, 0]

    class Unit:
        memory_bytes = 4

        def __init__(self) -> None:
            self.answering = 0
            self.loaded = False

        def load(self) -> None:
            with lock:
                assert not self.loaded
                self.loaded = True
                inside[0] += 4
                inside[1] = max(inside)
            time.sleep(0.001)

        def unload(self) -> None:
            with lock:
                assert self.loaded
                assert not self.answering
                self.loaded = False
                inside[0] -= 4

        def complete(self, task: Any) -> str:
            with lock:
                assert self.loaded
                self.answering += 1
            time.sleep(0.001)
            with lock:
                self.answering -= 1
            return "hi"

    mgr = ModelManager(pool_budgets={"cpu": 10})
    for id in "abcd":
        mgr.register_sync(id, Unit())

    def plainly(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(40):
            act = dice.choice([mgr.load_sync, mgr.unload_sync, lambda id: mgr.complete_sync(id, "x")])
            act(dice.choice("abcd"))

    async def asynchronously(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(20):
            await asyncio.gather(*(mgr.complete(dice.choice("abcd"), "x") for _ in range(3)), mgr.unload("a"))

    def work(seed: int) -> None:
        if seed % 2:
            plainly(seed)
        else:
            asyncio.run(asynchronously(seed))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6), timeout=60))
    assert inside[1] == 8
    assert mgr.used_bytes_sync() == inside[0]
    mgr.close()
    assert inside[0] == 0


# --- in any order -----------------------------------------------------------------------------------------------------


class Simulated:
    """A local model whose every load, unload and answer ends when the test says so."""

    def __init__(self, world: World, name: str, size: int, device: str) -> None:
        self.world, self.name, self.memory_bytes, self.device = world, name, size, device
        self.pool = "cpu" if device == "cpu" else "gpu:0"
        self.taken = self.loaded = False
        self.answering = 0
        self.stamp = 0
        self.open: list[tuple[str, asyncio.Future[None]]] = []
        self.tasks: set[asyncio.Task[Any]] = set()  # that want it in memory
        self.unloads: set[asyncio.Task[Any]] = set()  # that asked for it to be unloaded

    async def _until_told(self, what: str) -> None:
        turn = (what, asyncio.get_running_loop().create_future())
        self.open.append(turn)
        try:
            await turn[1]
        finally:
            self.open.remove(turn)

    async def load(self) -> None:
        assert not self.taken, "a second load"
        self.taken = True
        try:
            await self._until_told("load")
        except BaseException:
            self.taken = False
            raise
        self.loaded = True

    async def unload(self) -> None:
        assert self.loaded
        assert not self.answering, "evicted in use"
        if not any(not task.done() for task in self.unloads):
            self.world.check_victim(self)
        try:
            await self._until_told("unload")
        except BaseException:
            self.touch()
            raise
        self.loaded = self.taken = False

    async def complete(self, task: Any) -> str:
        assert self.loaded
        self.touch()
        self.answering += 1
        try:
            await self._until_told("complete")
        finally:
            self.answering -= 1
            self.touch()
        return "hi"

    def touch(self) -> None:
        self.stamp = next(self.world.clock)

    def idle(self) -> bool:
        return (
            self.loaded
            and not self.answering
            and all(task.done() for task in self.tasks)
            and not any(what == "unload" for what, _ in self.open)
        )


class World(RuleBasedStateMachine):
    """Loads, answers, unloads and replacements that begin, end, fail and are cancelled in any order, on one loop."""

    BUDGETS = {"cpu": 10, "gpu:0": 6}
    SIZES = {"a": (4, "cpu"), "b": (4, "cpu"), "c": (6, "cpu"), "d": (3, "cpu"), "g": (4, "cuda"), "h": (4, "cuda:0")}
    names = st.sampled_from(sorted(SIZES))

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = iter(range(1, 1_000_000))
        self.mgr = ModelManager(pool_budgets=self.BUDGETS)
        self.everything: list[Simulated] = []
        self.now: dict[str, Simulated] = {}
        self.tasks: list[asyncio.Task[Any]] = []
        for name in self.SIZES:
            self.put(name)
        self.settle()

    def put(self, name: str) -> None:
        made = Simulated(self, name, *self.SIZES[name])
        self.everything.append(made)
        old = self.now.get(name)
        self.now[name] = made
        task = self.begin(self.mgr.register(name, made))
        if old is not None:
            old.unloads.add(task)

    def begin(self, work: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        self.tasks.append(task)
        return task

    def settle(self) -> None:
        self.loop.run_until_complete(soon())

    def check_victim(self, victim: Simulated) -> None:
        pool = [one for one in self.everything if one.pool == victim.pool and (one.idle() or one is victim)]
        assert victim is min(pool, key=lambda one: one.stamp), "not the one used longest ago"

    async def loading(self, one: Simulated) -> None:
        await self.mgr.load(one.name)
        one.touch()

    @rule(name=names)
    def load(self, name: str) -> None:
        one = self.now[name]
        one.tasks.add(self.begin(self.loading(one)))
        self.settle()

    @rule(name=names)
    def ask(self, name: str) -> None:
        self.now[name].tasks.add(self.begin(self.mgr.complete(name, "hi")))
        self.settle()

    @rule(name=names)
    def unload(self, name: str) -> None:
        self.now[name].unloads.add(self.begin(self.mgr.unload(name)))
        self.settle()

    @rule(name=names)
    def replace(self, name: str) -> None:
        self.put(name)
        self.settle()

    def turns(self) -> list[asyncio.Future[None]]:
        return [turn for one in self.everything for _, turn in one.open if not turn.done()]

    @precondition(lambda self: self.turns())
    @rule(data=st.data(), fails=st.sampled_from([False, False, False, True]))
    def end(self, data: st.DataObject, fails: bool) -> None:
        turn = data.draw(st.sampled_from(self.turns()))
        if fails:
            turn.set_exception(RuntimeError("simulated"))
        else:
            turn.set_result(None)
        self.settle()

    @precondition(lambda self: any(not task.done() for task in self.tasks))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([task for task in self.tasks if not task.done()])).cancel()
        self.settle()

    @invariant()
    def the_books_are_what_is_in_memory(self) -> None:
        for pool, budget in self.BUDGETS.items():
            taken = sum(one.memory_bytes for one in self.everything if one.pool == pool and one.taken)
            assert taken == self.mgr.used_bytes_sync(pool) <= budget
        for status in self.mgr.status_sync():
            one = self.now[status.id]
            assert status.loaded == (one.loaded and not any(what == "unload" for what, _ in one.open))
            assert status.in_use == one.answering

    @invariant()
    def nobody_fails_but_as_simulated(self) -> None:
        for task in self.tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                told = isinstance(error, UnknownModelError) and "while it was waited for" in str(error)
                assert told or "simulated" in str(error), error

    def teardown(self) -> None:
        for _ in range(200):
            if not self.turns():
                break
            for turn in self.turns():
                turn.set_result(None)
            self.settle()
        stuck = [task for task in self.tasks if not task.done()]
        self.the_books_are_what_is_in_memory()
        self.nobody_fails_but_as_simulated()
        assert not stuck, "somebody waits for ever"
        self.loop.close()


TestInAnyOrder = World.TestCase
TestInAnyOrder.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


# --- real models ------------------------------------------------------------------------------------------------------


async def test_two_real_models_take_turns_in_a_budget_for_one(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llama.cpp with SmolLM2, once with a context of 512 tokens and once with 1024."""
    one, two = Model.local(model_file, context_tokens=512), Model.local(model_file, context_tokens=1024)
    estimates = ModelManager()
    await estimates.register("one", one)
    size = (await estimates.status())[0].memory_bytes
    assert size is not None
    assert model_file.stat().st_size < size < 3 * model_file.stat().st_size
    monkeypatch.setattr(LocalProvider, "memory_bytes", None, raising=False)  # what is measured varies with the machine
    async with ModelManager(cpu_ram_gb=0.6) as mgr:
        await mgr.register("one", one, memory_estimate_bytes=400 * 1024**2)
        await mgr.register("two", two, memory_estimate_bytes=400 * 1024**2)
        asked = {"temperature": 0, "max_tokens": 12}
        answers = await asyncio.gather(
            *(mgr.complete(id, "What is the capital of France?", **asked) for id in ("one", "two") * 2)
        )  # type: ignore[arg-type]
        assert all("Paris" in answer.content for answer in answers)
        assert sum(status.loaded for status in await mgr.status()) == 1
        async with mgr.stream("one", "Count to fifty.", max_tokens=60) as stream:
            pieces = 0
            loading = None
            async for _ in stream:
                pieces += 1
                loading = loading or asyncio.create_task(mgr.load("two"))
        assert pieces > 20
        assert loading is not None
        await loading
        assert [status.loaded for status in await mgr.status()] == [False, True]
    assert await mgr.used_bytes() == 0


def test_a_local_model_is_local_however_it_is_wrapped(model_file: Path, claude: AnthropicProvider) -> None:
    mgr, provider = ModelManager(), LocalProvider(model=f"local:{model_file}")
    model = Model(provider)
    wrapped = {"provider": provider, "model": model, "agent": Agent(provider), "cache": model.with_cache(), "retry": model.with_retry(1), "fallback": claude.with_fallback([model])}  # fmt: skip
    for id, thing in wrapped.items():
        mgr.register_sync(id, thing)
    assert {status.pool for status in mgr.status_sync()} == {"cpu"}
    mgr.load_sync("cache")
    assert all(status.loaded for status in mgr.status_sync())
    assert mgr.used_bytes_sync() == mgr.status_sync()[0].memory_bytes
    mgr.close()
    assert not any(status.loaded for status in mgr.status_sync())
