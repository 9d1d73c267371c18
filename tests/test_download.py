"""`save`: a server on loopback, of the standard library's own, and what httpx makes of it."""

from __future__ import annotations

import asyncio
import socket
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
from lazybridge.core import addresses, download
from lazybridge.core.errors import NotFoundError, ProviderConnectionError, ProviderTimeoutError, ServerError

FILM = bytes(range(256)) * 400  # 102,400 bytes
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.server.hosts.append(self.headers["host"])  # type: ignore[attr-defined]
        name = self.path.rpartition("/")[2]
        if name == "gone.mp4":
            return self._send(404, b'{"detail": "gone"}')
        if name.startswith("moved"):
            to = {"moved.mp4": "/films/a.mp4", "moved-away": "http://169.254.169.254/a.mp4"}.get(name, self.path)
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
    server.asked, server.hosts = [], []
    server.url = f"http://127.0.0.1:{server.server_address[1]}/films"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


Save = Callable[..., Path]


@pytest.fixture(params=["sync", "async"])
def save(request: pytest.FixtureRequest) -> Save:
    """Both ways, from this machine unless told otherwise."""

    def both(*arguments: Any, private: bool = True, **options: Any) -> Path:
        if request.param == "sync":
            return download.save(*arguments, private=private, **options)
        return asyncio.run(download.asave(*arguments, private=private, **options))

    return both


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


# As RFC 6890, https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html,
# https://cloud.google.com/compute/docs/metadata/querying-metadata and the C library's inet_aton have them.
PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.2.1",
    "[::1]", "[::]", "[fd00::1]", "[::ffff:10.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[2002:7f00:1::]",
    "[64:ff9b::10.0.0.1]", "[2001:db8::1]", "240.0.0.1", "255.255.255.255", "localhost", "a.localhost", "printer.local",
    "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0", "017700000001", "127.0.0.1.", "\uff11\uff12\uff17.0.0.1",
]  # fmt: skip
METADATA = [
    "169.254.169.254", "169.254.170.2", "[fd00:ec2::254]", "[fe80::1]", "[::ffff:169.254.169.254]", "2852039166",
    "0xa9fea9fe", "224.0.0.1", "[ff02::1]", "100.100.100.200",
]  # fmt: skip


@pytest.mark.parametrize("host", [*PRIVATE, *METADATA, "metadata.google.internal"])
def test_no_private_host_is_asked_unless_it_is_allowed(host: str, save: Save, tmp_path: Path) -> None:
    for scheme in ("https", "http"):
        try:
            save(VideoContent(url=f"{scheme}://{host}:1/a.mp4"), tmp_path / "film.mp4", private=False)
        except ValueError as exc:
            assert "is not fetched" in str(exc)
        except ProviderConnectionError as exc:  # this machine's resolver does not know the name
            assert host.endswith((".local", ".internal", ".localhost", "0.0.1", "0.0.1."))
            assert isinstance(exc.__cause__, socket.gaierror)
        else:
            pytest.fail("it was fetched")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("host", METADATA)
def test_a_clouds_metadata_is_never_asked(host: str, save: Save, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not fetched: it lies at .*, where no file does"):
        save(VideoContent(url=f"http://{host}/latest/meta-data"), tmp_path / "film.mp4", private=True)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a.mp4", "file:///etc/passwd", "gopher://x/", "https:///a", "https://x:99999/", "data.mp4"])  # fmt: skip
def test_only_http_is_spoken(url: str, save: Save, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not fetched: .*\nonly https:// from public hosts is"):
        save(VideoContent(url=url), tmp_path / "film.mp4")


def test_what_is_public_is_asked_encrypted_alone_and_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", ("93.184.216.34", 443))])
    with pytest.raises(ValueError, match="it is not encrypted"):
        addresses.found("http://example.org/a.mp4", private=True)
    with pytest.raises(ValueError, match=r"'https://example\.org/a\.mp4' is not fetched: it has a user's name"):
        addresses.found("https://me:canary@example.org/a.mp4")
    place = addresses.found("https://example.org:8443/a.mp4?b=c")
    assert (place.url, place.private) == ("https://93.184.216.34:8443/a.mp4?b=c", False)
    assert (place.headers, place.extensions) == ({"Host": "example.org:8443"}, {"sni_hostname": "example.org"})


def test_the_address_that_was_looked_at_is_the_one_that_is_asked(
    save: Save, files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means another host each time it is looked up."""
    asked = []
    answers = iter(["127.0.0.1"])
    real = socket.getaddrinfo

    def rebinding(host: Any, *arguments: Any, **options: Any) -> Any:
        if host != "rebinding.example":
            return real(host, *arguments, **options)
        asked.append(host)
        return real(next(answers), *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    url = files.url.replace("127.0.0.1", "rebinding.example")
    save(VideoContent(url=f"{url}/a.mp4"), tmp_path / "film.mp4")
    assert asked == ["rebinding.example"]
    assert files.hosts[-1] == url.split("/")[2]


def test_a_host_with_one_private_address_is_private(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(socket.AF_INET, 1, 6, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    with pytest.raises(ValueError, match="on this machine or a private network"):
        addresses.found("https://example.org/a.mp4")


def test_nobody_leads_elsewhere(save: Save, files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"http://169\.254\.169\.254/a\.mp4' is not fetched"):
        save(VideoContent(url=f"{files.url}/moved-away"), tmp_path / "film.mp4")
    # A public host leads to this machine: the way back is closed, whatever was allowed.
    ways: list[Any] = []

    def found(url: str, *, private: bool = False) -> addresses.Place:
        ways.append(private)
        return addresses.Place(url, {}, {}, private=False)

    monkeypatch.setattr(download, "found", found)
    download.save(VideoContent(url=f"{files.url}/moved.mp4"), tmp_path / "film.mp4", private=True)
    assert ways == [True, False]


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
    assert (
        film.save(tmp_path, private=True).read_bytes()
        == (await film.asave(tmp_path / "b.mp4", private=True)).read_bytes()
        == FILM
    )
    assert GeneratedImages(images=[ImageContent(data=PNG)]).save(tmp_path / "c.png").read_bytes() == PNG
    said = Speech(audio=AudioContent(data=b"ID3\x04", media_type="audio/mpeg"))
    assert said.save(tmp_path / "d.mp3").read_bytes() == b"ID3\x04"


async def test_a_fetch_that_is_cancelled_leaves_nothing(files: Any, tmp_path: Path) -> None:
    content = VideoContent(url=f"{files.url}/dripping.mp4")
    task = asyncio.create_task(download.asave(content, tmp_path / "film.mp4", private=True))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_in(tmp_path) == []
