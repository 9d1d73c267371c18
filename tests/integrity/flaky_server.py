"""A loopback vendor that has too much to do: it answers late, and three of ten requests not at all.

`python -m tests.integrity.flaky_server SEED` prints its port, and at the end of its input what it was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
from typing import Any

from tests.fake_vendor import PIECES, _chat, _gemini, _groq, _messages, _mistral, _responses, error_body

FAILS = 0.3
_WIRES = {
    "/responses": _responses,
    "/openai/": _groq,
    "/mistral/": _mistral,
    "/v1/messages": _messages,
    "/v1beta/": _gemini,
}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is not sent yet is thrown away, and the peer gets an RST


class Flaky:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.found: dict[str, int] = dict.fromkeys(("answered", "429", "500", "503", "reset", "connections", "open", "most_open"), 0)  # fmt: skip

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.found["connections"] += 1
        self.found["open"] += 1
        self.found["most_open"] = max(self.found["most_open"], self.found["open"])
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.found["open"] -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ", 2)[1]
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = json.loads(await reader.readexactly(int(fields["content-length"])))
        await asyncio.sleep(self.random.uniform(0.0, 0.1))
        if self.random.random() < FAILS:
            what = self.random.choice(("429", "500", "503", "reset"))
            self.found[what] += 1
            if what == "reset":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()
                return False
            later = {"429": "retry-after: 0.2\r\n", "500": "retry-after-ms: 50\r\n", "503": "retry-after-ms: 100\r\n"}[
                what
            ]
            await self._send(writer, int(what), error_body(path, int(what)), later)
        else:
            self.found["answered"] += 1
            wire = next((wire for part, wire in _WIRES.items() if part in path), _chat)
            if ":" in path:
                body["model"] = path.rpartition("/")[2].partition(":")[0]
            await self._send(writer, 200, wire(body, PIECES, None)[-1], "")
        return True

    async def _send(self, writer: asyncio.StreamWriter, status: int, body: Any, more: str) -> None:
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n{more}\r\n"
        writer.write(head.encode() + data)
        await writer.drain()


async def main(seed: int) -> None:
    flaky = Flaky(seed)
    server = await asyncio.start_server(flaky.serve, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):  # each line asks what happened so far
        assert line
        print(json.dumps(flaky.found), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
