"""What lazybridge costs beside the vendors' SDKs and its peers, against one loopback server with canned answers.

`python benchmarks/speed.py` prints tables and the goals; `--quick` is a first look, `--peers` installs and asks the peers,
`--write` makes docs/performance.md and its plot of it. `benchmarks/README.md` says how to read the figures.
Each subject has a process of its own and they take turns, a short round each, so that noise hits all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import report
from cases import ASYNC_1, ASYNC_20, CASES, STREAMS_50, Case
from peers import FAMILIES as PEER_FAMILIES
from peers import PEERS, VARIABLES
from subjects import AGENT, AIOHTTP, FAMILIES, LEAST, POST, PROVIDER, TYPED, Family

HERE = Path(__file__).resolve().parent
# Variables that would send the workers elsewhere than to the loopback server; proxies go as well.
_FOREIGN = ("OPENAI_", "ANTHROPIC_", "GROQ_", "MISTRAL_", "GOOGLE_", "GEMINI_", "LAZYBRIDGE_")
_KEYS = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GOOGLE_API_KEY": "k"}
IMPORTS = {
    "bare Python": "pass",
    "import lazybridge": "import lazybridge",
    "from lazybridge import Agent": "from lazybridge import Agent",
    "import openai": "import openai",
    "import anthropic": "import anthropic",
    "import groq": "import groq",
    "import mistralai": "from mistralai.client import Mistral",
    "import google.genai": "from google import genai",
    # As lazybridge imports it: what is left is the SDK's own.
    "import openai, no collection": "import gc; gc.disable(); import openai",
    "import anthropic, no collection": "import gc; gc.disable(); import anthropic",
}
_HI = '[{"role": "user", "content": "hi"}]'
FIRST_CALLS = {
    "openai chat": f'import openai; openai.OpenAI(api_key="k", base_url="URL/v1").chat.completions.create(model="MODEL", messages={_HI}).choices',
    "openai responses": 'import openai; openai.OpenAI(api_key="k", base_url="URL/v1").responses.create(model="MODEL", input="hi").output_text',
    "anthropic": f'import anthropic; anthropic.Anthropic(api_key="k", base_url="URL").messages.create(model="MODEL", max_tokens=1024, messages={_HI}).content',
    "groq": f'import groq; groq.Groq(api_key="k", base_url="URL").chat.completions.create(model="MODEL", messages={_HI}).choices',
    "mistral": f'from mistralai.client import Mistral; Mistral(api_key="k", server_url="URL/mistral").chat.complete(model="MODEL", messages={_HI}).choices',
    "google": 'from google import genai; c = genai.Client(api_key="k", http_options={"base_url": "URL", "api_version": "v1beta"}); c.models.generate_content(model="MODEL", contents="hi").text',
}
# The least that a bridge over the SDK can do: its untyped call, and no garbage collected.
FIRST_POSTS = {
    "openai chat": f'import gc; gc.disable(); import openai; openai.OpenAI(api_key="k", base_url="URL/v1").post("/chat/completions", body={{"model": "MODEL", "messages": {_HI}}}, cast_to=object)',
    "anthropic": f'import gc; gc.disable(); import anthropic; anthropic.Anthropic(api_key="k", base_url="URL").post("/v1/messages", body={{"model": "MODEL", "max_tokens": 99, "messages": {_HI}}}, cast_to=object)',
}
BASELINES = {case.name: TYPED for case in CASES} | {"first call of a process": TYPED, "import": "import openai"}


@dataclass
class Figures:
    """family -> case -> subject -> a list of seconds for each round, CPU and wall; `imports` is SDK -> package -> its part of the
    import's time, `load` how many processes wanted to run when it ended."""

    cpu: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    wall: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    soak: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    peers: dict[str, str] = field(default_factory=dict)
    imports: dict[str, dict[str, float]] = field(default_factory=dict)
    load: float | None = None

    def add(self, family: str, case: str, subject: str, cpu: float, wall: float | None = None) -> None:
        """One round's figure."""
        self.cpu.setdefault(family, {}).setdefault(case, {}).setdefault(subject, []).append(cpu)
        if wall is not None:
            self.wall.setdefault(family, {}).setdefault(case, {}).setdefault(subject, []).append(wall)


class Worker:
    """A subject's process."""

    def __init__(self, name: str, family: Family, server: str, bodies: Path, python: str = sys.executable) -> None:
        self.name, self.family = name, family
        command = [python, str(HERE / "worker.py"), name, family.name, server, str(bodies)]
        ours = name in (AGENT, PROVIDER, POST)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(ours)
        )

    def ask(self, case: str, repeats: int) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{case} {repeats}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker of {self.family.name}, {self.name} ended in {case!r}")
        return json.loads(line)

    def close(self) -> None:
        self.process.communicate()


