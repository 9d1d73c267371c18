"""The figures as tables, goals, a plot and a page."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from cases import ASYNC_100, ASYNC_400, ASYNC_STREAM, LONG, SHORT, STREAM, STREAMS_50
from peers import PEERS
from subjects import AGENT, FAMILIES, LEAST, POST, PROVIDER, TYPED

ROOT = Path(__file__).resolve().parents[1]
PAGE, PLOT = ROOT / "docs" / "performance.md", ROOT / "docs" / "assets" / "performance.svg"
FIRST = "first call of a process"
Cells = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Goal:
    """What is measured, and the most it may be."""

    what: str
    where: str
    found: float
    most: float
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.found <= self.most


def goals(figures: Any) -> Iterator[Goal]:
    """Each goal that this run has figures for."""
    yield from _ratio(figures, SHORT.name, TYPED, 0.70, ("openai chat", "openai responses", "anthropic"))
    yield from _ratio(figures, LONG.name, TYPED, 0.10, ("openai chat", "openai responses"))
    yield from _ratio(figures, SHORT.name, POST, 1.25, subject=PROVIDER)
    yield from _ratio(figures, ASYNC_100.name, TYPED, 0.45)
    yield from _ratio(figures, ASYNC_400.name, TYPED, 0.35)
    for case in (STREAM, ASYNC_STREAM, STREAMS_50):
        yield from _ratio(figures, case.name, TYPED, 0.20, ("openai chat", "openai responses", "groq"))
        yield from _ratio(figures, case.name, TYPED, 0.60, ("anthropic",))
    yield from _ratio(figures, FIRST, TYPED, 1.0)
    yield from _beside_peers(figures)
    imported = figures.cpu.get("start", {}).get("import", {}).get("import lazybridge")
    if imported:
        yield Goal("`import lazybridge` over bare Python", "", median(imported) * 1e3, 25, " ms")
    for family, subjects in figures.soak.items():
        found = subjects[AGENT]
        if found["rss_early"]:
            ratio = found["rss_late"] / found["rss_early"]
            yield Goal(f"memory after {found['calls']:,.0f} calls / after 100", family, ratio, 1.02)
        yield Goal(f"connections that {found['calls']:,.0f} calls opened", family, found["connections"], 1)
        more = found["descriptors_late"] - found["descriptors_early"]
        yield Goal("descriptors beyond those after 100 calls", family, more, 0)
    for what, (most, unit) in MEMORY_GOALS.items():
        if what in figures.memory:
            yield Goal(what, "", figures.memory[what], most, unit)


IDLE, KEPT = "memory of an idle agent", "memory of a chunk of a stream beyond its text, while it runs"
ENGINE = "CPU of the engine for a message of a long conversation / its translation"
MEMORY_GOALS = {
    IDLE: (5.0, " kB"),
    KEPT: (16.0, " bytes"),
    ENGINE: (0.25, ""),
}


def out_of_reach(figures: Any, missed: list[Goal]) -> Iterator[str]:
    """Who spends a first call that is more than half of a peer's: the SDK, which no thin bridge can leave out."""
    for goal in missed:
        family, (what, _, peer) = goal.where, goal.what.rpartition(" / ")
        sdk = FAMILIES[family].sdk if family in FAMILIES else ""
        if peer in PEERS and what.startswith(FIRST) and sdk in figures.imports:
            alone = median(figures.cpu["start"]["import"][f"import {sdk}, no collection"])
            least, theirs = (median(figures.cpu[family][FIRST][who]) for who in (LEAST, peer))
            parts = ", ".join(f"{name} {part:.0%}" for name, part in figures.imports[sdk].items())
            yield (
                f"{family}'s first call: the SDK's own untyped one, without lazybridge and without collecting garbage, takes\n"
                f"{told(least)} of CPU, {least / theirs:.2f} of {peer}'s whole first call ({told(theirs)}). Its import alone takes {told(alone)};\n"
                f"by `python -X importtime` that goes to {parts}."
            )


def _ratio(
    figures: Any, case: str, against: str, most: float, families: tuple[str, ...] = (), subject: str = AGENT
) -> Iterator[Goal]:
    for family, cases in figures.cpu.items():
        found = cases.get(case, {})
        if (not families or family in families) and subject in found and against in found:
            ratio = median(found[subject]) / median(found[against])
            yield Goal(f"{case}: {subject} / {against}", family, ratio, most)


