import json
import threading
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from observability.emf import EmfWriter
from observability.metrics import MOST_VALUES, Metrics
from observability.registry import (
    ANSWERS,
    BREAKER_STATE,
    FEEDBACK,
    JOBS,
    METRICS,
    QUEUE_AGE,
    STAGE_DURATION,
    Kind,
)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What a Prometheus reads, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }


def written(metrics: Metrics) -> tuple[EmfWriter, list[dict[str, Any]]]:
    """A writer, and what it has written."""
    lines: list[dict[str, Any]] = []
    return EmfWriter(metrics, namespace="Test", write=lambda line: lines.append(json.loads(line))), lines


def test_counters_add_up_and_gauges_do_not() -> None:
    metrics = Metrics()
    metrics.count(ANSWERS, outcome="answered")
    metrics.count(ANSWERS, 2, outcome="answered")
    metrics.set(QUEUE_AGE, 7)
    metrics.set(QUEUE_AGE, 3)
    found = samples(metrics)
    assert found["groundwork_answers_total", (("outcome", "answered"),)] == 1 + 2
    assert found["groundwork_queue_age_seconds", ()] == 3


def test_a_histograms_buckets_are_cumulative() -> None:
    metrics = Metrics()
    for seconds in (0.001, 0.002, 70.0):
        metrics.observe(STAGE_DURATION, seconds, stage="retrieve")
    found = samples(metrics)
    name, stage = "groundwork_stage_duration_seconds", ("stage", "retrieve")
    buckets = {
        bound: found[f"{name}_bucket", (("le", bound), stage)]
        for bound in ("0.001", "0.0025", "60.0", "+Inf")
    }
    assert buckets == {"0.001": 1, "0.0025": 2, "60.0": 2, "+Inf": 3}
    assert found[f"{name}_count", (stage,)] == 3
    assert found[f"{name}_sum", (stage,)] == pytest.approx(70.003)


def test_a_value_that_a_label_does_not_have_is_another() -> None:
    metrics = Metrics()
    metrics.count(ANSWERS, outcome="tenant 7 was here")
    assert list(samples(metrics)) == [("groundwork_answers_total", (("outcome", "other"),))]


def test_labels_without_a_list_stay_bounded() -> None:
    metrics = Metrics()
    for number in range(MOST_VALUES + 50):
        metrics.set(BREAKER_STATE, 1, model=f"model {number}")
        metrics.count(JOBS, kind=f"kind {number}", outcome="failed")
    found = samples(metrics)
    assert len(found) == 2 * (MOST_VALUES + 1)
    assert found["groundwork_jobs_total", (("kind", "other"), ("outcome", "failed"))] == 50


def test_nothing_is_recorded_when_off() -> None:
    metrics = Metrics(enabled=False)
    metrics.count(ANSWERS, outcome="answered")
    metrics.observe(STAGE_DURATION, 1, stage="retrieve")
    metrics.set(QUEUE_AGE, 1)
    assert metrics.series() == []


def test_threads_lose_nothing() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(2000):
            metrics.count(FEEDBACK, rating="up")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert samples(metrics)["groundwork_feedback_total", (("rating", "up"),)] == 4 * 2000


def test_a_line_for_cloudwatch_declares_what_it_holds() -> None:
    metrics = Metrics()
    writer, lines = written(metrics)
    metrics.observe(STAGE_DURATION, 0.004, stage="rerank")
    metrics.observe(STAGE_DURATION, 0.004, stage="rerank")
    metrics.observe(STAGE_DURATION, 99, stage="rerank")
    writer.flush(1700000000000)
    (line,) = lines
    assert line["_aws"] == {
        "Timestamp": 1700000000000,
        "CloudWatchMetrics": [
            {
                "Namespace": "Test",
                "Dimensions": [["stage"], []],
                "Metrics": [{"Name": "stage_duration_ms", "Unit": "Milliseconds"}],
            }
        ],
    }
    assert line["stage"] == "rerank"
    assert line["stage_duration_ms"] == {"Values": [5.0, 60_000.0], "Counts": [2, 1]}


def test_cloudwatch_gets_what_was_added_since_the_line_before() -> None:
    metrics = Metrics()
    writer, lines = written(metrics)
    for amount in (5, 2):
        metrics.count(FEEDBACK, amount, rating="up")
        metrics.observe(STAGE_DURATION, 1, stage="rerank")
        metrics.set(QUEUE_AGE, 9)
        writer.flush(0)
    writer.flush(0)
    assert [line["feedback"] for line in lines if "feedback" in line] == [5, 2]
    counts = [line["stage_duration_ms"]["Counts"] for line in lines if "stage_duration_ms" in line]
    assert counts == [[1], [1]]
    assert [line["queue_age_s"] for line in lines if "queue_age_s" in line] == [9, 9, 9]


def test_metrics_of_the_same_labels_share_a_line() -> None:
    metrics = Metrics()
    writer, lines = written(metrics)
    for metric in METRICS:
        labels = {label.name: (label.values or ("x",))[0] for label in metric.labels}
        (metrics.observe if metric.kind is Kind.HISTOGRAM else metrics.set)(metric, 1.0, **labels)
    writer.flush(0)
    assert len(lines) == len(
        {tuple((label.name, *label.values) for label in metric.labels) for metric in METRICS}
    )


def test_names_follow_prometheus_and_are_each_ones_own() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names) == len({metric.cloudwatch_name for metric in METRICS})
    assert {metric.name.endswith("_total") for metric in METRICS if metric.kind is Kind.COUNTER} == {True}
    assert not any(metric.name.endswith("_total") for metric in METRICS if metric.kind is not Kind.COUNTER)
    assert all(bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM) for metric in METRICS)
    forbidden = {
        "tenant",
        "tenant_id",
        "user",
        "user_id",
        "run",
        "run_id",
        "request_id",
        "document_id",
        "query",
    }
    assert not forbidden & {label.name for metric in METRICS for label in metric.labels}
