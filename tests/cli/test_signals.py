"""Ctrl-C and a reader that goes away."""

import json
import signal
import sys
from typing import Any

from tests.fake_vendor import TEXT, Fault

from .test_prompt import CHAT


def _until(stream: Any, text: str) -> str:
    found = ""
    while text not in found:
        letter = stream.read(1)
        assert letter, f"the stream ended with {found!r}"
        found += letter
    return found


def test_ctrl_c_in_a_stream_keeps_what_arrived(asking, vendor):
    vendor.fail(Fault(hang_after=4))
    with asking.start("hi", *CHAT) as process:
        process.stdin.close()
        arrived = _until(process.stdout, TEXT)
        process.send_signal(signal.SIGINT)
        rest, error = process.stdout.read(), process.stderr.read()
    assert (process.returncode, arrived + rest) == (130, f"{TEXT}\n")
    assert error.startswith("gpt-6-luna · stopped · tokens unknown · at least $")
    assert "Traceback" not in error


def test_ctrl_c_twice_at_once_counts_once(asking, vendor):
    vendor.fail(Fault(hang_after=4))
    with asking.start("hi", *CHAT) as process:
        process.stdin.close()
        _until(process.stdout, TEXT)
        for _ in range(5):
            process.send_signal(signal.SIGINT)
        rest, error = process.stdout.read(), process.stderr.read()
    assert (process.returncode, rest) == (130, "\n")
    assert " · stopped · " in error
    assert "Traceback" not in error


def test_ctrl_c_before_a_whole_answer_prints_the_json_object(asking, vendor):
    vendor.fail(Fault(hang=30))
    with asking.start("hi", *CHAT, "--json") as process:
        process.stdin.close()
        while not vendor.requests:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, error = process.stdout.read(), process.stderr.read()
    assert process.returncode == 130
    assert json.loads(out)["error"]["kind"] == "stopped"
    assert "Traceback" not in error


def test_a_reader_that_has_seen_enough(asking, vendor):
    vendor.pieces = ("line\n",) * 20_000
    with asking.start("hi", *CHAT) as process:
        process.stdin.close()
        assert process.stdout.readline() == "line\n"
        process.stdout.close()
        error = process.stderr.read()
    assert (process.returncode, error) == (141, "")


def test_the_command_without_its_packages(lazybridge, tmp_path):
    for package in ("click", "rich"):
        blocked = tmp_path / package / "sitecustomize.py"
        blocked.parent.mkdir()
        blocked.write_text(
            "import sys\n"
            "class Absent:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.split('.')[0] == {package!r}:\n"
            "            raise ModuleNotFoundError('No module named ' + repr(name), name=name)\n"
            "sys.meta_path.insert(0, Absent())\n"
        )
        path = str(blocked.parent) + (";" if sys.platform == "win32" else ":") + lazybridge.environment["PYTHONPATH"]
        done = lazybridge("hi", PYTHONPATH=path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f'the lazybridge command needs the package {package}\npip install "lazybridge[cli]"\n'
