"""The page that `lazybridge costs --html` writes: one file, no script, nothing from the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from html import escape
from math import ceil, floor, log10

from lazybridge.cli.spent import Report, Spent, calls, label, short

_MOST_DAYS = 92  # beyond it, a column is a month
_MOST_BARS = 12
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 960, 240, 64, 16, 26, 10


@dataclass(frozen=True)
class Column:
    """A column of a chart: its parts from the bottom up, and what is shown when one points at it."""

    name: str
    parts: tuple[float, ...]
    hint: str


@dataclass(frozen=True)
class Bar:
    """A line of a chart with lines: how long it is, from 0 to 1, and what it says at its end."""

    name: str
    part: float
    value: str
    note: str = ""


def page(report: Report, path: str) -> str:
    """The whole page; `report` has the groups of every key."""
    total = report.total
    periods = _periods(report.sorted("day"))
    caveat = total.caveat()
    sections = [
        _tiles(total),
        f'<p class="caveat">{escape(caveat[0].upper() + caveat[1:])}.</p>' if caveat else "",
        _section(f"Cost by {_period(periods)}", _columns(_cost_columns(periods), ("a",), _axis_dollars)),
        '<div class="two">',
        *(_section(f"Cost by {key}", _bars(_cost_bars(report.sorted(key)))) for key in ("model", "provider", "agent")),
        _section("Failures", _bars(_failure_bars(report), "bad") if total.failed else "<p>None.</p>"),
        "</div>",
        _section(f"Tokens by {_period(periods)}", _LEGEND + _columns(_token_columns(periods), "abc", _axis_tokens)),
    ]
    days = [name for name, _ in report.sorted("day")]
    span = f"{days[0]} to {days[-1]}, UTC" if days else "no calls"
    return _PAGE.format(style=_STYLE, span=escape(span), path=escape(label(path)), body="\n".join(sections))


def _periods(days: Sequence[tuple[str | None, Spent]]) -> list[tuple[str, Spent]]:
    """Every day from the first to the last, or every month; also those without a call."""
    found = {date.fromisoformat(name): spent for name, spent in days if name is not None}
    if not found:
        return []
    first, last = min(found), max(found)
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    if len(every) <= _MOST_DAYS:
        return [(day.isoformat(), found.get(day, Spent())) for day in every]
    months: dict[str, Spent] = {f"{day:%Y-%m}": Spent() for day in every}
    for day, spent in found.items():
        months[f"{day:%Y-%m}"].merge(spent)
    return list(months.items())


def _period(periods: Sequence[tuple[str, Spent]]) -> str:
    return "month" if periods and len(periods[0][0]) == 7 else "day"


def _tiles(total: Spent) -> str:
    read, cached, wrote = total.tokens.values()
    tiles = (
        ("cost", total.money()),
        ("calls", f"{total.calls:,}"),
        ("failed", f"{total.failed:,}"),
        ("input tokens", str(read)),
        ("of these cached", str(cached)),
        ("output tokens", str(wrote)),
    )
    shown = (f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles)
    return f'<dl class="tiles">{"".join(shown)}</dl>'


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _cost_columns(periods: Sequence[tuple[str, Spent]]) -> list[Column]:
    return [
        Column(name, (float(spent.usd),), f"{name}: {spent.money()}, {calls(spent.calls)}") for name, spent in periods
    ]


def _token_columns(periods: Sequence[tuple[str, Spent]]) -> list[Column]:
    found = []
    for name, spent in periods:
        read, cached, wrote = spent.tokens.values()
        parts = (cached.known or 0, max((read.known or 0) - (cached.known or 0), 0), wrote.known or 0)
        found.append(Column(name, parts, f"{name}: {read} in ({cached} cached), {wrote} out"))
    return found


def _cost_bars(groups: Sequence[tuple[str | None, Spent]]) -> list[Bar]:
    most = max((spent.usd for _, spent in groups), default=Decimal(0))
    shown, rest = groups[:_MOST_BARS], groups[_MOST_BARS:]
    if rest:
        others = Spent()
        for _, spent in rest:
            others.merge(spent)
        shown = [*shown, (f"{len(rest)} more", others)]
        most = max(most, others.usd)
    return [
        Bar(label(name), float(spent.usd / most) if most else 0.0, spent.money("≥ "), calls(spent.calls))
        for name, spent in shown
    ]


def _failure_bars(report: Report) -> list[Bar]:
    failures = sorted(
        ((name, spent.failed) for name, spent in report.groups["status"].items() if spent.failed),
        key=lambda item: -item[1],
    )
    return [
        Bar(label(name), count / failures[0][1], f"{count:,}", f"{count / report.total.calls:.1%} of calls")
        for name, count in failures
    ]


def _bars(bars: Iterable[Bar], kind: str = "") -> str:
    shown = (
        f'<li><span class="name">{escape(bar.name)}</span><span class="value">{escape(bar.value)}</span>'
        f'<span class="track"><span style="width:{bar.part:.2%}"></span></span>'
        f'<span class="note">{escape(bar.note)}</span></li>'
        for bar in bars
    )
    return f'<ul class="bars {kind}">{"".join(shown)}</ul>'


def _columns(columns: Sequence[Column], classes: Sequence[str], axis: Callable[[float], str]) -> str:
    """An SVG of columns over a scale from 0."""
    highest = max((sum(column.parts) for column in columns), default=0.0)
    if not highest:
        return "<p>Nothing to show.</p>"
    step = _step(highest)
    top = ceil(highest / step - 1e-9) * step
    room, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - _TOP
    svg = []
    for number in range(round(top / step) + 1):
        y = _TOP + height * (1 - number * step / top)
        svg.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        svg.append(f'<text class="scale" x="{_LEFT - 8}" y="{y + 4:.1f}">{escape(axis(number * step))}</text>')
    each = room / len(columns)
    wide = min(each * 0.8, 48)
    every = ceil(len(columns) / 10)
    for place, column in enumerate(columns):
        x, y = _LEFT + each * (place + 0.5), _TOP + float(height)
        parts = []
        for name, part in zip(classes, column.parts, strict=True):
            tall = height * part / top
            y -= tall
            parts.append(
                f'<rect class="{name}" x="{x - wide / 2:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}"/>'
            )
        whole = f'<rect class="all" x="{x - each / 2:.1f}" y="{_TOP}" width="{each:.1f}" height="{height}"/>'
        svg.append(f"<g><title>{escape(column.hint)}</title>{whole}{''.join(parts)}</g>")
        if place % every == 0:
            svg.append(
                f'<text x="{x:.1f}" y="{_HEIGHT - 6}">{escape(column.name[5:] if len(column.name) > 7 else column.name)}</text>'
            )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(svg)}</svg>'


def _step(highest: float) -> float:
    """A round step that divides the scale into two to five."""
    power = 10.0 ** floor(log10(highest))
    return next(power * factor for factor in (0.2, 0.5, 1, 2) if highest <= power * factor * 5)


def _axis_dollars(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= 0.1 else f"${Decimal(f'{usd:.2g}'):f}"


def _axis_tokens(count: float) -> str:
    return short(round(count))


_LEGEND = (
    '<p class="legend"><span class="a"></span>cached input <span class="b"></span>other input '
    '<span class="c"></span>output</p>'
)
_STYLE = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --ink: #1c2430; --soft: #5d6878; --line: #e3e7ec;
  --a: #2f6fde; --b: #9cc0f7; --c: #e2893b; --bad: #c9483c; --track: #edf0f4; }
@media (prefers-color-scheme: dark) { :root { --back: #12161c; --card: #1a2029; --ink: #e8ecf2; --soft: #97a3b4;
  --line: #2b3440; --a: #6da2ff; --b: #35588f; --c: #f0a35e; --bad: #ef7a6d; --track: #262e39; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 32px 20px 48px; background: var(--back); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { margin: 0; font-size: 26px; } h2 { margin: 0 0 12px; font-size: 16px; }
header p, .caveat, .note, .legend { color: var(--soft); } header p { margin: 4px 0 20px; overflow-wrap: anywhere; }
section, .tiles > div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px; }
section { margin-bottom: 16px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin: 0 0 16px; }
dt { color: var(--soft); font-size: 13px; } dd { margin: 2px 0 0; font-size: 21px; font-weight: 600; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 0 16px; }
.bars { list-style: none; margin: 0; padding: 0; }
.bars li { display: grid; grid-template-columns: 1fr 8em; gap: 2px 12px; margin-bottom: 10px; }
.name { overflow-wrap: anywhere; } .value, svg { font-variant-numeric: tabular-nums; } .value { font-weight: 600; }
.track { align-self: center; height: 8px; border-radius: 4px; background: var(--track); overflow: hidden; }
.track span { display: block; height: 100%; border-radius: 4px; background: var(--a); }
.value, .note { text-align: right; } .note { font-size: 13px; } .bad .track span { background: var(--bad); } .legend { margin: 0 0 8px; font-size: 13px; }
.legend span { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin: 0 5px 0 10px; }
.legend .a { background: var(--a); margin-left: 0; } .legend .b { background: var(--b); } .legend .c { background: var(--c); }
svg { display: block; width: 100%; height: auto; } line { stroke: var(--line); }
text { fill: var(--soft); font-size: 12px; text-anchor: middle; } .scale { text-anchor: end; }
rect.a { fill: var(--a); } rect.b { fill: var(--b); } rect.c { fill: var(--c); } .all { fill: transparent; }
g:hover .all { fill: var(--track); }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>lazybridge costs</title>
<style>{style}</style>
</head>
<body>
<header><h1>What was spent</h1><p>{span} · {path}</p></header>
{body}
</body>
</html>
"""
