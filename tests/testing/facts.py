"""What an envelope and a chunk say, but for what the clock and chance say: equal for a call and its replay."""

from __future__ import annotations

from typing import Any

from lazybridge import Envelope, StreamChunk


def facts(envelope: Envelope[Any]) -> dict[str, Any]:
    """All that an envelope says, but for what the clock and chance say."""
    meta = envelope.metadata
    attempts = [{**vars(attempt), "started": 0, "duration_ms": 0, "wait_s": 0} for attempt in meta.attempts]
    said = {**vars(meta), "attempts": attempts, "latency_ms": 0, "run_id": ""}
    error = (
        None if envelope.error is None else (type(envelope.error), str(envelope.error), type(envelope.error.__cause__))
    )
    raw = None if envelope.response is None else repr(envelope.response.raw)
    response = None if envelope.response is None else {**vars(envelope.response), "raw": raw}
    return {"metadata": said, "error": error, "response": response}


def chunk_facts(chunk: StreamChunk) -> dict[str, Any]:
    return {
        **vars(chunk),
        "response": None if chunk.response is None else (chunk.response.content, chunk.response.receipt),
    }
