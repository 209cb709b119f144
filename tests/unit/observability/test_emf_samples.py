import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from observability.dashboards import cloudwatch
from observability.emf import EmfWriter
from observability.emf_samples import Samples
from observability.metrics import Metrics
from observability.registry import ANSWERS, METRICS, STAGE_DURATION, Kind
from scripts import draw_dashboard

NAMESPACE = "Groundwork"


def recorded(metrics: Metrics, *, times: int = 1) -> list[str]:
    lines: list[str] = []
    writer = EmfWriter(metrics, namespace=NAMESPACE, write=lines.append)
    for minute in range(times):
        writer.flush(now_ms=minute * 60_000)
    return lines


def everything() -> list[str]:
    """A value of each metric under each of its labels."""
    metrics = Metrics()
    for metric in METRICS:
        labels = {label.name: label.values[0] if label.values else "any" for label in metric.labels}
        if metric.kind is Kind.COUNTER:
            metrics.count(metric, 2, **labels)
        elif metric.kind is Kind.GAUGE:
            metrics.set(metric, 2, **labels)
        else:
            metrics.observe(metric, metric.buckets[0], **labels)
    return recorded(metrics)


def queries() -> Iterator[dict[str, str]]:
    for widget in cloudwatch()["widgets"]:
        for (query,) in widget["properties"].get("metrics", []):
            yield {name: text.replace("${namespace}", NAMESPACE) for name, text in query.items()}


def test_every_search_of_the_dashboard_finds_what_a_service_writes() -> None:
    samples = Samples(everything(), period_s=60)
    for query in queries():
        assert samples.lines(query["expression"], query["label"]), query


def test_a_ratio_is_of_the_period() -> None:
    metrics = Metrics()
    metrics.count(ANSWERS, 3, outcome="answered")
    metrics.count(ANSWERS, 1, outcome="abstained")
    (query,) = (q for q in queries() if q["label"] == "abstained")
    (line,) = Samples(recorded(metrics), period_s=60).lines(query["expression"], query["label"])
    assert line.points == {0: 0.25}
    assert Samples([], period_s=60).lines(query["expression"], query["label"]) == []


def test_a_percentile_counts_values_as_often_as_they_were_there() -> None:
    metrics = Metrics()
    for seconds in (0.001, 0.001, 0.001, 4.0):
        metrics.observe(STAGE_DURATION, seconds, stage="rerank")
    of_stage = f"SEARCH('{{{NAMESPACE},stage}} MetricName=\"stage_duration_ms\"', 'p%s', 60)"
    samples = Samples(recorded(metrics), period_s=60)
    (half,), (most,) = (samples.lines(of_stage % p, "${PROP('Dim.stage')}") for p in (50, 99))
    assert half.label == "rerank"
    assert half.points[0] < 10
    assert most.points[0] >= 4000


def test_another_search_is_refused() -> None:
    with pytest.raises(ValueError, match="not a search"):
        Samples([], period_s=60).lines("METRICS()", "any")


def test_a_log_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, output = tmp_path / "service.log", tmp_path / "page.html"
    log.write_text("\n".join(["Started.", *everything(), json.dumps({"event": "request_ended"})]))
    assert draw_dashboard.main([str(log), "--output", str(output)]) == 0
    page = output.read_text()
    assert page.count("<svg") == sum(widget["type"] == "metric" for widget in cloudwatch()["widgets"])
    assert "Nothing was recorded" not in page
    log.write_text("Started.\n")
    assert draw_dashboard.main([str(log), "--output", str(tmp_path / "other.html")]) == 2
    assert "METRICS_EMF" in capsys.readouterr().err
    assert not (tmp_path / "other.html").exists()
