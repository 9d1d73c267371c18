"""A server on loopback that answers what a test says, and keeps what it was sent."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


@dataclass
class Sent:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def form(self) -> list[tuple[str, str | None, str | None, bytes]]:
        """The parts of a form: name, file name, media type, bytes."""
        head = b"content-type: " + self.headers["content-type"].encode() + b"\r\n\r\n"
        found = []
        for part in BytesParser(policy=HTTP).parsebytes(head + self.body).iter_parts():  # type: ignore[attr-defined]
            name = part.get_param("name", header="content-disposition")
            media_type = part.get_content_type() if "content-type" in part else None
            found.append((name, part.get_filename(), media_type, part.get_payload(decode=True)))
        return sorted(found, key=lambda item: item[0])


class Dripping:
    """Answers everything with pieces, 0.1 s apart, of a body that only the end of its connection ends."""

    def __init__(self, piece: bytes, media_type: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(200)
                self.send_header("content-type", media_type)
                self.end_headers()
                with suppress(OSError):
                    for _ in range(30):
                        self.wfile.write(piece)
                        time.sleep(0.1)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]


class Vendor:
    """`answers[method, path]` is what a request gets: a status and a body, or a function that makes them; `faults` come
    first, a status each, or None for a connection that is cut before the answer."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answers: dict[tuple[str, str], Any] = {}
        self.faults: deque[int | None] = deque()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def _go(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                sent = Sent(self.command, self.path, headers, body)
                owner.sent.append(sent)
                status, answer, *more = owner.answer(sent)
                if status is None:
                    self.close_connection = True
                    return
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                for name, value in {"content-type": "application/json", **(more[0] if more else {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _go

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, sent: Sent) -> Any:
        if self.faults:
            status = self.faults.popleft()
            if status != 200:
                return status, {"error": {"message": "injected", "type": "server_error"}}
        path = sent.path.partition("?")[0]
        found = self.answers.get((sent.method, path))
        if found is None:
            return 404, {"error": {"message": f"no {path} here", "type": "not_found_error"}}
        return found(sent) if isinstance(found, Callable) else found  # type: ignore[arg-type]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
