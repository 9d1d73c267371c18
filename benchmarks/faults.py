"""The fault bench (`lazybridge.testing.faults`) for other libraries, each in an environment of its own from the package index.

python benchmarks/faults.py --peers            make the environments, run them, print the table
python benchmarks/faults.py --peers --write    and put it into docs/reliability.md
python benchmarks/faults.py --peers --only litellm --failures
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
START, END = "<!-- made by benchmarks/faults.py -->\n", "<!-- end of the fault table -->"
# What is asked (a line of the table) -> the distributions in its environment, and the one whose version is shown.
PEERS = {
    "lazybridge": (["openai", "anthropic", "pydantic", "docstring-parser", "aiohttp"], "openai"),
    "openai": (["openai"], "openai"),
    "anthropic": (["anthropic"], "anthropic"),
    "litellm": (["litellm"], "litellm"),
    "pydantic-ai": (["pydantic-ai-slim[openai,anthropic]"], "pydantic-ai-slim"),
    "any-llm": (["any-llm-sdk[openai,anthropic]"], "any-llm-sdk"),
    "langchain-openai": (["langchain-openai"], "langchain-openai"),
    "langchain-anthropic": (["langchain-anthropic"], "langchain-anthropic"),
}
WIRES = {
    "openai": ["chat"],
    "anthropic": ["messages"],
    "langchain-openai": ["chat"],
    "langchain-anthropic": ["messages"],
}
COLUMNS = ("outcome", "cut", "secret", "time", "requests", "connection", "next call")


def python_of(name: str, folder: Path) -> Path:
    """The Python of a peer's environment, made where there is none."""
    home = folder / f"{name}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (home / "made").exists():
        venv.create(home, with_pip=True, clear=True, symlinks=os.name != "nt")
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEERS[name][0]]
        subprocess.run(command, check=True, timeout=900)
        (home / "made").touch()
    return python


def measured(name: str, wire: str, folder: Path, modes: list[str]) -> dict[str, Any]:
    """What one peer did on one wire."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
    }
    command = [
        str(python_of(name, folder)),
        str(ROOT / "benchmarks" / "fault_peers.py"),
        name,
        wire,
        PEERS[name][1],
        *modes,
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(found: dict[str, Any]) -> str:
    """One line of the table."""
    calls = found["calls"]
    failed = Counter(check for call in calls for check in {failure[0] for failure in call["failures"]})
    passed = sum(not call["failures"] for call in calls)
    name = found["peer"] if found["peer"] == "lazybridge" else f"{found['peer']} {found['version']}"
    cells = [name, found["wire"], f"{passed} / {len(calls)}", f"{100 * passed / len(calls):.0f} %"]
    return f"| {' | '.join([*cells, *(str(failed[column]) for column in COLUMNS)])} |"


def table(results: list[dict[str, Any]]) -> str:
    """What docs/reliability.md carries."""
    heads = (
        "",
        "wire",
        "passed",
        "",
        "wrong end",
        "cut stream as success",
        "key shown",
        "too late",
        "too many requests",
        "connection left open",
        "next call fails",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *map(row, results)]
    when = f"Measured on {datetime.now(UTC):%Y-%m-%d} with Python {sys.version_info.major}.{sys.version_info.minor}."
    return "\n".join([*lines, "", when, ""])


def page_with(text: str) -> str:
    """The page with this table."""
    head, rest = PAGE.read_text().split(START)
    return head + START + text + END + rest.split(END, 1)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", required=True)
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    parser.add_argument("--only", action="append", choices=list(PEERS))
    parser.add_argument("--mode", action="append", default=[])
    parser.add_argument("--failures", action="store_true", help="print each failure as well")
    parser.add_argument("--environments", type=Path, default=Path(tempfile.gettempdir()) / "lazybridge-fault-peers")
    given = parser.parse_args()
    given.environments.mkdir(parents=True, exist_ok=True)
    names = given.only or list(PEERS)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: python_of(name, given.environments), names))
        asked = [(name, wire) for name in names for wire in WIRES.get(name, ["chat", "messages"])]
        results = list(pool.map(lambda one: measured(*one, given.environments, given.mode), asked))
    text = table(results)
    print(text)
    if given.failures:
        for found in results:
            for call in found["calls"]:
                for check, expected, came in call["failures"]:
                    print(
                        f"{found['peer']} {found['wire']} {call['mode']} {call['form']}: {check}: expected {expected}, came {came}"
                    )
    if given.write:
        PAGE.write_text(page_with(text))


if __name__ == "__main__":
    main()