def _beside_peers(figures: Any) -> Iterator[Goal]:
    for family, cases in figures.cpu.items():
        for case, subjects in cases.items():
            peers = {name: median(times) for name, times in subjects.items() if name in PEERS}
            if peers and AGENT in subjects:
                fastest = min(peers, key=lambda name: peers[name])
                yield Goal(f"{case}: Agent / {fastest}", family, median(subjects[AGENT]) / peers[fastest], 0.5)


# --- as text --------------------------------------------------------------------------------------------------------


def told(seconds: float) -> str:
    """Microseconds, or milliseconds where they are many."""
    if seconds >= 0.01:
        return f"{seconds * 1e3:,.1f} ms"
    return f"{seconds * 1e6:,.0f} µs" if seconds >= 0.0001 else f"{seconds * 1e6:,.1f} µs"


def rows(case: str, subjects: dict[str, list[float]], wall: dict[str, list[float]]) -> Iterator[list[str]]:
    base = subjects.get(TYPED) or subjects.get("import openai")
    for name, times in subjects.items():
        spread = f"{told(min(times))} - {told(max(times))}"
        ratio = "" if not base else f"{median(times) / median(base):.2f}"
        yield [case, name, told(median(times)), spread, told(median(wall[name])) if name in wall else "", ratio]


HEAD = ["", "who", "CPU", "least - most", "wall", "ratio"]


def show(figures: Any) -> None:
    """Print everything."""
    print(versions(figures))
    for family, cases in figures.cpu.items():
        print(f"\n{family}")
        for case, subjects in cases.items():
            for row in rows(case, subjects, figures.wall.get(family, {}).get(case, {})):
                print(f"{row[0]:<30} {row[1]:<28} {row[2]:>12} {row[3]:>25} {row[4]:>12} {row[5]:>6}")
    for family, soaked in figures.soak.items():
        for name, found in soaked.items():
            print(f"soak {family:<18} {name:<12}", {word: int(value) for word, value in found.items()})
    if figures.memory:
        print(figures.memory)
    print()
    for goal in goals(figures):
        mark = "met   " if goal.met else "MISSED"
        print(
            f"{mark} {goal.what:<66} {goal.where:<17} {goal.found:>8.2f}{goal.unit} (at most {goal.most:g}{goal.unit})"
        )
    for reason in out_of_reach(figures, [goal for goal in goals(figures) if not goal.met]):
        print(reason)


def versions(figures: Any) -> str:
    names = ("openai", "anthropic", "groq", "mistralai", "google-genai", "httpx2", "aiohttp", "pydantic")
    ours = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    peers = "; ".join(figures.peers.values())
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{date.today()}, {machine}. SDKs: {ours}." + (f" Peers: {peers}." if peers else "")


def run_of(figures: Any) -> str:
    """How many rounds there were, how busy the machine was, and what was left out of this run."""
    rounds = {
        len(times) for cases in figures.cpu.values() for subjects in cases.values() for times in subjects.values()
    }
    absent = [*(name for name in FAMILIES if name not in figures.cpu)]
    absent += [] if "start" in figures.cpu else ["imports and first calls"]
    absent += [] if figures.soak else ["memory and connections of many calls"]
    absent += [] if figures.peers else ["peers"]
    load = "load unknown" if figures.load is None else f"{figures.load:.0f} processes wanted to run"
    left_out = f" Not in this run: {', '.join(absent)}." if absent else ""
    return f"Rounds: {min(rounds)} to {max(rounds)}; {load} on these cores when it ended.{left_out}"


# --- as a page ------------------------------------------------------------------------------------------------------


def write(figures: Any) -> None:
    """Make the page and its plot."""
    PLOT.parent.mkdir(exist_ok=True)
    plot(figures)
    PAGE.write_text(page(figures))
    print(f"wrote {PAGE.relative_to(ROOT)} and {PLOT.relative_to(ROOT)}")


