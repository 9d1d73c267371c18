"""`save`: a server on loopback, of the standard library's own, and what httpx makes of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lazybridge import (
    AudioContent,
    DocumentContent,
    GeneratedImages,
    GeneratedVideo,
    ImageContent,
    Speech,
    VideoContent,
)
from lazybridge.core import download
from lazybridge.core.errors import NotFoundError, ProviderConnectionError, ProviderTimeoutError, ServerError

FILM = bytes(range(256)) * 400  # 102,400 bytes
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        name = self.path.rpartition("/")[2]
        if name == "gone.mp4":
            return self._send(404, b'{"detail": "gone"}')
        if name.startswith("moved"):
            to = {"moved.mp4": "/films/a.mp4", "moved-away": "http://example.org/a.mp4"}.get(name, self.path)
            self.send_response(302)
            self.send_header("location", to)
            self.send_header("content-length", "0")
            return self.end_headers()
        if name == "dripping.mp4":
            return self._drip()
        if name == "cut.mp4":
            self.send_response(200)
            self.send_header("content-length", str(len(FILM)))
            self.end_headers()
            self.wfile.write(FILM[:1000])
            self.close_connection = True
            return None
        if name == "unmeasured.mp4":
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for start in range(0, len(FILM), 4096):
                piece = FILM[start : start + 4096]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return None
        return self._send(200, FILM)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        try:
            for _ in range(1000):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@pytest.fixture
def files() -> Iterator[Any]:
    server: Any = Server(("127.0.0.1", 0), Handler)
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_address[1]}/films"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


Save = Callable[..., Path]


@pytest.fixture(params=["sync", "async"])
def save(request: pytest.FixtureRequest) -> Save:
    if request.param == "sync":
        return download.save
    return lambda *arguments, **options: asyncio.run(download.asave(*arguments, **options))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["a.mp4", "unmeasured.mp4", "moved.mp4"])
def test_a_file_is_fetched(name: str, save: Save, files: Any, tmp_path: Path) -> None:
    assert save(VideoContent(url=f"{files.url}/{name}"), tmp_path / "film.mp4") == tmp_path / "film.mp4"
    assert (tmp_path / "film.mp4").read_bytes() == FILM
    assert left_in(tmp_path) == ["film.mp4"]


@pytest.mark.parametrize("name", ["a.mp4", "unmeasured.mp4"])
def test_a_file_that_is_too_long_is_given_up_and_what_was_there_stays(
    name: str, save: Save, files: Any, tmp_path: Path
) -> None:
    (tmp_path / "film.mp4").write_bytes(b"before")
    with pytest.raises(ValueError, match=r"the file is .*, with max_bytes=50,000\nnothing was saved"):
        save(VideoContent(url=f"{files.url}/{name}"), tmp_path / "film.mp4", max_bytes=50_000)
    assert (tmp_path / "film.mp4").read_bytes() == b"before"
    assert left_in(tmp_path) == ["film.mp4"]


def test_exactly_as_long_as_allowed(save: Save, files: Any, tmp_path: Path) -> None:
    save(VideoContent(url=f"{files.url}/a.mp4"), tmp_path / "film.mp4", max_bytes=len(FILM))


@pytest.mark.parametrize(
    ("name", "error"),
    [("gone.mp4", NotFoundError), ("cut.mp4", ProviderConnectionError), ("moved-around", ServerError)],
)
def test_a_file_that_cannot_be_had(name: str, error: type[Exception], save: Save, files: Any, tmp_path: Path) -> None:
    with pytest.raises(error) as caught:
        save(VideoContent(url=f"{files.url}/{name}"), tmp_path / "film.mp4")
    assert left_in(tmp_path) == []
    assert len(files.asked) == (5 if name == "moved-around" else 1), caught.value


def test_time_is_wall_time(save: Save, files: Any, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ProviderTimeoutError):
        save(VideoContent(url=f"{files.url}/dripping.mp4"), tmp_path / "film.mp4", timeout=0.4)
    assert time.monotonic() - began < 2
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    "url", ["http://example.org/a.mp4", "ftp://127.0.0.1/a.mp4", "file:///etc/passwd", "http://10.0.0.1/a.mp4"]
)
def test_nothing_but_https_is_fetched(url: str, save: Save, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only https:// is"):
        save(VideoContent(url=url), tmp_path / "film.mp4")
    assert left_in(tmp_path) == []


def test_nobody_leads_elsewhere(save: Save, files: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"http://example\.org/a\.mp4' is not fetched"):
        save(VideoContent(url=f"{files.url}/moved-away"), tmp_path / "film.mp4")
    with pytest.raises(ValueError, match="is not fetched"):
        download.checked("https://127.0.0.1/a", before="https://example.org/a")
    assert download.checked("https://example.org/b", before="http://127.0.0.1/a")


def test_a_folder_takes_the_files_own_name(save: Save, files: Any, tmp_path: Path) -> None:
    assert save(VideoContent(url=f"{files.url}/a%20film.mp4?x=1"), tmp_path).name == "a_film.mp4"
    named = DocumentContent(url=f"{files.url}/b", name="../../etc/c.glb")
    assert save(named, tmp_path) == tmp_path / "c.glb"
    with pytest.raises(ValueError, match="has no name of its own"):
        save(ImageContent(data=PNG), tmp_path)


def test_bytes_are_written(save: Save, tmp_path: Path) -> None:
    assert save(ImageContent(data=PNG), tmp_path / "a.png").read_bytes() == PNG
    with pytest.raises(ValueError, match="the file is longer, with max_bytes=8"):
        save(ImageContent(data=PNG), tmp_path / "b.png", max_bytes=8)
    assert left_in(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (ImageContent(file_id="f"), {}, "'f' is a file id"),
        (ImageContent(data=PNG), {"max_bytes": 0}, "max_bytes=0 is no size"),
        (ImageContent(url="https://example.org/a.png"), {"timeout": -1}, "timeout=-1 is no time"),
    ],
)
def test_what_cannot_be_saved(content: Any, options: dict[str, Any], says: str, save: Save, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        save(content, tmp_path / "a", **options)
    assert left_in(tmp_path) == []


def test_a_path_that_is_not_there(save: Save, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save(ImageContent(data=PNG), tmp_path / "no" / "a.png")


async def test_results_save_what_they_hold(files: Any, tmp_path: Path) -> None:
    film = GeneratedVideo(video=VideoContent(url=f"{files.url}/a.mp4"))
    assert film.save(tmp_path).read_bytes() == (await film.asave(tmp_path / "b.mp4")).read_bytes() == FILM
    assert GeneratedImages(images=[ImageContent(data=PNG)]).save(tmp_path / "c.png").read_bytes() == PNG
    said = Speech(audio=AudioContent(data=b"ID3\x04", media_type="audio/mpeg"))
    assert said.save(tmp_path / "d.mp3").read_bytes() == b"ID3\x04"


async def test_a_fetch_that_is_cancelled_leaves_nothing(files: Any, tmp_path: Path) -> None:
    content = VideoContent(url=f"{files.url}/dripping.mp4")
    task = asyncio.create_task(download.asave(content, tmp_path / "film.mp4"))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_in(tmp_path) == []