def environment(ours: bool = True) -> dict[str, str]:
    """What a child process sees; lazybridge is on the path of those that measure it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy") and name != "PYTHONPATH"
    }
    return {**kept, **VARIABLES, **({"PYTHONPATH": str(HERE.parent)} if ours else {})}


@contextmanager
def running_server(seconds: float) -> Iterator[str]:
    """The base URL of a server that ends by itself after `seconds` should nobody be left to end it."""
    command = [sys.executable, str(HERE / "server.py"), "--seconds", str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def told(server: str, what: str) -> Any:
    """What the server knows: the `last` body, or how many `connections` were opened."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{server}/{what}", timeout=10) as answer:
        return json.load(answer)


def subjects_of(family: Family) -> list[str]:
    return [TYPED, *([AIOHTTP, POST] if family.post else []), PROVIDER, AGENT]


def takes_part(name: str, case: Case, family: Family) -> bool:
    """Whether a subject has this case."""
    if case.few and not family.whole:
        return False
    if case.method in ("structured", "tool_turn") or case in (ASYNC_1, ASYNC_20, STREAMS_50):
        return name in (TYPED, AGENT)
    if case.method == "construct":
        return name in (TYPED, PROVIDER, AGENT)
    return name != AIOHTTP or case.asynchronous


def measure_family(family: Family, server: str, bodies: Path, options: Options, figures: Figures) -> None:
    with ExitStack() as stack:
        workers = [Worker(name, family, server, bodies) for name in subjects_of(family)]
        if options.peers and family.name in PEER_FAMILIES:
            workers += [Worker(p.name, family, server, bodies, p.python(options.peers)) for p in PEERS.values()]
        for worker in workers:
            stack.callback(worker.close)
        for number in range(options.rounds + 1):  # the first one warms up, and checks that all ask for the same
            for case in chain.from_iterable([case] * case.turns for case in filter(options.wanted, CASES)):
                sent = {}
                for worker in workers[number % len(workers) :] + workers[: number % len(workers)]:
                    if not takes_part(worker.name, case, family):
                        continue
                    found = worker.ask(case.name, case.repeats if number else 1)
                    if number:
                        figures.add(family.name, case.name, worker.name, found["cpu"], found["wall"])
                    elif case.method != "construct":
                        sent[worker.name] = told(server, "last")
                check_same(family, case, sent)
                options.keep(figures)


def check_same(family: Family, case: Case, sent: dict[str, Any]) -> None:
    """Stop where a subject sends another body than the rest; peers have words of their own, but the same things to say."""
    if case.method in ("structured", "tool_turn") or not sent:
        return
    ours = {name: body for name, body in sent.items() if name not in PEERS}
    # mistralai and google-genai write down defaults as well.
    if family.post and any(body != ours[AGENT] for body in ours.values()):
        raise SystemExit(f"{family.name}, {case.name}: the subjects do not send the same body")
    for name in sent.keys() - ours.keys():
        if "messages" not in sent[name]:  # litellm may ask the Responses API instead
            continue
        counts = [(len(body["messages"]), len(body.get("tools") or ())) for body in (sent[name], ours[AGENT])]
        if counts[0][1] != counts[1][1] or abs(counts[0][0] - counts[1][0]) > 1:
            raise SystemExit(
                f"{family.name}, {case.name}: {name} sends {counts[0]} messages and tools, not {counts[1]}"
            )


def measure_starts(server: str, options: Options, figures: Figures) -> None:
    """CPU of whole processes above bare Python: imports, and first calls; bytecode is cached as after any first run."""
    programs: list[tuple[str, str, str, str, bool]] = []
    for name, code in IMPORTS.items():
        programs.append(("start", "import", name, code, "lazybridge" in name))
    for name, family in FAMILIES.items():
        for subject, calls in ((TYPED, FIRST_CALLS), (LEAST, FIRST_POSTS)):
            if name in calls:
                raw = calls[name].replace("URL", server).replace("MODEL", family.model)
                programs.append((name, "first call of a process", subject, raw, False))
        provider = {"mistralai": "mistral", "google.genai": "google"}.get(family.sdk, family.sdk)
        agent = f'from lazybridge import Agent; Agent("{family.model}", provider="{provider}", api_key="k", base_url="{family.base_url(server)}", **{family.options!r})("hi").text()'
        programs.append((name, "first call of a process", AGENT, agent, True))
    runs = [(sys.executable, *program) for program in programs]
    for peer in PEERS.values() if options.peers else ():
        python = peer.python(options.peers)
        runs.append((python, "start", "import", f"import {peer.name}", peer.imports, False))
        for name, code in peer.first.items():
            runs.append((python, name, "first call of a process", peer.name, code.replace("URL", server), False))
    with TemporaryDirectory() as cache:
        for number in range(min(options.rounds, 5) + 1):  # the first one fills the cache
            bare = 0.0
            for python, family_name, case, subject, code, ours in runs:
                variables = {**environment(ours), **_KEYS, "PYTHONPYCACHEPREFIX": cache}
                variables.pop("PYTHONDONTWRITEBYTECODE", None)
                program = f"{code}\nimport time; print('\\n', time.process_time())"
                command = [python, "-c", program]
                done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
                spent = float(done.stdout.rsplit(maxsplit=1)[-1])
                bare = spent if subject == "bare Python" else bare
                if number and subject != "bare Python":
                    figures.add(family_name, case, subject, spent - bare)


