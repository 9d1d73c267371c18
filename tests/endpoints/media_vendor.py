"""A vendor on loopback that keeps the bytes it was sent, and answers with what it is told to."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple


class Sent(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class MediaVendor:
    """Answers everything with `answer`: JSON, or bytes; `statuses` come first."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answer: Any = {}
        self.statuses: list[int] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                owner.sent.append(Sent(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                status = owner.statuses.pop(0) if owner.statuses else 200
                answer = owner.answer if status == 200 else {"error": {"message": "no", "type": "server_error"}}
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                kind = "application/octet-stream" if isinstance(answer, bytes) else "application/json"
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