def table(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:" for _ in head[1:]], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(figures: Any) -> str:
    """docs/performance.md."""
    made = [*goals(figures)]
    missed = [goal for goal in made if not goal.met]
    text = [
        "# Performance",
        "What lazybridge costs beside the vendors' SDKs, on which it stands, and beside its peers: printed and written by\n`python benchmarks/speed.py --peers --write`. CPU of the client's process, medians of rounds in which those that are compared\ntook turns, against a server on loopback with canned answers. Compare ratios, not microseconds between machines; what a\nvendor takes to answer is the same for all, and a thousand times as much.",
        versions(figures),
        run_of(figures),
        "![CPU of a call, as a part of the raw SDK's](assets/performance.svg)",
        "`SDK typed` is the vendor's documented `create` on its default transport, `SDK typed, aiohttp` the same on the SDK's\naiohttp transport, `SDK post` the SDK's untyped `post`, on which lazybridge stands; `provider` is that with the\ntranslation and the price, `Agent` the whole. `ratio` is to `SDK typed`: below 1 is cheaper.",
        "## Goals",
        f"{len(made) - len(missed)} of {len(made)} are met.",
        table(["goal", "of", "found", "at most", "met"], [_goal_row(goal) for goal in made]),
        *out_of_reach(figures, missed),
        "## Warming up",
        WARM,
        "## Figures",
    ]
    for family, cases in figures.cpu.items():
        found = [row for case, subjects in cases.items() for row in rows(case, subjects, figures.wall.get(family, {}).get(case, {}))]  # fmt: skip
        title = "Imports, above bare Python" if family == "start" else family
        text += [f"### {title}", table(HEAD, found)]
    if figures.soak:
        text += ["### Many calls in one process", table(["", "who", "calls", "memory after 100", "at the end", "descriptors", "at the end", "connections"], [*_soak_rows(figures)])]  # fmt: skip
    return "\n\n".join(text) + "\n"


WARM = """The first call of a process pays for the SDK's import, which costs 0.2 to 1 s of CPU, for certificates and for a
connection. `warm` does all of that in a background thread while your program starts; it returns at once and never raises:

```python
from lazybridge import Agent, warm

warming = warm("anthropic")  # or several names, or agents: warm("openai", Agent("claude-haiku-5-5"))
agent = Agent("claude-haiku-5-5")
warming.join(timeout=10)  # only where you want to wait
print(warming.errors)
```

A vendor's name imports its SDK and loads the certificates that all clients of the process share; an agent, a provider or
a `Model` also has its own client made and connected, by a HEAD without credentials. `join` is a thread's; `errors` says by name what did
not work, such as a package that is not installed: the call itself will say so, too."""


def _goal_row(goal: Goal) -> list[str]:
    digits = 2 if (goal.found < 10 and goal.most != int(goal.most)) or goal.most <= 2 else 1
    return [goal.what, goal.where, f"{goal.found:.{digits}f}{goal.unit}", f"{goal.most:g}{goal.unit}", "yes" if goal.met else "**no**"]  # fmt: skip


def _soak_rows(figures: Any) -> Iterator[list[str]]:
    for family, soaked in figures.soak.items():
        for name, found in soaked.items():
            sizes = [f"{found[word] / 1024:.1f} MB" for word in ("rss_early", "rss_late")]
            opened = [f"{found[word]:.0f}" for word in ("descriptors_early", "descriptors_late", "connections")]
            yield [family, name, f"{found['calls']:,.0f}", *sizes, *opened]


def plot(figures: Any) -> None:
    """Bars: what an Agent and each peer cost, as a part of the raw SDK's typed call."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "lazybridge"
    from matplotlib import pyplot

    cases = [SHORT.name, LONG.name, ASYNC_100.name, STREAM.name, ASYNC_STREAM.name, FIRST]
    families = [family for family in figures.cpu if family != "start"]
    names = [AGENT, *(name for name in PEERS if name in figures.peers)]
    chart, axes = pyplot.subplots(len(families), 1, figsize=(10, 2.1 * len(families)), sharex=True)
    for axis, family in zip(axes if len(families) > 1 else [axes], families, strict=True):
        width = 0.8 / len(names)
        for place, name in enumerate(names):
            heights = [_part(figures.cpu[family].get(case, {}), name) for case in cases]
            lefts = [number + place * width for number in range(len(cases))]
            bars = axis.bar(lefts, heights, width * 0.95, label=name)
            axis.bar_label(bars, [f"{height:.2f}" if height else "" for height in heights], fontsize=6)
        axis.axhline(1, color="grey", linewidth=0.8)
        axis.set_yscale("log")
        axis.set_ylim(0.03, 30)
        axis.set_title(family, loc="left", fontsize=9)
        axis.tick_params(labelsize=7)
        axis.set_xticks([number + 0.4 - width / 2 for number in range(len(cases))], cases)
    (axes[0] if len(families) > 1 else axes).legend(fontsize=7, ncols=len(names), loc="upper right")
    chart.suptitle("CPU of the client as a part of the raw SDK's typed call (= 1, logarithmic)", fontsize=10)
    chart.tight_layout()
    chart.savefig(PLOT, metadata={"Date": None})


def _part(subjects: dict[str, list[float]], name: str) -> float:
    if name not in subjects or TYPED not in subjects:
        return 0.0
    return median(subjects[name]) / median(subjects[TYPED])