def profile_imports(figures: Figures) -> None:
    """Which packages the time of importing an SDK goes to, the SDK's own by their second name."""
    for sdk in ("openai", "anthropic"):
        command = [sys.executable, "-X", "importtime", "-c", f"import {sdk}"]
        done = subprocess.run(command, env=environment(), stderr=subprocess.PIPE, text=True, check=True)
        spent: Counter[str] = Counter()
        for line in done.stderr.splitlines()[1:]:  # "import time: own | with what it imports | name"
            own, _, name = line.removeprefix("import time:").split("|")
            parts = name.strip().split(".")
            spent[".".join(parts[:2] if parts[0] == sdk else parts[:1])] += int(own)
        figures.imports[sdk] = {name: own / spent.total() for name, own in spent.most_common(4)}


def soak(server: str, bodies: Path, options: Options, figures: Figures) -> None:
    """Many sequential calls in one process: memory, descriptors, connections."""
    calls = 1000 if options.quick else 10_000
    for family in FAMILIES.values():
        names = [AGENT, TYPED] if family.name in PEER_FAMILIES else [AGENT]
        for name in names:
            worker = Worker(name, family, server, bodies)
            before = told(server, "connections")
            found = worker.ask("soak", calls)
            opened = told(server, "connections") - before - 1  # the one that asks
            worker.close()
            figures.soak.setdefault(family.name, {})[name] = {**found, "connections": opened, "calls": calls}


def measure_memory(figures: Figures) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "memory.py")], env=environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    figures.memory.update(json.loads(done.stdout))


@dataclass
class Options:
    """What was asked for on the command line."""

    rounds: int
    quick: bool
    peers: Path | None
    families: list[str]
    cases: list[str]
    json: Path | None = None

    def keep(self, figures: Figures) -> None:
        """Write down what was measured so far."""
        if self.json is not None:
            self.json.write_text(json.dumps(asdict(figures)))

    def wanted(self, case: Case) -> bool:
        return not self.cases or any(word in case.name for word in self.cases)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds of every subject and case (default 7)")
    parser.add_argument("--quick", action="store_true", help="two rounds: does it run, and roughly how much")
    parser.add_argument("--peers", nargs="?", const=HERE / ".environments", type=Path, metavar="FOLDER", help="install and measure the peers, each in an environment in FOLDER")  # fmt: skip
    parser.add_argument("--write", action="store_true", help="make docs/performance.md and its plot (needs matplotlib)")
    parser.add_argument("--family", action="append", default=[], choices=[*FAMILIES], help="only these APIs")
    parser.add_argument(
        "--case", action="append", default=[], help="only cases whose name holds this; no starts, no soak"
    )
    parser.add_argument("--json", type=Path, help="keep the figures in this file; with --again, read them from there")
    parser.add_argument("--again", action="store_true", help="measure nothing")
    given = parser.parse_args()
    rounds = 2 if given.quick else max(1, given.rounds)
    options = Options(rounds, given.quick, given.peers, given.family or [*FAMILIES], given.case, given.json)
    figures = Figures()
    if given.again:
        figures = Figures(**json.loads(given.json.read_text()))
    else:
        measure(options, figures)
    report.show(figures)
    if given.write:
        report.write(figures)


def measure(options: Options, figures: Figures) -> None:
    from bodies import all_bodies

    if options.peers:
        figures.peers.update({peer.name: peer.version(options.peers) for peer in PEERS.values()})
    with TemporaryDirectory() as folder, running_server(7200) as server:
        bodies = Path(folder) / "bodies.json"
        bodies.write_text(json.dumps(all_bodies()))
        if not options.cases:
            measure_starts(server, options, figures)
            profile_imports(figures)
        for name in options.families:
            print(f"measuring {name}", file=sys.stderr, flush=True)
            measure_family(FAMILIES[name], server, bodies, options, figures)
            options.keep(figures)
        if not options.cases:
            measure_memory(figures)
            soak(server, bodies, options, figures)
        figures.load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        options.keep(figures)


if __name__ == "__main__":
    main()
