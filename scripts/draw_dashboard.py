"""Draw the CloudWatch dashboard from a service's own log, without CloudWatch.

The service writes the log with METRICS_EMF=true. The page is what CloudWatch would show of it: the same
widgets, searches and statistics. It is one file that needs nothing else.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eval.report.elements import Html, element
from observability.dashboards import cloudwatch
from observability.emf_samples import Line, Samples

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 48.0, 350.0, 12.0, 165.0
MOST_LINES = 8  # of a graph, whose legend names them
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c6d31",
    "#6e7781",
)  # Okabe and Ito
STYLE = """
body { margin: 1rem; background: #fff; color: #1b1f24; font: 14px/1.4 system-ui, sans-serif; }
h2 { font-size: 1.1rem; margin: 1.2rem 0 .4rem; border-bottom: 1px solid #d0d7de; }
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: .8rem; }
figure { margin: 0; padding: .5rem; border: 1px solid #d0d7de; overflow-wrap: anywhere; }
figcaption { font-weight: 600; min-height: 2.8em; }
svg { width: 100%; height: auto; } svg text { font-size: 10px; fill: #57606a; }
.grid { stroke: #d0d7de; } .line { fill: none; stroke-width: 1.8; }
ul { list-style: none; margin: 0; padding: 0; font-size: 12px; columns: 2; } .none { color: #57606a; }
"""


def page(samples: Samples, *, namespace: str) -> str:
    """The dashboard as HTML."""
    body = [element("h1", "Groundwork"), *_sections(cloudwatch()["widgets"], samples, namespace)]
    head = element("head", element("meta", charset="utf-8"), element("style", Html(STYLE)))
    return f"<!doctype html>\n{element('html', head, element('body', *body), lang='en')}\n"


def _sections(widgets: Iterable[Mapping[str, Any]], samples: Samples, namespace: str) -> Iterator[Html]:
    figures: list[Html] = []
    for widget in widgets:
        properties = widget["properties"]
        if widget["type"] == "metric":
            figures.append(_figure(properties, samples, namespace))
            continue
        if figures:
            yield element("div", *figures, class_="row")
        figures = []
        yield element("h2", properties["markdown"].lstrip("# "))
    yield element("div", *figures, class_="row")


def _figure(properties: Mapping[str, Any], samples: Samples, namespace: str) -> Html:
    lines = [
        line
        for (query,) in properties["metrics"]
        for line in samples.lines(_filled(query["expression"], namespace), _filled(query["label"], namespace))
    ]
    caption = element("figcaption", properties["title"])
    if not lines or samples.span_s is None:
        return element("figure", caption, element("p", "Nothing was recorded.", class_="none"))
    shown = sorted(lines, key=lambda line: -max(line.points.values()))[:MOST_LINES]
    keys = [
        element("li", element("span", "\u25a0 ", style=f"color:{colour}"), line.label)
        for colour, line in zip(COLOURS, shown, strict=False)
    ]
    if more := len(lines) - len(shown):
        keys.append(element("li", f"and {more} more"))
    return element("figure", caption, _graph(shown, samples.span_s), element("ul", *keys))


def _filled(template: str, namespace: str) -> str:
    """What Terraform makes of it."""
    return template.replace("$${", "\0").replace("${namespace}", namespace).replace("\0", "${")


def _graph(lines: Sequence[Line], span_s: tuple[float, float]) -> Html:
    began, ended = span_s
    top = max((max(line.points.values()) for line in lines), default=0.0) or 1.0

    def place(at: float, value: float) -> str:
        x = LEFT + (max(at, began) - began) / max(ended - began, 1) * (RIGHT - LEFT)
        return f"{x:.1f},{BOTTOM - value / top * (BOTTOM - TOP):.1f}"

    marks = [
        element("circle", cx=x, cy=y, r=1.8, fill=colour)
        for colour, line in zip(COLOURS, lines, strict=False)
        for x, y in (place(*point).split(",") for point in line.points.items())
    ]
    paths = [
        element(
            "polyline", points=" ".join(place(*p) for p in line.points.items()), stroke=colour, class_="line"
        )
        for colour, line in zip(COLOURS, lines, strict=False)
    ]
    times = [
        element("text", f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}", x=x, y=BOTTOM + 16, text_anchor=anchor)
        for at, x, anchor in ((began, LEFT, "start"), (ended, RIGHT, "end"))
    ]
    return element("svg", *_axis(top), *paths, *marks, *times, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")


def _axis(top: float) -> Iterator[Html]:
    for share in (0.0, 0.5, 1.0):
        y = BOTTOM - share * (BOTTOM - TOP)
        yield element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid")
        yield element("text", _short(share * top), x=LEFT - 5, y=y + 3, text_anchor="end")


def _short(value: float) -> str:
    return f"{value / 1000:.3g}k" if value >= 10_000 else f"{value:.4g}"  # noqa: PLR2004 - five digits


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Draw the dashboard from a log with embedded metrics.")
    add = parser.add_argument
    add("log", type=Path, metavar="LOG", help="lines that a service with METRICS_EMF=true has written")
    add("--output", type=Path, default=Path("dashboard.html"), metavar="FILE")
    add("--namespace", default="Groundwork", help="as METRICS_NAMESPACE")
    add("--period", type=int, default=60, metavar="SECONDS", help="that one point stands for")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(given)
    try:
        with arguments.log.open(encoding="utf-8") as log:
            samples = Samples(log, period_s=max(arguments.period, 1))
    except OSError as exc:
        print(f"Cannot draw: {arguments.log}: {exc.strerror}", file=sys.stderr)
        return 2
    if samples.span_s is None:
        print(f"Cannot draw: {arguments.log} holds no embedded metrics; is METRICS_EMF on?", file=sys.stderr)
        return 2
    arguments.output.write_text(page(samples, namespace=arguments.namespace), encoding="utf-8")
    print(f"wrote {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
