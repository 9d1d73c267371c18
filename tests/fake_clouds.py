"""A loopback server that speaks as Amazon Bedrock and Vertex AI do, over `FakeVendor`; and AWS's two formats.

`signature` is Signature Version 4 as AWS describes it
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html); the tests hold it to AWS's
published cases. `frame` is a message of `application/vnd.amazon.eventstream`; the tests hold it to botocore's decoder.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from tests.fake_vendor import FakeVendor, _Handler

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_INVOKE = re.compile(r"/model/(?P<model>[^/]+)/invoke(?P<stream>-with-response-stream)?$")
_PREDICT = re.compile(r"/publishers/anthropic/models/(?P<model>[^/]+):(?:rawPredict|(?P<stream>streamRawPredict))$")


def signature(
    method: str,
    path: str,
    query: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    scope: str,
    at: str,
    secret: str,
) -> str:
    """The signature of a request: `headers` are the signed ones, `scope` is `date/region/service/aws4_request`."""
    named = sorted((name.lower(), " ".join(value.split())) for name, value in headers)
    canonical = "\n".join(
        (
            method,
            quote(path, safe="/-_.~"),
            "&".join(sorted(query.split("&"))),
            *(f"{name}:{value}" for name, value in named),
            "",
            ";".join(name for name, _ in named),
            hashlib.sha256(body).hexdigest(),
        )
    )
    text = "\n".join(("AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message of an event stream; every header is a text (type 7)."""
    head = b"".join(
        bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in ((name.encode(), value.encode()) for name, value in headers.items())
    )
    prelude = struct.pack(">II", len(head) + len(payload) + 16, len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def chunk_frame(event: str) -> bytes:
    """An event as InvokeModelWithResponseStream sends it."""
    payload = json.dumps({"bytes": base64.b64encode(event.encode()).decode(), "p": "abcdefgh"}).encode()
    return frame({":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}, payload)


def exception_frame(name: str, message: str) -> bytes:
    """An exception in the middle of a stream."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": message}).encode())


@dataclass
class Received:
    """A request as it came off the wire."""

    path: str
    headers: dict[str, str]
    body: bytes

    def signed_by(self) -> dict[str, str]:
        """The parts of the Authorization header: Credential, SignedHeaders, Signature."""
        algorithm, _, rest = self.headers["authorization"].partition(" ")
        assert algorithm == "AWS4-HMAC-SHA256"
        return dict(part.split("=", 1) for part in rest.split(", "))

    def expected_signature(self, secret: str) -> str:
        """What the signature of exactly this request must be."""
        said = self.signed_by()
        names = said["SignedHeaders"].split(";")
        assert {"host", "x-amz-date"} <= set(names)
        path, _, query = self.path.partition("?")
        headers = [(name, self.headers[name]) for name in names]
        scope = said["Credential"].partition("/")[2]
        return signature("POST", path, query, headers, self.body, scope, self.headers["x-amz-date"], secret)


class CloudVendor(FakeVendor):
    """FakeVendor under the clouds' URLs, where the model is in the path; `received` is what arrived, byte for byte."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[Received] = []
        owner = self

        class Handler(_CloudHandler):
            vendor = owner

        self._server.RequestHandlerClass = Handler


class _CloudHandler(_Handler):
    vendor: CloudVendor

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.vendor.received.append(Received(self.path, headers, raw))
        wire, self.rfile = self.rfile, io.BytesIO(raw)
        invoked, found = _INVOKE.search(self.path), _INVOKE.search(self.path) or _PREDICT.search(self.path)
        answer, streaming = self.wfile, bool(found and found["stream"])
        if found:
            body = {**json.loads(raw), "model": unquote(found["model"]), "stream": streaming}
            self.rfile = io.BytesIO(json.dumps(body).encode())
            self.headers.replace_header("content-length", str(len(self.rfile.getvalue())))
            self.path = "/v1/messages"
        if invoked and streaming:
            self.wfile = _Reframed(answer)  # type: ignore[assignment]
        try:
            super().do_POST()
        finally:
            self.rfile, self.wfile = wire, answer

    def end_headers(self) -> None:
        self.send_header("x-amzn-requestid", "req_1")
        super().end_headers()


class _Reframed:
    """Server-sent events, written as frames."""

    def __init__(self, under: Any) -> None:
        self._under = under

    def write(self, data: bytes) -> None:
        _, mark, event = data.partition(b"data: ")
        if mark:
            framed = chunk_frame(event.decode().strip())
            data = b"%x\r\n%s\r\n" % (len(framed), framed)
        self._under.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._under, name)
