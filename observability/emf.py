"""Metrics as log lines that CloudWatch reads ("Embedded metric format specification"): no call of its API.

A line holds what was recorded since the one before: a counter's growth, a gauge's value, and of a histogram
how many values fell into each bucket, by its upper bound. CloudWatch keeps each metric by its labels, and
once without them, which is what alarms look at.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from observability.metrics import Histogram, Labels, Metrics, Series
from observability.registry import Kind, Metric

MOST_METRICS = 100  # of one document


class EmfWriter:
    """Writes what has changed.

    Args:
        metrics: What is written.
        namespace: CloudWatch's.
        write: Takes a line without its end.
    """

    def __init__(self, metrics: Metrics, *, namespace: str, write: Callable[[str], object]) -> None:
        self._metrics = metrics
        self._namespace = namespace
        self._write = write
        self._written: dict[tuple[Metric, Labels], float | Histogram] = {}

    def flush(self, now_ms: int) -> None:
        """Write a line for each set of dimensions under which something was recorded."""
        documents: dict[tuple[tuple[str, str], ...], dict[str, tuple[Metric, Any]]] = defaultdict(dict)
        for each in self._metrics.series():
            change = self._change(each)
            if change is not None:
                dimensions = tuple(zip(each.metric.label_names, each.labels, strict=True))
                documents[dimensions][each.metric.name] = each.metric, change
        for dimensions, values in documents.items():
            for part in _parts(list(values.values())):
                self._write(json.dumps(self._document(dict(dimensions), part, now_ms)))

    def _change(self, series: Series) -> float | Mapping[str, Any] | None:
        """What is to be written; None for nothing."""
        key = series.metric, series.labels
        before, self._written[key] = self._written.get(key), series.value
        if isinstance(series.value, Histogram):
            known = before.counts if isinstance(before, Histogram) else [0] * len(series.value.counts)
            return _values(
                series.metric, [now - old for now, old in zip(series.value.counts, known, strict=True)]
            )
        if series.metric.kind is Kind.GAUGE:
            return series.value
        grown = series.value - (before if isinstance(before, float) else 0.0)
        return grown or None

    def _document(
        self, dimensions: Mapping[str, str], values: Iterable[tuple[Metric, Any]], now_ms: int
    ) -> dict[str, Any]:
        values = list(values)
        declared = {
            "Namespace": self._namespace,
            "Dimensions": [list(dimensions), []] if dimensions else [[]],
            "Metrics": [
                {"Name": metric.cloudwatch_name, "Unit": metric.cloudwatch_unit.value} for metric, _ in values
            ],
        }
        return {
            "_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [declared]},
            **dimensions,
            **{metric.cloudwatch_name: value for metric, value in values},
        }


def _values(metric: Metric, counts: list[int]) -> Mapping[str, Any] | None:
    """CloudWatch's form of a histogram: values, and how often each was there."""
    bounds = (*metric.cloudwatch_buckets, metric.cloudwatch_buckets[-1])
    found = [(bound, count) for bound, count in zip(bounds, counts, strict=True) if count]
    if not found:
        return None
    return {"Values": [bound for bound, _ in found], "Counts": [count for _, count in found]}


def _parts(values: list[tuple[Metric, Any]]) -> Iterable[list[tuple[Metric, Any]]]:
    return (values[start : start + MOST_METRICS] for start in range(0, len(values), MOST_METRICS))
