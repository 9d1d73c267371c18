"""Answers, receipts, streams and estimates as notebooks show them: one description of each, as HTML and as Markdown.

Everything that a model or a vendor wrote is text here: none of it can become markup of the page.
"""

from __future__ import annotations

import html as _html
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazybridge.core.receipt import plain

if TYPE_CHECKING:
    from lazybridge.agent_stream import AgentStream
    from lazybridge.core.receipt import Line, Receipt
    from lazybridge.core.types import CompletionResponse, UsageStats
    from lazybridge.envelope import Attempt, Envelope
    from lazybridge.estimate import Estimate
    from lazybridge.model_stream import ModelStream


@dataclass(frozen=True)
class Text:
    """What was said; `code` keeps its spaces."""

    text: str
    code: bool = False


@dataclass(frozen=True)
class Facts:
    """One quiet line."""

    facts: Sequence[str]


@dataclass(frozen=True)
class Warned:
    """Something that went wrong, or was done differently."""

    label: str
    text: str


@dataclass(frozen=True)
class Table:
    """Rows under a head; the first column is text, `numbers` of the next are figures. With `title` it can be opened."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    numbers: int = 0


Block = Text | Facts | Warned | Table


def html(value: Any) -> str:
    """A value as a piece of HTML."""
    return f'<div class="lazybridge">{"".join(map(_as_html, _blocks(value)))}</div>'


def markdown(value: Any) -> str:
    """A value as Markdown."""
    return "\n\n".join(map(_as_markdown, _blocks(value)))


# --- what there is to show --------------------------------------------------------------------------------------------


def _blocks(value: Any) -> Iterator[Block]:
    for cls in type(value).__mro__:
        if cls.__name__ in _SHOWN:
            return _SHOWN[cls.__name__](value)
    raise TypeError(f"nothing here shows a {type(value).__name__}")


def _envelope(envelope: Envelope[Any]) -> Iterator[Block]:
    meta, response = envelope.metadata, envelope.response
    error = envelope.error
    if error is not None:
        yield Warned(getattr(error, "kind", type(error).__name__), str(error))
        if error.partial_text:
            yield Text(error.partial_text)
    elif isinstance(envelope._payload, str) or envelope._payload is None:
        yield from _said(response)
    else:
        yield Text(_pretty(envelope._payload), code=True)
    if response is not None:
        yield from _beside(response)
    for adjustment in meta.adjustments:
        yield Warned("adjusted", str(adjustment))
    facts = [_asked(meta.provider, meta.model), _tokens(meta.usage), _cost(meta.receipt)]
    yield Facts([*filter(None, facts), _time(meta.latency_ms), _tries(meta.attempts), *_turns(meta.turns)])
    yield from _receipt(meta.receipt, f"receipt: {_cost(meta.receipt)}")


def _response(response: CompletionResponse) -> Iterator[Block]:
    yield from _said(response)
    yield from _beside(response)
    for adjustment in response.adjustments:
        yield Warned("adjusted", str(adjustment))
    facts = [response.model or "", _tokens(response.usage)]
    if response.receipt is not None:
        facts.append(_cost(response.receipt))
    if response.attempts:
        facts.append(_tries(response.attempts))
    yield Facts([*filter(None, facts), *(["from the cache"] if response.cached else [])])
    if response.receipt is not None:
        yield from _receipt(response.receipt, f"receipt: {_cost(response.receipt)}")


def _said(response: CompletionResponse | None) -> Iterator[Block]:
    if response is not None and response.content:
        yield Text(response.content)


def _beside(response: CompletionResponse) -> Iterator[Block]:
    """What came with the text."""
    for call in response.tool_calls:
        yield Text(f"{call.name}({json.dumps(dict(call.arguments), ensure_ascii=False, default=repr)})", code=True)
    if response.media:
        yield Facts([f"{len(response.media)} media: {', '.join(type(item).__name__ for item in response.media)}"])
    if response.stop_reason not in (None, "end_turn", "tool_use", "stop_sequence"):
        yield Warned("stopped", str(response.stop_reason))
    if response.citations:
        rows = [(str(place), item.title or "", item.url or "") for place, item in enumerate(response.citations, 1)]
        yield Table(("", "title", "source"), rows, f"{len(rows)} citations")


def _agent_stream(stream: AgentStream) -> Iterator[Block]:
    return _envelope(stream.envelope) if stream.envelope is not None else _unread()


def _model_stream(stream: ModelStream) -> Iterator[Block]:
    return _response(stream.response) if stream.response is not None else _unread()


def _unread() -> Iterator[Block]:
    yield Facts(["a stream that was not read to its end: for chunk in stream: ..."])


def _receipt(receipt: Receipt, title: str = "") -> Iterator[Block]:
    rows = [_line(line) for line in receipt.lines]
    total = "unknown" if receipt.total is None else f"${plain(receipt.total)}"
    rows.append(("total", "", "", total, {"exact": "exact", "lower_bound": "or more"}.get(receipt.status, "")))
    yield Table(("unit", "quantity", "rate", "amount", "by"), rows, title, numbers=3)
    for reason in receipt.reasons:
        yield Warned("because", reason)


def _line(line: Line) -> tuple[str, ...]:
    per = {1_000_000: " / 1M", 1_000: " / 1k", 1: ""}.get(line.per, f" / {line.per:,}")
    by = [line.model, "" if line.tier == "standard" else line.tier, line.source, line.as_of]
    return line.unit, f"{line.quantity:,}", f"${plain(line.rate)}{per}", f"${plain(line.amount)}", ", ".join(filter(None, by))  # fmt: skip


def _estimate(estimate: Estimate) -> Iterator[Block]:
    rows = []
    for name, counts in (("input tokens", estimate.input_tokens), ("output tokens", estimate.output_tokens)):
        rows.append((name, *("no bound" if count is None else f"{count:,}" for count in counts)))
    costs = (estimate.low, estimate.expected, estimate.high)
    rows.append(("cost", *("not known" if cost is None else f"${plain(cost)}" for cost in costs)))
    yield Facts([_asked(estimate.provider, estimate.model), "not sent"])
    yield Table(("", "low", "expected", "high"), rows, numbers=3)
    yield Facts([estimate.how])
    for reason in estimate.reasons:
        yield Warned("because", reason)


_SHOWN: dict[str, Callable[[Any], Iterator[Block]]] = {
    "Envelope": _envelope,
    "CompletionResponse": _response,
    "AgentStream": _agent_stream,
    "ModelStream": _model_stream,
    "Receipt": _receipt,
    "Estimate": _estimate,
}


def _asked(provider: str | None, model: str | None) -> str:
    return "/".join(filter(None, (provider, model)))


def _tokens(usage: UsageStats) -> str:
    def count(number: int | None) -> str:
        return "unknown" if number is None else f"{number:,}"

    if usage.input_tokens is None and usage.output_tokens is None:
        return "tokens unknown"
    cached = f" ({usage.cached_input_tokens:,} cached)" if usage.cached_input_tokens else ""
    thought = f" ({usage.thinking_tokens:,} thinking)" if usage.thinking_tokens else ""
    return f"{count(usage.input_tokens)} in{cached} / {count(usage.output_tokens)} out{thought}"


def _cost(receipt: Receipt) -> str:
    if receipt.total is None:
        return "cost unknown"
    return f"{'' if receipt.status == 'exact' else 'at least '}${plain(receipt.total)}"


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _tries(attempts: Sequence[Attempt]) -> str:
    failed = [attempt.error for attempt in attempts if attempt.error]
    count = f"{len(attempts)} attempt{'' if len(attempts) == 1 else 's'}"
    return f"{count} ({', '.join(failed)})" if failed else count


def _turns(turns: int) -> list[str]:
    return [f"{turns} turns"] if turns > 1 else []


def _pretty(payload: Any) -> str:
    if hasattr(payload, "model_dump_json"):
        return str(payload.model_dump_json(indent=2))
    if isinstance(payload, (dict, list)):
        return json.dumps(payload, indent=2, ensure_ascii=False, default=repr)
    return repr(payload)


# --- how it is shown --------------------------------------------------------------------------------------------------

_QUIET = "opacity:.7;font-size:.9em;margin:.3em 0"
_LOUD = "border-left:3px solid #c60;padding-left:.6em;margin:.3em 0"


def _as_html(block: Block) -> str:
    safe = _html.escape
    if isinstance(block, Text):
        tag = "pre" if block.code else "div"
        return f'<{tag} style="white-space:pre-wrap">{safe(block.text)}</{tag}>'
    if isinstance(block, Facts):
        return f'<div style="{_QUIET}">{safe(" · ".join(block.facts))}</div>'
    if isinstance(block, Warned):
        return f'<div style="{_LOUD}"><b>{safe(block.label)}</b> {safe(block.text)}</div>'
    table = _html_table(block)
    return f"<details><summary>{safe(block.title)}</summary>{table}</details>" if block.title else table


def _html_table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        sides = ["right" if 0 < place <= table.numbers else "left" for place in range(len(cells))]
        made = (f'<{tag} style="text-align:{side}">{_html.escape(cell)}</{tag}>' for cell, side in zip(cells, sides, strict=True))  # fmt: skip
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(row(cells, "td") for cells in table.rows)
    return f"<table><thead>{row(table.head, 'th')}</thead><tbody>{body}</tbody></table>"


def _as_markdown(block: Block) -> str:
    if isinstance(block, Text):
        lead = "    " if block.code else ""  # Markdown already, as models write it, or a block of code
        # A picture from elsewhere would tell its server whatever the model put into the URL.
        text = block.text if block.code else block.text.replace("![", "!\\[")
        return "\n".join(f"{lead}{_no_tags(line)}" for line in text.splitlines())
    if isinstance(block, Facts):
        return f"*{_flat(' · '.join(block.facts))}*"
    if isinstance(block, Warned):
        return f"**{_flat(block.label)}** {_flat(block.text)}"
    sides = ["---:" if 0 < place <= block.numbers else "---" for place in range(len(block.head))]
    rows = [block.head, sides, *block.rows]
    lines = [f"| {' | '.join(_flat(cell) for cell in row)} |" for row in rows]
    return "\n".join([*([f"**{_flat(block.title)}**", ""] if block.title else []), *lines])


def _no_tags(text: str) -> str:
    return text.replace("<", "&lt;")


def _flat(text: str) -> str:
    """On one line of Markdown, as the text that it is."""
    flat = " ".join(text.split())
    return _no_tags("".join(f"\\{letter}" if letter in "\\`*_[]|" else letter for letter in flat))
