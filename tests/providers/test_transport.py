"""The transport of synchronous requests: byte by byte, against a server of raw sockets, under the real httpx and httpx2."""

from __future__ import annotations

import contextlib
import gc
import pickle
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import httpx2
import pytest
import trustme

from lazybridge.core.clock import TimeLeft
from lazybridge.core.providers._clients import http_client
from lazybridge.core.providers._lean import LeanClient, before
from lazybridge.core.providers._transport import Transport

Answer = Callable[[bytes, bytes], "bytes | Iterable[bytes]"]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Answers each request with bytes as they are, piece by piece; b"" hangs up. `connections` are those that were made."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.connections, self.requests = 0, list[tuple[bytes, bytes]]()
        self._answer, self._tls = answer, tls
        self._open: list[socket.socket] = []
        self.ended = threading.Event()  # one of them
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.ExitStack() as held, contextlib.suppress(OSError), plain:
            held.callback(self.ended.set)
            connection = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
            with connection, connection.makefile("rb") as sent:
                while True:
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        line = sent.readline()
                        if not line:
                            return
                        head += line
                    length = re.search(rb"(?i)content-length: (\d+)", head)
                    body = sent.read(int(length[1])) if length else _unchunked(sent) if b"chunked" in head else b""
                    self.requests.append((head, body))
                    pieces = self._answer(head, body)
                    for piece in (pieces,) if isinstance(pieces, bytes) else pieces:
                        if not piece:
                            return
                        connection.sendall(piece)
                        time.sleep(0.002 if isinstance(pieces, tuple) else 0)

    def hang_up(self) -> None:
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        time.sleep(0.05)

    def close(self) -> None:
        self._listener.close()
        self.hang_up()


def _unchunked(sent: Any) -> bytes:
    found = b""
    while size := int(sent.readline() or b"0", 16):
        found += sent.read(size + 2)[:-2]
    sent.readline()
    return found


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    with contextlib.ExitStack() as held:

        def made(answer: Answer = lambda head, body: OK, **more: Any) -> Server:
            return held.enter_context(contextlib.closing(Server(answer, **more)))

        yield made


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return {"httpx": httpx, "httpx2": httpx2}[request.param]


@pytest.fixture
def client(library: Any) -> Iterator[Any]:
    with http_client(library.__name__) as made:
        yield made


def small(library: Any, **limits: Any) -> Any:
    """A client with limits of its own."""
    given = {"connections": 1, "kept": 1, "seconds": 60.0, **limits}
    return library.Client(transport=Transport(library, lambda: pytest.fail("no TLS"), **given), timeout=5)


def test_a_connection_serves_one_request_after_the_other(client: Any, serve: Callable[..., Server]) -> None:
    answers = {
        b"GET": OK,
        b"HEAD": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        b"DELETE": b"HTTP/1.1 204 No Content\r\n\r\n",
        b"POST": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nx-trailer: 1\r\n\r\n",
    }
    server = serve(lambda head, body: answers[head.split()[0]])
    for method, text in [("GET", "ok"), ("POST", "ok"), ("HEAD", ""), ("DELETE", ""), ("POST", "ok")]:
        answer = client.request(method, server.url)
        assert (answer.text, answer.http_version, answer.is_success) == (text, "HTTP/1.1", True)
    assert server.connections == 1


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        (b"content-length: 10\r\n", b"0123456789", "0123456789"),
        (b"transfer-encoding: chunked\r\n", b"5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", "0123456789"),
        (b"connection: close\r\n", b"0123456789", "0123456789"),
    ],
)
def test_bodies_arrive_whole_however_they_are_cut(
    client: Any, serve: Callable[..., Server], head: bytes, body: bytes, text: str
) -> None:
    whole = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nx-odd: \xe9\r\n" + head + b"\r\n" + body
    end = (b"",) if b"close" in head else ()
    for size in (1, 7, len(whole)):
        pieces = tuple(whole[at : at + size] for at in range(0, len(whole), size))
        server = serve(lambda *_, sent=pieces: (*sent, *end))
        answer = client.get(server.url)
        assert (answer.status_code, answer.text, answer.headers["x-odd"]) == (200, text, "\xe9")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 2",
        b"SSH-2.0\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\nServer : x\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nx: a\rcontent-length: 1\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n0123",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0005\r\n01234\r\n0",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n01234\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\n01234\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n0123",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n01234\r\n",
    ],
)
def test_what_is_cut_short_is_an_error_and_not_an_answer(
    client: Any, library: Any, serve: Callable[..., Server], sent: bytes
) -> None:
    server = serve(lambda *_: (sent, b""))
    with pytest.raises(library.RemoteProtocolError):
        client.get(server.url)
    with client.stream("GET", serve().url) as answer:  # and the client works on
        assert answer.read() == b"ok"


