"""The JSON object that `--json` prints."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import click

from lazybridge.core.receipt import Receipt, plain
from lazybridge.envelope import Attempt, Envelope, EnvelopeMetadata

SCHEMA_VERSION = 1


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False))


def record(envelope: Envelope[Any] | None, error: BaseException | None, *, with_payload: bool) -> dict[str, Any]:
    """A call as plain JSON, with the same keys for an answer and for a failure; unknown is null."""
    meta = envelope.metadata if envelope is not None else EnvelopeMetadata()
    answered = envelope is not None and envelope.ok and error is None
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": answered,
        "text": envelope.text() if envelope is not None and answered else getattr(error, "partial_text", ""),
        "payload": envelope.payload if envelope is not None and answered and with_payload else None,
        "model": meta.model,
        "provider": meta.provider,
        "stop_reason": meta.stop_reason,
        "usage": {
            "input_tokens": meta.input_tokens,
            "cached_input_tokens": meta.cached_input_tokens,
            "output_tokens": meta.output_tokens,
            "thinking_tokens": meta.thinking_tokens,
        },
        "cost_usd": meta.cost_usd,
        "latency_ms": round(meta.latency_ms, 1),
        "receipt": None if envelope is None else receipt_record(meta.receipt),
        "attempts": [_attempt(attempt) for attempt in meta.attempts],
        "adjustments": [asdict(adjustment) for adjustment in meta.adjustments],
        "request_id": meta.request_id or getattr(error, "request_id", None),
        "error": None if error is None else _error(error),
    }


def receipt_record(receipt: Receipt) -> dict[str, Any]:
    """A receipt as plain JSON; amounts in USD are text, so that no digit is lost."""
    lines = [
        {name: plain(value) if isinstance(value, Decimal) else value for name, value in line._asdict().items()}
        for line in receipt.lines
    ]
    total = None if receipt.total is None else plain(receipt.total)
    return {"status": receipt.status, "total_usd": total, "lines": lines, "reasons": list(receipt.reasons)}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    usage = None if attempt.usage is None else asdict(attempt.usage)
    if usage is not None and usage["reported_cost_usd"] is not None:
        usage["reported_cost_usd"] = plain(usage["reported_cost_usd"])
    given = {name: value for name, value in vars(attempt).items() if name not in ("receipt", "usage")}
    return {**given, "usage": usage, "cost_usd": attempt.cost_usd, "cost_status": attempt.receipt.status}


def _error(error: BaseException) -> dict[str, str]:
    if isinstance(error, KeyboardInterrupt):
        return {"kind": "stopped", "message": "stopped by Ctrl-C"}
    return {"kind": getattr(error, "kind", type(error).__name__), "message": str(error)}
