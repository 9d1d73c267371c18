"""What mypy and pyright know of a payload."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "typing" / "outputs.py"
CHECKERS = {"mypy": ["--strict", "--warn-unused-ignores", "--follow-imports=silent"]}
if importlib.util.find_spec("pyright") and shutil.which("node"):  # else it would fetch a Node.js
    CHECKERS["pyright"] = ["--pythonpath", sys.executable]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_type_of_a_payload_is_known(checker: str) -> None:
    command = [sys.executable, "-m", checker, *CHECKERS[checker], str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