@pytest.mark.parametrize(
    ("sent", "status", "text"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked \r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "ok"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok", 200, "ok"),
        (b"HTTP/1.1 200 OK\r\nx-long: a\r\n b\r\ncontent-length: 2\r\n\r\nok", 200, "ok"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"content-length: 2\r\n\r\nok", 200, "ok"),
        (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", 200, "ok"),
        (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", 200, "ok"),
        (b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n", 304, ""),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n", 204, ""),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, "ok"),
        (b"HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok", 200, "ok"),
    ],
)
def test_what_servers_write_in_other_ways_is_understood(
    client: Any, serve: Callable[..., Server], sent: bytes, status: int, text: str
) -> None:
    server = serve(lambda *_: sent)
    for _ in range(2):
        answer = client.get(server.url)
        assert (answer.status_code, answer.text) == (status, text)
    assert server.connections == (2 if b"chunked\r" in sent or b"1.0 200 OK\r\ncontent" in sent else 1)


def test_a_request_that_is_ended_from_another_thread_is_late_and_not_answered(
    library: Any, client: Any, serve: Callable[..., Server]
) -> None:
    server = serve(lambda *_: (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf", *[b"x"] * 2000))
    time_left = TimeLeft.of(20, 20)
    threading.Timer(0.2, time_left.cut).start()
    began = time.monotonic()
    with pytest.raises(library.ReadTimeout):
        client.get(server.url, timeout=time_left)
    assert time.monotonic() - began < 3


def test_an_idle_connection_that_is_reset_is_no_failure(
    library: Any, client: Any, serve: Callable[..., Server]
) -> None:
    """Nor is it the next request's time that was up with the one before."""
    reset = threading.Event()

    def answer(head: bytes, body: bytes) -> Iterator[bytes]:
        yield OK
        if server.connections == 1:
            reset.wait(10)
            server._open[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            yield b""

    server = serve(answer)
    time_left = TimeLeft.of(0.3, 20)
    assert client.get(server.url, timeout=time_left).text == "ok"
    reset.set()
    assert server.ended.wait(10)
    time.sleep(max(0.0, time_left.left()) + 0.05)
    assert client.get(server.url, timeout=TimeLeft.of(10, 20)).text == "ok"
    assert server.connections == 2


@pytest.mark.parametrize("body", [b"xxxGET /smuggled HTTP/1.1\r\n\r\n", b"xx"])
def test_an_upload_is_as_long_as_it_says(library: Any, client: Any, serve: Callable[..., Server], body: bytes) -> None:
    server = serve()
    with pytest.raises(library.LocalProtocolError, match="data for declared Content-Length"):
        client.post(server.url, content=iter([body]), headers={"content-length": "3"})
    assert client.get(server.url + "mine").text == "ok"
    assert {head.split()[1] for head, _ in server.requests} <= {b"/", b"/mine"}


def test_what_an_upload_raises_is_raised(client: Any, serve: Callable[..., Server]) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"abc"
        raise OSError(5, "disk gone")

    with pytest.raises(OSError, match="disk gone"):
        client.post(serve().url, content=pieces())


@pytest.mark.parametrize(
    "asked", [("GET", {"x": "a\x00b"}), ("GET", {"x": "a\r\n b"}), ("G T", {}), ("GET", {"a b": "c"})]
)
def test_what_is_no_http_is_not_sent(library: Any, client: Any, serve: Callable[..., Server], asked: Any) -> None:
    server = serve()
    with pytest.raises(library.LocalProtocolError) as caught:
        client.request(asked[0], server.url, headers={**asked[1], "x-api-key": "canary"})
    assert "canary" not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test"])
def test_a_host_that_cannot_be_one_is_not_reached(library: Any, client: Any, host: str) -> None:
    with pytest.raises(library.ConnectError):
        client.get(f"http://{host}/")


def test_a_connection_that_the_server_closed_is_not_asked(client: Any, serve: Callable[..., Server]) -> None:
    server = serve()
    for count in (1, 2, 3):
        assert client.get(server.url).text == "ok"
        assert server.connections == count
        server.hang_up()


def test_what_a_server_adds_to_an_answer_is_not_the_next_one(client: Any, serve: Callable[..., Server]) -> None:
    stray = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong"
    for pieces in ((OK + stray,), (OK, stray)):
        server = serve(lambda *_, sent=pieces: sent)
        for _ in range(3):
            assert client.get(server.url).text == "ok"
            time.sleep(0.02)
        assert server.connections == 3


def test_a_connection_is_kept_for_so_long_and_so_many_are(library: Any, serve: Callable[..., Server]) -> None:
    servers = [serve(), serve()]
    with small(library, seconds=0.05) as client:
        client.get(servers[0].url)
        time.sleep(0.1)
        client.get(servers[0].url)
    assert servers[0].connections == 2
    with small(library) as client:
        for server in [servers[0], servers[1], servers[0]]:
            assert client.get(server.url).text == "ok"
    assert [server.connections for server in servers] == [4, 1]


def test_so_many_are_used_at_once_and_who_waits_longer_is_told(library: Any, serve: Callable[..., Server]) -> None:
    server = serve()
    with small(library) as client:
        with client.stream("GET", server.url), pytest.raises(library.PoolTimeout):
            client.get(server.url, timeout=library.Timeout(5, pool=0.05))
        answer = client.send(client.build_request("GET", server.url), stream=True)
        del answer  # unread and unclosed: nobody can close it any more
        gc.collect()
        with pytest.raises(library.ConnectError):
            client.get("http://127.0.0.1:9/")
        with pytest.raises(library.LocalProtocolError):
            client.get(server.url, headers={"x-key": "a\r\nx-more: b"})
        with pytest.raises(library.UnsupportedProtocol):
            client.get("ftp://127.0.0.1/")
        assert client.get(server.url, timeout=library.Timeout(5, pool=0.05)).text == "ok"
    assert not any(b"x-more" in head for head, _ in server.requests)


def test_uploads_arrive_whole(client: Any, serve: Callable[..., Server]) -> None:
    server = serve()
    client.post(server.url, content=iter([b"one", b"", b"two" * 100_000]))
    client.post(server.url, files={"file": ("a.txt", b"x" * 3_000_000)}, data={"purpose": "test"})
    client.post(server.url, json={"a": 1})
    (_, chunked), (_, form), (head, body) = server.requests
    assert chunked == b"one" + b"two" * 100_000
    assert form.count(b"x" * 3_000_000) == 1
    assert (body, head.lower().count(b"host:")) == (b'{"a":1}', 1)
    assert server.connections == 1


def test_a_server_may_refuse_an_upload_before_it_has_read_it(client: Any) -> None:
    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 8\r\nconnection: close\r\n\r\ntoo much")
            connection.shutdown(socket.SHUT_WR)
            time.sleep(0.5)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert client.post(url, content=b"x" * 20_000_000).text == "too much"
        thread.join()


def test_tls_keeps_its_connection_too(library: Any, serve: Callable[..., Server]) -> None:
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    server = serve(tls=theirs)
    transport = Transport(library, lambda: ours, connections=10, kept=10, seconds=60)
    with library.Client(transport=transport) as client:
        for _ in range(3):
            assert client.post(server.url, content=b"x" * 600_000).text == "ok"
    assert [len(body) for _, body in server.requests] == [600_000] * 3
    assert server.connections == 1


def test_threads_share_a_client(client: Any, serve: Callable[..., Server]) -> None:
    server = serve(lambda head, body: b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    with ThreadPoolExecutor(8) as pool:
        numbers = [str(number) for number in range(400)]
        assert list(pool.map(lambda number: client.post(server.url, content=number).text, numbers)) == numbers
    assert server.connections <= 8


def test_addresses_may_be_of_the_sixth_version(
    client: Any, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a machine that has none: the server at the address of the fourth version stands in for it."""
    server, connect = serve(), socket.create_connection
    places = {("::1", server.port): ("127.0.0.1", server.port)}
    monkeypatch.setattr(socket, "create_connection", lambda place, *more: connect(places[place], *more))
    assert client.get(f"http://[::1]:{server.port}/").text == "ok"
    assert b"[::1]:%d" % server.port in server.requests[0][0]


def test_who_reads_on_begins_where_another_stopped(client: Any, serve: Callable[..., Server]) -> None:
    """The SDKs stop at a stream's terminal event; what follows is read apart, so that the connection serves again."""
    server = serve(lambda *_: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    for _ in range(2):
        with client.stream("GET", server.url) as answer:
            first = iter(answer.stream)
            assert [next(first), *answer.stream] == [b"one", b"two"]
    assert server.connections == 1


def test_a_closed_client_keeps_nothing_open(library: Any, serve: Callable[..., Server]) -> None:
    server = serve()
    client = small(library, connections=2, kept=2)
    answer = client.send(client.build_request("GET", server.url), stream=True)
    client.close()
    assert not server.ended.is_set()
    assert answer.read() == b"ok"  # who reads reads on
    assert server.ended.wait(5)


@pytest.mark.parametrize(
    "given",
    [
        {"content": b"x" * 500},
        {"content": b"x", "timeout": 3.0},
        {"content": b"x", "headers": {"accept-encoding": "br", "Host": "other.test"}},
        {"content": b"", "headers": {"X-Two": "a, b"}},
        {"json": {"a": 1}},
        {"content": b"x", "params": {"q": "1"}},
        {"content": b"x", "cookies": {"c": "1"}, "headers": {"content-length": "1"}},
        {"content": iter([b"one", b"two"])},
        {},
    ],
    ids=["bytes", "float", "named headers", "empty", "json", "query", "cookies", "pieces", "nothing"],
)
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1/x?y=%20#z", "https://bücher.test:8443/é", "/relative"])
@pytest.mark.parametrize("objects", [True, False], ids=["objects", "texts"])
@pytest.mark.parametrize("kept", [{}, {"kept": "2"}], ids=["", "of answers"])
@pytest.mark.parametrize("name", ["Client", "AsyncClient"])
def test_a_request_is_made_as_the_library_makes_it(
    library: Any, given: dict[str, Any], url: str, objects: bool, kept: dict[str, str], name: str
) -> None:
    """By either kind of client, with and without `kept` cookies of the host's earlier answers."""
    theirs = getattr(library, name)
    nobody = library.MockTransport(lambda request: library.Response(500))
    kinds = (before(LeanClient, theirs, library), theirs)
    client, usual = (kind(timeout=4.0, cookies=kept, transport=nobody) for kind in kinds)
    content = given.get("content")
    pieces = list(content) if content is not None and not isinstance(content, bytes) else None
    made = []
    if url.startswith("/") and ("cookies" in given or kept):
        url = "http://127.0.0.1" + url  # the library wants a host for those
    for each in (client, usual):
        parts: dict[str, Any] = {"timeout": library.Timeout(5, connect=1), **given}
        if pieces is not None:
            parts["content"] = iter(pieces)
        headers = library.Headers(parts.get("headers"))
        parts["headers"] = headers if objects else headers.multi_items()
        made.append(each.build_request("POST", library.URL(url) if objects else url, **parts))
    lean, whole = made
    for part in ("method", "url", "extensions"):
        assert getattr(lean, part) == getattr(whole, part)
    assert sorted(lean.headers.raw) == sorted(whole.headers.raw)
    assert lean.headers.raw[0] == whole.headers.raw[0]
    assert lean.read() == whole.read() == lean.content


def test_a_body_can_be_read_once(library: Any, client: Any, serve: Callable[..., Server]) -> None:
    with client.stream("GET", serve().url) as answer:
        assert list(answer.iter_bytes()) == [b"ok"]
        assert answer.is_closed
        with pytest.raises(library.StreamConsumed):
            list(answer.iter_bytes())
    with client.stream("GET", serve().url) as answer:
        assert list(answer.iter_bytes(chunk_size=1)) == [b"o", b"k"]
    with client.stream("GET", serve().url) as answer:
        answer.close()
        with pytest.raises(library.StreamClosed):
            answer.read()
    answer = client.get(serve().url)
    assert (answer.read(), list(answer.iter_bytes()), list(answer.iter_lines())) == (b"ok", [b"ok"], ["ok"])
    assert answer.num_bytes_downloaded == 2
    with client.stream("GET", serve().url) as answer:
        first, second = answer.iter_bytes(), answer.iter_bytes()
        assert next(first) == b"ok"
        with pytest.raises(library.StreamConsumed):
            next(second)
    again = pickle.loads(pickle.dumps(client.get(serve().url)))
    assert (type(again), again.content, again.status_code) == (library.Response, b"ok", 200)
    assert again.num_bytes_downloaded == 2


def test_what_breaks_a_body_off_knows_its_request(library: Any, client: Any, serve: Callable[..., Server]) -> None:
    server = serve(lambda *_: (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", b""))
    with pytest.raises(library.RemoteProtocolError) as caught:
        client.get(server.url)
    assert str(caught.value.request.url) == server.url


@pytest.mark.parametrize("length", ["three", "-1", "1e3"])
def test_an_upload_says_its_length_as_a_number(
    library: Any, client: Any, serve: Callable[..., Server], length: str
) -> None:
    server = serve()
    with pytest.raises(library.LocalProtocolError, match="content-length"):
        client.post(server.url, content=b"abc", headers={"content-length": length})
    assert server.requests == []
