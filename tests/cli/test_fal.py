"""`lazybridge fal` against the loopback fal of the docs, whose answers have the shapes of recorded exchanges."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lazybridge.cli import app
from lazybridge.core.content import ImageContent
from lazybridge.core.endpoints.fal import Completed, InProgress, Queued
from lazybridge.core.providers.fal import FalProvider
from lazybridge.progress import Progress
from tests.fake_fal import FILM, MADE, FakeFal

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeFal]:
    made = FakeFal()
    monkeypatch.setenv("FAL_KEY", "test-key")
    monkeypatch.setattr(FalProvider, "run_url", made.run_url)
    monkeypatch.setattr(FalProvider, "queue_url", made.queue_url)
    yield made
    made.close()


@pytest.fixture
def fal(server: FakeFal) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app.cli, ["fal", *arguments], prog_name="lazybridge")


def test_where_the_files_are(fal: Callable[..., Result], server: FakeFal) -> None:
    done = fal("fal-ai/flux/dev", "prompt=a lighthouse", "num_images=2", 'size={"width": 512}')
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        MADE["images"][0]["url"],
        *(MADE[kind]["url"] for kind in ("video", "audio", "model_mesh")),
    ]
    assert server.bodies[0] == {"prompt": "a lighthouse", "num_images": 2, "size": {"width": 512}}
    assert "the job is 764cabcf" in done.stderr
    assert "done after" in done.stderr
    assert done.stderr.splitlines()[-1] == "fal-ai/flux/dev · cost unknown · 1 unit"


def test_quiet_and_as_json(fal: Callable[..., Result]) -> None:
    done = fal("fal-ai/flux/dev", "prompt=x", "--json", "-q")
    assert json.loads(done.stdout) == MADE
    assert done.stderr == ""


def test_a_file_is_sent_and_the_answer_saved(fal: Callable[..., Result], server: FakeFal, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(PNG)
    server.made = {"video": {"url": f"{server.run_url}/a.mp4", "content_type": "video/mp4"}}
    done = fal(
        "fal-ai/some/video",
        f"image_url=@{tmp_path / 'photo.png'}",
        "--save",
        str(tmp_path / "film.mp4"),
        "-q",
        "--private",
    )
    assert done.stdout.strip() == str(tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM
    assert server.bodies[0] == {"image_url": ImageContent(data=PNG).data_url}


def test_several_files_are_numbered(fal: Callable[..., Result], server: FakeFal, tmp_path: Path) -> None:
    server.made = {"images": [{"url": f"{server.run_url}/{n}.png", "content_type": "image/png"} for n in "ab"]}
    done = fal("fal-ai/flux/dev", "prompt=x", "--save", str(tmp_path / "cat.png"), "--private")
    assert done.stdout.split() == [str(tmp_path / "cat-1.png"), str(tmp_path / "cat-2.png")]
    done = fal("fal-ai/flux/dev", "prompt=x", "--save", str(tmp_path), "--private")
    assert done.stdout.split() == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]


def test_a_file_that_is_too_long(fal: Callable[..., Result], server: FakeFal, tmp_path: Path) -> None:
    server.made = {"video": {"url": f"{server.run_url}/a.mp4"}}
    done = fal("fal-ai/some/video", "--save", str(tmp_path / "a.mp4"), "--max-bytes", "10", "--private")
    assert done.exit_code == 1
    assert "with max_bytes=10" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_on_this_machine_is_left_there(fal: Callable[..., Result], server: FakeFal, tmp_path: Path) -> None:
    server.made = {"video": {"url": f"{server.run_url}/a.mp4"}}
    done = fal("fal-ai/some/video", "--save", str(tmp_path / "a.mp4"))
    assert done.exit_code == 1
    assert "on this machine or a private network" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_job_is_found_again_and_cancelled(fal: Callable[..., Result], server: FakeFal) -> None:
    assert fal("fal-ai/flux/dev", "--job", "764cabcf").stdout.splitlines()[0] == MADE["images"][0]["url"]
    assert fal("fal-ai/flux/dev", "--job", "764cabcf", "--cancel").stdout == "it had ended\n"
    assert server.bodies == []


def test_time_is_up(fal: Callable[..., Result], server: FakeFal) -> None:
    server.status = {"status": "IN_QUEUE", "queue_position": 3}
    done = fal("fal-ai/flux/dev", "prompt=x", "--timeout", "0.3")
    assert done.exit_code == 1
    assert "queued, 3 before it" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("the job goes on: lazybridge fal fal-ai/flux/dev --job 764cabcf")


def test_who_stops_waiting_learns_which_job_goes_on(
    fal: Callable[..., Result], server: FakeFal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "__call__", stop)
    done = fal("fal-ai/flux/dev", "prompt=x")
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1].endswith("--job 764cabcf")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("flux",), "'flux' is no application of fal"),
        (("fal-ai/flux/dev", "prompt"), "write key=value"),
        (("fal-ai/flux/dev", "image_url=@no.png"), "no such file"),
        (("fal-ai/flux/dev", "prompt=x", "--job", "1"), "takes no arguments"),
        (("fal-ai/flux/dev", "--cancel"), "--cancel needs --job"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], says: str, fal: Callable[..., Result], server: FakeFal) -> None:
    done = fal(*arguments)
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert server.bodies == []


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    shown = Terminal()
    with Progress(shown) as progress:
        progress(Queued(2))
        progress(InProgress(({"message": "[loading] weights"},)))
        progress(Completed(({"message": "[loading] weights"}, {"message": "saved"})))
    text = shown.getvalue()
    assert "[loading] weights" in text
    assert text.count("[loading] weights") == 1
    assert "done after" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is hidden and shown again


def test_without_rich_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    shown = Terminal()
    progress = Progress(shown)
    for status in (Queued(None), InProgress(), InProgress(), Completed(error="no GPU")):
        progress(status)
    assert shown.getvalue().splitlines() == ["queued", "running", "failed: no GPU"]
