"""Plots as inline SVG, 360 units wide: as large as on a phone, so that their letters can be read there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics import Interval
from eval.report.elements import Html, element, joined
from eval.statistics import Scores

WIDTH = 360
_LEFT, _RIGHT = 36.0, 350.0
_ROW = 38  # height of a labelled bar or interval
BINS = 10


@dataclass(frozen=True, slots=True)
class Bar:
    """A labelled mean between 0 and 1, with its interval, and the baseline's mean if there is one."""

    label: str
    note: str
    mean: Interval
    baseline: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A labelled change with its interval."""

    label: str
    note: str
    interval: Interval


def histogram(candidate: Scores, baseline: Scores | None, *, title: str) -> Html:
    """Shares of the cases in ten bins from 0 to 1: the candidate's as bars, the baseline's as an outline."""
    shares = [_shares(scores) for scores in (candidate, baseline) if scores is not None]
    top = max(0.1, *(float(share.max()) for share in shares))
    bars = [_bin(at, share, top) for at, share in enumerate(shares[0])]
    outline = [element("path", d=_steps(shares[1], top), class_="outline")] if len(shares) > 1 else []
    bottom = element("line", x1=_LEFT, x2=_RIGHT, y1=120, y2=120, class_="axis")
    ticks = [_text(_across(x), 135, f"{x:g}", "middle") for x in (0, 0.25, 0.5, 0.75, 1)]
    heights = [_text(_LEFT - 4, _up(y, top) + 4, f"{y:.0%}", "end") for y in (0, top)]
    return _svg(140, title, *bars, *outline, bottom, *ticks, *heights)


def bars(rows: Sequence[Bar], *, title: str, floor: float | None = None) -> Html:
    """A row for each: its label above a bar, the interval as a whisker, the baseline as a tick."""
    height = _ROW * len(rows) + 20
    drawn = [_bar(row, _ROW * at) for at, row in enumerate(rows)]
    labels = [_labels(row.label, row.note, _ROW * at) for at, row in enumerate(rows)]
    marks = [_vertical(0, height - 20), *([_vertical(floor, height - 20, "floor")] if floor else [])]
    ticks = [_text(_scaled(x, 0, 1), height - 4, f"{x:g}", "middle") for x in (0, 0.5, 1)]
    return _svg(height, title, *drawn, *marks, *labels, *ticks)


def forest(rows: Sequence[Difference], *, title: str, margin: float) -> Html:
    """Differences with their intervals beside zero and the margin: left is worse."""
    reach = max(margin * 1.2, *(abs(b) for row in rows for b in (row.interval.low, row.interval.high)))
    height = _ROW * len(rows) + 20
    drawn = [_difference(row, _ROW * at, reach) for at, row in enumerate(rows)]
    zero, edge = _scaled(0, -reach, reach), _scaled(-margin, -reach, reach)
    lines = [
        element("line", x1=zero, x2=zero, y1=0, y2=height - 18, class_="axis"),
        element("line", x1=edge, x2=edge, y1=0, y2=height - 18, class_="floor"),
    ]
    ticks = [
        _text(edge, height - 4, f"−{margin:g}", "middle"),
        _text(zero, height - 4, "0", "middle"),
        _text(_RIGHT, height - 4, f"+{reach:.2g}", "end"),
    ]
    return _svg(height, title, *lines, *drawn, *ticks)


def _svg(height: float, title: str, *children: str) -> Html:
    return element(
        "svg",
        element("title", title),
        *children,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
    )


def _text(x: float, y: float, text: str, anchor: str, class_: str = "tick") -> Html:
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def _shares(scores: Scores) -> Scores:
    counts, _ = np.histogram(scores, bins=BINS, range=(0.0, 1.0))
    shares: Scores = counts / max(1, scores.size)
    return shares


def _across(x: float) -> float:
    return _LEFT + x * (_RIGHT - _LEFT)


def _up(share: float, top: float) -> float:
    return 120 - 105 * share / top


def _bin(at: int, share: float, top: float) -> Html:
    left, y = _across(at / BINS) + 1, _up(share, top)
    return element(
        "rect", x=left, y=y, width=_across(1 / BINS) - _LEFT - 2, height=120 - y, class_="candidate"
    )


def _steps(shares: Scores, top: float) -> str:
    points = [f"M{_LEFT:g} 120"]
    for at, share in enumerate(shares):
        points.append(f"V{_up(float(share), top):.1f}H{_across((at + 1) / BINS):.1f}")
    return "".join([*points, "V120"])


def _scaled(x: float, low: float, high: float) -> float:
    return 4 + (x - low) / (high - low) * (_RIGHT - 4)


def _labels(label: str, note: str, y: float) -> Html:
    return joined(_text(4, y + 14, label, "start", "label"), _text(_RIGHT, y + 14, note, "end", "label"))


def _vertical(x: float, bottom: float, class_: str = "axis") -> Html:
    at = _scaled(x, 0, 1)
    return element("line", x1=at, x2=at, y1=0, y2=bottom, class_=class_)


def _bar(row: Bar, y: float) -> Html:
    at = [_scaled(x, 0, 1) for x in (row.mean.low, row.mean.high)]
    shapes = [
        element(
            "rect", x=4, y=y + 20, width=_scaled(row.mean.value, 0, 1) - 4, height=12, class_="candidate"
        ),
        element("line", x1=at[0], x2=at[1], y1=y + 26, y2=y + 26, class_="whisker"),
    ]
    if row.baseline is not None:
        x = _scaled(row.baseline, 0, 1)
        shapes.append(element("line", x1=x, x2=x, y1=y + 17, y2=y + 35, class_="outline"))
    return joined(*shapes)


def _difference(row: Difference, y: float, reach: float) -> Html:
    low, value, high = (
        _scaled(x, -reach, reach) for x in (row.interval.low, row.interval.value, row.interval.high)
    )
    class_ = "worse" if row.interval.high < 0 else "better" if row.interval.low > 0 else "same"
    return joined(
        _labels(row.label, row.note, y),
        element("line", x1=low, x2=high, y1=y + 26, y2=y + 26, class_=f"whisker {class_}"),
        element("circle", cx=value, cy=y + 26, r=5, class_=class_),
    )
