"""What notebooks show, read back with Python's own HTML parser; the figures are those of a real SDK's calls."""

from __future__ import annotations

import asyncio
import pickle
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from pydantic import BaseModel

from lazybridge import Agent, CompletionResponse, Model, ToolCall, UsageStats
from lazybridge.core.content import Citation
from lazybridge.core.errors import ServerError
from lazybridge.core.receipt import Line, Receipt, receipt_of, unknown
from lazybridge.core.types import Adjustment
from lazybridge.testing import ScriptedProvider, Stream
from tests.conftest import KINDS, Kind
from tests.fake_vendor import TEXT, FakeVendor, Fault
from tests.test_import import modules_after

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)> & "quoted" \'too\' </div></td>'


class Page(HTMLParser):
    """Tags, texts and table rows of a piece of HTML; fails where a tag is not closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def page(value: Any) -> Page:
    found = Page(value._repr_html_())
    assert found.tags <= {"div", "pre", "b", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"}
    assert found.attributes <= {"class", "style"}
    return found


def check_sum(rows: list[list[str]]) -> Decimal:
    """The amounts of the lines are quantity times rate, and add up to the total."""
    *lines, total = rows[1:]
    for _, quantity, rate, amount, _ in lines:
        price, _, per = rate.partition(" / ")
        share = {"1M": 1_000_000, "1k": 1000, "": 1}[per]
        assert Decimal(quantity.replace(",", "")) * Decimal(price[1:]) / share == Decimal(amount[1:])
    assert total[0] == "total"
    assert sum(Decimal(line[3][1:]) for line in lines) == Decimal(total[3][1:])
    return Decimal(total[3][1:])


def test_an_answer_with_its_figures(kind: Kind, vendor: FakeVendor) -> None:
    vendor.fail(Fault(status=500, headers={"retry-after": "0"}))
    with kind.agent(vendor.url) as agent:
        envelope = agent("hi")
    shown = page(envelope)
    assert TEXT in shown.text
    meta = envelope.metadata
    for fact in (
        f"{kind.provider}/{meta.model}",
        f"{meta.input_tokens} in",
        f"{meta.output_tokens} out",
        "2 attempts (server)",
    ):
        assert fact in shown.text
    if meta.receipt.lines:
        assert check_sum(shown.rows) == meta.receipt.total
        assert f"${meta.receipt.total}".rstrip("0") in shown.text
    said = envelope._repr_markdown_()
    assert TEXT in said
    assert "| total |" in said


def test_a_receipt_adds_up_and_says_how_sure_it_is() -> None:
    lines = [
        Line("input tokens", 1_200_000, Decimal("2.5"), 1_000_000, Decimal(3), "m", "batch", "book", "2026-11-22"),
        Line("searches", 2, Decimal(10), 1000, Decimal("0.02"), "m"),
    ]
    exact = page(receipt_of(lines))
    assert check_sum(exact.rows) == Decimal("3.02")
    assert exact.rows[1] == ["input tokens", "1,200,000", "$2.5 / 1M", "$3", "m, batch, book, 2026-11-22"]
    assert exact.rows[-1] == ["total", "", "", "$3.02", "exact"]
    least = page(receipt_of(lines, ("the call broke off",)))
    assert least.rows[-1][4] == "or more"
    assert "the call broke off" in least.text
    nothing = page(unknown("no price is known"))
    assert nothing.rows[-1] == ["total", "", "", "unknown", ""]
    assert "no price is known" in nothing.text
    assert (
        "| input tokens | 1,200,000 | $2.5 / 1M | $3 | m, batch, book, 2026-11-22 |"
        in receipt_of(lines)._repr_markdown_()
    )


def test_nothing_that_anybody_wrote_becomes_markup() -> None:
    response = CompletionResponse(
        EVIL,
        model=EVIL,
        tool_calls=[ToolCall("1", EVIL, {EVIL: EVIL})],
        stop_reason="max_tokens",
        citations=(Citation(url=EVIL, title=EVIL),),
        adjustments=(Adjustment(EVIL, EVIL),),
        receipt=Receipt(Decimal(1), "lower_bound", (Line(EVIL, 1, Decimal(1), 1, Decimal(1), EVIL, EVIL, EVIL, EVIL),), (EVIL,)),
        usage=UsageStats(1, 2),
    )  # fmt: skip
    failure = ServerError(EVIL, model=EVIL, retryable=False)
    agent = Agent(ScriptedProvider([response, failure]))
    answered, failed = agent(EVIL), agent(EVIL)
    for value in (answered, failed, response, response.receipt):
        shown = page(value)
        assert EVIL in shown.text
        said = value._repr_markdown_()  # type: ignore[union-attr]
        assert "<" not in said
        assert "&lt;script>" in said
    assert "adjusted" in page(answered).text
    assert "stopped max_tokens" in page(answered).text
    assert page(failed).text.startswith("server")


def test_a_failure_shows_what_had_come() -> None:
    agent = Agent(ScriptedProvider([Stream(["half an ", "answer"], error=ServerError("broken", retryable=False))]))
    stream = agent.stream("x")
    assert "not read to its end" in page(stream).text
    with pytest.raises(ServerError):
        list(stream)
    assert "broken" in page(stream).text
    assert "half an answer" in page(stream).text


class City(BaseModel):
    name: str


def test_a_payload_is_shown_as_what_it_is() -> None:
    envelope = Agent(ScriptedProvider([{"name": "Rome | <b>"}]), output=City)("x")
    assert '{\n  "name": "Rome | <b>"\n}' in page(envelope).text
    assert '    {\n      "name": "Rome | &lt;b>"\n    }' in envelope._repr_markdown_()


def test_streams_show_their_answers(vendor: FakeVendor) -> None:
    kind = KINDS["messages"]
    with kind.agent(vendor.url) as agent:
        stream = agent.stream("hi")
        list(stream)
    assert TEXT in page(stream).text
    assert "1 attempt" in stream._repr_markdown_()

    async def ask() -> Any:
        async with Model.anthropic(model=kind.model, api_key="k", base_url=vendor.url) as model:
            answer = model.stream("hi")
            before = page(answer).text
            await answer
            return before, answer

    before, answer = asyncio.run(ask())
    assert "not read to its end" in before
    assert TEXT in page(answer).text
    assert check_sum(page(answer).rows) == answer.response.receipt.total
    assert TEXT in page(answer.response).text


def test_an_estimate_is_a_table(vendor: FakeVendor) -> None:
    with KINDS["messages"].agent(vendor.url) as agent:
        estimate = agent.estimate("hi", max_tokens=100)
    shown = page(estimate)
    assert shown.rows[0] == ["", "low", "expected", "high"]
    assert [row[0] for row in shown.rows[1:]] == ["input tokens", "output tokens", "cost"]
    assert shown.rows[-1][1].startswith("$")
    assert "not sent" in shown.text


def test_keys_are_not_shown(kind: Kind, vendor: FakeVendor) -> None:
    key = "test-key-0123456789"
    vendor.fail(Fault(status=401, body={"error": {"message": f"bad key {key}"}, "message": f"bad key {key}"}))
    with kind.agent(vendor.url) as agent:
        envelope = agent("hi")
    assert not envelope.ok
    assert "authentication" in page(envelope).text
    assert key not in envelope._repr_html_() + envelope._repr_markdown_()


def test_it_is_loaded_when_something_is_shown() -> None:
    code = "from lazybridge import Agent, Envelope, Receipt\nfrom lazybridge.core.receipt import FREE\n"
    assert "lazybridge.notebook" not in modules_after(code)
    assert "lazybridge.notebook" in modules_after(code + "FREE._repr_html_()")


def test_receipts_still_pickle() -> None:
    receipt = receipt_of([Line("input tokens", 1, Decimal(1), 1, Decimal(1))])
    assert pickle.loads(pickle.dumps(receipt)) == receipt


def test_an_answer_loads_no_picture_from_elsewhere() -> None:
    envelope = Agent(ScriptedProvider(["Look: ![all you said](https://example.org/?q=secret) ![too][1]"]))("x")
    assert "![" not in envelope._repr_markdown_()
    assert "<img" not in envelope._repr_html_()
