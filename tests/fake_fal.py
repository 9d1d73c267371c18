"""A loopback fal for the pages of docs/: an answer, a job that has ended, a stream, in the shapes of recorded exchanges."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

FILES = "https://v3.fal.media/files"
MADE = {
    "images": [{"url": f"{FILES}/lighthouse.jpeg", "width": 1024, "height": 768, "content_type": "image/jpeg"}],
    "video": {"url": f"{FILES}/lighthouse.mp4", "content_type": "video/mp4"},
    "audio": {"url": f"{FILES}/lighthouse.mp3", "content_type": "audio/mpeg"},
    "model_mesh": {"url": f"{FILES}/lighthouse.glb"},
    "text": "A lighthouse.",
    "timings": {"inference": 1.5},
    "seed": 7,
}

ENDED = {"status": "COMPLETED", "logs": [], "metrics": {"inference_time": 2.1}}
FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(32)


class FakeFal:
    """`made` is what applications answer, `status` where a job stands, `bodies` what was posted."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = MADE
        self.status: dict[str, Any] = ENDED
        self.bodies: list[Any] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.fal = self  # type: ignore[attr-defined]
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def run_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/run"

    @property
    def queue_url(self) -> str:
        return self.run_url.replace("/run", "/queue")

    @property
    def api_url(self) -> str:
        return self.run_url.replace("/run", "/api")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        fal: FakeFal = self.server.fal  # type: ignore[attr-defined]
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.command == "POST":
            fal.bodies.append(json.loads(sent))
        path = self.path.partition("?")[0]
        if path.endswith("/pricing"):
            application = parse_qs(urlsplit(self.path).query)["endpoint_id"][0]
            price = {"endpoint_id": application, "unit_price": 0.025, "unit": "megapixels", "currency": "USD"}
            return self._send(200, json.dumps({"prices": [price], "next_cursor": None, "has_more": False}))
        if self.command == "GET" and path.startswith("/run/"):
            return self._send(200, FILM, "video/mp4")
        if path.endswith("/stream"):
            return self._send(200, f"data: {json.dumps(fal.made)}\n\n" * 2, "text/event-stream")
        if path.endswith("/cancel"):
            return self._send(400, json.dumps({"status": "ALREADY_COMPLETED"}))
        if path.endswith("/status"):
            return self._send(200, json.dumps(fal.status))
        if path.startswith("/run/") or "/requests/" in path:
            return self._send(200, json.dumps(fal.made))
        url = f"https://queue.fal.run{path.removeprefix('/queue')}/requests/764cabcf"
        self._send(
            200,
            json.dumps(
                {
                    "status": "IN_QUEUE",
                    "request_id": "764cabcf",
                    "response_url": url,
                    "status_url": f"{url}/status",
                    "cancel_url": f"{url}/cancel",
                    "queue_position": 0,
                }
            ),
        )

    do_GET = do_POST = do_PUT = _answer

    def _send(self, status: int, body: str | bytes, kind: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.send_header("x-fal-billable-units", "1")
        self.end_headers()
        self.wfile.write(data)
