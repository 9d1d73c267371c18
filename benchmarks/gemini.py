"""What a Gemini call costs this process in CPU: google-genai's typed methods, and lazybridge's provider on the same SDK.

`python benchmarks/gemini.py`: about a minute; no network, no key. The server is a child process with canned answers.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHUNKS = 500
TOOL = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
USAGE = {"promptTokenCount": 20, "candidatesTokenCount": 5, "totalTokenCount": 25}
MODEL = "gemini-3.8-flash"


def answer(text: str, **fields: Any) -> bytes:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **fields}
    return json.dumps(
        {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": MODEL, "responseId": "r"}
    ).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        events = [answer("word ")] * (CHUNKS - 1) + [answer("end.", finishReason="STOP")]
        streamed = b"".join(b"data: " + event + b"\r\n\r\n" for event in events)
        body = streamed if "alt=sse" in self.path else events[-1]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if "alt=sse" in self.path else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def serve(pipe: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pipe.send(server.server_address[1])
    server.serve_forever()


def cpu(work: Callable[[], Any], times: int, rounds: int = 7) -> float:
    """Microseconds of CPU for one run: the median over rounds."""
    work()
    found = []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - started) / times * 1e6)
    return statistics.median(found)


def subjects(url: str, turns: int, tools: int) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Name -> a call, and a stream, of the same request."""
    from google import genai
    from google.genai import types

    from lazybridge.core.providers.google import GoogleProvider
    from lazybridge.core.types import CompletionRequest, Message, ToolDefinition

    said = [f"Message number {number} of a conversation." for number in range(turns)]
    roles = ["user" if number % 2 == 0 else "model" for number in range(turns)]
    contents: Any = [{"role": role, "parts": [{"text": text}]} for role, text in zip(roles, said, strict=True)]
    functions: Any = [
        {"name": f"tool_{n}", "description": "A tool.", "parameters_json_schema": TOOL} for n in range(tools)
    ]
    config = types.GenerateContentConfig(
        max_output_tokens=64,
        tools=[types.Tool(function_declarations=functions)] if functions else None,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
    )
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url, api_version="v1beta"))
    provider = GoogleProvider(api_key="k", base_url=url)
    request = CompletionRequest(
        tuple(Message.user(t) if r == "user" else Message.assistant(t) for r, t in zip(roles, said, strict=True)),
        model=MODEL,
        max_tokens=64,
        tools=tuple(ToolDefinition(f"tool_{n}", "A tool.", TOOL) for n in range(tools)),
    )
    return {
        "SDK typed": (
            lambda: client.models.generate_content(model=MODEL, contents=contents, config=config),
            lambda: list(client.models.generate_content_stream(model=MODEL, contents=contents, config=config)),
        ),
        "lazybridge": (lambda: provider.complete(request), lambda: list(provider.stream(request))),
    }


def main() -> None:
    warnings.simplefilter("ignore")
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    child.start()
    url = f"http://127.0.0.1:{ours.recv()}"
    try:
        print(f"{'µs of CPU':34}{'SDK typed':>12}{'lazybridge':>12}")
        for turns, tools in ((1, 0), (99, 20)):
            found = {name: cpu(call, 30) for name, (call, _) in subjects(url, turns, tools).items()}
            print(f"{f'a call, {turns} messages, {tools} tools':34}" + "".join(f"{v:12,.0f}" for v in found.values()))
        found = {name: cpu(stream, 2) / CHUNKS for name, (_, stream) in subjects(url, 1, 0).items()}
        print(f"{f'a chunk of a stream of {CHUNKS}':34}" + "".join(f"{v:12,.1f}" for v in found.values()))
    finally:
        child.terminate()


if __name__ == "__main__":
    sys.exit(main())
