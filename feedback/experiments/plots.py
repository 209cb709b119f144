"""Plots of an experiment as inline SVG, 360 units wide: as large as on a phone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from eval.metrics import Interval
from eval.report.elements import Html, element, joined, shortened
from feedback.experiments.comparison import Evidence, Look

_WIDTH, _LEFT, _RIGHT = 360, 46.0, 350.0
_TOP, _BOTTOM = 10.0, 150.0
_ROW = 38
_LABEL = 28  # characters
_CLASSES = {Evidence.BETTER: "better", Evidence.WORSE: "worse", Evidence.UNCLEAR: "same"}


@dataclass(frozen=True, slots=True)
class Whisker:
    """A labelled figure with its interval."""

    label: str
    note: str
    interval: Interval
    evidence: Evidence = Evidence.UNCLEAR


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to units of the plot."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Values beyond the ends are drawn at the ends: the first days' intervals can be huge."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / ((self.high - self.low) or 1) * (self.end - self.start)


def over_time(looks: Sequence[Look], *, title: str) -> Html:
    """The difference as a line inside the band of its always-valid interval, day by day."""
    days = [date.fromisoformat(look.day).toordinal() for look in looks]
    across = Scale(days[0], max(days[-1], days[0] + 1), _LEFT, _RIGHT)
    reach = _reach([look.difference for look in looks[len(looks) // 3 :]])
    up = Scale(-reach, reach, _BOTTOM, _TOP)
    last = looks[-1]
    return _svg(
        _BOTTOM + 25,
        title,
        element("path", d=_band(looks, days, across, up), class_="band"),
        element("line", x1=_LEFT, x2=_RIGHT, y1=up(0), y2=up(0), class_="axis"),
        element(
            "path", d=_line([look.difference.value for look in looks], days, across, up), class_="outline"
        ),
        element(
            "circle", cx=across(days[-1]), cy=up(last.difference.value), r=5, class_=_CLASSES[last.evidence]
        ),
        *(_text(_LEFT - 4, up(y) + 4, _number(y), "end") for y in (-reach, 0.0, reach)),
        *_dates(looks),
    )


def whiskers(rows: Sequence[Whisker], *, title: str) -> Html:
    """Figures on one scale that begins and ends where they do."""
    low, high = min(r.interval.low for r in rows), max(r.interval.high for r in rows)
    return _rows(rows, Scale(low, high, 12, _RIGHT), title, (low, high))


def forest(rows: Sequence[Whisker], *, title: str) -> Html:
    """Differences beside 0."""
    reach = _reach([row.interval for row in rows])
    return _rows(rows, Scale(-reach, reach, 12, _RIGHT), title, (-reach, 0.0, reach))


def _rows(rows: Sequence[Whisker], across: Scale, title: str, ticks: Sequence[float]) -> Html:
    height = _ROW * len(rows) + 20
    drawn = [_whisker(row, _ROW * at, across) for at, row in enumerate(rows)]
    zero = element("line", x1=across(0), x2=across(0), y1=0, y2=height - 18, class_="axis")
    anchors = ("start", "end") if len(ticks) == 2 else ("start", "middle", "end")  # noqa: PLR2004
    texts = [
        _text(across(x), height - 4, _number(x), anchor) for x, anchor in zip(ticks, anchors, strict=True)
    ]
    return _svg(height, title, *([zero] if 0.0 in ticks else []), *drawn, *texts)


def _whisker(row: Whisker, y: float, across: Scale) -> Html:
    low, value, high = (across(x) for x in (row.interval.low, row.interval.value, row.interval.high))
    class_ = _CLASSES[row.evidence]
    return joined(
        _text(4, y + 14, shortened(row.label, _LABEL), "start", "label"),
        _text(_RIGHT, y + 14, row.note, "end", "label"),
        element("line", x1=low, x2=high, y1=y + 26, y2=y + 26, class_=f"whisker {class_}"),
        element("circle", cx=value, cy=y + 26, r=5, class_=class_),
    )


def _reach(intervals: Sequence[Interval]) -> float:
    return max(abs(bound) for i in intervals for bound in (i.low, i.high)) * 1.1 or 1.0


def _band(looks: Sequence[Look], days: Sequence[int], across: Scale, up: Scale) -> str:
    above = _line([look.difference.high for look in looks], days, across, up)
    below = _points([look.difference.low for look in looks], days, across, up)
    return f"{above}L{'L'.join(reversed(list(below)))}Z"


def _line(values: Sequence[float], days: Sequence[int], across: Scale, up: Scale) -> str:
    return f"M{'L'.join(_points(values, days, across, up))}"


def _points(values: Sequence[float], days: Sequence[int], across: Scale, up: Scale) -> Iterator[str]:
    return (f"{across(day):.1f} {up(value):.1f}" for day, value in zip(days, values, strict=True))


def _dates(looks: Sequence[Look]) -> Iterator[Html]:
    yield _text(_LEFT, _BOTTOM + 18, looks[0].day, "start")
    if len(looks) > 1:
        yield _text(_RIGHT, _BOTTOM + 18, looks[-1].day, "end")


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _text(x: float, y: float, text: str, anchor: str, class_: str = "tick") -> Html:
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def _svg(height: float, title: str, *children: str) -> Html:
    return element("svg", element("title", title), *children, viewBox=f"0 0 {_WIDTH} {height:g}", role="img")
