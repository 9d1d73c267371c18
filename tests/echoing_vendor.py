"""A vendor that tells back what it was sent as a credential: in bodies, headers, events, broken bytes and redirects."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def _body(said: str) -> bytes:
    message = f"Incorrect API key provided: {said} for {said}"
    error = {"message": message, "type": said, "code": said, "param": said, "status": said, "details": [{"reason": said}]}  # fmt: skip
    return json.dumps({"type": "error", "error": error, "message": message, "detail": message}).encode()


Answer = tuple[int, dict[str, str], bytes]
_JSON, _EVENTS = {"content-type": "application/json"}, {"content-type": "text/event-stream"}
# What a vendor does with the credentials that it was sent.
FAULTS: dict[str, Callable[[str], Answer]] = {
    **{
        f"status {status}": lambda said, status=status: (status, _JSON, _body(said))
        for status in (400, 401, 403, 404, 429, 500)
    },
    "detail": lambda said: (422, _JSON, json.dumps({"detail": [{"loc": [said], "msg": said, "type": said}]}).encode()),
    "text": lambda said: (500, {"content-type": "text/html"}, f"<html>{said}</html>".encode()),
    "headers": lambda said: (
        401,
        {
            **_JSON,
            "x-request-id": said,
            "request-id": said,
            "x-echo": said,
            "www-authenticate": f'Key "{said}"',
            "set-cookie": f"a={said}",
            "retry-after": said,
            "x-should-retry": "false",
            "x-amzn-errortype": said,
            "x-amzn-requestid": said,
            "mistral-correlation-id": said,
            "x-fal-request-id": said,
        },
        b"{}",
    ),
    "error in 200": lambda said: (200, _JSON, _body(said)),
    "not JSON": lambda said: (200, _JSON, f'{{"oops": "{said}'.encode()),
    "a text": lambda said: (200, _JSON, json.dumps(said).encode()),
    "a list": lambda said: (200, _JSON, json.dumps([said]).encode()),
    "wrong shape": lambda said: (
        200,
        _JSON,
        json.dumps(
            {
                "id": said,
                "model": 5,
                "choices": said,
                "output": [said],
                "content": [said],
                "candidates": said,
                "usage": said,
                "data": said,
                "models": [said],
            }
        ).encode(),
    ),
    "error event": lambda said: (200, _EVENTS, b"event: error\ndata: " + _body(said) + b"\n\n"),
    "broken event": lambda said: (200, _EVENTS, f'data: {{"oops": "{said}\n\ndata: {said}\n\n'.encode()),
    "wrong event": lambda said: (200, _EVENTS, f'data: ["{said}"]\n\n'.encode()),
    "bad header": lambda said: (-1, {}, f"HTTP/1.1 200 OK\r\nx echo {said}\r\n{said}\r\n\r\n".encode()),
    "bad status line": lambda said: (-1, {}, f"{said}\r\n\r\n".encode()),
    "cut": lambda said: (-1, {}, f"HTTP/1.1 200 OK\r\nx-echo: {said}\r\ncontent-length: 9999\r\n\r\n{{{said}".encode()),
    "moved away": lambda said: (307, {"location": f"http://127.0.0.2:9/{said}?key={said}", "x-echo": said}, b""),
    "moved nowhere": lambda said: (302, {"location": f"gopher://{said}:{said}@x/", "x-echo": said}, b""),
    "not modified": lambda said: (304, {"x-echo": said}, b""),
    "bad encoding": lambda said: (200, {**_JSON, "content-encoding": "gzip", "x-echo": said}, said.encode()),
}
_CREDENTIALS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "x-gateway-secret")


class EchoingVendor:
    """`fault` is what every request gets; `told` are the credentials that arrived; `said` is told back where none did."""

    def __init__(self, said: str = "") -> None:
        self.fault, self.said = "status 401", said
        self.told: list[str] = []
        self.asked = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each body waits 40 ms for the headers to be acknowledged

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                owner.asked += 1
                owner.told += [self.headers[name] for name in _CREDENTIALS if self.headers[name]]
                status, headers, body = FAULTS[owner.fault](owner.said)
                if status < 0:
                    self.wfile.write(body)
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_DELETE = do_GET

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
