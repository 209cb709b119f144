"""Dashboards of the registry's metrics, for CloudWatch and for Grafana over Prometheus.

A row for each part of the service, a graph for each metric, and those ratios that people ask for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from observability.registry import ANSWERS, FEEDBACK, METRICS, Kind, Metric, Panel, Unit

WIDTH, HEIGHT, COLUMNS = 8, 6, 24  # CloudWatch's grid, which Grafana's has too
PERIOD_S = 60
PERCENTILES = (50, 95, 99)
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
GRAFANA_UNITS = {Unit.SECONDS: "s"}


@dataclass(frozen=True, slots=True)
class Ratio:
    """A counter's share of one value of a label."""

    title: str
    metric: Metric
    label: str
    value: str


RATIOS = (
    Ratio("Share of abstentions", ANSWERS, "outcome", "abstained"),
    Ratio("Share of good ratings", FEEDBACK, "rating", "up"),
)


def cloudwatch() -> dict[str, Any]:
    """The body of a CloudWatch dashboard, with `${region}` and `${namespace}` to be filled in."""
    widgets: list[dict[str, Any]] = []
    for x, y, width, height, drawn in _laid_out():
        place = {"x": x, "y": y, "width": width, "height": height}
        if isinstance(drawn, Panel):
            widgets.append({"type": "text", **place, "properties": {"markdown": f"## {drawn}"}})
        else:
            properties = {
                "title": _title(drawn),
                "region": "${region}",
                "view": "timeSeries",
                "stacked": False,
                "period": PERIOD_S,
                "metrics": [[query] for query in _cloudwatch_queries(drawn)],
            }
            widgets.append({"type": "metric", **place, "properties": properties})
    return {"widgets": widgets}


def grafana() -> dict[str, Any]:
    """A Grafana dashboard, to be imported; it asks which Prometheus to use."""
    panels = []
    for number, (x, y, width, height, drawn) in enumerate(_laid_out(), start=1):
        place = {"id": number, "gridPos": {"x": x, "y": y, "w": width, "h": height}}
        panels.append(place | (_grafana_row(drawn) if isinstance(drawn, Panel) else _grafana_graph(drawn)))
    choice = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "title": "Groundwork",
        "uid": "groundwork",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [choice]},
        "panels": panels,
    }


def table() -> str:
    """The registry as a table in Markdown."""
    lines = ["| Metric | In CloudWatch | Kind | Labels | |", "|---|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{name}`" for name in metric.label_names)
        names = f"`{metric.full_name}` | `{metric.cloudwatch_name}`"
        lines.append(f"| {names} | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines)


def _laid_out() -> Iterator[tuple[int, int, int, int, Panel | Metric | Ratio]]:
    """Everything that is drawn, with where it stands: x, y, width, height."""
    y = 0
    for panel in Panel:
        yield 0, y, COLUMNS, 1, panel
        y, x = y + 1, 0
        drawn: list[Metric | Ratio] = [metric for metric in METRICS if metric.panel is panel]
        drawn += [ratio for ratio in RATIOS if ratio.metric.panel is panel]
        for each in drawn:
            if x == COLUMNS:
                x, y = 0, y + HEIGHT
            yield x, y, WIDTH, HEIGHT, each
            x += WIDTH
        y += HEIGHT


def _title(drawn: Metric | Ratio) -> str:
    return drawn.title if isinstance(drawn, Ratio) else drawn.help.removesuffix(".")


def _cloudwatch_queries(drawn: Metric | Ratio) -> Iterator[Mapping[str, Any]]:
    if isinstance(drawn, Ratio):
        one = _search(drawn.metric, "Sum", f'"{drawn.label}"="{drawn.value}"')
        whole = _search(drawn.metric, "Sum")
        yield {"expression": f"SUM({one})/SUM({whole})", "label": drawn.value}
    elif drawn.is_share:
        yield {"expression": _search(drawn, "Average"), "label": _legend(drawn, "share")}
    elif drawn.kind is Kind.HISTOGRAM:
        for percentile in PERCENTILES:
            label = f"p{percentile}"
            yield {"expression": _search(drawn, label), "label": _legend(drawn, label)}
    else:
        statistic = "Sum" if drawn.kind is Kind.COUNTER else "Maximum"
        yield {"expression": _search(drawn, statistic), "label": _legend(drawn, drawn.cloudwatch_name)}


def _legend(metric: Metric, name: str) -> str:
    return " ".join([name, *(f"${{PROP('Dim.{label}')}}" for label in metric.label_names)]).replace(
        "${", "$${"
    )


def _search(metric: Metric, statistic: str, condition: str = "") -> str:
    schema = ",".join(["${namespace}", *metric.label_names])
    what = " ".join(filter(None, [f"{{{schema}}}", f'MetricName="{metric.cloudwatch_name}"', condition]))
    return f"SEARCH('{what}', '{statistic}', {PERIOD_S})"


def _grafana_row(panel: Panel) -> dict[str, Any]:
    return {"type": "row", "title": panel.value, "collapsed": False, "panels": []}


def _grafana_graph(drawn: Metric | Ratio) -> dict[str, Any]:
    unit = "percentunit" if isinstance(drawn, Ratio) else GRAFANA_UNITS.get(drawn.unit, "short")
    targets = [
        {
            "refId": chr(ord("A") + number),
            "datasource": PROMETHEUS,
            "expr": expression,
            "legendFormat": legend,
        }
        for number, (expression, legend) in enumerate(_prometheus_queries(drawn))
    ]
    return {
        "type": "timeseries",
        "title": _title(drawn),
        "datasource": PROMETHEUS,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _prometheus_queries(drawn: Metric | Ratio) -> Iterator[tuple[str, str]]:
    """Expressions, each with the legend of its lines."""
    if isinstance(drawn, Ratio):
        name = drawn.metric.full_name
        one = f'sum(increase({name}{{{drawn.label}="{drawn.value}"}}[1h]))'
        yield f"{one} / sum(increase({name}[1h]))", drawn.value
        return
    labels = ", ".join(drawn.label_names)
    legend = " ".join(f"{{{{{label}}}}}" for label in drawn.label_names)
    if drawn.is_share:
        yield (
            f"sum(increase({drawn.full_name}_sum[1h])) / sum(increase({drawn.full_name}_count[1h]))",
            legend or "share",
        )
    elif drawn.kind is Kind.HISTOGRAM:
        of = ", ".join(filter(None, ["le", labels]))
        for percentile in PERCENTILES:
            rate = f"sum by ({of}) (rate({drawn.full_name}_bucket[5m]))"
            yield f"histogram_quantile({percentile / 100}, {rate})", f"p{percentile} {legend}".strip()
    elif drawn.kind is Kind.COUNTER:
        yield f"sum by ({labels}) (rate({drawn.full_name}[5m]))", legend or drawn.name
    else:
        yield f"max by ({labels}) ({drawn.full_name})", legend or drawn.name
